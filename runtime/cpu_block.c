/* Rows of the types that stand as in the file, where no instruction set has a decoder of its own: eight values at a time in an integer of 64 bits. Little-endian, as the levels are that call it. */
#include "runtime/cpu_grid.h"

#include "shaders/blocks_ref.h"
#include "shaders/exact.h"

#include <string.h>

u32 cpu_weights_bias(u32 type)
{
	switch (type) {
	case TENSOR_Q4_1:
	case TENSOR_Q5_1:
	case TENSOR_Q2_K:
	case TENSOR_Q4_K:
	case TENSOR_Q5_K:
		return 0;
	case TENSOR_Q3_K:
		return 4;
	case TENSOR_Q4_0:
		return 8;
	case TENSOR_MXFP4:
	case TENSOR_NVFP4:
		return 12;
	case TENSOR_Q5_0:
		return 16;
	case TENSOR_Q6_K:
		return 32;
	}
	return 128;
}

/* ---- eight bytes ---------------------------------------------------------------------------------------------------------- */

#define BYTES(x) (0x0101010101010101ull * (x)) /* eight times the byte x */

static u64 load(const u8 *p, u32 n)
{
	u64 x = 0;
	memcpy(&x, p, n);
	return x;
}

/* The bytes of x, in 1..127, negative where those of m are 0xff, not 0. */
static inline u64 bytes_signed(u64 x, u64 m)
{
	return (x ^ m) + (m & BYTES(1ull));
}

/* Each byte of x, in 0..127, less the byte c as int8. */
static inline u64 bytes_less(u64 x, u32 c)
{
	return ((x | BYTES(0x80ull)) - BYTES((u64)c)) ^ BYTES(0x80ull);
}

/* Elements 8 l .. 8 l + 7 of row r. */
static inline void put(struct cpu_block *ret, u32 r, u32 l, u64 x)
{
	u32 low = (u32)x, high = (u32)(x >> 32);
	memcpy(ret->w[2 * l][r], &low, 4);
	memcpy(ret->w[2 * l + 1][r], &high, 4);
}

static f32 half(const u8 *p)
{
	return exact_from_half((u32)load(p, 2));
}

static inline u64 iq1(u64 levels, bool less)
{
	return bytes_less(levels, less ? 9 : 7);
}

/* Sixteen scales 2 s + 1, s a nibble of eight bytes. */
static void nibble_scales(const u8 *p, u32 r, struct cpu_block *ret)
{
	for (u32 j = 0; j < 16; j++)
		ret->sc[j][r] = (p[j / 2] >> (j % 2 * 4) & 15) * 2 + 1;
}

static void scale_32(u32 j, u32 s, u32 r, struct cpu_block *ret)
{
	ret->sc[2 * j][r] = ret->sc[2 * j + 1][r] = (i32)(2 * s + 1);
}

/* ---- types ---------------------------------------------------------------------------------------------------------------- */

static void row_iq2_xxs(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	ret->d[r] = half(b) * 0.125f;
	for (u32 j = 0; j < 8; j++) {
		const u8 *at = b + 2 + 8 * j;
		u32 rest = (u32)load(at + 4, 4);
		scale_32(j, rest >> 28, r, ret);
		for (u32 l = 0; l < 4; l++)
			put(ret, r, 4 * j + l,
				bytes_signed(g->iq2_xxs[at[l]], g->seven[rest >> (7 * l) & 127]));
	}
}

static void row_iq2_xs(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	ret->d[r] = half(b) * 0.125f;
	nibble_scales(b + 66, r, ret);
	for (u32 l = 0; l < 32; l++) {
		u32 u = (u32)load(b + 2 + 2 * l, 2);
		put(ret, r, l, bytes_signed(g->iq2_xs[u & 511], g->seven[u >> 9]));
	}
}

static void row_iq2_s(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	ret->d[r] = half(b) * 0.125f;
	nibble_scales(b + 74, r, ret);
	for (u32 l = 0; l < 32; l++) {
		u32 high = b[66 + l / 4] >> (l % 4 * 2) & 3u;
		put(ret, r, l, bytes_signed(g->iq2_s[b[2 + l] | high << 8], g->signs[b[34 + l]]));
	}
}

static void row_iq3_xxs(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	ret->d[r] = half(b) * 0.25f;
	for (u32 l = 0; l < 32; l++) {
		u32 rest = (u32)load(b + 66 + l / 4 * 4, 4);
		u64 levels = g->iq3_xxs[b[2 + 2 * l]] | (u64)g->iq3_xxs[b[3 + 2 * l]] << 32;
		scale_32(l / 4, rest >> 28, r, ret);
		put(ret, r, l, bytes_signed(levels, g->seven[rest >> (l % 4 * 7) & 127]));
	}
}

static void row_iq3_s(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	ret->d[r] = half(b);
	for (u32 l = 0; l < 32; l++) {
		u32 j = l / 4, high = b[66 + j] >> (l % 4 * 2) & 3u;
		u64 levels = g->iq3_s[b[2 + 2 * l] | (high & 1) << 8] |
			     (u64)g->iq3_s[b[3 + 2 * l] | (high >> 1) << 8] << 32;
		scale_32(j, b[106 + j / 2] >> (j % 2 * 4) & 15u, r, ret);
		put(ret, r, l, bytes_signed(levels, g->signs[b[74 + l]]));
	}
}

static void row_iq1_s(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	ret->d[r] = half(b) * 0.125f;
	for (u32 l = 0; l < 32; l++) {
		u32 h = (u32)load(b + 34 + l / 4 * 2, 2), i = b[2 + l] | (h >> (l % 4 * 3) & 7) << 8;
		scale_32(l / 4, h >> 12 & 7, r, ret);
		put(ret, r, l, iq1(g->iq1[i], h >> 15));
	}
}

static void row_iq1_m(const u8 *b, u32 r, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	u32 d = 0;
	for (u32 j = 0; j < 4; j++)
		d |= (u32)(b[49 + 2 * j] >> 4) << (4 * j);
	ret->d[r] = exact_from_half(d) * 0.125f;
	for (u32 j = 0; j < 16; j++)
		ret->sc[j][r] = (i32)((u32)load(b + 48 + j / 4 * 2, 2) >> (j % 4 * 3) & 7) * 2 + 1;
	for (u32 l = 0; l < 32; l++) {
		u32 h = b[32 + l / 2] >> (l % 2 * 4);
		put(ret, r, l, iq1(g->iq1[b[l] | (h & 7) << 8], h & 8));
	}
}

static void no_scales(u32 r, struct cpu_block *ret)
{
	for (u32 j = 0; j < 16; j++)
		ret->sc[j][r] = 1;
}

/* Trit n of eight bytes, each of which holds five as a fraction of 256. */
static inline u64 trits(u64 x, u32 n)
{
	static const u8 pow3[5] = { 1, 3, 9, 27, 81 };
	const u64 lanes = 0x00ff00ff00ff00ffull;
	u64 even = ((x & lanes) * pow3[n] & lanes) * 3 >> 8 & 0x0003000300030003ull;
	u64 odd = ((x >> 8 & lanes) * pow3[n] & lanes) * 3 >> 8 & 0x0003000300030003ull;
	return bytes_less(even | odd << 8, 1);
}

static void row_tq1_0(const u8 *b, u32 r, struct cpu_block *ret)
{
	ret->d[r] = half(b + 52);
	no_scales(r, ret);
	for (u32 n = 0; n < 5; n++) {
		for (u32 i = 0; i < 4; i++)
			put(ret, r, 4 * n + i, trits(load(b + 8 * i, 8), n));
		for (u32 i = 0; i < 2; i++)
			put(ret, r, 20 + 2 * n + i, trits(load(b + 32 + 8 * i, 8), n));
	}
	for (u32 n = 0; n < 4; n += 2) {
		u64 x = load(b + 48, 4);
		put(ret, r, 30 + n / 2, (trits(x, n) & 0xffffffff) | trits(x, n + 1) << 32);
	}
}

static void row_tq2_0(const u8 *b, u32 r, struct cpu_block *ret)
{
	ret->d[r] = half(b + 64);
	no_scales(r, ret);
	for (u32 l = 0; l < 32; l++) {
		u64 x = load(b + l / 16 * 32 + l % 4 * 8, 8);
		put(ret, r, l, bytes_less(x >> (l / 4 % 4 * 2) & BYTES(3ull), 1));
	}
}

typedef void row_fn(const u8 *b, u32 r, struct cpu_block *ret);
static row_fn *const rows[] = {
	[TENSOR_IQ2_XXS] = row_iq2_xxs,
	[TENSOR_IQ2_XS] = row_iq2_xs,
	[TENSOR_IQ2_S] = row_iq2_s,
	[TENSOR_IQ3_XXS] = row_iq3_xxs,
	[TENSOR_IQ3_S] = row_iq3_s,
	[TENSOR_IQ1_S] = row_iq1_s,
	[TENSOR_IQ1_M] = row_iq1_m,
	[TENSOR_TQ1_0] = row_tq1_0,
	[TENSOR_TQ2_0] = row_tq2_0,
};

void cpu_block_unpack(const struct cpu_tile *t, u32 block, struct cpu_block *ret)
{
	u32 bytes = block_bytes_of(t->type);
	assert(t->type < ARRAY_LEN(rows) && rows[t->type]);
	for (u32 r = 0; r < CPU_PANEL; r++)
		rows[t->type](t->panel + ((size_t)r * t->blocks + block) * bytes, r, ret);
}
