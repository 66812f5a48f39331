#include "attest/hash.h"
#include "base/types.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if HAVE_BLAKE3
#include <blake3.h>
#endif

static const struct {
	const char *name;
	u32 bytes;
	bool available;
} types[HASH_TYPES] = {
	[HASH_SHA256] = { "sha256", 32, true },
	[HASH_BLAKE2B] = { "blake2b", 64, true },
	[HASH_BLAKE3] = { "blake3", 32, HAVE_BLAKE3 },
};

const char *hash_name(u32 type)
{
	assert(type < HASH_TYPES);
	return types[type].name;
}

int attest_hash_of_name(const char *name, u32 *ret_type)
{
	for (u32 i = 0; i < HASH_TYPES; i++) {
		if (!strcmp(name, types[i].name)) {
			*ret_type = i;
			return 0;
		}
	}
	return 1;
}

u32 hash_bytes(u32 type)
{
	assert(type < HASH_TYPES);
	return types[type].bytes;
}

bool hash_available(u32 type)
{
	return type < HASH_TYPES && types[type].available;
}

static void must(int ok)
{
	if (ok != 1) {
		fputs("hash: OpenSSL failed\n", stderr);
		abort();
	}
}

void hash_init(struct hash *h, u32 type)
{
	assert(hash_available(type));
	*h = (struct hash){ .type = type };
	if (type == HASH_SHA256) {
		sha256_init(&h->sha);
		return;
	}
#if HAVE_BLAKE3
	if (type == HASH_BLAKE3) {
		h->ctx = malloc(sizeof(blake3_hasher));
		must(h->ctx != NULL);
		blake3_hasher_init(h->ctx);
		return;
	}
#endif
	h->ctx = EVP_MD_CTX_new();
	must(h->ctx != NULL);
	must(EVP_DigestInit_ex(h->ctx, EVP_blake2b512(), NULL));
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	if (h->type == HASH_SHA256)
		sha256_update(&h->sha, data, len);
#if HAVE_BLAKE3
	else if (h->type == HASH_BLAKE3)
		blake3_hasher_update(h->ctx, data, len);
#endif
	else
		must(EVP_DigestUpdate(h->ctx, data, len));
}

void hash_update2(struct hash *a, const void *data_a, struct hash *b, const void *data_b, size_t len)
{
	if (a->type == HASH_SHA256 && b->type == HASH_SHA256) {
		sha256_update2(&a->sha, data_a, &b->sha, data_b, len);
		return;
	}
	hash_update(a, data_a, len);
	hash_update(b, data_b, len);
}

void hash_final(struct hash *h, u8 *ret_digest)
{
	if (h->type == HASH_SHA256)
		sha256_final(&h->sha, ret_digest);
#if HAVE_BLAKE3
	else if (h->type == HASH_BLAKE3)
		blake3_hasher_finalize(h->ctx, ret_digest, BLAKE3_OUT_LEN);
#endif
	else
		must(EVP_DigestFinal_ex(h->ctx, ret_digest, NULL));
	hash_fini(h);
}

void hash_fini(struct hash *h)
{
	sha256_fini(&h->sha);
#if HAVE_BLAKE3
	if (h->type == HASH_BLAKE3)
		free(h->ctx);
	else
#endif
		EVP_MD_CTX_free(h->ctx);
	*h = (struct hash){ 0 };
}
