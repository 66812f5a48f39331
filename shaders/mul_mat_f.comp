#version 450
#include "common.glsl"
#include "types.glsl"
#include "mul_mat_f.h"

/* -DTYPE=F32, F16 or BF16. Eight rows of W a workgroup, 32 lanes a row, COLS columns share one reading of the weights. */
layout(local_size_x = 256) in;
layout(constant_id = 0) const u32 COLS = 1u;
layout(constant_id = 1) const u32 EXPERTS = 0u;
BUF_IN(0, w);
BUF_IN(1, x);
BUF_OUT(2, y);
BUF_IN(3, plan);

#include "columns.glsl"

#define COLS_MAX 8u
#define ROWS	 8u
shared float lanes[COLS * 256u];

f32 weight(u32 row, u32 e)
{
#if TYPE == F32
	f32 v = WINDOWED(w[p.base / 4u + row * p.k + e]);
#else
	u32 at = p.base / 2u + row * p.k + e;
	u32 h = (w[at / 2u] >> (16u * (at & 1u))) & 65535u;
#if TYPE == F16
	f32 v = exact_from_half(h);
	v = exact_window(v);
#else
	f32 v = WINDOWED(h << 16);
#endif
#endif
	return v;
}

void main()
{
	u32 row = GROUP_X * ROWS + LANE / MUL_MAT_F_LANES;
	u32 lane = LANE % MUL_MAT_F_LANES;
	if (!columns_find(COLS))
		return;
	u32 from = row_held(row);
	f32 acc[COLS_MAX];
	for (u32 c = 0u; c < COLS; c++)
		acc[c] = 0.0f;
	for (u32 e = lane; e < p.k; e += MUL_MAT_F_LANES) {
		f32 a = weight(from, e);
		for (u32 c = 0u; c < COLS; c++) {
			if (col0 + c >= col_end)
				continue;
			f32 b = u2f(x[(col0 + c) * p.k + e]);
			f32 s = acc[c] + a * b;
			acc[c] = s;
		}
	}
	for (u32 c = 0u; c < COLS; c++)
		lanes[c * 256u + LANE] = acc[c];
	barrier();
	for (u32 h = MUL_MAT_F_LANES / 2u; h > 0u; h /= 2u) {
		if (lane < h)
			for (u32 c = 0u; c < COLS; c++) {
				f32 s = lanes[c * 256u + LANE] + lanes[c * 256u + LANE + h];
				lanes[c * 256u + LANE] = s;
			}
		barrier();
	}
	if (row_here(row) && lane < COLS && col0 + lane < col_end)
		y[(col0 + lane) * p.n_out + row_from + row] =
			exact_window_bits(f2u(lanes[lane * 256u + LANE - lane]));
}
