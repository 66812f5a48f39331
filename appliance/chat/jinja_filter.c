/* Filters of text and numbers. */
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
		{ "d", "default_value,boolean", 0, f_default },
		{ "default", "default_value,boolean", 0, f_default },
		{ "float", "default", 0, f_float },
		{ "from_json", "", 0, chat_fromjson },
		{ "indent", "width,first,blank", 0, f_indent },
		{ "int", "default,base", 0, f_int },
		{ "lower", "", 0, f_lower },
		{ "replace", "old,new,count", 2, f_replace },
		{ "round", "precision,method", 0, f_round },
		{ "safe", "", 0, f_string },
		{ "string", "", 0, f_string },
		{ "title", "", 0, f_title },
		{ "tojson", "ensure_ascii,indent,separators,sort_keys", 0, chat_tojson },
		{ "trim", "chars", 0, f_trim },
		{ "upper", "", 0, f_upper },
	};
	const struct chat_func *f = chat_func_in(table, ARRAY_LEN(table), name);
	return f ? f : chat_filter_seq_find(name);
}
