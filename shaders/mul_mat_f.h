/* mul_mat_f: y[c, o] = sum_e W[o, e] * x[c, e], weights F32, F16 or BF16.
 *
 * buffers: 0 W rows first .. first + count, raw; 1 x [cols, k] f32; 2 y [cols, n_out] f32 (written)
 *          3 the plan (plan.h), read where there are experts: as in mul_mat_q.h
 * work:    x = count (rows of W; with experts n_out), y = cols
 *
 * Order: 32 lanes; lane l adds W[o, e] * x[c, e] for e = l, l + 32, … left to right from 0. Then the tree: for h = 16, 8, 4, 2, 1 lane
 * l < h becomes lane l + lane (l + h). W passes the window when read, y when written; x was written by an op and lies in it. */
#ifndef KEEP_SHADERS_MUL_MAT_F_H
#define KEEP_SHADERS_MUL_MAT_F_H
#include "lang.h"

#define MUL_MAT_F_LANES 32u

PUSH(mul_mat_f)
{
	u32 k, n_out, cols;
	u32 first, count; /* rows of W that buffer 0 holds */
	u32 base;	  /* byte of buffer 0 where row `first` begins */
	u32 experts;	  /* 0: W is one matrix */
}
PUSH_END

#ifndef VULKAN
void ref_mul_mat_f32(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_f16(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_bf16(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
