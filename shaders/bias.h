/* bias: x[r, i] = window(x[r, i] + b[base + i]).
 *
 * buffers: 0 x [n / dim, dim] f32 (written); 1 b [base + dim] f32
 * work:    x = n.  Inputs pass the window when read. */
#ifndef KEEP_SHADERS_BIAS_H
#define KEEP_SHADERS_BIAS_H
#include "lang.h"

PUSH(bias)
{
	u32 n, dim, base;
}
PUSH_END

#ifndef VULKAN
void ref_bias(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
