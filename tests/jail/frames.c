/* Throws random frames at the real daemons, each started as a supervisor would start it. A daemon must end by itself with at most one
 * line of report and never by a signal; keepd must drop the client, stay, and answer the next one.
 *
 *   frames attest  KEEP-ATTEST ROUNDS
 *   frames runtime KEEP-RUNTIME ROUNDS
 *   frames keepd   KEEPD ROUNDS
 *
 * With ROUNDS 0 the daemon is started on a kernel without Landlock (a filter around it answers ENOSYS): it must say so and end, whatever
 * it is sent. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "proto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_SECONDS 60

struct word {
	u32 type, len;
	bool fd;
};

static const struct word job_words[] = {
	{ JOB_BEGIN, sizeof(struct proto_job), true },
	{ JOB_KEY, sizeof(struct proto_key), false },
	{ JOB_SOURCE, sizeof(struct proto_file), true },
	{ JOB_STAGE, sizeof(struct proto_index), true },
	{ JOB_TRUST, sizeof(struct proto_trust), true },
	{ JOB_BUNDLE, sizeof(struct proto_index), true },
	{ JOB_POLICY, 0, true },
	{ JOB_TABLE, sizeof(struct proto_index), true },
	{ JOB_GO, 0, false },
};
static const struct word gate_words[] = {
	{ GATE_GRANT, sizeof(struct proto_grant), true },
	{ GATE_SEGMENTS, 0, true },
	{ GATE_FILE, sizeof(struct proto_index), true },
	{ GATE_LOAD, 0, false },
	{ GATE_SESSION, sizeof(struct proto_session), true },
	{ GATE_TICKET, sizeof(struct proto_ticket), false },
	{ GATE_SESSION_END, 0, false },
	{ GATE_UNLOAD, 0, false },
};
static const struct word ctl_words[] = {
	{ CTL_QUERY, sizeof(struct proto_query), false },
	{ CTL_TRUST_ADD, sizeof(struct proto_trust), true },
	{ CTL_POLICY_SET, sizeof(struct proto_name), true },
	{ CTL_EXPLAIN, sizeof(struct proto_name), false },
	{ CTL_BUNDLE, sizeof(struct proto_index), true },
	{ CTL_TRUST_RM, sizeof(struct proto_name), false },
	{ CTL_IMPORT, sizeof(struct proto_import), true },
	{ CTL_FILE, sizeof(struct proto_file), true },
	{ CTL_IMPORT_GO, 0, false },
	{ CTL_REVOKE, sizeof(struct proto_name), false },
	{ CTL_REMOVE, sizeof(struct proto_name), false },
	{ CTL_SESSION, sizeof(struct proto_session_want), false },
	{ CTL_BEGIN, sizeof(struct proto_begin), true },
};

static u64 random_state = 0x2545f4914f6cdd1d;
static u32 rnd(u32 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 32) % n;
}

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

/* ---- frames -------------------------------------------------------------------------------------------------------------- */

/* A descriptor that a hostile peer might pass. */
static int some_fd(void)
{
	u8 data[256];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (u8)rnd(256);
	int fd = -1, other;
	switch (rnd(6)) {
	case 0:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 1:
		return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 2:
		fd = memfd_create("open", MFD_CLOEXEC);
		must(fd >= 0 && !fd_write_all(fd, data, rnd(sizeof data)), "memfd");
		return fd;
	case 3:
		must(!ipc_pair(&fd, &other), "pair");
		close(other);
		return fd;
	default:
		must(!fd_memfd_sealed("sealed", data, rnd(sizeof data), &fd), "sealed");
		return fd;
	}
}

/* A body that is often nearly right: small numbers, a name, an index that counts. */
static void some_body(u8 *b, u32 len, u32 turn)
{
	memset(b, 0, len);
	u32 how = rnd(4);
	for (u32 at = 0; at + 4 <= len && how; at += 4) {
		u32 v = how == 1 ? rnd(4) : how == 2 ? turn : (u32)random_state;
		if (how == 3)
			rnd(2);
		if (at < 64 || how == 3)
			memcpy(b + at, &v, 4);
	}
	if (len >= 72 && rnd(2)) {
		memset(b, 0, len);
		memcpy(b, "demo", 4);
	}
}

/* 0; 1 the peer is gone or does not read. */
static int send_some(int sock, const struct word *words, u32 n_words, u32 turn)
{
	static u8 body[4096];
	struct word w = words[rnd(n_words)];
	if (turn == 0 && rnd(4))
		w = words[0];
	if (!rnd(12))
		w.len = rnd(2) ? w.len + 1 + rnd(8) : rnd(sizeof body - 16);
	if (!rnd(16))
		w.type = rnd(2) ? (u32)random_state : words[0].type + rnd(0x90);
	if (!rnd(16))
		w.fd = !w.fd;
	some_body(body, w.len, turn);
	_cleanup_fd_ int fd = w.fd ? some_fd() : -1;
	if (rnd(24)) {
		int r = ipc_send(sock, w.type, rnd(3), body, w.len, fd);
		must(r >= 0 || r == -EPIPE, "send");
		return r != 0;
	}
	ssize_t n = send(sock, body, 1 + rnd(40), MSG_NOSIGNAL); /* no frame at all */
	return n < 0;
}

/* ---- processes ----------------------------------------------------------------------------------------------------------- */

struct child {
	pid_t pid;
	int err; /* what it reports */
	char lines[8192];
	size_t len;
};

static bool without_landlock;
static void drop_landlock(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	if (!f || seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0) ||
		seccomp_load(f))
		_exit(97);
}

static struct child start(char *const argv[], int as3)
{
	struct child c = { 0 };
	int p[2];
	must(!pipe2(p, O_CLOEXEC), "pipe");
	c.pid = fork();
	must(c.pid >= 0, "fork");
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char pid[16];
		snprintf(pid, sizeof pid, "%d", getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		int high = fcntl(as3, F_DUPFD, 100); /* not close-on-exec once it is 3 */
		if (high < 0 || dup2(p[1], 2) < 0 || dup2(high, 3) < 0 || close(high) < 0)
			_exit(99);
		if (without_landlock)
			drop_landlock();
		execv(argv[0], argv);
		_exit(98);
	}
	close(p[1]);
	c.err = p[0];
	return c;
}

/* Reads what it reports until it ends; its wait status, or -1 when it does not end. */
static int finish(struct child *c)
{
	int status = -1;
	for (u32 tenths = 0; tenths < WAIT_SECONDS * 10; tenths++) {
		struct pollfd p = { .fd = c->err, .events = POLLIN };
		if (poll(&p, 1, 100) > 0) {
			ssize_t n = read(c->err, c->lines + c->len, sizeof c->lines - 1 - c->len);
			c->len += n > 0 ? (size_t)n : 0;
			if (n > 0)
				continue;
			if (waitpid(c->pid, &status, 0) == c->pid)
				break;
		}
	}
	if (status == -1) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	close(c->err);
	c->lines[c->len] = 0;
	return status;
}

static bool ended_well(struct child *c, u32 round)
{
	int status = finish(c);
	u32 lines = 0;
	for (size_t i = 0; i < c->len; i++)
		lines += c->lines[i] == '\n';
	bool good = WIFEXITED(status) && status != -1 && WEXITSTATUS(status) <= 1 && lines <= 1;
	if (!good)
		printf("round %u: wait status %x (-1: it did not end), %u lines:\n%s\n", round, (u32)status,
			lines, c->lines);
	return good;
}

/* ---- the three daemons --------------------------------------------------------------------------------------------------- */

static u32 refused; /* rounds that ended with a report */

static bool round_attest(char *path, u32 round)
{
	int ours, theirs;
	must(!ipc_pair(&ours, &theirs), "pair");
	char *argv[] = { path, NULL };
	struct child c = start(argv, theirs);
	close(theirs);
	for (u32 i = 0, n = 1 + rnd(24); i < n && !send_some(ours, job_words, ARRAY_LEN(job_words), i); i++)
		;
	shutdown(ours, SHUT_WR);
	bool good = ended_well(&c, round);
	refused += c.len > 0;
	close(ours);
	return good;
}

static bool round_runtime(char *path, u32 round, int dir)
{
	int listener, gate = -1;
	must(!ipc_listen(dir, "runtime", &listener), "listen");
	char *argv[] = { path, (char[]){ "--device" }, (char[]){ "reference" }, NULL };
	struct child c = start(argv, listener);
	close(listener);
	must(!ipc_connect(dir, "runtime", &gate), "connect");
	for (u32 i = 0, n = 1 + rnd(24); i < n && !send_some(gate, gate_words, ARRAY_LEN(gate_words), i); i++)
		;
	close(gate);
	bool good = ended_well(&c, round);
	refused += c.len > 0;
	return good;
}

/* keepd answers a query of its status. */
static bool alive(int dir)
{
	int ctl;
	if (ipc_connect(dir, "ctl", &ctl))
		return false;
	struct proto_query q = { .what = QUERY_STATUS };
	struct timeval t = { .tv_sec = WAIT_SECONDS };
	setsockopt(ctl, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	bool end = false;
	struct ipc_frame f;
	int r = ipc_send(ctl, CTL_QUERY, 1, &q, sizeof q, -1);
	while (!r && !end && !(r = ipc_recv(ctl, &f))) {
		end = f.h.type == CTL_END && ((struct proto_end *)f.body)->status == END_DONE;
		ipc_frame_fini(&f);
	}
	close(ctl);
	return end;
}

static struct child keepd_start(char *path, const char *base, int dir)
{
	char store[128], cmd[600];
	snprintf(store, sizeof store, "%s/store", base);
	snprintf(cmd, sizeof cmd, "'%s' --store '%s' --init >'%s/vkey'", path, store, base);
	must(system(cmd) == 0, "keepd --init");
	int listener;
	must(!ipc_listen(dir, "ctl", &listener), "listen");
	char *argv[] = { path, (char[]){ "--store" }, store, (char[]){ "--run" }, (char *)(uintptr_t)base,
		(char[]){ "--single-user" }, NULL };
	struct child c = start(argv, listener);
	close(listener);
	fcntl(c.err, F_SETPIPE_SZ, 1 << 20); /* one line for each client that it drops */
	return c;
}

static bool keepd_rounds(char *path, u32 rounds, const char *base, int dir)
{
	struct child c = keepd_start(path, base, dir);
	bool good = true;
	for (u32 round = 0; round < rounds && good; round++) {
		int ctl;
		must(!ipc_connect(dir, "ctl", &ctl), "connect");
		for (u32 i = 0, n = 1 + rnd(24); i < n; i++)
			if (send_some(ctl, ctl_words, ARRAY_LEN(ctl_words), i))
				break;
		if (rnd(2))
			shutdown(ctl, SHUT_WR);
		if (rnd(2))
			usleep(rnd(2000));
		close(ctl);
		if (round % 16 == 15)
			good = alive(dir);
		if (!good)
			printf("round %u: keepd does not answer\n", round);
	}
	good = alive(dir) && good;
	kill(c.pid, SIGTERM);
	int status = finish(&c);
	refused += c.len > 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		printf("keepd: wait status %x\n%s\n", (u32)status, c.lines);
	return good && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* It ends with 1 and one line about its sandbox, and nothing that it was sent was answered. */
static bool fails_closed(const char *kind, char *path, const char *base, int dir)
{
	int peer = -1, theirs = -1;
	struct child c;
	without_landlock = true;
	if (!strcmp(kind, "keepd")) {
		c = keepd_start(path, base, dir);
		must(ipc_connect(dir, "ctl", &peer) >= 0, "connect");
	} else if (!strcmp(kind, "runtime")) {
		must(!ipc_listen(dir, "runtime", &theirs), "listen");
		char *argv[] = { path, (char[]){ "--device" }, (char[]){ "reference" }, NULL };
		c = start(argv, theirs);
		must(!ipc_connect(dir, "runtime", &peer), "connect");
	} else {
		must(!ipc_pair(&peer, &theirs), "pair");
		char *argv[] = { path, NULL };
		c = start(argv, theirs);
	}
	fd_close(&theirs);
	struct proto_query q = { .what = QUERY_STATUS };
	struct ipc_frame f;
	if (peer >= 0)
		(void)!ipc_send(peer, CTL_QUERY, 1, &q, sizeof q, -1);
	int status = finish(&c);
	bool silent = peer < 0 || ipc_recv(peer, &f) != 0;
	const char *end = strchr(c.lines, '\n');
	printf("%s", c.lines);
	return silent && WIFEXITED(status) && WEXITSTATUS(status) == 1 && end && !end[1] &&
	       strstr(c.lines, strerror(ENOSYS));
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	char base[] = "/tmp/keep-frames.XXXXXX", cmd[64];
	must(mkdtemp(base) != NULL, "mkdtemp");
	_cleanup_fd_ int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	u32 rounds = (u32)strtoul(argv[3], NULL, 10), bad = 0;
	if (!rounds) {
		bad += !fails_closed(argv[1], argv[2], base, dir);
		refused = 1;
	} else if (!strcmp(argv[1], "keepd"))
		bad += !keepd_rounds(argv[2], rounds, base, dir);
	else
		for (u32 i = 0; i < rounds; i++)
			bad += strcmp(argv[1], "attest") ? !round_runtime(argv[2], i, dir)
							 : !round_attest(argv[2], i);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", base);
	must(system(cmd) == 0, "rm");
	printf("%u rounds, %u ended with a report, %u wrong\n", rounds, refused, bad);
	return bad || !refused;
}
