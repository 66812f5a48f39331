#define _GNU_SOURCE
#include "gateway/prompt.h"
#include "base/err.h"
#include "base/fd.h"
#include "chat/grammar.h"
#include "chat/request.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

void prompt_fini(struct prompt *p)
{
	if (p->chat)
		chat_turn_fini(&p->turn);
	*p = (struct prompt){ 0 };
}

/* The header's numbers that nobody gave. */
static int settle(const struct api_ask *in, const struct proto_session_open *open, const struct rules *rules,
	struct request_header *ret)
{
	*ret = in->how;
	if (ret->kind != REQUEST_GENERATE)
		return 0;
	if (!ret->max_tokens)
		ret->max_tokens = MAX(MIN(MIN(open->ctx_tokens, rules->context) / 2, rules->max_tokens), 1u);
	ret->max_tokens = MIN(ret->max_tokens, open->ctx_tokens);
	ret->flags |= REQUEST_FILL; /* clients ask for as much as any model could say */
	if (in->seed_given)
		return 0;
	if (getrandom(&ret->seed, sizeof ret->seed, 0) != (ssize_t)sizeof ret->seed)
		return err_errno();
	ret->seed >>= 11; /* 53 bits: exact in every JSON reader */
	return 0;
}

/* The chat's pieces into the request. 0; 1; -ENOMEM. */
static int chat_make(const struct api_ask *in, const struct layout *l, struct arena *a, struct prompt *p,
	struct request_builder *b, struct api_error *e)
{
	struct chat_ask ask = { .tools = in->tools,
		.vars = in->vars,
		.choice = in->choice,
		.choice_name = in->choice_name,
		.one_call = in->one_call };
	const char *why;
	int r = chat_messages_read(in->messages, in->messages_len, a, &ask.messages, &ask.n_messages, &why);
	if (r)
		return r < 0 ? r : api_refuse(e, 400, "invalid_value", "messages", "%s", why);
	r = chat_ask_of(l, a, &ask);
	if (r)
		return r < 0 ? r
			     : api_refuse(e, 400, "no_chat_template", "model",
				       "%s has no chat template; /v1/completions takes a text as it is",
				       in->model);
	r = chat_turn_begin(&ask, a, &p->turn, &why);
	if (r)
		return r < 0 ? r
			     : api_refuse(e, 400, "chat_template", NULL,
				       "the model's chat template cannot be used so: %s", why);
	p->chat = true;
	chat_request_pieces(b, &p->turn);
	return 0;
}

/* Stop strings and what the answer is held to stand behind the pieces. */
static int ends_add(const struct api_ask *in, struct arena *a, const struct prompt *p,
	struct request_builder *b, struct api_error *e)
{
	struct chat_ends ends = { .budget = in->think_budget };
	const char *why;
	for (u32 i = 0; i < in->n_stops; i++)
		request_add(b, REQUEST_STOP, in->stops[i], strlen(in->stops[i]));
	if (in->schema) {
		const struct chat_grammar g = {
			.kind = CHAT_GRAMMAR_SCHEMA, .source = in->schema, .source_len = strlen(in->schema)
		};
		int r = chat_grammar_compile(&g, a, &ends.grammar, &ends.grammar_len, &why);
		if (r)
			return r < 0 ? r : api_refuse(e, 400, "invalid_schema", "response_format", "%s", why);
	}
	if (p->chat)
		chat_request_ends(b, &p->turn, &ends, a);
	return 0;
}

/* Ends the builder. */
static int seal(struct request_builder *b, struct prompt *p, int *ret_fd, struct api_error *e)
{
	_cleanup_free_ u8 *blob = NULL;
	size_t len;
	struct request q;
	const char *why;
	if (!b->failed && request_open(b->buf, b->len, &q, &why)) {
		int r = request_built(b, &blob, &len);
		return r < 0 ? r : api_refuse(e, 400, "invalid_value", NULL, "%s", why);
	}
	int r = request_built(b, &blob, &len);
	if (r)
		return r < 0 ? r
			     : api_refuse(e, 413, "too_long", NULL, "the prompt is longer than %u bytes",
				       REQUEST_BYTES_MAX);
	sha256_of(blob, len, p->digest);
	return fd_memfd_sealed("request", blob, len, ret_fd);
}

int prompt_make(const struct api_ask *in, const struct layout *l, const struct proto_session_open *open,
	const struct rules *rules, struct arena *a, struct prompt *p, int *ret_fd, struct api_error *e)
{
	struct request_builder b;
	struct request_header h;
	int r = settle(in, open, rules, &h);
	if (r)
		return r;
	if (in->messages)
		h.flags |= REQUEST_RAW; /* the template writes BOS itself where the model wants it */
	request_build(&b, &h);
	p->layout = l;
	if (in->messages)
		r = chat_make(in, l, a, p, &b, e);
	else
		request_add(&b, REQUEST_TEXT, in->prompt, strlen(in->prompt));
	if (!r && h.kind == REQUEST_GENERATE)
		r = ends_add(in, a, p, &b, e);
	if (r) {
		_cleanup_free_ u8 *blob = NULL;
		size_t len;
		return request_built(&b, &blob, &len) < 0 && r < 0 ? -ENOMEM : r;
	}
	return seal(&b, p, ret_fd, e);
}

int prompt_answer(struct prompt *p, const struct proto_tokens *t,
	void (*handler)(void *ctx, const struct chat_event *e), void *ctx)
{
	if (!p->chat) {
		handler(ctx, &(struct chat_event){ .kind = CHAT_TEXT, .text = t->text, .len = t->text_len });
		return 0;
	}
	chat_reader_on(p->turn.reader, handler, ctx);
	return chat_reader_tokens(p->turn.reader, p->layout, t->text, t->text_len, t->tokens, t->n_tokens);
}

int prompt_answer_end(struct prompt *p, void (*handler)(void *ctx, const struct chat_event *e), void *ctx)
{
	if (!p->chat)
		return 0;
	chat_reader_on(p->turn.reader, handler, ctx);
	return chat_reader_end(p->turn.reader);
}
