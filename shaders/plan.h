/* The plan of a product of experts, as `group` writes and products read it: which columns, slots of group.h, have which expert. GROUP_LISTS lists of tiles
 * in the order of their slots. List 0: all slots of an expert are a tile. List 1 + log2(w), w = 1, 2, … 32: from an expert's first slot on w are one;
 * the last has what is left. Word l is how long list l is; it begins at word group_list_at(l, n) and has two words a tile: its first slot;
 * how many << 10 | the expert. What is behind its end says nothing. */
#ifndef KEEP_SHADERS_PLAN_H
#define KEEP_SHADERS_PLAN_H
#include "lang.h"

#define GROUP_LISTS   7u
#define GROUP_HEAD    8u /* words before the lists */
#define GROUP_ID_BITS 10u

FUNC u32 group_list_at(u32 list, u32 n)
{
	return GROUP_HEAD + 2u * list * n;
}

FUNC u32 group_expert(u32 word)
{
	return word & ((1u << GROUP_ID_BITS) - 1u);
}

FUNC u32 group_size(u32 word)
{
	return word >> GROUP_ID_BITS;
}

#ifndef VULKAN
static inline u64 group_plan_bytes(u32 n)
{
	return 4ull * group_list_at(GROUP_LISTS, n);
}

/* The most tiles of that width. */
static inline u32 group_tiles_max(u32 n, u32 experts, u32 width)
{
	return MIN(n, (u32)((n + (u64)(width - 1) * MIN(n, experts)) / width));
}

/* Columns of a product that read one matrix: those of tile i of list 0, or without experts all; and which rows. */
struct group_columns {
	u32 first, n, expert;
	u32 held_from; /* from a row of the product to the same of those that buffer 0 holds, from row `from` on; wraps */
	u32 row_from; /* where rows of y begin */
};
static inline u32 group_columns_n(u32 experts, const u32 *plan)
{
	return experts ? plan[0] : 1;
}
static inline struct group_columns group_columns_at(
	u32 experts, u32 cols, u32 n_out, u32 from, const u32 *plan, u32 i)
{
	if (!experts)
		return (struct group_columns){ .n = cols, .row_from = from };
	const u32 *tile = plan + group_list_at(0, cols) + 2 * i;
	u32 expert = group_expert(tile[1]);
	return (struct group_columns){ .first = tile[0],
		.n = group_size(tile[1]),
		.expert = expert,
		.held_from = expert * n_out - from };
}
#endif
#endif
