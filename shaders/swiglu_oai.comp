#version 450
#include "common.glsl"
#include "swiglu_oai.h"

layout(local_size_x = 256) in;
BUF_IN(0, gate);
BUF_IN(1, up);
BUF_OUT(2, y);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n)
		return;
	f32 g = WINDOWED(gate[i]);
	f32 u = WINDOWED(up[i]);
	f32 r = swiglu_oai(g, u);
	y[i] = exact_window_bits(f2u(r));
}
