#version 450
#include "common.glsl"
#include "attention.h"
#include "kv_int8.h"

/* -DHALF: caches of float16; -DINT8: of int8. One workgroup a head of a token; lane t of a block scores position t, then adds up elements t, t + 32, … of V. */
layout(local_size_x = 32) in;
BUF_IN(0, k_cache);
BUF_IN(1, v_cache);
BUF_IN(2, tables);
BUF_IN(3, q);
BUF_IN(4, seq);
BUF_IN(5, pos);
BUF_OUT(6, y);
BUF_IN(7, sinks);

#define PAGE 32u

/* Element d of the row that begins at `at`, as ROW_AT counts. */
#if defined(INT8)
#define CACHED(cache, at, d) tof(toi(cache[(at) + (d) / 4u] << (24u - 8u * ((d) & 3u))) >> 24)
#define ROW_AT(page, g)	     kv_int8_at(page, 0u, p.kv_heads, g, p.head_dim)
#define ROW_STRIDE	     (p.kv_heads * kv_int8_words(p.head_dim))
#elif defined(HALF)
#define CACHED(cache, at, d) exact_from_half(cache[((at) + (d)) / 2u] >> (16u * (((at) + (d)) & 1u)))
#else
#define CACHED(cache, at, d) u2f(cache[(at) + (d)])
#endif
#ifndef INT8
#define ROW_AT(page, g) (((page) * PAGE * p.kv_heads + (g)) * p.head_dim)
#define ROW_STRIDE	(p.kv_heads * p.head_dim)
#endif

shared float query[ATTENTION_HEAD_DIM_MAX];
shared float total[ATTENTION_HEAD_DIM_MAX]; /* O: lane l alone touches elements l, l + 32, … */
shared float scores[PAGE];
shared float weights[PAGE];
#ifdef INT8
shared float shares[PAGE]; /* weights with the scales of the values in them */
#else
#define shares weights
#endif

/* scale_at: of the scale, where caches have some */
f32 score(u32 at, u32 scale_at)
{
	f32 dot_qk = 0.0f;
	ROLLED for (u32 d = 0u; d < p.head_dim; d++) {
		f32 a = query[d];
		f32 b = CACHED(k_cache, at, d);
		dot_qk = dot_qk + a * b;
	}
	f32 w = exact_window(dot_qk);
#ifdef INT8
	w = w * u2f(k_cache[scale_at]);
	w = exact_window(w);
#endif
	f32 s = w * u2f(p.scale_bits);
	f32 r = exact_window(s);
	return r;
}

/* The tree over weights[]; every lane computes all of it, which costs less than five barriers. */
f32 tree()
{
	float a[16];
	for (u32 t = 0u; t < 16u; t++) {
		f32 s = weights[t] + weights[t + 16u];
		a[t] = s;
	}
	for (u32 t = 0u; t < 8u; t++) {
		f32 s = a[t] + a[t + 8u];
		a[t] = s;
	}
	for (u32 t = 0u; t < 4u; t++) {
		f32 s = a[t] + a[t + 4u];
		a[t] = s;
	}
	f32 even = a[0] + a[2];
	f32 odd = a[1] + a[3];
	f32 r = even + odd;
	return r;
}

void main()
{
	u32 head = GROUP_X;
	u32 token = gl_WorkGroupID.y;
	if (head >= p.heads)
		return;
	u32 g = head / (p.heads / p.kv_heads);
	u32 out_at = (token * p.heads + head) * p.head_dim;
	u32 last = pos[token];
	u32 pages = seq[token] * p.pages_per_seq;
	ROLLED for (u32 d = LANE; d < p.head_dim; d += PAGE) {
		f32 v = WINDOWED(q[out_at + d]);
		query[d] = v;
	}
	barrier();

	f32 m_all = 0.0f;
	f32 l_all = 0.0f;
	u32 lo = attention_first(last, p.window, p.pieces);
	u32 start = lo / PAGE * PAGE;
	ROLLED for (u32 t0 = start; t0 <= last; t0 += PAGE) {
		u32 from = t0 == start ? lo - start : 0u; /* positions from .. n of the block take part */
		u32 n = min(PAGE, last + 1u - t0);
		u32 page = tables[pages + t0 / PAGE];
		u32 at = ROW_AT(page, g);
		u32 stride = ROW_STRIDE;
		u32 scale_at = kv_int8_scale_at(page, LANE, p.kv_heads, g, p.head_dim);

		f32 mine = 0.0f;
		if (LANE >= from && LANE < n)
			mine = score(at + LANE * stride, scale_at);
		scores[LANE] = mine;
		barrier();
		f32 m = scores[from];
		ROLLED for (u32 t = from + 1u; t < n; t++) {
			f32 s = scores[t];
			m = s > m ? s : m;
		}
		f32 w = attention_weight(mine - m);
		w = LANE >= from && LANE < n ? w : 0.0f;
		weights[LANE] = w;
#ifdef INT8
		f32 share = 0.0f;
		if (LANE >= from && LANE < n)
			share = attention_share(w, u2f(v_cache[scale_at]));
		shares[LANE] = share;
#endif
		barrier();
		f32 l = tree();

		f32 m_new = t0 == start || m > m_all ? m : m_all;
		f32 wa = attention_weight(m_all - m_new);
		f32 wb = attention_weight(m - m_new);
		ROLLED for (u32 d = LANE; d < p.head_dim; d += PAGE) {
			f32 o = 0.0f;
			ROLLED for (u32 t = from; t < n; t++) {
				f32 a = shares[t];
				f32 b = CACHED(v_cache, at + t * stride, d);
				o = o + a * b;
			}
			o = exact_window(o);
			f32 old = total[d];
			f32 both = old * wa + o * wb;
			both = exact_window(both);
			f32 now = t0 == start ? o : both;
			total[d] = now;
		}
		f32 l_both = l_all * wa + l * wb;
		l_all = t0 == start ? l : l_both;
		m_all = m_new;
		barrier(); /* before the next block overwrites scores and weights */
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
	ROLLED for (u32 d = LANE; d < p.head_dim; d += PAGE) {
		f32 o = total[d];
		o = o * fade;
		o = exact_window(o);
		f32 v = o * r;
		y[out_at + d] = exact_window_bits(f2u(v));
	}
}
