/* How many durable records a second: bench_clients KEEPD SLOW_SYNC_SO [DIR]
 *
 * N clients, each with a session, each waiting for the acknowledgement of one request before it sends the next, over the real socket; a
 * fake runtime answers every ticket at once. Beside it, in the same run: one writer that appends 4 KiB to a file and syncs. Without DIR on
 * tmpfs with a sync of 1 ms, by SLOW_SYNC_SO; with DIR there, with the syncs of that disk. Prints, for each N, acknowledged requests a
 * second, and durable records a second (a request has two, of which its client waits for one), each beside N times the raw rate.
 *
 * Beside each stands what a bare gate reaches with the same clients: it takes the frames of all, writes as much, syncs, answers all, and does
 * nothing else: no record, no hash, no signature, no runtime. What is missing there, the clients and the processors' waking take, whatever
 * the gate does.
 *
 * All clients are one process, and all send the same sealed text: what clients do by themselves is not measured. But they share the processors
 * with keepd, so for each request the processor time of the clients, the fake runtime and keepd is told as well. KEEP_BENCH_CLIENTS=N
 * measures that N alone. */
#define _GNU_SOURCE
#include "rig.h"
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RAW_SYNCS 300u
#define CLIENTS	  512u
#define RUN_NS	  1500000000u
#define WARM_NS	  300000000u

extern u32 slow_sync_us;

struct client {
	int sock;
	u64 session, request;
	bool parked;
};

static struct client clients[CLIENTS];
static struct pollfd polls[CLIENTS];
static int text_fd = -1;
static u64 refused;
static u8 text_digest[SHA256_BYTES];

static u64 now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* What a token takes on the fastest device: so long, at least, a ticket that finds nothing to do waits for its outcome. */
static void think(void)
{
	const struct timespec t = { 0, 500000 };
	static u64 last;
	if (now_ns() - last > (u64)t.tv_nsec)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	last = now_ns();
}

/* The runtime. */
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
			think();
			struct proto_outcome o = {
				.session = t.session, .finish = FINISH_STOP, .device = "none"
			};
			memcpy(o.request, t.digest, sizeof o.request);
			r = ipc_send(s, GATE_OUTCOME, f.h.id, &o, sizeof o, -1);
		} else if (f.h.type == GATE_UNLOAD) {
			r = ipc_send(s, GATE_UNLOADED, f.h.id, NULL, 0, -1);
		}
	}
	_exit(0);
}

static f64 raw_rate(const char *dir)
{
	static const char block[4096] = "x";
	char path[256];
	snprintf(path, sizeof path, "%s/raw", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	u64 t = now_ns();
	for (u32 i = 0; i < RAW_SYNCS; i++) {
		assert_int_equal(fd_write_all(fd, block, sizeof block), 0);
		assert_int_equal(fdatasync(fd), 0);
	}
	t = now_ns() - t;
	close(fd);
	unlink(path);
	return RAW_SYNCS / ((f64)t / 1e9);
}

static void ask(struct client *c)
{
	struct proto_begin b = { .session = c->session, .replay_of = REPLAY_NONE };
	memcpy(b.digest, text_digest, sizeof b.digest);
	assert_int_equal(ipc_send(c->sock, CTL_BEGIN, ++c->request, &b, sizeof b, text_fd), 0);
}

/* Requests acknowledged by all of the first n clients until the time is over. */
static u64 serve(u32 n, u64 for_ns)
{
	u64 acked = 0, end = now_ns() + for_ns;
	while (now_ns() < end) {
		u64 before = acked;
		int ready = poll(polls, n, 1);
		for (u32 i = 0; i < n; i++) {
			struct ipc_frame f;
			struct proto_end e;
			if (!polls[i].revents)
				continue;
			assert_int_equal(ipc_recv(clients[i].sock, &f), 0);
			memcpy(&e, f.body, sizeof e);
			assert_int_equal(f.h.type, CTL_END);
			acked += e.status == END_DONE;
			refused += clients[i].parked = e.status != END_DONE;
			if (!clients[i].parked)
				ask(&clients[i]);
		}
		/* who was refused, because too many requests wait for their outcome, asks again when others were let through */
		for (u32 i = 0; i < n && (acked > before || ready == 0); i++)
			if (clients[i].parked) {
				clients[i].parked = false;
				ask(&clients[i]);
			}
	}
	return acked;
}

static void drain(u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct rig_answer a;
		if (clients[i].parked)
			continue;
		rig_answer(clients[i].sock, clients[i].request, &a);
	}
}

/* ---- the bare gate ---- */

/* What a request and its outcome add to the write-ahead log, on the average of many. */
#define BARE_BYTES 2048u

static int bare_fd = -1;

/* One commit for n clients. */
static int bare_turn(struct pollfd *p, u32 n)
{
	static const char block[CLIENTS * BARE_BYTES];
	static u64 ids[CLIENTS];
	struct proto_end end = { .status = END_DONE };
	for (u32 missing = n; missing;) {
		if (poll(p, n, -1) < 0)
			return 1;
		for (u32 i = 0; i < n; i++) {
			struct ipc_frame f;
			if (!p[i].revents)
				continue;
			if (ipc_recv(p[i].fd, &f))
				return 1;
			ids[i] = f.h.id;
			ipc_frame_fini(&f);
			missing--;
		}
	}
	if (fd_write_all(bare_fd, block, n * BARE_BYTES) || fdatasync(bare_fd))
		return 1;
	for (u32 i = 0; i < n; i++)
		if (ipc_send(p[i].fd, CTL_END, ids[i], &end, sizeof end, -1))
			return 1;
	return 0;
}

/* Acknowledged requests a second of n clients at a bare gate. */
static f64 bare_rate(const char *dir, u32 n)
{
	static struct pollfd theirs[CLIENTS];
	static struct client mine[CLIENTS];
	struct pollfd p[CLIENTS];
	char path[256];
	memcpy(mine, clients, sizeof mine);
	memcpy(p, polls, sizeof p);
	snprintf(path, sizeof path, "%s/bare", dir);
	bare_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600); /* as the raw loop */
	assert_true(bare_fd >= 0);
	for (u32 i = 0; i < n; i++) {
		theirs[i].events = polls[i].events = POLLIN;
		assert_int_equal(ipc_pair(&theirs[i].fd, &polls[i].fd), 0);
		clients[i] = (struct client){ .sock = polls[i].fd };
	}
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (bare_turn(theirs, n) == 0)
			;
		_exit(0);
	}
	for (u32 i = 0; i < n; i++)
		ask(&clients[i]);
	serve(n, WARM_NS / 3);
	u64 t = now_ns(), acked = serve(n, RUN_NS / 3);
	t = now_ns() - t;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (u32 i = 0; i < n; i++) {
		close(theirs[i].fd);
		close(polls[i].fd);
	}
	close(bare_fd);
	unlink(path);
	memcpy(clients, mine, sizeof mine);
	memcpy(polls, p, sizeof p);
	return (f64)acked / ((f64)t / 1e9);
}

/* ---- the rows ---- */

/* Processor time that a process has used, in us. */
static f64 cpu_us(pid_t pid)
{
	clockid_t c;
	struct timespec t = { 0, 0 };
	assert_int_equal(clock_getcpuclockid(pid, &c), 0);
	clock_gettime(c, &t);
	return (f64)t.tv_sec * 1e6 + (f64)t.tv_nsec / 1e3;
}

static void row(u32 n, const struct rig *r, pid_t rt)
{
	const char *dir = r->root;
	const pid_t who[] = { 0, rt, r->pid };
	f64 raw = raw_rate(dir), cpu[ARRAY_LEN(who)];
	for (u32 i = 0; i < n; i++)
		ask(&clients[i]);
	serve(n, WARM_NS);
	for (size_t i = 0; i < ARRAY_LEN(who); i++)
		cpu[i] = cpu_us(who[i]);
	u64 t = now_ns(), acked = serve(n, RUN_NS);
	f64 rate = (f64)acked / ((f64)(now_ns() - t) / 1e9);
	for (size_t i = 0; i < ARRAY_LEN(who); i++)
		cpu[i] = (cpu_us(who[i]) - cpu[i]) / (f64)acked;
	drain(n);
	raw = (raw + raw_rate(dir)) / 2;
	f64 bare = bare_rate(dir, n);
	if (refused)
		print_message("%llu were refused\n", (unsigned long long)refused);
	refused = 0;
	print_message("%4u clients  %7.0f acknowledged/s  %5.2f of %u x %.0f raw syncs/s (a bare gate %.2f)  "
		      "%7.0f records/s %5.2f"
		      "  processor time each: clients %.1f, runtime %.1f, keepd %.1f us\n",
		n, rate, rate / (n * raw), n, raw, bare / (n * raw), 2 * rate, 2 * rate / (n * raw), cpu[0],
		cpu[1], cpu[2]);
}

static void open_clients(struct rig *r, u32 n)
{
	static u32 opened;
	struct rig_session s;
	struct rig_answer a;
	for (u32 i = opened; i < n; i++, opened++) {
		struct client *c = &clients[i];
		c->sock = rig_client(r);
		rig_session_ask(c->sock, 5, "demo");
		assert_int_equal(rig_session_take(c->sock, 5, &s, &a), 0);
		close(s.sock); /* the streams are not measured */
		c->session = s.id;
		polls[i] = (struct pollfd){ .fd = c->sock, .events = POLLIN };
	}
}

int main(int argc, char **argv)
{
	static const struct rig_file files[] = { { "x.gguf", "abc" } };
	static const u32 counts[] = { 1, 2, 4, 8, 16, 64, CLIENTS };
	const char *only = getenv("KEEP_BENCH_CLIENTS");
	struct rig r;
	char env[512];
	assert(argc == 3 || argc == 4);
	const char *dir = argc == 4 ? argv[3] : "/dev/shm";
	struct rlimit l = { 8192, 8192 };
	setrlimit(RLIMIT_NOFILE, &l);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4)
		slow_sync_us = 0;
	assert_int_equal(fd_memfd_sealed("request", "a request", 9, &text_fd), 0);
	sha256_of("a request", 9, text_digest);
	rig_init(&r, argv[1], dir);
	snprintf(env, sizeof env, "LD_PRELOAD=%s", argv[2]);
	r.env = argc == 4 ? NULL : env;
	assert_int_equal(rig_start(&r), 0);
	pid_t rt = runtime(r.runtime_sock);
	int c = rig_client(&r);
	assert_int_equal(rig_import(c, "demo", "good", files, 1).status, 0);
	print_message("%s, %s\n", dir, slow_sync_us ? "a sync takes 1 ms" : "real syncs");
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (only && counts[i] != (u32)atoi(only))
			continue;
		open_clients(&r, counts[i]);
		row(counts[i], &r, rt);
	}
	rig_end(&r, SIGTERM); /* in order, so that a profiler can say what it saw */
	kill(rt, SIGKILL);
	waitpid(rt, NULL, 0);
	rig_fini(&r);
	return 0;
}
