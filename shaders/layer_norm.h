/* layer_norm: y[r, i] = (x[r, i] - mean[r]) * m[r] * w[i],  m[r] = 1 / sqrt(mean_i (x[r, i] - mean[r])^2 + eps)
 *
 * buffers: 0 x [rows, dim] f32; 1 w [dim] f32; 2 y [rows, dim] f32 (written; may be x)
 * work:    x = rows
 *
 * Order: both sums as rms_norm's: 256 lanes, lane l takes i = l, l + 256, … left to right from 0, then the tree 128, 64, … 1.
 * mean = window(sum of x * inv_dim);  d = window(x - mean);  v = (sum of d * d) * inv_dim + eps;  m = exact_rsqrt(v);
 * y = window(window(d * m) * w).  x and w pass the window when read. inv_dim is 1 / dim, divided by the host in IEEE float32. */
#ifndef KEEP_SHADERS_LAYER_NORM_H
#define KEEP_SHADERS_LAYER_NORM_H
#include "lang.h"

#define LAYER_NORM_LANES 256u

PUSH(layer_norm)
{
	u32 rows, dim;
	u32 inv_dim_bits, eps_bits; /* float32 */
}
PUSH_END

#ifndef VULKAN
void ref_layer_norm(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
