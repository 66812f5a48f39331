#include "shaders/block_max.h"
#include "shaders/exact.h"

static u32 largest(const f32 *x, u32 n)
{
	u32 most = 0;
	for (u32 i = 0; i < n; i++)
		most = MAX(most, top_key(f2u(exact_window(x[i]))));
	return most;
}

void ref_block_max(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_block_max *p = push;
	const f32 *x = buf[0];
	u32 *most = buf[1];
	for (u32 r = 0; r < p->rows; r++)
		for (u32 b = first; b < end; b++)
			most[(size_t)r * p->blocks + b] = largest(
				x + (size_t)r * p->n + b * TOP_BLOCK, MIN(TOP_BLOCK, p->n - b * TOP_BLOCK));
}
