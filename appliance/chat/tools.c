/* Tools and messages as OpenAI's API has them, read into values of templates; every byte of them is marked as a user's. */
#include "chat/format.h"
#include "chat/grammar_build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct chat_run *r, const char *where, const char *what)
{
	struct chat_gb b = { .r = r };
	return chat_gb_fail(&b, where, "%s", what);
}

bool chat_json_read(struct chat_run *r, const char *what, const char *json, size_t len, struct chat_val *ret)
{
	struct chat_call c = { .self = chat_text(
				       (struct chat_str){ .p = json, .len = (u32)len, .user = true }) };
	if (len > REQUEST_BYTES_MAX)
		return refuse(r, what, "it is longer than a request may be");
	if (chat_fromjson(r, &c, ret))
		return true;
	const char *at = r->err == 1 ? strstr(r->why, ", at byte") : NULL;
	if (at) {
		char where[64];
		snprintf(where, sizeof where, "%s", at);
		snprintf(r->why, sizeof r->why, "%s: not JSON%s", what, where);
	}
	return false;
}

const struct chat_val *chat_member(const struct chat_val *v, const char *key)
{
	for (u32 i = 0; v && v->kind == CHAT_DICT && i < v->dict->n; i++)
		if (v->dict->kv[2 * i].kind == CHAT_STR && chat_str_is(v->dict->kv[2 * i].s, key))
			return &v->dict->kv[2 * i + 1];
	return NULL;
}

/* ---- tools --------------------------------------------------------------------------------------------------------------- */

/* What every format can write: no quote, bracket or blank. */
static bool name_ok(struct chat_str s)
{
	for (u32 i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!word && !strchr("_-./", c))
			return false;
	}
	return s.len > 0 && s.len <= CHAT_NAME_BYTES_MAX;
}

static bool read_tool(
	struct chat_run *r, const struct chat_val *v, u32 i, struct chat_tools *t, struct chat_tool *ret)
{
	char where[32];
	snprintf(where, sizeof where, "tools[%u]", i);
	const struct chat_val *type = chat_member(v, "type"), *f = chat_member(v, "function");
	if (!f || f->kind != CHAT_DICT ||
		(type && (type->kind != CHAT_STR || !chat_str_is(type->s, "function"))))
		return refuse(r, where, "not {\"type\": \"function\", \"function\": {…}}");
	const struct chat_val *name = chat_member(f, "name"), *p = chat_member(f, "parameters");
	if (!name || name->kind != CHAT_STR || !name_ok(name->s))
		return refuse(r, where, "its function has no name of letters, digits, _ - . and /");
	if (p && p->kind != CHAT_DICT && p->kind != CHAT_NONE)
		return refuse(r, where, "its parameters are no schema");
	if (chat_tool_find(t, name->s))
		return refuse(r, where, "a second tool of that name");
	*ret = (struct chat_tool){ name->s, p && p->kind == CHAT_DICT ? p : NULL };
	return true;
}

bool chat_tools_read(struct chat_run *r, const char *json, size_t len, struct chat_tools *ret)
{
	struct chat_tools t = { .n = 0 };
	if (len > TOOLS_BYTES_MAX)
		return refuse(r, "tools", "they are longer than TOOLS_BYTES_MAX");
	if (!chat_json_read(r, "tools", json, len, &t.list))
		return false;
	if (t.list.kind != CHAT_LIST || t.list.list->n == 0)
		return refuse(r, "tools", "not a list of tools");
	if (t.list.list->n > TOOLS_MAX)
		return refuse(r, "tools", "more than TOOLS_MAX");
	struct chat_tool *v = chat_alloc(r, t.list.list->n * sizeof *v);
	t.v = v;
	for (u32 i = 0; v && i < t.list.list->n; i++) {
		if (!read_tool(r, &t.list.list->v[i], i, &t, &v[i]))
			return false;
		t.n++;
	}
	*ret = t;
	return v != NULL;
}

const struct chat_tool *chat_tool_find(const struct chat_tools *t, struct chat_str name)
{
	for (u32 i = 0; t && i < t->n; i++)
		if (chat_str_eq(t->v[i].name, name))
			return &t->v[i];
	return NULL;
}

const struct chat_val *chat_tool_parameter(const struct chat_tool *t, struct chat_str key)
{
	const struct chat_val *p = t && t->parameters ? chat_member(t->parameters, "properties") : NULL;
	for (u32 i = 0; p && p->kind == CHAT_DICT && i < p->dict->n; i++)
		if (p->dict->kv[2 * i].kind == CHAT_STR && chat_str_eq(p->dict->kv[2 * i].s, key))
			return &p->dict->kv[2 * i + 1];
	return NULL;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

static char *text_of(struct chat_run *r, struct arena *a, struct chat_str s)
{
	char *p = arena_dup(a, s.p, s.len);
	if (!p)
		r->err = -ENOMEM;
	return p;
}

/* Everything but role and content that is text, as JSON. */
static bool rest_of(
	struct chat_run *r, const struct chat_val *v, bool text, struct arena *a, const char **ret)
{
	struct chat_call c = { .n = 0 };
	struct chat_val out;
	if (!chat_dict_new(r, CHAT_DICT, &c.self))
		return false;
	for (u32 i = 0; i < v->dict->n; i++) {
		struct chat_str key = v->dict->kv[2 * i].s;
		if (chat_str_is(key, "role") || (text && chat_str_is(key, "content")))
			continue;
		if (!chat_dict_set(r, c.self.dict, v->dict->kv[2 * i], v->dict->kv[2 * i + 1]))
			return false;
	}
	if (c.self.dict->n == 0)
		return true;
	return chat_tojson(r, &c, &out) && (*ret = text_of(r, a, out.s)) != NULL;
}

static bool read_message(
	struct chat_run *r, const struct chat_val *v, u32 i, struct arena *a, struct chat_message *ret)
{
	char where[32];
	snprintf(where, sizeof where, "messages[%u]", i);
	const struct chat_val *role = chat_member(v, "role"), *content = chat_member(v, "content");
	if (!role || role->kind != CHAT_STR)
		return refuse(r, where, "not an object with a role");
	if (content && content->kind != CHAT_STR && content->kind != CHAT_NONE && content->kind != CHAT_LIST)
		return refuse(r, where, "its content is neither text nor parts");
	bool text = !content || content->kind != CHAT_LIST;
	if ((role->s.len && memchr(role->s.p, 0, role->s.len)) ||
		(content && content->kind == CHAT_STR && content->s.len &&
			memchr(content->s.p, 0, content->s.len)))
		return refuse(r, where, "a 0 byte is not text");
	ret->role = text_of(r, a, role->s);
	ret->content = content && content->kind == CHAT_STR ? text_of(r, a, content->s) : NULL;
	return r->err == 0 && rest_of(r, v, text, a, &ret->more);
}

int chat_messages_read(const char *json, size_t len, struct arena *a, const struct chat_message **ret,
	size_t *ret_n, const char **ret_why)
{
	struct chat_run r;
	struct chat_val list;
	struct chat_message *m = NULL;
	chat_run_init(&r, NULL, NULL);
	bool ok = chat_json_read(&r, "messages", json, len, &list);
	if (ok && list.kind != CHAT_LIST)
		ok = refuse(&r, "messages", "not a list");
	if (ok && !(m = arena_alloc(a, (list.list->n + 1) * sizeof *m)))
		r.err = -ENOMEM;
	for (u32 i = 0; ok && m && i < list.list->n; i++)
		ok = read_message(&r, &list.list->v[i], i, a, &m[i]);
	int e = chat_run_outcome(&r, a, ret_why);
	if (!e) {
		*ret = m;
		*ret_n = list.list->n;
	}
	arena_fini(&r.a);
	return e;
}
