/* embed: y[i, :] = table[ids[i], :] as floats.
 *
 * buffers: 0 table rows first .. first + count, raw blocks of the type; 1 ids [n] u32; 2 y [n, dim] f32 (written); 3 the codebooks of grids.h, of types that have one
 * work:    x = n * dim
 *
 * Element e of a row, in the window:
 *   F32, F16, BF16    its value
 *   quantised         f(sc * q) * d - f(m) * dmin, or f(sc * q) * d where there are no minima, with what mul_mat_q.h calls so
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
#include "base/tensor.h"
#define EMBED_REF(name, c, ...) void ref_embed_##c(const void *push, void *const buf[], u32 first, u32 end);
TENSOR_FLOATS(EMBED_REF) TENSOR_BLOCKS(EMBED_REF)
#undef EMBED_REF
#endif
#endif
