#include "shaders/combine.h"
#include "shaders/exact.h"

void ref_combine(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_combine *p = push;
	const f32 *x = buf[0], *w = buf[2];
	const u32 *slot = buf[1];
	f32 *y = buf[3];
	for (u32 i = first; i < end; i++) {
		u32 row = i / p->dim * p->used, e = i % p->dim;
		f32 sum = 0;
		for (u32 j = 0; j < p->used; j++) {
			f32 t = exact_window(x[(size_t)slot[row + j] * p->dim + e]) *
				exact_window(w[row + j]);
			sum = sum + t;
		}
		y[i] = exact_window(sum);
	}
}
