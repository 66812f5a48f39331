/* mul_mat_q: y[c, o] = sum_e W[o, e] * act[c, e], weights in blocks, activations in int8 (act.h).
 *
 * buffers: 0 W rows first .. first + count, raw blocks; 1 act [cols, k]; 2 y [cols, n_out] f32 (written)
 *          3 the codebooks of grids.h, of types that have one (IQ1, IQ2, IQ3); 4 the plan (plan.h), read where there are experts
 * work:    x = count (rows of W), y = cols
 *
 * With experts W is [experts, n_out, k], count and first are of all its rows, the columns are slots, and y[c, o] is of the matrix of the expert whose
 * slot c is. work: x = n_out, y = cols.
 *
 * acc = 0; acc = acc + t_p for the terms p of the row, left to right; y = window(acc). A term is of G elements, G = 32 or 256 as TENSOR_BLOCKS
 * of base/tensor.h says. With x the int8 activations of the term, S their sums, a their scale, f exact_from_int (int32 to float, nearest even),
 * every product rounded:
 *   t = (f(I1) * d - f(I2) * dmin) * a,   I1 = sum_j sc_j sum q x,   I2 = sum_j m_j S_j;   without minima (f(I1) * d) * a
 * where a weight is sc * q * d - m * dmin:
 *   Q8_0, Q4_0, Q5_0          q with its offset taken off; sc 1
 *   Q4_1, Q5_1                sc 1; m 1, dmin the file's m with the other sign
 *   IQ4_NL, TQ1_0, TQ2_0      q of the codebook, or -1, 0, 1 (2); sc 1
 *   Q4_K, Q5_K                sc, m of 32 elements
 *   Q2_K                      sc, m of 16
 *   Q3_K, Q6_K                sc of 16, -32..31 and int8; q -4..3, -32..31
 *   IQ4_XS                    sc of 32, -32..31
 *   IQ3_XXS, IQ2_XXS          sc of 32, odd; d a quarter and an eighth of the file's
 *   IQ3_S; IQ2_XS, IQ2_S      sc of 32, odd; of 16, odd, d an eighth
 *   IQ1_S, IQ1_M              sc of 32, of 16, odd; q in eighths, -9..9; d an eighth
 *   MXFP4                     q twice the value, d = window(2^(e - 128))
 *   NVFP4                     t = (f(I1) * d1 + f(I2) * d2) * a, I1 and d1 of the first 16 elements, I2 and d2 of the others; q twice the value
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
	u32 experts; /* 0: W is one matrix */
}
PUSH_END

#ifndef VULKAN
#include "base/tensor.h"
#define MUL_MAT_Q_REF(name, c, ...) \
	void ref_mul_mat_##c(const void *push, void *const buf[], u32 first, u32 end);
TENSOR_BLOCKS(MUL_MAT_Q_REF)
#undef MUL_MAT_Q_REF
#endif
#endif
