/* What a supervisor hands over, and what is told to it and to people. */
#define _GNU_SOURCE
#include "base/daemon.h"
#include "base/fd.h"
#include "base/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* In a child with descriptor 3 as given and the variables set: what daemon_inherited_fd says, 50 for "0 and all is right". */
static int inherited(const char *fds, const char *pid, int as3)
{
	pid_t p = fork();
	if (p == 0) {
		if (as3 < 0)
			close(3);
		else if (as3 != 3 && dup2(as3, 3) < 0)
			_exit(99);
		char own[16];
		snprintf(own, sizeof own, "%d", getpid());
		unsetenv("LISTEN_PID");
		unsetenv("LISTEN_FDS");
		if (fds)
			setenv("LISTEN_FDS", fds, 1);
		if (pid)
			setenv("LISTEN_PID", strcmp(pid, "own") ? pid : own, 1);
		int fd = -1, r = daemon_inherited_fd(&fd);
		if (getenv("LISTEN_FDS") || getenv("LISTEN_PID"))
			_exit(98);
		if (r)
			_exit(fd == -1 ? r : 97);
		_exit(fd == 3 && fcntl(3, F_GETFD) == FD_CLOEXEC ? 50 : 96);
	}
	int st;
	assert_int_equal(waitpid(p, &st, 0), p);
	assert_true(WIFEXITED(st));
	return WEXITSTATUS(st);
}

static void exactly_one_socket(void **state)
{
	int a, b;
	assert_int_equal(ipc_pair(&a, &b), 0);
	assert_int_equal(inherited("1", "own", a), 50);
	assert_int_equal(inherited("1", NULL, a), 50); /* spawned without knowing the pid */
	assert_int_equal(inherited("1", "1", a), 1);   /* meant for somebody else */
	assert_int_equal(inherited("1", "x", a), 1);
	assert_int_equal(inherited(NULL, "own", a), 1);
	static const char *const wrong[] = { "0", "2", "-1", "1x", "", " 1", "99999999999999999999" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(inherited(wrong[i], "own", a), 1);
	assert_int_equal(inherited("1", "own", -1), 1); /* it is not there */
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(inherited("1", "own", file), 1); /* it is not a socket */
	fd_close(&file);
	fd_close(&a);
	fd_close(&b);
}

/* Returns what arrives at NOTIFY_SOCKET when the child says ready and a status of two lines. */
static void notify_through(struct sockaddr_un *at, socklen_t len, const char *variable)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)at, len), 0);
	pid_t p = fork();
	if (p == 0) {
		int fd;
		setenv("NOTIFY_SOCKET", variable, 1);
		if (daemon_inherited_fd(&fd) != 1 || getenv("NOTIFY_SOCKET"))
			_exit(1);
		daemon_ready();
		daemon_status("loading\nREADY=0");
		_exit(0);
	}
	int st;
	assert_int_equal(waitpid(p, &st, 0), p);
	assert_int_equal(st, 0);
	char b[100];
	ssize_t n = recv(sock, b, sizeof b, 0);
	assert_int_equal(n, 7);
	assert_memory_equal(b, "READY=1", 7);
	n = recv(sock, b, sizeof b, 0);
	assert_int_equal(n, 14);
	assert_memory_equal(b, "STATUS=loading", 14);
	close(sock);
}

static void readiness(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof a.sun_path, "/tmp/keep-notify.%d", getpid());
	notify_through(&a, sizeof a, a.sun_path);
	unlink(a.sun_path);
	char variable[sizeof a.sun_path];
	snprintf(variable, sizeof variable, "@keep-notify.%d", getpid());
	memcpy(a.sun_path, variable, sizeof variable);
	a.sun_path[0] = 0;
	notify_through(&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(variable)), variable);
}

/* A child with a watchdog says twice that it lives, the second time pause_us later. 60: somebody wants to hear it; 50: nobody does. */
static int lives(const char *usec, const char *pid, const char *socket_name, useconds_t pause_us)
{
	pid_t p = fork();
	if (p == 0) {
		char own[16];
		int fd;
		snprintf(own, sizeof own, "%d", getpid());
		setenv("NOTIFY_SOCKET", socket_name, 1);
		setenv("WATCHDOG_USEC", usec, 1);
		setenv("WATCHDOG_PID", strcmp(pid, "own") ? pid : own, 1);
		if (daemon_inherited_fd(&fd) != 1 || getenv("WATCHDOG_USEC") || getenv("WATCHDOG_PID"))
			_exit(1);
		u64 first = daemon_alive();
		usleep(pause_us);
		u64 second = daemon_alive();
		if (first == UINT64_MAX)
			_exit(second == UINT64_MAX ? 50 : 2);
		_exit(first == strtoull(usec, NULL, 10) * 500 && second <= first ? 60 : 3);
	}
	int st;
	assert_int_equal(waitpid(p, &st, 0), p);
	assert_true(WIFEXITED(st));
	return WEXITSTATUS(st);
}

static int heard(int sock)
{
	char b[100];
	int n = 0;
	for (ssize_t len; (len = recv(sock, b, sizeof b, 0)) > 0; n++) {
		assert_int_equal(len, 10);
		assert_memory_equal(b, "WATCHDOG=1", 10);
	}
	return n;
}

static void watchdog(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char variable[sizeof a.sun_path];
	int n = snprintf(variable, sizeof variable, "@keep-watchdog.%d", getpid());
	memcpy(a.sun_path + 1, variable + 1, (size_t)n - 1);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&a, len), 0);
	assert_int_equal(lives("3600000000", "own", variable, 0), 60);
	assert_int_equal(heard(sock), 1); /* the second was too soon */
	assert_int_equal(lives("2000", "own", variable, 1000), 60);
	assert_int_equal(heard(sock), 2);
	assert_int_equal(lives("2000", "1", variable, 1000), 50); /* meant for somebody else */
	static const char *const wrong[] = { "0", "-1", "1x", "", "1999", "99999999999999999999" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(lives(wrong[i], "own", variable, 1000), 50);
	assert_int_equal(heard(sock), 0);
	close(sock);
}

static void nobody_asked(void **state)
{
	daemon_ready();
	daemon_status("text");
	assert_true(daemon_alive() == UINT64_MAX);
	int fd;
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	assert_int_equal(daemon_inherited_fd(&fd), 1);
	daemon_ready();
}

static void says_one_line(void **state)
{
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	_cleanup_fd_ int saved = fcntl(2, F_DUPFD_CLOEXEC, 10);
	char longest[2000];
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = 0;
	dup2(p[1], 2);
	daemon_name("keepd");
	daemon_say("%s: %s", "job\x1b[31m\n7", "closed");
	daemon_say("%s", longest);
	dup2(saved, 2);
	char b[2000];
	ssize_t n = read(p[0], b, sizeof b);
	static const char line[] = "keepd: job?[31m?7: closed\n";
	assert_true(n > (ssize_t)strlen(line) && n < 600);
	assert_memory_equal(b, line, strlen(line));
	assert_int_equal(b[n - 1], '\n');
	assert_null(memchr(b + strlen(line), '\n', (size_t)n - strlen(line) - 1));
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_one_socket),
		cmocka_unit_test(readiness),
		cmocka_unit_test(watchdog),
		cmocka_unit_test(nobody_asked),
		cmocka_unit_test(says_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
