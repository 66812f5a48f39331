#version 450
#include "common.glsl"
#include "map.h"

layout(local_size_x = 256) in;
BUF_INOUT(0, x);

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n)
		return;
	f32 v = WINDOWED(x[i]);
	f32 a = u2f(p.a_bits);
	f32 b = u2f(p.b_bits);
	f32 r;
	if (p.kind == MAP_SCALE) {
		f32 s = v * a;
		r = exact_window(s);
	} else if (p.kind == MAP_SOFTCAP) {
		f32 s = map_softcap(v, a, b);
		r = s;
	} else {
		f32 s = map_xielu(v, a, b, u2f(p.c_bits), u2f(p.d_bits));
		r = s;
	}
	x[i] = exact_window_bits(f2u(r));
}
