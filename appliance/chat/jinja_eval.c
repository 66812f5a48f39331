/* Expressions to values. */
#include "chat/jinja.h"

#include <string.h>

static bool eval_two(struct chat_run *r, const struct chat_node *n, struct chat_val *a, struct chat_val *b)
{
	return chat_eval(r, n->a, a) && chat_eval(r, n->b, b);
}

/* ---- names, elements ----------------------------------------------------------------------------------------------------- */

static bool name(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	for (const struct chat_frame *f = r->frame; f; f = f->up)
		for (u32 i = f->n; i-- > 0;)
			if (chat_str_eq(f->var[i].name, n->name)) {
				*ret = f->var[i].val;
				return chat_charge(r, 0);
			}
	const struct chat_func *g = chat_global_find(n->name);
	if (g && (r->now || !chat_str_is(n->name, "strftime_now")))
		*ret = (struct chat_val){ .kind = CHAT_FUNC, .func = g };
	else
		*ret = chat_undefined(n->name);
	return true;
}

static bool loop_attr(const struct chat_loop *l, struct chat_str name, struct chat_val *ret)
{
	const struct {
		const char *name;
		struct chat_val val;
	} table[] = {
		{ "index", chat_int((i64)l->i + 1) },
		{ "index0", chat_int(l->i) },
		{ "revindex", chat_int((i64)l->n - l->i) },
		{ "revindex0", chat_int((i64)l->n - l->i - 1) },
		{ "first", chat_bool(l->i == 0) },
		{ "last", chat_bool(l->i + 1 == l->n) },
		{ "length", chat_int(l->n) },
		{ "depth", chat_int(1) },
		{ "depth0", chat_int(0) },
		{ "previtem", l->i ? l->v[l->i - 1] : chat_undefined(name) },
		{ "nextitem", l->i + 1 < l->n ? l->v[l->i + 1] : chat_undefined(name) },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (chat_str_is(name, table[i].name)) {
			*ret = table[i].val;
			return true;
		}
	return false;
}

static bool bind(
	struct chat_run *r, const struct chat_func *f, const struct chat_val *self, struct chat_val *ret)
{
	struct chat_method *m = chat_alloc(r, sizeof *m);
	if (!m)
		return false;
	*m = (struct chat_method){ f, *self };
	*ret = (struct chat_val){ .kind = CHAT_METHOD, .method = m };
	return true;
}

bool chat_attr(struct chat_run *r, const struct chat_val *v, struct chat_str name, struct chat_val *ret)
{
	struct chat_val *found = NULL;
	*ret = chat_undefined(name);
	if (v->kind == CHAT_UNDEFINED)
		return chat_fail(r, "'%.*s' is undefined", (int)MIN(v->s.len, 60u), v->s.p);
	const struct chat_func *f = chat_method_find(v->kind, name);
	if (f)
		return bind(r, f, v, ret);
	if (v->kind == CHAT_LOOP)
		return loop_attr(v->loop, name, ret) ||
		       chat_fail(r, "loop.%.*s is outside the subset", (int)MIN(name.len, 40u), name.p);
	if (v->kind != CHAT_DICT && v->kind != CHAT_NAMESPACE)
		return true;
	if (!chat_dict_get(r, v->dict, chat_text(name), &found))
		return false;
	if (found)
		*ret = *found;
	return true;
}

/* Byte where character i of s begins; s.len for the end. */
static u32 byte_of(struct chat_str s, i64 i)
{
	u32 at = 0;
	for (; i > 0 && at < s.len; i--)
		at += chat_char_len(s, at);
	return at;
}

static bool index_of(struct chat_run *r, const struct chat_val *v, i64 i, struct chat_val *ret)
{
	i64 n;
	if (!chat_length(r, v, &n))
		return false;
	i += i < 0 ? n : 0;
	if (i < 0 || i >= n)
		return true;
	if (v->kind != CHAT_STR) {
		*ret = v->list->v[i];
		return true;
	}
	u32 at = byte_of(v->s, i);
	*ret = chat_text(chat_str_cut(v->s, at, at + chat_char_len(v->s, at)));
	return true;
}

bool chat_item(struct chat_run *r, const struct chat_val *v, const struct chat_val *key, struct chat_val *ret)
{
	struct chat_val *found = NULL;
	i64 i;
	if (v->kind == CHAT_UNDEFINED)
		return chat_fail(r, "'%.*s' is undefined", (int)MIN(v->s.len, 60u), v->s.p);
	*ret = chat_undefined(key->kind == CHAT_STR ? key->s : chat_cstr("an element"));
	bool hashable = key->kind != CHAT_UNDEFINED && key->kind != CHAT_LIST && key->kind != CHAT_DICT;
	if (v->kind == CHAT_DICT && hashable) {
		if (!chat_dict_get(r, v->dict, *key, &found))
			return false;
		if (found) {
			*ret = *found;
			return true;
		}
	}
	if ((v->kind == CHAT_LIST || v->kind == CHAT_TUPLE || v->kind == CHAT_STR) && chat_integer(key, &i))
		return index_of(r, v, i, ret);
	return key->kind != CHAT_STR || chat_attr(r, v, key->s, ret);
}

static bool slice_part(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	i64 i;
	*ret = chat_none();
	if (n && !chat_eval(r, n, ret))
		return false;
	return ret->kind == CHAT_NONE || chat_integer(ret, &i) || chat_fail(r, "a slice needs integers");
}

static i64 clamp(i64 i, i64 n, i64 lo, i64 hi)
{
	i = i < 0 ? MAX(i, -n - 1) + n : i;
	return i < lo ? lo : i > hi ? hi : i;
}

/* s[from:to:step] of n elements, as Python counts: from, to, step. */
static bool slice_bounds(struct chat_run *r, const struct chat_node *node, i64 n, i64 out[3])
{
	struct chat_val part[3];
	for (int i = 0; i < 3; i++)
		if (!slice_part(r, node->list[i], &part[i]))
			return false;
	i64 v;
	out[2] = chat_integer(&part[2], &v) ? v : 1;
	if (out[2] == 0)
		return chat_fail(r, "a slice of step 0");
	i64 lo = out[2] < 0 ? -1 : 0, hi = out[2] < 0 ? n - 1 : n;
	out[0] = chat_integer(&part[0], &v) ? clamp(v, n, lo, hi) : out[2] < 0 ? hi : lo;
	out[1] = chat_integer(&part[1], &v) ? clamp(v, n, lo, hi) : out[2] < 0 ? lo : hi;
	return true;
}

static bool slice_list(struct chat_run *r, const struct chat_val *v, const i64 s[3], struct chat_val *ret)
{
	if (!chat_list_new(r, v->kind, ret))
		return false;
	if (s[2] == 1 && s[0] < s[1]) { /* most slices: nothing to copy */
		ret->list->n = (u32)(s[1] - s[0]);
		ret->list->v = v->list->v + s[0];
		ret->list->cap = ret->list->n;
		return true;
	}
	for (i64 i = s[0]; s[2] > 0 ? i < s[1] : i > s[1];) {
		if (!chat_charge(r, 0) || !chat_list_add(r, ret->list, v->list->v[i]))
			return false;
		if (s[2] > 0 ? i > INT64_MAX - s[2] : i < INT64_MIN - s[2])
			break;
		i += s[2];
	}
	return true;
}

static bool slice_str(struct chat_run *r, struct chat_str s, const i64 b[3], struct chat_val *ret)
{
	struct chat_buf out = { 0 };
	const struct chat_val *c;
	u32 n;
	if (b[2] == 1) {
		u32 from = byte_of(s, b[0]), to = b[1] > b[0] ? byte_of(s, b[1]) : from;
		*ret = chat_text(chat_str_cut(s, from, to));
		return true;
	}
	if (!chat_elements(r, &(struct chat_val){ .kind = CHAT_STR, .s = s }, &c, &n))
		return false;
	for (i64 i = b[0]; b[2] > 0 ? i < b[1] : i > b[1];) {
		if (!chat_buf_add(r, &out, c[i].s))
			return false;
		if (b[2] > 0 ? i > INT64_MAX - b[2] : i < INT64_MIN - b[2])
			break;
		i += b[2];
	}
	*ret = chat_text(chat_buf_str(&out));
	return true;
}

static bool slice(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val v;
	i64 len, b[3] = { 0 };
	if (!chat_eval(r, n->a, &v))
		return false;
	if (v.kind == CHAT_UNDEFINED)
		return chat_fail(r, "'%.*s' is undefined", (int)MIN(v.s.len, 60u), v.s.p);
	if (v.kind != CHAT_STR && v.kind != CHAT_LIST && v.kind != CHAT_TUPLE) {
		*ret = chat_undefined(chat_cstr("a slice"));
		return true;
	}
	if (!chat_length(r, &v, &len) || !slice_bounds(r, n, len, b))
		return false;
	return v.kind == CHAT_STR ? slice_str(r, v.s, b, ret) : slice_list(r, &v, b, ret);
}

/* ---- logic --------------------------------------------------------------------------------------------------------------- */

static bool holds(struct chat_run *r, u8 op, const struct chat_val *a, const struct chat_val *b, bool *ret)
{
	int c;
	bool ok;
	switch (op) {
	case OP_EQ:
	case OP_NE:
		ok = chat_equal(r, a, b, ret);
		*ret ^= op == OP_NE;
		return ok;
	case OP_IN:
	case OP_NOT_IN:
		ok = chat_contains(r, b, a, ret);
		*ret ^= op == OP_NOT_IN;
		return ok;
	default:
		if (!chat_compare(r, a, b, false, &c))
			return false;
		*ret = op == '<' ? c < 0 : op == '>' ? c > 0 : op == OP_LE ? c <= 0 : c >= 0;
		return true;
	}
}

static bool compare(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val a, b;
	bool all = true;
	if (!chat_eval(r, n->a, &a))
		return false;
	for (u32 i = 0; i < n->n && all; i++) {
		if (!chat_eval(r, n->list[i]->a, &b) || !holds(r, n->list[i]->sub, &a, &b, &all))
			return false;
		a = b;
	}
	*ret = chat_bool(all);
	return true;
}

static bool and_or(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	if (!chat_eval(r, n->a, ret))
		return false;
	return chat_truth(ret) == (n->op == E_OR) || chat_eval(r, n->b, ret);
}

static bool conditional(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val c;
	if (!chat_eval(r, n->b, &c))
		return false;
	if (chat_truth(&c))
		return chat_eval(r, n->a, ret);
	if (n->c)
		return chat_eval(r, n->c, ret);
	*ret = chat_undefined(chat_cstr("the missing else of an if"));
	return true;
}

/* ---- calls --------------------------------------------------------------------------------------------------------------- */

static bool arguments(struct chat_run *r, const struct chat_node *n, struct chat_call *ret)
{
	struct chat_val *v = chat_alloc(r, (n->n + n->n_kw) * sizeof *v);
	struct chat_str *names = n->n_kw ? chat_alloc(r, n->n_kw * sizeof *names) : NULL;
	if (!v || (n->n_kw && !names))
		return false;
	for (u32 i = 0; i < n->n; i++)
		if (!chat_eval(r, n->list[i], &v[i]))
			return false;
	for (u32 i = 0; i < n->n_kw; i++) {
		names[i] = n->kw[i]->key;
		if (!chat_eval(r, n->kw[i]->a, &v[n->n + i]))
			return false;
	}
	*ret = (struct chat_call){ .v = v, .n = n->n, .kw_name = names, .kw = v + n->n, .n_kw = n->n_kw };
	return true;
}

static bool applied(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_call c;
	struct chat_val self;
	if (!chat_eval(r, n->a, &self) || !arguments(r, n, &c))
		return false;
	c.self = self;
	if (!chat_func_call(r, n->func, &c, ret))
		return false;
	if (n->op == E_TEST && n->sub)
		*ret = chat_bool(!chat_truth(ret));
	return true;
}

static bool call(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val f;
	struct chat_call c;
	if (!chat_eval(r, n->a, &f) || !arguments(r, n, &c))
		return false;
	r->line = n->line;
	switch (f.kind) {
	case CHAT_MACRO:
		return chat_macro_call(r, f.macro, &c, ret);
	case CHAT_FUNC:
		return chat_func_call(r, f.func, &c, ret);
	case CHAT_METHOD:
		c.self = f.method->self;
		return chat_func_call(r, f.method->func, &c, ret);
	case CHAT_UNDEFINED:
		return chat_fail(r, "'%.*s' is undefined", (int)MIN(f.s.len, 60u), f.s.p);
	default:
		return chat_fail(r, "%s cannot be called", chat_kind_name(f.kind));
	}
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

static bool sequence(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	if (!chat_list_new(r, n->op == E_LIST ? CHAT_LIST : CHAT_TUPLE, ret))
		return false;
	for (u32 i = 0; i < n->n; i++) {
		struct chat_val v;
		if (!chat_eval(r, n->list[i], &v) || !chat_list_add(r, ret->list, v))
			return false;
	}
	return true;
}

static bool mapping(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	if (!chat_dict_new(r, CHAT_DICT, ret))
		return false;
	for (u32 i = 0; i < n->n; i += 2) {
		struct chat_val k, v;
		if (!chat_eval(r, n->list[i], &k) || !chat_eval(r, n->list[i + 1], &v) ||
			!chat_dict_set(r, ret->dict, k, v))
			return false;
	}
	return true;
}

static bool attribute(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val v;
	return chat_eval(r, n->a, &v) && chat_attr(r, &v, n->name, ret);
}

static bool element(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val v, key;
	return eval_two(r, n, &v, &key) && chat_item(r, &v, &key, ret);
}

static bool negation(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	struct chat_val v;
	if (!chat_eval(r, n->a, &v))
		return false;
	*ret = chat_bool(!chat_truth(&v));
	return true;
}

static bool leaf(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	*ret = n->op == E_BODY ? *r->body : n->val;
	return true;
}

bool chat_eval(struct chat_run *r, const struct chat_node *n, struct chat_val *ret)
{
	static bool (*const table[])(struct chat_run *, const struct chat_node *, struct chat_val *) = {
		[E_CONST] = leaf,
		[E_BODY] = leaf,
		[E_NAME] = name,
		[E_LIST] = sequence,
		[E_TUPLE] = sequence,
		[E_DICT] = mapping,
		[E_ATTR] = attribute,
		[E_ITEM] = element,
		[E_SLICE] = slice,
		[E_CALL] = call,
		[E_FILTER] = applied,
		[E_TEST] = applied,
		[E_NOT] = negation,
		[E_NEG] = chat_eval_sign,
		[E_POS] = chat_eval_sign,
		[E_AND] = and_or,
		[E_OR] = and_or,
		[E_COND] = conditional,
		[E_COMPARE] = compare,
		[E_BINARY] = chat_eval_binary,
		[E_CONCAT] = chat_eval_concat,
	};
	assert(n->op < ARRAY_LEN(table) && table[n->op]);
	r->line = n->line;
	bool ok = chat_enter(r) && chat_charge(r, 0) && table[n->op](r, n, ret);
	chat_leave(r);
	return ok;
}
