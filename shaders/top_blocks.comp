#version 450
#include "common.glsl"
#include "top_blocks.h"

layout(local_size_x = 64) in;
BUF_IN(0, x);
BUF_IN(1, most);
BUF_IN(2, need);
BUF_OUT(3, out_words);

shared u32 low[64];
shared u32 high[64];

/* Of block b among those of the row whose maxima begin at `at`; what is beyond `want` is not told apart. */
u32 rank_of(u32 at, u32 b, u32 mine, u32 want)
{
	u32 rank = 0u;
	ROLLED for (u32 j = 0u; j < p.blocks; j++) {
		u32 k = most[at + j];
		if (k > mine || (k == mine && j < b))
			rank++;
		if (rank > want)
			break;
	}
	return rank;
}

void main()
{
	u32 row = gl_WorkGroupID.y;
	u32 groups = (p.blocks + TOP_GROUP - 1u) / TOP_GROUP;
	u32 want = need[2u * row];
	if (GROUP_X >= groups || want == 0u)
		return;
	u32 out_at = row * TOP_WORDS(groups, p.cap);
	u32 at = row * p.blocks;
	u32 x_at = row * p.n;
	u32 b = GROUP_X * TOP_GROUP + LANE;
	u32 mine = b < p.blocks ? most[at + b] : 0u;
	low[LANE] = mine;
	barrier();
	u32 key = 0u;
	for (u32 l = 0u; l < TOP_GROUP; l++)
		key = max(key, low[l]);
	barrier();

	u32 rank = b < p.blocks ? rank_of(at, b, mine, want) : 0xffffffffu;
	u32 first = b * TOP_BLOCK;
	u32 end = b < p.blocks ? min(first + TOP_BLOCK, p.n) : first;
	if (rank < want) {
		u32 to = out_at + TOP_VALUES(groups, p.cap) + rank * TOP_BLOCK;
		out_words[out_at + TOP_INDICES(groups) + rank] = b;
		for (u32 i = 0u; i < TOP_BLOCK; i++)
			out_words[to + i] = first + i < end ? exact_window_bits(x[x_at + first + i]) : 0u;
		end = first;
	}
	if (rank == want) {
		out_words[out_at] = mine;
		out_words[out_at + 1u] = b;
	}

	f32 factor = u2f(need[2u * row + 1u]);
	f32 top = u2f(top_bits(key)) * factor;
	u32 lo = 0u;
	u32 hi = 0u;
	if (need[2u * row + 1u] != 0u) {
		ROLLED for (u32 i = first; i < end; i++) {
			f32 v = WINDOWED(x[x_at + i]) * factor;
			f32 d = v - top;
			f32 e = exact_exp(d);
			u32 l = top_fix_low(f2u(e));
			lo += l;
			hi += top_fix_high(f2u(e)) + (lo < l ? 1u : 0u);
		}
	}
	low[LANE] = lo;
	high[LANE] = hi;
	barrier();
	if (LANE != 0u)
		return;
	lo = 0u;
	hi = 0u;
	for (u32 l = 0u; l < TOP_GROUP; l++) {
		lo += low[l];
		hi += high[l] + (lo < low[l] ? 1u : 0u);
	}
	u32 to = out_at + TOP_WEIGHTS + TOP_GROUP_WORDS * GROUP_X;
	out_words[to] = lo;
	out_words[to + 1u] = hi;
	out_words[to + 2u] = key;
	if (GROUP_X == 0u && want >= p.blocks) {
		out_words[out_at] = 0u;
		out_words[out_at + 1u] = 0u;
	}
}
