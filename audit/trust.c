/* Trust roots: whose signatures count. keepd stores their bytes; keep-attest reads them. */
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool name_ok(struct conn *c, const struct ipc_frame *f, struct proto_name *ret)
{
	memcpy(ret, f->body, sizeof *ret);
	if (!bytes_name_ok(ret->name)) {
		client_end(c, f->h.id, END_USAGE, UINT64_MAX,
			"a name has 1 to %u of a-z 0-9 . _ - and starts with a letter or digit",
			NAME_LEN_MAX);
		return false;
	}
	return true;
}

static bool strings_ok(const struct ipc_frame *f)
{
	const struct proto_name *n = (const void *)f->body;
	return bytes_str_ok(n->name, sizeof n->name) && bytes_str_ok(n->text, sizeof n->text);
}

int trust_add_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	struct keepd *k = c->k;
	if (!strings_ok(f))
		return -EPROTO;
	if (!name_ok(c, f, &n) || client_refused(c, f->h.id, 0))
		return 0;
	if (audit_trust_find(&k->state, n.name) || k->state.n_trust == TRUST_KEYS_MAX) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "trust %s: %s", n.name,
			k->state.n_trust == TRUST_KEYS_MAX ? "there are as many keys as fit"
							   : "there is a key of that name");
		return 0;
	}
	struct proto_job p = { .kind = JOB_KIND_KEY };
	struct conn *jc;
	int r = job_start(k, &p, &f->fd, &jc);
	if (r) {
		client_end(c, f->h.id, END_UNDECIDED, UINT64_MAX, "keep-attest: %s",
			r > 0 ? "nobody listens at attest.sock" : strerror(-r));
		return 0;
	}
	conn_send(jc, JOB_GO, 0, NULL, 0, NULL);
	memcpy(jc->job->name, n.name, sizeof n.name);
	jc->job->client = c;
	c->state = CLIENT_WAIT;
	return 0;
}

/* A key that another one of the same id already stands for. */
static const struct trust_row *same_key(const struct audit_state *s, const u8 *id)
{
	for (u32 i = 0; i < s->n_trust; i++)
		if (memcmp(s->trust[i].key_id, id, SHA256_BYTES) == 0)
			return &s->trust[i];
	return NULL;
}

static void trust_added(struct keepd *k, struct job *j)
{
	struct conn *c = j->client;
	struct trust_row row = { .curve_bits = j->key.curve_bits, .der_len = j->key.der_len };
	memcpy(row.name, j->name, sizeof row.name);
	memcpy(row.key_id, j->key.id, sizeof row.key_id);
	memcpy(row.der, j->key.der, j->key.der_len);
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_TRUST_ADD, INTENT_NONE, &who);
	row.index = rec.index;
	if (audit_trust_put(&k->state, &row)) {
		client_done(c, END_REFUSED, UINT64_MAX, "trust %s: there are as many keys as fit", row.name);
		return;
	}
	jsonw_kv_str(&rec.w, "name", row.name);
	jsonw_kv_hex(&rec.w, "key_id", row.key_id, sizeof row.key_id);
	jsonw_kv_u64(&rec.w, "curve_bits", row.curve_bits);
	jsonw_kv_hex(&rec.w, "der", row.der, row.der_len);
	if (audit_log_append(k->log, &rec, &k->state) || audit_log_put_trust(k->log, &row))
		return;
	client_done(c, END_DONE, rec.index, "%s", "");
}

void trust_job_done(struct keepd *k, struct job *j)
{
	struct conn *c = j->client;
	const struct proto_key *key = &j->key;
	const struct trust_row *same = same_key(&k->state, key->id);
	if (!c || audit_log_failed(k->log))
		return;
	if (j->report.verdict != ATTEST_ACCEPTED)
		client_done(c, j->report.verdict == ATTEST_REJECTED ? END_REFUSED : END_UNDECIDED, UINT64_MAX,
			"trust %s: %.200s", j->name, j->report.detail);
	else if (!j->has_key || key->der_len == 0 || key->der_len > KEY_DER_BYTES_MAX ||
		 key->curve_bits > 1024)
		client_done(
			c, END_UNDECIDED, UINT64_MAX, "trust %s: keep-attest gave no usable key", j->name);
	else if (same)
		client_done(c, END_REFUSED, UINT64_MAX, "trust %s: the same key is trusted as %s", j->name,
			same->name);
	else if (audit_trust_find(&k->state, j->name))
		client_done(c, END_REFUSED, UINT64_MAX, "trust %s: there is a key of that name", j->name);
	else
		trust_added(k, j);
}

int trust_rm_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	struct keepd *k = c->k;
	if (!strings_ok(f))
		return -EPROTO;
	if (!name_ok(c, f, &n) || client_refused(c, f->h.id, 0))
		return 0;
	const struct trust_row *row = audit_trust_find(&k->state, n.name);
	if (!row) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "trust %s: there is no such key", n.name);
		return 0;
	}
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_TRUST_REMOVE, INTENT_NONE, &who);
	jsonw_kv_str(&rec.w, "name", n.name);
	jsonw_kv_hex(&rec.w, "key_id", row->key_id, sizeof row->key_id);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	audit_trust_drop(&k->state, n.name);
	if (audit_log_append(k->log, &rec, &k->state) || audit_log_drop_trust(k->log, n.name))
		return 0;
	client_end(c, f->h.id, END_DONE, rec.index, "%s", "");
	return 0;
}
