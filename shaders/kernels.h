/* The kernels, each one op for one type of operand, and the references that define them.
 *
 * A kernel works on `work` items along x (and y, z). Its reference computes the items first..end of x and all of y and z, so that
 * threads can share x. push is the struct push_<stem> of <stem>.h; buf are the operands in the order of the bindings. */
#pragma once

#include "base/tensor.h"

#define KERNEL_BUFS_MAX 8u
#define KERNEL_PUSH_MAX 64u /* bytes of push constants; Vulkan guarantees 128 */

enum kernel {
#define KERNEL_OF_TYPE(name, ...) KERNEL_EMBED_##name,
	TENSOR_FLOATS(KERNEL_OF_TYPE) TENSOR_BLOCKS(KERNEL_OF_TYPE)
#undef KERNEL_OF_TYPE
#define KERNEL_OF_TYPE(name, ...) KERNEL_MUL_MAT_##name,
		TENSOR_FLOATS(KERNEL_OF_TYPE) TENSOR_BLOCKS(KERNEL_OF_TYPE)
#undef KERNEL_OF_TYPE
			KERNEL_RMS_NORM,
	KERNEL_QUANTIZE_32,
	KERNEL_QUANTIZE_256,
	KERNEL_ROPE,
	KERNEL_KV_STORE_F32,
	KERNEL_KV_STORE_F16,
	KERNEL_KV_STORE_INT8,
	KERNEL_ATTENTION_F32,
	KERNEL_ATTENTION_F16,
	KERNEL_ATTENTION_INT8,
	KERNEL_SWIGLU,
	KERNEL_ADD,
	KERNEL_ROWS,
	KERNEL_LAYER_NORM,
	KERNEL_BIAS,
	KERNEL_ROW_SCALE,
	KERNEL_MAP,
	KERNEL_GEGLU,
	KERNEL_SWIGLU_OAI,
	KERNEL_COMBINE,
	KERNEL_ATTENTION_PART_F32,
	KERNEL_ATTENTION_PART_F16,
	KERNEL_ATTENTION_PART_INT8,
	KERNEL_ATTENTION_JOIN,
	KERNEL_BLOCK_MAX,
	KERNEL_TOP_BLOCKS,
	KERNEL_ROUTE,
	KERNEL_GROUP,
	KERNELS_N
};

typedef void kernel_ref_fn(const void *push, void *const buf[], u32 first, u32 end);

struct kernel_ref {
	const char *name; /* "mul_mat.Q4_K" */
	kernel_ref_fn *run;
	u32 n_bufs;
	u32 writes; /* bit i: buf i is written */
	u32 push_bytes;
};
extern const struct kernel_ref kernel_refs[KERNELS_N];

/* The kernels of a weight type. false: Keep does not compute with it. */
bool kernel_embed_of(u32 type, enum kernel *ret);
bool kernel_mul_mat_of(u32 type, enum kernel *ret);
/* The type whose weights k reads; TENSOR_F32 when it reads none. */
u32 kernel_type_of(enum kernel k);
bool kernel_is_mul_mat(enum kernel k);

/* Digest that stands for the references: of the version of the arithmetic and the kernels' names, in table order. */
void kernel_refs_digest(u8 ret[32]);
