/* One answer: what was asked is read, gets a seat, becomes a sealed request, is recorded, and comes back as text, calls and counts.
 *
 *	body -> api_ask_read -> seat_take -> rules_apply -> chat_turn_begin -> request -> seat_send -> (recorded) -> tokens -> events
 *	     -> chunks or one body
 *
 * Of several choices each is an ask of its own, with its own record: the same request but for the number of the choice. The answer ends when the
 * runtime has said the outcome of each, when something fails, or when the client hangs up: then what runs is cancelled. A stream begins
 * with the first thing there is to say, so that a refusal is still a status of HTTP; and where that is not said for GATEWAY_KEEP_ALIVE_S, whatever it
 * waits for, with a comment. */
#define _GNU_SOURCE
#include "gateway/answer.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "gateway/metrics.h"
#include "gateway/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define ANSWER_ARENA_BYTES (256u << 20) /* of one request: its body, its prompt, its grammar */

struct choice {
	struct ask ask; /* first: what seats tell is told to it */
	struct answer *a;
	struct prompt prompt;
	struct answer_log said; /* of an answer that is not streamed */
	struct api_probs probs;
	const u32 *ids; /* of a prompt that is only counted */
	size_t n_ids;
	u64 index;  /* of its record */
	bool again; /* it had to take another seat */
	struct proto_outcome outcome;
};

struct answer {
	struct answer *next, **prev;
	struct gateway *g;
	struct http_exchange *x;
	struct arena arena;
	struct api_ask in, plain; /* under the rules; as it was asked */
	struct api_head head;
	struct api_stream stream;
	bool begun;  /* the stream, in HTTP */
	bool opened; /* and in its form */
	bool failed; /* memory ran out for an event */
	bool ruled;  /* the rules were applied */
	bool spoken; /* the first token came */
	u8 model[MODEL_DIGEST_BYTES];
	u64 came_ns;
	struct event *alive;
	u32 n, n_over;
	struct choice *choice;
};

static void choice_fini(struct choice *c)
{
	seat_leave(&c->ask);
	prompt_fini(&c->prompt);
	answer_log_fini(&c->said);
	api_probs_fini(&c->probs);
}

static void answer_free(struct answer *a)
{
	for (u32 i = 0; i < a->n; i++)
		choice_fini(&a->choice[i]);
	*a->prev = a->next;
	if (a->next)
		a->next->prev = a->prev;
	if (a->alive)
		event_free(a->alive);
	api_stream_fini(&a->stream);
	arena_fini(&a->arena);
	free(a->choice);
	free(a);
}

static void on_gone(struct http_exchange *x)
{
	metrics_gone();
	answer_free(x->ctx);
}

/* ---- the stream ------------------------------------------------------------------------------------------------------------ */

/* What every answer says of itself, beside its id: each line between these two. */
static void headers_of(const struct answer *a, const char *before, const char *behind, char *ret, size_t size)
{
	char value[3][2 * MODEL_DIGEST_BYTES + 1];
	static const char *const names[] = { "keep-log-index", "keep-model-digest", "keep-request-digest" };
	static_assert(SHA256_BYTES <= MODEL_DIGEST_BYTES, "digests have room");
	snprintf(value[0], sizeof value[0], "%llu", (unsigned long long)a->head.index);
	bytes_hex(a->model, sizeof a->model, value[1]);
	bytes_hex(a->choice[0].prompt.digest, SHA256_BYTES, value[2]);
	for (size_t i = 0, n = 0; i < ARRAY_LEN(names) && n < size; i++)
		n += (size_t)snprintf(ret + n, size - n, "%s%s: %s%s", before, names[i], value[i], behind);
}

/* Begins the stream, in HTTP and in its form, where it has not begun. One that was kept alive before its turn says in comments what headers could
 * not say yet. */
static void stream_open(struct answer *a, struct jsonw *w)
{
	char headers[512], late[HTTP_ID_MAX + 32];
	if (a->opened)
		return;
	headers_of(a, a->begun ? ": " : "", a->begun ? "\n" : "\r\n", headers, sizeof headers);
	snprintf(late, sizeof late, ": x-request-id: %s\n", a->x->id);
	if (!a->begun) {
		reply_stream(a->x, headers);
	} else {
		jsonw_between(w, late);
		jsonw_between(w, headers);
	}
	a->begun = a->opened = true;
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

static void alive_soon(struct answer *a)
{
	static const struct timeval wait = { .tv_sec = GATEWAY_KEEP_ALIVE_S };
	event_add(a->alive, &wait);
}

/* Nothing can be said yet. Before its record stands nothing is known of the answer but that it will be one. */
static void on_alive(evutil_socket_t fd, short what, void *ctx)
{
	struct answer *a = ctx;
	struct jsonw w;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	if (a->head.index)
		stream_open(a, &w);
	else if (!a->begun)
		reply_stream(a->x, "");
	a->begun = true;
	jsonw_between(&w, ": \n\n");
	stream_send(a, &w);
	alive_soon(a);
}

/* The stream speaks of this choice now. */
static void turn_to(struct answer *a, struct choice *c)
{
	a->stream.choice = (u32)(c - a->choice);
	a->stream.index = c->index;
	a->stream.probs = c->probs.asked ? &c->probs : NULL;
}

/* What of the answer the reader understood. */
static void on_event(void *ctx, const struct chat_event *e)
{
	struct choice *c = ctx;
	struct answer *a = c->a;
	struct jsonw w;
	if (!a->in.stream) {
		a->failed |= answer_log_add(&c->said, e) != 0;
		if (a->head.form == API_RESPONSES)
			api_probs_settle(&c->probs, e->kind == CHAT_TEXT || e->kind == CHAT_BROKEN);
		return;
	}
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	stream_open(a, &w);
	turn_to(a, c);
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

/* A quota is spent: a minute's comes back, a day's does not while anybody waits. */
static void fail_spent(struct answer *a, u32 retry_s, const char *why)
{
	struct api_error e;
	api_refuse(&e, 429, retry_s > 60 ? "insufficient_quota" : "rate_limit_exceeded", NULL, "%s", why);
	e.retry_s = retry_s;
	end_with_error(a, &e);
}

/* A choice of a stream is over; with the last of them the stream. */
static void end_stream(struct answer *a, struct choice *c)
{
	struct jsonw w;
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	stream_open(a, &w);
	turn_to(a, c);
	api_stream_end(&a->stream, &w, &c->outcome, a->model);
	stream_send(a, &w);
	if (a->n_over < a->n)
		return;
	a->x->gone = NULL;
	http_end(a->x);
	answer_free(a);
}

static void end_whole(struct answer *a)
{
	char headers[768], digest[2 * SHA256_BYTES + 1];
	struct jsonw w;
	struct http_exchange *x = a->x;
	struct api_answer whole[CHOICES_MAX];
	for (u32 i = 0; i < a->n; i++) {
		struct choice *c = &a->choice[i];
		whole[i] = (struct api_answer){ .ids = c->ids,
			.n_ids = c->n_ids,
			.outcome = &c->outcome,
			.model = a->model,
			.probs = &c->probs,
			.index = c->index,
			.next = i + 1 < a->n ? &whole[i + 1] : NULL };
		answer_log_whole(&c->said, &a->arena, &whole[i]);
	}
	headers_of(a, "", "\r\n", headers, sizeof headers);
	bytes_hex(whole[0].outcome->text, SHA256_BYTES, digest);
	size_t n = strlen(headers);
	snprintf(headers + n, sizeof headers - n, "keep-text-digest: %s\r\n", digest);
	jsonw_init_grow(&w, GATEWAY_ANSWER_BYTES);
	api_answer_write(&w, &a->head, whole);
	x->gone = NULL;
	reply_json(x, headers, &w);
	jsonw_fini(&w);
	answer_free(a);
}

/* ---- what the seat tells ----------------------------------------------------------------------------------------------------- */

/* Under which rules everything is asked: those of the first choice's seat. 0; 1 *e; -ENOMEM. */
static int settle(struct answer *a, const struct rules *rules, struct api_error *e)
{
	int r = 0;
	if (!a->ruled) {
		a->in = a->plain;
		r = rules_apply(rules, &a->in, &a->arena, e);
	}
	a->ruled = true;
	if (r || a->in.seed_given || a->n == 1)
		return r;
	if (getrandom(&a->in.how.seed, sizeof a->in.how.seed, 0) != (ssize_t)sizeof a->in.how.seed)
		return -EIO;
	a->in.how.seed >>= 11; /* one seed for all choices, of 53 bits: exact in every JSON reader */
	a->in.seed_given = true;
	return 0;
}

static void on_seated(struct ask *ask)
{
	struct choice *c = (struct choice *)ask;
	struct answer *a = c->a;
	const struct proto_session_open *open = seat_open(ask);
	struct api_error e;
	memcpy(a->model, open->model, sizeof a->model);
	int fd = -1, r = settle(a, seat_rules(ask), &e);
	a->in.how.choice = (u32)(c - a->choice);
	if (!r)
		r = prompt_make(
			&a->in, seat_layout(ask), open, seat_rules(ask), &a->arena, &c->prompt, &fd, &e);
	if (r < 0)
		fail(a, 503, NULL, "out of memory");
	else if (r)
		end_with_error(a, &e);
	else
		seat_send(ask, &fd, c->prompt.digest);
}

static void on_recorded(struct ask *ask, u64 index)
{
	struct choice *c = (struct choice *)ask;
	c->index = index;
	if (c->a->head.index) /* the first choice's names the answer */
		return;
	c->a->head.index = index;
	snprintf(c->a->x->id, sizeof c->a->x->id, "keep-%llu", (unsigned long long)index);
}

static void on_tokens(struct ask *ask, const struct proto_tokens *t)
{
	struct choice *c = (struct choice *)ask;
	struct answer *a = c->a;
	if (!a->spoken)
		metrics_first_token(metrics_now_ns() - a->came_ns);
	a->spoken = true;
	if (prompt_answer(&c->prompt, t, on_event, c) || a->failed)
		fail(a, 503, NULL, "out of memory");
}

static void on_probs(struct ask *ask, const struct proto_probs *p)
{
	struct choice *c = (struct choice *)ask;
	if (c->probs.asked)
		api_probs_add(&c->probs, c->a->head.form, p);
	c->a->failed |= c->probs.full;
}

/* Ids of a prompt that was only counted. */
static void on_result(struct ask *ask, const u8 *data, size_t len)
{
	struct choice *c = (struct choice *)ask;
	c->ids = (const u32 *)(const void *)arena_dup(&c->a->arena, data, len);
	c->n_ids = len / sizeof(u32);
	c->a->failed |= !c->ids;
}

/* Why an outcome is no answer. True: a is no more. */
static bool no_answer(struct answer *a, const struct choice *c, const struct proto_outcome *o)
{
	char why[REASON_LEN_MAX + 1];
	snprintf(why, sizeof why, "%s", o->why);
	if (o->finish == FINISH_SPENT)
		fail_spent(a, c->ask.retry_s, why);
	else if (o->finish == FINISH_REFUSED)
		fail(a, 400, "refused", why[0] ? why : "the runtime refused the request");
	else if (o->finish == FINISH_REVOKED)
		fail(a, 403, "revoked", "the model was revoked");
	else if (o->finish == FINISH_ERROR || o->finish == FINISH_CANCELLED)
		fail(a, 500, "failed", why[0] ? why : "the runtime could not finish");
	else
		return false;
	return true;
}

static void on_done(struct ask *ask, const struct proto_outcome *o)
{
	struct choice *c = (struct choice *)ask;
	struct answer *a = c->a;
	metrics_outcome(o);
	if (prompt_answer_end(&c->prompt, on_event, c) || a->failed) {
		fail(a, 503, NULL, "out of memory");
		return;
	}
	if (no_answer(a, c, o))
		return;
	c->outcome = *o;
	a->n_over++;
	if (a->in.stream)
		end_stream(a, c);
	else if (a->n_over == a->n)
		end_whole(a);
}

static void on_failed(struct ask *ask, u32 status, const char *why)
{
	struct choice *c = (struct choice *)ask;
	struct answer *a = c->a;
	metrics_refused(status);
	if (status == END_AGAIN && !c->again && a->n == 1) { /* once more, under the rules of now */
		c->again = true;
		a->ruled = false;
		prompt_fini(&c->prompt);
		seat_take(a->g->seats, ask, who_of(a->x), a->in.model);
		return;
	}
	if (status == END_SPENT)
		fail_spent(a, ask->retry_s, why);
	else if (status == END_UNDECIDED || status == END_AGAIN)
		fail(a, 503, "unavailable", why);
	else
		fail(a, ask->was_open ? 403 : 404, ask->was_open ? "refused" : "model_not_found", why);
}

static const struct ask_fns fns = { .seated = on_seated,
	.recorded = on_recorded,
	.tokens = on_tokens,
	.probs = on_probs,
	.result = on_result,
	.done = on_done,
	.failed = on_failed };

/* ---- begin ----------------------------------------------------------------------------------------------------------------- */

static struct answer *answer_make(struct gateway *g, struct http_exchange *x, enum api_form form)
{
	struct answer *a = calloc(1, sizeof *a);
	struct event *alive = a ? evtimer_new(g->base, on_alive, a) : NULL;
	if (!alive) {
		free(a);
		return NULL;
	}
	a->g = g;
	a->x = x;
	a->next = g->answers;
	a->prev = &g->answers;
	a->alive = alive;
	a->head.form = form;
	a->came_ns = metrics_now_ns();
	a->arena.max_bytes = ANSWER_ARENA_BYTES;
	if (a->next)
		a->next->prev = &a->next;
	g->answers = a;
	x->ctx = a;
	x->gone = on_gone;
	return a;
}

/* Every choice takes a seat. One that gets none ends them all. */
static void take_seats(struct answer *a)
{
	struct gateway *g = a->g;
	u32 n = a->in.n;
	for (u32 i = 0; i < n; i++)
		a->choice[i] = (struct choice){
			.ask = { .fns = &fns, .blob = -1 }, .a = a, .probs.asked = a->in.how.n_logprobs > 0
		};
	a->n = n;
	for (u32 i = 0; i < n; i++) {
		seat_take(g->seats, &a->choice[i].ask, who_of(a->x), a->in.model);
		if (g->answers != a) /* failed at once */
			return;
	}
}

void gateway_answer_begin(struct gateway *g, struct http_exchange *x, enum api_form form)
{
	struct api_error e;
	struct answer *a = answer_make(g, x, form);
	if (!a) {
		api_refuse(&e, 503, NULL, NULL, "out of memory");
		reply_error(x, form, &e);
		return;
	}
	int r = api_ask_read(form, x->body, x->head->body_len, &a->arena, &a->in, &e);
	a->choice = r ? NULL : calloc(a->in.n, sizeof *a->choice);
	r = r || a->choice ? r : -ENOMEM;
	if (r < 0)
		api_refuse(&e, 503, NULL, NULL, "out of memory");
	if (r) {
		end_with_error(a, &e);
		return;
	}
	a->plain = a->in;
	a->head = (struct api_head){ .form = form,
		.model = a->in.model,
		.created = (u64)time(NULL),
		.stops = a->in.stops,
		.n_stops = a->in.n_stops };
	a->stream = (struct api_stream){ .head = &a->head, .usage = a->in.usage, .n = a->in.n };
	if (a->in.stream)
		alive_soon(a);
	take_seats(a);
}

void gateway_answers_stop(struct gateway *g)
{
	while (g->answers)
		fail(g->answers, 503, "unavailable", "the gateway stops");
}
