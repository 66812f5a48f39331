/* Import: a model enters the store.
 *
 *   IMPORT, FILE…, GO    names and read-only descriptors from the client; nothing is opened by name; BUNDLE for further signatures
 *   intent record        commit
 *   verify job           keep-attest checks the signatures, holds who signed to the policy, hashes every file and writes what it hashed to
 *                        staging
 *   layout job           another keep-attest reads the staged files, says what the bytes mean, and holds that to the policy
 *   verdict record       with every digest, signer and rule, the time that it was judged at, and the model's row; commit
 *   publish              rename to models/<digest>; only then does the client hear of it
 *
 * A crash between the last two is finished at the next start. */
#include "audit/keepd.h"
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

#define STAGE	       "import"
#define COLLECT_NS_MAX 30000000000u /* between two FILE frames */

struct import_file {
	int fd;
	u64 bytes;
	char path[PATH_LEN_MAX + 1];
};

struct import_bundle {
	int fd;
	u8 *data;
	size_t len;
	u8 digest[SHA256_BYTES];
};

struct import {
	struct keepd *k;
	struct conn *client; /* NULL: gone */
	u64 cmd_id;
	struct audit_actor actor;
	struct proto_import want;
	struct import_file *files;
	u32 n;
	u64 sum;
	int stage;
	struct import_bundle bundles[BUNDLES_MAX]; /* the first is the model's */
	u32 n_bundles;
	struct judged judged;
	u32 n_signers, n_rules; /* of both jobs */
	struct proto_signer signers[BUNDLES_MAX];
	struct proto_rule rules[2 * RULES_MAX];
	u8 segments_digest[SHA256_BYTES], layout_digest[SHA256_BYTES];
	u64 since_ns; /* of the last frame */
	u64 intent;
	bool intended; /* the intent record is written */
	bool named;    /* staging/import has become staging/<hex> */
	struct conn *job;
	struct attest_report verify; /* the first job's */
};

static void import_free(struct import *im)
{
	for (u32 i = 0; i < im->n; i++)
		fd_close(&im->files[i].fd);
	for (u32 i = 0; i < im->n_bundles; i++) {
		fd_close(&im->bundles[i].fd);
		free(im->bundles[i].data);
	}
	free(im->files);
	fd_close(&im->stage);
	if (im->client)
		im->client->import = NULL;
	if (im->k->import == im)
		im->k->import = NULL;
	im->k->sweep = true;
	free(im);
}

/* ---- collecting ---- */

/* Refuse before anything was recorded: what the client had already sent is skipped. */
static int refuse(struct conn *c, u64 id, u32 status, const char *text)
{
	client_end(c, id, status, UINT64_MAX, "%s", text);
	c->state = CLIENT_SKIP;
	if (c->import)
		import_free(c->import);
	return 0;
}

static int want_check(struct conn *c, u64 id, const struct proto_import *want)
{
	struct keepd *k = c->k;
	char text[256];
	if (!bytes_name_ok(want->name))
		return refuse(c, id, END_USAGE,
			       "a name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit"),
		       1;
	const struct model_row *m = audit_model_named(&k->state, want->name);
	if (m) {
		snprintf(text, sizeof text, "model %s: the name is in use (record %" PRIu64 ")", want->name,
			m->index);
		return refuse(c, id, END_REFUSED, text), 1;
	}
	if (want->n_files == 0 || want->n_files > MODEL_FILES_MAX || want->bytes > MODEL_BYTES_MAX) {
		snprintf(text, sizeof text, "model %s: 1 to %u files and at most %llu bytes", want->name,
			MODEL_FILES_MAX, MODEL_BYTES_MAX);
		return refuse(c, id, END_REFUSED, text), 1;
	}
	if (k->import)
		return refuse(c, id, END_REFUSED, "another import is running"), 1;
	if (k->state.n_models == MODELS_MAX)
		return refuse(c, id, END_REFUSED, "the store holds as many models as fit"), 1;
	if (client_refused(c, id, want->bytes + BUNDLE_BYTES_MAX / 64)) {
		c->state = CLIENT_SKIP;
		return 1;
	}
	return 0;
}

int import_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_import want;
	memcpy(&want, f->body, sizeof want);
	if (want.n_bundles >= BUNDLES_MAX || !bytes_str_ok(want.name, sizeof want.name))
		return -EPROTO;
	if (want_check(c, f->h.id, &want))
		return 0;
	struct import *im = calloc(1, sizeof *im);
	if (!im)
		return refuse(c, f->h.id, END_UNDECIDED, "out of memory");
	im->files = calloc(want.n_files, sizeof *im->files);
	if (!im->files) {
		free(im);
		return refuse(c, f->h.id, END_UNDECIDED, "out of memory");
	}
	im->k = c->k;
	im->client = c;
	im->cmd_id = f->h.id;
	im->actor = conn_actor(c);
	im->want = want;
	im->bundles[0].fd = fd_steal(&f->fd);
	im->n_bundles = 1;
	im->since_ns = keepd_now_ns();
	im->stage = -1;
	c->import = im;
	c->k->import = im;
	c->state = CLIENT_FILES;
	return 0;
}

int import_bundle_frame(struct conn *c, struct ipc_frame *f)
{
	struct import *im = c->import;
	struct proto_index at;
	memcpy(&at, f->body, sizeof at);
	if (at.reserved || at.index != im->n_bundles || im->n_bundles > im->want.n_bundles)
		return -EPROTO;
	im->bundles[im->n_bundles++].fd = fd_steal(&f->fd);
	im->since_ns = keepd_now_ns();
	return 0;
}

int import_file_frame(struct conn *c, struct ipc_frame *f)
{
	struct import *im = c->import;
	struct proto_file pf;
	memcpy(&pf, f->body, sizeof pf);
	char text[256];
	u64 size;
	if (pf.reserved || pf.index != im->n || im->n == im->want.n_files ||
		!bytes_str_ok(pf.path, sizeof pf.path) || !pf.path[0])
		return -EPROTO;
	int r = fd_regular_size(f->fd, &size);
	if (r || size != pf.bytes || size > im->want.bytes - im->sum) {
		snprintf(text, sizeof text, "file %.180s: %s", pf.path,
			r < 0 ? strerror(-r)
			: r   ? "not a regular file"
			      : "its size is not what was announced");
		return refuse(c, im->cmd_id, END_REFUSED, text);
	}
	struct import_file *file = &im->files[im->n++];
	file->fd = fd_steal(&f->fd);
	file->bytes = size;
	memcpy(file->path, pf.path, sizeof file->path);
	im->sum += size;
	im->since_ns = keepd_now_ns();
	return 0;
}

/* One digest that stands for the list of names and sizes. */
static void files_digest(const struct import *im, u8 ret[SHA256_BYTES])
{
	struct sha256 s;
	sha256_init(&s);
	for (u32 i = 0; i < im->n; i++) {
		sha256_update(&s, &im->files[i].bytes, sizeof im->files[i].bytes);
		sha256_update(&s, im->files[i].path, strlen(im->files[i].path) + 1);
	}
	sha256_final(&s, ret);
}

/* The segment table exactly; a layout is mostly the vocabulary, and is checked once it is here. */
static u64 tables_bytes(const struct import *im)
{
	return sizeof(struct segments_header) + im->n * sizeof(struct segments_file) +
	       (im->sum / SEGMENT_BYTES + im->n) * SHA256_BYTES;
}

/* Every bundle whole; *ret_bytes of all. 0; 1 END was sent. */
static int read_bundles(struct conn *c, struct import *im, u64 *ret_bytes)
{
	*ret_bytes = 0;
	for (u32 i = 0; i < im->n_bundles; i++) {
		struct import_bundle *b = &im->bundles[i];
		int r = fd_read_file(b->fd, BUNDLE_BYTES_MAX, &b->data, &b->len);
		if (r) {
			refuse(c, im->cmd_id, r < 0 ? END_UNDECIDED : END_REFUSED,
				r < 0	 ? strerror(-r)
				: r == 1 ? "bundle: not a regular file"
					 : "bundle: longer than 64 MiB");
			c->state = CLIENT_IDLE;
			return 1;
		}
		sha256_of(b->data, b->len, b->digest);
		*ret_bytes += b->len;
	}
	return 0;
}

static void put_intent(struct import *im, struct audit_record *rec)
{
	u8 digest[SHA256_BYTES];
	files_digest(im, digest);
	jsonw_kv_str(&rec->w, "name", im->want.name);
	jsonw_kv_u64(&rec->w, "n_files", im->n);
	jsonw_kv_u64(&rec->w, "bytes", im->sum);
	jsonw_kv_hex(&rec->w, "files", digest, sizeof digest);
	jsonw_kv_hex(&rec->w, "bundle", im->bundles[0].digest, SHA256_BYTES);
	if (im->n_bundles > 1) {
		jsonw_key(&rec->w, "cosigned");
		jsonw_array(&rec->w);
		for (u32 i = 1; i < im->n_bundles; i++)
			jsonw_hex(&rec->w, im->bundles[i].digest, SHA256_BYTES);
		jsonw_array_end(&rec->w);
	}
	jsonw_kv_u64(&rec->w, "keys", im->k->state.n_trust);
	jsonw_kv_hex(
		&rec->w, "policy", im->k->state.policy.digest, im->k->state.policy.bytes ? SHA256_BYTES : 0);
}

int import_go_frame(struct conn *c, struct ipc_frame *f)
{
	struct import *im = c->import;
	u64 bundle_bytes;
	c->state = CLIENT_IDLE;
	c->cmd_id = im->cmd_id; /* END answers IMPORT */
	if (im->n != im->want.n_files || im->sum != im->want.bytes ||
		im->n_bundles != im->want.n_bundles + 1) {
		refuse(c, im->cmd_id, END_REFUSED, "the files are not as many, or not as long, as announced");
		c->state = CLIENT_IDLE;
		return 0;
	}
	if (read_bundles(c, im, &bundle_bytes))
		return 0;
	if (client_refused(c, im->cmd_id, im->sum + bundle_bytes + tables_bytes(im))) {
		import_free(im);
		return 0;
	}
	struct audit_record rec;
	audit_log_record(c->k->log, &rec, EVENT_IMPORT_INTENT, INTENT_NONE, &im->actor);
	put_intent(im, &rec);
	if (audit_log_append(c->k->log, &rec, NULL))
		return 0;
	im->intent = rec.index;
	im->intended = true;
	c->state = CLIENT_WAIT;
	keepd_effect(c->k, EFFECT_IMPORT, NULL, NULL);
	return 0;
}

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
static void conclude(struct import *im, const struct attest_report *report)
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
	conclude(im, &rep);
}

void import_cancel(struct import *im, const char *why, bool record)
{
	if (im->job) {
		im->job->job->import = NULL;
		conn_drop(im->job, "%s", "it closed");
		im->job = NULL;
	}
	if (!im->intended && im->client) {
		refuse(im->client, im->cmd_id, END_UNDECIDED, why);
		return;
	}
	if (!im->intended || !record || audit_log_failed(im->k->log)) {
		import_free(im);
		return;
	}
	struct attest_report rep = job_report(ATTEST_UNDECIDED, "cancelled", "%s", why);
	conclude(im, &rep);
}

/* A client that announces an import and then says nothing keeps others from theirs. */
void import_watch(struct keepd *k)
{
	struct import *im = k->import;
	if (im && !im->intended && im->client && keepd_now_ns() - im->since_ns > COLLECT_NS_MAX)
		refuse(im->client, im->cmd_id, END_REFUSED, "the files did not come");
}

/* ---- the two jobs ---- */

/* Queue source i, from fd (taken). */
static void send_source(struct conn *jc, const struct import_file *file, u32 i, int *fd)
{
	struct proto_file pf = { .bytes = file->bytes, .index = i };
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
	int r = reorder(im, &seg);
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
	u64 room = 0;
	int r = audit_store_free(&im->k->store, &room);
	if (!r && room < LOG_RESERVE_BYTES + map.len)
		r = err_origin(-ENOSPC);
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
			memcmp(m->segments, im->segments_digest, SHA256_BYTES) != 0)
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
	conclude(im, &rep);
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

void import_job_done(struct keepd *k, struct job *j)
{
	struct import *im = j->import;
	struct attest_report rep = j->report;
	im->job = NULL;
	if (audit_log_failed(k->log)) {
		import_free(im);
		return;
	}
	add_grounds(im, j);
	if (j->kind == JOB_KIND_VERIFY)
		im->verify = rep;
	else
		add_verified(im, &rep);
	if (rep.verdict != ATTEST_ACCEPTED) {
		conclude(im, &rep);
		return;
	}
	if (j->kind == JOB_KIND_VERIFY && known_model(im, &rep)) {
		conclude(im, &rep);
		return;
	}
	int r = j->kind == JOB_KIND_VERIFY ? take_segments(im, j) : take_layout(im, j);
	if (j->kind == JOB_KIND_VERIFY && r == 0 && known_files(im, &rep)) {
		conclude(im, &rep);
		return;
	}
	if (r > 0) {
		rep = job_report(ATTEST_UNDECIDED, "attest-answer",
			"keep-attest's answer does not fit its own report");
		conclude(im, &rep);
		return;
	}
	if (r < 0) {
		undecided(im, "staging", r);
		return;
	}
	if (j->kind == JOB_KIND_LAYOUT) {
		accept_model(im, rep.sequence);
		return;
	}
	r = start_layout(im);
	if (r)
		failed(im, "keep-attest", r);
}
