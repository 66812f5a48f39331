#version 450
#include "common.glsl"
#include "rows.h"

layout(local_size_x = 256) in;
BUF_IN(0, x);
BUF_IN(1, rows);
BUF_OUT(2, y);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n * p.dim)
		return;
	y[i] = x[rows[i / p.dim] * p.dim + i % p.dim];
}
