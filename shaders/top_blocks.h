/* top_blocks: what choosing an id needs of a row of logits: of its blocks (block_max.h) those with the largest maxima, the best first, of equal ones
 * the lower first; and how much the others weigh. So the best `want` elements of a row, of equal ones those of lower index, are in what is said, and
 * of all others it is known that none comes before `bound`.
 *
 *   rank_b    how many blocks have a larger maximum than b, or an equal one and a lower index
 *   selected  rank_b < want; bound: the block with rank_b == want
 *   weight    of 64 blocks, a group g, with m_g the largest of all their elements: the sum over the elements x of those that are not selected of
 *             fix(exp(window(x) * factor - m_g * factor)), fix(e) = floor(e * 2^43): integers, of 64 bits, so the order of that sum is nobody's
 *             matter. 0 where factor is 0.
 *
 * buffers: 0 x [rows, n] f32; 1 most [rows, blocks] u32 of block_max; 2 need [rows, 2] u32: want, at most cap; bits of factor, 0 or from 2^-20 to
 *          2^20; 3 out [rows, TOP_WORDS] u32 (written): key of the maximum of bound, or 0 where all are selected; its index; of each group the
 *          low and the high word of its weight and the key of m_g; the indices of the selected, by rank, room for cap of them; their elements,
 *          behind the end of a row 0
 * work:    x = groups of a row; y = rows. Rows with want 0 are passed over. x passes the window when read. */
#ifndef KEEP_SHADERS_TOP_BLOCKS_H
#define KEEP_SHADERS_TOP_BLOCKS_H
#include "top.h"

#define TOP_GROUP	64u /* blocks */
#define TOP_HEAD	2u  /* words */
#define TOP_GROUP_WORDS 3u
#define TOP_UNIT_POWER	43 /* a weight of 1 is 2^43: 2^20 of them fit into 64 bits */
/* Where in a row of out. */
#define TOP_WEIGHTS		TOP_HEAD
#define TOP_INDICES(groups)	(TOP_HEAD + TOP_GROUP_WORDS * (groups))
#define TOP_VALUES(groups, cap) (TOP_INDICES(groups) + (cap))
#define TOP_WORDS(groups, cap)	(TOP_VALUES(groups, cap) + (cap)*TOP_BLOCK)

/* Low and high word of fix(e), of the bits of e from 0 to 1. */
FUNC u32 top_fix_low(u32 u)
{
	u32 m = (u & 0x7fffffu) | 0x800000u;
	u32 power = u >> 23; /* 127 is 1, and m << 20 */
	if (power >= 107u)
		return m << (power - 107u);
	return power > 83u ? m >> (107u - power) : 0u;
}

FUNC u32 top_fix_high(u32 u)
{
	u32 m = (u & 0x7fffffu) | 0x800000u;
	u32 power = u >> 23;
	return power > 107u ? m >> (139u - power) : 0u;
}

PUSH(top_blocks)
{
	u32 rows, n, blocks, cap;
}
PUSH_END

#ifndef VULKAN
void ref_top_blocks(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
