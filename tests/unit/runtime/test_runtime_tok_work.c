/* What the tokenizer does with hostile text and hostile tables: bounded work, every index checked; and that characters are what they were. */
#define _GNU_SOURCE
#include "tok_fix.h"

#define CLASSES_SUM 0x13a976e29a2bf3d2ull
#define FINER_SUM   0x3ca8c22722312a52ull

/* ---- work ---------------------------------------------------------------------------------------------------------------- */

static const char *const UNITS[] = { "a", " ", "\n", "ab", "a ", "\xcc\x81", "e\xcc\x81", "1", "'", "'s",
	"\t \n", "\xe2\x96\x81", "\xff", "aab", "1٢", "12 ", "x.", ". ", "\n1", "abba", "   ", "<|", "<|a|>",
	"漢", "😀", "A", "Aé", "éA", "aB", "A'll", "\x01", "~", "\x01a", "x\n/", "漢1か", "\xc2\xa0", "ア・",
	"a a a.", "\xef\xb7\xba", "ｶﾞ" };

/* Three pushes a byte; and so many looks: each of the six expressions of a pre-tokenizer looks at a character up to three times, a trie is
 * walked no further than the longest token from each character, of which normalisation may make eleven bytes of one. */
static void work_check(const struct fix *f, const u8 *text, size_t len, bool trusted)
{
	struct tok_work w = { 0 };
	struct tok_ids ids = { 0 };
	u64 looks = fix_normalises(f) ? 11ull * (f->t->text_len_max + 1) : 18;
	tok_looks = 0;
	assert_int_equal(tok_encode_with(f->t, &w, text, len, trusted, true, &ids), 0);
	assert_true(w.heap.pushes <= 3 * len + 64);
	assert_true(tok_looks <= looks * len + 64);
	tok_ids_fini(&ids);
	tok_work_fini(&w);
}

/* A long run of anything. */
static void bounded_work(void **state)
{
	size_t len = 1u << 14;
	u8 *text = malloc(len + 16);
	assert_non_null(text);
	for (size_t k = 0; k < ARRAY_LEN(FIXES); k++) {
		struct fix f;
		fix_open(&f, FIXES[k].name);
		for (size_t u = 0; u < ARRAY_LEN(UNITS); u++) {
			size_t n = strlen(UNITS[u]), at = 0;
			for (; at < len; at += n)
				memcpy(text + at, UNITS[u], n);
			work_check(&f, text, at, u % 2);
		}
		fix_close(&f);
	}
	free(text);
}

/* ---- a table of normalisation that a stranger wrote ----------------------------------------------------------------------- */

#define UNITS_N 512u

/* A vocabulary of unigram: <unk>, "a", "b", and that table. */
struct own {
	struct layout_header h;
	struct layout_token vocab[3];
	char strings[8192];
	struct layout l;
	struct tok *t;
};

static void own_init(struct own *o)
{
	memset(o, 0, sizeof *o);
	memcpy(o->strings, "<unk>ab", 7);
	o->vocab[0] = (struct layout_token){ { 0, 5 }, 0, TOK_UNKNOWN };
	o->vocab[1] = (struct layout_token){ { 5, 1 }, -1, TOK_NORMAL };
	o->vocab[2] = (struct layout_token){ { 6, 1 }, -1, TOK_NORMAL };
	o->h = (struct layout_header){ .n_vocab = 3,
		.tok_model = LAYOUT_TOK_UNIGRAM,
		.bos = LAYOUT_NONE,
		.eos = LAYOUT_NONE,
		.eot = LAYOUT_NONE };
	o->h.charsmap = (struct layout_str){ 8, 0 };
	o->l = (struct layout){ .h = &o->h, .vocab = o->vocab, .strings = o->strings };
}

static void u32_put(struct own *o, u32 at, u32 v)
{
	memcpy(o->strings + 8 + at, &v, 4);
}

/* A double array in which "x" n times leads to the value at byte 0 of the values: the root has its children at base 0x80, node i at 0x100 + 2 i,
 * and the last one its value at 0x40. */
static void chain_put(struct own *o, u32 n, const char *value, u32 value_len)
{
	u32 bytes = UNITS_N * 4;
	for (u32 i = 0; i < UNITS_N; i++)
		u32_put(o, 4 + 4 * i, 0x80000000u); /* leads nowhere */
	u32_put(o, 0, bytes);
	u32 base = 0x80;
	u32_put(o, 4, base << 10);
	for (u32 i = 0; i < n; i++) {
		bool last = i + 1 == n;
		u32 at = base ^ 'x', next = last ? 0x40 : 0x100 + 2 * i;
		u32_put(o, 4 + 4 * at, (at ^ next) << 10 | (last ? 0x100u : 0) | 'x');
		if (last)
			u32_put(o, 4 + 4 * next, 0x80000000u); /* the value 0 */
		base = next;
	}
	memcpy(o->strings + 8 + 4 + bytes, value, value_len);
	o->h.charsmap.len = 4 + bytes + value_len;
}

static int own_create(struct own *o, const char **ret_why)
{
	o->t = tok_destroy(o->t);
	return tok_create(&o->l, &o->t, ret_why);
}

static void own_encode(const struct own *o, const char *text, struct tok_ids *ids)
{
	ids->n = 0;
	assert_int_equal(tok_encode(o->t, text, strlen(text), false, true, ids), 0);
}

static void charsmap_limits(void **state)
{
	static struct own o;
	struct tok_ids ids = { 0 };
	const char *why;
	char xs[CHARSMAP_KEY_BYTES_MAX + 2] = { 0 }, value[CHARSMAP_VALUE_BYTES_MAX + 2];
	own_init(&o);
	memset(xs, 'x', CHARSMAP_KEY_BYTES_MAX);
	chain_put(&o, CHARSMAP_KEY_BYTES_MAX, "ab", 3);
	assert_int_equal(own_create(&o, &why), 0);
	own_encode(&o, xs, &ids);
	assert_int_equal(ids.n, 2); /* as many bytes as may be replaced at once: "ab" */
	assert_int_equal(ids.id[0], 1);
	xs[CHARSMAP_KEY_BYTES_MAX] = 'x';
	chain_put(&o, CHARSMAP_KEY_BYTES_MAX + 1, "ab", 3);
	assert_int_equal(own_create(&o, &why), 0);
	own_encode(&o, xs, &ids);
	assert_int_equal(ids.n, 1); /* one more: they stay, and are unknown */
	assert_int_equal(ids.id[0], 0);
	memset(value, 'a', sizeof value);
	value[CHARSMAP_VALUE_BYTES_MAX] = 0;
	chain_put(&o, 1, value, CHARSMAP_VALUE_BYTES_MAX + 1);
	assert_int_equal(own_create(&o, &why), 0);
	own_encode(&o, "x", &ids);
	assert_int_equal(ids.n, CHARSMAP_VALUE_BYTES_MAX);
	value[CHARSMAP_VALUE_BYTES_MAX] = 'a';
	value[CHARSMAP_VALUE_BYTES_MAX + 1] = 0;
	chain_put(&o, 1, value, CHARSMAP_VALUE_BYTES_MAX + 2);
	assert_int_equal(own_create(&o, &why), 1);
	assert_non_null(strstr(why, "CHARSMAP_VALUE_BYTES_MAX"));
	tok_ids_fini(&ids);
	tok_destroy(o.t);
}

/* What lies in it about itself: refused, or without effect. */
static void charsmap_lies(void **state)
{
	static struct own o;
	struct tok_ids ids = { 0 };
	const char *why;
	own_init(&o);
	chain_put(&o, 1, "ab", 2); /* the text does not end */
	assert_int_equal(own_create(&o, &why), 1);
	assert_non_null(strstr(why, "do not end"));
	chain_put(&o, 1, "ab", 3);
	u32 len = o.h.charsmap.len;
	for (u32 n = 1; n < 16; n++) { /* shorter than it says */
		o.h.charsmap.len = n;
		assert_int_equal(own_create(&o, &why), 1);
	}
	o.h.charsmap.len = len;
	const u32 sizes[] = { 0, 3, 5, UNITS_N * 4 + 4, 0xfffffffc, 0xffffffff };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		u32_put(&o, 0, sizes[i]);
		assert_int_equal(own_create(&o, &why), 1);
	}
	u32_put(&o, 0, UNITS_N * 4);
	for (u32 i = 0; i < UNITS_N;
		i++) { /* every unit another one, also those that lead far beyond the end */
		static const u32 lies[] = { 0, 0xffffffff, 0x7fffffff, 0x7ffffe78, 0x7fffff78, 0x178, 0x278,
			'x' };
		for (size_t k = 0; k < ARRAY_LEN(lies); k++) {
			chain_put(&o, 1, "ab", 3);
			u32_put(&o, 4 + 4 * i, lies[k]);
			assert_int_equal(own_create(&o, &why), 0);
			own_encode(&o, "xxaxb", &ids);
			assert_in_range(ids.n, 1, 16);
		}
	}
	tok_ids_fini(&ids);
	tok_destroy(o.t);
}

/* ---- what stands for text that is no token --------------------------------------------------------------------------------- */

/* Where the file names an end as its unknown token, no text becomes that. */
static void unknown_is_no_end(void **state)
{
	static const char *const names[] = { "bpe-starcoder", "bpe-gemma4" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct fix f;
		struct tok_ids ids = { 0 };
		fix_open(&f, names[i]);
		u32 q = f.t->byte_id['Q'];
		f.v.h.unk = f.v.h.eos;
		f.v.vocab[q].text = f.v.vocab[f.v.h.eos].text; /* no token of Q any more */
		f.v.vocab[q].type = TOK_CONTROL;
		fix_again(&f);
		assert_int_equal(tok_encode(f.t,
					 "aQ\xff"
					 "a",
					 4, false, true, &ids),
			0);
		for (size_t k = 0; k < ids.n; k++)
			assert_true(f.t->type[ids.id[k]] != TOK_CONTROL);
		assert_true(ids.n >= 2);
		tok_ids_fini(&ids);
		fix_close(&f);
	}
	static struct own o;
	const char *why;
	own_init(&o);
	const u32 kinds[] = { LAYOUT_TOK_SPM, LAYOUT_TOK_UNIGRAM, LAYOUT_TOK_WORDPIECE };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		o.h.tok_model = kinds[i];
		o.h.eos = 0;
		assert_int_equal(own_create(&o, &why), 1);
		assert_non_null(strstr(why, "begins or ends"));
		o.h.eos = LAYOUT_NONE;
		o.h.bos = 0;
		assert_int_equal(own_create(&o, &why), 1);
		o.h.bos = LAYOUT_NONE;
		o.h.unk = LAYOUT_NONE;
		assert_int_equal(own_create(&o, &why), 1);
		assert_non_null(strstr(why, "no unknown token"));
		o.h.unk = 0;
		assert_int_equal(own_create(&o, &why), 0);
	}
	tok_destroy(o.t);
}

/* BERT knows no word of more than 100 characters. */
static void long_words(void **state)
{
	struct fix f;
	struct tok_ids ids = { 0 };
	char text[102];
	fix_open(&f, "wpm-uncased");
	memset(text, 'a', sizeof text);
	assert_int_equal(tok_encode(f.t, text, 100, false, true, &ids), 0);
	assert_true(ids.n > 1);
	ids.n = 0;
	assert_int_equal(tok_encode(f.t, text, 101, false, true, &ids), 0);
	assert_int_equal(ids.n, 1);
	assert_int_equal(ids.id[0], f.v.h.unk);
	tok_ids_fini(&ids);
	fix_close(&f);
}

/* Phi-3: the white space behind special tokens is theirs, across pieces too, but not behind those three. */
static void space_behind_specials(void **state)
{
	static const struct {
		const char *before, *text, *same; /* as this without the flag */
	} cases[] = {
		{ "", "<|im_start|> \n\tab", "<|im_start|>ab" },
		{ "", "<|im_start|> \t <|im_end|>\v\f\r\nq", "<|im_start|><|im_end|>q" },
		{ "<|im_start|>", " \t ab", "ab" },
		{ "<s>", "  ab", "  ab" },
		{ "", "a  <s>  b", "a  <s>  b" },
		{ "", "a <|im_end|>\xc2\xa0q", "a <|im_end|>\xc2\xa0q" },
	};
	struct fix f;
	fix_open(&f, "spm-words");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tok_ids got = { 0 }, want = { 0 };
		const char *before = cases[i].before;
		f.v.h.tok_flags |= LAYOUT_SPACE_EATEN;
		assert_int_equal(tok_encode(f.t, before, strlen(before), true, true, &got), 0);
		assert_int_equal(tok_encode(f.t, cases[i].text, strlen(cases[i].text), true, false, &got), 0);
		f.v.h.tok_flags &= ~(u32)LAYOUT_SPACE_EATEN;
		assert_int_equal(tok_encode(f.t, before, strlen(before), true, true, &want), 0);
		assert_int_equal(
			tok_encode(f.t, cases[i].same, strlen(cases[i].same), true, false, &want), 0);
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.id, want.id, got.n * sizeof *got.id);
		tok_ids_fini(&got);
		tok_ids_fini(&want);
	}
	fix_close(&f);
}

/* jais-2 cuts white space by powers of two, the largest first. */
static void white_space_by_powers(void **state)
{
	static const struct {
		u32 n, cut[8];
	} cases[] = { { 1, { 1 } }, { 3, { 2, 1 } }, { 7, { 4, 2, 1 } }, { 512, { 512 } },
		{ 513, { 512, 1 } }, { 1023, { 512, 256, 128, 64, 32, 16, 8, 4 } },
		{ 1536, { 512, 512, 512 } } };
	u8 text[2000];
	memset(text, ' ', sizeof text);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tok_words w = { .pre = LAYOUT_PRE_JAIS2, .text = text, .len = cases[i].n };
		for (u32 k = 0; k < ARRAY_LEN(cases[i].cut) && cases[i].cut[k]; k++)
			assert_int_equal(tok_words_next(&w), cases[i].cut[k]);
	}
}

/* Cuts that the vocabulary of the vectors does not show. */
static void cuts(void **state)
{
	static const struct {
		u32 pre;
		const char *text;
		u32 cut[4];
	} cases[] = {
		{ LAYOUT_PRE_DEEPSEEK_LLM, "§  ", { 2, 2 } }, /* blanks at the end of a line */
		{ LAYOUT_PRE_DEEPSEEK_LLM, "§  \n", { 2, 2, 1 } },
		{ LAYOUT_PRE_DEEPSEEK_LLM, "§ §", { 5 } },
		{ LAYOUT_PRE_YOUTU, "!\u200d\u0301a", { 6, 1 } }, /* a mark behind others */
		{ LAYOUT_PRE_GRANITE_MULTI, "!\u200d\u0301a", { 6, 1 } },
		{ LAYOUT_PRE_QWEN35, "!\u200d\u0301a", { 4, 3 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tok_words w = {
			.pre = cases[i].pre, .text = (const u8 *)cases[i].text, .len = strlen(cases[i].text)
		};
		for (u32 k = 0; k < ARRAY_LEN(cases[i].cut); k++)
			assert_int_equal(tok_words_next(&w), cases[i].cut[k]);
	}
}

/* An unknown character costs more than any token; and what the template is built with is not to be had by merging either. */
static void own_scores(void **state)
{
	static struct own o;
	struct tok_ids ids = { 0 };
	const char *why;
	own_init(&o);
	memcpy(o.strings + 7, "b<x{{'<x>'", 10); /* "ab" at 6, "<x" at 8, the template from 10 on */
	o.strings[5] = 'q';
	o.strings[6] = 'a';
	o.vocab[1] = (struct layout_token){ { 6, 2 }, -1, TOK_NORMAL };
	o.vocab[2] = (struct layout_token){ { 5, 1 }, -1, TOK_NORMAL };
	o.h.charsmap.len = 0;
	assert_int_equal(own_create(&o, &why), 0);
	own_encode(&o, "abqab", &ids);
	const u32 want[] = { 1, 2, 1 };
	assert_int_equal(ids.n, 3);
	assert_memory_equal(ids.id, want, sizeof want);
	o.h.tok_model = LAYOUT_TOK_SPM;
	o.vocab[1] = (struct layout_token){ { 8, 2 }, -1, TOK_NORMAL };
	o.vocab[2] = (struct layout_token){ { 13, 3 }, 0, TOK_USER };
	assert_memory_equal(o.strings + 13, "<x>", 3);
	assert_int_equal(own_create(&o, &why), 0);
	own_encode(&o, "<x>", &ids);
	assert_int_equal(ids.n, 1);
	assert_int_equal(ids.id[0], 2);
	o.h.chat_template = (struct layout_str){ 10, 7 };
	assert_int_equal(own_create(&o, &why), 0);
	own_encode(&o, "<x>", &ids);
	assert_int_equal(ids.n, 2);
	assert_int_equal(ids.id[0], 1);
	assert_int_equal(ids.id[1], 0);
	tok_ids_fini(&ids);
	tok_destroy(o.t);
}

/* ---- characters ---------------------------------------------------------------------------------------------------------- */

static size_t first_word(u32 pre, const u8 *text, size_t len)
{
	struct tok_words w = { .pre = pre, .text = text, .len = len };
	return tok_words_next(&w);
}

/* Letters, numbers, blanks and others of all code points, then also marks, punctuation and symbols: tokens must not change with the library that knows Unicode.
 * The sum is that of Unicode 15.1, which the peer agrees with (tok_peer.sh --classes). */
static void classes_are_pinned(void **state)
{
	u64 sum = 0, finer = 0;
	for (u32 cp = 0x80; cp < 0x110000; cp++) {
		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		/* "xc" is one word: a letter; "1c": a number; "xc" and then nothing but blanks: else */
		u8 s[16] = "x";
		size_t n = 1;
		if (cp < 0x800)
			s[n++] = (u8)(0xc0 | cp >> 6);
		else if (cp < 0x10000)
			s[n++] = (u8)(0xe0 | cp >> 12);
		else
			s[n++] = (u8)(0xf0 | cp >> 18);
		if (cp >= 0x10000)
			s[n++] = (u8)(0x80 | (cp >> 12 & 0x3f));
		if (cp >= 0x800)
			s[n++] = (u8)(0x80 | (cp >> 6 & 0x3f));
		s[n++] = (u8)(0x80 | (cp & 0x3f));
		bool letter = first_word(LAYOUT_PRE_LLAMA3, s, n) == n;
		bool mark = first_word(LAYOUT_PRE_QWEN35, s, n) == n;
		s[0] = '1';
		bool number = first_word(LAYOUT_PRE_LLAMA3, s, n) == n;
		s[0] = '!';
		bool other = !letter && first_word(LAYOUT_PRE_LLAMA3, s, n) == n;
		bool symbol = first_word(LAYOUT_PRE_DEEPSEEK3, s, n) == n;
		finer = tok_mix(finer, (u64)cp << 2 | (u64)mark << 1 | symbol);
		sum = tok_mix(sum, (u64)cp << 3 | (u64)letter << 2 | (u64)number << 1 | other);
	}
	assert_int_equal(sum, CLASSES_SUM);
	assert_int_equal(finer, FINER_SUM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounded_work),
		cmocka_unit_test(charsmap_limits),
		cmocka_unit_test(charsmap_lies),
		cmocka_unit_test(unknown_is_no_end),
		cmocka_unit_test(long_words),
		cmocka_unit_test(space_behind_specials),
		cmocka_unit_test(white_space_by_powers),
		cmocka_unit_test(cuts),
		cmocka_unit_test(own_scores),
		cmocka_unit_test(classes_are_pinned),
	};
	return !fix_ready() ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
