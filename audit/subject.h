/* Subjects: the people whose texts the log speaks of, and the secrets that keep these texts theirs.
 *
 *   keys/subjects    slots of 256 bytes, a slot for each subject: its name, a key and a salt, both random
 *
 * The key seals what is retained of the subject's requests and answers (XChaCha20-Poly1305, a fresh nonce for each text, the index of the
 * record and the subject's name bound to it). The salt makes what records say of them a commitment: SHA-256 over a salt of the exchange and
 * the digest of the text, where the salt of an exchange is BLAKE2b, keyed with the subject's salt, of the index of the request's record. So one exchange
 * can be opened to somebody (its salt is given away) without opening another, and without any salt the commitment fits every text equally well.
 *
 * The file is not part of the log, so that it can forget: destroying a slot overwrites it where it lies. Then no text of the subject can be
 * read, and none can be guessed and compared, while every record, proof and signature stays as it is. A subject that comes back later gets a
 * new slot with new secrets; `made` says which records it can speak of. What an overwrite reaches is the file system's and the drive's matter:
 * on copy-on-write file systems and flash the site needs an encrypted disk below. */
#pragma once

#include "base/limits.h"
#include "base/sha256.h"
#include "base/types.h"

#define SUBJECT_KEY_BYTES  32u
#define SUBJECT_SEAL_BYTES 40u /* what sealing adds: a nonce of 24, a tag of 16 */

struct subject {
	char magic[8];
	u64 made; /* size of the log when the slot was made: it keeps texts of records from here on */
	char name[NAME_LEN_MAX + 8]; /* "uid:1000" */
	u8 key[SUBJECT_KEY_BYTES], salt[SUBJECT_KEY_BYTES];
	u8 reserved[72];
	u8 check[SHA256_BYTES]; /* of all before it: a torn slot is known as one */
};
SIZE_PIN(subject, 256);

struct subjects {
	int fd;
	u32 n;	       /* slots of the file */
	u32 n_damaged; /* slots that are neither empty nor whole: their texts are lost, and they are left alone */
	struct subject
		*v; /* the slots, in memory that is not swapped where that is allowed; empty ones all zero */
};
#define SUBJECTS_NONE    \
	{                \
		.fd = -1 \
	}

/* Open or make keys/subjects below the store. 0 done; 1 the file is not a whole number of slots, or too many; -errno. */
_must_use_ int audit_subjects_open(int store, struct subjects *ret);
/* Wipes the memory. */
void audit_subjects_close(struct subjects *s);

/* Is it the name of a subject: 1 to 64 of [a-z0-9._:@-]? */
bool audit_subject_name_ok(const char *name);
/* The subject of that name, or NULL. It stays where it is until it is destroyed. */
struct subject *audit_subject_find(struct subjects *s, const char *name);
/* A new one, durable when this returns. 0 done; 1 there are SUBJECTS_MAX; -errno. */
_must_use_ int audit_subject_make(struct subjects *s, const char *name, u64 made, struct subject **ret);
/* Overwrite the slot with zeros, durable when this returns. 0 done; -errno: nobody knows what the disk holds. */
_must_use_ int audit_subject_destroy(struct subjects *s, struct subject *subject);

/* The salt of the exchange that the record `intent` began. */
void audit_subject_salt(const struct subject *s, u64 intent, u8 ret[SHA256_BYTES]);
/* What a record says instead of a digest: SHA-256(salt ‖ digest). ret may be digest. */
void audit_subject_commit(
	const struct subject *s, u64 intent, const u8 digest[SHA256_BYTES], u8 ret[SHA256_BYTES]);

/* Seal the text of record `index`. 0, *ret_data to be freed, len + SUBJECT_SEAL_BYTES long; -ENOMEM. */
_must_use_ int audit_subject_seal(
	const struct subject *s, u64 index, const void *text, size_t len, u8 **ret_data, size_t *ret_len);
/* Open it to text, which holds len - SUBJECT_SEAL_BYTES. 0 done; 1 it is not what was sealed for that record. */
_must_use_ int audit_subject_unseal(
	const struct subject *s, u64 index, const void *data, size_t len, u8 *text);
