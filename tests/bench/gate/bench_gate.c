/* What the gate costs: a request waits for one sync (the intent), its outcome for another. Measured beside the raw syncs of this
 * very disk in the same run, interleaved, so that a busy machine slows both: a round is one fdatasync of a 4 KiB append to a
 * plain file, then one request with its outcome. Prints the lower quartiles (what the disk does when nobody disturbs it); fails when
 * a request costs more than two syncs and 1 ms in each of three runs. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/fd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS	 300u
#define PARALLEL 32u /* requests in flight in the second part */

static u64 now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const u64 x = *(const u64 *)a, y = *(const u64 *)b;
	return x < y ? -1 : x > y;
}

static double quartile_us(u64 *v, u32 n)
{
	qsort(v, n, sizeof *v, by_value);
	return (double)v[n / 4] / 1e3;
}

/* The runtime: answers every ticket at once. */
static pid_t runtime(int listening)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int s = accept4(listening, NULL, NULL, SOCK_CLOEXEC), r = 0;
	for (struct ipc_frame f; !r && ipc_recv(s, &f) == 0; ipc_frame_fini(&f)) {
		if (f.h.type == GATE_LOAD) {
			struct proto_ready p = { .device = "none", .kv_mode = KV_F16, .ctx_tokens = 64 };
			r = ipc_send(s, GATE_READY, f.h.id, &p, sizeof p, -1);
		} else if (f.h.type == GATE_TICKET) {
			struct proto_ticket t;
			memcpy(&t, f.body, sizeof t);
			struct proto_outcome o = {
				.session = t.session, .finish = FINISH_STOP, .device = "none"
			};
			memcpy(o.request, t.digest, sizeof o.request);
			r = ipc_send(s, GATE_OUTCOME, f.h.id, &o, sizeof o, -1);
		}
	}
	_exit(0);
}

static void raw_sync(int fd, u64 *ret_ns)
{
	static const char block[4096] = "x";
	u64 t = now_ns();
	assert_int_equal(fd_write_all(fd, block, sizeof block), 0);
	assert_int_equal(fdatasync(fd), 0);
	*ret_ns = now_ns() - t;
}

static const char *keepd_path;

/* Is an outcome still missing? The answer comes behind the commit of the outcome, as every answer does. */
static bool running(int c)
{
	struct rig_answer a = rig_query(c, QUERY_STATUS, 0, 0, NULL);
	bool open = !strstr(a.data, "\"requests_open\":0,");
	rig_answer_fini(&a);
	return open;
}

/* One run. True: within the limit. */
static bool measure(void)
{
	static const struct rig_file files[] = { { "x.gguf", "abc" } };
	static u64 sync_ns[ROUNDS], begin_ns[ROUNDS], both_ns[ROUNDS];
	struct rig r;
	struct rig_session s;
	struct rig_answer a;
	char path[256];
	rig_init(&r, keepd_path, getenv("KEEP_BENCH_DIR"));
	assert_int_equal(rig_start(&r), 0);
	pid_t rt = runtime(r.runtime_sock);
	int c = rig_client(&r);
	assert_int_equal(rig_import(c, "demo", "good", files, 1).status, 0);
	rig_session_ask(c, 5, "demo");
	assert_int_equal(rig_session_take(c, 5, &s, &a), 0);
	snprintf(path, sizeof path, "%s/raw", r.root);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	struct rig_begin b = { s.id, 0, REPLAY_NONE, "a request" };
	for (u32 i = 0; i < ROUNDS; i++) {
		raw_sync(fd, &sync_ns[i]);
		u64 t = now_ns();
		b.request++;
		assert_int_equal(rig_begin(c, &b).status, 0);
		begin_ns[i] = now_ns() - t;
		while (running(c))
			;
		both_ns[i] = now_ns() - t;
	}
	u64 t = now_ns();
	for (u32 i = 0; i < ROUNDS + PARALLEL; i++) {
		struct rig_answer end;
		b.request++;
		if (i < ROUNDS)
			rig_begin_ask(c, &b);
		if (i >= PARALLEL)
			rig_answer(c, b.request - PARALLEL, &end);
	}
	double rate = ROUNDS / ((double)(now_ns() - t) / 1e9);
	double sync = quartile_us(sync_ns, ROUNDS), begin = quartile_us(begin_ns, ROUNDS),
	       both = quartile_us(both_ns, ROUNDS);
	print_message("one sync of this disk        %8.0f us\n"
		      "a request's wait (intent)    %8.0f us\n"
		      "a request with its outcome   %8.0f us   limit %.0f us\n"
		      "%u in flight                 %8.0f requests/s, %.1f per sync time\n",
		sync, begin, both, 2 * sync + 1000, PARALLEL, rate, rate * sync / 1e6);
	close(fd);
	kill(rt, SIGKILL);
	waitpid(rt, NULL, 0);
	rig_fini(&r);
	return both <= 2 * sync + 1000;
}

static void cost(void **state)
{
	bool good = false;
	for (u32 i = 0; i < 3 && !good; i++)
		good = measure();
	assert_true(good);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = { cmocka_unit_test(cost) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
