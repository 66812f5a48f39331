/* OpenAI's newer form: an answer is a list of items (reasoning, a message, calls), and a stream tells each thing twice: as it comes and, when it
 * is over, whole. */
#include "gateway/api_forms.h"

#include <stdio.h>

enum { ITEM_NONE, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };

struct item {
	u32 kind, at; /* at: its place in the output */
	const char *text;
	size_t len;
	const char *name, *call_id;
	bool open; /* not whole yet */
	struct api_probs *probs;
};

static void kv_strn(struct jsonw *w, const char *key, const char *s, size_t n)
{
	jsonw_key(w, key);
	jsonw_strn(w, s, n);
}

static void kv_null(struct jsonw *w, const char *key)
{
	jsonw_key(w, key);
	jsonw_null(w);
}

static void item_id(const struct api_head *h, const struct item *it, char ret[48])
{
	static const char *const names[] = {
		[ITEM_MESSAGE] = "msg", [ITEM_REASONING] = "rs", [ITEM_CALL] = "fc"
	};
	snprintf(ret, 48, "%s_%llu_%u", names[it->kind], (unsigned long long)h->index, it->at);
}

static void part_write(struct jsonw *w, const struct item *it)
{
	jsonw_object(w);
	jsonw_kv_str(w, "type", it->kind == ITEM_REASONING ? "reasoning_text" : "output_text");
	kv_strn(w, "text", it->text, it->len);
	if (it->kind == ITEM_MESSAGE) {
		jsonw_key(w, "annotations");
		jsonw_array(w);
		jsonw_array_end(w);
		api_probs_message(it->probs, w);
	}
	jsonw_object_end(w);
}

static void item_write(struct jsonw *w, const struct api_head *h, const struct item *it)
{
	static const char *const types[] = {
		[ITEM_MESSAGE] = "message", [ITEM_REASONING] = "reasoning", [ITEM_CALL] = "function_call"
	};
	char id[48];
	item_id(h, it, id);
	jsonw_object(w);
	jsonw_kv_str(w, "id", id);
	jsonw_kv_str(w, "type", types[it->kind]);
	jsonw_kv_str(w, "status", it->open ? "in_progress" : "completed");
	if (it->kind == ITEM_MESSAGE)
		jsonw_kv_str(w, "role", "assistant");
	if (it->kind == ITEM_CALL) {
		jsonw_kv_str(w, "call_id", it->call_id);
		jsonw_kv_str(w, "name", it->name);
		kv_strn(w, "arguments", it->text, it->len);
	}
	if (it->kind == ITEM_REASONING) {
		jsonw_key(w, "summary");
		jsonw_array(w);
		jsonw_array_end(w);
	}
	if (it->kind != ITEM_CALL) {
		jsonw_key(w, "content");
		jsonw_array(w);
		if (!it->open)
			part_write(w, it);
		jsonw_array_end(w);
	}
	jsonw_object_end(w);
}

static void usage_write(struct jsonw *w, const struct proto_outcome *o)
{
	jsonw_key(w, "usage");
	jsonw_object(w);
	jsonw_kv_u64(w, "input_tokens", o->n_prompt);
	jsonw_key(w, "input_tokens_details");
	jsonw_object(w);
	jsonw_kv_u64(w, "cached_tokens", o->n_cached);
	jsonw_object_end(w);
	jsonw_kv_u64(w, "output_tokens", o->n_generated);
	jsonw_kv_u64(w, "total_tokens", (u64)o->n_prompt + o->n_generated);
	jsonw_object_end(w);
}

/* Opens a response, up to and with its list of items. */
static void response_begin(struct jsonw *w, const struct api_head *h, const struct proto_outcome *o)
{
	char id[40];
	bool cut = o && o->finish == FINISH_LENGTH;
	snprintf(id, sizeof id, "resp_%llu", (unsigned long long)h->index);
	jsonw_object(w);
	jsonw_kv_str(w, "id", id);
	jsonw_kv_str(w, "object", "response");
	jsonw_kv_u64(w, "created_at", h->created);
	jsonw_kv_str(w, "model", h->model);
	jsonw_kv_str(w, "status", !o ? "in_progress" : cut ? "incomplete" : "completed");
	kv_null(w, "error");
	jsonw_key(w, "incomplete_details");
	if (cut) {
		jsonw_object(w);
		jsonw_kv_str(w, "reason", "max_output_tokens");
		jsonw_object_end(w);
	} else {
		jsonw_null(w);
	}
	jsonw_key(w, "output");
	jsonw_array(w);
}

/* ---- whole ----------------------------------------------------------------------------------------------------------------- */

static void items_write(struct jsonw *w, const struct api_head *h, const struct api_answer *a)
{
	u32 at = 0;
	if (a->reasoning_len)
		item_write(w, h,
			&(struct item){ ITEM_REASONING, at++, a->reasoning, a->reasoning_len, NULL, NULL,
				false, NULL });
	if (a->text_len || !a->n_calls)
		item_write(w, h,
			&(struct item){
				ITEM_MESSAGE, at++, a->text, a->text_len, NULL, NULL, false, a->probs });
	for (size_t i = 0; i < a->n_calls; i++) {
		const struct api_call *c = &a->calls[i];
		item_write(w, h,
			&(struct item){ ITEM_CALL, at++, c->arguments, c->arguments_len, c->name, c->id,
				false, NULL });
	}
}

void api_responses_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a)
{
	response_begin(w, h, a->outcome);
	items_write(w, h, a);
	jsonw_array_end(w);
	usage_write(w, a->outcome);
	api_evidence_write(w, h, a->outcome, a->model);
	jsonw_object_end(w);
}

/* ---- a stream -------------------------------------------------------------------------------------------------------------- */

static void event_begin(struct api_stream *s, struct jsonw *w, const char *type)
{
	jsonw_between(w, "event: ");
	jsonw_between(w, type);
	jsonw_between(w, "\ndata: ");
	jsonw_object(w);
	jsonw_kv_str(w, "type", type);
	jsonw_kv_u64(w, "sequence_number", s->n_events++);
}

static void event_end(struct jsonw *w)
{
	jsonw_object_end(w);
	jsonw_between(w, "\n\n");
}

void api_responses_begin(struct api_stream *s, struct jsonw *w)
{
	static const char *const types[] = { "response.created", "response.in_progress" };
	for (u32 i = 0; i < 2; i++) {
		event_begin(s, w, types[i]);
		jsonw_key(w, "response");
		response_begin(w, s->head, NULL);
		jsonw_array_end(w);
		jsonw_object_end(w);
		event_end(w);
	}
}

static struct item current(const struct api_stream *s, bool open)
{
	return (struct item){ s->open, s->n_blocks - 1, s->item.buf ? s->item.buf : "", s->item.len, s->name,
		s->id, open, s->probs };
}

static void place(struct api_stream *s, struct jsonw *w, bool part)
{
	struct item it = current(s, true);
	char id[48];
	item_id(s->head, &it, id);
	jsonw_kv_str(w, "item_id", id);
	jsonw_kv_u64(w, "output_index", it.at);
	if (part)
		jsonw_kv_u64(w, "content_index", 0);
}

static void item_event(struct api_stream *s, struct jsonw *w, const char *type, bool open)
{
	struct item it = current(s, open);
	if (open)
		it.len = 0;
	event_begin(s, w, type);
	jsonw_kv_u64(w, "output_index", it.at);
	jsonw_key(w, "item");
	item_write(w, s->head, &it);
	event_end(w);
}

static void part_event(struct api_stream *s, struct jsonw *w, const char *type)
{
	struct item it = current(s, false);
	event_begin(s, w, type);
	place(s, w, true);
	jsonw_key(w, "part");
	part_write(w, &it);
	event_end(w);
}

/* What the events of each kind of item are called. */
static const struct {
	const char *delta, *done, *key;
} names[] = { [ITEM_MESSAGE] = { "response.output_text.delta", "response.output_text.done", "text" },
	[ITEM_REASONING] = { "response.reasoning_text.delta", "response.reasoning_text.done", "text" },
	[ITEM_CALL] = { "response.function_call_arguments.delta", "response.function_call_arguments.done",
		"arguments" } };

static void item_close(struct api_stream *s, struct jsonw *w)
{
	if (s->open == ITEM_NONE)
		return;
	event_begin(s, w, names[s->open].done);
	place(s, w, s->open != ITEM_CALL);
	kv_strn(w, names[s->open].key, s->item.buf ? s->item.buf : "", s->item.len);
	if (s->open == ITEM_MESSAGE)
		api_probs_message(s->probs, w);
	event_end(w);
	if (s->open != ITEM_CALL)
		part_event(s, w, "response.content_part.done");
	item_event(s, w, "response.output_item.done", false);
	jsonw_between(&s->items, s->items.len ? "," : "");
	struct item it = current(s, false);
	item_write(&s->items, s->head, &it);
	if (s->open == ITEM_MESSAGE && s->probs)
		api_probs_fini(s->probs);
	s->open = ITEM_NONE;
	jsonw_fini(&s->item);
}

static void item_open(struct api_stream *s, struct jsonw *w, u32 kind, const struct chat_event *e)
{
	item_close(s, w);
	s->open = kind;
	s->n_blocks++;
	jsonw_init_grow(&s->item, GATEWAY_ANSWER_BYTES);
	snprintf(s->name, sizeof s->name, "%s", e->name ? e->name : "");
	snprintf(s->id, sizeof s->id, "%s", e->id ? e->id : "");
	item_event(s, w, "response.output_item.added", true);
	if (kind != ITEM_CALL)
		part_event(s, w, "response.content_part.added");
}

void api_responses_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e)
{
	static const u32 kinds[] = { [CHAT_TEXT] = ITEM_MESSAGE,
		[CHAT_BROKEN] = ITEM_MESSAGE,
		[CHAT_REASONING] = ITEM_REASONING,
		[CHAT_CALL] = ITEM_CALL,
		[CHAT_ARGUMENTS] = ITEM_CALL,
		[CHAT_CALL_END] = ITEM_NONE,
		[CHAT_CALL_VOID] = ITEM_NONE };
	u32 kind = kinds[e->kind];
	if (!s->items.grow)
		jsonw_init_grow(&s->items, GATEWAY_ANSWER_BYTES);
	if (kind == ITEM_NONE)
		item_close(s, w);
	else if (e->kind == CHAT_CALL || kind != s->open)
		item_open(s, w, kind, e);
	if (s->probs && kind != ITEM_MESSAGE)
		api_probs_settle(s->probs, false);
	if (kind == ITEM_NONE || e->kind == CHAT_CALL)
		return;
	jsonw_append(&s->item, e->text, e->len);
	event_begin(s, w, names[kind].delta);
	place(s, w, kind != ITEM_CALL);
	kv_strn(w, "delta", e->text, e->len);
	if (kind == ITEM_MESSAGE) {
		api_probs_delta(s->probs, w);
		if (s->probs)
			api_probs_settle(s->probs, true);
	}
	event_end(w);
}

void api_responses_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model)
{
	item_close(s, w);
	event_begin(s, w, o->finish == FINISH_LENGTH ? "response.incomplete" : "response.completed");
	jsonw_key(w, "response");
	response_begin(w, s->head, o);
	if (s->items.len)
		jsonw_json(w, s->items.buf, s->items.len);
	jsonw_array_end(w);
	usage_write(w, o);
	api_evidence_write(w, s->head, o, model);
	jsonw_object_end(w);
	event_end(w);
}
