#define _GNU_SOURCE
#include "base/ipc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static_assert(
	sizeof(((struct ipc_frame *)0)->body) + sizeof(struct ipc_header) == IPC_FRAME_BYTES_MAX, "frame");

int ipc_send(int sock, u32 type, u64 id, const void *body, u32 len, int fd)
{
	assert(len <= IPC_FRAME_BYTES_MAX - sizeof(struct ipc_header));
	struct ipc_header h = { .type = type, .len = len, .id = id };
	struct iovec iov[2] = { { &h, sizeof h }, { (void *)(uintptr_t)body, len } };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
	if (fd >= 0) {
		m.msg_control = c.buf;
		m.msg_controllen = sizeof c.buf;
		struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof fd);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 1;
	if (n < 0 && errno == ECONNRESET)
		return -EPIPE;
	if (n < 0)
		return errno == EPIPE ? -EPIPE : err_errno();
	assert((size_t)n == sizeof h + len);
	return 0;
}

/* Take the one descriptor out of the ancillary data. Room for one descriptor has padding for two, so the length is compared
 * exactly; whatever else came is closed. */
static int take_fd(struct msghdr *m, int *ret_fd)
{
	int fd = -1;
	bool bad = (m->msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS) {
			bad = true;
			continue;
		}
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int got;
			memcpy(&got, CMSG_DATA(cm) + i * sizeof(int), sizeof got);
			if (i == 0 && fd < 0) {
				fd = got;
			} else {
				close(got);
				bad = true;
			}
		}
		if (cm->cmsg_len != CMSG_LEN(sizeof(int)))
			bad = true;
	}
	if (bad) {
		fd_close(&fd);
		return -EPROTO;
	}
	*ret_fd = fd;
	return 0;
}

int ipc_recv(int sock, struct ipc_frame *ret)
{
	ret->fd = -1;
	struct iovec iov[2] = { { &ret->h, sizeof ret->h }, { ret->body, sizeof ret->body } };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} c;
	struct msghdr m = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = c.buf, .msg_controllen = sizeof c.buf
	};
	ssize_t n;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 2;
	if (n < 0 && errno == ECONNRESET)
		return 1;
	if (n < 0)
		return err_errno();
	int fd = -1;
	int r = take_fd(&m, &fd);
	if (r)
		return r;
	if (n == 0 && fd < 0)
		return 1;
	if ((size_t)n < sizeof ret->h || (size_t)n != sizeof ret->h + ret->h.len) {
		fd_close(&fd);
		return -EPROTO;
	}
	ret->fd = fd;
	return 0;
}

void ipc_frame_fini(struct ipc_frame *f)
{
	fd_close(&f->fd);
}

const struct ipc_rule *ipc_match(
	const struct ipc_rule *rules, size_t n_rules, u32 state_bit, u64 *seen, const struct ipc_frame *f)
{
	assert(n_rules <= 64);
	for (size_t i = 0; i < n_rules; i++) {
		const struct ipc_rule *r = &rules[i];
		if (r->type != f->h.type || !(r->state & state_bit))
			continue;
		if (r->len != f->h.len || r->wants_fd != (f->fd >= 0))
			return NULL;
		if (r->once && (*seen >> i & 1))
			return NULL;
		*seen |= 1ull << i;
		return r;
	}
	return NULL;
}

int ipc_pair(int *ret_a, int *ret_b)
{
	int s[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return err_errno();
	*ret_a = s[0];
	*ret_b = s[1];
	return 0;
}

/* An address inside a directory that may lie deeper than sun_path is long: by way of /proc/self/fd. */
static int address(int dirfd, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dirfd, name);
	return n > 0 && (size_t)n < sizeof ret->sun_path ? 0 : err_origin(-ENAMETOOLONG);
}

static int listen_at(int dirfd, const char *name, int type, int *ret_fd)
{
	struct sockaddr_un a;
	int r = address(dirfd, name, &a);
	if (r)
		return r;
	_cleanup_fd_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno();
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_errno();
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return err_errno();
	if (fchmodat(dirfd, name, 0660, 0) < 0 || listen(fd, 64) < 0)
		return err_errno();
	*ret_fd = fd_steal(&fd);
	return 0;
}

int ipc_listen(int dirfd, const char *name, int *ret_fd)
{
	return listen_at(dirfd, name, SOCK_SEQPACKET, ret_fd);
}

int ipc_listen_stream(int dirfd, const char *name, int *ret_fd)
{
	return listen_at(dirfd, name, SOCK_STREAM, ret_fd);
}

int ipc_connect(int dirfd, const char *name, int *ret_fd)
{
	struct sockaddr_un a;
	int r = address(dirfd, name, &a);
	if (r)
		return r;
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno();
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return errno == ECONNREFUSED || errno == ENOENT ? 1 : err_errno();
	*ret_fd = fd_steal(&fd);
	return 0;
}

int ipc_peer(int sock, struct ipc_peer *ret)
{
	struct ucred c;
	socklen_t n = sizeof c;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
		return err_errno();
	*ret = (struct ipc_peer){ .pid = (u32)c.pid, .uid = c.uid, .gid = c.gid };
	return 0;
}
