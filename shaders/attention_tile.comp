#version 450
#include "common.glsl"
#include "attention.h"

/* -DHALF: caches of float16. Many tokens on drivers that run on a CPU, where a lane is a lane of a vector register and what all lanes read alike is one load:
 * a lane has TOKENS tokens, one head of each, and a key is decoded once for all tokens of the workgroup where these are of one sequence. Nothing is shared and
 * there is no barrier. What a token has added up so far lies in y. */
#define LANES  8u
#define TOKENS 2u
#define GROUP  (LANES * TOKENS)
#define PAGE   32u
layout(local_size_x = 8) in;
BUF_IN(0, k_cache);
BUF_IN(1, v_cache);
BUF_IN(2, tables);
BUF_IN(3, q);
BUF_IN(4, seq);
BUF_IN(5, pos);
BUF_INOUT(6, y);
BUF_IN(7, sinks);

/* Elements of a word, and the e-th of them. */
#ifdef HALF
#define PER	    2u
#define PIECE(w, e) exact_from_half((w) >> (16u * (e)))
#else
#define PER	    1u
#define PIECE(w, e) u2f(w)
#endif

u32 head, g, token0, begin, blocks; /* begin: the block where the first of the tokens begins, when they go side by side */
u32 out_at[TOKENS], lo[TOKENS], start[TOKENS], last[TOKENS], pages[TOKENS];
bool real[TOKENS]; /* there is such a token */

/* Of the block: where it begins, which positions of it take part, and its rows in the caches. */
u32 from[TOKENS], n[TOKENS], at[TOKENS];
bool first[TOKENS], takes[TOKENS];
float s[TOKENS * PAGE]; /* scores, then weights */
float m_all[TOKENS];
float l_all[TOKENS];

/* What the tokens of the workgroup have in common: can they go through the blocks side by side? */
bool look()
{
	u32 end = 0u;
	bool same = true;
	begin = 0xffffffffu;
	blocks = 0u;
	ROLLED for (u32 i = 0u; i < GROUP; i++) {
		u32 token = min(token0 + i, p.n - 1u);
		u32 b = attention_first(pos[token], p.window, p.pieces) / PAGE;
		same = same && seq[token] == seq[token0];
		begin = min(begin, b);
		end = max(end, pos[token] / PAGE);
		blocks = max(blocks, pos[token] / PAGE + 1u - b);
	}
	bool near = end + 1u - begin <= blocks + 1u;
	blocks = same && near ? end + 1u - begin : blocks;
	return same && near;
}

void find_tokens()
{
	for (u32 r = 0u; r < TOKENS; r++) {
		u32 i = token0 + r * LANES + LANE;
		u32 token = min(i, p.n - 1u);
		real[r] = i < p.n;
		out_at[r] = (token * p.heads + head) * p.head_dim;
		last[r] = pos[token];
		lo[r] = attention_first(last[r], p.window, p.pieces);
		start[r] = lo[r] / PAGE * PAGE;
		pages[r] = seq[token] * p.pages_per_seq;
		m_all[r] = 0.0f;
		l_all[r] = 0.0f;
	}
}

/* Block b of the tokens; a token that does not take part reads what is there, and stores nothing. */
void find_block(const bool same, u32 b)
{
	for (u32 r = 0u; r < TOKENS; r++) {
		u32 t0 = same ? (begin + b) * PAGE : start[r] + b * PAGE;
		takes[r] = real[r] && t0 >= start[r] && t0 <= last[r];
		first[r] = t0 == start[r];
		from[r] = first[r] ? lo[r] - start[r] : 0u;
		n[r] = min(PAGE, last[r] + 1u - t0);
		u32 page = tables[same ? seq[token0] * p.pages_per_seq + begin + b :
					 pages[r] + min(t0, last[r]) / PAGE];
		at[r] = (page * PAGE * p.kv_heads + g) * p.head_dim / PER;
	}
}

void score(const bool same)
{
	u32 stride = p.kv_heads * p.head_dim / PER;
	for (u32 i = 0u; i < TOKENS * PAGE; i++)
		s[i] = 0.0f;
	ROLLED for (u32 w = 0u; w < p.head_dim / PER; w++) {
		float a[TOKENS * PER];
		for (u32 i = 0u; i < TOKENS * PER; i++)
			a[i] = WINDOWED(q[out_at[i / PER] + w * PER + i % PER]);
		for (u32 t = 0u; t < PAGE; t++) {
			u32 bits0 = k_cache[at[0] + t * stride + w];
			for (u32 r = 0u; r < TOKENS; r++) {
				u32 bits = same || r == 0u ? bits0 : k_cache[at[r] + t * stride + w];
				for (u32 e = 0u; e < PER; e++) {
					f32 b = PIECE(bits, e);
					f32 d = s[r * PAGE + t] + a[r * PER + e] * b;
					s[r * PAGE + t] = d;
				}
			}
		}
	}
}

/* The weights of token r, their sum by the tree, and what becomes of the sums so far (wa) and of the block's (wb). */
void weigh(u32 r, out float wa, out float wb)
{
	f32 m = 0.0f;
	for (u32 t = 0u; t < PAGE; t++) {
		f32 w = exact_window(s[r * PAGE + t]);
		f32 v = w * u2f(p.scale_bits);
		v = exact_window(v);
		s[r * PAGE + t] = v;
		bool most = t >= from[r] && t < n[r] && (t == from[r] || v > m);
		m = most ? v : m;
	}
	for (u32 t = 0u; t < PAGE; t++) {
		f32 v = s[r * PAGE + t] - m;
		v = t >= from[r] && t < n[r] ? v : 0.0f;
		v = attention_weight(v);
		v = t >= from[r] && t < n[r] ? v : 0.0f;
		s[r * PAGE + t] = v;
	}
	float a[16];
	for (u32 t = 0u; t < 16u; t++) {
		f32 v = s[r * PAGE + t] + s[r * PAGE + t + 16u];
		a[t] = v;
	}
	for (u32 h = 8u; h > 0u; h /= 2u)
		for (u32 t = 0u; t < h; t++) {
			f32 v = a[t] + a[t + h];
			a[t] = v;
		}
	f32 l = a[0];
	f32 m_new = first[r] || m > m_all[r] ? m : m_all[r];
	f32 old = attention_weight(m_all[r] - m_new);
	f32 now = attention_weight(m - m_new);
	f32 both = l_all[r] * old + l * now;
	both = first[r] ? l : both;
	l_all[r] = takes[r] ? both : l_all[r];
	m_all[r] = takes[r] ? m_new : m_all[r];
	wa = old;
	wb = now;
}

void add_values(const bool same, float wa[TOKENS], float wb[TOKENS])
{
	u32 stride = p.kv_heads * p.head_dim / PER;
	ROLLED for (u32 w = 0u; w < p.head_dim / PER; w++) {
		float o[TOKENS * PER];
		for (u32 i = 0u; i < TOKENS * PER; i++)
			o[i] = 0.0f;
		for (u32 t = 0u; t < PAGE; t++) {
			u32 bits0 = v_cache[at[0] + t * stride + w];
			for (u32 r = 0u; r < TOKENS; r++) {
				u32 bits = same || r == 0u ? bits0 : v_cache[at[r] + t * stride + w];
				for (u32 e = 0u; e < PER; e++) {
					f32 b = PIECE(bits, e);
					f32 v = o[r * PER + e] + s[r * PAGE + t] * b; /* a weight of 0 adds nothing */
					o[r * PER + e] = v;
				}
			}
		}
		for (u32 i = 0u; i < TOKENS * PER; i++) {
			u32 r = i / PER;
			if (!takes[r])
				continue;
			u32 d = out_at[r] + w * PER + i % PER;
			f32 v = exact_window(o[i]);
			f32 old = u2f(y[d]);
			f32 both = old * wa[r] + v * wb[r];
			both = exact_window(both);
			f32 now = first[r] ? v : both;
			y[d] = f2u(now);
		}
	}
}

void attend(const bool same)
{
	ROLLED for (u32 b = 0u; b < blocks; b++) {
		float wa[TOKENS];
		float wb[TOKENS];
		find_block(same, b);
		score(same);
		for (u32 r = 0u; r < TOKENS; r++)
			weigh(r, wa[r], wb[r]);
		add_values(same, wa, wb);
	}
}

/* The sink, and the division by the sum of the weights. */
void finish(u32 r)
{
	f32 fade = 1.0f;
	f32 l = l_all[r];
	if (p.sinks == 1u) {
		f32 z = WINDOWED(sinks[head]);
		f32 m_new = z > m_all[r] ? z : m_all[r];
		f32 ws = attention_weight(z - m_new);
		fade = attention_weight(m_all[r] - m_new);
		l = l * fade + ws;
	}
	f32 by = exact_recip(l);
	ROLLED for (u32 d = 0u; d < p.head_dim; d++) {
		f32 o = u2f(y[out_at[r] + d]);
		o = o * fade;
		o = exact_window(o);
		f32 v = o * by;
		y[out_at[r] + d] = exact_window_bits(f2u(v));
	}
}

void main()
{
	head = GROUP_X;
	token0 = gl_WorkGroupID.y * GROUP;
	if (head >= p.heads)
		return;
	g = head / (p.heads / p.kv_heads);
	bool same = look();
	find_tokens();
	if (same)
		attend(true);
	else
		attend(false);
	for (u32 r = 0u; r < TOKENS; r++)
		if (real[r])
			finish(r);
}
