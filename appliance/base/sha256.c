#include "base/sha256.h"

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

void sha256_init(struct sha256 *s)
{
	s->ctx = EVP_MD_CTX_new();
	must(s->ctx != NULL);
	must(EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL));
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	must(EVP_DigestUpdate(s->ctx, data, len));
}

void sha256_final(struct sha256 *s, u8 ret_digest[SHA256_BYTES])
{
	must(EVP_DigestFinal_ex(s->ctx, ret_digest, NULL));
	sha256_fini(s);
}

void sha256_fini(struct sha256 *s)
{
	EVP_MD_CTX_free(s->ctx);
	s->ctx = NULL;
}

void sha256_of(const void *data, size_t len, u8 ret_digest[SHA256_BYTES])
{
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, data, len);
	sha256_final(&s, ret_digest);
}
