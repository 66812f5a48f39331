/* Probabilities of tokens, in the two shapes of OpenAI's API: a list of objects for chats, four lists for completions. */
#include "gateway/api.h"

#include <stdio.h>

#define PROBS_BYTES \
	(64u << 20) /* of one answer: 20 alternatives of every token of the longest context that is asked for so */

static void open_all(struct api_probs *p)
{
	for (u32 i = 0; i < ARRAY_LEN(p->list); i++) {
		jsonw_init_grow(&p->list[i], PROBS_BYTES);
		jsonw_array(&p->list[i]);
	}
	p->open = true;
}

void api_probs_fini(struct api_probs *p)
{
	for (u32 i = 0; i < ARRAY_LEN(p->list); i++)
		jsonw_fini(&p->list[i]);
	p->open = false;
}

/* Nine digits name every f32. */
static void f32_write(struct jsonw *w, f32 v)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%.9g", (f64)v);
	jsonw_json(w, text, (size_t)n);
}

static void prob_write(struct jsonw *w, const struct proto_prob *v, const char *text)
{
	bool has = v->len != PROB_NO_TEXT;
	jsonw_kv_u64(w, "id", v->id);
	jsonw_key(w, "token");
	jsonw_strn(w, has ? text : "", has ? v->len : 0);
	jsonw_key(w, "logprob");
	f32_write(w, v->logprob);
	jsonw_key(w, "bytes");
	if (!has) {
		jsonw_null(w);
		return;
	}
	jsonw_array(w);
	for (u32 i = 0; i < v->len; i++)
		jsonw_u64(w, (u8)text[i]);
	jsonw_array_end(w);
}

static u32 text_len(const struct proto_prob *v)
{
	return v->len == PROB_NO_TEXT ? 0 : v->len;
}

static void chat_add(struct jsonw *w, const struct proto_probs *f)
{
	const char *at = f->text;
	jsonw_object(w);
	for (u32 i = 0; i < f->n; i++) {
		if (i == 1) {
			jsonw_key(w, "top_logprobs");
			jsonw_array(w);
		}
		if (i)
			jsonw_object(w);
		prob_write(w, &f->v[i], at);
		if (i)
			jsonw_object_end(w);
		at += text_len(&f->v[i]);
	}
	if (f->n == 1) {
		jsonw_key(w, "top_logprobs");
		jsonw_array(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}

/* "logprobs": lists of tokens, their logarithms, what else there was, and where each begins in the text. */
static void completion_add(struct api_probs *p, const struct proto_probs *f)
{
	const char *at = f->text + text_len(&f->v[0]);
	jsonw_strn(&p->list[0], f->text, text_len(&f->v[0]));
	f32_write(&p->list[1], f->v[0].logprob);
	jsonw_object(&p->list[2]);
	for (u32 i = 1; i < f->n; i++) {
		char key[3 * 1024 + 1]; /* a key is a text: of bytes that are none, what stands for them */
		snprintf(key, sizeof key, "%.*s", (int)MIN(text_len(&f->v[i]), 1024u), at);
		jsonw_key(&p->list[2], key);
		f32_write(&p->list[2], f->v[i].logprob);
		at += text_len(&f->v[i]);
	}
	jsonw_object_end(&p->list[2]);
	jsonw_u64(&p->list[3], p->offset);
	p->offset += text_len(&f->v[0]);
}

void api_probs_add(struct api_probs *p, enum api_form form, const struct proto_probs *f)
{
	if (!p->open)
		open_all(p);
	if (form != API_COMPLETION)
		chat_add(&p->list[0], f);
	else
		completion_add(p, f);
	p->full |= p->list[0].full || p->list[1].full || p->list[2].full;
}

void api_probs_write(struct api_probs *p, enum api_form form, struct jsonw *w)
{
	static const char *const keys[] = { "tokens", "token_logprobs", "top_logprobs", "text_offset" };
	if (!p->asked)
		return;
	jsonw_key(w, "logprobs");
	if (!p->open) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	for (u32 i = 0; i < (form == API_CHAT ? 1 : ARRAY_LEN(keys)); i++) {
		jsonw_array_end(&p->list[i]);
		jsonw_key(w, form == API_CHAT ? "content" : keys[i]);
		jsonw_json(w, p->list[i].buf, p->list[i].len);
	}
	jsonw_object_end(w);
	api_probs_fini(p);
}

/* ---- of messages that are told twice, as they come and whole ----------------------------------------------------------------- */

void api_probs_settle(struct api_probs *p, bool text)
{
	if (!p->open)
		return;
	if (text && p->list[0].len > 1)
		jsonw_json(&p->list[1], p->list[0].buf + 1, p->list[0].len - 1);
	p->full |= p->list[1].full;
	jsonw_fini(&p->list[0]);
	jsonw_init_grow(&p->list[0], PROBS_BYTES);
	jsonw_array(&p->list[0]);
}

static void list_write(const struct api_probs *p, u32 i, struct jsonw *w)
{
	if (!p || !p->asked)
		return;
	jsonw_key(w, "logprobs");
	jsonw_array(w);
	if (p->open && p->list[i].len > 1)
		jsonw_json(w, p->list[i].buf + 1, p->list[i].len - 1);
	jsonw_array_end(w);
}

void api_probs_delta(struct api_probs *p, struct jsonw *w)
{
	list_write(p, 0, w);
}

void api_probs_message(struct api_probs *p, struct jsonw *w)
{
	list_write(p, 1, w);
}
