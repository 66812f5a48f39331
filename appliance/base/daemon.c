#define _GNU_SOURCE
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD   3   /* where LISTEN_FDS begins */
#define LINE_BYTES 512 /* of one report or one state */

static const char *program = "keep";
static int notify_fd = -1;

void daemon_name(const char *name)
{
	program = name;
}

void daemon_say(const char *fmt, ...)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof line, "%s: ", program);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	va_end(ap);
	size_t len = strlen(line);
	for (size_t i = 0; i < len; i++) /* one line, whatever stands in a peer's name */
		if ((u8)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len] = '\n';
	if (fd_write_all(STDERR_FILENO, line, len + 1))
		return; /* nobody to tell */
}

/* The supervisor's socket is connected now, because after sandbox_enter() most roles may make no socket at all. */
static void notify_connect(void)
{
	const char *to = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = to ? strlen(to) : 0;
	if (n < 2 || n >= sizeof a.sun_path || (to[0] != '/' && to[0] != '@'))
		return;
	memcpy(a.sun_path, to, n);
	if (to[0] == '@')
		a.sun_path[0] = 0;
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (to[0] == '/'));
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, len) < 0)
		return;
	notify_fd = fd_steal(&fd);
}

static void notify(const char *text)
{
	if (notify_fd < 0)
		return;
	ssize_t n;
	do
		n = send(notify_fd, text, strlen(text), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
}

void daemon_ready(void)
{
	notify("READY=1");
}

void daemon_status(const char *text)
{
	char line[LINE_BYTES];
	snprintf(line, sizeof line, "STATUS=%s", text);
	line[strcspn(line, "\n")] = 0; /* a line feed would begin another assignment */
	notify(line);
}

/* A decimal number and nothing else. */
static bool number(const char *s, unsigned long *ret)
{
	if (!s || s[0] < '0' || s[0] > '9')
		return false;
	char *end;
	errno = 0;
	*ret = strtoul(s, &end, 10);
	return !errno && !*end;
}

int daemon_inherited_fd(int *ret_fd)
{
	const char *pid = getenv("LISTEN_PID");
	unsigned long who, n = 0;
	bool ours = !pid || (number(pid, &who) && who == (unsigned long)getpid());
	bool one = ours && number(getenv("LISTEN_FDS"), &n) && n == 1;
	notify_connect();
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("NOTIFY_SOCKET");
	if (!one)
		return 1;
	struct stat st;
	if (fstat(FIRST_FD, &st) < 0)
		return errno == EBADF ? 1 : err_errno();
	if (!S_ISSOCK(st.st_mode))
		return 1;
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno();
	*ret_fd = FIRST_FD;
	return 0;
}
