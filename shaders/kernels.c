#include "shaders/kernels.h"

#include "base/sha256.h"

#include <string.h>

#include "shaders/add.h"
#include "shaders/attention.h"
#include "shaders/attention_join.h"
#include "shaders/attention_part.h"
#include "shaders/bias.h"
#include "shaders/block_max.h"
#include "shaders/combine.h"
#include "shaders/embed.h"
#include "shaders/geglu.h"
#include "shaders/group.h"
#include "shaders/kv_store.h"
#include "shaders/layer_norm.h"
#include "shaders/map.h"
#include "shaders/mul_mat_f.h"
#include "shaders/mul_mat_q.h"
#include "shaders/quantize.h"
#include "shaders/rms_norm.h"
#include "shaders/rope.h"
#include "shaders/route.h"
#include "shaders/row_scale.h"
#include "shaders/rows.h"
#include "shaders/swiglu.h"
#include "shaders/swiglu_oai.h"
#include "shaders/top_blocks.h"

#define BIT(i)		   (1u << (i))
#define REF(f, stem, n, w) .run = ref_##f, .n_bufs = n, .writes = w, .push_bytes = sizeof(struct push_##stem)

const struct kernel_ref kernel_refs[KERNELS_N] = {
#define EMBED(name, c, ...) [KERNEL_EMBED_##name] = { "embed." #name, REF(embed_##c, embed, 4, BIT(2)) },
#define MUL_MAT_F(name, c, ...) \
	[KERNEL_MUL_MAT_##name] = { "mul_mat." #name, REF(mul_mat_##c, mul_mat_f, 4, BIT(2)) },
#define MUL_MAT_Q(name, c, ...) \
	[KERNEL_MUL_MAT_##name] = { "mul_mat." #name, REF(mul_mat_##c, mul_mat_q, 5, BIT(2)) },
	TENSOR_FLOATS(EMBED) TENSOR_BLOCKS(EMBED) TENSOR_FLOATS(MUL_MAT_F) TENSOR_BLOCKS(
		MUL_MAT_Q)[KERNEL_RMS_NORM] = { "rms_norm", REF(rms_norm, rms_norm, 3, BIT(2)) },
	[KERNEL_QUANTIZE_32] = { "quantize.32", REF(quantize_32, quantize, 2, BIT(1)) },
	[KERNEL_QUANTIZE_256] = { "quantize.256", REF(quantize_256, quantize, 2, BIT(1)) },
	[KERNEL_ROPE] = { "rope", REF(rope, rope, 3, BIT(0)) },
	[KERNEL_KV_STORE_F32] = { "kv_store.f32", REF(kv_store_f32, kv_store, 7, BIT(0) | BIT(1)) },
	[KERNEL_KV_STORE_F16] = { "kv_store.f16", REF(kv_store_f16, kv_store, 7, BIT(0) | BIT(1)) },
	[KERNEL_KV_STORE_INT8] = { "kv_store.int8", REF(kv_store_int8, kv_store, 7, BIT(0) | BIT(1)) },
	[KERNEL_ATTENTION_F32] = { "attention.f32", REF(attention_f32, attention, 8, BIT(6)) },
	[KERNEL_ATTENTION_F16] = { "attention.f16", REF(attention_f16, attention, 8, BIT(6)) },
	[KERNEL_ATTENTION_INT8] = { "attention.int8", REF(attention_int8, attention, 8, BIT(6)) },
	[KERNEL_SWIGLU] = { "swiglu", REF(swiglu, swiglu, 3, BIT(2)) },
	[KERNEL_ADD] = { "add", REF(add, add, 2, BIT(0)) },
	[KERNEL_ROWS] = { "rows", REF(rows, rows, 3, BIT(2)) },
	[KERNEL_LAYER_NORM] = { "layer_norm", REF(layer_norm, layer_norm, 3, BIT(2)) },
	[KERNEL_BIAS] = { "bias", REF(bias, bias, 2, BIT(0)) },
	[KERNEL_ROW_SCALE] = { "row_scale", REF(row_scale, row_scale, 3, BIT(0)) },
	[KERNEL_MAP] = { "map", REF(map, map, 1, BIT(0)) },
	[KERNEL_GEGLU] = { "geglu", REF(geglu, geglu, 3, BIT(2)) },
	[KERNEL_SWIGLU_OAI] = { "swiglu_oai", REF(swiglu_oai, swiglu_oai, 3, BIT(2)) },
	[KERNEL_COMBINE] = { "combine", REF(combine, combine, 4, BIT(3)) },
#define PART(name, c)             \
	[KERNEL_ATTENTION_PART_## \
		name] = { "attention_part." #c, REF(attention_part_##c, attention_part, 7, BIT(6)) },
	PART(F32, f32) PART(F16, f16) PART(INT8, int8)[KERNEL_ATTENTION_JOIN] = { "attention_join",
		REF(attention_join, attention_join, 4, BIT(0) | BIT(2)) },
	[KERNEL_BLOCK_MAX] = { "block_max", REF(block_max, block_max, 2, BIT(1)) },
	[KERNEL_TOP_BLOCKS] = { "top_blocks", REF(top_blocks, top_blocks, 4, BIT(3)) },
	[KERNEL_ROUTE] = { "route", REF(route, route, 4, BIT(2) | BIT(3)) },
	[KERNEL_GROUP] = { "group", REF(group, group, 6, BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5)) },
};

#define ROW(name, ...) { TENSOR_##name, KERNEL_EMBED_##name, KERNEL_MUL_MAT_##name },
static const struct {
	u32 type;
	enum kernel embed, mul_mat;
} kernels_of_types[] = { TENSOR_FLOATS(ROW) TENSOR_BLOCKS(ROW) };

bool kernel_embed_of(u32 type, enum kernel *ret)
{
	for (u32 i = 0; i < ARRAY_LEN(kernels_of_types); i++)
		if (kernels_of_types[i].type == type) {
			*ret = kernels_of_types[i].embed;
			return true;
		}
	return false;
}

bool kernel_mul_mat_of(u32 type, enum kernel *ret)
{
	for (u32 i = 0; i < ARRAY_LEN(kernels_of_types); i++)
		if (kernels_of_types[i].type == type) {
			*ret = kernels_of_types[i].mul_mat;
			return true;
		}
	return false;
}

u32 kernel_type_of(enum kernel k)
{
	for (u32 i = 0; i < ARRAY_LEN(kernels_of_types); i++)
		if (kernels_of_types[i].embed == k || kernels_of_types[i].mul_mat == k)
			return kernels_of_types[i].type;
	return TENSOR_F32;
}

bool kernel_is_mul_mat(enum kernel k)
{
	enum kernel its;
	return kernel_mul_mat_of(kernel_type_of(k), &its) && its == k;
}

void kernel_refs_digest(u8 ret[32])
{
	static const char head[] = "keep reference kernels, numerics 1\n";
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, head, sizeof(head) - 1);
	for (u32 i = 0; i < KERNELS_N; i++) {
		sha256_update(&s, kernel_refs[i].name, strlen(kernel_refs[i].name));
		sha256_update(&s, "\n", 1);
	}
	sha256_final(&s, ret);
}
