/* Products of packed weights with AVX2: eight rows of the panel are lanes, the panel is two halves. Products of bytes are summed in pairs to
 * int16 as long as the bounds of the type allow, then scaled and summed in int32. */
#include "runtime/cpu.h"

#ifdef __x86_64__

#include "base/layout.h"
#include "runtime/cpu_avx2.h"

/* ---- Q8_0, Q4_0 ---- */

FN __m256i dot_q8_0(const u8 *q, const u32 *x, const u32 C)
{
	__m256i s = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1);
	UNROLL for (u32 j = 0; j < 8; j++)
	{
		__m256i w = word(q, j); /* |w| * x with the sign of w: at most 2 * 128 * 127 in int16 */
		__m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(all(x[j * C]), w));
		s = _mm256_add_epi32(s, _mm256_madd_epi16(p, ones));
	}
	return s;
}

FN __m256i dot_q4_0(const u8 *q, const u32 *x, const u32 C)
{
	__m256i s = _mm256_setzero_si256();
	UNROLL for (u32 j = 0; j < 4; j++)
	{
		__m256i w = word(q, j), low = and(w, 0x0f0f0f0f);
		__m256i high = and(_mm256_srli_epi32(w, 4), 0x0f0f0f0f);
		s = _mm256_add_epi16(s, _mm256_maddubs_epi16(low, all(x[j * C])));
		s = _mm256_add_epi16(s, _mm256_maddubs_epi16(high, all(x[(4 + j) * C])));
	}
	return _mm256_add_epi32(_mm256_madd_epi16(s, _mm256_set1_epi16(1)), all(x[8 * C]));
}

/* As Q4_0, of bytes of 0..24: twice an E2M1 number, plus the 12 that the record takes off. Four words are at most 4 * 2 * 24 * 127 in int16. */
FN __m256i dot_mxfp4(const u8 *q, const u32 *x, const u32 C)
{
	const __m256i twice =
		_mm256_broadcastsi128_si256(_mm_set_epi32(0x00040608, 0x090a0b0c, 0x18141210, 0x0f0e0d0c));
	__m256i a = _mm256_setzero_si256(), b = a, ones = _mm256_set1_epi16(1);
	UNROLL for (u32 j = 0; j < 4; j++)
	{
		__m256i w = word(q, j), low = _mm256_shuffle_epi8(twice, and(w, 0x0f0f0f0f));
		__m256i high = _mm256_shuffle_epi8(twice, and(_mm256_srli_epi32(w, 4), 0x0f0f0f0f));
		a = _mm256_add_epi16(a, _mm256_maddubs_epi16(low, all(x[j * C])));
		b = _mm256_add_epi16(b, _mm256_maddubs_epi16(high, all(x[(4 + j) * C])));
	}
	__m256i s = _mm256_add_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
	return _mm256_add_epi32(s, all(x[8 * C]));
}

FN __m256i dot_32(const u8 *q, const u32 type, const u32 *x, const u32 C)
{
	return type == TENSOR_Q8_0   ? dot_q8_0(q, x, C)
	       : type == TENSOR_Q4_0 ? dot_q4_0(q, x, C)
				     : dot_mxfp4(q, x, C);
}

/* Bytes of eight scales, and these as floats. */
#define SCALES_32(type) ((type) == TENSOR_MXFP4 ? 8u : 16u)
FN __m256 scales_32(const u8 *p, const u32 type)
{
	if (type != TENSOR_MXFP4)
		return halves(p);
	__m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)); /* exact_from_e8m0_half */
	__m256i u = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_max_epi32(e, all(1)), all(1)), 23);
	return window(_mm256_castsi256_ps(u));
}

FN void half_32(const struct cpu_tile *t, const u32 type, u32 half, const u32 C)
{
	const u32 words = type == TENSOR_Q8_0 ? 8 : 4;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m256 acc[C_MAX];
	EACH(c) acc[c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 2 * SCALES_32(type);
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * C) {
			__m256 d = scales_32(p + SCALES_32(type) * (2 * i + half), type);
			const u8 *at = q + HALF_ROW * half;
			EACH(c)
			{
				__m256i s = dot_32(at, type, x + c, C);
				__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(s), d);
				v = _mm256_mul_ps(v, scale_of(x + 9 * C + c));
				acc[c] = _mm256_add_ps(acc[c], v);
			}
		}
		p = q;
	}
	put(t, half, acc, C);
}

/* ---- Q4_K, Q5_K ---- */

struct scales {
	__m256i sc[2], m[2]; /* a byte each: 0..3, 4..7 */
};

FN struct scales scales_of(const u8 *p)
{
	__m256i a = word(p, 1), b = word(p, 2), c = word(p, 3);
	struct scales s;
	s.sc[0] = and(a, 0x3f3f3f3f);
	s.m[0] = and(b, 0x3f3f3f3f);
	s.sc[1] = _mm256_or_si256(and(c, 0x0f0f0f0f), and(_mm256_srli_epi32(a, 2), 0x30303030));
	s.m[1] = _mm256_or_si256(
		and(_mm256_srli_epi32(c, 4), 0x0f0f0f0f), and(_mm256_srli_epi32(b, 2), 0x30303030));
	return s;
}

FN __m256i twice(__m256i x) /* the low int16 of a lane in both its halves */
{
	return _mm256_or_si256(and(x, 0xffff), _mm256_slli_epi32(x, 16));
}

/* Words 4 i .. 4 i + 3 of sub-block j as bytes 0..31. */
FN void words_k(const u8 *p, const u32 type, const u32 j, u32 i, __m256i *w)
{
	const u32 low = type == TENSOR_Q4_K ? 4 : 12;
	UNROLL for (u32 n = 0; n < 4; n++)
	{
		__m256i q = word(p, low + 8 * (j / 2) + 4 * i + n);
		w[n] = and(j % 2 ? _mm256_srli_epi32(q, 4) : q, 0x0f0f0f0f);
		if (type == TENSOR_Q5_K) {
			__m256i h = word(p, 4 + 4 * i + n);
			h = j < 4 ? _mm256_slli_epi32(h, 4 - (i32)j) : _mm256_srli_epi32(h, (i32)j - 4);
			w[n] = _mm256_or_si256(w[n], and(h, 0x10101010));
		}
	}
}

FN __m256i mins_dot(const struct scales *s, const u32 *x, const u32 C)
{
	__m256i sum = _mm256_setzero_si256();
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		__m256i m = s->m[i / 2];
		m = and(i % 2 ? _mm256_srli_epi32(m, 8) : m, 0x00ff00ff);
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(m, all(x[i * C])));
	}
	return sum;
}

/* Adds the products of sub-block j to sum. Four words are at most 4 * 2 * 31 * 127 in int16. */
FN void sub_block_k(
	const u8 *p, const u32 type, const u32 j, __m256i sc, const u32 *x, __m256i *sum, const u32 C)
{
	UNROLL for (u32 i = 0; i < 2; i++)
	{
		__m256i w[4];
		words_k(p, type, j, i, w);
		EACH(c)
		{
			__m256i s = _mm256_setzero_si256();
			UNROLL for (u32 n = 0; n < 4; n++) s = _mm256_add_epi16(
				s, _mm256_maddubs_epi16(w[n], all(x[(8 * j + 4 * i + n) * C + c])));
			sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(s, sc));
		}
	}
}

FN void half_k(const struct cpu_tile *t, const u32 type, u32 half, const u32 C)
{
	const u8 *p = t->panel + HALF_ROW * half;
	const u32 *x = t->x;
	__m256 acc[C_MAX];
	EACH(c) acc[c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b++) {
		struct scales sc = scales_of(p);
		__m256i sum[C_MAX];
		EACH(c) sum[c] = _mm256_setzero_si256();
		UNROLL for (u32 j = 0; j < 8; j++) sub_block_k(p, type, j,
			twice(and(_mm256_srli_epi32(sc.sc[j / 4], 8 * (j % 4)), 0xff)), x, sum, C);
		__m256 d = from_half(and(word(p, 0), 0xffff));
		__m256 dmin = from_half(_mm256_srli_epi32(word(p, 0), 16));
		EACH(c)
		{
			__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[c]), d);
			__m256 o = _mm256_mul_ps(_mm256_cvtepi32_ps(mins_dot(&sc, x + 64 * C + c, C)), dmin);
			v = _mm256_mul_ps(_mm256_sub_ps(v, o), scale_of(x + 68 * C + c));
			acc[c] = _mm256_add_ps(acc[c], v);
		}
		p += 64 * (type == TENSOR_Q4_K ? 36 : 44);
		x += 69 * C;
	}
	put(t, half, acc, C);
}

/* ---- Q6_K ---- */

/* Words 2 i, 2 i + 1 of sub-block j (elements 16 j ..) as bytes 0..63. */
FN void words_q6_k(const u8 *p, const u32 j, const u32 i, __m256i *w)
{
	const u32 h = j / 8, e = j % 8 / 2, first = 8 * h + 4 * (j % 2) + 2 * i;
	UNROLL for (u32 n = 0; n < 2; n++)
	{
		__m256i low = word(p, 4 + 3 * (first + n) + e % 2), high = word(p, 4 + 3 * (first + n) + 2);
		low = and(e < 2 ? low : _mm256_srli_epi32(low, 4), 0x0f0f0f0f);
		high = e < 2 ? _mm256_slli_epi32(high, 4 - 2 * (i32)e)
			     : _mm256_srli_epi32(high, 2 * (i32)e - 4);
		w[n] = _mm256_or_si256(low, and(high, 0x30303030));
	}
}

/* Adds the products of sub-block j to sum. Two words are at most 2 * 2 * 63 * 127 in int16. */
FN void sub_block_q6_k(const u8 *p, const u32 j, const u32 *x, __m256i *sum, const u32 C)
{
	__m256i sc = _mm256_srai_epi32(_mm256_slli_epi32(word(p, j / 4), 24 - 8 * ((i32)j % 4)), 24);
	__m256i sc2 = twice(sc);
	EACH(c) sum[c] = _mm256_add_epi32(sum[c], _mm256_mullo_epi32(sc, all(x[(64 + j) * C + c])));
	UNROLL for (u32 i = 0; i < 2; i++)
	{
		__m256i w[2];
		words_q6_k(p, j, i, w);
		EACH(c)
		{
			const u32 *at = x + (4 * j + 2 * i) * C + c;
			__m256i s = _mm256_add_epi16(_mm256_maddubs_epi16(w[0], all(at[0])),
				_mm256_maddubs_epi16(w[1], all(at[C])));
			sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(s, sc2));
		}
	}
}

FN void half_q6_k(const struct cpu_tile *t, u32 half, const u32 C)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m256 acc[C_MAX];
	EACH(c) acc[c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 32;
		for (u32 i = 0; i < n; i++, q += 52 * 64, x += 81 * C) {
			__m256 d = halves(p + 32 * i + 16 * half);
			__m256i sum[C_MAX];
			EACH(c) sum[c] = _mm256_setzero_si256();
			UNROLL for (u32 j = 0; j < 16; j++) sub_block_q6_k(q + HALF_ROW * half, j, x, sum, C);
			EACH(c)
			{
				__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[c]), d);
				acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(v, scale_of(x + 80 * C + c)));
			}
		}
		p = q;
	}
	put(t, half, acc, C);
}

/* ---- tables ---- */

#define KERNEL(name, first, second, C)                                        \
	static __attribute__((ISA)) void name##_##C(const struct cpu_tile *t) \
	{                                                                     \
		first;                                                        \
		second;                                                       \
	}
#define LIST(name)                                                                              \
	static const struct cpu_tile_kernel name##_list[] = { { 1, name##_1 }, { 2, name##_2 }, \
		{ 4, name##_4 }, { 0, NULL } };
#define KERNELS(name, half, type)                                 \
	KERNEL(name, half(t, type, 0, 1), half(t, type, 1, 1), 1) \
	KERNEL(name, half(t, type, 0, 2), half(t, type, 1, 2), 2) \
	KERNEL(name, half(t, type, 0, 4), half(t, type, 1, 4), 4) \
	LIST(name)
KERNELS(q8_0, half_32, TENSOR_Q8_0)
KERNELS(q4_0, half_32, TENSOR_Q4_0)
KERNELS(mxfp4, half_32, TENSOR_MXFP4)
KERNELS(q4_k, half_k, TENSOR_Q4_K)
KERNELS(q5_k, half_k, TENSOR_Q5_K)
KERNEL(q6_k, half_q6_k(t, 0, 1), half_q6_k(t, 1, 1), 1)
KERNEL(q6_k, half_q6_k(t, 0, 2), half_q6_k(t, 1, 2), 2)
KERNEL(q6_k, half_q6_k(t, 0, 4), half_q6_k(t, 1, 4), 4)
LIST(q6_k)

const struct cpu_tile_kernel *cpu_q_avx2(u32 type)
{
	static const struct cpu_tile_kernel *const lists[] = {
		[TENSOR_Q8_0] = q8_0_list,
		[TENSOR_Q4_0] = q4_0_list,
		[TENSOR_MXFP4] = mxfp4_list,
		[TENSOR_Q4_K] = q4_k_list,
		[TENSOR_Q5_K] = q5_k_list,
		[TENSOR_Q6_K] = q6_k_list,
	};
	return type < ARRAY_LEN(lists) ? lists[type] : NULL;
}

#else

const struct cpu_tile_kernel *cpu_q_avx2(u32 type)
{
	return NULL;
}

#endif
