#include "runtime/cpu.h"

#include "shaders/blocks_ref.h"

#include <string.h>

u32 cpu_weights_bias(u32 type)
{
	switch (type) {
	case TENSOR_Q4_1:
	case TENSOR_Q5_1:
	case TENSOR_Q2_K:
	case TENSOR_Q4_K:
	case TENSOR_Q5_K:
		return 0;
	case TENSOR_Q3_K:
		return 4;
	case TENSOR_Q4_0:
		return 8;
	case TENSOR_MXFP4:
		return 12;
	case TENSOR_Q5_0:
		return 16;
	case TENSOR_Q6_K:
		return 32;
	}
	return 128;
}

/* One row of the panel. */
static void row_put(const struct block_ints *b, u32 r, struct cpu_block *ret)
{
	for (u32 i = 0; i < 64; i++)
		memcpy(ret->w[i][r], b->q + 4 * i, 4);
	for (u32 j = 0; j < 16; j++)
		ret->sc[j][r] = b->sc[j];
	ret->d[r] = b->d;
}

void cpu_block_unpack(const struct cpu_tile *t, u32 block, struct cpu_block *ret)
{
	u32 bytes = block_bytes_of(t->type);
	for (u32 r = 0; r < CPU_PANEL; r++) {
		struct block_ints b;
		block_unpack(t->type, t->panel + ((size_t)r * t->blocks + block) * bytes, 0, &b);
		row_put(&b, r, ret);
	}
}
