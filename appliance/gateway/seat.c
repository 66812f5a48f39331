#define _GNU_SOURCE
#include "gateway/seat_impl.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/limits.h"
#include "gateway/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 5 /* a socket to a process beside us was full */

int seats_create(const struct seats_params *p, struct seats **ret)
{
	struct seats *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->p = *p;
	*ret = s;
	return 0;
}

u32 seats_count(const struct seats *s)
{
	return s->n;
}

/* ---- the list of asks ------------------------------------------------------------------------------------------------------ */

static void ask_add(struct seat *t, struct ask *a)
{
	struct ask **at = &t->asks;
	while (*at)
		at = &(*at)->next;
	a->next = NULL;
	a->seat = t;
	*at = a;
}

void seat_ask_out(struct ask *a)
{
	struct ask **at = &a->seat->asks;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->seat = NULL;
	a->next = NULL;
	fd_close(&a->blob);
}

struct ask *seat_ask_of(const struct seat *t, u64 id)
{
	struct ask *a = t->asks;
	while (a && a->id != id)
		a = a->next;
	return a;
}

/* ---- ghosts: asks whose owner left after they had been recorded; they end in good order ---------------------------------------- */

static void ghost_recorded(struct ask *a, u64 index)
{
}
static void ghost_tokens(struct ask *a, const struct proto_tokens *t)
{
}
static void ghost_probs(struct ask *a, const struct proto_probs *p)
{
}
static void ghost_result(struct ask *a, const u8 *data, size_t len)
{
}
static void ghost_done(struct ask *a, const struct proto_outcome *o)
{
	free(a);
}
static void ghost_failed(struct ask *a, u32 status, const char *why)
{
	free(a);
}
static const struct ask_fns ghost = { .recorded = ghost_recorded,
	.tokens = ghost_tokens,
	.probs = ghost_probs,
	.result = ghost_result,
	.done = ghost_done,
	.failed = ghost_failed };

/* ---- life of a seat -------------------------------------------------------------------------------------------------------- */

static void event_put(struct event **e)
{
	if (*e)
		event_free(*e);
	*e = NULL;
}

static void seat_free(struct seat *t)
{
	struct seat **at = &t->seats->list;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->seats->n--;
	event_put(&t->ctl_ev);
	event_put(&t->sock_ev);
	event_put(&t->push);
	event_put(&t->idle);
	fd_close(&t->who.proof.fd);
	fd_close(&t->ctl);
	fd_close(&t->sock);
	fd_unmap(&t->map);
	rules_fini(&t->rules);
	free(t);
}

/* The seat is over, and everybody on it is told. */
void seat_lost(struct seat *t, u32 status, const char *why)
{
	struct ask *all = t->asks;
	bool open = t->open;
	char text[REASON_LEN_MAX + 1];
	snprintf(text, sizeof text, "%s", why);
	for (struct ask *a = all; a; a = a->next)
		a->seat = NULL;
	t->asks = NULL;
	seat_free(t);
	while (all) {
		struct ask *a = all;
		all = a->next;
		a->next = NULL;
		a->was_open = open;
		fd_close(&a->blob);
		a->fns->failed(a, status, text);
	}
}

struct seats *seats_free(struct seats *s)
{
	while (s && s->list)
		seat_lost(s->list, END_UNDECIDED, "the gateway stops");
	free(s);
	return NULL;
}

void seat_idle_arm(struct seat *t)
{
	const struct timeval wait = { .tv_sec = t->stale ? 0 : GATEWAY_SEAT_IDLE_S };
	if (!t->asks && t->open)
		event_add(t->idle, &wait);
	else
		event_del(t->idle);
}

static void on_idle(evutil_socket_t fd, short what, void *ctx)
{
	struct seat *t = ctx;
	if (!t->asks)
		seat_free(t);
}

/* ---- sending --------------------------------------------------------------------------------------------------------------- */

/* 0; 1 the socket is full; -errno. */
static int ask_push(struct seat *t, struct ask *a)
{
	int r = 0;
	if (a->state == ASK_TO_BEGIN) {
		struct proto_begin b = { .session = t->info.session, .replay_of = REPLAY_NONE };
		memcpy(b.digest, a->digest, sizeof b.digest);
		a->id = t->last_id + 1;
		r = ipc_send(t->ctl, CTL_BEGIN, a->id, &b, sizeof b, a->blob);
		if (!r) {
			t->last_id++;
			a->state = ASK_BEGUN;
		}
	} else if (a->state == ASK_TO_REQUEST) {
		r = ipc_send(t->sock, SESSION_REQUEST, a->id, NULL, 0, a->blob);
		if (!r) {
			fd_close(&a->blob);
			a->state = ASK_RUNS;
		}
	}
	if (!r && a->state == ASK_RUNS && a->cancelled) {
		r = ipc_send(t->sock, SESSION_CANCEL, a->id, NULL, 0, -1);
		a->cancelled = r != 0;
	}
	return r;
}

/* First who sits here, then the rules, then a session under them: where they change in between, the first request is told. */
static int hello(struct seat *t)
{
	const struct proto_query q = { .what = QUERY_USAGE, .count = 1 };
	int r = t->refused || t->shown ? t->refused : proof_send(t->ctl, 0, &t->who.proof);
	if (r)
		return r;
	t->shown = true;
	r = ipc_send(t->ctl, CTL_QUERY, 0, &q, sizeof q, -1);
	t->asked = r == 0;
	return r;
}

static int session_ask(struct seat *t)
{
	struct proto_session_want w = { .kv_mode = KV_DEFAULT };
	memcpy(w.name, t->model, sizeof w.name);
	int r = ipc_send(t->ctl, CTL_SESSION, 0, &w, sizeof w, -1);
	t->wants_session = r != 0;
	return r;
}

/* The oldest that waits, where not as many as a seat has are beyond that. */
static struct ask *ask_next(const struct seat *t)
{
	struct ask *next = NULL;
	u32 n = 0;
	for (struct ask *a = t->asks; a; a = a->next) {
		n += a->state >= ASK_SEATED;
		next = next || a->state != ASK_WAITS ? next : a;
	}
	return n < SEAT_REQUESTS ? next : NULL;
}

/* An ask that is told may leave, and others may come: look again behind each. */
static void tell_seated(struct seat *t)
{
	for (struct ask *a; (a = ask_next(t));) {
		a->state = ASK_SEATED;
		a->fns->seated(a);
	}
}

/* 0; 1 a socket is full; -errno. */
static int push_asks(struct seat *t)
{
	int r = 0;
	for (struct ask *a = t->asks; a && !r; a = a->next)
		r = ask_push(t, a);
	return r;
}

static void push_again(struct seat *t)
{
	static const struct timeval soon = { .tv_usec = RETRY_MS * 1000 };
	event_add(t->push, &soon);
}

static void on_push(evutil_socket_t fd, short what, void *ctx)
{
	struct seat *t = ctx;
	int r = t->asked ? 0 : hello(t);
	if (!r && t->wants_session)
		r = session_ask(t);
	if (!r && t->open)
		tell_seated(t);
	r = r ? r : push_asks(t);
	if (r > 0)
		push_again(t);
	else if (r < 0)
		seat_lost(t, END_UNDECIDED, t->open ? "the session ended" : "the gate does not answer");
	else
		seat_idle_arm(t);
}

void seat_push_soon(struct seat *t)
{
	event_active(t->push, 0, 0);
}

/* ---- the caller's end ------------------------------------------------------------------------------------------------------ */

static struct seat *seat_of(const struct seats *s, const struct who *who, const char *model)
{
	struct seat *t = s->list;
	while (t && (t->stale || !who_same(&t->who.is, &who->is) || strcmp(t->model, model)))
		t = t->next;
	return t;
}

static int connect_keepd(struct seat *t)
{
	int r = ipc_connect(t->seats->p.run_dir, "ctl.sock", &t->ctl);
	if (r)
		return r > 0 ? -ECONNREFUSED : r;
	t->ctl_ev = event_new(t->seats->p.base, t->ctl, EV_READ | EV_PERSIST, seat_on_ctl, t);
	if (fcntl(t->ctl, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return t->ctl_ev && event_add(t->ctl_ev, NULL) == 0 ? 0 : -ENOMEM;
}

static struct seat *seat_make(struct seats *s, const struct who *who, const char *model)
{
	bool peer = who->proof.type == CTL_PROVE_PEER;
	int fd = peer ? fcntl(who->proof.fd, F_DUPFD_CLOEXEC, 3) : -1;
	struct seat *t = peer && fd < 0 ? NULL : calloc(1, sizeof *t);
	if (!t || bytes_put_str(t->model, sizeof t->model, model)) {
		fd_close(&fd);
		free(t);
		return NULL;
	}
	t->who = *who;
	t->who.proof.fd = fd;
	t->seats = s;
	t->ctl = t->sock = -1;
	t->next = s->list;
	s->list = t;
	s->n++;
	t->push = evtimer_new(s->p.base, on_push, t);
	t->idle = evtimer_new(s->p.base, on_idle, t);
	if (!t->push || !t->idle) {
		seat_free(t);
		return NULL;
	}
	t->refused = connect_keepd(t);
	return t;
}

static void fail_now(struct ask *a, u32 status, const char *why)
{
	a->seat = NULL;
	a->fns->failed(a, status, why);
}

void seat_take(struct seats *s, struct ask *a, const struct who *who, const char *model)
{
	struct seat *t = seat_of(s, who, model);
	a->state = ASK_WAITS;
	a->blob = -1;
	if (!t && s->n == GATEWAY_SEATS_MAX) {
		fail_now(a, END_UNDECIDED, "too many principals and models at once");
		return;
	}
	t = t ? t : seat_make(s, who, model);
	if (!t) {
		fail_now(a, END_UNDECIDED, "out of memory");
		return;
	}
	ask_add(t, a);
	seat_idle_arm(t);
	seat_push_soon(t);
}

const struct layout *seat_layout(const struct ask *a)
{
	return &a->seat->layout;
}

const struct proto_session_open *seat_open(const struct ask *a)
{
	return &a->seat->info;
}

const struct rules *seat_rules(const struct ask *a)
{
	return &a->seat->rules;
}

void seat_send(struct ask *a, int *fd, const u8 digest[SHA256_BYTES])
{
	assert(a->state == ASK_SEATED && a->blob < 0);
	a->blob = fd_steal(fd);
	memcpy(a->digest, digest, SHA256_BYTES);
	a->state = ASK_TO_BEGIN;
	seat_push_soon(a->seat);
}

void seat_leave(struct ask *a)
{
	struct seat *t = a->seat;
	if (!t)
		return;
	struct ask *g = a->state >= ASK_BEGUN ? calloc(1, sizeof *g) : NULL;
	if (g) { /* recorded, or about to be: it is cancelled, not forgotten */
		*g = (struct ask){ .fns = &ghost,
			.state = a->state,
			.id = a->id,
			.blob = fd_steal(&a->blob),
			.cancelled = true };
		ask_add(t, g);
	}
	seat_ask_out(a);
	seat_idle_arm(t);
	seat_push_soon(t);
}
