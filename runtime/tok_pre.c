/* Cutting text into words before byte-level BPE. The models' regular expressions, written out by hand:
 *
 * llama-3   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * gpt-2     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * Every alternative looks at a run of characters and takes all of it, or all but one, so the whole is linear. */
#include "runtime/tok_impl.h"

#include <utf8proc.h>

enum kind { END, LETTER, NUMBER, SPACE, OTHER };

struct text {
	const u8 *s;
	size_t len;
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

/* The kind of the character at byte at, and its bytes. A byte that is no character is one of its own, of kind OTHER. */
static enum kind look(struct text x, size_t at, size_t *ret_n)
{
	u32 cp;
	*ret_n = 0;
	if (at >= x.len)
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
	if (last > 0 && at < x.len)
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

size_t tok_pre_word(u32 pre, const u8 *text, size_t len)
{
	struct text x = { text, len };
	assert(len > 0);
	return pre == LAYOUT_PRE_GPT2 ? gpt2(x) : llama3(x);
}
