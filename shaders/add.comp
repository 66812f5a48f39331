#version 450
#include "common.glsl"
#include "add.h"

layout(local_size_x = 256) in;
BUF_INOUT(0, x);
BUF_IN(1, y);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n)
		return;
	f32 a = WINDOWED(x[i]);
	f32 b = WINDOWED(y[i]);
	f32 s = a + b;
	x[i] = exact_window_bits(f2u(s));
}
