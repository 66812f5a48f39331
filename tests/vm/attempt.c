/* attempt PID...: makes each thread of these processes call socket(), and says what the kernel answered it. Not a question to the process: the call is
 * made in its place, through its own filter and in its own namespaces, and it goes on afterwards as if nothing had been.
 *
 *   cc -static -O2 -o attempt attempt.c     x86-64 only, as root
 *
 * 0 each attempt of each thread was refused; 1 one was not; 2 a process could not be tried. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	int family, type;
} attempts[] = {
	{ "inet stream", AF_INET, SOCK_STREAM },
	{ "inet6 datagram", AF_INET6, SOCK_DGRAM },
	{ "inet raw", AF_INET, SOCK_RAW },
	{ "netlink", AF_NETLINK, SOCK_RAW },
	{ "packet", AF_PACKET, SOCK_RAW },
	{ "vsock", AF_VSOCK, SOCK_STREAM },
};

/* Where a syscall instruction (0f 05) stands in the first executable mapping that has one; 0 none. */
static unsigned long instruction_find(pid_t tid)
{
	static unsigned char code[1 << 20];
	char path[64], line[512];
	unsigned long from, to, found = 0;
	snprintf(path, sizeof path, "/proc/%d/mem", tid);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/%d/maps", tid);
	FILE *maps = fopen(path, "re");
	while (mem >= 0 && maps && !found && fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%lx r-xp", &from, &to) != 2 || !strstr(line, " r-xp "))
			continue;
		ssize_t n;
		for (; !found && from < to && (n = pread(mem, code, sizeof code, (off_t)from)) > 1;
			from += (size_t)n - 1)
			for (ssize_t i = 0; i + 1 < n && from + (size_t)i + 1 < to && !found; i++)
				if (code[i] == 0x0f && code[i + 1] == 0x05)
					found = from + (size_t)i;
	}
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	return found;
}

/* One system call in the stopped thread. False: it did not come back, *ret the signal. */
static bool call(
	pid_t tid, const struct user_regs_struct *saved, unsigned long at, const long args[4], long *ret)
{
	struct user_regs_struct r = *saved;
	int status;
	r.rip = at;
	r.rax = (unsigned long)args[0];
	r.orig_rax =
		(unsigned long)-1; /* what was interrupted is restarted when its registers are back, not before */
	r.rdi = (unsigned long)args[1], r.rsi = (unsigned long)args[2], r.rdx = (unsigned long)args[3];
	if (ptrace(PTRACE_SETREGS, tid, NULL, &r))
		return false;
	/* a stop that waited, of a signal, comes before the step and leaves the registers as they are */
	for (int i = 0; i < 8 && r.rip == at; i++) {
		if (ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL))
			return false;
		if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) {
			*ret = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
			return false;
		}
		if (ptrace(PTRACE_GETREGS, tid, NULL, &r))
			return false;
	}
	*ret = (long)r.rax;
	return r.rip != at;
}

static int thread_try(pid_t tid, const char *name)
{
	struct user_regs_struct saved;
	int status, worst = 0;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return errno == ESRCH ? -1 : 2; /* it has ended meanwhile */
	unsigned long at = instruction_find(tid);
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) || waitpid(tid, &status, __WALL) != tid ||
		!WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, tid, NULL, &saved) || !at)
		return 2;
	for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
		long got = 0, unused;
		if (!call(tid, &saved, at, (long[]){ SYS_socket, attempts[i].family, attempts[i].type, 0 },
			    &got)) {
			if (!got)
				return 2; /* the call was not made */
			printf("%s, thread %d: %s: ended by signal %ld\n", name, tid, attempts[i].name, got);
			return 0; /* refused, and more than that */
		}
		printf("%s, thread %d: %s: %s\n", name, tid, attempts[i].name,
			got < 0 ? strerror((int)-got) : "MADE A SOCKET");
		if (got < 0)
			continue;
		worst = 1;
		if (!call(tid, &saved, at, (long[]){ SYS_close, got, 0, 0 }, &unused))
			return 2;
	}
	if (ptrace(PTRACE_SETREGS, tid, NULL, &saved) || ptrace(PTRACE_DETACH, tid, NULL, NULL))
		return 2;
	return worst;
}

static int process_try(const char *pid)
{
	char path[64], name[32] = "?";
	snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
	FILE *f = fopen(path, "re");
	if (f && fgets(name, sizeof name, f))
		name[strcspn(name, "\n")] = 0;
	if (f)
		fclose(f);
	snprintf(path, sizeof path, "/proc/%.16s/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return 2;
	int worst = -1;
	for (struct dirent *e; (e = readdir(tasks));) {
		int r = e->d_name[0] == '.' ? -1 : thread_try((pid_t)atoi(e->d_name), name);
		if (r > worst)
			worst = r;
	}
	closedir(tasks);
	return worst < 0 ? 2 : worst; /* no thread was there to be tried */
}

int main(int argc, char **argv)
{
	int worst = argc > 1 ? 0 : 2;
	for (int i = 1; i < argc; i++) {
		int r = process_try(argv[i]);
		if (r == 2)
			printf("process %s: could not be tried: %s\n", argv[i], strerror(errno));
		if (r > worst)
			worst = r;
	}
	return worst;
}
