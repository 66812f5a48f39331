#include "runtime/outq.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct outq_frame {
	struct outq_frame *next;
	u32 type, len, kept; /* kept: bytes of the body that are here; the others are zeros */
	int fd;		     /* owned; -1 */
	u64 id;
	u8 body[];
};

static void pop(struct outq *q)
{
	struct outq_frame *f = q->head;
	q->head = f->next;
	if (!q->head)
		q->tail = NULL;
	q->n--;
	q->bytes -= sizeof *f + f->kept;
	fd_close(&f->fd);
	explicit_bzero(f->body, f->kept);
	free(f);
}

void outq_fini(struct outq *q)
{
	while (q->n)
		pop(q);
}

static u32 without_zeros(const u8 *body, u32 len)
{
	while (len && !body[len - 1])
		len--;
	return len;
}

static int keep(struct outq *q, const struct outq_send *s)
{
	u32 kept = without_zeros(s->body, s->len);
	struct outq_frame *f = malloc(sizeof *f + kept);
	if (!f)
		return err_origin(-ENOMEM);
	*f = (struct outq_frame){ .type = s->type, .len = s->len, .kept = kept, .id = s->id, .fd = -1 };
	if (s->fd >= 0) {
		f->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
		if (f->fd < 0) {
			free(f);
			return err_errno();
		}
	}
	if (kept)
		memcpy(f->body, s->body, kept);
	*(q->tail ? &q->tail->next : &q->head) = f;
	q->tail = f;
	q->n++;
	q->bytes += sizeof *f + kept;
	return 0;
}

int outq_put(struct outq *q, int sock, const struct outq_send *s)
{
	assert(s->len <= IPC_FRAME_BYTES_MAX - sizeof(struct ipc_header));
	if (q->n == 0) {
		int r = ipc_send(sock, s->type, s->id, s->body, s->len, s->fd);
		if (r != 1)
			return r;
	}
	return keep(q, s);
}

int outq_flush(struct outq *q, int sock)
{
	u8 body[IPC_FRAME_BYTES_MAX - sizeof(struct ipc_header)];
	int r = 0;
	while (q->n && !r) {
		const struct outq_frame *f = q->head;
		memcpy(body, f->body, f->kept);
		memset(body + f->kept, 0, f->len - f->kept);
		r = ipc_send(sock, f->type, f->id, body, f->len, f->fd);
		if (!r)
			pop(q);
	}
	explicit_bzero(body, sizeof body);
	return r > 0 ? 0 : r;
}
