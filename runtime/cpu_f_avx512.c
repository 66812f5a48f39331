/* Products of F16 and BF16 weights with AVX-512: two registers are the 32 lanes of the contract. Two rows times six columns at a time, or, for one
 * column, a row at a time as memory gives it. The instruction that turns float16 takes the exponent 31 for infinities and NaN, the contract for an
 * ordinary one; a file with such weights is refused at load, so a row that has one goes to the reference. */
#include "runtime/cpu.h"

#ifdef __x86_64__

#include "base/layout.h"
#include "shaders/exact.h"
#include "shaders/mul_mat_f.h"

#include <immintrin.h>

#define ISA    target("avx512f,avx512bw,avx512vl,avx512dq")
#define FN     static inline __attribute__((always_inline, ISA))
#define UNROLL CPU_UNROLL(16)
#define LANES  MUL_MAT_F_LANES
#define ROWS   2u
#define COLS   6u
#define AHEAD  4096 /* bytes that a row at a time asks memory for in advance */
#define BLOCK  64u  /* rows that all columns pass before the next: they stay in the second cache */

struct tile {
	const u16 *w;
	const f32 *x;
	f32 *y;
	u32 k, n_out;
};

FN __m512 weights_16(const u32 type, __m256i h)
{
	if (type == TENSOR_F16)
		return _mm512_cvtph_ps(h);
	__m512i u = _mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
	__m512i m = _mm512_and_si512(u, _mm512_set1_epi32(0x7fffffff)),
		max = _mm512_set1_epi32(EXACT_WINDOW_MAX);
	__m512i top = _mm512_or_si512(_mm512_andnot_si512(_mm512_set1_epi32(0x7fffffff), u), max);
	u = _mm512_mask_mov_epi32(u, _mm512_cmpgt_epu32_mask(m, max), top);
	__mmask16 in = _mm512_cmpge_epu32_mask(m, _mm512_set1_epi32(EXACT_WINDOW_MIN));
	return _mm512_castsi512_ps(_mm512_maskz_mov_epi32(in, u));
}

/* Which of 32 float16 have the exponent 31. */
FN u32 odd_halves(__m512i h)
{
	__m512i e = _mm512_set1_epi16(0x7c00);
	return _mm512_cmpeq_epi16_mask(_mm512_and_si512(h, e), e);
}

FN f32 tree(__m512 a, __m512 b)
{
	__m512 s = _mm512_add_ps(a, b);
	__m256 t = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
	__m128 u = _mm_add_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1));
	u = _mm_add_ps(u, _mm_movehl_ps(u, u));
	return exact_window(_mm_cvtss_f32(_mm_add_ss(u, _mm_movehdup_ps(u))));
}

/* Adds the products of elements e .. e + 32, those outside `mask` as zeros, which change no sum. Returns the odd halves of one row. */
FN u32 lanes_add(const struct tile *t, const u32 type, u32 e, __mmask32 mask, __m512 acc[ROWS][COLS][2],
	const u32 R, const u32 C)
{
	u32 odd = 0;
	__m512 w[ROWS][2];
	UNROLL for (u32 r = 0; r < R; r++)
	{
		__m512i h = _mm512_maskz_loadu_epi16(mask, t->w + (size_t)r * t->k + e);
		w[r][0] = weights_16(type, _mm512_castsi512_si256(h));
		w[r][1] = weights_16(type, _mm512_extracti64x4_epi64(h, 1));
		if (C == 1) /* an instruction by name: a compiler moves the intrinsic */
			__asm__ volatile("prefetcht0 %0"
					 :
					 : "m"(((const u8 *)(t->w + (size_t)r * t->k + e))[AHEAD]));
		odd |= C == 1 && type == TENSOR_F16 ? odd_halves(h) : 0;
	}
	UNROLL for (u32 c = 0; c < C; c++)
	{
		const f32 *at = t->x + (size_t)c * t->k + e;
		__m512 x0 = _mm512_maskz_loadu_ps((__mmask16)mask, at);
		__m512 x1 = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), at + 16);
		UNROLL for (u32 r = 0; r < R; r++)
		{
			acc[r][c][0] = _mm512_add_ps(acc[r][c][0], _mm512_mul_ps(w[r][0], x0));
			acc[r][c][1] = _mm512_add_ps(acc[r][c][1], _mm512_mul_ps(w[r][1], x1));
		}
	}
	return odd;
}

/* R rows times C columns. False when a row is odd and C is 1: nothing is written then. */
FN bool tile_run(const struct tile *t, const u32 type, const u32 R, const u32 C)
{
	__m512 acc[ROWS][COLS][2];
	u32 e = 0, odd = 0;
	UNROLL for (u32 r = 0; r < R; r++) UNROLL for (u32 c = 0; c < C; c++) acc[r][c][0] = acc[r][c][1] =
		_mm512_setzero_ps();
	for (; e + LANES <= t->k; e += LANES)
		odd |= lanes_add(t, type, e, 0xffffffffu, acc, R, C);
	if (e < t->k)
		odd |= lanes_add(t, type, e, (1u << (t->k - e)) - 1, acc, R, C);
	if (odd)
		return false;
	UNROLL for (u32 c = 0; c < C; c++) UNROLL for (u32 r = 0; r < R; r++) t->y[(size_t)c * t->n_out + r] =
		tree(acc[r][c][0], acc[r][c][1]);
	return true;
}

FN bool row_odd(const u16 *w, u32 k)
{
	u32 odd = 0, e = 0;
	for (; e + LANES <= k; e += LANES)
		odd |= odd_halves(_mm512_loadu_si512(w + e));
	if (e < k)
		odd |= odd_halves(_mm512_maskz_loadu_epi16((1u << (k - e)) - 1, w + e));
	return odd;
}

static kernel_ref_fn *reference_of(u32 type)
{
	return type == TENSOR_F16 ? ref_mul_mat_f16 : ref_mul_mat_bf16;
}

/* Rows o .. o + R in all columns. */
FN void rows_run(const struct push_mul_mat_f *p, void *const buf[], const u32 type, u32 o, u32 c, const u32 R,
	const u32 C)
{
	const struct tile t = { .w = (const u16 *)(const void *)((const u8 *)buf[0] + p->base) +
				     (size_t)o * p->k,
		.x = (const f32 *)buf[1] + (size_t)c * p->k,
		.y = (f32 *)buf[2] + (size_t)c * p->n_out + p->first + o,
		.k = p->k,
		.n_out = p->n_out };
	if (!tile_run(&t, type, R,
		    C)) /* one column of the call or its last: the reference writes the same bits again */
		reference_of(type)(p, buf, o, o + R);
}

FN void pair_run(const struct push_mul_mat_f *p, void *const buf[], const u32 type, u32 o, u32 c, const u32 R)
{
	if (p->cols - c >= COLS)
		rows_run(p, buf, type, o, c, R, COLS);
	else
		for (; c < p->cols; c++)
			rows_run(p, buf, type, o, c, R, 1);
}

/* Rows first..end, at most BLOCK, in all columns. */
FN void block_run(const struct push_mul_mat_f *p, void *const buf[], const u32 type, u32 first, u32 end)
{
	const u16 *w = (const u16 *)(const void *)((const u8 *)buf[0] + p->base);
	u64 odd = 0;
	for (u32 o = first; o < end && type == TENSOR_F16; o++)
		odd |= (u64)row_odd(w + (size_t)o * p->k, p->k) << (o - first);
	for (u32 c = 0; c < p->cols; c += COLS)
		for (u32 o = first, n; o < end; o += n) {
			u64 two = odd >> (o - first) & 3;
			n = end - o >= ROWS && two == 0 ? ROWS : 1;
			if (n == ROWS)
				pair_run(p, buf, type, o, c, ROWS);
			else if (!(two & 1))
				pair_run(p, buf, type, o, c, 1);
		}
	for (u32 o = first; o < end; o++)
		if (odd >> (o - first) & 1)
			reference_of(type)(p, buf, o, o + 1);
}

FN void mul_mat(const u32 type, const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_mul_mat_f *p = push;
	if (p->cols == 1)
		for (u32 o = first; o < end; o++)
			rows_run(p, buf, type, o, 0, 1, 1);
	else
		for (u32 o = first; o < end; o += BLOCK)
			block_run(p, buf, type, o, MIN(o + BLOCK, end));
}

static __attribute__((ISA)) void mul_mat_f16(const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(TENSOR_F16, push, buf, first, end);
}

static __attribute__((ISA)) void mul_mat_bf16(const void *push, void *const buf[], u32 first, u32 end)
{
	mul_mat(TENSOR_BF16, push, buf, first, end);
}

kernel_ref_fn *cpu_f_avx512(enum kernel k)
{
	return k == KERNEL_MUL_MAT_F16 ? mul_mat_f16 : k == KERNEL_MUL_MAT_BF16 ? mul_mat_bf16 : NULL;
}

#else

kernel_ref_fn *cpu_f_avx512(enum kernel k)
{
	return NULL;
}

#endif
