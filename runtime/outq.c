#include "runtime/outq.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int outq_create(u32 cap, struct outq *ret)
{
	struct outq q = { .cap = cap, .frames = calloc(cap, sizeof *q.frames) };
	if (!q.frames)
		return err_origin(-ENOMEM);
	*ret = q;
	return 0;
}

static void pop(struct outq *q)
{
	struct outq_frame *f = &q->frames[q->head];
	fd_close(&f->fd);
	explicit_bzero(f->body, f->len);
	q->head = (q->head + 1) % q->cap;
	q->n--;
}

void outq_fini(struct outq *q)
{
	while (q->n)
		pop(q);
	free(q->frames);
	*q = (struct outq){ 0 };
}

static int keep(struct outq *q, const struct outq_send *s)
{
	struct outq_frame *f = &q->frames[(q->head + q->n) % q->cap];
	assert(s->len <= sizeof f->body);
	*f = (struct outq_frame){ .type = s->type, .len = s->len, .id = s->id, .fd = -1 };
	if (s->fd >= 0) {
		f->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
		if (f->fd < 0)
			return err_errno();
	}
	if (s->len)
		memcpy(f->body, s->body, s->len);
	q->n++;
	return 0;
}

int outq_put(struct outq *q, int sock, const struct outq_send *s)
{
	assert(s->limit <= q->cap);
	if (q->n == 0) {
		int r = ipc_send(sock, s->type, s->id, s->body, s->len, s->fd);
		if (r != 1)
			return r;
	}
	return q->n >= s->limit ? 1 : keep(q, s);
}

int outq_flush(struct outq *q, int sock)
{
	while (q->n) {
		struct outq_frame *f = &q->frames[q->head];
		int r = ipc_send(sock, f->type, f->id, f->body, f->len, f->fd);
		if (r)
			return r == 1 ? 0 : r;
		pop(q);
	}
	return 0;
}
