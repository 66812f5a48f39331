/* The activation matrix [rows, k] in int8, as `quantize` writes and `mul_mat_q` reads it. Three planes of 32-bit words, one after another:
 *
 *   q      [rows, k / 4]     four int8 a word, element 0 in the low byte; |q| <= 127
 *   scale  [rows, k / G]     float32, 0 or in [2^-47, 2^34]; G = 32 (Q4_0, Q8_0) or 256 (Q4_K, Q5_K, Q6_K)
 *   sum    [rows, k / 32]    int32, the sum of q over each 32 elements
 *
 * k is a multiple of G. */
#ifndef KEEP_SHADERS_ACT_H
#define KEEP_SHADERS_ACT_H

#include "lang.h"

#define QUANTIZE_INV_127 0.007874015718698501587f /* 1 / 127 as float32 */

FUNC u32 act_scale_at(u32 rows, u32 k)
{
	return rows * (k / 4u);
}

FUNC u32 act_sum_at(u32 rows, u32 k, u32 group)
{
	return rows * (k / 4u) + rows * (k / group);
}

#ifndef VULKAN
static inline u64 act_bytes(u32 rows, u32 k, u32 group)
{
	return (u64)rows * ((u64)k + 4u * (k / group) + 4u * (k / 32u));
}
#endif
#endif
