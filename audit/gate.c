/* The gate: sessions, each made by a record and known by that record's index, over a grant (grant.c); and how everything ends. */
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whoever shares this number may share cached prompts: the same user, speaking for the same principal. */
static u64 principal_of(const struct conn *c)
{
	struct sha256 h;
	u8 digest[SHA256_BYTES];
	if (!c->who.name[0])
		return c->peer.uid;
	sha256_init(&h);
	sha256_update(&h, &c->peer.uid, sizeof c->peer.uid);
	sha256_update(&h, c->who.name, sizeof c->who.name);
	sha256_final(&h, digest);
	return bytes_u64le(digest) | 1ull << 63; /* never a bare uid */
}

static void put_session(struct audit_record *rec, const struct session *s, const struct grant *g)
{
	jsonw_kv_u64(&rec->w, "grant", g->id);
	jsonw_kv_str(&rec->w, "name", g->name);
	jsonw_kv_hex(&rec->w, "model", g->model, sizeof g->model);
	jsonw_kv_str(&rec->w, "kv_mode", gate_kv_name(g->ready.kv_mode));
	jsonw_kv_u64(&rec->w, "ctx_tokens", g->ready.ctx_tokens);
	principal_fields(&s->who, rec);
}

static void session_add(struct keepd *k, struct session *s)
{
	s->next = k->sessions;
	k->sessions = s;
	k->n_sessions++;
	s->grant->n_sessions++;
}

/* Behind the record: the runtime gets its end of the socket, the client the other one and the layout. */
static void session_sent(struct conn *c, const struct session *s, int *theirs, int *ours, int *layout)
{
	const struct grant *g = s->grant;
	struct proto_session ps = { .grant = g->id, .principal = principal_of(c) };
	struct proto_session_open so = { .session = s->id,
		.grant = g->id,
		.index = s->id,
		.kv_mode = g->ready.kv_mode,
		.ctx_tokens = g->ready.ctx_tokens };
	struct proto_data d = { .bytes = g->layout_len };
	memcpy(so.model, g->model, sizeof so.model);
	memcpy(so.name, g->name, sizeof so.name);
	conn_send(c->k->runtime, GATE_SESSION, s->id, &ps, sizeof ps, theirs);
	conn_send(c, CTL_SESSION_OPEN, c->cmd_id, &so, sizeof so, ours);
	conn_send(c, CTL_DATA, c->cmd_id, &d, sizeof d, layout);
	client_done(c, END_DONE, s->id, "%s", "");
}

/* 0; -errno. The record is written and the frames are queued. */
static int open_session(struct keepd *k, struct conn *c, struct grant *g)
{
	_cleanup_fd_ int ours = -1, theirs = -1, layout = -1;
	int r = ipc_pair(&theirs, &ours);
	if (r)
		return r;
	struct session *s = calloc(1, sizeof *s);
	int copy = fcntl(ours, F_DUPFD_CLOEXEC, 3);
	layout = fcntl(g->layout, F_DUPFD_CLOEXEC, 3);
	if (!s || copy < 0 || layout < 0) {
		fd_close(&copy);
		free(s);
		return err_origin(-EMFILE);
	}
	struct audit_record rec;
	*s = (struct session){ .who = c->who,
		.actor = conn_actor(c),
		.quotas = k->state.quota.index,
		.grant = g,
		.client = c,
		.sock = copy };
	if (c->who.name[0])
		s->actor.role = c->who.role;
	audit_log_record(k->log, &rec, EVENT_SESSION, INTENT_NONE, &s->actor);
	s->id = rec.index;
	put_session(&rec, s, g);
	session_add(k, s);
	r = audit_log_append(k->log, &rec, NULL);
	if (!r)
		session_sent(c, s, &theirs, &ours, &layout);
	return r;
}

static void session_for(struct keepd *k, struct conn *c, struct grant *g)
{
	const char *ended = principal_ended(k, &c->who);
	if (ended) {
		client_done(c, END_REFUSED, UINT64_MAX, "%s", ended);
		return;
	}
	int r = k->n_sessions < IPC_SESSIONS_MAX ? open_session(k, c, g) : 1;
	if (r > 0)
		client_done(c, END_REFUSED, UINT64_MAX, "there are %u sessions already", k->n_sessions);
	else if (r < 0 && !audit_log_failed(k->log))
		client_done(c, END_UNDECIDED, UINT64_MAX, "session: %s", strerror(-r));
}

/* A session over a grant that is ready, with the draft model that the client wants. */
static void session_over(struct keepd *k, struct conn *c, struct grant *g)
{
	struct grant *d = c->wants_draft ? gate_draft_of(k, g) : NULL;
	const struct model_row *m = c->wants_draft ? audit_model_by_digest(&k->state, c->draft) : NULL;
	if (!c->wants_draft || (d && d->state == GRANT_READY && !memcmp(d->model, c->draft, sizeof c->draft)))
		session_for(k, c, g);
	else if (d && memcmp(d->model, c->draft, sizeof c->draft) != 0)
		client_done(c, END_REFUSED, UINT64_MAX,
			"model %s: guesses are made for it by %s already; keep stop %s ends that", g->name,
			d->name, d->name);
	else if (d)
		c->grant = d;
	else if (!m || m->status != MODEL_ACCEPTED || !m->stored)
		client_done(c, END_REFUSED, UINT64_MAX, "the draft model is no longer served");
	else
		gate_draft_for(c, g, m);
}

void gate_loaded(struct keepd *k, struct grant *g)
{
	for (struct conn *c = k->conns; c; c = c->next) {
		if (c->grant != g || c->dead)
			continue;
		c->grant = NULL;
		if (g->drafts)
			session_for(k, c, g->target);
		else
			session_over(k, c, g);
	}
}

/* NULL: this client may open a session with this model; else why not. */
static const char *may_not_use(const struct conn *c, const struct model_row *m, char *room, size_t size)
{
	if (!c->who.name[0] && !c->who.how && !c->k->single_user && role_speaks_for_others(c))
		return "keep-gateway has not shown who asks";
	if (c->who.name[0] && !(c->who.uses & USE_ALL))
		snprintf(room, size, "%s may read in the console, and ask no model", c->who.name);
	else if (!principal_may_use(&c->who, m->name))
		snprintf(room, size, "%s %s may not use model %s", principal_how_name(c->who.how),
			c->who.credential, m->name);
	else
		return NULL;
	return room;
}

/* A session over the grant that there is, or that is asked for now. */
static void session_begin(
	struct conn *c, u64 id, const struct model_row *m, const struct proto_session_want *want)
{
	struct keepd *k = c->k;
	struct grant *g = gate_grant_for(k, m->digest, want);
	bool fresh = !g;
	if (fresh)
		g = gate_grant_new(c, m, want);
	if (!g) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "grant: %s", strerror(ENOMEM));
		return;
	}
	c->state = CLIENT_WAIT;
	if (g->state == GRANT_READY) {
		session_over(k, c, g);
		return;
	}
	c->grant = g;
	if (fresh)
		gate_load(g, k);
}

/* The model of that name, if this client may open a session with it; NULL after END. */
static const struct model_row *model_for(struct conn *c, u64 id, const char *name)
{
	char room[REASON_LEN_MAX + 1];
	const struct model_row *m = gate_usable(c, id, name);
	const char *why = m ? may_not_use(c, m, room, sizeof room) : NULL;
	if (why)
		client_end(c, id, END_REFUSED, UINT64_MAX, "%s", why);
	return m && !why && quota_model_ok(c, id, m->name) ? m : NULL;
}

/* The model that shall guess for m is one like any other. false after END. */
static bool draft_ok(struct conn *c, u64 id, const struct model_row *m, const char *name)
{
	c->wants_draft = name[0] != 0;
	const struct model_row *d = name[0] ? model_for(c, id, name) : NULL;
	if (!d)
		return !name[0];
	memcpy(c->draft, d->digest, sizeof c->draft);
	if (memcmp(d->digest, m->digest, sizeof d->digest) != 0)
		return true;
	client_end(c, id, END_REFUSED, UINT64_MAX, "model %s: it does not guess for itself", m->name);
	return false;
}

int session_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_session_want want;
	memcpy(&want, f->body, sizeof want);
	if (!bytes_str_ok(want.name, sizeof want.name) || !bytes_str_ok(want.draft, sizeof want.draft) ||
		want.kv_mode > KV_INT8 || want.ctx_tokens > CTX_TOKENS_MAX)
		return -EPROTO;
	if (client_refused(c, f->h.id, 1))
		return 0;
	const struct model_row *m = model_for(c, f->h.id, want.name);
	if (!m || !draft_ok(c, f->h.id, m, want.draft))
		return 0;
	int r = gate_runtime(c->k);
	if (r)
		client_end(c, f->h.id, r > 0 ? END_REFUSED : END_UNDECIDED, UINT64_MAX, "keep-runtime: %s",
			r > 0 ? "nobody listens at runtime.sock" : strerror(-r));
	else
		session_begin(c, f->h.id, m, &want);
	return 0;
}

void gate_session_free(struct keepd *k, struct session *s)
{
	for (struct session **p = &k->sessions; *p; p = &(*p)->next) {
		if (*p != s)
			continue;
		*p = s->next;
		break;
	}
	quota_session_gone(s);
	fd_close(&s->sock);
	s->grant->n_sessions--;
	k->n_sessions--;
	free(s);
}

/* Recorded; behind the commit the socket is shut and the runtime told. The session stays until its last outcome. */
void gate_session_end(struct session *s, const char *why)
{
	if (!s->client)
		return;
	struct keepd *k = s->client->k;
	s->client = NULL;
	keepd_effect(k, EFFECT_SHUTDOWN, &s->sock, NULL);
	if (audit_log_failed(k->log))
		return;
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_SESSION_END, INTENT_NONE, &s->actor);
	jsonw_kv_u64(&rec.w, "session", s->id);
	jsonw_kv_str(&rec.w, "why", why);
	if (audit_log_append(k->log, &rec, NULL))
		return;
	if (k->runtime && !k->runtime->dead)
		conn_send(k->runtime, GATE_SESSION_END, s->id, NULL, 0, NULL);
}

void gate_client_gone(struct conn *c)
{
	for (struct session *s = c->k->sessions, *next; s; s = next) {
		next = s->next;
		if (s->client != c)
			continue;
		gate_session_end(s, "client closed");
		if (s->n_open == 0)
			gate_session_free(c->k, s);
	}
}

u32 gate_sessions_of(const struct keepd *k, const u8 *model)
{
	u32 n = 0;
	for (const struct session *s = k->sessions; s; s = s->next)
		n += s->client && memcmp(s->grant->model, model, MODEL_DIGEST_BYTES) == 0;
	return n;
}

u32 gate_stop_model(struct keepd *k, const u8 *model, const char *why)
{
	u32 n = 0;
	for (struct session *s = k->sessions, *next; s; s = next) {
		next = s->next;
		if (!s->client || memcmp(s->grant->model, model, MODEL_DIGEST_BYTES) != 0)
			continue;
		gate_session_end(s, why);
		n++;
		if (s->n_open == 0)
			gate_session_free(k, s);
	}
	for (struct grant *g = k->grants; g; g = g->next) {
		if (memcmp(g->model, model, MODEL_DIGEST_BYTES) != 0 || g->state == GRANT_UNLOADING ||
			g->state == GRANT_QUEUED)
			continue;
		gate_load_over(k, g, END_REFUSED, "model %s: was %s", g->name, why);
		gate_unload(k, g, why, "");
	}
	return n;
}

/* ---- the end ---- */

void gate_stop(struct keepd *k)
{
	for (struct session *s = k->sessions, *next; s; s = next) {
		next = s->next;
		gate_session_end(s, "keepd was stopped");
		if (s->n_open == 0)
			gate_session_free(k, s);
	}
	for (struct grant *g = k->grants; g; g = g->next) {
		if (g->state != GRANT_LOADING && g->state != GRANT_READY)
			continue;
		gate_load_over(k, g, END_REFUSED, "keepd was stopped");
		gate_unload(k, g, "stopped", "keepd was stopped");
	}
}

void gate_abandon(struct keepd *k)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	u32 n = k->n_tickets;
	if (audit_log_failed(k->log))
		return;
	while (k->tickets) {
		audit_log_record(k->log, &rec, EVENT_ORPHAN, k->tickets->intent, &self);
		jsonw_kv_str(&rec.w, "of", "request");
		jsonw_kv_str(&rec.w, "why", "keepd was stopped before the outcome came");
		if (audit_log_append(k->log, &rec, NULL))
			return;
		gate_ticket_free(k, k->tickets);
	}
	quota_watch(k, true);
	audit_log_record(k->log, &rec, EVENT_STOP, INTENT_NONE, &self);
	jsonw_kv_u64(&rec.w, "open", n);
	keepd_clock_fields(k, &rec);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : keepd_clock_put(k);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

void gate_shut(struct keepd *k)
{
	for (struct conn *c = k->conns; c; c = c->next)
		c->grant = NULL;
	while (k->tickets)
		gate_ticket_free(k, k->tickets);
	for (struct session *s; (s = k->sessions);) {
		if (s->client)
			keepd_effect(k, EFFECT_SHUTDOWN, &s->sock, NULL);
		gate_session_free(k, s);
	}
	while (k->grants)
		gate_grant_free(k, k->grants);
}
