/* The store directory. Only keepd opens it.
 *
 *   log.db                      the log (and its -wal)
 *   keys/log.key                the log's secret key, mode 0600; keys/log.vkey its public half. Where the credential keep.log.key is given
 *                               ($CREDENTIALS_DIRECTORY, sealed by systemd-creds), that is the key, and no secret lies here
 *   keys/log.key.next           while a rotation is being committed: the new one. As a credential: keep.log.key.next
 *   reserve                     disk that only officers and auditors may use up (reserve.c)
 *   models/<hex of MODEL_DIGEST>/{bundle,segments,layout,0000,0001,…}    mode 0400; files in the order of the segment table
 *   staging/                    work that is not yet, or no longer, in models/; emptied at start
 *
 * A model moves by one rename, from staging/<hex> to models/<hex>, after its record is durable: so models/ never holds anything
 * that the log does not speak of. */
#pragma once

#include "appliance/proto.h"
#include "audit/tlog/note.h"

struct store {
	int dir, models, staging; /* directories */
	char db_path[4096];	  /* of log.db, for SQLite */
};

#define STORE_NAME_BYTES (2 * MODEL_DIGEST_BYTES + 16)

/* Make a store at path with a key and a log of one record; the vkey goes to vkey[cap].
 * 0 done; 1 something is there already; -errno. */
_must_use_ int audit_store_create(const char *path, const char *version, char *vkey, size_t cap);
/* 0 done; 1 no store there (or another keepd has it), *ret_why says; -errno. */
_must_use_ int audit_store_open(
	const char *path, struct store *ret, struct note_key *ret_key, const char **ret_why);
void audit_store_close(struct store *s);

/* Every key that may be the log's: of the store and of credentials, the next ones last. */
#define STORE_KEYS_MAX 4u
struct store_keys {
	struct note_key v[STORE_KEYS_MAX];
	bool next[STORE_KEYS_MAX];	 /* it is a next one */
	bool credential[STORE_KEYS_MAX]; /* it is sealed, and not for us to write */
	u32 n;
};
/* 0 done, at least one; 1 none, *ret_why says; -errno. */
_must_use_ int audit_store_keys(const struct store *s, struct store_keys *ret, const char **ret_why);
/* A fresh key of that name into keys/log.key.next, durable. 0; -errno. */
_must_use_ int audit_store_key_next(const struct store *s, const char *name, struct note_key *ret);
/* keys/log.key.next takes the place of keys/log.key, whose secret is gone with it; harmless when it is not there. The vkey file says `now`.
 * 0; -errno. */
_must_use_ int audit_store_key_settle(const struct store *s, const struct note_key *now);
/* A fresh key of the name that the store at path has in keys/log.vkey; nothing is written. 0; 1 there is no such name; -errno. */
_must_use_ int audit_store_next(const char *path, struct note_key *ret);
/* Drop keys/log.key.next, which nothing was committed with, and what a crash left of writing it. 0; -errno. */
_must_use_ int audit_store_key_drop(const struct store *s);

/* Bytes that an unprivileged process may still write there. 0 done; -errno. */
_must_use_ int audit_store_free(const struct store *s, u64 *ret_bytes);

/* A directory in staging, empty. 0 done, *ret_fd; -errno. */
_must_use_ int audit_store_stage(const struct store *s, const char *name, int *ret_fd);
/* A file "0000" … "1023" in a stage; writable and new, or read-only. */
_must_use_ int audit_store_stage_file(int stage, u32 index, bool create, int *ret_fd);
/* A whole small file into a stage, durable, mode 0400. 0 done; -errno. */
_must_use_ int audit_store_stage_put(int stage, const char *name, const void *data, size_t len);
/* Sync every file of the stage and the stage, mode 0400. 0 done; -errno. */
_must_use_ int audit_store_stage_seal(int stage);

/* staging/from → staging/<hex>, durable. */
_must_use_ int audit_store_stage_name(const struct store *s, const char *from, const u8 *digest);
/* staging/<hex> → models/<hex>, durable. Harmless when it has been done. 0 done; 1 neither is there; -errno. */
_must_use_ int audit_store_publish(const struct store *s, const u8 digest[MODEL_DIGEST_BYTES]);
/* models/<hex> → staging/x<hex>, durable, to be emptied by audit_store_sweep. 0 done or not there; -errno. */
_must_use_ int audit_store_withdraw(const struct store *s, const u8 digest[MODEL_DIGEST_BYTES]);
/* Withdraw every directory of models/ that keep() does not know. 0 done; -errno. */
_must_use_ int audit_store_prune(const struct store *s, bool (*keep)(void *arg, const u8 *digest), void *arg);
/* Remove one file of what lies in staging, except the directory `keep` (may be NULL). 0 nothing left; 1 more to do; -errno. */
_must_use_ int audit_store_sweep(const struct store *s, const char *keep);

/* Open a file of a stored model for reading: "bundle", "segments", "layout" or "%04u". 0 done; -errno. */
_must_use_ int audit_store_open_file(
	const struct store *s, const u8 digest[MODEL_DIGEST_BYTES], const char *name, int *ret_fd);
