/* Text as a unigram vocabulary wants it. What stands for what is a table in the model (precompiled_charsmap): the length of a double array,
 * the double array, which leads from some bytes of text to a place in what follows, and there the bytes that replace them, ended by 0. Of all
 * that match the longest counts. A unit of the double array: bits 0..7 the byte that leads to it, bit 8 a value lies below it, bits 10..30
 * where its children are, in units of 256 if bit 9 is set; bit 31 is that of a value. The table is a stranger's: every index is checked. */
#include "runtime/tok_impl.h"
#include "base/bytes.h"

#include <string.h>

#define BLANK	    "\xe2\x96\x81" /* U+2581 stands for a blank */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static int values_check(const struct tok *t, const char **ret_why)
{
	u32 run = 0;
	for (u32 i = 0; i < t->values_bytes; i++) {
		run = t->values[i] ? run + 1 : 0;
		if (run > CHARSMAP_VALUE_BYTES_MAX) {
			*ret_why = "its charsmap puts more than CHARSMAP_VALUE_BYTES_MAX bytes somewhere";
			return 1;
		}
	}
	if (t->values_bytes == 0 || t->values[t->values_bytes - 1]) {
		*ret_why = "the texts of its charsmap do not end";
		return 1;
	}
	return 0;
}

int tok_normal_init(struct tok *t, const char **ret_why)
{
	struct layout_str map = t->l.h->charsmap;
	const u8 *p = (const u8 *)t->l.strings + map.off;
	if (map.len == 0)
		return 0;
	u32 bytes = map.len >= 4 ? bytes_u32le(p) : 0;
	if (bytes == 0 || bytes % 4 || bytes > map.len - 4) {
		*ret_why = "its charsmap is shorter than it says";
		return 1;
	}
	t->units = p + 4;
	t->n_units = bytes / 4;
	t->values = p + 4 + bytes;
	t->values_bytes = map.len - 4 - bytes;
	return values_check(t, ret_why);
}

/* ---- one step ---------------------------------------------------------------------------------------------------------------- */

struct span {
	const u8 *p;
	size_t len;
};

/* Units beyond the end lead nowhere. */
static u32 unit(const struct tok *t, u32 i)
{
	return i < t->n_units ? bytes_u32le(t->units + 4ull * i) : 0x80000000u;
}

static u32 offset(u32 u)
{
	return (u >> 10) << ((u & 0x200) >> 6);
}

/* What replaces the longest beginning of s that the table has, and its bytes; 0 if it has none. */
static size_t replaced(const struct tok *t, struct span s, struct span *ret)
{
	size_t found = 0;
	u32 at = offset(unit(t, 0));
	for (size_t i = 0; t->n_units && i < MIN(s.len, CHARSMAP_KEY_BYTES_MAX) && s.p[i]; i++) {
		at ^= s.p[i];
		u32 u = unit(t, at);
		if ((u & 0x800000ff) != s.p[i])
			break;
		at ^= offset(u);
		u32 value = unit(t, at) & 0x7fffffff;
		if (!(u & 0x100) || value >= t->values_bytes)
			continue;
		ret->p = t->values + value;
		ret->len = strlen((const char *)ret->p); /* values_check: it ends */
		found = i + 1;
	}
	return found;
}

/* What becomes of the beginning of s, which is not empty, and how many bytes that is. */
static size_t step(const struct tok *t, struct span s, struct span *ret)
{
	u32 cp;
	size_t n = replaced(t, s, ret);
	if (n)
		return n;
	int k = tok_utf8(s.p, s.len, &cp);
	*ret = k > 0 ? (struct span){ s.p, (size_t)k } : (struct span){ (const u8 *)REPLACEMENT, 3 };
	return k > 0 ? (size_t)k : 1;
}

/* ---- the text ---------------------------------------------------------------------------------------------------------------- */

/* Blanks become U+2581; after_blank: those in front are left out. */
static int put(struct tok_work *w, struct span s, bool *after_blank)
{
	int r = 0;
	while (*after_blank && s.len && s.p[0] == ' ') {
		s.p++;
		s.len--;
	}
	for (size_t from = 0, at = 0; !r && at <= s.len; at++) {
		if (at < s.len && s.p[at] != ' ')
			continue;
		r = tok_work_put(w, s.p + from, at - from);
		if (!r && at < s.len)
			r = tok_work_put(w, BLANK, 3);
		from = at + 1;
	}
	if (s.len)
		*after_blank = s.p[s.len - 1] == ' ';
	return r;
}

static void blanks_cut(struct tok_work *w)
{
	while (w->n_buf >= 3 && memcmp(w->buf + w->n_buf - 3, BLANK, 3) == 0)
		w->n_buf -= 3;
}

int tok_normal(const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank)
{
	u32 flags = t->l.h->tok_flags;
	bool once = flags & LAYOUT_SPACE_ONCE, suffix = flags & LAYOUT_SPACE_SUFFIX, any = false;
	bool added = blank && flags & LAYOUT_SPACE_PREFIX, after_blank = once && blank;
	w->n_buf = 0;
	int r = added && !suffix ? tok_work_put(w, BLANK, 3) : 0;
	for (size_t at = 0; !r && at < len;) {
		struct span s;
		at += step(t, (struct span){ text + at, len - at }, &s);
		any = any || !once || s.len != 1 || s.p[0] != ' ';
		r = put(w, s, &after_blank);
		after_blank = after_blank && once;
	}
	if (once)
		blanks_cut(w);
	if (!any)
		w->n_buf = 0; /* nothing but blanks is nothing */
	else if (!r && added && suffix)
		r = tok_work_put(w, BLANK, 3);
	return r;
}
