#version 450
#include "common.glsl"
#include "attention_join.h"

/* One workgroup a head of a token, LANES blocks at a time: lane i finds the weights of block i, which need only the largest of the scores before it; then lane l joins
 * elements l, l + LANES, … left to right. */
#define LANES 64u
#define AHEAD 8u /* parts that are read before they are joined */
layout(local_size_x = LANES) in;
BUF_INOUT(0, parts);
BUF_IN(1, pos);
BUF_OUT(2, y);
BUF_IN(3, sinks);

shared float largest[LANES];
shared float sums[LANES];
shared float old_weight[LANES]; /* of what has been joined, of the block */
shared float new_weight[LANES];
shared float total[ATTENTION_HEAD_DIM_MAX]; /* O: lane l alone touches elements l, l + LANES, … */

/* The weights of block LANE of `count`, m_all that of all before; behind them weights that change nothing. Returns the largest of all. */
f32 weigh(u32 at, u32 count, f32_in m_all, bool none)
{
	u32 mine = at + LANE * (p.head_dim + 2u) + p.head_dim;
	f32 m = LANE < count ? u2f(parts[mine]) : 0.0f;
	f32 l = LANE < count ? u2f(parts[mine + 1u]) : 0.0f;
	largest[LANE] = m;
	sums[LANE] = l;
	barrier();
	f32 before = m_all;
	f32 all = m_all;
	if (none) {
		all = largest[0];
		before = LANE == 0u ? m : all;
	}
	ROLLED for (u32 i = 0u; i < count; i++) {
		f32 s = largest[i];
		before = i < LANE && s > before ? s : before;
		all = s > all ? s : all;
	}
	f32 now = m > before ? m : before;
	f32 wa = attention_weight(before - now);
	f32 wb = attention_weight(m - now);
	wa = LANE < count ? wa : 1.0f;
	wb = LANE < count ? wb : 0.0f;
	old_weight[LANE] = wa;
	new_weight[LANE] = wb;
	barrier();
	return all;
}

/* Element d of the blocks from `at` on joined to that of those before. */
f32 joined(f32_in before, u32 at, u32 count)
{
	f32 r = before;
	ROLLED for (u32 i = 0u; i < count; i += AHEAD) {
		float o[AHEAD];
		for (u32 k = 0u; k < AHEAD; k++) {
			f32 v = i + k < count ? u2f(parts[at + (i + k) * (p.head_dim + 2u)]) : 0.0f;
			o[k] = v;
		}
		for (u32 k = 0u; k < AHEAD; k++) {
			r = r * old_weight[i + k] + o[k] * new_weight[i + k];
			r = exact_window(r);
		}
	}
	return r;
}

void main()
{
	u32 head = GROUP_X;
	u32 token = gl_WorkGroupID.y;
	if (head >= p.heads)
		return;
	u32 row = token * p.heads + head;
	u32 state = row * (p.head_dim + 2u);
	u32 has = pos[token] / ATTENTION_BLOCK -
		  attention_first(pos[token], p.window, p.pieces) / ATTENTION_BLOCK + 1u;
	u32 end = min(has, p.first + p.blocks);
	bool fresh = p.first == 0u;
	f32 m_all = fresh ? 0.0f : u2f(parts[state + p.head_dim]);
	f32 l_all = fresh ? 0.0f : u2f(parts[state + p.head_dim + 1u]);
	ROLLED for (u32 d = LANE; d < p.head_dim; d += LANES) {
		f32 o = fresh ? 0.0f : u2f(parts[state + d]);
		total[d] = o;
	}
	ROLLED for (u32 b = p.first; b < end; b += LANES) {
		u32 count = min(LANES, end - b);
		u32 at = attention_part_at(p.n * p.heads, row, b - p.first, p.blocks, p.head_dim);
		m_all = weigh(at, count, m_all, b == 0u);
		ROLLED for (u32 d = LANE; d < p.head_dim; d += LANES) {
			f32 o = joined(total[d], at + d, count);
			total[d] = o;
		}
		ROLLED for (u32 i = 0u; i < count; i++)
			l_all = l_all * old_weight[i] + sums[i] * new_weight[i];
		barrier(); /* before the next blocks overwrite weights */
	}
	if (p.last == 0u) {
		ROLLED for (u32 d = LANE; d < p.head_dim; d += LANES)
			parts[state + d] = f2u(total[d]);
		if (LANE == 0u) {
			parts[state + p.head_dim] = f2u(m_all);
			parts[state + p.head_dim + 1u] = f2u(l_all);
		}
		return;
	}
	f32 fade = 1.0f;
	if (p.sinks == 1u) {
		f32 z = WINDOWED(sinks[head]);
		f32 m_new = z > m_all ? z : m_all;
		f32 ws = attention_weight(z - m_new);
		fade = attention_weight(m_all - m_new);
		l_all = l_all * fade + ws;
	}
	f32 r = exact_recip(l_all);
	ROLLED for (u32 d = LANE; d < p.head_dim; d += LANES) {
		f32 o = total[d];
		o = o * fade;
		o = exact_window(o);
		f32 v = o * r;
		y[row * p.head_dim + d] = exact_window_bits(f2u(v));
	}
}
