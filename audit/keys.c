/* The keys of the log, one after the other. A rotation is a record, and the old key signs it: the seal of its commit, and so everything
 * up to there, is the old key's; the head of that commit carries both lines; whatever follows is the new key's alone. So whoever knows one
 * key of the chain can follow it to the next, and whoever steals the newest cannot write anew what stands before it.
 *
 * Which keys came before is read from the records, each of which names the one before it, and held against the seals by every check. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void audit_keys_fini(struct audit_log *log)
{
	free(log->past);
	log->past = NULL;
	log->n_past = 0;
}

bool audit_log_choose(struct audit_log *log, const struct note_key *keys, u32 n)
{
	size_t text_len;
	for (u32 i = n; i-- > 0;)
		if (tlog_note_open(log->note, strlen(log->note), &keys[i], 1, &text_len) == 0) {
			log->key = keys[i];
			return true;
		}
	return false;
}

/* ---- what a record of a key says ---- */

struct says {
	struct note_key old, now;
	u64 previous; /* INTENT_NONE: none */
	bool ok;
};

/* The vkey that stands at "key":"…" in the line. */
static bool vkey_at(const char *line, size_t len, const char *key, struct note_key *ret)
{
	char mark[16];
	int n = snprintf(mark, sizeof mark, ",\"%s\":\"", key);
	const char *at = memmem(line, len, mark, (size_t)n);
	if (!at)
		return false;
	at += n;
	const char *end = memchr(at, '"', (size_t)(line + len - at));
	return end && tlog_note_key_from_vkey(at, (size_t)(end - at), ret) == 0 && ret->type == NOTE_ED25519;
}

static int on_key(void *arg, u64 index, const char *line, size_t len)
{
	struct says *s = arg;
	struct audit_record_head h;
	if (!line || audit_record_head(line, len, &h) || h.event != EVENT_KEY)
		return 1;
	const char *at = memmem(line, len, ",\"previous\":", 12);
	s->previous = INTENT_NONE;
	if (at)
		s->previous = strtoull(at + 12, NULL, 10);
	s->ok = vkey_at(line, len, "old", &s->old) && vkey_at(line, len, "vkey", &s->now) &&
		(!at || s->previous < index);
	return 1;
}

static int on_init(void *arg, u64 index, const char *line, size_t len)
{
	struct says *s = arg;
	s->ok = line && vkey_at(line, len, "vkey", &s->now);
	s->previous = line ? 0 : INTENT_NONE; /* without a line: nothing can be said */
	return 1;
}

static bool same_key(const struct note_key *a, const struct note_key *b)
{
	return strcmp(a->name, b->name) == 0 &&
	       memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}

/* The chain back from the record `index`, newest first, and each link: what a record calls new is what the next calls old. 0; 1 it
 * is broken at *ret_bad; -errno. */
static int walk(struct audit_log *log, u64 index, u64 *ret_bad)
{
	struct note_key next = log->key;
	while (index != INTENT_NONE) {
		struct says s = { .ok = false };
		*ret_bad = index;
		int r = audit_log_lines(log, index, 1, on_key, &s);
		if (r < 0)
			return r;
		if (!s.ok || !same_key(&s.now, &next) || log->n_past == LOG_KEYS_MAX)
			return 1;
		log->past[log->n_past++] = (struct log_key){ index, s.old };
		next = s.old;
		index = s.previous;
	}
	return 0;
}

static void reverse(struct log_key *k, u32 n)
{
	for (u32 i = 0; i < n / 2; i++) {
		struct log_key t = k[i];
		k[i] = k[n - 1 - i];
		k[n - 1 - i] = t;
	}
}

int audit_keys_load(struct audit_log *log, u64 index, u64 *ret_bad)
{
	audit_keys_fini(log);
	if (index == INTENT_NONE)
		return 0;
	log->past = calloc(LOG_KEYS_MAX, sizeof *log->past);
	if (!log->past)
		return err_origin(-ENOMEM);
	int r = walk(log, index, ret_bad);
	reverse(log->past, log->n_past);
	return r;
}

int audit_keys_guess(struct audit_log *log)
{
	sqlite3_stmt *s = NULL;
	char sql[96];
	u64 index = INTENT_NONE, bad;
	snprintf(sql, sizeof sql, "SELECT max(idx) FROM records WHERE event = %d", EVENT_KEY);
	if (sqlite3_prepare_v2(log->db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
		sqlite3_column_type(s, 0) == SQLITE_INTEGER)
		index = (u64)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	int r = audit_keys_load(log, index, &bad);
	return r < 0 ? r : 0;
}

const struct note_key *audit_key_at(const struct audit_log *log, u64 first)
{
	for (u32 i = 0; i < log->n_past; i++)
		if (first <= log->past[i].index)
			return &log->past[i].key;
	return &log->key;
}

/* ---- the check ---- */

/* The seal of the commit that holds record `index`: the old key's, and of this tree. 0; 1 not so; -errno. */
static int sealed_by_old(struct audit_log *log, u64 index)
{
	sqlite3_stmt *st = audit_log_stmt(log, SQL_SEAL_NEXT);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)index);
	int rc = sqlite3_step(st), r = rc == SQLITE_ROW	   ? 0
				       : rc == SQLITE_DONE ? 1
							   : err_origin(audit_log_errno(rc));
	struct seal seal = { .first = 0 };
	u64 size = r ? 0 : (u64)sqlite3_column_int64(st, 0) + 1;
	if (!r)
		r = audit_seal_open(
			log, size, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), &seal);
	sqlite3_reset(st);
	if (r || seal.first > index)
		return r ? r : 1;
	struct merkle_source src = audit_log_hashes(log);
	struct merkle_hash root;
	r = tlog_merkle_root_at(&src, size, &root);
	return r ? r : memcmp(root.b, seal.root.b, sizeof root.b) != 0;
}

int audit_keys_check(struct audit_check *c, struct audit_log *log)
{
	u64 index = 0;
	struct says init = { .ok = false };
	int r = audit_keys_load(log, c->tail.key_index, &index);
	if (r)
		return r < 0 ? r
			     : audit_check_bad(c, index,
				       "the key that record %" PRIu64 " names is not the one that followed",
				       index);
	for (u32 i = 0; i < log->n_past && !r; i++) {
		index = log->past[i].index;
		r = sealed_by_old(log, index);
	}
	if (r)
		return r < 0 ? r
			     : audit_check_bad(c, index,
				       "record %" PRIu64 " is not signed by the key that it replaces", index);
	r = audit_log_lines(log, 0, 1, on_init, &init);
	if (r < 0)
		return r;
	if (init.previous == 0 && (!init.ok || !same_key(&init.now, audit_key_at(log, 0))))
		return audit_check_bad(c, 0, "the first key is not the one that the log was made with");
	return 0;
}

/* ---- rotating ---- */

void audit_log_rotate(struct audit_log *log, const struct note_key *key)
{
	assert(log->dirty && !log->rotating && strcmp(key->name, log->key.name) == 0);
	log->old_key = log->key;
	log->key = *key;
	log->rotating = true;
}

bool audit_log_rotating(const struct audit_log *log)
{
	return log->rotating;
}

int audit_log_keys_count(struct audit_log *log, u32 *ret)
{
	u64 bad;
	int r = audit_keys_load(log, log->tail.key_index, &bad);
	*ret = log->n_past;
	return r;
}

const struct note_key *audit_log_key_before(const struct audit_log *log, u32 i, u64 *ret_until)
{
	assert(i < log->n_past);
	*ret_until = log->past[i].index;
	return &log->past[i].key;
}

u64 audit_log_key_index(const struct audit_log *log)
{
	return log->tail.key_index;
}

int audit_key_head(struct audit_log *log, const char *text, char *note, size_t cap)
{
	char line[NOTE_SIGNATURE_MAX];
	if (tlog_note_sign(&log->key, text, note, cap))
		return 1;
	if (!log->rotating)
		return 0;
	tlog_note_line(&log->old_key, text, strlen(text), 0, line);
	if (strlen(note) + strlen(line) >= cap)
		return 1;
	strcat(note, line);
	return 0;
}

void audit_key_settled(struct audit_log *log)
{
	if (!log->rotating)
		return;
	sodium_memzero(&log->old_key, sizeof log->old_key);
	log->rotating = false;
}
