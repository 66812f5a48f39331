/* What the log's database holds beside the records for privacy and retention:
 *
 *   contents(idx, subject, data)   the sealed text of record idx: a request's bytes, or an answer. Not part of the tree: what binds it is the
 *                                  commitment in the record, and the seal of its subject
 *   singles("retain" "holds" "archives")   rows of struct retain_state, each table written whole
 *
 * A pruned record keeps its row with its leaf hash; the line is empty, event and intent are unset. Whatever is deleted
 * is overwritten in the database (PRAGMA secure_delete); audit_log_scrub does the same to the write-ahead log. */
#pragma once

#include "audit/log.h"

#define RETAIN_SCHEMA                                                                                \
	"CREATE TABLE contents(idx INTEGER PRIMARY KEY, subject TEXT NOT NULL, data BLOB NOT NULL);" \
	"CREATE INDEX contents_subject ON contents(subject);"

/* ---- rows of state: in the transaction of the record that speaks of them. 0; -errno and the log has failed ---- */

_must_use_ int audit_log_put_retain(struct audit_log *log, const struct retain_state *s);
_must_use_ int audit_log_put_holds(struct audit_log *log, const struct retain_state *s);
_must_use_ int audit_log_put_archives(struct audit_log *log, const struct retain_state *s);
/* All of them. 0 done; 1 a row has the wrong form; -errno. */
_must_use_ int audit_log_retain(struct audit_log *log, struct retain_state *ret);

/* ---- texts ---- */

/* Store a sealed text, behind the append of its record. 0; -errno and the log has failed. */
_must_use_ int audit_log_put_text(
	struct audit_log *log, u64 index, const char *subject, const void *data, size_t len);
/* 0, *ret to be freed; 1 there is none; -errno. */
_must_use_ int audit_log_text(struct audit_log *log, u64 index, u8 **ret, size_t *ret_len);
struct texts_count {
	u64 n, bytes;
};
/* How many texts of a subject (NULL: of everybody) are kept. 0; -errno. */
_must_use_ int audit_log_texts(struct audit_log *log, const char *subject, struct texts_count *ret);
/* Delete them, behind the append of the record that says so. 0; -errno and the log has failed. */
_must_use_ int audit_log_drop_texts(struct audit_log *log, const char *subject);

/* ---- pruning ---- */

struct prune_plan {
	u64 *due; /* indices of records that lose their text now, rising */
	size_t n_due, cap;
	u64 n;		      /* with those that have lost it before */
	u8 set[SHA256_BYTES]; /* over the indices of them all */
};
void audit_prune_fini(struct prune_plan *p);
/* What of from..to-1 is due: its class is one of `classes` (bits), it is not an intent or answer whose other half stays. 0 done; -errno. */
struct prune_want {
	u64 from, to;
	u32 classes;
};
_must_use_ int audit_prune_plan(struct audit_log *log, const struct prune_want *w, struct prune_plan *ret);
/* Take their texts, behind the append of the record that says so. 0; -errno and the log has failed. */
_must_use_ int audit_prune_do(struct audit_log *log, const struct prune_plan *p);
/* A stored record that was pruned, as listings show it: {"v":1,"index":N,"pruned":"<leaf hash>"}. Returns its length. */
#define PRUNED_LINE_BYTES 128u
size_t audit_pruned_line(u64 index, const void *leaf, size_t leaf_len, char out[PRUNED_LINE_BYTES]);
/* Feed an index to the digest of a set. */
void audit_pruned_hash(struct sha256 *h, u64 index);

/* ---- pruned.c: in a check ---- */

/* What may be without text, as the state says now. 0; -errno. */
_must_use_ int audit_pruned_load(struct audit_check *c, struct audit_log *log);
/* Record `index` is without text. Is that known? */
bool audit_pruned_note(struct audit_check *c, u64 index);
/* At the end: exactly those that were pruned. Sets c->done when not. */
void audit_pruned_check(struct audit_check *c);
void audit_pruned_fini(struct audit_check *c);

/* First record from `from` on with that event. 0 done; 1 none; -errno. */
_must_use_ int audit_log_next(struct audit_log *log, u64 from, u32 event, u64 *ret_index);

/* ---- the write-ahead log ---- */

/* Move it into the database, overwrite it with zeros, make it empty: what was deleted is then in no byte of either file. Outside of a
 * transaction. 0 done; -errno and the log has failed. */
_must_use_ int audit_log_scrub(struct audit_log *log);
