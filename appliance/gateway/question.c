#define _GNU_SOURCE
#include "gateway/question.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "gateway/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct question {
	struct gateway *g;
	struct http_exchange *x;
	const struct question_fns *fns;
	int sock;
	bool proving; /* the answer to that is due */
	struct event *ev;
	struct fd_map data;
};

static void question_free(struct question *q)
{
	if (q->ev)
		event_free(q->ev);
	fd_close(&q->sock);
	fd_unmap(&q->data);
	free(q);
}

static void on_gone(struct http_exchange *x)
{
	question_free(x->ctx);
}

/* It is over: with data, or with why there is none. */
static void end(struct question *q, const char *why)
{
	q->x->gone = NULL;
	if (why)
		q->fns->failed(q->g, q->x, why);
	else
		q->fns->answer(q->g, q->x, (const char *)q->data.data, q->data.len);
	question_free(q);
}

static void on_frame(evutil_socket_t fd, short what, void *ctx)
{
	static const struct ipc_rule rules[] = {
		{ .type = CTL_PRINCIPAL, .state = 1, .len = sizeof(struct proto_principal) },
		{ .type = CTL_DATA, .state = 1, .len = sizeof(struct proto_data), .wants_fd = true },
		{ .type = CTL_END, .state = 1, .len = sizeof(struct proto_end) },
	};
	struct question *q = ctx;
	struct ipc_frame f;
	u64 seen = 0;
	int r = ipc_recv(q->sock, &f);
	if (r == 2)
		return;
	bool ok = r == 0 && ipc_match(rules, ARRAY_LEN(rules), 1, &seen, &f),
	     over = ok && f.h.type == CTL_END, data = ok && f.h.type == CTL_DATA;
	if (data) {
		fd_unmap(&q->data);
		ok = !fd_map_sealed(f.fd, SIZE_MAX, &q->data);
	}
	if (over)
		ok = ((const struct proto_end *)(const void *)f.body)->status == END_DONE;
	if (r == 0)
		ipc_frame_fini(&f);
	if (over && ok && q->proving) {
		q->proving = false;
		return;
	}
	if (over || !ok)
		end(q, ok ? NULL : "the gate did not answer");
}

static int ask(struct question *q, const struct proto_query *body)
{
	int r = ipc_connect(q->g->run_dir, "ctl.sock", &q->sock);
	if (!r && fcntl(q->sock, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (!r && q->fns->as_client && who_of(q->x)) {
		r = proof_send(q->sock, 0, &who_of(q->x)->proof);
		q->proving = true;
	}
	r = r ? r : ipc_send(q->sock, CTL_QUERY, 0, body, sizeof *body, -1);
	if (r)
		return r;
	q->ev = event_new(q->g->base, q->sock, EV_READ | EV_PERSIST, on_frame, q);
	return q->ev && !event_add(q->ev, NULL) ? 0 : -ENOMEM;
}

void question_ask(struct gateway *g, struct http_exchange *x, const struct proto_query *body,
	const struct question_fns *fns)
{
	struct question *q = calloc(1, sizeof *q);
	if (!q) {
		fns->failed(g, x, "out of memory");
		return;
	}
	*q = (struct question){ .g = g, .x = x, .fns = fns, .sock = -1 };
	x->ctx = q;
	x->gone = on_gone;
	if (ask(q, body))
		end(q, "the gate does not answer");
}
