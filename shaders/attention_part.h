/* attention_part: what attention.h says of single blocks, so that blocks of one token are computed side by side; attention_join makes y of them.
 *
 * buffers: 0 K cache; 1 V cache; 2 page tables; 3 q [n, heads, head_dim] f32; 4 seq [n] u32; 5 pos [n] u32;
 *          6 parts: behind [n, heads, head_dim + 2] floats that attention_join keeps, [n, heads, blocks, head_dim + 2] f32 (written)
 * work:    x = blocks * kv_heads, y = n
 *
 * Block j of token i is the one that begins at position 32 * (lo / 32 + j), lo as in attention.h; this call computes j = first .. first + blocks - 1. Of each that
 * begins at or before pos[i] it writes, for every head, o[0 .. head_dim - 1], m and l as attention.h defines them. Others stay as they are. */
#ifndef KEEP_SHADERS_ATTENTION_PART_H
#define KEEP_SHADERS_ATTENTION_PART_H
#include "attention_block.h"
#include "lang.h"

PUSH(attention_part)
{
	u32 n, heads, kv_heads, head_dim, pages_per_seq;
	u32 scale_bits; /* float32 */
	u32 window, pieces;
	u32 first, blocks;
}
PUSH_END

#ifndef VULKAN
void ref_attention_part_f32(const void *push, void *const buf[], u32 first, u32 end);
void ref_attention_part_f16(const void *push, void *const buf[], u32 first, u32 end);
void ref_attention_part_int8(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
