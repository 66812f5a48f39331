/* Products of packed weights with NEON's dot product: four rows of the panel are lanes, the panel is four quarters. Values stay signed, as in
 * the references, so the offsets of Q8_0 and Q4_0 are not needed and Q4_0's is taken from the values. */
#include "runtime/cpu_neon.h"

#ifdef CPU_HAS_NEON

#include "base/layout.h"

/* ---- Q8_0, Q4_0 ---- */

FN void words_32(const u8 *q, const u32 type, uint32x4_t *w)
{
	if (type == TENSOR_Q8_0) {
		UNROLL for (u32 i = 0; i < 8; i++) w[i] = word(q, i);
		return;
	}
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		uint8x16_t b = vreinterpretq_u8_u32(word(q, i)), eight = vdupq_n_u8(8);
		w[i] = vreinterpretq_u32_u8(vsubq_u8(vandq_u8(b, vdupq_n_u8(15)), eight));
		w[4 + i] = vreinterpretq_u32_u8(vsubq_u8(vshrq_n_u8(b, 4), eight));
	}
}

FN void quarter_32(const struct cpu_tile *t, const u32 type, u32 quarter, const u32 C)
{
	const u32 words = type == TENSOR_Q8_0 ? 8 : 4;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	float32x4_t acc[C_MAX];
	EACH(c) acc[c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 32;
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * C) {
			float32x4_t d = halves(p + 32 * i + 8 * quarter);
			uint32x4_t w[8];
			words_32(q + 16 * quarter, type, w);
			EACH(c)
			{
				int32x4_t s = vdupq_n_s32(0);
				UNROLL for (u32 j = 0; j < 8; j++) s = dot(s, w[j], x[j * C + c]);
				float32x4_t v = vmulq_f32(vcvtq_f32_s32(s), d);
				acc[c] = vaddq_f32(acc[c], scaled(v, x + 9 * C + c));
			}
		}
		p = q;
	}
	put(t, quarter, acc, C);
}

/* ---- Q4_K, Q5_K ---- */

/* Scale and minimum of sub-block j of every row. */
FN void scale_k(const u8 *p, const u32 j, int32x4_t *ret_sc, int32x4_t *ret_m)
{
	uint32x4_t a = word(p, 1), b = word(p, 2), c = word(p, 3), sc, m;
	if (j < 4) {
		sc = and(a, 0x3f3f3f3f);
		m = and(b, 0x3f3f3f3f);
	} else {
		sc = vorrq_u32(and(c, 0x0f0f0f0f), and(right(a, 2), 0x30303030));
		m = vorrq_u32(and(right(c, 4), 0x0f0f0f0f), and(right(b, 2), 0x30303030));
	}
	*ret_sc = vreinterpretq_s32_u32(and(right(sc, 8 * (j % 4)), 0xff));
	*ret_m = vreinterpretq_s32_u32(and(right(m, 8 * (j % 4)), 0xff));
}

/* Word i of sub-block j as bytes 0..31. */
FN uint32x4_t word_k(const u8 *p, const u32 type, const u32 j, u32 i)
{
	uint32x4_t q = word(p, (type == TENSOR_Q4_K ? 4 : 12) + 8 * (j / 2) + i);
	q = and(j % 2 ? right(q, 4) : q, 0x0f0f0f0f);
	if (type == TENSOR_Q5_K)
		q = vorrq_u32(q, and(right(word(p, 4 + i), (i32)j - 4), 0x10101010));
	return q;
}

/* The sum of the 32 activations of sub-block j: see the pairs of cpu.h. */
FN i32 sum_of(const u32 *pairs, const u32 j, const u32 C)
{
	u32 pair = pairs[(j / 4 * 2 + j % 2) * C];
	return (i16)(j % 4 < 2 ? pair & 0xffff : pair >> 16);
}

FN void quarter_k(const struct cpu_tile *t, const u32 type, u32 quarter, const u32 C)
{
	const u8 *p = t->panel + 16 * quarter;
	const u32 *x = t->x;
	float32x4_t acc[C_MAX];
	EACH(c) acc[c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b++) {
		int32x4_t sum[C_MAX], mins[C_MAX];
		EACH(c) sum[c] = mins[c] = vdupq_n_s32(0);
		UNROLL for (u32 j = 0; j < 8; j++)
		{
			int32x4_t sc, m, s[C_MAX];
			scale_k(p, j, &sc, &m);
			EACH(c) s[c] = vdupq_n_s32(0);
			UNROLL for (u32 i = 0; i < 8; i++)
			{
				uint32x4_t w = word_k(p, type, j, i);
				EACH(c) s[c] = dot(s[c], w, x[(8 * j + i) * C + c]);
			}
			EACH(c) sum[c] = vmlaq_s32(sum[c], s[c], sc);
			EACH(c) mins[c] = vmlaq_n_s32(mins[c], m, sum_of(x + 64 * C + c, j, C));
		}
		float32x4_t d = from_half(and(word(p, 0), 0xffff)), dmin = from_half(right(word(p, 0), 16));
		EACH(c)
		{
			float32x4_t v = vmulq_f32(vcvtq_f32_s32(sum[c]), d);
			float32x4_t o = vmulq_f32(vcvtq_f32_s32(mins[c]), dmin);
			acc[c] = vaddq_f32(acc[c], scaled(vsubq_f32(v, o), x + 68 * C + c));
		}
		p += 64 * (type == TENSOR_Q4_K ? 36 : 44);
		x += 69 * C;
	}
	put(t, quarter, acc, C);
}

/* ---- Q6_K ---- */

/* Word i of sub-block j (elements 16 j ..) as bytes 0..63. */
FN uint32x4_t word_q6_k(const u8 *p, const u32 j, const u32 i)
{
	const u32 h = j / 8, e = j % 8 / 2, at = 4 + 3 * (8 * h + 4 * (j % 2) + i);
	uint32x4_t low = word(p, at + e % 2), high = word(p, at + 2);
	low = and(e < 2 ? low : right(low, 4), 0x0f0f0f0f);
	return vorrq_u32(low, and(right(high, 2 * (i32)e - 4), 0x30303030));
}

FN void quarter_q6_k(const struct cpu_tile *t, const u32 type, u32 quarter, const u32 C)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	float32x4_t acc[C_MAX];
	EACH(c) acc[c] = vdupq_n_f32(0);
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 32;
		for (u32 k = 0; k < n; k++, q += 52 * 64, x += 81 * C) {
			const u8 *at = q + 16 * quarter;
			int32x4_t sum[C_MAX];
			EACH(c) sum[c] = vdupq_n_s32(0);
			UNROLL for (u32 j = 0; j < 16; j++)
			{
				int32x4_t sc = vreinterpretq_s32_u32(word(at, j / 4)), s[C_MAX];
				sc = vshrq_n_s32(vshlq_s32(sc, vdupq_n_s32(24 - 8 * (i32)(j % 4))), 24);
				EACH(c) s[c] = vdupq_n_s32((i32)x[(64 + j) * C + c]);
				UNROLL for (u32 i = 0; i < 4; i++)
				{
					uint32x4_t w = word_q6_k(at, j, i);
					EACH(c) s[c] = dot(s[c], w, x[(4 * j + i) * C + c]);
				}
				EACH(c) sum[c] = vmlaq_s32(sum[c], s[c], sc);
			}
			float32x4_t d = halves(p + 32 * k + 8 * quarter);
			EACH(c)
			{
				float32x4_t v = vmulq_f32(vcvtq_f32_s32(sum[c]), d);
				acc[c] = vaddq_f32(acc[c], scaled(v, x + 80 * C + c));
			}
		}
		p = q;
	}
	put(t, quarter, acc, C);
}

/* ---- tables ---- */

KERNELS(q8_0, quarter_32, TENSOR_Q8_0)
KERNELS(q4_0, quarter_32, TENSOR_Q4_0)
KERNELS(q4_k, quarter_k, TENSOR_Q4_K)
KERNELS(q5_k, quarter_k, TENSOR_Q5_K)
KERNELS(q6_k, quarter_q6_k, TENSOR_Q6_K)

const struct cpu_tile_kernel *cpu_q_neon(u32 type)
{
	static const struct cpu_tile_kernel *const lists[] = {
		[TENSOR_Q8_0] = q8_0_list,
		[TENSOR_Q4_0] = q4_0_list,
		[TENSOR_Q4_K] = q4_k_list,
		[TENSOR_Q5_K] = q5_k_list,
		[TENSOR_Q6_K] = q6_k_list,
	};
	return type < ARRAY_LEN(lists) ? lists[type] : NULL;
}

#else

const struct cpu_tile_kernel *cpu_q_neon(u32 type)
{
	return NULL;
}

#endif
