#version 450
#include "common.glsl"
#include "layer_norm.h"

layout(local_size_x = 256) in;
BUF_IN(0, x);
BUF_IN(1, w);
BUF_OUT(2, y);

shared float lanes[LAYER_NORM_LANES];

/* The sum of all lanes, in every lane; they are free again on return. */
f32 tree(f32_in mine)
{
	lanes[LANE] = mine;
	barrier();
	for (u32 h = LAYER_NORM_LANES / 2u; h > 0u; h /= 2u) {
		if (LANE < h) {
			f32 s = lanes[LANE] + lanes[LANE + h];
			lanes[LANE] = s;
		}
		barrier();
	}
	f32 r = lanes[0];
	barrier();
	return r;
}

void main()
{
	u32 row = GROUP_X;
	if (row >= p.rows)
		return;
	u32 base = row * p.dim;
	f32 acc = 0.0f;
	for (u32 i = LANE; i < p.dim; i += LAYER_NORM_LANES) {
		f32 v = WINDOWED(x[base + i]);
		acc = acc + v;
	}
	f32 sum = tree(acc);
	f32 mean = sum * u2f(p.inv_dim_bits);
	mean = exact_window(mean);
	acc = 0.0f;
	for (u32 i = LANE; i < p.dim; i += LAYER_NORM_LANES) {
		f32 v = WINDOWED(x[base + i]);
		f32 d = v - mean;
		d = exact_window(d);
		acc = acc + d * d;
	}
	sum = tree(acc);
	f32 var = sum * u2f(p.inv_dim_bits);
	f32 m = exact_rsqrt(var + u2f(p.eps_bits));
	for (u32 i = LANE; i < p.dim; i += LAYER_NORM_LANES) {
		f32 v = WINDOWED(x[base + i]);
		f32 g = WINDOWED(w[i]);
		f32 d = v - mean;
		d = exact_window(d);
		f32 t = d * m;
		t = exact_window(t);
		f32 r = t * g;
		y[base + i] = exact_window_bits(f2u(r));
	}
}
