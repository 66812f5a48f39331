/* Enters the sandbox of one role in a fresh process for every attempt, tries, and compares what came with the table: done, an
 * error number, or killed. Every attempt also runs once without a sandbox, so that a refusal is the sandbox's and nobody else's.
 *
 *   jail attest|keepd|runtime        TAP on stdout */
#define _GNU_SOURCE
#include "jail.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct world w;

static void must(bool ok, const char *what)
{
	if (!ok) {
		printf("Bail out! %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void put_file(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	must(fd >= 0 && !fd_write_all(fd, "abc", 3), path);
}

/* Fresh for every attempt, so that none sees what another did. */
static void world_make(const char *base)
{
	snprintf(w.in, sizeof w.in, "%s/in", base);
	snprintf(w.out, sizeof w.out, "%s/out", base);
	snprintf(w.inf, sizeof w.inf, "%s/f", w.in);
	snprintf(w.outf, sizeof w.outf, "%s/f", w.out);
	must(!mkdir(w.in, 0700) && !mkdir(w.out, 0700), base);
	put_file(w.inf);
	put_file(w.outf);
	w.in_fd = open(w.in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w.file_fd = open(w.inf, O_RDWR | O_CLOEXEC);
	must(w.in_fd >= 0 && w.file_fd >= 0 && !ipc_pair(&w.pair[0], &w.pair[1]), "descriptors");
	must(!ipc_listen(w.in_fd, "s", &w.server), "ipc_listen");
	w.victim = fork();
	must(w.victim >= 0, "fork");
	if (w.victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void world_clear(void)
{
	kill(w.victim, SIGKILL);
	waitpid(w.victim, NULL, 0);
	fd_close(&w.in_fd);
	fd_close(&w.file_fd);
	fd_close(&w.pair[0]);
	fd_close(&w.pair[1]);
	fd_close(&w.server);
	static const char *const left[] = { "f", "g", "new", "new2", "l", "sl", "n", "s" };
	const char *dirs[] = { w.in, w.out };
	for (size_t d = 0; d < 2; d++) {
		umount2(dirs[d], MNT_DETACH);
		char p[160];
		for (size_t i = 0; i < ARRAY_LEN(left); i++) {
			snprintf(p, sizeof p, "%s/%s", dirs[d], left[i]);
			unlink(p);
		}
		snprintf(p, sizeof p, "%s/d", dirs[d]);
		rmdir(p);
		rmdir(dirs[d]);
	}
}

static int enter(int role)
{
	struct sandbox_path keepd[] = { { w.in, SANDBOX_READ | SANDBOX_WRITE },
		{ "/nonexistent", SANDBOX_READ } };
	struct sandbox_path runtime[] = { { w.in, SANDBOX_READ }, { "/dev/null", SANDBOX_DEVICE } };
	struct sandbox_params p = { .role = (enum sandbox_role)role };
	if (role == SANDBOX_KEEPD)
		p.paths = keepd, p.n_paths = ARRAY_LEN(keepd);
	if (role == SANDBOX_RUNTIME)
		p.paths = runtime, p.n_paths = ARRAY_LEN(runtime);
	return sandbox_enter(&p);
}

/* What the attempt comes to in a process of its own: DONE, an errno or KILLED. role < 0: no sandbox. */
static int attempt(const struct attempt *a, int role)
{
	char base[] = "/tmp/keep-jail.XXXXXX";
	must(mkdtemp(base) != NULL, "mkdtemp");
	world_make(base);
	int out[2];
	must(!pipe2(out, O_CLOEXEC), "pipe");
	pid_t pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		alarm(20);
		i32 r = role >= 0 ? enter(role) : 0;
		r = r ? 1000 - r : a->f();
		if (write(out[1], &r, sizeof r) != sizeof r)
			_exit(2);
		_exit(0);
	}
	close(out[1]);
	int status;
	i32 r = 0;
	ssize_t n = read(out[0], &r, sizeof r);
	close(out[0]);
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	world_clear();
	rmdir(base);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : 2000 + WTERMSIG(status);
	return n == sizeof r ? r : 0; /* nothing was written: execve succeeded */
}

static const char *text(int r)
{
	static char b[4][64];
	static u32 k;
	char *s = b[k++ % 4];
	if (r == DONE)
		return "done";
	if (r == KILLED)
		return "killed";
	if (r >= 2000)
		snprintf(s, 64, "signal %d", r - 2000);
	else if (r >= 1000)
		snprintf(s, 64, "not entered: %s", strerror(r - 1000));
	else
		snprintf(s, 64, "%s", strerrorname_np(r) ? strerrorname_np(r) : "?");
	return s;
}

int main(int argc, char **argv)
{
	static const char *const roles[] = { "attest", "keepd", "runtime", "gateway" };
	int role = -1;
	for (int i = 0; i < (int)ARRAY_LEN(roles) && argc == 2; i++)
		if (!strcmp(argv[1], roles[i]))
			role = i;
	if (role < 0) {
		fprintf(stderr, "usage: jail attest|keepd|runtime|gateway\n");
		return 2;
	}
	int bad = 0;
	printf("1..%zu\n", n_attempts);
	for (size_t i = 0; i < n_attempts; i++) {
		const struct attempt *a = &attempts[i];
		int got = attempt(a, role), without = a->free == ANY ? ANY : attempt(a, -1);
		bool ok = got == a->want[role] && without == a->free;
		bad += !ok;
		printf("%s %zu - %s: %s\n", ok ? "ok" : "not ok", i + 1, a->name, text(got));
		if (!ok)
			printf("# wanted %s; without a sandbox %s\n", text(a->want[role]),
				without == ANY ? "not tried" : text(without));
		fflush(stdout);
	}
	return bad != 0;
}
