/* What the log signs besides its head, each with a prefix of its own, so that none can stand in for another.
 *
 * A seal costs one signature for a commit, however many records it has, and a mark of eight bytes for each of them: a record that was
 * replaced with care (its leaf hash and every stored root made to fit) is still told from its neighbours.
 *
 * A savepoint is struct saved, the tree's edge, the open intents, and a signature over all of that. */
#include "audit/log_db.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_NAME "checked"
#define SAVE_OPEN_MAX \
	65536u /* open intents of a savepoint; with more there is none, and the next start reads everything */

/* prefix LF name LF size SP digest LF: what is signed of `data` about this log at `size` records. Its length. */
static size_t text_of(const struct audit_log *log, const char *prefix, u64 size,
	const u8 digest[SHA256_BYTES], char out[SIGNED_TEXT_MAX])
{
	char hex[2 * SHA256_BYTES + 1];
	sodium_bin2hex(hex, sizeof hex, digest, SHA256_BYTES);
	int n = snprintf(out, SIGNED_TEXT_MAX, "%s\n%s\n%" PRIu64 " %s\n", prefix, log->key.name, size, hex);
	assert(n > 0 && n < (int)SIGNED_TEXT_MAX);
	return (size_t)n;
}

/* ---- seals ---- */

/* Signed of a seal is the digest of root and marks. */
static void seal_digest(const struct merkle_hash *root, const u8 *marks, size_t len, u8 ret[SHA256_BYTES])
{
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, root->b, sizeof root->b);
	sha256_update(&s, marks, len);
	sha256_final(&s, ret);
}

int audit_seal_mark(struct audit_log *log, const struct merkle_hash *leaf)
{
	size_t at = log->seal_len ? log->seal_len : SEAL_HEAD_BYTES;
	if (at + SEAL_MARK_BYTES > log->seal_cap) {
		size_t cap = log->seal_cap ? 2 * log->seal_cap : 4096;
		u8 *p = realloc(log->seal, cap);
		if (!p)
			return err_origin(-ENOMEM);
		log->seal = p;
		log->seal_cap = cap;
	}
	memcpy(log->seal + at, leaf->b, SEAL_MARK_BYTES);
	log->seal_len = at + SEAL_MARK_BYTES;
	return 0;
}

void audit_seal_make(struct audit_log *log, const struct merkle_hash *root, const void **ret, size_t *ret_len)
{
	u8 digest[SHA256_BYTES];
	char text[SIGNED_TEXT_MAX];
	assert(log->seal_len > SEAL_HEAD_BYTES);
	memcpy(log->seal, root->b, sizeof root->b);
	seal_digest(root, log->seal + SEAL_HEAD_BYTES, log->seal_len - SEAL_HEAD_BYTES, digest);
	size_t n = text_of(log, "keep seal", log->tree.size, digest, text);
	const struct note_key *key =
		log->rotating ? &log->old_key : &log->key; /* it vouches for its successor */
	crypto_sign_detached(log->seal + sizeof root->b, NULL, (const u8 *)text, n, key->secret_key);
	*ret = log->seal;
	*ret_len = log->seal_len;
}

int audit_seal_open(const struct audit_log *log, u64 size, const void *data, size_t len, struct seal *ret)
{
	const u8 *p = data;
	u8 digest[SHA256_BYTES];
	char text[SIGNED_TEXT_MAX];
	if (!p || len <= SEAL_HEAD_BYTES || (len - SEAL_HEAD_BYTES) % SEAL_MARK_BYTES ||
		(len - SEAL_HEAD_BYTES) / SEAL_MARK_BYTES > size)
		return 1;
	memcpy(ret->root.b, p, sizeof ret->root.b);
	ret->marks = p + SEAL_HEAD_BYTES;
	ret->first = size - (len - SEAL_HEAD_BYTES) / SEAL_MARK_BYTES;
	seal_digest(&ret->root, ret->marks, len - SEAL_HEAD_BYTES, digest);
	size_t n = text_of(log, "keep seal", size, digest, text);
	return crypto_sign_verify_detached(
		       p + sizeof ret->root.b, (const u8 *)text, n, audit_key_at(log, ret->first)->public_key)
		       ? 1
		       : 0;
}

/* ---- savepoints ---- */

struct saved {
	u64 size, witnesses_index, cosign_index, cosigned_index, state_index, key_index, n_open;
};
SIZE_PIN(saved, 56);

struct saved_open {
	u64 index, event;
};
SIZE_PIN(saved_open, 16);

static size_t saved_len(const struct saved *s)
{
	return sizeof *s + (size_t)__builtin_popcountll(s->size) * sizeof(struct merkle_hash) +
	       (size_t)s->n_open * sizeof(struct saved_open) + crypto_sign_BYTES;
}

int audit_log_save(struct audit_log *log)
{
	const struct audit_tail *t = &log->tail;
	const struct saved s = { log->tree.size, t->witnesses_index, t->cosign_index, t->cosigned_index,
		t->state_index, t->key_index, t->n_open };
	if (t->n_open > SAVE_OPEN_MAX)
		return 0;
	size_t len = saved_len(&s);
	_cleanup_free_ u8 *data = malloc(len);
	if (!data) {
		audit_log_fail(log, "out of memory");
		return err_origin(-ENOMEM);
	}
	u8 *p = data, digest[SHA256_BYTES];
	memcpy(p, &s, sizeof s);
	p += sizeof s;
	for (u32 l = 0; l < 64; l++)
		if (s.size >> l & 1)
			memcpy(p, log->tree.edge[l].b, SHA256_BYTES), p += SHA256_BYTES;
	for (size_t i = 0; i < t->n_open; i++, p += sizeof(struct saved_open))
		memcpy(p, &(struct saved_open){ t->open[i].index, t->open[i].event },
			sizeof(struct saved_open));
	char text[SIGNED_TEXT_MAX];
	sha256_of(data, (size_t)(p - data), digest);
	size_t n = text_of(log, "keep savepoint", s.size, digest, text);
	crypto_sign_detached(p, NULL, (const u8 *)text, n, log->key.secret_key);
	int r = audit_log_put_single(log, SAVE_NAME, data, len);
	if (!r)
		log->saved_size = s.size;
	return r;
}

/* Does it hold, and what does it say? */
static int saved_open(const struct audit_log *log, const u8 *data, size_t len, struct audit_check *c)
{
	struct saved s;
	u8 digest[SHA256_BYTES];
	char text[SIGNED_TEXT_MAX];
	if (len < sizeof s)
		return 1;
	memcpy(&s, data, sizeof s);
	if (s.n_open > SAVE_OPEN_MAX || s.size > c->size || saved_len(&s) != len)
		return 1;
	const u8 *p = data + sizeof s, *sig = data + len - crypto_sign_BYTES;
	sha256_of(data, len - crypto_sign_BYTES, digest);
	size_t n = text_of(log, "keep savepoint", s.size, digest, text);
	if (crypto_sign_verify_detached(sig, (const u8 *)text, n, log->key.public_key))
		return 1;
	c->tail = (struct audit_tail){ .witnesses_index = s.witnesses_index,
		.cosign_index = s.cosign_index,
		.cosigned_index = s.cosigned_index,
		.state_index = s.state_index,
		.key_index = s.key_index,
		.open = malloc(MAX(s.n_open, 1u) * sizeof(struct audit_open)),
		.n_open = s.n_open,
		.cap_open = MAX(s.n_open, 1u) };
	if (!c->tail.open)
		return err_origin(-ENOMEM);
	c->tree.size = c->next = c->from = s.size;
	for (u32 l = 0; l < 64; l++)
		if (s.size >> l & 1)
			memcpy(c->tree.edge[l].b, p, SHA256_BYTES), p += SHA256_BYTES;
	for (size_t i = 0; i < s.n_open; i++, p += sizeof(struct saved_open)) {
		struct saved_open o;
		memcpy(&o, p, sizeof o);
		c->tail.open[i] = (struct audit_open){ o.index, (u32)o.event };
	}
	return 0;
}

int audit_log_saved(struct audit_log *log, struct audit_check *c)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_SINGLE);
	sqlite3_bind_text(s, 1, SAVE_NAME, -1, SQLITE_STATIC);
	int rc = sqlite3_step(s), r = rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 1 : audit_log_errno(rc);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(s, 0) > 0)
		r = saved_open(log, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0), c);
	sqlite3_reset(s);
	return r;
}

void audit_log_distrust(struct audit_log *log, u64 index, const char *why)
{
	audit_log_fail(log, "the log does not verify at record %" PRIu64 ": %.160s", index, why);
	log->unread_from = log->unread_to = 0;
	sqlite3_exec(log->db, "DELETE FROM singles WHERE name = '" SAVE_NAME "'", NULL, NULL, NULL);
}
