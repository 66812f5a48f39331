/* Quantised blocks read as 32-bit words: TYPE is one of types.glsl, w the buffer of raw blocks. Offsets are in bytes, even but for MXFP4. */

u32 load_u8(u32 at)
{
	return (w[at >> 2] >> (8u * (at & 3u))) & 255u;
}

u32 load_u16(u32 at)
{
	return (w[at >> 2] >> (8u * (at & 2u))) & 65535u;
}

/* Four bytes from an even offset. */
u32 load_u32(u32 at)
{
	u32 i = at >> 2;
#if TYPE == Q4_K || TYPE == Q5_K
	return w[i]; /* their blocks are whole words */
#else
	u32 low = w[i];
	u32 high = w[i + 1u];
	return (at & 2u) == 0u ? low : (low >> 16) | (high << 16);
#endif
}

#if TYPE == MXFP4
/* Four bytes from any offset. */
u32 load_u32_any(u32 at)
{
	u32 i = at >> 2;
	u32 shift = 8u * (at & 3u);
	u32 low = w[i];
	u32 high = w[i + 1u];
	return shift == 0u ? low : (low >> shift) | (high << (32u - shift));
}

/* Each byte of x, in 0..15, from twice an E2M1 number to an int8: 0, 1, 2, 3, 4, 6, 8, 12 and their negatives. */
u32 bytes_e2m1(u32 x)
{
	u32 r = 0u;
	for (u32 i = 0u; i < 4u; i++) {
		u32 code = x >> (8u * i);
		u32 size = ((code & 4u) == 0u ? 0x03020100u : 0x0c080604u) >> (8u * (code & 3u)) & 255u;
		u32 value = (code & 8u) == 0u ? size : 0u - size;
		r |= (value & 255u) << (8u * i);
	}
	return r;
}
#endif

/* Each byte of x, in 0..127, less c as int8. */
u32 bytes_less(u32 x, u32 c)
{
	return ((x | 0x80808080u) - c) ^ 0x80808080u;
}

/* d, dmin and the integer scales of the block at byte `at`. */
f32 block_d(u32 at)
{
#if TYPE == Q6_K
	return exact_from_half(load_u16(at + 208u));
#elif TYPE == MXFP4
	return exact_from_e8m0_half(load_u8(at));
#else
	return exact_from_half(load_u16(at));
#endif
}

#if TYPE == Q4_K || TYPE == Q5_K
f32 block_dmin(u32 at)
{
	return exact_from_half(load_u16(at + 2u));
}

/* Scale (low 8 bits) and minimum (next 8) of the 32 elements j. */
u32 block_scale_min(u32 at, u32 j)
{
	u32 b = at + 4u;
	if (j < 4u)
		return (load_u8(b + j) & 63u) | (load_u8(b + j + 4u) & 63u) << 8;
	u32 low = load_u8(b + j + 4u);
	u32 sc = (low & 15u) | (load_u8(b + j - 4u) >> 6) << 4;
	u32 m = (low >> 4) | (load_u8(b + j) >> 6) << 4;
	return sc | m << 8;
}
#endif

#if TYPE == Q6_K
int block_scale_16(u32 at, u32 j)
{
	return bitfieldExtract(toi(load_u8(at + 192u + j)), 0, 8);
}
#endif

/* Elements 4i..4i+3 of the 32 elements j of the block, as int8; Q4_0 before its -8 is taken off. */
u32 block_word(u32 at, u32 j, u32 i)
{
#if TYPE == Q8_0
	return load_u32(at + 2u + 4u * i);
#elif TYPE == Q4_0
	return (load_u32(at + 2u + 4u * (i & 3u)) >> (i & 4u)) & 0x0f0f0f0fu;
#elif TYPE == MXFP4
	return bytes_e2m1((load_u32_any(at + 1u + 4u * (i & 3u)) >> (i & 4u)) & 0x0f0f0f0fu);
#elif TYPE == Q4_K
	return (load_u32(at + 16u + 32u * (j >> 1) + 4u * i) >> (4u * (j & 1u))) & 0x0f0f0f0fu;
#elif TYPE == Q5_K
	u32 low = (load_u32(at + 48u + 32u * (j >> 1) + 4u * i) >> (4u * (j & 1u))) & 0x0f0f0f0fu;
	u32 high = (load_u32(at + 16u + 4u * i) >> j) & 0x01010101u;
	return low | high << 4;
#elif TYPE == Q6_K
	u32 low = (load_u32(at + 64u * (j >> 2) + 32u * (j & 1u) + 4u * i) >> (2u * (j & 2u))) & 0x0f0f0f0fu;
	u32 high = (load_u32(at + 128u + 32u * (j >> 2) + 4u * i) >> (2u * (j & 3u))) & 0x03030303u;
	return bytes_less(low | high << 4, 0x20202020u);
#endif
}
