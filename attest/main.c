/* keep-attest: one job for keepd, then gone. Holds the descriptors of that job and nothing else: no path, no network, no private key,
 * no log. It reads what strangers wrote; whatever becomes of it, all that it can do is lie about this one job.
 *
 *   BEGIN ─▶ KEY × n_keys, SOURCE × n_files, STAGE × n_files (verify) ─▶ GO ─▶ PROGRESS…, RESULT (accepted), REPORT, exit */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ST_NEW = 1, ST_FILL = 2, ST_RUN = 4 };

struct job {
	int sock;
	u32 state;
	u64 seen, id;
	struct proto_job begin;
	int fd; /* what the kind says */
	struct proto_key keys[TRUST_KEYS_MAX];
	struct attest_source *sources;
	int *stages;
	u32 n_keys, n_sources, n_stages;
	struct attest_progress progress;
};

/* ---- frames ------------------------------------------------------------------------------------------------------------------ */

static bool begin_ok(const struct proto_job *b)
{
	if (b->flags)
		return false;
	if (b->kind == JOB_KIND_KEY)
		return b->n_files == 0 && b->n_keys == 0;
	if (b->n_files < 1 || b->n_files > MODEL_FILES_MAX)
		return false;
	return b->kind == JOB_KIND_VERIFY ? b->n_keys <= TRUST_KEYS_MAX
					  : b->kind == JOB_KIND_LAYOUT && b->n_keys == 0;
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
	return 0;
}

static int on_key(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	struct proto_key *k = &j->keys[MIN(j->n_keys, TRUST_KEYS_MAX - 1)];
	if (j->n_keys == j->begin.n_keys)
		return -EPROTO;
	memcpy(k, f->body, sizeof *k);
	if (!bytes_str_ok(k->name, sizeof k->name) || !bytes_name_ok(k->name) || !attest_key_ok(k))
		return -EPROTO;
	j->n_keys++;
	return 0;
}

static int on_source(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	const struct proto_file *p = (const void *)f->body;
	if (j->n_sources == j->begin.n_files || p->index != j->n_sources || p->reserved ||
		!bytes_str_ok(p->path, sizeof p->path))
		return -EPROTO;
	struct attest_source *s = &j->sources[j->n_sources++];
	memcpy(s->path, p->path, sizeof s->path);
	s->bytes = p->bytes;
	s->fd = fd_steal(&f->fd);
	return 0;
}

static int on_stage(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	const struct proto_index *p = (const void *)f->body;
	if (j->begin.kind != JOB_KIND_VERIFY || p->index >= j->begin.n_files || p->reserved ||
		j->stages[p->index] >= 0)
		return -EPROTO;
	j->stages[p->index] = fd_steal(&f->fd);
	j->n_stages++;
	return 0;
}

static int on_go(void *conn, struct ipc_frame *f)
{
	struct job *j = conn;
	u32 stages = j->begin.kind == JOB_KIND_VERIFY ? j->begin.n_files : 0;
	if (j->n_keys != j->begin.n_keys || j->n_sources != j->begin.n_files || j->n_stages != stages)
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

/* ---- the three jobs ------------------------------------------------------------------------------------------------------------ */

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

/* The whole of the job's own descriptor. */
static int input_read(
	struct job *j, const char *object, u64 max, u8 **ret, size_t *ret_len, struct attest_report *report)
{
	int r = fd_read_file(j->fd, max, ret, ret_len);
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
	int r = input_read(j, "key", KEY_PEM_BYTES_MAX, &pem, &len, report);
	r = r ? r : attest_key_parse(pem, len, &key, report);
	return r ? r : ipc_send(j->sock, JOB_KEY_INFO, j->id, &key, sizeof key, -1);
}

static int job_verify(struct job *j, struct attest_report *report)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	struct attest_manifest *m = NULL;
	struct attest_blob segments = { 0 };
	int r = input_read(j, "bundle", BUNDLE_BYTES_MAX, &data, &len, report);
	if (r)
		return r;
	struct attest_bundle_params b = { .data = data, .len = len, .keys = j->keys, .n_keys = j->n_keys };
	r = attest_bundle_verify(&b, &m, report);
	if (r)
		return r;
	struct attest_model_params p = { .manifest = m,
		.files = j->sources,
		.n_files = j->n_sources,
		.stages = j->stages,
		.progress = &j->progress };
	r = attest_model_verify(&p, &segments, report);
	r = r ? r : send_result(j, &segments);
	attest_blob_fini(&segments);
	attest_manifest_free(m);
	return r;
}

static int job_layout(struct job *j, struct attest_report *report)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	struct segments segments;
	struct attest_blob layout = { 0 };
	const char *why;
	int r = input_read(j, "segments", SEGMENTS_BYTES_MAX, &data, &len, report);
	if (!r && segments_open(data, len, &segments, &why))
		r = attest_reject(
			report, ATTEST_SEGMENTS, "segments", "the segment table is malformed: %s", why);
	if (r)
		return r;
	struct attest_layout_params p = {
		.segments = &segments, .files = j->sources, .n_files = j->n_sources
	};
	r = attest_layout_make(&p, &layout, report);
	r = r ? r : send_result(j, &layout);
	attest_blob_fini(&layout);
	return r;
}

static int job_run(struct job *j)
{
	struct attest_report report;
	attest_report_init(&report);
	j->progress = (struct attest_progress){ send_progress, j };
	int r = j->begin.kind == JOB_KIND_KEY	   ? job_key(j, &report)
		: j->begin.kind == JOB_KIND_VERIFY ? job_verify(j, &report)
						   : job_layout(j, &report);
	if (r == -EPROTO || r == -EPIPE)
		return r;
	if (r < 0)
		attest_report_undecided(&report, r, "job");
	r = ipc_send(j->sock, JOB_REPORT, j->id, &report, sizeof report, -1);
	return r;
}

static void job_fini(struct job *j)
{
	for (u32 i = 0; i < j->n_sources; i++)
		fd_close(&j->sources[i].fd);
	for (u32 i = 0; j->stages && i < j->begin.n_files; i++)
		fd_close(&j->stages[i]);
	fd_close(&j->fd);
	fd_close(&j->sock);
	free(j->sources);
	free(j->stages);
}

/* ---- main ---------------------------------------------------------------------------------------------------------------------- */

/* Every source and stage of the largest model, and a few more. */
static void raise_file_limit(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = MIN(l.rlim_max, (rlim_t)(2 * MODEL_FILES_MAX + 64));
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static int serve(struct job *j)
{
	struct sandbox_params sandbox = { .role = SANDBOX_ATTEST };
	raise_file_limit();
	int r = attest_prepare();
	if (r)
		return r;
	r = sandbox_enter(&sandbox);
	if (r)
		return r;
	r = job_receive(j);
	return r ? r : job_run(j);
}

int main(int argc, char **argv)
{
	static struct job j = { .sock = -1, .fd = -1, .state = ST_NEW };
	daemon_name("keep-attest");
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
