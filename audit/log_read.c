/* Reading the log: lines, answers, rows of state, files. A line that this process has not re-read yet (log.h, "unread") is proven by
 * itself before it is shown to anybody. */
#include "audit/log_db.h"
#include "audit/log_retain.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

u64 audit_log_size(const struct audit_log *log)
{
	return log->failed ? log->head_size : log->tree.size;
}

const struct note_key *audit_log_key(const struct audit_log *log)
{
	return &log->key;
}

const char *audit_log_boot(const struct audit_log *log)
{
	return log->boot;
}

const char *audit_log_note(const struct audit_log *log)
{
	return log->note;
}

struct merkle_hash audit_log_root(const struct audit_log *log)
{
	return log->failed ? log->head_root : tlog_merkle_root(&log->tree);
}

/* Is this the leaf of record `index` in the tree of the signed head? 0; 1 no; -errno. */
static int prove(struct audit_log *log, u64 index, const struct merkle_hash *leaf)
{
	struct merkle_source src = audit_log_hashes(log);
	struct merkle_proof p;
	int r = tlog_merkle_inclusion(&src, index, log->head_size, &p);
	if (r)
		return r;
	return tlog_merkle_inclusion_check(
		&(struct merkle_included){ index, log->head_size, leaf, &log->head_root, p.h, p.n });
}

u64 audit_log_unread(const struct audit_log *log)
{
	return log->unread_to - log->unread_from;
}

bool audit_log_unread_in(const struct audit_log *log, u64 from, u64 to)
{
	return MAX(from, log->unread_from) < MIN(to, log->unread_to);
}

/* May record `index` be without its text? The state says what was pruned, and a record vouches for the state. 0; 1 no; -errno. */
static int may_be_pruned(struct audit_log *log, u64 index)
{
	struct retain_state *s = malloc(sizeof *s);
	int r = s ? audit_log_retain(log, s) : err_origin(-ENOMEM);
	bool may = false;
	for (u32 i = 0; !r && i < s->n_archives; i++)
		may |= s->archives[i].pruned && index >= s->archives[i].from && index < s->archives[i].to;
	free(s);
	return r ? r : may ? 0 : 1;
}

static int distrust(struct audit_log *log, u64 index, const char *why)
{
	if (log->ready)
		audit_log_distrust(log, index, why);
	return err_origin(-EBADMSG);
}

/* What was read of a row. */
struct line {
	u64 index;
	const void *text, *leaf;
	size_t len, leaf_len;
};

/* 0 the line may be shown, and none before it was left out; -errno: it is not the one that was signed, and the log has failed. */
static int vouch(struct audit_log *log, u64 want, const struct line *l)
{
	struct merkle_hash leaf;
	if (l->index != want && audit_log_unread_in(log, want, want + 1))
		return distrust(log, want, "it is missing");
	if (!audit_log_unread_in(log, l->index, l->index + 1))
		return 0;
	int r = l->len ? 0 : may_be_pruned(log, l->index);
	if (l->len)
		leaf = tlog_merkle_leaf(l->text, l->len);
	else if (l->leaf_len == sizeof leaf)
		memcpy(&leaf, l->leaf, sizeof leaf);
	else
		r = 1;
	r = r ? r : prove(log, l->index, &leaf);
	return r ? distrust(log, l->index, "it is not the one that was signed") : 0;
}

/* Of a log that has failed, what stands behind the last durable head is shown to nobody: SQLite may have rows there of a commit whose sync
 * did not work. */
static u64 shown(const struct audit_log *log, u64 first, u64 count)
{
	u64 most = first < log->head_size ? log->head_size - first : 0;
	return log->failed ? MIN(count, most) : count;
}

int audit_log_lines(struct audit_log *log, u64 first, u64 count,
	int (*fn)(void *arg, u64 index, const char *line, size_t len), void *arg)
{
	count = shown(log, first, count);
	sqlite3_stmt *s = audit_log_stmt(log, SQL_LINES);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)MIN(first, (u64)INT64_MAX));
	sqlite3_bind_int64(s, 2, (sqlite3_int64)MIN(count, (u64)INT64_MAX));
	int r = 0, rc;
	u64 want = first;
	while (!r && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct line l = { .index = (u64)sqlite3_column_int64(s, 0),
			.text = sqlite3_column_blob(s, 1),
			.len = (size_t)sqlite3_column_bytes(s, 1),
			.leaf = sqlite3_column_blob(s, 2),
			.leaf_len = (size_t)sqlite3_column_bytes(s, 2) };
		char pruned[PRUNED_LINE_BYTES];
		r = vouch(log, want, &l);
		if (l.len == 0) {
			l.len = audit_pruned_line(l.index, l.leaf, l.leaf_len, pruned);
			l.text = pruned;
		}
		if (!r)
			r = fn(arg, l.index, l.text, l.len);
		want = l.index + 1;
	}
	if (!r && rc != SQLITE_DONE)
		r = err_origin(audit_log_errno(rc));
	sqlite3_reset(s);
	if (!r && want - first < count && audit_log_unread_in(log, want, want + 1))
		r = distrust(log, want, "it is missing");
	return r;
}

int audit_log_answer(struct audit_log *log, u64 intent, u64 *ret_index)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_ANSWER);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)intent);
	int rc = sqlite3_step(s);
	u64 index = rc == SQLITE_ROW ? (u64)sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	if (rc == SQLITE_ROW && !shown(log, index, 1))
		return 1;
	if (rc == SQLITE_ROW)
		*ret_index = index;
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? 1 : err_origin(audit_log_errno(rc));
}

/* A row begins with its key: a digest, or a name with the 0 behind it. */
static bool keyed(sqlite3_stmt *s, enum log_sql which)
{
	const u8 *row = sqlite3_column_blob(s, 0), *key = sqlite3_column_blob(s, 1);
	size_t n = (size_t)sqlite3_column_bytes(s, 1);
	bool whole = which == SQL_MODELS ? n == MODEL_DIGEST_BYTES : n <= NAME_LEN_MAX && row[n] == 0;
	return whole && key && memcmp(row, key, n) == 0;
}

/* Every row of a state table, each exactly row_len bytes, to rows[max]. */
static int read_rows(
	struct audit_log *log, enum log_sql which, void *rows, size_t row_len, u32 max, u32 *ret_n)
{
	sqlite3_stmt *s = audit_log_stmt(log, which);
	u32 n = 0;
	int r = 0, rc;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (n == max || (size_t)sqlite3_column_bytes(s, 0) != row_len || !keyed(s, which)) {
			r = 1;
			break;
		}
		memcpy((u8 *)rows + n++ * row_len, sqlite3_column_blob(s, 0), row_len);
	}
	if (!r && rc != SQLITE_DONE)
		r = err_origin(audit_log_errno(rc));
	sqlite3_reset(s);
	*ret_n = n;
	return r;
}

/* A row that is there at most once; zeros when it is not. */
static int read_single(struct audit_log *log, const char *name, void *row, size_t len)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_SINGLE);
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	int rc = sqlite3_step(s), r = 0;
	if (rc == SQLITE_ROW && (size_t)sqlite3_column_bytes(s, 0) == len)
		memcpy(row, sqlite3_column_blob(s, 0), len);
	else if (rc == SQLITE_ROW)
		r = 1;
	else if (rc != SQLITE_DONE)
		r = err_origin(audit_log_errno(rc));
	sqlite3_reset(s);
	return r;
}

int audit_log_blob(struct audit_log *log, const u8 digest[SHA256_BYTES], u8 **ret, size_t *ret_len)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_BLOB);
	sqlite3_bind_blob(s, 1, digest, SHA256_BYTES, SQLITE_STATIC);
	int rc = sqlite3_step(s),
	    r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 1 : err_origin(audit_log_errno(rc));
	size_t len = rc == SQLITE_ROW ? (size_t)sqlite3_column_bytes(s, 0) : 0;
	u8 *copy = len ? malloc(len) : NULL, found[SHA256_BYTES];
	if (len && !copy)
		r = err_origin(-ENOMEM);
	if (copy) {
		memcpy(copy, sqlite3_column_blob(s, 0), len);
		sha256_of(copy, len, found);
		r = memcmp(found, digest, sizeof found) ? 1 : 0;
	}
	sqlite3_reset(s);
	if (r) {
		free(copy);
		return r;
	}
	*ret = copy;
	*ret_len = len;
	return 0;
}

static bool trust_row_ok(const struct trust_row *t)
{
	return bytes_str_ok(t->name, sizeof t->name) && t->der_len <= KEY_DER_BYTES_MAX &&
	       t->kind >= TRUST_KEY && t->kind <= TRUST_CLIENTS && t->bytes <= TRUST_FILE_BYTES_MAX &&
	       bytes_str_ok(t->models, sizeof t->models) && bytes_str_ok(t->serves, sizeof t->serves);
}

int audit_log_state(struct audit_log *log, struct audit_state *ret)
{
	memset(ret, 0, sizeof *ret);
	int r = read_single(log, "policy", &ret->policy, sizeof ret->policy);
	if (!r)
		r = read_single(log, "clock", &ret->clock, sizeof ret->clock);
	if (!r)
		r = read_rows(
			log, SQL_TRUST, ret->trust, sizeof ret->trust[0], TRUST_KEYS_MAX, &ret->n_trust);
	if (!r)
		r = read_rows(
			log, SQL_MODELS, ret->models, sizeof ret->models[0], MODELS_MAX, &ret->n_models);
	if (!r)
		r = audit_log_state_tables(log, ret);
	if (!r)
		r = audit_log_retain(log, &ret->retain);
	for (u32 i = 0; !r && i < ret->n_trust; i++)
		if (!trust_row_ok(&ret->trust[i]))
			r = 1;
	for (u32 i = 0; !r && i < ret->n_models; i++) {
		const struct model_row *m = &ret->models[i];
		if (!bytes_str_ok(m->name, sizeof m->name) || !bytes_str_ok(m->signer, sizeof m->signer) ||
			!bytes_str_ok(m->reason, sizeof m->reason) || m->n_files > MODEL_FILES_MAX ||
			m->n_bundles > BUNDLES_MAX)
			r = 1;
	}
	if (!r && (!bytes_str_ok(ret->clock.boot, sizeof ret->clock.boot) ||
			  ret->policy.bytes > POLICY_FILE_BYTES_MAX))
		r = 1;
	if (r)
		memset(ret, 0, sizeof *ret);
	return r;
}
