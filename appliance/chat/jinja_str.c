/* Strings with marks: cutting, searching, and text under construction; printing values as Python does. */
#include "chat/jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- strings ------------------------------------------------------------------------------------------------------------- */

struct chat_str chat_cstr(const char *s)
{
	return (struct chat_str){ .p = s, .len = (u32)strlen(s) };
}

struct chat_str chat_str_cut(struct chat_str s, u32 from, u32 to)
{
	assert(from <= to && to <= s.len);
	s.p += from;
	s.mark = s.mark ? s.mark + from : NULL;
	s.len = to - from;
	return s;
}

bool chat_str_is(struct chat_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

bool chat_str_eq(struct chat_str a, struct chat_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool chat_byte_user(struct chat_str s, u32 at)
{
	return s.mark ? s.mark[at] : s.user;
}

u32 chat_str_find(struct chat_str s, struct chat_str needle, u32 from)
{
	if (from > s.len || needle.len > s.len - from)
		return s.len + 1;
	if (needle.len == 0)
		return from;
	const char *end = s.p + s.len - needle.len + 1;
	for (const char *p = s.p + from; p < end; p++) {
		p = memchr(p, needle.p[0], (size_t)(end - p));
		if (!p)
			break;
		if (memcmp(p, needle.p, needle.len) == 0)
			return (u32)(p - s.p);
	}
	return s.len + 1;
}

u32 chat_char_len(struct chat_str s, u32 at)
{
	u8 c = (u8)s.p[at];
	u32 n = c < 0xc2 || c > 0xf4 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (n > s.len - at)
		return 1;
	for (u32 i = 1; i < n; i++)
		if (((u8)s.p[at + i] & 0xc0) != 0x80)
			return 1;
	return n;
}

u32 chat_str_chars(struct chat_str s)
{
	u32 n = 0;
	for (u32 i = 0; i < s.len; i += chat_char_len(s, i))
		n++;
	return n;
}

static u32 char_at(struct chat_str s, u32 at)
{
	u32 n = chat_char_len(s, at), cp = (u8)s.p[at];
	if (n == 1)
		return cp;
	cp &= 0x7fu >> n;
	for (u32 i = 1; i < n; i++)
		cp = cp << 6 | ((u8)s.p[at + i] & 0x3f);
	return cp;
}

bool chat_is_space(struct chat_str s, u32 at)
{
	u32 c = char_at(s, at);
	if (chat_char_len(s, at) == 1)
		return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20);
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool strips(struct chat_str s, u32 at, const struct chat_str *set)
{
	if (!set)
		return chat_is_space(s, at);
	u32 n = chat_char_len(s, at);
	for (u32 i = 0; i < set->len; i += chat_char_len(*set, i))
		if (chat_char_len(*set, i) == n && memcmp(set->p + i, s.p + at, n) == 0)
			return true;
	return false;
}

/* The beginning of the last character of s[0..end). */
static u32 char_before(struct chat_str s, u32 end)
{
	s.len = end;
	for (u32 back = MIN(4u, end); back > 1; back--)
		if (chat_char_len(s, end - back) == back)
			return end - back;
	return end - 1;
}

struct chat_str chat_str_strip(struct chat_str s, const struct chat_str *set, bool left, bool right)
{
	u32 from = 0, to = s.len;
	while (left && from < to && strips(s, from, set))
		from += chat_char_len(s, from);
	while (right && to > from) {
		u32 at = char_before(s, to);
		if (at < from || !strips(chat_str_cut(s, 0, to), at, set))
			break;
		to = at;
	}
	return chat_str_cut(s, from, to);
}

/* ---- text ---------------------------------------------------------------------------------------------------------------- */

static bool room(struct chat_run *r, struct chat_buf *b, u32 n)
{
	if (n > CHAT_LEN_MAX - b->n)
		return chat_fail(r, "a text is too long");
	if (n <= b->cap - b->n)
		return true;
	u32 cap = MAX(MAX(64u, 2 * b->cap), b->n + n);
	char *p = chat_alloc(r, 2 * (size_t)cap);
	if (!p)
		return false;
	if (b->n) {
		memcpy(p, b->p, b->n);
		memcpy(p + cap, b->mark, b->n);
	}
	b->p = p;
	b->mark = (u8 *)p + cap;
	b->cap = cap;
	return true;
}

bool chat_buf_add(struct chat_run *r, struct chat_buf *b, struct chat_str s)
{
	if (s.len == 0)
		return true;
	if (!room(r, b, s.len) || !chat_charge(r, s.len))
		return false;
	memcpy(b->p + b->n, s.p, s.len);
	if (s.mark)
		memcpy(b->mark + b->n, s.mark, s.len);
	else
		memset(b->mark + b->n, s.user, s.len);
	b->any_user |= s.mark || s.user;
	b->any_trusted |= s.mark || !s.user;
	b->n += s.len;
	return true;
}

bool chat_buf_text(struct chat_run *r, struct chat_buf *b, const char *text)
{
	return chat_buf_add(r, b, chat_cstr(text));
}

struct chat_str chat_buf_str(const struct chat_buf *b)
{
	bool mixed = b->any_user && b->any_trusted;
	return (struct chat_str){
		.p = b->n ? b->p : "", .mark = mixed ? b->mark : NULL, .len = b->n, .user = b->any_user
	};
}

/* As Python's repr: the fewest digits that read back as the same number, an exponent below 1e-4 and from 1e16 on. */
void chat_float_text(f64 f, char out[40])
{
	if (isnan(f) || isinf(f)) {
		snprintf(out, 40, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
		return;
	}
	char e[40];
	int digits = 1;
	do
		snprintf(e, sizeof e, "%.*e", digits - 1, f);
	while (strtod(e, NULL) != f && ++digits <= 17);
	int exp10 = atoi(strchr(e, 'e') + 1);
	if (f != 0 && (exp10 < -4 || exp10 >= 16)) {
		snprintf(out, 40, "%s", e);
		return;
	}
	snprintf(out, 40, "%.*f", MAX(digits - 1 - exp10, 1), f);
}

static bool print_quoted(struct chat_run *r, struct chat_buf *b, struct chat_str s)
{
	bool dq = s.len && memchr(s.p, '\'', s.len) && !memchr(s.p, '"', s.len);
	char quote = dq ? '"' : '\'', esc[8];
	bool ok = chat_buf_text(r, b, dq ? "\"" : "'");
	for (u32 i = 0, n; ok && i < s.len; i += n) {
		u8 c = (u8)s.p[i];
		n = chat_char_len(s, i);
		struct chat_str part = chat_str_cut(s, i, i + n);
		const char *named = c == '\n'	? "\\n"
				    : c == '\r' ? "\\r"
				    : c == '\t' ? "\\t"
				    : c == '\\' ? "\\\\"
						: NULL;
		if (c == quote)
			named = "\\'";
		if (!named && (c < 0x20 || c == 0x7f)) {
			snprintf(esc, sizeof esc, "\\x%02x", c);
			named = esc;
		}
		if (named) {
			struct chat_str x = chat_cstr(named);
			x.user = chat_byte_user(s, i);
			part = x;
		}
		ok = chat_buf_add(r, b, part);
	}
	return ok && chat_buf_text(r, b, dq ? "\"" : "'");
}

static bool print_list(struct chat_run *r, struct chat_buf *b, const struct chat_list *l, bool tuple)
{
	bool ok = chat_buf_text(r, b, tuple ? "(" : "[");
	for (u32 i = 0; ok && i < l->n; i++)
		ok = (i == 0 || chat_buf_text(r, b, ", ")) && chat_print(r, b, &l->v[i], true);
	return ok && chat_buf_text(r, b, tuple ? l->n == 1 ? ",)" : ")" : "]");
}

static bool print_dict(struct chat_run *r, struct chat_buf *b, const struct chat_dict *d)
{
	bool ok = chat_buf_text(r, b, "{");
	for (u32 i = 0; ok && i < d->n; i++)
		ok = (i == 0 || chat_buf_text(r, b, ", ")) && chat_print(r, b, &d->kv[2 * i], true) &&
		     chat_buf_text(r, b, ": ") && chat_print(r, b, &d->kv[2 * i + 1], true);
	return ok && chat_buf_text(r, b, "}");
}

static bool print_any(struct chat_run *r, struct chat_buf *b, const struct chat_val *v, bool quoted)
{
	char num[40];
	switch (v->kind) {
	case CHAT_UNDEFINED:
		return !quoted || chat_buf_text(r, b, "Undefined");
	case CHAT_NONE:
		return chat_buf_text(r, b, "None");
	case CHAT_BOOL:
		return chat_buf_text(r, b, v->b ? "True" : "False");
	case CHAT_INT:
		snprintf(num, sizeof num, "%lld", (long long)v->i);
		return chat_buf_text(r, b, num);
	case CHAT_FLOAT:
		chat_float_text(v->f, num);
		return chat_buf_text(r, b, num);
	case CHAT_STR:
		return quoted ? print_quoted(r, b, v->s) : chat_buf_add(r, b, v->s);
	case CHAT_LIST:
	case CHAT_TUPLE:
		return print_list(r, b, v->list, v->kind == CHAT_TUPLE);
	case CHAT_DICT:
		return print_dict(r, b, v->dict);
	default:
		return chat_fail(r, "%s cannot be printed", chat_kind_name(v->kind));
	}
}

bool chat_print(struct chat_run *r, struct chat_buf *b, const struct chat_val *v, bool quoted)
{
	bool ok = chat_enter(r) && chat_charge(r, 0) && print_any(r, b, v, quoted);
	chat_leave(r);
	return ok;
}

bool chat_str_of(struct chat_run *r, const struct chat_val *v, struct chat_str *ret)
{
	if (v->kind == CHAT_STR) {
		*ret = v->s;
		return true;
	}
	struct chat_buf b = { 0 };
	if (!chat_print(r, &b, v, false))
		return false;
	*ret = chat_buf_str(&b);
	return true;
}
