/* Characters: what the pre-tokenizers tell apart, and walking over them. */
#include "runtime/tok_pre.h"

#include <string.h>
#include <utf8proc.h>

struct range {
	u32 first, last;
};

static bool is_in(u32 cp, const struct range *ranges, size_t n)
{
	size_t lo = 0;
	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;
		if (ranges[mid].last < cp)
			lo = mid + 1;
		else
			n = mid;
	}
	return ranges[lo].first <= cp && cp <= ranges[lo].last;
}

/* ---- categories of Unicode ----------------------------------------------------------------------------------------------------- */

/* As Unicode 15.1 has it, whose additions not every utf8proc knows. */
static utf8proc_category_t category(u32 cp)
{
	if (cp >= 0x2ebf0 && cp <= 0x2ee5d)
		return UTF8PROC_CATEGORY_LO;
	if ((cp >= 0x2ffc && cp <= 0x2fff) || cp == 0x31ef)
		return UTF8PROC_CATEGORY_SO;
	return utf8proc_category((utf8proc_int32_t)cp);
}

static bool between(utf8proc_category_t c, utf8proc_category_t first, utf8proc_category_t last)
{
	return c >= first && c <= last;
}

bool tok_is_space(u32 cp)
{
	return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
	       (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
	       cp == 0x205f || cp == 0x3000;
}

bool tok_is_letter(u32 cp)
{
	return between(category(cp), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool tok_is_mark(u32 cp)
{
	return between(category(cp), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

bool tok_is_number(u32 cp)
{
	return between(category(cp), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool tok_is_punctuation(u32 cp)
{
	return between(category(cp), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool tok_is_control(u32 cp)
{
	utf8proc_category_t c = category(cp);
	return c == UTF8PROC_CATEGORY_CN || between(c, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}

static enum tok_kind kind_of(u32 cp, const struct tok_shape *shape)
{
	if (tok_is_space(cp))
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

/* ---- classes of single models -------------------------------------------------------------------------------------------------- */

bool tok_is_punct_default(u32 cp)
{
	return tok_is_punctuation(cp) || (cp < 0x80 && cp && strchr("$+<=>^~|", (int)cp));
}

bool tok_is_punct_falcon(u32 cp)
{
	return cp == '`' || tok_is_punct_default(cp);
}

bool tok_is_ideograph_or_kana(u32 cp)
{
	return (cp >= 0x4e00 && cp <= 0x9fa5) || (cp >= 0x3040 && cp <= 0x30ff);
}

bool tok_is_han(u32 cp)
{
	static const struct range han[] = { { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff }, { 0xf900, 0xfaff },
		{ 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f }, { 0x2b740, 0x2b81f }, { 0x2b820, 0x2ceaf },
		{ 0x2ceb0, 0x2ebef }, { 0x2f800, 0x2fa1f } };
	return cp <= 0x2fa1f && is_in(cp, han, ARRAY_LEN(han));
}

bool tok_is_cased_deepseek(u32 cp)
{
	static const struct range cased[] = { { 0x41, 0x5a }, { 0x61, 0x7a }, { 0xb5, 0xb5 }, { 0xc0, 0xd6 },
		{ 0xd8, 0xf6 }, { 0xf8, 0x1ba }, { 0x1bc, 0x1bf }, { 0x1c4, 0x293 }, { 0x295, 0x2af },
		{ 0x370, 0x373 }, { 0x376, 0x377 }, { 0x37b, 0x37d }, { 0x37f, 0x37f }, { 0x386, 0x386 },
		{ 0x388, 0x38a }, { 0x38c, 0x38c }, { 0x38e, 0x3a1 }, { 0x3a3, 0x3f5 }, { 0x3f7, 0x481 },
		{ 0x48a, 0x52f }, { 0x531, 0x556 }, { 0x10a0, 0x10c5 }, { 0x13a0, 0x13f5 },
		{ 0x13f8, 0x13fd }, { 0x1c90, 0x1cba }, { 0x1cbd, 0x1cbf }, { 0x1d00, 0x1d2b },
		{ 0x1d6b, 0x1d77 }, { 0x1d79, 0x1d9a }, { 0x1e00, 0x1f15 }, { 0x1f18, 0x1f1d },
		{ 0x1f20, 0x1f45 }, { 0x1f48, 0x1f4d }, { 0x1f50, 0x1f57 }, { 0x1f59, 0x1f59 },
		{ 0x1f5b, 0x1f5b }, { 0x1f5d, 0x1f5d }, { 0x1f5f, 0x1f7d }, { 0x1f80, 0x1fb4 },
		{ 0x1fb6, 0x1fbc }, { 0x1fbe, 0x1fbe }, { 0x1fc2, 0x1fc4 }, { 0x1fc6, 0x1fcc },
		{ 0x1fd0, 0x1fd3 }, { 0x1fd6, 0x1fdb }, { 0x1fe0, 0x1fec }, { 0x1ff2, 0x1ff4 },
		{ 0x1ff6, 0x1ffc }, { 0x2102, 0x2102 }, { 0x2107, 0x2107 }, { 0x210a, 0x2113 },
		{ 0x2115, 0x2115 }, { 0x2119, 0x211d }, { 0x2124, 0x2124 }, { 0x2126, 0x2126 },
		{ 0x2128, 0x2128 }, { 0x212a, 0x212d }, { 0x212f, 0x2134 }, { 0x2139, 0x2139 },
		{ 0x213c, 0x213f }, { 0x2145, 0x2149 }, { 0x214e, 0x214e }, { 0x2183, 0x2184 },
		{ 0x2c00, 0x2c7b }, { 0x2c7e, 0x2ce4 }, { 0x2ceb, 0x2cee }, { 0x2cf2, 0x2cf3 },
		{ 0xa640, 0xa66d }, { 0xa680, 0xa69b }, { 0xa722, 0xa76f }, { 0xa771, 0xa787 },
		{ 0xa78b, 0xa78e }, { 0xab70, 0xabbf }, { 0xfb00, 0xfb06 }, { 0xfb13, 0xfb17 },
		{ 0xff21, 0xff3a }, { 0xff41, 0xff5a }, { 0x10400, 0x1044f }, { 0x104b0, 0x104d3 },
		{ 0x104d8, 0x104fb }, { 0x10c80, 0x10cb2 }, { 0x10cc0, 0x10cf2 }, { 0x118a0, 0x118df },
		{ 0x1e900, 0x1e943 } };
	return cp <= 0x1e943 && is_in(cp, cased, ARRAY_LEN(cased));
}

bool tok_is_punct_deepseek(u32 cp)
{
	return (cp >= 0x21 && cp <= 0x2f) || (cp >= 0x3a && cp <= 0x7e) || (cp >= 0xff01 && cp <= 0xff0f) ||
	       (cp >= 0xff1a && cp <= 0xff5e) || (cp >= 0x2018 && cp <= 0x201f) || cp == 0x3001 ||
	       cp == 0x3002;
}

bool tok_is_cjk_deepseek(u32 cp)
{
	return ((cp >= 0x800 && cp <= 0x9fa5) || (cp >= 0xac00 && cp <= 0xd7ff)) && !tok_is_space(cp);
}

bool tok_is_not_poro(u32 cp)
{
	static const u32 ends[] = { '(', '|', '.', ',', '!', '?', ')', 0x2026, 0x3002, 0xff0c, 0x3001, 0x964,
		0x6d4, 0x60c };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (cp == ends[i])
			return false;
	return !tok_is_space(cp);
}

u32 tok_class_youtu(u32 cp)
{
	static const struct range marks[] = { { 0x2014, 0x2014 }, { 0x2018, 0x2019 }, { 0x201c, 0x201d },
		{ 0x2026, 0x2026 }, { 0x3001, 0x303f }, { 0xfe30, 0xfe4f }, { 0xff01, 0xff01 },
		{ 0xff0c, 0xff0c }, { 0xff1a, 0xff1b } };
	if ((cp >= 0xac00 && cp <= 0xd7a3) || (cp >= 0x3131 && cp <= 0x318e))
		return 1;
	if (cp <= 0xff1b && is_in(cp, marks, ARRAY_LEN(marks)))
		return 2;
	if (cp >= 0x3105 && cp <= 0x312f)
		return 3;
	return tok_is_ideograph_or_kana(cp) ? 4 : 0;
}

/* ---- walking ------------------------------------------------------------------------------------------------------------------- */

static u32 char_at(struct tok_text x, size_t at, size_t *ret_n)
{
	u32 cp;
	tok_looks++;
	int n = tok_utf8(x.s + at, x.len - at, &cp);
	*ret_n = n > 0 ? (size_t)n : 1;
	return n > 0 ? cp : 0xfffd;
}

enum tok_kind tok_look(struct tok_text x, size_t at, size_t *ret_n)
{
	*ret_n = 0;
	return at < x.len ? kind_of(char_at(x, at, ret_n), x.shape) : END;
}

size_t tok_run(struct tok_text x, size_t at, enum tok_kind c)
{
	size_t n;
	while (tok_look(x, at, &n) == c)
		at += n;
	return at;
}

size_t tok_len_if(struct tok_text x, size_t at, bool (*class)(u32 cp))
{
	size_t n;
	return at < x.len && class(char_at(x, at, &n)) ? n : 0;
}

size_t tok_run_if(struct tok_text x, size_t at, u32 max, bool (*class)(u32 cp))
{
	for (size_t n; max && (n = tok_len_if(x, at, class)); max--)
		at += n;
	return at;
}

size_t tok_next(struct tok_text x, size_t at)
{
	size_t n;
	(void)char_at(x, at, &n);
	return at + n;
}

u8 tok_byte_at(struct tok_text x, size_t at)
{
	return at < x.len ? x.s[at] : 0;
}
