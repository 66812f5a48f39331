/* Sessions: tickets and requests meet here. Nothing is computed for a request before the ticket of the same session and id has come, with the
 * digest that the request has here. Every ticket gets exactly one outcome. A client is a stranger: what it breaks is its own session. */
#include "runtime/serve.h"
#include "base/daemon.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room that TOKENS leave to what ends requests. */
#define QUEUE_BYTES_MAX (SESSION_QUEUE_BYTES_MAX + (1u << 18))

/* ---- frames to the client ------------------------------------------------------------------------------------------------ */

/* 0; 1 it is dead, or more than limit bytes wait for it. */
static int tell(struct session *s, const struct outq_send *f, size_t limit)
{
	if (s->dead || s->out.bytes >= limit)
		return 1;
	int r = outq_put(&s->out, s->sock, f);
	if (r < 0)
		session_kill(s, FINISH_CANCELLED,
			r == -ENOMEM ? "no memory for what the client does not read" : "the client is gone");
	return r;
}

/* The tokens that were joined, if there are some: as one frame behind those that wait. */
static int tell_joined(struct req *q, size_t limit)
{
	struct outq_send f = {
		.type = SESSION_TOKENS, .id = q->id, .body = &q->joined, .len = sizeof q->joined, .fd = -1
	};
	if (!q->joined.n_tokens && !q->joined.text_len)
		return 0;
	int r = tell(q->s, &f, limit);
	explicit_bzero(&q->joined, sizeof q->joined);
	q->whole = false;
	return r;
}

/* What ends a request, and its result. */
static void tell_end(struct session *s, struct req *q, const struct outq_send *f)
{
	int r = q ? tell_joined(q, QUEUE_BYTES_MAX) : 0;
	if (!r)
		r = tell(s, f, QUEUE_BYTES_MAX);
	if (r == 1)
		session_kill(s, FINISH_CANCELLED, "the client reads too slowly");
}

static void tell_done(struct session *s, struct req *q, u64 id, const struct proto_outcome *o)
{
	struct outq_send f = { .type = SESSION_DONE, .id = id, .body = o, .len = sizeof *o, .fd = -1 };
	tell_end(s, q, &f);
}

void session_flush(struct session *s)
{
	int r = outq_flush(&s->out, s->sock);
	for (struct req *q = s->out.n ? NULL : s->head; q && !r; q = q->next)
		r = tell_joined(q, QUEUE_BYTES_MAX);
	if (r)
		session_kill(s, FINISH_CANCELLED, "the client is gone");
}

/* ---- requests ------------------------------------------------------------------------------------------------------------ */

static struct req *req_find(struct session *s, u64 id)
{
	for (struct req *q = s->head; q; q = q->next)
		if (q->id == id)
			return q;
	return NULL;
}

static struct req *req_add(struct session *s, u64 id)
{
	struct req *q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	q->s = s;
	q->id = id;
	q->fd = -1;
	q->deadline_ns = clock_ns() + (u64)TICKET_WAIT_MS_MAX * 1000000u;
	q->prev = s->tail;
	if (s->tail)
		s->tail->next = q;
	else
		s->head = q;
	s->tail = q;
	s->n_waiting++;
	s->server->n_requests++;
	return q;
}

static void req_free(struct req *q)
{
	struct session *s = q->s;
	if (q->prev)
		q->prev->next = q->next;
	else
		s->head = q->next;
	if (q->next)
		q->next->prev = q->prev;
	else
		s->tail = q->prev;
	if (q->begun) {
		busy_add(q);
		answer_fini(&q->a);
	} else {
		s->n_waiting--;
	}
	s->server->n_requests--;
	fd_close(&q->fd);
	free(q);
}

static struct proto_outcome outcome_of(
	struct server *v, u64 session, const u8 *digest, u32 finish, const char *why)
{
	struct proto_outcome o = { .session = session, .finish = finish, .numerics = RT_NUMERICS };
	if (digest)
		memcpy(o.request, digest, sizeof o.request);
	const struct session *s = session_find(v, session);
	bool ready = s && s->g && s->g->state == GRANT_READY;
	memcpy(o.kernel_set, ready ? s->g->ready.kernel_set : v->info.kernel_set, sizeof o.kernel_set);
	memcpy(o.device, ready ? s->g->ready.device : v->info.name, sizeof o.device);
	snprintf(o.why, sizeof o.why, "%s", why);
	return o;
}

/* End a request that computes nothing (any more): the gate learns of it if it was ticketed, the client if it had asked. */
static void req_end(struct req *q, u32 finish, const char *why)
{
	struct session *s = q->s;
	struct proto_outcome o = outcome_of(s->server, s->id, q->digest, finish, why);
	if (s->g)
		o.kv_mode = s->g->kv_mode;
	if (q->ticketed)
		serve_outcome(s->server, q->id, &o);
	if (q->asked)
		tell_done(s, q, q->id, &o);
	req_free(q);
}

/* Is a text that follows these tokens behind what they mean? A control token says where it stands by being the last of its frame. */
static bool ends_frame(const struct req *q, const struct proto_tokens *t)
{
	size_t n;
	for (u32 i = 0; i < t->n_tokens; i++)
		if (tok_name(q->a.g->tok, t->tokens[i], &n))
			return true;
	return false;
}

static bool joins(const struct req *q, const struct proto_tokens *t)
{
	const struct proto_tokens *j = &q->joined;
	return !q->whole && j->n_tokens + t->n_tokens <= TOKENS_PER_FRAME &&
	       j->text_len + t->text_len <= sizeof j->text;
}

/* While frames wait, what a request says is joined to as few as hold it. */
static int on_tokens(struct answer *a, const struct proto_tokens *t)
{
	struct req *q = (struct req *)a;
	struct proto_tokens *j = &q->joined;
	struct outq_send f = { .type = SESSION_TOKENS, .id = q->id, .body = t, .len = sizeof *t, .fd = -1 };
	if (!q->s->out.n)
		return tell(q->s, &f, SESSION_QUEUE_BYTES_MAX) != 0;
	if (!joins(q, t) && tell_joined(q, SESSION_QUEUE_BYTES_MAX))
		return 1;
	memcpy(j->tokens + j->n_tokens, t->tokens, t->n_tokens * sizeof t->tokens[0]);
	memcpy(j->text + j->text_len, t->text, t->text_len);
	j->n_tokens += t->n_tokens;
	j->text_len += t->text_len;
	q->whole = ends_frame(q, t);
	return q->s->dead;
}

static int on_probs(struct answer *a, const struct proto_probs *p)
{
	struct req *q = (struct req *)a;
	struct outq_send f = { .type = SESSION_PROBS, .id = q->id, .body = p, .len = sizeof *p, .fd = -1 };
	return tell_joined(q, SESSION_QUEUE_BYTES_MAX) || tell(q->s, &f, SESSION_QUEUE_BYTES_MAX);
}

static void on_result(struct answer *a, int fd, u64 bytes)
{
	struct req *q = (struct req *)a;
	struct proto_data data = { .bytes = bytes };
	struct outq_send f = {
		.type = SESSION_RESULT, .id = q->id, .body = &data, .len = sizeof data, .fd = fd
	};
	tell_end(q->s, q, &f);
}

static void on_over(struct answer *a)
{
	struct req *q = (struct req *)a;
	u64 bytes;
	int kept = answer_kept(a, &bytes);
	if (kept >= 0)
		serve_answer(q->s->server, q->id, &(struct proto_answer){ q->s->id, bytes }, kept);
	serve_outcome(q->s->server, q->id, &a->outcome);
	tell_done(q->s, q, q->id, &a->outcome);
	req_free(q);
}

/* The request's bytes are those that keepd recorded; only now they are read. */
static void req_compute(struct req *q, const struct fd_map *map)
{
	struct session *s = q->s;
	struct request rq;
	const char *why;
	if (!s->g || s->g->state != GRANT_READY) {
		req_end(q, FINISH_REFUSED, "the session has no loaded model");
		return;
	}
	if (request_open(map->data, map->len, &rq, &why)) {
		char text[REASON_LEN_MAX];
		snprintf(text, sizeof text, "request: %s", why);
		req_end(q, FINISH_REFUSED, text);
		return;
	}
	q->begun = true;
	s->n_waiting--;
	q->a.on_tokens = on_tokens;
	q->a.on_probs = on_probs;
	q->a.on_result = on_result;
	q->a.on_over = on_over;
	q->a.outcome = outcome_of(s->server, s->id, q->digest, 0, "");
	int r = answer_begin(&q->a, s->g, &rq, s->principal, &why);
	if (r)
		req_end(q, r == 2 ? FINISH_SPENT : FINISH_REFUSED, why);
}

static void req_begin(struct req *q)
{
	u8 digest[SHA256_BYTES];
	_cleanup_map_ struct fd_map map = { 0 };
	int r = fd_map_sealed(q->fd, REQUEST_BYTES_MAX, &map);
	fd_close(&q->fd);
	if (r) {
		req_end(q, FINISH_REFUSED,
			r == 2 ? "request: longer than a request may be"
			       : "request: not a sealed memory file");
		return;
	}
	sha256_of(map.data, map.len, digest);
	if (memcmp(digest, q->digest, sizeof digest) != 0) {
		req_end(q, FINISH_REFUSED, "the request's digest differs from its ticket's");
		return;
	}
	req_compute(q, &map);
}

/* ---- tickets ------------------------------------------------------------------------------------------------------------- */

static void ticket_refuse(struct server *v, u64 id, const struct proto_ticket *t, const char *why)
{
	struct proto_outcome o = outcome_of(v, t->session, t->digest, FINISH_REFUSED, why);
	serve_outcome(v, id, &o);
}

int session_ticket(struct server *v, u64 id, const struct proto_ticket *t)
{
	struct session *s = session_find(v, t->session);
	if (!s || s->dead) {
		ticket_refuse(v, id, t, "its session has ended");
		return 0;
	}
	if (id <= s->last_ticket) {
		daemon_say("gate: ticket %llu of session %llu does not follow %llu", (unsigned long long)id,
			(unsigned long long)t->session, (unsigned long long)s->last_ticket);
		return -EPROTO;
	}
	s->last_ticket = id;
	struct req *q = req_find(s, id);
	if (!q && id <= s->last_request) {
		ticket_refuse(v, id, t, "its request has been refused before, or never came in its turn");
		return 0;
	}
	if (!q && (s->n_waiting >= TICKETS_WAITING_MAX || v->n_requests >= REQUESTS_QUEUED_MAX)) {
		ticket_refuse(v, id, t, "too many tickets wait for their requests");
		return 0;
	}
	if (!q)
		q = req_add(s, id);
	if (!q) {
		ticket_refuse(v, id, t, "no memory");
		return 0;
	}
	q->ticketed = true;
	q->index = t->index;
	q->a.keep = t->keep;
	q->a.tokens_max = t->tokens_max;
	q->a.tokens_ever = t->tokens_ever;
	memcpy(q->digest, t->digest, sizeof q->digest);
	if (q->asked)
		req_begin(q);
	return 0;
}

/* ---- frames from the client ---------------------------------------------------------------------------------------------- */

static void request_refuse(struct session *s, u64 id, const char *why)
{
	struct proto_outcome o = outcome_of(s->server, s->id, NULL, FINISH_REFUSED, why);
	tell_done(s, NULL, id, &o);
}

static int on_request(void *conn, struct ipc_frame *f)
{
	struct session *s = conn;
	u64 id = f->h.id;
	struct req *q = req_find(s, id);
	if (id <= s->last_request) {
		if (q && !q->asked) { /* its ticket waits: both are used up */
			q->asked = true;
			req_end(q, FINISH_REFUSED, "the request came out of order");
			return 0;
		}
		request_refuse(s, id, "the request came out of order, or its ticket has been used");
		return 0;
	}
	s->last_request = id;
	if (!q && (s->n_waiting >= TICKETS_WAITING_MAX || s->server->n_requests >= REQUESTS_QUEUED_MAX)) {
		request_refuse(s, id, "too many requests wait for their tickets");
		return 0;
	}
	if (!q)
		q = req_add(s, id);
	if (!q) {
		request_refuse(s, id, "no memory");
		return 0;
	}
	q->asked = true;
	q->fd = fd_steal(&f->fd);
	if (q->ticketed)
		req_begin(q);
	return 0;
}

static int on_cancel(void *conn, struct ipc_frame *f)
{
	struct session *s = conn;
	struct req *q = req_find(s, f->h.id);
	if (!q || !q->asked)
		return 0; /* it ended meanwhile */
	if (q->begun)
		answer_abort(&q->a, FINISH_CANCELLED, "cancelled by the client");
	else
		req_end(q, FINISH_CANCELLED, "cancelled by the client");
	return 0;
}

static const struct ipc_rule rules[] = {
	{ SESSION_REQUEST, 1, 0, true, false, on_request },
	{ SESSION_CANCEL, 1, 0, false, false, on_cancel },
};

void session_read(struct session *s)
{
	for (int i = 0; i < 64 && !s->dead; i++) {
		struct ipc_frame f;
		int r = ipc_recv(s->sock, &f);
		if (r == 2)
			return;
		if (r) {
			session_kill(s, FINISH_CANCELLED,
				r == -EPROTO ? "the client broke the protocol" : "the client hung up");
			return;
		}
		const struct ipc_rule *rule = ipc_match(rules, ARRAY_LEN(rules), 1, &s->seen, &f);
		if (rule) {
			(void)!rule->handler(s, &f);
		} else {
			daemon_say("session %llu: frame %#x breaks the protocol: the session ends",
				(unsigned long long)s->id, f.h.type);
			session_kill(s, FINISH_CANCELLED, "the client broke the protocol");
		}
		ipc_frame_fini(&f);
	}
}

/* ---- a session's life ------------------------------------------------------------------------------------------------------ */

struct session *session_find(struct server *v, u64 id)
{
	for (u32 i = 0; i < v->n_sessions; i++)
		if (v->sessions[i]->id == id)
			return v->sessions[i];
	return NULL;
}

int session_open(struct server *v, u64 id, const struct proto_session *p, int *sock)
{
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		return err_origin(-ENOMEM);
	if (fcntl(*sock, F_SETFL, O_NONBLOCK) < 0) {
		free(s);
		return err_errno();
	}
	s->server = v;
	s->id = id;
	s->principal = p->principal;
	s->sock = fd_steal(sock);
	for (u32 i = 0; i < GRANTS_MAX; i++)
		if (v->grants[i].state == GRANT_READY && v->grants[i].id == p->grant &&
			!v->grants[i].want.drafts_for)
			s->g = &v->grants[i];
	v->sessions[v->n_sessions++] = s;
	return 0;
}

void session_kill(struct session *s, u32 finish, const char *why)
{
	if (s->dead)
		return;
	s->dead = true;
	s->end = finish;
	s->why = why;
}

void session_end(struct session *s, u32 finish, const char *why)
{
	struct server *v = s->server;
	session_kill(s, finish, why);
	shutdown(s->sock, SHUT_RDWR);
	for (struct req *q = s->head, *next; q; q = next) {
		next = q->next;
		if (q->begun)
			answer_abort(&q->a, finish, why);
		else
			req_end(q, finish, why);
	}
	u32 i = 0;
	while (v->sessions[i] != s)
		i++;
	v->sessions[i] = v->sessions[--v->n_sessions];
	outq_fini(&s->out);
	fd_close(&s->sock);
	free(s);
}

void session_expire(struct session *s, u64 now_ns, u64 *next_ns)
{
	for (struct req *q = s->head, *next; q; q = next) {
		next = q->next;
		if (q->begun)
			continue;
		if (now_ns >= q->deadline_ns)
			req_end(q, FINISH_REFUSED,
				q->ticketed ? "the request never came" : "no ticket came for the request");
		else
			*next_ns = MIN(*next_ns, q->deadline_ns);
	}
}
