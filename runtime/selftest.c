#include "runtime/selftest.h"
#include "runtime/dev.h"

#include "base/arch.h"
#include "base/sha256.h"
#include "proto.h"
#include "shaders/map.h"
#include "shaders/selftest.h"

#include <stdlib.h>
#include <string.h>

/* An op stands after those whose results its case uses, so that the first wrong kernel is the one that is named.
 * Small enough for a start-up, large enough that every lane, panel and remainder takes part: 18 panels for 16 lanes, odd counts of rows. */
#define EMBED(t, ...)       \
	{ KERNEL_EMBED_##t, \
		{ CASE_EMBED, TENSOR_##t, .rows = 5, .k = 512, .n_out = 37, .fill = FILL_MIXED } },
#define MUL(t, r, f) \
	{ KERNEL_MUL_MAT_##t, { CASE_MUL_MAT, TENSOR_##t, .rows = r, .k = 4608, .n_out = 37, .fill = f } },
#define MUL_MAT(t, ...) \
	MUL(t, 1, FILL_PLAIN) MUL(t, 1, FILL_MIXED) MUL(t, 11, FILL_PLAIN) MUL(t, 3, FILL_TINY)
#define KV(k, op, mode, f)                                                                          \
	{                                                                                           \
		KERNEL_##k,                                                                         \
		{                                                                                   \
			op, mode, .rows = 5, .n_out = 3, .heads = 6, .kv_heads = 2, .head_dim = 80, \
				  .pos = 70, .fill = f                                              \
		}                                                                                   \
	}

/* Parts and their join are of one case: the first of them is named. */
#define PARTS(k, mode, f)                                                                           \
	{                                                                                           \
		KERNEL_##k,                                                                         \
		{                                                                                   \
			CASE_ATTENTION, mode, .rows = 5, .n_out = 3, .heads = 18, .kv_heads = 2,    \
					      .head_dim = 86, .pos = 120, .fill = f, .sinks = true, \
					      .parts = 2                                            \
		}                                                                                   \
	}

#define ROUTE(t, f, ...)                                                                                     \
	{                                                                                                    \
		KERNEL_ROUTE,                                                                                \
		{                                                                                            \
			CASE_ROUTE, t, .rows = 5, .k = 300, .heads = 7, .fill = f, .norm = true, __VA_ARGS__ \
		}                                                                                            \
	}

/* Experts with more rows than a tile, with one and with none. */
#define EXPERTS(t, r, k_, f)                                                                              \
	{ KERNEL_MUL_MAT_##t, { CASE_EXPERTS, TENSOR_##t, .rows = r, .k = k_, .n_out = 37, .kv_heads = 7, \
				      .heads = 3, .fill = f } },
#define EXPERTS_OF(t, ...) EXPERTS(t, 1, 768, FILL_PLAIN) EXPERTS(t, 23, 768, FILL_MIXED)

#define MAP(t, f)                                                    \
	{                                                            \
		KERNEL_MAP,                                          \
		{                                                    \
			CASE_MAP, t, .rows = 7, .k = 1001, .fill = f \
		}                                                    \
	}

const struct selftest_case selftest_cases[] = {
	TENSOR_FLOATS(EMBED) TENSOR_BLOCKS(EMBED){ KERNEL_QUANTIZE_32,
		{ CASE_QUANTIZE, TENSOR_Q8_0, .rows = 5, .k = 1056, .fill = FILL_OUTLIER } },
	{ KERNEL_QUANTIZE_32, { CASE_QUANTIZE, TENSOR_Q8_0, .rows = 5, .k = 1056, .fill = FILL_MIXED } },
	{ KERNEL_QUANTIZE_256, { CASE_QUANTIZE, TENSOR_Q4_K, .rows = 5, .k = 768, .fill = FILL_OUTLIER } },
	{ KERNEL_QUANTIZE_256, { CASE_QUANTIZE, TENSOR_Q4_K, .rows = 5, .k = 768, .fill = FILL_MIXED } },
	TENSOR_FLOATS(MUL_MAT) TENSOR_BLOCKS(MUL_MAT){
		KERNEL_RMS_NORM, { CASE_RMS_NORM, .rows = 3, .k = 1001, .fill = FILL_PLAIN } },
	{ KERNEL_RMS_NORM, { CASE_RMS_NORM, .rows = 3, .k = 1001, .fill = FILL_MIXED } },
	{ KERNEL_ROPE, { CASE_ROPE, .rows = 9, .k = 64, .heads = 3, .head_dim = 80, .pos = 4000,
			       .fill = FILL_PLAIN } },
	{ KERNEL_ROPE, { CASE_ROPE, .rows = 9, .k = 80, .heads = 3, .head_dim = 80, .pos = 50,
			       .fill = FILL_MIXED } },
	KV(KV_STORE_F32, CASE_KV_STORE, KV_F32, FILL_MIXED),
	KV(KV_STORE_F16, CASE_KV_STORE, KV_F16, FILL_MIXED),
	KV(ATTENTION_F32, CASE_ATTENTION, KV_F32, FILL_PLAIN),
	KV(ATTENTION_F32, CASE_ATTENTION, KV_F32, FILL_MIXED),
	KV(ATTENTION_F16, CASE_ATTENTION, KV_F16, FILL_PLAIN),
	KV(ATTENTION_F16, CASE_ATTENTION, KV_F16, FILL_OUTLIER),
	{ KERNEL_SWIGLU, { CASE_SWIGLU, .rows = 7, .k = 1001, .fill = FILL_PLAIN } },
	{ KERNEL_SWIGLU, { CASE_SWIGLU, .rows = 7, .k = 1001, .fill = FILL_MIXED } },
	{ KERNEL_ADD, { CASE_ADD, .rows = 7, .k = 1001, .fill = FILL_MIXED } },
	{ KERNEL_ROWS, { CASE_ROWS, .rows = 5, .k = 77, .n_out = 9, .fill = FILL_PLAIN } },
	{ KERNEL_ROPE, { CASE_ROPE, .rows = 9, .k = 64, .heads = 3, .head_dim = 80, .pos = 4000,
			       .fill = FILL_PLAIN, .halves = true } },
	{ KERNEL_ATTENTION_F32, { CASE_ATTENTION, KV_F32, .rows = 5, .n_out = 3, .heads = 6, .kv_heads = 2,
					.head_dim = 80, .pos = 120, .fill = FILL_PLAIN, .window = 50 } },
	{ KERNEL_LAYER_NORM, { CASE_LAYER_NORM, .rows = 3, .k = 1001, .fill = FILL_PLAIN } },
	{ KERNEL_LAYER_NORM, { CASE_LAYER_NORM, .rows = 3, .k = 1001, .fill = FILL_MIXED } },
	{ KERNEL_BIAS, { CASE_BIAS, .rows = 7, .k = 143, .fill = FILL_MIXED } },
	{ KERNEL_ROW_SCALE, { CASE_ROW_SCALE, .rows = 7, .k = 143, .pos = 90, .fill = FILL_MIXED } },
	MAP(MAP_SCALE, FILL_MIXED), MAP(MAP_SOFTCAP, FILL_PLAIN), MAP(MAP_SOFTCAP, FILL_MIXED),
	MAP(MAP_XIELU, FILL_PLAIN), MAP(MAP_XIELU, FILL_MIXED),
	{ KERNEL_GEGLU, { CASE_GEGLU, .rows = 7, .k = 1001, .fill = FILL_PLAIN } },
	{ KERNEL_GEGLU, { CASE_GEGLU, .rows = 7, .k = 1001, .fill = FILL_MIXED } },
	{ KERNEL_SWIGLU_OAI, { CASE_SWIGLU_OAI, .rows = 7, .k = 1001, .fill = FILL_PLAIN } },
	{ KERNEL_SWIGLU_OAI, { CASE_SWIGLU_OAI, .rows = 7, .k = 1001, .fill = FILL_MIXED } },
	{ KERNEL_COMBINE,
		{ CASE_COMBINE, .rows = 7, .k = 143, .n_out = 40, .heads = 4, .fill = FILL_PLAIN } },
	{ KERNEL_COMBINE,
		{ CASE_COMBINE, .rows = 7, .k = 143, .n_out = 40, .heads = 4, .fill = FILL_MIXED } },
	{ KERNEL_ATTENTION_F32,
		{ CASE_ATTENTION, KV_F32, .rows = 5, .n_out = 3, .heads = 6, .kv_heads = 2, .head_dim = 80,
			.pos = 120, .fill = FILL_PLAIN, .window = 50, .pieces = true, .sinks = true } },
	{ KERNEL_ATTENTION_F16, { CASE_ATTENTION, KV_F16, .rows = 5, .n_out = 3, .heads = 6, .kv_heads = 2,
					.head_dim = 80, .pos = 70, .fill = FILL_MIXED, .sinks = true } },
	KV(KV_STORE_INT8, CASE_KV_STORE, KV_INT8, FILL_MIXED),
	KV(ATTENTION_INT8, CASE_ATTENTION, KV_INT8, FILL_PLAIN),
	KV(ATTENTION_INT8, CASE_ATTENTION, KV_INT8, FILL_MIXED),
	{ KERNEL_ATTENTION_INT8,
		{ CASE_ATTENTION, KV_INT8, .rows = 5, .n_out = 3, .heads = 6, .kv_heads = 2, .head_dim = 86,
			.pos = 120, .fill = FILL_OUTLIER, .window = 50, .sinks = true } },
	PARTS(ATTENTION_PART_F32, KV_F32, FILL_PLAIN), PARTS(ATTENTION_PART_F16, KV_F16, FILL_MIXED),
	PARTS(ATTENTION_PART_INT8, KV_INT8, FILL_OUTLIER), PARTS(ATTENTION_JOIN, KV_F32, FILL_OUTLIER),
	{ KERNEL_BLOCK_MAX, { CASE_TOP_BLOCKS, .rows = 3, .k = 2117, .heads = 9, .fill = FILL_MIXED } },
	{ KERNEL_TOP_BLOCKS, { CASE_TOP_BLOCKS, .rows = 3, .k = 2117, .heads = 9, .fill = FILL_PLAIN } },
	{ KERNEL_TOP_BLOCKS, { CASE_TOP_BLOCKS, .rows = 4, .k = 77, .heads = 4, .fill = FILL_ZERO } },
	ROUTE(ARCH_ROUTE_SOFTMAX, FILL_PLAIN),
	ROUTE(ARCH_ROUTE_SIGMOID, FILL_PLAIN, .biased = true, .scale = 2.5f),
	ROUTE(ARCH_ROUTE_CHOSEN, FILL_MIXED), ROUTE(ARCH_ROUTE_SOFTMAX, FILL_PLAIN, .pos = 3),
	{ KERNEL_GROUP, { CASE_GROUP, IDS_SPREAD, .rows = 45, .k = 61, .heads = 3 } },
	{ KERNEL_GROUP, { CASE_GROUP, IDS_SAME, .rows = 45, .k = 1000, .heads = 3 } },
	TENSOR_FLOATS(EXPERTS_OF) TENSOR_BLOCKS(EXPERTS_OF)
};
const u32 selftest_cases_n = ARRAY_LEN(selftest_cases);

int selftest_digest(struct rt_device *d, const struct op_case *c, u8 ret[32])
{
	void *out;
	size_t len;
	int r = op_case_run(d, c, &out, &len);
	if (r < 0)
		return r;
	sha256_of(out, len, ret);
	free(out);
	return 0;
}

int selftest_run(struct rt_device *d, u32 i)
{
	u8 digest[32];
	int r = selftest_digest(d, &selftest_cases[i].c, digest);
	if (r < 0)
		return r;
	return i >= ARRAY_LEN(selftest_digests) || memcmp(digest, selftest_digests[i], sizeof(digest));
}

int rt_selftest(struct rt_device *d, const char **ret_kernel)
{
	for (u32 i = 0; i < selftest_cases_n; i++) {
		int r = selftest_run(d, i);
		if (r == 1)
			*ret_kernel = kernel_refs[selftest_cases[i].kernel].name;
		if (r != 0)
			return r;
	}
	return 0;
}
