/* Filters of sequences and mappings. */
#include "chat/jinja.h"
#include "chat/jinja_text.h"

#include <string.h>

/* ---- sequences ----------------------------------------------------------------------------------------------------------- */

static bool f_length(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	i64 n;
	if (!chat_length(r, &c->self, &n))
		return false;
	*ret = chat_int(n);
	return true;
}

static bool f_list(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	u32 n = 0;
	if (!chat_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < n; i++)
		if (!chat_charge(r, 0) || !chat_list_add(r, ret->list, v[i]))
			return false;
	return true;
}

static bool f_first(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	u32 n = 0;
	*ret = chat_undefined(chat_cstr("the first of nothing"));
	if (!chat_elements(r, &c->self, &v, &n))
		return false;
	if (n)
		*ret = v[0];
	return true;
}

static bool f_last(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	u32 n = 0;
	*ret = chat_undefined(chat_cstr("the last of nothing"));
	if (!chat_elements(r, &c->self, &v, &n))
		return false;
	if (n)
		*ret = v[n - 1];
	return true;
}

static bool f_reverse(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	struct chat_buf b = { 0 };
	u32 n = 0;
	if (!chat_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 i = n; i-- > 0;) {
		if (!chat_charge(r, 0))
			return false;
		if (c->self.kind == CHAT_STR ? !chat_buf_add(r, &b, v[i].s)
					     : !chat_list_add(r, ret->list, v[i]))
			return false;
	}
	if (c->self.kind == CHAT_STR)
		*ret = chat_text(chat_buf_str(&b));
	return true;
}

static bool f_items(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	if (c->self.kind == CHAT_UNDEFINED)
		return chat_list_new(r, CHAT_LIST, ret);
	if (c->self.kind != CHAT_DICT)
		return chat_fail(r, "%s has no items", chat_kind_name(c->self.kind));
	return chat_items(r, c->self.dict, ret);
}

/* An attribute by name, with dots for attributes of attributes, or an index. */
static bool attribute_of(
	struct chat_run *r, const struct chat_val *v, const struct chat_val *attr, struct chat_val *ret)
{
	if (attr->kind != CHAT_STR)
		return chat_item(r, v, attr, ret);
	struct chat_str s = attr->s;
	*ret = *v;
	for (u32 at = 0, end; at <= s.len; at = end + 1) {
		end = MIN(chat_str_find(s, CHAT_S("."), at), s.len);
		struct chat_val from = *ret, key = chat_text(chat_str_cut(s, at, end));
		i64 index = 0;
		bool digits = end > at && end - at < 10;
		for (u32 i = at; i < end; i++) {
			digits &= s.p[i] >= '0' && s.p[i] <= '9';
			index = index * 10 + (digits ? s.p[i] - '0' : 0);
		}
		if (digits)
			key = chat_int(index);
		if (!chat_item(r, &from, &key, ret))
			return false;
	}
	return true;
}

static bool f_join(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	struct chat_str sep = { 0 };
	struct chat_val *of;
	u32 n = 0;
	if (!chat_elements(r, &c->self, &v, &n) ||
		(c->arg[0].kind != CHAT_MISSING && !chat_str_of(r, &c->arg[0], &sep)))
		return false;
	if (c->arg[1].kind != CHAT_MISSING && c->arg[1].kind != CHAT_NONE) {
		of = chat_alloc(r, (size_t)n * sizeof *of);
		if (!of)
			return false;
		for (u32 i = 0; i < n; i++)
			if (!attribute_of(r, &v[i], &c->arg[1], &of[i]))
				return false;
		v = of;
	}
	return chat_join(r, sep, v, n, ret);
}

/* ---- map, select, reject ------------------------------------------------------------------------------------------------- */

/* The arguments of c from the k-th on, for the filter or test that it names. */
static struct chat_call rest_of(const struct chat_call *c, u32 k)
{
	struct chat_call rest = {
		.v = c->v + k, .n = c->n - k, .kw_name = c->kw_name, .kw = c->kw, .n_kw = c->n_kw
	};
	return rest;
}

static const struct chat_val *keyword(const struct chat_call *c, const char *name)
{
	for (u32 i = 0; i < c->n_kw; i++)
		if (chat_str_is(c->kw_name[i], name))
			return &c->kw[i];
	return NULL;
}

static bool map_one(struct chat_run *r, const struct chat_call *c, const struct chat_func *f,
	const struct chat_val *v, struct chat_val *ret)
{
	const struct chat_val *attr = keyword(c, "attribute"), *otherwise = keyword(c, "default");
	if (f) {
		struct chat_call call = rest_of(c, 1);
		call.self = *v;
		return chat_func_call(r, f, &call, ret);
	}
	if (!attribute_of(r, v, attr, ret))
		return false;
	if (ret->kind == CHAT_UNDEFINED && otherwise)
		*ret = *otherwise;
	return true;
}

/* What map and its like go through: whatever is false, none too, is empty, as in Jinja. */
static bool some_elements(
	struct chat_run *r, const struct chat_val *of, const struct chat_val **ret, u32 *ret_n)
{
	*ret_n = 0;
	return !chat_truth(of) || chat_elements(r, of, ret, ret_n);
}

static bool f_map(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_func *f = NULL;
	const struct chat_val *v = NULL;
	u32 n = 0;
	if (c->n) {
		f = c->v[0].kind == CHAT_STR ? chat_filter_find(c->v[0].s) : NULL;
		if (!f)
			return chat_fail(r, "map() with an unknown filter");
	} else if (!keyword(c, "attribute")) {
		return chat_fail(r, "map() needs a filter or an attribute");
	}
	if (!some_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < n; i++) {
		struct chat_val x;
		if (!chat_charge(r, 0) || !map_one(r, c, f, &v[i], &x) || !chat_list_add(r, ret->list, x))
			return false;
	}
	return true;
}

static bool sift(struct chat_run *r, const struct chat_call *c, bool by_attr, bool keep, struct chat_val *ret)
{
	const struct chat_func *f = NULL;
	const struct chat_val *v = NULL;
	u32 n = 0, k = by_attr;
	if (by_attr && c->n == 0)
		return chat_fail(r, "an attribute is missing");
	if (c->n > k) {
		f = c->v[k].kind == CHAT_STR ? chat_test_find(c->v[k].s) : NULL;
		if (!f)
			return chat_fail(r, "an unknown test");
	}
	if (!some_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < n; i++) {
		struct chat_val x = v[i], is;
		if (!chat_charge(r, 0) || (by_attr && !attribute_of(r, &v[i], &c->v[0], &x)))
			return false;
		is = x;
		if (f) {
			struct chat_call call = rest_of(c, k + 1);
			call.self = x;
			if (!chat_func_call(r, f, &call, &is))
				return false;
		}
		if (chat_truth(&is) == keep && !chat_list_add(r, ret->list, v[i]))
			return false;
	}
	return true;
}

static bool f_select(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return sift(r, c, false, true, ret);
}

static bool f_reject(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return sift(r, c, false, false, ret);
}

static bool f_selectattr(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return sift(r, c, true, true, ret);
}

static bool f_rejectattr(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return sift(r, c, true, false, ret);
}

/* ---- order --------------------------------------------------------------------------------------------------------------- */

struct keyed {
	struct chat_val key, val;
};

/* Merge two sorted halves of from[lo..hi) into to. */
static bool merge(struct chat_run *r, const struct keyed *from, struct keyed *to, u32 lo, u32 mid, u32 hi,
	bool fold, bool down)
{
	for (u32 i = lo, j = mid, k = lo; k < hi; k++) {
		int c = 0;
		if (i < mid && j < hi &&
			(!chat_charge(r, 0) || !chat_compare(r, &from[j].key, &from[i].key, fold, &c)))
			return false;
		bool right = i == mid || (j < hi && (down ? c > 0 : c < 0));
		to[k] = right ? from[j++] : from[i++];
	}
	return true;
}

/* Stable, as Python's: equal elements stay in their order, downwards too. */
static bool sorted(struct chat_run *r, struct keyed *v, u32 n, bool fold, bool down, struct chat_val *ret)
{
	struct keyed *from = v, *to = chat_alloc(r, (size_t)n * sizeof *to), *swap;
	if (!to || !chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 width = 1; width < n; width *= 2) {
		for (u32 lo = 0; lo < n; lo += 2 * width)
			if (!merge(r, from, to, lo, MIN(lo + width, n), MIN(lo + 2 * width, n), fold, down))
				return false;
		swap = from;
		from = to;
		to = swap;
	}
	for (u32 i = 0; i < n; i++)
		if (!chat_list_add(r, ret->list, from[i].val))
			return false;
	return true;
}

static bool f_sort(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	u32 n = 0;
	if (!chat_elements(r, &c->self, &v, &n))
		return false;
	struct keyed *k = chat_alloc(r, (size_t)n * sizeof *k);
	if (!k)
		return false;
	for (u32 i = 0; i < n; i++) {
		k[i] = (struct keyed){ v[i], v[i] };
		if (chat_truth(&c->arg[2]) && !attribute_of(r, &v[i], &c->arg[2], &k[i].key))
			return false;
	}
	return sorted(r, k, n, !chat_truth(&c->arg[1]), chat_truth(&c->arg[0]), ret);
}

static bool f_dictsort(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_val pairs;
	u32 by = 0;
	if (c->self.kind != CHAT_DICT)
		return chat_fail(r, "%s has no items", chat_kind_name(c->self.kind));
	if (c->arg[1].kind == CHAT_STR && chat_str_is(c->arg[1].s, "value"))
		by = 1;
	else if (c->arg[1].kind != CHAT_MISSING &&
		 !(c->arg[1].kind == CHAT_STR && chat_str_is(c->arg[1].s, "key")))
		return chat_fail(r, "dictsort() sorts by key or by value");
	if (!chat_items(r, c->self.dict, &pairs))
		return false;
	u32 n = pairs.list->n;
	struct keyed *k = chat_alloc(r, (size_t)n * sizeof *k);
	if (!k)
		return false;
	for (u32 i = 0; i < n; i++)
		k[i] = (struct keyed){ pairs.list->v[i].list->v[by], pairs.list->v[i] };
	return sorted(r, k, n, !chat_truth(&c->arg[0]), chat_truth(&c->arg[2]), ret);
}

static bool f_unique(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	struct chat_val keys;
	u32 n = 0;
	bool fold = !chat_truth(&c->arg[0]);
	if (!chat_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret) ||
		!chat_list_new(r, CHAT_LIST, &keys))
		return false;
	for (u32 i = 0; i < n; i++) {
		struct chat_val key = v[i];
		bool seen;
		if (chat_truth(&c->arg[1]) && !attribute_of(r, &v[i], &c->arg[1], &key))
			return false;
		if (fold && key.kind == CHAT_STR && !chat_recase(r, key.s, CHAT_LOWER, &key))
			return false;
		if (!chat_contains(r, &keys, &key, &seen))
			return false;
		if (!seen && (!chat_list_add(r, keys.list, key) || !chat_list_add(r, ret->list, v[i])))
			return false;
	}
	return true;
}

static bool extreme(struct chat_run *r, const struct chat_call *c, bool most, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	u32 n = 0;
	bool fold = !chat_truth(&c->arg[0]);
	*ret = chat_undefined(chat_cstr("the extreme of nothing"));
	if (!chat_elements(r, &c->self, &v, &n))
		return false;
	for (u32 i = 0; i < n; i++) {
		int o = 0;
		if (i && (!chat_charge(r, 0) || !chat_compare(r, &v[i], ret, fold, &o)))
			return false;
		if (i == 0 || (most ? o > 0 : o < 0))
			*ret = v[i];
	}
	return true;
}

static bool f_min(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return extreme(r, c, false, ret);
}

static bool f_max(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return extreme(r, c, true, ret);
}

static bool f_sum(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	u32 n = 0;
	i64 total = 0, i;
	if (!chat_elements(r, &c->self, &v, &n))
		return false;
	for (u32 k = 0; k < n; k++) {
		struct chat_val x = v[k];
		if (chat_truth(&c->arg[0]) && !attribute_of(r, &v[k], &c->arg[0], &x))
			return false;
		if (!chat_charge(r, 0) || !chat_integer(&x, &i) || __builtin_add_overflow(total, i, &total))
			return chat_fail(r, "sum() of something but integers is outside the subset");
	}
	*ret = chat_int(total);
	return true;
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

const struct chat_func *chat_filter_seq_find(struct chat_str name)
{
	static const struct chat_func table[] = {
		{ "count", "", 0, f_length },
		{ "dictsort", "case_sensitive,by,reverse", 0, f_dictsort },
		{ "first", "", 0, f_first },
		{ "items", "", 0, f_items },
		{ "join", "d,attribute", 0, f_join },
		{ "last", "", 0, f_last },
		{ "length", "", 0, f_length },
		{ "list", "", 0, f_list },
		{ "map", "*", 0, f_map },
		{ "max", "case_sensitive", 0, f_max },
		{ "min", "case_sensitive", 0, f_min },
		{ "reject", "*", 0, f_reject },
		{ "rejectattr", "*", 0, f_rejectattr },
		{ "reverse", "", 0, f_reverse },
		{ "select", "*", 0, f_select },
		{ "selectattr", "*", 0, f_selectattr },
		{ "sort", "reverse,case_sensitive,attribute", 0, f_sort },
		{ "sum", "attribute", 0, f_sum },
		{ "unique", "case_sensitive,attribute", 0, f_unique },
	};
	return chat_func_in(table, ARRAY_LEN(table), name);
}
