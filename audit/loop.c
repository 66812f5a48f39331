#define _GNU_SOURCE
#include "audit/dual.h"
#include "audit/keepd.h"
#include "audit/sync.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define FRAMES_PER_TURN	  16u	/* of one connection, so that none starves the others */
#define FRAMES_OWN_TURN	  2048u /* of our own processes: an outcome for every open ticket */
#define QUEUE_CLIENT_FULL 16u	/* from here on nothing more is read from it */
#define CONNS_MAX	  (IPC_CLIENTS_MAX * 2 + 9)
#define STOP_WAIT_NS	  2000000000u /* how long a stopping gate waits for outcomes */
#define NS_PER_S	  1000000000u
#define LAZY_NS		  1000000u /* how long a record waits, at least, for which nobody waits */
#define REREAD_SLICE	  512u /* records read again between two looks at the sockets: half a millisecond */

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

/* ---- what comes ---- */

/* What may come while a sync runs; whatever else comes waits for it. */
static bool traffic(const struct conn *c, u32 type)
{
	return c->kind == CONN_CLIENT ? type == CTL_BEGIN
				      : type == GATE_OUTCOME || type == GATE_ANSWER || type == GATE_BUSY;
}

static int frame(struct conn *c, struct ipc_frame *f)
{
	if (!traffic(c, f->h.type))
		keepd_sync_end(c->k);
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
		static struct ipc_frame f;		      /* too large to be cleared for each frame */
		if (c->k->syncing && sync_done(c->k->syncer)) /* others wait for what it lets go */
			keepd_sync_end(c->k);
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
	keepd_sync_end(k);
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
	tls_watch(k);
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
	p[n] = (struct pollfd){ .fd = k->syncing ? sync_bell(k->syncer) : -1, .events = POLLIN };
	who[n++] = NULL;
	for (struct conn *c = k->conns; c && n < CONNS_MAX; c = c->next) {
		if (c->dead)
			continue;
		bool full = c->kind == CONN_CLIENT && c->n_out > QUEUE_CLIENT_FULL;
		p[n] = (struct pollfd){ .fd = c->fd,
			.events = (short)((full ? 0 : POLLIN) | (c->n_released && !c->stuck ? POLLOUT : 0)) };
		who[n++] = c;
	}
	return n;
}

static u64 wait_ns(const struct keepd *k, bool more)
{
	if (more && !k->syncing)
		return 0;
	for (const struct conn *c = k->conns; c && !k->syncing; c = c->next) {
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
	keepd_effects(k);
	conn_free_all(k);
	if (k->reread)
		audit_check_fini(k->reread);
	free_ptr(&k->reread);
	k->runtime = NULL;
	audit_zones_free(&k->zones);
}

/* One look at the sockets, for at most wait_ns; what came is handled. The number of sockets that had something; -errno. */
static int look(struct keepd *k, u64 wait_ns)
{
	static struct pollfd p[CONNS_MAX];
	static struct conn *who[CONNS_MAX];
	wait_ns = MIN(wait_ns, daemon_alive());
	struct timespec t = { (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
	size_t n = gather(k, p, who);
	int r = ppoll(p, n, &t, NULL);
	if (r < 0)
		return errno == EINTR ? 0 : err_errno();
	if (r > 0 && p[0].revents)
		stop_begin(k);
	if (r > 0 && p[1].revents)
		keepd_welcome(k);
	if (r > 0 && p[2].revents)
		keepd_sync_end(k);
	for (size_t i = 3; r > 0 && i < n; i++) {
		if (p[i].revents & POLLOUT)
			conn_flush(who[i]);
		if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
			receive(who[i]);
	}
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
		if (r >= 0 && k->syncing)
			continue;
		if (r >= 0 && collect(k) < 0)
			r = -EIO;
		if (r < 0)
			return r;
		keepd_turn_end(k);
		if (k->syncing)
			continue;
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
