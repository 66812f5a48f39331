/* An import that was collected: staging, the two jobs, and the verdict with everything that it rests on (import.c says in which order). */
#include "audit/import.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAGE "import"

/* ---- verdict ---- */

static void put_signer(struct audit_record *rec, const struct proto_signer *s)
{
	static const char *const sources[] = { "none", "clock", "log", "stamp" };
	struct jsonw *w = &rec->w;
	jsonw_object(w);
	audit_record_str(rec, "name", s->name, sizeof s->name);
	jsonw_kv_hex(w, "key_id", s->key_id, sizeof s->key_id);
	if (s->identity[0]) {
		jsonw_kv_hex(w, "leaf", s->leaf, sizeof s->leaf);
		audit_record_str(rec, "serial", s->serial, sizeof s->serial);
		audit_record_str(rec, "identity", s->identity, sizeof s->identity);
	}
	jsonw_kv_hex(w, "model", s->model, sizeof s->model);
	jsonw_kv_u64(w, "time_s", s->time);
	jsonw_kv_str(w, "time_source", sources[s->time_source & 3]);
	jsonw_object_end(w);
}

#define RULE_BYTES_MAX (3 * sizeof((struct proto_rule *)0)->text + 64) /* of a rule in a record, at worst */

/* As many as surely fit; what does not is counted. */
static void put_rules(struct audit_record *rec, const struct import *im)
{
	struct jsonw *w = &rec->w;
	u32 n = 0;
	jsonw_key(w, "rules");
	jsonw_array(w);
	for (; n < im->n_rules && w->len + RULE_BYTES_MAX + 256 < RECORD_BYTES_MAX; n++) {
		jsonw_object(w);
		jsonw_kv_u64(w, "line", im->rules[n].line);
		jsonw_kv_bool(w, "holds", im->rules[n].holds);
		audit_record_str(rec, "text", im->rules[n].text, sizeof im->rules[n].text);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	if (n < im->n_rules)
		jsonw_kv_u64(w, "rules_more", im->n_rules - n);
}

static void put_verdict(struct audit_record *rec, const struct import *im, const struct attest_report *r)
{
	static const char *const names[] = { "accepted", "rejected", "undecided", "undecided" };
	struct jsonw *w = &rec->w;
	jsonw_kv_str(w, "verdict", names[r->verdict & 3]);
	jsonw_kv_str(w, "name", im->want.name);
	if (r->verdict != ATTEST_ACCEPTED) {
		audit_record_str(rec, "code", r->code, sizeof r->code);
		audit_record_str(rec, "object", r->object, sizeof r->object);
		audit_record_str(rec, "expected", r->expected, sizeof r->expected);
		audit_record_str(rec, "found", r->found, sizeof r->found);
		audit_record_str(rec, "detail", r->detail, sizeof r->detail);
	}
	/* what the first job found is kept whatever the second one said */
	jsonw_kv_hex(w, "model", im->verify.model, sizeof im->verify.model);
	jsonw_kv_hex(w, "bundle", im->bundles[0].digest, SHA256_BYTES);
	jsonw_kv_hex(w, "segments", im->segments_digest, sizeof im->segments_digest);
	jsonw_kv_hex(w, "layout", im->layout_digest, sizeof im->layout_digest);
	audit_record_str(rec, "signer", im->verify.signer, sizeof im->verify.signer);
	jsonw_kv_hex(w, "key_id", im->verify.key_id, sizeof im->verify.key_id);
	jsonw_kv_u64(w, "bytes", im->sum);
	jsonw_kv_u64(w, "n_files", im->n);
	jsonw_kv_u64(w, "sequence", r->sequence);
	jsonw_kv_u64(w, "judged_s", im->judged.at_s);
	jsonw_kv_str(w, "clock", im->judged.by_wall ? "wall" : "floor");
	jsonw_kv_hex(w, "policy", r->policy, sizeof r->policy);
	jsonw_key(w, "signers");
	jsonw_array(w);
	for (u32 i = 0; i < im->n_signers; i++)
		put_signer(rec, &im->signers[i]);
	jsonw_array_end(w);
	put_rules(rec, im);
}

static struct model_row row_of(const struct import *im, const struct attest_report *r, u64 index)
{
	struct model_row m = { .status = MODEL_ACCEPTED, .stored = 1, .index = index, .changed = index };
	memcpy(m.digest, im->verify.model, sizeof m.digest);
	memcpy(m.name, im->want.name, sizeof m.name);
	memcpy(m.bundle, im->bundles[0].digest, sizeof m.bundle);
	memcpy(m.segments, im->segments_digest, sizeof m.segments);
	memcpy(m.layout, im->layout_digest, sizeof m.layout);
	memcpy(m.key_id, im->verify.key_id, sizeof m.key_id);
	memcpy(m.signer, im->verify.signer, sizeof m.signer);
	m.bytes = im->sum;
	m.n_files = im->n;
	memcpy(m.policy, r->policy, sizeof m.policy);
	m.sequence = r->sequence;
	m.n_bundles = im->n_bundles;
	m.used_s = im->judged.at_s;
	memcpy(m.files, im->files_digest, sizeof m.files);
	return m;
}

/* The newest time that somebody whom the officer trusts has signed, of an accepted verdict. */
static u64 signed_s(const struct import *im, bool accepted)
{
	u64 newest = 0;
	for (u32 i = 0; accepted && i < im->n_signers; i++)
		if (im->signers[i].time_source >= ATTEST_TIME_LOG)
			newest = MAX(newest, im->signers[i].time);
	return newest;
}

static void tell(struct import *im, const struct attest_report *report, u64 index)
{
	struct conn *c = im->client;
	for (u32 i = 0; i < im->n_signers; i++)
		conn_send(c, CTL_SIGNER, im->cmd_id, &im->signers[i], sizeof im->signers[i], NULL);
	for (u32 i = 0; i < im->n_rules; i++)
		conn_send(c, CTL_RULE, im->cmd_id, &im->rules[i], sizeof im->rules[i], NULL);
	conn_send(c, CTL_VERDICT, im->cmd_id, report, sizeof *report, NULL);
	client_done(c, report->verdict, index, "%s", report->detail);
}

/* Record the verdict, tell the client, forget the import. */
void import_conclude(struct import *im, const struct attest_report *report)
{
	struct keepd *k = im->k;
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_IMPORT_VERDICT, im->intent, &im->actor);
	put_verdict(&rec, im, report);
	bool accepted = report->verdict == ATTEST_ACCEPTED;
	struct model_row row = row_of(im, report, rec.index);
	keepd_clock_advance(k, signed_s(im, accepted));
	int r = accepted ? audit_model_put(&k->state, &row) : 0;
	assert(r == 0); /* there was room at the start, and only one import runs */
	r = audit_log_append(k->log, &rec, &k->state);
	if (!r)
		r = keepd_clock_put(k);
	if (!r && accepted)
		r = audit_log_put_model(k->log, &row);
	if (!r && accepted)
		keepd_effect(k, EFFECT_PUBLISH, NULL, row.digest);
	if (!r && im->client)
		tell(im, report, rec.index);
	import_free(im);
}

static void undecided(struct import *im, const char *what, int r)
{
	struct attest_report rep = job_report(ATTEST_UNDECIDED, "io", "%s: %s", what,
		r > 0 ? "nobody listens at attest.sock" : strerror(-r));
	import_conclude(im, &rep);
}

/* ---- the two jobs ---- */

/* Queue source i, from fd (taken). */
static void send_source(struct conn *jc, const struct import_file *file, u32 i, int *fd)
{
	struct proto_file pf = { .bytes = file->bytes, .offset = file->offset, .index = i };
	memcpy(pf.path, file->path, sizeof pf.path);
	conn_send(jc, JOB_SOURCE, 0, &pf, sizeof pf, fd);
}

static int begin_job(struct import *im, u32 kind, const char *input, struct conn **ret)
{
	int fd = openat(im->stage, input, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno();
	struct proto_job p = { .kind = kind,
		.n_files = im->n,
		.now = im->judged.at_s,
		.newest = audit_model_newest(&im->k->state, im->want.name) };
	memcpy(p.name, im->want.name, sizeof p.name);
	if (kind == JOB_KIND_VERIFY) {
		trust_count(im->k, &p);
		p.n_bundles = im->n_bundles - 1;
	}
	int r = job_start(im->k, &p, &fd, ret);
	if (r)
		return r;
	im->job = *ret;
	im->job->job->import = im;
	im->job->job->client = im->client;
	return policy_send(im->k, *ret);
}

/* The name of the i-th bundle in the stage, and in the store. */
static void bundle_name(u32 i, char out[24])
{
	snprintf(out, 24, i ? "bundle%u" : "bundle", i);
}

static int send_bundles(struct import *im, struct conn *jc)
{
	for (u32 i = 1; i < im->n_bundles; i++) {
		struct proto_index at = { .index = i };
		char name[24];
		bundle_name(i, name);
		_cleanup_fd_ int fd = openat(im->stage, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_errno();
		conn_send(jc, JOB_BUNDLE, 0, &at, sizeof at, &fd);
	}
	return 0;
}

static int start_verify(struct import *im)
{
	struct conn *jc;
	int r = begin_job(im, JOB_KIND_VERIFY, "bundle", &jc);
	if (!r)
		r = trust_send(im->k, jc);
	if (!r)
		r = send_bundles(im, jc);
	for (u32 i = 0; !r && i < im->n; i++) {
		int fd = -1;
		struct proto_index at = { .index = i };
		r = audit_store_stage_file(im->stage, i, true, &fd);
		if (r)
			break;
		send_source(jc, &im->files[i], i, &im->files[i].fd);
		conn_send(jc, JOB_STAGE, 0, &at, sizeof at, &fd);
	}
	if (!r)
		conn_send(jc, JOB_GO, 0, NULL, 0, NULL);
	return r;
}

static int start_layout(struct import *im)
{
	struct conn *jc;
	int r = begin_job(im, JOB_KIND_LAYOUT, "segments", &jc);
	for (u32 i = 0; !r && i < im->n; i++) {
		int fd = -1;
		r = audit_store_stage_file(im->stage, i, false, &fd);
		if (!r)
			send_source(jc, &im->files[i], i, &fd);
	}
	if (!r)
		conn_send(jc, JOB_GO, 0, NULL, 0, NULL);
	return r;
}

/* The job could not be started: nothing of it may report later. */
static void failed(struct import *im, const char *what, int r)
{
	if (im->job) {
		im->job->job->import = NULL;
		conn_drop(im->job, "it closed");
		im->job = NULL;
	}
	undecided(im, what, r);
}

void import_start(struct keepd *k)
{
	struct import *im = k->import;
	int r;
	if (!im || !im->intended)
		return;
	im->judged = keepd_judged(k);
	while ((r = audit_store_sweep(&k->store, NULL)) > 0)
		;
	if (!r)
		r = audit_store_stage(&k->store, STAGE, &im->stage);
	for (u32 i = 0; i < im->n_bundles && !r; i++) {
		char name[24];
		bundle_name(i, name);
		r = audit_store_stage_put(im->stage, name, im->bundles[i].data, im->bundles[i].len);
	}
	if (r) {
		failed(im, "staging", r);
		return;
	}
	r = start_verify(im);
	if (r)
		failed(im, "keep-attest", r);
}

/* ---- what the jobs answered ---- */

/* The job's result, mapped and compared with its report. 0; 1 it is not what the report says. */
static int map_result(struct job *j, struct fd_map *ret, u8 ret_digest[SHA256_BYTES])
{
	if (j->result < 0 || fd_map_sealed(j->result, LAYOUT_BYTES_MAX, ret))
		return 1;
	sha256_of(ret->data, ret->len, ret_digest);
	return memcmp(ret_digest, j->report.result, SHA256_BYTES) == 0 ? 0 : 1;
}

static u32 file_of(const struct import *im, const char *path)
{
	for (u32 i = 0; i < im->n; i++)
		if (strcmp(im->files[i].path, path) == 0)
			return i;
	return UINT32_MAX;
}

/* Staged files take the order of the segment table. Two passes, since an order may be a cycle. */
static int reorder(struct import *im, const struct segments *seg)
{
	_cleanup_free_ struct import_file *sorted = calloc(im->n, sizeof *sorted);
	_cleanup_free_ bool *taken = calloc(im->n, sizeof *taken);
	char from[16], to[16];
	if (!sorted || !taken)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < im->n; i++) {
		u32 at = file_of(im, seg->files[i].path);
		if (at == UINT32_MAX || taken[at] || im->files[at].bytes != seg->files[i].bytes)
			return 1;
		taken[at] = true;
		sorted[i] = im->files[at];
		sorted[i].fd = -1;
		sorted[i].offset = 0; /* what is staged stands alone */
		snprintf(from, sizeof from, "%04u", at);
		snprintf(to, sizeof to, "t%04u", i);
		if (renameat(im->stage, from, im->stage, to) < 0)
			return err_errno();
	}
	for (u32 i = 0; i < im->n; i++) {
		snprintf(from, sizeof from, "t%04u", i);
		snprintf(to, sizeof to, "%04u", i);
		if (renameat(im->stage, from, im->stage, to) < 0)
			return err_errno();
		fd_close(&im->files[i].fd);
	}
	memcpy(im->files, sorted, im->n * sizeof *sorted);
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct segments_file *const *x = a, *const *y = b;
	return strcmp((*x)->path, (*y)->path);
}

/* 0; -ENOMEM. */
static int digest_files(const struct segments *seg, u8 ret[SHA256_BYTES])
{
	_cleanup_free_ const struct segments_file **v = calloc(seg->h->n_files, sizeof *v);
	struct sha256 s;
	if (!v)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < seg->h->n_files; i++)
		v[i] = &seg->files[i];
	qsort(v, seg->h->n_files, sizeof *v, by_path);
	sha256_init(&s);
	for (u32 i = 0; i < seg->h->n_files; i++) {
		sha256_update(&s, v[i]->path, sizeof v[i]->path);
		sha256_update(&s, v[i]->digest, sizeof v[i]->digest);
	}
	sha256_final(&s, ret);
	return 0;
}

/* 0 staged whole, in order, durable; 1 keep-attest's answer does not fit; -errno. */
static int take_segments(struct import *im, struct job *j)
{
	_cleanup_map_ struct fd_map map = { 0 };
	struct segments seg;
	const char *why;
	if (map_result(j, &map, im->segments_digest) || segments_open(map.data, map.len, &seg, &why))
		return 1;
	if (seg.h->n_files != im->n || seg.h->bytes != im->sum ||
		memcmp(j->report.bundle, im->bundles[0].digest, SHA256_BYTES) != 0)
		return 1;
	int r = digest_files(&seg, im->files_digest);
	if (!r)
		r = reorder(im, &seg);
	for (u32 i = 0; !r && i < im->n; i++) {
		int fd = -1;
		u64 size = 0;
		r = audit_store_stage_file(im->stage, i, false, &fd);
		if (!r)
			r = fd_regular_size(fd, &size);
		if (!r && size != im->files[i].bytes)
			r = 1;
		fd_close(&fd);
	}
	if (!r)
		r = audit_store_stage_put(im->stage, "segments", map.data, map.len);
	return r ? r : audit_store_stage_seal(im->stage);
}

static int take_layout(struct import *im, struct job *j)
{
	_cleanup_map_ struct fd_map map = { 0 };
	if (map_result(j, &map, im->layout_digest))
		return 1;
	int r = reserve_room(im->k) < map.len ? err_origin(-ENOSPC) : 0;
	if (!r)
		r = audit_store_stage_put(im->stage, "layout", map.data, map.len);
	return r ? r : audit_store_stage_seal(im->stage);
}

/* keep-attest says yes; is there a reason of our own to say no? */
static bool known_model(struct import *im, struct attest_report *ret)
{
	const struct model_row *m = audit_model_by_digest(&im->k->state, im->verify.model);
	if (!m || (!m->stored && m->status == MODEL_ACCEPTED) || m->status == MODEL_REMOVED)
		return false;
	const char *code = m->status == MODEL_ACCEPTED ? "stored" : audit_model_status(m->status);
	struct attest_report own =
		m->status == MODEL_ACCEPTED
			? job_report(ATTEST_REJECTED, code,
				  "these files are already stored as %s (record %" PRIu64 ")", m->name,
				  m->index)
			: job_report(ATTEST_REJECTED, code,
				  "this model was %s as %s (record %" PRIu64 "): %.100s", code, m->name,
				  m->changed, m->reason);
	memcpy(own.model, im->verify.model, sizeof own.model);
	memcpy(own.object, im->want.name, sizeof im->want.name);
	*ret = own;
	return true;
}

/* The same, by what the files are: another signer's statement over them has another digest. */
static bool known_files(struct import *im, struct attest_report *ret)
{
	for (u32 i = 0; i < im->k->state.n_models; i++) {
		const struct model_row *m = &im->k->state.models[i];
		if ((m->status != MODEL_QUARANTINED && m->status != MODEL_REVOKED) ||
			memcmp(m->files, im->files_digest, SHA256_BYTES) != 0)
			continue;
		*ret = job_report(ATTEST_REJECTED, audit_model_status(m->status),
			"these files were %s as %s (record %" PRIu64 "): %.100s",
			audit_model_status(m->status), m->name, m->changed, m->reason);
		memcpy(ret->model, im->verify.model, sizeof ret->model);
		memcpy(ret->object, im->want.name, sizeof im->want.name);
		return true;
	}
	return false;
}

static void accept_model(struct import *im, u64 sequence)
{
	struct attest_report rep = im->verify;
	rep.sequence = sequence;
	int r = audit_store_stage_name(&im->k->store, STAGE, im->verify.model);
	if (r) {
		undecided(im, "staging", r);
		return;
	}
	import_conclude(im, &rep);
}

/* The second report says nothing of the signature; the client gets one report that says all. */
static void add_verified(const struct import *im, struct attest_report *rep)
{
	memcpy(rep->model, im->verify.model, sizeof rep->model);
	memcpy(rep->bundle, im->bundles[0].digest, sizeof rep->bundle);
	memcpy(rep->key_id, im->verify.key_id, sizeof rep->key_id);
	memcpy(rep->signer, im->verify.signer, sizeof rep->signer);
	rep->time_source = im->verify.time_source;
	rep->time_judged = im->verify.time_judged;
	rep->bytes = im->sum;
	rep->n_files = im->n;
}

static void add_grounds(struct import *im, const struct job *j)
{
	for (u32 i = 0; i < j->n_signers && im->n_signers < BUNDLES_MAX; i++)
		im->signers[im->n_signers++] = j->signers[i];
	for (u32 i = 0; i < j->n_rules && im->n_rules < ARRAY_LEN(im->rules); i++)
		im->rules[im->n_rules++] = j->rules[i];
}

/* What keep-attest's answer holds beside its verdict. 0; 1 it does not fit; -errno. */
static int take_answer(struct import *im, struct job *j)
{
	return j->kind == JOB_KIND_VERIFY ? take_segments(im, j) : take_layout(im, j);
}

/* It was accepted: the next job, or the end. */
static void import_goes_on(struct import *im, const struct job *j, u64 sequence)
{
	if (j->kind == JOB_KIND_LAYOUT) {
		accept_model(im, sequence);
		return;
	}
	int r = start_layout(im);
	if (r)
		failed(im, "keep-attest", r);
}

void import_job_done(struct keepd *k, struct job *j)
{
	struct import *im = j->import;
	struct attest_report rep = j->report;
	bool verify = j->kind == JOB_KIND_VERIFY;
	im->job = NULL;
	if (audit_log_failed(k->log)) {
		import_free(im);
		return;
	}
	add_grounds(im, j);
	if (verify)
		im->verify = rep;
	else
		add_verified(im, &rep);
	if (rep.verdict != ATTEST_ACCEPTED || (verify && known_model(im, &rep))) {
		import_conclude(im, &rep);
		return;
	}
	int r = take_answer(im, j);
	if (r < 0) {
		undecided(im, "staging", r);
		return;
	}
	if (r > 0)
		rep = job_report(ATTEST_UNDECIDED, "attest-answer",
			"keep-attest's answer does not fit its own report");
	if (r > 0 || (verify && known_files(im, &rep)))
		import_conclude(im, &rep);
	else
		import_goes_on(im, j, rep.sequence);
}
