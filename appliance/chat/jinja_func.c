/* Calling the functions of ours, those that a template calls by name, and tests. */
#include "chat/jinja.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- parameters ---------------------------------------------------------------------------------------------------------- */

/* The position of a parameter in "a,b,c"; -1: there is none of that name. */
static int param_find(const char *params, struct chat_str name)
{
	int i = 0;
	for (const char *p = params; *p; i++) {
		size_t n = strcspn(p, ",");
		if (n == name.len && memcmp(p, name.p, n) == 0)
			return i;
		p += n + (p[n] == ',');
	}
	return -1;
}

static u32 param_count(const char *params)
{
	u32 n = *params != 0;
	for (const char *p = params; *p; p++)
		n += *p == ',';
	return n;
}

bool chat_func_call(struct chat_run *r, const struct chat_func *f, struct chat_call *c, struct chat_val *ret)
{
	if (!chat_charge(r, 0))
		return false;
	if (f->params[0] != '*') {
		u32 n = param_count(f->params), given = c->n;
		assert(n <= CHAT_PARAMS_MAX);
		if (c->n > n)
			return chat_fail(r, "%s() takes at most %u arguments", f->name, n);
		for (u32 i = 0; i < c->n; i++)
			c->arg[i] = c->v[i];
		for (u32 k = 0; k < c->n_kw; k++) {
			int i = param_find(f->params, c->kw_name[k]);
			if (i < 0 || c->arg[i].kind != CHAT_MISSING)
				return chat_fail(r, "%s() takes no argument '%.*s' here", f->name,
					(int)MIN(c->kw_name[k].len, 40u), c->kw_name[k].p);
			c->arg[i] = c->kw[k];
			given++;
		}
		for (u32 i = 0; i < f->need; i++)
			if (c->arg[i].kind == CHAT_MISSING)
				return chat_fail(
					r, "%s() needs %u arguments, not %u", f->name, f->need, given);
	}
	return f->fn(r, c, ret);
}

const struct chat_func *chat_func_in(const struct chat_func *table, size_t n, struct chat_str name)
{
	for (size_t i = 0; i < n; i++)
		if (chat_str_is(name, table[i].name))
			return &table[i];
	return NULL;
}

/* ---- functions ----------------------------------------------------------------------------------------------------------- */

static bool pairs_into(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	for (u32 k = 0; k < c->n_kw; k++)
		if (!chat_dict_set(r, ret->dict, chat_text(c->kw_name[k]), c->kw[k]))
			return false;
	return true;
}

static bool copy_dict(
	struct chat_run *r, const struct chat_call *c, enum chat_kind kind, struct chat_val *ret)
{
	if (!chat_dict_new(r, kind, ret))
		return false;
	if (c->n > 1 || (c->n == 1 && c->v[0].kind != CHAT_DICT))
		return chat_fail(r, "only a mapping and names can make a mapping");
	for (u32 i = 0; c->n && i < c->v[0].dict->n; i++)
		if (!chat_dict_set(r, ret->dict, c->v[0].dict->kv[2 * i], c->v[0].dict->kv[2 * i + 1]))
			return false;
	return pairs_into(r, c, ret);
}

static bool g_namespace(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return copy_dict(r, c, CHAT_NAMESPACE, ret);
}

static bool g_dict(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return copy_dict(r, c, CHAT_DICT, ret);
}

static bool g_raise(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str s;
	if (!chat_str_of(r, &c->arg[0], &s))
		return false;
	return chat_fail(r, "the template says: %.*s", (int)MIN(s.len, 200u), s.p);
}

static bool g_range(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	i64 v[3] = { 0, 0, 1 };
	for (u32 i = 0; i < 3; i++)
		if (c->arg[i].kind != CHAT_MISSING && !chat_integer(&c->arg[i], &v[i]))
			return chat_fail(r, "range() needs integers");
	i64 from = c->arg[1].kind == CHAT_MISSING ? 0 : v[0],
	    to = c->arg[1].kind == CHAT_MISSING ? v[0] : v[1], step = v[2];
	if (step == 0)
		return chat_fail(r, "range() of step 0");
	if (!chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (i64 i = from; step > 0 ? i < to : i > to;) {
		if (ret->list->n == TEMPLATE_RANGE_MAX)
			return chat_fail(r, "range() of more than %u", TEMPLATE_RANGE_MAX);
		if (!chat_charge(r, 0) || !chat_list_add(r, ret->list, chat_int(i)))
			return false;
		if (__builtin_add_overflow(i, step, &i))
			break;
	}
	return true;
}

/* The day and hour that the caller gave, in UTC: English names, whatever the locale. */
static bool g_strftime_now(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	char format[128], text[256];
	struct tm tm;
	time_t now = (time_t)r->now;
	if (c->arg[0].kind != CHAT_STR || c->arg[0].s.len >= sizeof format ||
		memchr(c->arg[0].s.p, 0, c->arg[0].s.len))
		return chat_fail(r, "strftime_now() needs a short format");
	memcpy(format, c->arg[0].s.p, c->arg[0].s.len);
	format[c->arg[0].s.len] = 0;
	for (const char *p = strchr(format, '%'); p; p = strchr(p + 2, '%'))
		if (!p[1] || !strchr("aAbBdeHIjmMpSyY%FT", p[1]))
			return chat_fail(r, "strftime_now() with '%%%c' is outside the subset", p[1]);
	if (!gmtime_r(&now, &tm))
		return chat_fail(r, "a time that no calendar knows");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	size_t n = format[0] ? strftime(text, sizeof text, format, &tm) : 0;
#pragma GCC diagnostic pop
	char *copy = chat_alloc(r, n + 1);
	if (!copy)
		return false;
	memcpy(copy, text, n);
	*ret = chat_text((struct chat_str){ .p = copy, .len = (u32)n });
	return true;
}

const struct chat_func *chat_global_find(struct chat_str name)
{
	static const struct chat_func table[] = {
		{ "namespace", "*", 0, g_namespace },
		{ "dict", "*", 0, g_dict },
		{ "range", "start,stop,step", 1, g_range },
		{ "raise_exception", "message", 1, g_raise },
		{ "strftime_now", "format", 1, g_strftime_now },
	};
	return chat_func_in(table, ARRAY_LEN(table), name);
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

#define TEST(id, expr)                                                                          \
	static bool t_##id(struct chat_run *r, const struct chat_call *c, struct chat_val *ret) \
	{                                                                                       \
		enum chat_kind k = c->self.kind;                                                \
		*ret = chat_bool(expr);                                                         \
		return k != CHAT_MISSING;                                                       \
	}

static bool is_iterable(enum chat_kind k)
{
	return k == CHAT_UNDEFINED || k == CHAT_STR || k == CHAT_LIST || k == CHAT_TUPLE || k == CHAT_DICT;
}

TEST(defined, k != CHAT_UNDEFINED)
TEST(undefined, k == CHAT_UNDEFINED)
TEST(none, k == CHAT_NONE)
TEST(boolean, k == CHAT_BOOL)
TEST(true, k == CHAT_BOOL && c->self.b)
TEST(false, k == CHAT_BOOL && !c->self.b)
TEST(integer, k == CHAT_INT)
TEST(float, k == CHAT_FLOAT)
TEST(number, k == CHAT_INT || k == CHAT_FLOAT || k == CHAT_BOOL)
TEST(string, k == CHAT_STR)
TEST(mapping, k == CHAT_DICT)
TEST(sequence, is_iterable(k))
TEST(iterable, is_iterable(k) || k == CHAT_LOOP)
TEST(callable, k == CHAT_MACRO || k == CHAT_FUNC || k == CHAT_METHOD)

static bool t_equal(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	bool same;
	if (!chat_equal(r, &c->self, &c->arg[0], &same))
		return false;
	*ret = chat_bool(same);
	return true;
}

static bool t_not_equal(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	if (!t_equal(r, c, ret))
		return false;
	ret->b = !ret->b;
	return true;
}

static bool order(struct chat_run *r, const struct chat_call *c, bool less, bool equal, bool greater,
	struct chat_val *ret)
{
	int o;
	if (!chat_compare(r, &c->self, &c->arg[0], false, &o))
		return false;
	*ret = chat_bool(o < 0 ? less : o > 0 ? greater : equal);
	return true;
}

static bool t_lt(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return order(r, c, true, false, false, ret);
}

static bool t_le(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return order(r, c, true, true, false, ret);
}

static bool t_gt(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return order(r, c, false, false, true, ret);
}

static bool t_ge(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return order(r, c, false, true, true, ret);
}

static bool t_in(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	bool is;
	if (!chat_contains(r, &c->arg[0], &c->self, &is))
		return false;
	*ret = chat_bool(is);
	return true;
}

static bool t_sameas(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *a = &c->self, *b = &c->arg[0];
	bool same = false;
	if (a->kind == b->kind && a->kind < CHAT_LIST && !chat_equal(r, a, b, &same))
		return false;
	*ret = chat_bool(same || (a->kind == b->kind && a->kind >= CHAT_LIST && a->list == b->list));
	return true;
}

static bool remainder_is(struct chat_run *r, const struct chat_val *v, i64 by, i64 want, struct chat_val *ret)
{
	i64 i;
	if (!chat_integer(v, &i) || by == 0)
		return chat_fail(r, "%s cannot be divided here", chat_kind_name(v->kind));
	*ret = chat_bool(by == -1 || (i % by + by) % by == want);
	return true;
}

static bool t_odd(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return remainder_is(r, &c->self, 2, 1, ret);
}

static bool t_even(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return remainder_is(r, &c->self, 2, 0, ret);
}

static bool t_divisibleby(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	i64 by;
	if (!chat_integer(&c->arg[0], &by))
		return chat_fail(r, "divisibleby needs an integer");
	by = by == INT64_MIN ? by : by < 0 ? -by : by;
	i64 i;
	if (by == INT64_MIN && chat_integer(&c->self, &i)) {
		*ret = chat_bool(i == 0 || i == by);
		return true;
	}
	if (by > INT64_MAX / 2 && chat_integer(&c->self, &i)) {
		*ret = chat_bool(i % by == 0);
		return true;
	}
	return remainder_is(r, &c->self, by, 0, ret);
}

/* Has the text letters, and all of this case? */
static bool case_is(struct chat_run *r, const struct chat_call *c, bool upper, struct chat_val *ret)
{
	struct chat_str s;
	bool any = false, all = true;
	if (!chat_str_of(r, &c->self, &s) || !chat_charge(r, s.len))
		return false;
	for (u32 i = 0; i < s.len; i++) {
		bool up = s.p[i] >= 'A' && s.p[i] <= 'Z', low = s.p[i] >= 'a' && s.p[i] <= 'z';
		any |= upper ? up : low;
		all &= !(upper ? low : up);
	}
	*ret = chat_bool(any && all);
	return true;
}

static bool t_upper(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return case_is(r, c, true, ret);
}

static bool t_lower(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return case_is(r, c, false, ret);
}

const struct chat_func *chat_test_find(struct chat_str name)
{
	static const struct chat_func table[] = {
		{ "defined", "", 0, t_defined },
		{ "undefined", "", 0, t_undefined },
		{ "none", "", 0, t_none },
		{ "boolean", "", 0, t_boolean },
		{ "true", "", 0, t_true },
		{ "false", "", 0, t_false },
		{ "integer", "", 0, t_integer },
		{ "float", "", 0, t_float },
		{ "number", "", 0, t_number },
		{ "string", "", 0, t_string },
		{ "mapping", "", 0, t_mapping },
		{ "sequence", "", 0, t_sequence },
		{ "iterable", "", 0, t_iterable },
		{ "callable", "", 0, t_callable },
		{ "odd", "", 0, t_odd },
		{ "even", "", 0, t_even },
		{ "upper", "", 0, t_upper },
		{ "lower", "", 0, t_lower },
		{ "divisibleby", "num", 1, t_divisibleby },
		{ "eq", "other", 1, t_equal },
		{ "equalto", "other", 1, t_equal },
		{ "ne", "other", 1, t_not_equal },
		{ "lt", "other", 1, t_lt },
		{ "lessthan", "other", 1, t_lt },
		{ "le", "other", 1, t_le },
		{ "gt", "other", 1, t_gt },
		{ "greaterthan", "other", 1, t_gt },
		{ "ge", "other", 1, t_ge },
		{ "in", "seq", 1, t_in },
		{ "sameas", "other", 1, t_sameas },
		/* as arguments of select and its kind */
		{ "==", "other", 1, t_equal },
		{ "!=", "other", 1, t_not_equal },
		{ "<", "other", 1, t_lt },
		{ "<=", "other", 1, t_le },
		{ ">", "other", 1, t_gt },
		{ ">=", "other", 1, t_ge },
	};
	return chat_func_in(table, ARRAY_LEN(table), name);
}
