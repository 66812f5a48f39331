/* mul_mat_q: y[c, o] = sum_e W[o, e] * act[c, e], weights in blocks, activations in int8 (act.h).
 *
 * buffers: 0 W rows first .. first + count, raw blocks; 1 act [cols, k]; 2 y [cols, n_out] f32 (written)
 * work:    x = count (rows of W), y = cols
 *
 * acc = 0; acc = acc + t_p for the blocks p of the row, left to right; y = window(acc). With x the int8 activations of the block, S the
 * sums per 32, a their scale, f exact_from_int (int32 to float, nearest even), every product rounded:
 *   Q8_0, MXFP4  t = (f(sum q x) * d) * a         MXFP4: q twice the number, d = window(2^(e - 128))
 *   Q4_0         t = (f(sum q x - 8 S) * d) * a
 *   Q4_K, Q5_K   t = (f(I1) * d - f(I2) * dmin) * a,   I1 = sum_j sc_j sum q x,   I2 = sum_j m_j S_j
 *   Q6_K         t = (f(I) * d) * a,                   I = sum_j sc_j sum (q - 32) x
 * Only the integers are specified, not how they are reached. |I| <= 2^27. */
#ifndef KEEP_SHADERS_MUL_MAT_Q_H
#define KEEP_SHADERS_MUL_MAT_Q_H
#include "lang.h"

PUSH(mul_mat_q)
{
	u32 k, n_out, cols;
	u32 first, count; /* rows of W that buffer 0 holds */
	u32 base;	  /* byte of buffer 0 where row `first` begins */
	u32 row_bytes;
}
PUSH_END

#ifndef VULKAN
void ref_mul_mat_q8_0(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_q4_0(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_mxfp4(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_q4_k(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_q5_k(const void *push, void *const buf[], u32 first, u32 end);
void ref_mul_mat_q6_k(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
