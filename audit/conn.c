/* Connections, and the frames that wait for them.
 *
 * A queue has three parts, from its front: what a durable commit has let go and the peer has not taken yet (n_released), what waits for
 * the commit whose sync is under way (up to n_held), and what this turn has queued. */
#define _GNU_SOURCE
#include "audit/keepd.h"
#include "audit/search.h"
#include "base/daemon.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_CLIENT_MAX                 \
	(MODEL_FILES_MAX + BUNDLES_MAX + \
		64u) /* frames that a slow client may leave unread, an export's among them; then it is dropped */
#define QUEUE_OWN_MAX 8192u /* of our own processes: two per file of the largest model, and tickets */

struct out {
	struct out *next;
	u32 type, len;
	u64 id;
	int fd;
	u8 body[];
};

struct conn *conn_add(struct keepd *k, enum conn_kind kind, int *fd, u32 state)
{
	struct conn *c = calloc(1, sizeof *c);
	int flags = fcntl(*fd, F_GETFL);
	if (!c || ipc_peer(*fd, &c->peer) || flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(c);
		fd_close(fd);
		return NULL;
	}
	c->k = k;
	c->kind = kind;
	c->fd = fd_steal(fd);
	c->state = state;
	c->next = k->conns;
	k->conns = c;
	k->n_clients += kind == CONN_CLIENT;
	return c;
}

static void out_free(struct out *o)
{
	fd_close(&o->fd);
	free(o);
}

void conn_drop(struct conn *c, const char *fmt, ...)
{
	if (c->dead)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof c->why, fmt, ap);
	va_end(ap);
	c->dead = true;
}

/* A newer progress replaces one that still waits. */
static bool replaced(struct conn *c, u32 type, const void *body, u32 len)
{
	if (type != CTL_PROGRESS || !c->last || c->last->type != type || c->n_out < 2)
		return false;
	memcpy(c->last->body, body, len);
	return true;
}

void conn_send(struct conn *c, u32 type, u64 id, const void *body, u32 len, int *fd)
{
	_cleanup_fd_ int taken = fd ? fd_steal(fd) : -1;
	if (c->dead || replaced(c, type, body, len))
		return;
	u32 max = c->kind == CONN_CLIENT ? QUEUE_CLIENT_MAX : QUEUE_OWN_MAX;
	struct out *o = c->n_out < max ? calloc(1, sizeof *o + len) : NULL;
	if (!o) {
		conn_drop(c, "it does not read what it is sent");
		return;
	}
	o->type = type;
	o->len = len;
	o->id = id;
	o->fd = fd_steal(&taken);
	if (len)
		memcpy(o->body, body, len);
	if (c->last)
		c->last->next = o;
	else
		c->first = o;
	c->last = o;
	c->n_out++;
	c->n_ends += type == CTL_END;
}

/* Take back what no commit has let go. */
static struct out *unqueue(struct conn *c)
{
	struct out **p = &c->first, *last = NULL;
	for (u32 i = 0; i < c->n_released; i++) {
		last = *p;
		p = &last->next;
	}
	struct out *taken = *p;
	*p = NULL;
	c->last = last;
	c->n_out = c->n_held = c->n_released;
	c->n_ends = c->held_ends = 0;
	return taken;
}

static void outs_free(struct out *o)
{
	for (struct out *next; o; o = next) {
		next = o->next;
		out_free(o);
	}
}

void conn_flush(struct conn *c)
{
	c->stuck = false;
	while (c->n_released && !c->dead) {
		struct out *o = c->first;
		int r = ipc_send(c->fd, o->type, o->id, o->len ? o->body : NULL, o->len, o->fd);
		if (r == -ETOOMANYREFS) {
			c->stuck = true;
			return;
		}
		if (r > 0)
			return;
		if (r < 0) {
			conn_drop(c, "%s", r == -EPIPE ? "it closed" : strerror(-r));
			return;
		}
		c->first = o->next;
		if (!c->first)
			c->last = NULL;
		c->n_out--;
		c->n_held -= c->n_held > 0;
		c->n_released--;
		out_free(o);
	}
}

static void closed(struct conn *c)
{
	if (c->why[0] && strcmp(c->why, "it closed") != 0)
		daemon_say("%s (pid %u): %s",
			c->kind == CONN_CLIENT	  ? "client"
			: c->kind == CONN_RUNTIME ? "keep-runtime"
						  : "keep-attest",
			c->peer.pid, c->why);
	if (c->kind == CONN_CLIENT)
		client_closed(c);
	else if (c->kind == CONN_RUNTIME)
		runtime_closed(c);
	else
		job_closed(c);
}

void conn_unsay(struct conn *c, const char *why)
{
	struct out *taken = unqueue(c);
	for (const struct out *o = taken; o && c->kind == CONN_CLIENT; o = o->next)
		if (o->type == CTL_END)
			client_end(c, o->id, END_UNDECIDED, UINT64_MAX, "%s", why);
	outs_free(taken);
}

static void conn_free(struct conn *c)
{
	c->n_released = 0;
	outs_free(unqueue(c));
	fd_close(&c->fd);
	free(c);
}

/* Closing one connection may end others. */
void conn_reap(struct keepd *k)
{
	for (struct conn **p = &k->conns; *p;) {
		struct conn *c = *p;
		if (!c->dead) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		closed(c);
		if (c->kind == CONN_CLIENT)
			k->n_clients--;
		k->pace.due -= c->due;
		conn_free(c);
		p = &k->conns;
	}
}

void conn_free_all(struct keepd *k)
{
	for (struct conn *c; (c = k->conns);) {
		k->conns = c->next;
		if (c->check)
			audit_check_fini(c->check);
		free(c->check);
		audit_search_free(&c->search);
		if (c->job) {
			fd_close(&c->job->result);
			free(c->job->data);
		}
		free(c->job);
		conn_free(c);
	}
}
