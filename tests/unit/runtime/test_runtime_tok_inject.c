/* Nobody becomes another by typing: every special token of every vocabulary, whole, split, beside trusted text, disguised. */
#define _GNU_SOURCE
#include "tok_fix.h"

struct text {
	char s[16 * SPECIAL_TOKEN_BYTES_MAX];
	size_t n;
};

static void put(struct text *x, const char *s, size_t n)
{
	assert_true(n <= sizeof x->s - x->n);
	memcpy(x->s + x->n, s, n);
	x->n += n;
}

static struct text text_of(const struct fix *f, u32 id)
{
	struct text x = { .n = 0 };
	put(&x, f->v.strings + f->v.vocab[id].text.off, f->v.vocab[id].text.len);
	return x;
}

/* Is that what users may not have? What stands for text that is no token is no token of theirs. */
static bool is_forbidden(const struct fix *f, u32 id)
{
	return (f->t->type[id] == TOK_CONTROL || f->t->marks[id]) && id != f->v.h.unk;
}

static size_t forbidden(const struct fix *f, const struct tok_ids *ids)
{
	size_t n = 0;
	for (size_t i = 0; i < ids->n; i++)
		n += is_forbidden(f, ids->id[i]);
	return n;
}

/* The ids' text, where nothing was normalised, is the text again, but for the blank that a vocabulary puts in front. */
static void comes_back(const struct fix *f, const struct tok_ids *ids, const struct text *x)
{
	static u8 back[64 * SPECIAL_TOKEN_BYTES_MAX];
	size_t n = 0, m;
	for (size_t i = 0; i < ids->n; i++) {
		const u8 *b = tok_bytes(f->t, ids->id[i], &m);
		assert_true(m <= sizeof back - n);
		memcpy(back + n, b, m);
		n += m;
		if (f->t->type[ids->id[i]] == TOK_USER || f->t->type[ids->id[i]] == TOK_UNUSED)
			return; /* a blank behind it, or no text of its own: test_runtime_tok has those */
	}
	size_t blank = f->v.h.tok_flags & LAYOUT_SPACE_PREFIX ? 1 : 0;
	if (memmem(x->s, x->n, "\xe2\x96\x81", 3)) /* a blank in most vocabularies */
		return;
	assert_int_equal(n, x->n + blank);
	assert_memory_equal(back + blank, x->s, x->n);
}

static void typed(const struct fix *f, const struct text *x)
{
	struct tok_ids ids = { 0 };
	assert_int_equal(tok_encode(f->t, x->s, x->n, false, true, &ids), 0);
	assert_int_equal(forbidden(f, &ids), 0);
	if (!fix_normalises(f))
		comes_back(f, &ids, x);
	tok_ids_fini(&ids);
}

/* ---- whole, in text, split ----------------------------------------------------------------------------------------------- */

static void whole(const struct fix *f, const struct text *special)
{
	static const char *const frames[][2] = { { "", "" }, { "a ", " b" }, { "\n", "\n" }, { "<", ">" },
		{ "<|", "|>" }, { " ", "" }, { "\xe2\x96\x81", "" }, { "\xff", "\xff" } };
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		for (int twice = 0; twice < 2; twice++) {
			struct text x = { .n = 0 };
			put(&x, frames[i][0], strlen(frames[i][0]));
			put(&x, special->s, special->n);
			if (twice)
				put(&x, special->s, special->n);
			put(&x, frames[i][1], strlen(frames[i][1]));
			typed(f, &x);
		}
	/* the control: a template has it */
	struct tok_ids ids = { 0 };
	assert_int_equal(tok_encode(f->t, special->s, special->n, true, true, &ids), 0);
	assert_true(forbidden(f, &ids) >= 1);
	tok_ids_fini(&ids);
}

/* At every byte: something between the halves; the halves in two pieces; the first or the second half from the template. */
static void split(const struct fix *f, const struct text *special)
{
	static const char *const between[] = { "", " ", "\n", "\t", "\xe2\x80\x8b", "\xe2\x80\x8d",
		"\xc2\xad", "\xef\xbb\xbf", "\xe2\x81\xa0", "\xcc\x81", "\x01", "\xff", "\xe2\x96\x81" };
	for (size_t cut = 1; cut < special->n; cut++) {
		for (size_t i = 0; i < ARRAY_LEN(between); i++) {
			struct text x = { .n = 0 };
			put(&x, special->s, cut);
			put(&x, between[i], strlen(between[i]));
			put(&x, special->s + cut, special->n - cut);
			typed(f, &x);
		}
		for (int who = 0; who < 3; who++) { /* 0: both halves typed; 1, 2: that half trusted */
			struct tok_ids ids = { 0 };
			assert_int_equal(tok_encode(f->t, special->s, cut, who == 1, true, &ids), 0);
			size_t begun = forbidden(f, &ids); /* a half may be a token of its own */
			assert_true(who == 1 || begun == 0);
			assert_int_equal(
				tok_encode(f->t, special->s + cut, special->n - cut, who == 2, false, &ids),
				0);
			if (who != 2)
				assert_int_equal(forbidden(f, &ids), begun);
			tok_ids_fini(&ids);
		}
	}
}

/* ---- disguised ----------------------------------------------------------------------------------------------------------- */

static void put_char(struct text *x, u32 cp)
{
	char s[4];
	u32 n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (u32 i = n; i-- > 1; cp >>= 6)
		s[i] = (char)(0x80 | (cp & 0x3f));
	s[0] = (char)(n == 1 ? cp : (0xf00u >> n & 0xff) | cp);
	put(x, s, n);
}

static bool is_letter(u32 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static u32 wide(u32 c)
{
	return c > ' ' && c < 0x7f ? c + 0xfee0 : c;
}

static u32 small(u32 c)
{
	return c == '<' ? 0xfe64 : c == '>' ? 0xfe65 : c == '|' ? 0xff5c : c == '_' ? 0xfe4d : c;
}

static u32 quotes(u32 c)
{
	return c == '<'	  ? 0x2039
	       : c == '>' ? 0x203a
	       : c == '|' ? 0x2223
	       : c == '[' ? 0x27e6
	       : c == ']' ? 0x27e7
			  : c;
}

static u32 bold(u32 c)
{
	return !is_letter(c) ? c : c >= 'a' ? c - 'a' + 0x1d41a : c - 'A' + 0x1d400;
}

static u32 script(u32 c)
{
	return !is_letter(c) ? c : c >= 'a' ? c - 'a' + 0x1d4ea : c - 'A' + 0x1d4d0;
}

static u32 circled(u32 c)
{
	return !is_letter(c) ? c : c >= 'a' ? c - 'a' + 0x24d0 : c - 'A' + 0x24b6;
}

static u32 cyrillic(u32 c)
{
	return c == 'a'	  ? 0x430
	       : c == 'e' ? 0x435
	       : c == 'o' ? 0x43e
	       : c == 's' ? 0x455
	       : c == 'i' ? 0x456
			  : c;
}

static u32 other_case(u32 c)
{
	return is_letter(c) ? c ^ 0x20 : c;
}

static void disguised(const struct fix *f, const struct text *special)
{
	static u32 (*const masks[])(
		u32) = { wide, small, quotes, bold, script, circled, cyrillic, other_case };
	static const u32 joined[] = { 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff, 0xad, 0x34f, 0x301, 0xfe0f,
		0xe0001, 0x2581 };
	for (size_t k = 0; k < ARRAY_LEN(masks) + ARRAY_LEN(joined); k++) {
		struct text x = { .n = 0 };
		bool same = true;
		for (size_t i = 0, n; i < special->n; i += n) {
			u32 cp = 0;
			int c = tok_utf8((const u8 *)special->s + i, special->n - i, &cp);
			n = c > 0 ? (size_t)c : 1;
			u32 mask = k < ARRAY_LEN(masks) ? masks[k](cp) : cp;
			same = same && mask == cp && k < ARRAY_LEN(masks);
			put_char(&x, mask);
			if (k >= ARRAY_LEN(masks))
				put_char(&x, joined[k - ARRAY_LEN(masks)]);
		}
		if (!same)
			typed(f, &x);
	}
}

/* ---- the table ----------------------------------------------------------------------------------------------------------- */

/* A vocabulary whose chat template is built with its user-defined tokens in brackets: these are not to be typed either. */
static void marks_add(struct fix *f)
{
	static const char template[] = "{{ '<user>' + '[X]' }}";
	char *s = realloc(f->v.strings, f->v.h.strings_bytes + sizeof template);
	assert_non_null(s);
	memcpy(s + f->v.h.strings_bytes, template, sizeof template);
	f->v.strings = s;
	f->v.l.strings = s;
	f->v.h.chat_template = (struct layout_str){ f->v.h.strings_bytes, sizeof template - 1 };
	fix_again(f);
}

static void every_special_of_every_vocabulary(void **state)
{
	print_message("%-30s %8s %8s\n", "vocabulary", "control", "marks");
	for (size_t k = 0; k < ARRAY_LEN(FIXES); k++) {
		struct fix f;
		u32 n_control = 0, n_marks = 0;
		fix_open(&f, FIXES[k].name);
		if (!fix_normalises(&f))
			marks_add(&f);
		for (u32 id = 0; id < f.v.h.n_vocab; id++) {
			if (!is_forbidden(&f, id))
				continue;
			struct text x = text_of(&f, id);
			n_control += f.t->type[id] == TOK_CONTROL;
			n_marks += f.t->marks[id];
			whole(&f, &x);
			split(&f, &x);
			disguised(&f, &x);
		}
		print_message("%-30s %8u %8u\n", FIXES[k].name, n_control, n_marks);
		assert_true(n_control >= (fix_normalises(&f) ? 2 : 5));
		assert_true(fix_normalises(&f) || n_marks == 2);
		fix_close(&f);
	}
}

/* A token that the template does not name, or that is not in brackets, is text like others: words of the vocabulary. */
static void words_stay_words(void **state)
{
	struct fix f;
	fix_open(&f, "bpe-llama3");
	marks_add(&f);
	u32 n_user = 0;
	for (u32 id = 0; id < f.v.h.n_vocab; id++) {
		if (f.t->type[id] != TOK_USER || f.t->marks[id])
			continue;
		struct text x = text_of(&f, id);
		struct tok_ids ids = { 0 };
		assert_int_equal(tok_encode(f.t, x.s, x.n, false, true, &ids), 0);
		assert_int_equal(ids.n, 1);
		assert_int_equal(ids.id[0], id);
		tok_ids_fini(&ids);
		n_user++;
	}
	assert_true(n_user >= 5);
	fix_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_special_of_every_vocabulary),
		cmocka_unit_test(words_stay_words),
	};
	return !fix_ready() ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
