/* The log: SQLite in WAL mode, synchronous=FULL, one writer. A record and the state it describes commit in one transaction, together
 * with a signed tree head over all records; so the database never holds one without the other.
 *
 *   records(idx, event, intent, line, leaf, seal)  line: the record; leaf: its leaf hash; seal, in the last row of each commit: what
 *                                                  vouches for the records of that commit, one by one (seal.c)
 *   nodes(level, n, hash)                         roots of the complete subtrees of 2^level records, level 4, 8, 12, …: what
 *                                                  proofs are made from
 *   head(size, root, note)                         one row: the checkpoint after the last commit
 *   trust(name, row), models(digest, row)          the structs of audit/state.h, byte for byte
 *   singles(name, row)                             "policy" and "clock", likewise; "roles" and "pending": all rows of these (state_db.c);
 *                                                  "checked": the savepoint (seal.c)
 *   blobs(digest, data)                            files that rows of trust and policy name by SHA-256; old policies stay
 *   meta(key, value)                               schema: AUDIT_LOG_SCHEMA, which grows when a program of the number before
 *                                                  would misread what is here; a new table, column or key is no reason
 *
 * A seal is what lets a check name the first bad record: it is not a checkpoint, so it cannot stand in for the head after a cut.
 *
 * A savepoint is what lets a start be short: the right edge of the tree at some size, the intents that were open there, and where the last
 * records of state and witnesses stand, signed by a process that had verified all of it. Records before it are *unread* until this process
 * has re-read them: new ones may follow meanwhile, since the edge is signed; but none of the unread is shown or decided upon unless it
 * proves itself against the signed head.
 *
 * Failure: the first failed write or sync closes the log for good (audit_log_failed): nothing is retried, since after a failed fsync
 * nobody knows what the disk holds. A new process re-reads and re-verifies everything. */
#pragma once

#include "audit/tlog/checkpoint.h"
#include "audit/record.h"
#include "audit/state.h"

#define AUDIT_LOG_SCHEMA 3 /* in log.c's text too */

struct audit_log;

/* A new log at path (must not exist) signed by *key, with its init record. 0 done; -EEXIST; -errno. */
_must_use_ int audit_log_create(const char *path, const struct note_key *key, const char *version);
/* Open for writing, exclusively; key is copied. 0 done, *ret freed by audit_log_close; 1 not a log of this key or schema, *ret_why
 * says how; -EBUSY another process has it; -errno. Nothing is verified yet: run audit_log_check before the first append. */
_must_use_ int audit_log_open(
	const char *path, const struct note_key *key, struct audit_log **ret, const char **ret_why);
/* Of several keys, the last that signed the head becomes the log's. False: none did. */
bool audit_log_choose(struct audit_log *log, const struct note_key *keys, u32 n);
void audit_log_close(struct audit_log **log);
#define _cleanup_log_ _cleanup_(audit_log_close)

/* Why the log takes no more records, or NULL. */
const char *audit_log_failed(const struct audit_log *log);
/* Close it for writing, with a reason; the first reason stays. The open transaction is rolled back. */
void audit_log_fail(struct audit_log *log, const char *fmt, ...) _printf_(2, 3);

/* ---- writing ---- */

/* Start a record in the open transaction (opened if need be); its index is r->index. The log must not have failed. */
void audit_log_record(struct audit_log *log, struct audit_record *r, u32 event, u64 intent,
	const struct audit_actor *actor);
/* Finish and add it. For events with EVENT_STATE the digest of *state is added as the last field. 0 done; -errno and the log has
 * failed. Nothing is durable before audit_log_commit. */
_must_use_ int audit_log_append(
	struct audit_log *log, struct audit_record *r, const struct audit_state *state);
/* Tell fn of every record that is added, before it is durable. */
void audit_log_watch(struct audit_log *log, void (*fn)(void *arg, const struct audit_record *r), void *arg);
/* Write a row of state in the open transaction. 0 done; -errno and the log has failed. */
_must_use_ int audit_log_put_trust(struct audit_log *log, const struct trust_row *row);
_must_use_ int audit_log_drop_trust(struct audit_log *log, const char *name);
_must_use_ int audit_log_put_model(struct audit_log *log, const struct model_row *row);
_must_use_ int audit_log_put_policy(struct audit_log *log, const struct policy_row *row);
_must_use_ int audit_log_put_clock(struct audit_log *log, const struct clock_row *row);
/* A table whole (state_db.c). */
_must_use_ int audit_log_put_roles(struct audit_log *log, const struct audit_state *s);
_must_use_ int audit_log_put_pending(struct audit_log *log, const struct audit_state *s);
_must_use_ int audit_log_put_quota(struct audit_log *log, const struct audit_state *s);
_must_use_ int audit_log_put_access(struct audit_log *log, const struct audit_state *s);
_must_use_ int audit_log_state_tables(struct audit_log *log, struct audit_state *ret);
/* A file by its digest; harmless when it is there. */
_must_use_ int audit_log_put_blob(
	struct audit_log *log, const u8 digest[SHA256_BYTES], const void *data, size_t len);
_must_use_ int audit_log_drop_blob(struct audit_log *log, const u8 digest[SHA256_BYTES]);

/* From the next commit on, which holds the record of it and which both keys sign, the log has this key (of the same name). */
void audit_log_rotate(struct audit_log *log, const struct note_key *key);
bool audit_log_rotating(const struct audit_log *log);
/* How many keys it had before. 0; 1 their chain is broken; -errno. */
_must_use_ int audit_log_keys_count(struct audit_log *log, u32 *ret);
/* The i-th of these, after that count, and the record that replaced it. */
const struct note_key *audit_log_key_before(const struct audit_log *log, u32 i, u64 *ret_until);
/* The last record of a new key, or INTENT_NONE. */
u64 audit_log_key_index(const struct audit_log *log);

/* Sign the head and commit, with one sync. 0 durable, or nothing to do; -errno and the log has failed. */
_must_use_ int audit_log_commit(struct audit_log *log);
/* The same in two steps, with the sync between them in another thread (audit_log_sync), while the next records are added. Only of a
 * transaction that is light: SQLite shows what it has written, and after a failed sync nothing but rows behind the head may show. Until
 * the end nothing is committed, tidied or acknowledged. 0 the sync is owed; 1 it was not put off, and all is done; -errno and the log has
 * failed. */
_must_use_ int audit_log_commit_begin(struct audit_log *log);
/* The sync that is owed; any thread. What it returns goes to audit_log_commit_end. */
_must_use_ int audit_log_sync(const struct audit_log *log);
/* 0 durable; -errno and the log has failed. */
_must_use_ int audit_log_commit_end(struct audit_log *log, int synced);
/* Does the open transaction hold requests and outcomes, and nothing else: no row of state, no file, no text, no other record? */
bool audit_log_light(const struct audit_log *log);
/* Is the WAL due to be moved into the database? */
bool audit_log_wal_long(const struct audit_log *log);
/* A savepoint in the open transaction: everything up to here was verified, or written, by this process or by one that signed so. The log
 * makes one itself now and then; at the end of a process it spares the next one work. 0 done; -errno and the log has failed. */
_must_use_ int audit_log_save(struct audit_log *log);
/* Is a transaction open? */
bool audit_log_dirty(const struct audit_log *log);
/* Move the WAL into the database when it is long (force: when it is not empty). 0 done; -errno and the log has failed. */
_must_use_ int audit_log_tidy(struct audit_log *log, bool force);

/* ---- reading ---- */

u64 audit_log_size(
	const struct audit_log *log); /* with the records of the open transaction; failed: of the last head */
const struct note_key *audit_log_key(const struct audit_log *log);
/* The boot id that records name. */
const char *audit_log_boot(const struct audit_log *log);
/* The checkpoint of the last commit, as a signed note. */
const char *audit_log_note(const struct audit_log *log);
struct merkle_hash audit_log_root(const struct audit_log *log);

/* Record lines first, first+1, …: at most count, until fn returns non-zero. Returns fn's value, 0 at the end, or -errno; of the unread each
 * one proves itself, and one that is missing, or without its text and never pruned, is an error like one that is not the signed one. */
_must_use_ int audit_log_lines(struct audit_log *log, u64 first, u64 count,
	int (*fn)(void *arg, u64 index, const char *line, size_t len), void *arg);
/* Index of the record that answers `intent`, as a column says: compare with the record's own words. 0 done; 1 none; -errno. */
_must_use_ int audit_log_answer(struct audit_log *log, u64 intent, u64 *ret_index);
/* State rows from the database. 0 done; 1 a row has the wrong form; -errno. */
_must_use_ int audit_log_state(struct audit_log *log, struct audit_state *ret);
/* A file by its digest, compared with it. 0, *ret to be freed; 1 it is not there or another; -errno. */
_must_use_ int audit_log_blob(
	struct audit_log *log, const u8 digest[SHA256_BYTES], u8 **ret, size_t *ret_len);
/* The blob whose digest record `index` gives as "key". 0, *ret to be freed; 1 it is not there; -errno. (witness.c) */
_must_use_ int audit_witness_blob(
	struct audit_log *log, u64 index, const char *key, u8 **ret, size_t *ret_len);
/* Hashes for proofs: leaves, and stored subtrees every fourth level. */
struct merkle_source audit_log_hashes(struct audit_log *log);

/* ---- checking ---- */

struct audit_open {
	u64 index;
	u32 event;
};

/* What the records so far leave open, and where the last of some kinds stands (INTENT_NONE: there is none). */
struct audit_tail {
	u64 witnesses_index, cosign_index,
		cosigned_index;	 /* last witness policy, cosigned checkpoint, and one that had its quorum */
	u64 state_index;	 /* last record that speaks of state */
	u64 key_index;		 /* last record of a new key */
	struct audit_open *open; /* intents not yet answered, rising */
	size_t n_open, cap_open;
};

/* A check that re-reads everything: in slices, so that others can be served in between. */
struct audit_check {
	u64 size; /* records that the head speaks of */
	u64 next; /* records checked so far */
	u64 from; /* of these, at the beginning: by an earlier process (audit_check_resume) */
	struct merkle tree;
	struct checkpoint head;
	struct audit_tail tail;
	struct audit_rows *rows; /* being hashed together */
	u64 answers,
		answers_sum; /* of the rows that answer an intent: how many, and a sum that their index must have too */
	struct audit_pruned *pruned; /* which may be without text (pruned.c) */
	u32 prunes;		     /* of the log, when that was read */
	bool done, ok;
	u64 first_bad; /* when not ok */
	char why[REASON_LEN_MAX + 1];
};
/* Start a check of everything committed so far; while it runs the log may grow, and the check follows. Step it only while no
 * transaction is open. 0 done; -errno. */
_must_use_ int audit_check_begin(struct audit_check *c, struct audit_log *log);
/* The same from the last savepoint on, where there is one that holds and has `worth` records or more before it; else from the beginning. */
_must_use_ int audit_check_resume(struct audit_check *c, struct audit_log *log, u64 worth);
/* Check at most n more records; after the last compares root, head and state. Sets done. 0; -errno could not read. */
_must_use_ int audit_check_step(struct audit_check *c, struct audit_log *log, u64 n);
void audit_check_fini(struct audit_check *c);
/* After the first check of a process: a log that holds is open for writing, one that does not has failed, with the reason. */
void audit_log_adopt(struct audit_log *log, const struct audit_check *c);

/* Unread records: those before the savepoint that this process has not re-read yet. */
u64 audit_log_unread(const struct audit_log *log);
/* Is one of from to to - 1 unread? */
bool audit_log_unread_in(const struct audit_log *log, u64 from, u64 to);
/* A check from the beginning has passed them up to c->next; a bad one means distrust. */
void audit_log_reread(struct audit_log *log, const struct audit_check *c);
/* The log has failed at record `index`, and the next start re-reads everything before it serves: the savepoint is removed. */
void audit_log_distrust(struct audit_log *log, u64 index, const char *why);
