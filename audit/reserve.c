/* Room for the log, by account and by reserve.
 *
 *   kept     what must stay free for what is under way: the WAL and the move of it into the database (LOG_KEPT_BYTES), and for every
 *            open session, load and request the record that ends it. Users and operators are let through only beyond that, so what was
 *            let through can always be recorded.
 *   reserve  a file of LOG_RESERVE_BYTES that is allocated while there is room. When less than LOG_FREE_MIN_BYTES are free, before a
 *            commit, it gives back as much: to the officer's and the auditor's acts, and to what was under way when somebody else filled
 *            the medium. When there is room again, it is allocated again.
 *
 * The medium is looked at every second: crossing 75 and 95 percent, and falling below again, are records. */
#define _GNU_SOURCE
#include "audit/keepd.h"
#include "base/daemon.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOOK_NS	    1000000000u
#define STEP_BYTES  (1u << 20) /* the reserve gives back in steps of so much */
#define MARK_BEHIND 2u	       /* percent below a mark at which it is over, so that it does not flutter */

static const u32 marks[] = { 95, 75 };

static int look(const struct keepd *k, struct statvfs *ret)
{
	return fstatvfs(k->store.dir, ret) < 0 ? err_errno() : 0;
}

/* What was free when this turn first asked: nothing is written before its commit. */
static int look_once(struct keepd *k, struct statvfs *ret)
{
	if (!k->reserve.looked) {
		int r = look(k, &k->reserve.seen);
		if (r)
			return r;
		k->reserve.looked = true;
	}
	*ret = k->reserve.seen;
	return 0;
}

static u64 free_of(const struct statvfs *v)
{
	return (u64)v->f_bavail * v->f_frsize;
}

/* Of what an unprivileged process could ever use. */
static u32 percent_of(const struct statvfs *v)
{
	u64 used = v->f_blocks - v->f_bfree, all = used + v->f_bavail;
	return all ? (u32)((used * 100 + all - 1) / all) : 100;
}

static u64 kept(const struct keepd *k)
{
	u64 open = (u64)k->n_tickets + k->n_sessions +
		   (k->import != NULL) * RECORD_BYTES_MAX / LOG_OUTCOME_BYTES;
	for (const struct grant *g = k->grants; g; g = g->next)
		open++;
	return LOG_KEPT_BYTES + open * LOG_OUTCOME_BYTES;
}

u64 reserve_room(const struct keepd *k)
{
	struct statvfs v;
	if (look(k, &v))
		return 0;
	u64 keep = kept(k), is = free_of(&v);
	return is > keep ? is - keep : 0;
}

bool reserve_refused(struct keepd *k, u64 need, char why[REASON_LEN_MAX + 1])
{
	struct statvfs v;
	int r = look_once(k, &v);
	u64 is = r ? 0 : free_of(&v), keep = need ? kept(k) + 2 * LOG_OUTCOME_BYTES : 0;
	if (need && !r && (is < keep || is - keep < need))
		snprintf(why, REASON_LEN_MAX + 1,
			"store: %" PRIu64 " bytes are free; %" PRIu64 " are needed beyond the %" PRIu64
			" kept for the log",
			is, need, keep);
	else if (!need && !r && is + k->reserve.bytes < STEP_BYTES)
		snprintf(why, REASON_LEN_MAX + 1,
			"store: %" PRIu64 " bytes are free, and the reserve is used up", is);
	else if (r)
		snprintf(why, REASON_LEN_MAX + 1, "store: free space: %s", strerror(-r));
	else
		return false;
	return true;
}

/* ---- the file ---- */

static void allocate(struct keepd *k)
{
	if (posix_fallocate(k->reserve.fd, 0, LOG_RESERVE_BYTES) == 0)
		k->reserve.bytes = LOG_RESERVE_BYTES;
	else if (ftruncate(k->reserve.fd, (off_t)k->reserve.bytes) < 0)
		k->reserve.bytes = 0;
}

int reserve_open(struct keepd *k)
{
	struct stat st;
	struct statvfs v;
	k->reserve.fd = openat(k->store.dir, "reserve", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (k->reserve.fd < 0 || fstat(k->reserve.fd, &st) < 0)
		return errno == ENOSPC ? 0 : err_errno();
	if (!S_ISREG(st.st_mode))
		return err_origin(-EINVAL);
	k->reserve.bytes = MIN((u64)st.st_size, (u64)st.st_blocks * 512);
	int r = look(k, &v);
	if (!r && free_of(&v) + k->reserve.bytes >= LOG_RESERVE_BYTES + LOG_FREE_MIN_BYTES)
		allocate(k);
	return r;
}

static void record(struct keepd *k, const char *why, u64 bytes, u64 is)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_RESERVE, INTENT_NONE, &self);
	jsonw_kv_str(&rec.w, "why", why);
	jsonw_kv_u64(&rec.w, "bytes", bytes);
	jsonw_kv_u64(&rec.w, "left", k->reserve.bytes);
	jsonw_kv_u64(&rec.w, "free", is);
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

void reserve_before_commit(struct keepd *k)
{
	struct statvfs v;
	k->reserve.looked = false;
	if (k->reserve.fd < 0 || !k->reserve.bytes || look(k, &v) || free_of(&v) >= LOG_FREE_MIN_BYTES)
		return;
	u64 want = ALIGN_UP(LOG_FREE_MIN_BYTES - free_of(&v), (u64)STEP_BYTES),
	    give = MIN(want, k->reserve.bytes);
	if (ftruncate(k->reserve.fd, (off_t)(k->reserve.bytes - give)) < 0)
		return;
	k->reserve.bytes -= give;
	daemon_say("reserve: %" PRIu64 " bytes were given back, %" PRIu64 " are left: make room", give,
		k->reserve.bytes);
	record(k, "used", give, free_of(&v));
}

/* ---- every second ---- */

static void record_storage(struct keepd *k, u32 level, const struct statvfs *v)
{
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_STORAGE, INTENT_NONE, &self);
	jsonw_kv_u64(&rec.w, "level", level);
	jsonw_kv_u64(&rec.w, "percent", percent_of(v));
	jsonw_kv_u64(&rec.w, "free", free_of(v));
	jsonw_kv_u64(&rec.w, "total", (u64)v->f_blocks * v->f_frsize);
	if (level)
		daemon_say("store: %u %% of the medium are used", percent_of(v));
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

/* The mark that is crossed now, given the one that was. */
static u32 mark_of(u32 percent, u32 was)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (percent >= marks[i] || (was >= marks[i] && percent + MARK_BEHIND >= marks[i]))
			return marks[i];
	return 0;
}

void reserve_watch(struct keepd *k)
{
	struct statvfs v;
	u64 now = keepd_now_ns();
	if (now < k->reserve.due_ns || audit_log_failed(k->log) || look(k, &v))
		return;
	k->reserve.due_ns = now + LOOK_NS;
	u32 level = mark_of(percent_of(&v), k->reserve.level);
	if (level != k->reserve.level) {
		k->reserve.level = level;
		record_storage(k, level, &v);
	}
	u64 gone = LOG_RESERVE_BYTES - k->reserve.bytes;
	if (k->reserve.fd < 0 || !gone || free_of(&v) < gone + 2 * LOG_FREE_MIN_BYTES)
		return;
	allocate(k);
	if (k->reserve.bytes == LOG_RESERVE_BYTES)
		record(k, "whole", gone, free_of(&v));
}

void reserve_status(const struct keepd *k, struct jsonw *w)
{
	struct statvfs v = { 0 };
	int r = look(k, &v);
	jsonw_kv_u64(w, "disk_free", r ? 0 : free_of(&v));
	jsonw_kv_u64(w, "disk_total", (u64)v.f_blocks * v.f_frsize);
	jsonw_kv_u64(w, "disk_percent", r ? 100 : percent_of(&v));
	jsonw_kv_u64(w, "disk_mark", k->reserve.level);
	jsonw_kv_u64(w, "disk_kept", kept(k));
	jsonw_kv_u64(w, "disk_reserve", k->reserve.bytes);
}
