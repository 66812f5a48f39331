#version 450
#include "common.glsl"
#include "combine.h"

layout(local_size_x = 256) in;
BUF_IN(0, x);
BUF_IN(1, slot);
BUF_IN(2, w);
BUF_OUT(3, y);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.rows * p.dim)
		return;
	u32 row = i / p.dim * p.used;
	u32 e = i % p.dim;
	f32 sum = 0.0f;
	ROLLED for (u32 j = 0u; j < p.used; j++) {
		f32 a = WINDOWED(x[slot[row + j] * p.dim + e]);
		f32 b = WINDOWED(w[row + j]);
		sum = sum + a * b;
	}
	y[i] = exact_window_bits(f2u(sum));
}
