#include "shaders/rope.h"
#include "shaders/exact.h"

void ref_rope(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rope *p = push;
	const u32 *pos = buf[1];
	u32 half = p->rope_dim / 2;
	for (u32 i = first; i < end; i++) {
		u32 j = i % half, head = i / half % p->heads, t = i / half / p->heads;
		if (pos[t] < p->first || pos[t] - p->first >= p->count)
			continue;
		f32 *x = (f32 *)buf[0] + ((size_t)t * p->heads + head) * p->head_dim;
		u32 j0 = p->halves ? j : 2 * j, j1 = p->halves ? j + half : 2 * j + 1;
		const f32 *cs = (const f32 *)buf[2] + p->base + ((size_t)(pos[t] - p->first) * half + j) * 2;
		f32 x0 = exact_window(x[j0]), x1 = exact_window(x[j1]);
		f32 c = exact_window(cs[0]), s = exact_window(cs[1]);
		f32 a = x0 * c, b = x1 * s, e = x0 * s, d = x1 * c;
		x[j0] = exact_window(a - b);
		x[j1] = exact_window(e + d);
	}
}
