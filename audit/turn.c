/* A turn's end: commit, then act, then speak.
 *
 * The sync of a commit that holds nothing but requests and outcomes is put off to the other thread (sync.c), where there are outcomes to
 * wait for: they, and requests, are read and written into the next transaction meanwhile. What the commit lets go is held in the
 * queues until its sync is done. Whatever else comes meanwhile waits for that too (keepd_sync_end), and every other commit is synced where
 * it is made: so no act, no answer and no state ever stands on a commit that is not durable. */
#define _GNU_SOURCE
#include "audit/content.h"
#include "audit/keeping.h"
#include "audit/sync.h"
#include "base/daemon.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OVERLAP_OPEN_MIN 3u /* outcomes to wait for that are worth the waking of two threads */

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
void keepd_effects(struct keepd *k)
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

/* ---- when the log has failed ---- */

/* The log has failed: nothing that no commit has let go may be seen. Streams stop, clients are told, reading goes on. */
static void shut(struct keepd *k)
{
	if (k->was_shut)
		return;
	k->was_shut = true;
	daemon_say("the gate is shut: %s", audit_log_failed(k->log));
	daemon_status("the gate is shut");
	char why[REASON_LEN_MAX + 1];
	snprintf(why, sizeof why, "the gate is shut until keepd is restarted: %s", audit_log_failed(k->log));
	for (struct conn *c = k->conns; c; c = c->next) {
		if (c->kind != CONN_CLIENT)
			conn_drop(c, "the gate is shut");
		conn_unsay(c, why);
		c->plan = 0; /* the runtime that was asked for it goes */
		if (c->kind == CONN_CLIENT && c->state == CLIENT_WAIT && !c->check && !c->search)
			client_done(c, END_UNDECIDED, UINT64_MAX, "%s", why);
	}
	gate_shut(k);
	if (k->import)
		import_cancel(k->import, "the gate is shut", false);
	int r = audit_log_state(k->log, &k->state);
	if (r)
		daemon_say("state: cannot be read");
}

/* ---- commits ---- */

static void paced(struct keepd *k, u64 took_ns)
{
	k->pace.sync_ns = (3 * k->pace.sync_ns + took_ns) / 4;
}

/* May the sync of this commit run beside other work, and is there other work? Nobody must want the log for themselves. */
static bool overlaps(const struct keepd *k)
{
	if (!k->syncer || k->stopping || k->effects || k->reread || k->import || k->sweep ||
		!audit_log_light(k->log) || audit_log_wal_long(k->log) ||
		k->n_tickets < k->pace.fresh + OVERLAP_OPEN_MIN)
		return false;
	for (const struct conn *c = k->conns; c; c = c->next)
		if (c->check || c->search)
			return false;
	return true;
}

/* What is queued now leaves with the commit that is being made. */
static void hold(struct keepd *k)
{
	k->pace.fresh = 0;
	for (struct conn *c = k->conns; c; c = c->next) {
		c->n_held = c->n_out;
		c->held_ends = c->n_ends;
		c->n_ends = 0;
	}
}

/* 0 durable, or nothing to do; 1 its sync is under way; -errno. */
static int commit(struct keepd *k)
{
	if (!audit_log_dirty(k->log))
		return audit_log_failed(k->log) ? -EIO : 0;
	reserve_before_commit(k);
	u64 t = keepd_now_ns();
	bool later = overlaps(k);
	int r = later ? audit_log_commit_begin(k->log) : audit_log_commit(k->log);
	k->pace.oldest_ns = 0;
	if (later && r == 0) {
		hold(k);
		k->syncing = true;
		sync_begin(k->syncer, k->log);
		return 1;
	}
	r = MIN(r, 0);
	journal_send(k, !r);
	paced(k, keepd_now_ns() - t);
	return r;
}

/* What is held may leave. Those who get an answer now are likely to ask again at once: the next commit waits for them a little. */
static void release(struct keepd *k)
{
	bool answers = false;
	for (struct conn *c = k->conns; c; c = c->next) {
		c->n_released = c->n_held;
		answers |= c->held_ends > 0;
	}
	if (answers)
		k->pace.due = 0;
	for (struct conn *c = k->conns; answers && c; c = c->next) {
		c->due = c->held_ends;
		c->held_ends = 0;
		k->pace.due += c->due;
	}
	/* the runtime first: it should hold the ticket when the client sends its request */
	if (k->runtime)
		conn_flush(k->runtime);
	for (struct conn *c = k->conns; c; c = c->next)
		conn_flush(c);
}

void keepd_sync_end(struct keepd *k)
{
	u64 took;
	if (!k->syncing)
		return;
	int synced = sync_wait(k->syncer, &took);
	k->syncing = false;
	if (audit_log_commit_end(k->log, synced) || audit_log_failed(k->log))
		shut(k);
	paced(k, took);
	release(k);
}

/* An effect may find something to record: then once more, before anything leaves. */
void keepd_turn_end(struct keepd *k)
{
	keepd_sync_end(k);
	k->reserve.looked = false;
	do {
		conn_reap(k);
		int r = commit(k);
		if (r > 0)
			return;
		if (r < 0)
			shut(k);
		keepd_effects(k);
	} while (audit_log_dirty(k->log) || k->effects);
	if (audit_log_failed(k->log)) {
		shut(k);
		keepd_effects(k);
	}
	hold(k);
	release(k);
}
