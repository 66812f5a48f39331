/* What block_max and top_blocks share: blocks of a row, and keys that compare like floats. */
#ifndef KEEP_SHADERS_TOP_H
#define KEEP_SHADERS_TOP_H
#include "lang.h"

#define TOP_BLOCK 32u

/* Unsigned keys in the order of the floats that they are made of (-0 below +0), never 0; and back. Bits to bits: no device may take a comparison of
 * floats in its own way. */
FUNC u32 top_key(u32 u)
{
	return (u & 0x80000000u) != 0u ? ~u : u | 0x80000000u;
}

FUNC u32 top_bits(u32 key)
{
	return (key & 0x80000000u) != 0u ? key ^ 0x80000000u : ~key;
}

#endif
