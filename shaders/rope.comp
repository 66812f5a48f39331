#version 450
#include "common.glsl"
#include "rope.h"

layout(local_size_x = 256) in;
BUF_INOUT(0, x);
BUF_IN(1, pos);
BUF_IN(2, table);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	u32 pairs = p.rope_dim / 2u;
	if (i >= p.n * p.heads * pairs)
		return;
	u32 j = i % pairs;
	u32 head = i / pairs; /* of all tokens */
	u32 row = pos[head / p.heads] - p.first;
	if (row >= p.count)
		return;
	u32 at = head * p.head_dim + (p.halves != 0u ? j : 2u * j);
	u32 other = at + (p.halves != 0u ? pairs : 1u);
	u32 t = p.base + (row * pairs + j) * 2u;
	f32 x0 = WINDOWED(x[at]);
	f32 x1 = WINDOWED(x[other]);
	f32 c = WINDOWED(table[t]);
	f32 s = WINDOWED(table[t + 1u]);
	f32 y0 = x0 * c - x1 * s;
	f32 y1 = x0 * s + x1 * c;
	x[at] = exact_window_bits(f2u(y0));
	x[other] = exact_window_bits(f2u(y1));
}
