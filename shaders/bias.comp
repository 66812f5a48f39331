#version 450
#include "common.glsl"
#include "bias.h"

layout(local_size_x = 256) in;
BUF_INOUT(0, x);
BUF_IN(1, b);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n)
		return;
	f32 v = WINDOWED(x[i]);
	f32 a = WINDOWED(b[p.base + i % p.dim]);
	f32 s = v + a;
	x[i] = exact_window_bits(f2u(s));
}
