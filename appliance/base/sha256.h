/* SHA-256: with the processor's SHA extensions where it has them (shani.c), many messages at once with AVX-512 (shawide.c), else by OpenSSL (libsodium's is five times slower). An appliance
 * whose OpenSSL is bound to its FIPS provider takes OpenSSL's always. Failure is out of memory or a broken provider: there is nothing to
 * decide, so these abort. */
#pragma once

#include "base/types.h"

#define SHA256_BYTES	   32u
#define SHA256_BLOCK_BYTES 64u

struct sha256 {
	void *ctx; /* OpenSSL's; NULL: the fields below count */
	u64 bytes;
	u32 state[8];
	u8 rest[SHA256_BLOCK_BYTES]; /* bytes % 64 of them wait for the others of their block */
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
/* Two independent digests, each of its own len bytes (which may be the same ones): with SHA extensions in little more than the time
 * of one. */
void sha256_update2(struct sha256 *a, const void *data_a, struct sha256 *b, const void *data_b, size_t len);
/* Writes the digest and frees the state; s may be initialised again. */
void sha256_final(struct sha256 *s, u8 ret_digest[SHA256_BYTES]);
/* Frees an unfinished state; harmless after sha256_final. */
void sha256_fini(struct sha256 *s);
void sha256_of(const void *data, size_t len, u8 ret_digest[SHA256_BYTES]);
/* Is there more to gain from two at once than from one behind the other? */
bool sha256_pairs(void);

/* A whole message that stands padded in memory already: n blocks of it (sha256_pad). For many small ones, sixteen or
 * two at a time. */
struct sha256_block {
	const u8 *p;
	size_t n;
};
/* Pad the len bytes at p, behind which are 72 more, and return the number of blocks. */
size_t sha256_pad(u8 *p, size_t len);
#define SHA256_PAD_BYTES 72u
/* Digests of count padded messages, of any lengths. From about 64 of them on the sixteen lanes are well filled. */
void sha256_of_blocks(const struct sha256_block *m, size_t count, u8 (*ret)[SHA256_BYTES]);
