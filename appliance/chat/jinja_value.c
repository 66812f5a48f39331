/* The run, and values: made, compared, looked into. */
#include "chat/jinja.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
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
