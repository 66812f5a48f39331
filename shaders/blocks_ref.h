/* Quantised blocks as integers, read byte by byte. For the references, and for what reads a block at a time: the kernels have their own
 * decoders, written on 32-bit words. */
#pragma once

#include "base/tensor.h"

/* What makes one term of a product: 32 or 256 elements (the group of TENSOR_BLOCKS), a block but for NVFP4, whose block is two of them.
 *   value[i] = f(sc[i / 16] * q[i]) * d - f(m[i / 16]) * dmin,   NVFP4: f(q[i]) * d of the first 16, f(q[i]) * dmin of the others */
struct block_ints {
	i8 q[256]; /* offsets (-8, -32) already taken off */
	i32 sc[16];
	i32 m[16]; /* 0 where the type has no minimum */
	f32 d, dmin;
};

/* How the integers of a type are made into terms. */
struct block_kind {
	u32 scale_len; /* elements that share sc: 16 or 32; 0: sc is 1 */
	u32 min_len;   /* elements that share m: 16 or 32; 0: there is none */
};
struct block_kind block_kind_of(u32 type); /* a quantised type */

/* Term `part` of a block: 0, or with NVFP4 0 and 1. */
void block_unpack(u32 type, const u8 *block, u32 part, struct block_ints *ret);
/* Element j of an unpacked term, in the window: what embed writes. */
f32 block_ints_value(u32 type, const struct block_ints *b, u32 j);
/* One float of type F32, F16 or BF16, in the window. */
f32 block_float(u32 type, const u8 *p);
/* Where the float16 numbers of a block stand: how many (at most 2), their bytes in ret_at. IQ1_M hides its one in the top nibbles of the last
 * eight bytes, lowest first; NVFP4 and MXFP4 have none. */
u32 block_halves_of(u32 type, u32 ret_at[2]);
/* Bytes and elements of a block; 0 for a type that Keep does not compute with. */
u32 block_bytes_of(u32 type);
u32 block_len_of(u32 type);
/* Elements of a term; 0 for floats. */
u32 block_term_of(u32 type);
