/* Products of packed weights with AVX-512 VNNI: a row of the panel is a lane, so the ordered float sums of 16 rows go side by side. */
#include "runtime/cpu.h"

#ifdef __x86_64__

#include "runtime/cpu_avx512.h"
#include "base/layout.h"

/* ---- Q8_0, Q4_0 ---- */

FN void words_q8_0(const u8 *p, __m512i *w)
{
	UNROLL for (u32 i = 0; i < 8; i++) w[i] = _mm512_xor_si512(word(p, i), all(0x80808080));
}

FN void words_q4_0(const u8 *p, __m512i *w)
{
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		w[i] = and(word(p, i), 0x0f0f0f0f);
		w[4 + i] = and(_mm512_srli_epi32(word(p, i), 4), 0x0f0f0f0f);
	}
}

/* Twice an E2M1 number, plus 12: a byte of 0..24, whose 12 the record takes off. */
FN void words_mxfp4(const u8 *p, __m512i *w)
{
	const __m512i twice = _mm512_set4_epi32(0x00040608, 0x090a0b0c, 0x18141210, 0x0f0e0d0c);
	words_q4_0(p, w);
	UNROLL for (u32 i = 0; i < 8; i++) w[i] = _mm512_shuffle_epi8(twice, w[i]);
}

FN void words_32(const u8 *p, const u32 type, __m512i *w)
{
	if (type == TENSOR_Q8_0)
		words_q8_0(p, w);
	else if (type == TENSOR_MXFP4)
		words_mxfp4(p, w);
	else
		words_q4_0(p, w);
}

/* Bytes of 16 scales, and these as floats. */
#define SCALES_32(type) ((type) == TENSOR_MXFP4 ? 16u : 32u)
FN __m512 scales_32(const u8 *p, const u32 type)
{
	if (type != TENSOR_MXFP4)
		return halves(p);
	__m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)); /* exact_from_e8m0_half */
	__m512i u = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_max_epi32(e, all(1)), all(1)), 23);
	return window(_mm512_castsi512_ps(u));
}

FN void tile_32(const struct cpu_tile *t, const u32 type, const u32 C)
{
	const u32 words = type == TENSOR_Q8_0 ? 8 : 4;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[GROUP];
	EACH(c) acc[c] = _mm512_setzero_ps();
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * SCALES_32(type);
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * C) {
			__m512i w[8], s[GROUP];
			__m512 d = scales_32(p + SCALES_32(type) * i, type);
			if (C == 1)
				ahead(q, words);
			words_32(q, type, w);
			EACH(c) s[c] = all(x[8 * C + c]);
			UNROLL for (u32 j = 0; j < 8; j++) EACH(c) s[c] =
				_mm512_dpbusd_epi32(s[c], w[j], all(x[j * C + c]));
			EACH(c)
			{
				__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(s[c]), d);
				v = _mm512_mul_ps(v, scale_of(x + 9 * C + c));
				acc[c] = _mm512_add_ps(acc[c], v);
			}
		}
		p = q;
	}
	put(t, acc, C);
}

/* ---- Q4_K, Q5_K ---- */

struct scales {
	__m512i sc[2], m[2]; /* a byte each: 0..3, 4..7 */
};

FN struct scales scales_of(const u8 *p)
{
	__m512i a = word(p, 1), b = word(p, 2), c = word(p, 3);
	struct scales s;
	s.sc[0] = and(a, 0x3f3f3f3f);
	s.m[0] = and(b, 0x3f3f3f3f);
	s.sc[1] = _mm512_or_si512(and(c, 0x0f0f0f0f), and(_mm512_srli_epi32(a, 2), 0x30303030));
	s.m[1] = _mm512_or_si512(
		and(_mm512_srli_epi32(c, 4), 0x0f0f0f0f), and(_mm512_srli_epi32(b, 2), 0x30303030));
	return s;
}

/* The eight words of sub-block j as bytes 0..31. */
FN void words_k(const u8 *p, const u32 type, const u32 j, __m512i *w)
{
	const u32 low = type == TENSOR_Q4_K ? 4 : 12;
	UNROLL for (u32 i = 0; i < 8; i++)
	{
		__m512i q = word(p, low + 8 * (j / 2) + i);
		w[i] = and(j % 2 ? _mm512_srli_epi32(q, 4) : q, 0x0f0f0f0f);
		if (type == TENSOR_Q5_K) {
			__m512i h = word(p, 4 + i);
			h = j < 4 ? _mm512_slli_epi32(h, 4 - j) : _mm512_srli_epi32(h, j - 4);
			w[i] = _mm512_or_si512(w[i], and(h, 0x10101010));
		}
	}
}

FN __m512i mins_dot(const struct scales *s, const u32 *x, const u32 C)
{
	__m512i sum = _mm512_setzero_si512();
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		__m512i m = s->m[i / 2];
		m = and(i % 2 ? _mm512_srli_epi32(m, 8) : m, 0x00ff00ff);
		sum = _mm512_dpwssd_epi32(sum, m, all(x[i * C]));
	}
	return sum;
}

FN void tile_k(const struct cpu_tile *t, const u32 type, const u32 C)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[GROUP];
	EACH(c) acc[c] = _mm512_setzero_ps();
	for (u32 b = 0; b < t->blocks; b++) {
		struct scales sc = scales_of(p);
		__m512i sum[GROUP];
		if (C == 1)
			ahead(p, type == TENSOR_Q4_K ? 4 : 12);
		EACH(c) sum[c] = _mm512_setzero_si512();
		UNROLL for (u32 j = 0; j < 8; j++)
		{
			__m512i w[8], s[GROUP];
			words_k(p, type, j, w);
			if (C == 1 && j % 2 == 0)
				ahead(p + 64 * ((type == TENSOR_Q4_K ? 4 : 12) + 4 * j), 8);
			EACH(c) s[c] = _mm512_setzero_si512();
			UNROLL for (u32 i = 0; i < 8; i++) EACH(c) s[c] =
				_mm512_dpbusd_epi32(s[c], w[i], all(x[(8 * j + i) * C + c]));
			__m512i m = and(_mm512_srli_epi32(sc.sc[j / 4], 8 * (j % 4)), 0xff);
			EACH(c) sum[c] = _mm512_add_epi32(sum[c], _mm512_mullo_epi32(s[c], m));
		}
		__m512 d = from_half(and(word(p, 0), 0xffff)),
		       dmin = from_half(_mm512_srli_epi32(word(p, 0), 16));
		EACH(c)
		{
			__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), d);
			__m512 o = _mm512_mul_ps(_mm512_cvtepi32_ps(mins_dot(&sc, x + 64 * C + c, C)), dmin);
			v = _mm512_mul_ps(_mm512_sub_ps(v, o), scale_of(x + 68 * C + c));
			acc[c] = _mm512_add_ps(acc[c], v);
		}
		p += 64 * (type == TENSOR_Q4_K ? 36 : 44);
		x += 69 * C;
	}
	put(t, acc, C);
}

/* ---- Q6_K ---- */

/* The four words of sub-block j (elements 16 j ..) as bytes 0..63. */
FN void words_q6_k(const u8 *p, const u32 j, __m512i *w)
{
	const u32 h = j / 8, e = j % 8 / 2, first = 8 * h + 4 * (j % 2);
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		__m512i low = word(p, 4 + 3 * (first + i) + e % 2), high = word(p, 4 + 3 * (first + i) + 2);
		low = and(e < 2 ? low : _mm512_srli_epi32(low, 4), 0x0f0f0f0f);
		high = e < 2 ? _mm512_slli_epi32(high, 4 - 2 * e) : _mm512_srli_epi32(high, 2 * e - 4);
		w[i] = _mm512_or_si512(low, and(high, 0x30303030));
	}
}

/* sum += the products s of sub-block j with its scale */
FN void scale_add_q6_k(const u8 *p, const u32 j, const __m512i *s, __m512i *sum, const u32 C)
{
	__m512i m = _mm512_srai_epi32(_mm512_slli_epi32(word(p, j / 4), 24 - 8 * (j % 4)), 24);
	EACH(c) sum[c] = _mm512_add_epi32(sum[c], _mm512_mullo_epi32(s[c], m));
}

/* Few columns: the words in the order of memory, three a time for four sub-blocks, since memory is what they wait for. */
#define FEW 4u
FN void sums_few_q6_k(const u8 *p, const u32 *x, __m512i *sum, const u32 C)
{
	UNROLL for (u32 n = 0; n < 4; n++)
	{
		const u32 j0 = n / 2 * 8 + n % 2; /* the sub-blocks j0, j0 + 2, + 4, + 6 */
		__m512i s[4][FEW];
		UNROLL for (u32 e = 0; e < 4; e++) EACH(c) s[e][c] = all(x[(64 + j0 + 2 * e) * C + c]);
		UNROLL for (u32 i = 0; i < 4; i++)
		{
			const u8 *at = p + 64 * (4 + 3 * (4 * n + i));
			if (C == 1)
				ahead(at, 3);
			__m512i a = word(at, 0), b = word(at, 1), h = word(at, 2), w[4];
			w[0] = _mm512_or_si512(and(a, 0x0f0f0f0f), and(_mm512_slli_epi32(h, 4), 0x30303030));
			w[1] = _mm512_or_si512(and(b, 0x0f0f0f0f), and(_mm512_slli_epi32(h, 2), 0x30303030));
			w[2] = _mm512_or_si512(and(_mm512_srli_epi32(a, 4), 0x0f0f0f0f), and(h, 0x30303030));
			w[3] = _mm512_or_si512(and(_mm512_srli_epi32(b, 4), 0x0f0f0f0f),
				and(_mm512_srli_epi32(h, 2), 0x30303030));
			UNROLL for (u32 e = 0; e < 4; e++) EACH(c) s[e][c] =
				_mm512_dpbusd_epi32(s[e][c], w[e], all(x[(4 * (j0 + 2 * e) + i) * C + c]));
		}
		UNROLL for (u32 e = 0; e < 4; e++) scale_add_q6_k(p, j0 + 2 * e, s[e], sum, C);
	}
}

/* Many columns: one sub-block at a time, so that its sums stay in registers. */
FN void sums_many_q6_k(const u8 *p, const u32 *x, __m512i *sum, const u32 C)
{
	UNROLL for (u32 j = 0; j < 16; j++)
	{
		__m512i w[4], s[GROUP];
		words_q6_k(p, j, w);
		EACH(c) s[c] = all(x[(64 + j) * C + c]);
		UNROLL for (u32 i = 0; i < 4; i++) EACH(c) s[c] =
			_mm512_dpbusd_epi32(s[c], w[i], all(x[(4 * j + i) * C + c]));
		scale_add_q6_k(p, j, s, sum, C);
	}
}

FN void block_q6_k(const u8 *p, const u8 *d_at, const u32 *x, __m512 *acc, const u32 C)
{
	__m512i sum[GROUP];
	EACH(c) sum[c] = _mm512_setzero_si512();
	if (C <= FEW)
		sums_few_q6_k(p, x, sum, C);
	else
		sums_many_q6_k(p, x, sum, C);
	__m512 d = halves(d_at);
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), d);
		acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(v, scale_of(x + 80 * C + c)));
	}
}

FN void tile_q6_k(const struct cpu_tile *t, const u32 type, const u32 C)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[GROUP];
	EACH(c) acc[c] = _mm512_setzero_ps();
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 32;
		for (u32 i = 0; i < n; i++, q += 52 * 64, x += 81 * C)
			block_q6_k(q, p + 32 * i, x, acc, C);
		p = q;
	}
	put(t, acc, C);
}

/* ---- wide tiles: G groups of GROUP columns; a block is unpacked once for all of them, into words that stay in the first cache ---- */

/* acc += a block of 32 of one group; stride: words from one of the record to the next */
FN void group_32(const __m512i *w, __m512 d, const u32 *x, __m512 *acc, const u32 stride)
{
	const u32 C = GROUP;
	__m512i s[GROUP];
	EACH(c) s[c] = all(x[8 * stride + c]);
	UNROLL for (u32 j = 0; j < 8; j++) EACH(c) dot(&s[c], w[j], &x[j * stride + c]);
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(s[c]), d);
		acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(v, scale_of(x + 9 * stride + c)));
	}
}

FN void wide_32(const struct cpu_tile *t, const u32 type, const u32 G)
{
	const u32 words = type == TENSOR_Q8_0 ? 8 : 4;
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[CPU_TILE_MAX];
	zero_all(acc, G * GROUP);
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * SCALES_32(type);
		for (u32 i = 0; i < n; i++, q += words * 64, x += 10 * GROUP * G) {
			__m512i w[8];
			__m512 d = scales_32(p + SCALES_32(type) * i, type);
			words_32(q, type, w);
			for (u32 g = 0; g < G; g++)
				group_32(w, d, x + GROUP * g, acc + GROUP * g, GROUP * G);
		}
		p = q;
	}
	put_all(t, acc);
}

struct block_k {
	__m512i w[64], m[8]; /* bytes; scales of the sub-blocks */
	struct scales sc;
	__m512 d, dmin;
};

FN void block_k_unpack(const u8 *p, const u32 type, struct block_k *ret)
{
	ret->sc = scales_of(p);
	UNROLL for (u32 j = 0; j < 8; j++)
	{
		words_k(p, type, j, ret->w + 8 * j);
		ret->m[j] = and(_mm512_srli_epi32(ret->sc.sc[j / 4], 8 * (j % 4)), 0xff);
	}
	ret->d = from_half(and(word(p, 0), 0xffff));
	ret->dmin = from_half(_mm512_srli_epi32(word(p, 0), 16));
}

FN void group_k(const struct block_k *b, const u32 type, const u32 *x, __m512 *acc, const u32 stride)
{
	const u32 C = GROUP;
	__m512i sum[GROUP];
	EACH(c) sum[c] = _mm512_setzero_si512();
	if (type == TENSOR_Q4_K) {
		/* 16 products of 15 and -128 fit 16 bits: the scale goes in with one multiplication of the low half */
		for (u32 j = 0; j < 16; j++) {
			__m512i s[GROUP];
			EACH(c) s[c] = _mm512_setzero_si512();
			UNROLL for (u32 i = 0; i < 4; i++) EACH(c)
				dot(&s[c], b->w[4 * j + i], &x[(4 * j + i) * stride + c]);
			EACH(c) pairs(&sum[c], s[c], b->m[j / 2]);
		}
	} else {
		for (u32 j = 0; j < 8; j++) {
			__m512i s[GROUP];
			EACH(c) s[c] = _mm512_setzero_si512();
			UNROLL for (u32 i = 0; i < 8; i++) EACH(c)
				dot(&s[c], b->w[8 * j + i], &x[(8 * j + i) * stride + c]);
			EACH(c) sum[c] = _mm512_add_epi32(sum[c], _mm512_mullo_epi32(s[c], b->m[j]));
		}
	}
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), b->d);
		__m512 o = _mm512_mul_ps(
			_mm512_cvtepi32_ps(mins_dot(&b->sc, x + 64 * stride + c, stride)), b->dmin);
		v = _mm512_mul_ps(_mm512_sub_ps(v, o), scale_of(x + 68 * stride + c));
		acc[c] = _mm512_add_ps(acc[c], v);
	}
}

FN void wide_k(const struct cpu_tile *t, const u32 type, const u32 G)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[CPU_TILE_MAX];
	zero_all(acc, G * GROUP);
	for (u32 b = 0; b < t->blocks; b++) {
		struct block_k k;
		block_k_unpack(p, type, &k);
		for (u32 g = 0; g < G; g++)
			group_k(&k, type, x + GROUP * g, acc + GROUP * g, GROUP * G);
		p += 64 * (type == TENSOR_Q4_K ? 36 : 44);
		x += 69 * GROUP * G;
	}
	put_all(t, acc);
}

struct block_q6_k {
	__m512i w[64], m[16];
};

FN void block_q6_k_unpack(const u8 *p, struct block_q6_k *ret)
{
	UNROLL for (u32 j = 0; j < 16; j++)
	{
		words_q6_k(p, j, ret->w + 4 * j);
		ret->m[j] = _mm512_srai_epi32(_mm512_slli_epi32(word(p, j / 4), 24 - 8 * (j % 4)), 24);
	}
}

FN void group_q6_k(const struct block_q6_k *b, __m512 d, const u32 *x, __m512 *acc, const u32 stride)
{
	const u32 C = GROUP;
	__m512i sum[GROUP];
	EACH(c) sum[c] = _mm512_setzero_si512();
	for (u32 j = 0; j < 16; j++) {
		__m512i s[GROUP];
		EACH(c) s[c] = all(x[(64 + j) * stride + c]);
		UNROLL for (u32 i = 0; i < 4; i++) EACH(c)
			dot(&s[c], b->w[4 * j + i], &x[(4 * j + i) * stride + c]);
		EACH(c) sum[c] = _mm512_add_epi32(sum[c], _mm512_mullo_epi32(s[c], b->m[j]));
	}
	EACH(c)
	{
		__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), d);
		acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(v, scale_of(x + 80 * stride + c)));
	}
}

FN void wide_q6_k(const struct cpu_tile *t, const u32 type, const u32 G)
{
	const u8 *p = t->panel;
	const u32 *x = t->x;
	__m512 acc[CPU_TILE_MAX];
	zero_all(acc, G * GROUP);
	for (u32 b = 0; b < t->blocks; b += 2) {
		u32 n = MIN(2u, t->blocks - b);
		const u8 *q = p + n * 32;
		for (u32 i = 0; i < n; i++, q += 52 * 64, x += 81 * GROUP * G) {
			struct block_q6_k k;
			block_q6_k_unpack(q, &k);
			__m512 d = halves(p + 32 * i);
			for (u32 g = 0; g < G; g++)
				group_q6_k(&k, d, x + GROUP * g, acc + GROUP * g, GROUP * G);
		}
		p = q;
	}
	put_all(t, acc);
}

/* ---- tables ---- */

#define KERNELS(name, tile, wide, type)     \
	KERNEL(name, tile(t, type, 1), 1)   \
	KERNEL(name, tile(t, type, 2), 2)   \
	KERNEL(name, tile(t, type, 4), 4)   \
	KERNEL(name, tile(t, type, 8), 8)   \
	KERNEL(name, tile(t, type, 12), 12) \
	KERNEL(name, wide(t, type, 2), 24)  \
	KERNEL(name, wide(t, type, 3), 36)  \
	KERNEL(name, wide(t, type, 4), 48)  \
	LIST(name)
KERNELS(q8_0, tile_32, wide_32, TENSOR_Q8_0)
KERNELS(q4_0, tile_32, wide_32, TENSOR_Q4_0)
KERNELS(mxfp4, tile_32, wide_32, TENSOR_MXFP4)
KERNELS(q4_k, tile_k, wide_k, TENSOR_Q4_K)
KERNELS(q5_k, tile_k, wide_k, TENSOR_Q5_K)
KERNELS(q6_k, tile_q6_k, wide_q6_k, TENSOR_Q6_K)

const struct cpu_tile_kernel *cpu_q_avx512(u32 type)
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

const struct cpu_tile_kernel *cpu_q_avx512(u32 type)
{
	return NULL;
}

#endif
