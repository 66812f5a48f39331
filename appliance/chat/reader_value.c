/* Values that models do not write as JSON, made JSON in one pass over their bytes. Nothing is guessed: what comes out is checked whole,
 * and a text that does not become JSON is no value. */
#include "chat/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void chat_out_fini(struct chat_out *o)
{
	free(o->p);
	*o = (struct chat_out){ 0 };
}

void chat_out_add(struct chat_out *o, const void *text, size_t n)
{
	if (n > o->cap - o->n) {
		size_t cap = MAX(2 * o->cap, o->n + n + 256);
		char *p = o->failed ? NULL : realloc(o->p, cap);
		if (!p) {
			o->failed = true;
			return;
		}
		o->p = p;
		o->cap = cap;
	}
	if (n)
		memcpy(o->p + o->n, text, n);
	o->n += n;
}

static void add(struct chat_out *o, const char *text)
{
	chat_out_add(o, text, strlen(text));
}

/* One byte of a string as JSON writes it. */
static void add_byte(struct chat_out *o, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *p = c ? strchr(from, c) : NULL;
	char text[8];
	if (p)
		snprintf(text, sizeof text, "\\%c", to[p - from]);
	else
		snprintf(text, sizeof text, (u8)c < 0x20 ? "\\u%04x" : "%c", (u8)c);
	chat_out_add(o, text, strlen(text));
}

void chat_out_string(struct chat_out *o, const char *text, size_t n)
{
	add(o, "\"");
	for (size_t i = 0, from = 0; i <= n; i++) {
		bool plain = i < n && (u8)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\';
		if (plain)
			continue;
		chat_out_add(o, text + from, i - from);
		if (i < n)
			add_byte(o, text[i]);
		from = i + 1;
	}
	add(o, "\"");
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && memcmp(s, word, n) == 0;
}

/* ---- raw values, by their schema ----------------------------------------------------------------------------------------- */

static u32 wants_of(const struct chat_val *v)
{
	return v->kind == CHAT_STR ? CHAT_WANTS_STRING : CHAT_WANTS_OTHER;
}

static u32 wants_type(const struct chat_val *type)
{
	u32 w = 0;
	if (type->kind == CHAT_STR)
		return chat_str_is(type->s, "string") ? CHAT_WANTS_STRING : CHAT_WANTS_OTHER;
	for (u32 i = 0; type->kind == CHAT_LIST && i < type->list->n; i++)
		if (type->list->v[i].kind == CHAT_STR)
			w |= chat_str_is(type->list->v[i].s, "string") ? CHAT_WANTS_STRING : CHAT_WANTS_OTHER;
	return w ? w : CHAT_WANTS_STRING | CHAT_WANTS_OTHER;
}

static u32 wants(const struct chat_val *schema, u32 depth)
{
	static const char *const lists[] = { "enum", "anyOf", "oneOf" };
	const struct chat_val *v;
	if (!schema || schema->kind != CHAT_DICT || depth == 8)
		return CHAT_WANTS_STRING | CHAT_WANTS_OTHER;
	if ((v = chat_member(schema, "const")))
		return wants_of(v);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		u32 w = 0;
		v = chat_member(schema, lists[i]);
		for (u32 k = 0; v && v->kind == CHAT_LIST && k < v->list->n; k++)
			w |= i == 0 ? wants_of(&v->list->v[k]) : wants(&v->list->v[k], depth + 1);
		if (w)
			return w;
	}
	v = chat_member(schema, "type");
	return v ? wants_type(v) : CHAT_WANTS_STRING | CHAT_WANTS_OTHER;
}

u32 chat_wants(const struct chat_val *schema)
{
	return wants(schema, 0);
}

bool chat_value_xml(struct chat_out *o, const struct chat_val *schema, const char *s, size_t n)
{
	static const char *const words[][2] = { { "True", "true" }, { "False", "false" },
		{ "None", "null" } };
	u32 w = chat_wants(schema);
	const char *t = s;
	size_t len = n;
	if (n && memchr(s, 0xff, n))
		return false;
	for (; len && blank(*t); t++)
		len--;
	while (len && blank(t[len - 1]))
		len--;
	bool json = w & CHAT_WANTS_OTHER && chat_json_ok(t, len) && !(w & CHAT_WANTS_STRING && *t == '"');
	if (json) {
		chat_out_add(o, t, len);
		return true;
	}
	for (size_t i = 0; w == CHAT_WANTS_OTHER && i < ARRAY_LEN(words); i++)
		if (is(t, len, words[i][0])) {
			add(o, words[i][1]);
			return true;
		}
	if (w & CHAT_WANTS_STRING)
		chat_out_string(o, s, n);
	return w & CHAT_WANTS_STRING;
}

/* ---- gemma: bare keys, strings between tags ------------------------------------------------------------------------------ */

static bool is_word(char c)
{
	return c && !blank(c) && !strchr(":,{}[]\"", c) && (u8)c != 0xff;
}

static const char *find(const char *s, size_t n, const char *what, size_t len)
{
	for (size_t i = 0; len && i + len <= n; i++)
		if (memcmp(s + i, what, len) == 0)
			return s + i;
	return NULL;
}

bool chat_value_gemma(struct chat_out *o, const char *s, size_t n, const char *quote, size_t quote_len)
{
	size_t from = o->n;
	add(o, "{");
	for (size_t i = 0; i < n;) {
		size_t k = i;
		if (n - i >= quote_len && memcmp(s + i, quote, quote_len) == 0) {
			const char *text = s + i + quote_len,
				   *end = find(text, n - i - quote_len, quote, quote_len);
			if (!end || memchr(text, 0xff, (size_t)(end - text)))
				return false;
			chat_out_string(o, text, (size_t)(end - text));
			i = (size_t)(end - s) + quote_len;
			continue;
		}
		while (k < n && is_word(s[k]))
			k++;
		if (k < n && k > i && s[k] == ':')
			chat_out_string(o, s + i, k - i);
		else
			chat_out_add(o, s + i, (k = MAX(k, i + 1)) - i);
		i = k;
	}
	add(o, "}");
	return o->failed || chat_json_ok(o->p + from, o->n - from);
}

/* ---- python: keywords and literals --------------------------------------------------------------------------------------- */

struct python {
	struct chat_out *o;
	const char *s;
	size_t n, at;
};

/* A character of a string that is not itself; true: it was one of Python's escapes that JSON has not, or has under another name. */
static bool python_escape(struct python *x)
{
	static const char same[] = "\"\\bfnrt";
	char c = x->at < x->n ? x->s[x->at++] : 0;
	if (c && strchr(same, c))
		chat_out_add(x->o, (char[]){ '\\', c }, 2);
	else if (c == '\'' || c == '/')
		chat_out_add(x->o, &c, 1);
	else if (c == 'u' && x->n - x->at >= 4) {
		add(x->o, "\\u");
		chat_out_add(x->o, x->s + x->at, 4); /* four digits, or the check at the end says no */
		x->at += 4;
	} else
		return false;
	return true;
}

/* Behind its quote. */
static bool python_string(struct python *x, char quote)
{
	add(x->o, "\"");
	while (x->at < x->n && x->s[x->at] != quote) {
		char c = x->s[x->at++];
		if ((u8)c == 0xff || c == '\n' || (c == '\\' && !python_escape(x)))
			return false;
		if (c != '\\')
			add_byte(x->o, c);
	}
	add(x->o, "\"");
	return x->at++ < x->n;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A word: a keyword of the call in front of '=', or a literal. */
static bool python_word(struct python *x, u32 depth)
{
	static const char *const words[][2] = { { "True", "true" }, { "False", "false" }, { "None", "null" },
		{ "true", "true" }, { "false", "false" }, { "null", "null" } };
	size_t from = x->at, n, behind;
	while (x->at < x->n && (is_name(x->s[x->at]) || strchr("+-.", x->s[x->at])) && x->s[x->at])
		x->at++;
	n = x->at - from;
	for (behind = x->at; behind < x->n && blank(x->s[behind]); behind++)
		;
	if (depth == 0 && n && behind < x->n && x->s[behind] == '=') {
		chat_out_string(x->o, x->s + from, n);
		add(x->o, ":");
		x->at = behind + 1;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (is(x->s + from, n, words[i][0])) {
			add(x->o, words[i][1]);
			return true;
		}
	chat_out_add(x->o, x->s + from, n); /* a number, or the check at the end says no */
	return n > 0;
}

bool chat_value_python(struct chat_out *o, const char *s, size_t n, size_t *ret_n)
{
	struct python x = { o, s, n, 0 };
	size_t from = o->n;
	u32 depth = 0;
	bool ok = true;
	add(o, "{");
	while (ok && x.at < n && !(depth == 0 && s[x.at] == ')')) {
		char c = s[x.at];
		depth += c == '[' || c == '{' || c == '(';
		depth -= (c == ']' || c == '}' || c == ')') && depth > 0;
		if (c == '"' || c == '\'') {
			x.at++;
			ok = python_string(&x, c);
		} else if (blank(c)) {
			x.at++;
		} else if (c && strchr("[]{}():,", c)) {
			add(o, c == '(' ? "[" : c == ')' ? "]" : (char[]){ c, 0 });
			x.at++;
		} else {
			ok = python_word(&x, depth);
		}
	}
	add(o, "}");
	*ret_n = x.at + 1;
	return ok && x.at < n && (o->failed || chat_json_ok(o->p + from, o->n - from));
}
