/* What may happen to a model in the store: revoked, removed, quarantined. */
#include "audit/dual.h"
#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The model that the frame names, or NULL after END. */
static struct model_row *named(
	struct conn *c, const struct ipc_frame *f, struct proto_name *ret, int *ret_error)
{
	memcpy(ret, f->body, sizeof *ret);
	*ret_error = 0;
	if (!bytes_str_ok(ret->name, sizeof ret->name) || !bytes_str_ok(ret->text, sizeof ret->text)) {
		*ret_error = -EPROTO;
		return NULL;
	}
	if (client_refused(c, f->h.id, 0))
		return NULL;
	struct model_row *m = audit_model_find(&c->k->state, ret->name);
	if (!m)
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "model %s: there is none", ret->name);
	return m;
}

static void set_reason(struct model_row *m, const char *text)
{
	char buf[sizeof m->reason] = "";
	snprintf(buf, sizeof buf, "%s", text);
	memcpy(m->reason, buf, sizeof m->reason);
}

/* The row changes in the record's transaction. */
static int put_changed(struct keepd *k, struct audit_record *rec, struct model_row *m)
{
	m->changed = rec->index;
	int r = audit_log_append(k->log, rec, &k->state);
	return r ? r : audit_log_put_model(k->log, m);
}

int revoke_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_name n;
	int e;
	struct model_row *m = named(c, f, &n, &e);
	if (!m)
		return e;
	if (m->status == MODEL_REVOKED) {
		client_end(c, f->h.id, END_REFUSED, m->changed, "model %s: was revoked by record %" PRIu64,
			m->name, m->changed);
		return 0;
	}
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_REVOKE, INTENT_NONE, &who);
	jsonw_kv_str(&rec.w, "name", m->name);
	jsonw_kv_hex(&rec.w, "model", m->digest, sizeof m->digest);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	jsonw_kv_u64(&rec.w, "sessions", gate_sessions_of(k, m->digest));
	m->status = MODEL_REVOKED;
	set_reason(m, n.text);
	if (put_changed(k, &rec, m))
		return 0;
	u32 stopped = gate_stop_model(k, m->digest, "revoked");
	client_end(c, f->h.id, END_DONE, rec.index, "model %s: revoked; %u sessions were ended", m->name,
		stopped);
	return 0;
}

int remove_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_name n;
	int e;
	struct model_row *m = named(c, f, &n, &e);
	if (!m)
		return e;
	u32 sessions = gate_sessions_of(k, m->digest);
	if (!m->stored || sessions) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX,
			sessions ? "model %s: %u sessions use it" : "model %s: its files are already removed",
			m->name, sessions);
		return 0;
	}
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_MODEL_REMOVE, INTENT_NONE, &who);
	jsonw_kv_str(&rec.w, "name", m->name);
	jsonw_kv_hex(&rec.w, "model", m->digest, sizeof m->digest);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	m->stored = 0;
	if (m->status == MODEL_ACCEPTED) { /* quarantined and revoked stay what they are */
		m->status = MODEL_REMOVED;
		set_reason(m, n.text);
	}
	if (put_changed(k, &rec, m))
		return 0;
	gate_stop_model(k, m->digest, "removed");
	keepd_effect(k, EFFECT_WITHDRAW, NULL, m->digest);
	client_end(c, f->h.id, END_DONE, rec.index, "%s", "");
	return 0;
}

/* ---- acts of two people ---- */

/* The model of an act that is a struct proto_name, or NULL with the reason. */
static struct model_row *of_act(
	struct keepd *k, const struct dual_row *row, struct proto_name *ret, char *why)
{
	memcpy(ret, row->body, sizeof *ret);
	struct model_row *m = audit_model_find(&k->state, ret->name);
	if (!m)
		snprintf(why, REASON_LEN_MAX + 1, "model %s: there is none", ret->name);
	return m;
}

static void put_model(struct audit_record *rec, const struct model_row *m)
{
	jsonw_kv_str(&rec->w, "name", m->name);
	jsonw_kv_hex(&rec->w, "model", m->digest, sizeof m->digest);
}

bool model_lift_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	struct proto_name n;
	const struct model_row *m = of_act(k, row, &n, why);
	if (!m || m->status == MODEL_QUARANTINED || m->status == MODEL_REVOKED)
		return !m;
	snprintf(why, REASON_LEN_MAX + 1, "model %s: is neither quarantined nor revoked, but %s", m->name,
		audit_model_status(m->status));
	return true;
}

/* What the store holds is served again; what is gone may be imported again. */
int model_lift_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_name n;
	struct audit_record rec;
	char why[REASON_LEN_MAX + 1];
	struct model_row *m = of_act(k, d->row, &n, why);
	assert(m); /* refused() has just looked */
	audit_log_record(k->log, &rec, EVENT_LIFT, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	put_model(&rec, m);
	jsonw_kv_str(&rec.w, "was", audit_model_status(m->status));
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	m->status = m->stored ? MODEL_ACCEPTED : MODEL_REMOVED;
	m->approved = 0;
	set_reason(m, n.text);
	return put_changed(k, &rec, m);
}

bool model_serve_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	struct proto_name n;
	const struct model_row *m = of_act(k, row, &n, why);
	if (!m || (m->status == MODEL_ACCEPTED && m->stored && !m->approved))
		return !m;
	snprintf(why, REASON_LEN_MAX + 1, "model %s: %s", m->name,
		m->approved ? "may be served already" : "is not one that could be served");
	return true;
}

int model_serve_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_name n;
	struct audit_record rec;
	char why[REASON_LEN_MAX + 1];
	struct model_row *m = of_act(k, d->row, &n, why);
	assert(m); /* refused() has just looked */
	audit_log_record(k->log, &rec, EVENT_SERVE, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	put_model(&rec, m);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	m->approved = 1;
	return put_changed(k, &rec, m);
}

/* ---- quarantine ---- */

void model_quarantine(struct keepd *k, const struct quarantine *q)
{
	struct model_row *m = audit_model_by_digest(&k->state, q->model);
	if (!m || m->status != MODEL_ACCEPTED || audit_log_failed(k->log))
		return;
	struct audit_record rec;
	struct audit_actor self = keepd_self(k);
	audit_log_record(k->log, &rec, EVENT_QUARANTINE, INTENT_NONE, &self);
	jsonw_kv_str(&rec.w, "name", m->name);
	jsonw_kv_hex(&rec.w, "model", m->digest, sizeof m->digest);
	audit_record_str(&rec, "reason", q->why, REASON_LEN_MAX);
	if (q->file != UINT32_MAX)
		jsonw_kv_u64(&rec.w, "file", q->file);
	audit_record_str(&rec, "path", q->path, PATH_LEN_MAX);
	jsonw_kv_u64(&rec.w, "offset", q->offset);
	m->status = MODEL_QUARANTINED;
	char text[sizeof m->reason];
	snprintf(text, sizeof text, "%.120s: %.60s at offset %" PRIu64, q->path, q->why, q->offset);
	set_reason(m, text);
	daemon_say("model %s: quarantined: %s", m->name, text);
	if (put_changed(k, &rec, m) == 0)
		gate_stop_model(k, m->digest, "quarantined");
}

/* A directory in models/ that no stored model has. */
static bool is_stored(void *arg, const u8 *digest)
{
	struct keepd *k = arg;
	const struct model_row *m = audit_model_by_digest(&k->state, digest);
	return m && m->stored;
}

int model_recover(struct keepd *k)
{
	for (u32 i = 0; i < k->state.n_models; i++) {
		const struct model_row *m = &k->state.models[i];
		int r = m->stored ? audit_store_publish(&k->store, m->digest) : 0;
		if (r > 0)
			keepd_fault(k, m->name, "its files are gone from the store");
		if (r < 0)
			return r;
	}
	k->sweep = true;
	return audit_store_prune(&k->store, is_stored, k);
}
