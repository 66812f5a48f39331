/* The second thread of keepd. It does one thing: the sync that a commit owes (log.h), while the first goes on reading. */
#pragma once

#include "base/types.h"

struct audit_log;
struct syncer;

/* 0; -errno. */
_must_use_ int sync_start(struct syncer **ret);
/* Waits for a sync that is under way. *s may be NULL. */
void sync_stop(struct syncer **s);
/* Begin; then sync_wait, before the next. */
void sync_begin(struct syncer *s, const struct audit_log *log);
/* Readable from the end of a sync until sync_wait. */
int sync_bell(const struct syncer *s);
/* The same, without a system call. */
bool sync_done(const struct syncer *s);
/* What audit_log_sync returned, and how long it took. */
_must_use_ int sync_wait(struct syncer *s, u64 *ret_ns);
