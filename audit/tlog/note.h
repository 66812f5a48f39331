/* Signed notes and their keys, exactly as C2SP signed-note 1.0.0 and tlog-cosignature 1.0.1 (Ed25519) say.
 *
 *   note        = text (ends in LF) LF 1*signature-line; UTF-8, no control character below 0x20 but LF
 *   signature   = U+2014 SP name SP base64(key id[4] || signature) LF
 *   key id      = SHA-256(name || LF || type || public key)[0:4]
 *   vkey        = name "+" hex(key id) "+" base64(type || public key)
 *   type 0x01   Ed25519 over the text
 *   type 0x04   a checkpoint's cosignature: u64 time (big-endian, seconds, below 2^63) || Ed25519 over
 *               "cosignature/v1\ntime <time>\n" || text
 *   type 0x06   ML-DSA-44 cosignature: its keys are recognised, so that policies that name them can be read, but its signatures
 *               are ignored like those of unknown keys (no library of Debian 12 has it)
 *
 * A signature of a key that is not known is ignored; one of a known key that is wrong condemns the note. */
#pragma once

#include "audit/tlog/text.h"
#include "base/limits.h"

enum note_type { NOTE_ED25519 = 1, NOTE_COSIGNATURE = 4, NOTE_MLDSA44 = 6 };

#define NOTE_VKEY_MAX \
	(NOTE_NAME_MAX + 1800u) /* bytes of a vkey with its 0: an ML-DSA-44 key has 1,312 bytes */
#define NOTE_SIGNATURE_MAX \
	(NOTE_NAME_MAX + 128u) /* bytes of an Ed25519 signature line of ours with LF and 0 */

/* A public key and, where it is ours, the secret one. */
struct note_key {
	char name[NOTE_NAME_MAX + 1];
	u32 type; /* enum note_type */
	u8 id[4];
	u8 public_key[32]; /* of ML-DSA-44: its SHA-256 */
	u8 secret_key[64]; /* as libsodium keeps it; zero when unknown */
};

/* A fresh key. Without a name it is called "keep.local/" and the first 8 bytes of SHA-256(public key) in hex.
 * 0 done; 1 the name is not one for a key. */
_must_use_ int tlog_note_key_make(const char *name, enum note_type type, struct note_key *ret);
/* "PRIVATE+KEY+name+id+base64(type || seed)", 0-terminated, for the key file. out holds NOTE_VKEY_MAX bytes. */
void tlog_note_key_secret_text(const struct note_key *k, char *out, size_t cap);
/* 0 done; 1 not a key of that form, or its id does not fit. text may end in one LF. */
_must_use_ int tlog_note_key_from_secret(const char *text, struct note_key *ret);
/* out holds NOTE_VKEY_MAX bytes. Not for ML-DSA-44. */
void tlog_note_vkey(const struct note_key *k, char *out, size_t cap);
/* 0 done; 1 not a vkey of a type above. */
_must_use_ int tlog_note_key_from_vkey(const char *text, size_t len, struct note_key *ret);
bool tlog_note_key_same(const struct note_key *a, const struct note_key *b); /* name and id */

/* A note whose form is right; nothing of it is believed yet. It points into the bytes it was read from. */
struct note {
	const char *text; /* with its final LF */
	size_t text_len;
	const char *lines; /* signature lines */
	size_t lines_len;
	u32 n_lines;
};
/* 0 done; 1 malformed; 2 malformed only behind the text: *ret is set but n_lines. */
_must_use_ int tlog_note_parse(const char *note, size_t len, struct note *ret);

/* Is there a line that claims to be of a key of that name, well-formed or not? */
bool tlog_note_names(const struct note *n, const struct note_key *k);

/* What a key said. */
struct note_signed {
	bool good;
	u64 time; /* cosignatures: the newest */
};
/* Judge the signatures of keys[n_keys]; ret[n_keys] says for each whether it signed. 0 at least one did and no line of theirs is wrong;
 * 2 one is wrong; 3 none signed. */
_must_use_ int tlog_note_judge(
	const struct note *n, const struct note_key *keys, size_t n_keys, struct note_signed *ret);
/* The next signature line from *at on (0 first) that names a key: with its LF. 0 done, *at behind it; 1 there is none. */
_must_use_ int tlog_note_line_of(
	const struct note *n, const struct note_key *key, size_t *at, struct tlog_line *ret);

/* Parse and judge. 0; 1 malformed; 2 and 3 as above. *ret_text_len is the length of the text with its final LF. */
_must_use_ int tlog_note_open(
	const char *note, size_t len, const struct note_key *keys, size_t n_keys, size_t *ret_text_len);

/* Sign text (ends in LF) with an Ed25519 note key: the whole note goes to out, 0-terminated. 0 done; 1 out is too small. */
_must_use_ int tlog_note_sign(const struct note_key *k, const char *text, char *out, size_t cap);
/* One signature line, with LF and 0, of a note key or of a cosignature key as of `time`; out holds NOTE_SIGNATURE_MAX. */
void tlog_note_line(const struct note_key *k, const char *text, size_t len, u64 time, char *out);
