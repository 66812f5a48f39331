/* Who speaks: the table of forms. */
#include "gateway/api_forms.h"

static const struct api_voice openai = { api_openai_answer, api_openai_begin, api_openai_event,
	api_openai_end },
			      anthropic = { api_messages_answer, api_messages_begin, api_messages_event,
				      api_messages_end },
			      responses = { api_responses_answer, api_responses_begin, api_responses_event,
				      api_responses_end };

/* Nothing is generated: one number, or the ids themselves. */
static void count_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a)
{
	jsonw_object(w);
	if (h->form == API_COUNT) {
		jsonw_kv_u64(w, "input_tokens", a->n_ids);
	} else {
		jsonw_key(w, "tokens");
		jsonw_array(w);
		for (size_t i = 0; i < a->n_ids; i++)
			jsonw_u64(w, a->ids[i]);
		jsonw_array_end(w);
	}
	api_evidence_write(w, h, a->outcome, a->model);
	jsonw_object_end(w);
}

static const struct api_voice count = { .answer = count_answer };

static const struct api_voice *voice(enum api_form form)
{
	if (form == API_COUNT || form == API_TOKENIZE)
		return &count;
	return form == API_MESSAGES ? &anthropic : form == API_RESPONSES ? &responses : &openai;
}

void api_answer_write(struct jsonw *w, const struct api_head *h, const struct api_answer *a)
{
	voice(h->form)->answer(w, h, a);
}

void api_stream_fini(struct api_stream *s)
{
	jsonw_fini(&s->item);
	jsonw_fini(&s->items);
}

void api_stream_begin(struct api_stream *s, struct jsonw *w)
{
	voice(s->head->form)->begin(s, w);
}

void api_stream_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e)
{
	s->n_calls += e->kind == CHAT_CALL;
	s->called |= e->kind == CHAT_CALL ? 1u << s->choice : 0;
	voice(s->head->form)->event(s, w, e);
}

void api_stream_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model)
{
	s->n_over++;
	s->n_prompt = MAX(s->n_prompt, o->n_prompt);
	s->n_cached = MAX(s->n_cached, o->n_cached);
	s->n_generated += o->n_generated;
	voice(s->head->form)->end(s, w, o, model);
}

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

static const char *type_of(u32 status)
{
	return status == 401   ? "authentication_error"
	       : status == 403 ? "permission_error"
	       : status == 404 ? "not_found_error"
	       : status == 429 ? "rate_limit_error"
	       : status >= 500 ? "api_error"
			       : "invalid_request_error";
}

static void str_or_null(struct jsonw *w, const char *key, const char *s)
{
	jsonw_key(w, key);
	if (s && *s)
		jsonw_str(w, s);
	else
		jsonw_null(w);
}

void api_error_write(struct jsonw *w, enum api_form form, const struct api_error *e)
{
	jsonw_object(w);
	if (form == API_MESSAGES || form == API_COUNT || form == API_RESPONSES)
		jsonw_kv_str(w, "type", "error");
	jsonw_key(w, "error");
	jsonw_object(w);
	jsonw_kv_str(w, "message", e->message);
	jsonw_kv_str(w, "type", type_of(e->status));
	str_or_null(w, "param", e->param);
	str_or_null(w, "code", e->code);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

void api_stream_error(struct api_stream *s, struct jsonw *w, const struct api_error *e)
{
	jsonw_between(w, s->head->form == API_MESSAGES || s->head->form == API_RESPONSES
				 ? "event: error\ndata: "
				 : "data: ");
	api_error_write(w, s->head->form, e);
	jsonw_between(w, "\n\n");
}
