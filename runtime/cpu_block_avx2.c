/* Products of further quantised types with AVX2, as cpu_block_avx512.c has them, but half a panel at a time: eight rows are lanes. Products of bytes
 * are summed in pairs to int16, where the bounds of the type allow it several, then scaled and summed in int32. */
#include "runtime/cpu.h"

#ifdef __x86_64__

#include "base/layout.h"
#include "runtime/cpu_avx2.h"

/* The codebook of IQ4 for the nibbles of w. */
FN __m256i iq4(__m256i w)
{
	const __m128i values = _mm_set_epi32(0x71594535, 0x26190d01, (i32)0xf6eaddcf, (i32)0xbfad9881);
	return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), w);
}

/* Products of signed bytes, |w| * |x| at most 127 * 127: pairs of them as int16. */
FN __m256i products(__m256i w, u32 x)
{
	return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(all(x), w));
}

/* ---- blocks of 32 ---- */

/* The two words i, 4 + i of the nibbles. */
FN void nibbles(const u8 *p, u32 i, __m256i *low, __m256i *high)
{
	*low = and(word(p, i), 0x0f0f0f0f);
	*high = and(right(word(p, i), 4), 0x0f0f0f0f);
}

/* 16 in byte e of word i where bit 4 i + e of the lane is set */
FN __m256i fifth_bits(__m256i bits, u32 i)
{
	const __m256i first = _mm256_setr_epi32(
		0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
	__m256i one = all(i % 2 ? 0x80402010 : 0x08040201);
	__m256i four = _mm256_shuffle_epi8(bits, _mm256_add_epi8(first, all(0x01010101u * (i / 2))));
	return and(_mm256_cmpeq_epi8(_mm256_and_si256(four, one), one), 0x10101010);
}

/* The sum of a column; w up to 31: four words are at most 4 * 2 * 31 * 127 in int16. */
FN __m256i dot_32(const __m256i *w, const u32 type, const u32 *x, const u32 C)
{
	const __m256i ones = _mm256_set1_epi16(1);
	__m256i sum = _mm256_setzero_si256();
	if (type == TENSOR_IQ4_NL) {
		UNROLL for (u32 j = 0; j < 8; j++) sum =
			_mm256_add_epi32(sum, _mm256_madd_epi16(products(w[j], x[j * C]), ones));
		return sum;
	}
	UNROLL for (u32 h = 0; h < 2; h++)
	{
		__m256i s = _mm256_setzero_si256();
		UNROLL for (u32 j = 4 * h; j < 4 * h + 4; j++) s =
			_mm256_add_epi16(s, _mm256_maddubs_epi16(w[j], all(x[j * C])));
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(s, ones));
	}
	return type == TENSOR_Q5_0 ? _mm256_add_epi32(sum, all(x[8 * C])) : sum;
}

FN void block_32(const u8 *q, __m256 d, __m256 dmin, const u32 type, const u32 *x, __m256 *acc, const u32 C)
{
	const u32 first = type == TENSOR_Q5_1 ? 2 : type == TENSOR_IQ4_NL ? 0 : 1;
	__m256i w[8];
	UNROLL for (u32 i = 0; i < 4; i++) nibbles(q + 64 * first, i, &w[i], &w[4 + i]);
	UNROLL for (u32 i = 0; i < 8; i++)
	{
		if (type == TENSOR_Q5_0 || type == TENSOR_Q5_1)
			w[i] = or (w[i], fifth_bits(word(q, first - 1), i));
		if (type == TENSOR_IQ4_NL)
			w[i] = iq4(w[i]);
	}
	EACH(c)
	{
		__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(dot_32(w, type, x + c, C)), d);
		if (type == TENSOR_Q4_1 || type == TENSOR_Q5_1)
			v = _mm256_add_ps(v, _mm256_mul_ps(scale_of(x + 8 * C + c), dmin));
		acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(v, scale_of(x + 9 * C + c)));
	}
}

FN void half_32(const struct cpu_tile *t, const u32 type, u32 half, const u32 C)
{
	const bool apart =
		type == TENSOR_Q5_0 || type == TENSOR_IQ4_NL; /* scales of two blocks, then these */
	const u32 words = type == TENSOR_Q5_1 ? 6 : type == TENSOR_IQ4_NL ? 4 : 5;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m256 acc[C_MAX];
	EACH(c) acc[c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + (apart ? n * 32 : 0);
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * C) {
			const u8 *at = q + HALF_ROW * half;
			__m256 d, dmin = _mm256_setzero_ps();
			if (apart) {
				d = halves(p + 32 * i + 16 * half);
			} else {
				d = from_half(and(word(at, 0), 0xffff));
				dmin = from_half(right(word(at, 0), 16));
			}
			block_32(at, d, dmin, type, x, acc, C);
		}
		p = q;
	}
	put(t, half, acc, C);
}

/* ---- NVFP4: two terms of 32 a block, each with two scales ---- */

/* Byte j of each lane as UE4M3, halved. */
FN __m256 ue4m3(__m256i bytes, const u32 j)
{
	__m256i e = and(right(bytes, 8 * j + 3), 15), m = and(right(bytes, 8 * j), 7);
	__m256i normal = _mm256_cmpgt_epi32(e, _mm256_setzero_si256());
	__m256i v = or (m, and(normal, 8));
	v = _mm256_sllv_epi32(v, _mm256_add_epi32(e, normal)); /* normal is -1 or 0 */
	return _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(0x1p-10f));
}

/* The four words of 16 elements, whose bytes begin at word i of p: twice E2M1 plus 12. */
FN void words_nvfp4(const u8 *p, const u32 i, __m256i *w)
{
	const __m128i values = _mm_set_epi32(0x00040608, 0x090a0b0c, 0x18141210, 0x0f0e0d0c);
	const __m256i twelve = _mm256_broadcastsi128_si256(values);
	__m256i low[2], high[2];
	UNROLL for (u32 n = 0; n < 2; n++)
	{
		low[n] = and(word(p, i + n), 0x0f0f0f0f);
		high[n] = and(right(word(p, i + n), 4), 0x0f0f0f0f);
		w[n] = _mm256_shuffle_epi8(twelve, low[n]);
		w[2 + n] = _mm256_shuffle_epi8(twelve, high[n]);
	}
}

/* 16 products; w up to 24: four words are at most 4 * 2 * 24 * 127 in int16. */
FN __m256i dot_16(const __m256i *w, const u32 *x, const u32 C)
{
	__m256i s = _mm256_setzero_si256();
	UNROLL for (u32 j = 0; j < 4; j++) s = _mm256_add_epi16(s, _mm256_maddubs_epi16(w[j], all(x[j * C])));
	return _mm256_madd_epi16(s, _mm256_set1_epi16(1));
}

FN void term_nvfp4(const u8 *p, const u32 half, const u32 *x, __m256 *acc, const u32 C)
{
	__m256i w[8];
	__m256 d0 = ue4m3(word(p, 0), 2 * half), d1 = ue4m3(word(p, 0), 2 * half + 1);
	words_nvfp4(p, 1 + 4 * half, w);
	words_nvfp4(p, 3 + 4 * half, w + 4);
	EACH(c)
	{
		__m256i a = _mm256_add_epi32(dot_16(w, x + c, C), all(x[8 * C + c]));
		__m256i b = _mm256_add_epi32(dot_16(w + 4, x + 4 * C + c, C), all(x[9 * C + c]));
		__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(a), d0);
		v = _mm256_add_ps(v, _mm256_mul_ps(_mm256_cvtepi32_ps(b), d1));
		acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(v, scale_of(x + 10 * C + c)));
	}
}

FN void half_nvfp4(const struct cpu_tile *t, const u32 type, u32 half, const u32 C)
{
	const u8 *p = t->panel + (size_t)HALF_ROW * half;
	const u32 *x = t->x;
	__m256 acc[C_MAX];
	EACH(c) acc[c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b += 2, p += 9 * 64, x += 22 * C) {
		term_nvfp4(p, 0, x, acc, C);
		term_nvfp4(p, 1, x + 11 * C, acc, C);
	}
	put(t, half, acc, C);
}

/* ---- blocks of 256 ---- */

#define ROWS 0xffffffffu /* types that are unpacked row by row, as the references do */

FN __m256i byte_of(__m256i bytes, u32 j)
{
	return and(right(bytes, 8 * (j % 4)), 0xff);
}

/* The scale of sub-block j, less what the type takes off. */
FN __m256i scale_256(const u8 *p, const u32 type, const u32 j)
{
	if (type == TENSOR_Q2_K)
		return byte_of(and(word(p, j / 4), 0x0f0f0f0f), j);
	if (type == TENSOR_IQ4_XS) {
		__m256i four = and(right(word(p, 1), j / 2 * 4), 15),
			two = and(right(word(p, 0), 16 + j / 2 * 2), 3);
		return _mm256_sub_epi32(or (four, _mm256_slli_epi32(two, 4)), all(32));
	}
	__m256i low = and(right(word(p, 24 + j / 4 % 2), j / 8 * 4), 0x0f0f0f0f);
	__m256i two = and(right(word(p, 26), j / 4 * 2), 0x03030303);
	return _mm256_sub_epi32(byte_of(or (low, _mm256_slli_epi32(two, 4)), j), all(32));
}

/* Word i of sub-block j. */
FN __m256i word_256(const u8 *p, const u32 type, const u32 j, const u32 i)
{
	const u32 n = j / 2, e = j % 2 * 4 + i; /* word e of the 32 elements n */
	if (type == TENSOR_Q2_K)
		return and(right(word(p, 4 + n / 4 * 8 + e), n % 4 * 2), 0x03030303);
	if (type == TENSOR_IQ4_XS)
		return iq4(and(right(word(p, 2 + 4 * n + i), j % 2 * 4), 0x0f0f0f0f));
	__m256i low = and(right(word(p, 8 + n / 4 * 8 + e), n % 4 * 2), 0x03030303);
	return or (low, _mm256_slli_epi32(and(right(word(p, e), n), 0x01010101), 2));
}

FN __m256i twice(__m256i x) /* the low int16 of a lane in both its halves */
{
	return or (and(x, 0xffff), _mm256_slli_epi32(x, 16));
}

/* Adds the products of sub-block j to sum: small values in four words of int16 at a time, others in one. */
FN void sub_block(const u8 *p, const u32 type, const u32 j, const u32 *x, __m256i *sum, const u32 C)
{
	__m256i w[4], sc = scale_256(p, type, j), sc2 = twice(sc);
	UNROLL for (u32 i = 0; i < 4; i++) w[i] = word_256(p, type, j, i);
	EACH(c)
	{
		const u32 *at = x + 4 * j * C + c;
		__m256i s = _mm256_setzero_si256();
		if (type == TENSOR_IQ4_XS) {
			UNROLL for (u32 i = 0; i < 4; i++) sum[c] =
				_mm256_add_epi32(sum[c], _mm256_madd_epi16(products(w[i], at[i * C]), sc2));
			continue;
		}
		UNROLL for (u32 i = 0; i < 4; i++) s =
			_mm256_add_epi16(s, _mm256_maddubs_epi16(w[i], all(at[i * C])));
		sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(s, sc2));
		if (type == TENSOR_Q3_K)
			sum[c] = _mm256_add_epi32(sum[c], _mm256_mullo_epi32(sc, all(x[(64 + j) * C + c])));
	}
}

FN __m256i mins_dot(const u8 *p, const u32 *x, const u32 C)
{
	__m256i sum = _mm256_setzero_si256();
	UNROLL for (u32 i = 0; i < 8; i++)
	{
		__m256i m = and(right(word(p, i / 2), 4 + i % 2 * 8), 0x000f000f);
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(m, all(x[i * C])));
	}
	return sum;
}

/* acc += a block: d, dmin and the integers of it. */
FN void block_add(
	const u32 type, const u8 *p, __m256 d, const __m256i *sum, const u32 *x, __m256 *acc, const u32 C)
{
	EACH(c)
	{
		__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[c]), d);
		if (type == TENSOR_Q2_K) {
			__m256 dmin = from_half(right(word(p, 20), 16));
			__m256i mins = mins_dot(p, x + 64 * C + c, C);
			v = _mm256_sub_ps(v, _mm256_mul_ps(_mm256_cvtepi32_ps(mins), dmin));
		}
		acc[c] = _mm256_add_ps(acc[c], _mm256_mul_ps(v, scale_of(x + 80 * C + c)));
	}
}

FN void half_256(const struct cpu_tile *t, const u32 type, u32 half, const u32 C)
{
	const u32 words = type == TENSOR_Q2_K ? 21 : type == TENSOR_Q3_K ? 27 : 34;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m256 acc[C_MAX], d;
	EACH(c) acc[c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b++, x += 81 * C) {
		u32 pair = MIN(2u, t->blocks - b / 2 * 2); /* Q3_K: scales of two blocks, then these */
		const u8 *q = p + (type == TENSOR_Q3_K && b % 2 == 0 ? pair * 32 : 0),
			 *at = q + HALF_ROW * half;
		__m256i sum[C_MAX];
		EACH(c) sum[c] = _mm256_setzero_si256();
		UNROLL for (u32 j = 0; j < 16; j++) sub_block(at, type, j, x, sum, C);
		if (type == TENSOR_Q3_K)
			d = halves((b % 2 ? p - 27 * 64 - 32 : p) + 16 * half);
		else
			d = from_half(and(word(at, type == TENSOR_Q2_K ? 20 : 0), 0xffff));
		block_add(type, at, d, sum, x, acc, C);
		p = q + words * 64;
	}
	put(t, half, acc, C);
}

/* A block that is unpacked already; |w| up to 62: two words are at most 2 * 2 * 62 * 127 in int16. */
FN void half_rows(const struct cpu_block *block, const u32 *x, u32 half, __m256 *acc, const u32 C)
{
	__m256i sum[C_MAX];
	EACH(c) sum[c] = _mm256_setzero_si256();
	for (u32 j = 0; j < 16; j++) {
		__m256i sc = twice(_mm256_load_si256((const void *)&block->sc[j][8 * half]));
		UNROLL for (u32 i = 0; i < 4; i += 2)
		{
			__m256i a = _mm256_load_si256((const void *)block->w[4 * j + i][8 * half]);
			__m256i b = _mm256_load_si256((const void *)block->w[4 * j + i + 1][8 * half]);
			EACH(c)
			{
				const u32 *at = x + (4 * j + i) * C + c;
				__m256i s = _mm256_add_epi16(products(a, at[0]), products(b, at[C]));
				sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(s, sc));
			}
		}
	}
	block_add(ROWS, NULL, _mm256_load_ps(block->d + 8 * half), sum, x, acc, C);
}

FN void rows_256(const struct cpu_tile *t, const u32 C)
{
	const u32 *x = t->x;
	struct cpu_block block;
	__m256 acc[2][C_MAX];
	EACH(c) acc[0][c] = acc[1][c] = _mm256_setzero_ps();
	for (u32 b = 0; b < t->blocks; b++, x += 81 * C) {
		cpu_block_unpack(t, b, &block);
		half_rows(&block, x, 0, acc[0], C);
		half_rows(&block, x, 1, acc[1], C);
	}
	put(t, 0, acc[0], C);
	put(t, 1, acc[1], C);
}

/* ---- tables ---- */

#define KERNEL(name, call, C)                                                 \
	static __attribute__((ISA)) void name##_##C(const struct cpu_tile *t) \
	{                                                                     \
		call;                                                         \
	}
#define LIST(name)                                                                              \
	static const struct cpu_tile_kernel name##_list[] = { { 1, name##_1 }, { 2, name##_2 }, \
		{ 4, name##_4 }, { 0, NULL } };
#define KERNELS(name, half, type)                                 \
	KERNEL(name, half(t, type, 0, 1); half(t, type, 1, 1), 1) \
	KERNEL(name, half(t, type, 0, 2); half(t, type, 1, 2), 2) \
	KERNEL(name, half(t, type, 0, 4); half(t, type, 1, 4), 4) \
	LIST(name)
KERNELS(q4_1, half_32, TENSOR_Q4_1)
KERNELS(q5_0, half_32, TENSOR_Q5_0)
KERNELS(q5_1, half_32, TENSOR_Q5_1)
KERNELS(iq4_nl, half_32, TENSOR_IQ4_NL)
KERNELS(q2_k, half_256, TENSOR_Q2_K)
KERNELS(q3_k, half_256, TENSOR_Q3_K)
KERNELS(iq4_xs, half_256, TENSOR_IQ4_XS)
KERNELS(nvfp4, half_nvfp4, TENSOR_NVFP4)
KERNEL(rows, rows_256(t, 1), 1)
KERNEL(rows, rows_256(t, 2), 2)
KERNEL(rows, rows_256(t, 4), 4)
LIST(rows)

const struct cpu_tile_kernel *cpu_block_avx2(u32 type)
{
	static const struct cpu_tile_kernel *const lists[] = {
		[TENSOR_Q4_1] = q4_1_list,
		[TENSOR_Q5_0] = q5_0_list,
		[TENSOR_Q5_1] = q5_1_list,
		[TENSOR_IQ4_NL] = iq4_nl_list,
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
		[TENSOR_NVFP4] = nvfp4_list,
	};
	return type < ARRAY_LEN(lists) ? lists[type] : NULL;
}

#else

const struct cpu_tile_kernel *cpu_block_avx2(u32 type)
{
	return NULL;
}

#endif
