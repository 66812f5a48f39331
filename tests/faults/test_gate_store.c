/* The gate over its real sockets: imports, the trust store, policies, bundles. */
#define _GNU_SOURCE
#include "gate.h"
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void imports(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), c2 = rig_client(r);
	static const struct rig_file files[] = { { "z.gguf", "zzz" }, { "a.txt", "a" }, { "m/b", "bb" } };
	struct rig_answer a = rig_import(c, "one", "reject it", files, 3);
	assert_int_equal(a.status, END_REFUSED);
	assert_true(a.has_report);
	assert_string_equal(a.report.code, "digest");
	a = rig_import(c, "one", "die", files, 3);
	assert_int_equal(a.status, END_UNDECIDED);
	assert_string_equal(a.report.code, "attest-lost");
	a = rig_import(c, "Not A Name", "good", files, 3);
	assert_int_equal(a.status, END_USAGE);
	a = rig_import(c, "one", "good", files, 3);
	assert_int_equal(a.status, 0);
	a = rig_import(c, "one", "good 2", files, 3); /* the name is taken */
	assert_int_equal(a.status, END_REFUSED);
	assert_false(a.has_report);
	a = rig_import(c, "two", "good", files, 3); /* the same model */
	assert_int_equal(a.status, END_REFUSED);
	assert_string_equal(a.report.code, "stored");
	/* the files lie in the order of the table */
	char cmd[512];
	snprintf(cmd, sizeof cmd,
		"cd %s/models/* && [ \"$(cat 0000 0001 0002)\" = abbzzz ] && [ \"$(stat -c %%a 0000)\" = 400 "
		"]",
		r->store);
	assert_int_equal(system(cmd), 0);
	a = rig_query(c, QUERY_MODEL, 0, 0, "one");
	assert_non_null(strstr(a.data, "\"files\":[{\"path\":\"a.txt\",\"bytes\":1,"));
	rig_answer_fini(&a);
	/* one at a time; a client that leaves ends its import */
	struct proto_import im = { .n_files = 1, .bytes = 1, .name = "slow" };
	struct proto_file pf = { .bytes = 1, .path = "x" };
	int fd = -1, x = -1;
	assert_int_equal(fd_memfd_sealed("b", "hang", 4, &fd), 0);
	assert_int_equal(fd_memfd_sealed("x", "x", 1, &x), 0);
	assert_int_equal(ipc_send(c2, CTL_IMPORT, 1, &im, sizeof im, fd), 0);
	assert_int_equal(ipc_send(c2, CTL_FILE, 1, &pf, sizeof pf, x), 0);
	assert_int_equal(ipc_send(c2, CTL_IMPORT_GO, 1, NULL, 0, -1), 0);
	struct ipc_frame f;
	assert_int_equal(rig_recv(c2, &f), 0); /* progress: the job runs */
	a = rig_import(c, "three", "good 3", files, 3);
	assert_int_equal(a.status, END_REFUSED);
	assert_non_null(strstr(a.text, "another import"));
	close(c2);
	while (!rig_count(c, "\"event\":\"import-verdict\"", "cancelled", NULL))
		usleep(1000);
	a = rig_import(c, "three", "good 3", files, 3);
	assert_int_equal(a.status, 0);
	/* removed, and in again */
	assert_int_equal(rig_name(c, CTL_REMOVE, "three", "", -1).status, 0);
	assert_int_equal(rig_name(c, CTL_REMOVE, "three", "", -1).status, END_REFUSED);
	assert_int_equal(rig_import(c, "four", "good 3", files, 3).status, 0);
	snprintf(cmd, sizeof cmd,
		"for i in 1 2 3 4 5 6 7 8 9; do [ -z \"$(ls %s/staging)\" ] && exit 0; sleep 0.1; done; exit "
		"1",
		r->store);
	assert_int_equal(system(cmd), 0);
}

/* What a client may send while it waits, and in which state an interrupted import leaves it. */
static void states(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), c2 = rig_client(r), x = -1;
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	struct rig_answer a;
	struct rig_session s;
	assert_int_equal(rig_import(c, "demo", "good", files, 1).status, 0);
	rig_session_ask(c, 5, "demo");
	int gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(gate);
	/* a request with the id of the command that is waited for is answered, and ends nothing */
	assert_int_equal(rig_begin(c, &(struct rig_begin){ 1, 5, REPLAY_NONE, "x" }).status, END_REFUSED);
	rig_ready(gate, g.id);
	assert_int_equal(rig_session_take(c, 5, &s, &a), 0);
	/* a second command while one is waited for breaks the protocol */
	rig_session_ask(c2, 6, "demo");
	assert_int_equal(rig_session_take(c2, 6, &s, &a), 0);
	struct proto_session_want w = { .name = "demo", .ctx_tokens = 7 }; /* another grant: it loads */
	assert_int_equal(ipc_send(c2, CTL_SESSION, 7, &w, sizeof w, -1), 0);
	assert_int_equal(ipc_send(c2, CTL_SESSION, 8, &w, sizeof w, -1), 0);
	for (struct ipc_frame f; rig_recv(c2, &f) == 0;)
		ipc_frame_fini(&f);
	/* keepd stops in the middle of somebody's files: END, and the rest is skipped */
	c2 = rig_client(r);
	struct proto_import im = { .n_files = 2, .bytes = 2, .name = "two" };
	struct proto_file pf = { .bytes = 1, .path = "x" };
	assert_int_equal(fd_memfd_sealed("x", "x", 1, &x), 0);
	assert_int_equal(ipc_send(c2, CTL_IMPORT, 1, &im, sizeof im, x), 0);
	assert_int_equal(ipc_send(c2, CTL_FILE, 1, &pf, sizeof pf, x), 0);
	for (bool seen = false; !seen; rig_answer_fini(&a)) {
		a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
		seen = strstr(a.data, "\"importing\":true");
	}
	kill(r->pid, SIGTERM);
	rig_answer(c2, 1, &a);
	assert_int_equal(a.status, END_UNDECIDED);
	pf.index = 1;
	assert_int_equal(ipc_send(c2, CTL_FILE, 1, &pf, sizeof pf, x), 0);
	assert_int_equal(ipc_send(c2, CTL_IMPORT_GO, 1, NULL, 0, -1), 0);
	a = rig_query(c2, QUERY_STATUS, 0, 0, NULL); /* it waits for the runtime, and still answers */
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	close(gate);
	assert_true(rig_ended(r, 5000));
}

static void import_limits(void **state)
{
	struct rig *r = *state;
	struct rig_answer a;
	struct proto_import im = { .n_files = 1, .name = "big" };
	const struct {
		u32 n_files;
		u64 bytes;
	} bad[] = { { 0, 1 }, { MODEL_FILES_MAX + 1, 1 }, { 1, MODEL_BYTES_MAX + 1 },
		{ 1, MODEL_BYTES_MAX } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) { /* the last: no disk here is that large */
		int c = rig_client(r);
		im.n_files = bad[i].n_files;
		im.bytes = bad[i].bytes;
		assert_int_equal(ipc_send(c, CTL_IMPORT, 1, &im, sizeof im, 0), 0);
		rig_answer(c, 1, &a);
		assert_int_equal(a.status, END_REFUSED);
		close(c);
	}
	/* not a regular file; another size than announced */
	int c = rig_client(r), p[2];
	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < 2; i++) {
		int fd = -1;
		assert_int_equal(fd_memfd_sealed("x", "xx", 2, &fd), 0);
		struct proto_file pf = { .bytes = 1, .path = "x" };
		im.n_files = im.bytes = 1;
		assert_int_equal(ipc_send(c, CTL_IMPORT, 1, &im, sizeof im, fd), 0);
		assert_int_equal(ipc_send(c, CTL_FILE, 1, &pf, sizeof pf, i ? fd : p[0]), 0);
		rig_answer(c, 1, &a);
		assert_int_equal(a.status, END_REFUSED);
		close(fd);
	}
	assert_int_equal(rig_count(c, "\"event\":\"import-intent\"", NULL), 0);
}

static void trust(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), k1 = -1, k2 = -1;
	assert_int_equal(fd_memfd_sealed("k", "one", 3, &k1), 0);
	assert_int_equal(fd_memfd_sealed("k", "two", 3, &k2), 0);
	assert_int_equal(rig_name(c, CTL_TRUST_ADD, "a", "", k1).status, 0);
	assert_int_equal(rig_name(c, CTL_TRUST_ADD, "a", "", k2).status, END_REFUSED); /* the name */
	assert_int_equal(rig_name(c, CTL_TRUST_ADD, "b", "", k1).status, END_REFUSED); /* the key */
	assert_int_equal(rig_name(c, CTL_TRUST_ADD, "B", "", k2).status, END_USAGE);
	assert_int_equal(rig_name(c, CTL_TRUST_RM, "b", "", -1).status, END_REFUSED);
	assert_int_equal(rig_name(c, CTL_TRUST_RM, "a", "left", -1).status, 0);
	struct rig_answer a = rig_query(c, QUERY_TRUST, 0, 0, NULL);
	assert_string_equal(a.data, "");
	rig_answer_fini(&a);
	assert_int_equal(rig_count(c, "\"event\":\"trust-remove\"", "left", NULL), 1);
	rig_end(r, SIGTERM);
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	assert_int_equal(rig_count(c, "\"event\":\"stop\"", NULL), 1);
}

/* n bytes of memory, sealed. */
static int some_bytes(size_t n)
{
	int fd = memfd_create("some", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	return fd;
}

/* Files of the trust store: named by digest, replaced and removed with their rows, within their limits, there after a restart. */
static void trust_files(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), one = -1, two = -1, bad = -1;
	struct proto_trust t = { .kind = TRUST_ROOT, .name = "ca", .models = "llama-*" };
	strcpy(t.identity.san, "a@example.org");
	assert_int_equal(fd_memfd_sealed("k", "one", 3, &one), 0);
	assert_int_equal(fd_memfd_sealed("k", "two", 3, &two), 0);
	assert_int_equal(fd_memfd_sealed("k", "bad", 3, &bad), 0);
	t.replace = 1;
	assert_int_equal(rig_trust(c, &t, one).status, END_REFUSED); /* nothing to replace */
	t.replace = 0;
	assert_int_equal(rig_trust(c, &t, one).status, 0);
	assert_int_equal(rig_trust(c, &t, two).status, END_REFUSED); /* the name */
	t.replace = 1;
	t.kind = TRUST_CRL;
	assert_int_equal(rig_trust(c, &t, two).status, END_REFUSED); /* the kind */
	t.kind = TRUST_ROOT;
	assert_int_equal(rig_trust(c, &t, two).status, 0);
	assert_int_equal(rig_count(c, "\"event\":\"trust-add\"", "\"kind\":\"root\"", "\"bytes\":3",
				 "\"models\":\"llama-*\"", "\"san\":\"a@example.org\"", NULL),
		2);
	assert_int_equal(rig_count(c, "\"replaces\":\"", NULL), 1);
	/* an empty file, one that is no file, one past TRUST_FILE_BYTES_MAX; then TRUST_BYTES_MAX of all together */
	int p[2], none = some_bytes(0), large = some_bytes(TRUST_FILE_BYTES_MAX + 1);
	assert_int_equal(pipe(p), 0);
	t.replace = 0;
	t.kind = TRUST_CRL;
	memset(&t.identity, 0, sizeof t.identity);
	strcpy(t.name, "list");
	assert_int_equal(rig_trust(c, &t, none).status, END_REFUSED);
	assert_int_equal(rig_trust(c, &t, p[0]).status, END_REFUSED);
	assert_int_equal(rig_trust(c, &t, large).status, END_REFUSED);
	assert_int_equal(ftruncate(large, TRUST_FILE_BYTES_MAX), 0);
	for (u32 i = 0; i <= TRUST_BYTES_MAX / TRUST_FILE_BYTES_MAX; i++) {
		/* the root's three bytes are there already: the last of the four does not fit */
		snprintf(t.name, sizeof t.name, "list%u", i);
		u32 want = i + 1 < TRUST_BYTES_MAX / TRUST_FILE_BYTES_MAX ? 0 : END_REFUSED;
		assert_int_equal(rig_trust(c, &t, large).status, want);
	}
	for (u32 i = 0; i + 1 < TRUST_BYTES_MAX / TRUST_FILE_BYTES_MAX; i++) {
		snprintf(t.name, sizeof t.name, "list%u", i);
		assert_int_equal(rig_name(c, CTL_TRUST_RM, t.name, "", -1).status, 0);
	}
	rig_end(r, SIGTERM);
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	struct rig_answer a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	close(none);
	close(large);
	close(one);
	close(two);
	close(bad);
}

/* The policy: old and new digest in the record, a bad one changes nothing, the start names the one in force; explain records nothing. */
static void policies(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate, one = -1, bad = -1, large = some_bytes(POLICY_FILE_BYTES_MAX + 1);
	struct rig_session s;
	struct rig_answer a;
	rig_demo(r, c, &gate, &s);
	assert_int_equal(fd_memfd_sealed("p", "one", 3, &one), 0);
	assert_int_equal(fd_memfd_sealed("p", "bad", 3, &bad), 0);
	assert_int_equal(rig_name(c, CTL_POLICY_SET, "", "", large).status, END_REFUSED);
	assert_int_equal(ftruncate(large, POLICY_FILE_BYTES_MAX), 0);
	assert_int_equal(rig_name(c, CTL_POLICY_SET, "", "", large).status, 0);
	assert_int_equal(rig_name(c, CTL_POLICY_SET, "", "because", one).status, 0);
	a = rig_name(c, CTL_POLICY_SET, "", "", bad);
	assert_int_equal(a.status, END_REFUSED);
	assert_string_equal(a.text, "line 1: bad");
	static const char sha_one[] = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
	char now[96], old[96];
	snprintf(now, sizeof now, "\"policy\":\"%s\"", sha_one);
	snprintf(old, sizeof old, "\"old\":\"%s\"", sha_one);
	assert_int_equal(rig_count(c, "\"event\":\"policy-set\"", now, "\"reason\":\"because\"", NULL), 1);
	assert_int_equal(rig_count(c, old, NULL), 0);
	a = rig_query(c, QUERY_POLICY, 0, 0, NULL);
	assert_non_null(strstr(a.data, "\"text\":\"one\""));
	rig_answer_fini(&a);
	a = rig_name(c, CTL_EXPLAIN, "demo", "", -1);
	assert_int_equal(a.status, 0);
	assert_true(a.has_report && a.n_rules == 1);
	assert_int_equal(rig_name(c, CTL_EXPLAIN, "none", "", -1).status, END_REFUSED);
	rig_end(r, SIGTERM);
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	assert_int_equal(rig_count(c, "\"event\":\"start\"", now, "\"floor_s\":", NULL), 1);
	a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	close(one);
	close(bad);
	close(large);
	close(gate);
}

/* Further bundles: as many as were announced, in their order, at most BUNDLES_MAX together with the first. */
static void bundles(void **state)
{
	struct rig *r = *state;
	struct rig_answer a;
	struct proto_import im = { .name = "many", .n_files = 1, .bytes = 1 };
	struct proto_file pf = { .bytes = 1, .path = "w" };
	int x = -1;
	assert_int_equal(fd_memfd_sealed("x", "x", 1, &x), 0);
	for (u32 n = 0; n < BUNDLES_MAX; n += BUNDLES_MAX - 1) {
		int c = rig_client(r);
		im.n_bundles = n;
		assert_int_equal(ipc_send(c, CTL_IMPORT, 1, &im, sizeof im, x), 0);
		for (u32 i = 1; i <= n; i++) {
			struct proto_index at = { .index = i };
			assert_int_equal(ipc_send(c, CTL_BUNDLE, 1, &at, sizeof at, x), 0);
		}
		assert_int_equal(ipc_send(c, CTL_FILE, 1, &pf, sizeof pf, x), 0);
		assert_int_equal(ipc_send(c, CTL_IMPORT_GO, 1, NULL, 0, -1), 0);
		rig_answer(c, 1, &a);
		assert_int_equal(a.status, 0);
		assert_int_equal(rig_count(c, "\"cosigned\":[", NULL), n > 0);
		assert_int_equal(rig_name(c, CTL_REMOVE, "many", "", -1).status, 0);
		close(c);
	}
	/* one too few, one too many, one out of turn */
	for (u32 how = 0; how < 3; how++) {
		int c = rig_client(r);
		struct proto_index at = { .index = how == 2 ? 2 : 1 };
		im.n_bundles = how == 1 ? 0 : 2;
		assert_int_equal(ipc_send(c, CTL_IMPORT, 1, &im, sizeof im, x), 0);
		assert_int_equal(ipc_send(c, CTL_BUNDLE, 1, &at, sizeof at, x), 0);
		if (how) {
			assert_true(gate_closed(c));
			continue;
		}
		assert_int_equal(ipc_send(c, CTL_FILE, 1, &pf, sizeof pf, x), 0);
		assert_int_equal(ipc_send(c, CTL_IMPORT_GO, 1, NULL, 0, -1), 0);
		rig_answer(c, 1, &a);
		assert_int_equal(a.status, END_REFUSED);
		close(c);
	}
	int c = rig_client(r);
	im.n_bundles = BUNDLES_MAX;
	assert_int_equal(ipc_send(c, CTL_IMPORT, 1, &im, sizeof im, x), 0);
	assert_true(gate_closed(c));
	close(x);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	gate_keepd = argv[1];
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = { GATE_TEST(imports), GATE_TEST(states), GATE_TEST(import_limits),
		GATE_TEST(trust), GATE_TEST(trust_files), GATE_TEST(policies), GATE_TEST(bundles) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
