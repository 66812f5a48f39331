/* geglu: y[i] = window(window(exact_gelu(gate[i])) * up[i]).
 *
 * buffers: 0 gate f32; 1 up f32; 2 y f32 (written; may be gate or up)
 * work:    x = n.  Inputs pass the window when read. */
#ifndef KEEP_SHADERS_GEGLU_H
#define KEEP_SHADERS_GEGLU_H
#include "lang.h"

PUSH(geglu)
{
	u32 n;
}
PUSH_END

#ifndef VULKAN
void ref_geglu(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
