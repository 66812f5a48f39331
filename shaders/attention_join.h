/* attention_join: blocks that attention_part computed, joined left to right as attention.h says.
 *
 * buffers: 0 the state [n, heads, head_dim + 2] f32: O, M, L (written); behind it the parts [n, heads, blocks, head_dim + 2];
 *          1 pos [n] u32; 2 y [n, heads, head_dim] f32 (written in the last call); 3 with sinks: a score of each head [heads] f32, else not read
 * work:    x = heads, y = n
 *
 * Joins blocks first .. first + blocks - 1 of each token, as far as it has them, to the state; where first is 0 there is none before. With last = 1 the sink and
 * the product with exact_recip(L) follow, and y is written. The context may so come in several pairs of calls. */
#ifndef KEEP_SHADERS_ATTENTION_JOIN_H
#define KEEP_SHADERS_ATTENTION_JOIN_H
#include "attention_block.h"
#include "lang.h"

PUSH(attention_join)
{
	u32 n, heads, head_dim;
	u32 window, pieces;
	u32 first, blocks, last;
	u32 sinks; /* 1: there are some */
}
PUSH_END

#ifndef VULKAN
void ref_attention_join(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
