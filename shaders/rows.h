/* rows: y[i, :] = x[rows[i], :], bits unchanged.
 *
 * buffers: 0 x [*, dim] f32; 1 rows [n] u32; 2 y [n, dim] f32 (written)
 * work:    x = n * dim */
#ifndef KEEP_SHADERS_ROWS_H
#define KEEP_SHADERS_ROWS_H
#include "lang.h"

PUSH(rows)
{
	u32 n, dim;
}
PUSH_END

#ifndef VULKAN
void ref_rows(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
