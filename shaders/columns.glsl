/* What a workgroup of a product computes: `width` columns from its number on; of a product of experts the tile of the plan (plan.h) that its number
 * names, and the expert's rows of W. The file before has named the operand `plan`, p, and the constant EXPERTS: 0 where there
 * never are experts, and compilers leave nothing of this; 1 where p.experts says. */
#include "plan.h"

u32 col0;
u32 col_end;
u32 held_from; /* from a row of y to the same of buffer 0; wraps */
u32 row_from;  /* where this call's rows of y begin */

/* false: nothing, the same for all lanes. */
bool columns_find(u32 width)
{
	u32 tile = gl_WorkGroupID.y;
	col0 = tile * width;
	col_end = p.cols;
	held_from = 0u;
	row_from = p.first;
	if (EXPERTS == 0u || p.experts == 0u)
		return true;
	u32 list = 1u + u32(findMSB(width));
	if (tile >= plan[list])
		return false;
	u32 at = group_list_at(list, p.cols) + 2u * tile;
	u32 word = plan[at + 1u];
	col0 = plan[at];
	col_end = col0 + group_size(word);
	u32 begins = group_expert(word) * p.n_out; /* buffer 0 may hold other experts', or not all */
	held_from = begins - p.first;
	row_from = 0u;
	return begins < p.first + p.count && p.first < begins + p.n_out;
}

/* Is that row of this call to be computed? */
bool row_here(u32 row)
{
	return (EXPERTS == 0u || row < p.n_out) && row + held_from < p.count;
}

/* The row of buffer 0; of one that is not here some row. */
u32 row_held(u32 row)
{
	return min(row + held_from, p.count - 1u);
}
