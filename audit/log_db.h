/* Inside of the log: log.c writes, wal.c puts syncs off, log_read.c reads, seal.c signs, nodes.c keeps subtrees, check.c and suspect.c verify. */
#pragma once

#include "audit/log.h"

#include <sodium.h>
#include <sqlite3.h>

#define SIGNED_TEXT_MAX  \
	(NOTE_NAME_MAX + \
		256u) /* bytes of the text that the signature of a head, a seal or a savepoint covers */
#define SAVE_RECORDS \
	65536u /* records between two savepoints: what a start after a crash re-reads at most, a tenth of a second */

enum log_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_APPEND,
	SQL_SEAL_PUT,
	SQL_HEAD_PUT,
	SQL_HEAD,
	SQL_LINES,
	SQL_ROWS,
	SQL_SEALED,
	SQL_SEAL_NEXT,
	SQL_LEAVES,
	SQL_NODE_PUT,
	SQL_NODES,
	SQL_NODES_COUNT,
	SQL_ANSWER,
	SQL_ANSWERS,
	SQL_TRUST_PUT,
	SQL_TRUST_DROP,
	SQL_TRUST,
	SQL_MODEL_PUT,
	SQL_MODELS,
	SQL_SINGLE_PUT,
	SQL_SINGLE_DROP,
	SQL_SINGLE,
	SQL_BLOB_PUT,
	SQL_BLOB_DROP,
	SQL_BLOBS,
	SQL_BLOB,
	SQL_COUNT
};

/* A key that was replaced: it signed everything up to the commit that holds this record. */
struct log_key {
	u64 index;
	struct note_key key; /* without its secret half */
};

struct audit_log {
	sqlite3 *db;
	sqlite3_stmt *stmt[SQL_COUNT];
	struct note_key key;	 /* the current one */
	struct note_key old_key; /* while the transaction that replaces it is open */
	bool rotating;
	struct log_key *past; /* the keys before, in their order (keys.c); as of the last check */
	u32 n_past;
	struct merkle tree; /* with the records of the open transaction */
	struct audit_tail tail;
	u8 *seal; /* of the open transaction: room for root and signature, then the marks */
	size_t seal_len, seal_cap;
	char boot[33];
	char note[1024]; /* the head of the last commit */
	u64 head_size;
	struct merkle_hash head_root;
	struct log_head { /* of the commit that is being written, or whose sync is under way */
		char note[1024];
		u64 size;
		struct merkle_hash root;
		sqlite3_file *owed; /* NULL: none */
	} next;
	bool light; /* the open transaction holds requests and outcomes, and nothing else */
	u8 sum_key[crypto_shorthash_KEYBYTES]; /* of answers.c */
	int last_fd;			       /* last.c */
	u64 last_size;
	struct merkle_hash last_root;
	u64 saved_size;		    /* of the last savepoint */
	u64 unread_from, unread_to; /* records that only an earlier process has verified */
	u32 prunes;		    /* that this process has done: checks under way look again */
	bool ready;		    /* checked (or fresh): the tree is that of the rows */
	bool dirty;		    /* a transaction is open */
	void (*on_record)(void *arg, const struct audit_record *r);
	void *on_record_arg;
	int wal_pages;
	bool failed;
	char why[REASON_LEN_MAX + 1];
};

/* ---- wal.c: the sync of a commit, later ---- */

/* The name of the file layer that can do so; registered with SQLite at the first call. */
const char *audit_wal_vfs(void);
/* The next commit leaves its sync to be done. False: it cannot, and will sync as always. */
bool audit_wal_put_off(sqlite3 *db);
/* What that commit owes, and an end to putting off; NULL: nothing. */
sqlite3_file *audit_wal_owed(sqlite3 *db);
/* Do it; from any thread, while no other commit is written. SQLite's result. */
int audit_wal_sync(sqlite3_file *owed);

/* The statement, reset and unbound. */
sqlite3_stmt *audit_log_stmt(struct audit_log *log, enum log_sql which);
/* SQLite's result as -errno. */
int audit_log_errno(int rc);
/* A row of the table singles in the open transaction (NULL: remove it). 0 done; -errno and the log has failed. */
_must_use_ int audit_log_put_single(struct audit_log *log, const char *name, const void *data, size_t len);

/* ---- tail.c: what the last records leave open ---- */

/* Record h follows. 0 done; 1 it answers what is not open; -ENOMEM. */
_must_use_ int audit_tail_note(
	struct audit_tail *t, const struct audit_record_head *h, const void *line, size_t len);
_must_use_ int audit_tail_copy(const struct audit_tail *t, struct audit_tail *ret);
void audit_tail_init(struct audit_tail *t);
void audit_tail_fini(struct audit_tail *t);

/* ---- seal.c: what the records of one commit are signed with, and savepoints ---- */

/* A seal is root | Ed25519 signature | a mark for each record of the commit, the first bytes of its leaf hash. It stands in the row of the
 * last of them. Signed is a text with the size and the root of the tree that ends there, and the digest of the marks. */
#define SEAL_MARK_BYTES 8u
#define SEAL_HEAD_BYTES (sizeof(struct merkle_hash) + crypto_sign_BYTES)

/* Remember the mark of a record that was just added. 0; -ENOMEM. */
_must_use_ int audit_seal_mark(struct audit_log *log, const struct merkle_hash *leaf);
/* The seal of all records since the last commit; valid until the next of these calls. */
void audit_seal_make(
	struct audit_log *log, const struct merkle_hash *root, const void **ret, size_t *ret_len);
struct seal {
	struct merkle_hash root;
	u64 first; /* of the records that it covers */
	const u8 *marks;
};
/* The seal in the row of record size - 1. 0 it holds, *ret into data; 1 it does not. */
_must_use_ int audit_seal_open(
	const struct audit_log *log, u64 size, const void *data, size_t len, struct seal *ret);

/* The savepoint into c: the check goes on behind it. 0 done; 1 there is none that holds; -errno. */
_must_use_ int audit_log_saved(struct audit_log *log, struct audit_check *c);

/* ---- last.c: how many records there were ---- */

/* Open the file beside the database at path; what it says into log->last_size and last_root, 0 when it says nothing. */
void audit_last_open(struct audit_log *log, const char *path);
/* The head that was just committed into it. */
void audit_last_put(const struct audit_log *log);

/* ---- answers.c: the index by which an intent's answer is found ---- */

/* Row `index` answers `intent`. */
void audit_answers_note(struct audit_check *c, const struct audit_log *log, u64 intent, u64 index);
/* Does the index hold exactly those, in their order? 0 yes; 1 no; -errno. */
_must_use_ int audit_answers_check(const struct audit_check *c, struct audit_log *log);

/* ---- suspect.c: who is the first ---- */

/* The root of the first c->next records is not the signed one, or record c->next is bad in itself: the first record before it that no seal
 * vouches for, if any, becomes c->first_bad. whole: the tree ends there. 0; -errno. */
_must_use_ int audit_suspect_find(struct audit_check *c, struct audit_log *log, bool whole);

/* Say what is wrong and with which record; returns 0. */
int audit_check_bad(struct audit_check *c, u64 index, const char *fmt, ...) _printf_(3, 4);

/* ---- keys.c ---- */

/* The keys before the record `index` of a key (INTENT_NONE: none) into log->past. 0; 1 the chain is broken at *ret_bad; -errno. */
_must_use_ int audit_keys_load(struct audit_log *log, u64 index, u64 *ret_bad);
/* The same of a log that does not hold: from what stands there as the last record of a key, as far as that can be followed. 0; -errno. */
_must_use_ int audit_keys_guess(struct audit_log *log);
void audit_keys_fini(struct audit_log *log);
/* The key of the commit that begins with record `first`. */
const struct note_key *audit_key_at(const struct audit_log *log, u64 first);
/* Is each key vouched for by the one before it, back to the first? Sets c->done when not. 0; -errno. */
_must_use_ int audit_keys_check(struct audit_check *c, struct audit_log *log);
/* The signed head: by both keys in the commit of a rotation. 0; 1 it does not fit. */
_must_use_ int audit_key_head(struct audit_log *log, const char *text, char *note, size_t cap);
/* The rotation is durable: the old secret is wiped. */
void audit_key_settled(struct audit_log *log);

/* ---- nodes.c: the roots of complete subtrees ---- */

/* Store the nodes that the last leaf completed: path as tlog_merkle_add_path left it, `levels` its result. SQLITE_DONE, or an error. */
_must_use_ int audit_nodes_put(
	struct audit_log *log, u64 size, u32 levels, const struct merkle_hash path[MERKLE_PROOF_MAX + 1]);
/* Compare them with the stored ones. 0 they are there; 1 not; -errno. */
_must_use_ int audit_nodes_check(
	struct audit_log *log, u64 size, u32 levels, const struct merkle_hash path[MERKLE_PROOF_MAX + 1]);
/* Are there exactly as many as a tree of that size has? 0 yes; 1 no; -errno. */
_must_use_ int audit_nodes_count(struct audit_log *log, u64 size);
