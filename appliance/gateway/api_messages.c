/* Anthropic's form: an answer is a list of blocks (reasoning, text, calls of tools), and a stream says where each begins and ends. */
#include "gateway/api_forms.h"

#include <stdio.h>
#include <string.h>

static const char *stop_reason(const struct proto_outcome *o, bool calls)
{
	return o->finish == FINISH_LENGTH   ? "max_tokens"
	       : o->finish == FINISH_STRING ? "stop_sequence"
	       : calls			    ? "tool_use"
					    : "end_turn";
}

static void usage_write(struct jsonw *w, const struct proto_outcome *o)
{
	jsonw_key(w, "usage");
	jsonw_object(w);
	jsonw_kv_u64(w, "input_tokens", o ? o->n_prompt - o->n_cached : 0);
	jsonw_kv_u64(w, "cache_read_input_tokens", o ? o->n_cached : 0);
	jsonw_kv_u64(w, "output_tokens", o ? o->n_generated : 0);
	jsonw_object_end(w);
}

/* Opens a message and its list of blocks. */
static void message_begin(struct jsonw *w, const struct api_head *h)
{
	char id[40];
	snprintf(id, sizeof id, "msg_%llu", (unsigned long long)h->index);
	jsonw_object(w);
	jsonw_kv_str(w, "id", id);
	jsonw_kv_str(w, "type", "message");
	jsonw_kv_str(w, "role", "assistant");
	jsonw_kv_str(w, "model", h->model);
	jsonw_key(w, "content");
	jsonw_array(w);
}

static void str_or_null(struct jsonw *w, const char *key, const char *s)
{
	jsonw_key(w, key);
	if (s)
		jsonw_str(w, s);
	else
		jsonw_null(w);
}

/* o NULL: it has only begun. */
static void stop_write(struct jsonw *w, const struct api_head *h, const struct proto_outcome *o, bool calls)
{
	bool met = o && o->stop_string && o->stop_string <= h->n_stops;
	str_or_null(w, "stop_reason", o ? stop_reason(o, calls) : NULL);
	str_or_null(w, "stop_sequence", met ? h->stops[o->stop_string - 1] : NULL);
}

/* ---- whole ----------------------------------------------------------------------------------------------------------------- */

static void text_block(struct jsonw *w, const char *type, const char *text, size_t len)
{
	jsonw_object(w);
	jsonw_kv_str(w, "type", type);
	jsonw_key(w, type);
	jsonw_strn(w, text, len);
	if (!strcmp(type, "thinking")) /* clients' types want one; what is recorded needs none */
		jsonw_kv_str(w, "signature", "");
	jsonw_object_end(w);
}

static void call_block(struct jsonw *w, const struct api_call *c)
{
	jsonw_object(w);
	jsonw_kv_str(w, "type", "tool_use");
	jsonw_kv_str(w, "id", c->id);
	jsonw_kv_str(w, "name", c->name);
	jsonw_key(w, "input");
	jsonw_json(w, c->arguments_len ? c->arguments : "{}", c->arguments_len ? c->arguments_len : 2);
	jsonw_object_end(w);
}

void api_messages_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a)
{
	message_begin(w, h);
	if (a->reasoning_len)
		text_block(w, "thinking", a->reasoning, a->reasoning_len);
	if (a->text_len || !a->n_calls)
		text_block(w, "text", a->text, a->text_len);
	for (size_t i = 0; i < a->n_calls; i++)
		call_block(w, &a->calls[i]);
	jsonw_array_end(w);
	stop_write(w, h, a->outcome, a->n_calls > 0);
	usage_write(w, a->outcome);
	api_evidence_write(w, h, a->outcome, a->model);
	jsonw_object_end(w);
}

/* ---- a stream -------------------------------------------------------------------------------------------------------------- */

enum { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL };

static void event_begin(struct jsonw *w, const char *type)
{
	jsonw_between(w, "event: ");
	jsonw_between(w, type);
	jsonw_between(w, "\ndata: ");
	jsonw_object(w);
	jsonw_kv_str(w, "type", type);
}

static void event_end(struct jsonw *w)
{
	jsonw_object_end(w);
	jsonw_between(w, "\n\n");
}

void api_messages_begin(struct api_stream *s, struct jsonw *w)
{
	event_begin(w, "message_start");
	jsonw_key(w, "message");
	message_begin(w, s->head);
	jsonw_array_end(w);
	stop_write(w, s->head, NULL, false);
	usage_write(w, NULL);
	jsonw_object_end(w);
	event_end(w);
}

static void block_close(struct api_stream *s, struct jsonw *w)
{
	if (s->open == BLOCK_NONE)
		return;
	event_begin(w, "content_block_stop");
	jsonw_kv_u64(w, "index", s->n_blocks - 1);
	event_end(w);
	s->open = BLOCK_NONE;
}

static void block_open(struct api_stream *s, struct jsonw *w, u32 kind, const struct chat_event *e)
{
	static const char *const types[] = { [BLOCK_TEXT] = "text", [BLOCK_THINKING] = "thinking" };
	block_close(s, w);
	event_begin(w, "content_block_start");
	jsonw_kv_u64(w, "index", s->n_blocks++);
	jsonw_key(w, "content_block");
	if (kind == BLOCK_CALL)
		call_block(w, &(struct api_call){ .id = e->id, .name = e->name });
	else
		text_block(w, types[kind], "", 0);
	event_end(w);
	s->open = kind;
}

void api_messages_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e)
{
	static const struct {
		u32 block;
		const char *type, *key;
	} kinds[] = { [CHAT_TEXT] = { BLOCK_TEXT, "text_delta", "text" },
		[CHAT_BROKEN] = { BLOCK_TEXT, "text_delta", "text" },
		[CHAT_REASONING] = { BLOCK_THINKING, "thinking_delta", "thinking" },
		[CHAT_ARGUMENTS] = { BLOCK_CALL, "input_json_delta", "partial_json" },
		[CHAT_CALL] = { .block = BLOCK_CALL },
		[CHAT_CALL_END] = { .block = BLOCK_NONE },
		[CHAT_CALL_VOID] = { .block = BLOCK_NONE } };
	u32 block = kinds[e->kind].block;
	if (block == BLOCK_NONE)
		block_close(s, w);
	else if (e->kind == CHAT_CALL || block != s->open)
		block_open(s, w, block, e);
	if (!kinds[e->kind].type)
		return;
	event_begin(w, "content_block_delta");
	jsonw_kv_u64(w, "index", s->n_blocks - 1);
	jsonw_key(w, "delta");
	jsonw_object(w);
	jsonw_kv_str(w, "type", kinds[e->kind].type);
	jsonw_key(w, kinds[e->kind].key);
	jsonw_strn(w, e->text, e->len);
	jsonw_object_end(w);
	event_end(w);
}

void api_messages_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model)
{
	block_close(s, w);
	event_begin(w, "message_delta");
	jsonw_key(w, "delta");
	jsonw_object(w);
	stop_write(w, s->head, o, s->n_calls > 0);
	jsonw_object_end(w);
	usage_write(w, o);
	api_evidence_write(w, s->head, o, model);
	event_end(w);
	event_begin(w, "message_stop");
	event_end(w);
}
