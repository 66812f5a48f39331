/* Quantised blocks read as 32-bit words: TYPE is one of types.glsl, w the buffer of raw blocks, grids the codebooks of grids.h where the type has
 * one. Offsets are in bytes, even but for MXFP4. A term is found by term_at, and everything else of it by what that gives. */

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
#if TYPE == Q4_K || TYPE == Q5_K || TYPE == Q4_1 || TYPE == Q5_1 || TYPE == Q2_K || TYPE == IQ4_XS || TYPE == IQ1_M || TYPE == NVFP4
	return w[i]; /* their blocks are whole words, and so are their parts */
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
#endif

/* Where term p of the row at byte `row` is. NVFP4: its block, and 2 more for the second half. */
u32 term_at(u32 row, u32 p)
{
#if TYPE == NVFP4
	return row + (p >> 1) * BLOCK_BYTES + 2u * (p & 1u);
#else
	return row + p * BLOCK_BYTES;
#endif
}

/* Each byte of x, in 0..127, less c as int8. */
u32 bytes_less(u32 x, u32 c)
{
	return ((x | 0x80808080u) - c) ^ 0x80808080u;
}

/* The low four bits of x, one in each byte. */
u32 bits_spread(u32 x)
{
	return ((x & 15u) * 0x00204081u) & 0x01010101u;
}

/* The low four pairs of bits, one in each byte. */
u32 pairs_spread(u32 x)
{
	x = (x | x << 12) & 0x000f000fu;
	return (x | x << 6) & 0x03030303u;
}

/* The low four nibbles, one in each byte. */
u32 nibbles_spread(u32 x)
{
	x = (x | x << 8) & 0x00ff00ffu;
	return (x | x << 4) & 0x0f0f0f0fu;
}

/* The bytes of x, in 1..127, negative where a bit of the low four of `signs` is set. */
u32 bytes_signed(u32 x, u32 signs)
{
	u32 ones = bits_spread(signs);
	return (x ^ (ones * 255u)) + ones;
}

/* Seven signs and the eighth, which makes the number of negative ones even. */
u32 eight_signs(u32 seven)
{
	return seven | (tou(bitCount(seven)) & 1u) << 7;
}

/* ---- scales: d, dmin and the integers of the term at byte `at` ---- */

#if TYPE == NVFP4
f32 ue4m3(u32 b)
{
	u32 e = (b >> 3) & 15u;
	u32 m = b & 7u;
	f32 v = tof(toi(e == 0u ? m : (8u + m) << (e - 1u))) * 0.0009765625f;
	return v;
}
#endif

#if TYPE == Q6_K
#define D_AT 208u
#elif TYPE == Q2_K
#define D_AT 80u
#elif TYPE == Q3_K
#define D_AT 108u
#elif TYPE == TQ1_0
#define D_AT 52u
#elif TYPE == TQ2_0
#define D_AT 64u
#else
#define D_AT 0u
#endif

f32 block_d(u32 at)
{
#if TYPE == NVFP4
	f32 d = ue4m3(load_u8(at));
#elif TYPE == MXFP4
	f32 d = exact_from_e8m0_half(load_u8(at));
#elif TYPE == IQ1_M
	u32 a = w[(at + 48u) >> 2];
	u32 b = w[(at + 52u) >> 2];
	u32 h = ((a >> 12) & 15u) | ((a >> 24) & 240u) | ((b >> 4) & 3840u) | ((b >> 16) & 61440u);
	f32 d = exact_from_half(h);
#else
	f32 d = exact_from_half(load_u16(at + D_AT));
#endif
#if TYPE == IQ2_XXS || TYPE == IQ2_XS || TYPE == IQ2_S || TYPE == IQ1_S || TYPE == IQ1_M
	d = d * 0.125f;
#elif TYPE == IQ3_XXS
	d = d * 0.25f;
#endif
	return d;
}

#if MIN_LEN != 0 || TYPE == NVFP4
f32 block_dmin(u32 at)
{
#if TYPE == NVFP4
	f32 d = ue4m3(load_u8(at + 1u));
#else
	f32 d = exact_from_half(load_u16(at + D_AT + 2u));
#endif
#if MIN_LEN == ONE
	d = -d;
#endif
	return d;
}
#endif

#if TYPE == Q4_K || TYPE == Q5_K
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

#if SCALE_LEN != 0
/* Of the SCALE_LEN elements j. */
int block_scale(u32 at, u32 j)
{
#if TYPE == Q4_K || TYPE == Q5_K
	return toi(block_scale_min(at, j) & 255u);
#elif TYPE == Q6_K
	return bitfieldExtract(toi(load_u8(at + 192u + j)), 0, 8);
#elif TYPE == Q2_K
	return toi(load_u8(at + j) & 15u);
#elif TYPE == Q3_K
	u32 low = (load_u8(at + 96u + (j & 7u)) >> ((j >> 3) * 4u)) & 15u;
	u32 high = (load_u8(at + 104u + (j & 3u)) >> ((j >> 2) * 2u)) & 3u;
	return toi(low | high << 4) - 32;
#elif TYPE == IQ4_XS
	u32 low = (load_u8(at + 4u + (j >> 1)) >> ((j & 1u) * 4u)) & 15u;
	u32 high = (load_u16(at + 2u) >> (2u * j)) & 3u;
	return toi(low | high << 4) - 32;
#elif TYPE == IQ1_S
	return toi(2u * ((load_u16(at + 34u + 2u * j) >> 12) & 7u) + 1u);
#elif TYPE == IQ1_M
	return toi(2u * ((load_u16(at + 48u + (j >> 2) * 2u) >> ((j & 3u) * 3u)) & 7u) + 1u);
#elif TYPE == IQ2_XXS
	return toi(2u * (load_u16(at + 8u + 8u * j) >> 12) + 1u);
#elif TYPE == IQ3_XXS
	return toi(2u * (load_u16(at + 68u + 4u * j) >> 12) + 1u);
#else
#if TYPE == IQ2_XS
#define NIBBLES_AT 66u
#elif TYPE == IQ2_S
#define NIBBLES_AT 74u
#elif TYPE == IQ3_S
#define NIBBLES_AT 106u
#endif
	return toi(2u * ((load_u8(at + NIBBLES_AT + (j >> 1)) >> ((j & 1u) * 4u)) & 15u) + 1u);
#endif
}
#endif

#if MIN_LEN != 0
/* Of the MIN_LEN elements j. */
int block_min(u32 at, u32 j)
{
#if TYPE == Q4_K || TYPE == Q5_K
	return toi(block_scale_min(at, j) >> 8);
#elif TYPE == Q2_K
	return toi(load_u8(at + j) >> 4);
#else
	return 1;
#endif
}
#endif

/* ---- elements ---- */

#if TYPE == IQ4_NL || TYPE == IQ4_XS
/* The codebook's value of a nibble. */
u32 iq4_value(u32 i)
{
	u32 low = i < 4u ? 0xbfad9881u : 0xf6eaddcfu;
	u32 high = i < 12u ? 0x26190d01u : 0x71594535u;
	return ((i < 8u ? low : high) >> (8u * (i & 3u))) & 255u;
}

u32 iq4_word(u32 x)
{
	return iq4_value(x & 15u) | iq4_value((x >> 8) & 15u) << 8 | iq4_value((x >> 16) & 15u) << 16 |
	       iq4_value((x >> 24) & 15u) << 24;
}
#endif

#if TYPE == NVFP4 || TYPE == MXFP4
/* Twice the value of E2M1: 0 1 2 3 4 6 8 12, bit 3 is the sign. */
u32 e2m1_value(u32 i)
{
	u32 v = ((i & 4u) == 0u ? 0x03020100u : 0x0c080604u) >> (8u * (i & 3u)) & 255u;
	return (i & 8u) == 0u ? v : (256u - v) & 255u;
}

u32 e2m1_word(u32 x)
{
	return e2m1_value(x & 15u) | e2m1_value((x >> 8) & 15u) << 8 | e2m1_value((x >> 16) & 15u) << 16 |
	       e2m1_value((x >> 24) & 15u) << 24;
}
#endif

#if TYPE == IQ2_XXS || TYPE == IQ2_XS || TYPE == IQ2_S || TYPE == IQ3_XXS || TYPE == IQ3_S || TYPE == IQ1_S || TYPE == IQ1_M
/* Entry i of the codebook that begins at word `grid`. */
u32 grid_entry(u32 grid, u32 i)
{
	return (grids[grid + (i >> 1)] >> (16u * (i & 1u))) & 65535u;
}
#endif

/* Levels 0, 1, 2 in bytes as 8, 25, 43. */
u32 iq2_bytes(u32 levels)
{
	return levels * 17u + 0x08080808u + ((levels >> 1) & 0x01010101u);
}

/* Levels 0, 1, 2 in bytes as -1, 0, 1, an eighth more or less: in eighths. */
u32 iq1_bytes(u32 levels, bool less)
{
	return bytes_less(levels * 8u, less ? 0x09090909u : 0x07070707u);
}

#if TYPE == TQ1_0
/* Trit n of each byte, which holds five as a fraction of 256. */
u32 trits(u32 x, u32 n)
{
	u32 power = n < 2u ? (n == 0u ? 1u : 3u) : (n == 2u ? 9u : (n == 3u ? 27u : 81u));
	u32 even = ((((x & 0x00ff00ffu) * power) & 0x00ff00ffu) * 3u >> 8) & 0x00030003u;
	u32 odd = (((((x >> 8) & 0x00ff00ffu) * power) & 0x00ff00ffu) * 3u >> 8) & 0x00030003u;
	return bytes_less(even | odd << 8, 0x01010101u);
}
#endif

/* Elements 4i..4i+3 of the 32 elements j of the term, as int8; Q4_0 before its -8 is taken off. */
u32 block_word(u32 at, u32 j, u32 i)
{
#if TYPE == Q8_0
	return load_u32(at + 2u + 4u * i);
#elif TYPE == Q4_0
	return (load_u32(at + 2u + 4u * (i & 3u)) >> (i & 4u)) & 0x0f0f0f0fu;
#elif TYPE == Q4_1
	return (load_u32(at + 4u + 4u * (i & 3u)) >> (i & 4u)) & 0x0f0f0f0fu;
#elif TYPE == Q5_0
	u32 low = (load_u32(at + 6u + 4u * (i & 3u)) >> (i & 4u)) & 0x0f0f0f0fu;
	return bytes_less(low | bits_spread(load_u32(at + 2u) >> (4u * i)) << 4, 0x10101010u);
#elif TYPE == Q5_1
	u32 low = (load_u32(at + 8u + 4u * (i & 3u)) >> (i & 4u)) & 0x0f0f0f0fu;
	return low | bits_spread(load_u32(at + 4u) >> (4u * i)) << 4;
#elif TYPE == IQ4_NL
	return iq4_word(load_u32(at + 2u + 4u * (i & 3u)) >> (i & 4u));
#elif TYPE == MXFP4
	return e2m1_word(load_u32_any(at + 1u + 4u * (i & 3u)) >> (i & 4u));
#elif TYPE == NVFP4
	u32 two = load_u32((at & ~3u) + 4u + 8u * (at & 2u) + 8u * (i >> 2) + 4u * (i & 1u));
	return e2m1_word(two >> (2u * (i & 2u)));
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
#elif TYPE == Q2_K
	return (load_u32(at + 16u + 32u * (j >> 2) + 4u * i) >> (2u * (j & 3u))) & 0x03030303u;
#elif TYPE == Q3_K
	u32 low = (load_u32(at + 32u + 32u * (j >> 2) + 4u * i) >> (2u * (j & 3u))) & 0x03030303u;
	u32 high = (load_u32(at + 4u * i) >> j) & 0x01010101u;
	return bytes_less(low | high << 2, 0x04040404u);
#elif TYPE == IQ4_XS
	return iq4_word(load_u32(at + 8u + 16u * j + 4u * (i & 3u)) >> (i & 4u));
#elif TYPE == IQ2_XXS
	u32 entry = grid_entry(GRID_IQ2_XXS, load_u8(at + 2u + 8u * j + (i >> 1)));
	u32 signs = eight_signs((load_u32(at + 6u + 8u * j) >> (7u * (i >> 1))) & 127u);
	return bytes_signed(iq2_bytes(pairs_spread((entry >> (8u * (i & 1u))) & 255u)), signs >> (4u * (i & 1u)));
#elif TYPE == IQ2_XS
	u32 u = load_u16(at + 2u + 8u * j + 2u * (i >> 1));
	u32 entry = grid_entry(GRID_IQ2_XS, u & 511u);
	return bytes_signed(iq2_bytes(pairs_spread((entry >> (8u * (i & 1u))) & 255u)),
		eight_signs(u >> 9) >> (4u * (i & 1u)));
#elif TYPE == IQ2_S
	u32 l = 4u * j + (i >> 1);
	u32 high = (load_u8(at + 66u + j) >> (2u * (i >> 1))) & 3u;
	u32 entry = grid_entry(GRID_IQ2_S, load_u8(at + 2u + l) | high << 8);
	return bytes_signed(iq2_bytes(pairs_spread((entry >> (8u * (i & 1u))) & 255u)),
		load_u8(at + 34u + l) >> (4u * (i & 1u)));
#elif TYPE == IQ3_XXS
	u32 levels = nibbles_spread(grid_entry(GRID_IQ3_XXS, load_u8(at + 2u + 8u * j + i)));
	u32 signs = eight_signs((load_u32(at + 66u + 4u * j) >> (7u * (i >> 1))) & 127u);
	u32 last = ((levels + 0x01010101u) >> 3) & 0x01010101u;
	return bytes_signed(levels * 8u + 0x04040404u + last * 2u, signs >> (4u * (i & 1u)));
#elif TYPE == IQ3_S
	u32 high = (load_u8(at + 66u + j) >> i) & 1u;
	u32 levels = nibbles_spread(grid_entry(GRID_IQ3_S, load_u8(at + 2u + 8u * j + i) | high << 8));
	return bytes_signed(levels * 2u + 0x01010101u, load_u8(at + 74u + 4u * j + (i >> 1)) >> (4u * (i & 1u)));
#elif TYPE == IQ1_S
	u32 h = load_u16(at + 34u + 2u * j);
	u32 entry = grid_entry(GRID_IQ1, load_u8(at + 2u + 4u * j + (i >> 1)) | ((h >> (3u * (i >> 1))) & 7u) << 8);
	return iq1_bytes(pairs_spread((entry >> (8u * (i & 1u))) & 255u), (h & 32768u) != 0u);
#elif TYPE == IQ1_M
	u32 l = 4u * j + (i >> 1);
	u32 h = load_u8(at + 32u + (l >> 1)) >> (4u * (l & 1u));
	u32 entry = grid_entry(GRID_IQ1, load_u8(at + l) | (h & 7u) << 8);
	return iq1_bytes(pairs_spread((entry >> (8u * (i & 1u))) & 255u), (h & 8u) != 0u);
#elif TYPE == TQ1_0
	if (j < 5u)
		return trits(load_u32(at + 4u * i), j);
	u32 e = 32u * (j - 5u) + 4u * i; /* behind the first 160 */
	if (e < 80u)
		return trits(load_u32(at + 32u + (e & 15u)), e >> 4);
	return trits(load_u32(at + 48u), (e - 80u) >> 2);
#elif TYPE == TQ2_0
	return bytes_less((load_u32(at + 32u * (j >> 2) + 4u * i) >> (2u * (j & 3u))) & 0x03030303u, 0x01010101u);
#endif
}
