/* One story (a key, a root and its successor, a policy, models, a session, requests, a revocation, a removal), told again and again; each time the n-th write, sync,
 * rename or send does not happen: the process is killed there, or the operation fails, or the disk is full. Then keepd is
 * started again, and:
 *
 *   1. nothing that was acknowledged is missing;
 *   2. the runtime never held a ticket that has no record (no effect without its intent);
 *   3. every intent has exactly one answer, if only that it was orphaned;
 *   4. the store holds the models that the log speaks of, and no other; staging is empty;
 *   5. `audit verify` accepts: state, files of the trust store and the policy's text included. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *keepd_path;

/* What the fake runtime saw, in shared memory: it is a process of its own. */
static struct seen {
	u32 n_tickets;
	u64 tickets[64]; /* indices of the intents */
	u32 n_loads;
} * seen;

static void runtime_conn(int s)
{
	struct ipc_frame f;
	u64 session = 0;
	while (ipc_recv(s, &f) == 0) {
		int r = 0;
		if (f.h.type == GATE_LOAD) {
			struct proto_ready ready = { .device = "fake", .kv_mode = KV_F16, .ctx_tokens = 64 };
			seen->n_loads++;
			r = ipc_send(s, GATE_READY, f.h.id, &ready, sizeof ready, -1);
		} else if (f.h.type == GATE_TICKET) {
			struct proto_ticket t;
			memcpy(&t, f.body, sizeof t);
			session = t.session;
			seen->tickets[seen->n_tickets++ % ARRAY_LEN(seen->tickets)] = t.index;
			struct proto_outcome o = {
				.session = session, .finish = FINISH_STOP, .kv_mode = KV_F16
			};
			memcpy(o.request, t.digest, sizeof o.request);
			r = ipc_send(s, GATE_OUTCOME, f.h.id, &o, sizeof o, -1);
		} else if (f.h.type == GATE_UNLOAD) {
			r = ipc_send(s, GATE_UNLOADED, f.h.id, NULL, 0, -1);
		}
		ipc_frame_fini(&f);
		if (r)
			break;
	}
	close(s);
}

static pid_t fake_runtime(int listening)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int s = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		if (s >= 0)
			runtime_conn(s);
	}
}

/* What was acknowledged: a record index and its event. */
struct acked {
	u32 n;
	struct {
		u64 index;
		const char *event;
	} a[32];
};

static bool ack(struct acked *k, const struct rig_answer *a, const char *event)
{
	if (a->gone || a->status != END_DONE)
		return false;
	k->a[k->n].index = a->index;
	k->a[k->n++].event = event;
	return true;
}

static int memory_text(const char *text)
{
	int fd = -1;
	assert_int_equal(fd_memfd_sealed("text", text, strlen(text), &fd), 0);
	return fd;
}

/* Sends fail silently when keepd is gone; the answer says so. */
static struct rig_answer ask_name(int c, u32 type, const char *name, int fd)
{
	struct proto_name n = { 0 };
	struct rig_answer a = { .gone = true, .status = 99 };
	snprintf(n.name, sizeof n.name, "%s", name);
	if (ipc_send(c, type, 77, &n, sizeof n, fd) == 0)
		rig_answer(c, 77, &a);
	return a;
}

/* A certificate root with its file: what it vouches for is keep-attest's, which is a fake here. */
static struct rig_answer ask_trust(int c, u32 kind, const char *name, const char *text, bool replace)
{
	struct proto_trust t = { .kind = kind, .replace = replace };
	struct rig_answer a = { .gone = true, .status = 99 };
	int fd = memory_text(text);
	snprintf(t.name, sizeof t.name, "%s", name);
	if (ipc_send(c, CTL_TRUST_ADD, 78, &t, sizeof t, fd) == 0)
		rig_answer(c, 78, &a);
	close(fd);
	return a;
}

/* The story, as far as it goes. Every step is tried even when one before was refused: with the gate shut all must be refused. */
static void story(struct rig *r, struct acked *k)
{
	static const struct rig_file files[] = { { "w.gguf", "weights" }, { "LICENSE", "free" } };
	struct rig_session s;
	struct rig_answer a;
	int c = rig_client(r), policy = memory_text("policy");
	for (u32 i = 0; i < 3; i++) {
		a = ask_trust(c, i ? TRUST_ROOT : TRUST_KEY, i ? "root" : "publisher", i == 1 ? "one" : "two",
			i == 2);
		ack(k, &a, "trust-add");
		if (a.gone)
			goto out;
	}
	a = ask_name(c, CTL_POLICY_SET, "", policy);
	ack(k, &a, "policy-set");
	if (a.gone)
		goto out;
	for (int i = 0; i < 2; i++) {
		a = rig_import(c, i ? "second" : "first", i ? "two" : "one", files, 2);
		ack(k, &a, "import-verdict");
		if (a.gone)
			goto out;
	}
	struct proto_session_want w = { .name = "first" };
	if (ipc_send(c, CTL_SESSION, 5, &w, sizeof w, -1))
		goto out;
	u32 st = rig_session_take(c, 5, &s, &a);
	if (a.gone)
		goto out;
	if (st == 0)
		ack(k, &a, "session");
	for (u32 i = 1; i <= 3; i++) {
		a = rig_begin(c, &(struct rig_begin){ s.id, i, REPLAY_NONE, "hello" });
		ack(k, &a, "request");
		if (a.gone)
			goto out;
	}
	a = ask_name(c, CTL_REVOKE, "first", -1);
	ack(k, &a, "revoke");
	if (a.gone)
		goto out;
	a = ask_name(c, CTL_REMOVE, "second", -1);
	ack(k, &a, "model-remove");
out:
	close(policy);
	close(c);
}

static u32 count_in(const char *data, const char *a, const char *b)
{
	u32 n = 0;
	for (const char *line = data; *line; line = strchr(line, '\n') + 1) {
		size_t len = (size_t)(strchr(line, '\n') - line);
		n += memmem(line, len, a, strlen(a)) && memmem(line, len, b, strlen(b));
	}
	return n;
}

static void check_records(const char *data, const struct acked *k, const char *fault)
{
	char index[64];
	for (u32 i = 0; i < k->n; i++) {
		char event[64];
		snprintf(index, sizeof index, "{\"v\":1,\"index\":%llu,", (unsigned long long)k->a[i].index);
		snprintf(event, sizeof event, "\"event\":\"%s\"", k->a[i].event);
		if (count_in(data, index, event) != 1)
			fail_msg("%s: record %llu (%s) was acknowledged and is gone", fault,
				(unsigned long long)k->a[i].index, k->a[i].event);
	}
	for (u32 i = 0; i < seen->n_tickets; i++) {
		snprintf(index, sizeof index, "{\"v\":1,\"index\":%llu,",
			(unsigned long long)seen->tickets[i]);
		if (count_in(data, index, "\"event\":\"request\"") != 1)
			fail_msg("%s: a ticket for %llu was out, and there is no such record", fault,
				(unsigned long long)seen->tickets[i]);
	}
	/* every intent is answered once */
	static const char *const intents[] = { "import-intent", "grant", "request" };
	for (const char *line = data; *line; line = strchr(line, '\n') + 1) {
		unsigned long long at = strtoull(line + strlen("{\"v\":1,\"index\":"), NULL, 10);
		size_t len = (size_t)(strchr(line, '\n') - line);
		for (size_t i = 0; i < ARRAY_LEN(intents); i++) {
			char event[64], intent[64];
			snprintf(event, sizeof event, "\"event\":\"%s\"", intents[i]);
			snprintf(intent, sizeof intent, "\"intent\":%llu,", at);
			if (memmem(line, len, event, strlen(event)) && count_in(data, intent, "") != 1)
				fail_msg("%s: intent %llu has %u answers", fault, at,
					count_in(data, intent, ""));
		}
	}
}

/* The store and the state agree: stored models can be opened, and there are no other directories. */
static void check_store(struct rig *r, int c, const char *fault)
{
	struct rig_answer a = rig_query(c, QUERY_MODELS, 0, 0, NULL);
	u32 stored = count_in(a.data, "\"stored\":true", ""), n = 99;
	char cmd[512];
	rig_answer_fini(&a);
	snprintf(cmd, sizeof cmd,
		"[ $(ls %s/models | wc -l) = %u ] && [ $(find %s/models -type f | wc -l) = %u ]", r->store,
		stored, r->store, stored * 5);
	if (system(cmd))
		fail_msg("%s: the log speaks of %u stored models, the store does not hold them", fault,
			stored);
	snprintf(cmd, sizeof cmd, "[ -z \"$(ls %s/staging)\" ]", r->store);
	for (u32 i = 0; i < 100 && n; i++) {
		n = system(cmd) ? 1 : 0;
		if (n)
			usleep(10000);
	}
	if (n)
		fail_msg("%s: staging is not empty", fault);
}

static void check_after(struct rig *r, const struct acked *k, const char *fault)
{
	r->env = NULL;
	if (rig_start(r))
		fail_msg("%s: keepd does not start again", fault);
	int c = rig_client(r);
	struct rig_answer a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	if (a.status != 0 || !strstr(a.data, "\"ok\":true") || !strstr(a.data, "\"open_intents\":0"))
		fail_msg("%s: verify: %s", fault, a.data);
	rig_answer_fini(&a);
	a = rig_query(c, QUERY_RECORDS, 0, 0, NULL);
	check_records(a.data, k, fault);
	rig_answer_fini(&a);
	check_store(r, c, fault);
	close(c);
}

/* One telling. True: the fault lay beyond the story's end. */
static bool once(const char *mode, u32 n, const char *base)
{
	struct rig r;
	struct acked k = { 0 };
	char env[64];
	rig_init(&r, keepd_path, base);
	pid_t runtime = fake_runtime(r.runtime_sock);
	memset(seen, 0, sizeof *seen);
	snprintf(env, sizeof env, "KEEP_FAULT=%s:%u", mode, n);
	r.env = env;
	bool up = rig_start(&r) == 0;
	if (up)
		story(&r, &k);
	bool all = k.n == 12;
	bool failing = mode[0] == 'f';
	if (up && failing &&
		!all) { /* it lives, and either serves on (one peer was lost) or says that it is shut */
		int c = rig_client(&r);
		struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
		assert_int_equal(a.status, 0);
		rig_answer_fini(&a);
		close(c);
	}
	int st = rig_end(&r, failing || all ? SIGTERM : SIGKILL);
	if (failing && up && !WIFEXITED(st))
		fail_msg("%s: keepd died of it: %d", env, st);
	char what[64];
	snprintf(what, sizeof what, "%s", env);
	check_after(&r, &k, what);
	kill(runtime, SIGKILL);
	waitpid(runtime, NULL, 0);
	rig_fini(&r);
	return all;
}

static void run(const char *mode)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL;
	const char *step = getenv("KEEP_FAULTS_STEP");
	u32 n = 1, by = step ? (u32)atoi(step) : 1, told = 0;
	for (; n < 2000; n += by, told++)
		if (once(mode, n, base))
			break;
	print_message("%s: %u places, up to operation %u\n", mode, told, n);
	assert_true(n > 50 && n < 2000);
}

static void killed(void **state)
{
	run("kill");
}

static void torn(void **state)
{
	run("torn");
}

static void failed(void **state)
{
	run("fail");
}

static void full(void **state)
{
	run("full");
}

int main(int argc, char **argv)
{
	assert(argc >= 2);
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed), cmocka_unit_test(torn),
		cmocka_unit_test(failed), cmocka_unit_test(full) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
