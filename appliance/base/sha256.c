#include "base/sha256.h"
#include "base/sha256_lib.h"
#include "base/shani.h"
#include "base/shawide.h"

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

/* Messages that go on together; the one that is through makes room for the next. */
struct work {
	const struct sha256_block *m;
	size_t count, next;
	u8 (*ret)[SHA256_BYTES];
};

/* A message on its way. */
struct lane {
	u32 state[8];
	const u8 *p;
	size_t left, which;
};

/* Fewer than these are done sooner two by two, or by OpenSSL. */
#define WIDE_MIN_PAIRS 7u
#define WIDE_MIN_LIB   3u

static bool wide_here(void)
{
	static _Atomic u32 known; /* as in sha256_pairs */
	u32 k = known;
	if (k == 0)
		known = k = shawide_here() && !sha256_lib_always() ? 2 : 1;
	return k == 2;
}

/* Sixteen messages on their way; lane i is idle when left[i] is 0. */
struct wide {
	u32 state[8][SHAWIDE_LANES];
	const u8 *p[SHAWIDE_LANES];
	size_t left[SHAWIDE_LANES], which[SHAWIDE_LANES];
};

/* Every idle lane takes the next message. How many lanes are busy then; the others point where it does no harm. */
static u32 wide_fill(struct wide *l, struct work *w)
{
	u32 busy = 0;
	const u8 *any = NULL;
	for (u32 i = 0; i < SHAWIDE_LANES; i++) {
		if (!l->left[i] && w->next < w->count) {
			l->which[i] = w->next;
			l->p[i] = w->m[w->next].p;
			l->left[i] = w->m[w->next++].n;
			for (u32 j = 0; j < 8; j++)
				l->state[j][i] = start[j];
		}
		busy += l->left[i] > 0;
		any = l->left[i] ? l->p[i] : any;
	}
	for (u32 i = 0; i < SHAWIDE_LANES; i++)
		l->p[i] = l->left[i] ? l->p[i] : any;
	return busy;
}

static void wide_state(const struct wide *l, u32 i, u32 ret[8])
{
	for (u32 j = 0; j < 8; j++)
		ret[j] = l->state[j][i];
}

/* All lanes go on until one of the busy ones is through. */
static void wide_step(struct wide *l, struct work *w)
{
	size_t k = SIZE_MAX;
	for (u32 i = 0; i < SHAWIDE_LANES; i++)
		k = l->left[i] ? MIN(k, l->left[i]) : k;
	shawide_blocks(l->state, l->p, k);
	for (u32 i = 0; i < SHAWIDE_LANES; i++) {
		u32 state[8];
		l->p[i] += k * SHA256_BLOCK_BYTES;
		if (!l->left[i] || (l->left[i] -= k))
			continue;
		wide_state(l, i, state);
		put_state(state, w->ret[l->which[i]]);
	}
}

/* Until fewer than `least` are left, which are at rest then: their number. */
static u32 wide_run(struct work *w, u32 least, struct lane *rest)
{
	struct wide l;
	u32 n = 0;
	memset(l.left, 0, sizeof l.left);
	while (wide_fill(&l, w) >= least)
		wide_step(&l, w);
	for (u32 i = 0; i < SHAWIDE_LANES; i++) {
		if (!l.left[i])
			continue;
		rest[n] = (struct lane){ .p = l.p[i], .left = l.left[i], .which = l.which[i] };
		wide_state(&l, i, rest[n++].state);
	}
	return n;
}

/* Two by two, and the n that are already on their way before all others. */
static void pairs_run(struct work *w, struct lane *l, u32 n)
{
	while (n || w->next < w->count) {
		for (; n < 2 && w->next < w->count; n++, w->next++) {
			l[n] = (struct lane){
				.p = w->m[w->next].p, .left = w->m[w->next].n, .which = w->next
			};
			memcpy(l[n].state, start, sizeof start);
		}
		u32 now = MIN(n, 2u);
		size_t k = now == 2 ? MIN(l[0].left, l[1].left) : l[0].left;
		if (now == 2)
			shani_blocks2(l[0].state, l[0].p, l[1].state, l[1].p, k);
		else
			shani_blocks(l[0].state, l[0].p, k);
		for (u32 i = now; i-- > 0;) {
			l[i].p += k * SHA256_BLOCK_BYTES;
			l[i].left -= k;
			if (l[i].left)
				continue;
			put_state(l[i].state, w->ret[l[i].which]);
			l[i] = l[--n];
		}
	}
}

void sha256_of_blocks(const struct sha256_block *m, size_t count, u8 (*ret)[SHA256_BYTES])
{
	struct work w = { m, count, 0, ret };
	struct lane rest[SHAWIDE_LANES];
	bool pairs = sha256_pairs();
	u32 n = 0;
	if (wide_here() && count >= (pairs ? WIDE_MIN_PAIRS : WIDE_MIN_LIB))
		n = wide_run(&w, pairs ? WIDE_MIN_PAIRS : 1, rest);
	if (pairs)
		pairs_run(&w, rest, n);
	for (; w.next < count; w.next++)
		sha256_of(m[w.next].p, unpadded(&m[w.next]), ret[w.next]);
}
