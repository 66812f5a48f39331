#include "shaders/row_scale.h"
#include "shaders/exact.h"

void ref_row_scale(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_row_scale *p = push;
	f32 *x = buf[0];
	const u32 *pos = buf[1];
	const f32 *t = buf[2];
	for (u32 i = first; i < end; i++)
		x[i] = exact_window(exact_window(x[i]) * exact_window(t[pos[i / p->dim]]));
}
