/* The digests of OMS v1.0: SHA-256 always, BLAKE2b-512 by OpenSSL, BLAKE3 where its library was there at build time. */
#pragma once

#include "base/sha256.h"
#include "base/types.h"

#define HASH_BYTES_MAX 64u

enum hash_type { HASH_SHA256, HASH_BLAKE2B, HASH_BLAKE3, HASH_TYPES };

/* As statements name them: "sha256", "blake2b", "blake3". */
const char *hash_name(u32 type);
/* 0 done; 1 no such name. */
_must_use_ int attest_hash_of_name(const char *name, u32 *ret_type);
/* 32 or 64. */
u32 hash_bytes(u32 type);
/* Can this build compute it? */
bool hash_available(u32 type);

/* A running digest of an available type. Failure is out of memory or a broken provider; as in base/sha256.h these abort. */
struct hash {
	u32 type;
	void *ctx;	   /* the library's, of BLAKE */
	struct sha256 sha; /* of SHA-256 */
};
void hash_init(struct hash *h, u32 type);
void hash_update(struct hash *h, const void *data, size_t len);
/* Two independent digests, each of its own len bytes (which may be the same ones): with SHA extensions in little more than the time
 * of one. */
void hash_update2(struct hash *a, const void *data_a, struct hash *b, const void *data_b, size_t len);
/* Writes hash_bytes(type) bytes and frees what is inside; h may be initialised again. */
void hash_final(struct hash *h, u8 *ret_digest);
/* Frees an unfinished one; harmless after hash_final and on zeroes. */
void hash_fini(struct hash *h);
