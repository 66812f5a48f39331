/* swiglu_oai: y[i] = a * (u + 1), the gated unit of gpt-oss:
 *   g = gate[i] held to at most 7;  u = up[i] held to -7..7;  a = window(g * exact_sigmoid(window(g * 1.702)))
 *
 * buffers: 0 gate; 1 up; 2 y f32 (written; may be gate or up)
 * work:    x = n.  gate and up pass the window when read, y when written. */
#ifndef KEEP_SHADERS_SWIGLU_OAI_H
#define KEEP_SHADERS_SWIGLU_OAI_H
#include "exact.h"
#include "lang.h"

PUSH(swiglu_oai)
{
	u32 n;
}
PUSH_END

FUNC f32 swiglu_oai(f32_in gate, f32_in up)
{
	f32 g = gate < 7.0f ? gate : 7.0f;
	f32 low = up > -7.0f ? up : -7.0f;
	f32 u = low < 7.0f ? low : 7.0f;
	f32 v = g * 1.70200002f;
	v = exact_window(v);
	f32 s = exact_sigmoid(v);
	f32 a = g * s;
	a = exact_window(a);
	f32 b = u + 1.0f;
	f32 y = a * b;
	f32 r = exact_window(y);
	return r;
}

#ifndef VULKAN
void ref_swiglu_oai(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
