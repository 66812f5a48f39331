#include "shaders/geglu.h"
#include "shaders/exact.h"

void ref_geglu(const void *push, void *const buf[], u32 first, u32 end)
{
	const f32 *gate = buf[0], *up = buf[1];
	f32 *y = buf[2];
	for (u32 i = first; i < end; i++) {
		f32 s = exact_window(exact_gelu(exact_window(gate[i])));
		y[i] = exact_window(s * exact_window(up[i]));
	}
}
