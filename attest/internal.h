/* What the files of attest/ share and nobody else sees. */
#pragma once

#include "attest/attest.h"
#include "attest/hash.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/types.h"

#include <errno.h>
#include <jansson.h>

/* ---- reports (reason.c) --------------------------------------------------------------------------------------------------- */

/* Fill the report as rejected; always 1, so that a check reads `return attest_reject(…)`. */
int attest_reject(struct attest_report *r, u32 reason, const char *object, const char *fmt, ...)
	_printf_(4, 5);
/* Copy into a field of a report: what fits, cut at a character's edge, control characters and broken UTF-8 made visible. */
void attest_text(char *field, size_t size, const char *s, size_t len);
/* Name what an error was about, for the report of "could not decide"; returns its argument. */
int attest_about(struct attest_report *r, int error, const char *object);
/* What was wanted and what was there; call after attest_reject. */
void attest_expected(struct attest_report *r, const char *expected, const char *found);
void attest_expected_hex(
	struct attest_report *r, const u8 expected[SHA256_BYTES], const u8 found[SHA256_BYTES]);
/* The same for digests of any type. */
void attest_expected_digest(struct attest_report *r, const u8 *expected, const u8 *found, u32 len);
void attest_expected_u64(struct attest_report *r, u64 expected, u64 found);

/* ---- base64 (base64.c): RFC 4648 §4, canonical: padded, no blanks, unused bits zero ------------------------------------------ */

/* 0 done, *ret_data to be freed, at least 1 byte allocated; 1 not canonical; -ENOMEM. */
_must_use_ int base64_decode(const char *text, size_t len, u8 **ret_data, size_t *ret_len);
/* 0-terminated text, to be freed; NULL out of memory. */
char *base64_encode(const void *data, size_t len);

/* ---- JSON (json.c) -------------------------------------------------------------------------------------------------------- */

/* One JSON object that fills data[len]: UTF-8, no duplicate key, at most JSON_DEPTH_MAX deep. object names it in the report.
 * 0 done, *ret to be given to json_decref; 1 rejected; -ENOMEM. */
_must_use_ int json_strict_load(
	const void *data, size_t len, const char *object, json_t **ret, struct attest_report *report);
/* Does the object hold only keys of the list (NULL-terminated)? 0 yes; 1 rejected as ATTEST_FIELD. */
_must_use_ int json_only(
	json_t *object, const char *where, const char *const *keys, struct attest_report *report);
/* A field of an object, of that type. NULL and the report filled when it is missing or of another type. */
json_t *json_field(
	json_t *object, const char *where, const char *key, json_type type, struct attest_report *report);

/* ---- keys (key.c) --------------------------------------------------------------------------------------------------------- */

struct evp_pkey_st;
/* Facts of a key that OpenSSL holds. 0; 1 not one of the three curves; -errno. */
_must_use_ int key_describe(struct evp_pkey_st *pkey, struct proto_key *ret);
/* Verify an ECDSA signature over data[len], hash by curve. 0 it holds; 1 rejected (ATTEST_SIGNATURE, _DER); -errno. */
_must_use_ int key_verify(const struct proto_key *key, const void *data, size_t len, const void *sig,
	size_t sig_len, struct attest_report *report);
/* Sign data[len]: DER in a fresh allocation. ret_key: the public half. 0; 1 ATTEST_KEY; -errno. */
_must_use_ int key_sign(const void *pem, size_t pem_len, const void *data, size_t len, u8 **ret_sig,
	size_t *ret_sig_len, struct proto_key *ret_key, struct attest_report *report);

/* The same by a token (token.c). */
_must_use_ int token_sign(struct attest_token *t, const void *data, size_t len, u8 **ret_sig,
	size_t *ret_sig_len, struct proto_key *ret_key, struct attest_report *report);

/* ---- certificates (chain.c) ------------------------------------------------------------------------------------------------ */

/* Append one certificate of a bundle. 0; 1 ATTEST_CERTIFICATE, _SIZE_LIMIT; -errno. */
_must_use_ int certs_add_der(
	struct attest_certs **certs, const u8 *der, size_t len, struct attest_report *report);
/* The i-th one's bytes in a fresh allocation. 0; -ENOMEM. */
_must_use_ int certs_der(const struct attest_certs *certs, u32 i, u8 **ret, size_t *ret_len);
/* The first one's key, of nobody's trust. 0; 1 ATTEST_KEY; -errno. */
_must_use_ int certs_leaf_key(
	const struct attest_certs *chain, struct proto_key *ret, struct attest_report *report);
struct x509_st;
/* The i-th certificate, which stays the list's. */
struct x509_st *certs_at(const struct attest_certs *certs, u32 i);
/* The subject as RFC 2253 writes it, for reports. */
void cert_subject(const struct x509_st *c, char *ret, size_t size);

/* ---- revocation (crl.c) ---------------------------------------------------------------------------------------------------- */

struct stack_st_X509;
/* Was no certificate of the path, leaf first, root last, revoked? NULL: nobody asks. 0; 1 ATTEST_REVOKED, _CRL, _CRL_STALE,
 * _CRL_MISSING. */
_must_use_ int crls_check(
	const struct attest_crls *crls, struct stack_st_X509 *path, i64 at, struct attest_report *report);

/* ---- the envelope (bundle.c) ---------------------------------------------------------------------------------------------- */

#define PAYLOAD_TYPE   "application/vnd.in-toto+json"
#define MEDIA_TYPE     "application/vnd.dev.sigstore.bundle.v0.3+json"
#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "https://model_signing/signature/v1.0"

/* DSSE's pre-authentication encoding of a payload of our type: what is signed. 0, *ret to be freed; -ENOMEM. */
_must_use_ int bundle_pae(const void *payload, size_t len, u8 **ret, size_t *ret_len);
/* A signer reads its own bundle back: as strict as attest_bundle_verify, but the leaf of a chain needs no root: it must be this key. */
_must_use_ int bundle_read_back(
	const void *data, size_t len, const struct proto_key *key, struct attest_report *report);

/* ---- the statement (statement.c) ------------------------------------------------------------------------------------------ */

struct attest_manifest_priv {
	struct arena arena;
	struct attest_certs *path; /* that vouched, leaf first, root last; NULL: a plain key did */
};
/* 0; 1 rejected; -errno. */
_must_use_ int statement_parse(
	const void *payload, size_t len, struct attest_manifest **ret, struct attest_report *report);
/* Relative, '/', UTF-8, no control character, no empty part, no "." or "..", at most PATH_LEN_MAX bytes. */
bool path_ok(const char *path, size_t len);

/* ---- the one pass (pass.c) ------------------------------------------------------------------------------------------------ */

/* A range of a file that is read once, hashed in order and compared by done(). With a table it is the whole file. */
struct pass_task {
	const struct attest_source *source;
	u64 from, to;
	int stage;	 /* -1: none; only with a table */
	u64 piece_bytes; /* with a table: the signed digests are of pieces of that length; 0: of the whole */
	/* results, in the caller's memory */
	u8 *digests;		      /* of the pass's type: one, or DIV_UP(to, piece_bytes) */
	u8 *file;		      /* with a table: SHA-256 of the file */
	u8 (*segments)[SHA256_BYTES]; /* DIV_UP(to, SEGMENT_BYTES); NULL: no table wanted */
};
struct pass_params {
	u32 n;
	u32 hash;    /* enum hash_type, available */
	u32 threads; /* 0: one for each core, where there is enough to do */
	u64 total;   /* bytes of all tasks */
	const struct attest_progress *progress;
	void *ctx;
	/* What is the i-th task? One call at a time; the last may be asked for again. */
	void (*task)(void *ctx, u32 i, struct pass_task *ret);
	/* Its results are there: called once for each task that could be read, by any thread, several at once. 0; 1; -errno. */
	int (*done)(void *ctx, u32 i, struct attest_report *report);
};
/* 0; otherwise what the first task (by number) said that failed: 1 the file is not regular, or not as long as source.bytes says, or it
 * grew, or done() refused it; -errno. Memory: a MiB for each thread. */
_must_use_ int pass_run(const struct pass_params *p, struct attest_report *report);

/* ---- GGUF (gguf.c) -------------------------------------------------------------------------------------------------------- */

enum gguf_type {
	GGUF_U8,
	GGUF_I8,
	GGUF_U16,
	GGUF_I16,
	GGUF_U32,
	GGUF_I32,
	GGUF_F32,
	GGUF_BOOL,
	GGUF_STRING,
	GGUF_ARRAY,
	GGUF_U64,
	GGUF_I64,
	GGUF_F64,
	GGUF_TYPES
};
struct gguf_kv {
	const char *key; /* key_len bytes, not terminated */
	u32 key_len;
	u32 type;	 /* enum gguf_type */
	u32 elem;	 /* of an array */
	u64 n;		 /* elements of an array; bytes of a string */
	const u8 *value; /* first byte of a scalar, a string or the first element */
};
struct gguf_tensor {
	char name[TENSOR_NAME_LEN_MAX + 1];
	u32 n_dims, type;
	u32 ne[4];
	u64 offset; /* of the first byte, from the start of the file */
	u64 bytes;
};
struct gguf_source {
	const char *name;
	int fd;
	u64 bytes;			   /* of the file */
	const u8 (*digests)[SHA256_BYTES]; /* of its segments; NULL: not compared */
};
/* One file's header, parsed: every count, length, product, offset and overlap has been checked; the meaning has not. */
struct gguf {
	const char *name; /* the file's path, for reports */
	struct gguf_source src;
	u32 n_kv, n_tensors;
	struct gguf_kv *kv;	     /* sorted by key */
	struct gguf_tensor *tensors; /* filled by gguf_read_tensors */
	u64 header_bytes, data_offset;
	u8 *map; /* the bytes that were read; kv point into them */
	size_t map_bytes;
	size_t have; /* bytes that were read and compared */
	size_t at;   /* next byte */
	struct arena arena;
};
/* The head and the metadata. 0; 1 rejected; -errno. ret to be given to gguf_fini in every case; src's pointers stay valid until then. */
_must_use_ int gguf_open(const struct gguf_source *src, struct gguf *ret, struct attest_report *report);
/* Then, once, the tensors: apart, so that what the metadata says (an unknown architecture, experts) is refused first, by name. */
_must_use_ int gguf_read_tensors(struct gguf *g, struct attest_report *report);
void gguf_fini(struct gguf *g);
/* The order of the table of metadata. */
int gguf_key_compare(const char *a, u32 a_len, const char *b, u32 b_len);
const struct gguf_kv *gguf_find(const struct gguf *g, const char *key);
/* Strings of an array of strings, one after the other: *at starts as kv->value. */
const u8 *gguf_next_string(const u8 **at, u64 *ret_len);
/* "Q2_K", also for the types that only one fork knows; NULL for a number that nobody uses. */
const char *gguf_type_name(u32 type);

/* ---- network (network.c) -------------------------------------------------------------------------------------------------- */

/* Fill the network's part of the header, whose arch is set; *ret_layers (of the arena) is NULL where all layers are alike. parts are not
 * filled: they follow from the tensors. 0; 1 rejected; -ENOMEM. */
_must_use_ int network_read(const struct gguf *g, struct arena *a, struct layout_header *h,
	struct layout_layer **ret_layers, struct attest_report *report);

/* ---- layout (layout_make.c) and vocabulary (vocab.c) ------------------------------------------------------------------------ */

/* The string area while it grows. */
struct strings {
	u8 *p;
	size_t len, cap;
};
/* 0; 1 over the limit; -ENOMEM. */
_must_use_ int strings_add(struct strings *s, const void *data, size_t len, struct layout_str *ret);

struct vocab {
	struct layout_token *tokens; /* of the arena */
	struct layout_merge *merges;
};
/* Fill the tokenizer's part of the header, tokens and merges. 0; 1 rejected; -errno. */
_must_use_ int vocab_read(const struct gguf *g, struct arena *a, struct strings *s, struct layout_header *h,
	struct vocab *ret, struct attest_report *report);

/* Typed access with the strictness that GGUF wants, shared by network.c, vocab.c and layout_make.c.
 * 0 found; 1 rejected (wrong type, out of range); 2 absent. */
int gguf_get_u32(const struct gguf *g, const char *key, u32 *ret, struct attest_report *report);
int gguf_get_f32(const struct gguf *g, const char *key, f32 *ret, struct attest_report *report);
int gguf_get_bool(const struct gguf *g, const char *key, bool *ret, struct attest_report *report);
int gguf_get_string(const struct gguf *g, const char *key, const char **ret, size_t *ret_len,
	struct attest_report *report);
