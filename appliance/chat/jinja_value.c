#include "chat/jinja.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the run ------------------------------------------------------------------------------------------------------------- */

bool chat_fail(struct chat_run *r, const char *fmt, ...)
{
	if (r->err)
		return false;
	va_list ap;
	va_start(ap, fmt);
	int n = snprintf(r->why, sizeof r->why, "line %u: ", r->line);
	vsnprintf(r->why + n, sizeof r->why - (size_t)n, fmt, ap);
	va_end(ap);
	r->err = 1;
	return false;
}

void *chat_alloc(struct chat_run *r, size_t n)
{
	if (n > r->a.max_bytes || r->a.used_bytes > r->a.max_bytes - n) {
		chat_fail(r, "it needs more than %u MiB of memory", TEMPLATE_MEMORY_BYTES_MAX >> 20);
		return NULL;
	}
	void *p = arena_alloc(&r->a, n);
	if (!p && !r->err)
		r->err = -ENOMEM;
	return p;
}

bool chat_charge(struct chat_run *r, u64 n)
{
	r->steps += 1 + n / 64;
	return r->steps <= TEMPLATE_STEPS_MAX ||
	       chat_fail(r, "it runs longer than %u steps", TEMPLATE_STEPS_MAX);
}

bool chat_enter(struct chat_run *r)
{
	return r->depth++ < TEMPLATE_NEST_MAX || chat_fail(r, "it nests deeper than %u", TEMPLATE_NEST_MAX);
}

void chat_leave(struct chat_run *r)
{
	r->depth--;
}

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

/* ---- making values ------------------------------------------------------------------------------------------------------- */

struct chat_val chat_undefined(struct chat_str name)
{
	return (struct chat_val){ .kind = CHAT_UNDEFINED, .s = name };
}

struct chat_val chat_none(void)
{
	return (struct chat_val){ .kind = CHAT_NONE };
}

struct chat_val chat_bool(bool b)
{
	return (struct chat_val){ .kind = CHAT_BOOL, .b = b };
}

struct chat_val chat_int(i64 i)
{
	return (struct chat_val){ .kind = CHAT_INT, .i = i };
}

struct chat_val chat_float(f64 f)
{
	return (struct chat_val){ .kind = CHAT_FLOAT, .f = f };
}

struct chat_val chat_text(struct chat_str s)
{
	return (struct chat_val){ .kind = CHAT_STR, .s = s };
}

bool chat_list_new(struct chat_run *r, enum chat_kind kind, struct chat_val *ret)
{
	struct chat_list *l = chat_alloc(r, sizeof *l);
	*ret = (struct chat_val){ .kind = kind, .list = l };
	return l != NULL;
}

static bool grow(struct chat_run *r, struct chat_val **v, u32 n, u32 *cap)
{
	if (n < *cap)
		return true;
	u32 more = *cap ? 2 * *cap : 4;
	struct chat_val *p = chat_alloc(r, more * sizeof *p);
	if (!p)
		return false;
	if (n)
		memcpy(p, *v, n * sizeof *p);
	*v = p;
	*cap = more;
	return true;
}

bool chat_list_add(struct chat_run *r, struct chat_list *l, struct chat_val v)
{
	if (!grow(r, &l->v, l->n, &l->cap))
		return false;
	l->v[l->n++] = v;
	return true;
}

bool chat_dict_new(struct chat_run *r, enum chat_kind kind, struct chat_val *ret)
{
	struct chat_dict *d = chat_alloc(r, sizeof *d);
	*ret = (struct chat_val){ .kind = kind, .dict = d };
	return d != NULL;
}

bool chat_dict_get(
	struct chat_run *r, const struct chat_dict *d, struct chat_val key, struct chat_val **ret_v)
{
	*ret_v = NULL;
	if (key.kind == CHAT_LIST || key.kind == CHAT_DICT)
		return chat_fail(r, "%s cannot be a key", chat_kind_name(key.kind));
	if (!chat_charge(r, d->n))
		return false;
	for (u32 i = 0; i < d->n; i++) {
		bool same;
		if (d->kv[2 * i].kind != key.kind && (d->kv[2 * i].kind == CHAT_STR || key.kind == CHAT_STR))
			continue;
		if (!chat_equal(r, &d->kv[2 * i], &key, &same))
			return false;
		if (same) {
			*ret_v = &d->kv[2 * i + 1];
			return true;
		}
	}
	return true;
}

bool chat_dict_set(struct chat_run *r, struct chat_dict *d, struct chat_val key, struct chat_val v)
{
	struct chat_val *old;
	if (!chat_dict_get(r, d, key, &old))
		return false;
	if (old) {
		*old = v;
		return true;
	}
	u32 n = 2 * d->n;
	if (!grow(r, &d->kv, n, &d->cap))
		return false;
	d->kv[n] = key;
	d->kv[n + 1] = v;
	d->n++;
	return true;
}

bool chat_dict_put(struct chat_run *r, struct chat_dict *d, const char *key, struct chat_val v)
{
	return chat_dict_set(r, d, chat_text(chat_cstr(key)), v);
}

/* ---- asking values ------------------------------------------------------------------------------------------------------- */

const char *chat_kind_name(enum chat_kind k)
{
	static const char *const names[] = { "nothing", "an undefined value", "none", "a boolean",
		"an integer", "a float", "a string", "a list", "a tuple", "a mapping", "a namespace",
		"a loop", "a macro", "a function", "a method" };
	return names[k];
}

bool chat_truth(const struct chat_val *v)
{
	switch (v->kind) {
	case CHAT_MISSING:
	case CHAT_UNDEFINED:
	case CHAT_NONE:
		return false;
	case CHAT_BOOL:
		return v->b;
	case CHAT_INT:
		return v->i != 0;
	case CHAT_FLOAT:
		return v->f != 0;
	case CHAT_STR:
		return v->s.len > 0;
	case CHAT_LIST:
	case CHAT_TUPLE:
		return v->list->n > 0;
	case CHAT_DICT:
		return v->dict->n > 0;
	default:
		return true;
	}
}

bool chat_integer(const struct chat_val *v, i64 *ret)
{
	*ret = v->kind == CHAT_BOOL ? v->b : v->kind == CHAT_INT ? v->i : 0;
	return v->kind == CHAT_BOOL || v->kind == CHAT_INT;
}

bool chat_number(const struct chat_val *v, f64 *ret)
{
	i64 i;
	if (chat_integer(v, &i))
		*ret = (f64)i;
	else if (v->kind == CHAT_FLOAT)
		*ret = v->f;
	else
		return false;
	return true;
}

static bool lists_equal(struct chat_run *r, const struct chat_list *a, const struct chat_list *b, bool *ret)
{
	*ret = a->n == b->n;
	for (u32 i = 0; i < a->n && *ret; i++)
		if (!chat_equal(r, &a->v[i], &b->v[i], ret))
			return false;
	return true;
}

static bool dicts_equal(struct chat_run *r, const struct chat_dict *a, const struct chat_dict *b, bool *ret)
{
	*ret = a->n == b->n;
	for (u32 i = 0; i < a->n && *ret; i++) {
		struct chat_val *other;
		if (!chat_dict_get(r, b, a->kv[2 * i], &other))
			return false;
		*ret = other != NULL;
		if (other && !chat_equal(r, &a->kv[2 * i + 1], other, ret))
			return false;
	}
	return true;
}

static bool equal_same_kind(struct chat_run *r, const struct chat_val *a, const struct chat_val *b, bool *ret)
{
	switch (a->kind) {
	case CHAT_UNDEFINED:
	case CHAT_NONE:
		*ret = true;
		return true;
	case CHAT_STR:
		*ret = chat_str_eq(a->s, b->s);
		return !*ret || chat_charge(r, a->s.len);
	case CHAT_LIST:
	case CHAT_TUPLE:
		return lists_equal(r, a->list, b->list, ret);
	case CHAT_DICT:
		return dicts_equal(r, a->dict, b->dict, ret);
	default:
		*ret = a->list == b->list;
		return true;
	}
}

bool chat_equal(struct chat_run *r, const struct chat_val *a, const struct chat_val *b, bool *ret)
{
	f64 x, y;
	i64 i, j;
	*ret = false;
	if (chat_integer(a, &i) && chat_integer(b, &j)) {
		*ret = i == j;
		return true;
	}
	if (chat_number(a, &x) && chat_number(b, &y)) {
		*ret = x == y;
		return true;
	}
	if (a->kind != b->kind)
		return true;
	bool ok = chat_enter(r) && chat_charge(r, 0) && equal_same_kind(r, a, b, ret);
	chat_leave(r);
	return ok;
}

static int str_compare(struct chat_str a, struct chat_str b, bool fold)
{
	for (u32 i = 0; i < a.len && i < b.len; i++) {
		u8 x = (u8)a.p[i], y = (u8)b.p[i];
		x = fold && x >= 'A' && x <= 'Z' ? x | 0x20 : x;
		y = fold && y >= 'A' && y <= 'Z' ? y | 0x20 : y;
		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

static bool list_compare(
	struct chat_run *r, const struct chat_list *a, const struct chat_list *b, bool fold, int *ret)
{
	for (u32 i = 0; i < a->n && i < b->n; i++) {
		bool same;
		if (!chat_equal(r, &a->v[i], &b->v[i], &same))
			return false;
		if (!same)
			return chat_compare(r, &a->v[i], &b->v[i], fold, ret);
	}
	*ret = a->n < b->n ? -1 : a->n > b->n;
	return true;
}

bool chat_compare(struct chat_run *r, const struct chat_val *a, const struct chat_val *b, bool fold, int *ret)
{
	f64 x, y;
	i64 i, j;
	if (chat_integer(a, &i) && chat_integer(b, &j)) {
		*ret = i < j ? -1 : i > j;
		return true;
	}
	if (chat_number(a, &x) && chat_number(b, &y)) {
		*ret = x < y ? -1 : x > y;
		return true;
	}
	if (a->kind == b->kind && a->kind == CHAT_STR) {
		*ret = str_compare(a->s, b->s, fold);
		return chat_charge(r, MIN(a->s.len, b->s.len));
	}
	if (a->kind == b->kind && (a->kind == CHAT_LIST || a->kind == CHAT_TUPLE)) {
		bool ok = chat_enter(r) && list_compare(r, a->list, b->list, fold, ret);
		chat_leave(r);
		return ok;
	}
	return chat_fail(r, "%s and %s have no order", chat_kind_name(a->kind), chat_kind_name(b->kind));
}

bool chat_length(struct chat_run *r, const struct chat_val *v, i64 *ret)
{
	switch (v->kind) {
	case CHAT_UNDEFINED:
		*ret = 0;
		return true;
	case CHAT_STR:
		*ret = chat_str_chars(v->s);
		return chat_charge(r, v->s.len);
	case CHAT_LIST:
	case CHAT_TUPLE:
		*ret = v->list->n;
		return true;
	case CHAT_DICT:
		*ret = v->dict->n;
		return true;
	case CHAT_LOOP:
		*ret = v->loop->n;
		return true;
	default:
		return chat_fail(r, "%s has no length", chat_kind_name(v->kind));
	}
}

static bool characters(struct chat_run *r, struct chat_str s, const struct chat_val **ret, u32 *ret_n)
{
	u32 n = chat_str_chars(s), k = 0;
	struct chat_val *v = chat_charge(r, s.len) ? chat_alloc(r, (size_t)n * sizeof *v) : NULL;
	if (!v)
		return false;
	for (u32 i = 0; i < s.len; i += chat_char_len(s, i))
		v[k++] = chat_text(chat_str_cut(s, i, i + chat_char_len(s, i)));
	*ret = v;
	*ret_n = n;
	return true;
}

bool chat_elements(struct chat_run *r, const struct chat_val *v, const struct chat_val **ret, u32 *ret_n)
{
	struct chat_val *keys;
	switch (v->kind) {
	case CHAT_UNDEFINED:
		*ret_n = 0;
		return true;
	case CHAT_STR:
		return characters(r, v->s, ret, ret_n);
	case CHAT_LIST:
	case CHAT_TUPLE:
		*ret = v->list->v;
		*ret_n = v->list->n;
		return true;
	case CHAT_DICT:
		keys = chat_alloc(r, (size_t)v->dict->n * sizeof *keys);
		if (!keys)
			return false;
		for (u32 i = 0; i < v->dict->n; i++)
			keys[i] = v->dict->kv[2 * i];
		*ret = keys;
		*ret_n = v->dict->n;
		return true;
	default:
		return chat_fail(r, "%s has no elements", chat_kind_name(v->kind));
	}
}

bool chat_contains(struct chat_run *r, const struct chat_val *in, const struct chat_val *what, bool *ret)
{
	struct chat_val *v;
	*ret = false;
	switch (in->kind) {
	case CHAT_UNDEFINED:
		return true;
	case CHAT_STR:
		if (what->kind != CHAT_STR)
			return chat_fail(r, "%s cannot be in a string", chat_kind_name(what->kind));
		*ret = chat_str_find(in->s, what->s, 0) <= in->s.len;
		return chat_charge(r, in->s.len);
	case CHAT_DICT:
		if (!chat_dict_get(r, in->dict, *what, &v))
			return false;
		*ret = v != NULL;
		return true;
	case CHAT_LIST:
	case CHAT_TUPLE:
		for (u32 i = 0; i < in->list->n && !*ret; i++)
			if (!chat_charge(r, 0) || !chat_equal(r, &in->list->v[i], what, ret))
				return false;
		return true;
	default:
		return chat_fail(r, "nothing can be in %s", chat_kind_name(in->kind));
	}
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
