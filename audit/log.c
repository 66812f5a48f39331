#include "audit/log.h"
#include "audit/log_db.h"
#include "audit/log_retain.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAL_PAGES_LONG \
	4000 /* pages of 4 KiB: about 1,200 requests between two moves, each of which takes two syncs */

static const char *const sql[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_APPEND] = "INSERT INTO records(idx, event, intent, line, leaf) VALUES(?, ?, ?, ?, ?)",
	[SQL_SEAL_PUT] = "UPDATE records SET seal = ? WHERE idx = ?",
	[SQL_HEAD_PUT] = "UPDATE head SET size = ?, root = ?, note = ? WHERE id = 0",
	[SQL_HEAD] = "SELECT size, root, note FROM head WHERE id = 0",
	[SQL_LINES] = "SELECT idx, line, leaf FROM records WHERE idx >= ? ORDER BY idx LIMIT ?",
	[SQL_ROWS] = "SELECT idx, event, intent, line, leaf FROM records WHERE idx >= ? ORDER BY idx LIMIT ?",
	[SQL_SEALED] = "SELECT idx, line, seal, leaf FROM records WHERE idx >= ? ORDER BY idx LIMIT ?",
	[SQL_SEAL_NEXT] =
		"SELECT idx, seal FROM records WHERE idx >= ? AND seal IS NOT NULL ORDER BY idx LIMIT 1",
	[SQL_LEAVES] = "SELECT leaf, idx FROM records WHERE idx >= ? ORDER BY idx LIMIT ?",
	[SQL_NODE_PUT] = "INSERT INTO nodes(level, n, hash) VALUES(?, ?, ?)",
	[SQL_NODES] = "SELECT hash, n FROM nodes WHERE level = ? AND n >= ? ORDER BY n LIMIT ?",
	[SQL_NODES_COUNT] = "SELECT count(*) FROM nodes",
	[SQL_ANSWER] = "SELECT idx FROM records WHERE intent = ? ORDER BY idx LIMIT 1",
	[SQL_ANSWERS] =
		"SELECT intent, idx FROM records INDEXED BY answers WHERE intent IS NOT NULL ORDER BY intent",
	[SQL_TRUST_PUT] = "INSERT OR REPLACE INTO trust(name, row) VALUES(?, ?)",
	[SQL_TRUST_DROP] = "DELETE FROM trust WHERE name = ?",
	[SQL_TRUST] = "SELECT row, name FROM trust ORDER BY name",
	[SQL_MODEL_PUT] = "INSERT OR REPLACE INTO models(digest, row) VALUES(?, ?)",
	[SQL_MODELS] = "SELECT row, digest FROM models ORDER BY digest",
	[SQL_SINGLE_PUT] = "INSERT OR REPLACE INTO singles(name, row) VALUES(?, ?)",
	[SQL_SINGLE_DROP] = "DELETE FROM singles WHERE name = ?",
	[SQL_SINGLE] = "SELECT row FROM singles WHERE name = ?",
	[SQL_BLOB_PUT] = "INSERT OR REPLACE INTO blobs(digest, data) VALUES(?, ?)",
	[SQL_BLOB_DROP] = "DELETE FROM blobs WHERE digest = ?",
	[SQL_BLOBS] = "SELECT data, digest FROM blobs NOT INDEXED",
	[SQL_BLOB] = "SELECT data FROM blobs WHERE digest = ?",
};

static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE records(idx INTEGER PRIMARY KEY, event INTEGER NOT NULL, intent INTEGER,"
	" line BLOB NOT NULL, leaf BLOB NOT NULL, seal BLOB);"
	"CREATE TABLE nodes(level INTEGER NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL,"
	" PRIMARY KEY(level, n)) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX answers ON records(intent) WHERE intent IS NOT NULL;"
	"CREATE TABLE head(id INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT "
	"NULL);"
	"CREATE TABLE trust(name TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE models(digest BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE singles(name TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE blobs(digest BLOB PRIMARY KEY, data BLOB NOT NULL);" RETAIN_SCHEMA
	"INSERT INTO meta VALUES('schema', '3');"
	"INSERT INTO head VALUES(0, 0, x'', '');";

int audit_log_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return -EROFS;
	default:
		return -EIO;
	}
}

const char *audit_log_failed(const struct audit_log *log)
{
	return log->failed ? log->why : NULL;
}

void audit_log_fail(struct audit_log *log, const char *fmt, ...)
{
	if (!log->failed) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(log->why, sizeof log->why, fmt, ap);
		va_end(ap);
		log->failed = true;
	}
	if (log->db && !sqlite3_get_autocommit(log->db))
		sqlite3_exec(log->db, "ROLLBACK", NULL, NULL, NULL);
	log->dirty = false;
}

/* A write did not work: close the log. */
static int write_failed(struct audit_log *log, const char *what, int rc)
{
	audit_log_fail(log, "%s: %s", what, sqlite3_errmsg(log->db));
	return err_origin(audit_log_errno(rc));
}

sqlite3_stmt *audit_log_stmt(struct audit_log *log, enum log_sql which)
{
	sqlite3_stmt *s = log->stmt[which];
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return s;
}

/* Run a statement that returns no row. */
static int run(struct audit_log *log, enum log_sql which, const char *what)
{
	int rc = sqlite3_step(log->stmt[which]);
	int rc2 = sqlite3_reset(log->stmt[which]);
	if (rc == SQLITE_DONE && rc2 == SQLITE_OK)
		return 0;
	return write_failed(log, what, rc == SQLITE_DONE ? rc2 : rc);
}

static int begin(struct audit_log *log)
{
	if (log->failed)
		return err_origin(-EIO);
	if (log->dirty)
		return 0;
	audit_log_stmt(log, SQL_BEGIN);
	int r = run(log, SQL_BEGIN, "log: begin");
	if (r)
		return r;
	log->dirty = true;
	log->light = true;
	return 0;
}

/* ---- opening ---- */

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct audit_log *log = arg;
	log->wal_pages = pages;
	return SQLITE_OK;
}

static int boot_id(char out[33])
{
	char text[64] = "";
	_cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno();
	ssize_t n = read(fd, text, sizeof text - 1);
	size_t at = 0;
	for (ssize_t i = 0; i < n && at < 32; i++)
		if ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'))
			out[at++] = text[i];
	out[at] = 0;
	return at == 32 ? 0 : err_origin(-EIO);
}

/* Pragmas in their order: exclusive locking before WAL keeps the WAL index in our own memory, not in a shared mapping. */
static const char pragmas[] =
	"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	"PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; PRAGMA "
	"cell_size_check=ON;"
	"PRAGMA wal_autocheckpoint=0; PRAGMA foreign_keys=OFF; PRAGMA mmap_size=0;";

static int open_db(const char *path, int flags, const struct note_key *key, struct audit_log **ret)
{
	struct audit_log *log = calloc(1, sizeof *log);
	if (!log)
		return err_origin(-ENOMEM);
	log->key = *key;
	log->last_fd = -1;
	randombytes_buf(log->sum_key, sizeof log->sum_key);
	int r = boot_id(log->boot);
	int rc =
		r ? SQLITE_OK : sqlite3_open_v2(path, &log->db, flags | SQLITE_OPEN_NOMUTEX, audit_wal_vfs());
	if (!r && rc == SQLITE_OK)
		rc = sqlite3_exec(log->db, pragmas, NULL, NULL, NULL);
	if (!r && rc == SQLITE_OK)
		sqlite3_wal_hook(log->db, on_wal, log);
	if (!r && rc != SQLITE_OK)
		r = err_origin(audit_log_errno(rc));
	if (r) {
		audit_log_close(&log);
		return r;
	}
	*ret = log;
	return 0;
}

static int prepare(struct audit_log *log)
{
	for (u32 i = 0; i < SQL_COUNT; i++)
		if (sqlite3_prepare_v3(log->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &log->stmt[i], NULL) !=
			SQLITE_OK)
			return 1;
	return 0;
}

void audit_log_close(struct audit_log **plog)
{
	struct audit_log *log = *plog;
	*plog = NULL;
	if (!log)
		return;
	for (u32 i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(log->stmt[i]);
	if (log->failed) /* whatever the write-ahead log holds is evidence */
		sqlite3_db_config(log->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(log->db);
	fd_close(&log->last_fd);
	explicit_bzero(&log->key, sizeof log->key);
	explicit_bzero(&log->old_key, sizeof log->old_key);
	audit_keys_fini(log);
	audit_tail_fini(&log->tail);
	free(log->seal);
	free(log);
}

/* The head row into memory: size, root and note. The tree itself is rebuilt by the check. 0; 1 malformed; -errno. */
static int load_head(struct audit_log *log)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_HEAD);
	int rc = sqlite3_step(s), r = 1;
	if (rc == SQLITE_ROW) {
		int n = sqlite3_column_bytes(s, 2);
		const void *note = sqlite3_column_blob(s, 2);
		if (note && n > 0 && (size_t)n < sizeof log->note && !memchr(note, 0, (size_t)n)) {
			memcpy(log->note, note, (size_t)n);
			log->head_size = (u64)sqlite3_column_int64(s, 0);
			if (sqlite3_column_bytes(s, 1) == (int)sizeof log->head_root.b)
				memcpy(log->head_root.b, sqlite3_column_blob(s, 1), sizeof log->head_root.b);
			r = 0;
		}
	} else if (rc != SQLITE_DONE) {
		r = err_origin(audit_log_errno(rc));
	}
	sqlite3_reset(s);
	return r;
}

/* NULL: this program may read and write it; else why not. What it does not know of, rows and tables beside its own, it leaves alone. */
static const char *schema_refuses(struct audit_log *log)
{
	sqlite3_stmt *s = NULL;
	const char *why = "not a log of this schema";
	if (sqlite3_prepare_v2(log->db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema'", -1,
		    &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW) {
		i64 is = sqlite3_column_int64(s, 0);
		why = is == AUDIT_LOG_SCHEMA  ? NULL
		      : is > AUDIT_LOG_SCHEMA ? "a newer Keep wrote it: put that version in place again"
					      : "an older Keep wrote it, and this one cannot convert it";
	}
	sqlite3_finalize(s);
	return why;
}

int audit_log_open(const char *path, const struct note_key *key, struct audit_log **ret, const char **ret_why)
{
	_cleanup_log_ struct audit_log *log = NULL;
	int r = open_db(path, SQLITE_OPEN_READWRITE, key, &log);
	if (r)
		return r;
	*ret_why = schema_refuses(log);
	if (!*ret_why && prepare(log))
		*ret_why = "not a log of this schema";
	if (*ret_why)
		return 1;
	r = load_head(log);
	if (r < 0)
		return r;
	if (r) {
		*ret_why = "it has no head";
		return 1;
	}
	audit_last_open(log, path);
	*ret = log;
	log = NULL;
	return 0;
}

int audit_log_create(const char *path, const struct note_key *key, const char *version)
{
	if (access(path, F_OK) == 0)
		return -EEXIST;
	_cleanup_log_ struct audit_log *log = NULL;
	int r = open_db(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, key, &log);
	if (r)
		return r;
	int rc = sqlite3_exec(log->db, schema, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return err_origin(audit_log_errno(rc));
	if (prepare(log) || chmod(path, 0600) < 0)
		return err_errno();
	log->ready = true;
	char vkey[NOTE_VKEY_MAX];
	tlog_note_vkey(key, vkey, sizeof vkey);
	struct audit_state *state = calloc(1, sizeof *state);
	if (!state)
		return err_origin(-ENOMEM);
	struct audit_record rec;
	struct audit_actor self = { .uid = getuid(), .pid = (u32)getpid(), .self = true };
	audit_log_record(log, &rec, EVENT_INIT, INTENT_NONE, &self);
	jsonw_kv_str(&rec.w, "origin", key->name);
	jsonw_kv_str(&rec.w, "vkey", vkey);
	jsonw_kv_str(&rec.w, "version", version);
	r = audit_log_append(log, &rec, state);
	free(state);
	if (!r)
		r = audit_log_commit(log);
	return r ? r : audit_log_tidy(log, true);
}

/* ---- writing ---- */

static u64 now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

void audit_log_record(
	struct audit_log *log, struct audit_record *r, u32 event, u64 intent, const struct audit_actor *actor)
{
	assert(log->ready);
	struct audit_record_start s = {
		.index = log->tree.size,
		.time_ns = now_ns(CLOCK_REALTIME),
		.boottime_ns = now_ns(CLOCK_BOOTTIME),
		.intent = intent,
		.event = event,
		.actor = *actor,
	};
	memcpy(s.boot, log->boot, sizeof s.boot);
	audit_record_start(r, &s);
}

/* The row, its place in the tree, the roots that it completes, and what follows from it. */
static int insert(struct audit_log *log, const struct audit_record *r)
{
	struct merkle_hash leaf = tlog_merkle_leaf(r->w.buf, r->w.len), path[MERKLE_PROOF_MAX + 1];
	sqlite3_stmt *s = audit_log_stmt(log, SQL_APPEND);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)r->index);
	sqlite3_bind_int64(s, 2, r->event);
	if (r->intent != INTENT_NONE)
		sqlite3_bind_int64(s, 3, (sqlite3_int64)r->intent);
	sqlite3_bind_blob(s, 4, r->w.buf, (int)r->w.len, SQLITE_STATIC);
	sqlite3_bind_blob(s, 5, leaf.b, sizeof leaf.b, SQLITE_STATIC);
	int e = run(log, SQL_APPEND, "log: append");
	if (e)
		return e;
	u32 levels = tlog_merkle_add_path(&log->tree, &leaf, path);
	int rc = audit_nodes_put(log, log->tree.size, levels, path);
	if (rc != SQLITE_DONE)
		return write_failed(log, "log: nodes", rc);
	struct audit_record_head h = { .index = r->index, .intent = r->intent, .event = r->event };
	e = audit_tail_note(&log->tail, &h, r->w.buf, r->w.len);
	if (!e)
		e = audit_seal_mark(log, &leaf);
	if (!e)
		return 0;
	audit_log_fail(log, e > 0 ? "log: an answer to what is not open" : "out of memory");
	return err_origin(e > 0 ? -EINVAL : e);
}

int audit_log_append(struct audit_log *log, struct audit_record *r, const struct audit_state *state)
{
	if (log->failed)
		return err_origin(-EIO);
	if (audit_event_info(r->event)->flags & EVENT_STATE) {
		u8 digest[SHA256_BYTES];
		audit_state_digest(state, digest);
		jsonw_kv_hex(&r->w, "state", digest, sizeof digest);
	}
	if (audit_record_finish(r)) {
		audit_log_fail(log, "log: a record is longer than %u bytes", RECORD_BYTES_MAX);
		return err_origin(-EMSGSIZE);
	}
	assert(r->index == log->tree.size);
	int e = begin(log);
	if (!e)
		e = insert(log, r);
	log->light = log->light && (audit_event_info(r->event)->flags & EVENT_QUIET);
	if (!e && log->on_record)
		log->on_record(log->on_record_arg, r);
	return e;
}

void audit_log_watch(struct audit_log *log, void (*fn)(void *arg, const struct audit_record *r), void *arg)
{
	log->on_record = fn;
	log->on_record_arg = arg;
}

static int put_row(struct audit_log *log, enum log_sql which, const void *key, size_t key_len,
	const void *row, size_t len)
{
	int r = begin(log);
	if (r)
		return r;
	log->light = false;
	sqlite3_stmt *s = audit_log_stmt(log, which);
	if (which == SQL_MODEL_PUT || which == SQL_BLOB_PUT || which == SQL_BLOB_DROP)
		sqlite3_bind_blob(s, 1, key, (int)key_len, SQLITE_STATIC);
	else
		sqlite3_bind_text(s, 1, key, (int)key_len, SQLITE_STATIC);
	if (row)
		sqlite3_bind_blob(s, 2, row, (int)len, SQLITE_STATIC);
	return run(log, which, "log: state");
}

int audit_log_put_trust(struct audit_log *log, const struct trust_row *row)
{
	return put_row(log, SQL_TRUST_PUT, row->name, strlen(row->name), row, sizeof *row);
}

int audit_log_drop_trust(struct audit_log *log, const char *name)
{
	return put_row(log, SQL_TRUST_DROP, name, strlen(name), NULL, 0);
}

int audit_log_put_model(struct audit_log *log, const struct model_row *row)
{
	return put_row(log, SQL_MODEL_PUT, row->digest, sizeof row->digest, row, sizeof *row);
}

int audit_log_put_policy(struct audit_log *log, const struct policy_row *row)
{
	return put_row(log, SQL_SINGLE_PUT, "policy", 6, row, sizeof *row);
}

int audit_log_put_clock(struct audit_log *log, const struct clock_row *row)
{
	return put_row(log, SQL_SINGLE_PUT, "clock", 5, row, sizeof *row);
}

int audit_log_put_single(struct audit_log *log, const char *name, const void *data, size_t len)
{
	return put_row(log, data ? SQL_SINGLE_PUT : SQL_SINGLE_DROP, name, strlen(name), data, len);
}

int audit_log_put_blob(struct audit_log *log, const u8 digest[SHA256_BYTES], const void *data, size_t len)
{
	assert(len > 0 && len <= INT32_MAX);
	return put_row(log, SQL_BLOB_PUT, digest, SHA256_BYTES, data, len);
}

int audit_log_drop_blob(struct audit_log *log, const u8 digest[SHA256_BYTES])
{
	return put_row(log, SQL_BLOB_DROP, digest, SHA256_BYTES, NULL, 0);
}

/* The seal of this commit's records into the row of the last one; now and then a savepoint as well. */
static int seal(struct audit_log *log, const struct merkle_hash *root)
{
	const void *data;
	size_t len;
	if (log->tree.size == log->head_size)
		return 0;
	audit_seal_make(log, root, &data, &len);
	sqlite3_stmt *s = audit_log_stmt(log, SQL_SEAL_PUT);
	sqlite3_bind_blob(s, 1, data, (int)len, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)log->tree.size - 1);
	int r = run(log, SQL_SEAL_PUT, "log: seal");
	return r || log->tree.size - log->saved_size < SAVE_RECORDS ? r : audit_log_save(log);
}

/* The head row, for all records of the open transaction. */
static int put_head(struct audit_log *log)
{
	struct log_head *h = &log->next;
	char text[SIGNED_TEXT_MAX];
	h->size = log->tree.size;
	h->root = tlog_merkle_root(&log->tree);
	int r = seal(log, &h->root);
	if (r)
		return r;
	tlog_checkpoint_text(log->key.name, h->size, &h->root, text, sizeof text);
	if (audit_key_head(log, text, h->note, sizeof h->note)) {
		audit_log_fail(log, "log: the checkpoint is too long");
		return err_origin(-EMSGSIZE);
	}
	sqlite3_stmt *s = audit_log_stmt(log, SQL_HEAD_PUT);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)h->size);
	sqlite3_bind_blob(s, 2, h->root.b, sizeof h->root.b, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, h->note, -1, SQLITE_STATIC);
	return run(log, SQL_HEAD_PUT, "log: head");
}

static int write_commit(struct audit_log *log)
{
	int r = put_head(log);
	if (r)
		return r;
	audit_log_stmt(log, SQL_COMMIT);
	r = run(log, SQL_COMMIT, "log: commit");
	if (r)
		return r;
	log->dirty = false;
	log->seal_len = 0;
	return 0;
}

/* What was written last is durable. */
static void settle(struct audit_log *log)
{
	memcpy(log->note, log->next.note, sizeof log->note);
	log->head_size = log->next.size;
	log->head_root = log->next.root;
	audit_key_settled(log);
	audit_last_put(log);
}

int audit_log_commit(struct audit_log *log)
{
	assert(!log->next.owed);
	if (log->failed)
		return err_origin(-EIO);
	if (!log->dirty)
		return 0;
	int r = write_commit(log);
	if (!r)
		settle(log);
	return r;
}

bool audit_log_light(const struct audit_log *log)
{
	return log->dirty && log->light && !log->rotating;
}

int audit_log_commit_begin(struct audit_log *log)
{
	assert(audit_log_light(log) && !log->next.owed);
	bool can = audit_wal_put_off(log->db);
	int r = write_commit(log);
	log->next.owed = can ? audit_wal_owed(log->db) : NULL;
	if (r || log->next.owed)
		return r;
	settle(log);
	return 1;
}

int audit_log_sync(const struct audit_log *log)
{
	return audit_wal_sync(log->next.owed);
}

int audit_log_commit_end(struct audit_log *log, int synced)
{
	assert(log->next.owed);
	log->next.owed = NULL;
	if (synced == SQLITE_OK) {
		settle(log);
		return 0;
	}
	audit_log_fail(log, "log: commit: %s", sqlite3_errstr(synced));
	return err_origin(audit_log_errno(synced));
}

bool audit_log_dirty(const struct audit_log *log)
{
	return log->dirty;
}

bool audit_log_wal_long(const struct audit_log *log)
{
	return log->wal_pages >= WAL_PAGES_LONG;
}

int audit_log_tidy(struct audit_log *log, bool force)
{
	if (log->failed || log->dirty || log->next.owed || log->wal_pages < (force ? 1 : WAL_PAGES_LONG))
		return 0;
	int rc = sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return write_failed(log, "log: checkpoint of the WAL", rc);
	log->wal_pages = 0;
	return 0;
}
