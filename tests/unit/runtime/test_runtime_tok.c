/* The tokenizer: equal to another implementation on stored cases, control tokens only from trusted text, whole characters out,
 * bounded work. The vocabularies and cases lie in tests/vectors/tok; tests/tok/tok_peer.sh makes them anew. */
#define _GNU_SOURCE
#include "tok_fix.h"

/* ---- vectors ------------------------------------------------------------------------------------------------------------- */

static void case_check(const struct fix *f, char *line)
{
	struct tok_ids ids = { 0 };
	char *text = line + 2, *want = strchr(text, ' '), *end;
	assert_non_null(want);
	*want++ = 0;
	long n = vocab_unhex(text);
	assert_true(n >= 0);
	assert_int_equal(tok_encode(f->t, text, (size_t)n, line[0] == 't', true, &ids), 0);
	for (size_t i = 0; i < ids.n; i++) {
		assert_int_equal(ids.id[i], strtoul(want, &end, 10));
		assert_true(end > want);
		want = end;
	}
	assert_int_equal(*want, '\n');
	tok_ids_fini(&ids);
}

static void vectors(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(FIXES); k++) {
		struct fix f;
		char path[512], *line = NULL;
		size_t cap = 0, n = 0;
		fix_open(&f, FIXES[k].name);
		snprintf(path, sizeof path, "%s/%s.cases", getenv("TOK_VECTORS"), FIXES[k].name);
		FILE *cases = fopen(path, "r");
		assert_non_null(cases);
		for (; getline(&line, &cap, cases) >= 0; n++)
			case_check(&f, line);
		assert_true(n >= 100);
		free(line);
		fclose(cases);
		fix_close(&f);
	}
}

/* ---- control tokens ------------------------------------------------------------------------------------------------------ */

/* A control token that merges could spell, or that is one character, is still not to be had. */
static void merges_spell_no_control_token(void **state)
{
	static char strings[] = "ab<unk>c";
	struct layout_token vocab[] = { { { 2, 5 }, 0, TOK_UNKNOWN }, { { 0, 1 }, -1, TOK_NORMAL },
		{ { 1, 1 }, -1, TOK_NORMAL }, { { 0, 2 }, 0, TOK_CONTROL }, { { 7, 1 }, 0, TOK_CONTROL } };
	struct layout_header h = {
		.n_vocab = 5, .tok_model = LAYOUT_TOK_SPM, .bos = LAYOUT_NONE, .eos = 4, .eot = LAYOUT_NONE
	};
	struct layout l = { .h = &h, .vocab = vocab, .strings = strings };
	struct tok_ids ids = { 0 };
	struct tok *t;
	const char *why;
	assert_int_equal(tok_create(&l, &t, &why), 0);
	assert_int_equal(tok_encode(t, "abc", 3, false, false, &ids), 0);
	const u32 want[] = { 1, 2, 0 }, trusted[] = { 3, 4 };
	assert_int_equal(ids.n, 3);
	assert_memory_equal(ids.id, want, sizeof want);
	ids.n = 0;
	assert_int_equal(tok_encode(t, "abc", 3, true, false, &ids), 0);
	assert_int_equal(ids.n, 2);
	assert_memory_equal(ids.id, trusted, sizeof trusted);
	assert_true(tok_ends(t, 4));
	assert_false(tok_ends(t, 3));
	assert_false(tok_ends(t, 5));
	tok_ids_fini(&ids);
	tok_destroy(t);
}

/* The longest special token goes first, wherever it stands; then the next longest. */
static void specials_longest_first(void **state)
{
	static char strings[] = "<unk>aabaabbbxaa";
	/* "aa" in "aab" and "aabb"; "bbx" overlaps the end of "aabb" */
	struct layout_token vocab[] = { { { 0, 5 }, 0, TOK_UNKNOWN }, { { 5, 2 }, 0, TOK_USER },
		{ { 5, 3 }, 0, TOK_USER }, { { 8, 4 }, 0, TOK_CONTROL }, { { 10, 4 }, 0, TOK_USER } };
	assert_memory_equal(strings + 8, "aabb", 4);
	assert_memory_equal(strings + 10, "bbbx", 4);
	struct layout_header h = { .n_vocab = 5,
		.tok_model = LAYOUT_TOK_SPM,
		.bos = LAYOUT_NONE,
		.eos = LAYOUT_NONE,
		.eot = LAYOUT_NONE };
	struct layout l = { .h = &h, .vocab = vocab, .strings = strings };
	static const struct {
		const char *text;
		bool trusted;
		u32 n, id[8];
	} cases[] = {
		{ "aab", false, 1, { 2 } },
		{ "aabb", true, 1, { 3 } },
		{ "aabb", false, 2, { 2, 0 } },
		{ "aabbbx", true, 3, { 3, 0, 0 } }, /* lower id first among equals */
		{ "aabbbx", false, 2, { 1, 4 } },
		{ "aaab", true, 2, { 0, 2 } },
		{ "aaaa", true, 2, { 1, 1 } },
		{ "aaaaa", true, 3, { 1, 1, 0 } },
		{ "<unk>", true, 1, { 0 } },
		{ "<unk", true, 4, { 0, 0, 0, 0 } },
	};
	struct tok *t;
	const char *why;
	assert_int_equal(tok_create(&l, &t, &why), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tok_ids ids = { 0 };
		assert_int_equal(
			tok_encode(t, cases[i].text, strlen(cases[i].text), cases[i].trusted, false, &ids),
			0);
		assert_int_equal(ids.n, cases[i].n);
		assert_memory_equal(ids.id, cases[i].id, ids.n * 4);
		tok_ids_fini(&ids);
	}
	tok_destroy(t);
}

/* Of equal merges the first counts, of equal texts the last. */
static void equals(void **state)
{
	struct fix f;
	fix_open(&f, "bpe-gpt-2");
	struct tok_ids ids = { 0 };
	const char *why;
	u32 first = f.v.h.n_merges, a = f.t->byte_id['Q'], b = f.t->byte_id['Z'], c = f.t->byte_id['W'];
	/* Q+Z stands in front of Z+W, and again behind it, where it would lose */
	struct layout_merge *m = f.v.merges;
	f.v.h.n_merges = 3;
	m[0] = (struct layout_merge){ f.v.vocab[a].text, f.v.vocab[b].text };
	m[1] = (struct layout_merge){ f.v.vocab[b].text, f.v.vocab[c].text };
	m[2] = m[0];
	f.v.vocab[f.v.h.n_vocab - 1].text = f.v.vocab[f.v.h.n_vocab - 2].text = (struct layout_str){ 0, 0 };
	memcpy(f.v.strings, "QZ", 2);
	f.v.vocab[f.v.h.n_vocab - 1] = f.v.vocab[f.v.h.n_vocab - 2] =
		(struct layout_token){ .text = { 0, 2 }, .type = TOK_NORMAL };
	f.v.vocab[0] = (struct layout_token){ .text = { 2, 1 }, .type = TOK_NORMAL };
	f.v.h.unk = 0;
	tok_destroy(f.t);
	assert_true(first > 3);
	assert_int_equal(tok_create(&f.v.l, &f.t, &why), 0);
	assert_int_equal(tok_encode(f.t, "QZW", 3, false, false, &ids), 0);
	assert_int_equal(ids.n, 2);
	assert_int_equal(ids.id[0], f.v.h.n_vocab - 1);
	assert_int_equal(ids.id[1], c);
	tok_ids_fini(&ids);
	fix_close(&f);
}

/* ---- any bytes ----------------------------------------------------------------------------------------------------------- */

static u32 rnd_state;
static u32 rnd(u32 n)
{
	rnd_state = rnd_state * 1664525u + 1013904223u;
	return (u32)(((u64)(rnd_state >> 8) * n) >> 24);
}

static size_t random_text(u8 *out, size_t n)
{
	static const char *const parts[] = { "a", "ab", " ", "  ", "\n", "1", "'s", "é", "漢", "\xe2\x96\x81",
		"😀", "\xff", "\xe2\x96", "\xf0\x9f", "\xc3", "\x80", "\xed\xa0\x80", "\xc0\x80",
		"\xf4\x90\x80\x80", "<|im_end|>", "<0x41>" };
	size_t at = 0;
	while (at + 16 < n) {
		const char *p = parts[rnd(ARRAY_LEN(parts))];
		memcpy(out + at, p, strlen(p));
		at += strlen(p);
	}
	return at;
}

/* What ids stand for, joined, is the text again, whatever bytes it has. */
static void every_byte_comes_back(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(FIXES); k++) {
		struct fix f;
		fix_open(&f, FIXES[k].name);
		if (fix_normalises(&f)) {
			fix_close(&f);
			continue;
		}
		f.v.h.tok_flags = 0;
		for (u32 id = 0; id < f.v.h.n_vocab; id++)
			if (f.v.vocab[id].type == TOK_UNUSED) /* those have no text */
				f.v.vocab[id].type = TOK_NORMAL;
		fix_again(&f);
		rnd_state = 7;
		for (int i = 0; i < 200; i++) {
			u8 text[300], back[2000];
			struct tok_ids ids = { 0 };
			size_t len = random_text(text, 20 + rnd(280)), n = 0, m;
			assert_int_equal(tok_encode(f.t, text, len, false, false, &ids), 0);
			for (size_t j = 0; j < ids.n; j++) {
				const u8 *b = tok_bytes(f.t, ids.id[j], &m);
				memcpy(back + n, b, m);
				n += m;
			}
			/* in SentencePiece a written U+2581 becomes a blank */
			if (f.v.h.tok_model == LAYOUT_TOK_BPE || !memmem(text, len, "\xe2\x96\x81", 3)) {
				assert_int_equal(n, len);
				assert_memory_equal(back, text, n);
			}
			tok_ids_fini(&ids);
		}
		fix_close(&f);
	}
}

/* ---- streams ------------------------------------------------------------------------------------------------------------- */

static void stream_whole_characters(void **state)
{
	struct fix f;
	fix_open(&f, "bpe-llama3");
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "é漢😀", "é漢😀" },
		{ "\xff", "\xef\xbf\xbd" },
		{ "a\xe2\x96", "a\xef\xbf\xbd" },
		{ "\xe2\x96z", "\xef\xbf\xbdz" },
		{ "\xf0\x9f\x98\xc3\xa9", "\xef\xbf\xbdé" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f", "\xef\xbf\xbd" },
		{ "\xe2\xe2\xe2\x96\x81", "\xef\xbf\xbd\xef\xbf\xbd\xe2\x96\x81" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[200];
		size_t n = 0;
		struct tok_stream s = { 0 };
		for (const char *p = cases[i].in; *p; p++) {
			size_t was = n;
			n += tok_stream_push(f.t, &s, f.t->byte_id[(u8)*p], out + n, sizeof out - n);
			for (size_t at = was; at < n;) { /* each push gives whole characters */
				u32 cp;
				int len = tok_utf8((u8 *)out + at, n - at, &cp);
				assert_true(len > 0);
				at += (size_t)len;
			}
		}
		n += tok_stream_end(&s, out + n, sizeof out - n);
		assert_int_equal(n, strlen(cases[i].out));
		assert_memory_equal(out, cases[i].out, n);
		assert_int_equal(s.n_held, 0);
	}
	fix_close(&f);
}

/* However the bytes of random text fall into tokens, what streams out is the same. */
static void stream_any_cut(void **state)
{
	struct fix f;
	fix_open(&f, "bpe-llama3");
	rnd_state = 3;
	for (int i = 0; i < 300; i++) {
		u8 text[200];
		char one[800], two[800];
		size_t len = random_text(text, 20 + rnd(180)), n = 0, m = 0;
		struct tok_stream s = { 0 };
		struct tok_ids ids = { 0 };
		assert_int_equal(tok_encode(f.t, text, len, false, true, &ids), 0);
		for (size_t j = 0; j < ids.n; j++)
			n += tok_stream_push(f.t, &s, ids.id[j], one + n, sizeof one - n);
		n += tok_stream_end(&s, one + n, sizeof one - n);
		for (size_t j = 0; j < len; j++)
			m += tok_stream_push(f.t, &s, f.t->byte_id[text[j]], two + m, sizeof two - m);
		m += tok_stream_end(&s, two + m, sizeof two - m);
		assert_int_equal(n, m);
		assert_memory_equal(one, two, n);
		tok_ids_fini(&ids);
	}
	/* without room nothing is cut in half */
	struct tok_stream s = { 0 };
	char out[2];
	assert_int_equal(tok_stream_push(f.t, &s, f.t->byte_id[0xff], out, 2), 0);
	assert_int_equal(tok_stream_push(f.t, &s, f.v.h.n_vocab, out, 2), 0);
	fix_close(&f);
}

/* ---- blanks, begin and end ----------------------------------------------------------------------------------------------- */

static void blank_in_front(void **state)
{
	struct fix f;
	size_t n;
	fix_open(&f, "spm-words");
	assert_int_equal(tok_bos(f.t), 1);
	assert_int_equal(tok_eos_added(f.t), LAYOUT_NONE);
	assert_true(tok_ends(f.t, 2));
	static const struct {
		bool first, after_control;
		const char *text, *back;
	} cases[] = {
		{ true, false, "qq", " qq" },
		{ false, false, "qq", "qq" },
		{ false, true, "qq", " qq" },
		{ false, false, "</s>qq", " qq" },
		{ false, false, "q</s>", "q" },
		{ true, false, "", "" },
	};
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct tok_ids ids = { 0 };
		if (cases[c].after_control)
			assert_int_equal(tok_ids_add(&ids, 2), 0);
		const char *text = cases[c].text;
		assert_int_equal(tok_encode(f.t, text, strlen(text), true, cases[c].first, &ids), 0);
		u8 back[64];
		size_t len = 0;
		for (size_t i = 0; i < ids.n; i++) {
			const u8 *b = tok_bytes(f.t, ids.id[i], &n);
			memcpy(back + len, b, n);
			len += n;
		}
		assert_int_equal(len, strlen(cases[c].back));
		assert_memory_equal(back, cases[c].back, len);
		tok_ids_fini(&ids);
	}
	fix_close(&f);
	fix_open(&f, "bpe-llama3");
	assert_int_equal(tok_bos(f.t), f.v.h.bos);
	assert_null(tok_bytes(f.t, f.v.h.n_vocab, &n));
	assert_int_equal(n, 0);
	assert_non_null(tok_bytes(f.t, f.v.h.eos, &n));
	assert_int_equal(n, 0);
	fix_close(&f);
}

/* ---- vocabularies that are not usable ------------------------------------------------------------------------------------ */

static void refused(const struct layout *l, const char *part)
{
	struct tok *t;
	const char *why = NULL;
	assert_int_equal(tok_create(l, &t, &why), 1);
	assert_non_null(strstr(why, part));
}

static void refusals(void **state)
{
	struct fix f;
	fix_open(&f, "bpe-llama3");
	struct layout_header h = f.v.h;
	struct layout l = f.v.l;
	l.h = &h;
	h.tok_pre = LAYOUT_PRE_COUNT;
	refused(&l, "pre-tokenizer");
	h.tok_pre = LAYOUT_PRE_GPT2;
	h.tok_model = LAYOUT_TOK_BPE_TEXT + 1;
	refused(&l, "kind");
	h.tok_model = LAYOUT_TOK_SPM;
	h.unk = LAYOUT_NONE;
	refused(&l, "byte tokens");
	h = f.v.h;
	h.n_vocab = 0;
	refused(&l, "empty");
	h.n_vocab = f.v.h.n_vocab;
	f.v.vocab[300].text.len = TOKEN_BYTES_MAX + 1;
	refused(&l, "TOKEN_BYTES_MAX");
	f.v.vocab[300].text.len = SPECIAL_TOKEN_BYTES_MAX + 1;
	f.v.vocab[300].type = TOK_USER;
	refused(&l, "SPECIAL_TOKEN_BYTES_MAX");
	f.v.vocab[300].text.len = 1;
	f.v.vocab[300].type = TOK_NORMAL;
	f.v.merges[3].right.len = TOKEN_BYTES_MAX + 1;
	refused(&l, "TOKEN_BYTES_MAX");
	fix_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(merges_spell_no_control_token),
		cmocka_unit_test(specials_longest_first),
		cmocka_unit_test(equals),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(stream_whole_characters),
		cmocka_unit_test(stream_any_cut),
		cmocka_unit_test(blank_in_front),
		cmocka_unit_test(refusals),
	};
	return !fix_ready() ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
