/* The gate at its limits, and killed in the middle of what it does. */
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
		assert_int_equal(rig_begin(c, &b).status, i < TICKETS_OPEN_MAX ? 0 : END_UNDECIDED);
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
	assert_true(gate_closed(c));
	while (!gate_closed(gate))
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

int main(int argc, char **argv)
{
	assert(argc == 2);
	gate_keepd = argv[1];
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = { GATE_TEST(limits), GATE_TEST(killed),
		GATE_TEST(killed_under_load) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
