/* The codebooks of the IQ types as bytes, so that a look-up gives eight or four values. 36 KiB; the types of one model read a part, which stays in the first cache. */
#include "runtime/cpu_grid.h"

#include "shaders/grids.h"

#include <pthread.h>

static struct cpu_grids grids;

static u64 iq2_bytes(u32 entry)
{
	static const u8 level[4] = { 8, 25, 43, 0 };
	u64 x = 0;
	for (u32 i = 0; i < 8; i++)
		x |= (u64)level[entry >> (2 * i) & 3] << (8 * i);
	return x;
}

static u64 iq1_bytes(u32 entry)
{
	u64 x = 0;
	for (u32 i = 0; i < 8; i++)
		x |= (u64)((entry >> (2 * i) & 3) * 8) << (8 * i);
	return x;
}

static u32 iq3_bytes(u32 entry, bool xxs)
{
	u32 x = 0;
	for (u32 i = 0; i < 4; i++) {
		u32 l = entry >> (4 * i) & 15;
		x |= (!xxs ? 2 * l + 1 : l == 7 ? 62 : 8 * l + 4) << (8 * i);
	}
	return x;
}

static u64 sign_bytes(u32 signs)
{
	u64 x = 0;
	for (u32 i = 0; i < 8; i++)
		x |= (signs >> i & 1 ? 0xffull : 0) << (8 * i);
	return x;
}

static void make(void)
{
	for (u32 i = 0; i < ARRAY_LEN(grids.iq2_xxs); i++)
		grids.iq2_xxs[i] = iq2_bytes(grid_entry(GRID_IQ2_XXS, i));
	for (u32 i = 0; i < ARRAY_LEN(grids.iq2_xs); i++)
		grids.iq2_xs[i] = iq2_bytes(grid_entry(GRID_IQ2_XS, i));
	for (u32 i = 0; i < ARRAY_LEN(grids.iq2_s); i++)
		grids.iq2_s[i] = iq2_bytes(grid_entry(GRID_IQ2_S, i));
	for (u32 i = 0; i < ARRAY_LEN(grids.iq1); i++)
		grids.iq1[i] = iq1_bytes(grid_entry(GRID_IQ1, i));
	for (u32 i = 0; i < ARRAY_LEN(grids.iq3_xxs); i++)
		grids.iq3_xxs[i] = iq3_bytes(grid_entry(GRID_IQ3_XXS, i), true);
	for (u32 i = 0; i < ARRAY_LEN(grids.iq3_s); i++)
		grids.iq3_s[i] = iq3_bytes(grid_entry(GRID_IQ3_S, i), false);
	for (u32 i = 0; i < ARRAY_LEN(grids.signs); i++)
		grids.signs[i] = sign_bytes(i);
	for (u32 i = 0; i < ARRAY_LEN(grids.seven); i++)
		grids.seven[i] = sign_bytes(i | (u32)__builtin_parity(i) << 7);
}

const struct cpu_grids *cpu_grids(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make);
	return &grids;
}
