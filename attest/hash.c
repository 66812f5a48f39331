#include "attest/hash.h"
#include "base/types.h"

#include <openssl/evp.h>
#include <pthread.h>
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

static pthread_once_t pairs_once = PTHREAD_ONCE_INIT;
static bool pairs;

static void pairs_ask(void)
{
	pairs = shani_here() && EVP_default_properties_is_fips_enabled(NULL) != 1;
}

bool hash_pairs(void)
{
	pthread_once(&pairs_once, pairs_ask);
	return pairs;
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
	static const u32 start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		0x1f83d9ab, 0x5be0cd19 };
	assert(hash_available(type));
	*h = (struct hash){ .type = type, .own = type == HASH_SHA256 && hash_pairs() };
	if (h->own) {
		memcpy(h->state, start, sizeof start);
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
	must(EVP_DigestInit_ex(h->ctx, type == HASH_SHA256 ? EVP_sha256() : EVP_blake2b512(), NULL));
}

static void own_update(struct hash *h, const u8 *p, size_t len)
{
	size_t have = h->bytes % 64;
	h->bytes += len;
	if (have) {
		size_t n = MIN(len, 64 - have);
		memcpy(h->rest + have, p, n);
		if (have + n < 64)
			return;
		shani_blocks(h->state, h->rest, 1);
		p += n;
		len -= n;
	}
	shani_blocks(h->state, p, len / 64);
	memcpy(h->rest, p + len / 64 * 64, len % 64);
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (h->own)
		own_update(h, data, len);
#if HAVE_BLAKE3
	else if (h->type == HASH_BLAKE3)
		blake3_hasher_update(h->ctx, data, len);
#endif
	else
		must(EVP_DigestUpdate(h->ctx, data, len));
}

void hash_update2(struct hash *a, const void *data_a, struct hash *b, const void *data_b, size_t len)
{
	size_t whole = len / 64 * 64;
	if (!a->own || !b->own || a->bytes % 64 || b->bytes % 64)
		whole = 0;
	if (whole) {
		shani_blocks2(a->state, data_a, b->state, data_b, whole / 64);
		a->bytes += whole;
		b->bytes += whole;
	}
	hash_update(a, (const u8 *)data_a + whole, len - whole);
	hash_update(b, (const u8 *)data_b + whole, len - whole);
}

static void own_final(struct hash *h, u8 *ret)
{
	u8 tail[128] = { 0 };
	size_t have = h->bytes % 64, n = have < 56 ? 64 : 128;
	memcpy(tail, h->rest, have);
	tail[have] = 0x80;
	for (u32 i = 0; i < 8; i++)
		tail[n - 1 - i] = (u8)(h->bytes * 8 >> 8 * i);
	shani_blocks(h->state, tail, n / 64);
	for (u32 i = 0; i < 32; i++)
		ret[i] = (u8)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}

void hash_final(struct hash *h, u8 *ret_digest)
{
	if (h->own)
		own_final(h, ret_digest);
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
#if HAVE_BLAKE3
	if (h->type == HASH_BLAKE3)
		free(h->ctx);
	else
#endif
		EVP_MD_CTX_free(h->ctx);
	*h = (struct hash){ 0 };
}
