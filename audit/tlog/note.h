/* Signed notes and checkpoints, exactly as C2SP signed-note and tlog-checkpoint 1.0.0 write them.
 *
 *   note       = text (ends in LF) LF 1*signature-line
 *   signature  = U+2014 SP name SP base64(key id[4] || signature) LF
 *   key id     = SHA-256(name || LF || 0x01 || public key)[0:4]
 *   vkey       = name "+" hex(key id) "+" base64(0x01 || public key)
 *   checkpoint = origin LF size LF base64(root) LF;  the key's name is the origin
 *
 * Only Ed25519 notes (0x01) are written or verified here; signatures of unknown keys are ignored, as the format demands. */
#pragma once

#include "audit/tlog/merkle.h"

#define NOTE_NAME_MAX	    128u  /* bytes of a key's name; ours take 27 */
#define NOTE_BYTES_MAX	    8192u /* bytes of a note that is read; ours take 250 */
#define NOTE_SIGNATURES_MAX 64u	  /* signature lines of a note; the format asks for at least 16 */

/* A public key and, where it is ours, the secret one. */
struct note_key {
	char name[NOTE_NAME_MAX + 1];
	u8 id[4];
	u8 public_key[32];
	u8 secret_key[64]; /* as libsodium keeps it; zero when unknown */
};

/* Base64 of RFC 4648 with padding, strictly canonical. out holds 4 * DIV_UP(len, 3) + 1 characters. */
void tlog_base64(const void *data, size_t len, char *out);
/* 0 done, *ret_len bytes at ret; 1 not canonical base64 or more than cap bytes. */
_must_use_ int tlog_unbase64(const char *text, size_t len, u8 *ret, size_t cap, size_t *ret_len);

/* A fresh key whose name is "keep.local/" and the first 8 bytes of SHA-256(public key) in hex. */
void tlog_note_key_make(struct note_key *ret);
/* "PRIVATE+KEY+name+id+base64(0x01 || seed)", 0-terminated, for the key file. out holds at least 256 bytes. */
void tlog_note_key_secret_text(const struct note_key *k, char *out, size_t cap);
/* 0 done; 1 not a key of that form, or its id does not fit. text may end in one LF. */
_must_use_ int tlog_note_key_from_secret(const char *text, struct note_key *ret);
void tlog_note_vkey(const struct note_key *k, char *out, size_t cap);
_must_use_ int tlog_note_key_from_vkey(const char *text, struct note_key *ret);

/* Sign text (ends in LF): the whole note goes to out, 0-terminated. 0 done; 1 out is too small. */
_must_use_ int tlog_note_sign(const struct note_key *k, const char *text, char *out, size_t cap);
/* 0 at least one of the keys signed the note and none of their signatures is wrong; *ret_text_len is the length of the text with
 * its final LF. 1 malformed; 2 a known key's signature is wrong; 3 no known key signed it. */
_must_use_ int tlog_note_open(
	const char *note, size_t len, const struct note_key *keys, size_t n_keys, size_t *ret_text_len);

/* The text of a checkpoint; out holds NOTE_NAME_MAX + 80. */
void tlog_checkpoint_text(
	const char *origin, u64 size, const struct merkle_hash *root, char *out, size_t cap);
struct checkpoint {
	char origin[NOTE_NAME_MAX + 1];
	u64 size;
	struct merkle_hash root;
};
/* Read a checkpoint's text, strictly: decimal size without leading zero, root of 32 bytes; extension lines are refused, since ours
 * has none. 0 done; 1 malformed. */
_must_use_ int tlog_checkpoint_read(const char *text, size_t len, struct checkpoint *ret);
