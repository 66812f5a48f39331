#define _GNU_SOURCE
#include "base/fd.h"
#include "base/limits.h"
#include "cli/sup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEP_LOG_BYTES_MAX (1u << 20) /* of run/keep.log; older words are dropped when a command starts */

/* Sockets that this process was given (LISTEN_FDS, with a name for each): they are keep-gateway's. Nothing here makes one that reaches a
 * network. 0; otherwise an exit status, said. */
struct given {
	int fds[SUP_GIVEN_MAX];
	u32 n;
	char names[64];
};
static int take_given(struct given *g)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
	u64 count = 0, who = 0;
	struct stat st;
	if (!n || (pid && (opt_u64(pid, INT32_MAX, &who) || who != (u64)getpid())))
		return 0;
	if (opt_u64(n, SUP_GIVEN_MAX, &count) || !names || strlen(names) >= sizeof g->names)
		return out_fail(CLI_USAGE, "inherited sockets: one to %u, each with a name (LISTEN_FDNAMES)",
			SUP_GIVEN_MAX);
	snprintf(g->names, sizeof g->names, "%s", names);
	for (g->n = 0; g->n < count; g->n++) {
		int fd = 3 + (int)g->n;
		if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
			return out_fail(CLI_USAGE, "inherited sockets: descriptor %d is none", fd);
		g->fds[g->n] = fcntl(fd, F_DUPFD_CLOEXEC, 16);
		if (g->fds[g->n] < 0)
			return out_fail(CLI_UNDECIDED, "inherited sockets: %s", out_reason(-errno));
		close(fd);
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

/* Out of the caller's session, so that its Ctrl-C is not ours; what the processes say goes to run/keep.log. */
static int detach(const struct app *a)
{
	struct stat st;
	setsid();
	if (getenv("KEEP_TRACE"))
		return 0;
	int fd = openat(a->run_fd, "keep.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_size > KEEP_LOG_BYTES_MAX && ftruncate(fd, 0) < 0)
		return -errno;
	if (dup2(fd, 2) < 0)
		return -errno;
	close(fd);
	out_init();
	return 0;
}

/* KEEP_DEVICE: names with ';' between them. words is cut up. */
static void devices_of(char *words, struct opt_list *ret)
{
	for (char *save, *w = strtok_r(words, ";", &save); w && ret->n < OPT_LIST_MAX;
		w = strtok_r(NULL, ";", &save))
		ret->v[ret->n++] = w;
}

/* Started by a command for itself: that holds the other end of the socket, and nobody hears us. */
static int become_transient(struct cli *c, const struct app *a, u32 holder)
{
	struct stat st;
	if (holder > INT32_MAX || fstat((int)holder, &st) < 0 || !S_ISSOCK(st.st_mode))
		return out_usage(c, "--transient is for keep itself");
	return fcntl((int)holder, F_SETFD, FD_CLOEXEC) < 0 || detach(a) ? CLI_UNDECIDED : 0;
}

int cmd_up(struct cli *c, int argc, char **argv)
{
	const char *words = getenv("KEEP_DEVICE"), *split = getenv("KEEP_SPLIT"), *ctx = getenv("KEEP_CTX");
	_cleanup_free_ char *copy = words ? strdup(words) : NULL;
	struct opt_list devices = { 0 };
	u32 holder = UINT32_MAX;
	u64 tokens;
	bool transient = false;
	int n;
	const struct opt opts[] = { { "--device", OPT_LIST, &devices, NULL },
		{ "--split", OPT_STR, &split, NULL }, { "--ctx", OPT_STR, &ctx, NULL },
		{ "--transient", OPT_U32, &holder, &transient } /* by ctl.c only */ };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	_cleanup_app_ struct app a = { .run_fd = -1 };
	int r = app_open(c, &a);
	r = r || !transient ? r : become_transient(c, &a, holder);
	if (r)
		return r;
	if (copy && !devices.n)
		devices_of(copy, &devices);
	if (devices.n > RUNTIME_DEVICES_MAX)
		return out_usage(c, "--device: at most %u", RUNTIME_DEVICES_MAX);
	if (ctx && *ctx && (opt_u64(ctx, CTX_TOKENS_MAX, &tokens) || !tokens))
		return out_usage(c, "--ctx: 1 to %u tokens", CTX_TOKENS_MAX);
	struct given given = { .n = 0 };
	r = transient ? 0 : take_given(&given);
	if (r)
		return r;
	return sup_run(&(struct sup_params){ .app = &a,
		.devices = devices.v,
		.n_devices = devices.n,
		.split = split && *split ? split : NULL,
		.ctx = ctx && *ctx ? ctx : NULL,
		.sockets = given.fds,
		.n_sockets = given.n,
		.names = given.n ? given.names : NULL,
		.holder = transient ? (int)holder : -1 });
}
