#version 450
#include "common.glsl"
#include "types.glsl"
#include "embed.h"
#include "grids.h"

/* -DTYPE=... */
layout(local_size_x = 256) in;
BUF_IN(0, w);
BUF_IN(1, ids);
BUF_OUT(2, y);
#ifdef TERM_LEN
BUF_IN(3, grids);
#endif

#if TYPE == F32
u32 element(u32 row, u32 e)
{
	return exact_window_bits(w[row / 4u + e]);
}
#elif TYPE == F16 || TYPE == BF16
u32 element(u32 row, u32 e)
{
	u32 at = row / 2u + e;
	u32 h = (w[at / 2u] >> (16u * (at & 1u))) & 65535u;
#if TYPE == F16
	f32 v = exact_from_half(h);
	return exact_window_bits(f2u(v));
#else
	return exact_window_bits(h << 16);
#endif
}
#else
#include "blocks.glsl"

u32 element(u32 row, u32 e)
{
	u32 at = term_at(row, e / TERM_LEN);
	u32 j = e % TERM_LEN / 32u;
	u32 word = block_word(at, j, e % 32u / 4u);
	int q = bitfieldExtract(toi(word), toi(8u * (e & 3u)), 8);
	f32 d = block_d(at);
#if TYPE == NVFP4
	f32 d2 = block_dmin(at);
	d = e % 32u < 16u ? d : d2;
#elif TYPE == Q4_0
	q -= 8;
#elif SCALE_LEN != 0
	q *= block_scale(at, e % TERM_LEN / SCALE_LEN);
#endif
	f32 v = tof(q) * d;
#if MIN_LEN == 32 || MIN_LEN == 16
	f32 o = tof(block_min(at, e % TERM_LEN / MIN_LEN)) * block_dmin(at);
	v = v - o;
#elif MIN_LEN == ONE
	f32 o = block_dmin(at);
	v = v - o;
#endif
	return exact_window_bits(f2u(v));
}
#endif

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	if (i >= p.n * p.dim)
		return;
	u32 id = ids[i / p.dim];
	if (id >= p.vocab) {
		y[i] = 0u;
		return;
	}
	id -= p.first;
	if (id < p.count)
		y[i] = element(p.base + id * p.row_bytes, i % p.dim);
}
