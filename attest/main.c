/* keep-attest: one job for keepd, then gone. Holds the descriptors of that job and nothing else: no path, no network, no private key,
 * no log. It reads what strangers wrote; whatever becomes of it, all that it can do is lie about this one job.
 *
 *   BEGIN ─▶ KEY × n_keys, TRUST × n_trust, BUNDLE × n_bundles, POLICY, TABLE × 2 (explain), SOURCE × n_files, STAGE × n_files (verify)
 *         ─▶ GO ─▶ PROGRESS…, SIGNER…, RULE…, RESULT (accepted), REPORT, exit
 *
 * The policy is held in two of the jobs: who signed, by the one that verifies; what was signed, by the one that reads the header. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "attest/trust.h"
#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ST_NEW = 1, ST_FILL = 2, ST_RUN = 4 };

struct job {
	int sock;
	u32 state;
	u64 seen, id;
	struct proto_job begin;
	int fd; /* what the kind says */
	struct attest_trust *trust;
	int bundles[BUNDLES_MAX]; /* further ones */
	int policy_fd, tables[2]; /* -1: none */
	struct attest_source *sources;
	int *stages;
	u32 n_keys, n_trust, n_bundles, n_sources, n_stages;
	u64 trust_bytes;
	struct attest_progress progress;
	struct attest_policy *policy;
	struct attest_rules rules;
	struct attest_signer signers[BUNDLES_MAX];
	u32 n_signers;
	struct attest_report refused; /* a trust root that does not parse: the verdict, once GO came */
};

/* ---- frames ------------------------------------------------------------------------------------------------------------------ */

/* What a job of each kind is made of. */
static const struct {
	bool files, keys, trust, bundles, policy, stages, tables;
} kinds[] = {
	[JOB_KIND_KEY] = { 0 },
	[JOB_KIND_VERIFY] = { .files = true,
		.keys = true,
		.trust = true,
		.bundles = true,
		.policy = true,
		.stages = true },
	[JOB_KIND_LAYOUT] = { .files = true, .policy = true },
	[JOB_KIND_TRUST] = { .trust = true },
	[JOB_KIND_POLICY] = { 0 },
	[JOB_KIND_EXPLAIN] = { .files = true,
		.keys = true,
		.trust = true,
		.bundles = true,
		.policy = true,
		.tables = true },
};

static bool begin_ok(const struct proto_job *b)
{
	if (b->flags || b->kind < JOB_KIND_KEY || b->kind > JOB_KIND_EXPLAIN ||
		!bytes_str_ok(b->name, sizeof b->name))
		return false;
	if (kinds[b->kind].files ? b->n_files < 1 || b->n_files > MODEL_FILES_MAX : b->n_files > 0)
		return false;
	return b->n_keys <= (kinds[b->kind].keys ? TRUST_KEYS_MAX : 0) &&
	       b->n_trust <= (kinds[b->kind].trust ? TRUST_KEYS_MAX : 0) &&
	       b->n_bundles < (kinds[b->kind].bundles ? BUNDLES_MAX : 1) &&
	       (b->kind != JOB_KIND_TRUST || b->n_trust == 1);
}

static int on_begin(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	memcpy(&j->begin, f->body, sizeof j->begin);
	if (!begin_ok(&j->begin))
		return -EPROTO;
	j->id = f->h.id;
	j->sources = calloc(MAX(j->begin.n_files, 1u), sizeof *j->sources);
	j->stages = calloc(MAX(j->begin.n_files, 1u), sizeof *j->stages);
	if (!j->sources || !j->stages)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < j->begin.n_files; i++)
		j->stages[i] = -1;
	j->fd = fd_steal(&f->fd);
	j->state = ST_FILL;
	return attest_trust_create(&j->trust);
}

static int on_key(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	struct proto_key k;
	if (j->n_keys == j->begin.n_keys)
		return -EPROTO;
	memcpy(&k, f->body, sizeof k);
	if (!bytes_str_ok(k.name, sizeof k.name) || !bytes_name_ok(k.name) || !attest_key_ok(&k) ||
		!bytes_str_ok(k.models, sizeof k.models))
		return -EPROTO;
	j->n_keys++;
	return attest_trust_add_key(j->trust, &k, &j->refused);
}

static int on_trust(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	struct proto_trust t;
	_cleanup_map_ struct fd_map map = { 0 };
	if (j->n_trust == j->begin.n_trust)
		return -EPROTO;
	memcpy(&t, f->body, sizeof t);
	if (!bytes_str_ok(t.name, sizeof t.name) || !bytes_name_ok(t.name) ||
		!bytes_str_ok(t.models, sizeof t.models) || !bytes_str_ok(t.serves, sizeof t.serves))
		return -EPROTO;
	int r = fd_map_sealed(f->fd, TRUST_FILE_BYTES_MAX, &map);
	if (r || map.len > TRUST_BYTES_MAX - j->trust_bytes)
		return r < 0 ? r : -EPROTO;
	j->n_trust++;
	j->trust_bytes += map.len;
	if (j->refused.verdict == ATTEST_ACCEPTED)
		r = attest_trust_add(
			j->trust, &t, map.data ? map.data : (const u8 *)"", map.len, &j->refused);
	return r < 0 ? r : 0;
}

static int on_bundle(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	const struct proto_index *p = (const void *)f->body;
	if (j->n_bundles == j->begin.n_bundles || p->index != j->n_bundles + 1 || p->reserved)
		return -EPROTO;
	j->bundles[j->n_bundles++] = fd_steal(&f->fd);
	return 0;
}

static int on_policy(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	if (!kinds[j->begin.kind].policy)
		return -EPROTO;
	j->policy_fd = fd_steal(&f->fd);
	return 0;
}

static int on_table(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	const struct proto_index *p = (const void *)f->body;
	if (!kinds[j->begin.kind].tables || p->index > 1 || p->reserved || j->tables[p->index] >= 0)
		return -EPROTO;
	j->tables[p->index] = fd_steal(&f->fd);
	return 0;
}

static int on_source(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	const struct proto_file *p = (const void *)f->body;
	if (j->n_sources == j->begin.n_files || p->index != j->n_sources || p->reserved ||
		(p->offset && !kinds[j->begin.kind].stages) || p->offset > UINT64_MAX - p->bytes ||
		!bytes_str_ok(p->path, sizeof p->path))
		return -EPROTO;
	struct attest_source *s = &j->sources[j->n_sources++];
	memcpy(s->path, p->path, sizeof s->path);
	s->bytes = p->bytes;
	s->offset = p->offset;
	s->fd = fd_steal(&f->fd);
	return 0;
}

static int on_stage(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	const struct proto_index *p = (const void *)f->body;
	if (!kinds[j->begin.kind].stages || p->index >= j->begin.n_files || p->reserved ||
		j->stages[p->index] >= 0)
		return -EPROTO;
	j->stages[p->index] = fd_steal(&f->fd);
	j->n_stages++;
	return 0;
}

static int on_go(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	u32 stages = kinds[j->begin.kind].stages ? j->begin.n_files : 0;
	bool tables = !kinds[j->begin.kind].tables || (j->tables[0] >= 0 && j->tables[1] >= 0);
	if (j->n_keys != j->begin.n_keys || j->n_trust != j->begin.n_trust ||
		j->n_bundles != j->begin.n_bundles || j->n_sources != j->begin.n_files ||
		j->n_stages != stages || !tables)
		return -EPROTO;
	j->state = ST_RUN;
	return 0;
}

static const struct ipc_rule rules[] = {
	/* type      state    length                      fd     once   handler */
	{ JOB_BEGIN, ST_NEW, sizeof(struct proto_job), true, true, on_begin },
	{ JOB_KEY, ST_FILL, sizeof(struct proto_key), false, false, on_key },
	{ JOB_SOURCE, ST_FILL, sizeof(struct proto_file), true, false, on_source },
	{ JOB_STAGE, ST_FILL, sizeof(struct proto_index), true, false, on_stage },
	{ JOB_TRUST, ST_FILL, sizeof(struct proto_trust), true, false, on_trust },
	{ JOB_BUNDLE, ST_FILL, sizeof(struct proto_index), true, false, on_bundle },
	{ JOB_POLICY, ST_FILL, 0, true, true, on_policy },
	{ JOB_TABLE, ST_FILL, sizeof(struct proto_index), true, false, on_table },
	{ JOB_GO, ST_FILL, 0, false, true, on_go },
};

/* Until GO. 0; 1 the peer closed; -errno. */
static int job_receive(struct job *j)
{
	while (j->state != ST_RUN) {
		_cleanup_(ipc_frame_fini) struct ipc_frame f;
		int r = ipc_recv(j->sock, &f);
		if (r)
			return r;
		const struct ipc_rule *rule = ipc_match(rules, ARRAY_LEN(rules), j->state, &j->seen, &f);
		r = rule ? rule->handler(j, &f) : -EPROTO;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the jobs ------------------------------------------------------------------------------------------------------------ */

static void send_progress(void *ctx, u64 done, u64 total, const char *what)
{
	struct job *j = ctx;
	struct proto_progress p = { .done = done, .total = total };
	size_t n = strlen(what), cut = n < sizeof p.what ? 0 : n - sizeof p.what + 1;
	while (cut && cut < n && ((u8)what[cut] & 0xc0) == 0x80)
		cut++; /* the end of a name says more than its beginning */
	memcpy(p.what, what + cut, n - cut);
	(void)!ipc_send(j->sock, JOB_PROGRESS, j->id, &p, sizeof p,
		-1); /* a peer that is gone shows at the next frame */
}

static int send_result(struct job *j, const struct attest_blob *b)
{
	_cleanup_fd_ int fd = -1;
	struct proto_data d = { .bytes = b->len };
	int r = fd_memfd_sealed("attest-result", b->data, b->len, &fd);
	return r ? r : ipc_send(j->sock, JOB_RESULT, j->id, &d, sizeof d, fd);
}

/* The whole of one of the job's descriptors. */
static int input_read(
	int fd, const char *object, u64 max, u8 **ret, size_t *ret_len, struct attest_report *report)
{
	int r = fd_read_file(fd, max, ret, ret_len);
	if (r == 1)
		return attest_reject(
			report, ATTEST_SPECIAL_FILE, object, "the %s is not a regular file", object);
	if (r == 2)
		return attest_reject(report, ATTEST_SIZE_LIMIT, object, "the %s is longer than %llu bytes",
			object, (unsigned long long)max);
	return r;
}

static int job_key(struct job *j, struct attest_report *report)
{
	_cleanup_free_ u8 *pem = NULL;
	size_t len;
	struct proto_key key;
	int r = input_read(j->fd, "key", KEY_PEM_BYTES_MAX, &pem, &len, report);
	r = r ? r : attest_key_parse(pem, len, &key, report);
	return r ? r : ipc_send(j->sock, JOB_KEY_INFO, j->id, &key, sizeof key, -1);
}

/* Parse the policy that came, or the default one. */
static int policy_open(struct job *j, int fd, struct attest_report *report)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len = strlen(attest_policy_default);
	struct attest_policy_errors errors;
	int r = fd < 0 ? 0 : input_read(fd, "policy", POLICY_FILE_BYTES_MAX, &data, &len, report);
	r = r ? r
	      : attest_policy_parse(
			data ? (const char *)data : attest_policy_default, len, &j->policy, &errors);
	if (r == 1 && report->verdict == ATTEST_ACCEPTED) {
		char object[32];
		snprintf(object, sizeof object, "line %u", errors.v[0].line);
		return attest_reject(report, ATTEST_POLICY, object, "policy, line %u: %s", errors.v[0].line,
			errors.v[0].text);
	}
	return r;
}

static void manifest_free(struct attest_manifest **m)
{
	*m = attest_manifest_free(*m);
}

/* One bundle: who vouches? */
static int bundle_judge(struct job *j, int fd, struct attest_manifest **ret, struct attest_report *report)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	int r = input_read(fd, "bundle", BUNDLE_BYTES_MAX, &data, &len, report);
	if (r)
		return r;
	struct attest_trust_question q = { .data = data, .len = len, .at = (i64)j->begin.now };
	r = attest_trust_judge(j->trust, &q, ret, &j->signers[j->n_signers], report);
	j->n_signers += r == 0;
	return r;
}

/* Every bundle; the first one is the model's, each further one must hold and sign the same files. */
static int bundles_judge(struct job *j, struct attest_manifest **ret, struct attest_report *report)
{
	int r = bundle_judge(j, j->fd, ret, report);
	for (u32 i = 0; i < j->n_bundles && !r; i++) {
		_cleanup_(manifest_free) struct attest_manifest *m = NULL;
		struct attest_report one;
		attest_report_init(&one);
		r = bundle_judge(j, j->bundles[i], &m, &one);
		r = r ? r : attest_manifests_equal(*ret, m, &one);
		if (r)
			*report = one;
	}
	return r;
}

/* files: NULL, before they were read. */
static int signers_hold(struct job *j, const struct segments *files, struct attest_report *report)
{
	struct attest_policy_question q = { .name = j->begin.name,
		.signers = j->signers,
		.n_signers = j->n_signers,
		.now = j->begin.now,
		.files = files };
	j->rules.n = 0;
	return attest_policy_signers(j->policy, &q, &j->rules, report);
}

static int segments_of(const void *data, size_t len, struct segments *ret, struct attest_report *report)
{
	const char *why;
	if (segments_open(data, len, ret, &why))
		return attest_reject(
			report, ATTEST_SEGMENTS, "segments", "the segment table is malformed: %s", why);
	return 0;
}

/* Signatures, then policy: both before a byte of the model is read. The deny list of files needs their digests, so it is held again. */
static int job_verify(struct job *j, struct attest_report *report)
{
	_cleanup_(manifest_free) struct attest_manifest *m = NULL;
	_cleanup_(attest_blob_fini) struct attest_blob table = { 0 };
	struct segments segments;
	int r = policy_open(j, j->policy_fd, report);
	r = r ? r : bundles_judge(j, &m, report);
	r = r ? r : signers_hold(j, NULL, report);
	if (r)
		return r;
	struct attest_model_params p = { .manifest = m,
		.files = j->sources,
		.n_files = j->n_sources,
		.stages = j->stages,
		.progress = &j->progress };
	r = attest_model_verify(&p, &table, report);
	r = r ? r : segments_of(table.data, table.len, &segments, report);
	r = r ? r : signers_hold(j, &segments, report);
	return r ? r : send_result(j, &table);
}

static int content_hold(
	struct job *j, const struct segments *s, const void *layout, size_t len, struct attest_report *report)
{
	char licence[LICENCE_BYTES_MAX + 1];
	struct attest_policy_content c = { .name = j->begin.name, .newest = j->begin.newest };
	struct attest_content_params p = { .segments = s,
		.files = j->sources,
		.n_files = j->n_sources,
		.layout = layout,
		.layout_len = len };
	int r = attest_content_read(&p, licence, &c, report);
	if (r)
		return r;
	report->sequence = c.sequence;
	return attest_policy_content(j->policy, &c, &j->rules, report);
}

static int job_layout(struct job *j, struct attest_report *report)
{
	_cleanup_free_ u8 *data = NULL;
	_cleanup_(attest_blob_fini) struct attest_blob layout = { 0 };
	size_t len;
	struct segments segments;
	int r = policy_open(j, j->policy_fd, report);
	r = r ? r : input_read(j->fd, "segments", SEGMENTS_BYTES_MAX, &data, &len, report);
	r = r ? r : segments_of(data, len, &segments, report);
	if (r)
		return r;
	struct attest_layout_params p = {
		.segments = &segments, .files = j->sources, .n_files = j->n_sources
	};
	r = attest_layout_make(&p, &layout, report);
	r = r ? r : content_hold(j, &segments, layout.data, layout.len, report);
	return r ? r : send_result(j, &layout);
}

static int job_policy(struct job *j, struct attest_report *report)
{
	int r = policy_open(j, j->fd, report);
	if (!r && j->policy)
		report->two_persons = attest_policy_two_persons(j->policy);
	return r;
}

/* The whole verdict again, over what is stored, but for the bytes of the weights: those were hashed when they came, and are when they
 * are loaded. */
static int job_explain(struct job *j, struct attest_report *report)
{
	_cleanup_(manifest_free) struct attest_manifest *m = NULL;
	_cleanup_free_ u8 *table = NULL, *layout = NULL;
	size_t table_len, layout_len;
	struct segments segments;
	int r = policy_open(j, j->policy_fd, report);
	r = r ? r : input_read(j->tables[0], "segments", SEGMENTS_BYTES_MAX, &table, &table_len, report);
	r = r ? r : input_read(j->tables[1], "layout", LAYOUT_BYTES_MAX, &layout, &layout_len, report);
	r = r ? r : segments_of(table, table_len, &segments, report);
	r = r ? r : bundles_judge(j, &m, report);
	if (r)
		return r;
	struct attest_report who = *report, what = *report;
	r = signers_hold(j, &segments, &who);
	int e = r < 0 ? r : content_hold(j, &segments, layout, layout_len, &what);
	*report = r == 1 ? who : what;
	return e < 0 ? e : r ? r : e;
}

static int (*const jobs[])(struct job *j, struct attest_report *report) = {
	[JOB_KIND_KEY] = job_key,
	[JOB_KIND_VERIFY] = job_verify,
	[JOB_KIND_LAYOUT] = job_layout,
	[JOB_KIND_POLICY] = job_policy,
	[JOB_KIND_EXPLAIN] = job_explain,
};

/* What the verdict rests on, beside the report. */
static int send_grounds(struct job *j)
{
	int r = 0;
	for (u32 i = 0; i < j->n_signers && !r; i++)
		r = ipc_send(
			j->sock, JOB_SIGNER, j->id, &j->signers[i].facts, sizeof j->signers[i].facts, -1);
	for (u32 i = 0; i < j->rules.n && !r; i++)
		r = ipc_send(j->sock, JOB_RULE, j->id, &j->rules.v[i], sizeof j->rules.v[i], -1);
	return r;
}

static int job_run(struct job *j)
{
	struct attest_report report;
	attest_report_init(&report);
	j->progress = (struct attest_progress){ send_progress, j };
	int r = 0;
	if (j->refused.verdict != ATTEST_ACCEPTED)
		report = j->refused;
	else if (jobs[j->begin.kind])
		r = jobs[j->begin.kind](j, &report);
	if (r == -EPROTO || r == -EPIPE)
		return r;
	if (r < 0)
		attest_report_undecided(&report, r, "job");
	if (j->policy)
		memcpy(report.policy, attest_policy_digest(j->policy), sizeof report.policy);
	r = send_grounds(j);
	return r ? r : ipc_send(j->sock, JOB_REPORT, j->id, &report, sizeof report, -1);
}

static void job_fini(struct job *j)
{
	for (u32 i = 0; i < j->n_sources; i++)
		fd_close(&j->sources[i].fd);
	for (u32 i = 0; j->stages && i < j->begin.n_files; i++)
		fd_close(&j->stages[i]);
	for (u32 i = 0; i < j->n_bundles; i++)
		fd_close(&j->bundles[i]);
	for (u32 i = 0; i < ARRAY_LEN(j->tables); i++)
		fd_close(&j->tables[i]);
	fd_close(&j->policy_fd);
	fd_close(&j->fd);
	fd_close(&j->sock);
	attest_policy_free(j->policy);
	attest_trust_free(j->trust);
	free(j->sources);
	free(j->stages);
}

/* ---- main ---------------------------------------------------------------------------------------------------------------------- */

/* What is missing, for the one who reads the journal: the error's number says it too shortly. */
static int sandbox_failed(int error)
{
	daemon_say(error == -ENOSYS
			   ? "sandbox: %s: the kernel lacks Landlock (ABI 2, Linux 5.19) or seccomp, and "
			     "keep-attest reads nothing without them"
			   : "sandbox: %s: keep-attest reads nothing without it",
		strerror(-error));
	return 2;
}

/* 0; 1 the peer closed before GO; 2 no sandbox, said; -errno. */
static int serve(struct job *j)
{
	struct sandbox_params sandbox = { .role = SANDBOX_ATTEST };
	fd_limit_raise(
		2 * MODEL_FILES_MAX + 64); /* every source and stage of the largest model, and a few more */
	int r = attest_prepare();
	if (r)
		return r;
	r = sandbox_enter(&sandbox);
	if (r)
		return sandbox_failed(r);
	r = job_receive(j);
	return r ? r : job_run(j);
}

int main(int argc, char **argv)
{
	static struct job j = {
		.sock = -1, .fd = -1, .policy_fd = -1, .tables = { -1, -1 }, .state = ST_NEW
	};
	daemon_name("keep-attest");
	attest_report_init(&j.refused);
	if (argc > 1) {
		daemon_say("takes no arguments: it is started with one socket, by systemd or keep up");
		return 2;
	}
	int r = daemon_inherited_fd(&j.sock);
	if (r) {
		daemon_say("socket: started without exactly one inherited descriptor");
		return 2;
	}
	r = serve(&j);
	job_fini(&j);
	if (r == 1)
		return 0; /* the other end closed before it had said what to do */
	if (r == -EPROTO)
		daemon_say("job: a frame breaks the protocol");
	else if (r < 0)
		daemon_say("job: %s", strerror(-r));
	return r ? 1 : 0;
}
