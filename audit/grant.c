/* What goes to the runtime of a stored model: a grant with all its files, or a plan with its layout alone. A grant is made by a record and known
 * by that record's index; who waits for its load waits in its connection (gate.c). */
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *gate_kv_name(u32 kv_mode)
{
	static const char *const names[] = {
		[KV_DEFAULT] = "default", [KV_F32] = "f32", [KV_F16] = "f16", [KV_INT8] = "int8"
	};
	return names[kv_mode < ARRAY_LEN(names) ? kv_mode : KV_DEFAULT];
}

struct grant *gate_grant_by_id(struct keepd *k, u64 id)
{
	for (struct grant *g = k->grants; g; g = g->next)
		if (g->id == id && g->state != GRANT_QUEUED)
			return g;
	return NULL;
}

void gate_grant_free(struct keepd *k, struct grant *g)
{
	for (struct grant **p = &k->grants; *p; p = &(*p)->next) {
		if (*p != g)
			continue;
		*p = g->next;
		break;
	}
	assert(g->n_sessions == 0);
	for (struct grant *d = k->grants; d; d = d->next)
		d->target = d->target == g ? NULL : d->target;
	fd_close(&g->layout);
	free(g);
}

/* The default is a mode of its own: which one it means depends on the model. */
static bool serves(const struct grant *g, const u8 *model, const struct proto_session_want *want)
{
	bool ready = g->state == GRANT_READY;
	if (g->drafts || g->state == GRANT_UNLOADING || memcmp(g->model, model, MODEL_DIGEST_BYTES) != 0)
		return false;
	bool kv =
		g->want_kv == want->kv_mode || (ready && want->kv_mode && g->ready.kv_mode == want->kv_mode);
	bool ctx = g->want_ctx == want->ctx_tokens ||
		   (ready && want->ctx_tokens && g->ready.ctx_tokens == want->ctx_tokens);
	return kv && ctx;
}

struct grant *gate_grant_for(struct keepd *k, const u8 *model, const struct proto_session_want *want)
{
	struct grant *g = k->grants;
	while (g && !serves(g, model, want))
		g = g->next;
	return g;
}

struct grant *gate_grant_new(struct conn *c, const struct model_row *m, const struct proto_session_want *want)
{
	struct grant *g = calloc(1, sizeof *g);
	if (!g)
		return NULL;
	memcpy(g->model, m->digest, sizeof g->model);
	memcpy(g->name, m->name, sizeof g->name);
	g->want_kv = want->kv_mode;
	g->want_ctx = want->ctx_tokens;
	g->layout = -1;
	g->state = GRANT_QUEUED;
	g->actor = conn_actor(c);
	g->next = c->k->grants;
	c->k->grants = g;
	return g;
}

/* ---- draft models ---- */

struct grant *gate_draft_of(const struct keepd *k, const struct grant *g)
{
	struct grant *d = k->grants;
	while (d && (d->target != g || d->state == GRANT_UNLOADING))
		d = d->next;
	return d;
}

void gate_draft_for(struct conn *c, struct grant *g, const struct model_row *m)
{
	static const struct proto_session_want usual;
	struct grant *d = gate_grant_new(c, m, &usual);
	if (!d) {
		client_done(c, END_UNDECIDED, UINT64_MAX, "grant: %s", strerror(ENOMEM));
		return;
	}
	d->drafts = true;
	d->target = g;
	c->grant = d;
	gate_load(d, c->k);
}

/* ---- who may have it, and where it goes ---- */

int gate_runtime(struct keepd *k)
{
	int fd = -1;
	if (k->runtime)
		return 0;
	int r = ipc_connect(k->run_dir, "runtime.sock", &fd);
	if (r)
		return r;
	k->runtime = conn_add(k, CONN_RUNTIME, &fd, RUNTIME_ON);
	return k->runtime ? 0 : err_origin(-ENOMEM);
}

const struct model_row *gate_usable(struct conn *c, u64 id, const char *name)
{
	const struct model_row *m = audit_model_find(&c->k->state, name);
	if (!m)
		client_end(c, id, END_REFUSED, UINT64_MAX, "model %s: there is none", name);
	else if (m->status != MODEL_ACCEPTED || !m->stored)
		client_end(c, id, END_REFUSED, m->changed, "model %s: was %s (record %" PRIu64 ")%s%.120s",
			m->name, audit_model_status(m->status), m->changed, m->reason[0] ? ": " : "",
			m->reason);
	else if ((c->k->state.policy.two_persons & TWO_SERVE) && !m->approved)
		client_end(c, id, END_REFUSED, m->index,
			"model %s: the policy wants two people to say that it may be served: keep propose "
			"serve %s",
			m->name, m->name);
	else
		return m;
	return NULL;
}

/* ---- a load, from its record on ---- */

/* A stored file of the model, whole, compared with the digest of its acceptance. 0; 1 it is another; -errno. */
static int stored_table(struct keepd *k, const struct model_row *m, const char *name, const u8 *digest,
	int *ret_fd, u64 *ret_len)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	u8 is[SHA256_BYTES];
	int r = audit_store_open_file(&k->store, m->digest, name, &fd);
	if (!r)
		r = fd_read_file(fd, LAYOUT_BYTES_MAX, &data, &len);
	if (r)
		return r;
	sha256_of(data, len, is);
	if (memcmp(is, digest, sizeof is) != 0)
		return 1;
	*ret_len = len;
	return fd_memfd_sealed(name, data, len, ret_fd);
}

/* What a grant hands over, opened whole before the first of it is queued. */
struct handover {
	int segments;
	u32 n;
	int files[MODEL_FILES_MAX];
};

static void handover_fini(struct handover *h)
{
	fd_close(&h->segments);
	for (u32 i = 0; i < h->n; i++)
		fd_close(&h->files[i]);
}

/* 0; 1 a stored table is not the accepted one; -errno; *ret_which says which file. */
static int handover_open(
	struct keepd *k, struct grant *g, const struct model_row *m, struct handover *h, char ret_which[16])
{
	u64 len;
	snprintf(ret_which, 16, "layout");
	int r = stored_table(k, m, "layout", m->layout, &g->layout, &g->layout_len);
	if (r)
		return r;
	snprintf(ret_which, 16, "segments");
	r = stored_table(k, m, "segments", m->segments, &h->segments, &len);
	for (u32 i = 0; !r && i < m->n_files; i++) {
		snprintf(ret_which, 16, "%04u", i);
		r = audit_store_open_file(&k->store, m->digest, ret_which, &h->files[i]);
		h->n += r == 0;
	}
	return r;
}

/* Queue GRANT, SEGMENTS, FILE…, LOAD. */
static int send_grant(struct keepd *k, struct grant *g, const struct model_row *m, char ret_which[16])
{
	_cleanup_(handover_fini) struct handover h = { .segments = -1 };
	int r = handover_open(k, g, m, &h, ret_which);
	if (r)
		return r;
	_cleanup_fd_ int layout = fcntl(g->layout, F_DUPFD_CLOEXEC, 3);
	if (layout < 0)
		return err_errno();
	struct proto_grant p = { .n_files = m->n_files,
		.kv_mode = g->want_kv,
		.ctx_tokens = g->want_ctx,
		.drafts_for = g->drafts ? g->target->id : 0 };
	memcpy(p.model, m->digest, sizeof p.model);
	memcpy(p.segments, m->segments, sizeof p.segments);
	memcpy(p.layout, m->layout, sizeof p.layout);
	conn_send(k->runtime, GATE_GRANT, g->id, &p, sizeof p, &layout);
	conn_send(k->runtime, GATE_SEGMENTS, g->id, NULL, 0, &h.segments);
	for (u32 i = 0; i < h.n; i++) {
		struct proto_index at = { .index = i };
		conn_send(k->runtime, GATE_FILE, g->id, &at, sizeof at, &h.files[i]);
	}
	conn_send(k->runtime, GATE_LOAD, g->id, NULL, 0, NULL);
	return 0;
}

static void record_load_failed(struct keepd *k, const struct grant *g, const char *reason, const char *text)
{
	struct audit_record rec;
	struct audit_actor self = keepd_self(k);
	audit_log_record(k->log, &rec, EVENT_LOAD, g->id, &self);
	jsonw_kv_str(&rec.w, "result", "failed");
	jsonw_kv_str(&rec.w, "reason", reason);
	audit_record_str(&rec, "text", text, REASON_LEN_MAX);
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

/* Whose guesses it would make is there no more. */
static bool without_target(struct grant *g, struct keepd *k)
{
	if (!g->drafts || (g->target && g->target->state == GRANT_READY))
		return false;
	gate_load_over(
		k, g, END_REFUSED, "model %s: the model that it would guess for is loaded no more", g->name);
	gate_grant_free(k, g);
	return true;
}

/* The grant is made now: record, then (behind the commit) the frames. */
void gate_load(struct grant *g, struct keepd *k)
{
	struct model_row *m = audit_model_by_digest(&k->state, g->model);
	struct audit_record rec;
	if (without_target(g, k))
		return;
	audit_log_record(k->log, &rec, EVENT_GRANT, INTENT_NONE, &g->actor);
	jsonw_kv_str(&rec.w, "name", g->name);
	jsonw_kv_hex(&rec.w, "model", g->model, sizeof g->model);
	jsonw_kv_hex(&rec.w, "segments", m->segments, sizeof m->segments);
	jsonw_kv_hex(&rec.w, "layout", m->layout, sizeof m->layout);
	jsonw_kv_str(&rec.w, "kv_mode", gate_kv_name(g->want_kv));
	jsonw_kv_u64(&rec.w, "ctx_tokens", g->want_ctx);
	if (g->drafts)
		jsonw_kv_u64(&rec.w, "drafts_for", g->target->id);
	m->used_s = keepd_judged(k).at_s;
	if (audit_log_append(k->log, &rec, &k->state) || audit_log_put_model(k->log, m))
		return;
	g->id = rec.index;
	g->state = GRANT_LOADING;
	char which[16];
	int r = send_grant(k, g, m, which);
	if (r == 0)
		return;
	char text[REASON_LEN_MAX + 1];
	snprintf(text, sizeof text, "stored %s: %s", which,
		r > 0 ? "not the bytes that were accepted" : strerror(-r));
	record_load_failed(k, g, r > 0 ? "digest" : "io", text);
	gate_load_over(k, g, END_REFUSED, "model %s: %.200s", g->name, text);
	gate_grant_free(k, g);
	if (r > 0)
		model_quarantine(k, &(struct quarantine){ .model = m->digest,
					    .why = "not the bytes that were accepted",
					    .path = which,
					    .file = UINT32_MAX });
}

/* Everybody who waited for the load is told that it failed. */
void gate_load_over(struct keepd *k, struct grant *g, u32 status, const char *fmt, ...)
{
	char text[REASON_LEN_MAX + 1];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (struct conn *c = k->conns; c; c = c->next) {
		if (c->grant != g)
			continue;
		c->grant = NULL;
		client_done(c, status, g->state == GRANT_QUEUED ? UINT64_MAX : g->id, "%s", text);
	}
}

void gate_unload(struct keepd *k, struct grant *g, const char *reason, const char *text)
{
	if (g->state == GRANT_LOADING && !audit_log_failed(k->log))
		record_load_failed(k, g, reason, text);
	g->state = GRANT_UNLOADING;
	if (k->runtime)
		conn_send(k->runtime, GATE_UNLOAD, g->id, NULL, 0, NULL);
	struct grant *d = gate_draft_of(k, g);
	if (!d || d->state == GRANT_QUEUED) /* which finds no target when its turn comes */
		return;
	gate_load_over(k, d, END_REFUSED, "model %s: was %s", g->name, reason);
	gate_unload(k, d, reason, text);
}

/* ---- plans ---- */

/* Queue PLAN. 0; 1 its layout is not the accepted one; -errno. */
static int ask_plan(struct conn *c, const struct model_row *m, const struct proto_session_want *want)
{
	static u64 asked;
	_cleanup_fd_ int layout = -1;
	u64 len;
	int r = stored_table(c->k, m, "layout", m->layout, &layout, &len);
	if (r)
		return r;
	struct proto_grant p = {
		.n_files = m->n_files, .kv_mode = want->kv_mode, .ctx_tokens = want->ctx_tokens
	};
	memcpy(p.model, m->digest, sizeof p.model);
	memcpy(p.segments, m->segments, sizeof p.segments);
	memcpy(p.layout, m->layout, sizeof p.layout);
	c->plan = ++asked;
	conn_send(c->k->runtime, GATE_PLAN, c->plan, &p, sizeof p, &layout);
	return 0;
}

int plan_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_session_want want;
	memcpy(&want, f->body, sizeof want);
	if (!bytes_str_ok(want.name, sizeof want.name) || want.kv_mode > KV_INT8 ||
		want.ctx_tokens > CTX_TOKENS_MAX || want.draft[0]) /* a plan is of one model */
		return -EPROTO;
	const struct model_row *m = gate_usable(c, f->h.id, want.name);
	if (!m)
		return 0;
	int r = gate_runtime(c->k);
	if (r) {
		client_end(c, f->h.id, r > 0 ? END_REFUSED : END_UNDECIDED, UINT64_MAX, "keep-runtime: %s",
			r > 0 ? "nobody listens at runtime.sock" : strerror(-r));
		return 0;
	}
	r = ask_plan(c, m, &want);
	if (r)
		client_end(c, f->h.id, r > 0 ? END_REFUSED : END_UNDECIDED, UINT64_MAX,
			"model %s: its layout %s", m->name,
			r > 0 ? "is not the one that was accepted" : strerror(-r));
	else
		c->state = CLIENT_WAIT;
	return 0;
}

int gate_planned(struct keepd *k, u64 id, const struct proto_plan *p)
{
	struct conn *c = k->conns;
	bool ok = bytes_str_ok(p->text, sizeof p->text) && p->n_parts <= RUNTIME_DEVICES_MAX &&
		  p->n_remedies <= PLAN_REMEDIES_MAX;
	for (u32 i = 0; i < RUNTIME_DEVICES_MAX; i++)
		ok = ok && bytes_str_ok(p->part[i].device, sizeof p->part[i].device);
	if (!ok || !id)
		return -EPROTO;
	while (c && c->plan != id)
		c = c->next;
	if (!c || c->dead)
		return 0; /* who asked is gone */
	c->plan = 0;
	int r = client_data(c, c->cmd_id, p, sizeof *p);
	client_done(c, r ? END_UNDECIDED : END_DONE, UINT64_MAX, "%s", r ? strerror(-r) : "");
	return 0;
}

void gate_plans_lost(struct keepd *k, const char *why)
{
	for (struct conn *c = k->conns; c; c = c->next) {
		if (!c->plan)
			continue;
		c->plan = 0;
		client_done(c, END_UNDECIDED, UINT64_MAX, "%s", why);
	}
}
