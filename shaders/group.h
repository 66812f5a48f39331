/* group: which rows an expert has, once route has said which experts a row has. What a row says to one of its experts is a slot; those of an expert
 * stand together, in the order of the rows, and experts ascend. So their rows are a matrix, of which products take tiles.
 *
 * buffers: 0 ids [n] u32, n = rows * used, each below `experts`; written: 1 the plan (plan.h); 2 slots [n] u32, where each of ids stands; 3 pairs [n]
 *          u32, the other way round; 4 rows [n] u32, pairs / used; 5 owners [n] u32, whose slots they are
 * work:    x = 1 */
#ifndef KEEP_SHADERS_GROUP_H
#define KEEP_SHADERS_GROUP_H
#include "lang.h"
#include "plan.h"

PUSH(group)
{
	u32 n, used, experts;
}
PUSH_END

#ifndef VULKAN
void ref_group(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
