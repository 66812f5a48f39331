#include "shaders/add.h"
#include "shaders/exact.h"

void ref_add(const void *push, void *const buf[], u32 first, u32 end)
{
	f32 *x = buf[0];
	const f32 *y = buf[1];
	for (u32 i = first; i < end; i++)
		x[i] = exact_window(exact_window(x[i]) + exact_window(y[i]));
}
