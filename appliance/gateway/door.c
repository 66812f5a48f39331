#define _GNU_SOURCE
#include "gateway/door.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 5 /* the socket to keepd was full */

struct door {
	struct door_params p;
	int ctl; /* -1: not connected */
	struct event *ev, *push;
	struct door_ask *asks; /* the oldest first */
	u64 last_id;
};

int door_create(const struct door_params *p, struct door **ret)
{
	struct door *d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	*d = (struct door){ .p = *p, .ctl = -1 };
	*ret = d;
	return 0;
}

static void out(struct door *d, struct door_ask *a)
{
	struct door_ask **at = &d->asks;
	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
	a->next = NULL;
}

static void tell(struct door *d, struct door_ask *a, u32 status, u64 index, const char *why)
{
	out(d, a);
	a->told(a, status, index, why);
}

static void hang_up(struct door *d)
{
	if (d->ev)
		event_free(d->ev);
	d->ev = NULL;
	fd_close(&d->ctl);
}

/* Questions that come while the others are told wait for the next connection. */
static void lost(struct door *d)
{
	struct door_ask *all = d->asks;
	hang_up(d);
	d->asks = NULL;
	while (all) {
		struct door_ask *a = all;
		all = a->next;
		a->next = NULL;
		a->told(a, END_UNDECIDED, UINT64_MAX, "the gate does not answer");
	}
}

struct door *door_free(struct door *d)
{
	while (d && d->asks)
		lost(d);
	if (d)
		hang_up(d);
	if (d && d->push)
		event_free(d->push);
	free(d);
	return NULL;
}

void door_leave(struct door *d, struct door_ask *a)
{
	out(d, a);
	fd_unmap(&a->clients);
}

/* ---- sending --------------------------------------------------------------------------------------------------------------- */

int proof_send(int ctl, u64 id, const struct proof *p)
{
	switch (p->type) {
	case CTL_PROVE_PEER:
		return ipc_send(ctl, p->type, id, NULL, 0, p->fd);
	case CTL_PROVE_KEY:
	case CTL_PROVE_LOGIN:
		return ipc_send(ctl, p->type, id, &p->key, sizeof p->key, -1);
	case CTL_PROVE_CERT:
		return ipc_send(ctl, p->type, id, &p->cert, sizeof p->cert, -1);
	default:
		return -EINVAL;
	}
}

static int ask_send(struct door *d, const struct door_ask *a)
{
	struct proto_query q = { .what = QUERY_CLIENTS, .first = a->known };
	if (a->proof.type != CTL_QUERY)
		return proof_send(d->ctl, a->id, &a->proof);
	return ipc_send(d->ctl, CTL_QUERY, a->id, &q, sizeof q, -1);
}

static void on_ctl(evutil_socket_t fd, short what, void *ctx);

static int open_door(struct door *d)
{
	if (d->ctl >= 0)
		return 0;
	int r = ipc_connect(d->p.run_dir, "ctl.sock", &d->ctl);
	if (r)
		return r > 0 ? -ECONNREFUSED : r;
	d->ev = event_new(d->p.base, d->ctl, EV_READ | EV_PERSIST, on_ctl, d);
	if (fcntl(d->ctl, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return d->ev && !event_add(d->ev, NULL) ? 0 : -ENOMEM;
}

static void on_push(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval soon = { .tv_usec = RETRY_MS * 1000 };
	struct door *d = ctx;
	int r = open_door(d);
	for (struct door_ask *a = d->asks; a && !r; a = a->next) {
		if (a->sent)
			continue;
		r = ask_send(d, a);
		a->sent = r == 0;
	}
	if (r > 0)
		event_add(d->push, &soon);
	else if (r < 0)
		lost(d);
}

void door_ask(struct door *d, struct door_ask *a)
{
	struct door_ask **at = &d->asks;
	while (*at)
		at = &(*at)->next;
	*at = a;
	a->next = NULL;
	a->id = ++d->last_id;
	a->sent = a->has = false;
	a->clients = (struct fd_map){ 0 };
	if (!d->push)
		d->push = evtimer_new(d->p.base, on_push, d);
	if (d->push)
		event_active(d->push, 0, 0);
	assert(d->push); /* the loop itself has no memory left */
}

/* ---- what keepd says ------------------------------------------------------------------------------------------------------- */

static bool principal_ok(const struct proto_principal *p)
{
	return bytes_str_ok(p->name, sizeof p->name) && p->name[0] &&
	       bytes_str_ok(p->credential, sizeof p->credential) && bytes_str_ok(p->models, sizeof p->models);
}

/* 0; -EPROTO. */
static int take(struct door *d, struct ipc_frame *f)
{
	static const struct ipc_rule rules[] = {
		{ .type = CTL_PRINCIPAL, .state = 1, .len = sizeof(struct proto_principal) },
		{ .type = CTL_DATA, .state = 1, .len = sizeof(struct proto_data), .wants_fd = true },
		{ .type = CTL_END, .state = 1, .len = sizeof(struct proto_end) },
	};
	u64 seen = 0;
	struct proto_end e;
	struct door_ask *a = d->asks;
	if (!ipc_match(rules, ARRAY_LEN(rules), 1, &seen, f))
		return -EPROTO;
	while (a && a->id != f->h.id)
		a = a->next;
	if (!a) /* it has left */
		return 0;
	bool query = a->proof.type == CTL_QUERY;
	if (f->h.type == CTL_DATA) {
		fd_unmap(&a->clients);
		return query && !fd_map_sealed(f->fd, SIZE_MAX, &a->clients) ? 0 : -EPROTO;
	}
	if (f->h.type == CTL_PRINCIPAL) {
		memcpy(&a->is, f->body, sizeof a->is);
		a->has = !query && principal_ok(&a->is);
		return a->has ? 0 : -EPROTO;
	}
	memcpy(&e, f->body, sizeof e);
	if (!bytes_str_ok(e.text, sizeof e.text) || (e.status == END_DONE && !a->has && !query))
		return -EPROTO;
	tell(d, a, e.status, e.index, e.text);
	return 0;
}

static void on_ctl(evutil_socket_t fd, short what, void *ctx)
{
	struct door *d = ctx;
	for (u32 i = 0; i < GATEWAY_FRAMES_A_TURN && d->ctl >= 0; i++) {
		struct ipc_frame f;
		int r = ipc_recv(d->ctl, &f);
		if (r == 2)
			return;
		if (r == 0) {
			r = take(d, &f);
			ipc_frame_fini(&f);
		}
		if (r)
			lost(d);
	}
}
