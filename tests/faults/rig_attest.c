/* The fake keep-attest: a child process that answers one job per connection. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/layout.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define must(x) assert_true((x) >= 0)

struct fake_job {
	struct proto_job p;
	int input, sources[16], stages[16];
	struct proto_file files[16];
	u32 n;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct segments_file *)a)->path, ((const struct segments_file *)b)->path);
}

/* Copy and hash: small files, one segment each. Returns a sealed segment table. */
static int fake_segments(struct fake_job *j, u8 digest[SHA256_BYTES])
{
	static u8 data[65536], table[65536];
	struct segments_header *h = (void *)table;
	struct segments_file *sf = (void *)(h + 1);
	memset(table, 0, sizeof table);
	memcpy(h->magic, SEGMENTS_MAGIC, 8);
	h->segment_bytes = SEGMENT_BYTES;
	h->n_files = h->n_segments = j->n;
	for (u32 i = 0; i < j->n; i++) {
		size_t len = j->files[i].bytes;
		if (fd_pread_all(j->sources[i], data, len, 0) || fd_pwrite_all(j->stages[i], data, len, 0))
			_exit(9);
		h->bytes += len;
		sf[i].bytes = len;
		sf[i].count = 1;
		sha256_of(data, len, sf[i].digest);
		memcpy(sf[i].path, j->files[i].path, sizeof sf[i].path);
	}
	qsort(sf, j->n, sizeof *sf, by_path);
	u8(*d)[SHA256_BYTES] = (void *)(sf + j->n);
	for (u32 i = 0; i < j->n; i++) {
		sf[i].first = i;
		memcpy(d[i], sf[i].digest, SHA256_BYTES);
	}
	size_t len = sizeof *h + j->n * (sizeof *sf + SHA256_BYTES);
	int fd = -1;
	sha256_of(table, len, digest);
	return fd_memfd_sealed("segments", table, len, &fd) ? -1 : fd;
}

static void fake_verify(int s, struct fake_job *j)
{
	struct attest_report r = { .n_files = j->n };
	char bundle[256] = "";
	struct proto_progress p = { .done = 1, .total = 2, .what = "verify" };
	ssize_t n = pread(j->input, bundle, sizeof bundle - 1, 0);
	sha256_of(bundle, (size_t)n, r.bundle);
	memcpy(r.model, r.bundle, sizeof r.bundle);
	if (ipc_send(s, JOB_PROGRESS, 0, &p, sizeof p, -1) || strncmp(bundle, "die", 3) == 0)
		_exit(1);
	if (strncmp(bundle, "hang", 4) == 0)
		pause();
	if (strncmp(bundle, "reject", 6) == 0) {
		r.verdict = ATTEST_REJECTED;
		r.reason = 1;
		strcpy(r.code, "digest");
		strcpy(r.object, "weights.gguf");
		strcpy(r.detail, "weights.gguf: the digest differs");
	} else {
		int fd = fake_segments(j, r.result);
		struct proto_data d = { .bytes = 1 };
		strcpy(r.signer, "publisher");
		if (ipc_send(s, JOB_RESULT, 0, &d, sizeof d, fd))
			_exit(1);
	}
	if (ipc_send(s, JOB_REPORT, 0, &r, sizeof r, -1))
		_exit(1);
}

static void fake_layout(int s, struct fake_job *j)
{
	struct attest_report r = { .n_files = j->n };
	struct proto_data d = { .bytes = 6 };
	int fd = -1;
	sha256_of("LAYOUT", 6, r.result);
	if (fd_memfd_sealed("layout", "LAYOUT", 6, &fd) || ipc_send(s, JOB_RESULT, 0, &d, sizeof d, fd) ||
		ipc_send(s, JOB_REPORT, 0, &r, sizeof r, -1))
		_exit(1);
}

static void fake_key(int s, struct fake_job *j)
{
	struct attest_report r = { 0 };
	struct proto_key k = { .der_len = 32, .curve_bits = 256 };
	char pem[256] = "";
	ssize_t n = pread(j->input, pem, sizeof pem, 0);
	sha256_of(pem, n > 0 ? (size_t)n : 0, k.id);
	memcpy(k.der, k.id, 32);
	if (ipc_send(s, JOB_KEY_INFO, 0, &k, sizeof k, -1) || ipc_send(s, JOB_REPORT, 0, &r, sizeof r, -1))
		_exit(1);
}

/* A trust root, a policy: fine, but for one that begins with "bad"; a model explained: one rule. */
static void fake_check(int s, struct fake_job *j)
{
	struct attest_report r = { 0 };
	struct proto_rule rule = { .line = 7, .holds = 1, .text = "rule" };
	char text[8] = "";
	if (j->p.kind != JOB_KIND_EXPLAIN && pread(j->input, text, sizeof text - 1, 0) > 0 &&
		!strncmp(text, "bad", 3)) {
		r.verdict = ATTEST_REJECTED;
		strcpy(r.code, "policy");
		strcpy(r.detail, "line 1: bad");
	}
	if (j->p.kind == JOB_KIND_POLICY && !strncmp(text, "two ", 4))
		r.two_persons = (u32)(text[4] - '0');
	if (j->p.kind == JOB_KIND_EXPLAIN && ipc_send(s, JOB_RULE, 0, &rule, sizeof rule, -1))
		_exit(1);
	if (ipc_send(s, JOB_REPORT, 0, &r, sizeof r, -1))
		_exit(1);
}

static void fake_job(int s)
{
	struct fake_job j = { .input = -1 };
	struct ipc_frame f;
	while (ipc_recv(s, &f) == 0) {
		if (f.h.type == JOB_BEGIN) {
			memcpy(&j.p, f.body, sizeof j.p);
			j.input = f.fd;
		} else if (f.h.type == JOB_SOURCE) {
			memcpy(&j.files[j.n], f.body, sizeof j.files[0]);
			j.sources[j.n++] = f.fd;
		} else if (f.h.type == JOB_STAGE) {
			j.stages[j.n - 1] = f.fd;
		} else if (f.h.type == JOB_GO) {
			if (j.p.kind == JOB_KIND_KEY)
				fake_key(s, &j);
			else if (j.p.kind == JOB_KIND_VERIFY)
				fake_verify(s, &j);
			else if (j.p.kind == JOB_KIND_LAYOUT)
				fake_layout(s, &j);
			else
				fake_check(s, &j);
			_exit(0);
		}
	}
	_exit(0);
}

pid_t rig_attest(int listening)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int s = accept(listening, NULL, NULL);
		if (s >= 0 && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			fake_job(s);
		}
		close(s);
	}
}
