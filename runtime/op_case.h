/* One op on made-up inputs, for any device: what the self-test and tests/ops run. The same case gives the same input bytes everywhere. */
#pragma once

#include "runtime/op.h"

enum op_case_op {
	CASE_EMBED,
	CASE_MUL_MAT, /* with op_quantize before it where the type wants that */
	CASE_RMS_NORM,
	CASE_QUANTIZE, /* type: of the weights that it is for */
	CASE_ROPE,
	CASE_KV_STORE,
	CASE_ATTENTION, /* op_kv_store of all positions, then op_attention */
	CASE_SWIGLU,
	CASE_ADD,
	CASE_ROWS,
	CASE_LAYER_NORM,
	CASE_BIAS,
	CASE_ROW_SCALE,
	CASE_MAP, /* type: MAP_SCALE, MAP_SOFTCAP or MAP_XIELU */
	CASE_GEGLU,
	CASE_SWIGLU_OAI,
	CASE_COMBINE,	 /* n_out rows of x, heads of them for each of `rows` */
	CASE_TOP_BLOCKS, /* of rows of k elements, `heads` blocks at most */
	CASE_ROUTE,	 /* k experts, heads of them for each of `rows`; type: enum arch_routing */
	CASE_GROUP,	 /* the same; type: which experts rows have, enum op_case_ids */
	CASE_EXPERTS, /* as CASE_MUL_MAT, of kv_heads experts, heads of them for each of `rows`; pos: enum op_case_ids */
};

enum op_case_fill {
	FILL_PLAIN,   /* values around 1, scales around 2^-8 */
	FILL_ZERO,    /* zeros of both signs */
	FILL_MAX,     /* the largest magnitudes of every field */
	FILL_TINY,    /* float32 and float16 denormals, smallest normals */
	FILL_OUTLIER, /* plain, with one huge element in a row */
	FILL_MIXED,   /* magnitudes over the whole window and beyond it */
};

enum op_case_ids {
	IDS_SPREAD, /* few experts have several rows, some none */
	IDS_SAME,   /* every row the same experts, the last ones */
};

struct op_case {
	enum op_case_op op;
	u32 type;		       /* of weights; for KV cases the KV mode */
	u32 rows, k, n_out;	       /* n_out: also vocabulary; KV cases: number of sequences */
	u32 heads, kv_heads, head_dim; /* rope, KV cases; embed: slice `heads` of kv_heads of k elements */
	u32 pos;		       /* largest position */
	enum op_case_fill fill;
	u32 window;	    /* attention */
	bool pieces, sinks; /* attention */
	bool halves;	    /* rope */
	bool biased, norm;  /* route */
	f32 scale;	    /* route */
	u32 parts; /* attention: in parts, with memory for so many blocks at a time; 0: in one pass */
};

/* Run on d. *ret_out (malloc'd, *ret_len bytes) is the op's output. 0; -errno of the device. */
_must_use_ int op_case_run(struct rt_device *d, const struct op_case *c, void **ret_out, size_t *ret_len);
/* The bytes of a matrix [rows, k] of that type, filled so. ret holds rows * k / block * block bytes. */
void op_case_weights(u32 type, u32 rows, u32 k, enum op_case_fill fill, u64 seed, void *ret);
void op_case_floats(f32 *ret, size_t n, enum op_case_fill fill, u64 seed);
