/* Products of further quantised types with NEON's dot product, as cpu_block_avx512.c has them: a quarter of a panel at a time, four rows are lanes. */
#include "runtime/cpu_neon.h"

#ifdef CPU_HAS_NEON

#include "base/layout.h"

#include <string.h>

FN uint32x4_t or (uint32x4_t a, uint32x4_t b)
{
	return vorrq_u32(a, b);
}

FN uint32x4_t left(uint32x4_t a, i32 n)
{
	return vshlq_u32(a, vdupq_n_s32(n));
}

/* Each byte of w, a nibble, as an entry of a table of 16. */
FN uint32x4_t look_up(const i8 table[16], uint32x4_t w)
{
	return vreinterpretq_u32_s8(vqtbl1q_s8(vld1q_s8(table), vreinterpretq_u8_u32(w)));
}

FN uint32x4_t bytes_less(uint32x4_t w, u8 n)
{
	return vreinterpretq_u32_u8(vsubq_u8(vreinterpretq_u8_u32(w), vdupq_n_u8(n)));
}

static const i8 iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
static const i8 e2m1_twice[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* ---- blocks of 32 ---- */

/* 16 in byte e of word i where bit 4 i + e of the lane is set */
FN uint32x4_t fifth_bits(uint32x4_t bits, const u32 i)
{
	uint32x4_t four = and(right(bits, 4 * (i32)i), 15);
	return left(and(vmulq_n_u32(four, 0x00204081), 0x01010101), 4);
}

/* p: the words of the block */
FN void words_32(const u8 *p, const u32 type, uint32x4_t *w)
{
	const u32 first = type == TENSOR_Q5_1 ? 2 : type == TENSOR_IQ4_NL || type == TENSOR_MXFP4 ? 0 : 1;
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		w[i] = and(word(p, first + i), 0x0f0f0f0f);
		w[4 + i] = and(right(word(p, first + i), 4), 0x0f0f0f0f);
	}
	UNROLL for (u32 i = 0; i < 8; i++)
	{
		if (type == TENSOR_Q5_0 || type == TENSOR_Q5_1)
			w[i] = or (w[i], fifth_bits(word(p, first - 1), i));
		if (type == TENSOR_Q5_0)
			w[i] = bytes_less(w[i], 16);
		if (type == TENSOR_IQ4_NL || type == TENSOR_MXFP4)
			w[i] = look_up(type == TENSOR_MXFP4 ? e2m1_twice : iq4_values, w[i]);
	}
}

/* exact_from_e8m0_half of four bytes */
FN float32x4_t e8m0(const u8 *p)
{
	u32 four;
	memcpy(&four, p, 4);
	uint32x4_t e = vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
	e = vsubq_u32(vmaxq_u32(e, vdupq_n_u32(1)), vdupq_n_u32(1));
	return window(vreinterpretq_f32_u32(vshlq_n_u32(e, 23)));
}

FN void quarter_32(const struct cpu_tile *t, const u32 type, u32 quarter, const u32 C)
{
	const bool mins = type == TENSOR_Q4_1 || type == TENSOR_Q5_1;
	const u32 words = type == TENSOR_Q5_1 ? 6 : type == TENSOR_IQ4_NL || type == TENSOR_MXFP4 ? 4 : 5;
	const u32 size = type == TENSOR_MXFP4 ? 1 : mins ? 0 : 2; /* bytes of a scale that stands apart */
	const u8 *p = t->panel;
	const u32 *x = t->x;
	float32x4_t acc[C_MAX];
	EACH(c) acc[c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 16 * size;
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * C) {
			const u8 *at = q + 16 * quarter, *d_at = p + (16 * i + 4 * quarter) * size;
			float32x4_t d = mins		       ? from_half(and(word(at, 0), 0xffff))
					: type == TENSOR_MXFP4 ? e8m0(d_at)
							       : halves(d_at);
			float32x4_t dmin = mins ? from_half(right(word(at, 0), 16)) : vdupq_n_f32(0);
			uint32x4_t w[8];
			words_32(at, type, w);
			EACH(c)
			{
				int32x4_t s = vdupq_n_s32(0);
				UNROLL for (u32 j = 0; j < 8; j++) s = dot(s, w[j], x[j * C + c]);
				float32x4_t v = vmulq_f32(vcvtq_f32_s32(s), d);
				if (mins)
					v = vaddq_f32(v, scaled(dmin, x + 8 * C + c));
				acc[c] = vaddq_f32(acc[c], scaled(v, x + 9 * C + c));
			}
		}
		p = q;
	}
	put(t, quarter, acc, C);
}

/* ---- NVFP4: two terms of 32 a block, each with two scales ---- */

/* Byte j of each lane as UE4M3, halved. */
FN float32x4_t ue4m3(uint32x4_t bytes, const u32 j)
{
	uint32x4_t e = and(right(bytes, 8 * (i32)j + 3), 15), m = and(right(bytes, 8 * (i32)j), 7);
	uint32x4_t normal = vcgtq_u32(e, vdupq_n_u32(0));
	uint32x4_t v = or (m, and(normal, 8));
	v = vshlq_u32(v, vreinterpretq_s32_u32(vaddq_u32(e, normal))); /* normal is -1 or 0 */
	return vmulq_n_f32(vcvtq_f32_u32(v), 0x1p-10f);
}

FN void term_nvfp4(const u8 *p, const u32 half, const u32 *x, float32x4_t *acc, const u32 C)
{
	uint32x4_t w[8];
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		uint32x4_t q = word(p, 1 + 4 * half + i);
		w[i / 2 * 4 + i % 2] = look_up(e2m1_twice, and(q, 0x0f0f0f0f));
		w[i / 2 * 4 + 2 + i % 2] = look_up(e2m1_twice, and(right(q, 4), 0x0f0f0f0f));
	}
	float32x4_t d0 = ue4m3(word(p, 0), 2 * half), d1 = ue4m3(word(p, 0), 2 * half + 1);
	EACH(c)
	{
		int32x4_t a = vdupq_n_s32(0), b = a;
		UNROLL for (u32 j = 0; j < 4; j++) a = dot(a, w[j], x[j * C + c]);
		UNROLL for (u32 j = 4; j < 8; j++) b = dot(b, w[j], x[j * C + c]);
		float32x4_t v = vmulq_f32(vcvtq_f32_s32(a), d0);
		v = vaddq_f32(v, vmulq_f32(vcvtq_f32_s32(b), d1));
		acc[c] = vaddq_f32(acc[c], scaled(v, x + 10 * C + c));
	}
}

FN void quarter_nvfp4(const struct cpu_tile *t, const u32 type, u32 quarter, const u32 C)
{
	const u8 *p = t->panel + 16 * quarter;
	const u32 *x = t->x;
	float32x4_t acc[C_MAX];
	EACH(c) acc[c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b += 2, p += 9 * 64, x += 22 * C) {
		term_nvfp4(p, 0, x, acc, C);
		term_nvfp4(p, 1, x + 11 * C, acc, C);
	}
	put(t, quarter, acc, C);
}

/* ---- blocks of 256 ---- */

FN int32x4_t byte_of(uint32x4_t bytes, const u32 j)
{
	return vreinterpretq_s32_u32(and(right(bytes, 8 * (i32)(j % 4)), 0xff));
}

/* The scale of sub-block j (elements 16 j ..), less what the type takes off. */
FN int32x4_t scale_256(const u8 *p, const u32 type, const u32 j)
{
	if (type == TENSOR_Q2_K)
		return byte_of(and(word(p, j / 4), 0x0f0f0f0f), j);
	if (type == TENSOR_IQ4_XS) {
		uint32x4_t four = and(right(word(p, 1), (i32)(j / 2 * 4)), 15),
			   two = and(right(word(p, 0), (i32)(16 + j / 2 * 2)), 3);
		return vsubq_s32(vreinterpretq_s32_u32(or (four, left(two, 4))), vdupq_n_s32(32));
	}
	uint32x4_t low = and(right(word(p, 24 + j / 4 % 2), (i32)(j / 8 * 4)), 0x0f0f0f0f);
	uint32x4_t two = and(right(word(p, 26), (i32)(j / 4 * 2)), 0x03030303);
	return vsubq_s32(byte_of(or (low, left(two, 4)), j), vdupq_n_s32(32));
}

/* Word i of sub-block j. */
FN uint32x4_t word_256(const u8 *p, const u32 type, const u32 j, const u32 i)
{
	const u32 n = j / 2, e = j % 2 * 4 + i; /* word e of the 32 elements n */
	if (type == TENSOR_Q2_K)
		return and(right(word(p, 4 + n / 4 * 8 + e), (i32)(n % 4 * 2)), 0x03030303);
	if (type == TENSOR_IQ4_XS)
		return look_up(iq4_values, and(right(word(p, 2 + 4 * n + i), (i32)(j % 2 * 4)), 0x0f0f0f0f));
	uint32x4_t low = and(right(word(p, 8 + n / 4 * 8 + e), (i32)(n % 4 * 2)), 0x03030303);
	return bytes_less(or (low, left(and(right(word(p, e), (i32)n), 0x01010101), 2)), 4);
}

/* The sum of the 16 activations of sub-block j: see the pairs of cpu.h. */
FN i32 sum_of(const u32 *pairs, const u32 j, const u32 C)
{
	u32 pair = pairs[(j / 4 * 2 + j % 2) * C];
	return (i16)(j % 4 < 2 ? pair & 0xffff : pair >> 16);
}

FN void sums_256(const u8 *p, const u32 type, const u32 *x, int32x4_t *sum, int32x4_t *mins, const u32 C)
{
	UNROLL for (u32 j = 0; j < 16; j++)
	{
		int32x4_t sc = scale_256(p, type, j), s[C_MAX];
		EACH(c) s[c] = vdupq_n_s32(0);
		UNROLL for (u32 i = 0; i < 4; i++)
		{
			uint32x4_t w = word_256(p, type, j, i);
			EACH(c) s[c] = dot(s[c], w, x[(4 * j + i) * C + c]);
		}
		EACH(c) sum[c] = vmlaq_s32(sum[c], s[c], sc);
		if (type == TENSOR_Q2_K) {
			int32x4_t m = byte_of(and(right(word(p, j / 4), 4), 0x0f0f0f0f), j);
			EACH(c) mins[c] = vmlaq_n_s32(mins[c], m, sum_of(x + 64 * C + c, j, C));
		}
	}
}

FN void quarter_256(const struct cpu_tile *t, const u32 type, u32 quarter, const u32 C)
{
	const u32 words = type == TENSOR_Q2_K ? 21 : type == TENSOR_Q3_K ? 27 : 34;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	float32x4_t acc[C_MAX], d;
	EACH(c) acc[c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b++, x += 81 * C) {
		u32 pair = MIN(2u, t->blocks - b / 2 * 2); /* Q3_K: scales of two blocks, then these */
		const u8 *q = p + (type == TENSOR_Q3_K && b % 2 == 0 ? pair * 32 : 0), *at = q + 16 * quarter;
		int32x4_t sum[C_MAX], mins[C_MAX];
		EACH(c) sum[c] = mins[c] = vdupq_n_s32(0);
		sums_256(at, type, x, sum, mins, C);
		if (type == TENSOR_Q3_K)
			d = halves((b % 2 ? p - 27 * 64 - 32 : p) + 8 * quarter);
		else
			d = from_half(and(word(at, type == TENSOR_Q2_K ? 20 : 0), 0xffff));
		EACH(c)
		{
			float32x4_t v = vmulq_f32(vcvtq_f32_s32(sum[c]), d);
			if (type == TENSOR_Q2_K)
				v = vsubq_f32(v, vmulq_f32(vcvtq_f32_s32(mins[c]),
							 from_half(right(word(at, 20), 16))));
			acc[c] = vaddq_f32(acc[c], scaled(v, x + 80 * C + c));
		}
		p = q + words * 64;
	}
	put(t, quarter, acc, C);
}

/* ---- types that are unpacked row by row, as the references do ---- */

FN void quarter_rows(const struct cpu_block *block, const u32 *x, u32 quarter, float32x4_t *acc, const u32 C)
{
	int32x4_t sum[C_MAX];
	EACH(c) sum[c] = vdupq_n_s32(0);
	for (u32 j = 0; j < 16; j++) {
		int32x4_t sc = vld1q_s32(&block->sc[j][4 * quarter]), s[C_MAX];
		EACH(c) s[c] = vdupq_n_s32(0);
		UNROLL for (u32 i = 0; i < 4; i++)
		{
			uint32x4_t w = vreinterpretq_u32_s8(vld1q_s8(block->w[4 * j + i][4 * quarter]));
			EACH(c) s[c] = dot(s[c], w, x[(4 * j + i) * C + c]);
		}
		EACH(c) sum[c] = vmlaq_s32(sum[c], s[c], sc);
	}
	float32x4_t d = vld1q_f32(&block->d[4 * quarter]);
	EACH(c)
	{
		float32x4_t v = vmulq_f32(vcvtq_f32_s32(sum[c]), d);
		acc[c] = vaddq_f32(acc[c], scaled(v, x + 80 * C + c));
	}
}

FN void rows_256(const struct cpu_tile *t, const u32 C)
{
	const u32 *x = t->x;
	struct cpu_block block;
	float32x4_t acc[4][C_MAX];
	for (u32 i = 0; i < 4; i++)
		EACH(c) acc[i][c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b++, x += 81 * C) {
		cpu_block_unpack(t, b, &block);
		for (u32 i = 0; i < 4; i++)
			quarter_rows(&block, x, i, acc[i], C);
	}
	for (u32 i = 0; i < 4; i++)
		put(t, i, acc[i], C);
}

/* ---- tables ---- */

KERNELS(q4_1, quarter_32, TENSOR_Q4_1)
KERNELS(q5_0, quarter_32, TENSOR_Q5_0)
KERNELS(q5_1, quarter_32, TENSOR_Q5_1)
KERNELS(iq4_nl, quarter_32, TENSOR_IQ4_NL)
KERNELS(mxfp4, quarter_32, TENSOR_MXFP4)
KERNELS(nvfp4, quarter_nvfp4, TENSOR_NVFP4)
KERNELS(q2_k, quarter_256, TENSOR_Q2_K)
KERNELS(q3_k, quarter_256, TENSOR_Q3_K)
KERNELS(iq4_xs, quarter_256, TENSOR_IQ4_XS)
#define ROWS(C)                                                             \
	static __attribute__((ISA)) void rows_##C(const struct cpu_tile *t) \
	{                                                                   \
		rows_256(t, C);                                             \
	}
ROWS(1)
ROWS(2)
ROWS(4)
static const struct cpu_tile_kernel rows_list[] = { { 1, rows_1 }, { 2, rows_2 }, { 4, rows_4 },
	{ 0, NULL } };

const struct cpu_tile_kernel *cpu_block_neon(u32 type)
{
	static const struct cpu_tile_kernel *const lists[] = {
		[TENSOR_Q4_1] = q4_1_list,
		[TENSOR_Q5_0] = q5_0_list,
		[TENSOR_Q5_1] = q5_1_list,
		[TENSOR_IQ4_NL] = iq4_nl_list,
		[TENSOR_MXFP4] = mxfp4_list,
		[TENSOR_NVFP4] = nvfp4_list,
		[TENSOR_Q2_K] = q2_k_list,
		[TENSOR_Q3_K] = q3_k_list,
		[TENSOR_IQ4_XS] = iq4_xs_list,
		[TENSOR_IQ2_XXS] = rows_list,
		[TENSOR_IQ2_XS] = rows_list,
		[TENSOR_IQ2_S] = rows_list,
		[TENSOR_IQ3_XXS] = rows_list,
		[TENSOR_IQ3_S] = rows_list,
		[TENSOR_IQ1_S] = rows_list,
		[TENSOR_IQ1_M] = rows_list,
		[TENSOR_TQ1_0] = rows_list,
		[TENSOR_TQ2_0] = rows_list,
	};
	return type < ARRAY_LEN(lists) ? lists[type] : NULL;
}

#else

const struct cpu_tile_kernel *cpu_block_neon(u32 type)
{
	return NULL;
}

#endif
