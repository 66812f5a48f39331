#define _GNU_SOURCE
#include "audit/log_retain.h"
#include "audit/log_db.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- statements: these are rare, so each is made when it is needed ---- */

static void finalize(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}
#define _cleanup_stmt_ _cleanup_(finalize)

static int read_errno(struct audit_log *log)
{
	return err_origin(sqlite3_errcode(log->db) == SQLITE_NOMEM ? -ENOMEM : -EIO);
}

static int make(struct audit_log *log, const char *sql, sqlite3_stmt **ret)
{
	return sqlite3_prepare_v2(log->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : read_errno(log);
}

/* Run it in the transaction of a record that has been appended, so nothing here can become durable without one. */
static int write_one(struct audit_log *log, sqlite3_stmt *s, const char *what)
{
	assert(log->dirty || log->failed);
	log->light = false;
	if (log->failed)
		return err_origin(-EIO);
	if (s && sqlite3_step(s) == SQLITE_DONE)
		return 0;
	int e = sqlite3_errcode(log->db) == SQLITE_FULL ? -ENOSPC : -EIO;
	audit_log_fail(log, "log: %s: %s", what, sqlite3_errmsg(log->db));
	return err_origin(e);
}

static void bind_str(sqlite3_stmt *s, int at, const char *text)
{
	sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

int audit_log_put_retain(struct audit_log *log, const struct retain_state *s)
{
	return audit_log_put_single(log, "retain", &s->set, sizeof s->set);
}

static int put_table(struct audit_log *log, const char *name, const void *rows, size_t len)
{
	return audit_log_put_single(log, name, len ? rows : NULL, len);
}

int audit_log_put_holds(struct audit_log *log, const struct retain_state *s)
{
	return put_table(log, "holds", s->holds, s->n_holds * sizeof s->holds[0]);
}

int audit_log_put_archives(struct audit_log *log, const struct retain_state *s)
{
	return put_table(log, "archives", s->archives, s->n_archives * sizeof s->archives[0]);
}

/* The rows of a table to rows[max]. 0; 1 not whole rows, or too many; -errno. */
static int get_table(struct audit_log *log, const char *name, void *rows, size_t row_len, u32 max, u32 *ret_n)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = make(log, "SELECT row FROM singles WHERE name = ?", &s);
	*ret_n = 0;
	if (r)
		return r;
	bind_str(s, 1, name);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 0 : read_errno(log);
	size_t len = (size_t)sqlite3_column_bytes(s, 0);
	if (len == 0 || len % row_len || len / row_len > max)
		return 1;
	memcpy(rows, sqlite3_column_blob(s, 0), len);
	*ret_n = (u32)(len / row_len);
	return 0;
}

int audit_log_retain(struct audit_log *log, struct retain_state *ret)
{
	u32 n;
	memset(ret, 0, sizeof *ret);
	int r = get_table(log, "retain", &ret->set, sizeof ret->set, 1, &n);
	if (!r)
		r = get_table(log, "holds", ret->holds, sizeof ret->holds[0], HOLDS_MAX, &ret->n_holds);
	if (!r)
		r = get_table(log, "archives", ret->archives, sizeof ret->archives[0], ARCHIVES_MAX,
			&ret->n_archives);
	if (!r && !audit_retain_ok(ret))
		r = 1;
	if (r)
		memset(ret, 0, sizeof *ret);
	return r;
}

/* ---- texts ---- */

int audit_log_put_text(struct audit_log *log, u64 index, const char *subject, const void *data, size_t len)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	if (make(log, "INSERT INTO contents(idx, subject, data) VALUES(?, ?, ?)", &s) == 0) {
		sqlite3_bind_int64(s, 1, (sqlite3_int64)index);
		bind_str(s, 2, subject);
		sqlite3_bind_blob(s, 3, data, (int)len, SQLITE_STATIC);
	}
	return write_one(log, s, "text");
}

int audit_log_text(struct audit_log *log, u64 index, u8 **ret, size_t *ret_len)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = make(log, "SELECT data FROM contents WHERE idx = ?", &s);
	if (r)
		return r;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)MIN(index, (u64)INT64_MAX));
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 1 : read_errno(log);
	size_t len = (size_t)sqlite3_column_bytes(s, 0);
	const void *data = sqlite3_column_blob(s, 0);
	if (!data || !len)
		return 1;
	u8 *copy = malloc(len);
	if (!copy)
		return err_origin(-ENOMEM);
	memcpy(copy, data, len);
	*ret = copy;
	*ret_len = len;
	return 0;
}

int audit_log_texts(struct audit_log *log, const char *subject, struct texts_count *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = make(log,
		subject ? "SELECT count(*), total(length(data)) FROM contents WHERE subject = ?"
			: "SELECT count(*), total(length(data)) FROM contents",
		&s);
	if (r)
		return r;
	if (subject)
		bind_str(s, 1, subject);
	if (sqlite3_step(s) != SQLITE_ROW)
		return read_errno(log);
	ret->n = (u64)sqlite3_column_int64(s, 0);
	ret->bytes = (u64)sqlite3_column_double(s, 1);
	return 0;
}

int audit_log_drop_texts(struct audit_log *log, const char *subject)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	if (make(log, "DELETE FROM contents WHERE subject = ?", &s) == 0)
		bind_str(s, 1, subject);
	return write_one(log, s, "texts");
}

/* ---- pruning ---- */

void audit_prune_fini(struct prune_plan *p)
{
	free(p->due);
	p->due = NULL;
}

void audit_pruned_hash(struct sha256 *h, u64 index)
{
	sha256_update(h, &index, sizeof index);
}

size_t audit_pruned_line(u64 index, const void *leaf, size_t leaf_len, char out[128])
{
	struct jsonw w;
	jsonw_init(&w, out, 128);
	jsonw_object(&w);
	jsonw_kv_u64(&w, "v", 1);
	jsonw_kv_u64(&w, "index", index);
	jsonw_kv_hex(&w, "pruned", leaf, MIN(leaf_len, sizeof(struct merkle_hash)));
	jsonw_object_end(&w);
	return w.len;
}

static int due_add(struct prune_plan *p, u64 index)
{
	if (p->n_due == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 1024;
		u64 *more = realloc(p->due, cap * sizeof *more);
		if (!more)
			return err_origin(-ENOMEM);
		p->due = more;
		p->cap = cap;
	}
	p->due[p->n_due++] = index;
	return 0;
}

static bool inside(const struct prune_want *w, u64 index)
{
	return index >= w->from && index < w->to;
}

/* Event of a record. 0; 1 no such record, or pruned; -errno. */
static int event_of(struct audit_log *log, u64 index, u32 *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = make(log, "SELECT event FROM records WHERE idx = ?", &s);
	if (r)
		return r;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)index);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 1 : read_errno(log);
	*ret = (u32)sqlite3_column_int64(s, 0);
	return *ret ? 0 : 1;
}

struct row {
	u64 index, intent;
	u32 event;
};

/* 0 it is due; 1 it stays; -errno. An intent and its answer go together or stay together. */
static int row_due(struct audit_log *log, const struct prune_want *w, const struct row *row)
{
	u32 class = audit_retain_class(row->event), event;
	const struct audit_event_info *info = audit_event_info(row->event);
	u64 answer;
	if (class == RETAIN_ASK) {
		int r = event_of(log, row->intent, &event);
		if (r)
			return r;
		class = audit_retain_class(event);
	}
	if (!info || class >= RETAIN_CLASSES || !(w->classes >> class & 1))
		return 1;
	if (info->flags & EVENT_CLOSES)
		return inside(w, row->intent) ? 0 : 1;
	if (!(info->flags & EVENT_OPENS))
		return 0;
	int r = audit_log_answer(log, row->index, &answer);
	return r ? r : inside(w, answer) ? 0 : 1;
}

static int plan_row(struct audit_log *log, const struct prune_want *w, const struct row *row,
	struct prune_plan *p, struct sha256 *set)
{
	int r = row->event ? row_due(log, w, row) : 0;
	if (!r && row->event)
		r = due_add(p, row->index);
	if (!r) {
		audit_pruned_hash(set, row->index);
		p->n++;
	}
	return MIN(r, 0);
}

int audit_prune_plan(struct audit_log *log, const struct prune_want *w, struct prune_plan *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct prune_plan p = { 0 };
	struct sha256 set;
	int rc = SQLITE_DONE,
	    r = make(log, "SELECT idx, event, intent FROM records WHERE idx >= ? AND idx < ? ORDER BY idx",
		    &s);
	if (r)
		return r;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)w->from);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)MIN(w->to, (u64)INT64_MAX));
	sha256_init(&set);
	while (!r && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct row row = { (u64)sqlite3_column_int64(s, 0), (u64)sqlite3_column_int64(s, 2),
			(u32)sqlite3_column_int64(s, 1) };
		r = plan_row(log, w, &row, &p, &set);
	}
	sha256_final(&set, p.set);
	if (!r && rc != SQLITE_DONE)
		r = read_errno(log);
	if (r) {
		audit_prune_fini(&p);
		return r;
	}
	*ret = p;
	return 0;
}

static int empty_each(struct audit_log *log, const struct prune_plan *p, const char *sql)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = make(log, sql, &s);
	for (size_t i = 0; !r && i < p->n_due; i++) {
		sqlite3_bind_int64(s, 1, (sqlite3_int64)p->due[i]);
		r = write_one(log, s, "prune");
		sqlite3_reset(s);
	}
	return r && !log->failed ? write_one(log, NULL, "prune") : r;
}

int audit_prune_do(struct audit_log *log, const struct prune_plan *p)
{
	log->prunes++;
	int r = empty_each(log, p, "UPDATE records SET line = x'', event = 0, intent = NULL WHERE idx = ?");
	return r ? r : empty_each(log, p, "DELETE FROM contents WHERE idx = ?");
}

int audit_log_next(struct audit_log *log, u64 from, u32 event, u64 *ret_index)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = make(log, "SELECT idx FROM records WHERE idx >= ? AND event = ? ORDER BY idx LIMIT 1", &s);
	if (r)
		return r;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)MIN(from, (u64)INT64_MAX));
	sqlite3_bind_int64(s, 2, event);
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*ret_index = (u64)sqlite3_column_int64(s, 0);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? 1 : read_errno(log);
}

/* ---- the write-ahead log ---- */

/* Zeros over the whole file, durable. */
static int overwrite(const char *path)
{
	static const u8 zeros[65536];
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	u64 size;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno();
	int r = fd_regular_size(fd, &size);
	for (u64 at = 0; !r && at < size; at += sizeof zeros)
		r = fd_pwrite_all(fd, zeros, MIN(size - at, sizeof zeros), at);
	if (!r && fdatasync(fd) < 0)
		r = err_errno();
	return MIN(r, 0);
}

/* RESTART: everything is in the database, synced, and the next writer begins at the file's start; so what lies in the file may go. */
int audit_log_scrub(struct audit_log *log)
{
	char path[4096];
	assert(!log->dirty);
	if (log->failed)
		return err_origin(-EIO);
	const char *db = sqlite3_db_filename(log->db, "main");
	int rc = sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL), r = 0;
	if (rc == SQLITE_OK && (!db || (size_t)snprintf(path, sizeof path, "%s-wal", db) >= sizeof path))
		r = err_origin(-ENAMETOOLONG);
	if (rc == SQLITE_OK && !r)
		r = overwrite(path);
	if (rc == SQLITE_OK && !r)
		rc = sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (rc == SQLITE_OK && !r) {
		log->wal_pages = 0;
		return 0;
	}
	audit_log_fail(log, "log: what was deleted could not be overwritten: %s",
		r ? strerror(-r) : sqlite3_errmsg(log->db));
	return err_origin(r ? r : -EIO);
}
