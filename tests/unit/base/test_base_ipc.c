/* Frames: exact lengths, one descriptor at most, nothing leaks from a frame that is refused. */
#define _GNU_SOURCE
#include "base/ipc.h"
#include "base/fd.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static int s[2];
static struct ipc_frame f;

static int setup(void **state)
{
	memset(&f, 0xee, sizeof f);
	return ipc_pair(&s[0], &s[1]);
}
static int teardown(void **state)
{
	fd_close(&s[0]);
	fd_close(&s[1]);
	return 0;
}

static u32 open_fds(void)
{
	u32 n = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A raw packet with n descriptors, as a hostile peer would send it. */
static void send_raw(const void *data, size_t len, int n_fds)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	_Alignas(struct cmsghdr) char c[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds) {
		m.msg_control = c;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
		struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
		for (int i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(cm) + sizeof(int) * (size_t)i, &s[0], sizeof(int));
	}
	assert_int_equal(sendmsg(s[0], &m, MSG_NOSIGNAL), (ssize_t)len);
}

static void frame_and_descriptor_arrive(void **state)
{
	u32 before = open_fds();
	assert_int_equal(ipc_send(s[0], 0x101, 42, "payload", 7, s[0]), 0);
	assert_int_equal(ipc_recv(s[1], &f), 0);
	assert_int_equal(f.h.type, 0x101);
	assert_int_equal(f.h.len, 7);
	assert_int_equal(f.h.id, 42);
	assert_memory_equal(f.body, "payload", 7);
	assert_true(f.fd >= 0);
	assert_true(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
	ipc_frame_fini(&f);
	assert_int_equal(f.fd, -1);
	ipc_frame_fini(&f);
	assert_int_equal(open_fds(), before);
	assert_int_equal(ipc_send(s[0], 1, 0, NULL, 0, -1), 0);
	assert_int_equal(ipc_recv(s[1], &f), 0);
	assert_int_equal(f.h.len, 0);
	assert_int_equal(f.fd, -1);
}

static void longest_frame(void **state)
{
	static u8 body[IPC_FRAME_BYTES_MAX - sizeof(struct ipc_header) + 1];
	memset(body, 7, sizeof body);
	assert_int_equal(ipc_send(s[0], 1, 0, body, sizeof body - 1, -1), 0);
	assert_int_equal(ipc_recv(s[1], &f), 0);
	assert_int_equal(f.h.len, sizeof body - 1);
	assert_memory_equal(f.body, body, sizeof body - 1);
	/* one byte more than the limit */
	static struct {
		struct ipc_header h;
		u8 body[IPC_FRAME_BYTES_MAX - sizeof(struct ipc_header) + 1];
	} packet = { .h = { .type = 1, .len = sizeof packet.body } };
	send_raw(&packet, sizeof packet, 0);
	assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
	packet.h.len--; /* a true length of what fits, and a byte behind it */
	send_raw(&packet, sizeof packet, 1);
	u32 before = open_fds();
	assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
	assert_int_equal(open_fds(), before);
}

static void lengths_are_exact(void **state)
{
	struct {
		struct ipc_header h;
		u8 body[8];
	} p = { .h = { .type = 1, .len = 8 } };
	const struct {
		u32 len;
		size_t sent;
	} wrong[] = { { 8, 23 }, { 7, 24 }, { 9, 24 }, { 0, 24 }, { 8, 16 }, { 0xffffffff, 24 },
		{ 0xfffffff0, 16 }, { 0, 15 }, { 0, 1 } };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		p.h.len = wrong[i].len;
		send_raw(&p, wrong[i].sent, 1);
		u32 before = open_fds();
		assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
		assert_int_equal(f.fd, -1);
		assert_int_equal(open_fds(), before); /* the descriptor that came along is closed */
	}
	p.h.len = 8;
	send_raw(&p, 24, 0);
	assert_int_equal(ipc_recv(s[1], &f), 0);
}

/* Room for one descriptor has padding for two. */
static void two_descriptors_are_refused(void **state)
{
	struct ipc_header h = { .type = 1 };
	for (int n = 2; n <= 8; n++) {
		send_raw(&h, sizeof h, n);
		u32 before = open_fds();
		assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
		assert_int_equal(f.fd, -1);
		assert_int_equal(open_fds(), before);
	}
}

static void other_ancillary_data_is_refused(void **state)
{
	int on = 1;
	assert_int_equal(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	assert_int_equal(ipc_send(s[0], 1, 0, NULL, 0, -1), 0);
	assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
	assert_int_equal(ipc_send(s[0], 1, 0, NULL, 0, s[0]), 0);
	u32 before = open_fds();
	assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
	assert_int_equal(open_fds(), before);
}

static void closed_and_full(void **state)
{
	assert_int_equal(fcntl(s[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ipc_recv(s[1], &f), 2);
	assert_int_equal(f.fd, -1);
	assert_int_equal(fcntl(s[0], F_SETFL, O_NONBLOCK), 0);
	int r = 0;
	for (u32 i = 0; i < 100000 && !r; i++)
		r = ipc_send(s[0], 1, i, NULL, 0, -1);
	assert_int_equal(r, 1);
	while (!(r = ipc_recv(s[1], &f)))
		;
	assert_int_equal(r, 2);
	fd_close(&s[0]);
	assert_int_equal(ipc_recv(s[1], &f), 1);
	assert_int_equal(ipc_send(s[1], 1, 0, NULL, 0, -1), -EPIPE);
	assert_int_equal(ipc_recv(-1, &f), -EBADF);
	assert_int_equal(ipc_send(-1, 1, 0, NULL, 0, -1), -EBADF);
}

static void an_empty_packet_is_no_frame(void **state)
{
	assert_int_equal(send(s[0], "", 0, MSG_NOSIGNAL), 0);
	assert_int_equal(ipc_recv(s[1], &f),
		1); /* cannot be told from a peer that closed: the connection ends either way */
	send_raw("", 0, 1);
	u32 before = open_fds();
	assert_int_equal(ipc_recv(s[1], &f), -EPROTO);
	assert_int_equal(open_fds(), before);
}

static void a_rule_is_obeyed_in_everything(void **state)
{
	const struct ipc_rule rules[] = {
		{ .type = 10, .state = 1, .len = 8, .wants_fd = true },
		{ .type = 11, .state = 2 | 4, .len = 0, .once = true },
		{ .type = 10, .state = 8, .len = 4 },
	};
	u64 seen = 0;
	struct ipc_frame g = { .h = { .type = 10, .len = 8 }, .fd = 5 };
	assert_ptr_equal(ipc_match(rules, 3, 1, &seen, &g), &rules[0]);
	assert_ptr_equal(ipc_match(rules, 3, 1, &seen, &g), &rules[0]); /* again: not once */
	assert_null(ipc_match(rules, 3, 2, &seen, &g));			/* state */
	g.fd = -1;
	assert_null(ipc_match(rules, 3, 1, &seen, &g)); /* no descriptor */
	g = (struct ipc_frame){ .h = { .type = 10, .len = 4 }, .fd = -1 };
	assert_null(ipc_match(rules, 3, 1, &seen, &g)); /* length */
	assert_ptr_equal(ipc_match(rules, 3, 8, &seen, &g), &rules[2]);
	g.fd = 5;
	assert_null(ipc_match(rules, 3, 8, &seen, &g)); /* an unexpected descriptor */
	g = (struct ipc_frame){ .h = { .type = 11 }, .fd = -1 };
	assert_null(ipc_match(rules, 3, 1, &seen, &g));
	assert_ptr_equal(ipc_match(rules, 3, 4, &seen, &g), &rules[1]);
	assert_null(ipc_match(rules, 3, 4, &seen, &g)); /* a second time */
	assert_null(ipc_match(rules, 3, 2, &seen, &g)); /* in another state too */
	g.h.type = 12;
	assert_null(ipc_match(rules, 3, 0xff, &seen, &g)); /* an unknown type */
}

static void listen_and_connect_by_name(void **state)
{
	char dir[200];
	snprintf(dir, sizeof dir, "/tmp/keep-ipc-%.*s.XXXXXX", 150,
		"a-directory-whose-name-is-longer-than-a-socket-address-may-be-"
		"a-directory-whose-name-is-longer-than-a-socket-address-may-be");
	assert_non_null(mkdtemp(dir));
	_cleanup_fd_ int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int l = -1, l2 = -1, c = -1;
	assert_int_equal(ipc_connect(d, "ctl", &c), 1); /* nothing there */
	assert_int_equal(ipc_listen(d, "ctl", &l), 0);
	assert_int_equal(ipc_listen(d, "ctl", &l2), 0); /* replaces the old one */
	assert_int_equal(ipc_connect(d, "ctl", &c), 0);
	_cleanup_fd_ int a = accept4(l2, NULL, NULL, SOCK_CLOEXEC);
	assert_true(a >= 0);
	struct ipc_peer p;
	assert_int_equal(ipc_peer(a, &p), 0);
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.uid, getuid());
	assert_int_equal(p.gid, getgid());
	fd_close(&l2);
	fd_close(&c);
	assert_int_equal(ipc_connect(d, "ctl", &c), 1); /* nobody listens there any more */
	char name[120];
	memset(name, 'n', sizeof name);
	name[119] = 0;
	assert_int_equal(ipc_connect(d, name, &c), -ENAMETOOLONG);
	fd_close(&l);
	unlinkat(d, "ctl", 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frame_and_descriptor_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(longest_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(lengths_are_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(two_descriptors_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(other_ancillary_data_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_and_full, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_packet_is_no_frame, setup, teardown),
		cmocka_unit_test(a_rule_is_obeyed_in_everything),
		cmocka_unit_test(listen_and_connect_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
