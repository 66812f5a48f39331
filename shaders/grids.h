/* The codebooks of the IQ formats: entries of 16 bits, two a word, the first in the low half.
 *
 *   IQ2_*, IQ1_*   eight levels of two bits, element 0 lowest: IQ2 0, 1, 2 stand for 8, 25, 43, IQ1 for -1, 0, 1
 *   IQ3_*          four levels of four bits: IQ3_XXS l stands for 8 l + 4, but 7 for 62; IQ3_S for 2 l + 1
 *
 * Kernels read them from a buffer that a device fills with this table when it opens; references and native kernels read the table. */
#ifndef KEEP_SHADERS_GRIDS_H
#define KEEP_SHADERS_GRIDS_H
#include "lang.h"

/* Where each begins, in words. */
#define GRID_IQ2_XXS 0u
#define GRID_IQ2_XS  128u
#define GRID_IQ2_S   384u
#define GRID_IQ3_XXS 896u
#define GRID_IQ3_S   1024u
#define GRID_IQ1     1280u
#define GRIDS_WORDS  2304u

#ifndef VULKAN
extern const u32 shader_grids[GRIDS_WORDS];

/* Entry i of the codebook that begins at word `grid`. */
static inline u32 grid_entry(u32 grid, u32 i)
{
	return shader_grids[grid + i / 2] >> (16 * (i & 1)) & 0xffff;
}
#endif
#endif
