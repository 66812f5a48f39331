#include "shaders/swiglu_oai.h"

void ref_swiglu_oai(const void *push, void *const buf[], u32 first, u32 end)
{
	const f32 *gate = buf[0], *up = buf[1];
	f32 *y = buf[2];
	for (u32 i = first; i < end; i++)
		y[i] = swiglu_oai(exact_window(gate[i]), exact_window(up[i]));
}
