#version 450
#include "common.glsl"
#include "kv_store.h"

/* -DHALF: caches of float16. Those of int8 have a kernel of their own. */
layout(local_size_x = 256) in;
BUF_OUT(0, k_cache);
BUF_OUT(1, v_cache);
BUF_IN(2, tables);
BUF_IN(3, k);
BUF_IN(4, v);
BUF_IN(5, seq);
BUF_IN(6, pos);

#ifdef HALF
u32 half_bits(u32 u)
{
	f32 x = WINDOWED(u);
	return exact_to_half(x);
}
#define STORE(cache, from)                                                                      \
	cache[(row * p.width + e) / 2u] = half_bits(from[2u * i]) | half_bits(from[2u * i + 1u]) << 16
#else
#define STORE(cache, from)                                                \
	cache[row * p.width + e] = exact_window_bits(from[2u * i]);       \
	cache[row * p.width + e + 1u] = exact_window_bits(from[2u * i + 1u])
#endif

void main()
{
	u32 i = GROUP_X * 256u + LANE;
	u32 pairs = p.width / 2u;
	if (i >= p.n * pairs)
		return;
	u32 token = i / pairs;
	u32 e = 2u * (i % pairs);
	u32 at = pos[token];
	u32 page = tables[seq[token] * p.pages_per_seq + at / KV_PAGE];
	u32 row = page * KV_PAGE + at % KV_PAGE;
	STORE(k_cache, k);
	STORE(v_cache, v);
}
