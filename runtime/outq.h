/* Frames on their way out of a socket that must not block: sent at once while the socket takes them, else kept in order, up to a bound. */
#pragma once

#include "base/ipc.h"
#include "base/types.h"
#include "proto.h"

struct outq_frame {
	u32 type, len;
	u64 id;
	int fd; /* owned; -1 */
	u8 body[sizeof(struct proto_tokens)];
};

struct outq {
	struct outq_frame *frames;
	u32 cap, head, n;
};

_must_use_ int outq_create(u32 cap, struct outq *ret); /* 0; -ENOMEM */
void outq_fini(struct outq *q);			       /* frames that are left are overwritten and dropped */

struct outq_send {
	u32 type, len;
	u64 id;
	const void *body;
	int fd;	   /* borrowed; -1 */
	u32 limit; /* refuse when so many wait already; at most the capacity */
};
/* 0 sent or kept; 1 full; -EPIPE and other errors: the peer is gone. */
_must_use_ int outq_put(struct outq *q, int sock, const struct outq_send *s);
/* Send what waits. 0 done or as far as the socket takes it; -errno as above. */
_must_use_ int outq_flush(struct outq *q, int sock);
