/* A model leaves on a medium: its files, read-only, go to who carries them, after the record that says so. Where the policy's two-persons names
 * it, an officer has to allow it first, to that person, for one time: the same command, given again, then does it. */
#include "audit/dual.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Open files of a model, in the order in which they are sent. */
struct takeout {
	int segments;
	u32 n_bundles, n_files;
	int fds[BUNDLES_MAX + MODEL_FILES_MAX];
};

static void takeout_close(struct takeout *t)
{
	fd_close(&t->segments);
	for (u32 i = 0; i < t->n_bundles + t->n_files; i++)
		fd_close(&t->fds[i]);
}

static int takeout_open(const struct store *s, const struct model_row *m, struct takeout *t)
{
	char name[24];
	int r = audit_store_open_file(s, m->digest, "segments", &t->segments);
	for (; !r && t->n_bundles < MAX(m->n_bundles, 1u); t->n_bundles += !r) {
		snprintf(name, sizeof name, t->n_bundles ? "bundle%u" : "bundle", t->n_bundles);
		r = audit_store_open_file(s, m->digest, name, &t->fds[t->n_bundles]);
	}
	for (; !r && t->n_files < m->n_files; t->n_files += !r) {
		snprintf(name, sizeof name, "%04u", t->n_files);
		r = audit_store_open_file(s, m->digest, name, &t->fds[t->n_bundles + t->n_files]);
	}
	return r;
}

/* The stored model that may leave, or NULL and why. */
static struct model_row *leaving(struct keepd *k, const char *name, char why[REASON_LEN_MAX + 1])
{
	struct model_row *m = audit_model_find(&k->state, name);
	if (m && m->status == MODEL_ACCEPTED && m->stored)
		return m;
	if (m)
		snprintf(why, REASON_LEN_MAX + 1, "model %s: was %s (record %" PRIu64 ")", m->name,
			audit_model_status(m->status), m->changed);
	else
		snprintf(why, REASON_LEN_MAX + 1, "model %.64s: there is none", name);
	return NULL;
}

static int record(struct conn *c, const struct proto_name *n, struct model_row *m, u64 *ret_index)
{
	struct keepd *k = c->k;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_EXPORT, INTENT_NONE, &who);
	*ret_index = rec.index;
	jsonw_kv_str(&rec.w, "name", m->name);
	jsonw_kv_hex(&rec.w, "model", m->digest, sizeof m->digest);
	jsonw_kv_u64(&rec.w, "bytes", m->bytes);
	jsonw_kv_u64(&rec.w, "n_files", m->n_files);
	audit_record_str(&rec, "label", n->text, sizeof n->text);
	m->may_leave = 0;
	int r = audit_log_append(k->log, &rec, &k->state);
	return r ? r : audit_log_put_model(k->log, m);
}

static void send(struct conn *c, u64 id, const struct model_row *m, struct takeout *t)
{
	for (u32 i = 0; i < t->n_bundles + t->n_files; i++) {
		bool bundle = i < t->n_bundles;
		struct proto_stored p = { .bundle = bundle, .index = bundle ? i : i - t->n_bundles };
		memcpy(p.model, m->digest, sizeof p.model);
		memcpy(p.name, m->name, sizeof p.name);
		conn_send(c, CTL_STORED, id, &p, sizeof p, &t->fds[i]);
	}
}

static void hand_out(struct conn *c, u64 id, const struct proto_name *n, struct model_row *m)
{
	_cleanup_(takeout_close) struct takeout t = { .segments = -1 };
	_cleanup_free_ u8 *table = NULL;
	size_t len = 0;
	u64 index;
	int r = takeout_open(&c->k->store, m, &t);
	r = r ? r : fd_read_file(t.segments, SEGMENTS_BYTES_MAX, &table, &len);
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "model %s: its stored files: %s", m->name,
			r < 0 ? strerror(-r) : "not as they were put there");
		return;
	}
	if (record(c, n, m, &index))
		return;
	r = client_data(c, id, table, len);
	if (!r)
		send(c, id, m, &t);
	client_end(c, id, r ? END_UNDECIDED : END_DONE, index, "%s", r ? strerror(-r) : "");
}

int export_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_name n;
	char why[REASON_LEN_MAX + 1];
	if (client_name(f, &n))
		return -EPROTO;
	struct model_row *m = leaving(k, n.name, why);
	if (m && dual_wanted(k, CTL_EXPORT) && m->may_leave != c->peer.uid + 1)
		return dual_name_frame(c, f);
	if (client_refused(c, f->h.id, 0))
		return 0;
	if (m)
		hand_out(c, f->h.id, &n, m);
	else
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "%s", why);
	return 0;
}

/* ---- the act of two people ---- */

bool export_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	struct proto_name n;
	memcpy(&n, row->body, sizeof n);
	return !leaving(k, n.name, why);
}

int export_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_name n;
	struct audit_record rec;
	char why[REASON_LEN_MAX + 1];
	memcpy(&n, d->row->body, sizeof n);
	struct model_row *m = leaving(k, n.name, why);
	assert(m); /* refused() has just looked */
	audit_log_record(k->log, &rec, EVENT_EXPORT_ALLOW, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	jsonw_kv_str(&rec.w, "name", m->name);
	jsonw_kv_hex(&rec.w, "model", m->digest, sizeof m->digest);
	jsonw_kv_u64(&rec.w, "person_uid", d->row->uid);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	m->may_leave = d->row->uid + 1;
	int r = audit_log_append(k->log, &rec, &k->state);
	return r ? r : audit_log_put_model(k->log, m);
}
