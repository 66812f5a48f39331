/* What the AVX-512 kernels of products share: a row of the panel is a lane, so the ordered float sums of 16 rows go side by side. */
#pragma once

#include "runtime/cpu.h"

#include <immintrin.h>

#define ISA	target("avx512f,avx512bw,avx512vl,avx512vnni")
#define FN	static inline __attribute__((always_inline, ISA))
#define EACH(c) CPU_UNROLL(12) for (u32 c = 0; c < C; c++)
#define UNROLL	CPU_UNROLL(16)
#define GROUP	12u /* columns whose sums stay in registers */

FN __m512i word(const u8 *p, u32 i)
{
	return _mm512_loadu_si512(p + (size_t)i * 64);
}

/* Asks for the line AHEAD bytes behind p, for kernels that wait for memory: the machine's own guess follows few streams. An instruction by name,
 * since a compiler moves the intrinsic to where it is of no use. */
#define AHEAD 4096
FN void ahead(const u8 *p, u32 words)
{
	UNROLL for (u32 i = 0; i < words; i++) __asm__ volatile("prefetcht0 %0" : : "m"(p[AHEAD + 64 * i]));
}

FN __m512i all(u32 x)
{
	return _mm512_set1_epi32((i32)x);
}

FN __m512i and (__m512i a, u32 mask)
{
	return _mm512_and_si512(a, all(mask));
}

FN __m512i or (__m512i a, __m512i b)
{
	return _mm512_or_si512(a, b);
}

FN __m512i right(__m512i a, u32 n)
{
	return _mm512_srli_epi32(a, n);
}

/* exact_from_half of the low 16 bits of every lane, the others 0 */
FN __m512 from_half(__m512i h)
{
	__m512i u = and(h, 0x7fff), s = _mm512_slli_epi32(and(h, 0x8000), 16);
	__m512i d = _mm512_castps_si512(
		_mm512_mul_ps(_mm512_cvtepi32_ps(u), _mm512_set1_ps(5.9604644775390625e-8f)));
	__m512i n = _mm512_add_epi32(_mm512_slli_epi32(u, 13), all(0x38000000));
	__mmask16 small = _mm512_cmplt_epu32_mask(u, all(0x400));
	return _mm512_castsi512_ps(_mm512_or_si512(_mm512_mask_blend_epi32(small, n, d), s));
}

FN __m512 halves(const u8 *p)
{
	return from_half(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)));
}

FN __m512 window(__m512 x)
{
	__m512i u = _mm512_castps_si512(x), m = and(u, 0x7fffffff);
	__m512i top = _mm512_or_si512(and(u, 0x80000000), all(0x53800000));
	u = _mm512_mask_blend_epi32(_mm512_cmpgt_epu32_mask(m, all(0x53800000)), u, top);
	return _mm512_castsi512_ps(_mm512_maskz_mov_epi32(_mm512_cmpge_epu32_mask(m, all(0x2b800000)), u));
}

FN void put(const struct cpu_tile *t, const __m512 *acc, const u32 C)
{
	EACH(c)
	if (c < t->cols)
		_mm512_storeu_ps(t->y + c * t->stride, window(acc[c]));
}

FN __m512 scale_of(const u32 *x)
{
	return _mm512_castsi512_ps(all(*x));
}

/* s += four products of bytes w and of the word at x. By name and in this order: a compiler that moves the intrinsics spills the sums. */
FN void dot(__m512i *s, __m512i w, const u32 *x)
{
	__asm__ volatile("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(*s) : "v"(w), "m"(*x));
}

/* s += the products of two pairs of int16 */
FN void pairs(__m512i *s, __m512i a, __m512i b)
{
	__asm__ volatile("vpdpwssd %2, %1, %0" : "+v"(*s) : "v"(a), "v"(b));
}

FN void zero_all(__m512 *acc, u32 n)
{
	for (u32 i = 0; i < n; i++)
		acc[i] = _mm512_setzero_ps();
}

FN void put_all(const struct cpu_tile *t, const __m512 *acc)
{
	for (u32 c = 0; c < t->cols; c++)
		_mm512_storeu_ps(t->y + c * t->stride, window(acc[c]));
}

/* ---- lists of kernels: of up to GROUP columns, then of whole groups ---- */

#define KERNEL(name, call, C)                                                 \
	static __attribute__((ISA)) void name##_##C(const struct cpu_tile *t) \
	{                                                                     \
		call;                                                         \
	}
#define LIST(name)                                                                                         \
	static const struct cpu_tile_kernel name##_list[] = { { 1, name##_1 }, { 2, name##_2 },            \
		{ 4, name##_4 }, { 8, name##_8 }, { 12, name##_12 }, { 24, name##_24 }, { 36, name##_36 }, \
		{ 48, name##_48 }, { 0, NULL } };
