/* What the kernels of attention share: attention, attention_part, attention_join. */
#ifndef KEEP_SHADERS_ATTENTION_BLOCK_H
#define KEEP_SHADERS_ATTENTION_BLOCK_H
#include "exact.h"
#include "lang.h"

#define ATTENTION_HEAD_DIM_MAX 512u /* shared memory holds one head: HEAD_DIM_MAX */
#define ATTENTION_BLOCK	       32u  /* positions: KV_PAGE */

/* The first position that one at `pos` attends to. */
FUNC u32 attention_first(u32 pos, u32 window, u32 pieces)
{
	u32 slid = pos + 1u - window;
	if (window == 0u || pos < window)
		return 0u;
	return pieces == 1u ? pos - pos % window : slid;
}

FUNC f32 attention_weight(f32_in x)
{
	f32 e = exact_exp(x);
	f32 r = f2u(e) < 0x21800000u ? 0.0f : e;
	return r;
}

FUNC f32 attention_share(f32_in w, f32_in scale)
{
	f32 s = w * scale;
	f32 r = f2u(s) < 0x17800000u ? 0.0f : s;
	return r;
}

/* Where the part of a block of row 0 .. rows - 1 stands, in floats: head_dim elements, m, l. Before them all are the states of the rows. */
FUNC u32 attention_part_at(u32 rows, u32 row, u32 block, u32 blocks, u32 head_dim)
{
	return (rows + row * blocks + block) * (head_dim + 2u);
}
#endif
