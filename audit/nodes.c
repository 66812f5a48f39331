/* Roots of complete subtrees, kept beside the records so that a proof reads a handful of hashes instead of every leaf.
 *
 * A node (level, n) stands for the records [n << level, (n + 1) << level); levels are the multiples of STEP, so there is one node for
 * 15 records, and a proof reads at most 15 hashes for every four levels. Nodes are never believed: the check computes each again, and
 * counts them, so none is missing, none is too many, and a proof made from them verifies against the signed root or is worthless. */
#include "audit/log_db.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

#define STEP 4u

int audit_nodes_put(
	struct audit_log *log, u64 size, u32 levels, const struct merkle_hash path[MERKLE_PROOF_MAX + 1])
{
	int rc = SQLITE_DONE;
	for (u32 l = STEP; l <= levels && rc == SQLITE_DONE; l += STEP) {
		sqlite3_stmt *s = audit_log_stmt(log, SQL_NODE_PUT);
		sqlite3_bind_int64(s, 1, l);
		sqlite3_bind_int64(s, 2, (sqlite3_int64)((size >> l) - 1));
		sqlite3_bind_blob(s, 3, path[l].b, sizeof path[l].b, SQLITE_STATIC);
		rc = sqlite3_step(s);
		int rc2 = sqlite3_reset(s);
		rc = rc == SQLITE_DONE && rc2 != SQLITE_OK ? rc2 : rc;
	}
	return rc;
}

/* Hashes of a statement that is bound: exactly those with the numbers first to first + n - 1. */
static int hashes(sqlite3_stmt *s, u64 first, u32 n, struct merkle_hash *ret)
{
	int rc = SQLITE_ROW;
	u32 i = 0;
	for (; i < n && (rc = sqlite3_step(s)) == SQLITE_ROW; i++) {
		if (sqlite3_column_bytes(s, 0) != (int)sizeof ret[i].b ||
			(u64)sqlite3_column_int64(s, 1) != first + i)
			break;
		memcpy(ret[i].b, sqlite3_column_blob(s, 0), sizeof ret[i].b);
	}
	sqlite3_reset(s);
	return i == n ? 0 : rc == SQLITE_ROW || rc == SQLITE_DONE ? 1 : err_origin(-EIO);
}

/* 0 done; 1 they are not all there; -errno. */
static int stored(struct audit_log *log, u32 level, u64 first, u32 n, struct merkle_hash *ret)
{
	sqlite3_stmt *s = audit_log_stmt(log, level ? SQL_NODES : SQL_LEAVES);
	int at = 1;
	if (level)
		sqlite3_bind_int64(s, at++, level);
	sqlite3_bind_int64(s, at++, (sqlite3_int64)first);
	sqlite3_bind_int64(s, at, n);
	return hashes(s, first, n, ret);
}

int audit_nodes_check(
	struct audit_log *log, u64 size, u32 levels, const struct merkle_hash path[MERKLE_PROOF_MAX + 1])
{
	for (u32 l = STEP; l <= levels; l += STEP) {
		struct merkle_hash h;
		int r = stored(log, l, (size >> l) - 1, 1, &h);
		if (r)
			return r;
		if (memcmp(h.b, path[l].b, sizeof h.b) != 0)
			return 1;
	}
	return 0;
}

int audit_nodes_count(struct audit_log *log, u64 size)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_NODES_COUNT);
	u64 want = 0;
	for (u32 l = STEP; l < 64; l += STEP)
		want += size >> l;
	int rc = sqlite3_step(s);
	bool same = rc == SQLITE_ROW && (u64)sqlite3_column_int64(s, 0) == want;
	sqlite3_reset(s);
	return rc != SQLITE_ROW ? err_origin(-EIO) : same ? 0 : 1;
}

static int row(void *arg, u32 level, u64 first, u32 n, struct merkle_hash *ret)
{
	int r = stored(arg, level, first, n, ret);
	return r > 0 ? err_origin(-EIO) : r;
}

struct merkle_source audit_log_hashes(struct audit_log *log)
{
	return (struct merkle_source){ row, log, STEP };
}
