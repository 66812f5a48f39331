/* The gate over its real sockets: what a client, a runtime and a hostile peer are let through, are refused, and what the log says of both. */
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

/* The whole path, and each record of it. */
static void story(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	rig_demo(r, c, &gate, &s);
	struct rig_answer a = rig_begin(c, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "hello" });
	assert_int_equal(a.status, 0);
	u64 intent = a.index;
	struct ipc_frame f = rig_take(gate, GATE_TICKET, NULL);
	struct proto_ticket t;
	u8 digest[SHA256_BYTES];
	memcpy(&t, f.body, sizeof t);
	sha256_of("hello", 5, digest);
	assert_int_equal(f.h.id, 1);
	assert_int_equal(t.index, intent);
	assert_int_equal(t.session, s.id);
	assert_memory_equal(t.digest, digest, sizeof digest);
	rig_outcome(gate, s.id, 1, "hello", "12", FINISH_STOP);
	/* the same again, as a replay: once equal, once not */
	a = rig_begin(c, &(struct rig_begin){ s.id, 2, intent, "hello" });
	assert_int_equal(a.status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	rig_outcome(gate, s.id, 2, "hello", "12", FINISH_STOP);
	a = rig_begin(c, &(struct rig_begin){ s.id, 3, intent, "hello" });
	assert_int_equal(a.status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	rig_outcome(gate, s.id, 3, "hello", "13", FINISH_STOP);
	int c2 = rig_client(r);
	while (rig_count(c2, "\"event\":\"outcome\"", NULL) < 3)
		usleep(1000);
	char of[64];
	snprintf(of, sizeof of, "\"replay\":{\"of\":%llu,\"tokens_equal\":true}", (unsigned long long)intent);
	assert_int_equal(rig_count(c2, "\"event\":\"outcome\"", of, NULL), 1);
	snprintf(
		of, sizeof of, "\"replay\":{\"of\":%llu,\"tokens_equal\":false}", (unsigned long long)intent);
	assert_int_equal(rig_count(c2, "\"event\":\"outcome\"", of, NULL), 1);
	static const char *const once[] = { "init", "start", "trust-add", "import-intent", "import-verdict",
		"grant", "load", "session" };
	for (size_t i = 0; i < ARRAY_LEN(once); i++) {
		char want[64];
		snprintf(want, sizeof want, "\"event\":\"%s\"", once[i]);
		assert_int_equal(rig_count(c2, want, NULL), 1);
	}
	a = rig_query(c2, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"ok\":true"));
	rig_answer_fini(&a);
	assert_true(rig_quiet(gate, 20));
}

/* Every way to a ticket that is not the way. */
static void refusals(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), other = rig_client(r), gate;
	struct rig_session s;
	rig_demo(r, c, &gate, &s);
	struct rig_begin good = { s.id, 5, REPLAY_NONE, "hello" };
	struct rig_answer a = rig_begin(c, &good);
	assert_int_equal(a.status, 0);
	u64 intent = a.index;
	rig_take(gate, GATE_TICKET, NULL);
	const struct rig_begin bad[] = {
		{ s.id, 5, REPLAY_NONE, "hello" }, /* a used id */
		{ s.id, 4, REPLAY_NONE, "hello" }, /* out of order */
		{ s.id, 6, REPLAY_NONE, "hello", .wrong_digest = 1 },
		{ s.id, 6, REPLAY_NONE, "hello", .unsealed = 1 },
		{ s.id + 1, 6, REPLAY_NONE, "hello" }, /* no such session */
		{ s.id, 6, intent, "hello!" },	       /* replay with other bytes */
		{ s.id, 6, 0, "hello" },	       /* replay of what is no request */
		{ s.id, 6, 1u << 20, "hello" },	       /* replay of what is not there */
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		a = rig_begin(c, &bad[i]);
		if (a.status != END_REFUSED)
			fail_msg("case %zu: status %u", i, a.status);
	}
	good.request = 7;
	a = rig_begin(other, &good); /* another client's session */
	assert_int_equal(a.status, END_REFUSED);
	assert_true(rig_quiet(gate, 50)); /* no ticket for any of them */
	assert_int_equal(rig_count(other, "\"event\":\"request\"", NULL), 1);
	/* the session ends with its client */
	close(c);
	rig_take(gate, GATE_SESSION_END, NULL);
	assert_true(gate_closed(s.sock));
	assert_int_equal(rig_count(other, "\"event\":\"session-end\"", "client closed", NULL), 1);
	rig_outcome(gate, s.id, 5, "hello", "1", FINISH_CANCELLED);
	while (!rig_count(other, "\"event\":\"outcome\"", "cancelled", NULL))
		usleep(1000);
}

static void too_many(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	rig_demo(r, c, &gate, &s);
	struct rig_begin b = { s.id, 0, REPLAY_NONE, "x" };
	for (u32 i = 1; i <= TICKETS_WAITING_MAX; i++) {
		b.request = i;
		assert_int_equal(rig_begin(c, &b).status, 0);
	}
	b.request++;
	assert_int_equal(rig_begin(c, &b).status, END_UNDECIDED);
	rig_outcome(gate, s.id, 1, "x", "1", FINISH_STOP);
	int again = 1;
	for (int i = 0; i < 100 && again; i++) {
		again = rig_begin(c, &b).status;
		usleep(1000);
	}
	assert_int_equal(again, 0);
}

static void revoked(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), officer = rig_client(r), gate;
	struct rig_session s;
	rig_demo(r, c, &gate, &s);
	assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "x" }).status, 0);
	rig_take(gate, GATE_TICKET, NULL);
	struct rig_answer a = rig_name(officer, CTL_REVOKE, "demo", "a reason", -1);
	assert_int_equal(a.status, 0);
	assert_true(gate_closed(s.sock)); /* at once, before the runtime has said a word */
	rig_take(gate, GATE_SESSION_END, NULL);
	rig_take(gate, GATE_UNLOAD, NULL);
	assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, 2, REPLAY_NONE, "x" }).status, END_REFUSED);
	rig_outcome(gate, s.id, 1, "x", "1", FINISH_REVOKED);
	assert_int_equal(ipc_send(gate, GATE_UNLOADED, s.grant, NULL, 0, -1), 0);
	while (!rig_count(officer, "\"event\":\"unload\"", NULL))
		usleep(1000);
	struct rig_session none;
	rig_session_ask(officer, 9, "demo");
	assert_int_equal(rig_session_take(officer, 9, &none, &a), END_REFUSED);
	assert_non_null(strstr(a.text, "revoked"));
	/* and it cannot come back */
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" },
		{ "LICENSE", "free" } };
	a = rig_import(officer, "again", "good", files, 2);
	assert_int_equal(a.status, END_REFUSED);
	assert_string_equal(a.report.code, "revoked");
	assert_int_equal(rig_count(officer, "\"event\":\"revoke\"", "a reason", NULL), 1);
}

static void quarantine(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	struct rig_answer a;
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" },
		{ "LICENSE", "free" } };
	assert_int_equal(rig_import(c, "demo", "good", files, 2).status, 0);
	rig_session_ask(c, 5, "demo");
	gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(gate);
	struct proto_load_failed lf = {
		.reason = LOAD_SEGMENT, .file = 1, .offset = 1048576, .text = "weights.gguf: segment 1"
	};
	assert_int_equal(ipc_send(gate, GATE_LOAD_FAILED, g.id, &lf, sizeof lf, -1), 0);
	assert_int_equal(rig_session_take(c, 5, &s, &a), END_REFUSED);
	assert_int_equal(rig_count(c, "\"event\":\"quarantine\"", "\"path\":\"weights.gguf\"",
				 "\"offset\":1048576", NULL),
		1);
	assert_int_equal(
		rig_count(c, "\"event\":\"load\"", "\"result\":\"failed\"", "\"reason\":\"segment\"", NULL),
		1);
	rig_session_ask(c, 6, "demo");
	assert_int_equal(rig_session_take(c, 6, &s, &a), END_REFUSED);
	assert_non_null(strstr(a.text, "quarantined"));
	assert_true(rig_quiet(gate, 50));
	/* after a restart too */
	rig_end(r, SIGKILL);
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	rig_session_ask(c, 6, "demo");
	assert_int_equal(rig_session_take(c, 6, &s, &a), END_REFUSED);
	assert_non_null(strstr(a.text, "quarantined"));
}

/* The stored tables are part of the model. */
static void table_changed(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r);
	struct rig_session s;
	struct rig_answer a;
	char cmd[512];
	static const struct rig_file files[] = { { "weights.gguf", "these are weights" } };
	assert_int_equal(rig_import(c, "demo", "good", files, 1).status, 0);
	snprintf(cmd, sizeof cmd, "cd %s/models/* && chmod u+w layout && printf L >> layout", r->store);
	assert_int_equal(system(cmd), 0);
	rig_session_ask(c, 5, "demo");
	int gate = rig_runtime(r);
	assert_int_equal(rig_session_take(c, 5, &s, &a), END_REFUSED);
	assert_true(rig_quiet(gate, 50));
	assert_int_equal(rig_count(c, "\"event\":\"quarantine\"", "\"path\":\"layout\"", NULL), 1);
}

static void runtime_lost(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	struct rig_answer a;
	rig_demo(r, c, &gate, &s);
	assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "x" }).status, 0);
	close(gate);
	assert_true(gate_closed(s.sock));
	while (!rig_count(c, "\"event\":\"orphan\"", "\"of\":\"request\"", "runtime-lost", NULL))
		usleep(1000);
	assert_int_equal(rig_count(c, "\"event\":\"runtime-lost\"", "\"requests\":1", NULL), 1);
	assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, 2, REPLAY_NONE, "x" }).status, END_REFUSED);
	rig_session_ask(c, 6, "demo");
	gate = rig_runtime(r);
	struct rig_grant g = rig_take_grant(gate);
	rig_ready(gate, g.id);
	assert_int_equal(rig_session_take(c, 6, &s, &a), 0);
}

static void says_busy(int gate, u64 session, struct proto_busy b)
{
	assert_int_equal(ipc_send(gate, GATE_BUSY, session, &b, sizeof b, -1), 0);
}

/* Until the status says so. */
static void status_says(int c, const char *want)
{
	for (u32 i = 0;; i++) {
		struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
		bool there = strstr(a.data, want) != NULL;
		if (!there && i == 10000)
			fail_msg("%s is not in %s", want, a.data);
		rig_answer_fini(&a);
		if (there)
			return;
		usleep(1000);
	}
}

/* What is open and does not run waits; one that has ended runs no more, whatever was said last; speed is between two words. */
static void under_way(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	struct ipc_frame f;
	rig_demo(r, c, &gate, &s);
	for (u64 id = 1; id <= 3; id++) {
		assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, id, REPLAY_NONE, "x" }).status, 0);
		rig_take(gate, GATE_TICKET, NULL);
	}
	status_says(c,
		"\"requests_open\":3,\"requests_running\":0,\"requests_waiting\":3,\"prompt_tokens_s\":0,"
		"\"generated_tokens_s\":0,\"totals\"");
	says_busy(gate, s.id + 1000, (struct proto_busy){ .running = 9 }); /* a session that has ended */
	says_busy(gate, s.id, (struct proto_busy){ .running = 2, .read = 1000, .written = 5 });
	status_says(c, "\"requests_running\":2,\"requests_waiting\":1,\"prompt_tokens_s\":0,\"generated_"
		       "tokens_s\":0,\"totals\"");
	says_busy(gate, s.id, (struct proto_busy){ .running = 2, .read = 1000, .written = 1000005 });
	status_says(c, "\"requests_running\":2,\"requests_waiting\":1,\"prompt_tokens_s\":0,\"generated_"
		       "tokens_s\":");
	struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
	assert_null(strstr(a.data, "\"generated_tokens_s\":0,"));
	rig_answer_fini(&a);
	rig_outcome(gate, s.id, 1, "x", "1", FINISH_STOP);
	rig_outcome(gate, s.id, 2, "x", "1", FINISH_STOP);
	status_says(c, "\"requests_open\":1,\"requests_running\":1,\"requests_waiting\":0");
	says_busy(gate, s.id, (struct proto_busy){ .running = 2 }); /* more than are open */
	while (rig_recv(gate, &f) == 0)
		ipc_frame_fini(&f);
	status_says(c, "\"requests_open\":0,\"requests_running\":0");
	assert_int_equal(rig_count(c, "\"event\":\"runtime-lost\"", NULL), 1);
}

/* A captured runtime: one wrong word and it is out. */
static void runtime_lies(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	rig_demo(r, c, &gate, &s);
	rig_outcome(gate, s.id, 1, "x", "1", FINISH_STOP); /* no such ticket */
	struct ipc_frame f;
	while (rig_recv(gate, &f) == 0)
		ipc_frame_fini(&f);
	assert_true(gate_closed(s.sock));
	assert_int_equal(rig_count(c, "\"event\":\"outcome\"", NULL), 0);
	/* a second outcome of one ticket, one for other bytes, and one that a stop string ended which it does not name */
	for (int other = 0; other < 3; other++) {
		struct rig_answer a;
		rig_session_ask(c, 6, "demo");
		gate = rig_runtime(r);
		struct rig_grant g = rig_take_grant(gate);
		rig_ready(gate, g.id);
		assert_int_equal(rig_session_take(c, 6, &s, &a), 0);
		rig_take(gate, GATE_SESSION, NULL);
		assert_int_equal(rig_begin(c, &(struct rig_begin){ s.id, 1, REPLAY_NONE, "x" }).status, 0);
		rig_take(gate, GATE_TICKET, NULL);
		if (!other)
			rig_outcome(gate, s.id, 1, "x", "1", FINISH_STOP);
		rig_outcome(
			gate, s.id, 1, other == 1 ? "y" : "x", "1", other == 2 ? FINISH_STRING : FINISH_STOP);
		while (rig_recv(gate, &f) == 0)
			ipc_frame_fini(&f);
		close(gate);
	}
	assert_int_equal(rig_count(c, "\"event\":\"outcome\"", NULL), 1);
	assert_int_equal(rig_count(c, "\"event\":\"orphan\"", "runtime-lost", NULL), 2);
}

/* Memory is short: grants that nobody uses make room, once. */
static void make_room(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), c2 = rig_client(r), gate;
	struct rig_session s;
	struct rig_answer a;
	rig_demo(r, c, &gate, &s);
	u64 first = s.grant;
	close(c);
	rig_take(gate, GATE_SESSION_END, NULL);
	static const struct rig_file files[] = { { "big.gguf", "more weights" } };
	assert_int_equal(rig_import(c2, "big", "good too", files, 1).status, 0);
	rig_session_ask(c2, 5, "big");
	struct rig_grant g = rig_take_grant(gate);
	struct proto_load_failed lf = {
		.reason = LOAD_MEMORY, .file = UINT32_MAX, .text = "short of memory"
	};
	assert_int_equal(ipc_send(gate, GATE_LOAD_FAILED, g.id, &lf, sizeof lf, -1), 0);
	assert_int_equal(rig_take(gate, GATE_UNLOAD, NULL).h.id, first);
	assert_int_equal(ipc_send(gate, GATE_UNLOADED, first, NULL, 0, -1), 0);
	struct rig_grant again = rig_take_grant(gate);
	assert_true(again.id > g.id);
	assert_int_equal(ipc_send(gate, GATE_LOAD_FAILED, again.id, &lf, sizeof lf, -1), 0);
	assert_int_equal(rig_session_take(c2, 5, &s, &a), END_REFUSED);
	assert_non_null(strstr(a.text, "short of memory"));
	assert_int_equal(rig_count(c2, "\"event\":\"load\"", "\"reason\":\"memory\"", NULL), 2);
}

/* One hostile client is one closed connection. */
static void hostile(void **state)
{
	struct rig *r = *state;
	int good = rig_client(r);
	struct proto_query q = { .what = QUERY_STATUS };
	struct proto_query odd = { .what = 77 };
	static struct proto_ready zero_ready;
	static struct proto_begin zero_begin;
	struct proto_name n = { 0 }, t = { .name = "a" }; /* without an end */
	memset(n.name, 'a', sizeof n.name);
	memset(t.text, 'a', sizeof t.text);
	const struct {
		u32 type, len;
		const void *body;
		bool fd;
	} bad[] = {
		{ 0x9999, 0, NULL, false },
		{ CTL_QUERY, sizeof q - 8, &q, false },
		{ CTL_QUERY, sizeof q, &q, true },
		{ CTL_QUERY, sizeof odd, &odd, false },
		{ CTL_REVOKE, sizeof n, &n, false },
		{ CTL_LIFT, sizeof n, &n, false },
		{ CTL_LIFT, sizeof t, &t, false },
		{ CTL_TRUST_RM, sizeof t, &t, false },
		{ CTL_ACCESS_RM, sizeof n, &n, false },
		{ CTL_FILE, sizeof(struct proto_file), &(struct proto_file){ .path = "x" }, true },
		{ CTL_IMPORT_GO, 0, NULL, false },
		{ GATE_READY, sizeof(struct proto_ready), &zero_ready, false },
		{ CTL_BEGIN, sizeof(struct proto_begin), &zero_begin, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int c = rig_client(r);
		assert_int_equal(ipc_send(c, bad[i].type, 1, bad[i].body, bad[i].len, bad[i].fd ? 0 : -1), 0);
		if (!gate_closed(c))
			fail_msg("case %zu was answered", i);
		close(c);
	}
	int c = rig_client(r);
	assert_int_equal(send(c, "abc", 3, 0), 3);
	assert_true(gate_closed(c));
	/* one that never reads does not stop the others */
	c = rig_client(r);
	for (int i = 0; i < 4000; i++)
		if (send(c, &(struct {
			    struct ipc_header h;
			    struct proto_query q;
		    }){ { CTL_QUERY, sizeof q, 1 }, q },
			    sizeof(struct ipc_header) + sizeof q, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	struct rig_answer a = rig_query(good, QUERY_STATUS, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"gate\":\"open\""));
	rig_answer_fini(&a);
}

static void answers(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r);
	struct rig_answer a = rig_query(c, QUERY_CHECKPOINT, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.data, "\"note\":\"keep.local/"));
	rig_answer_fini(&a);
	a = rig_query(c, QUERY_RECORD, 0, 0, NULL);
	assert_non_null(strstr(a.data, "\"event\":\"init\""));
	rig_answer_fini(&a);
	assert_int_equal(rig_query(c, QUERY_RECORD, 99, 0, NULL).status, END_REFUSED);
	assert_int_equal(rig_query(c, QUERY_MODEL, 0, 0, "none").status, END_REFUSED);
	a = rig_query(
		c, QUERY_RECORDS, UINT64_MAX, 1, NULL); /* the last one: the record of the reading before */
	assert_non_null(strstr(a.data, "\"event\":\"log-read\""));
	assert_null(strstr(strchr(a.data, '\n') + 1, "{"));
	rig_answer_fini(&a);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	gate_keepd = argv[1];
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = { GATE_TEST(story), GATE_TEST(refusals), GATE_TEST(too_many),
		GATE_TEST(revoked), GATE_TEST(quarantine), GATE_TEST(table_changed), GATE_TEST(runtime_lost),
		GATE_TEST(runtime_lies), GATE_TEST(under_way), GATE_TEST(make_room), GATE_TEST(hostile),
		GATE_TEST(answers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
