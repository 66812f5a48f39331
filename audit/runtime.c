/* The gate socket: what keep-runtime may say. It may be captured: everything is compared with what keepd granted, and one frame that
 * does not fit ends the connection, which ends every stream. */
#include "audit/content.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading ---- */

static int on_loading(void *conn, struct ipc_frame *f)
{
	struct keepd *k = ((struct conn *)conn)->k;
	struct proto_progress p;
	memcpy(&p, f->body, sizeof p);
	struct grant *g = gate_grant_by_id(k, f->h.id);
	if (!g || g->state == GRANT_READY || !bytes_str_ok(p.what, sizeof p.what))
		return -EPROTO;
	for (struct conn *c = k->conns; c; c = c->next)
		if (c->grant == g)
			client_progress(c, p.done, p.total, p.what);
	return 0;
}

static int on_ready(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct keepd *k = c->k;
	struct proto_ready p;
	memcpy(&p, f->body, sizeof p);
	struct grant *g = gate_grant_by_id(k, f->h.id);
	if (!g || g->state == GRANT_READY || !bytes_str_ok(p.device, sizeof p.device) ||
		!bytes_str_ok(p.driver, sizeof p.driver) || p.kv_mode == KV_DEFAULT || p.kv_mode > KV_INT8)
		return -EPROTO;
	if (g->state == GRANT_UNLOADING)
		return 0;
	g->ready = p;
	g->state = GRANT_READY;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_LOAD, g->id, &who);
	jsonw_kv_str(&rec.w, "result", "ready");
	audit_record_str(&rec, "device", p.device, sizeof p.device);
	audit_record_str(&rec, "driver", p.driver, sizeof p.driver);
	jsonw_kv_hex(&rec.w, "kernel_set", p.kernel_set, sizeof p.kernel_set);
	jsonw_kv_u64(&rec.w, "numerics", p.numerics);
	jsonw_kv_str(&rec.w, "kv_mode", gate_kv_name(p.kv_mode));
	jsonw_kv_u64(&rec.w, "ctx_tokens", p.ctx_tokens);
	jsonw_kv_u64(&rec.w, "n_vocab", p.n_vocab);
	jsonw_kv_u64(&rec.w, "weight_bytes", p.weight_bytes);
	jsonw_kv_u64(&rec.w, "kv_bytes", p.kv_bytes);
	jsonw_kv_u64(&rec.w, "work_bytes", p.work_bytes);
	jsonw_kv_u64(&rec.w, "load_ns", p.load_ns);
	if (audit_log_append(k->log, &rec, NULL))
		return 0;
	gate_loaded(k, g);
	return 0;
}

/* Path of a file of the model, from its stored segment table; "" when that cannot be read. */
static void path_of(struct keepd *k, const struct grant *g, u32 file, char out[PATH_LEN_MAX + 1])
{
	_cleanup_fd_ int fd = -1;
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	struct segments seg;
	const char *why;
	out[0] = 0;
	if (audit_store_open_file(&k->store, g->model, "segments", &fd) ||
		fd_read_file(fd, LAYOUT_BYTES_MAX, &data, &len) || segments_open(data, len, &seg, &why) ||
		file >= seg.h->n_files)
		return;
	memcpy(out, seg.files[file].path, PATH_LEN_MAX + 1);
}

/* Grants that nobody uses make room. The number of those. */
static u32 unload_idle(struct keepd *k, struct conn *c)
{
	u32 n = 0;
	for (struct grant *g = k->grants; g; g = g->next) {
		if (g->state == GRANT_UNLOADING)
			n++;
		const struct grant *d = g->state == GRANT_READY ? gate_draft_of(k, g) : NULL;
		bool awaited = d && d->state != GRANT_READY; /* by whoever asked for both */
		if (g->state != GRANT_READY || g->n_sessions || awaited)
			continue;
		g->state = GRANT_UNLOADING;
		conn_send(c, GATE_UNLOAD, g->id, NULL, 0, NULL);
		n++;
	}
	return n;
}

static const char *load_reason_name(u32 reason)
{
	static const char *const names[] = { [LOAD_SEGMENT] = "segment",
		[LOAD_LAYOUT] = "layout",
		[LOAD_MEMORY] = "memory",
		[LOAD_IO] = "io",
		[LOAD_DEVICE] = "device",
		[LOAD_UNSUPPORTED] = "unsupported" };
	return reason < ARRAY_LEN(names) ? names[reason] : NULL;
}

static void record_failed(
	struct conn *c, const struct grant *g, const struct proto_load_failed *p, const char *path)
{
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(c->k->log, &rec, EVENT_LOAD, g->id, &who);
	jsonw_kv_str(&rec.w, "result", "failed");
	jsonw_kv_str(&rec.w, "reason", load_reason_name(p->reason));
	audit_record_str(&rec, "text", p->text, sizeof p->text);
	if (p->file != LAYOUT_NONE) {
		jsonw_kv_u64(&rec.w, "file", p->file);
		audit_record_str(&rec, "path", path, PATH_LEN_MAX);
		jsonw_kv_u64(&rec.w, "offset", p->offset);
	}
	int r = audit_log_append(c->k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

static int on_load_failed(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct keepd *k = c->k;
	struct proto_load_failed p;
	char path[PATH_LEN_MAX + 1] = "";
	memcpy(&p, f->body, sizeof p);
	struct grant *g = gate_grant_by_id(k, f->h.id);
	const struct model_row *m = g ? audit_model_by_digest(&k->state, g->model) : NULL;
	if (!m || g->state == GRANT_READY || !load_reason_name(p.reason) ||
		!bytes_str_ok(p.text, sizeof p.text) || (p.file != LAYOUT_NONE && p.file >= m->n_files))
		return -EPROTO;
	if (g->state == GRANT_UNLOADING) /* UNLOADED follows */
		return 0;
	if (p.file != LAYOUT_NONE)
		path_of(k, g, p.file, path);
	record_failed(c, g, &p, path);
	if (audit_log_failed(k->log))
		return 0;
	if (p.reason == LOAD_MEMORY && !g->retried && unload_idle(k, c)) {
		g->retried = true;
		g->state = GRANT_QUEUED;
		fd_close(&g->layout);
		return 0;
	}
	gate_load_over(k, g, END_REFUSED, "model %s: %.180s", g->name, p.text);
	struct quarantine q = { .model = m->digest,
		.why = "not the bytes that were accepted",
		.path = path,
		.file = p.file,
		.offset = p.offset };
	bool wrong = p.reason == LOAD_SEGMENT;
	gate_grant_free(k, g);
	if (wrong)
		model_quarantine(k, &q);
	return 0;
}

/* Queued grants start when no other is still unloading. */
static void load_queued(struct keepd *k)
{
	for (struct grant *g = k->grants; g; g = g->next)
		if (g->state == GRANT_UNLOADING)
			return;
	for (struct grant *g = k->grants, *next; g; g = next) {
		next = g->next;
		if (g->state != GRANT_QUEUED)
			continue;
		const struct model_row *m = audit_model_by_digest(&k->state, g->model);
		if (m && m->status == MODEL_ACCEPTED && m->stored) {
			gate_load(g, k);
			continue;
		}
		gate_load_over(k, g, END_REFUSED, "model %s: is no longer served", g->name);
		gate_grant_free(k, g);
	}
}

static int on_unloaded(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct keepd *k = c->k;
	struct grant *g = gate_grant_by_id(k, f->h.id);
	if (!g || g->state != GRANT_UNLOADING || g->n_sessions)
		return -EPROTO;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_UNLOAD, INTENT_NONE, &who);
	jsonw_kv_u64(&rec.w, "grant", g->id);
	jsonw_kv_hex(&rec.w, "model", g->model, sizeof g->model);
	jsonw_kv_str(&rec.w, "why", "its memory has been overwritten");
	if (audit_log_append(k->log, &rec, NULL))
		return 0;
	gate_grant_free(k, g);
	load_queued(k);
	return 0;
}

/* ---- outcomes ---- */

static const char *finish_name(u32 finish)
{
	static const char *const names[] = { [FINISH_STOP] = "stop",
		[FINISH_STRING] = "string",
		[FINISH_LENGTH] = "length",
		[FINISH_CANCELLED] = "cancelled",
		[FINISH_REVOKED] = "revoked",
		[FINISH_REFUSED] = "refused",
		[FINISH_ERROR] = "error",
		[FINISH_SPENT] = "spent" };
	return finish < ARRAY_LEN(names) ? names[finish] : NULL;
}

struct original {
	u64 of;
	const u8 *tokens;
	bool found, equal;
};

static int on_original(void *arg, u64 index, const char *line, size_t len)
{
	struct original *o = arg;
	struct audit_record_head h;
	o->found = audit_record_head(line, len, &h) == 0 && h.event == EVENT_OUTCOME && h.intent == o->of;
	o->equal = o->found && audit_record_has_hex(line, len, "tokens", o->tokens, SHA256_BYTES);
	return 1;
}

/* "replay":{"of":N,"tokens_equal":true|false|null}: null where the original has no outcome to compare with. */
static void put_replay(struct keepd *k, struct jsonw *w, const struct ticket *t, const u8 *tokens)
{
	u64 of = t->replay_of;
	u8 shown[SHA256_BYTES];
	struct original o = { .of = of, .tokens = shown };
	content_shown(&(struct exchange){ t->exchange.texts, t->exchange.subject, of }, tokens, shown);
	u64 index;
	if (audit_log_answer(k->log, of, &index) == 0 &&
		audit_log_lines(k->log, index, 1, on_original, &o) < 0)
		o.found = false;
	jsonw_key(w, "replay");
	jsonw_object(w);
	jsonw_kv_u64(w, "of", of);
	jsonw_key(w, "tokens_equal");
	if (o.found)
		jsonw_bool(w, o.equal);
	else
		jsonw_null(w);
	jsonw_object_end(w);
}

static struct ticket *ticket_of(struct keepd *k, u64 session, u64 request)
{
	for (struct ticket *t = k->tickets; t; t = t->next)
		if (t->request == request && t->session->id == session)
			return t;
	return NULL;
}

static void put_shown(
	struct jsonw *w, const char *key, const struct exchange *x, const u8 digest[SHA256_BYTES])
{
	u8 shown[SHA256_BYTES];
	content_shown(x, digest, shown);
	jsonw_kv_hex(w, key, shown, sizeof shown);
}

static int on_answer(void *conn, struct ipc_frame *f)
{
	return content_answer_frame(conn, f);
}

static bool begun(const struct proto_outcome *p)
{
	return p->finish != FINISH_REFUSED && p->finish != FINISH_SPENT;
}

/* The tokens that count against a quota. */
static u64 outcome_used(const struct proto_outcome *p)
{
	return begun(p) ? (u64)p->n_prompt + p->n_generated : 0;
}

/* May this be said of that ticket? */
static bool outcome_fits(const struct proto_outcome *p, const struct ticket *t)
{
	bool ran = begun(p) && p->finish != FINISH_ERROR;
	return finish_name(p->finish) && bytes_str_ok(p->device, sizeof p->device) &&
	       bytes_str_ok(p->why, sizeof p->why) && p->kv_mode <= KV_INT8 && p->stop_string <= STOPS_MAX &&
	       (p->stop_string != 0) == (p->finish == FINISH_STRING) && p->n_accepted <= p->n_drafted &&
	       p->n_accepted <= p->n_generated && p->n_model_drafted <= p->n_drafted &&
	       p->n_model_accepted <= p->n_model_drafted && p->n_model_accepted <= p->n_accepted &&
	       (!ran || memcmp(p->request, t->digest, sizeof p->request) == 0) &&
	       (!t->charge.reserved || outcome_used(p) <= t->charge.reserved) &&
	       !content_answer_wrong(t, p->text);
}

static void put_outcome(
	struct keepd *k, struct audit_record *rec, const struct ticket *t, const struct proto_outcome *p)
{
	struct jsonw *w = &rec->w;
	jsonw_kv_u64(w, "session", p->session);
	jsonw_kv_u64(w, "request", t->request);
	jsonw_kv_str(w, "finish", finish_name(p->finish));
	jsonw_kv_u64(w, "n_prompt", p->n_prompt);
	jsonw_kv_u64(w, "n_cached", p->n_cached);
	jsonw_kv_u64(w, "n_generated", p->n_generated);
	jsonw_kv_str(w, "kv_mode", gate_kv_name(p->kv_mode));
	jsonw_kv_u64(w, "seed", p->seed);
	jsonw_kv_u64(w, "numerics", p->numerics);
	jsonw_kv_u64(w, "prompt_ns", p->prompt_ns);
	jsonw_kv_u64(w, "generate_ns", p->generate_ns);
	put_shown(w, "digest", &t->exchange, t->digest);
	put_shown(w, "tokens", &t->exchange, p->tokens);
	put_shown(w, "text", &t->exchange, p->text);
	jsonw_kv_hex(w, "kernel_set", p->kernel_set, sizeof p->kernel_set);
	audit_record_str(rec, "device", p->device, sizeof p->device);
	audit_record_str(rec, "why", p->why, sizeof p->why);
	if (t->replay_of != REPLAY_NONE)
		put_replay(k, w, t, p->tokens);
}

static void count_outcome(struct keepd *k, struct grant *g, const struct proto_outcome *p)
{
	k->totals.prompt += p->n_prompt;
	k->totals.cached += p->n_cached;
	k->totals.generated += p->n_generated;
	k->totals.prompt_ns += p->prompt_ns;
	k->totals.generate_ns += p->generate_ns;
	k->totals.drafted += p->n_drafted;
	k->totals.accepted += p->n_accepted;
	k->totals.model_drafted += p->n_model_drafted;
	k->totals.model_accepted += p->n_model_accepted;
	k->totals.aside += p->n_aside;
	g->drafted += p->n_drafted;
	g->accepted += p->n_accepted;
	g->model_drafted += p->n_model_drafted;
	g->model_accepted += p->n_model_accepted;
}

static int on_outcome(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct keepd *k = c->k;
	struct proto_outcome p;
	memcpy(&p, f->body, sizeof p);
	struct ticket *t = ticket_of(k, p.session, f->h.id);
	if (!t || !outcome_fits(&p, t))
		return -EPROTO;
	bool kept = content_answer_kept(k, t);
	static struct audit_record rec; /* too large to be cleared for each outcome */
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_OUTCOME, t->intent, &who);
	put_outcome(k, &rec, t, &p);
	/* ids of a prompt that was only counted are not charged */
	u64 used = t->charge.reserved ? outcome_used(&p) : 0;
	quota_put(&rec, &t->charge, &used);
	content_fields(&t->exchange, &rec, false, kept);
	if (audit_log_append(k->log, &rec, NULL))
		return 0;
	if (kept)
		content_keep(k, &t->exchange, rec.index, t->answer.data, t->answer.len);
	quota_settle(&t->charge, used);
	count_outcome(k, t->session->grant, &p);
	gate_ticket_free(k, t);
	return 0;
}

static int on_planned(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct proto_plan p;
	memcpy(&p, f->body, sizeof p);
	return gate_planned(c->k, f->h.id, &p);
}

static int on_busy(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	struct proto_busy p;
	memcpy(&p, f->body, sizeof p);
	return busy_said(c->k, f->h.id, &p);
}

static const struct ipc_rule rules[] = {
	{ GATE_LOADING, RUNTIME_ON, sizeof(struct proto_progress), false, false, on_loading },
	{ GATE_READY, RUNTIME_ON, sizeof(struct proto_ready), false, false, on_ready },
	{ GATE_LOAD_FAILED, RUNTIME_ON, sizeof(struct proto_load_failed), false, false, on_load_failed },
	{ GATE_ANSWER, RUNTIME_ON, sizeof(struct proto_answer), true, false, on_answer },
	{ GATE_OUTCOME, RUNTIME_ON, sizeof(struct proto_outcome), false, false, on_outcome },
	{ GATE_UNLOADED, RUNTIME_ON, 0, false, false, on_unloaded },
	{ GATE_PLANNED, RUNTIME_ON, sizeof(struct proto_plan), false, false, on_planned },
	{ GATE_BUSY, RUNTIME_ON, sizeof(struct proto_busy), false, false, on_busy },
};

int runtime_frame(struct conn *c, struct ipc_frame *f)
{
	const struct ipc_rule *r = ipc_match(rules, ARRAY_LEN(rules), c->state, &c->seen, f);
	return r ? r->handler(c, f) : -EPROTO;
}

/* ---- loss ---- */

static void lost(struct keepd *k, u64 intent, const char *of, const char *why)
{
	struct audit_record rec;
	struct audit_actor self = keepd_self(k);
	audit_log_record(k->log, &rec, EVENT_ORPHAN, intent, &self);
	jsonw_kv_str(&rec.w, "of", of);
	jsonw_kv_str(&rec.w, "why", why);
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

/* Everything that ran there is over: intents get their answer, sessions end, grants are gone. */
void runtime_closed(struct conn *c)
{
	struct keepd *k = c->k;
	u32 n_grants = 0;
	k->runtime = NULL;
	gate_plans_lost(k, "keep-runtime ended before it had answered");
	if (audit_log_failed(k->log))
		return;
	for (const struct grant *g = k->grants; g; g = g->next)
		n_grants++;
	if (k->stopping && !k->tickets) { /* both were told to end, and it was quicker */
		gate_shut(k);
		return;
	}
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_RUNTIME_LOST, INTENT_NONE, &who);
	audit_record_str(&rec, "why", c->why, sizeof c->why);
	jsonw_kv_u64(&rec.w, "requests", k->n_tickets);
	jsonw_kv_u64(&rec.w, "sessions", k->n_sessions);
	jsonw_kv_u64(&rec.w, "grants", n_grants);
	int r = audit_log_append(k->log, &rec, NULL);
	while (!r && k->tickets && !audit_log_failed(k->log)) {
		lost(k, k->tickets->intent, "request", "runtime-lost");
		gate_ticket_free(k, k->tickets);
	}
	for (struct session *s = k->sessions, *next; s && !audit_log_failed(k->log); s = next) {
		next = s->next;
		gate_session_end(s, "runtime-lost");
		gate_session_free(k, s);
	}
	for (struct grant *g = k->grants, *next; g && !audit_log_failed(k->log); g = next) {
		next = g->next;
		if (g->state == GRANT_LOADING)
			lost(k, g->id, "grant", "runtime-lost");
		gate_load_over(
			k, g, END_REFUSED, "model %s: keep-runtime ended while it was loading", g->name);
		gate_grant_free(k, g);
	}
}
