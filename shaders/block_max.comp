#version 450
#include "common.glsl"
#include "block_max.h"

layout(local_size_x = 64) in;
BUF_IN(0, x);
BUF_OUT(1, most);

void main()
{
	u32 b = GROUP_X * 64u + LANE;
	u32 row = gl_WorkGroupID.y;
	if (b >= p.blocks)
		return;
	u32 at = row * p.n;
	u32 end = at + min((b + 1u) * TOP_BLOCK, p.n);
	u32 best = 0u;
	for (u32 i = at + b * TOP_BLOCK; i < end; i++)
		best = max(best, top_key(exact_window_bits(x[i])));
	most[row * p.blocks + b] = best;
}
