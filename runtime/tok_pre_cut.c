/* The regular expressions of the pre-tokenizers, written out by hand (tok_pre.c says which is which). Every alternative looks at a run of
 * characters and takes all of it, or all but one, so a hostile text costs what a plain one does. */
#include "runtime/tok_pre.h"

#include <string.h>

static bool is_newline(u8 c)
{
	return c == '\r' || c == '\n';
}

static bool is_lower(u8 c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(u8 c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(u8 c)
{
	return c >= '0' && c <= '9';
}

/* ---- words --------------------------------------------------------------------------------------------------------------------- */

/* 's 't 'm 'd 're 've 'll at byte at: its bytes, else 0. */
static size_t contraction(struct tok_text x, size_t at, bool any_case)
{
	u8 fold = any_case ? 0x20 : 0;
	u8 a = tok_byte_at(x, at + 1), b = tok_byte_at(x, at + 2);
	if (tok_byte_at(x, at) != '\'')
		return 0;
	a = is_upper(a) ? a | fold : a;
	b = is_upper(b) ? b | fold : b;
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return 2;
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return 3;
	return 0;
}

/* \s*[\r\n]+ (where newlines count), \s+(?!\S), \s+: the text begins with a space character. */
static size_t spaces(struct tok_text x, bool newlines)
{
	size_t at = 0, n, last = 0, after_newline = 0;
	while (tok_look(x, at, &n) == SPACE) {
		last = at;
		at += n;
		if (is_newline(x.s[last]))
			after_newline = at;
	}
	if (newlines && after_newline)
		return after_newline;
	if (last > 0 && tok_look(x, at, &n) != END)
		return last; /* the last one belongs to the next word */
	return at;
}

/* A run of numbers, no longer than the shape has it. */
static size_t numbers(struct tok_text x)
{
	size_t at = 0, n;
	for (u32 k = 0; k < x.shape->digits && tok_look(x, at, &n) == NUMBER; k++)
		at += n;
	return at;
}

/* A run of OTHER from byte at, and what may follow it. */
static size_t others(struct tok_text x, size_t at)
{
	at = tok_run(x, at, OTHER);
	for (size_t n; x.shape->marks_too && (n = tok_len_if(x, at, tok_is_mark));)
		at = tok_run(x, at + n, OTHER);
	while (tok_byte_at(x, at) && strchr(x.shape->tail, tok_byte_at(x, at)))
		at++;
	return at;
}

/* What stands behind the words of most models: numbers, others behind a blank, white space. n: bytes of the first character. */
static size_t no_word(struct tok_text x, size_t n)
{
	size_t n1;
	enum tok_kind c = tok_look(x, 0, &n1);
	if (c == NUMBER)
		return numbers(x);
	if (c == OTHER || (x.s[0] == ' ' && tok_look(x, n, &n1) == OTHER))
		return others(x, n);
	return spaces(x, true);
}

size_t tok_cut_llama3(struct tok_text x)
{
	size_t n, n1, end = x.shape->contractions ? contraction(x, 0, true) : 0;
	if (end)
		return end;
	enum tok_kind c = tok_look(x, 0, &n), c1 = tok_look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != NUMBER && (c == LETTER || c1 == LETTER))
		return tok_run(x, n, LETTER);
	return no_word(x, n);
}

/* U*V+|U+V* from byte at, where a letter stands: where it ends. Letters that are not ASCII are both U and V. */
static size_t cased(struct tok_text x, size_t at)
{
	size_t n, last_both = 0;
	if (x.shape->undivided)
		return tok_run(x, at, LETTER);
	while (tok_look(x, at, &n) == LETTER && !is_lower(x.s[at])) {
		at += n;
		if (n > 1)
			last_both = at;
	}
	if (!is_lower(tok_byte_at(x, at)))
		return last_both ? last_both : at; /* V+ needs one, so U* gives back what is behind it */
	while (tok_look(x, at, &n) == LETTER && !is_upper(x.s[at]))
		at += n;
	return at;
}

size_t tok_cut_gpt4o(struct tok_text x)
{
	size_t n, n1;
	enum tok_kind c = tok_look(x, 0, &n), c1 = tok_look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != NUMBER && (c == LETTER || c1 == LETTER)) {
		size_t end = cased(x, c == LETTER ? 0 : n);
		return end + (x.shape->apostrophes ? contraction(x, end, true) : 0);
	}
	return no_word(x, n);
}

size_t tok_cut_gpt2(struct tok_text x)
{
	size_t n, n1, end = contraction(x, 0, false);
	if (end)
		return end;
	enum tok_kind c = tok_look(x, 0, &n), c1 = tok_look(x, n, &n1);
	if (x.s[0] == ' ' && c1 != SPACE && c1 != END)
		return tok_run(x, n, c1);
	if (c != SPACE)
		return tok_run(x, n, c);
	return spaces(x, false);
}

/* Characters that no alternative takes: up to one that stands in front of a letter, or is of a class. */
static size_t strays(struct tok_text x)
{
	size_t n, at = 0;
	enum tok_kind c;
	do {
		tok_look(x, at, &n);
		at += n;
		c = tok_look(x, at, &n);
	} while ((c == STRAY || c == NUMBER) && tok_look(x, at + n, &n) != LETTER);
	return at;
}

static bool is_ascii_punct(u8 c)
{
	return c > ' ' && c < 0x7f && !is_lower(c) && !is_upper(c) && !is_digit(c);
}

static bool is_ascii_letter(u8 c)
{
	return is_lower(c) || is_upper(c);
}

size_t tok_cut_deepseek3(struct tok_text x)
{
	size_t n, n1;
	if (is_ascii_punct(x.s[0]) && is_ascii_letter(tok_byte_at(x, 1))) {
		size_t end = 2;
		while (is_ascii_letter(tok_byte_at(x, end)))
			end++;
		return end;
	}
	enum tok_kind c = tok_look(x, 0, &n), c1 = tok_look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != OTHER && (c == LETTER || c1 == LETTER))
		return tok_run(x, n, LETTER);
	if (c == OTHER || (x.s[0] == ' ' && c1 == OTHER))
		return others(x, n);
	return c == SPACE ? spaces(x, true) : strays(x);
}

static bool is_letter_but_han(u32 cp)
{
	return tok_is_letter(cp) && !tok_is_han(cp);
}

size_t tok_cut_kimi(struct tok_text x)
{
	size_t n, n1, end = tok_run_if(x, 0, UINT32_MAX, tok_is_han);
	if (end)
		return end;
	enum tok_kind c = tok_look(x, 0, &n);
	n1 = c == LETTER ? 0 : n;
	if (!is_newline(x.s[0]) && c != NUMBER && tok_len_if(x, n1, is_letter_but_han)) {
		end = tok_run_if(x, n1, UINT32_MAX, is_letter_but_han);
		return end + contraction(x, end, true);
	}
	return no_word(x, n);
}

/* \p{L}\p{M}*, as often as it comes, also with single blanks between. */
static size_t letters_and_blanks(struct tok_text x, size_t at)
{
	size_t n;
	for (;;) {
		if (tok_look(x, at, &n) == LETTER)
			at = tok_run_if(x, at + n, UINT32_MAX, tok_is_mark);
		else if (tok_byte_at(x, at) == ' ' && tok_look(x, at + 1, &n) == LETTER)
			at++;
		else
			return at;
	}
}

size_t tok_cut_exaone(struct tok_text x)
{
	size_t n, n1, end = contraction(x, 0, true);
	if (end)
		return end;
	enum tok_kind c = tok_look(x, 0, &n), c1 = tok_look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != NUMBER && (c == LETTER || c1 == LETTER))
		return letters_and_blanks(x, c == LETTER ? 0 : n);
	if (c != OTHER && !(x.s[0] == ' ' && c1 == OTHER))
		return no_word(x, n);
	end = tok_run(x, n, OTHER); /* "/" is one of them */
	return end + is_newline(tok_byte_at(x, end));
}

/* ---- characters that stand apart ----------------------------------------------------------------------------------------------- */

/* A run of at most max characters of the class, or what is in front of the first of them. */
static size_t apart(struct tok_text x, u32 max, bool (*class)(u32 cp))
{
	size_t at = tok_run_if(x, 0, max, class);
	if (at)
		return at;
	do
		at = tok_next(x, at);
	while (at < x.len && !tok_len_if(x, at, class));
	return at;
}

size_t tok_cut_each_number(struct tok_text x)
{
	return apart(x, 1, tok_is_number);
}

size_t tok_cut_three_numbers(struct tok_text x)
{
	return apart(x, 3, tok_is_number);
}

size_t tok_cut_number_runs(struct tok_text x)
{
	return apart(x, UINT32_MAX, tok_is_number);
}

size_t tok_cut_punct_default(struct tok_text x)
{
	return apart(x, UINT32_MAX, tok_is_punct_default);
}

size_t tok_cut_punct_falcon(struct tok_text x)
{
	return apart(x, UINT32_MAX, tok_is_punct_falcon);
}

size_t tok_cut_ideographs(struct tok_text x)
{
	return apart(x, UINT32_MAX, tok_is_ideograph_or_kana);
}

size_t tok_cut_cjk_deepseek(struct tok_text x)
{
	return apart(x, UINT32_MAX, tok_is_cjk_deepseek);
}

/* A run of one class of youtu's, or what is in front of it. */
size_t tok_cut_asian_youtu(struct tok_text x)
{
	u32 cp, first = 0;
	for (size_t at = 0; at < x.len;) {
		int n = tok_utf8(x.s + at, x.len - at, &cp);
		u32 class = n > 0 ? tok_class_youtu(cp) : 0;
		if (at == 0)
			first = class;
		else if (class != first)
			return at;
		at += n > 0 ? (size_t)n : 1;
	}
	return x.len;
}

static bool three_digits(struct tok_text x, size_t at)
{
	return is_digit(tok_byte_at(x, at)) && is_digit(tok_byte_at(x, at + 1)) &&
	       is_digit(tok_byte_at(x, at + 2));
}

size_t tok_cut_triples(struct tok_text x)
{
	size_t at = 0;
	while (at < x.len && !three_digits(x, at))
		at++;
	return at ? at : 3;
}

/* A run of the class, with the character of the class blank in front of it if there is one; or what is in front of that. */
static size_t behind_blank(struct tok_text x, bool (*blank)(u32 cp), bool (*class)(u32 cp))
{
	for (size_t at = 0; at < x.len; at = tok_next(x, at)) {
		size_t b = tok_len_if(x, at, blank);
		if (!tok_len_if(x, at + b, class))
			continue;
		return at ? at : tok_run_if(x, b, UINT32_MAX, class);
	}
	return x.len;
}

static bool is_blank(u32 cp)
{
	return cp == ' ';
}

size_t tok_cut_cased(struct tok_text x)
{
	return behind_blank(x, tok_is_space, tok_is_cased_deepseek);
}

size_t tok_cut_punct_deepseek(struct tok_text x)
{
	return behind_blank(x, tok_is_space, tok_is_punct_deepseek);
}

size_t tok_cut_letters(struct tok_text x)
{
	return behind_blank(x, tok_is_space, tok_is_letter);
}

size_t tok_cut_punct(struct tok_text x)
{
	return behind_blank(x, tok_is_space, tok_is_punctuation);
}

size_t tok_cut_poro(struct tok_text x)
{
	return behind_blank(x, is_blank, tok_is_not_poro);
}

/* ---- lines and white space ----------------------------------------------------------------------------------------------------- */

/* [\r\n] */
size_t tok_cut_each_newline(struct tok_text x)
{
	size_t at = 0;
	while (at < x.len && !is_newline(x.s[at]))
		at++;
	return at ? at : 1;
}

/* [^\n]+|[\n]+ */
size_t tok_cut_lines(struct tok_text x)
{
	size_t at = 1;
	while (at < x.len && (x.s[at] == '\n') == (x.s[0] == '\n'))
		at++;
	return at;
}

/* \s+$ */
size_t tok_cut_tail(struct tok_text x)
{
	size_t tail = 0;
	for (size_t at = 0; at < x.len;) {
		bool space = tok_len_if(x, at, tok_is_space);
		at = tok_next(x, at);
		if (!space)
			tail = at;
	}
	return tail ? tail : x.len;
}

/* \s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1} of white space that llama-3 has cut off, but not of what ends a line */
size_t tok_cut_blanks_by_powers(struct tok_text x)
{
	size_t ends[10] = { 0 }, at = 0; /* where 1, 2, 4 ... 512 characters end */
	u32 n = 0;
	size_t first = tok_len_if(x, 0, tok_is_space);
	if (!first || is_newline(x.s[x.len - 1]) || (first < x.len && !tok_len_if(x, first, tok_is_space)))
		return x.len; /* a word, perhaps behind a blank; or it ends a line */
	while (n < 512 && at < x.len) {
		at = tok_next(x, at);
		n++;
		if ((n & (n - 1)) == 0)
			ends[__builtin_ctz(n)] = at;
	}
	return ends[31 - __builtin_clz(n)];
}
