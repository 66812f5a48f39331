#include "shaders/kernels.h"

#include "base/sha256.h"

#include <string.h>

#include "shaders/add.h"
#include "shaders/attention.h"
#include "shaders/bias.h"
#include "shaders/combine.h"
#include "shaders/embed.h"
#include "shaders/geglu.h"
#include "shaders/kv_store.h"
#include "shaders/layer_norm.h"
#include "shaders/map.h"
#include "shaders/mul_mat_f.h"
#include "shaders/mul_mat_q.h"
#include "shaders/quantize.h"
#include "shaders/rms_norm.h"
#include "shaders/rope.h"
#include "shaders/row_scale.h"
#include "shaders/rows.h"
#include "shaders/swiglu.h"
#include "shaders/swiglu_oai.h"

#define BIT(i)		   (1u << (i))
#define REF(f, stem, n, w) .run = ref_##f, .n_bufs = n, .writes = w, .push_bytes = sizeof(struct push_##stem)

const struct kernel_ref kernel_refs[KERNELS_N] = {
	[KERNEL_EMBED_F32] = { "embed.F32", REF(embed_f32, embed, 3, BIT(2)) },
	[KERNEL_EMBED_F16] = { "embed.F16", REF(embed_f16, embed, 3, BIT(2)) },
	[KERNEL_EMBED_BF16] = { "embed.BF16", REF(embed_bf16, embed, 3, BIT(2)) },
	[KERNEL_EMBED_Q8_0] = { "embed.Q8_0", REF(embed_q8_0, embed, 3, BIT(2)) },
	[KERNEL_EMBED_Q4_0] = { "embed.Q4_0", REF(embed_q4_0, embed, 3, BIT(2)) },
	[KERNEL_EMBED_MXFP4] = { "embed.MXFP4", REF(embed_mxfp4, embed, 3, BIT(2)) },
	[KERNEL_EMBED_Q4_K] = { "embed.Q4_K", REF(embed_q4_k, embed, 3, BIT(2)) },
	[KERNEL_EMBED_Q5_K] = { "embed.Q5_K", REF(embed_q5_k, embed, 3, BIT(2)) },
	[KERNEL_EMBED_Q6_K] = { "embed.Q6_K", REF(embed_q6_k, embed, 3, BIT(2)) },
	[KERNEL_MUL_MAT_F32] = { "mul_mat.F32", REF(mul_mat_f32, mul_mat_f, 3, BIT(2)) },
	[KERNEL_MUL_MAT_F16] = { "mul_mat.F16", REF(mul_mat_f16, mul_mat_f, 3, BIT(2)) },
	[KERNEL_MUL_MAT_BF16] = { "mul_mat.BF16", REF(mul_mat_bf16, mul_mat_f, 3, BIT(2)) },
	[KERNEL_MUL_MAT_Q8_0] = { "mul_mat.Q8_0", REF(mul_mat_q8_0, mul_mat_q, 3, BIT(2)) },
	[KERNEL_MUL_MAT_Q4_0] = { "mul_mat.Q4_0", REF(mul_mat_q4_0, mul_mat_q, 3, BIT(2)) },
	[KERNEL_MUL_MAT_MXFP4] = { "mul_mat.MXFP4", REF(mul_mat_mxfp4, mul_mat_q, 3, BIT(2)) },
	[KERNEL_MUL_MAT_Q4_K] = { "mul_mat.Q4_K", REF(mul_mat_q4_k, mul_mat_q, 3, BIT(2)) },
	[KERNEL_MUL_MAT_Q5_K] = { "mul_mat.Q5_K", REF(mul_mat_q5_k, mul_mat_q, 3, BIT(2)) },
	[KERNEL_MUL_MAT_Q6_K] = { "mul_mat.Q6_K", REF(mul_mat_q6_k, mul_mat_q, 3, BIT(2)) },
	[KERNEL_RMS_NORM] = { "rms_norm", REF(rms_norm, rms_norm, 3, BIT(2)) },
	[KERNEL_QUANTIZE_32] = { "quantize.32", REF(quantize_32, quantize, 2, BIT(1)) },
	[KERNEL_QUANTIZE_256] = { "quantize.256", REF(quantize_256, quantize, 2, BIT(1)) },
	[KERNEL_ROPE] = { "rope", REF(rope, rope, 3, BIT(0)) },
	[KERNEL_KV_STORE_F32] = { "kv_store.f32", REF(kv_store_f32, kv_store, 7, BIT(0) | BIT(1)) },
	[KERNEL_KV_STORE_F16] = { "kv_store.f16", REF(kv_store_f16, kv_store, 7, BIT(0) | BIT(1)) },
	[KERNEL_ATTENTION_F32] = { "attention.f32", REF(attention_f32, attention, 8, BIT(6)) },
	[KERNEL_ATTENTION_F16] = { "attention.f16", REF(attention_f16, attention, 8, BIT(6)) },
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
};

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
