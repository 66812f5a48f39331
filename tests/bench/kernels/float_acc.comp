#version 450
#include "common.glsl"
#include "types.glsl"
#include "mul_mat_q.h"
#include "grids.h"

/* What mul_mat_q.comp computes, as kernels do that are not exact: -DTYPE=a quantised type of types.glsl, activations in float32, a weight dequantised to a float, one fused multiply-add for
 * each element, sums in whatever order is fastest. The same unpacking, lanes and columns, so that what differs is the arithmetic. For bench_exact.c alone. */
layout(local_size_x = 64) in;
layout(constant_id = 0) const u32 COLS = 1u;
layout(constant_id = 1) const u32 LANES = 1u;
BUF_IN(0, w);
BUF_IN(1, x);
BUF_OUT(2, y);
BUF_IN(3, grids);

#undef f32
#define f32 float
#define exact_from_half(h) unpackHalf2x16(h).x
#include "blocks.glsl"

#define COLS_MAX 8u
#define ROWS	 (64u / LANES)
shared float parts[COLS_MAX * 64u];

/* Scale and what is taken off of the elements 4i..4i+3 of the 32 elements j. */
vec2 scale_min(u32 at, u32 j, u32 i, float d, float dmin)
{
#if SCALE_LEN == 32
	float s = d * float(block_scale(at, j));
#elif SCALE_LEN == 16
	float s = d * float(block_scale(at, 2u * j + (i >> 2)));
#else
	float s = d;
#endif
#if TYPE == Q4_0
	return vec2(s, 8.0 * s);
#elif MIN_LEN == 32
	return vec2(s, dmin * float(block_min(at, j)));
#else
	return vec2(s, 0.0);
#endif
}

void add_block(u32 row, u32 col0, u32 block, inout float acc[COLS_MAX])
{
	u32 at = term_at(p.base + row * p.row_bytes, block);
	float d = block_d(at);
#if MIN_LEN != 0
	float dmin = block_dmin(at);
#else
	float dmin = 0.0;
#endif
	ROLLED for (u32 j = 0u; j < TERM_LEN / 32u; j++) {
		for (u32 i = 0u; i < 8u; i++) {
			int q = toi(block_word(at, j, i));
			vec2 by = scale_min(at, j, i, d, dmin);
			vec4 v = fma(vec4(bitfieldExtract(q, 0, 8), bitfieldExtract(q, 8, 8), bitfieldExtract(q, 16, 8), q >> 24), by.xxxx, -by.yyyy);
			for (u32 c = 0u; c < COLS; c++) {
				u32 from = min(col0 + c, p.cols - 1u) * p.k + block * TERM_LEN + 32u * j + 4u * i;
				for (u32 e = 0u; e < 4u; e++)
					acc[c] = fma(v[e], u2f(x[from + e]), acc[c]);
			}
		}
	}
}

void main()
{
	u32 row = GROUP_X * ROWS + LANE / LANES;
	u32 col0 = gl_WorkGroupID.y * COLS;
	u32 lane = LANE % LANES;
	float acc[COLS_MAX];
	for (u32 c = 0u; c < COLS; c++)
		acc[c] = 0.0;
	ROLLED for (u32 block = lane; block < p.k / TERM_LEN; block += LANES)
		add_block(min(row, p.count - 1u), col0, block, acc);
	if (LANES > 1u) {
		for (u32 c = 0u; c < COLS; c++)
			parts[c * 64u + LANE] = acc[c];
		barrier();
		for (u32 h = LANES / 2u; h > 0u; h /= 2u) {
			if (lane < h)
				for (u32 c = 0u; c < COLS; c++)
					parts[c * 64u + LANE] += parts[c * 64u + LANE + h];
			barrier();
		}
		for (u32 c = 0u; c < COLS; c++)
			acc[c] = parts[c * 64u + LANE];
	}
	for (u32 c = 0u; c < COLS; c++)
		if (lane == 0u && row < p.count && col0 + c < p.cols)
			y[(col0 + c) * p.n_out + p.first + row] = f2u(acc[c]);
}
