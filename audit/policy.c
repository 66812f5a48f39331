/* The policy: keepd stores its bytes and hands them to the jobs, it reads none of them. A new one is shown to keep-attest first, so that
 * none is installed that could not be held; the log keeps the digest of the old and of the new, the store the text of both. */
#include "audit/dual.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_attest(struct conn *c, u64 id, int r)
{
	client_end(c, id, END_UNDECIDED, UINT64_MAX, "keep-attest: %s",
		r > 0 ? "nobody listens at attest.sock" : strerror(-r));
	return 0;
}

int policy_set_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	struct proto_job p = { .kind = JOB_KIND_POLICY };
	struct conn *jc;
	_cleanup_free_ u8 *data = NULL;
	_cleanup_fd_ int fd = -1;
	size_t len;
	if (client_name(f, &n) || n.name[0])
		return -EPROTO;
	if (client_refused(c, f->h.id, 0) ||
		trust_read_file(c, f->h.id, f, "policy", POLICY_FILE_BYTES_MAX, &data, &len))
		return 0;
	int r = fd_memfd_sealed("keep-policy", data, len, &fd);
	r = r ? r : job_start(c->k, &p, &fd, &jc);
	if (r)
		return no_attest(c, f->h.id, r);
	conn_send(jc, JOB_GO, 0, NULL, 0, NULL);
	memcpy(jc->job->reason, n.text, sizeof n.text);
	jc->job->client = c;
	jc->job->data = data;
	jc->job->len = len;
	data = NULL;
	c->state = CLIENT_WAIT;
	return 0;
}

/* The act: what the file says of two persons, as keep-attest read it, and why it is set. */
struct policy_act {
	u32 two_persons, reserved;
	char reason[REASON_LEN_MAX + 1];
};

bool policy_set_refused(struct keepd *k, const struct dual_row *act, char why[REASON_LEN_MAX + 1])
{
	return false; /* keep-attest has read the file; whatever was set meanwhile, it may follow */
}

int policy_set_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct policy_act act;
	struct audit_record rec;
	memcpy(&act, d->row->body, sizeof act);
	struct policy_row row = { .bytes = d->file_len, .two_persons = act.two_persons };
	audit_log_record(k->log, &rec, EVENT_POLICY_SET, INTENT_NONE, &d->who);
	sha256_of(d->file, d->file_len, row.digest);
	row.index = *ret_index = rec.index;
	jsonw_kv_hex(&rec.w, "policy", row.digest, sizeof row.digest);
	jsonw_kv_u64(&rec.w, "bytes", row.bytes);
	jsonw_kv_hex(&rec.w, "old", k->state.policy.digest, k->state.policy.bytes ? SHA256_BYTES : 0);
	jsonw_kv_u64(&rec.w, "two_persons", row.two_persons);
	audit_record_str(&rec, "reason", act.reason, sizeof act.reason);
	k->state.policy = row;
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_policy(k->log, &row);
	return r ? r : audit_log_put_blob(k->log, row.digest, d->file, d->file_len);
}

void policy_job_done(struct keepd *k, struct job *j)
{
	struct conn *c = j->client;
	struct policy_act act = { .two_persons = j->report.two_persons };
	struct dual_row row = { .type = CTL_POLICY_SET, .len = sizeof act };
	u64 index;
	if (!c || audit_log_failed(k->log))
		return;
	if (j->report.verdict != ATTEST_ACCEPTED) {
		client_done(c, j->report.verdict == ATTEST_REJECTED ? END_REFUSED : END_UNDECIDED, UINT64_MAX,
			"%.230s", j->report.detail);
		return;
	}
	memcpy(act.reason, j->reason, sizeof act.reason);
	if (dual_wanted(k, CTL_POLICY_SET)) {
		dual_propose(c, c->cmd_id,
			&(struct dual_proposal){ .type = CTL_POLICY_SET,
				.body = &act,
				.len = sizeof act,
				.file = j->data,
				.file_len = j->len,
				.object = "policy",
				.reason = act.reason });
		return;
	}
	memcpy(row.body, &act, sizeof act);
	struct dual_doing d = { .row = &row, .file = j->data, .file_len = j->len, .who = conn_actor(c) };
	if (policy_set_run(k, &d, &index) == 0)
		client_done(c, END_DONE, index, "%s", "");
}

/* ---- explain: would it be accepted today? --------------------------------------------------------------------------------------- */

static int send_bundles(struct keepd *k, struct conn *jc, const struct model_row *m)
{
	int r = 0;
	for (u32 i = 1; i < m->n_bundles && !r; i++) {
		_cleanup_fd_ int fd = -1;
		struct proto_index at = { .index = i };
		char name[24];
		snprintf(name, sizeof name, "bundle%u", i);
		r = audit_store_open_file(&k->store, m->digest, name, &fd);
		if (!r)
			conn_send(jc, JOB_BUNDLE, 0, &at, sizeof at, &fd);
	}
	return r;
}

/* Segments and layout, and what the store holds under the names of the segment table. */
static int send_stored(struct keepd *k, struct conn *jc, const struct model_row *m)
{
	static const char *const tables[] = { "segments", "layout" };
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	struct segments seg;
	const char *why;
	for (u32 i = 0; i < ARRAY_LEN(tables); i++) {
		_cleanup_fd_ int fd = -1;
		struct proto_index at = { .index = i };
		int r = audit_store_open_file(&k->store, m->digest, tables[i], &fd);
		if (!r && i == 0)
			r = fd_read_file(fd, SEGMENTS_BYTES_MAX, &data, &len);
		if (r)
			return r < 0 ? r : err_origin(-EIO);
		conn_send(jc, JOB_TABLE, 0, &at, sizeof at, &fd);
	}
	if (segments_open(data, len, &seg, &why) || seg.h->n_files != m->n_files)
		return err_origin(-EIO);
	for (u32 i = 0; i < seg.h->n_files; i++) {
		_cleanup_fd_ int fd = -1;
		struct proto_file pf = { .bytes = seg.files[i].bytes, .index = i };
		char name[24];
		snprintf(name, sizeof name, "%04u", i);
		memcpy(pf.path, seg.files[i].path, sizeof pf.path);
		int r = audit_store_open_file(&k->store, m->digest, name, &fd);
		if (r)
			return r;
		conn_send(jc, JOB_SOURCE, 0, &pf, sizeof pf, &fd);
	}
	return 0;
}

static int start_explain(struct conn *c, const struct model_row *m)
{
	struct keepd *k = c->k;
	struct proto_job p = { .kind = JOB_KIND_EXPLAIN,
		.n_files = m->n_files,
		.n_bundles = m->n_bundles ? m->n_bundles - 1 : 0,
		.now = keepd_judged(k).at_s,
		.newest = audit_model_newest(&k->state, m->name) };
	struct conn *jc = NULL;
	_cleanup_fd_ int fd = -1;
	memcpy(p.name, m->name, sizeof p.name);
	trust_count(k, &p);
	int r = audit_store_open_file(&k->store, m->digest, "bundle", &fd);
	r = r ? r : job_start(k, &p, &fd, &jc);
	if (r)
		return r;
	r = trust_send(k, jc);
	r = r ? r : policy_send(k, jc);
	r = r ? r : send_bundles(k, jc, m);
	r = r ? r : send_stored(k, jc, m);
	if (r) {
		conn_drop(jc, "it closed");
		return r;
	}
	conn_send(jc, JOB_GO, 0, NULL, 0, NULL);
	jc->job->client = c;
	memcpy(jc->job->trust.name, m->name, sizeof m->name);
	return 0;
}

int explain_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	if (client_name(f, &n))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	const struct model_row *m = audit_model_find(&c->k->state, n.name);
	if (!m || !m->stored) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "model %s: %s", n.name,
			m ? "its files are removed" : "there is none");
		return 0;
	}
	int r = start_explain(c, m);
	if (r)
		return no_attest(c, f->h.id, r);
	c->state = CLIENT_WAIT;
	return 0;
}

void policy_send_grounds(struct conn *c, u64 id, const struct job *j)
{
	for (u32 i = 0; i < j->n_signers; i++)
		conn_send(c, CTL_SIGNER, id, &j->signers[i], sizeof j->signers[i], NULL);
	for (u32 i = 0; i < j->n_rules; i++)
		conn_send(c, CTL_RULE, id, &j->rules[i], sizeof j->rules[i], NULL);
}

void explain_job_done(struct keepd *k, struct job *j)
{
	struct conn *c = j->client;
	if (!c || audit_log_failed(k->log))
		return;
	policy_send_grounds(c, c->cmd_id, j);
	conn_send(c, CTL_VERDICT, c->cmd_id, &j->report, sizeof j->report, NULL);
	client_done(c, j->report.verdict, UINT64_MAX, "%.230s", j->report.detail);
}
