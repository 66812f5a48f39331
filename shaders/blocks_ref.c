#include "shaders/blocks_ref.h"
#include "shaders/exact.h"
#include "shaders/grids.h"

static u32 le16(const u8 *p)
{
	return (u32)p[0] | (u32)p[1] << 8;
}

static u32 le32(const u8 *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static f32 half(const u8 *p)
{
	return exact_from_half(le16(p));
}

u32 block_bytes_of(u32 type)
{
	const struct tensor_type_info *t = tensor_type_info(type);
	return t ? t->bytes : 0;
}

u32 block_len_of(u32 type)
{
	const struct tensor_type_info *t = tensor_type_info(type);
	return t ? t->block : 0;
}

u32 block_term_of(u32 type)
{
	const struct tensor_type_info *t = tensor_type_info(type);
	return t ? t->group : 0;
}

/* ---- blocks of 32 -------------------------------------------------------------------------------------------------------- */

/* value = q * d, the scales' common case */
static void plain_scales(f32 d, struct block_ints *r)
{
	r->d = d;
	r->dmin = 0;
	for (u32 j = 0; j < 16; j++) {
		r->sc[j] = 1;
		r->m[j] = 0;
	}
}

/* value = q * d + m */
static void min_scales(f32 d, f32 m, struct block_ints *r)
{
	plain_scales(d, r);
	r->dmin = -m;
	for (u32 j = 0; j < 2; j++)
		r->m[j] = 1;
}

static void unpack_q8_0(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b), r);
	memcpy(r->q, b + 2, 32);
}

/* Nibbles of 16 bytes: low ones first. */
static void nibbles(const u8 *p, i32 less, struct block_ints *r)
{
	for (u32 i = 0; i < 16; i++) {
		r->q[i] = (i8)((p[i] & 15) - less);
		r->q[16 + i] = (i8)((p[i] >> 4) - less);
	}
}

/* A fifth bit of each of 32 elements. */
static void fifth_bits(u32 bits, struct block_ints *r)
{
	for (u32 i = 0; i < 32; i++)
		r->q[i] = (i8)(r->q[i] + (i32)((bits >> i & 1) << 4));
}

static void unpack_q4_0(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b), r);
	nibbles(b + 2, 8, r);
}

static void unpack_q4_1(const u8 *b, struct block_ints *r)
{
	min_scales(half(b), half(b + 2), r);
	nibbles(b + 4, 0, r);
}

static void unpack_q5_0(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b), r);
	nibbles(b + 6, 16, r);
	fifth_bits(le32(b + 2), r);
}

static void unpack_q5_1(const u8 *b, struct block_ints *r)
{
	min_scales(half(b), half(b + 2), r);
	nibbles(b + 8, 0, r);
	fifth_bits(le32(b + 4), r);
}

static const i8 iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

static void unpack_iq4_nl(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b), r);
	for (u32 i = 0; i < 16; i++) {
		r->q[i] = iq4_values[b[2 + i] & 15];
		r->q[16 + i] = iq4_values[b[2 + i] >> 4];
	}
}

/* UE4M3, halved; the code that is NaN elsewhere decodes as an ordinary one, and load refuses it. */
static f32 ue4m3(u32 b)
{
	i32 e = (i32)(b >> 3 & 15), m = (i32)(b & 7);
	return tof(e ? (8 + m) << (e - 1) : m) * 0x1p-10f;
}

/* E2M1, doubled. */
static const i8 e2m1_values[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

static void unpack_mxfp4(const u8 *b, struct block_ints *r)
{
	plain_scales(exact_from_e8m0_half(b[0]), r);
	for (u32 i = 0; i < 16; i++) {
		r->q[i] = e2m1_values[b[1 + i] & 15];
		r->q[16 + i] = e2m1_values[b[1 + i] >> 4];
	}
}

static void unpack_nvfp4_half(const u8 *b, u32 part, struct block_ints *r)
{
	plain_scales(ue4m3(b[2 * part]), r);
	r->dmin = ue4m3(b[2 * part + 1]);
	for (u32 i = 0; i < 16; i++) {
		u8 two = b[4 + 16 * part + i];
		i8 *q = r->q + i / 8 * 16 + i % 8;
		q[0] = e2m1_values[two & 15];
		q[8] = e2m1_values[two >> 4];
	}
}

static void unpack_nvfp4(const u8 *b, struct block_ints *r)
{
	unpack_nvfp4_half(b, 0, r);
}

/* ---- K ------------------------------------------------------------------------------------------------------------------- */

static void unpack_k_scales(const u8 *s, struct block_ints *r)
{
	for (u32 j = 0; j < 8; j++) {
		i32 sc, m;
		if (j < 4) {
			sc = s[j] & 63;
			m = s[j + 4] & 63;
		} else {
			sc = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
			m = (s[j + 4] >> 4) | (s[j] >> 6) << 4;
		}
		r->sc[2 * j] = r->sc[2 * j + 1] = sc;
		r->m[2 * j] = r->m[2 * j + 1] = m;
	}
}

static void unpack_q4_k(const u8 *b, struct block_ints *r)
{
	r->d = half(b);
	r->dmin = half(b + 2);
	unpack_k_scales(b + 4, r);
	for (u32 c = 0; c < 4; c++)
		for (u32 l = 0; l < 32; l++) {
			r->q[64 * c + l] = (i8)(b[16 + 32 * c + l] & 15);
			r->q[64 * c + 32 + l] = (i8)(b[16 + 32 * c + l] >> 4);
		}
}

static void unpack_q5_k(const u8 *b, struct block_ints *r)
{
	r->d = half(b);
	r->dmin = half(b + 2);
	unpack_k_scales(b + 4, r);
	const u8 *high = b + 16, *low = b + 48;
	for (u32 c = 0; c < 4; c++)
		for (u32 l = 0; l < 32; l++) {
			u32 h0 = high[l] >> (2 * c) & 1, h1 = high[l] >> (2 * c + 1) & 1;
			r->q[64 * c + l] = (i8)((low[32 * c + l] & 15) | h0 << 4);
			r->q[64 * c + 32 + l] = (i8)(low[32 * c + l] >> 4 | h1 << 4);
		}
}

static void unpack_q6_k(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b + 208), r);
	for (u32 j = 0; j < 16; j++)
		r->sc[j] = (i8)b[192 + j];
	for (u32 h = 0; h < 2; h++) {
		const u8 *low = b + 64 * h, *high = b + 128 + 32 * h;
		i8 *q = r->q + 128 * h;
		for (u32 l = 0; l < 32; l++) {
			q[l] = (i8)(((low[l] & 15) | (high[l] & 3) << 4) - 32);
			q[32 + l] = (i8)(((low[32 + l] & 15) | (high[l] >> 2 & 3) << 4) - 32);
			q[64 + l] = (i8)((low[l] >> 4 | (high[l] >> 4 & 3) << 4) - 32);
			q[96 + l] = (i8)((low[32 + l] >> 4 | (high[l] >> 6) << 4) - 32);
		}
	}
}

/* Pairs of bits of 64 bytes: of each 32 bytes first the lowest pair of all, then the next. */
static void two_bits(const u8 *p, i32 less, struct block_ints *r)
{
	for (u32 i = 0; i < 256; i++)
		r->q[i] = (i8)((p[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3) - less);
}

static void unpack_q2_k(const u8 *b, struct block_ints *r)
{
	r->d = half(b + 80);
	r->dmin = half(b + 82);
	for (u32 j = 0; j < 16; j++) {
		r->sc[j] = b[j] & 15;
		r->m[j] = b[j] >> 4;
	}
	two_bits(b + 16, 0, r);
}

static void unpack_q3_k(const u8 *b, struct block_ints *r)
{
	const u8 *s = b + 96;
	plain_scales(half(b + 108), r);
	for (u32 j = 0; j < 16; j++) {
		u32 low = j < 8 ? s[j] & 15u : s[j - 8] >> 4, high = s[8 + j % 4] >> (j / 4 * 2) & 3;
		r->sc[j] = (i32)(low | high << 4) - 32;
	}
	two_bits(b + 32, 4, r);
	for (u32 i = 0; i < 256; i++)
		r->q[i] = (i8)(r->q[i] + ((b[i % 32] >> (i / 32) & 1) << 2));
}

/* ---- IQ and ternary ------------------------------------------------------------------------------------------------------ */

static void unpack_iq4_xs(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b), r);
	for (u32 j = 0; j < 8; j++) {
		u32 low = b[4 + j / 2] >> (j % 2 * 4) & 15, high = le16(b + 2) >> (2 * j) & 3;
		r->sc[2 * j] = r->sc[2 * j + 1] = (i32)(low | high << 4) - 32;
		for (u32 i = 0; i < 16; i++) {
			u8 two = b[8 + 16 * j + i];
			r->q[32 * j + i] = iq4_values[two & 15];
			r->q[32 * j + 16 + i] = iq4_values[two >> 4];
		}
	}
}

/* Eight elements of a codebook of two bits with their signs. */
static void eight_iq2(u32 entry, u32 signs, i8 *q)
{
	static const i8 values[4] = { 8, 25, 43, 0 };
	for (u32 i = 0; i < 8; i++) {
		i32 v = values[entry >> (2 * i) & 3];
		q[i] = (i8)(signs >> i & 1 ? -v : v);
	}
}

/* Seven signs and the eighth, which makes the number of negative ones even. */
static u32 eight_signs(u32 seven)
{
	return seven | (u32)(__builtin_popcount(seven) & 1) << 7;
}

static void odd_scale(u32 nibble, i32 *sc, u32 n)
{
	for (u32 i = 0; i < n; i++)
		sc[i] = (i32)(2 * nibble + 1);
}

static void unpack_iq2_xxs(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b) * 0.125f, r);
	for (u32 j = 0; j < 8; j++) {
		const u8 *at = b + 2 + 8 * j;
		u32 rest = le32(at + 4);
		odd_scale(rest >> 28, r->sc + 2 * j, 2);
		for (u32 l = 0; l < 4; l++)
			eight_iq2(grid_entry(GRID_IQ2_XXS, at[l]), eight_signs(rest >> (7 * l) & 127),
				r->q + 32 * j + 8 * l);
	}
}

static void unpack_iq2_xs(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b) * 0.125f, r);
	for (u32 j = 0; j < 16; j++)
		odd_scale(b[66 + j / 2] >> (j % 2 * 4) & 15, r->sc + j, 1);
	for (u32 l = 0; l < 32; l++) {
		u32 u = le16(b + 2 + 2 * l);
		eight_iq2(grid_entry(GRID_IQ2_XS, u & 511), eight_signs(u >> 9), r->q + 8 * l);
	}
}

static void unpack_iq2_s(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b) * 0.125f, r);
	for (u32 j = 0; j < 16; j++)
		odd_scale(b[74 + j / 2] >> (j % 2 * 4) & 15, r->sc + j, 1);
	for (u32 l = 0; l < 32; l++) {
		u32 high = b[66 + l / 4] >> (l % 4 * 2) & 3;
		eight_iq2(grid_entry(GRID_IQ2_S, b[2 + l] | high << 8), b[34 + l], r->q + 8 * l);
	}
}

/* Four elements of a codebook of four bits with their signs: step * level + first, but `last` for the highest level of eight. */
static void four_iq3(u32 entry, u32 signs, bool xxs, i8 *q)
{
	for (u32 i = 0; i < 4; i++) {
		i32 level = (i32)(entry >> (4 * i) & 15);
		i32 v = !xxs ? 2 * level + 1 : level == 7 ? 62 : 8 * level + 4;
		q[i] = (i8)(signs >> i & 1 ? -v : v);
	}
}

static void unpack_iq3_xxs(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b) * 0.25f, r);
	for (u32 j = 0; j < 8; j++) {
		u32 rest = le32(b + 66 + 4 * j);
		odd_scale(rest >> 28, r->sc + 2 * j, 2);
		for (u32 l = 0; l < 8; l++) {
			u32 signs = eight_signs(rest >> (l / 2 * 7) & 127) >> (l % 2 * 4);
			four_iq3(grid_entry(GRID_IQ3_XXS, b[2 + 8 * j + l]), signs, true,
				r->q + 32 * j + 4 * l);
		}
	}
}

static void unpack_iq3_s(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b), r);
	for (u32 j = 0; j < 8; j++) {
		odd_scale(b[106 + j / 2] >> (j % 2 * 4) & 15, r->sc + 2 * j, 2);
		for (u32 l = 0; l < 8; l++) {
			u32 i = b[2 + 8 * j + l] | (b[66 + j] >> l & 1u) << 8;
			u32 signs = b[74 + 4 * j + l / 2] >> (l % 2 * 4);
			four_iq3(grid_entry(GRID_IQ3_S, i), signs, false, r->q + 32 * j + 4 * l);
		}
	}
}

/* Eight elements of -1, 0, 1, each an eighth more or less: in eighths. */
static void eight_iq1(u32 entry, bool less, i8 *q)
{
	for (u32 i = 0; i < 8; i++)
		q[i] = (i8)(8 * ((i32)(entry >> (2 * i) & 3) - 1) + (less ? -1 : 1));
}

static void unpack_iq1_s(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b) * 0.125f, r);
	for (u32 j = 0; j < 8; j++) {
		u32 h = le16(b + 34 + 2 * j);
		odd_scale(h >> 12 & 7, r->sc + 2 * j, 2);
		for (u32 l = 0; l < 4; l++) {
			u32 i = b[2 + 4 * j + l] | (h >> (3 * l) & 7) << 8;
			eight_iq1(grid_entry(GRID_IQ1, i), h >> 15, r->q + 32 * j + 8 * l);
		}
	}
}

static void unpack_iq1_m(const u8 *b, struct block_ints *r)
{
	u32 d = 0;
	for (u32 j = 0; j < 4; j++)
		d |= le16(b + 48 + 2 * j) >> 12 << (4 * j);
	plain_scales(exact_from_half(d) * 0.125f, r);
	for (u32 j = 0; j < 16; j++)
		odd_scale(le16(b + 48 + j / 4 * 2) >> (j % 4 * 3) & 7, r->sc + j, 1);
	for (u32 l = 0; l < 32; l++) {
		u32 h = b[32 + l / 2] >> (l % 2 * 4);
		eight_iq1(grid_entry(GRID_IQ1, b[l] | (h & 7) << 8), h & 8, r->q + 8 * l);
	}
}

/* Trit n of a byte that holds five as a fraction of 256. */
static i8 trit(u32 byte, u32 n)
{
	static const u8 pow3[5] = { 1, 3, 9, 27, 81 };
	u32 q = byte * pow3[n] & 255;
	return (i8)((i32)(q * 3 >> 8) - 1);
}

static void unpack_tq1_0(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b + 52), r);
	for (u32 i = 0; i < 160; i++)
		r->q[i] = trit(b[i % 32], i / 32);
	for (u32 i = 0; i < 80; i++)
		r->q[160 + i] = trit(b[32 + i % 16], i / 16);
	for (u32 i = 0; i < 16; i++)
		r->q[240 + i] = trit(b[48 + i % 4], i / 4);
}

static void unpack_tq2_0(const u8 *b, struct block_ints *r)
{
	plain_scales(half(b + 64), r);
	two_bits(b, 1, r);
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

struct block_kind block_kind_of(u32 type)
{
	switch (type) {
#define KIND(name, c, number, block, bytes, group, scale, min) \
	case TENSOR_##name:                                    \
		return (struct block_kind){ scale, min };
		TENSOR_BLOCKS(KIND)
	}
	return (struct block_kind){ 0, 0 };
}

u32 block_halves_of(u32 type, u32 ret_at[2])
{
	ret_at[0] = 0;
	ret_at[1] = 2;
	switch (type) {
	case TENSOR_IQ1_M:
	case TENSOR_NVFP4:
	case TENSOR_MXFP4:
		return 0;
	case TENSOR_Q2_K:
		ret_at[0] = 80;
		ret_at[1] = 82;
		return 2;
	case TENSOR_Q3_K:
		ret_at[0] = 108;
		return 1;
	case TENSOR_Q6_K:
		ret_at[0] = 208;
		return 1;
	case TENSOR_TQ1_0:
		ret_at[0] = 52;
		return 1;
	case TENSOR_TQ2_0:
		ret_at[0] = 64;
		return 1;
	}
	return block_kind_of(type).min_len ? 2 : 1;
}

typedef void unpack_fn(const u8 *block, struct block_ints *ret);
static unpack_fn *const unpacks[] = {
#define UNPACK(name, c, ...) [TENSOR_##name] = unpack_##c,
	TENSOR_BLOCKS(UNPACK)
};

void block_unpack(u32 type, const u8 *block, u32 part, struct block_ints *ret)
{
	assert(type < ARRAY_LEN(unpacks) && unpacks[type]);
	if (part)
		unpack_nvfp4_half(block, part, ret);
	else
		unpacks[type](block, ret);
}

f32 block_ints_value(u32 type, const struct block_ints *b, u32 j)
{
	f32 v = tof(b->sc[j / 16] * b->q[j]);
	if (type == TENSOR_NVFP4)
		return exact_window(v * (j < 16 ? b->d : b->dmin));
	v = v * b->d;
	f32 o = tof(b->m[j / 16]) * b->dmin;
	return exact_window(v - o);
}

f32 block_float(u32 type, const u8 *p)
{
	switch (type) {
	case TENSOR_F32:
		return u2f(exact_window_bits(le32(p)));
	case TENSOR_F16:
		return exact_window(exact_from_half(le16(p)));
	case TENSOR_BF16:
		return u2f(exact_window_bits(le16(p) << 16));
	}
	assert(!"a float type");
	return 0;
}
