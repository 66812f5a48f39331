#version 450
#include "common.glsl"
#include "attention_part.h"
#include "kv_int8.h"

/* -DHALF, -DINT8: as attention.comp. A block and a head of K and V a workgroup, for drivers that run on a CPU, where a workgroup is one vector register wide and what all lanes
 * read alike is one load. Scores: a lane has four positions, and a key is loaded and decoded once for all heads that share it, HEADS at a time. Weights: a lane has a head. Values:
 * a lane has a word of V, for all heads. What goes from one to the next lies in shared memory, and nothing lives across the three barriers but where things stand. */
#define LANES 8u
#define HEADS 8u
#define BLOCK ATTENTION_BLOCK
#define TURNS (BLOCK / LANES)
layout(local_size_x = 8) in;
BUF_IN(0, k_cache);
BUF_IN(1, v_cache);
BUF_IN(2, tables);
BUF_IN(3, q);
BUF_IN(4, seq);
BUF_IN(5, pos);
BUF_OUT(6, parts);

/* Where head g of row t of the block stands, from a word of row 0 on; how many elements a word has, and the e-th of them. */
#if defined(INT8)
#define PER	    4u
#define ROW_0	    kv_int8_at(page, 0u, p.kv_heads, g, p.head_dim)
#define STRIDE	    (p.kv_heads * kv_int8_words(p.head_dim))
#define PIECE(w, e) tof(toi((w) << (24u - 8u * (e))) >> 24)
#elif defined(HALF)
#define PER	    2u
#define ROW_0	    ((page * BLOCK * p.kv_heads + g) * p.head_dim / 2u)
#define STRIDE	    (p.kv_heads * p.head_dim / 2u)
#define PIECE(w, e) exact_from_half((w) >> (16u * (e)))
#else
#define PER	    1u
#define ROW_0	    ((page * BLOCK * p.kv_heads + g) * p.head_dim)
#define STRIDE	    (p.kv_heads * p.head_dim)
#define PIECE(w, e) u2f(w)
#endif
#define WORDS ((p.head_dim + PER - 1u) / PER)
#define QUERY (ATTENTION_HEAD_DIM_MAX + PER) /* of a head; elements behind the last are 0 */

shared float queries[HEADS * QUERY];
shared float weights[HEADS * BLOCK]; /* first scores */

u32 page, g, from, n, head0, heads; /* positions from .. n of the block take part; heads head0 .. head0 + heads - 1 */

/* The queries, in the window. */
void fetch(u32 count)
{
	ROLLED for (u32 k = 0u; k < count; k++)
		ROLLED for (u32 d = LANE; d < WORDS * PER; d += LANES) {
			bool real = k < heads && d < p.head_dim;
			f32 v = real ? WINDOWED(q[(head0 + min(k, heads - 1u)) * p.head_dim + min(d, p.head_dim - 1u)]) : 0.0f;
			queries[k * QUERY + d] = v;
		}
}

/* The score of a dot product with the key of position t. */
f32 scored(f32_in dot_qk, u32 t)
{
	f32 w = exact_window(dot_qk);
#ifdef INT8
	w = w * u2f(k_cache[kv_int8_scale_at(page, t, p.kv_heads, g, p.head_dim)]);
	w = exact_window(w);
#endif
	f32 s = w * u2f(p.scale_bits);
	f32 r = exact_window(s);
	return r;
}

/* The scores of `count` heads. */
void score(const u32 count)
{
	float dots[HEADS * TURNS];
	for (u32 i = 0u; i < count * TURNS; i++)
		dots[i] = 0.0f;
	ROLLED for (u32 w = 0u; w < WORDS; w++) {
		float key[TURNS * PER];
		for (u32 i = 0u; i < TURNS; i++) {
			u32 bits = k_cache[ROW_0 + (i * LANES + LANE) * STRIDE + w];
			for (u32 e = 0u; e < PER; e++) {
				f32 v = PIECE(bits, e);
				key[i * PER + e] = v;
			}
		}
		for (u32 k = 0u; k < count; k++)
			for (u32 e = 0u; e < PER; e++) {
				f32 a = queries[k * QUERY + w * PER + e];
				for (u32 i = 0u; i < TURNS; i++) {
					f32 s = dots[k * TURNS + i] + a * key[i * PER + e];
					dots[k * TURNS + i] = s;
				}
			}
	}
	for (u32 k = 0u; k < count; k++)
		for (u32 i = 0u; i < TURNS; i++) {
			f32 s = scored(dots[k * TURNS + i], i * LANES + LANE);
			weights[k * BLOCK + i * LANES + LANE] = s;
		}
}

/* Of head LANE: m, the weights, 0 of what is not taken part in, and l by the tree. Behind it weights are shares. */
void weigh(u32 at)
{
	float a[BLOCK];
	f32 m = weights[LANE * BLOCK + from];
	ROLLED for (u32 t = from + 1u; t < n; t++) {
		f32 s = weights[LANE * BLOCK + t];
		m = s > m ? s : m;
	}
	for (u32 t = 0u; t < BLOCK; t++) {
		bool takes = t >= from && t < n;
		f32 w = weights[LANE * BLOCK + t] - m;
		w = takes ? w : 0.0f;
		w = attention_weight(w);
		w = takes ? w : 0.0f;
		a[t] = w;
#ifdef INT8
		w = attention_share(w, u2f(v_cache[kv_int8_scale_at(page, t, p.kv_heads, g, p.head_dim)]));
#endif
		weights[LANE * BLOCK + t] = w;
	}
	for (u32 h = BLOCK / 2u; h > 0u; h /= 2u)
		for (u32 t = 0u; t < h; t++) {
			f32 s = a[t] + a[t + h];
			a[t] = s;
		}
	if (LANE < heads) {
		parts[at] = f2u(m);
		parts[at + 1u] = f2u(a[0]);
	}
}

/* o of word w of `count` heads; those of the first begin at `at` of the parts, `stride` apart. */
void values(const u32 count, u32 w, u32 at, u32 stride)
{
	float o[HEADS * PER];
	u32 row = ROW_0 + min(w, WORDS - 1u);
	for (u32 i = 0u; i < count * PER; i++)
		o[i] = 0.0f;
	ROLLED for (u32 t = from; t < n; t++) {
		u32 bits = v_cache[row + t * STRIDE];
		for (u32 e = 0u; e < PER; e++) {
			f32 v = PIECE(bits, e);
			for (u32 k = 0u; k < count; k++) {
				f32 s = o[k * PER + e] + weights[k * BLOCK + t] * v;
				o[k * PER + e] = s;
			}
		}
	}
	for (u32 k = 0u; k < count; k++)
		for (u32 e = 0u; e < PER; e++)
			if (k < heads && w * PER + e < p.head_dim)
				parts[at + k * stride + w * PER + e] = exact_window_bits(f2u(o[k * PER + e]));
}

void main()
{
	u32 token = gl_WorkGroupID.y;
	u32 b = GROUP_X / p.kv_heads;
	u32 lo = attention_first(pos[token], p.window, p.pieces);
	u32 block = lo / BLOCK + p.first + b;
	u32 t0 = block * BLOCK;
	if (b >= p.blocks || t0 > pos[token])
		return;
	u32 shared_by = p.heads / p.kv_heads;
	u32 stride = p.blocks * (p.head_dim + 2u);
	g = GROUP_X % p.kv_heads;
	page = tables[seq[token] * p.pages_per_seq + block];
	from = t0 < lo ? lo - t0 : 0u;
	n = min(BLOCK, pos[token] + 1u - t0);
	ROLLED for (u32 h0 = 0u; h0 < shared_by; h0 += HEADS) {
		heads = min(HEADS, shared_by - h0);
		head0 = token * p.heads + g * shared_by + h0;
		u32 at = attention_part_at(p.n * p.heads, head0, b, p.blocks, p.head_dim);
		fetch(heads > 4u ? 8u : heads > 1u ? 4u : 1u);
		barrier();
		if (heads > 4u)
			score(8u);
		else if (heads > 1u)
			score(4u);
		else
			score(1u);
		barrier();
		weigh(at + min(LANE, heads - 1u) * stride + p.head_dim);
		barrier();
		ROLLED for (u32 w = 0u; w < WORDS; w += LANES)
			if (heads > 4u)
				values(8u, w + LANE, at, stride);
			else if (heads > 1u)
				values(4u, w + LANE, at, stride);
			else
				values(1u, w + LANE, at, stride);
		barrier(); /* before the next heads overwrite weights */
	}
}
