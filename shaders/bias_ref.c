#include "shaders/bias.h"
#include "shaders/exact.h"

void ref_bias(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_bias *p = push;
	f32 *x = buf[0];
	const f32 *b = buf[1];
	for (u32 i = first; i < end; i++)
		x[i] = exact_window(exact_window(x[i]) + exact_window(b[p->base + i % p->dim]));
}
