/* attest: is this model the one that was signed, and what does its header say?
 *
 * Three steps, each a function of bytes and descriptors, each ending in a struct attest_report (proto/job.h):
 *
 *   attest_bundle_verify   bundle + trusted keys        → what exactly was signed (struct attest_manifest)
 *   attest_model_verify    manifest + open files        → every byte hashed once, compared, copied; the segment table
 *   attest_layout_make     segment table + stored files → the layout: what the bytes mean
 *
 * Return values, in this folder:  0 accepted, done;  1 rejected, the report says why;  <0 -errno, could not decide.
 * A report is filled on 0 and 1; on <0 call attest_report_undecided. Nothing here opens a path but attest_tree_open, which the
 * CLI calls as its caller. keep-attest (main.c) offers the three steps to keepd, one job per process. */
#pragma once

#include "attest/reason.h"
#include "base/layout.h"
#include "proto.h"

/* Load what the libraries need (configuration, hash seeds) before a sandbox closes the file system. Once per process. 0; -errno. */
_must_use_ int attest_prepare(void);

/* ---- reports -------------------------------------------------------------------------------------------------------------- */

/* An accepted, empty report. */
void attest_report_init(struct attest_report *r);
/* Could not decide: error is -errno, object what it was about, unless the step that failed has already named a file. */
void attest_report_undecided(struct attest_report *r, int error, const char *object);

/* A table that a step made; free with attest_blob_fini. data is aligned to 8. */
struct attest_blob {
	u8 *data;
	size_t len;
};
void attest_blob_fini(struct attest_blob *b);

/* Called at most some 20 times a second and once at the end; done and total in bytes. */
struct attest_progress {
	void (*call)(void *ctx, u64 done, u64 total, const char *what);
	void *ctx;
};

/* ---- keys ----------------------------------------------------------------------------------------------------------------- */

/* The one PEM public key in pem[len] (text before it is allowed, as some tools write): ECDSA on P-256, P-384 or P-521, named curve.
 * id is the SHA-256 of the key's PEM text as OpenSSL writes it, which is what a bundle's hint holds. name stays empty.
 * 1: ATTEST_KEY, ATTEST_SIZE_LIMIT. */
_must_use_ int attest_key_parse(
	const void *pem, size_t len, struct proto_key *ret, struct attest_report *report);
/* Is a key that came over a socket exactly what attest_key_parse would have made? */
bool attest_key_ok(const struct proto_key *key);
/* The key's PEM text, as in the file that was added, 0-terminated. 0; -errno. */
_must_use_ int attest_key_pem(const struct proto_key *key, char **ret_pem);

/* A new pair in PREFIX.key.pem (mode 0600, PKCS #8, not encrypted) and PREFIX.pub.pem; neither may exist.
 * curve_bits 256, 384 or 521. ret_key: the public half. 0; -EEXIST; -EINVAL the curve; -errno. */
_must_use_ int attest_keygen(const char *prefix, u32 curve_bits, struct proto_key *ret_key);

/* ---- certificates --------------------------------------------------------------------------------------------------------- */

/* Certificates in the order in which they were added, at most CERTS_MAX. NULL holds none. */
struct attest_certs;
/* Append every certificate of a PEM file, at least one; *certs is made when it is NULL, and is the caller's in every case.
 * 1: ATTEST_CERTIFICATE, ATTEST_SIZE_LIMIT. */
_must_use_ int attest_certs_add(
	struct attest_certs **certs, const void *pem, size_t len, struct attest_report *report);
u32 attest_certs_count(const struct attest_certs *certs);
struct attest_certs *attest_certs_free(struct attest_certs *certs);

/* Revocation lists, at most CRLS_MAX; NULL holds none. */
struct attest_crls;
/* Append every list of a PEM file, at least one, as attest_certs_add does. 1: ATTEST_CRL, ATTEST_SIZE_LIMIT. */
_must_use_ int attest_crls_add(
	struct attest_crls **crls, const void *pem, size_t len, struct attest_report *report);
struct attest_crls *attest_crls_free(struct attest_crls *crls);

/* ---- identities ----------------------------------------------------------------------------------------------------------- */

struct attest_manifest;
/* Is it one that can be held against a leaf: terminated texts, a policy that is a number, at least one field? */
bool attest_identity_ok(const struct proto_identity *id);
/* Does the leaf that signed this verified manifest say everything that id pins? A bundle that was signed with a plain key says
 * nothing. 0; 1 ATTEST_IDENTITY; -EINVAL: id is not ok; -errno. */
_must_use_ int attest_identity_check(
	const struct proto_identity *id, const struct attest_manifest *m, struct attest_report *report);

/* ---- trusted roots ---------------------------------------------------------------------------------------------------------- */

/* What a keyless bundle is held against: authorities and logs, each with its time. */
struct attest_trusted_root;
/* Read a trusted_root.json, alone or within a client trust configuration. *ret is the caller's.
 * 1: ATTEST_TRUSTED_ROOT, and the reasons of JSON, base64 and certificates; -errno. */
_must_use_ int attest_trusted_root_parse(
	const void *json, size_t len, struct attest_trusted_root **ret, struct attest_report *report);
struct attest_trusted_root *attest_trusted_root_free(struct attest_trusted_root *t);

/* ---- bundles -------------------------------------------------------------------------------------------------------------- */

/* One signed file. Its digests are items first .. first + n - 1 of the manifest: one for method files, one per shard otherwise. */
struct attest_file {
	const char *path; /* relative; "." in bundles of one file that were made before v1.1 */
	u32 first, n;
	u64 bytes; /* shards: the size that was signed; files: UINT64_MAX, the digest alone decides */
};

/* What a publisher signed. Lives until attest_manifest_free. */
struct attest_manifest {
	bool verified;	 /* false for a manifest that was only looked at */
	u64 shard_bytes; /* 0: method files */
	u32 n_files;
	const struct attest_file *files; /* in the order of their first appearance in the statement */
	u32 hash;			 /* enum hash_type (hash.h) of the digests */
	const u8 *digests;		 /* hash_bytes(hash) each, one after the other */
	u32 n_digests;
	u32 n_ignore;
	const char *const *ignore;    /* paths that the signer left out, each with all below it */
	const char *name;	      /* informative: what the signer called the model */
	u8 model[MODEL_DIGEST_BYTES]; /* SHA-384 of the statement's bytes: the model's identity */
	struct attest_manifest_priv *priv;
};
struct attest_manifest *attest_manifest_free(struct attest_manifest *m);

struct attest_bundle_params {
	const void *data;
	size_t len;
	const struct proto_key *keys; /* trusted; the bundle never brings its own */
	u32 n_keys;
	const struct attest_certs
		*roots; /* pinned; NULL: bundles of method certificate are refused by method */
	const struct attest_crls
		*crls; /* NULL: revocation is not looked at; else every issuer needs a list */
	const struct proto_identity *identity; /* what the leaf must say besides; NULL: nothing */
	/* NULL: bundles of method sigstore are refused by method; with it, identity must pin a name and its provider, or the leaf */
	const struct attest_trusted_root *trusted_root;
	/* time stamp authorities, as attest_certs_add reads them; a leaf among them is the only one that may sign; NULL: stamps count only
	 * where the trusted root holds their authority */
	const struct attest_certs *tsa;
	const char *tsa_policy; /* the number of the policy that stamps must be under; NULL: any */
	bool needs_stamp;	/* a bundle without a stamp that holds is refused */
	i64 at; /* now: seconds of UTC at which certificates are judged where nothing signed says another time */
};
/* Read the bundle strictly, verify its one signature with the trusted key that it names, or with the leaf of a chain that leads to
 * a pinned root, and only then read the statement. report gets model, bundle, key_id and signer as soon as the signature held. */
_must_use_ int attest_bundle_verify(
	const struct attest_bundle_params *p, struct attest_manifest **ret, struct attest_report *report);
/* The same reading without any key: tells a sender which files to send, and proves nothing (verified is false; attest_model_verify
 * does not take it). */
_must_use_ int attest_bundle_peek(
	const void *data, size_t len, struct attest_manifest **ret, struct attest_report *report);

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

struct attest_source {
	char path[PATH_LEN_MAX + 1]; /* relative to the model */
	int fd;			     /* read-only, a regular file; owned by the tree */
	u64 bytes;
	u64 offset; /* 0: the whole file; else `bytes` from there on, of a longer one: a member of a transfer (transfer.h) */
};
struct attest_tree {
	struct attest_source *files; /* sorted by path, byte order */
	u32 n_files;
	bool single;	/* the model is one file */
	u64 bytes;	/* of all files */
	char name[256]; /* base name of the model */
	char *bundle;	/* where the bundle lies below the model; NULL when it does not */
};

struct attest_tree_params {
	/* a directory, or one file */
	const char *path;
	/* left out of the tree when it lies inside; need not exist; NULL: none */
	const char *bundle_path;
	/* names in it are kept although a rule would leave them out, its ignore paths are left out; NULL when signing */
	const struct attest_manifest *listed;
	/* with listed: leave out everything that it does not list, whatever it is */
	bool only_listed;
	/* the caller's: each left out with all below it, but what listed lists; relative to the model */
	const char *const *ignore;
	u32 n_ignore;
	bool transfers; /* a file that is an archive is the model in it */
};
/* Open every file of a model, once, read-only, below one directory descriptor: no symbolic link is followed, anything that is
 * neither file nor directory is refused. .git, .github, .gitignore, .gitattributes at the top are left out (OMS §6.2). Raises the
 * soft limit of open files as far as allowed.
 * 1: ATTEST_SYMLINK, _SPECIAL_FILE, _PATH, _FILE_LIMIT, _EMPTY_MODEL, _TRANSFER. -ENOENT: no such model. */
_must_use_ int attest_tree_open(
	const struct attest_tree_params *p, struct attest_tree *ret, struct attest_report *report);
void attest_tree_fini(struct attest_tree *t);

struct attest_model_params {
	const struct attest_manifest *manifest; /* verified */
	const struct attest_source *files;	/* any order; names and manifest must be equal */
	u32 n_files;
	const int *stages; /* where the bytes of files[i] are copied; NULL: nowhere */
	const struct attest_progress *progress;
	u32 threads; /* 0: one for each core, where there is enough to do */
};
/* Read each byte once into memory of our own, on every core; hash that memory, compare with the manifest, write that memory to the
 * stage. ret_segments: the segment table of layout.h, files in the order of the manifest; NULL: none is made, and each byte is hashed
 * once (stages must be NULL then). Of several faults the first one in the order of the manifest is reported.
 * 1: ATTEST_MISSING_FILE, _EXTRA_FILE, _DUPLICATE_FILE, _SPECIAL_FILE, _DIGEST, _SHARD, _CHANGED, _FILE_LIMIT. */
_must_use_ int attest_model_verify(
	const struct attest_model_params *p, struct attest_blob *ret_segments, struct attest_report *report);

/* ---- signing -------------------------------------------------------------------------------------------------------------- */

/* A private key in a PKCS #11 token. */
struct attest_token;
struct attest_token_params {
	const char *uri; /* RFC 7512; a pin-value in it is refused */
	/* Called at most once, when the token wants a PIN: source is the URI's pin-source or NULL, label the token's; at most PIN_BYTES_MAX
	 * bytes into pin. 0; 1 there is none; -errno. */
	int (*pin)(void *ctx, const char *source, const char *label, char *pin, size_t *ret_len);
	void *ctx;
};
/* Find the token and the key that the URI names, exactly one of each, and log in. 1: ATTEST_KEY (also where this build has no PKCS #11). */
_must_use_ int attest_token_open(
	const struct attest_token_params *p, struct attest_token **ret, struct attest_report *report);
/* Logs out. Returns NULL. */
struct attest_token *attest_token_close(struct attest_token *t);

struct attest_sign_params {
	const struct attest_tree *tree;
	struct attest_token *token; /* NULL: the key is in key_pem */
	const void *key_pem;	    /* private key, not encrypted */
	size_t key_len;
	u64 shard_bytes; /* 0: method files */
	u32 hash;	 /* enum hash_type (hash.h); 0: SHA-256 */
	const struct attest_progress *progress;
	const struct attest_certs *certs; /* leaf first, of this key: method certificate; NULL: method key */
	const char *const *ignore;	  /* what the tree was opened without; written into the statement */
	u32 n_ignore;
};
/* Hash the files, sign the statement and read the result back with the same eyes as a verifier. ret_bundle: the bundle's bytes.
 * 1: ATTEST_KEY, _EMPTY_FILE, _SHARD, _CHANGED, _FILE_LIMIT, _HASH_TYPE. */
_must_use_ int attest_sign(
	const struct attest_sign_params *p, struct attest_blob *ret_bundle, struct attest_report *report);
/* The bytes that would be signed, for tests and the curious. */
_must_use_ int attest_statement_make(
	const struct attest_sign_params *p, struct attest_blob *ret_statement, struct attest_report *report);

/* ---- the header ----------------------------------------------------------------------------------------------------------- */

struct attest_layout_params {
	const struct segments *segments;
	/* any order; names equal those of the segment table; only .gguf files are read */
	const struct attest_source *files;
	u32 n_files;
};
/* Read the GGUF headers, each segment of them compared with its digest first, and write the layout. 1: the ATTEST_GGUF_ reasons,
 * _MISSING_FILE, _EXTRA_FILE, _SPECIAL_FILE, _CHANGED, _DIGEST. */
_must_use_ int attest_layout_make(
	const struct attest_layout_params *p, struct attest_blob *ret_layout, struct attest_report *report);
