#version 450
#include "common.glsl"
#include "kv_int8.h"
#include "kv_store.h"

/* One workgroup a head of a token: its lanes find the greatest magnitude together, then write a word of four elements each. */
layout(local_size_x = 32) in;
BUF_OUT(0, k_cache);
BUF_OUT(1, v_cache);
BUF_IN(2, tables);
BUF_IN(3, k);
BUF_IN(4, v);
BUF_IN(5, seq);
BUF_IN(6, pos);

shared u32 maxima[2][32];

/* The four elements that begin at d, zeros behind the last. */
#define WORD(from, inv)                                                      \
	u32 word = 0u;                                                       \
	for (u32 j = 0u; j < 4u; j++) {                                      \
		f32 x = d + j < p.head_dim ? WINDOWED(from[in_at + d + j]) : 0.0f; \
		f32 t = x * inv;                                             \
		int q = clamp(exact_round(t), -127, 127);                    \
		word |= (tou(q) & 255u) << (8u * j);                         \
	}

f32 inverse(u32 m)
{
	f32 r = exact_recip(u2f(m)) * 127.0f;
	r = m == 0u ? 0.0f : r;
	return r;
}

void main()
{
	u32 heads = p.width / p.head_dim;
	if (GROUP_X >= p.n * heads)
		return;
	u32 token = GROUP_X / heads;
	u32 head = GROUP_X % heads;
	u32 in_at = GROUP_X * p.head_dim;
	u32 page = tables[seq[token] * p.pages_per_seq + pos[token] / KV_PAGE];
	u32 at = kv_int8_at(page, pos[token] % KV_PAGE, heads, head, p.head_dim);
	u32 scale_at = kv_int8_scale_at(page, pos[token] % KV_PAGE, heads, head, p.head_dim);

	u32 mk = 0u;
	u32 mv = 0u;
	ROLLED for (u32 d = LANE; d < p.head_dim; d += 32u) {
		mk = max(mk, exact_window_bits(k[in_at + d]) & 0x7fffffffu);
		mv = max(mv, exact_window_bits(v[in_at + d]) & 0x7fffffffu);
	}
	maxima[0][LANE] = mk;
	maxima[1][LANE] = mv;
	barrier();
	ROLLED for (u32 l = 0u; l < 32u; l++) {
		mk = max(mk, maxima[0][l]);
		mv = max(mv, maxima[1][l]);
	}

	f32 inv_k = inverse(mk);
	f32 inv_v = inverse(mv);
	ROLLED for (u32 d = 4u * LANE; d < p.head_dim; d += 128u) {
		{
			WORD(k, inv_k)
			k_cache[at + d / 4u] = word;
		}
		{
			WORD(v, inv_v)
			v_cache[at + d / 4u] = word;
		}
	}
	if (LANE == 0u) {
		f32 scale_k = u2f(mk) * QUANTIZE_INV_127;
		f32 scale_v = u2f(mv) * QUANTIZE_INV_127;
		k_cache[scale_at] = f2u(scale_k);
		v_cache[scale_at] = f2u(scale_v);
	}
}
