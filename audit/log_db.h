/* Inside of the log, shared by log.c (writes, reads) and check.c (verifies). */
#pragma once

#include "audit/log.h"

#include <sodium.h>
#include <sqlite3.h>

#define SIGNED_TEXT_MAX \
	(NOTE_NAME_MAX + 128u) /* bytes of the text that a head's or record's signature covers */

enum log_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_APPEND,
	SQL_HEAD_PUT,
	SQL_HEAD,
	SQL_LINES,
	SQL_ROWS,
	SQL_LEAVES,
	SQL_NODE_PUT,
	SQL_NODES,
	SQL_NODES_COUNT,
	SQL_ANSWER,
	SQL_TRUST_PUT,
	SQL_TRUST_DROP,
	SQL_TRUST,
	SQL_MODEL_PUT,
	SQL_MODELS,
	SQL_SINGLE_PUT,
	SQL_SINGLE,
	SQL_BLOB_PUT,
	SQL_BLOB_DROP,
	SQL_BLOB,
	SQL_COUNT
};

struct audit_log {
	sqlite3 *db;
	sqlite3_stmt *stmt[SQL_COUNT];
	struct note_key key;
	struct merkle tree; /* with the records of the open transaction */
	char boot[33];
	char note[1024]; /* the head of the last commit */
	u64 head_size;
	struct merkle_hash head_root;
	bool ready; /* checked (or fresh): the tree is that of the rows */
	bool dirty; /* a transaction is open */
	int wal_pages;
	bool failed;
	char why[REASON_LEN_MAX + 1];
};

/* The statement, reset and unbound. */
sqlite3_stmt *audit_log_stmt(struct audit_log *log, enum log_sql which);
/* Text that the signature of record size-1 covers; its length. */
size_t audit_log_signed_text(
	const struct audit_log *log, u64 size, const struct merkle_hash *root, char *out, size_t cap);

/* ---- nodes.c: the roots of complete subtrees ---- */

/* Store the nodes that the last leaf completed: path as tlog_merkle_add_path left it, `levels` its result. SQLITE_DONE, or an error. */
_must_use_ int audit_nodes_put(
	struct audit_log *log, u64 size, u32 levels, const struct merkle_hash path[MERKLE_PROOF_MAX + 1]);
/* Compare them with the stored ones. 0 they are there; 1 not; -errno. */
_must_use_ int audit_nodes_check(
	struct audit_log *log, u64 size, u32 levels, const struct merkle_hash path[MERKLE_PROOF_MAX + 1]);
/* Are there exactly as many as a tree of that size has? 0 yes; 1 no; -errno. */
_must_use_ int audit_nodes_count(struct audit_log *log, u64 size);
