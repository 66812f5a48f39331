/* Products of further quantised types with AVX-512 VNNI: a block of the panel is unpacked into bytes and scales that stay in the first cache, by
 * one function a type, and multiplied by one that all share. */
#include "runtime/cpu_grid.h"

#ifdef __x86_64__

#include "runtime/cpu_avx512.h"
#include "base/layout.h"

/* ---- blocks of 32 ---- */

struct block_32 {
	__m512i w[8]; /* values plus the bias of the type */
	__m512 d, dmin;
};

FN void nibbles(const u8 *p, __m512i *w)
{
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		w[i] = and(word(p, i), 0x0f0f0f0f);
		w[4 + i] = and(right(word(p, i), 4), 0x0f0f0f0f);
	}
}

/* Adds 16 to element e of a row where bit e of its word is set. */
FN void fifth_bits(__m512i bits, __m512i *w)
{
	UNROLL for (u32 i = 0; i < 8; i++)
	{
		__m512i four = _mm512_shuffle_epi8(
			bits, _mm512_add_epi8(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0),
				      all(0x01010101u * (i / 2))));
		__mmask64 set = _mm512_test_epi8_mask(four, all(i % 2 ? 0x80402010 : 0x08040201));
		w[i] = _mm512_mask_or_epi32(w[i], 0xffff, w[i], _mm512_maskz_mov_epi8(set, all(0x10101010)));
	}
}

/* The codebook of IQ4 plus 128, for the nibbles of w. */
FN __m512i iq4(__m512i w)
{
	const __m512i values = _mm512_set4_epi32((i32)0xf1d9c5b5, (i32)0xa6998d81, 0x766a5d4f, 0x3f2d1801);
	return _mm512_shuffle_epi8(values, w);
}

/* p: the words of the block; d: its float16s where these stand apart */
FN void unpack_32(const u8 *p, const u8 *d, const u32 type, struct block_32 *ret)
{
	const u32 first = type == TENSOR_Q5_1 ? 2 : type == TENSOR_IQ4_NL ? 0 : 1;
	nibbles(p + 64 * first, ret->w);
	if (type == TENSOR_Q4_1 || type == TENSOR_Q5_1) {
		ret->d = from_half(and(word(p, 0), 0xffff));
		ret->dmin = from_half(right(word(p, 0), 16));
	} else {
		ret->d = halves(d);
	}
	if (type == TENSOR_Q5_0 || type == TENSOR_Q5_1)
		fifth_bits(word(p, first - 1), ret->w);
	if (type == TENSOR_IQ4_NL)
		UNROLL for (u32 i = 0; i < 8; i++) ret->w[i] = iq4(ret->w[i]);
}

/* acc += a block of C columns; stride: words from one of the record to the next */
FN void group_32(
	const struct block_32 *b, const u32 type, const u32 *x, __m512 *acc, const u32 stride, const u32 C)
{
	const bool mins = type == TENSOR_Q4_1 || type == TENSOR_Q5_1;
	__m512i s[GROUP];
	EACH(c) s[c] = mins ? _mm512_setzero_si512() : all(x[8 * stride + c]);
	UNROLL for (u32 j = 0; j < 8; j++) EACH(c) dot(&s[c], b->w[j], &x[j * stride + c]);
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(s[c]), b->d);
		if (mins)
			v = _mm512_add_ps(v, _mm512_mul_ps(scale_of(x + 8 * stride + c), b->dmin));
		acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(v, scale_of(x + 9 * stride + c)));
	}
}

FN void tile_32(const struct cpu_tile *t, const u32 type, const u32 C, const u32 G)
{
	const bool apart =
		type == TENSOR_Q5_0 || type == TENSOR_IQ4_NL; /* scales of two blocks, then these */
	const u32 words = type == TENSOR_Q5_1 ? 6 : type == TENSOR_IQ4_NL ? 4 : 5;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[CPU_TILE_MAX];
	zero_all(acc, C * G);
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + (apart ? n * 32 : 0);
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * C * G) {
			struct block_32 block;
			if (C * G == 1)
				ahead(q, words);
			unpack_32(q, p + 32 * i, type, &block);
			for (u32 g = 0; g < G; g++)
				group_32(&block, type, x + C * g, acc + C * g, C * G, C);
		}
		p = q;
	}
	put_all(t, acc);
}

/* ---- NVFP4: two terms of 32 a block, each with two scales ---- */

struct block_16 {
	__m512i w[8]; /* values plus the bias of the type */
	__m512 d[2];  /* of the first 16, of the others */
};

/* Byte j of each lane as UE4M3, halved. */
FN __m512 ue4m3(__m512i bytes, const u32 j)
{
	__m512i e = and(right(bytes, 8 * j + 3), 15), m = and(right(bytes, 8 * j), 7);
	__mmask16 normal = _mm512_test_epi32_mask(e, e);
	__m512i v = _mm512_mask_add_epi32(m, normal, m, all(8));
	v = _mm512_sllv_epi32(v, _mm512_maskz_sub_epi32(normal, e, all(1)));
	return _mm512_mul_ps(_mm512_cvtepi32_ps(v), _mm512_set1_ps(0x1p-10f));
}

/* Term `half` of the block whose words are at p. */
FN void unpack_nvfp4(const u8 *p, const u32 half, struct block_16 *ret)
{
	const __m512i twice = _mm512_set4_epi32(0x00040608, 0x090a0b0c, 0x18141210, 0x0f0e0d0c);
	UNROLL for (u32 s = 0; s < 2; s++)
	{
		UNROLL for (u32 i = 0; i < 2; i++)
		{
			__m512i q = word(p, 1 + 4 * half + 2 * s + i);
			ret->w[4 * s + i] = _mm512_shuffle_epi8(twice, and(q, 0x0f0f0f0f));
			ret->w[4 * s + 2 + i] = _mm512_shuffle_epi8(twice, and(right(q, 4), 0x0f0f0f0f));
		}
		ret->d[s] = ue4m3(word(p, 0), 2 * half + s);
	}
}

/* acc += a term of C columns */
FN void group_16(const struct block_16 *b, const u32 *x, __m512 *acc, const u32 stride, const u32 C)
{
	__m512i s[2][GROUP];
	UNROLL for (u32 h = 0; h < 2; h++)
	{
		EACH(c) s[h][c] = all(x[(8 + h) * stride + c]);
		UNROLL for (u32 j = 4 * h; j < 4 * h + 4; j++) EACH(c)
			dot(&s[h][c], b->w[j], &x[j * stride + c]);
	}
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(s[0][c]), b->d[0]);
		v = _mm512_add_ps(v, _mm512_mul_ps(_mm512_cvtepi32_ps(s[1][c]), b->d[1]));
		acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(v, scale_of(x + 10 * stride + c)));
	}
}

FN void tile_nvfp4(const struct cpu_tile *t, const u32 type, const u32 C, const u32 G)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[CPU_TILE_MAX];
	zero_all(acc, C * G);
	for (u32 b = 0; b < t->blocks; b += 2, p += 9 * 64) {
		if (C * G == 1)
			ahead(p, 9);
		UNROLL for (u32 half = 0; half < 2; half++)
		{
			struct block_16 block;
			unpack_nvfp4(p, half, &block);
			for (u32 g = 0; g < G; g++)
				group_16(&block, x + C * g, acc + C * g, C * G, C);
			x += 11 * C * G;
		}
	}
	put_all(t, acc);
}

/* ---- blocks of 256 ---- */

FN void put_word(struct cpu_block *b, u32 i, __m512i w)
{
	_mm512_store_si512(b->w[i], w);
}

/* Byte j of each lane, with its sign or without, less `less`. */
FN void put_scale(struct cpu_block *b, u32 j, __m512i bytes, u32 less)
{
	__m512i sc = and(right(bytes, 8 * (j % 4)), 0xff);
	_mm512_store_si512(b->sc[j], _mm512_sub_epi32(sc, all(less)));
}

FN void unpack_q2_k(const u8 *p, struct cpu_block *ret)
{
	UNROLL for (u32 j = 0; j < 16; j++) put_scale(ret, j, and(word(p, j / 4), 0x0f0f0f0f), 0);
	UNROLL for (u32 i = 0; i < 4; i++)
		_mm512_store_si512(ret->mins[i], and(right(word(p, i), 4), 0x0f0f0f0f));
	UNROLL for (u32 h = 0; h < 2; h++) UNROLL for (u32 i = 0; i < 8; i++)
	{
		__m512i q = word(p, 4 + 8 * h + i);
		UNROLL for (u32 e = 0; e < 4; e++)
			put_word(ret, 32 * h + 8 * e + i, and(right(q, 2 * e), 0x03030303));
	}
	_mm512_store_ps(ret->d, from_half(and(word(p, 20), 0xffff)));
	_mm512_store_ps(ret->dmin, from_half(right(word(p, 20), 16)));
}

FN void unpack_q3_k(const u8 *p, const u8 *d, struct cpu_block *ret)
{
	__m512i a[2] = { word(p, 24), word(p, 25) }, high = word(p, 26);
	UNROLL for (u32 j = 0; j < 16; j++)
	{
		__m512i low = and(right(a[j / 4 % 2], j / 8 * 4), 0x0f0f0f0f);
		__m512i two = and(right(high, j / 4 * 2), 0x03030303);
		put_scale(ret, j, or (low, _mm512_slli_epi32(two, 4)), 32);
	}
	UNROLL for (u32 i = 0; i < 8; i++)
	{
		__m512i mask = word(p, i);
		UNROLL for (u32 j = 0; j < 8; j++)
		{
			__m512i low = and(right(word(p, 8 + j / 4 * 8 + i), j % 4 * 2), 0x03030303);
			__m512i one = and(right(mask, j), 0x01010101);
			put_word(ret, 8 * j + i, or (low, _mm512_slli_epi32(one, 2)));
		}
	}
	_mm512_store_ps(ret->d, halves(d));
}

FN void unpack_iq4_xs(const u8 *p, struct cpu_block *ret)
{
	__m512i first = word(p, 0), low = word(p, 1);
	UNROLL for (u32 j = 0; j < 8; j++)
	{
		__m512i four = and(right(low, 4 * j), 15), two = and(right(first, 16 + 2 * j), 3);
		__m512i sc = _mm512_sub_epi32(or (four, _mm512_slli_epi32(two, 4)), all(32));
		_mm512_store_si512(ret->sc[2 * j], sc);
		UNROLL for (u32 i = 0; i < 4; i++)
		{
			__m512i q = word(p, 2 + 4 * j + i);
			put_word(ret, 8 * j + i, iq4(and(q, 0x0f0f0f0f)));
			put_word(ret, 8 * j + 4 + i, iq4(and(right(q, 4), 0x0f0f0f0f)));
		}
	}
	_mm512_store_ps(ret->d, from_half(and(first, 0xffff)));
}

/* Types whose rows stand as in the file. */
#define ROWS 0xffffffffu
FN void unpack_rows(const struct cpu_tile *t, u32 block, struct cpu_block *ret)
{
	if (t->type != TENSOR_TQ1_0 && t->type != TENSOR_TQ2_0)
		return cpu_grid_unpack_avx512(t, block, ret);
	cpu_block_unpack(t, block, ret);
	for (u32 i = 0; i < 64; i++)
		put_word(ret, i, _mm512_xor_si512(_mm512_load_si512(ret->w[i]), all(0x80808080)));
}

/* acc += a block of C columns. LEN: words that share a scale. Where 16 of its products fit an int16, the scale goes in with one multiplication of
 * the low halves. */
FN void group_256(
	const struct cpu_block *b, const u32 type, const u32 *x, __m512 *acc, const u32 stride, const u32 C)
{
	const u32 LEN = type == TENSOR_IQ4_XS ? 8 : 4;
	const bool narrow = type == TENSOR_Q2_K || type == TENSOR_Q3_K;
	__m512i sum[GROUP];
	EACH(c) sum[c] = _mm512_setzero_si512();
	for (u32 j = 0; j < 64 / LEN; j++) {
		__m512i s[GROUP], sc = _mm512_load_si512(b->sc[j * LEN / 4]);
		EACH(c) s[c] = type == TENSOR_Q2_K ? _mm512_setzero_si512() : all(x[(64 + j) * stride + c]);
		UNROLL for (u32 i = 0; i < LEN; i++)
		{
			__m512i w = _mm512_load_si512(b->w[LEN * j + i]);
			EACH(c) dot(&s[c], w, &x[(LEN * j + i) * stride + c]);
		}
		if (narrow) {
			sc = and(sc, 0xffff);
			EACH(c) pairs(&sum[c], s[c], sc);
		} else {
			EACH(c) sum[c] = _mm512_add_epi32(sum[c], _mm512_mullo_epi32(s[c], sc));
		}
	}
	__m512 d = _mm512_load_ps(b->d), dmin = _mm512_load_ps(b->dmin);
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), d);
		if (type == TENSOR_Q2_K) {
			__m512i mins = _mm512_setzero_si512();
			UNROLL for (u32 i = 0; i < 8; i++)
			{
				__m512i m = right(_mm512_load_si512(b->mins[i / 2]), i % 2 * 8);
				pairs(&mins, and(m, 0x00ff00ff), all(x[(64 + i) * stride + c]));
			}
			v = _mm512_sub_ps(v, _mm512_mul_ps(_mm512_cvtepi32_ps(mins), dmin));
		}
		acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(v, scale_of(x + 80 * stride + c)));
	}
}

FN void tile_256(const struct cpu_tile *t, const u32 type, const u32 C, const u32 G)
{
	const u32 words = type == TENSOR_Q2_K	  ? 21
			  : type == TENSOR_Q3_K	  ? 27
			  : type == TENSOR_IQ4_XS ? 34
						  : 0;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	struct cpu_block block;
	__m512 acc[CPU_TILE_MAX];
	zero_all(acc, C * G);
	for (u32 b = 0; b < t->blocks; b++, x += 81 * C * G) {
		u32 pair = MIN(2u, t->blocks - b / 2 * 2); /* Q3_K: scales of two blocks, then these */
		const u8 *q = p + (type == TENSOR_Q3_K && b % 2 == 0 ? pair * 32 : 0);
		if (C * G == 1)
			ahead(q, words);
		if (type == TENSOR_Q2_K)
			unpack_q2_k(q, &block);
		else if (type == TENSOR_Q3_K)
			unpack_q3_k(q, b % 2 ? p - 27 * 64 - 32 : p, &block);
		else if (type == TENSOR_IQ4_XS)
			unpack_iq4_xs(q, &block);
		else
			unpack_rows(t, b, &block);
		for (u32 g = 0; g < G; g++)
			group_256(&block, type, x + C * g, acc + C * g, C * G, C);
		p = q + words * 64;
	}
	put_all(t, acc);
}

/* ---- tables ---- */

#define KERNELS(name, tile, type)              \
	KERNEL(name, tile(t, type, 1, 1), 1)   \
	KERNEL(name, tile(t, type, 2, 1), 2)   \
	KERNEL(name, tile(t, type, 4, 1), 4)   \
	KERNEL(name, tile(t, type, 8, 1), 8)   \
	KERNEL(name, tile(t, type, 12, 1), 12) \
	KERNEL(name, tile(t, type, 12, 2), 24) \
	KERNEL(name, tile(t, type, 12, 3), 36) \
	KERNEL(name, tile(t, type, 12, 4), 48) \
	LIST(name)
KERNELS(q4_1, tile_32, TENSOR_Q4_1)
KERNELS(q5_0, tile_32, TENSOR_Q5_0)
KERNELS(q5_1, tile_32, TENSOR_Q5_1)
KERNELS(iq4_nl, tile_32, TENSOR_IQ4_NL)
KERNELS(q2_k, tile_256, TENSOR_Q2_K)
KERNELS(q3_k, tile_256, TENSOR_Q3_K)
KERNELS(iq4_xs, tile_256, TENSOR_IQ4_XS)

KERNELS(nvfp4, tile_nvfp4, TENSOR_NVFP4)

KERNELS(rows, tile_256, ROWS)

const struct cpu_tile_kernel *cpu_block_avx512(u32 type)
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

const struct cpu_tile_kernel *cpu_block_avx512(u32 type)
{
	return NULL;
}

#endif
