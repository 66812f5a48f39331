/* One answer: what was asked is read, gets a seat, becomes a sealed request, is recorded, and comes back as text, calls and counts.
 *
 *	body -> api_ask_read -> seat_take -> chat_turn_begin -> request -> seat_send -> (recorded) -> tokens -> events -> chunks or one body
 *
 * It ends when the runtime has said its outcome, when something fails, or when the client hangs up: then the request is cancelled. A stream
 * begins with the first thing there is to say, so that a refusal is still a status of HTTP. */
#define _GNU_SOURCE
#include "gateway/answer.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "gateway/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_ARENA_BYTES (256u << 20) /* of one request: its body, its prompt, its grammar */

struct answer {
	struct ask ask; /* first: what seats tell is told to it */
	struct answer *next, **prev;
	struct gateway *g;
	struct http_exchange *x;
	struct arena arena;
	struct api_ask in;
	struct api_head head;
	struct prompt prompt;
	struct api_stream stream;
	const u32 *ids; /* of a prompt that is only counted */
	size_t n_ids;
	bool begun;  /* the stream */
	bool failed; /* memory ran out for an event */
	u8 model[MODEL_DIGEST_BYTES];
	struct event *alive;
	struct answer_log said; /* of an answer that is not streamed */
};

static void answer_free(struct answer *a)
{
	seat_leave(&a->ask);
	*a->prev = a->next;
	if (a->next)
		a->next->prev = a->prev;
	if (a->alive)
		event_free(a->alive);
	prompt_fini(&a->prompt);
	api_stream_fini(&a->stream);
	answer_log_fini(&a->said);
	arena_fini(&a->arena);
	free(a);
}

static void on_gone(struct http_exchange *x)
{
	answer_free(x->ctx);
}

/* ---- the stream ------------------------------------------------------------------------------------------------------------ */

static void headers_of(const struct answer *a, char *ret, size_t size)
{
	char model[2 * MODEL_DIGEST_BYTES + 1], request[2 * SHA256_BYTES + 1];
	bytes_hex(a->model, sizeof a->model, model);
	bytes_hex(a->prompt.digest, sizeof a->prompt.digest, request);
	snprintf(ret, size,
		"x-request-id: keep-%llu\r\nkeep-log-index: %llu\r\nkeep-model-digest: "
		"%s\r\nkeep-request-digest: %s\r\n",
		(unsigned long long)a->head.index, (unsigned long long)a->head.index, model, request);
}

/* Begins the stream, in HTTP and in its form, where it has not begun. */
static void stream_open(struct answer *a, struct jsonw *w)
{
	char headers[512];
	if (a->begun)
		return;
	a->begun = true;
	headers_of(a, headers, sizeof headers);
	http_begin(a->x, 200, "text/event-stream; charset=utf-8", headers);
	api_stream_begin(&a->stream, w);
}

/* Ends w. */
static void stream_send(struct answer *a, struct jsonw *w)
{
	a->failed |= w->full;
	if (!w->full)
		http_send(a->x, w->buf, w->len);
	jsonw_fini(w);
}

static void on_alive(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval again = { .tv_sec = GATEWAY_KEEP_ALIVE_S };
	struct answer *a = ctx;
	struct jsonw w;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	stream_open(a, &w);
	jsonw_between(&w, ": \n\n");
	stream_send(a, &w);
	event_add(a->alive, &again);
}

/* What of the answer the reader understood. */
static void on_event(void *ctx, const struct chat_event *e)
{
	struct answer *a = ctx;
	struct jsonw w;
	if (!a->in.stream) {
		a->failed |= answer_log_add(&a->said, e) != 0;
		return;
	}
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	stream_open(a, &w);
	api_stream_event(&a->stream, &w, e);
	stream_send(a, &w);
}

/* ---- ends ------------------------------------------------------------------------------------------------------------------ */

/* a is no more. */
static void end_with_error(struct answer *a, const struct api_error *e)
{
	struct http_exchange *x = a->x;
	struct jsonw w;
	x->gone = NULL;
	if (a->begun) {
		jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
		api_stream_error(&a->stream, &w, e);
		stream_send(a, &w);
		http_cut(x);
	} else {
		reply_error(x, a->head.form, e);
	}
	answer_free(a);
}

static void fail(struct answer *a, u32 status, const char *code, const char *why)
{
	struct api_error e;
	api_refuse(&e, status, code, NULL, "%s", why);
	end_with_error(a, &e);
}

static void end_stream(struct answer *a, const struct proto_outcome *o)
{
	struct jsonw w;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	stream_open(a, &w);
	api_stream_end(&a->stream, &w, o, a->model);
	a->x->gone = NULL;
	stream_send(a, &w);
	http_end(a->x);
	answer_free(a);
}

static void end_whole(struct answer *a, const struct proto_outcome *o)
{
	char headers[768], digest[2 * SHA256_BYTES + 1];
	struct jsonw w;
	struct http_exchange *x = a->x;
	struct api_answer whole = { .ids = a->ids, .n_ids = a->n_ids, .outcome = o, .model = a->model };
	answer_log_whole(&a->said, &a->arena, &whole);
	headers_of(a, headers, sizeof headers);
	bytes_hex(o->text, sizeof o->text, digest);
	size_t n = strlen(headers);
	snprintf(headers + n, sizeof headers - n, "keep-text-digest: %s\r\n", digest);
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	api_answer_write(&w, &a->head, &whole);
	x->gone = NULL;
	reply_json(x, headers, &w);
	jsonw_fini(&w);
	answer_free(a);
}

/* ---- what the seat tells ----------------------------------------------------------------------------------------------------- */

static void on_seated(struct ask *ask)
{
	struct answer *a = (struct answer *)ask;
	const struct proto_session_open *open = seat_open(ask);
	struct api_error e;
	memcpy(a->model, open->model, sizeof a->model);
	int fd = -1, r = prompt_make(&a->in, seat_layout(ask), open, &a->arena, &a->prompt, &fd, &e);
	if (r < 0)
		fail(a, 503, NULL, "out of memory");
	else if (r)
		end_with_error(a, &e);
	else
		seat_send(ask, &fd, a->prompt.digest);
}

static void on_recorded(struct ask *ask, u64 index)
{
	static const struct timeval wait = { .tv_sec = GATEWAY_KEEP_ALIVE_S };
	struct answer *a = (struct answer *)ask;
	a->head.index = index;
	if (a->in.stream)
		event_add(a->alive, &wait);
}

static void on_tokens(struct ask *ask, const struct proto_tokens *t)
{
	struct answer *a = (struct answer *)ask;
	if (prompt_answer(&a->prompt, t, on_event, a) || a->failed)
		fail(a, 503, NULL, "out of memory");
}

/* Ids of a prompt that was only counted. */
static void on_result(struct ask *ask, const u8 *data, size_t len)
{
	struct answer *a = (struct answer *)ask;
	a->ids = (const u32 *)(const void *)arena_dup(&a->arena, data, len);
	a->n_ids = len / sizeof(u32);
	a->failed |= !a->ids;
}

static void on_done(struct ask *ask, const struct proto_outcome *o)
{
	struct answer *a = (struct answer *)ask;
	if (prompt_answer_end(&a->prompt, on_event, a) || a->failed)
		fail(a, 503, NULL, "out of memory");
	else if (o->finish == FINISH_REFUSED)
		fail(a, 400, "refused", o->why[0] ? o->why : "the runtime refused the request");
	else if (o->finish == FINISH_REVOKED)
		fail(a, 403, "revoked", "the model was revoked");
	else if (o->finish == FINISH_ERROR || o->finish == FINISH_CANCELLED)
		fail(a, 500, "failed", o->why[0] ? o->why : "the runtime could not finish");
	else if (a->in.stream)
		end_stream(a, o);
	else
		end_whole(a, o);
}

static void on_failed(struct ask *ask, u32 status, const char *why)
{
	struct answer *a = (struct answer *)ask;
	bool seated = a->prompt.made;
	if (status == END_UNDECIDED)
		fail(a, 503, "unavailable", why);
	else
		fail(a, seated ? 403 : 404, seated ? "refused" : "model_not_found", why);
}

static const struct ask_fns fns = { .seated = on_seated,
	.recorded = on_recorded,
	.tokens = on_tokens,
	.result = on_result,
	.done = on_done,
	.failed = on_failed };

/* ---- begin ----------------------------------------------------------------------------------------------------------------- */

void gateway_answer_begin(struct gateway *g, struct http_exchange *x, enum api_form form)
{
	struct api_error e;
	struct answer *a = calloc(1, sizeof *a);
	if (a)
		a->alive = evtimer_new(g->base, on_alive, a);
	if (!a || !a->alive) {
		free(a);
		api_refuse(&e, 503, NULL, NULL, "out of memory");
		reply_error(x, form, &e);
		return;
	}
	*a = (struct answer){ .ask = { .fns = &fns, .blob = -1 },
		.g = g,
		.x = x,
		.next = g->answers,
		.prev = &g->answers,
		.alive = a->alive,
		.head = { .form = form },
		.arena = { .max_bytes = ANSWER_ARENA_BYTES } };
	if (a->next)
		a->next->prev = &a->next;
	g->answers = a;
	x->ctx = a;
	x->gone = on_gone;
	int r = api_ask_read(form, x->body, x->head->body_len, &a->arena, &a->in, &e);
	if (r < 0)
		api_refuse(&e, 503, NULL, NULL, "out of memory");
	if (r) {
		end_with_error(a, &e);
		return;
	}
	a->head = (struct api_head){ .form = form, .model = a->in.model, .created = (u64)time(NULL) };
	a->stream = (struct api_stream){ .head = &a->head, .usage = a->in.usage };
	seat_take(g->seats, &a->ask, who_of(x), a->in.model);
}

void gateway_answers_stop(struct gateway *g)
{
	while (g->answers)
		fail(g->answers, 503, "unavailable", "the gateway stops");
}
