/* Checking the log. The checks of a row, in their order:
 *
 *   1. its index follows the one before;
 *   2. leaf is the leaf hash of line;
 *   3. line has the fixed head of a record, with this index, and the columns event and intent say the same;
 *   4. an intent that it answers is open; each intent is answered once;
 *   5. the subtrees that end with it have the stored roots.
 *
 * After the last row the root must be that of the signed head, and the state rows must have the digest that the last record that
 * speaks of state ends with. If the root differs, the rows' own signatures say from which record on. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct audit_check *c, u64 index, const char *fmt, ...) _printf_(3, 4);
static int bad(struct audit_check *c, u64 index, const char *fmt, ...)
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
	return 0;
}

int audit_check_begin(struct audit_check *c, struct audit_log *log)
{
	memset(c, 0, sizeof *c);
	c->state_index = c->witnesses_index = c->cosign_index = c->cosigned_index = INTENT_NONE;
	return read_head(c, log);
}

void audit_log_adopt(struct audit_log *log, const struct audit_check *c)
{
	assert(c->done);
	if (!c->ok) {
		audit_log_fail(
			log, "the log does not verify at record %" PRIu64 ": %.160s", c->first_bad, c->why);
		return;
	}
	log->tree = c->tree;
	log->ready = true;
}

void audit_check_fini(struct audit_check *c)
{
	free(c->open);
	c->open = NULL;
	c->n_open = c->cap_open = 0;
}

/* ---- intents and their answers ---- */

static int open_add(struct audit_check *c, u64 index, u32 event)
{
	if (c->n_open == c->cap_open) {
		size_t cap = c->cap_open ? 2 * c->cap_open : 64;
		struct audit_open *p = realloc(c->open, cap * sizeof *p);
		if (!p)
			return err_origin(-ENOMEM);
		c->open = p;
		c->cap_open = cap;
	}
	c->open[c->n_open++] = (struct audit_open){ index, event };
	return 0;
}

static bool open_drop(struct audit_check *c, u64 index)
{
	for (size_t i = c->n_open; i-- > 0;) {
		if (c->open[i].index != index)
			continue;
		memmove(&c->open[i], &c->open[i + 1], (c->n_open - i - 1) * sizeof *c->open);
		c->n_open--;
		return true;
	}
	return false;
}

/* ---- rows ---- */

struct row {
	u64 index, event, intent;
	const char *line;
	size_t len;
	const void *leaf, *sig;
	size_t leaf_len, sig_len;
};

static struct row row_of(sqlite3_stmt *s)
{
	struct row r = {
		.index = (u64)sqlite3_column_int64(s, 0),
		.event = (u64)sqlite3_column_int64(s, 1),
		.intent = sqlite3_column_type(s, 2) == SQLITE_NULL ? INTENT_NONE
								   : (u64)sqlite3_column_int64(s, 2),
		.line = sqlite3_column_blob(s, 3),
		.len = (size_t)sqlite3_column_bytes(s, 3),
		.leaf = sqlite3_column_blob(s, 4),
		.leaf_len = (size_t)sqlite3_column_bytes(s, 4),
		.sig = sqlite3_column_blob(s, 5),
		.sig_len = (size_t)sqlite3_column_bytes(s, 5),
	};
	return r;
}

/* 0 looked at (c->done says whether it was bad); -errno. */
static int row_check(struct audit_check *c, const struct row *row)
{
	u64 i = c->next;
	if (row->index != i)
		return bad(c, i, "record %" PRIu64 " is missing", i);
	if (!row->line || row->len == 0 || row->len > RECORD_BYTES_MAX)
		return bad(c, i, "record %" PRIu64 " is empty or too long", i);
	struct merkle_hash leaf = tlog_merkle_leaf(row->line, row->len);
	if (row->leaf_len != sizeof leaf.b || memcmp(row->leaf, leaf.b, sizeof leaf.b) != 0)
		return bad(c, i, "record %" PRIu64 " does not have its leaf hash", i);
	struct audit_record_head h;
	if (audit_record_head(row->line, row->len, &h) || h.index != i)
		return bad(c, i, "record %" PRIu64 " does not start as record %" PRIu64, i, i);
	if (h.event != row->event || h.intent != row->intent)
		return bad(c, i, "the columns of record %" PRIu64 " differ from its text", i);
	u32 flags = audit_event_info(h.event)->flags;
	if ((flags & EVENT_CLOSES) && !open_drop(c, h.intent))
		return bad(c, i, "record %" PRIu64 " answers record %" PRIu64 ", which is not an open intent",
			i, h.intent);
	if (flags & EVENT_STATE)
		c->state_index = i;
	if (h.event == EVENT_WITNESSES)
		c->witnesses_index = i;
	if (h.event == EVENT_COSIGN)
		c->cosign_index = i;
	if (h.event == EVENT_COSIGN && memmem(row->line, row->len, ",\"quorum\":true,", 15))
		c->cosigned_index = i;
	c->levels = tlog_merkle_add_path(&c->tree, &leaf, c->path);
	c->next++;
	return flags & EVENT_OPENS ? open_add(c, i, h.event) : 0;
}

/* Rows from *at on, at most n, each to fn, until it returns non-zero or the check is done. */
static int each_row(struct audit_check *c, struct audit_log *log, u64 at, u64 n,
	int (*fn)(struct audit_check *c, struct audit_log *log, const struct row *row), u64 *ret_seen)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_ROWS);
	sqlite3_bind_int64(s, 1, (sqlite3_int64)at);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)MIN(n, (u64)INT64_MAX));
	int r = 0, rc = SQLITE_DONE;
	*ret_seen = 0;
	while (!r && !c->done && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct row row = row_of(s);
		r = fn(c, log, &row);
		++*ret_seen;
	}
	if (!r && !c->done && rc != SQLITE_DONE)
		r = (rc & 0xff) == SQLITE_CORRUPT ? bad(c, at + *ret_seen, "the database is damaged here")
						  : err_origin(-EIO);
	sqlite3_reset(s);
	return r;
}

static int on_row(struct audit_check *c, struct audit_log *log, const struct row *row)
{
	int r = row_check(c, row);
	if (r || c->done)
		return r;
	r = audit_nodes_check(log, c->next, c->levels, c->path);
	return r > 0 ? bad(c, row->index, "the stored root of the records up to %" PRIu64 " is not theirs",
			       row->index)
		     : r;
}

/* ---- the end: root, head, state ---- */

/* Are the files there that the last records about witnesses name? */
static int witness_check(struct audit_check *c, struct audit_log *log)
{
	const struct {
		u64 index;
		const char *key;
	} want[] = { { c->witnesses_index, "policy" }, { c->cosign_index, "note" },
		{ c->cosigned_index, "note" } };
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

/* The second pass, only when the root is wrong: the first record whose own signature does not fit the tree up to it. */
static int on_suspect(struct audit_check *c, struct audit_log *log, const struct row *row)
{
	struct merkle_hash leaf = tlog_merkle_leaf(row->line, row->len);
	tlog_merkle_add(&c->tree, &leaf);
	struct merkle_hash root = tlog_merkle_root(&c->tree);
	char text[SIGNED_TEXT_MAX];
	size_t n = audit_log_signed_text(log, c->tree.size, &root, text, sizeof text);
	if (row->sig_len != crypto_sign_BYTES ||
		crypto_sign_verify_detached(row->sig, (const u8 *)text, n, log->key.public_key) != 0)
		return bad(c, row->index, "record %" PRIu64 " is not the one that was signed", row->index);
	return 0;
}

static int find_first_bad(struct audit_check *c, struct audit_log *log)
{
	u64 seen;
	c->tree = (struct merkle){ 0 };
	int r = each_row(c, log, 0, c->size, on_suspect, &seen);
	if (r || c->done)
		return r;
	return bad(c, c->size, "every record is signed, but the head is of another tree");
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

/* Every file that the state names is there, byte for byte. 0; 1 one is not, *ret_what says which; -errno. */
static int blobs_check(struct audit_log *log, const struct audit_state *s, const char **ret_what)
{
	int r = 0;
	*ret_what = "policy";
	for (u32 i = 0; i <= s->n_trust && !r; i++) {
		bool trust = i < s->n_trust;
		if (!(trust ? s->trust[i].bytes : s->policy.bytes))
			continue;
		u8 *data = NULL;
		size_t len;
		*ret_what = trust ? s->trust[i].name : "policy";
		r = audit_log_blob(log, trust ? s->trust[i].key_id : s->policy.digest, &data, &len);
		if (!r && len != (trust ? s->trust[i].bytes : s->policy.bytes))
			r = 1;
		free(data);
	}
	return r;
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
	if (r == 0 && c->state_index != INTENT_NONE) {
		r = audit_log_lines(log, c->state_index, 1, on_state_line, &w);
		if (r < 0)
			return r;
	}
	if (!w.fits)
		return bad(c, c->state_index == INTENT_NONE ? 0 : c->state_index,
			"the rows of state are not those that record %" PRIu64 " speaks of", c->state_index);
	if (b)
		return bad(c, c->state_index, "the file of %s is not the one that the state names", blob);
	c->done = c->ok = true;
	return 0;
}

static int on_extra(struct audit_check *c, struct audit_log *log, const struct row *row)
{
	return bad(c, c->size, "record %" PRIu64 " stands behind the signed head", row->index);
}

static int finish(struct audit_check *c, struct audit_log *log)
{
	u64 seen, size = c->size;
	struct merkle_hash root = tlog_merkle_root(&c->tree);
	if (memcmp(root.b, c->head.root.b, sizeof root.b) != 0)
		return find_first_bad(c, log);
	int r = read_head(c, log); /* it may have grown meanwhile */
	if (r || c->done || c->size > size)
		return r;
	r = each_row(c, log, c->size, 1, on_extra, &seen);
	if (r || c->done)
		return r;
	r = audit_nodes_count(log, c->size);
	if (r)
		return r < 0 ? r : bad(c, c->size, "there are more stored roots than the records have");
	r = witness_check(c, log);
	return r || c->done ? r : state_check(c, log);
}

/* A row was bad in itself; but one before it may have been replaced more carefully. The signature of the last good row tells. */
static int look_back(struct audit_check *c, struct audit_log *log)
{
	u64 seen;
	struct audit_check before = { .size = c->next, .tree = c->tree };
	if (c->next == 0)
		return 0;
	before.tree = (struct merkle){ 0 };
	int r = each_row(&before, log, 0, before.size, on_suspect, &seen);
	if (!r && before.done)
		r = bad(c, before.first_bad, "%s", before.why);
	return r;
}

int audit_check_step(struct audit_check *c, struct audit_log *log, u64 n)
{
	if (c->done)
		return 0;
	assert(!log->dirty);
	u64 seen, before = c->next;
	n = MIN(n, c->size - c->next);
	int r = each_row(c, log, c->next, n, on_row, &seen);
	if (!r && !c->done && seen < n)
		r = bad(c, before + seen, "record %" PRIu64 " is missing: the log is cut short",
			before + seen);
	if (r)
		return r;
	if (c->done)
		return look_back(c, log);
	return c->next < c->size ? 0 : finish(c, log);
}
