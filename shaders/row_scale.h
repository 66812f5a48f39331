/* row_scale: x[r, i] = window(x[r, i] * t[pos[r]]).
 *
 * buffers: 0 x [n / dim, dim] f32 (written); 1 pos [n / dim] u32; 2 t [positions] f32
 * work:    x = n.  Inputs pass the window when read. */
#ifndef KEEP_SHADERS_ROW_SCALE_H
#define KEEP_SHADERS_ROW_SCALE_H
#include "lang.h"

PUSH(row_scale)
{
	u32 n, dim;
}
PUSH_END

#ifndef VULKAN
void ref_row_scale(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
