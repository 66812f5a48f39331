/* Frames over AF_UNIX SOCK_SEQPACKET.
 *
 * frame = struct ipc_header + a struct of exactly header.len bytes + at most one descriptor. One packet is one frame.
 * The words stand in appliance/proto.h, their structs in appliance/proto/; both ends come from the same build. A peer that breaks the framing
 * is a captured or a foreign process: there is nothing to recover, so the receiver's process reports one line and ends (daemons),
 * or the connection is dropped (clients of keepd: one hostile client must not stop the appliance). */
#pragma once

#include "base/types.h"

struct ipc_header {
	u32 type; /* enum proto_type */
	u32 len;  /* bytes that follow in this packet */
	u64 id;	  /* request, job, grant or session that the frame speaks of; 0 where it needs none */
};
SIZE_PIN(ipc_header, 16);

struct ipc_frame {
	struct ipc_header h;
	int fd; /* -1 when none came; owned by the frame, closed by ipc_frame_fini */
	_Alignas(16) u8 body[4096 - sizeof(struct ipc_header)];
};

/* Send one frame. body may be NULL when len is 0; fd is borrowed, -1 for none.
 * 0 done; 1 the socket is full (only on non-blocking sockets); -EPIPE the peer is gone; -errno. */
_must_use_ int ipc_send(int sock, u32 type, u64 id, const void *body, u32 len, int fd);

/* Receive one frame; waits if the socket blocks.
 * 0 done; 1 the peer closed; 2 nothing there (non-blocking sockets); -EPROTO broken framing, more than one
 * descriptor, or ancillary data of another kind; -errno. On every return but 0, ret->fd is -1. */
_must_use_ int ipc_recv(int sock, struct ipc_frame *ret);

/* Close the frame's descriptor if nobody took it. */
void ipc_frame_fini(struct ipc_frame *f);

/* One row per frame that a connection accepts. A frame that matches no row of the current state breaks the protocol. */
struct ipc_rule {
	u32 type;      /* enum proto_type */
	u32 state;     /* bit mask of connection states in which it may come */
	u32 len;       /* exact length of its body */
	bool wants_fd; /* must carry a descriptor; when false it must not */
	bool once;     /* at most once per connection */
	int (*handler)(void *conn, struct ipc_frame *f); /* <0 ends the connection's process */
	u32 roles; /* clients of keepd: who may send it (enum role), nobody when 0; others do not look */
};

/* The rule that the frame obeys, or NULL when it breaks the table (wrong type, state, length, descriptor, or a second time).
 * seen: one bit per row, kept by the caller per connection, starts at 0. n_rules <= 64. */
const struct ipc_rule *ipc_match(
	const struct ipc_rule *rules, size_t n_rules, u32 state_bit, u64 *seen, const struct ipc_frame *f);

/* A connected pair, both close-on-exec, blocking. 0 done; -errno. */
_must_use_ int ipc_pair(int *ret_a, int *ret_b);
/* A listening socket at path inside directory dirfd (an old socket file is replaced), mode 0660. 0 done; -errno. */
_must_use_ int ipc_listen(int dirfd, const char *name, int *ret_fd);
/* The same for a protocol that is not ours: a stream of bytes. */
_must_use_ int ipc_listen_stream(int dirfd, const char *name, int *ret_fd);
/* Connect to the socket `name` in directory dirfd. 0 done; 1 nobody listens there; -errno. */
_must_use_ int ipc_connect(int dirfd, const char *name, int *ret_fd);

struct ipc_peer {
	u32 pid, uid, gid;
};
/* Who is at the other end, as the kernel knows (SO_PEERCRED). 0 done; -errno. */
_must_use_ int ipc_peer(int sock, struct ipc_peer *ret);
