/* add: x[i] = window(x[i] + y[i]).
 *
 * buffers: 0 x f32 (written); 1 y f32
 * work:    x = n.  Inputs pass the window when read. */
#ifndef KEEP_SHADERS_ADD_H
#define KEEP_SHADERS_ADD_H
#include "lang.h"

PUSH(add)
{
	u32 n;
}
PUSH_END

#ifndef VULKAN
void ref_add(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
