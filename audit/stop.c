/* Ending what runs: a session, by whoever opened it or by an operator or officer; a model with all of its sessions, by the latter. The model stays
 * what it was: who asks it next has it loaded again. */
#include "audit/keepd.h"
#include "audit/role.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAY_STOP_ALL (ROLE_OPERATOR | ROLE_OFFICER)

static bool may_stop_all(struct conn *c)
{
	const char *none;
	return role_of(c, &none) & MAY_STOP_ALL;
}

static struct audit_record *begin(
	struct conn *c, struct audit_record *rec, const char *model, const u8 *digest)
{
	struct audit_actor who = conn_actor(c);
	audit_log_record(c->k->log, rec, EVENT_HALT, INTENT_NONE, &who);
	jsonw_kv_str(&rec->w, "name", model);
	jsonw_kv_hex(&rec->w, "model", digest, MODEL_DIGEST_BYTES);
	return rec;
}

static bool append(struct conn *c, struct audit_record *rec, const char *reason)
{
	audit_record_str(rec, "reason", reason, REASON_LEN_MAX);
	return audit_log_append(c->k->log, rec, NULL) == 0;
}

static void stop_session(struct conn *c, u64 id, u64 session, const char *reason)
{
	struct audit_record rec;
	struct session *s = c->k->sessions;
	bool all = may_stop_all(c);
	while (s && !(s->id == session && s->client && (all || s->client->peer.uid == c->peer.uid)))
		s = s->next;
	if (!s) {
		client_end(c, id, END_REFUSED, UINT64_MAX,
			"session %" PRIu64 ": none of yours is open under that number", session);
		return;
	}
	u32 open = s->n_open;
	begin(c, &rec, s->grant->name, s->grant->model);
	jsonw_kv_u64(&rec.w, "session", session);
	if (!append(c, &rec, reason))
		return;
	gate_session_end(s, "stopped");
	if (s->n_open == 0)
		gate_session_free(c->k, s);
	client_end(c, id, END_DONE, rec.index, "session %" PRIu64 ": ended, with %u requests that ran",
		session, open);
}

static bool loaded(const struct keepd *k, const u8 *model)
{
	for (const struct grant *g = k->grants; g; g = g->next)
		if (!memcmp(g->model, model, MODEL_DIGEST_BYTES) && g->state != GRANT_UNLOADING)
			return true;
	return false;
}

static void stop_model(struct conn *c, u64 id, const char *name, const char *reason)
{
	struct keepd *k = c->k;
	struct audit_record rec;
	const struct model_row *m = audit_model_find(&k->state, name);
	if (!may_stop_all(c) || !m || !loaded(k, m->digest)) {
		client_end(c, id, END_REFUSED, UINT64_MAX, "model %s: %s", name,
			!may_stop_all(c) ? "it takes the role operator or officer; keep stop N ends a "
					   "session of your own"
			: m		 ? "is not loaded"
					 : "there is none");
		return;
	}
	begin(c, &rec, m->name, m->digest);
	jsonw_kv_u64(&rec.w, "sessions", gate_sessions_of(k, m->digest));
	if (!append(c, &rec, reason))
		return;
	u32 n = gate_stop_model(k, m->digest, "stopped");
	client_end(c, id, END_DONE, rec.index, "model %s: stopped; %u sessions were ended", m->name, n);
}

/* A number is a session's: models are never called so. */
static bool number_of(const char *s, u64 *ret)
{
	*ret = 0;
	for (const char *p = s; *p; p++) {
		if (*p < '0' || *p > '9' || *ret > (UINT64_MAX - 9) / 10)
			return false;
		*ret = *ret * 10 + (u64)(*p - '0');
	}
	return *s;
}

int stop_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	u64 session;
	if (client_name(f, &n))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	if (number_of(n.name, &session) && !audit_model_named(&c->k->state, n.name))
		stop_session(c, f->h.id, session, n.text);
	else
		stop_model(c, f->h.id, n.name, n.text);
	return 0;
}
