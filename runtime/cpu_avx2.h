/* What the AVX2 kernels of products share: eight rows of the panel are lanes, so the panel is two halves. */
#pragma once

#include "runtime/cpu.h"

#include <immintrin.h>

#define ISA	 target("avx2")
#define FN	 static inline __attribute__((always_inline, ISA))
#define C_MAX	 4u
#define EACH(c)	 CPU_UNROLL(4) for (u32 c = 0; c < C; c++)
#define UNROLL	 CPU_UNROLL(16)
#define HALF_ROW 32u /* bytes of a packed word of eight rows */

/* Word i of the half that p points into. */
FN __m256i word(const u8 *p, u32 i)
{
	return _mm256_loadu_si256((const void *)(p + (size_t)i * 64));
}

FN __m256i all(u32 x)
{
	return _mm256_set1_epi32((i32)x);
}

FN __m256i and (__m256i a, u32 mask)
{
	return _mm256_and_si256(a, all(mask));
}

FN __m256i or (__m256i a, __m256i b)
{
	return _mm256_or_si256(a, b);
}

FN __m256i right(__m256i a, u32 n)
{
	return _mm256_srli_epi32(a, (i32)n);
}

/* exact_from_half of the low 16 bits of every lane, the others 0 */
FN __m256 from_half(__m256i h)
{
	__m256i u = and(h, 0x7fff), s = _mm256_slli_epi32(and(h, 0x8000), 16);
	__m256 d = _mm256_mul_ps(_mm256_cvtepi32_ps(u), _mm256_set1_ps(5.9604644775390625e-8f));
	__m256i n = _mm256_add_epi32(_mm256_slli_epi32(u, 13), all(0x38000000));
	__m256i small = _mm256_cmpgt_epi32(all(0x400), u);
	return _mm256_castsi256_ps(_mm256_or_si256(_mm256_blendv_epi8(n, _mm256_castps_si256(d), small), s));
}

FN __m256 halves(const u8 *p)
{
	return from_half(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)));
}

FN __m256 window(__m256 x)
{
	__m256i u = _mm256_castps_si256(x), m = and(u, 0x7fffffff);
	__m256i top = _mm256_or_si256(and(u, 0x80000000), all(0x53800000));
	u = _mm256_blendv_epi8(u, top, _mm256_cmpgt_epi32(m, all(0x53800000)));
	return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(all(0x2b800000), m), u));
}

FN void put(const struct cpu_tile *t, u32 half, const __m256 *acc, const u32 C)
{
	EACH(c)
	if (c < t->cols)
		_mm256_storeu_ps(t->y + c * t->stride + 8 * half, window(acc[c]));
}

FN __m256 scale_of(const u32 *x)
{
	return _mm256_castsi256_ps(all(*x));
}
