#version 450
#include "common.glsl"
#include "attention_part.h"
#include "kv_int8.h"

/* -DHALF, -DINT8: as attention.comp. One workgroup a block and a head of K and V, for all heads that share it, HEADS at a time: keys come to shared memory 32 elements
 * at a time and are read there by every head. Lane 32 k + t scores position t for heads k and k + 4. Then 32 lanes take 32 elements of V for four heads. */
#define LANES 128u
#define HEADS 8u
#define BLOCK ATTENTION_BLOCK
#define PITCH 33u /* of rows in shared memory, so that lanes which read a column meet no common bank */
layout(local_size_x = LANES) in;
BUF_IN(0, k_cache);
BUF_IN(1, v_cache);
BUF_IN(2, tables);
BUF_IN(3, q);
BUF_IN(4, seq);
BUF_IN(5, pos);
BUF_OUT(6, parts);

/* Word w of row t of the block; how many elements a word has, and the e-th of them. */
#if defined(INT8)
#define PER	    4u
#define ROW_AT(t)   kv_int8_at(page, t, p.kv_heads, g, p.head_dim)
#define PIECE(w, e) tof(toi((w) << (24u - 8u * (e))) >> 24)
#elif defined(HALF)
#define PER	    2u
#define ROW_AT(t)   (((page * BLOCK + (t)) * p.kv_heads + g) * p.head_dim / 2u)
#define PIECE(w, e) exact_from_half((w) >> (16u * (e)))
#else
#define PER	    1u
#define ROW_AT(t)   (((page * BLOCK + (t)) * p.kv_heads + g) * p.head_dim)
#define PIECE(w, e) u2f(w)
#endif

shared float keys[BLOCK * PITCH];
shared float queries[HEADS * BLOCK];
shared float weights[HEADS * PITCH]; /* first scores */
shared float most[HEADS];
#ifdef INT8
shared float shares[HEADS * PITCH]; /* weights with the scales of the values in them */
#else
#define shares weights
#endif

u32 page, g, from, n, head0, heads; /* positions from .. n of the block take part; heads head0 .. head0 + heads - 1 */

/* Elements d0 .. d0 + 31 of keys and queries. */
void fetch(u32 d0, u32 out_at)
{
	for (u32 i = LANE; i < BLOCK * (BLOCK / PER); i += LANES) {
		u32 t = i / (BLOCK / PER);
		u32 w = i % (BLOCK / PER);
		if (t < from || t >= n || d0 + w * PER >= p.head_dim)
			continue;
		u32 bits = k_cache[ROW_AT(t) + d0 / PER + w];
		for (u32 e = 0u; e < PER; e++) {
			f32 v = PIECE(bits, e);
			keys[t * PITCH + w * PER + e] = v;
		}
	}
	for (u32 i = LANE; i < heads * BLOCK; i += LANES) {
		u32 d = d0 + i % BLOCK;
		if (d < p.head_dim) {
			f32 v = WINDOWED(q[out_at + i / BLOCK * p.head_dim + d]);
			queries[i] = v;
		}
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

/* weights[k, t] of the heads, scores as yet. */
void score(u32 k, u32 t, u32 out_at)
{
	f32 a = 0.0f;
	f32 b = 0.0f;
	ROLLED for (u32 d0 = 0u; d0 < p.head_dim; d0 += BLOCK) {
		fetch(d0, out_at);
		barrier();
		u32 end = min(BLOCK, p.head_dim - d0);
		if (k < heads && t >= from && t < n)
			ROLLED for (u32 d = 0u; d < end; d++) {
				f32 key = keys[t * PITCH + d];
				a = a + queries[k * BLOCK + d] * key;
				b = b + queries[(k + 4u) * BLOCK + d] * key;
			}
		barrier();
	}
	if (t < from || t >= n)
		return;
	if (k < heads) {
		f32 s = scored(a, t);
		weights[k * PITCH + t] = s;
	}
	if (k + 4u < heads) {
		f32 s = scored(b, t);
		weights[(k + 4u) * PITCH + t] = s;
	}
}

/* What is not taken part in weighs 0. */
void weigh(u32 k, u32 t)
{
	f32 w = 0.0f;
	f32 share = 0.0f;
	if (k >= heads)
		return;
	if (t >= from && t < n) {
		w = weights[k * PITCH + t];
		w = w - most[k];
		w = attention_weight(w);
#ifdef INT8
		share = attention_share(w, u2f(v_cache[kv_int8_scale_at(page, t, p.kv_heads, g, p.head_dim)]));
#endif
	}
	weights[k * PITCH + t] = w;
#ifdef INT8
	shares[k * PITCH + t] = share;
#endif
}

/* m of head LANE. */
void largest()
{
	f32 m = weights[LANE * PITCH + from];
	ROLLED for (u32 t = from + 1u; t < n; t++) {
		f32 s = weights[LANE * PITCH + t];
		m = s > m ? s : m;
	}
	most[LANE] = m;
}

/* l of head LANE: the tree. */
f32 sum()
{
	float a[16];
	u32 at = LANE * PITCH;
	for (u32 t = 0u; t < 16u; t++) {
		f32 s = weights[at + t] + weights[at + t + 16u];
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

/* o[d] of heads k0 .. k0 + 3, to the parts of the head head0 + k0 from `at` on, `stride` apart. */
void values(u32 k0, u32 d, u32 at, u32 stride)
{
	float o[4];
	for (u32 k = 0u; k < 4u; k++)
		o[k] = 0.0f;
	ROLLED for (u32 t = from; t < n; t++) {
		u32 bits = v_cache[ROW_AT(t) + d / PER];
		f32 v = PIECE(bits, d % PER);
		for (u32 k = 0u; k < 4u; k++) {
			f32 s = o[k] + shares[(k0 + k) * PITCH + t] * v;
			o[k] = s;
		}
	}
	for (u32 k = 0u; k < 4u; k++)
		if (k0 + k < heads)
			parts[at + k * stride + d] = exact_window_bits(f2u(o[k]));
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
		u32 k = LANE / BLOCK;
		u32 t = LANE % BLOCK;
		score(k, t, head0 * p.head_dim);
		barrier();
		if (LANE < heads)
			largest();
		barrier();
		weigh(k, t);
		weigh(k + 4u, t);
		barrier();
		if (LANE < heads) {
			f32 l = sum();
			parts[at + LANE * stride + p.head_dim] = f2u(most[LANE]);
			parts[at + LANE * stride + p.head_dim + 1u] = f2u(l);
		}
		u32 slices = (p.head_dim + BLOCK - 1u) / BLOCK;
		u32 units = slices * ((heads + 3u) / 4u);
		ROLLED for (u32 u = k; u < units; u += LANES / BLOCK) {
			u32 d = u % slices * BLOCK + t;
			u32 k0 = u / slices * 4u;
			if (d < p.head_dim)
				values(k0, d, at + k0 * stride, stride);
		}
		barrier(); /* before the next heads overwrite weights */
	}
}
