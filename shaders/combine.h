/* combine: y[r, i] = sum_j x[slot[r, j], i] * w[r, j], what the experts of a token say, j = 0, 1, ... left to right from 0.
 *
 * buffers: 0 x [*, dim] f32; 1 slot [rows, used] u32; 2 w [rows, used] f32; 3 y [rows, dim] f32 (written)
 * work:    x = rows * dim.  x and w pass the window when read, y when written. */
#ifndef KEEP_SHADERS_COMBINE_H
#define KEEP_SHADERS_COMBINE_H
#include "lang.h"

PUSH(combine)
{
	u32 rows, dim, used;
}
PUSH_END

#ifndef VULKAN
void ref_combine(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
