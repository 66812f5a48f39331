/* rms_norm: y[r, i] = x[r, i] * m[r] * w[i],  m[r] = 1 / sqrt(mean_i x[r, i]^2 + eps)
 *
 * buffers: 0 x [rows, dim] f32; 1 w [dim] f32; 2 y [rows, dim] f32 (written)
 * work:    x = rows
 *
 * Order: 256 lanes; lane l adds x[r, i]^2 for i = l, l + 256, … left to right from 0. Then the tree: for h = 128, 64, … 1 lane l < h
 * becomes lane l + lane (l + h).  v = (sum * inv_dim) + eps, m = exact_rsqrt(v), y = window(window(x * m) * w).
 * x and w pass the window when read. inv_dim is 1 / dim, divided by the host in IEEE float32. */
#ifndef KEEP_SHADERS_RMS_NORM_H
#define KEEP_SHADERS_RMS_NORM_H
#include "lang.h"

#define RMS_NORM_LANES 256u

PUSH(rms_norm)
{
	u32 rows, dim;
	u32 inv_dim_bits, eps_bits; /* float32 */
}
PUSH_END

#ifndef VULKAN
void ref_rms_norm(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
