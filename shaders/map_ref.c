#include "shaders/map.h"

void ref_map(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_map *p = push;
	f32 a = u2f(p->a_bits), b = u2f(p->b_bits), c = u2f(p->c_bits), d = u2f(p->d_bits);
	f32 *x = buf[0];
	for (u32 i = first; i < end; i++) {
		f32 v = exact_window(x[i]);
		if (p->kind == MAP_SCALE)
			x[i] = exact_window(v * a);
		else if (p->kind == MAP_SOFTCAP)
			x[i] = map_softcap(v, a, b);
		else
			x[i] = map_xielu(v, a, b, c, d);
	}
}
