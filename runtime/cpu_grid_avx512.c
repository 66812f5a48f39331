/* Blocks of the IQ types with AVX-512: of each row of a panel 64 values at a time by look-ups of eight or sixteen entries, then sixteen rows turned so that a row is a lane. */
#include "runtime/cpu_grid.h"

#ifdef __x86_64__

#include "runtime/cpu_avx512.h"
#include "base/layout.h"
#include "shaders/blocks_ref.h"

#include <string.h>

FN u64 bits_64(const u8 *p)
{
	u64 x;
	memcpy(&x, p, 8);
	return x;
}

FN u32 bits_16(const u8 *p)
{
	u16 x;
	memcpy(&x, p, 2);
	return x;
}

FN __m128i bytes_16(const u8 *p)
{
	return _mm_loadu_si128((const void *)p);
}

FN __m128i bytes_8(const u8 *p)
{
	return _mm_loadl_epi64((const void *)p);
}

/* Eight signs each, of seven bits in the low ones of each byte: the eighth makes their number even. */
FN u64 signs_of_sevens(u64 x)
{
	u64 t = (x ^ x >> 4) & 0x0f0f0f0f0f0f0f0full;
	t = (t ^ t >> 2) & 0x0303030303030303ull;
	return x | ((t ^ t >> 1) & 0x0101010101010101ull) << 7;
}

/* Four times seven bits of each half, a byte each. */
FN u64 sevens(u64 x)
{
	x = (x & 0x00003fff00003fffull) | (x & 0x0fffc0000fffc000ull) << 2;
	return (x & 0x007f007f007f007full) | (x & 0x3f803f803f803f80ull) << 1;
}

/* 64 values plus 128, negative where a bit is set. */
FN __m512i biased(__m512i v, u64 negative)
{
	const __m512i bias = all(0x80808080);
	v = _mm512_xor_si512(v, bias);
	return _mm512_mask_sub_epi8(v, negative, _mm512_setzero_si512(), v);
}

FN __m512i eights(const u64 *grid, __m256i at)
{
	return _mm512_i32gather_epi64(at, grid, 8);
}

/* ---- slice s of a block: its elements 64 s .. 64 s + 63, plus 128 ---- */

FN __m512i slice_iq2_xxs(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	__m128i v = bytes_16(b + 2 + 16 * s), at = _mm_shuffle_epi32(v, 0x08);
	u64 rest = (u64)_mm_cvtsi128_si64(_mm_shuffle_epi32(v, 0x0d));
	return biased(eights(g->iq2_xxs, _mm256_cvtepu8_epi32(at)), signs_of_sevens(sevens(rest)));
}

FN __m512i slice_iq2_xs(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	__m128i v = bytes_16(b + 2 + 16 * s), low = _mm_and_si128(v, _mm_set1_epi16(511));
	__m128i high = _mm_srli_epi16(v, 9);
	u64 seven = (u64)_mm_cvtsi128_si64(_mm_packus_epi16(high, high));
	return biased(eights(g->iq2_xs, _mm256_cvtepu16_epi32(low)), signs_of_sevens(seven));
}

/* Pairs of bits of two bytes, eight lanes, at bit 8. */
FN __m256i high_pairs(const u8 *p)
{
	const __m256i by = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
	__m256i pairs = _mm256_srlv_epi32(_mm256_set1_epi32((i32)bits_16(p)), by);
	return _mm256_slli_epi32(_mm256_and_si256(pairs, _mm256_set1_epi32(3)), 8);
}

FN __m512i slice_iq2_s(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	__m256i low = _mm256_cvtepu8_epi32(bytes_8(b + 2 + 8 * s));
	__m256i at = _mm256_or_si256(low, high_pairs(b + 66 + 2 * s));
	return biased(eights(g->iq2_s, at), bits_64(b + 34 + 8 * s));
}

FN __m512i slice_iq3_xxs(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	__m512i at = _mm512_cvtepu8_epi32(bytes_16(b + 2 + 16 * s));
	u64 rest = bits_64(b + 66 + 8 * s);
	return biased(_mm512_i32gather_epi32(at, g->iq3_xxs, 4), signs_of_sevens(sevens(rest)));
}

FN __m512i slice_iq3_s(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	__m512i at = _mm512_cvtepu8_epi32(bytes_16(b + 2 + 16 * s));
	at = _mm512_mask_or_epi32(at, (__mmask16)bits_16(b + 66 + 2 * s), at, all(256));
	return biased(_mm512_i32gather_epi32(at, g->iq3_s, 4), bits_64(b + 74 + 8 * s));
}

/* Less 9 where `more`, else 7, a bit for each eight values; plus 128. */
FN __m512i shifted(__m512i v, __mmask8 more)
{
	__m512i add = _mm512_mask_blend_epi64(more, all(0x79797979), all(0x77777777));
	return _mm512_add_epi8(v, add);
}

FN __m512i slice_iq1_s(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	const __m256i by = _mm256_setr_epi32(0, 3, 6, 9, 16, 19, 22, 25);
	u32 h;
	memcpy(&h, b + 34 + 4 * s, 4);
	__m256i high =
		_mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((i32)h), by), _mm256_set1_epi32(7));
	__m256i at =
		_mm256_or_si256(_mm256_cvtepu8_epi32(bytes_8(b + 2 + 8 * s)), _mm256_slli_epi32(high, 8));
	return shifted(eights(g->iq1, at), (__mmask8)((h & 0x8000 ? 0x0f : 0) | (h & 0x80000000 ? 0xf0 : 0)));
}

FN __m512i slice_iq1_m(const struct cpu_grids *g, const u8 *b, const u32 s)
{
	const __m256i by = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
	u32 h;
	memcpy(&h, b + 32 + 4 * s, 4);
	__m256i four = _mm256_srlv_epi32(_mm256_set1_epi32((i32)h), by);
	__m256i at = _mm256_or_si256(_mm256_cvtepu8_epi32(bytes_8(b + 8 * s)),
		_mm256_slli_epi32(_mm256_and_si256(four, _mm256_set1_epi32(7)), 8));
	return shifted(eights(g->iq1, at), _mm256_test_epi32_mask(four, _mm256_set1_epi32(8)));
}

/* ---- scales of a block, for each 16 elements ---- */

FN __m512i odd(__m512i s)
{
	return _mm512_add_epi32(_mm512_add_epi32(s, s), all(1));
}

/* Each of eight lanes twice. */
FN __m512i twice(__m256i x)
{
	const __m512i at = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
	return _mm512_permutexvar_epi32(at, _mm512_castsi256_si512(x));
}

FN __m128i nibbles(__m128i x)
{
	const __m128i low = _mm_set1_epi8(15);
	return _mm_unpacklo_epi8(_mm_and_si128(x, low), _mm_and_si128(_mm_srli_epi16(x, 4), low));
}

FN __m512i scales_iq2_xxs(const u8 *b)
{
	return odd(right(_mm512_shuffle_epi32(_mm512_loadu_si512(b + 2), 0xf5), 28));
}

FN __m512i scales_iq2_xs(const u8 *b)
{
	return odd(_mm512_cvtepu8_epi32(nibbles(bytes_8(b + 66))));
}

FN __m512i scales_iq2_s(const u8 *b)
{
	return odd(_mm512_cvtepu8_epi32(nibbles(bytes_8(b + 74))));
}

FN __m512i scales_iq3_xxs(const u8 *b)
{
	return odd(right(twice(_mm256_loadu_si256((const void *)(b + 66))), 28));
}

FN __m512i scales_iq3_s(const u8 *b)
{
	__m128i n = nibbles(_mm_loadu_si32(b + 106));
	return odd(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(n, n)));
}

FN __m512i scales_iq1_s(const u8 *b)
{
	return odd(and(right(twice(_mm256_cvtepu16_epi32(bytes_16(b + 34))), 12), 7));
}

FN __m512i scales_iq1_m(const u8 *b)
{
	const __m512i from = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
	const __m512i by = _mm512_setr_epi32(0, 3, 6, 9, 0, 3, 6, 9, 0, 3, 6, 9, 0, 3, 6, 9);
	__m512i h = _mm512_castsi128_si512(_mm_cvtepu16_epi32(bytes_8(b + 48)));
	return odd(and(_mm512_srlv_epi32(_mm512_permutexvar_epi32(from, h), by), 7));
}

/* ---- sixteen rows ---- */

/* Lane i of z[r] becomes lane r of ret[i]. */
FN void turn(const __m512i *z, void *ret)
{
	__m512i a[16], b[16];
	UNROLL for (u32 i = 0; i < 16; i += 2)
	{
		a[i] = _mm512_unpacklo_epi32(z[i], z[i + 1]);
		a[i + 1] = _mm512_unpackhi_epi32(z[i], z[i + 1]);
	}
	UNROLL for (u32 i = 0; i < 16; i += 4) UNROLL for (u32 j = 0; j < 2; j++)
	{
		b[i + 2 * j] = _mm512_unpacklo_epi64(a[i + j], a[i + j + 2]);
		b[i + 2 * j + 1] = _mm512_unpackhi_epi64(a[i + j], a[i + j + 2]);
	}
	UNROLL for (u32 j = 0; j < 4; j++)
	{
		__m512i low = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88),
			high = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd),
			low2 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88),
			high2 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xdd);
		u8 *to = (u8 *)ret + 64 * j;
		_mm512_store_si512(to, _mm512_shuffle_i32x4(low, low2, 0x88));
		_mm512_store_si512(to + 4 * 64, _mm512_shuffle_i32x4(high, high2, 0x88));
		_mm512_store_si512(to + 8 * 64, _mm512_shuffle_i32x4(low, low2, 0xdd));
		_mm512_store_si512(to + 12 * 64, _mm512_shuffle_i32x4(high, high2, 0xdd));
	}
}

typedef __m512i slice_fn(const struct cpu_grids *g, const u8 *b, u32 s);
typedef __m512i scales_fn(const u8 *b);

/* b: the block of row 0; stride: bytes from it to that of the next row */
FN void unpack(const u8 *b, size_t stride, slice_fn *slice, scales_fn *scales, struct cpu_block *ret)
{
	const struct cpu_grids *g = cpu_grids();
	__m512i z[CPU_PANEL];
	for (u32 s = 0; s < 4; s++) {
		UNROLL for (u32 r = 0; r < CPU_PANEL; r++) z[r] = slice(g, b + r * stride, s);
		turn(z, ret->w[16 * s]);
	}
	UNROLL for (u32 r = 0; r < CPU_PANEL; r++) z[r] = scales(b + r * stride);
	turn(z, ret->sc);
}

/* d times `by`, a power of 2, from the float16 at b; of IQ1_M from four bits of each of four numbers. */
FN void put_d(const u8 *b, size_t stride, u32 type, struct cpu_block *ret)
{
	f32 by = type == TENSOR_IQ3_S ? 1.0f : type == TENSOR_IQ3_XXS ? 0.25f : 0.125f;
	u16 d[CPU_PANEL];
	for (u32 r = 0; r < CPU_PANEL; r++, b += stride) {
		u64 x = bits_64(type == TENSOR_IQ1_M ? b + 48 : b);
		d[r] = (u16)(type != TENSOR_IQ1_M ? x
						  : (x >> 12 & 0xf) | (x >> 24 & 0xf0) | (x >> 36 & 0xf00) |
							    (x >> 48 & 0xf000));
	}
	_mm512_store_ps(ret->d, _mm512_mul_ps(halves((const u8 *)d), _mm512_set1_ps(by)));
}

__attribute__((ISA)) void cpu_grid_unpack_avx512(const struct cpu_tile *t, u32 block, struct cpu_block *ret)
{
	size_t bytes = block_bytes_of(t->type), stride = bytes * t->blocks;
	const u8 *b = t->panel + block * bytes;
	put_d(b, stride, t->type, ret);
	switch (t->type) {
	case TENSOR_IQ2_XXS:
		return unpack(b, stride, slice_iq2_xxs, scales_iq2_xxs, ret);
	case TENSOR_IQ2_XS:
		return unpack(b, stride, slice_iq2_xs, scales_iq2_xs, ret);
	case TENSOR_IQ2_S:
		return unpack(b, stride, slice_iq2_s, scales_iq2_s, ret);
	case TENSOR_IQ3_XXS:
		return unpack(b, stride, slice_iq3_xxs, scales_iq3_xxs, ret);
	case TENSOR_IQ3_S:
		return unpack(b, stride, slice_iq3_s, scales_iq3_s, ret);
	case TENSOR_IQ1_S:
		return unpack(b, stride, slice_iq1_s, scales_iq1_s, ret);
	case TENSOR_IQ1_M:
		return unpack(b, stride, slice_iq1_m, scales_iq1_m, ret);
	}
	assert(!"a type without a codebook");
}

#endif
