/* The gate over its real sockets: what it lets through, what it refuses, and what the log says of both. */
#define _GNU_SOURCE
#include "rig.h"
#include "audit/record.h"
#include "base/fd.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *keepd_path;

static int up(void **state)
{
	static struct rig r;
	rig_init(&r, keepd_path, NULL);
	assert_int_equal(rig_start(&r), 0);
	*state = &r;
	return 0;
}

/* A record's own fields are those of the catalogue, in its order; some events leave some out. */
static void check_fields(const char *line, size_t len)
{
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *v;
	struct audit_record_head h;
	const char *key;
	u32 n = 0;
	assert_non_null(o);
	assert_int_equal(audit_record_head(line, len, &h), 0);
	const char *at = audit_event_info(h.event)->fields;
	u32 skip = 7 + (h.intent != INTENT_NONE); /* v index time_ns boot boottime_ns event [intent] actor */
	json_object_foreach(o, key, v)
	{
		size_t k = strlen(key);
		if (n++ < skip)
			continue;
		while (*at && (strncmp(at, key, k) != 0 || (at[k] != ' ' && at[k]))) {
			at += strcspn(at, " ");
			at += *at == ' ';
		}
		if (!*at)
			fail_msg("%s is not a field of %s there", key, audit_event_info(h.event)->name);
	}
	json_decref(o);
}

static int down(void **state)
{
	struct rig *r = *state;
	if (r->pid > 0) {
		int c = rig_client(r);
		struct rig_answer a = rig_query(c, QUERY_RECORDS, 0, 0, NULL);
		for (const char *line = a.data, *lf; line && (lf = strchr(line, '\n')); line = lf + 1)
			check_fields(line, (size_t)(lf - line));
		rig_answer_fini(&a);
		close(c);
	}
	rig_fini(r);
	return 0;
}

static bool closed(int sock)
{
	struct ipc_frame f;
	return rig_recv(sock, &f) == 1;
}

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
	assert_true(closed(s.sock));
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
	assert_int_equal(rig_begin(c, &b).status, END_REFUSED);
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
	assert_true(closed(s.sock)); /* at once, before the runtime has said a word */
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
	assert_true(closed(s.sock));
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
	assert_true(closed(s.sock));
	assert_int_equal(rig_count(c, "\"event\":\"outcome\"", NULL), 0);
	/* a second outcome of one ticket, and one for other bytes */
	for (int other = 0; other < 2; other++) {
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
		rig_outcome(gate, s.id, 1, other ? "y" : "x", "1", FINISH_STOP);
		while (rig_recv(gate, &f) == 0)
			ipc_frame_fini(&f);
		close(gate);
	}
	assert_int_equal(rig_count(c, "\"event\":\"outcome\"", NULL), 1);
	assert_int_equal(rig_count(c, "\"event\":\"orphan\"", "runtime-lost", NULL), 1);
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
	struct proto_name n = { 0 };
	memset(n.name, 'a', sizeof n.name);
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
		{ CTL_FILE, sizeof(struct proto_file), &(struct proto_file){ .path = "x" }, true },
		{ CTL_IMPORT_GO, 0, NULL, false },
		{ GATE_READY, sizeof(struct proto_ready), &zero_ready, false },
		{ CTL_BEGIN, sizeof(struct proto_begin), &zero_begin, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int c = rig_client(r);
		assert_int_equal(ipc_send(c, bad[i].type, 1, bad[i].body, bad[i].len, bad[i].fd ? 0 : -1), 0);
		if (!closed(c))
			fail_msg("case %zu was answered", i);
		close(c);
	}
	int c = rig_client(r);
	assert_int_equal(send(c, "abc", 3, 0), 3);
	assert_true(closed(c));
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

/* One past each limit of limits.h that the gate keeps. */
static void limits(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate, k = -1;
	struct rig_session s[TICKETS_OPEN_MAX / TICKETS_WAITING_MAX + 1];
	struct rig_answer a;
	char name[16];
	rig_demo(r, c, &gate, &s[0]); /* one key, one session */
	for (u32 i = 1; i <= TRUST_KEYS_MAX; i++) {
		snprintf(name, sizeof name, "k%u", i);
		assert_int_equal(fd_memfd_sealed("k", name, strlen(name), &k), 0);
		assert_int_equal(
			rig_name(c, CTL_TRUST_ADD, name, "", k).status, i < TRUST_KEYS_MAX ? 0 : END_REFUSED);
		close(k);
	}
	for (u32 i = 1; i <= IPC_SESSIONS_MAX; i++) {
		struct rig_session one;
		rig_session_ask(c, 100, "demo");
		assert_int_equal(rig_session_take(c, 100, &one, &a), i < IPC_SESSIONS_MAX ? 0 : END_REFUSED);
		if (i < ARRAY_LEN(s))
			s[i] = one;
		else if (one.sock >= 0)
			close(one.sock);
	}
	char *text = malloc(REQUEST_BYTES_MAX + 2);
	assert_non_null(text);
	for (u32 i = 0; i < 2; i++) {
		memset(text, 'x', REQUEST_BYTES_MAX + i);
		text[REQUEST_BYTES_MAX + i] = 0;
		struct rig_begin b = { s[ARRAY_LEN(s) - 1].id, 1, i ? REPLAY_NONE : REPLAY_NONE - 1,
			text }; /* no such record: never a ticket */
		a = rig_begin(c, &b);
		assert_int_equal(a.status, END_REFUSED);
		assert_non_null(strstr(a.text, i ? "too long" : "to replay"));
	}
	free(text);
	for (u32 i = 0; i <= TICKETS_OPEN_MAX; i++) {
		struct rig_begin b = { s[i / TICKETS_WAITING_MAX].id, 1 + i % TICKETS_WAITING_MAX,
			REPLAY_NONE, "x" };
		assert_int_equal(rig_begin(c, &b).status, i < TICKETS_OPEN_MAX ? 0 : END_REFUSED);
	}
	/* the last client beyond the limit waits until another leaves */
	int more[IPC_CLIENTS_MAX];
	struct proto_query q = { .what = QUERY_STATUS };
	for (u32 i = 0; i < IPC_CLIENTS_MAX; i++) {
		more[i] = rig_client(r);
		assert_int_equal(ipc_send(more[i], CTL_QUERY, 1, &q, sizeof q, -1), 0);
		assert_true(rig_quiet(more[i], 200) == (i == IPC_CLIENTS_MAX - 1));
	}
	close(more[0]);
	rig_answer(more[IPC_CLIENTS_MAX - 1], 1, &a);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
	for (u32 i = 1; i < IPC_CLIENTS_MAX; i++)
		close(more[i]);
	for (u32 i = 0; i < ARRAY_LEN(s); i++)
		close(s[i].sock);
	close(c);
	close(gate);
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
			assert_true(closed(c));
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
	assert_true(closed(c));
	close(x);
}

/* kill -9 in the middle: what was acknowledged is there, what had no outcome is reported. */
static void killed(void **state)
{
	struct rig *r = *state;
	int c = rig_client(r), gate;
	struct rig_session s;
	struct rig_answer a;
	rig_demo(r, c, &gate, &s);
	u64 intent[3];
	for (u32 i = 0; i < 3; i++) {
		a = rig_begin(c, &(struct rig_begin){ s.id, i + 1, REPLAY_NONE, "x" });
		assert_int_equal(a.status, 0);
		intent[i] = a.index;
	}
	rig_end(r, SIGKILL);
	assert_true(closed(c));
	while (!closed(gate))
		;
	assert_int_equal(rig_start(r), 0);
	c = rig_client(r);
	for (u32 i = 0; i < 3; i++) {
		char want[32];
		snprintf(want, sizeof want, "\"intent\":%llu,", (unsigned long long)intent[i]);
		assert_int_equal(rig_count(c, "\"event\":\"orphan\"", want, NULL), 1);
	}
	a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
	rig_answer_fini(&a);
}

/* Many requests at once share syncs; killed at any moment, each acknowledged one is there. */
static void killed_under_load(void **state)
{
	struct rig *r = *state;
	u64 acked[1024];
	u32 n_acked = 0, round = 0, orphans = 0;
	int c = rig_client(r), gate;
	struct rig_session s[4];
	struct rig_answer a;
	rig_demo(r, c, &gate, &s[0]);
	srand(7);
	for (;; round++) {
		for (u32 i = 1; i < 4; i++) {
			rig_session_ask(c, 5 + i, "demo");
			assert_int_equal(rig_session_take(c, 5 + i, &s[i], &a), 0);
		}
		for (u32 req = 1; req <= 12; req++)
			for (u32 i = 0; i < 4; i++)
				rig_begin_ask(c, &(struct rig_begin){ s[i].id, req, REPLAY_NONE, "x" });
		usleep((useconds_t)rand() % (6000 + 6000 * round));
		kill(r->pid, SIGKILL);
		for (struct ipc_frame f; rig_recv(c, &f) == 0; ipc_frame_fini(&f)) {
			struct proto_end e;
			memcpy(&e, f.body, sizeof e);
			if (f.h.type == CTL_END && e.status == 0 && n_acked < ARRAY_LEN(acked))
				acked[n_acked++] = e.index;
		}
		rig_end(r, SIGKILL);
		close(c);
		close(gate);
		assert_int_equal(rig_start(r), 0);
		c = rig_client(r);
		if (round >= 4 && (n_acked >= 32 || round == 40))
			break;
		rig_session_ask(c, 5, "demo");
		gate = rig_runtime(r);
		rig_ready(gate, rig_take_grant(gate).id);
		assert_int_equal(rig_session_take(c, 5, &s[0], &a), 0);
	}
	a = rig_query(c, QUERY_RECORDS, 0, 0, NULL);
	for (u32 i = 0; i < n_acked; i++) {
		char want[64];
		snprintf(want, sizeof want, "\n{\"v\":1,\"index\":%llu,", (unsigned long long)acked[i]);
		const char *line = strstr(a.data, want);
		if (!line || !strstr(line, "\"event\":\"request\"") ||
			strstr(line, "\"event\":\"request\"") > strchr(line + 1, '\n'))
			fail_msg("request %llu was acknowledged and is gone", (unsigned long long)acked[i]);
		snprintf(want, sizeof want, "\"intent\":%llu,", (unsigned long long)acked[i]);
		orphans += strstr(a.data, want) != NULL;
	}
	rig_answer_fini(&a);
	print_message("%u rounds, %u acknowledged\n", round, n_acked);
	assert_true(n_acked >= 32);
	assert_int_equal(orphans, n_acked);
	a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_int_equal(a.status, 0);
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
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = { T(story), T(refusals), T(too_many), T(revoked), T(quarantine),
		T(table_changed), T(runtime_lost), T(runtime_lies), T(make_room), T(hostile), T(imports),
		T(states), T(limits), T(import_limits), T(trust), T(trust_files), T(policies), T(bundles),
		T(killed), T(killed_under_load), T(answers) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
