#include "base/sha256_lib.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int ok)
{
	if (ok != 1) {
		fputs("sha256: OpenSSL failed\n", stderr);
		abort();
	}
}

void *sha256_lib_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	must(c != NULL);
	must(EVP_DigestInit_ex(c, EVP_sha256(), NULL));
	return c;
}

void sha256_lib_update(void *ctx, const void *data, size_t len)
{
	must(EVP_DigestUpdate(ctx, data, len));
}

void sha256_lib_final(void *ctx, u8 ret_digest[SHA256_BYTES])
{
	must(EVP_DigestFinal_ex(ctx, ret_digest, NULL));
}

void sha256_lib_free(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

bool sha256_lib_always(void)
{
	return EVP_default_properties_is_fips_enabled(NULL) == 1;
}
