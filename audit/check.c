/* Checking the log. The checks of a row, in their order:
 *
 *   1. its index follows the one before;
 *   2. leaf is the leaf hash of line;
 *   3. line has the fixed head of a record, with this index, and the columns event and intent say the same;
 *   4. an intent that it answers is open; each intent is answered once;
 *   5. the subtrees that end with it have the stored roots.
 *
 * After the last row the root must be that of the signed head, and the state rows must have the digest that the last record that
 * speaks of state ends with. If the root differs, or a row was bad, the seals say from which record on (suspect.c).
 *
 * Rows are hashed 64 at a time, as many side by side as the processor can: their lines first, then the subtrees over each sixteen. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "audit/log_retain.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS	    64u /* what fills the lanes that hash side by side (sha256_of_blocks) */
#define GROUP_LEVEL 4u	/* a stored root is over so many levels at least (nodes.c) */
#define GROUP	    (1u << GROUP_LEVEL)

struct row {
	u64 index, event, intent;
	size_t at, len; /* of the line in bytes, behind the prefix of a leaf; len 0: it cannot be one */
	struct merkle_hash leaf;
	bool leaf_whole;
	bool none; /* there is no line: it was pruned, or somebody took it */
};

struct audit_rows {
	u32 n;
	struct row row[ROWS];
	struct merkle_hash hash[ROWS];
	size_t used, cap;
	u8 *bytes;
};

int audit_check_bad(struct audit_check *c, u64 index, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof c->why, fmt, ap);
	va_end(ap);
	c->done = true;
	c->ok = false;
	c->first_bad = index;
	return 0;
}
#define bad audit_check_bad

/* The signed head into c->head; sets c->done when it does not hold. */
static int read_head(struct audit_check *c, struct audit_log *log)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_HEAD);
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW) {
		sqlite3_reset(s);
		return rc == SQLITE_DONE ? bad(c, c->next, "the head is missing") : err_origin(-EIO);
	}
	char note[sizeof log->note];
	size_t n = (size_t)sqlite3_column_bytes(s, 2), text_len = 0;
	u64 size = (u64)sqlite3_column_int64(s, 0);
	struct merkle_hash root = { 0 };
	bool root_ok = sqlite3_column_bytes(s, 1) == (int)sizeof root.b;
	if (root_ok)
		memcpy(root.b, sqlite3_column_blob(s, 1), sizeof root.b);
	n = MIN(n, sizeof note - 1);
	if (n)
		memcpy(note, sqlite3_column_blob(s, 2), n);
	sqlite3_reset(s);
	if (tlog_note_open(note, n, &log->key, 1, &text_len))
		return bad(c, c->next, "the signature of the head does not hold");
	if (tlog_checkpoint_read(note, text_len, &c->head) || c->head.n_extensions ||
		strcmp(c->head.origin, log->key.name) != 0)
		return bad(c, c->next, "the head is not a checkpoint of this log");
	if (!root_ok || size != c->head.size || memcmp(root.b, c->head.root.b, sizeof root.b) != 0)
		return bad(c, c->next, "the head's columns differ from its signed note");
	c->size = c->head.size;
	if (log->last_size > c->size)
		return bad(c, c->size,
			"record %" PRIu64 " is missing: there were %" PRIu64
			", and the end was cut off or put back",
			c->size, log->last_size);
	return 0;
}

int audit_check_begin(struct audit_check *c, struct audit_log *log)
{
	memset(c, 0, sizeof *c);
	audit_tail_init(&c->tail);
	return read_head(c, log);
}

int audit_check_resume(struct audit_check *c, struct audit_log *log, u64 worth)
{
	int r = audit_check_begin(c, log);
	if (r || c->done)
		return r;
	r = audit_log_saved(log, c);
	if (r < 0)
		return r;
	if (c->from < worth) {
		audit_check_fini(c);
		return audit_check_begin(c, log);
	}
	log->unread_from = 0;
	log->unread_to = c->from;
	return 0;
}

void audit_log_adopt(struct audit_log *log, const struct audit_check *c)
{
	assert(c->done);
	if (!c->ok) {
		audit_log_distrust(log, c->first_bad, c->why);
		return;
	}
	audit_tail_fini(&log->tail);
	if (audit_tail_copy(&c->tail, &log->tail)) {
		audit_log_fail(log, "out of memory");
		return;
	}
	log->tree = c->tree;
	log->saved_size = c->from;
	log->ready = true;
}

void audit_log_reread(struct audit_log *log, const struct audit_check *c)
{
	if (c->done && !c->ok)
		audit_log_distrust(log, c->first_bad, c->why);
	else if (c->done)
		log->unread_from = log->unread_to = 0;
	else
		log->unread_from = MIN(c->next, log->unread_to);
}

void audit_check_fini(struct audit_check *c)
{
	audit_tail_fini(&c->tail);
	audit_pruned_fini(c);
	if (c->rows)
		free(c->rows->bytes);
	free(c->rows);
	c->rows = NULL;
}

/* ---- rows ---- */

/* Room for a padded leaf of len bytes. 0; -ENOMEM. */
static int reserve(struct audit_rows *b, size_t len)
{
	size_t need = b->used + 1 + len + SHA256_PAD_BYTES;
	if (need <= b->cap)
		return 0;
	size_t cap = ALIGN_UP(MAX(2 * b->cap, need), (size_t)4096);
	u8 *p = realloc(b->bytes, cap);
	if (!p)
		return err_origin(-ENOMEM);
	b->bytes = p;
	b->cap = cap;
	return 0;
}

/* The row that the statement stands at, copied. 0; -ENOMEM. */
static int take(struct audit_rows *b, sqlite3_stmt *s)
{
	struct row *r = &b->row[b->n];
	sqlite3_value *v[5];
	for (int i = 0; i < 5; i++)
		v[i] = sqlite3_column_value(
			s, i); /* read before the next step, as they are: nothing is converted */
	const void *line = sqlite3_value_blob(v[3]), *leaf = sqlite3_value_blob(v[4]);
	int len = sqlite3_value_bytes(v[3]);
	r->index = (u64)sqlite3_value_int64(v[0]);
	r->event = (u64)sqlite3_value_int64(v[1]);
	r->intent = sqlite3_value_type(v[2]) == SQLITE_NULL ? INTENT_NONE : (u64)sqlite3_value_int64(v[2]);
	r->none = len == 0;
	r->len = line && len <= (int)RECORD_BYTES_MAX ? (size_t)len : 0;
	r->leaf_whole = sqlite3_value_bytes(v[4]) == (int)sizeof r->leaf.b;
	if (r->leaf_whole)
		memcpy(r->leaf.b, leaf, sizeof r->leaf.b);
	int e = reserve(b, r->len);
	if (e)
		return e;
	b->bytes[b->used] = 0; /* the prefix of a leaf */
	r->at = b->used + 1;
	if (r->len)
		memcpy(b->bytes + r->at, line, r->len);
	b->used += SHA256_BLOCK_BYTES * sha256_pad(b->bytes + b->used, 1 + r->len);
	b->n++;
	return 0;
}

static void hash_rows(struct audit_rows *b)
{
	struct sha256_block m[ROWS];
	for (u32 i = 0; i < b->n; i++) {
		const struct row *r = &b->row[i];
		const u8 *p = b->bytes + r->at - 1;
		const u8 *end = i + 1 < b->n ? b->bytes + b->row[i + 1].at - 1 : b->bytes + b->used;
		m[i] = (struct sha256_block){ p, (size_t)(end - p) / SHA256_BLOCK_BYTES };
	}
	sha256_of_blocks(m, b->n, (u8(*)[SHA256_BYTES])b->hash);
}

/* 0 looked at (c->done says whether it was bad); -errno. */
static int row_check(struct audit_check *c, const struct audit_log *log, const struct row *row, u32 n)
{
	u64 i = c->next;
	const char *line = (const char *)c->rows->bytes + row->at;
	if (row->index != i)
		return bad(c, i, "record %" PRIu64 " is missing", i);
	if (row->none && row->event == 0 && row->intent == INTENT_NONE && row->leaf_whole &&
		audit_pruned_note(c, i)) {
		c->rows->hash[n] = row->leaf;
		c->next++;
		return 0;
	}
	if (row->len == 0)
		return bad(c, i, "record %" PRIu64 " is empty or too long", i);
	if (!row->leaf_whole || memcmp(row->leaf.b, c->rows->hash[n].b, SHA256_BYTES) != 0)
		return bad(c, i, "record %" PRIu64 " does not have its leaf hash", i);
	struct audit_record_head h;
	if (audit_record_head(line, row->len, &h) || h.index != i)
		return bad(c, i, "record %" PRIu64 " does not start as record %" PRIu64, i, i);
	if (h.event != row->event || h.intent != row->intent)
		return bad(c, i, "the columns of record %" PRIu64 " differ from its text", i);
	if (row->intent != INTENT_NONE)
		audit_answers_note(c, log, row->intent, i);
	int r = audit_tail_note(&c->tail, &h, line, row->len);
	if (r > 0)
		return bad(c, i, "record %" PRIu64 " answers record %" PRIu64 ", which is not an open intent",
			i, h.intent);
	c->next++;
	return r;
}

/* Rows [0, n) into the tree; the roots that they complete must be the stored ones. */
static int grow(struct audit_check *c, struct audit_log *log, u32 n)
{
	struct merkle_hash path[MERKLE_PROOF_MAX + 1], *h = c->rows->hash;
	u32 groups = c->tree.size % GROUP ? 0 : n / GROUP;
	for (u32 left = groups * GROUP / 2; groups && left >= groups; left /= 2)
		tlog_merkle_parents(h, left);
	for (u32 i = 0; i < n; i += i < groups * GROUP ? GROUP : 1) {
		bool whole = i < groups * GROUP;
		u32 levels = tlog_merkle_add_subtree(
			&c->tree, whole ? GROUP_LEVEL : 0, &h[whole ? i / GROUP : i], path);
		int r = audit_nodes_check(log, c->tree.size, levels, path);
		if (r)
			return r < 0 ? r
				     : bad(c, c->tree.size - 1,
					       "the stored root of the records up to %" PRIu64
					       " is not theirs",
					       c->tree.size - 1);
	}
	return 0;
}

/* What was gathered. The rows before a bad one are looked at to their end. */
static int check_rows(struct audit_check *c, struct audit_log *log)
{
	struct audit_rows *b = c->rows;
	int r = 0;
	u32 n = 0;
	hash_rows(b);
	while (!r && !c->done && n < b->n) {
		r = row_check(c, log, &b->row[n], n);
		n += !c->done;
	}
	struct audit_check first = { .done = c->done, .first_bad = c->first_bad };
	memcpy(first.why, c->why, sizeof first.why);
	if (!r)
		r = grow(c, log, n);
	if (!r && first.done && c->first_bad >= first.first_bad)
		bad(c, first.first_bad, "%s", first.why);
	b->n = 0;
	b->used = 0;
	return r;
}

/* At most n rows from c->next on. */
static int read_rows(struct audit_check *c, struct audit_log *log, u64 n)
{
	u64 at = c->next, seen = 0;
	if (!c->rows && !(c->rows = calloc(1, sizeof *c->rows)))
		return err_origin(-ENOMEM);
	sqlite3_stmt *s = audit_log_stmt(log, SQL_ROWS);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)at);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)MIN(n, (u64)INT64_MAX));
	int r = 0, rc = SQLITE_ROW;
	while (!r && !c->done && rc == SQLITE_ROW) {
		u32 want = ROWS - (u32)(c->next % ROWS);
		while (!r && c->rows->n < want && (rc = sqlite3_step(s)) == SQLITE_ROW) {
			r = take(c->rows, s);
			seen++;
		}
		if (!r && c->rows->n)
			r = check_rows(c, log);
	}
	if (!r && !c->done && rc != SQLITE_DONE)
		r = (rc & 0xff) == SQLITE_CORRUPT ? bad(c, c->next, "the database is damaged here")
						  : err_origin(-EIO);
	sqlite3_reset(s);
	if (!r && !c->done && seen < n)
		bad(c, c->next, "record %" PRIu64 " is missing: the log is cut short", c->next);
	return r;
}

/* ---- the end: root, head, state ---- */

/* Are the files there that the last records about witnesses name? */
static int witness_check(struct audit_check *c, struct audit_log *log)
{
	const struct {
		u64 index;
		const char *key;
	} want[] = { { c->tail.witnesses_index, "policy" }, { c->tail.cosign_index, "note" },
		{ c->tail.cosigned_index, "note" } };
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		u8 *data = NULL;
		size_t len;
		int r = want[i].index == INTENT_NONE
				? 0
				: audit_witness_blob(log, want[i].index, want[i].key, &data, &len);
		free(data);
		if (r)
			return r < 0 ? r
				     : bad(c, want[i].index,
					       "the file that record %" PRIu64 " names is not stored",
					       want[i].index);
	}
	return 0;
}

struct state_want {
	u8 digest[SHA256_BYTES];
	bool fits;
};

static int on_state_line(void *arg, u64 index, const char *line, size_t len)
{
	struct state_want *w = arg;
	char tail[16 + 2 * SHA256_BYTES];
	int n = snprintf(tail, sizeof tail, ",\"state\":\"");
	bytes_hex(w->digest, sizeof w->digest, tail + n);
	size_t want = (size_t)n + 2 * sizeof w->digest;
	tail[want++] = '"';
	tail[want++] = '}';
	w->fits = len > want && memcmp(line + len - want, tail, want) == 0;
	return 1;
}

/* 0 it is there, whole; 1 not; -errno. */
static int blob_check(struct audit_log *log, const u8 digest[SHA256_BYTES], u64 bytes)
{
	u8 *data = NULL;
	size_t len;
	int r = bytes ? audit_log_blob(log, digest, &data, &len) : 0;
	if (!r && bytes && len != bytes)
		r = 1;
	free(data);
	return r;
}

/* Every file that the state names is there, byte for byte. 0; 1 one is not, *ret_what says which; -errno. */
static int blobs_check(struct audit_log *log, const struct audit_state *s, const char **ret_what)
{
	*ret_what = "policy";
	int r = blob_check(log, s->policy.digest, s->policy.bytes);
	if (!r) {
		*ret_what = "quotas";
		r = blob_check(log, s->quota.digest, s->quota.bytes);
	}
	for (u32 i = 0; i < s->n_trust && !r; i++) {
		*ret_what = s->trust[i].name;
		r = blob_check(log, s->trust[i].key_id, s->trust[i].bytes);
	}
	for (u32 i = 0; i < s->n_pending && !r; i++) {
		*ret_what = s->pending[i].object;
		r = blob_check(log, s->pending[i].file, s->pending[i].file_bytes);
	}
	return r;
}

/* Is every stored file the one that its digest says, those too that nothing names any more? 0 yes; 1 no; -errno. */
static int files_check(struct audit_log *log)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_BLOBS);
	int rc;
	bool same = true;
	while (same && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		u8 digest[SHA256_BYTES];
		const void *data = sqlite3_column_blob(s, 0);
		sha256_of(data ? data : "", (size_t)sqlite3_column_bytes(s, 0), digest);
		same = sqlite3_column_bytes(s, 1) == SHA256_BYTES &&
		       memcmp(sqlite3_column_blob(s, 1), digest, sizeof digest) == 0;
	}
	sqlite3_reset(s);
	return !same || (rc & 0xff) == SQLITE_CORRUPT ? 1 : rc == SQLITE_DONE ? 0 : err_origin(-EIO);
}

static int state_check(struct audit_check *c, struct audit_log *log)
{
	struct audit_state *state = malloc(sizeof *state);
	if (!state)
		return err_origin(-ENOMEM);
	struct state_want w = { .fits = false };
	const char *what = "";
	char blob[NAME_LEN_MAX + 8] = "";
	int r = audit_log_state(log, state), b = 0;
	if (r == 0) {
		audit_state_digest(state, w.digest);
		b = blobs_check(log, state, &what);
		snprintf(blob, sizeof blob, "%s", what);
	}
	free(state);
	if (r < 0 || b < 0)
		return r < 0 ? r : b;
	if (r == 0 && c->tail.state_index != INTENT_NONE) {
		r = audit_log_lines(log, c->tail.state_index, 1, on_state_line, &w);
		if (r < 0)
			return r;
	}
	if (!w.fits)
		return bad(c, c->tail.state_index == INTENT_NONE ? 0 : c->tail.state_index,
			"the rows of state are not those that record %" PRIu64 " speaks of",
			c->tail.state_index);
	if (b)
		return bad(
			c, c->tail.state_index, "the file of %s is not the one that the state names", blob);
	r = files_check(log);
	if (r)
		return r < 0 ? r
			     : bad(c, c->size,
				       "a stored file that nothing names any more is not the one that its "
				       "digest says");
	c->done = c->ok = true;
	return 0;
}

/* Is there a row behind the head? */
static int extra(struct audit_check *c, struct audit_log *log)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_ROWS);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)c->size);
	sqlite3_bind_int64(s, 2, 1);
	int rc = sqlite3_step(s);
	sqlite3_reset(s);
	if (rc == SQLITE_ROW)
		return bad(c, c->size, "record %" PRIu64 " stands behind the signed head", c->size);
	return rc == SQLITE_DONE ? 0 : err_origin(-EIO);
}

/* Is the log one that goes on from the head that was written beside it? */
static int last_check(struct audit_check *c, struct audit_log *log)
{
	struct merkle_source src = audit_log_hashes(log);
	struct merkle_hash root;
	if (log->last_size == 0 || c->from) /* a check from the beginning will say */
		return 0;
	int r = tlog_merkle_root_at(&src, log->last_size, &root);
	if (r || memcmp(root.b, log->last_root.b, sizeof root.b) == 0)
		return r;
	return bad(c, log->last_size - 1,
		"the first %" PRIu64 " records are not those that were there: they were written anew",
		log->last_size);
}

static int finish(struct audit_check *c, struct audit_log *log)
{
	u64 size = c->size;
	struct merkle_hash root = tlog_merkle_root(&c->tree);
	if (memcmp(root.b, c->head.root.b, sizeof root.b) != 0)
		return audit_suspect_find(c, log, true);
	int r = read_head(c, log); /* it may have grown meanwhile */
	if (r || c->done || c->size > size)
		return r;
	r = extra(c, log);
	if (!r && !c->done)
		r = last_check(c, log);
	if (r || c->done)
		return r;
	r = c->from ? 0 : audit_answers_check(c, log);
	if (r)
		return r < 0 ? r : bad(c, c->size, "the index of answers is not that of the records");
	r = c->from ? 0 : audit_nodes_count(log, c->size);
	if (r)
		return r < 0 ? r : bad(c, c->size, "there are more stored roots than the records have");
	audit_pruned_check(c);
	if (!c->done)
		r = audit_keys_check(c, log);
	if (!r && !c->done)
		r = witness_check(c, log);
	return r || c->done ? r : state_check(c, log);
}

static int step(struct audit_check *c, struct audit_log *log, u64 n)
{
	int r = c->pruned && c->prunes == log->prunes ? 0 : audit_pruned_load(c, log);
	if (!r)
		r = read_rows(c, log, MIN(n, c->size - c->next));
	if (r)
		return r;
	if (c->done)
		return audit_suspect_find(c, log, false);
	return c->next < c->size ? 0 : finish(c, log);
}

/* What a check behind a savepoint finds wrong, one from the beginning has to find and to name. */
int audit_check_step(struct audit_check *c, struct audit_log *log, u64 n)
{
	if (c->done)
		return 0;
	assert(!log->dirty);
	int r = step(c, log, n);
	if (c->from == 0 || (r != -EBADMSG && (r || !c->done || c->ok)))
		return r;
	log->unread_to = 0;
	audit_check_fini(c);
	return audit_check_begin(c, log);
}
