#define _GNU_SOURCE
#include "cli/ctl.h"
#include "base/bytes.h"
#include "base/ipc.h"
#include "cli/sup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX \
	600u /* of reaching keepd, TRY_WAIT_MS apart: a command that stops needs up to its SUP_STOP times */
#define TRY_WAIT_MS  30u
#define HINT_WAIT_MS 15000 /* no word from keepd for so long, and the reader is told where to look */
#define LOG_TAIL_MAX 1200u /* bytes of keep.log shown after a failure */

static off_t log_size(const struct app *a)
{
	struct stat st;
	return fstatat(a->run_fd, "keep.log", &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
}

void ctl_say_log(const struct ctl *k)
{
	char buf[LOG_TAIL_MAX + 1];
	_cleanup_fd_ int fd = openat(k->app.run_fd, "keep.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	off_t size = log_size(&k->app), from = MAX(size - (off_t)LOG_TAIL_MAX, k->log_from);
	ssize_t n = from < size ? pread(fd, buf, (size_t)(size - from), from) : 0;
	if (n > 0)
		out_text(2, buf, (size_t)n);
}

/* One byte, or 0 when the other end closed or the time is over. */
static char get_byte(int fd, int ms)
{
	char b = 0;
	struct pollfd pf = { fd, POLLIN, 0 };
	while (poll(&pf, 1, ms) < 0 && errno == EINTR)
		;
	return pf.revents && read(fd, &b, 1) == 1 ? b : 0;
}

/* Keep a supervisor that serves single commands from stopping. 0 held; 1 there is none, or it stops; -errno. */
static int hold(struct ctl *k)
{
	_cleanup_fd_ int fd = -1;
	int r = ipc_connect(k->app.run_fd, "hold.sock", &fd);
	if (r)
		return r;
	if (get_byte(fd, (int)SUP_LOCK_WAIT_MS) != 'R')
		return 1;
	k->hold = fd_steal(&fd);
	k->log_from = log_size(&k->app);
	return 0;
}

/* 0 connected; 1 nobody listens; -errno. */
static int reach(struct ctl *k)
{
	int r = hold(k);
	if (r < 0)
		return r;
	r = ipc_connect(k->app.run_fd, "ctl.sock", &k->sock);
	if (r == 0 && k->hold < 0)
		r = hold(k) < 0 ? -EIO : 0; /* it may have come up between the two */
	if (r)
		fd_close(&k->hold);
	return r;
}

static void run_supervisor(const struct ctl *k, int fd)
{
	char num[16], self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		_exit(127);
	self[n] = 0;
	snprintf(num, sizeof num, "%d", fd);
	char *argv[] = { "keep", "--root", (char *)(uintptr_t)k->app.root, "up", "--transient", num, NULL };
	if (fcntl(fd, F_SETFD, 0) == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0)
			execv(self, argv);
	}
	_exit(127);
}

/* 0 its sockets listen; 1 somebody else has the appliance; 2 it failed; -errno. */
static int start(struct ctl *k)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_fd_ int ours = pair[0];
	_cleanup_fd_ int theirs = pair[1];
	k->log_from = log_size(&k->app);
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_supervisor(k, theirs);
	fd_close(&theirs);
	char b = get_byte(ours, (int)SUP_LOCK_WAIT_MS);
	if (b != 'R') {
		fd_close(&ours);
		app_wait(pid);
		return b == 'B' ? 1 : 2;
	}
	k->hold = fd_steal(&ours);
	k->supervisor = pid;
	return 0;
}

static int connect_keepd(struct ctl *k)
{
	int r = 1;
	for (u32 i = 0; r == 1 && i < TRIES_MAX; i++) {
		r = reach(k);
		if (r != 1)
			break;
		r = start(k);
		if (r == 0)
			r = ipc_connect(k->app.run_fd, "ctl.sock", &k->sock);
		if (r == 1)
			usleep(TRY_WAIT_MS * 1000);
	}
	if (r == 0)
		return 0;
	if (r == 2)
		ctl_say_log(k);
	if (r == 1)
		return out_fail(CLI_UNDECIDED, "%s: another command has it and does not finish", k->app.root);
	return out_fail(
		CLI_UNDECIDED, "%s: keepd: %s", k->app.root, r == 2 ? "could not be started" : out_reason(r));
}

int ctl_open(const struct cli *c, struct ctl *ret)
{
	struct ctl k = CTL_NONE;
	int r = app_open(c, &k.app);
	if (r)
		return r;
	r = connect_keepd(&k);
	if (r)
		ctl_close(&k);
	else
		*ret = k;
	return r;
}

void ctl_close(struct ctl *k)
{
	fd_close(&k->sock);
	fd_close(&k->hold);
	if (k->supervisor)
		app_wait(k->supervisor);
	k->supervisor = 0;
	app_close(&k->app);
}

void ctl_answer_fini(struct ctl_answer *a)
{
	fd_close(&a->session_fd);
	fd_unmap(&a->data);
	for (u32 i = 0; i < a->n_bundles + a->n_files; i++)
		fd_close(&a->stored[i]);
	a->n_bundles = a->n_files = 0;
}

static int gone(const struct ctl *k)
{
	out_progress_end();
	if (k->hold >= 0)
		ctl_say_log(k);
	return out_fail(CLI_UNDECIDED, "keepd closed the connection before it had answered");
}

int ctl_send(struct ctl *k, u32 type, u64 id, const void *body, u32 len, int fd)
{
	int r = ipc_send(k->sock, type, id, body, len, fd);
	if (r == -EPIPE)
		return gone(k);
	return r ? out_fail(CLI_UNDECIDED, "keepd: %s", r > 0 ? "busy" : out_reason(r)) : 0;
}

static int take_data(struct ctl_answer *a, struct ipc_frame *f)
{
	fd_unmap(&a->data);
	if (fd_map_sealed(f->fd, SIZE_MAX, &a->data))
		return 1;
	a->has_data = true;
	return 0;
}

static int take_ground(struct ctl_answer *a, struct ipc_frame *f)
{
	if (f->h.type == CTL_SIGNER) {
		struct proto_signer *s = &a->signers[MIN(a->n_signers, BUNDLES_MAX - 1)];
		if (a->n_signers++ == BUNDLES_MAX)
			return 1;
		memcpy(s, f->body, sizeof *s);
		return !bytes_str_ok(s->name, sizeof s->name) || !bytes_str_ok(s->serial, sizeof s->serial) ||
		       !bytes_str_ok(s->identity, sizeof s->identity);
	}
	struct proto_rule *r = &a->rules[MIN(a->n_rules, 2 * RULES_MAX - 1)];
	if (a->n_rules++ == 2 * RULES_MAX)
		return 1;
	memcpy(r, f->body, sizeof *r);
	return !bytes_str_ok(r->text, sizeof r->text);
}

/* Bundles first, of one model, each kind counted from 0. */
static int take_stored(struct ctl_answer *a, struct ipc_frame *f)
{
	const struct proto_stored *p = (const void *)f->body;
	u32 *n = p->bundle ? &a->n_bundles : &a->n_files;
	u32 max = p->bundle ? BUNDLES_MAX : MODEL_FILES_MAX, at = a->n_bundles + a->n_files;
	if (p->bundle > 1 || (p->bundle && a->n_files) || p->index != *n || *n == max ||
		!bytes_str_ok(p->name, sizeof p->name) || !bytes_name_ok(p->name) ||
		(at && memcmp(p->model, a->model, sizeof a->model)))
		return 1;
	memcpy(a->model, p->model, sizeof a->model);
	memcpy(a->stored_name, p->name, sizeof a->stored_name);
	a->stored[at] = fd_steal(&f->fd);
	++*n;
	return 0;
}

static int take_progress(const struct ipc_frame *f)
{
	const struct proto_progress *p = (const void *)f->body;
	if (!bytes_str_ok(p->what, sizeof p->what))
		return 1;
	out_progress(p->what, p->done, p->total);
	return 0;
}

static int take_session(struct ctl_answer *a, struct ipc_frame *f)
{
	memcpy(&a->session, f->body, sizeof a->session);
	fd_close(&a->session_fd);
	a->session_fd = fd_steal(&f->fd);
	a->has_session = true;
	return 0;
}

/* 0 go on; 1 it breaks the protocol. */
static int take(struct ctl_answer *a, struct ipc_frame *f)
{
	static const struct ipc_rule rules[] = {
		{ CTL_PROGRESS, 1, sizeof(struct proto_progress), false, false, NULL },
		{ CTL_DATA, 1, sizeof(struct proto_data), true, false, NULL },
		{ CTL_VERDICT, 1, sizeof(struct attest_report), false, true, NULL },
		{ CTL_SESSION_OPEN, 1, sizeof(struct proto_session_open), true, true, NULL },
		{ CTL_END, 1, sizeof(struct proto_end), false, false, NULL },
		{ CTL_SIGNER, 1, sizeof(struct proto_signer), false, false, NULL },
		{ CTL_RULE, 1, sizeof(struct proto_rule), false, false, NULL },
		{ CTL_STORED, 1, sizeof(struct proto_stored), true, false, NULL },
	};
	u64 seen = 0;
	if (!ipc_match(rules, ARRAY_LEN(rules), 1, &seen, f))
		return 1;
	switch (f->h.type) {
	case CTL_PROGRESS:
		return take_progress(f);
	case CTL_DATA:
		return take_data(a, f);
	case CTL_VERDICT:
		memcpy(&a->verdict, f->body, sizeof a->verdict);
		a->has_verdict = true;
		return 0;
	case CTL_SIGNER:
	case CTL_RULE:
		return take_ground(a, f);
	case CTL_STORED:
		return take_stored(a, f);
	case CTL_SESSION_OPEN:
		return take_session(a, f);
	default:
		memcpy(&a->end, f->body, sizeof a->end);
		return !bytes_str_ok(a->end.text, sizeof a->end.text) || a->end.status > END_AGAIN;
	}
}

/* Under systemd the socket takes commands although keepd cannot start, and is tried again and again. */
static void await_first(const struct ctl *k)
{
	struct pollfd p = { k->sock, POLLIN, 0 };
	if (k->hold < 0 && poll(&p, 1, HINT_WAIT_MS) == 0)
		out_say("keepd has not answered yet; whether it runs, and why not: keep doctor unit");
}

int ctl_finish(struct ctl *k, struct ctl_answer *ret)
{
	await_first(k);
	for (;;) {
		struct ipc_frame f;
		int r = ipc_recv(k->sock, &f);
		if (r == 1)
			return gone(k);
		if (r == 0 && take(ret, &f))
			r = -EPROTO;
		u32 type = f.h.type;
		ipc_frame_fini(&f);
		if (r) {
			out_progress_end();
			return out_fail(CLI_UNDECIDED, "keepd: %s", out_reason(r));
		}
		if (type == CTL_END) {
			out_progress_end();
			return 0;
		}
	}
}

int ctl_ask(struct ctl *k, u32 type, const void *body, u32 len, int fd, struct ctl_answer *ret)
{
	int r = ctl_send(k, type, 0, body, len, fd);
	r = r ? r : ctl_finish(k, ret);
	if (r)
		return r;
	if (ret->end.status == END_DONE)
		return 0;
	bool stopped = k->hold >= 0 && !strncmp(ret->end.text, "keepd ",
					       6); /* "was stopped": by its supervisor, which knows why */
	if (stopped)
		ctl_say_log(k);
	out_say("%s%s%s", k->about ? k->about : "", k->about ? ": " : "",
		ret->end.text[0] ? ret->end.text : "refused");
	return stopped ? CLI_UNDECIDED : (int)ret->end.status;
}

int ctl_query(struct ctl *k, const struct ctl_query *q, struct ctl_answer *ret)
{
	struct proto_query b = { .what = q->what, .first = q->first, .count = q->count };
	if (q->name && bytes_put_str(b.name, sizeof b.name, q->name))
		return out_fail(CLI_USAGE, "%s: a name has at most %u characters", q->name, NAME_LEN_MAX);
	return ctl_ask(k, CTL_QUERY, &b, sizeof b, -1, ret);
}
