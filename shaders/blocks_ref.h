/* Quantised blocks as integers, read byte by byte as FORMAT section of README.md lists them. For the references only:
 * the kernels have their own decoders, written on 32-bit words. */
#pragma once

#include "base/types.h"

/* 32 (Q8_0, Q4_0) or 256 elements:  value[i] = f(sc[i / sub] * q[i]) * d - f(m[i / 32]) * dmin */
struct block_ints {
	i8 q[256];  /* offsets (-8, -32) already taken off */
	i32 sc[16]; /* 1 for Q8_0 and Q4_0 */
	i32 m[8];   /* 0 where the type has no minimum */
	f32 d, dmin;
};

/* type: enum tensor_type, a quantised one. sub-blocks are of 16 elements for Q6_K, else 32. */
void block_unpack(u32 type, const u8 *block, struct block_ints *ret);
/* Element j of an unpacked block, in the window: what embed writes. */
f32 block_ints_value(u32 type, const struct block_ints *b, u32 j);
/* One float of type F32, F16 or BF16, in the window. */
f32 block_float(u32 type, const u8 *p);
/* Bytes and elements of a block; 0 for a type that Keep does not compute with. */
u32 block_bytes_of(u32 type);
u32 block_len_of(u32 type);
