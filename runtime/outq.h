/* Frames on their way out of a socket that must not block: sent at once while the socket takes them, else kept in order. How many may wait is
 * the caller's to say, before it puts one more: a frame that waits takes as much memory as it says, and the zeros that its struct ends with take
 * none. */
#pragma once

#include "base/ipc.h"
#include "base/types.h"

struct outq_frame;
/* Zero-filled: nothing waits. */
struct outq {
	struct outq_frame *head, *tail;
	u32 n;
	size_t bytes; /* of memory, of all that wait */
};
void outq_fini(struct outq *q); /* frames that are left are overwritten and dropped */

struct outq_send {
	u32 type, len;
	u64 id;
	const void *body;
	int fd; /* borrowed; -1 */
};
/* 0 sent or kept; -ENOMEM; -EPIPE and other errors: the peer is gone. */
_must_use_ int outq_put(struct outq *q, int sock, const struct outq_send *s);
/* Send what waits. 0 done or as far as the socket takes it; -errno as above. */
_must_use_ int outq_flush(struct outq *q, int sock);
