/* While the sync of requests runs in the other thread: what is read meanwhile, what waits, and what happens when it fails or the process is
 * killed in it. keepd_faulty's syncs take SYNC_MS then. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/fd.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYNC_MS 150
#define OPEN	3u /* requests without an outcome from which on a sync is put off */

static const char *keepd_path;

struct stage {
	struct rig r;
	char env[256], mark[150];
	int c, gate;
	struct rig_session s;
	u64 request;
};
static struct stage st;

/* From now on syncs are slow, or fail. */
static void mark(const char *how)
{
	char path[200];
	snprintf(path, sizeof path, "%s-%s", st.mark, how);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* A session with OPEN requests that have their ticket, and no outcome. */
static int up(void **state)
{
	memset(&st, 0, sizeof st);
	rig_init(&st.r, keepd_path, NULL);
	snprintf(st.mark, sizeof st.mark, "%s/sync", st.r.root);
	snprintf(st.env, sizeof st.env, "KEEP_FAULT=slow:%u:%s", SYNC_MS * 1000, st.mark);
	st.r.env = st.env;
	assert_int_equal(rig_start(&st.r), 0);
	st.c = rig_client(&st.r);
	rig_demo(&st.r, st.c, &st.gate, &st.s);
	while (st.request < OPEN) {
		struct rig_answer a =
			rig_begin(st.c, &(struct rig_begin){ st.s.id, ++st.request, REPLAY_NONE, "x" });
		assert_int_equal(a.status, 0);
	}
	mark("slow");
	return 0;
}

static int down(void **state)
{
	close(st.c);
	close(st.gate);
	close(st.s.sock);
	rig_fini(&st.r);
	return 0;
}

static void ask(void)
{
	rig_begin_ask(st.c, &(struct rig_begin){ st.s.id, ++st.request, REPLAY_NONE, "x" });
}

/* keepd has read all that was sent. */
static void taken(int sock)
{
	int n = 1;
	for (u32 i = 0; i < 100000 && n; i++) {
		assert_int_equal(ioctl(sock, SIOCOUTQ, &n), 0);
		usleep(n ? 100 : 0);
	}
	assert_int_equal(n, 0);
}

static void answered(u64 request, u32 status)
{
	struct rig_answer a;
	rig_answer(st.c, request, &a);
	assert_int_equal(a.status, status);
}

/* The next requests and the outcome of the first are read while the sync runs; nobody hears of anything before its end. On a machine that
 * is very busy the sync may be over before this process looks: then once more. */
static void read_meanwhile(void **state)
{
	bool seen = false;
	for (u32 i = 0; i < 5 && !seen; i++) {
		usleep(SYNC_MS * 2000); /* none runs */
		ask();
		taken(st.c);
		usleep(SYNC_MS * 1000 / 5); /* its commit has begun */
		ask();
		taken(st.c);
		rig_outcome(st.gate, st.s.id, 1 + i, "x", "t", FINISH_STOP);
		taken(st.gate);
		seen = rig_quiet(st.c, 0);
		answered(st.request - 1, 0);
		answered(st.request, 0);
	}
	assert_true(seen);
	assert_int_equal(rig_count(st.c, "\"event\":\"request\"", NULL), st.request);
}

/* Another command waits for the sync, is done and is recorded behind it. */
static void others_wait(void **state)
{
	int d = rig_client(&st.r), key = -1;
	struct proto_name n = { .name = "late" };
	struct rig_answer a;
	assert_int_equal(fd_memfd_sealed("k", "k", 1, &key), 0);
	ask();
	taken(st.c);
	assert_int_equal(
		ipc_send(d, CTL_TRUST_ADD, 9, &(struct proto_trust){ .name = "late", .kind = TRUST_KEY },
			sizeof(struct proto_trust), key),
		0);
	close(key);
	answered(st.request, 0);
	rig_answer(d, 9, &a);
	assert_int_equal(a.status, 0);
	assert_int_equal(ipc_send(d, CTL_TRUST_RM, 10, &n, sizeof n, -1), 0);
	rig_answer(d, 10, &a);
	assert_int_equal(a.status, 0);
	close(d);
}

/* What is there after a new start: it verifies, and holds what was acknowledged. */
static void again(void)
{
	st.r.env = NULL;
	assert_int_equal(rig_start(&st.r), 0);
	int c = rig_client(&st.r);
	struct rig_answer a = rig_query(c, QUERY_VERIFY, 0, 0, NULL);
	assert_non_null(strstr(a.data, "\"ok\":true"));
	rig_answer_fini(&a);
	assert_true(rig_count(c, "\"event\":\"request\"", NULL) >= OPEN);
	close(c);
}

/* Those of the requests that `up` made. */
static void tickets(void)
{
	for (u32 i = 0; i < OPEN; i++)
		rig_take(st.gate, GATE_TICKET, NULL);
}

/* It fails: those who wait hear that it is undecided, nobody sees the rows that SQLite holds of it, no ticket leaves. */
static void failed(void **state)
{
	tickets();
	ask();
	taken(st.c);
	mark("fail");
	answered(st.request, END_UNDECIDED);
	ask();
	answered(st.request, END_REFUSED);
	int d = rig_client(&st.r);
	assert_int_equal(rig_count(d, "\"event\":\"request\"", NULL), OPEN);
	close(d);
	struct ipc_frame f;
	assert_int_equal(rig_recv(st.gate, &f), 1); /* closed, without another ticket */
	rig_end(&st.r, SIGTERM);
	again();
}

/* The next END, which is of that command and of no other. */
static struct proto_end next_end(int sock, u64 id)
{
	struct proto_end e = { 0 };
	for (bool is = false; !is;) {
		struct ipc_frame f;
		assert_int_equal(rig_recv(sock, &f), 0);
		is = f.h.type == CTL_END;
		if (is) {
			assert_int_equal(f.h.id, id);
			memcpy(&e, f.body, sizeof e);
		}
		ipc_frame_fini(&f);
	}
	return e;
}

static void status(int sock, u64 id)
{
	struct proto_query q = { .what = QUERY_STATUS };
	assert_int_equal(ipc_send(sock, CTL_QUERY, id, &q, sizeof q, -1), 0);
	assert_int_equal(next_end(sock, id).status, END_DONE);
}

/* It fails under a question that the log answers, and under one that waits for the runtime: the first goes on, the second ends, and neither
 * is answered twice. */
static void asked_meanwhile(void **state)
{
	struct proto_look all = { .what = LOOK_RECORDS, .to = UINT64_MAX, .until_ns = UINT64_MAX };
	struct proto_session_want demo = { .name = "demo" };
	int reader = rig_client(&st.r), planner = rig_client(&st.r);
	tickets();
	status(reader, 7);
	status(planner, 7);
	assert_int_equal(ipc_send(planner, CTL_PLAN, 8, &demo, sizeof demo, -1), 0);
	rig_take(st.gate, GATE_PLAN, NULL);
	mark("fail");
	kill(st.r.pid, SIGSTOP); /* so that it finds both in one turn */
	ask();
	assert_int_equal(ipc_send(reader, CTL_LOOK, 8, &all, sizeof all, -1), 0);
	kill(st.r.pid, SIGCONT);
	answered(st.request, END_UNDECIDED);
	assert_int_equal(next_end(reader, 8).status, END_DONE);
	assert_int_equal(next_end(planner, 8).status, END_UNDECIDED);
	status(reader, 9);
	status(planner, 9);
	close(reader);
	close(planner);
}

static void killed(void **state)
{
	ask();
	taken(st.c);
	ask();
	taken(st.c);
	rig_end(&st.r, SIGKILL);
	again();
}

/* An orderly end waits for it. */
static void stopped(void **state)
{
	ask();
	taken(st.c);
	assert_true(WIFEXITED(rig_end(&st.r, SIGTERM)));
	answered(st.request, 0);
	again();
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = { TEST(read_meanwhile), TEST(others_wait), TEST(failed),
		TEST(asked_meanwhile), TEST(killed), TEST(stopped) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
