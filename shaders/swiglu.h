/* swiglu: y[i] = window(window(exact_silu(gate[i])) * up[i]).
 *
 * buffers: 0 gate f32; 1 up f32; 2 y f32 (written; may be gate or up)
 * work:    x = n.  Inputs pass the window when read. */
#ifndef KEEP_SHADERS_SWIGLU_H
#define KEEP_SHADERS_SWIGLU_H
#include "lang.h"

PUSH(swiglu)
{
	u32 n;
}
PUSH_END

#ifndef VULKAN
void ref_swiglu(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
