/* keep-attest itself, over a socket pair, as keepd speaks to it: the three jobs, and frames that break the protocol. The binary is the
 * first argument. */
#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *binary;
static int sock = -1;
static pid_t pid;

extern char **environ;

/* One job: the process with the other end as descriptor 3, its stderr to quiet (-1: ours). */
static void start(void)
{
	int theirs;
	posix_spawn_file_actions_t fa;
	char *argv[] = { (char *)(uintptr_t) "keep-attest", NULL };
	char *env[] = { (char *)(uintptr_t) "LISTEN_FDS=1", NULL, NULL };
	char san[256];
	if (getenv("ASAN_OPTIONS")) { /* looking for leaks needs ptrace: that would end the sandboxed process, and so our test */
		snprintf(san, sizeof san, "ASAN_OPTIONS=%s:detect_leaks=0", getenv("ASAN_OPTIONS"));
		env[1] = san;
	}
	assert_int_equal(ipc_pair(&sock, &theirs), 0);
	posix_spawn_file_actions_init(&fa);
	if (theirs == 3)
		assert_int_equal(fcntl(theirs, F_SETFD, 0), 0);
	else
		posix_spawn_file_actions_adddup2(&fa, theirs, 3);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawn(&pid, binary, &fa, NULL, argv, env), 0);
	posix_spawn_file_actions_destroy(&fa);
	close(theirs);
}

static int finish(void)
{
	int status;
	fd_close(&sock);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void put(u32 type, const void *body, size_t len, int fd)
{
	int r = ipc_send(sock, type, 7, body, (u32)len, fd);
	assert_true(r == 0 || r == -EPIPE); /* a process that has ended over an earlier frame */
}

static int open_vector(const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", KEEP_VECTORS, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void put_begin(u32 kind, u32 n_files, u32 n_keys, const char *name)
{
	struct proto_job j = { .kind = kind, .n_files = n_files, .n_keys = n_keys };
	_cleanup_fd_ int fd = open_vector(name);
	put(JOB_BEGIN, &j, sizeof j, fd);
}

static void put_source(u32 index, const char *path, int fd)
{
	struct proto_file f = { .index = index };
	assert_int_equal(fd_regular_size(fd, &f.bytes), 0);
	assert_int_equal(bytes_put_str(f.path, sizeof f.path, path), 0);
	put(JOB_SOURCE, &f, sizeof f, fd);
}

static u32 n_signers, n_rules; /* that the last answer named */

/* Frames until the report; a result's descriptor comes back. */
static struct attest_report answer(struct proto_key *ret_key, struct attest_blob *ret_result)
{
	struct attest_report report;
	n_signers = n_rules = 0;
	for (;;) {
		struct ipc_frame f;
		assert_int_equal(ipc_recv(sock, &f), 0);
		assert_int_equal(f.h.id, 7);
		if (f.h.type == JOB_KEY_INFO && ret_key) {
			assert_int_equal(f.h.len, sizeof *ret_key);
			memcpy(ret_key, f.body, sizeof *ret_key);
		} else if (f.h.type == JOB_RESULT && ret_result) {
			struct fd_map map;
			assert_int_equal(fd_map_sealed(f.fd, LAYOUT_BYTES_MAX, &map), 0);
			ret_result->data = malloc(map.len);
			ret_result->len = map.len;
			memcpy(ret_result->data, map.data, map.len);
			fd_unmap(&map);
		} else if (f.h.type == JOB_REPORT) {
			assert_int_equal(f.h.len, sizeof report);
			memcpy(&report, f.body, sizeof report);
			assert_int_equal(f.fd, -1);
			break;
		} else if (f.h.type == JOB_SIGNER) {
			assert_int_equal(f.h.len, sizeof(struct proto_signer));
			n_signers++;
		} else if (f.h.type == JOB_RULE) {
			assert_int_equal(f.h.len, sizeof(struct proto_rule));
			n_rules++;
		} else {
			assert_int_equal(f.h.type, JOB_PROGRESS);
		}
		ipc_frame_fini(&f);
	}
	struct ipc_frame f;
	assert_int_equal(ipc_recv(sock, &f), 1); /* the last frame of every job */
	return report;
}

static void test_key_job(void **state)
{
	struct proto_key key = { 0 }, want;
	start();
	put_begin(JOB_KIND_KEY, 0, 0, "oms/keys/p521.pub.pem");
	put(JOB_GO, NULL, 0, -1);
	struct attest_report report = answer(&key, NULL);
	assert_int_equal(report.verdict, ATTEST_ACCEPTED);
	assert_int_equal(helper_keys(KEEP_VECTORS "/oms", "p521", &want, 1), 1);
	assert_memory_equal(key.id, want.id, sizeof want.id);
	assert_int_equal(key.curve_bits, 521);
	assert_true(attest_key_ok(&key));
	assert_int_equal(finish(), 0);
	start();
	put_begin(JOB_KIND_KEY, 0, 0, "oms/model/README.md");
	put(JOB_GO, NULL, 0, -1);
	report = answer(NULL, NULL);
	assert_int_equal(report.verdict, ATTEST_REJECTED);
	assert_string_equal(report.code, "key");
	assert_int_equal(finish(), 0);
}

static const char *const model[] = { "weights.gguf", "README.md", "a-b/x", "a/x", "config.json" };

static struct attest_report verify_job(
	const char *bundle, const char *dir, u32 n_files, struct attest_blob *ret_result, int *ret_stages)
{
	struct proto_key keys[2];
	assert_int_equal(helper_keys(KEEP_VECTORS "/oms", "p384,p256", keys, 2), 2);
	start();
	put_begin(JOB_KIND_VERIFY, n_files, 2, bundle);
	put(JOB_KEY, &keys[0], sizeof keys[0], -1);
	put(JOB_KEY, &keys[1], sizeof keys[1], -1);
	for (u32 i = 0; i < n_files; i++) {
		char path[256];
		struct proto_index index = { .index = i };
		snprintf(path, sizeof path, "oms/%s/%s", dir, model[i]);
		_cleanup_fd_ int fd = open_vector(path);
		ret_stages[i] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		put_source(i, model[i], fd);
		put(JOB_STAGE, &index, sizeof index, ret_stages[i]);
	}
	put(JOB_GO, NULL, 0, -1);
	return answer(NULL, ret_result);
}

static void test_verify_job(void **state)
{
	int stages[5];
	struct attest_blob result = { 0 };
	struct attest_report report = verify_job("oms/good-shards.sig", "model", 5, &result, stages);
	assert_int_equal(report.verdict, ATTEST_ACCEPTED);
	assert_string_equal(report.signer, "p256");
	struct segments s;
	const char *why;
	u8 digest[SHA256_BYTES];
	assert_int_equal(segments_open(result.data, result.len, &s, &why), 0);
	sha256_of(result.data, result.len, digest);
	assert_memory_equal(digest, report.result, sizeof digest);
	assert_int_equal(s.h->n_files, 5);
	for (u32 i = 0; i < 5; i++) { /* each stage holds what was hashed */
		u8 *data;
		size_t len;
		bool found = false;
		assert_int_equal(fd_read_file(stages[i], 1u << 20, &data, &len), 0);
		sha256_of(data, len, digest);
		for (u32 k = 0; k < 5; k++)
			found |= !strcmp(s.files[k].path, model[i]) &&
				 !memcmp(s.files[k].digest, digest, sizeof digest);
		assert_true(found);
		free(data);
		close(stages[i]);
	}
	attest_blob_fini(&result);
	assert_int_equal(finish(), 0);

	report = verify_job("oms/good-p256.sig", "model-flipped", 5, &result, stages);
	assert_string_equal(report.code, "digest");
	assert_string_equal(report.object, "weights.gguf");
	assert_null(result.data);
	for (u32 i = 0; i < 5; i++)
		close(stages[i]);
	assert_int_equal(finish(), 0);

	report = verify_job("oms/good-p256.sig", "model", 4, &result, stages);
	assert_string_equal(report.code, "missing-file");
	assert_string_equal(report.object, "config.json");
	for (u32 i = 0; i < 4; i++)
		close(stages[i]);
	assert_int_equal(finish(), 0);

	report = verify_job("oms/bad-unknown-key.sig", "model", 5, &result, stages);
	assert_string_equal(report.code, "unknown-key");
	for (u32 i = 0; i < 5; i++)
		close(stages[i]);
	assert_int_equal(finish(), 0);
}

static void test_layout_job(void **state)
{
	struct attest_tree tree;
	struct attest_blob segs, result = { 0 }, want;
	struct attest_report report;
	_cleanup_fd_ int fd = -1;
	assert_string_equal(helper_layout(KEEP_VECTORS "/gguf/good-split-3", &report, &want), "accepted");
	helper_segments(KEEP_VECTORS "/gguf/good-split-3", &tree, &segs);
	assert_int_equal(fd_memfd_sealed("segments", segs.data, segs.len, &fd), 0);
	start();
	struct proto_job j = { .kind = JOB_KIND_LAYOUT, .n_files = 3 };
	put(JOB_BEGIN, &j, sizeof j, fd);
	for (u32 i = 0; i < 3; i++)
		put_source(i, tree.files[2 - i].path, tree.files[2 - i].fd);
	put(JOB_GO, NULL, 0, -1);
	report = answer(NULL, &result);
	assert_int_equal(report.verdict, ATTEST_ACCEPTED);
	assert_int_equal(result.len, want.len);
	assert_memory_equal(result.data, want.data, want.len);
	assert_int_equal(finish(), 0);
	attest_blob_fini(&result);
	attest_blob_fini(&want);
	attest_blob_fini(&segs);
	attest_tree_fini(&tree);
}

/* A segment table of the largest size, and one byte more; it is none in either case. */
static void test_segments_limit(void **state)
{
	for (u64 more = 0; more < 2; more++) {
		struct proto_job j = { .kind = JOB_KIND_LAYOUT, .n_files = 1 };
		_cleanup_fd_ int fd = memfd_create("segments", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, (off_t)(SEGMENTS_BYTES_MAX + more)), 0);
		start();
		put(JOB_BEGIN, &j, sizeof j, fd);
		put_source(0, "m.gguf", fd);
		put(JOB_GO, NULL, 0, -1);
		struct attest_report report = answer(NULL, NULL);
		assert_string_equal(report.code, more ? "size-limit" : "segments");
		assert_int_equal(finish(), 0);
	}
}

/* The largest number of files: every descriptor fits. */
static void test_many_files(void **state)
{
	struct proto_key key;
	struct attest_blob result = { 0 };
	assert_int_equal(helper_keys(KEEP_VECTORS "/oms", "p256", &key, 1), 1);
	start();
	put_begin(JOB_KIND_VERIFY, MODEL_FILES_MAX, 1, "oms/bad-files-1024-are-read.sig");
	put(JOB_KEY, &key, sizeof key, -1);
	_cleanup_fd_ int empty = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (u32 i = 0; i < MODEL_FILES_MAX; i++) {
		char name[16];
		struct proto_index index = { .index = i };
		snprintf(name, sizeof name, "f%u", i);
		put_source(i, name, empty);
		put(JOB_STAGE, &index, sizeof index, empty);
	}
	put(JOB_GO, NULL, 0, -1);
	struct attest_report report = answer(NULL, &result);
	assert_string_equal(report.code, "accepted"); /* its 1024 empty files are there now */
	attest_blob_fini(&result);
	assert_int_equal(finish(), 0);
}

/* After the frames that stand before it, this one ends the process. */
struct breach {
	const char *what;
	u32 type;
	size_t len;
	bool fd, after_begin;
	struct proto_job job;
	size_t at; /* of the body, the byte that is 0xff; 0: none */
};

static void test_breaches(void **state)
{
	static const struct breach breaches[] = {
		{ "unknown type", 0x0299, 0, false, false, { 0 } },
		{ "a frame of the answer", JOB_REPORT, sizeof(struct attest_report), false, false, { 0 } },
		{ "GO before BEGIN", JOB_GO, 0, false, false, { 0 } },
		{ "KEY before BEGIN", JOB_KEY, sizeof(struct proto_key), false, false, { 0 } },
		{ "BEGIN too short", JOB_BEGIN, sizeof(struct proto_job) - 1, true, false, { 0 } },
		{ "BEGIN too long", JOB_BEGIN, sizeof(struct proto_job) + 1, true, false, { 0 } },
		{ "BEGIN without descriptor", JOB_BEGIN, sizeof(struct proto_job), false, false,
			{ .kind = JOB_KIND_KEY } },
		{ "no kind", JOB_BEGIN, sizeof(struct proto_job), true, false, { .kind = 0 } },
		{ "unknown kind", JOB_BEGIN, sizeof(struct proto_job), true, false,
			{ .kind = 4, .n_files = 1 } },
		{ "flags", JOB_BEGIN, sizeof(struct proto_job), true, false,
			{ .kind = JOB_KIND_KEY, .flags = 1 } },
		{ "no files", JOB_BEGIN, sizeof(struct proto_job), true, false, { .kind = JOB_KIND_VERIFY } },
		{ "1025 files", JOB_BEGIN, sizeof(struct proto_job), true, false,
			{ .kind = JOB_KIND_VERIFY, .n_files = MODEL_FILES_MAX + 1 } },
		{ "65 keys", JOB_BEGIN, sizeof(struct proto_job), true, false,
			{ .kind = JOB_KIND_VERIFY, .n_files = 1, .n_keys = TRUST_KEYS_MAX + 1 } },
		{ "keys for a layout", JOB_BEGIN, sizeof(struct proto_job), true, false,
			{ .kind = JOB_KIND_LAYOUT, .n_files = 1, .n_keys = 1 } },
		{ "BEGIN twice", JOB_BEGIN, sizeof(struct proto_job), true, true, { .kind = JOB_KIND_KEY } },
		{ "GO too early", JOB_GO, 0, false, true, { 0 } },
		{ "GO with a body", JOB_GO, 8, false, true, { 0 } },
		{ "a key that is none", JOB_KEY, sizeof(struct proto_key), false, true, { 0 } },
		{ "STAGE beyond the files", JOB_STAGE, sizeof(struct proto_index), true, true,
			{ .kind = 5 } },
		{ "SOURCE out of order", JOB_SOURCE, sizeof(struct proto_file), true, true, { 0 },
			offsetof(struct proto_file, index) },
		{ "SOURCE without descriptor", JOB_SOURCE, sizeof(struct proto_file), false, true, { 0 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(breaches); i++) {
		const struct breach *b = &breaches[i];
		u8 body[2048] = { 0 };
		_cleanup_fd_ int fd = open_vector("oms/good-p256.sig");
		memcpy(body, &b->job, sizeof b->job);
		body[b->at] = b->at ? 0xff : body[b->at];
		start();
		if (b->after_begin)
			put_begin(JOB_KIND_VERIFY, 1, 1, "oms/good-p256.sig");
		put(b->type, body, b->len, b->fd ? fd : -1);
		struct ipc_frame f;
		if (ipc_recv(sock, &f) != 1)
			fail_msg("%s: there was an answer", b->what);
		int status = finish();
		if (status != 1)
			fail_msg("%s: exit status %d", b->what, status);
	}
}

/* A peer that goes away ends the job without a word; no socket at all is a wrong start. */
static void test_gone(void **state)
{
	start();
	assert_int_equal(finish(), 0);
	start();
	put_begin(JOB_KIND_VERIFY, 1, 1, "oms/good-p256.sig");
	assert_int_equal(finish(), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_key_job), cmocka_unit_test(test_verify_job),
		cmocka_unit_test(test_layout_job), cmocka_unit_test(test_segments_limit),
		cmocka_unit_test(test_many_files), cmocka_unit_test(test_breaches),
		cmocka_unit_test(test_gone) };
	if (argc != 2)
		return 2;
	binary = argv[1];
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
