/* embed: y[i, :] = table[ids[i], :] as floats.
 *
 * buffers: 0 table rows first .. first + count, raw blocks of the type; 1 ids [n] u32; 2 y [n, dim] f32 (written)
 * work:    x = n * dim
 *
 * Element e of a row, in the window:
 *   F32, F16, BF16    its value
 *   Q8_0, Q4_0, MXFP4 f(q) * d                       q with its offset taken off
 *   Q4_K, Q5_K        f(sc * q) * d - f(m) * dmin    sc, m the six-bit pair of the 32 elements around e
 *   Q6_K              f(sc * (q - 32)) * d           sc of the 16 elements around e
 * Rows outside first .. first + count are left alone (a table larger than a binding takes several dispatches); ids beyond the vocabulary
 * give zeros. */
#ifndef KEEP_SHADERS_EMBED_H
#define KEEP_SHADERS_EMBED_H
#include "lang.h"

PUSH(embed)
{
	u32 n, dim, vocab;
	u32 first, count; /* rows of the table that buffer 0 holds */
	u32 base;	  /* byte of buffer 0 where row `first` begins */
	u32 row_bytes;
}
PUSH_END

#ifndef VULKAN
void ref_embed_f32(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_f16(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_bf16(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_q8_0(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_q4_0(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_mxfp4(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_q4_k(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_q5_k(const void *push, void *const buf[], u32 first, u32 end);
void ref_embed_q6_k(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
