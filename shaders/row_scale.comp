#version 450
#include "common.glsl"
#include "row_scale.h"

layout(local_size_x = 256) in;
BUF_INOUT(0, x);
BUF_IN(1, pos);
BUF_IN(2, t);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n)
		return;
	f32 v = WINDOWED(x[i]);
	f32 a = WINDOWED(t[pos[i / p.dim]]);
	f32 s = v * a;
	x[i] = exact_window_bits(f2u(s));
}
