#version 450
#include "common.glsl"
#include "types.glsl"
#include "embed.h"

/* -DTYPE=... */
layout(local_size_x = 256) in;
BUF_IN(0, w);
BUF_IN(1, ids);
BUF_OUT(2, y);

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
	u32 at = row + e / BLOCK_LEN * BLOCK_BYTES;
	u32 j = e % BLOCK_LEN / 32u;
	u32 word = block_word(at, j, e % 32u / 4u);
	int q = bitfieldExtract(toi(word), toi(8u * (e & 3u)), 8);
	f32 d = block_d(at);
#if TYPE == Q4_0
	q -= 8;
#elif TYPE == Q6_K
	q *= block_scale_16(at, e % BLOCK_LEN / 16u);
#elif TYPE == Q4_K || TYPE == Q5_K
	u32 sm = block_scale_min(at, j);
	q *= toi(sm & 255u);
#endif
	f32 v = tof(q) * d;
#if TYPE == Q4_K || TYPE == Q5_K
	f32 o = tof(toi(sm >> 8)) * block_dmin(at);
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
