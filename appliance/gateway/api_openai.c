/* OpenAI's two forms. */
#include "gateway/api_forms.h"

#include <stdio.h>
#include <string.h>

/* ---- parts ----------------------------------------------------------------------------------------------------------------- */

void api_head_write(struct jsonw *w, const struct api_head *h, const char *kind)
{
	char id[40];
	snprintf(id, sizeof id, "%s-%llu", h->form == API_CHAT ? "chatcmpl" : "cmpl",
		(unsigned long long)h->index);
	jsonw_object(w);
	jsonw_kv_str(w, "id", id);
	jsonw_kv_str(w, "object", kind);
	jsonw_kv_u64(w, "created", h->created);
	jsonw_kv_str(w, "model", h->model);
}

static const char *chunk_kind(const struct api_head *h)
{
	return h->form == API_CHAT ? "chat.completion.chunk" : "text_completion";
}

static const char *finish_name(const struct proto_outcome *o, bool calls)
{
	if (o->finish == FINISH_LENGTH)
		return "length";
	return calls ? "tool_calls" : "stop";
}

/* The prompt of several choices is one. */
struct usage {
	u32 n_prompt, n_cached, n_generated;
};
static void usage_write(struct jsonw *w, const struct usage *u)
{
	jsonw_key(w, "usage");
	jsonw_object(w);
	jsonw_kv_u64(w, "prompt_tokens", u->n_prompt);
	jsonw_kv_u64(w, "completion_tokens", u->n_generated);
	jsonw_kv_u64(w, "total_tokens", (u64)u->n_prompt + u->n_generated);
	jsonw_key(w, "prompt_tokens_details");
	jsonw_object(w);
	jsonw_kv_u64(w, "cached_tokens", u->n_cached);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

/* What a client may hold against the log. */
void api_evidence_write(
	struct jsonw *w, const struct api_head *h, const struct proto_outcome *o, const u8 *model)
{
	jsonw_key(w, "keep");
	jsonw_object(w);
	jsonw_kv_u64(w, "index", h->index);
	jsonw_kv_hex(w, "model_digest", model, MODEL_DIGEST_BYTES);
	jsonw_kv_hex(w, "request_digest", o->request, sizeof o->request);
	jsonw_kv_hex(w, "tokens_digest", o->tokens, sizeof o->tokens);
	jsonw_kv_hex(w, "text_digest", o->text, sizeof o->text);
	jsonw_kv_hex(w, "kernel_set", o->kernel_set, sizeof o->kernel_set);
	jsonw_kv_u64(w, "numerics", o->numerics);
	jsonw_kv_u64(w, "seed", o->seed);
	jsonw_kv_str(w, "device", o->device);
	jsonw_object_end(w);
}

/* Opens choices, one choice and, of a chat, its delta. */
static void choice_begin(struct jsonw *w, const struct api_head *h, u32 index)
{
	jsonw_key(w, "choices");
	jsonw_array(w);
	jsonw_object(w);
	jsonw_kv_u64(w, "index", index);
	if (h->form == API_CHAT) {
		jsonw_key(w, "delta");
		jsonw_object(w);
	}
}

static void choice_end(struct jsonw *w, const struct api_head *h, struct api_probs *probs, const char *finish)
{
	if (h->form == API_CHAT)
		jsonw_object_end(w);
	else if (finish)
		jsonw_kv_str(w, "text", "");
	if (probs)
		api_probs_write(probs, h->form, w);
	jsonw_key(w, "finish_reason");
	if (finish)
		jsonw_str(w, finish);
	else
		jsonw_null(w);
	jsonw_object_end(w);
	jsonw_array_end(w);
}

static void kv_strn(struct jsonw *w, const char *key, const char *s, size_t n)
{
	jsonw_key(w, key);
	jsonw_strn(w, s, n);
}

/* ---- chunks ---------------------------------------------------------------------------------------------------------------- */

static void chunk_first(struct jsonw *w, const struct api_head *h, u32 choice)
{
	api_head_write(w, h, chunk_kind(h));
	choice_begin(w, h, choice);
	if (h->form == API_CHAT) {
		jsonw_kv_str(w, "role", "assistant");
		jsonw_kv_str(w, "content", "");
	} else {
		jsonw_kv_str(w, "text", "");
	}
	choice_end(w, h, NULL, NULL);
	jsonw_object_end(w);
}

static void call_write(struct jsonw *w, const struct chat_event *e)
{
	jsonw_key(w, "tool_calls");
	jsonw_array(w);
	jsonw_object(w);
	jsonw_kv_u64(w, "index", e->call);
	if (e->kind == CHAT_CALL) {
		jsonw_kv_str(w, "id", e->id);
		jsonw_kv_str(w, "type", "function");
	}
	jsonw_key(w, "function");
	jsonw_object(w);
	if (e->kind == CHAT_CALL)
		jsonw_kv_str(w, "name", e->name);
	kv_strn(w, "arguments", e->kind == CHAT_CALL ? "" : e->text, e->kind == CHAT_CALL ? 0 : e->len);
	jsonw_object_end(w);
	jsonw_object_end(w);
	jsonw_array_end(w);
}

static bool chunk_says(const struct chat_event *e)
{
	return e->kind != CHAT_CALL_END && e->kind != CHAT_CALL_VOID;
}

static void chunk_event(struct jsonw *w, const struct api_stream *s, const struct chat_event *e)
{
	const struct api_head *h = s->head;
	bool call = e->kind == CHAT_CALL || e->kind == CHAT_ARGUMENTS;
	const char *key = e->kind == CHAT_REASONING ? "reasoning_content"
			  : h->form == API_CHAT	    ? "content"
						    : "text";
	api_head_write(w, h, chunk_kind(h));
	choice_begin(w, h, s->choice);
	if (call)
		call_write(w, e);
	else
		kv_strn(w, key, e->text, e->len);
	choice_end(w, h, s->probs, NULL);
	jsonw_object_end(w);
}

static void chunk_last(
	struct jsonw *w, const struct api_stream *s, const struct proto_outcome *o, const u8 *model)
{
	struct api_head own = *s->head;
	own.index = s->n > 1 ? s->index : own.index;
	api_head_write(w, s->head, chunk_kind(s->head));
	choice_begin(w, s->head, s->choice);
	choice_end(w, s->head, s->probs, finish_name(o, s->called >> s->choice & 1));
	api_evidence_write(w, &own, o, model);
	jsonw_object_end(w);
}

static void chunk_usage(struct jsonw *w, const struct api_stream *s)
{
	const struct api_head *h = s->head;
	api_head_write(w, h, chunk_kind(h));
	jsonw_key(w, "choices");
	jsonw_array(w);
	jsonw_array_end(w);
	usage_write(w, &(struct usage){ s->n_prompt, s->n_cached, s->n_generated });
	jsonw_object_end(w);
}

/* ---- whole ----------------------------------------------------------------------------------------------------------------- */

static void message_write(struct jsonw *w, const struct api_answer *a)
{
	jsonw_key(w, "message");
	jsonw_object(w);
	jsonw_kv_str(w, "role", "assistant");
	if (a->n_calls && !a->text_len) {
		jsonw_key(w, "content");
		jsonw_null(w);
	} else {
		kv_strn(w, "content", a->text, a->text_len);
	}
	if (a->reasoning_len)
		kv_strn(w, "reasoning_content", a->reasoning, a->reasoning_len);
	if (a->n_calls) {
		jsonw_key(w, "tool_calls");
		jsonw_array(w);
	}
	for (size_t i = 0; i < a->n_calls; i++) {
		jsonw_object(w);
		jsonw_kv_str(w, "id", a->calls[i].id);
		jsonw_kv_str(w, "type", "function");
		jsonw_key(w, "function");
		jsonw_object(w);
		jsonw_kv_str(w, "name", a->calls[i].name);
		kv_strn(w, "arguments", a->calls[i].arguments, a->calls[i].arguments_len);
		jsonw_object_end(w);
		jsonw_object_end(w);
	}
	if (a->n_calls)
		jsonw_array_end(w);
	jsonw_object_end(w);
}

/* One of several choices says of itself what stands once for a single one. */
static void choice_write(
	struct jsonw *w, const struct api_head *h, const struct api_answer *a, u32 index, bool several)
{
	struct api_head own = *h;
	own.index = a->index;
	jsonw_object(w);
	jsonw_kv_u64(w, "index", index);
	if (h->form == API_CHAT)
		message_write(w, a);
	else
		kv_strn(w, "text", a->text, a->text_len);
	if (a->probs && a->probs->asked) {
		api_probs_write(a->probs, h->form, w);
	} else {
		jsonw_key(w, "logprobs");
		jsonw_null(w);
	}
	jsonw_kv_str(w, "finish_reason", finish_name(a->outcome, a->n_calls > 0));
	if (several)
		api_evidence_write(w, &own, a->outcome, a->model);
	jsonw_object_end(w);
}

void api_openai_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a)
{
	struct usage u = { 0 };
	u32 i = 0;
	api_head_write(w, h, h->form == API_CHAT ? "chat.completion" : "text_completion");
	jsonw_key(w, "choices");
	jsonw_array(w);
	for (const struct api_answer *c = a; c; c = c->next) {
		choice_write(w, h, c, i++, a->next != NULL);
		u.n_prompt = MAX(u.n_prompt, c->outcome->n_prompt);
		u.n_cached = MAX(u.n_cached, c->outcome->n_cached);
		u.n_generated += c->outcome->n_generated;
	}
	jsonw_array_end(w);
	usage_write(w, &u);
	api_evidence_write(w, h, a->outcome, a->model);
	jsonw_object_end(w);
}

/* ---- a stream -------------------------------------------------------------------------------------------------------------- */

void api_openai_begin(struct api_stream *s, struct jsonw *w)
{
	if (s->head->form != API_CHAT)
		return;
	for (u32 i = 0; i < MAX(s->n, 1u); i++) {
		jsonw_between(w, "data: ");
		chunk_first(w, s->head, i);
		jsonw_between(w, "\n\n");
	}
}

void api_openai_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e)
{
	if (!chunk_says(e))
		return;
	jsonw_between(w, "data: ");
	chunk_event(w, s, e);
	jsonw_between(w, "\n\n");
}

void api_openai_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model)
{
	jsonw_between(w, "data: ");
	chunk_last(w, s, o, model);
	jsonw_between(w, "\n\n");
	if (s->n_over < s->n)
		return;
	if (s->usage) {
		jsonw_between(w, "data: ");
		chunk_usage(w, s);
		jsonw_between(w, "\n\n");
	}
	jsonw_between(w, "data: [DONE]\n\n");
}
