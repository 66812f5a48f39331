#include "shaders/rows.h"

void ref_rows(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_rows *p = push;
	const u32 *x = buf[0], *rows = buf[1];
	u32 *y = buf[2];
	for (u32 i = first; i < end; i++)
		y[i] = x[(size_t)rows[i / p->dim] * p->dim + i % p->dim];
}
