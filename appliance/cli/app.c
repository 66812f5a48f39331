#define _GNU_SOURCE
#include "cli/app.h"
#include "cli_config.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int app_open(const struct cli *c, struct app *ret)
{
	if (!c->root)
		return out_fail(CLI_USAGE,
			"where is the appliance? give --root DIR before the verb, or set KEEP_ROOT");
	struct app a = { .run_fd = -1 };
	if (!realpath(c->root, a.root)) {
		int e = errno;
		if (e == ENOENT)
			return out_fail(CLI_REFUSED, "%s: no appliance here; \"keep%s%s init\" makes one",
				c->root, c->root_given ? " --root " : "", c->root_given ? c->root : "");
		return out_fail(CLI_UNDECIDED, "%s: %s", c->root, out_reason(e));
	}
	char run[PATH_MAX + 8];
	snprintf(run, sizeof run, "%s/run", a.root);
	a.run_fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (a.run_fd < 0) {
		int e = errno;
		if (e == ENOENT)
			return out_fail(CLI_REFUSED, "%s: not an appliance; \"keep init\" makes one", a.root);
		return out_fail(CLI_UNDECIDED, "%s: %s", run, out_reason(e));
	}
	*ret = a;
	return 0;
}

void app_close(struct app *a)
{
	fd_close(&a->run_fd);
}

static const struct {
	const char *name, *folder; /* of the build tree */
} programs[APP_N_PROGRAMS] = {
	[APP_KEEPD] = { "keepd", "audit" },
	[APP_ATTEST] = { "keep-attest", "attest" },
	[APP_RUNTIME] = { "keep-runtime", "runtime" },
	[APP_GATEWAY] = { "keep-gateway", "appliance/gateway" },
	[APP_SETUP] = { "keep-setup", "packaging" },
	[APP_UPDATE] = { "keep-update", "packaging" },
};

const char *app_program_name(enum app_program p)
{
	return programs[p].name;
}

/* The top of the build tree when this program is BUILD/appliance/cli/keep; false when it is not. */
static bool build_tree(char ret[PATH_MAX])
{
	static const char tail[] = "/appliance/cli/keep";
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	if (n < (ssize_t)sizeof tail - 1)
		return false;
	ret[n] = 0;
	char *end = ret + n - (sizeof tail - 1);
	if (strcmp(end, tail))
		return false;
	*end = 0;
	return true;
}

int app_program_path(enum app_program p, char ret_path[PATH_MAX])
{
	char top[PATH_MAX];
	const char *dir = getenv("KEEP_LIBEXEC");
	int n;
	if (dir && *dir)
		n = snprintf(ret_path, PATH_MAX, "%s/%s", dir, programs[p].name);
	else if (build_tree(top))
		n = snprintf(ret_path, PATH_MAX, "%s/%s/%s", top, programs[p].folder, programs[p].name);
	else
		n = snprintf(ret_path, PATH_MAX, "%s/%s", KEEP_LIBEXECDIR, programs[p].name);
	return n > 0 && n < PATH_MAX && access(ret_path, X_OK) == 0 ? 0 : 1;
}

/* Listening sockets to 3, 4, …: first out of each other's way. */
static int hand_over(const struct app_spawn *p)
{
	int high[1 + APP_MORE_MAX];
	for (u32 i = 0; i <= p->n_more; i++) {
		high[i] = fcntl(i ? p->more[i - 1] : p->listen_fd, F_DUPFD_CLOEXEC, 16);
		if (high[i] < 0)
			return -1;
	}
	for (u32 i = 0; i <= p->n_more; i++)
		if (dup2(high[i], 3 + (int)i) < 0)
			return -1;
	return 0;
}

/* In the child: descriptors and environment as systemd would give them, then the program. Returns only when that fails. */
static void become(const struct app_spawn *p, const char *path, pid_t parent)
{
	char *argv[32] = { (char *)(uintptr_t)programs[p->program].name }, pid[16];
	for (size_t i = 0; p->args && p->args[i] && i + 2 < ARRAY_LEN(argv); i++)
		argv[i + 1] = p->args[i];
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (p->dies_with_us) {
		setpgid(0, 0);
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
			return;
	}
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), err = p->err_fd >= 0 ? p->err_fd : 2;
	if (null < 0 || dup2(null, 0) < 0 || dup2(err, 2) < 0 || dup2(p->out_fd >= 0 ? p->out_fd : 2, 1) < 0)
		return;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("NOTIFY_SOCKET");
	u32 n = p->listen_fd >= 0 ? 1 + p->n_more : 0;
	if (n) {
		if (hand_over(p))
			return;
		snprintf(pid, sizeof pid, "%d", (int)getpid());
		setenv("LISTEN_PID", pid, 1);
		snprintf(pid, sizeof pid, "%u", n);
		setenv("LISTEN_FDS", pid, 1);
		if (p->names)
			setenv("LISTEN_FDNAMES", p->names, 1);
	}
	if (p->credentials)
		setenv("CREDENTIALS_DIRECTORY", p->credentials, 1);
	if (p->notify)
		setenv("NOTIFY_SOCKET", p->notify, 1);
	/* what our caller left open is not for a daemon */
	if (close_range(3 + n, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return;
	execv(path, argv);
}

int app_spawn(const struct app_spawn *p, pid_t *ret_pid)
{
	char path[PATH_MAX];
	if (app_program_path(p->program, path))
		return err_origin(-ENOENT);
	/* the child writes its errno here; a successful exec closes it */
	int pipe_fd[2];
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return err_errno();
	_cleanup_fd_ int rd = pipe_fd[0];
	_cleanup_fd_ int wr = pipe_fd[1];
	if (wr <= 3 + (int)APP_MORE_MAX) { /* these descriptors will be replaced in the child */
		int up = fcntl(wr, F_DUPFD_CLOEXEC, 32);
		if (up < 0)
			return err_errno();
		fd_close(&wr);
		wr = up;
	}
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return err_errno();
	if (pid == 0) {
		errno = 0;
		become(p, path, parent);
		int e = errno ? errno : ESRCH;
		if (fd_write_all(wr, &e, sizeof e))
			_exit(126);
		_exit(127);
	}
	fd_close(&wr);
	int e;
	if (fd_read_all(rd, &e, sizeof e) == 0) {
		waitpid(pid, NULL, 0);
		return err_origin(-e);
	}
	*ret_pid = pid;
	return 0;
}

int app_become(enum app_program p, char *const *args)
{
	char path[PATH_MAX], *argv[32] = { (char *)(uintptr_t)programs[p].name };
	size_t n = 1;
	while (args && args[n - 1] && n + 1 < ARRAY_LEN(argv))
		argv[n] = args[n - 1], n++;
	if (args && args[n - 1])
		return out_fail(CLI_USAGE, "%s: more than %zu arguments", programs[p].name, n - 1);
	if (app_program_path(p, path))
		return out_fail(CLI_UNDECIDED, "%s: not there", path);
	fflush(stdout);
	execv(path, argv);
	return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(errno));
}

int app_wait(pid_t pid)
{
	int st;
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

void app_describe(int wstatus, char *ret, size_t size)
{
	if (WIFSIGNALED(wstatus))
		snprintf(ret, size, "was killed by signal %d (%s)", WTERMSIG(wstatus),
			strsignal(WTERMSIG(wstatus)));
	else
		snprintf(ret, size, "exited with %d", WEXITSTATUS(wstatus));
}
