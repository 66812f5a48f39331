/* map: x[i] = f(x[i]), in place; f by kind, with numbers a, b, c, d:
 *   MAP_SCALE    window(x * a)
 *   MAP_SOFTCAP  window(exact_tanh(window(x * b)) * a): a tanh(x / a), b the reciprocal of a
 *   MAP_XIELU    x > 0:  window(a * window(x * x) + c * x)
 *                else:   m = x < d ? x : d;  window(b * window(exact_exp_rest(m) + (m - x)) + c * x): b (e^m - 1 - x) + c x
 *
 * buffers: 0 x f32 (written)
 * work:    x = n.  x passes the window when read; a, b, c, d have passed it; |a|, |b|, |c| are at most 2^20. */
#ifndef KEEP_SHADERS_MAP_H
#define KEEP_SHADERS_MAP_H
#include "exact.h"
#include "lang.h"

#define MAP_SCALE   0u
#define MAP_SOFTCAP 1u
#define MAP_XIELU   2u

PUSH(map)
{
	u32 n, kind;
	u32 a_bits, b_bits, c_bits, d_bits; /* float32 */
}
PUSH_END

FUNC f32 map_softcap(f32_in x, f32_in a, f32_in b)
{
	f32 v = x * b;
	v = exact_window(v);
	f32 t = exact_tanh(v);
	f32 y = t * a;
	f32 r = exact_window(y);
	return r;
}

FUNC f32 map_xielu(f32_in x, f32_in a, f32_in b, f32_in c, f32_in d)
{
	f32 sq = x * x;
	sq = exact_window(sq);
	f32 m = x < d ? x : d;
	f32 e = exact_exp_rest(m);
	f32 rest = m - x;
	f32 low = e + rest;
	low = exact_window(low);
	f32 g = x > 0.0f ? sq : low;
	f32 h = x > 0.0f ? a : b;
	f32 y = h * g + c * x;
	f32 r = exact_window(y);
	return r;
}

#ifndef VULKAN
void ref_map(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
