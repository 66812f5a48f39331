/* Filters. */
#include "chat/jinja.h"
#include "chat/jinja_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------------------------------------- */

static bool recased(struct chat_run *r, const struct chat_call *c, enum chat_case how, struct chat_val *ret)
{
	struct chat_str s;
	return chat_str_of(r, &c->self, &s) && chat_recase(r, s, how, ret);
}

static bool f_upper(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return recased(r, c, CHAT_UPPER, ret);
}

static bool f_lower(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return recased(r, c, CHAT_LOWER, ret);
}

static bool f_capitalize(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return recased(r, c, CHAT_CAPITAL, ret);
}

static bool f_title(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return recased(r, c, CHAT_TITLE_WORDS, ret);
}

static bool f_string(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str s;
	if (!chat_str_of(r, &c->self, &s))
		return false;
	*ret = chat_text(s);
	return true;
}

static bool f_trim(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str s, set;
	bool chars = c->arg[0].kind != CHAT_MISSING && c->arg[0].kind != CHAT_NONE;
	if (!chat_str_of(r, &c->self, &s) || (chars && !chat_arg_str(r, &c->arg[0], &set)))
		return false;
	*ret = chat_text(chat_str_strip(s, chars ? &set : NULL, true, true));
	return chat_charge(r, s.len * (chars ? 1 + (u64)set.len : 1));
}

static bool f_replace(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str s;
	return chat_str_of(r, &c->self, &s) && chat_replace(r, s, c, ret);
}

static bool f_indent(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str s, pad;
	struct chat_buf b = { 0 }, spaces = { 0 };
	i64 width = 4;
	bool first = chat_truth(&c->arg[1]), blank = chat_truth(&c->arg[2]);
	if (c->arg[0].kind == CHAT_STR) {
		pad = c->arg[0].s;
	} else {
		if (!chat_arg_int(r, &c->arg[0], 4, &width))
			return false;
		for (i64 i = 0; i < width; i++)
			if (!chat_buf_text(r, &spaces, " "))
				return false;
		pad = chat_buf_str(&spaces);
	}
	if (!chat_arg_str(r, &c->self, &s) || !chat_charge(r, s.len))
		return false;
	for (u32 at = 0, line = 0, end, skip; at <= s.len; at = end + skip, line++) {
		for (end = at; end < s.len && !chat_line_end(s, end);)
			end += chat_char_len(s, end);
		skip = end < s.len ? chat_line_end(s, end) : 1;
		bool indent = line == 0 ? first : blank || end > at;
		if ((line && !chat_buf_text(r, &b, "\n")) || (indent && !chat_buf_add(r, &b, pad)) ||
			!chat_buf_add(r, &b, chat_str_cut(s, at, end)))
			return false;
	}
	*ret = chat_text(chat_buf_str(&b));
	return true;
}

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
	if (!chat_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret))
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
	if (!chat_elements(r, &c->self, &v, &n) || !chat_list_new(r, CHAT_LIST, ret))
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

/* ---- numbers and choice -------------------------------------------------------------------------------------------------- */

/* The text without blanks and digits' underscores, in buf; false: too long to be a number. */
static bool number_text(struct chat_str s, char buf[64])
{
	u32 n = 0;
	s = chat_str_strip(s, NULL, true, true);
	for (u32 i = 0; i < s.len; i++) {
		bool between = i && i + 1 < s.len && s.p[i - 1] >= '0' && s.p[i - 1] <= '9' &&
			       s.p[i + 1] >= '0' && s.p[i + 1] <= '9';
		if (s.p[i] == '_' && between)
			continue;
		if (n == 63 || !s.p[i])
			return false;
		buf[n++] = s.p[i];
	}
	buf[n] = 0;
	return n > 0;
}

static bool float_of(const struct chat_val *v, f64 *ret)
{
	char buf[64], *end;
	if (chat_number(v, ret))
		return true;
	if (v->kind != CHAT_STR || !number_text(v->s, buf) || strpbrk(buf, "xX("))
		return false;
	*ret = strtod(buf, &end);
	return *end == 0;
}

static bool f_float(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	f64 f;
	if (float_of(&c->self, &f))
		*ret = chat_float(f);
	else
		*ret = c->arg[0].kind == CHAT_MISSING ? chat_float(0) : c->arg[0];
	return true;
}

static bool f_int(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	char buf[64], *end;
	i64 i, base;
	f64 f;
	if (!chat_arg_int(r, &c->arg[1], 10, &base))
		return false;
	*ret = chat_int(0);
	if (chat_integer(&c->self, &ret->i))
		return true;
	if (base < 2 || base > 36)
		return chat_fail(r, "int() to a base that is outside the subset");
	errno = 0;
	if (c->self.kind == CHAT_STR && number_text(c->self.s, buf) &&
		(i = strtoll(buf, &end, (int)base), *end == 0)) {
		if (errno)
			return chat_fail(r, "an integer beyond 64 bits");
		*ret = chat_int(i);
		return true;
	}
	if (float_of(&c->self, &f)) {
		if (!(f > -9.2e18 && f < 9.2e18))
			return chat_fail(r, "an integer beyond 64 bits");
		*ret = chat_int((i64)f);
		return true;
	}
	if (c->arg[0].kind != CHAT_MISSING)
		*ret = c->arg[0];
	return true;
}

static bool f_abs(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	i64 i;
	if (chat_integer(&c->self, &i)) {
		*ret = chat_int(i < 0 ? -i : i);
		return i != INT64_MIN || chat_fail(r, "an integer beyond 64 bits");
	}
	*ret = chat_float(fabs(c->self.f));
	return c->self.kind == CHAT_FLOAT || chat_fail(r, "%s has no size", chat_kind_name(c->self.kind));
}

static bool f_round(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	i64 digits;
	f64 f;
	if (!chat_number(&c->self, &f) || !chat_arg_int(r, &c->arg[0], 0, &digits))
		return chat_fail(r, "%s cannot be rounded", chat_kind_name(c->self.kind));
	bool common = c->arg[1].kind == CHAT_MISSING ||
		      (c->arg[1].kind == CHAT_STR && chat_str_is(c->arg[1].s, "common"));
	if (common && c->self.kind != CHAT_FLOAT && digits >= 0) {
		*ret = c->self.kind == CHAT_BOOL ? chat_int(c->self.b) : c->self;
		return true;
	}
	if (digits < -15 || digits > 15 || (!common && c->arg[1].kind != CHAT_STR))
		return chat_fail(r, "round() of this is outside the subset");
	f64 scale = pow(10, (f64)digits), x = f * scale;
	if (common) {
		char text[400]; /* the decimal digits decide, as in Python */
		snprintf(text, sizeof text, "%.*f", (int)MAX(digits, 0),
			digits < 0 ? nearbyint(x) / scale : f);
		*ret = chat_float(strtod(text, NULL));
		return true;
	}
	bool up = chat_str_is(c->arg[1].s, "ceil");
	if (!up && !chat_str_is(c->arg[1].s, "floor"))
		return chat_fail(r, "round() knows common, ceil and floor");
	*ret = chat_float((up ? ceil(x) : floor(x)) / scale);
	return true;
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

static bool f_default(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	bool replace = c->self.kind == CHAT_UNDEFINED || (chat_truth(&c->arg[1]) && !chat_truth(&c->self));
	*ret = !replace ? c->self : c->arg[0].kind == CHAT_MISSING ? chat_text(CHAT_S("")) : c->arg[0];
	return true;
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

const struct chat_func *chat_filter_find(struct chat_str name)
{
	static const struct chat_func table[] = {
		{ "abs", "", 0, f_abs },
		{ "capitalize", "", 0, f_capitalize },
		{ "count", "", 0, f_length },
		{ "d", "default_value,boolean", 0, f_default },
		{ "default", "default_value,boolean", 0, f_default },
		{ "dictsort", "case_sensitive,by,reverse", 0, f_dictsort },
		{ "first", "", 0, f_first },
		{ "float", "default", 0, f_float },
		{ "from_json", "", 0, chat_fromjson },
		{ "indent", "width,first,blank", 0, f_indent },
		{ "int", "default,base", 0, f_int },
		{ "items", "", 0, f_items },
		{ "join", "d,attribute", 0, f_join },
		{ "last", "", 0, f_last },
		{ "length", "", 0, f_length },
		{ "list", "", 0, f_list },
		{ "lower", "", 0, f_lower },
		{ "map", "*", 0, f_map },
		{ "max", "case_sensitive", 0, f_max },
		{ "min", "case_sensitive", 0, f_min },
		{ "reject", "*", 0, f_reject },
		{ "rejectattr", "*", 0, f_rejectattr },
		{ "replace", "old,new,count", 2, f_replace },
		{ "reverse", "", 0, f_reverse },
		{ "round", "precision,method", 0, f_round },
		{ "safe", "", 0, f_string },
		{ "select", "*", 0, f_select },
		{ "selectattr", "*", 0, f_selectattr },
		{ "sort", "reverse,case_sensitive,attribute", 0, f_sort },
		{ "string", "", 0, f_string },
		{ "sum", "attribute", 0, f_sum },
		{ "title", "", 0, f_title },
		{ "tojson", "ensure_ascii,indent,separators,sort_keys", 0, chat_tojson },
		{ "trim", "chars", 0, f_trim },
		{ "unique", "case_sensitive,attribute", 0, f_unique },
		{ "upper", "", 0, f_upper },
	};
	return chat_func_in(table, ARRAY_LEN(table), name);
}
