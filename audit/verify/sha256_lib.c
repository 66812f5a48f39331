/* keep-audit-verify does without OpenSSL, whose archive brings the resolver and much else: where the processor has no SHA extensions,
 * libsodium hashes, which verifies the signatures anyway. */
#include "base/sha256_lib.h"

#include <sodium.h>
#include <stdlib.h>

void *sha256_lib_new(void)
{
	crypto_hash_sha256_state *s = malloc(sizeof *s);
	if (!s)
		abort();
	crypto_hash_sha256_init(s);
	return s;
}

void sha256_lib_update(void *ctx, const void *data, size_t len)
{
	crypto_hash_sha256_update(ctx, data, len);
}

void sha256_lib_final(void *ctx, u8 ret_digest[SHA256_BYTES])
{
	crypto_hash_sha256_final(ctx, ret_digest);
}

void sha256_lib_free(void *ctx)
{
	free(ctx);
}

bool sha256_lib_always(void)
{
	return false;
}
