#define _GNU_SOURCE
#include "gateway/prompt.h"
#include "base/err.h"
#include "base/fd.h"
#include "chat/grammar.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void prompt_fini(struct prompt *p)
{
	if (p->chat)
		chat_turn_fini(&p->turn);
	*p = (struct prompt){ 0 };
}

static const char *token_text(const struct layout *l, u32 id, struct arena *a)
{
	struct layout_str t = id < l->h->n_vocab ? l->vocab[id].text : (struct layout_str){ 0 };
	return arena_dup(a, l->strings + t.off, t.len);
}

static bool is_control(void *ctx, const char *text, size_t len)
{
	const struct layout *l = ctx;
	for (u32 i = 0; i < l->h->n_vocab; i++)
		if (l->vocab[i].type == TOK_CONTROL && l->vocab[i].text.len == len &&
			!memcmp(l->strings + l->vocab[i].text.off, text, len))
			return true;
	return false;
}

/* The header's numbers that nobody gave. */
static int settle(const struct api_ask *in, const struct proto_session_open *open, struct request_header *ret)
{
	*ret = in->how;
	if (!ret->max_tokens)
		ret->max_tokens = MAX(open->ctx_tokens / 2, 1u);
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
	const struct chat_message *messages;
	size_t n;
	const char *why;
	int r = chat_messages_read(in->messages, in->messages_len, a, &messages, &n, &why);
	if (r)
		return r < 0 ? r : api_refuse(e, 400, "invalid_value", "messages", "%s", why);
	const struct chat_ask ask = { .source = l->strings + l->h->chat_template.off,
		.source_len = l->h->chat_template.len,
		.messages = messages,
		.n_messages = n,
		.bos_token = token_text(l, l->h->bos, a),
		.eos_token = token_text(l, l->h->eos, a),
		.tools = in->tools,
		.vars = in->vars,
		.choice = in->choice,
		.choice_name = in->choice_name,
		.one_call = in->one_call,
		.now = (i64)time(NULL),
		.vocab = { is_control, (void *)(uintptr_t)l } };
	if (!ask.source_len)
		return api_refuse(e, 400, "no_chat_template", "model",
			"%s has no chat template; /v1/completions takes a text as it is", in->model);
	r = ask.bos_token && ask.eos_token ? chat_turn_begin(&ask, a, &p->turn, &why) : -ENOMEM;
	if (r)
		return r < 0 ? r
			     : api_refuse(e, 400, "chat_template", NULL,
				       "the model's chat template cannot be used so: %s", why);
	p->chat = true;
	for (size_t i = 0; i < p->turn.n_pieces; i++)
		request_add(b, p->turn.pieces[i].trusted ? REQUEST_TRUSTED : REQUEST_TEXT,
			p->turn.pieces[i].text, p->turn.pieces[i].len);
	return 0;
}

static int schema_add(
	const struct api_ask *in, struct arena *a, struct request_builder *b, struct api_error *e)
{
	const void *grammar;
	const char *why;
	size_t len;
	const struct chat_grammar g = {
		.kind = CHAT_GRAMMAR_SCHEMA, .source = in->schema, .source_len = strlen(in->schema)
	};
	int r = chat_grammar_compile(&g, a, &grammar, &len, &why);
	if (r)
		return r < 0 ? r : api_refuse(e, 400, "invalid_schema", "response_format", "%s", why);
	request_add(b, REQUEST_GRAMMAR, grammar, len);
	return 0;
}

/* Stop strings and what the answer is held to stand behind the pieces. */
static int ends_add(const struct api_ask *in, struct arena *a, const struct prompt *p,
	struct request_builder *b, struct api_error *e)
{
	for (u32 i = 0; i < in->n_stops; i++)
		request_add(b, REQUEST_STOP, in->stops[i], strlen(in->stops[i]));
	if (in->schema)
		return schema_add(in, a, b, e);
	if (p->chat && p->turn.grammar)
		request_add(b, REQUEST_GRAMMAR, p->turn.grammar, p->turn.grammar_len);
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
	struct arena *a, struct prompt *p, int *ret_fd, struct api_error *e)
{
	struct request_builder b;
	struct request_header h;
	int r = settle(in, open, &h);
	if (r)
		return r;
	if (in->form != API_COMPLETION)
		h.flags |= REQUEST_RAW; /* the template writes BOS itself where the model wants it */
	request_build(&b, &h);
	p->layout = l;
	if (in->form != API_COMPLETION)
		r = chat_make(in, l, a, p, &b, e);
	else
		request_add(&b, REQUEST_TEXT, in->prompt, strlen(in->prompt));
	r = r ? r : ends_add(in, a, p, &b, e);
	if (r) {
		_cleanup_free_ u8 *blob = NULL;
		size_t len;
		return request_built(&b, &blob, &len) < 0 && r < 0 ? -ENOMEM : r;
	}
	r = seal(&b, p, ret_fd, e);
	p->made = r == 0;
	return r;
}

int prompt_answer(struct prompt *p, const struct proto_tokens *t,
	void (*handler)(void *ctx, const struct chat_event *e), void *ctx)
{
	if (!p->chat) {
		handler(ctx, &(struct chat_event){ .kind = CHAT_TEXT, .text = t->text, .len = t->text_len });
		return 0;
	}
	chat_reader_on(p->turn.reader, handler, ctx);
	int r = t->text_len ? chat_reader_push(p->turn.reader, t->text, t->text_len) : 0;
	for (u32 i = 0; i < t->n_tokens && !r; i++) {
		u32 id = t->tokens[i];
		if (id >= p->layout->h->n_vocab || p->layout->vocab[id].type != TOK_CONTROL)
			continue;
		struct layout_str name = p->layout->vocab[id].text;
		r = chat_reader_control(p->turn.reader, p->layout->strings + name.off, name.len);
	}
	return r;
}

int prompt_answer_end(struct prompt *p, void (*handler)(void *ctx, const struct chat_event *e), void *ctx)
{
	if (!p->chat)
		return 0;
	chat_reader_on(p->turn.reader, handler, ctx);
	return chat_reader_end(p->turn.reader);
}
