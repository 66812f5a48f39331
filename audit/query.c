/* Questions: everything is answered with JSON lines in a sealed memory file. */
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int query_answer(struct conn *c, u64 id, struct jsonw *w)
{
	int r = w->full ? err_origin(-ENOMEM) : client_data(c, id, w->buf, w->len);
	if (r)
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "answer: %s", strerror(-r));
	else
		client_end(c, id, END_DONE, UINT64_MAX, "%s", "");
	jsonw_fini(w);
	return 0;
}

/* ---- status ---- */

static const char *grant_state_name(enum grant_state s)
{
	static const char *const names[] = { "queued", "loading", "ready", "unloading" };
	return names[s];
}

/* Sessions of a grant that this client may know of: its own, or all. */
static u32 sessions_of(const struct conn *c, const struct grant *g, bool all)
{
	u32 n = 0;
	for (const struct session *s = c->k->sessions; s; s = s->next)
		n += s->grant == g && s->client && (all || s->client->peer.uid == c->peer.uid);
	return n;
}

static struct busy busy_of(const struct keepd *k, const struct grant *g)
{
	struct busy b = { 0 };
	for (const struct session *s = k->sessions; s; s = s->next)
		if (s->grant == g)
			busy_add(s, &b);
	return b;
}

/* busy: what it does and did for everybody is said too. */
static void put_grant(struct jsonw *w, const struct grant *g, u32 sessions, const struct busy *busy)
{
	jsonw_object(w);
	jsonw_kv_u64(w, "grant", g->id);
	jsonw_kv_str(w, "name", g->name);
	jsonw_kv_hex(w, "model", g->model, sizeof g->model);
	jsonw_kv_str(w, "state", grant_state_name(g->state));
	jsonw_kv_str(w, "device", g->ready.device);
	jsonw_kv_str(w, "driver", g->ready.driver);
	jsonw_kv_hex(w, "kernel_set", g->ready.kernel_set, sizeof g->ready.kernel_set);
	jsonw_kv_u64(w, "numerics", g->ready.numerics);
	jsonw_kv_str(w, "kv_mode", gate_kv_name(g->state == GRANT_READY ? g->ready.kv_mode : g->want_kv));
	jsonw_kv_u64(w, "ctx_tokens", g->state == GRANT_READY ? g->ready.ctx_tokens : g->want_ctx);
	jsonw_kv_u64(w, "weight_bytes", g->ready.weight_bytes);
	jsonw_kv_u64(w, "kv_bytes", g->ready.kv_bytes);
	jsonw_kv_u64(w, "work_bytes", g->ready.work_bytes);
	jsonw_kv_u64(w, "load_ns", g->ready.load_ns);
	jsonw_kv_u64(w, "sessions", sessions);
	jsonw_kv_u64(w, "drafts_for", g->drafts && g->target ? g->target->id : 0);
	if (busy) {
		jsonw_kv_u64(w, "drafted_tokens", g->drafted);
		jsonw_kv_u64(w, "accepted_tokens", g->accepted);
		jsonw_kv_u64(w, "model_drafted_tokens", g->model_drafted);
		jsonw_kv_u64(w, "model_accepted_tokens", g->model_accepted);
		busy_put(busy, w);
	}
	jsonw_object_end(w);
}

static void put_session(struct jsonw *w, const struct session *s)
{
	char who[NAME_LEN_MAX + 8];
	struct busy busy = { 0 };
	snprintf(who, sizeof who, "uid:%u", s->actor.uid);
	jsonw_object(w);
	jsonw_kv_u64(w, "session", s->id);
	jsonw_kv_u64(w, "grant", s->grant->id);
	jsonw_kv_str(w, "name", s->grant->name);
	jsonw_kv_str(w, "principal", s->who.name[0] ? s->who.name : who);
	jsonw_kv_u64(w, "uid", s->actor.uid);
	jsonw_kv_u64(w, "pid", s->actor.pid);
	jsonw_kv_u64(w, "requests_open", s->n_open);
	busy_add(s, &busy);
	busy_put(&busy, w);
	jsonw_object_end(w);
}

static u32 stored_models(const struct audit_state *s)
{
	u32 n = 0;
	for (u32 i = 0; i < s->n_models; i++)
		n += s->models[i].stored;
	return n;
}

static void put_clock(struct jsonw *w, const struct keepd *k)
{
	struct clock_reading now = audit_clock_read(audit_log_boot(k->log));
	bool by_wall;
	jsonw_key(w, "clock");
	jsonw_object(w);
	jsonw_kv_u64(w, "judged_s", audit_clock_judged(&k->state.clock, &now, &by_wall));
	jsonw_kv_str(w, "by", by_wall ? "wall" : "floor");
	jsonw_kv_u64(w, "floor_s", audit_clock_floor(&k->state.clock, &now) / 1000000000u);
	jsonw_kv_str(w, "source", audit_clock_source(k->state.clock.source));
	jsonw_kv_u64(w, "wall_s", now.wall_ns / 1000000000u);
	jsonw_kv_u64(w, "behind_s", audit_clock_behind(&k->state.clock, &now));
	jsonw_object_end(w);
}

/* Who watches the machine is told what it does for all; a user only what it does for him. */
static void put_totals(struct jsonw *w, const struct keepd *k)
{
	jsonw_key(w, "totals");
	jsonw_object(w);
	jsonw_kv_u64(w, "requests", k->totals.requests);
	jsonw_kv_u64(w, "spent", k->totals.spent);
	jsonw_kv_u64(w, "prompt_tokens", k->totals.prompt);
	jsonw_kv_u64(w, "cached_tokens", k->totals.cached);
	jsonw_kv_u64(w, "generated_tokens", k->totals.generated);
	jsonw_kv_u64(w, "drafted_tokens", k->totals.drafted);
	jsonw_kv_u64(w, "accepted_tokens", k->totals.accepted);
	jsonw_kv_u64(w, "model_drafted_tokens", k->totals.model_drafted);
	jsonw_kv_u64(w, "model_accepted_tokens", k->totals.model_accepted);
	jsonw_kv_u64(w, "set_aside", k->totals.aside);
	jsonw_kv_u64(w, "prompt_ns", k->totals.prompt_ns);
	jsonw_kv_u64(w, "generate_ns", k->totals.generate_ns);
	jsonw_kv_u64(w, "sync_ns", k->pace.sync_ns);
	jsonw_object_end(w);
}

/* Of all sessions, or of the user's own. */
static void put_busy(struct jsonw *w, const struct conn *c, bool all)
{
	struct busy busy = { 0 };
	for (const struct session *s = c->k->sessions; s; s = s->next)
		if (all || (s->client && s->client->peer.uid == c->peer.uid))
			busy_add(s, &busy);
	jsonw_kv_u64(w, "requests_open", busy.open);
	busy_put(&busy, w);
}

static void put_gate(struct jsonw *w, const struct keepd *k)
{
	const char *why = audit_log_failed(k->log);
	struct merkle_hash root = audit_log_root(k->log);
	jsonw_kv_str(w, "version", KEEPD_VERSION);
	jsonw_kv_u64(w, "pid", (u64)getpid());
	jsonw_kv_u64(w, "uptime_s", (keepd_now_ns() - k->started_ns) / 1000000000u);
	jsonw_kv_bool(w, "single_user", k->single_user);
	jsonw_kv_str(w, "gate", why ? "shut" : "open");
	jsonw_kv_str(w, "why", why ? why : "");
	jsonw_kv_str(w, "origin", audit_log_key(k->log)->name);
	jsonw_kv_u64(w, "log_size", audit_log_size(k->log));
	jsonw_kv_u64(w, "log_unread", audit_log_unread(k->log));
	jsonw_kv_hex(w, "log_root", root.b, sizeof root.b);
}

static void put_stored(struct jsonw *w, const struct keepd *k)
{
	jsonw_kv_u64(w, "pending", k->state.n_pending);
	jsonw_kv_u64(w, "trusted_keys", k->state.n_trust);
	jsonw_kv_u64(w, "models", stored_models(&k->state));
	jsonw_kv_hex(w, "policy", k->state.policy.digest, k->state.policy.bytes ? SHA256_BYTES : 0);
	put_clock(w, k);
	jsonw_kv_bool(w, "importing", k->import != NULL);
	jsonw_kv_bool(w, "runtime", k->runtime != NULL);
}

/* A user sees the grants, and of the sessions his own. */
static void put_serving(struct jsonw *w, const struct conn *c, bool staff, bool all)
{
	const struct keepd *k = c->k;
	jsonw_key(w, "grants");
	jsonw_array(w);
	for (const struct grant *g = k->grants; g; g = g->next) {
		struct busy busy = busy_of(k, g);
		put_grant(w, g, sessions_of(c, g, staff), all ? &busy : NULL);
	}
	jsonw_array_end(w);
	jsonw_key(w, "sessions");
	jsonw_array(w);
	for (const struct session *s = k->sessions; s; s = s->next)
		if (s->client && (staff || s->client->peer.uid == c->peer.uid))
			put_session(w, s);
	jsonw_array_end(w);
}

static int status(struct conn *c, u64 id)
{
	struct keepd *k = c->k;
	struct jsonw w;
	bool staff = role_reads(c) & ROLE_STAFF, all = staff || role_speaks_for_others(c);
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	put_gate(&w, k);
	witness_status(k, &w);
	reserve_status(k, &w);
	tls_status(k, &w);
	put_stored(&w, k);
	put_busy(&w, c, all);
	if (all)
		put_totals(&w, k);
	put_serving(&w, c, staff, all);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

/* ---- trust and models ---- */

static int trust(struct conn *c, u64 id)
{
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	for (u32 i = 0; i < c->k->state.n_trust; i++) {
		const struct trust_row *t = &c->k->state.trust[i];
		static const char *const kinds[] = { "", "key", "root", "crl", "tsa", "sigstore" };
		const struct proto_identity *pin = &t->identity;
		static const u8 zero[SHA256_BYTES];
		jsonw_object(&w);
		jsonw_kv_str(&w, "name", t->name);
		jsonw_kv_str(&w, "kind", kinds[t->kind]);
		jsonw_kv_hex(&w, "key_id", t->key_id, sizeof t->key_id);
		jsonw_kv_u64(&w, "curve_bits", t->curve_bits);
		jsonw_kv_u64(&w, "bytes", t->bytes);
		jsonw_kv_str(&w, "models", t->models);
		jsonw_kv_str(&w, "serves", t->serves);
		jsonw_kv_hex(&w, "leaf", pin->leaf, memcmp(pin->leaf, zero, sizeof zero) ? sizeof zero : 0);
		jsonw_kv_str(&w, "identity", pin->san);
		jsonw_kv_str(&w, "provider", pin->provider);
		jsonw_kv_str(&w, "issuer", pin->issuer);
		jsonw_kv_str(&w, "policy_oid", pin->policy_oid);
		jsonw_kv_u64(&w, "index", t->index);
		jsonw_kv_hex(&w, "der", t->der, t->der_len);
		jsonw_object_end(&w);
		jsonw_newline(&w);
	}
	return query_answer(c, id, &w);
}

/* The policy's text as it was set; "" where none was: whoever prints it knows the default. */
static int policy(struct conn *c, u64 id)
{
	const struct policy_row *p = &c->k->state.policy;
	_cleanup_free_ u8 *text = NULL;
	size_t len = 0;
	struct jsonw w;
	int r = p->bytes ? audit_log_blob(c->k->log, p->digest, &text, &len) : 0;
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "policy: %s",
			r < 0 ? strerror(-r) : "its text is not the one that was set");
		return 0;
	}
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	jsonw_kv_bool(&w, "set", p->bytes > 0);
	jsonw_kv_hex(&w, "policy", p->digest, p->bytes ? sizeof p->digest : 0);
	jsonw_kv_u64(&w, "index", p->index);
	jsonw_key(&w, "text");
	jsonw_strn(&w, text ? text : (const u8 *)"", len);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

static u32 grants_of(const struct keepd *k, const u8 *model)
{
	u32 n = 0;
	for (const struct grant *g = k->grants; g; g = g->next)
		n += memcmp(g->model, model, MODEL_DIGEST_BYTES) == 0;
	return n;
}

static void put_model(struct jsonw *w, const struct keepd *k, const struct model_row *m)
{
	jsonw_kv_str(w, "name", m->name);
	jsonw_kv_hex(w, "model", m->digest, sizeof m->digest);
	jsonw_kv_str(w, "status", audit_model_status(m->status));
	jsonw_kv_bool(w, "stored", m->stored);
	jsonw_kv_u64(w, "bytes", m->bytes);
	jsonw_kv_u64(w, "n_files", m->n_files);
	jsonw_kv_str(w, "signer", m->signer);
	jsonw_kv_hex(w, "key_id", m->key_id, sizeof m->key_id);
	jsonw_kv_u64(w, "index", m->index);
	jsonw_kv_u64(w, "changed", m->changed);
	jsonw_kv_str(w, "reason", m->reason);
	jsonw_kv_u64(w, "used_s", m->used_s);
	jsonw_kv_u64(w, "grants", grants_of(k, m->digest));
	jsonw_kv_u64(w, "sessions", gate_sessions_of(k, m->digest));
}

/* Whoever is no staff sees the models that the quotas let him have; and so does staff that asks for a principal, but for the console. */
static int models(struct conn *c, u64 id, bool console)
{
	bool all = console && (role_reads(c) & ROLE_STAFF);
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	for (u32 i = 0; i < c->k->state.n_models; i++) {
		if (!all && !quota_shows_model(c, c->k->state.models[i].name))
			continue;
		jsonw_object(&w);
		put_model(&w, c->k, &c->k->state.models[i]);
		jsonw_object_end(&w);
		jsonw_newline(&w);
	}
	return query_answer(c, id, &w);
}

/* The files of a model, from its stored segment table, if that is still the recorded one. */
static void put_files(struct jsonw *w, const struct keepd *k, const struct model_row *m)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	u8 digest[SHA256_BYTES];
	struct segments seg;
	const char *why;
	if (audit_store_open_file(&k->store, m->digest, "segments", &fd) ||
		fd_read_file(fd, LAYOUT_BYTES_MAX, &data, &len))
		return;
	sha256_of(data, len, digest);
	if (memcmp(digest, m->segments, sizeof digest) != 0 || segments_open(data, len, &seg, &why))
		return;
	for (u32 i = 0; i < seg.h->n_files; i++) {
		jsonw_object(w);
		jsonw_kv_str(w, "path", seg.files[i].path);
		jsonw_kv_u64(w, "bytes", seg.files[i].bytes);
		jsonw_kv_hex(w, "sha256", seg.files[i].digest, SHA256_BYTES);
		jsonw_object_end(w);
	}
}

static int model(struct conn *c, u64 id, const char *name)
{
	const struct model_row *m = audit_model_find(&c->k->state, name);
	if (!m) {
		client_end(c, id, END_REFUSED, UINT64_MAX, "model %s: there is none", name);
		return 0;
	}
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	put_model(&w, c->k, m);
	jsonw_kv_hex(&w, "bundle", m->bundle, sizeof m->bundle);
	jsonw_kv_hex(&w, "segments", m->segments, sizeof m->segments);
	jsonw_kv_hex(&w, "layout", m->layout, sizeof m->layout);
	jsonw_kv_u64(&w, "bundles", m->n_bundles);
	jsonw_kv_u64(&w, "sequence", m->sequence);
	jsonw_kv_hex(&w, "policy", m->policy, sizeof m->policy);
	jsonw_key(&w, "files");
	jsonw_array(&w);
	put_files(&w, c->k, m);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

int query_frame(struct conn *c, struct ipc_frame *f)
{
	const struct proto_query *q = (const void *)f->body;
	if (q->reserved || !bytes_str_ok(q->name, sizeof q->name))
		return -EPROTO;
	switch (q->what) {
	case QUERY_STATUS:
		return status(c, f->h.id);
	case QUERY_TRUST:
		return trust(c, f->h.id);
	case QUERY_MODELS:
		return models(c, f->h.id, q->count == 1);
	case QUERY_MODEL:
		return model(c, f->h.id, q->name);
	case QUERY_POLICY:
		return policy(c, f->h.id);
	case QUERY_QUOTA:
	case QUERY_USAGE:
		return quota_query(c, q, f->h.id);
	case QUERY_CLIENTS:
		return clients_answer(c, f->h.id, q->first);
	case QUERY_ACCESS:
	case QUERY_ROLES:
	case QUERY_PENDING:
	case QUERY_EVENTS:
		return query_people(c, q, f->h.id);
	default:
		return query_log(c, q, f->h.id);
	}
}
