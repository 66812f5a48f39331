/* Frames: the input is a list of packets {u16 length, u8 descriptors, bytes}; each goes through a real socket to ipc_recv and then
 * through a table that has every kind of row. What comes out must obey the table, and no descriptor may be left behind. */
#define _GNU_SOURCE
#include "proto.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct ipc_rule rules[] = {
	{ .type = CTL_QUERY, .state = 1, .len = sizeof(struct proto_query) },
	{ .type = CTL_IMPORT, .state = 1, .len = sizeof(struct proto_import), .wants_fd = true },
	{ .type = CTL_FILE, .state = 2, .len = sizeof(struct proto_file), .wants_fd = true },
	{ .type = CTL_IMPORT_GO, .state = 2, .once = true },
	{ .type = GATE_TICKET, .state = 4, .len = sizeof(struct proto_ticket) },
	{ .type = GATE_OUTCOME, .state = 4 | 8, .len = sizeof(struct proto_outcome) },
	{ .type = SESSION_REQUEST, .state = 8, .wants_fd = true },
};

static void send_packet(int sock, const u8 *p, size_t len, u32 n_fds)
{
	struct iovec iov = { (void *)(uintptr_t)p, len };
	_Alignas(struct cmsghdr) char c[CMSG_SPACE(sizeof(int) * 3)] = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds) {
		m.msg_control = c;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (u32 i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(cm) + sizeof(int) * i, &sock, sizeof sock);
	}
	assert(sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len);
}

static void check(int r, struct ipc_frame *f, size_t sent, u32 n_fds, u64 *seen)
{
	bool whole = sent >= sizeof f->h && n_fds < 2 && sent <= sizeof f->h + sizeof f->body;
	assert(r == 0 || r == -EPROTO || (r == 1 && sent == 0));
	assert(r == 0 || f->fd == -1);
	assert(r != 0 || (whole && f->h.len == sent - sizeof f->h && (f->fd >= 0) == (n_fds == 1)));
	if (r)
		return;
	for (u32 state = 1; state <= 8; state *= 2) {
		u64 before = *seen;
		const struct ipc_rule *m = ipc_match(rules, ARRAY_LEN(rules), state, seen, f);
		assert(!m || (m->type == f->h.type && m->state & state && m->len == f->h.len));
		assert(!m || (m->wants_fd == (f->fd >= 0) && !(m->once && before >> (m - rules) & 1)));
		assert(m || *seen == before);
	}
}

static int next_free(int fd)
{
	_cleanup_fd_ int copy = dup(fd);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes b = bytes_of(data, len);
	_cleanup_fd_ int s0 = -1, s1 = -1;
	if (ipc_pair(&s0, &s1))
		return 0;
	int next = next_free(s0);
	u64 seen = 0;
	for (u32 i = 0; i < 64 && bytes_left(&b); i++) {
		size_t n = MIN((size_t)bytes_get_u16le(&b) % 8192, bytes_left(&b));
		u32 n_fds = bytes_get_u8(&b) % 4;
		n = MIN(n, bytes_left(&b));
		const u8 *p = bytes_get(&b, n);
		if (!p)
			break;
		struct ipc_frame f;
		send_packet(s0, p, n, n_fds);
		int r = ipc_recv(s1, &f);
		check(r, &f, n, n_fds, &seen);
		ipc_frame_fini(&f);
	}
	assert(next_free(s0) == next); /* nothing was left open */
	return 0;
}
