/* Who is the first? The check found that the root is not the signed one, or that a row is bad in itself; then one before it may have been
 * replaced more carefully. Every commit's seal is held against the rows that are there: its signature first, then mark for mark, then
 * the root. The first record that no seal vouches for is the one that is named. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct suspect {
	struct audit_check *c;
	const struct audit_log *log;
	struct merkle tree;
	u64 first; /* record behind the last seal that held */
	u8 *marks; /* of the records since */
	size_t n, cap;
	bool found;
};

static int name(struct suspect *s, u64 index, const char *what)
{
	s->found = true;
	return audit_check_bad(s->c, index, "record %" PRIu64 " %s", index, what);
}

static int mark(struct suspect *s, const struct merkle_hash *leaf)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 1024;
		u8 *p = realloc(s->marks, cap * SEAL_MARK_BYTES);
		if (!p)
			return err_origin(-ENOMEM);
		s->marks = p;
		s->cap = cap;
	}
	memcpy(s->marks + s->n++ * SEAL_MARK_BYTES, leaf->b, SEAL_MARK_BYTES);
	return 0;
}

/* The seal of the tree that ends with record size - 1, of which s->n records since s->first are there. */
static int judge(struct suspect *s, u64 size, const void *data, size_t len)
{
	struct seal seal;
	if (audit_seal_open(s->log, size, data, len, &seal))
		return name(s, s->first, "is not vouched for: the seal of its commit is damaged");
	if (seal.first != s->first)
		return name(s, s->first, "is not vouched for: the seal of its commit is missing");
	for (size_t i = 0; i < s->n; i++)
		if (memcmp(s->marks + i * SEAL_MARK_BYTES, seal.marks + i * SEAL_MARK_BYTES,
			    SEAL_MARK_BYTES) != 0)
			return name(s, s->first + i, "is not the one that was signed");
	if (s->first + s->n < size)
		return 0;
	struct merkle_hash root = tlog_merkle_root(&s->tree);
	if (memcmp(root.b, seal.root.b, sizeof root.b) != 0)
		return name(s, s->first, "or one of its commit is not the one that was signed");
	s->first = size;
	s->n = 0;
	return 0;
}

static int each(struct suspect *s, sqlite3_stmt *st)
{
	const void *line = sqlite3_column_blob(st, 1);
	struct merkle_hash leaf = { 0 };
	if (line)
		leaf = tlog_merkle_leaf(line, (size_t)sqlite3_column_bytes(st, 1));
	else if (sqlite3_column_bytes(st, 3) == (int)sizeof leaf.b) /* the text was taken, the hash stays */
		memcpy(leaf.b, sqlite3_column_blob(st, 3), sizeof leaf.b);
	tlog_merkle_add(&s->tree, &leaf);
	int r = mark(s, &leaf);
	if (r || sqlite3_column_type(st, 2) == SQLITE_NULL)
		return r;
	return judge(s, s->tree.size, sqlite3_column_blob(st, 2), (size_t)sqlite3_column_bytes(st, 2));
}

static int all_rows(struct suspect *s, struct audit_log *log, u64 n)
{
	sqlite3_stmt *st = audit_log_stmt(log, SQL_SEALED);
	sqlite3_bind_int64(st, 1, 0);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)n);
	int r = 0, rc = SQLITE_DONE;
	while (!r && !s->found && (rc = sqlite3_step(st)) == SQLITE_ROW)
		r = each(s, st);
	if (!r && !s->found && rc != SQLITE_DONE && (rc & 0xff) != SQLITE_CORRUPT)
		r = err_origin(-EIO);
	sqlite3_reset(st);
	return r;
}

/* The seal of the commit in the middle of which the bad row stands. */
static int next_seal(struct suspect *s, struct audit_log *log)
{
	sqlite3_stmt *st = audit_log_stmt(log, SQL_SEAL_NEXT);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)s->tree.size);
	int r = 0;
	if (s->n && sqlite3_step(st) == SQLITE_ROW) {
		struct seal seal;
		const void *data = sqlite3_column_blob(st, 1);
		size_t len = (size_t)sqlite3_column_bytes(st, 1);
		u64 size = (u64)sqlite3_column_int64(st, 0) + 1;
		/* one that does not hold, or is not theirs, says nothing about the rows before the bad one */
		if (audit_seal_open(s->log, size, data, len, &seal) == 0 && seal.first == s->first)
			r = judge(s, size, data, len);
	}
	sqlite3_reset(st);
	return r;
}

int audit_suspect_find(struct audit_check *c, struct audit_log *log, bool whole)
{
	struct suspect s = { .c = c, .log = log };
	int r = audit_keys_guess(log);
	if (!r)
		r = all_rows(&s, log, c->next);
	if (!r && !s.found && !whole)
		r = next_seal(&s, log);
	free(s.marks);
	if (r || s.found || !whole)
		return r;
	return s.n ? name(&s, s.first, "is not vouched for: the seal of its commit is missing")
		   : audit_check_bad(c, c->size, "every record is sealed, but the head is of another tree");
}
