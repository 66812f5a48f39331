#include "chat/chat.h"
#include "chat/format.h"

#include <errno.h>
#include <string.h>

/* ---- what a template is given -------------------------------------------------------------------------------------------- */

/* Roles are words of ours, not text: a template may build a control token around one. Any other role is text. */
static struct chat_str role_str(const char *role)
{
	static const char *const known[] = { "system", "developer", "user", "assistant", "tool" };
	struct chat_str s = chat_cstr(role);
	s.user = true;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (chat_str_is(s, known[i]))
			s.user = false;
	return s;
}

/* A call's arguments as templates want them: a mapping, or, where a template joins text to them, JSON. */
static bool arguments(struct chat_run *r, const struct chat_val *v, bool as_text, struct chat_val *ret)
{
	struct chat_call c = { .self = *v };
	if (as_text && v->kind == CHAT_DICT)
		return chat_tojson(r, &c, ret);
	if (as_text || v->kind != CHAT_STR)
		return true;
	struct chat_run probe = *r; /* text that is no JSON stays text */
	struct chat_val read;
	if (!chat_fromjson(r, &c, &read)) {
		probe.a = r->a;
		probe.steps = r->steps;
		*r = probe;
		return r->err == 0;
	}
	if (read.kind == CHAT_DICT)
		*ret = read;
	return true;
}

static bool tool_calls(struct chat_run *r, const struct chat_val *list, bool as_text)
{
	for (u32 i = 0; list && list->kind == CHAT_LIST && i < list->list->n; i++) {
		const struct chat_val *f = chat_member(&list->list->v[i], "function");
		const struct chat_val *args = chat_member(f ? f : &list->list->v[i], "arguments");
		struct chat_val v;
		if (!args)
			continue;
		v = *args;
		if (!arguments(r, args, as_text, &v) ||
			!chat_dict_put(r, (f ? f : &list->list->v[i])->dict, "arguments", v))
			return false;
	}
	return true;
}

static bool message(struct chat_run *r, const struct chat_message *m, bool as_text, struct chat_val *ret)
{
	struct chat_str content = chat_cstr(m->content ? m->content : "");
	struct chat_val more;
	content.user = true;
	if (!chat_dict_new(r, CHAT_DICT, ret) ||
		!chat_dict_put(r, ret->dict, "role", chat_text(role_str(m->role))) ||
		!chat_dict_put(r, ret->dict, "content", m->content ? chat_text(content) : chat_none()))
		return false;
	if (!m->more)
		return true;
	if (!chat_json_read(r, "message", m->more, strlen(m->more), &more))
		return false;
	if (more.kind != CHAT_DICT)
		return chat_fail(r, "what a message has more is no object");
	for (u32 i = 0; i < more.dict->n; i++) {
		const struct chat_val *key = &more.dict->kv[2 * i];
		if (!chat_str_is(key->s, "role") && !chat_dict_set(r, ret->dict, *key, key[1]))
			return false;
	}
	return tool_calls(r, chat_member(&more, "tool_calls"), as_text);
}

static bool messages(struct chat_run *r, const struct chat_render *p, bool as_text, struct chat_val *ret)
{
	if (!chat_list_new(r, CHAT_LIST, ret))
		return false;
	for (size_t i = 0; i < p->n_messages; i++) {
		struct chat_val m;
		if (strlen(p->messages[i].role) > REQUEST_BYTES_MAX ||
			(p->messages[i].content && strlen(p->messages[i].content) > REQUEST_BYTES_MAX))
			return chat_fail(r, "a message is longer than %u bytes", REQUEST_BYTES_MAX);
		if (!message(r, &p->messages[i], as_text, &m) || !chat_list_add(r, ret->list, m))
			return false;
	}
	return true;
}

/* Values of the caller's own, by their names; ours stand. */
static bool more_vars(struct chat_run *r, const struct chat_render *p)
{
	struct chat_val v;
	if (!p->vars)
		return true;
	if (!chat_json_read(r, "template values", p->vars, strlen(p->vars), &v))
		return false;
	if (v.kind != CHAT_DICT)
		return chat_fail(r, "the values for the template are no object");
	for (u32 i = 0; i < v.dict->n; i++)
		if (!chat_var_set(r, r->frame, v.dict->kv[2 * i].s, v.dict->kv[2 * i + 1]))
			return false;
	return true;
}

static bool globals(struct chat_run *r, const struct chat_render *p, bool as_text)
{
	struct chat_val list;
	struct chat_tools tools = { .list = chat_none() };
	if (!more_vars(r, p) || !messages(r, p, as_text, &list) ||
		(p->tools && !chat_tools_read(r, p->tools, strlen(p->tools), &tools)))
		return false;
	const struct {
		const char *name;
		struct chat_val val;
	} table[] = {
		{ "messages", list },
		{ "add_generation_prompt", chat_bool(p->add_generation_prompt) },
		{ "bos_token", chat_text(chat_cstr(p->bos_token ? p->bos_token : "")) },
		{ "eos_token", chat_text(chat_cstr(p->eos_token ? p->eos_token : "")) },
		{ "tools", tools.list },
		{ "documents", chat_none() },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (!chat_var_set(r, r->frame, chat_cstr(table[i].name), table[i].val))
			return false;
	return true;
}

/* ---- running it ---------------------------------------------------------------------------------------------------------- */

void chat_run_init(struct chat_run *r, struct chat_frame *frame, struct chat_buf *out)
{
	*r = (struct chat_run){
		.a = { .max_bytes = TEMPLATE_MEMORY_BYTES_MAX }, .line = 1, .frame = frame, .out = out
	};
}

static bool parse(struct chat_run *r, const char *source, size_t len, struct chat_node ***ret, u32 *ret_n)
{
	struct chat_token *t;
	return chat_lex(r, source, len, &t) && chat_parse(r, t, ret, ret_n);
}

/* A reason quotes the template: nothing in it may steer a terminal, and a character that was cut is no character. */
static void clean(char *why)
{
	struct chat_str s = chat_cstr(why);
	for (u32 i = 0, n; i < s.len; i += n) {
		n = chat_char_len(s, i);
		if (n == 1 && ((u8)why[i] < 0x20 || (u8)why[i] >= 0x7f))
			why[i] = '?';
		if (n == 2 && (u8)why[i] == 0xc2 && (u8)why[i + 1] < 0xa0)
			why[i] = why[i + 1] = '?';
	}
}

/* The outcome for the caller; the reason in his arena. */
int chat_run_outcome(const struct chat_run *r, struct arena *a, const char **ret_why)
{
	if (r->err != 1)
		return r->err;
	char *why = arena_dup(a, r->why, strlen(r->why));
	if (!why)
		return -ENOMEM;
	clean(why);
	*ret_why = why;
	return 1;
}

static u32 run_end(struct chat_str s, u32 from)
{
	u32 to = from + 1;
	if (!s.mark)
		return s.len;
	while (to < s.len && s.mark[to] == s.mark[from])
		to++;
	return to;
}

/* Cut where the marks change. */
static int cut(struct chat_str s, struct arena *a, const struct chat_piece **ret, size_t *ret_n)
{
	size_t n = 0;
	for (u32 at = 0; at < s.len; at = run_end(s, at))
		n++;
	struct chat_piece *piece = arena_alloc(a, n * sizeof *piece);
	char *text = arena_dup(a, s.p, s.len);
	if (!piece || !text)
		return -ENOMEM;
	n = 0;
	for (u32 at = 0, end; at < s.len; at = end) {
		end = run_end(s, at);
		piece[n++] = (struct chat_piece){ !chat_byte_user(s, at), text + at, end - at };
	}
	*ret = piece;
	*ret_n = n;
	return 0;
}

static int render(const struct chat_render *p, bool as_text, struct arena *a,
	const struct chat_piece **ret_pieces, size_t *ret_n, const char **ret_why)
{
	struct chat_frame frame = { 0 };
	struct chat_buf out = { 0 };
	struct chat_node **body;
	struct chat_run r;
	u32 n;
	chat_run_init(&r, &frame, &out);
	r.now = p->now;
	int ret;
	if (globals(&r, p, as_text) && parse(&r, p->source, p->source_len, &body, &n) &&
		chat_exec(&r, body, n))
		ret = cut(chat_buf_str(&out), a, ret_pieces, ret_n);
	else
		ret = chat_run_outcome(&r, a, ret_why);
	arena_fini(&r.a);
	return ret;
}

/* Most templates want the arguments of a call as a mapping; one that cannot take that gets them as JSON. */
int chat_render(const struct chat_render *p, struct arena *a, const struct chat_piece **ret_pieces,
	size_t *ret_n, const char **ret_why)
{
	const char *again;
	bool any = false;
	for (size_t i = 0; i < p->n_messages; i++)
		any = any || (p->messages[i].more && strstr(p->messages[i].more, "\"tool_calls\""));
	int ret = render(p, false, a, ret_pieces, ret_n, ret_why);
	if (ret == 1 && any) {
		int r = render(p, true, a, ret_pieces, ret_n, &again);
		ret = r == 1 ? 1 : r;
	}
	return ret;
}

int chat_template_check(const char *source, size_t len, struct arena *a, const char **ret_why)
{
	struct chat_node **body;
	struct chat_run r;
	u32 n;
	chat_run_init(&r, NULL, NULL);
	int ret = parse(&r, source, len, &body, &n) ? 0 : chat_run_outcome(&r, a, ret_why);
	arena_fini(&r.a);
	return ret;
}
