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
#include <time.h>
#include <unistd.h>

#define FIRST_FD   3   /* where LISTEN_FDS begins */
#define LINE_BYTES 512 /* of one report or one state */

static const char *program = "keep";
static int notify_fd = -1;
static u64 alive_every_ns,
	alive_last_ns; /* the supervisor wants to hear so often, and heard then; 0: it does not */

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

/* Half of what the supervisor waits: one word may be late. */
static void watchdog_take(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	unsigned long who, us;
	if ((!pid || (number(pid, &who) && who == (unsigned long)getpid())) &&
		number(getenv("WATCHDOG_USEC"), &us) && us >= 2000 && us < UINT64_MAX / 1000)
		alive_every_ns = (u64)us * 1000 / 2;
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

u64 daemon_alive(void)
{
	struct timespec t;
	if (!alive_every_ns || notify_fd < 0)
		return UINT64_MAX;
	clock_gettime(CLOCK_MONOTONIC, &t);
	u64 now = (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec, due = alive_last_ns + alive_every_ns;
	if (alive_last_ns && now < due)
		return due - now;
	notify("WATCHDOG=1");
	alive_last_ns = now;
	return alive_every_ns;
}

/* The n-th of names with colons between them; "" where there is none, or it is longer. */
static void name_put(const char *names, u32 n, char *ret, size_t size)
{
	while (names && n) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
		n--;
	}
	size_t len = names ? strcspn(names, ":") : 0;
	if (len >= size)
		len = 0;
	memcpy(ret, names ? names : "", len);
	ret[len] = 0;
}

static int socket_take(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return errno == EBADF ? 1 : err_errno();
	if (!S_ISSOCK(st.st_mode))
		return 1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? err_errno() : 0;
}

int daemon_inherited_fds(struct daemon_socket *ret, u32 max, u32 *ret_n)
{
	const char *pid = getenv("LISTEN_PID");
	unsigned long who, n = 0;
	bool ours = !pid || (number(pid, &who) && who == (unsigned long)getpid());
	bool some = ours && number(getenv("LISTEN_FDS"), &n) && n >= 1 && n <= max;
	int r = some ? 0 : 1;
	notify_connect();
	watchdog_take();
	for (u32 i = 0; !r && i < n; i++) {
		ret[i].fd = FIRST_FD + (int)i;
		name_put(getenv("LISTEN_FDNAMES"), i, ret[i].name, sizeof ret[i].name);
		r = socket_take(ret[i].fd);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("NOTIFY_SOCKET");
	if (!r)
		*ret_n = (u32)n;
	return r;
}

int daemon_inherited_fd(int *ret_fd)
{
	struct daemon_socket one;
	u32 n;
	int r = daemon_inherited_fds(&one, 1, &n);
	if (!r)
		*ret_fd = one.fd;
	return r;
}

int daemon_credential(const char *name, size_t max, u8 **ret, size_t *ret_len)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	_cleanup_fd_ int at = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	_cleanup_fd_ int fd = at < 0 ? -1 : openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	u8 *data = NULL;
	size_t len = 0;
	if (fd < 0)
		return !dir || errno == ENOENT ? 1 : err_errno();
	int r = fd_read_file(fd, max, &data, &len);
	if (r || !len) {
		free(data);
		return r < 0 ? r : 1;
	}
	*ret = data;
	*ret_len = len;
	return 0;
}
