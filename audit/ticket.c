/* Tickets. The path of a request: BEGIN(sealed request) → hash it here → intent record → commit → TICKET to the runtime, END to the
 * client. The runtime computes nothing without the ticket, so nothing is computed without the record. */
#include "audit/content.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void gate_ticket_free(struct keepd *k, struct ticket *t)
{
	for (struct ticket **p = &k->tickets; *p; p = &(*p)->next) {
		if (*p != t)
			continue;
		*p = t->next;
		if (!*p)
			k->tickets_end = p;
		break;
	}
	struct session *s = t->session;
	quota_ticket_gone(&t->charge);
	k->n_tickets--;
	s->n_open--;
	fd_unmap(&t->answer);
	free(t);
	if (!s->client && s->n_open == 0)
		gate_session_free(k, s);
}

struct replay {
	const u8 *model, *digest;
	bool fits;
};

static int on_replayed(void *arg, u64 index, const char *line, size_t len)
{
	struct replay *rp = arg;
	struct audit_record_head h;
	rp->fits = audit_record_head(line, len, &h) == 0 && h.event == EVENT_REQUEST &&
		   audit_record_has_hex(line, len, "model", rp->model, MODEL_DIGEST_BYTES) &&
		   audit_record_has_hex(line, len, "digest", rp->digest, SHA256_BYTES);
	return 1;
}

/* 0 the record is a request for this model with this digest; 1 it is not; -errno. */
static int replay_check(struct keepd *k, u64 index, const struct grant *g, const u8 *digest)
{
	struct replay rp = { g->model, digest, false };
	if (index >= audit_log_size(k->log))
		return 1;
	int r = audit_log_lines(k->log, index, 1, on_replayed, &rp);
	return r < 0 ? r : rp.fits ? 0 : 1;
}

static struct session *session_of(struct conn *c, u64 id)
{
	for (struct session *s = c->k->sessions; s; s = s->next)
		if (s->id == id && s->client == c)
			return s;
	return NULL;
}

/* What is known of a request when it is let through, or is not. */
struct asked {
	u64 bytes;	   /* its length */
	struct exchange x; /* what may be said of it */
	struct quota_let let;
	struct quota_no no; /* status: a quota refused it, or there is no room for it now */
};

/* Why this request must not be let through; NULL when it may. */
static const char *begin_check(
	struct conn *c, const struct proto_begin *b, u64 request, int fd, struct asked *ret)
{
	struct keepd *k = c->k;
	_cleanup_map_ struct fd_map map = { 0 };
	u8 digest[SHA256_BYTES];
	struct session *s = session_of(c, b->session);
	if (!s)
		return "there is no such session of this client, or it has ended";
	const char *ended = principal_ended(k, &s->who);
	if (ended)
		return ended;
	if (s->grant->state != GRANT_READY || !k->runtime || k->runtime->dead)
		return "its grant has ended";
	if (s->actor.role == ROLE_AUDITOR && b->replay_of == REPLAY_NONE)
		return "an auditor repeats what was recorded, and asks nothing new";
	if (request <= s->last_request)
		return "request ids must rise within a session";
	if (s->n_open >= TICKETS_WAITING_MAX || k->n_tickets >= TICKETS_OPEN_MAX) {
		ret->no =
			(struct quota_no){ .status = END_UNDECIDED, .text = "too many requests are running" };
		return ret->no.text;
	}
	int r = fd_map_sealed(fd, REQUEST_BYTES_MAX, &map);
	if (r)
		return r == 1	? "the request is not a sealed memory file"
		       : r == 2 ? "the request is too long"
				: "the request could not be read";
	sha256_of(map.data, map.len, digest);
	ret->bytes = map.len;
	if (memcmp(digest, b->digest, sizeof digest) != 0)
		return "the digest is not that of the request";
	if (quota_begin(s, map.data, map.len, &ret->let, &ret->no))
		return ret->no.text;
	const char *why = content_exchange(k, s, b->replay_of, &ret->x);
	if (why || b->replay_of == REPLAY_NONE)
		return why;
	content_shown(&(struct exchange){ ret->x.texts, ret->x.subject, b->replay_of }, digest, digest);
	r = replay_check(k, b->replay_of, s->grant, digest);
	return r < 0 ? "the record to replay could not be read"
	       : r   ? "the record to replay is not a request with this digest to this model"
		     : NULL;
}

static void record_request(
	struct audit_record *rec, const struct ticket *t, const struct proto_begin *b, u64 bytes)
{
	const struct session *s = t->session;
	struct jsonw *w = &rec->w;
	u8 shown[SHA256_BYTES];
	content_shown(&t->exchange, b->digest, shown);
	jsonw_kv_u64(w, "session", s->id);
	jsonw_kv_u64(w, "request", t->request);
	if (s->who.name[0])
		audit_record_str(rec, "principal", s->who.name, NAME_LEN_MAX);
	jsonw_kv_str(w, "name", s->grant->name);
	jsonw_kv_hex(w, "model", s->grant->model, sizeof s->grant->model);
	jsonw_kv_hex(w, "digest", shown, sizeof shown);
	jsonw_kv_u64(w, "bytes", bytes);
	jsonw_kv_str(w, "kv_mode", gate_kv_name(s->grant->ready.kv_mode));
	jsonw_kv_u64(w, "ctx_tokens", s->grant->ready.ctx_tokens);
	if (b->replay_of != REPLAY_NONE)
		jsonw_kv_u64(w, "replay_of", b->replay_of);
	quota_put(rec, &t->charge, NULL);
	content_fields(&t->exchange, rec, true, t->keeps);
}

/* The request itself, where it is kept. */
static void keep_request(struct keepd *k, const struct ticket *t, int fd)
{
	_cleanup_map_ struct fd_map map = { 0 };
	int r = t->keeps ? fd_map_sealed(fd, REQUEST_BYTES_MAX, &map) : 0;
	if (r)
		audit_log_fail(
			k->log, "text of record %" PRIu64 ": the request could not be read", t->intent);
	else if (t->keeps)
		content_keep(k, &t->exchange, t->intent, map.data, map.len);
}

/* It may not: END says why. */
static int refused(struct conn *c, u64 request, const struct asked *a, const char *why)
{
	c->k->totals.spent += a->no.status == END_SPENT;
	if (a->no.status)
		client_end_quota(c, request, &a->no);
	else
		client_end(c, request, END_REFUSED, UINT64_MAX, "request %" PRIu64 ": %s", request, why);
	return 0;
}

static void ticket_add(struct keepd *k, struct ticket *t)
{
	*k->tickets_end = t;
	k->tickets_end = &t->next;
	k->n_tickets++;
	k->pace.fresh++;
	t->session->n_open++;
	t->session->last_request = t->request;
	quota_take(&t->charge);
	k->totals.requests++;
}

/* Behind the record: the ticket, and the answer. */
static void let_through(struct conn *c, const struct ticket *t, const struct quota_let *let)
{
	struct proto_ticket p = { .session = t->session->id,
		.index = t->intent,
		.keep = t->keeps,
		.tokens_max = let->tokens_max,
		.tokens_ever = let->tokens_ever };
	struct proto_end end = { .status = END_DONE, .retry_s = let->retry_s, .index = t->intent };
	memcpy(p.digest, t->digest, sizeof p.digest);
	conn_send(c->k->runtime, GATE_TICKET, t->request, &p, sizeof p, NULL);
	conn_send(c, CTL_END, t->request, &end, sizeof end, NULL);
}

int begin_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_begin b;
	struct asked a = { 0 };
	u64 request = f->h.id;
	memcpy(&b, f->body, sizeof b);
	if (client_refused(c, request, 1))
		return 0;
	const char *why = begin_check(c, &b, request, f->fd, &a);
	if (!why && client_refused(c, request, content_room(&a.x, a.bytes)))
		return 0;
	if (why)
		return refused(c, request, &a, why);
	struct ticket *t = calloc(1, sizeof *t);
	if (!t) {
		client_end(c, request, END_UNDECIDED, UINT64_MAX, "request %" PRIu64 ": %s", request,
			strerror(ENOMEM));
		return 0;
	}
	struct session *s = session_of(c, b.session);
	static struct audit_record rec; /* too large to be cleared for each request */
	audit_log_record(k->log, &rec, EVENT_REQUEST, INTENT_NONE, &s->actor);
	*t = (struct ticket){ .session = s,
		.request = request,
		.intent = rec.index,
		.replay_of = b.replay_of,
		.exchange = a.x,
		.charge = a.let.charge,
		.keeps = a.x.texts == TEXTS_CONTENT };
	t->exchange.intent = rec.index;
	memcpy(t->digest, b.digest, sizeof t->digest);
	record_request(&rec, t, &b, a.bytes);
	ticket_add(k, t);
	if (audit_log_append(k->log, &rec, NULL))
		return 0;
	keep_request(k, t, f->fd);
	let_through(c, t, &a.let);
	quota_watch(k, false);
	return 0;
}
