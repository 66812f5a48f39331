/* The types that a tensor may have, one row each: whoever needs a table of types makes it from these lists. */
#pragma once

#include "base/types.h"

/* Floats: name, name in C, number in GGUF, elements of a block, bytes of a block. */
#define TENSOR_FLOATS(X)     \
	X(F32, f32, 0, 1, 4) \
	X(F16, f16, 1, 1, 2) \
	X(BF16, bf16, 30, 1, 2)

/* Quantised: the same; how many activations share a scale in products (act.h), which is a term of their sums; how many weights share an
 * integer scale, and how many an integer minimum, 0: none. shaders/mul_mat_q.h says what is done with them. */
#define TENSOR_BLOCKS(X)                             \
	X(Q8_0, q8_0, 8, 32, 34, 32, 0, 0)           \
	X(Q4_0, q4_0, 2, 32, 18, 32, 0, 0)           \
	X(Q4_K, q4_k, 12, 256, 144, 256, 32, 32)     \
	X(Q5_K, q5_k, 13, 256, 176, 256, 32, 32)     \
	X(Q6_K, q6_k, 14, 256, 210, 256, 16, 0)      \
	X(Q4_1, q4_1, 3, 32, 20, 32, 0, 32)          \
	X(Q5_0, q5_0, 6, 32, 22, 32, 0, 0)           \
	X(Q5_1, q5_1, 7, 32, 24, 32, 0, 32)          \
	X(Q2_K, q2_k, 10, 256, 84, 256, 16, 16)      \
	X(Q3_K, q3_k, 11, 256, 110, 256, 16, 0)      \
	X(IQ4_NL, iq4_nl, 20, 32, 18, 32, 0, 0)      \
	X(IQ4_XS, iq4_xs, 23, 256, 136, 256, 32, 0)  \
	X(IQ2_XXS, iq2_xxs, 16, 256, 66, 256, 32, 0) \
	X(IQ2_XS, iq2_xs, 17, 256, 74, 256, 16, 0)   \
	X(IQ2_S, iq2_s, 22, 256, 82, 256, 16, 0)     \
	X(IQ3_XXS, iq3_xxs, 18, 256, 98, 256, 32, 0) \
	X(IQ3_S, iq3_s, 21, 256, 110, 256, 32, 0)    \
	X(IQ1_S, iq1_s, 19, 256, 50, 256, 32, 0)     \
	X(IQ1_M, iq1_m, 29, 256, 56, 256, 16, 0)     \
	X(TQ1_0, tq1_0, 34, 256, 54, 256, 0, 0)      \
	X(TQ2_0, tq2_0, 35, 256, 66, 256, 0, 0)      \
	X(NVFP4, nvfp4, 40, 64, 36, 32, 16, 0)       \
	X(MXFP4, mxfp4, 39, 32, 17, 32, 0, 0)

/* The numbers of GGUF. */
enum tensor_type {
#define TENSOR_NUMBER(name, c, number, ...) TENSOR_##name = number,
	TENSOR_FLOATS(TENSOR_NUMBER) TENSOR_BLOCKS(TENSOR_NUMBER)
#undef TENSOR_NUMBER
};

struct tensor_type_info {
	const char *name; /* "Q4_K" */
	u32 block;	  /* elements of a block */
	u32 bytes;	  /* bytes of a block */
	u32 group;	  /* activations of one scale; 0: floats, whose activations are not quantised */
};
/* Facts of a type, or NULL when Keep does not compute with it. */
const struct tensor_type_info *tensor_type_info(u32 type);
