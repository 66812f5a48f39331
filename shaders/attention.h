/* attention: y[i, h, :] = softmax_t(q[i, h, :] . K[t, g, :] * scale) . V[:, g, :] over positions t = lo .. pos[i] of sequence seq[i],
 * g = h / (heads / kv_heads),  lo = 0, or where there is a window (not 0): pos[i] + 1 - window unless pos[i] is below it; with pieces the first
 * position of the piece of `window` positions that pos[i] lies in.
 *
 * buffers: 0 K cache; 1 V cache; 2 page tables; 3 q [n, heads, head_dim] f32; 4 seq [n] u32; 5 pos [n] u32;
 *          6 y [n, heads, head_dim] f32 (written); 7 with sinks: a score of each head [heads] f32, else not read
 * work:    x = heads, y = n
 *
 * Blocks of KV_PAGE positions, aligned to position 0, from the one that holds lo; the last holds positions up to pos[i]. M, L = 0, O[:] = 0 before the first block. In each:
 *   s_t = window(window(dot_t) * scale), dot_t the sum of q[d] * K[t, d] for d = 0, 1, … left to right from 0
 *   m = max s_t;  w_t = weight(s_t - m);  l = the tree over the 32 w_t (0 below lo and beyond the last): h = 16, 8, 4, 2, 1, lane t < h adds lane t + h
 *   o[d] = window(the sum of w_t * V[t, d], t left to right from 0)
 * First block: M = m, L = l, O = o. Then: M' = max(M, m), a = weight(M - M'), b = weight(m - M'), L = L * a + l * b,
 *   O[d] = window(O[d] * a + o[d] * b), M = M'.
 * With sinks one more block, which has the score z = window(sink) and no value: M' = max(M, z), a = weight(M - M'), L = L * a + weight(z - M'),
 *   O[d] = window(O[d] * a).
 * y[d] = window(O[d] * exact_recip(L)).  weight(x) = exact_exp(x), or 0 where that is below 2^-60.
 * q passes the window when read; the caches hold what kv_store wrote.
 *
 * int8: K[t, d] and V[t, d] are the integers, as floats; kt and vt are the scales of head g at position t.
 *   s_t = window(window(window(dot_t) * kt) * scale);  o[d] = window(the sum of share(w_t, vt) * V[t, d])
 * share(w, v) = w * v, or 0 where that is below 2^-80. m, w_t, l and all that follows are as above: the sum of weights has no scale in it. */
#ifndef KEEP_SHADERS_ATTENTION_H
#define KEEP_SHADERS_ATTENTION_H
#include "attention_block.h"
#include "lang.h"

PUSH(attention)
{
	u32 n, heads, kv_heads, head_dim, pages_per_seq;
	u32 scale_bits; /* float32 */
	u32 window;	/* positions, the own one among them; 0: all */
	u32 pieces;	/* 1: the window does not slide */
	u32 sinks;	/* 1: there are some */
}
PUSH_END

#ifndef VULKAN
void ref_attention_f32(const void *push, void *const buf[], u32 first, u32 end);
void ref_attention_f16(const void *push, void *const buf[], u32 first, u32 end);
void ref_attention_int8(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
