#include "shaders/blocks_ref.h"
#include "shaders/exact.h"

#include "base/layout.h"

static u32 le16(const u8 *p)
{
	return (u32)p[0] | (u32)p[1] << 8;
}

static u32 le32(const u8 *p)
{
	return le16(p) | le16(p + 2) << 16;
}

u32 block_bytes_of(u32 type)
{
	switch (type) {
	case TENSOR_F32:
		return 4;
	case TENSOR_F16:
	case TENSOR_BF16:
		return 2;
	case TENSOR_Q8_0:
		return 34;
	case TENSOR_Q4_0:
		return 18;
	case TENSOR_MXFP4:
		return 17;
	case TENSOR_Q4_K:
		return 144;
	case TENSOR_Q5_K:
		return 176;
	case TENSOR_Q6_K:
		return 210;
	}
	return 0;
}

u32 block_len_of(u32 type)
{
	switch (type) {
	case TENSOR_F32:
	case TENSOR_F16:
	case TENSOR_BF16:
		return 1;
	case TENSOR_Q8_0:
	case TENSOR_Q4_0:
	case TENSOR_MXFP4:
		return 32;
	case TENSOR_Q4_K:
	case TENSOR_Q5_K:
	case TENSOR_Q6_K:
		return 256;
	}
	return 0;
}

static void unpack_q8_0(const u8 *b, struct block_ints *r)
{
	r->d = exact_from_half(le16(b));
	memcpy(r->q, b + 2, 32);
	r->sc[0] = 1;
	r->m[0] = 0;
	r->dmin = 0;
}

static void unpack_q4_0(const u8 *b, struct block_ints *r)
{
	r->d = exact_from_half(le16(b));
	for (u32 i = 0; i < 16; i++) {
		r->q[i] = (i8)((b[2 + i] & 15) - 8);
		r->q[16 + i] = (i8)((b[2 + i] >> 4) - 8);
	}
	r->sc[0] = 1;
	r->m[0] = 0;
	r->dmin = 0;
}

static void unpack_mxfp4(const u8 *b, struct block_ints *r)
{
	static const i8 twice[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };
	r->d = exact_from_e8m0_half(b[0]);
	for (u32 i = 0; i < 16; i++) {
		r->q[i] = twice[b[1 + i] & 15];
		r->q[16 + i] = twice[b[1 + i] >> 4];
	}
	r->sc[0] = 1;
	r->m[0] = 0;
	r->dmin = 0;
}

static void unpack_k_scales(const u8 *s, struct block_ints *r)
{
	for (u32 j = 0; j < 4; j++) {
		r->sc[j] = s[j] & 63;
		r->m[j] = s[j + 4] & 63;
		r->sc[j + 4] = (s[j + 8] & 15) | (s[j] >> 6) << 4;
		r->m[j + 4] = (s[j + 8] >> 4) | (s[j + 4] >> 6) << 4;
	}
}

static void unpack_q4_k(const u8 *b, struct block_ints *r)
{
	r->d = exact_from_half(le16(b));
	r->dmin = exact_from_half(le16(b + 2));
	unpack_k_scales(b + 4, r);
	for (u32 c = 0; c < 4; c++)
		for (u32 l = 0; l < 32; l++) {
			r->q[64 * c + l] = (i8)(b[16 + 32 * c + l] & 15);
			r->q[64 * c + 32 + l] = (i8)(b[16 + 32 * c + l] >> 4);
		}
}

static void unpack_q5_k(const u8 *b, struct block_ints *r)
{
	r->d = exact_from_half(le16(b));
	r->dmin = exact_from_half(le16(b + 2));
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
	r->d = exact_from_half(le16(b + 208));
	r->dmin = 0;
	for (u32 j = 0; j < 8; j++)
		r->m[j] = 0;
	for (u32 j = 0; j < 16; j++)
		r->sc[j] = (i8)b[192 + j];
	for (u32 half = 0; half < 2; half++) {
		const u8 *low = b + 64 * half, *high = b + 128 + 32 * half;
		i8 *q = r->q + 128 * half;
		for (u32 l = 0; l < 32; l++) {
			q[l] = (i8)(((low[l] & 15) | (high[l] & 3) << 4) - 32);
			q[32 + l] = (i8)(((low[32 + l] & 15) | (high[l] >> 2 & 3) << 4) - 32);
			q[64 + l] = (i8)((low[l] >> 4 | (high[l] >> 4 & 3) << 4) - 32);
			q[96 + l] = (i8)((low[32 + l] >> 4 | (high[l] >> 6) << 4) - 32);
		}
	}
}

void block_unpack(u32 type, const u8 *block, struct block_ints *ret)
{
	switch (type) {
	case TENSOR_Q8_0:
		unpack_q8_0(block, ret);
		return;
	case TENSOR_Q4_0:
		unpack_q4_0(block, ret);
		return;
	case TENSOR_MXFP4:
		unpack_mxfp4(block, ret);
		return;
	case TENSOR_Q4_K:
		unpack_q4_k(block, ret);
		return;
	case TENSOR_Q5_K:
		unpack_q5_k(block, ret);
		return;
	case TENSOR_Q6_K:
		unpack_q6_k(block, ret);
		return;
	}
	assert(!"a quantised type");
}

f32 block_ints_value(u32 type, const struct block_ints *b, u32 j)
{
	u32 sub = type == TENSOR_Q6_K ? 16 : 32;
	f32 v = tof(b->sc[j / sub] * b->q[j]) * b->d;
	f32 o = tof(b->m[j / 32]) * b->dmin;
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
