#version 450
#include "common.glsl"
#include "rms_norm.h"

layout(local_size_x = 256) in;
BUF_IN(0, x);
BUF_IN(1, w);
BUF_OUT(2, y);

shared float lanes[RMS_NORM_LANES];

void main()
{
	u32 row = GROUP_X;
	if (row >= p.rows)
		return;
	u32 base = row * p.dim;
	f32 acc = 0.0f;
	for (u32 i = LANE; i < p.dim; i += RMS_NORM_LANES) {
		f32 v = WINDOWED(x[base + i]);
		acc = acc + v * v;
	}
	lanes[LANE] = acc;
	barrier();
	for (u32 h = RMS_NORM_LANES / 2u; h > 0u; h /= 2u) {
		if (LANE < h) {
			f32 s = lanes[LANE] + lanes[LANE + h];
			lanes[LANE] = s;
		}
		barrier();
	}
	f32 mean = lanes[0] * u2f(p.inv_dim_bits);
	f32 m = exact_rsqrt(mean + u2f(p.eps_bits));
	for (u32 i = LANE; i < p.dim; i += RMS_NORM_LANES) {
		f32 v = WINDOWED(x[base + i]);
		f32 g = WINDOWED(w[i]);
		f32 t = v * m;
		t = exact_window(t);
		f32 r = t * g;
		y[base + i] = exact_window_bits(f2u(r));
	}
}
