/* Cutting text into words before byte-level BPE. The models' regular expressions, written out by hand:
 *
 * llama-3   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * dbrx      the same
 * qwen2     the same, but each \p{N} alone
 * qwen35    as qwen2, and a mark counts as a letter
 * gpt-4o    P?U*V+C?|P?U+V*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ with P [^\r\n\p{L}\p{N}], U letters but for a-z,
 *           V letters but for A-Z, C the apostrophes of llama-3
 * tekken    as gpt-4o without C, and each \p{N} alone
 * gpt-2     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * starcoder each \p{N} stands alone; what is between them as gpt-2
 * deepseek3 \p{N}{1,3} stand alone; of what is between them, runs of ideographs and kana; of what is between those
 *           [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ and what is left
 * default   runs of [\p{P}$+<=>^~|] stand alone; what is between them as gpt-2; of that, runs of \p{N}; of those, three digits each
 *
 * Every alternative looks at a run of characters and takes all of it, or all but one, so the whole is linear. Only the capitals of gpt-4o
 * are looked at twice. */
#include "runtime/tok_impl.h"

#include <string.h>
#include <utf8proc.h>

enum kind { END, LETTER, NUMBER, SPACE, OTHER, STRAY /* deepseek3: in no class */ };

_Thread_local u64 tok_pre_looks;

struct shape;
struct text {
	const u8 *s;
	size_t len;
	const struct shape *shape;
	bool cut; /* the text ends in front of the next character that stands alone */
};

/* What tells one regular expression from another. */
struct shape {
	size_t (*word)(struct text x);
	bool (*alone)(u32 cp); /* characters that are taken out first */
	u32 digits;	       /* so many numbers are a word at most */
	bool marks;	       /* a mark is a letter */
	bool strays;	       /* OTHER are only punctuation and symbols, the rest is STRAY */
	bool apostrophes;      /* gpt-4o: 's belongs to the word before it */
	bool whole;	       /* a word that is a token is that token, whatever the merges say */
};

static bool is_space(u32 cp)
{
	return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
	       (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
	       cp == 0x205f || cp == 0x3000;
}

static bool between(utf8proc_category_t c, utf8proc_category_t first, utf8proc_category_t last)
{
	return c >= first && c <= last;
}

/* As Unicode 15.1 has it, whose additions not every utf8proc knows. */
static utf8proc_category_t category(u32 cp)
{
	if (cp >= 0x2ebf0 && cp <= 0x2ee5d)
		return UTF8PROC_CATEGORY_LO;
	if ((cp >= 0x2ffc && cp <= 0x2fff) || cp == 0x31ef)
		return UTF8PROC_CATEGORY_SO;
	return utf8proc_category((utf8proc_int32_t)cp);
}

static bool is_number(u32 cp)
{
	return between(category(cp), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

static enum kind kind_of(u32 cp, const struct shape *shape)
{
	if (is_space(cp))
		return SPACE;
	utf8proc_category_t c = category(cp);
	if (between(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO))
		return LETTER;
	if (between(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME))
		return shape->marks ? LETTER : OTHER;
	if (between(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO))
		return NUMBER;
	return shape->strays && !between(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_SO) ? STRAY : OTHER;
}

/* The punctuation of default. */
static bool is_punct(u32 cp)
{
	return between(category(cp), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO) ||
	       (cp < 0x80 && cp && strchr("$+<=>^~|", (int)cp));
}

static bool is_cjk(u32 cp)
{
	return (cp >= 0x4e00 && cp <= 0x9fa5) || (cp >= 0x3040 && cp <= 0x30ff);
}

static bool is_number_or_cjk(u32 cp)
{
	return is_cjk(cp) || is_number(cp);
}

/* Bytes of the character at byte at if it is of that class, else 0. */
static size_t len_if(struct text x, size_t at, bool (*class)(u32 cp))
{
	u32 cp;
	int n = at < x.len ? tok_utf8(x.s + at, x.len - at, &cp) : 0;
	return n > 0 && class(cp) ? (size_t)n : 0;
}

/* Where the run of characters of that class that begins at byte 0 ends. */
static size_t run_if(struct text x, bool (*class)(u32 cp))
{
	size_t at = 0, n;
	while ((n = len_if(x, at, class)))
		at += n;
	return at;
}

/* The kind of the character at byte at, and its bytes. A byte that is no character is one of its own. */
static enum kind look(struct text x, size_t at, size_t *ret_n)
{
	u32 cp;
	*ret_n = 0;
	tok_pre_looks++;
	if (at >= x.len)
		return END;
	int n = tok_utf8(x.s + at, x.len - at, &cp);
	if (n > 0 && x.cut && x.shape->alone(cp))
		return END;
	*ret_n = n > 0 ? (size_t)n : 1;
	return n > 0 ? kind_of(cp, x.shape) : x.shape->strays ? STRAY : OTHER;
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

/* 's 't 'm 'd 're 've 'll at byte at: its bytes, else 0. */
static size_t contraction(struct text x, size_t at, bool any_case)
{
	u8 fold = any_case ? 0x20 : 0;
	u8 a = byte_or_0(x, at + 1), b = byte_or_0(x, at + 2);
	if (byte_or_0(x, at) != '\'')
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

/* A run of numbers, no longer than the shape has it. */
static size_t numbers(struct text x)
{
	size_t at = 0, n;
	for (u32 k = 0; k < x.shape->digits && look(x, at, &n) == NUMBER; k++)
		at += n;
	return at;
}

/* A run of OTHER from byte at, and the line ends behind it. */
static size_t others(struct text x, size_t at)
{
	at = run(x, at, OTHER);
	while (is_newline(byte_or_0(x, at)))
		at++;
	return at;
}

static size_t llama3(struct text x)
{
	size_t n, n1, end = contraction(x, 0, true);
	if (end)
		return end;
	enum kind c = look(x, 0, &n), c1 = look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != NUMBER && (c == LETTER || c1 == LETTER))
		return run(x, n, LETTER);
	if (c == NUMBER)
		return numbers(x);
	if (c == OTHER || (x.s[0] == ' ' && c1 == OTHER))
		return others(x, n);
	return spaces(x, true);
}

static bool is_lower(u8 c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(u8 c)
{
	return c >= 'A' && c <= 'Z';
}

/* U*V+|U+V* from byte at, where a letter stands: where it ends. Letters that are not ASCII are both U and V. */
static size_t cased(struct text x, size_t at)
{
	size_t n, last_both = 0;
	while (look(x, at, &n) == LETTER && !is_lower(x.s[at])) {
		at += n;
		if (n > 1)
			last_both = at;
	}
	if (!is_lower(byte_or_0(x, at)))
		return last_both ? last_both : at; /* V+ needs one, so U* gives back what is behind it */
	while (look(x, at, &n) == LETTER && !is_upper(x.s[at]))
		at += n;
	return at;
}

static size_t gpt4o(struct text x)
{
	size_t n, n1, end;
	enum kind c = look(x, 0, &n), c1 = look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != NUMBER && (c == LETTER || c1 == LETTER)) {
		end = cased(x, c == LETTER ? 0 : n);
		return end + (x.shape->apostrophes ? contraction(x, end, true) : 0);
	}
	if (c == NUMBER)
		return numbers(x);
	if (c == OTHER || (x.s[0] == ' ' && c1 == OTHER)) {
		end = run(x, n, OTHER);
		while (is_newline(byte_or_0(x, end)) || byte_or_0(x, end) == '/')
			end++;
		return end;
	}
	return spaces(x, true);
}

static size_t gpt2(struct text x)
{
	size_t n, n1, end = contraction(x, 0, false);
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
	size_t n, end = run_if(x, is_punct);
	if (end)
		return end;
	x.cut = true;
	if (look(x, 0, &n) == NUMBER)
		return digits(x);
	if (x.s[0] == ' ' && look(x, n, &n) == NUMBER)
		return 1;
	return gpt2(x);
}

static size_t starcoder(struct text x)
{
	size_t n = len_if(x, 0, is_number);
	x.cut = true;
	return n ? n : gpt2(x);
}

/* Characters that no alternative takes: up to one that stands in front of a letter, or is of a class. */
static size_t strays(struct text x)
{
	size_t n, at = 0;
	do {
		look(x, at, &n);
		at += n;
	} while (look(x, at, &n) == STRAY && look(x, at + n, &n) != LETTER);
	return at;
}

static bool is_ascii_punct(u8 c)
{
	return c > ' ' && c < 0x7f && !is_lower(c) && !is_upper(c) && !(c >= '0' && c <= '9');
}

static bool is_ascii_letter(u8 c)
{
	return is_lower(c) || is_upper(c);
}

static size_t deepseek3(struct text x)
{
	size_t n, n1, end = run_if(x, is_cjk);
	if (end)
		return end;
	enum kind c = look(x, 0, &n);
	if (c == NUMBER)
		return numbers(x);
	x.cut = true;
	if (is_ascii_punct(x.s[0]) && is_ascii_letter(byte_or_0(x, 1))) {
		for (end = 2; is_ascii_letter(byte_or_0(x, end));)
			end++;
		return end;
	}
	enum kind c1 = look(x, n, &n1);
	if (!is_newline(x.s[0]) && c != OTHER && (c == LETTER || c1 == LETTER))
		return run(x, n, LETTER);
	if (c == OTHER || (x.s[0] == ' ' && c1 == OTHER))
		return others(x, n);
	return c == STRAY ? strays(x) : spaces(x, true);
}

static const struct shape shapes[LAYOUT_PRE_COUNT] = {
	[LAYOUT_PRE_DEFAULT] = { plain, is_punct },
	[LAYOUT_PRE_LLAMA3] = { llama3, .digits = 3, .whole = true },
	[LAYOUT_PRE_GPT2] = { gpt2 },
	[LAYOUT_PRE_DBRX] = { llama3, .digits = 3 },
	[LAYOUT_PRE_QWEN2] = { llama3, .digits = 1 },
	[LAYOUT_PRE_QWEN35] = { llama3, .digits = 1, .marks = true },
	[LAYOUT_PRE_TEKKEN] = { gpt4o, .digits = 1, .whole = true },
	[LAYOUT_PRE_GPT4O] = { gpt4o, .digits = 3, .apostrophes = true },
	[LAYOUT_PRE_STARCODER] = { starcoder, is_number },
	[LAYOUT_PRE_DEEPSEEK3] = { deepseek3, is_number_or_cjk, .digits = 3, .marks = true, .strays = true },
};

size_t tok_pre_word(u32 pre, const u8 *text, size_t len)
{
	assert(len > 0 && pre < LAYOUT_PRE_COUNT);
	struct text x = { text, len, &shapes[pre], false };
	return x.shape->word(x);
}

bool tok_pre_whole(u32 pre)
{
	assert(pre < LAYOUT_PRE_COUNT);
	return shapes[pre].whole;
}
