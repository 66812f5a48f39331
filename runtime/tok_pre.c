/* Cutting text into words before byte-level BPE. The models' regular expressions, written out by hand:
 *
 * llama-3   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * gpt-2     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * default   runs of [\p{P}$+<=>^~|] stand alone; what is between them as gpt-2; of that, runs of \p{N}; of those, three digits each
 *
 * Every alternative looks at a run of characters and takes all of it, or all but one, so the whole is linear. */
#include "runtime/tok_impl.h"

#include <string.h>
#include <utf8proc.h>

enum kind { END, LETTER, NUMBER, SPACE, OTHER };

_Thread_local u64 tok_pre_looks;

struct text {
	const u8 *s;
	size_t len;
	bool to_punct; /* the text ends in front of the next punctuation */
};

static bool is_space(u32 cp)
{
	return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
	       (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
	       cp == 0x205f || cp == 0x3000;
}

static enum kind kind_of(u32 cp)
{
	if (is_space(cp))
		return SPACE;
	if (cp >= 0x2ebf0 && cp <= 0x2ee5d)
		return LETTER; /* ideographs of Unicode 15.1, which not every utf8proc knows */
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return LETTER;
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return NUMBER;
	default:
		return OTHER;
	}
}

static bool is_punct(u32 cp)
{
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_PC:
	case UTF8PROC_CATEGORY_PD:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI:
	case UTF8PROC_CATEGORY_PF:
	case UTF8PROC_CATEGORY_PO:
		return true;
	default:
		return cp < 0x80 && cp && strchr("$+<=>^~|", (int)cp);
	}
}

/* Bytes of the punctuation character at byte at, 0: there is none. */
static size_t punct_len(struct text x, size_t at)
{
	u32 cp;
	int n = at < x.len ? tok_utf8(x.s + at, x.len - at, &cp) : 0;
	return n > 0 && is_punct(cp) ? (size_t)n : 0;
}

/* The kind of the character at byte at, and its bytes. A byte that is no character is one of its own, of kind OTHER. */
static enum kind look(struct text x, size_t at, size_t *ret_n)
{
	u32 cp;
	*ret_n = 0;
	tok_pre_looks++;
	if (at >= x.len || (x.to_punct && punct_len(x, at)))
		return END;
	*ret_n = 1;
	int n = tok_utf8(x.s + at, x.len - at, &cp);
	if (n <= 0)
		return OTHER;
	*ret_n = (size_t)n;
	return kind_of(cp);
}

/* Where the run of characters of kind c that begins at byte at ends. */
static size_t run(struct text x, size_t at, enum kind c)
{
	size_t n;
	while (look(x, at, &n) == c)
		at += n;
	return at;
}

static u8 byte_or_0(struct text x, size_t at)
{
	return at < x.len ? x.s[at] : 0;
}

/* 's 't 'm 'd 're 've 'll at the beginning: its bytes, else 0. */
static size_t contraction(struct text x, bool any_case)
{
	u8 fold = any_case ? 0x20 : 0;
	u8 a = byte_or_0(x, 1), b = byte_or_0(x, 2);
	if (x.s[0] != '\'')
		return 0;
	a = a >= 'A' && a <= 'Z' ? a | fold : a;
	b = b >= 'A' && b <= 'Z' ? b | fold : b;
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return 2;
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return 3;
	return 0;
}

static bool is_newline(u8 c)
{
	return c == '\r' || c == '\n';
}

/* \s*[\r\n]+ (where newlines count), \s+(?!\S), \s+: the text begins with a space character. */
static size_t spaces(struct text x, bool newlines)
{
	size_t at = 0, n, last = 0, after_newline = 0;
	while (look(x, at, &n) == SPACE) {
		last = at;
		at += n;
		if (is_newline(x.s[last]))
			after_newline = at;
	}
	if (newlines && after_newline)
		return after_newline;
	if (last > 0 && look(x, at, &n) != END)
		return last; /* the last one belongs to the next word */
	return at;
}

static size_t llama3(struct text x)
{
	size_t n, n1, end = contraction(x, true);
	if (end)
		return end;
	enum kind c = look(x, 0, &n), c1 = look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != NUMBER && (c == LETTER || c1 == LETTER))
		return run(x, n, LETTER);
	if (c == NUMBER) {
		end = n;
		for (int k = 1; k < 3 && look(x, end, &n) == NUMBER; k++)
			end += n;
		return end;
	}
	if (c == OTHER || (x.s[0] == ' ' && c1 == OTHER)) {
		end = run(x, n, OTHER);
		while (is_newline(byte_or_0(x, end)))
			end++;
		return end;
	}
	return spaces(x, true);
}

static size_t gpt2(struct text x)
{
	size_t n, n1, end = contraction(x, false);
	if (end)
		return end;
	enum kind c = look(x, 0, &n), c1 = look(x, n, &n1);
	if (x.s[0] == ' ' && c1 != SPACE && c1 != END)
		return run(x, n, c1);
	if (c != SPACE)
		return run(x, n, c);
	return spaces(x, false);
}

/* A run of numbers: up to the first three ASCII digits in a row, or those. */
static size_t digits(struct text x)
{
	size_t at = 0, n;
	for (; look(x, at, &n) == NUMBER; at += n) {
		u32 k = 0;
		while (k < 3 && at + k < x.len && x.s[at + k] >= '0' && x.s[at + k] <= '9')
			k++;
		if (k == 3)
			return at ? at : 3;
	}
	return at;
}

static size_t plain(struct text x)
{
	size_t at = 0, n;
	while (punct_len(x, at))
		at += punct_len(x, at);
	if (at)
		return at;
	x.to_punct = true;
	if (look(x, 0, &n) == NUMBER)
		return digits(x);
	if (x.s[0] == ' ' && look(x, n, &n) == NUMBER)
		return 1;
	return gpt2(x);
}

size_t tok_pre_word(u32 pre, const u8 *text, size_t len)
{
	struct text x = { text, len, false };
	assert(len > 0);
	switch (pre) {
	case LAYOUT_PRE_LLAMA3:
		return llama3(x);
	case LAYOUT_PRE_GPT2:
		return gpt2(x);
	default:
		return plain(x);
	}
}
