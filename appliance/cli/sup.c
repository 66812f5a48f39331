#define _GNU_SOURCE
#include "cli/sup.h"
#include "base/limits.h"
#include "base/fd.h"
#include "base/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* keepd, keep-runtime and keep-gateway: one process each, started again when it ends. */
struct service {
	enum app_program program;
	const char *socket;
	char *args[2 * RUNTIME_DEVICES_MAX + 6];
	bool lazy; /* started by the first connection */
	int listen_fd;
	pid_t pid; /* 0: not running */
	bool ready;
	u32 unready;			 /* ends in a row without having been ready */
	u64 starts_ms[SUP_RESTARTS_MAX]; /* of the last starts, a ring */
	u32 n_starts;
};

enum { KEEPD, RUNTIME, GATEWAY, N_SERVICES };
#define SUP_POLLS (4u + N_SERVICES + APP_MORE_MAX) /* descriptors that are waited for, besides holders */

struct sup {
	const struct sup_params *p;
	struct service services[N_SERVICES];
	int attest_fd, hold_fd, metrics_fd, signal_fd, notify_fd, lock_fd;
	int more[APP_MORE_MAX]; /* of the gateway, besides http.sock; metrics.sock and what was inherited */
	u32 n_more;
	char names[96];
	char notify[PATH_MAX + 16];
	char credentials[PATH_MAX + 8]; /* ROOT/tls: what the gateway shows */
	pid_t jobs[SUP_JOBS_MAX];
	int holders[SUP_HOLDERS_MAX];
	u32 n_holders;
	bool said_ready, stop, failed;
};

static u64 now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static bool transient(const struct sup *s)
{
	return s->p->holder >= 0;
}

/* ---- the lock: one supervisor per appliance ---- */

/* Who holds it: "12 up" or "12 command". */
static bool lock_owner(int fd, int *ret_pid, bool *ret_up)
{
	char text[64], kind[16];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%d %15s", ret_pid, kind) != 2)
		return false;
	*ret_up = !strcmp(kind, "up");
	return true;
}

/* 0; otherwise an exit status, said. */
static int lock(struct sup *s)
{
	int pid;
	bool up;
	s->lock_fd = openat(s->p->app->run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return out_fail(CLI_UNDECIDED, "%s/run/lock: %s", s->p->app->root, out_reason(errno));
	u64 until = now_ms() + SUP_LOCK_WAIT_MS;
	for (bool said = false; flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0; usleep(20000)) {
		if (errno != EWOULDBLOCK)
			return out_fail(CLI_UNDECIDED, "%s/run/lock: %s", s->p->app->root, out_reason(errno));
		bool known = lock_owner(s->lock_fd, &pid, &up);
		if (transient(s))
			return CLI_REFUSED; /* its command tries again */
		if ((known && up) || now_ms() > until)
			return known ? out_fail(CLI_REFUSED, "%s is already served by process %d",
					       s->p->app->root, pid)
				     : out_fail(CLI_REFUSED, "%s is already served", s->p->app->root);
		if (!said)
			out_say("waiting for another command to finish");
		said = true;
	}
	char text[64];
	int n = snprintf(text, sizeof text, "%d %s\n", (int)getpid(), transient(s) ? "command" : "up");
	if (ftruncate(s->lock_fd, 0) < 0 || fd_pwrite_all(s->lock_fd, text, (size_t)n, 0))
		return out_fail(CLI_UNDECIDED, "%s/run/lock: could not be written", s->p->app->root);
	return 0;
}

/* ---- starting ---- */

/* NOTIFY_SOCKET: a datagram socket of our own directory. A deep directory is named by way of /proc. */
static int open_notify(struct sup *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	if (fd < 0)
		return -errno;
	s->notify_fd = fd;
	int n = snprintf(s->notify, sizeof s->notify, "%s/run/notify", s->p->app->root);
	if (n < 0 || (size_t)n >= sizeof a.sun_path)
		snprintf(s->notify, sizeof s->notify, "/proc/%d/fd/%d/notify", (int)getpid(),
			s->p->app->run_fd);
	memcpy(a.sun_path, s->notify, MIN(strlen(s->notify) + 1, sizeof a.sun_path));
	if (unlinkat(s->p->app->run_fd, "notify", 0) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return -errno;
	return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) < 0 ? -errno : 0;
}

static int open_signals(struct sup *s)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? -errno : 0;
}

/* http.sock, metrics.sock, and what was inherited: told apart by their names. */
static int open_gateway(struct sup *s)
{
	int dir = s->p->app->run_fd, r = ipc_listen_stream(dir, "http.sock", &s->services[GATEWAY].listen_fd);
	r = r ? r : ipc_listen_stream(dir, "metrics.sock", &s->metrics_fd);
	if (r)
		return r;
	s->more[s->n_more++] = s->metrics_fd;
	for (u32 i = 0; i < s->p->n_sockets; i++)
		s->more[s->n_more++] = s->p->sockets[i];
	snprintf(s->names, sizeof s->names, "http:metrics%s%s", s->p->names ? ":" : "",
		s->p->names ? s->p->names : "");
	return 0;
}

/* hold.sock first and ctl.sock last: who can reach keepd can also hold it. */
static int open_sockets(struct sup *s)
{
	int dir = s->p->app->run_fd, r = 0;
	if (transient(s))
		r = ipc_listen(dir, "hold.sock", &s->hold_fd);
	else if (unlinkat(dir, "hold.sock", 0) < 0 && errno != ENOENT)
		r = -errno;
	r = r ? r : ipc_listen(dir, "attest.sock", &s->attest_fd);
	r = r ? r : ipc_listen(dir, "runtime.sock", &s->services[RUNTIME].listen_fd);
	if (!r && !transient(s)) /* single commands serve nobody else */
		r = open_gateway(s);
	r = r ? r : ipc_listen(dir, "ctl.sock", &s->services[KEEPD].listen_fd);
	if (!r && fcntl(s->attest_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (!r && s->hold_fd >= 0 && fcntl(s->hold_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	return r;
}

static void fail(struct sup *s)
{
	s->failed = s->stop = true;
}

static void start(struct sup *s, struct service *v)
{
	const char *name = app_program_name(v->program);
	u64 *slot = &v->starts_ms[v->n_starts % SUP_RESTARTS_MAX], now = now_ms();
	if (v->n_starts >= SUP_RESTARTS_MAX && now - *slot < SUP_RESTART_WINDOW_MS) {
		out_say("%s: failed %u times in %u s; giving up", name, SUP_RESTARTS_MAX,
			SUP_RESTART_WINDOW_MS / 1000);
		fail(s);
		return;
	}
	*slot = now;
	v->n_starts++;
	v->ready = false;
	int r = app_spawn(&(struct app_spawn){ .program = v->program,
				  .args = v->args,
				  .listen_fd = v->listen_fd,
				  .more = s->more,
				  .n_more = v == &s->services[GATEWAY] ? s->n_more : 0,
				  .names = v == &s->services[GATEWAY] ? s->names : NULL,
				  .credentials = v == &s->services[GATEWAY] ? s->credentials : NULL,
				  .err_fd = -1,
				  .out_fd = -1,
				  .notify = s->notify,
				  .dies_with_us = true },
		&v->pid);
	if (r) {
		char path[PATH_MAX];
		int there = app_program_path(v->program, path);
		(void)there; /* the path is what is wanted */
		out_say("%s: could not be started: %s", path, out_reason(r));
		v->pid = 0;
		fail(s);
		return;
	}
	if (!transient(s))
		out_say("%-12s  process %-7d %s/run/%s", name, (int)v->pid, s->p->app->root, v->socket);
}

static void accept_job(struct sup *s)
{
	_cleanup_fd_ int conn = accept4(s->attest_fd, NULL, NULL, SOCK_CLOEXEC);
	if (conn < 0)
		return;
	for (u32 i = 0; i < SUP_JOBS_MAX; i++) {
		if (s->jobs[i])
			continue;
		int r = app_spawn(&(struct app_spawn){ .program = APP_ATTEST,
					  .listen_fd = conn,
					  .err_fd = -1,
					  .out_fd = -1,
					  .dies_with_us = true },
			&s->jobs[i]);
		if (r)
			out_say("keep-attest: could not be started: %s", out_reason(r));
		return;
	}
	out_say("keep-attest: more than %u jobs at once; one was turned away", SUP_JOBS_MAX);
}

/* ---- what happens ---- */

static void ended(struct sup *s, struct service *v, int status)
{
	char how[96];
	app_describe(status, how, sizeof how);
	v->pid = 0;
	if (s->stop)
		return;
	out_say("%s %s", app_program_name(v->program), how);
	v->unready = v->ready ? 0 : v->unready + 1;
	if (v->ready && status == 0) /* it served and had done: the runtime, whenever its gate closes */
		v->starts_ms[(v->n_starts - 1) % SUP_RESTARTS_MAX] = 0;
	if (v->unready >= SUP_UNREADY_MAX) {
		out_say("%s: ended %u times before it was ready; giving up", app_program_name(v->program),
			v->unready);
		fail(s);
	} else if (!v->lazy) {
		start(s, v);
	}
}

static void reap(struct sup *s)
{
	int status;
	char how[96];
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (u32 i = 0; i < N_SERVICES; i++)
			if (s->services[i].pid == pid)
				ended(s, &s->services[i], status);
		for (u32 i = 0; i < SUP_JOBS_MAX; i++) {
			if (s->jobs[i] != pid)
				continue;
			s->jobs[i] = 0;
			app_describe(status, how, sizeof how);
			if (status && !s->stop)
				out_say("keep-attest (process %d) %s", (int)pid, how);
		}
	}
}

static void take_signals(struct sup *s)
{
	struct signalfd_siginfo si;
	while (read(s->signal_fd, &si, sizeof si) == (ssize_t)sizeof si)
		if (si.ssi_signo != SIGCHLD)
			s->stop = true;
	reap(s);
}

static void say_ready(struct sup *s)
{
	if (s->said_ready || transient(s) || !s->services[KEEPD].ready || !s->services[RUNTIME].ready)
		return;
	s->said_ready = true;
	out_say("%sready%s; single-user: one person has all roles", "", "");
	out_next("keep run NAME \"...\", or keep import PATH, in another terminal; Ctrl-C here stops");
}

/* "READY=1" from a process that we started; anything else is ignored. */
static void take_notify(struct sup *s)
{
	char text[512];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} c;
	struct iovec iov = { text, sizeof text - 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf
	};
	for (;;) {
		m.msg_controllen = sizeof c.buf;
		ssize_t n = recvmsg(s->notify_fd, &m, MSG_CMSG_CLOEXEC);
		if (n < 0)
			return;
		text[n] = 0;
		struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
		if (!cm || cm->cmsg_type != SCM_CREDENTIALS)
			continue;
		struct ucred who;
		memcpy(&who, CMSG_DATA(cm), sizeof who);
		bool ready = !strncmp(text, "READY=1", 7) || strstr(text, "\nREADY=1");
		for (u32 i = 0; i < N_SERVICES; i++)
			if (s->services[i].pid == who.pid && ready)
				s->services[i].ready = true;
		say_ready(s);
	}
}

static void accept_holder(struct sup *s)
{
	int fd = accept4(s->hold_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (s->n_holders == SUP_HOLDERS_MAX || send(fd, "R", 1, MSG_NOSIGNAL) != 1) {
		close(fd);
		return;
	}
	s->holders[s->n_holders++] = fd;
}

/* Holders never send; readable means that one has closed. */
static void drop_holder(struct sup *s, u32 i)
{
	close(s->holders[i]);
	s->holders[i] = s->holders[--s->n_holders];
	if (s->n_holders == 0)
		s->stop = true;
}

/* It is started by the first connection. */
static bool waits(const struct service *v)
{
	return v->lazy && !v->pid;
}

static void wait_and_handle(struct sup *s)
{
	struct pollfd pf[SUP_POLLS + SUP_HOLDERS_MAX];
	u32 n = 0, holders = s->n_holders;
	pf[n++] = (struct pollfd){ s->signal_fd, POLLIN, 0 };
	pf[n++] = (struct pollfd){ s->notify_fd, POLLIN, 0 };
	pf[n++] = (struct pollfd){ s->attest_fd, POLLIN, 0 };
	pf[n++] = (struct pollfd){ s->hold_fd, POLLIN, 0 };
	for (u32 i = 0; i < N_SERVICES; i++)
		pf[n++] =
			(struct pollfd){ waits(&s->services[i]) ? s->services[i].listen_fd : -1, POLLIN, 0 };
	for (u32 i = 0; i < APP_MORE_MAX; i++)
		pf[n++] = (struct pollfd){ i < s->n_more && waits(&s->services[GATEWAY]) ? s->more[i] : -1,
			POLLIN, 0 };
	assert(n == SUP_POLLS);
	for (u32 i = 0; i < holders; i++)
		pf[n++] = (struct pollfd){ s->holders[i], POLLIN, 0 };
	if (poll(pf, n, -1) < 0) {
		if (errno != EINTR)
			fail(s);
		return;
	}
	if (pf[1].revents)
		take_notify(s); /* before its sender is reaped */
	if (pf[0].revents)
		take_signals(s);
	if (pf[2].revents)
		accept_job(s);
	if (pf[3].revents)
		accept_holder(s);
	for (u32 i = 0; i < N_SERVICES; i++)
		if (pf[4 + i].revents && waits(&s->services[i]) && !s->stop)
			start(s, &s->services[i]);
	for (u32 i = 4 + N_SERVICES; i < SUP_POLLS; i++)
		if (pf[i].revents && waits(&s->services[GATEWAY]) && !s->stop)
			start(s, &s->services[GATEWAY]);
	for (u32 i = holders; i-- > 0;)
		if (pf[SUP_POLLS + i].revents)
			drop_holder(s, i);
}

/* ---- stopping ---- */

static bool any_left(const struct sup *s, bool others)
{
	if (s->services[KEEPD].pid)
		return true;
	bool left = others && (s->services[RUNTIME].pid || s->services[GATEWAY].pid);
	for (u32 i = 0; others && i < SUP_JOBS_MAX; i++)
		left |= s->jobs[i] != 0;
	return left;
}

static void signal_all(const struct sup *s, int sig)
{
	for (u32 i = 0; i < N_SERVICES; i++)
		if (s->services[i].pid)
			kill(s->services[i].pid, sig);
	for (u32 i = 0; i < SUP_JOBS_MAX; i++)
		if (s->jobs[i])
			kill(s->jobs[i], sig);
}

/* Reap until none (of keepd, or of all) is left, or the time is over. keepd may still need an attest for its current job: those are
 * accepted, nothing is started again. */
static void wait_for(struct sup *s, bool others, u32 ms)
{
	for (u64 until = now_ms() + ms; any_left(s, others) && now_ms() < until;) {
		struct pollfd pf = { s->signal_fd, POLLIN, 0 };
		poll(&pf, 1, 50);
		take_signals(s);
	}
}

static void stop(struct sup *s)
{
	int dir = s->p->app->run_fd;
	unlinkat(dir, "ctl.sock", 0);
	unlinkat(dir, "hold.sock", 0);
	if (s->services[KEEPD].pid)
		kill(s->services[KEEPD].pid, SIGTERM);
	wait_for(s, false, SUP_STOP_KEEPD_MS);
	signal_all(s, SIGTERM);
	wait_for(s, true, SUP_STOP_OTHERS_MS);
	if (any_left(s, true)) {
		out_say("a process did not stop in time and is killed");
		signal_all(s, SIGKILL);
		wait_for(s, true, SUP_STOP_OTHERS_MS);
	}
	unlinkat(dir, "attest.sock", 0);
	unlinkat(dir, "runtime.sock", 0);
	unlinkat(dir, "http.sock", 0);
	unlinkat(dir, "metrics.sock", 0);
	unlinkat(dir, "notify", 0);
}

/* ---- all of it ---- */

static void runtime_args(const struct sup_params *p, char **args)
{
	for (size_t i = 0; i < p->n_devices; i++) {
		*args++ = "--device";
		*args++ = (char *)(uintptr_t)p->devices[i];
	}
	if (p->split) {
		*args++ = "--split";
		*args++ = (char *)(uintptr_t)p->split;
	}
	if (p->ctx) {
		*args++ = "--ctx";
		*args++ = (char *)(uintptr_t)p->ctx;
	}
}

static int set_up(struct sup *s)
{
	const char *root = s->p->app->root;
	static char store[PATH_MAX + 8], run[PATH_MAX + 8];
	snprintf(store, sizeof store, "%s/store", root);
	snprintf(run, sizeof run, "%s/run", root);
	snprintf(s->credentials, sizeof s->credentials, "%s/tls", root);
	s->services[KEEPD] = (struct service){ .program = APP_KEEPD,
		.socket = "ctl.sock",
		.args = { "--store", store, "--run", run, "--single-user" },
		.listen_fd = -1 };
	s->services[RUNTIME] = (struct service){
		.program = APP_RUNTIME, .socket = "runtime.sock", .lazy = transient(s), .listen_fd = -1
	};
	s->services[GATEWAY] = (struct service){ .program = APP_GATEWAY,
		.socket = "http.sock",
		.args = { "--run", run },
		.lazy = true,
		.listen_fd = -1 };
	runtime_args(s->p, s->services[RUNTIME].args);
	int r = lock(s);
	if (r)
		return r;
	r = open_signals(s);
	r = r ? r : open_notify(s);
	r = r ? r : open_sockets(s);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s: sockets: %s", run, out_reason(r));
	return 0;
}

static void tell_holder(const struct sup *s, char c)
{
	if (transient(s) && write(s->p->holder, &c, 1) != 1)
		out_say("the command that started this is gone");
}

static void fini(struct sup *s)
{
	for (u32 i = 0; i < N_SERVICES; i++)
		fd_close(&s->services[i].listen_fd);
	for (u32 i = 0; i < s->n_holders; i++)
		close(s->holders[i]);
	fd_close(&s->attest_fd);
	fd_close(&s->hold_fd);
	fd_close(&s->metrics_fd);
	fd_close(&s->signal_fd);
	fd_close(&s->notify_fd);
	fd_close(&s->lock_fd); /* last: the next supervisor may start */
}

int sup_run(const struct sup_params *p)
{
	struct sup s = { .p = p,
		.attest_fd = -1,
		.hold_fd = -1,
		.metrics_fd = -1,
		.signal_fd = -1,
		.notify_fd = -1,
		.lock_fd = -1 };
	signal(SIGPIPE, SIG_IGN);
	int r = set_up(&s);
	if (r) {
		tell_holder(&s, r == CLI_REFUSED ? 'B' : 'F');
		fini(&s);
		return r;
	}
	if (transient(&s))
		s.holders[s.n_holders++] = p->holder;
	else
		out_say("%-12s  one per job     %s/run/attest.sock\nkeep: %-12s  when asked      "
			"%s/run/http.sock",
			"keep-attest", p->app->root, "keep-gateway", p->app->root);
	start(&s, &s.services[KEEPD]);
	if (!s.stop && !s.services[RUNTIME].lazy)
		start(&s, &s.services[RUNTIME]);
	tell_holder(&s, s.stop ? 'F' : 'R');
	while (!s.stop)
		wait_and_handle(&s);
	stop(&s);
	if (!transient(&s))
		out_say("stopped");
	fini(&s);
	return s.failed ? CLI_REFUSED : CLI_DONE;
}
