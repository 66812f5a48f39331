/* SHA-256, by OpenSSL (it uses the processor's SHA extensions; libsodium's does not). Failure is out of memory or a broken
 * provider: there is nothing to decide, so these abort. */
#pragma once

#include "base/types.h"

#define SHA256_BYTES 32u

struct sha256 {
	void *ctx;
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
/* Writes the digest and frees the state; s may be initialised again. */
void sha256_final(struct sha256 *s, u8 ret_digest[SHA256_BYTES]);
/* Frees an unfinished state; harmless after sha256_final. */
void sha256_fini(struct sha256 *s);
void sha256_of(const void *data, size_t len, u8 ret_digest[SHA256_BYTES]);
