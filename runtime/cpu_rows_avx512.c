/* quantize and rope with AVX-512: what no compiler turns into vectors of its own accord, since one narrows to bytes and the other crosses lanes. */
#include "runtime/cpu.h"

#ifdef __x86_64__

#include "shaders/act.h"
#include "shaders/exact.h"
#include "shaders/quantize.h"
#include "shaders/rope.h"

#include <immintrin.h>
#include <string.h>

#define ISA   target("avx512f,avx512bw,avx512vl,avx512dq")
#define FN    static inline __attribute__((always_inline, ISA))
#define LANES 16u

FN __m512 window(__m512 x)
{
	__m512i u = _mm512_castps_si512(x), magnitude = _mm512_set1_epi32(0x7fffffff);
	__m512i m = _mm512_and_si512(u, magnitude), sign = _mm512_andnot_si512(magnitude, u);
	__mmask16 in = _mm512_cmpge_epu32_mask(m, _mm512_set1_epi32(EXACT_WINDOW_MIN));
	m = _mm512_min_epu32(m, _mm512_set1_epi32(EXACT_WINDOW_MAX));
	return _mm512_castsi512_ps(_mm512_maskz_or_epi32(in, m, sign));
}

/* ---- quantize ---- */

FN f32 group_max(const f32 *x, const u32 group)
{
	__m512i m = _mm512_setzero_si512();
	for (u32 i = 0; i < group; i += LANES) {
		__m512i u = _mm512_castps_si512(window(_mm512_loadu_ps(x + i)));
		m = _mm512_max_epu32(m, _mm512_and_si512(u, _mm512_set1_epi32(0x7fffffff)));
	}
	return u2f(_mm512_reduce_max_epu32(m));
}

/* exact_recip of 16 at once, times 127; 0 for 0. */
FN __m512 inverse(__m512 x)
{
	__m512 one = _mm512_set1_ps(1), e,
	       y = _mm512_castsi512_ps(
		       _mm512_sub_epi32(_mm512_set1_epi32(0x7ef311c7), _mm512_castps_si512(x)));
	for (int i = 0; i < 3; i++) {
		e = _mm512_sub_ps(one, _mm512_mul_ps(x, y));
		y = _mm512_add_ps(y, _mm512_mul_ps(y, e));
	}
	__mmask16 some = _mm512_cmpneq_epi32_mask(_mm512_castps_si512(x), _mm512_setzero_si512());
	return _mm512_maskz_mul_ps(some, y, _mm512_set1_ps(127));
}

/* 16 values as bytes at q; returned as int32. */
FN __m512i to_bytes(const f32 *x, __m512 inv, i8 *q)
{
	__m512 t = _mm512_add_ps(_mm512_mul_ps(window(_mm512_loadu_ps(x)), inv), _mm512_set1_ps(12582912.0f));
	__m512i r = _mm512_sub_epi32(_mm512_castps_si512(t), _mm512_set1_epi32(0x4b400000));
	r = _mm512_max_epi32(_mm512_min_epi32(r, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
	_mm_storeu_si128((__m128i *)q, _mm512_cvtepi32_epi8(r));
	return r;
}

FN void quantize(const u32 group, const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_quantize *p = push;
	const f32 *x = buf[0];
	i8 *q = buf[1];
	f32 *scale = (f32 *)buf[1] + act_scale_at(p->rows, p->k), m[LANES] = { 0 }, inv[LANES];
	i32 *sum = (i32 *)buf[1] + act_sum_at(p->rows, p->k, group);
	for (u32 at = first; at < end; at += LANES) {
		u32 n = MIN(LANES, end - at);
		for (u32 g = 0; g < n; g++)
			m[g] = group_max(x + (size_t)(at + g) * group, group);
		_mm512_storeu_ps(inv, inverse(_mm512_loadu_ps(m)));
		for (u32 g = 0; g < n; g++) {
			scale[at + g] = m[g] * QUANTIZE_INV_127;
			for (u32 s = 0; s < group; s += 32) {
				size_t e = (size_t)(at + g) * group + s;
				__m512 v = _mm512_set1_ps(inv[g]);
				__m512i low = to_bytes(x + e, v, q + e),
					high = to_bytes(x + e + LANES, v, q + e + LANES);
				sum[e / 32] = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
			}
		}
	}
}

__attribute__((ISA)) static void quantize_32(const void *push, void *const buf[], u32 first, u32 end)
{
	quantize(32, push, buf, first, end);
}

__attribute__((ISA)) static void quantize_256(const void *push, void *const buf[], u32 first, u32 end)
{
	quantize(256, push, buf, first, end);
}

/* ---- rope ---- */

/* n <= 8 pairs of neighbours from x on; their cosines and sines stand side by side in cs. */
FN void turn_neighbours(f32 *x, const f32 *cs, u32 n)
{
	__mmask16 there = (__mmask16)((1u << 2 * n) - 1);
	__m512 v = window(_mm512_maskz_loadu_ps(there, x)), t = window(_mm512_maskz_loadu_ps(there, cs));
	__m512 own = _mm512_mul_ps(v, _mm512_moveldup_ps(t)),
	       other = _mm512_mul_ps(_mm512_permute_ps(v, 0xb1), _mm512_movehdup_ps(t));
	__m512 y = _mm512_mask_sub_ps(_mm512_add_ps(other, own), 0x5555, own, other);
	_mm512_mask_storeu_ps(x, there, window(y));
}

/* n <= 16 pairs (x0[i], x1[i]). */
FN void turn_halves(f32 *x0, f32 *x1, const f32 *cs, u32 n)
{
	__mmask16 there = (__mmask16)((1u << n) - 1);
	__m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	u32 low = MIN(n, 8u), high = n - low;
	__m512 t0 = window(_mm512_maskz_loadu_ps((__mmask16)((1u << 2 * low) - 1), cs)),
	       t1 = window(_mm512_maskz_loadu_ps((__mmask16)((1u << 2 * high) - 1), cs + 2 * LANES / 2));
	__m512 c = _mm512_permutex2var_ps(t0, even, t1),
	       s = _mm512_permutex2var_ps(t0, _mm512_add_epi32(even, _mm512_set1_epi32(1)), t1);
	__m512 a = window(_mm512_maskz_loadu_ps(there, x0)), b = window(_mm512_maskz_loadu_ps(there, x1));
	__m512 y0 = _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)),
	       y1 = _mm512_add_ps(_mm512_mul_ps(a, s), _mm512_mul_ps(b, c));
	_mm512_mask_storeu_ps(x0, there, window(y0));
	_mm512_mask_storeu_ps(x1, there, window(y1));
}

__attribute__((ISA)) static void rope(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rope *p = push;
	const u32 *pos = buf[1];
	u32 half = p->rope_dim / 2, step = p->halves ? LANES : LANES / 2;
	for (u32 i = first, n; i < end; i += n) {
		u32 j = i % half, head = i / half, t = pos[head / p->heads];
		n = MIN(half - j, end - i);
		if (t < p->first || t - p->first >= p->count)
			continue;
		f32 *x = (f32 *)buf[0] + (size_t)head * p->head_dim;
		const f32 *cs = (const f32 *)buf[2] + p->base + (size_t)(t - p->first) * half * 2;
		for (u32 k = j; k < j + n; k += step) {
			u32 now = MIN(step, j + n - k);
			if (p->halves)
				turn_halves(x + k, x + half + k, cs + 2 * k, now);
			else
				turn_neighbours(x + 2 * k, cs + 2 * k, now);
		}
	}
}

kernel_ref_fn *cpu_rows_avx512(enum kernel k)
{
	return k == KERNEL_QUANTIZE_32	  ? quantize_32
	       : k == KERNEL_QUANTIZE_256 ? quantize_256
	       : k == KERNEL_ROPE	  ? rope
					  : NULL;
}

#else

kernel_ref_fn *cpu_rows_avx512(enum kernel k)
{
	return NULL;
}

#endif
