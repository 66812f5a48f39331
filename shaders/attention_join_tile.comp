#version 450
#include "common.glsl"
#include "attention_join.h"

/* One workgroup a head of a token, for drivers that run on a CPU, where what all lanes read alike is one load: lane l joins elements l, l + LANES, … of PER * LANES at a time, left to
 * right, and all find the same weights as they go. Nothing is shared and there is no barrier. */
#define LANES 8u
#define PER   8u
layout(local_size_x = 8) in;
BUF_INOUT(0, parts);
BUF_IN(1, pos);
BUF_OUT(2, y);
BUF_IN(3, sinks);

u32 row, end, stride, state;
float o[PER]; /* elements d0 + LANE, … of what has been joined */
float m_all, l_all;

void begin(u32 d0)
{
	bool fresh = p.first == 0u;
	for (u32 i = 0u; i < PER; i++) {
		u32 d = min(d0 + i * LANES + LANE, p.head_dim - 1u);
		f32 v = fresh ? 0.0f : u2f(parts[state + d]);
		o[i] = v;
	}
	f32 m = fresh ? 0.0f : u2f(parts[state + p.head_dim]);
	f32 l = fresh ? 0.0f : u2f(parts[state + p.head_dim + 1u]);
	m_all = m;
	l_all = l;
}

/* The parts of block b, which lie at `at`. */
void join(u32 b, u32 at, u32 d0)
{
	f32 m = u2f(parts[at + p.head_dim]);
	f32 l = u2f(parts[at + p.head_dim + 1u]);
	f32 now = b == 0u || m > m_all ? m : m_all;
	f32 before = b == 0u ? m : m_all;
	f32 wa = attention_weight(before - now);
	f32 wb = attention_weight(m - now);
	f32 both = l_all * wa + l * wb;
	l_all = both;
	m_all = now;
	for (u32 i = 0u; i < PER; i++) {
		u32 d = min(d0 + i * LANES + LANE, p.head_dim - 1u);
		f32 v = o[i] * wa + u2f(parts[at + d]) * wb;
		v = exact_window(v);
		o[i] = v;
	}
}

void keep(u32 d0)
{
	for (u32 i = 0u; i < PER; i++) {
		u32 d = d0 + i * LANES + LANE;
		if (d < p.head_dim)
			parts[state + d] = f2u(o[i]);
	}
	if (LANE == 0u && d0 + PER * LANES >= p.head_dim) {
		parts[state + p.head_dim] = f2u(m_all);
		parts[state + p.head_dim + 1u] = f2u(l_all);
	}
}

/* The sink, and the division by the sum of the weights. */
void finish(u32 head, u32 d0)
{
	f32 fade = 1.0f;
	f32 l = l_all;
	if (p.sinks == 1u) {
		f32 z = WINDOWED(sinks[head]);
		f32 m_new = z > m_all ? z : m_all;
		f32 ws = attention_weight(z - m_new);
		fade = attention_weight(m_all - m_new);
		l = l * fade + ws;
	}
	f32 r = exact_recip(l);
	for (u32 i = 0u; i < PER; i++) {
		u32 d = d0 + i * LANES + LANE;
		f32 v = o[i] * fade;
		v = exact_window(v);
		f32 by = v * r;
		if (d < p.head_dim)
			y[row * p.head_dim + d] = exact_window_bits(f2u(by));
	}
}

void main()
{
	u32 head = GROUP_X;
	u32 token = gl_WorkGroupID.y;
	if (head >= p.heads)
		return;
	row = token * p.heads + head;
	stride = p.head_dim + 2u;
	state = row * stride;
	u32 has = pos[token] / ATTENTION_BLOCK -
		  attention_first(pos[token], p.window, p.pieces) / ATTENTION_BLOCK + 1u;
	end = min(has, p.first + p.blocks);
	u32 at = attention_part_at(p.n * p.heads, row, 0u, p.blocks, p.head_dim);
	ROLLED for (u32 d0 = 0u; d0 < p.head_dim; d0 += PER * LANES) {
		begin(d0);
		ROLLED for (u32 b = p.first; b < end; b++)
			join(b, at + (b - p.first) * stride, d0);
		if (p.last == 0u)
			keep(d0);
		else
			finish(head, d0);
	}
}
