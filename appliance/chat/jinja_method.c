/* Methods of strings, lists and mappings, and the filters that are the same. */
#include "chat/jinja.h"
#include "chat/jinja_text.h"

#include <string.h>

/* ---- strings ------------------------------------------------------------------------------------------------------------- */

bool chat_arg_str(struct chat_run *r, const struct chat_val *v, struct chat_str *ret)
{
	if (v->kind != CHAT_STR)
		return chat_fail(r, "%s where a string is needed", chat_kind_name(v->kind));
	*ret = v->s;
	return true;
}

bool chat_arg_int(struct chat_run *r, const struct chat_val *v, i64 otherwise, i64 *ret)
{
	*ret = otherwise;
	if (v->kind == CHAT_MISSING || chat_integer(v, ret))
		return true;
	return chat_fail(r, "%s where an integer is needed", chat_kind_name(v->kind));
}

static bool strip(struct chat_run *r, const struct chat_call *c, bool left, bool right, struct chat_val *ret)
{
	struct chat_str s = c->self.s, set;
	bool chars = c->arg[0].kind != CHAT_MISSING && c->arg[0].kind != CHAT_NONE;
	if (!chat_charge(r, s.len) ||
		(chars && (!chat_arg_str(r, &c->arg[0], &set) || !chat_charge(r, (u64)set.len * 64))))
		return false;
	*ret = chat_text(chat_str_strip(s, chars ? &set : NULL, left, right));
	return true;
}

static bool s_strip(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return strip(r, c, true, true, ret);
}

static bool s_lstrip(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return strip(r, c, true, false, ret);
}

static bool s_rstrip(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return strip(r, c, false, true, ret);
}

static bool has_at(struct chat_str s, struct chat_str part, bool end)
{
	return part.len <= s.len &&
	       chat_str_eq(part, chat_str_cut(s, end ? s.len - part.len : 0, end ? s.len : part.len));
}

/* One string, or any of a tuple's. */
static bool begins_or_ends(struct chat_run *r, const struct chat_call *c, bool end, struct chat_val *ret)
{
	const struct chat_val *v = &c->arg[0];
	u32 n = 1;
	bool any = false;
	if (v->kind == CHAT_TUPLE) {
		n = v->list->n;
		v = v->list->v;
	}
	for (u32 i = 0; i < n && !any; i++) {
		struct chat_str part;
		if (!chat_arg_str(r, &v[i], &part) || !chat_charge(r, part.len))
			return false;
		any = has_at(c->self.s, part, end);
	}
	*ret = chat_bool(any);
	return true;
}

static bool s_startswith(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return begins_or_ends(r, c, false, ret);
}

static bool s_endswith(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return begins_or_ends(r, c, true, ret);
}

static bool s_removeprefix(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str part, s = c->self.s;
	if (!chat_arg_str(r, &c->arg[0], &part))
		return false;
	*ret = chat_text(has_at(s, part, false) ? chat_str_cut(s, part.len, s.len) : s);
	return true;
}

static bool s_removesuffix(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str part, s = c->self.s;
	if (!chat_arg_str(r, &c->arg[0], &part))
		return false;
	*ret = chat_text(has_at(s, part, true) ? chat_str_cut(s, 0, s.len - part.len) : s);
	return true;
}

static bool add_part(struct chat_run *r, struct chat_val *list, struct chat_str s, u32 from, u32 to)
{
	return chat_charge(r, to - from) &&
	       chat_list_add(r, list->list, chat_text(chat_str_cut(s, from, to)));
}

/* Words between blanks. */
static bool split_blanks(struct chat_run *r, struct chat_str s, i64 most, struct chat_val *ret)
{
	for (u32 at = 0; at < s.len;) {
		if (chat_is_space(s, at)) {
			at += chat_char_len(s, at);
			continue;
		}
		u32 end = at;
		if (most >= 0 && ret->list->n == (u64)most)
			end = at + chat_str_strip(chat_str_cut(s, at, s.len), NULL, false, true).len;
		else
			while (end < s.len && !chat_is_space(s, end))
				end += chat_char_len(s, end);
		if (!add_part(r, ret, s, at, end))
			return false;
		at = most >= 0 && ret->list->n > (u64)most ? s.len : end;
	}
	return true;
}

static bool split_at(
	struct chat_run *r, struct chat_str s, struct chat_str sep, i64 most, struct chat_val *ret)
{
	u32 at = 0;
	for (i64 n = 0; most < 0 || n < most; n++) {
		u32 end = chat_str_find(s, sep, at);
		if (end > s.len)
			break;
		if (!add_part(r, ret, s, at, end))
			return false;
		at = end + sep.len;
	}
	return add_part(r, ret, s, at, s.len);
}

static bool s_split(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str sep;
	i64 most;
	bool blanks = c->arg[0].kind == CHAT_MISSING || c->arg[0].kind == CHAT_NONE;
	if (!chat_arg_int(r, &c->arg[1], -1, &most) || !chat_list_new(r, CHAT_LIST, ret) ||
		!chat_charge(r, c->self.s.len))
		return false;
	if (blanks)
		return split_blanks(r, c->self.s, most, ret);
	if (!chat_arg_str(r, &c->arg[0], &sep))
		return false;
	return sep.len ? split_at(r, c->self.s, sep, most, ret) : chat_fail(r, "split() at nothing");
}

static void reverse(struct chat_list *l)
{
	for (u32 i = 0; i < l->n / 2; i++) {
		struct chat_val v = l->v[i];
		l->v[i] = l->v[l->n - 1 - i];
		l->v[l->n - 1 - i] = v;
	}
}

static bool s_rsplit(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str sep, s = c->self.s;
	i64 most;
	if (!chat_arg_int(r, &c->arg[1], -1, &most))
		return false;
	if (most < 0)
		return s_split(r, c, ret);
	if (!chat_arg_str(r, &c->arg[0], &sep) || !chat_list_new(r, CHAT_LIST, ret) || !chat_charge(r, s.len))
		return false;
	if (!sep.len)
		return chat_fail(r, "rsplit() at nothing");
	u32 end = s.len;
	for (u32 at = s.len; at-- > 0 && ret->list->n < (u64)most;)
		if (sep.len <= end - MIN(at, end) && at + sep.len <= end &&
			chat_str_eq(sep, chat_str_cut(s, at, at + sep.len))) {
			if (!add_part(r, ret, s, at + sep.len, end))
				return false;
			end = at;
		}
	if (!add_part(r, ret, s, 0, end))
		return false;
	reverse(ret->list);
	return true;
}

static bool s_splitlines(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str s = c->self.s;
	if (!chat_list_new(r, CHAT_LIST, ret) || !chat_charge(r, s.len))
		return false;
	for (u32 at = 0, end; at < s.len;) {
		for (end = at; end < s.len && !chat_line_end(s, end);)
			end += chat_char_len(s, end);
		if (!add_part(r, ret, s, at, end))
			return false;
		at = end + (end < s.len ? chat_line_end(s, end) : 0);
	}
	return true;
}

u32 chat_line_end(struct chat_str s, u32 at)
{
	u8 c = (u8)s.p[at];
	if (c == '\r' && at + 1 < s.len && s.p[at + 1] == '\n')
		return 2;
	if ((c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e))
		return 1;
	struct chat_str x = chat_str_cut(s, at, at + chat_char_len(s, at));
	return chat_str_is(x, "\xc2\x85")					  ? 2
	       : chat_str_is(x, "\xe2\x80\xa8") || chat_str_is(x, "\xe2\x80\xa9") ? 3
										  : 0;
}

bool chat_replace(struct chat_run *r, struct chat_str s, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str old, new;
	struct chat_buf b = { 0 };
	i64 most;
	if (!chat_arg_str(r, &c->arg[0], &old) || !chat_arg_str(r, &c->arg[1], &new) ||
		!chat_arg_int(
			r, c->arg[2].kind == CHAT_NONE ? &(struct chat_val){ 0 } : &c->arg[2], -1, &most))
		return false;
	u32 at = 0;
	for (i64 n = 0; (most < 0 || n < most) && at <= s.len; n++) {
		u32 end = chat_str_find(s, old, at);
		if (end > s.len)
			break;
		/* an empty text is found in front of every character and at the end */
		u32 next = old.len ? end + old.len : end < s.len ? end + chat_char_len(s, end) : s.len + 1;
		if (!chat_buf_add(r, &b, chat_str_cut(s, at, end)) || !chat_buf_add(r, &b, new) ||
			!chat_charge(r, end - at))
			return false;
		if (!old.len && !chat_buf_add(r, &b, chat_str_cut(s, end, MIN(next, s.len))))
			return false;
		at = next;
	}
	if (at < s.len && !chat_buf_add(r, &b, chat_str_cut(s, at, s.len)))
		return false;
	*ret = chat_text(chat_buf_str(&b));
	return true;
}

static bool s_replace(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_replace(r, c->self.s, c, ret);
}

static u8 case_byte(u8 c, bool upper)
{
	if (upper)
		return c >= 'a' && c <= 'z' ? c - 32 : c;
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool chat_recase(struct chat_run *r, struct chat_str s, enum chat_case how, struct chat_val *ret)
{
	char *p = chat_charge(r, s.len) ? chat_alloc(r, s.len + 1u) : NULL;
	if (!p)
		return false;
	bool inside = false; /* of a word */
	for (u32 i = 0; i < s.len; i++) {
		u8 c = (u8)s.p[i];
		bool upper = how == CHAT_UPPER || (how != CHAT_LOWER && !inside);
		p[i] = (char)case_byte(c, upper);
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (how == CHAT_CAPITAL)
			inside = true;
		else if (how == CHAT_TITLE)
			inside = letter || c >= 0x80;
		else
			inside = !(c == '-' || c == '(' || c == '{' || c == '[' || c == '<' ||
				   chat_is_space(s, i));
	}
	s.p = p;
	*ret = chat_text(s);
	return true;
}

static bool s_upper(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_recase(r, c->self.s, CHAT_UPPER, ret);
}

static bool s_lower(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_recase(r, c->self.s, CHAT_LOWER, ret);
}

static bool s_capitalize(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_recase(r, c->self.s, CHAT_CAPITAL, ret);
}

static bool s_title(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_recase(r, c->self.s, CHAT_TITLE, ret);
}

static bool s_find(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str part, s = c->self.s;
	if (!chat_arg_str(r, &c->arg[0], &part) || !chat_charge(r, s.len))
		return false;
	u32 at = chat_str_find(s, part, 0);
	*ret = chat_int(at > s.len ? -1 : (i64)chat_str_chars(chat_str_cut(s, 0, at)));
	return true;
}

static bool s_rfind(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str part, s = c->self.s;
	if (!chat_arg_str(r, &c->arg[0], &part) || !chat_charge(r, (u64)s.len * 4))
		return false;
	i64 at = part.len > s.len ? -1 : (i64)(s.len - part.len);
	while (at >= 0 && !has_at(chat_str_cut(s, (u32)at, s.len), part, false))
		at--;
	*ret = chat_int(at < 0 ? -1 : (i64)chat_str_chars(chat_str_cut(s, 0, (u32)at)));
	return true;
}

static bool s_count(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_str part, s = c->self.s;
	i64 n = 0;
	if (!chat_arg_str(r, &c->arg[0], &part) || !chat_charge(r, s.len))
		return false;
	for (u32 at = chat_str_find(s, part, 0); part.len && at <= s.len;
		at = chat_str_find(s, part, at + part.len))
		n++;
	*ret = chat_int(part.len ? n : (i64)chat_str_chars(s) + 1);
	return true;
}

static bool digits_only(struct chat_str s)
{
	for (u32 i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.len > 0;
}

static bool s_isdigit(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	*ret = chat_bool(digits_only(c->self.s));
	return chat_charge(r, c->self.s.len);
}

bool chat_join(struct chat_run *r, struct chat_str sep, const struct chat_val *v, u32 n, struct chat_val *ret)
{
	struct chat_buf b = { 0 };
	for (u32 i = 0; i < n; i++)
		if ((i && !chat_buf_add(r, &b, sep)) || !chat_print(r, &b, &v[i], false))
			return false;
	*ret = chat_text(chat_buf_str(&b));
	return true;
}

static bool s_join(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	const struct chat_val *v = NULL;
	struct chat_str s;
	u32 n = 0;
	if (!chat_elements(r, &c->arg[0], &v, &n))
		return false;
	for (u32 i = 0; i < n; i++)
		if (!chat_arg_str(r, &v[i], &s))
			return false;
	return chat_join(r, c->self.s, v, n, ret);
}

/* ---- mappings ------------------------------------------------------------------------------------------------------------ */

bool chat_items(struct chat_run *r, const struct chat_dict *d, struct chat_val *ret)
{
	if (!chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < d->n; i++) {
		struct chat_val pair;
		if (!chat_charge(r, 0) || !chat_list_new(r, CHAT_TUPLE, &pair) ||
			!chat_list_add(r, pair.list, d->kv[2 * i]) ||
			!chat_list_add(r, pair.list, d->kv[2 * i + 1]) || !chat_list_add(r, ret->list, pair))
			return false;
	}
	return true;
}

static bool d_items(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_items(r, c->self.dict, ret);
}

static bool half(struct chat_run *r, const struct chat_call *c, u32 which, struct chat_val *ret)
{
	if (!chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (u32 i = 0; i < c->self.dict->n; i++)
		if (!chat_charge(r, 0) || !chat_list_add(r, ret->list, c->self.dict->kv[2 * i + which]))
			return false;
	return true;
}

static bool d_keys(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return half(r, c, 0, ret);
}

static bool d_values(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return half(r, c, 1, ret);
}

static bool d_get(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_val *v;
	if (!chat_dict_get(r, c->self.dict, c->arg[0], &v))
		return false;
	*ret = v ? *v : c->arg[1].kind != CHAT_MISSING ? c->arg[1] : chat_none();
	return true;
}

/* ---- lists --------------------------------------------------------------------------------------------------------------- */

static bool l_append(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	*ret = chat_none();
	return chat_list_add(r, c->self.list, c->arg[0]);
}

/* The rest moves to memory of its own: slices and loops may still look at the old one. */
static bool l_pop(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct chat_list *l = c->self.list, rest = { 0 };
	i64 at;
	if (!chat_arg_int(r, &c->arg[0], -1, &at))
		return false;
	at += at < 0 ? l->n : 0;
	if (at < 0 || at >= l->n)
		return chat_fail(r, "pop() from an empty list, or of what is not there");
	*ret = l->v[at];
	for (u32 i = 0; i < l->n; i++)
		if (i != at && (!chat_charge(r, 0) || !chat_list_add(r, &rest, l->v[i])))
			return false;
	*l = rest;
	return true;
}

static bool l_index(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	bool same = false;
	for (u32 i = 0; i < c->self.list->n; i++) {
		if (!chat_charge(r, 0) || !chat_equal(r, &c->self.list->v[i], &c->arg[0], &same))
			return false;
		*ret = chat_int(i);
		if (same)
			return true;
	}
	return chat_fail(r, "index() of what is not in the list");
}

static bool l_count(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	i64 n = 0;
	for (u32 i = 0; i < c->self.list->n; i++) {
		bool same;
		if (!chat_charge(r, 0) || !chat_equal(r, &c->self.list->v[i], &c->arg[0], &same))
			return false;
		n += same;
	}
	*ret = chat_int(n);
	return true;
}

/* What Python's types have and we do not: to be refused by name, not looked up as a key. */
static bool outside(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	return chat_fail(r, "a method of %s that is outside the subset", chat_kind_name(c->self.kind));
}

const struct chat_func *chat_method_find(enum chat_kind kind, struct chat_str name)
{
	static const struct chat_func str[] = {
		{ "split", "sep,maxsplit", 0, s_split },
		{ "rsplit", "sep,maxsplit", 0, s_rsplit },
		{ "splitlines", "", 0, s_splitlines },
		{ "strip", "chars", 0, s_strip },
		{ "lstrip", "chars", 0, s_lstrip },
		{ "rstrip", "chars", 0, s_rstrip },
		{ "startswith", "prefix", 1, s_startswith },
		{ "endswith", "suffix", 1, s_endswith },
		{ "removeprefix", "prefix", 1, s_removeprefix },
		{ "removesuffix", "suffix", 1, s_removesuffix },
		{ "replace", "old,new,count", 2, s_replace },
		{ "upper", "", 0, s_upper },
		{ "lower", "", 0, s_lower },
		{ "capitalize", "", 0, s_capitalize },
		{ "title", "", 0, s_title },
		{ "find", "sub", 1, s_find },
		{ "rfind", "sub", 1, s_rfind },
		{ "count", "sub", 1, s_count },
		{ "join", "iterable", 1, s_join },
		{ "isdigit", "", 0, s_isdigit },
	};
	static const struct chat_func list[] = {
		{ "append", "object", 1, l_append },
		{ "pop", "index", 0, l_pop },
		{ "index", "value", 1, l_index },
		{ "count", "value", 1, l_count },
		{ "extend", "*", 0, outside },
		{ "insert", "*", 0, outside },
		{ "remove", "*", 0, outside },
		{ "reverse", "*", 0, outside },
		{ "sort", "*", 0, outside },
		{ "clear", "*", 0, outside },
		{ "copy", "*", 0, outside },
	};
	static const struct chat_func dict[] = {
		{ "items", "", 0, d_items },
		{ "keys", "", 0, d_keys },
		{ "values", "", 0, d_values },
		{ "get", "key,default", 1, d_get },
		{ "update", "*", 0, outside },
		{ "pop", "*", 0, outside },
		{ "popitem", "*", 0, outside },
		{ "setdefault", "*", 0, outside },
		{ "clear", "*", 0, outside },
		{ "copy", "*", 0, outside },
	};
	switch (kind) {
	case CHAT_STR:
		return chat_func_in(str, ARRAY_LEN(str), name);
	case CHAT_LIST:
		return chat_func_in(list, ARRAY_LEN(list), name);
	case CHAT_TUPLE:
		return chat_func_in(list + 2, 2, name);
	case CHAT_DICT:
		return chat_func_in(dict, ARRAY_LEN(dict), name);
	default:
		return NULL;
	}
}
