/* rope: turn pairs of the first rope_dim elements of each head, in place: (x[2j], x[2j+1]), or with halves (x[j], x[j + rope_dim / 2]).
 *
 * buffers: 0 x [n, heads, head_dim] f32 (written); 1 pos [n] u32; 2 table, positions first .. first + count, [count, rope_dim / 2, 2] f32
 * work:    x = n * heads * rope_dim / 2, the pairs
 *
 * With c, s = table[pos]:  x0' = window(x0 * c - x1 * s),  x1' = window(x0 * s + x1 * c). All inputs pass the window when read.
 * Positions outside the table's part are left alone (a table larger than a binding takes several dispatches). */
#ifndef KEEP_SHADERS_ROPE_H
#define KEEP_SHADERS_ROPE_H
#include "lang.h"

PUSH(rope)
{
	u32 n, heads, head_dim, rope_dim;
	u32 first, count; /* positions that buffer 2 holds */
	u32 halves;	  /* 0 or 1 */
	u32 base;	  /* word of buffer 2 where position `first` begins */
}
PUSH_END

#ifndef VULKAN
void ref_rope(const void *push, void *const buf[], u32 first, u32 end);
#endif
#endif
