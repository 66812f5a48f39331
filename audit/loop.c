#define _GNU_SOURCE
#include "audit/content.h"
#include "audit/keeping.h"
#include "audit/search.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAMES_PER_TURN	  16u	/* of one connection, so that none starves the others */
#define FRAMES_OWN_TURN	  2048u /* of our own processes: an outcome for every open ticket */
#define QUEUE_CLIENT_MAX  512u	/* frames that a slow client may leave unread; then it is dropped */
#define QUEUE_CLIENT_FULL 16u	/* from here on nothing more is read from it */
#define QUEUE_OWN_MAX	  8192u /* of our own processes: two per file of the largest model, and tickets */
#define CONNS_MAX	  (IPC_CLIENTS_MAX * 2 + 8)
#define STOP_WAIT_NS	  2000000000u /* how long a stopping gate waits for outcomes */
#define NS_PER_S	  1000000000u
#define LAZY_NS		  1000000u /* how long a record waits, at least, for which nobody waits */
#define REREAD_SLICE	  512u /* records read again between two looks at the sockets: half a millisecond */

struct out {
	struct out *next;
	u32 type, len;
	u64 id;
	int fd;
	u8 body[];
};

u64 keepd_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

struct audit_actor keepd_self(const struct keepd *k)
{
	return (struct audit_actor){ .uid = k->uid, .pid = (u32)getpid(), .self = true };
}

/* ---- connections ---- */

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

/* Take back what this turn queued. */
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
	c->n_out = c->n_released;
	c->n_ends = 0;
	return taken;
}

static void outs_free(struct out *o)
{
	for (struct out *next; o; o = next) {
		next = o->next;
		out_free(o);
	}
}

static void flush(struct conn *c)
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

/* Closing one connection may end others. */
static void reap(struct keepd *k)
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
		c->n_released = 0;
		outs_free(unqueue(c));
		fd_close(&c->fd);
		free(c);
		p = &k->conns;
	}
}

/* ---- effects ---- */

void keepd_effect(struct keepd *k, enum effect_kind kind, int *fd, const u8 *model)
{
	struct effect *e = calloc(1, sizeof *e);
	if (!e) {
		audit_log_fail(k->log, "out of memory");
		if (fd)
			fd_close(fd);
		return;
	}
	e->kind = kind;
	e->fd = fd ? fd_steal(fd) : -1;
	if (model)
		memcpy(e->model, model, sizeof e->model);
	*k->effects_end = e;
	k->effects_end = &e->next;
}

/* 0; -errno: the state says something that the disk does not. */
static int effect_do(struct keepd *k, struct effect *e)
{
	switch (e->kind) {
	case EFFECT_SHUTDOWN:
		shutdown(e->fd, SHUT_RDWR);
		return 0;
	case EFFECT_PUBLISH:
		return audit_store_publish(&k->store, e->model) == 0 ? 0 : -EIO;
	case EFFECT_WITHDRAW:
		k->sweep = true;
		return audit_store_withdraw(&k->store, e->model);
	case EFFECT_KEY:
		return rotate_settle(k);
	case EFFECT_IMPORT:
		import_start(k);
		return 0;
	case EFFECT_ERASE:
		return erase_effect(k);
	case EFFECT_PRUNE:
		return prune_effect(k);
	}
	return 0;
}

/* Every effect of the turn. When the log has failed, only sockets are still shut: that is never wrong. */
static void effects(struct keepd *k)
{
	for (struct effect *e; (e = k->effects);) {
		k->effects = e->next;
		if (!k->effects)
			k->effects_end = &k->effects;
		if (e->kind == EFFECT_SHUTDOWN || !audit_log_failed(k->log)) {
			int r = effect_do(k, e);
			if (r)
				audit_log_fail(k->log, "store: what record %llu says could not be done: %s",
					(unsigned long long)audit_log_size(k->log) - 1, strerror(-r));
		}
		fd_close(&e->fd);
		free(e);
	}
}

/* ---- a turn ---- */

#define SHUT "the gate is shut until keepd is restarted: %s"

/* The log has failed: nothing that this turn wanted may be seen. Streams stop, clients are told, reading goes on. */
static void shut(struct keepd *k)
{
	if (k->was_shut)
		return;
	k->was_shut = true;
	daemon_say("the gate is shut: %s", audit_log_failed(k->log));
	daemon_status("the gate is shut");
	for (struct conn *c = k->conns; c; c = c->next) {
		struct out *taken = unqueue(c);
		if (c->kind != CONN_CLIENT)
			conn_drop(c, "the gate is shut");
		for (const struct out *o = taken; o && c->kind == CONN_CLIENT; o = o->next)
			if (o->type == CTL_END)
				client_end(
					c, o->id, END_UNDECIDED, UINT64_MAX, SHUT, audit_log_failed(k->log));
		outs_free(taken);
		if (c->kind == CONN_CLIENT && c->state == CLIENT_WAIT && !c->check)
			client_done(c, END_UNDECIDED, UINT64_MAX, SHUT, audit_log_failed(k->log));
	}
	gate_shut(k);
	if (k->import)
		import_cancel(k->import, "the gate is shut", false);
	int r = audit_log_state(k->log, &k->state);
	if (r)
		daemon_say("state: cannot be read");
}

static int commit(struct keepd *k)
{
	if (!audit_log_dirty(k->log))
		return audit_log_failed(k->log) ? -EIO : 0;
	reserve_before_commit(k);
	u64 t = keepd_now_ns();
	int r = audit_log_commit(k->log);
	journal_send(k, !r);
	k->pace.sync_ns = (3 * k->pace.sync_ns + (keepd_now_ns() - t)) / 4;
	k->pace.oldest_ns = 0;
	return r;
}

/* What is queued may leave. Those who get an answer now are likely to ask again at once: the next commit waits for them a little. */
static void release(struct keepd *k)
{
	bool answers = false;
	for (struct conn *c = k->conns; c; c = c->next) {
		c->n_released = c->n_out;
		answers |= c->n_ends > 0;
	}
	if (!answers)
		return;
	k->pace.due = 0;
	for (struct conn *c = k->conns; c; c = c->next) {
		c->due = c->n_ends;
		c->n_ends = 0;
		k->pace.due += c->due;
	}
}

/* Commit, then act, then speak. An effect may find something to record: then once more, before anything leaves. */
void keepd_turn_end(struct keepd *k)
{
	do {
		reap(k);
		if (commit(k))
			shut(k);
		effects(k);
	} while (audit_log_dirty(k->log) || k->effects);
	if (audit_log_failed(k->log)) {
		shut(k);
		effects(k);
	}
	release(k);
	/* the runtime first: it should hold the ticket when the client sends its request */
	if (k->runtime)
		flush(k->runtime);
	for (struct conn *c = k->conns; c; c = c->next)
		flush(c);
}

static int frame(struct conn *c, struct ipc_frame *f)
{
	switch (c->kind) {
	case CONN_CLIENT:
		return client_frame(c, f);
	case CONN_RUNTIME:
		return runtime_frame(c, f);
	default:
		return job_frame(c, f);
	}
}

static void receive(struct conn *c)
{
	u32 most = c->kind == CONN_CLIENT ? FRAMES_PER_TURN : FRAMES_OWN_TURN;
	for (u32 i = 0; i < most && !c->dead; i++) {
		struct ipc_frame f;
		int r = ipc_recv(c->fd, &f);
		if (r == 2)
			return;
		if (r) {
			conn_drop(c, "%s",
				r == 1	       ? "it closed"
				: r == -EPROTO ? "broken framing"
					       : strerror(-r));
			return;
		}
		if (c->due) {
			c->due--;
			c->k->pace.due--;
		}
		r = frame(c, &f);
		if (r)
			conn_drop(c, "frame %04x of %u bytes breaks the protocol", f.h.type, f.h.len);
		ipc_frame_fini(&f);
	}
}

static void stop_begin(struct keepd *k)
{
	struct signalfd_siginfo si;
	if (read(k->signals, &si, sizeof si) != (ssize_t)sizeof si || k->stopping)
		return;
	k->stopping = true;
	k->stop_at_ns = keepd_now_ns() + STOP_WAIT_NS;
	gate_stop(k);
	if (k->import)
		import_cancel(k->import, "keepd was stopped", true);
}

/* Records that only an earlier process has verified are read again while the gate serves: at most a tenth of the time, and all of it when
 * nothing else is to do. True: there is more. */
static bool reread(struct keepd *k)
{
	struct audit_check *c = k->reread;
	u64 t = keepd_now_ns();
	if (!c || t < k->reread_due_ns || audit_log_dirty(k->log) || audit_log_failed(k->log))
		return false;
	int r = audit_check_step(c, k->log, REREAD_SLICE);
	if (r)
		audit_log_fail(k->log, "log: could not be read again: %s", strerror(-r));
	else
		audit_log_reread(k->log, c);
	u64 now = keepd_now_ns();
	k->reread_due_ns = now + (k->n_tickets ? 9 * (now - t) : 0);
	if (!r && !c->done)
		return !k->n_tickets;
	if (!r && c->ok)
		daemon_say("log: all %llu records were read again and hold", (unsigned long long)c->size);
	audit_check_fini(c);
	free_ptr(&k->reread);
	return false;
}

/* Work that nobody waits for, a little at a time. True: there is more. */
static bool background(struct keepd *k)
{
	bool more = query_work(k);
	more |= reread(k);
	import_watch(k);
	dual_watch(k);
	reserve_watch(k);
	keepd_clock_look(k);
	if (k->sweep && !k->import && !audit_log_failed(k->log)) {
		int r = audit_store_sweep(&k->store, NULL);
		if (r < 0)
			keepd_fault(k, "staging", strerror(-r));
		k->sweep = r > 0;
		more |= k->sweep;
	}
	return more;
}

/* Nothing is on its way any more: no outcome, no memory still to be overwritten. */
static bool stopped(const struct keepd *k)
{
	return audit_log_failed(k->log) || (!k->n_tickets && !k->grants);
}

static size_t gather(struct keepd *k, struct pollfd *p, struct conn **who)
{
	size_t n = 0;
	p[n] = (struct pollfd){ .fd = k->signals, .events = POLLIN };
	who[n++] = NULL;
	p[n] = (struct pollfd){ .fd = k->stopping || k->n_clients >= IPC_CLIENTS_MAX ? -1 : k->listen,
		.events = POLLIN };
	who[n++] = NULL;
	for (struct conn *c = k->conns; c && n < CONNS_MAX; c = c->next) {
		bool full = c->kind == CONN_CLIENT && c->n_out > QUEUE_CLIENT_FULL;
		p[n] = (struct pollfd){ .fd = c->fd,
			.events = (short)((full ? 0 : POLLIN) | (c->n_out && !c->stuck ? POLLOUT : 0)) };
		who[n++] = c;
	}
	return n;
}

static u64 wait_ns(const struct keepd *k, bool more)
{
	if (more)
		return 0;
	for (const struct conn *c = k->conns; c; c = c->next) {
		if (c->dead)
			return 0;
		if (c->stuck)
			return NS_PER_S / 100;
	}
	u64 now = keepd_now_ns(), most = k->stopping ? NS_PER_S / 20 : NS_PER_S;
	return k->reread && k->reread_due_ns < now + most ? MAX(k->reread_due_ns, now) - now : most;
}

/* Memory and sockets; whatever had to be recorded has been. */
void keepd_close_all(struct keepd *k)
{
	if (k->import)
		import_cancel(k->import, "keepd was stopped", false);
	gate_shut(k);
	effects(k);
	for (struct conn *c; (c = k->conns);) {
		k->conns = c->next;
		c->n_released = 0;
		outs_free(unqueue(c));
		fd_close(&c->fd);
		if (c->check)
			audit_check_fini(c->check);
		free(c->check);
		audit_search_free(&c->search);
		if (c->job) {
			fd_close(&c->job->result);
			free(c->job->data);
		}
		free(c->job);
		free(c);
	}
	if (k->reread)
		audit_check_fini(k->reread);
	free_ptr(&k->reread);
	k->runtime = NULL;
	audit_zones_free(&k->zones);
}

/* One look at the sockets, for at most wait_ns; what came is handled. The number of sockets that had something; -errno. */
static int look(struct keepd *k, u64 wait_ns)
{
	struct pollfd p[CONNS_MAX];
	struct conn *who[CONNS_MAX];
	struct timespec t = { (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
	size_t n = gather(k, p, who);
	int r = ppoll(p, n, &t, NULL);
	if (r < 0)
		return errno == EINTR ? 0 : err_errno();
	if (r > 0 && p[0].revents)
		stop_begin(k);
	if (r > 0 && p[1].revents)
		keepd_welcome(k);
	for (size_t i = 2; r > 0 && i < n; i++)
		if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
			receive(who[i]);
	return r;
}

/* Does somebody wait for this turn's commit? */
static bool awaited(const struct keepd *k)
{
	bool some = k->effects || audit_log_failed(k->log);
	for (const struct conn *c = k->conns; c && !some; c = c->next)
		some = c->dead || c->n_out > c->n_released;
	return some;
}

/* Before a commit: the answers of the last one brought new requests on their way, and a sync is dear. Wait for them for as long as that
 * has paid lately, at most a quarter of a sync; and for as long as a sync when nobody waits at all. 0; -errno. */
static int collect(struct keepd *k)
{
	struct pace *p = &k->pace;
	u64 start = keepd_now_ns(), most = p->sync_ns / 4;
	if (!audit_log_dirty(k->log))
		return 0;
	if (!p->oldest_ns)
		p->oldest_ns = start;
	for (u64 now = start;; now = keepd_now_ns()) {
		bool some = awaited(k);
		u64 end = some ? start + p->patience_ns : p->oldest_ns + MAX(p->sync_ns, LAZY_NS);
		if (k->stopping || (some && !p->due) || now >= end)
			break;
		int r = look(k, end - now);
		if (r < 0)
			return r;
	}
	p->patience_ns = p->due ? p->patience_ns / 2 : 2 * p->patience_ns;
	p->patience_ns = MIN(MAX(p->patience_ns, most / 16), most);
	return 0;
}

int keepd_serve(struct keepd *k)
{
	bool more = k->sweep;
	for (;;) {
		int r = look(k, wait_ns(k, more));
		if (r >= 0 && collect(k) < 0)
			r = -EIO;
		if (r < 0)
			return r;
		keepd_turn_end(k);
		more = background(k);
		keepd_turn_end(k);
		if (k->stopping && (stopped(k) || keepd_now_ns() > k->stop_at_ns))
			break;
		if (audit_log_tidy(k->log, r == 0))
			keepd_turn_end(k);
	}
	gate_abandon(k);
	if (!audit_log_failed(k->log) && audit_log_save(k->log))
		daemon_say("log: no savepoint: the next start reads everything");
	keepd_turn_end(k);
	keepd_close_all(k);
	return 0;
}
