/* block_max: most[r, b] = the largest of block b of row r, as a key that compares like it (top_key). Blocks are of TOP_BLOCK elements, the last of a
 * row of what is left.
 *
 * buffers: 0 x [rows, n] f32; 1 most [rows, ceil(n / TOP_BLOCK)] u32 (written)
 * work:    x = blocks of a row; y = rows.  x passes the window when read. */
#ifndef KEEP_SHADERS_BLOCK_MAX_H
#define KEEP_SHADERS_BLOCK_MAX_H
#include "top.h"

PUSH(block_max)
{
	u32 rows, n, blocks;
}
PUSH_END

#ifndef VULKAN
void ref_block_max(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
