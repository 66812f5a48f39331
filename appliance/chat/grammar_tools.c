/* The grammar of calls. What a model may say: its reasoning, then, where calls are required, calls; else anything, and from the first tag
 * of a call on (the trigger) calls. Where the prompt has not opened reasoning, the answer may begin with the tag that does: then the
 * grammar has a way through that tag with no end, and the runtime, which follows the tags of reasoning itself, begins anew behind it. */
#include "chat/grammar_tools.h"
#include "chat/grammar_schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct calls {
	struct chat_gb b;
	const struct chat_tools_want *p;
	const struct chat_format *f;
	struct arena *a;
};

static struct chat_bytes bytes(struct calls *x, const char *text)
{
	size_t len;
	const char *s = chat_format_text(text, &x->p->vocab, x->a, &len);
	if (!s)
		x->b.r->err = -ENOMEM;
	return (struct chat_bytes){ s, s ? (u32)len : 0 };
}

/* A text of the format, with its tags as the vocabulary has them. */
static u32 text(struct calls *x, u32 from, const char *t)
{
	struct chat_bytes s = bytes(x, t);
	return chat_gb_text(&x->b, from, s.p, s.len);
}

static u32 blanks(struct calls *x, u32 from)
{
	return chat_gb_call_rule(&x->b, from, RULE_BLANKS);
}

static u32 white(struct calls *x, u32 from)
{
	return chat_gb_call_rule(&x->b, from, RULE_WS);
}

static u32 name(struct calls *x, u32 from, const struct chat_tool *t)
{
	return chat_gb_text(&x->b, from, t->name.p, t->name.len);
}

/* ---- arguments as one object --------------------------------------------------------------------------------------------- */

static struct chat_schema schema_of(struct calls *x, const struct chat_tool *t, char title[160])
{
	snprintf(title, 160, "tool \"%.*s\", parameters", (int)t->name.len, t->name.p);
	return (struct chat_schema){ .b = &x->b, .name = title, .root = t->parameters };
}

/* The parameters are an object's schema; false: noted. */
static bool parameters_ok(struct chat_schema *s)
{
	static const struct chat_place top;
	const struct chat_val *type = chat_member(s->root, "type");
	if (type && (type->kind != CHAT_STR || !chat_str_is(type->s, "object")))
		return chat_schema_refuse(s, &top, "their type is not \"object\"", (struct chat_str){ 0 });
	for (u32 i = 0; i < s->root->dict->n; i++) {
		static const char *const others[] = { "$ref", "anyOf", "oneOf", "allOf", "enum", "const" };
		for (size_t k = 0; k < ARRAY_LEN(others); k++)
			if (chat_str_is(s->root->dict->kv[2 * i].s, others[k]))
				return chat_schema_refuse(s, &top, "a keyword that cannot stand at the top:",
					s->root->dict->kv[2 * i].s);
	}
	return chat_schema_keys_ok(s, s->root, &top);
}

static u32 object(struct calls *x, u32 from, const struct chat_tool *t)
{
	static const struct chat_place top;
	char title[160];
	struct chat_schema s = schema_of(x, t, title);
	if (!t->parameters)
		return chat_gb_str(&x->b, from, "{}");
	if (!parameters_ok(&s))
		return from;
	u32 to = chat_schema_object(&s, t->parameters, from, &top);
	chat_schema_refs(&s);
	return to;
}

/* ---- arguments key by key ------------------------------------------------------------------------------------------------ */

/* A raw text that cannot be taken for JSON. */
static u32 plain_text(struct calls *x, u32 from)
{
	struct chat_set s = { .n = 0 };
	u32 first = chat_gb_state(&x->b);
	for (const char *c = "[{\"-0123456789tfnTFN"; *c; c++)
		(void)chat_set_add(&s, (u8)*c, (u8)*c);
	(void)chat_set_add(&s, 0, ' ');
	if (chat_gb_stop_char(&x->b))
		(void)chat_set_add(&s, chat_gb_stop_char(&x->b), chat_gb_stop_char(&x->b));
	chat_set_close(&s, true);
	for (u32 i = 0; i < s.n; i++)
		chat_gb_chars(&x->b, from, s.v[i].lo, s.v[i].hi, first);
	return chat_gb_call_rule(&x->b, first, RULE_RAW);
}

/* One value that is no string, or a string; where both fit, a text that is none of the others is the string. */
static void values(struct calls *x, struct chat_schema *s, const struct chat_val *v, u32 from[2], u32 to,
	const struct chat_place *p)
{
	u32 wants = chat_wants(v);
	const struct chat_val *ref = chat_member(v, "$ref"), *types = chat_member(v, "type");
	const struct chat_val *any = chat_member(v, "anyOf");
	any = any ? any : chat_member(v, "oneOf");
	bool attr = x->f->flags & CHAT_STRING_ATTR;
	if (ref && ref->kind == CHAT_STR && p->depth < 8 && chat_schema_resolve(s, ref->s)) {
		struct chat_place in = { p, CHAT_S("$ref"), p->depth + 1 };
		values(x, s, chat_schema_resolve(s, ref->s), from, to, &in);
	} else if (wants == CHAT_WANTS_STRING && !any) {
		x->b.raw = true;
		if (chat_schema_keys_ok(s, v, p))
			chat_gb_skip(&x->b, chat_schema_raw_string(s, v, from[0], p), to);
		x->b.raw = false;
	} else if (wants == CHAT_WANTS_OTHER) {
		chat_gb_skip(&x->b, chat_schema_value(s, v, from[1], p), to);
	} else if (any && any->kind == CHAT_LIST && p->depth < 8) {
		for (u32 i = 0; i < any->list->n && chat_gb_ok(&x->b); i++) {
			struct chat_place in = { p, CHAT_S("anyOf"), p->depth + 1 };
			values(x, s, &any->list->v[i], from, to, &in);
		}
	} else if (v->kind == CHAT_DICT && types && types->kind == CHAT_LIST && !chat_member(v, "enum")) {
		chat_gb_skip(&x->b,
			attr ? chat_gb_call_rule(&x->b, from[0], RULE_RAW) : plain_text(x, from[0]), to);
		if (chat_schema_keys_ok(s, v, p))
			chat_schema_other_types(s, v, from[1], to, p);
	} else if (v->kind == CHAT_DICT && v->dict->n && !chat_schema_only_explains(v)) {
		chat_schema_refuse(s, p, "strings and other values in one choice", (struct chat_str){ 0 });
	} else {
		chat_gb_skip(&x->b,
			attr ? chat_gb_call_rule(&x->b, from[0], RULE_RAW) : plain_text(x, from[0]), to);
		chat_gb_skip(&x->b, chat_gb_call_rule(&x->b, from[1], RULE_VALUE), to);
	}
}

static u32 parameter(struct calls *x, struct chat_schema *s, u32 from, const struct chat_val *key)
{
	static const struct chat_place top;
	struct chat_place p1 = { &top, CHAT_S("properties"), 0 }, p = { &p1, key->s, 1 };
	struct chat_gb *b = &x->b;
	u32 at = chat_gb_text(b, text(x, from, x->f->key), key->s.p, key->s.len), behind = chat_gb_state(b);
	at = text(x, at, x->f->key_end);
	if (x->f->value)
		at = text(x, blanks(x, at), x->f->value);
	u32 in[2] = { at, at };
	if (x->f->flags & CHAT_STRING_ATTR) {
		in[0] = chat_gb_str(b, at, " string=\"true\">");
		in[1] = chat_gb_str(b, at, " string=\"false\">");
	} else if (x->f->flags & CHAT_NEWLINES) {
		in[0] = in[1] = chat_gb_str(b, at, "\n");
	}
	if (chat_str_find(key->s, CHAT_S("<"), 0) <= key->s.len ||
		chat_str_find(key->s, CHAT_S("\""), 0) <= key->s.len || key->s.len > CHAT_NAME_BYTES_MAX)
		chat_schema_refuse(
			s, &p, "a name that cannot be written in this model's calls", (struct chat_str){ 0 });
	values(x, s, &key[1], in, behind, &p);
	if (x->f->flags & CHAT_NEWLINES)
		behind = chat_gb_str(b, behind, "\n");
	return blanks(x, text(x, behind, x->f->value_end));
}

/* Every parameter in its order; those that are not required may be left out. */
static u32 parameters(struct calls *x, u32 from, const struct chat_tool *t)
{
	char title[160];
	struct chat_schema s = schema_of(x, t, title);
	if (!t->parameters || !parameters_ok(&s))
		return from;
	const struct chat_val *props = chat_member(t->parameters, "properties");
	for (u32 i = 0; props && i < props->dict->n && chat_gb_ok(&x->b); i++) {
		const struct chat_val *key = &props->dict->kv[2 * i];
		u32 next = chat_gb_state(&x->b);
		chat_gb_skip(&x->b, parameter(x, &s, from, key), next);
		if (!chat_schema_is_required(&s, t->parameters, key))
			chat_gb_skip(&x->b, from, next);
		from = next;
	}
	chat_schema_refs(&s);
	return from;
}

/* key=value, … of Python, its values written as JSON. */
static u32 keywords(struct calls *x, u32 from, const struct chat_tool *t)
{
	char title[160];
	struct chat_schema s = schema_of(x, t, title);
	struct chat_gb *b = &x->b;
	static const struct chat_place top;
	if (!t->parameters || !parameters_ok(&s))
		return from;
	const struct chat_val *props = chat_member(t->parameters, "properties");
	u32 some = chat_gb_state(b), none = from;
	bool may_be_none = true, may_be_some = false;
	for (u32 i = 0; props && i < props->dict->n && chat_gb_ok(b); i++) {
		const struct chat_val *key = &props->dict->kv[2 * i];
		struct chat_place p = { &top, key->s, 1 };
		bool need = chat_schema_is_required(&s, t->parameters, key);
		u32 begin = chat_gb_state(b), next = chat_gb_state(b);
		if (may_be_none)
			chat_gb_skip(b, none, begin);
		if (may_be_some)
			chat_gb_skip(b, chat_gb_str(b, some, ", "), begin);
		u32 at = chat_gb_str(b, chat_gb_text(b, begin, key->s.p, key->s.len), "=");
		chat_gb_skip(b, chat_schema_value(&s, &key[1], at, &p), next);
		if (!need && may_be_some)
			chat_gb_skip(b, some, next);
		may_be_none = may_be_none && !need;
		may_be_some = true;
		some = next;
	}
	u32 to = chat_gb_state(b);
	chat_gb_skip(b, some, to);
	if (may_be_none)
		chat_gb_skip(b, none, to);
	chat_schema_refs(&s);
	return to;
}

/* ---- one call, behind its tag -------------------------------------------------------------------------------------------- */

static u32 pair(struct calls *x, u32 from, const char *key)
{
	struct chat_gb *b = &x->b;
	from = chat_gb_str(b, chat_gb_str(b, from, "\""), key);
	return white(x, chat_gb_str(b, from, "\":"));
}

static u32 comma(struct calls *x, u32 from)
{
	return white(x, chat_gb_str(&x->b, from, ","));
}

/* {"name": …, "arguments": {…}} */
static u32 json_call(struct calls *x, u32 from, const struct chat_tool *t)
{
	struct chat_gb *b = &x->b;
	u32 at = white(x, chat_gb_str(b, from, "{"));
	if (x->f->name_key) { /* command's calls are numbered */
		u32 id = chat_gb_state(b), named = chat_gb_state(b),
		    number = chat_gb_str(b, pair(x, at, "tool_call_id"), "\"");
		chat_gb_byte(b, number, '0', '9', id);
		chat_gb_byte(b, id, '0', '9', id);
		chat_gb_skip(b, comma(x, chat_gb_str(b, id, "\"")), named);
		at = named;
	}
	at = pair(x, at, x->f->name_key ? x->f->name_key : "name");
	at = chat_gb_str(b, name(x, chat_gb_str(b, at, "\""), t), "\"");
	at = pair(x, comma(x, at), x->f->args_key ? x->f->args_key : "arguments");
	return chat_gb_str(b, white(x, object(x, at, t)), "}");
}

/* Nine letters and digits. */
static u32 call_id(struct chat_gb *b, u32 from)
{
	for (u32 i = 0; i < 9; i++) {
		u32 to = chat_gb_state(b);
		chat_gb_byte(b, from, 'a', 'z', to);
		chat_gb_byte(b, from, 'A', 'Z', to);
		chat_gb_byte(b, from, '0', '9', to);
		from = to;
	}
	return from;
}

/* functions.NAME:7 */
static u32 kimi_name(struct calls *x, u32 from, const struct chat_tool *t)
{
	struct chat_gb *b = &x->b;
	u32 at = chat_gb_str(b, name(x, chat_gb_str(b, from, "functions."), t), ":"), to = chat_gb_state(b);
	chat_gb_byte(b, at, '0', '9', to);
	chat_gb_byte(b, to, '0', '9', to);
	return to;
}

static u32 json_args(struct calls *x, u32 from, const struct chat_tool *t)
{
	u32 at = x->f->flags & CHAT_ID_IN_NAME ? kimi_name(x, from, t) : name(x, from, t);
	at = text(x, at, x->f->name_end);
	if (x->f->id_end)
		at = text(x, call_id(&x->b, at), x->f->id_end);
	return text(x, blanks(x, object(x, blanks(x, at), t)), x->f->call[1]);
}

static u32 xml_call(struct calls *x, u32 from, const struct chat_tool *t)
{
	u32 at = text(x, name(x, from, t), x->f->name_end);
	return text(x, parameters(x, blanks(x, at), t), x->f->call[1]);
}

/* name_end is the brace that begins the object. */
static u32 gemma_call(struct calls *x, u32 from, const struct chat_tool *t)
{
	return text(x, object(x, name(x, from, t), t), x->f->call[1]);
}

static u32 python_call(struct calls *x, u32 from, const struct chat_tool *t)
{
	return chat_gb_str(&x->b, keywords(x, chat_gb_str(&x->b, name(x, from, t), "("), t), ")");
}

/* The head behind what it begins with, and the body. */
static u32 channel_call(struct calls *x, u32 from, const struct chat_tool *t)
{
	u32 at = name(x, from, t);
	if (x->f->call[1])
		at = text(x, chat_gb_str(&x->b, at, " "), TAG("<|constrain|>") "json");
	return object(x, text(x, at, x->f->name_end), t);
}

static u32 call(struct calls *x, u32 from)
{
	static u32 (*const one[])(
		struct calls *, u32, const struct chat_tool *) = { [CHAT_JSON_CALL] = json_call,
		[CHAT_JSON_ARGS] = json_args,
		[CHAT_XML] = xml_call,
		[CHAT_GEMMA] = gemma_call,
		[CHAT_PYTHON] = python_call,
		[CHAT_CHANNELS] = channel_call };
	u32 to = chat_gb_state(&x->b);
	for (u32 i = 0; i < x->p->tools->n && chat_gb_ok(&x->b); i++) {
		const struct chat_tool *t = &x->p->tools->v[i];
		if (!x->p->name || chat_str_is(t->name, x->p->name))
			chat_gb_skip(&x->b, one[x->f->syntax](x, from, t), to);
	}
	return to;
}

/* ---- all calls of an answer ---------------------------------------------------------------------------------------------- */

/* part (between part)*, where part goes from begin to end and may be called. */
static u32 repeated(struct calls *x, u32 from, u32 begin, u32 end, const char *between)
{
	struct chat_gb *b = &x->b;
	u32 to = chat_gb_state(b);
	chat_gb_return(b, end);
	chat_gb_call(b, from, begin, to);
	bool one = x->p->one ||
		   (x->f->syntax == CHAT_CHANNELS && x->f->call[1]); /* harmony's answer ends behind one */
	if (!one)
		chat_gb_call(b, text(x, blanks(x, to), between), begin, to);
	return to;
}

/* Behind the tag that begins the calls. */
static u32 calls_behind_tag(struct calls *x, u32 from)
{
	struct chat_gb *b = &x->b;
	u32 begin = chat_gb_state(b), end;
	bool list = x->f->flags & CHAT_ONE_LIST || x->f->syntax == CHAT_PYTHON;
	if (x->f->flags & CHAT_SECTION_EACH) {
		u32 at = text(x, blanks(x, begin), x->f->call[0]);
		end = text(x, blanks(x, call(x, at)), x->f->section[1]);
		return repeated(x, from, begin, end, x->f->section[0]);
	}
	if (!x->f->section[0] || x->f->flags & CHAT_BARE) {
		end = call(x, begin);
		return repeated(x, from, begin, end, x->f->flags & CHAT_BARE ? ";" : x->f->call[0]);
	}
	if (list)
		end = call(x, begin);
	else
		end = call(x, text(x, blanks(x, begin), x->f->call[0]));
	u32 at = list ? white(x, chat_gb_str(b, blanks(x, from), "[")) : from;
	at = repeated(x, at, begin, end, list ? "," : "");
	at = list ? chat_gb_str(b, white(x, at), "]") : blanks(x, at);
	return text(x, at, x->f->section[1]);
}

static u32 anything(struct chat_gb *b, u32 from)
{
	u32 to = chat_gb_state(b);
	chat_gb_skip(b, from, to);
	chat_gb_byte(b, to, 0, 0xfe, to);
	return to;
}

/* Where no tag says that a call begins: what does not begin like one is text. */
static u32 or_text(struct calls *x, u32 from)
{
	struct chat_gb *b = &x->b;
	if (x->f->syntax == CHAT_CHANNELS)
		return anything(b, chat_gb_str(b, from, "all\n"));
	struct chat_set s = { .n = 0 };
	u32 first = chat_gb_state(b);
	(void)(chat_set_add(&s, 0, ' ') && chat_set_add(&s, '{', '{'));
	chat_set_close(&s, true);
	for (u32 i = 0; i < s.n; i++)
		chat_gb_chars(b, from, s.v[i].lo, s.v[i].hi, first);
	u32 to = anything(b, first);
	chat_gb_skip(b, from, to);
	return to;
}

/* The tags that the calls of an answer begin with. */
static const char *first_tag(const struct chat_format *f)
{
	if (f->syntax == CHAT_CHANNELS)
		return f->call[1] ? TAG("<|channel|>") "commentary to=functions." : "";
	return f->section[0] ? f->section[0] : f->call[0];
}

/* The answer may begin with reasoning instead: the runtime waits for its end and begins anew. */
static void or_reasoning(struct calls *x, u32 from, u32 to)
{
	const struct chat_think *t = x->p->think;
	struct chat_gb *b = &x->b;
	if (!t->known || t->inside)
		return;
	u32 at = chat_gb_text(b, blanks(x, from), t->open, t->open_len);
	chat_gb_byte(b, at, 0xff, 0xff, to);
}

/* The whole answer. */
static u32 whole(struct calls *x)
{
	struct chat_gb *b = &x->b;
	u32 start = chat_gb_state(b), to = chat_gb_state(b), tag = chat_gb_state(b);
	u32 at = x->f->syntax == CHAT_CHANNELS ? start : blanks(x, start); /* a line end would be a head */
	chat_gb_return(b, to);
	chat_gb_skip(b, text(x, at, first_tag(x->f)), tag);
	if (x->f->syntax == CHAT_CHANNELS && x->f->call[1])
		chat_gb_skip(b,
			text(x, chat_gb_str(b, text(x, start, x->f->call[0]), "assistant"), first_tag(x->f)),
			tag);
	if (x->f->flags & CHAT_BARE)
		chat_gb_skip(b, at, tag);
	chat_gb_skip(b, calls_behind_tag(x, tag), to);
	if (!x->p->required)
		chat_gb_skip(b, or_text(x, start), to);
	or_reasoning(x, start, to);
	return start;
}

int chat_tools_grammar(const struct chat_tools_want *p, struct arena *a, const void **ret, size_t *ret_len,
	const char **ret_why)
{
	struct chat_run r;
	struct calls x = { .b = { .r = &r }, .p = p, .f = p->format, .a = a };
	bool tagged = first_tag(p->format)[0] && !(p->format->flags & CHAT_BARE);
	struct chat_bytes trigger = { 0 };
	chat_run_init(&r, NULL, NULL);
	if (p->format->syntax == CHAT_XML)
		x.b.stop = bytes(&x, p->format->value_end);
	if (p->format->syntax == CHAT_GEMMA) {
		x.b.quote = x.b.stop = bytes(&x, p->format->key);
		x.b.raw = true;
	}
	u32 start = 0;
	if (p->required || !tagged) {
		start = whole(&x);
	} else {
		trigger = bytes(&x, first_tag(p->format));
		start = chat_gb_state(&x.b);
		chat_gb_return(&x.b, calls_behind_tag(&x, start));
	}
	int e = chat_gb_finish(&x.b, start, trigger, a, ret, ret_len);
	if (e == 1)
		e = chat_run_outcome(&r, a, ret_why);
	arena_fini(&r.a);
	return e;
}
