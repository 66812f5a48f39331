/* JSON as Python's json.dumps writes it, because models were trained on those bytes; and reading it. */
#include "chat/jinja.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

struct json {
	struct chat_run *r;
	struct chat_buf b;
	bool ascii, sort, lines;
	struct chat_str indent, comma, colon;
	u32 depth;
	bool user; /* whose the punctuation is */
};

static bool put_str(struct json *j, struct chat_str s)
{
	s.user = s.user || j->user;
	return chat_buf_add(j->r, &j->b, s);
}

static bool put(struct json *j, const char *text)
{
	return put_str(j, chat_cstr(text));
}

static u32 code_point(struct chat_str s, u32 at, u32 n)
{
	u32 cp = (u8)s.p[at];
	if (n == 1)
		return cp < 0x80 ? cp
				 : 0xdc00 + cp; /* a byte that is no character, as Python's surrogateescape */
	cp &= 0x7fu >> n;
	for (u32 i = 1; i < n; i++)
		cp = cp << 6 | ((u8)s.p[at + i] & 0x3f);
	return cp;
}

/* What the character is written as; "" for itself. */
static void escape(const struct json *j, u32 cp, char out[16])
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *p = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
	out[0] = 0;
	if (p)
		snprintf(out, 16, "\\%c", to[p - from]);
	else if (cp < 0x20 || (j->ascii && cp >= 0x7f && cp < 0x10000 && cp != 0x7f))
		snprintf(out, 16, "\\u%04x", cp);
	else if (j->ascii && cp >= 0x10000)
		snprintf(out, 16, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10),
			0xdc00 + ((cp - 0x10000) & 0x3ff));
}

static bool write_string(struct json *j, struct chat_str s)
{
	bool ok = put(j, "\"");
	for (u32 i = 0, from = 0, n; ok && i < s.len; i += n) {
		char text[16];
		n = chat_char_len(s, i);
		escape(j, code_point(s, i, n), text);
		if (text[0]) {
			struct chat_str x = chat_cstr(text);
			x.user = chat_byte_user(s, i);
			ok = chat_buf_add(j->r, &j->b, chat_str_cut(s, from, i)) &&
			     chat_buf_add(j->r, &j->b, x);
			from = i + n;
		}
		if (i + n == s.len && ok)
			ok = chat_buf_add(j->r, &j->b, chat_str_cut(s, from, s.len));
	}
	return ok && put(j, "\"");
}

static bool newline(struct json *j)
{
	if (!j->lines)
		return true;
	bool ok = put(j, "\n");
	for (u32 i = 0; ok && i < j->depth; i++)
		ok = put_str(j, j->indent);
	return ok;
}

static bool write_value(struct json *j, const struct chat_val *v);

static bool write_list(struct json *j, const struct chat_list *l)
{
	if (l->n == 0)
		return put(j, "[]");
	bool ok = put(j, "[");
	j->depth++;
	for (u32 i = 0; ok && i < l->n; i++)
		ok = (i == 0 || put_str(j, j->comma)) && newline(j) && write_value(j, &l->v[i]);
	j->depth--;
	return ok && newline(j) && put(j, "]");
}

static bool write_key(struct json *j, const struct chat_val *k)
{
	if (k->kind == CHAT_STR)
		return write_string(j, k->s);
	if (k->kind != CHAT_NONE && k->kind != CHAT_BOOL && k->kind != CHAT_INT && k->kind != CHAT_FLOAT)
		return chat_fail(j->r, "%s cannot be a key in JSON", chat_kind_name(k->kind));
	return put(j, "\"") && write_value(j, k) && put(j, "\"");
}

/* The order in which the keys are written. */
static bool key_order(struct json *j, const struct chat_dict *d, u32 **ret)
{
	u32 *at = chat_alloc(j->r, (size_t)d->n * sizeof *at);
	if (!at)
		return false;
	for (u32 i = 0; i < d->n; i++) {
		u32 k = i;
		for (; j->sort && k > 0; k--) {
			int c;
			if (!chat_charge(j->r, 0) ||
				!chat_compare(j->r, &d->kv[2 * i], &d->kv[2 * at[k - 1]], false, &c))
				return false;
			if (c >= 0)
				break;
			at[k] = at[k - 1];
		}
		at[k] = i;
	}
	*ret = at;
	return true;
}

static bool write_dict(struct json *j, const struct chat_dict *d)
{
	u32 *at;
	if (d->n == 0)
		return put(j, "{}");
	bool ok = key_order(j, d, &at) && put(j, "{");
	j->depth++;
	for (u32 i = 0; ok && i < d->n; i++)
		ok = (i == 0 || put_str(j, j->comma)) && newline(j) && write_key(j, &d->kv[2 * at[i]]) &&
		     put_str(j, j->colon) && write_value(j, &d->kv[2 * at[i] + 1]);
	j->depth--;
	return ok && newline(j) && put(j, "}");
}

static bool write_any(struct json *j, const struct chat_val *v)
{
	char num[40];
	switch (v->kind) {
	case CHAT_NONE:
		return put(j, "null");
	case CHAT_BOOL:
		return put(j, v->b ? "true" : "false");
	case CHAT_INT:
		snprintf(num, sizeof num, "%lld", (long long)v->i);
		return put(j, num);
	case CHAT_FLOAT:
		chat_float_text(v->f, num);
		return put(j, isnan(v->f) ? "NaN" : isinf(v->f) ? v->f < 0 ? "-Infinity" : "Infinity" : num);
	case CHAT_STR:
		return write_string(j, v->s);
	case CHAT_LIST:
	case CHAT_TUPLE:
		return write_list(j, v->list);
	case CHAT_DICT:
		return write_dict(j, v->dict);
	default:
		return chat_fail(j->r, "%s cannot be written as JSON", chat_kind_name(v->kind));
	}
}

static bool write_value(struct json *j, const struct chat_val *v)
{
	bool was = j->user, list = v->kind == CHAT_LIST || v->kind == CHAT_TUPLE;
	j->user = was || (list && v->list->user) || (v->kind == CHAT_DICT && v->dict->user);
	bool ok = chat_enter(j->r) && chat_charge(j->r, 0) && write_any(j, v);
	chat_leave(j->r);
	j->user = was;
	return ok;
}

static bool options(struct json *j, const struct chat_call *c)
{
	const struct chat_val *indent = &c->arg[1], *sep = &c->arg[2];
	struct chat_buf b = { 0 };
	i64 n;
	j->lines = indent->kind != CHAT_MISSING && indent->kind != CHAT_NONE;
	j->comma = j->lines ? CHAT_S(",") : CHAT_S(", ");
	j->colon = CHAT_S(": ");
	if (indent->kind == CHAT_STR) {
		j->indent = indent->s;
	} else if (j->lines) {
		if (!chat_integer(indent, &n))
			return chat_fail(j->r, "tojson() with an indent that is no number");
		for (i64 i = 0; i < n; i++)
			if (!chat_buf_text(j->r, &b, " "))
				return false;
		j->indent = chat_buf_str(&b);
	}
	if (sep->kind == CHAT_MISSING || sep->kind == CHAT_NONE)
		return true;
	if ((sep->kind != CHAT_TUPLE && sep->kind != CHAT_LIST) || sep->list->n != 2 ||
		sep->list->v[0].kind != CHAT_STR || sep->list->v[1].kind != CHAT_STR)
		return chat_fail(j->r, "tojson() with separators that are not two strings");
	j->comma = sep->list->v[0].s;
	j->colon = sep->list->v[1].s;
	return true;
}

bool chat_tojson(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	struct json j = { .r = r, .ascii = chat_truth(&c->arg[0]), .sort = chat_truth(&c->arg[3]) };
	if (!options(&j, c) || !write_value(&j, &c->self))
		return false;
	*ret = chat_text(chat_buf_str(&j.b));
	return true;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

struct reader {
	struct chat_run *r;
	struct chat_str s;
	u32 at;
};

static bool bad(struct reader *x)
{
	return chat_fail(x->r, "from_json() of what is not JSON, at byte %u", x->at);
}

static char peek(const struct reader *x)
{
	return x->at < x->s.len ? x->s.p[x->at] : 0;
}

static void blanks(struct reader *x)
{
	while (x->at < x->s.len && strchr(" \t\n\r", x->s.p[x->at]) && x->s.p[x->at])
		x->at++;
}

static bool take(struct reader *x, char c)
{
	blanks(x);
	if (peek(x) != c || !c)
		return false;
	x->at++;
	return true;
}

static bool hex4(struct reader *x, u32 *ret)
{
	u32 cp = 0;
	for (int i = 0; i < 4; i++, x->at++) {
		char c = peek(x);
		const char *digits = "0123456789abcdef",
			   *p = strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c);
		if (!c || !p)
			return bad(x);
		cp = cp << 4 | (u32)(p - digits);
	}
	*ret = cp;
	return true;
}

static bool read_unicode(struct reader *x, struct chat_buf *b, bool user)
{
	u32 cp, low;
	char out[5] = { 0 };
	if (!hex4(x, &cp))
		return false;
	if (cp >= 0xd800 && cp < 0xdc00 && peek(x) == '\\' && x->at + 1 < x->s.len &&
		x->s.p[x->at + 1] == 'u') {
		x->at += 2;
		if (!hex4(x, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff)
			return bad(x);
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
	}
	if (cp >= 0xd800 && cp < 0xe000)
		return bad(x);
	u32 n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (u32 i = n; i-- > 1; cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)(n == 1 ? cp : (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | cp);
	return chat_buf_add(x->r, b, (struct chat_str){ .p = out, .len = n, .user = user });
}

static bool read_string(struct reader *x, struct chat_val *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	struct chat_buf b = { 0 };
	for (;;) {
		u32 start = x->at;
		while (x->at < x->s.len && (u8)peek(x) >= 0x20 && peek(x) != '"' && peek(x) != '\\')
			x->at++;
		if (!chat_buf_add(x->r, &b, chat_str_cut(x->s, start, x->at)))
			return false;
		if (peek(x) == '"')
			break;
		if (peek(x) != '\\' || ++x->at >= x->s.len)
			return bad(x);
		bool user = chat_byte_user(x->s, x->at);
		char c = x->s.p[x->at++];
		const char *p = c ? strchr(from, c) : NULL;
		if (c == 'u' ? !read_unicode(x, &b, user)
			: p  ? !chat_buf_add(x->r, &b,
				       (struct chat_str){ .p = &to[p - from], .len = 1, .user = user })
			     : !bad(x))
			return false;
	}
	x->at++;
	*ret = chat_text(chat_buf_str(&b));
	return true;
}

static bool read_number(struct reader *x, struct chat_val *ret)
{
	char buf[64], *end;
	u32 n = 0;
	while (n < sizeof buf - 1 && peek(x) && strchr("+-.0123456789eE", peek(x)))
		buf[n++] = x->s.p[x->at++];
	buf[n] = 0;
	errno = 0;
	i64 i = strtoll(buf, &end, 10);
	*ret = chat_int(i);
	if (n && *end == 0 && !errno)
		return true;
	*ret = chat_float(strtod(buf, &end));
	return (n && *end == 0) || bad(x);
}

static bool read_value(struct reader *x, struct chat_val *ret);

static bool read_list(struct reader *x, struct chat_val *ret)
{
	if (!chat_list_new(x->r, CHAT_LIST, ret))
		return false;
	ret->list->user = chat_byte_user(x->s, x->at - 1);
	if (take(x, ']'))
		return true;
	do {
		struct chat_val v;
		if (!read_value(x, &v) || !chat_list_add(x->r, ret->list, v))
			return false;
	} while (take(x, ','));
	return take(x, ']') || bad(x);
}

static bool read_dict(struct reader *x, struct chat_val *ret)
{
	if (!chat_dict_new(x->r, CHAT_DICT, ret))
		return false;
	ret->dict->user = chat_byte_user(x->s, x->at - 1);
	if (take(x, '}'))
		return true;
	do {
		struct chat_val k, v;
		if (!take(x, '"'))
			return bad(x);
		if (!read_string(x, &k))
			return false;
		if (!take(x, ':'))
			return bad(x);
		if (!read_value(x, &v) || !chat_dict_set(x->r, ret->dict, k, v))
			return false;
	} while (take(x, ','));
	return take(x, '}') || bad(x);
}

static bool read_word(struct reader *x, struct chat_val *ret)
{
	const struct {
		const char *word;
		struct chat_val val;
	} table[] = { { "true", chat_bool(true) }, { "false", chat_bool(false) }, { "null", chat_none() } };
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		u32 n = (u32)strlen(table[i].word);
		if (n <= x->s.len - x->at && memcmp(x->s.p + x->at, table[i].word, n) == 0) {
			x->at += n;
			*ret = table[i].val;
			return true;
		}
	}
	return read_number(x, ret);
}

static bool read_value(struct reader *x, struct chat_val *ret)
{
	bool ok = chat_enter(x->r) && chat_charge(x->r, 0);
	if (ok && take(x, '{'))
		ok = read_dict(x, ret);
	else if (ok && take(x, '['))
		ok = read_list(x, ret);
	else if (ok && take(x, '"'))
		ok = read_string(x, ret);
	else
		ok = ok && read_word(x, ret);
	chat_leave(x->r);
	return ok;
}

bool chat_fromjson(struct chat_run *r, const struct chat_call *c, struct chat_val *ret)
{
	if (c->self.kind != CHAT_STR)
		return chat_fail(r, "from_json() of %s", chat_kind_name(c->self.kind));
	struct reader x = { r, c->self.s, 0 };
	if (!read_value(&x, ret))
		return false;
	blanks(&x);
	return x.at == x.s.len || bad(&x);
}
