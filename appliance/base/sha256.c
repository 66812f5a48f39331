#include "base/sha256.h"
#include "base/sha256_lib.h"
#include "base/shani.h"

#include <string.h>

static const u32 start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
	0x1f83d9ab, 0x5be0cd19 };

bool sha256_pairs(void)
{
	static _Atomic u32 known; /* 0 not yet asked; every thread that asks finds the same */
	u32 k = known;
	if (k == 0)
		known = k = shani_here() && !sha256_lib_always() ? 2 : 1;
	return k == 2;
}

void sha256_init(struct sha256 *s)
{
	s->ctx = NULL;
	s->bytes = 0;
	memcpy(s->state, start, sizeof start);
	if (!sha256_pairs())
		s->ctx = sha256_lib_new();
}

static void own_update(struct sha256 *s, const u8 *p, size_t len)
{
	size_t have = s->bytes % SHA256_BLOCK_BYTES;
	s->bytes += len;
	if (have) {
		size_t n = MIN(len, SHA256_BLOCK_BYTES - have);
		memcpy(s->rest + have, p, n);
		if (have + n < SHA256_BLOCK_BYTES)
			return;
		shani_blocks(s->state, s->rest, 1);
		p += n;
		len -= n;
	}
	size_t whole = len / SHA256_BLOCK_BYTES;
	shani_blocks(s->state, p, whole);
	memcpy(s->rest, p + whole * SHA256_BLOCK_BYTES, len % SHA256_BLOCK_BYTES);
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (s->ctx)
		sha256_lib_update(s->ctx, data, len);
	else
		own_update(s, data, len);
}

void sha256_update2(struct sha256 *a, const void *data_a, struct sha256 *b, const void *data_b, size_t len)
{
	size_t whole = len / SHA256_BLOCK_BYTES * SHA256_BLOCK_BYTES;
	if (a->ctx || b->ctx || a->bytes % SHA256_BLOCK_BYTES || b->bytes % SHA256_BLOCK_BYTES)
		whole = 0;
	if (whole) {
		shani_blocks2(a->state, data_a, b->state, data_b, whole / SHA256_BLOCK_BYTES);
		a->bytes += whole;
		b->bytes += whole;
	}
	sha256_update(a, (const u8 *)data_a + whole, len - whole);
	sha256_update(b, (const u8 *)data_b + whole, len - whole);
}

static void put_state(const u32 state[8], u8 ret[SHA256_BYTES])
{
	for (u32 i = 0; i < 8; i++) {
		u32 v = __builtin_bswap32(state[i]);
		memcpy(ret + 4 * i, &v, sizeof v);
	}
}

/* Padding for a message of `bytes`, of which have lie in its last block. Number of blocks that p then holds. */
static size_t pad(u8 *p, size_t have, u64 bytes)
{
	size_t n = have < 56 ? 1 : 2;
	u64 bits = __builtin_bswap64(bytes * 8);
	p[have] = 0x80;
	memset(p + have + 1, 0, n * SHA256_BLOCK_BYTES - sizeof bits - have - 1);
	memcpy(p + n * SHA256_BLOCK_BYTES - sizeof bits, &bits, sizeof bits);
	return n;
}

void sha256_final(struct sha256 *s, u8 ret_digest[SHA256_BYTES])
{
	if (s->ctx) {
		sha256_lib_final(s->ctx, ret_digest);
	} else {
		u8 tail[2 * SHA256_BLOCK_BYTES];
		size_t have = s->bytes % SHA256_BLOCK_BYTES;
		memcpy(tail, s->rest, have);
		shani_blocks(s->state, tail, pad(tail, have, s->bytes));
		put_state(s->state, ret_digest);
	}
	sha256_fini(s);
}

void sha256_fini(struct sha256 *s)
{
	sha256_lib_free(s->ctx);
	s->ctx = NULL;
}

void sha256_of(const void *data, size_t len, u8 ret_digest[SHA256_BYTES])
{
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, data, len);
	sha256_final(&s, ret_digest);
}

/* ---- many small messages ---- */

size_t sha256_pad(u8 *p, size_t len)
{
	size_t whole = len / SHA256_BLOCK_BYTES;
	return whole + pad(p + whole * SHA256_BLOCK_BYTES, len % SHA256_BLOCK_BYTES, len);
}

/* The length that the padding says. */
static size_t unpadded(const struct sha256_block *m)
{
	u64 bits;
	memcpy(&bits, m->p + m->n * SHA256_BLOCK_BYTES - sizeof bits, sizeof bits);
	return (size_t)(__builtin_bswap64(bits) / 8);
}

/* A message on its way. */
struct lane {
	u32 state[8];
	const u8 *p;
	size_t left, which;
};

/* Both lanes go on together; the one that is through takes the next message, until there is none. */
void sha256_of_blocks(const struct sha256_block *m, size_t count, u8 (*ret)[SHA256_BYTES])
{
	struct lane l[2];
	size_t next = 0;
	u32 n = 0;
	if (!sha256_pairs()) {
		for (size_t i = 0; i < count; i++)
			sha256_of(m[i].p, unpadded(&m[i]), ret[i]);
		return;
	}
	while (n || next < count) {
		for (; n < 2 && next < count; n++, next++) {
			l[n] = (struct lane){ .p = m[next].p, .left = m[next].n, .which = next };
			memcpy(l[n].state, start, sizeof start);
		}
		size_t k = n == 2 ? MIN(l[0].left, l[1].left) : l[0].left;
		if (n == 2)
			shani_blocks2(l[0].state, l[0].p, l[1].state, l[1].p, k);
		else
			shani_blocks(l[0].state, l[0].p, k);
		for (u32 i = n; i-- > 0;) {
			l[i].p += k * SHA256_BLOCK_BYTES;
			l[i].left -= k;
			if (l[i].left)
				continue;
			put_state(l[i].state, ret[l[i].which]);
			l[i] = l[--n];
		}
	}
}
