#include "base/arch.h"

#include <string.h>

#define GATED (PART_BASE | PART_FFN_NORM | PART_GATE)
#define PLAIN (GATED | PART_QKV)
/* Where a model's configuration says attention_bias, and mlp_bias. */
#define BIASES	   (PART_QKV_BIAS | PART_OUTPUT_BIAS)
#define ALL_BIASES (BIASES | PART_FFN_BIAS)

/* Each row against the plain transformer: RMS norms before attention and feed-forward, rotated pairs of neighbours, grouped queries scaled by
 * 1 / sqrt(head), SwiGLU. */
static const struct arch archs[LAYOUT_ARCHS_END] = {
	[LAYOUT_ARCH_LLAMA] = { .name = "llama",
		.must = PLAIN,
		.may = PART_HEAD | PART_ROPE_FREQS | PART_EXPERTS | ALL_BIASES,
		.keys = KEY_ROPE_SCALING,
		.routing = ARCH_ROUTE_SOFTMAX,
		.routing_norm = ARCH_ROUTE_NORM_ALWAYS },
	[LAYOUT_ARCH_MISTRAL3] = { .name = "mistral3",
		.must = PLAIN,
		.may = PART_HEAD | PART_ROPE_FREQS | ALL_BIASES,
		.keys = KEY_ROPE_SCALING | KEY_ATTN_SCALE | KEY_TEMPERATURE },
	[LAYOUT_ARCH_QWEN2] = { .name = "qwen2",
		.must = PLAIN | PART_QKV_BIAS,
		.may = PART_HEAD | PART_HEAD_BIAS,
		.keys = KEY_ROPE_SCALING,
		.rope = ARCH_ROPE_NEOX },
	[LAYOUT_ARCH_QWEN3] = { .name = "qwen3",
		.must = PLAIN | PART_QK_NORM,
		.may = PART_HEAD | PART_QKV_BIAS,
		.keys = KEY_ROPE_SCALING,
		.rope = ARCH_ROPE_NEOX },
	[LAYOUT_ARCH_GEMMA3] = { .name = "gemma3",
		.must = PLAIN | PART_QK_NORM | PART_POST_NORMS,
		.may = PART_HEAD | PART_QKV_BIAS,
		.keys = KEY_ROPE_SCALING | KEY_WINDOW | KEY_LOGIT_SOFTCAP,
		.rope = ARCH_ROPE_NEOX,
		.act = ARCH_ACT_GELU,
		.embed_sqrt = true,
		.window_period = 6,
		.rope_base_window = 10000 },
	[LAYOUT_ARCH_PHI3] = { .name = "phi3",
		.must = PART_BASE | PART_FFN_NORM | PART_GATE_FUSED,
		.may = PART_QKV | PART_QKV_FUSED | PART_QKV_BIAS | PART_QKV_FUSED_BIAS | PART_HEAD |
		       PART_ROPE_FACTORS,
		.keys = KEY_ROPE_SCALING | KEY_WINDOW,
		.rope = ARCH_ROPE_NEOX,
		.window_period = 0 },
	[LAYOUT_ARCH_GRANITE] = { .name = "granite",
		.must = PLAIN,
		.may = PART_HEAD | PART_ROPE_FREQS | ALL_BIASES,
		.keys = KEY_ROPE_SCALING | KEY_ATTN_SCALE | KEY_EMBED_SCALE | KEY_RESIDUAL_SCALE |
			KEY_LOGIT_SCALE,
		.logit_divide = true },
	[LAYOUT_ARCH_GLM4] = { .name = "glm4",
		.must = PART_BASE | PART_FFN_NORM | PART_GATE_FUSED | PART_POST_NORMS,
		.may = PART_QKV | PART_QKV_FUSED | PART_QKV_BIAS | PART_QKV_FUSED_BIAS | PART_HEAD,
		.keys = KEY_ROPE_SCALING | KEY_SECTIONS },
	[LAYOUT_ARCH_COHERE2] = { .name = "cohere2",
		.must = PART_BASE | PART_QKV | PART_GATE,
		.may = PART_QKV_BIAS,
		.keys = KEY_WINDOW | KEY_LOGIT_SCALE,
		.norm = ARCH_NORM_LAYER,
		.window_no_rope = true,
		.window_period = 4 },
	[LAYOUT_ARCH_APERTUS] = { .name = "apertus",
		.must = PART_BASE | PART_QKV | PART_QK_NORM | PART_FFN_NORM | PART_UP,
		.may = PART_HEAD | PART_ROPE_FREQS,
		.keys = KEY_ROPE_SCALING | KEY_ATTN_SCALE,
		.rope = ARCH_ROPE_NEOX,
		.act = ARCH_ACT_XIELU },
	[LAYOUT_ARCH_GEMMA4] = { .name = "gemma4",
		.must = PLAIN | PART_QK_NORM | PART_POST_NORMS | PART_ROPE_FREQS,
		.may = PART_HEAD | PART_PER_LAYER | PART_LAYER_SCALE,
		.keys = KEY_ROPE_SCALING | KEY_WINDOW | KEY_LOGIT_SOFTCAP | KEY_LAYERS,
		.rope = ARCH_ROPE_NEOX,
		.act = ARCH_ACT_GELU,
		.value_norm = true,
		.attn_scale = 1,
		.embed_sqrt = true,
		.window_period = 6,
		.rope_base_window = 10000 },
	[LAYOUT_ARCH_QWEN3MOE] = { .name = "qwen3moe",
		.must = PLAIN | PART_QK_NORM | PART_EXPERTS,
		.may = PART_HEAD | PART_QKV_BIAS,
		.keys = KEY_ROPE_SCALING,
		.rope = ARCH_ROPE_NEOX,
		.routing = ARCH_ROUTE_SOFTMAX,
		.routing_norm = ARCH_ROUTE_NORM_ALWAYS },
	[LAYOUT_ARCH_GLM4MOE] = { .name = "glm4moe",
		.must = PART_BASE | PART_QKV | PART_GATE | PART_FFN_NORM_LATE | PART_EXPERTS,
		.may = PART_HEAD | PART_QKV_BIAS | PART_QK_NORM | PART_CHOICE_BIAS | PART_SHARED,
		.keys = KEY_ROPE_SCALING | KEY_DENSE_FIRST | KEY_SHARED_COUNT | KEY_EXPERT_SCALE | KEY_NEXTN |
			KEY_SECTIONS,
		.rope = ARCH_ROPE_NEOX,
		.routing = ARCH_ROUTE_SIGMOID,
		.routing_norm = ARCH_ROUTE_NORM_FILE },
	[LAYOUT_ARCH_GPT_OSS] = { .name = "gpt-oss",
		.must = PART_BASE | PART_QKV | PART_QKV_BIAS | PART_OUTPUT_BIAS | PART_SINKS |
			PART_FFN_NORM_LATE | PART_EXPERTS | PART_ROUTER_BIAS | PART_EXPERT_BIAS,
		.may = PART_HEAD,
		.keys = KEY_ROPE_SCALING | KEY_WINDOW,
		.rope = ARCH_ROPE_NEOX,
		.act = ARCH_ACT_SWIGLU_OAI,
		.window_period = 2,
		.routing = ARCH_ROUTE_CHOSEN },
	[LAYOUT_ARCH_MINIMAX_M2] = { .name = "minimax-m2",
		.must = PLAIN | PART_QK_NORM_ROW | PART_EXPERTS | PART_CHOICE_BIAS,
		.may = PART_HEAD | PART_QKV_BIAS,
		.keys = KEY_ROPE_SCALING,
		.rope = ARCH_ROPE_NEOX,
		.routing = ARCH_ROUTE_SIGMOID,
		.routing_norm = ARCH_ROUTE_NORM_ALWAYS },
	[LAYOUT_ARCH_LLAMA4] = { .name = "llama4",
		.must = PLAIN | PART_EXPERTS | PART_SHARED,
		.may = PART_HEAD | PART_ROPE_FREQS | PART_QKV_BIAS,
		.keys = KEY_ROPE_SCALING | KEY_WINDOW | KEY_DENSE_BETWEEN,
		.window_no_rope = true,
		.window_period = 4,
		.chunk = 8192,
		.chunk_temperature = 0.1f,
		.unit_qk_unless = 128,
		.routing = ARCH_ROUTE_SIGMOID,
		.routing_input = true,
		.shared_one = true },
	[LAYOUT_ARCH_GRANITEMOE] = { .name = "granitemoe",
		.must = PLAIN | PART_EXPERTS,
		.may = PART_HEAD | PART_ROPE_FREQS | PART_SHARED | BIASES,
		.keys = KEY_ROPE_SCALING | KEY_ATTN_SCALE | KEY_EMBED_SCALE | KEY_RESIDUAL_SCALE |
			KEY_LOGIT_SCALE | KEY_SHARED_WIDTH,
		.logit_divide = true,
		.routing = ARCH_ROUTE_SOFTMAX,
		.routing_norm = ARCH_ROUTE_NORM_ALWAYS },
};

const struct arch *arch_of(u32 id)
{
	return id > 0 && id < LAYOUT_ARCHS_END ? &archs[id] : NULL;
}

u32 arch_find(const char *name, size_t len)
{
	for (u32 i = 1; i < LAYOUT_ARCHS_END; i++)
		if (strlen(archs[i].name) == len && !memcmp(archs[i].name, name, len))
			return i;
	return 0;
}

/* In the order of the computation. */
const struct arch_tensor arch_model_tensors[] = {
	{ "token_embd.weight", DIM_MODEL, DIM_VOCAB, PART_BASE, false },
	{ "per_layer_token_embd.weight", DIM_PER_LAYER_ALL, DIM_VOCAB, PART_PER_LAYER, false },
	{ "per_layer_model_proj.weight", DIM_MODEL, DIM_PER_LAYER_ALL, PART_PER_LAYER, false },
	{ "per_layer_proj_norm.weight", DIM_PER_LAYER, DIM_ONE, PART_PER_LAYER, true },
	{ "rope_freqs.weight", DIM_ROPE_HALF, DIM_ONE, PART_ROPE_FREQS, true },
	{ "rope_factors_short.weight", DIM_ROPE_HALF, DIM_ONE, PART_ROPE_FACTORS, true },
	{ "rope_factors_long.weight", DIM_ROPE_HALF, DIM_ONE, PART_ROPE_FACTORS, true },
	{ "output_norm.weight", DIM_MODEL, DIM_ONE, PART_BASE, true },
	{ "output.weight", DIM_MODEL, DIM_VOCAB, PART_HEAD, false },
	{ "output.bias", DIM_VOCAB, DIM_ONE, PART_HEAD_BIAS, true },
};
const u32 arch_model_tensors_n = ARRAY_LEN(arch_model_tensors), arch_model_first_n = 7;

const struct arch_tensor arch_layer_tensors[] = {
	{ "attn_norm.weight", DIM_MODEL, DIM_ONE, PART_BASE, true },
	{ "attn_q.weight", DIM_MODEL, DIM_Q, PART_QKV, false },
	{ "attn_k.weight", DIM_MODEL, DIM_KV, PART_QKV, false, IN_KEYS },
	{ "attn_v.weight", DIM_MODEL, DIM_KV, PART_QKV, false, IN_VALUES },
	{ "attn_qkv.weight", DIM_MODEL, DIM_QKV, PART_QKV_FUSED, false },
	{ "attn_q.bias", DIM_Q, DIM_ONE, PART_QKV_BIAS, true },
	{ "attn_k.bias", DIM_KV, DIM_ONE, PART_QKV_BIAS, true },
	{ "attn_v.bias", DIM_KV, DIM_ONE, PART_QKV_BIAS, true },
	{ "attn_qkv.bias", DIM_QKV, DIM_ONE, PART_QKV_FUSED_BIAS, true },
	{ "attn_q_norm.weight", DIM_HEAD, DIM_ONE, PART_QK_NORM, true },
	{ "attn_k_norm.weight", DIM_HEAD, DIM_ONE, PART_QK_NORM, true, IN_KEYS },
	{ "attn_q_norm.weight", DIM_Q, DIM_ONE, PART_QK_NORM_ROW, true },
	{ "attn_k_norm.weight", DIM_KV, DIM_ONE, PART_QK_NORM_ROW, true },
	{ "attn_sinks.weight", DIM_HEADS, DIM_ONE, PART_SINKS, true },
	{ "attn_output.weight", DIM_Q, DIM_MODEL, PART_BASE, false },
	{ "attn_output.bias", DIM_MODEL, DIM_ONE, PART_OUTPUT_BIAS, true },
	{ "post_attention_norm.weight", DIM_MODEL, DIM_ONE, PART_POST_NORMS | PART_FFN_NORM_LATE, true },
	{ "ffn_norm.weight", DIM_MODEL, DIM_ONE, PART_FFN_NORM, true },
	{ "ffn_gate.weight", DIM_MODEL, DIM_FFN, PART_GATE, false, IN_DENSE },
	{ "ffn_up.weight", DIM_MODEL, DIM_FFN, PART_GATE | PART_UP, false, IN_DENSE },
	{ "ffn_up.weight", DIM_MODEL, DIM_FFN_2, PART_GATE_FUSED, false, IN_DENSE },
	{ "ffn_gate.bias", DIM_FFN, DIM_ONE, PART_FFN_BIAS, true, IN_DENSE },
	{ "ffn_up.bias", DIM_FFN, DIM_ONE, PART_FFN_BIAS, true, IN_DENSE },
	{ "ffn_down.weight", DIM_FFN, DIM_MODEL, PART_BASE, false, IN_DENSE },
	{ "ffn_down.bias", DIM_MODEL, DIM_ONE, PART_FFN_BIAS, true, IN_DENSE },
	{ "ffn_gate_inp.weight", DIM_MODEL, DIM_EXPERTS, PART_EXPERTS, false, IN_EXPERTS },
	{ "ffn_gate_inp.bias", DIM_EXPERTS, DIM_ONE, PART_ROUTER_BIAS, true, IN_EXPERTS },
	{ "exp_probs_b.bias", DIM_EXPERTS, DIM_ONE, PART_CHOICE_BIAS, true, IN_EXPERTS },
	{ "ffn_gate_exps.weight", DIM_MODEL, DIM_EXPERT, PART_EXPERTS, false, IN_EXPERTS, DIM_EXPERTS },
	{ "ffn_gate_exps.bias", DIM_EXPERT, DIM_EXPERTS, PART_EXPERT_BIAS, true, IN_EXPERTS },
	{ "ffn_up_exps.weight", DIM_MODEL, DIM_EXPERT, PART_EXPERTS, false, IN_EXPERTS, DIM_EXPERTS },
	{ "ffn_up_exps.bias", DIM_EXPERT, DIM_EXPERTS, PART_EXPERT_BIAS, true, IN_EXPERTS },
	{ "ffn_down_exps.weight", DIM_EXPERT, DIM_MODEL, PART_EXPERTS, false, IN_EXPERTS, DIM_EXPERTS },
	{ "ffn_down_exps.bias", DIM_MODEL, DIM_EXPERTS, PART_EXPERT_BIAS, true, IN_EXPERTS },
	{ "ffn_gate_shexp.weight", DIM_MODEL, DIM_SHARED, PART_SHARED, false, IN_EXPERTS },
	{ "ffn_up_shexp.weight", DIM_MODEL, DIM_SHARED, PART_SHARED, false, IN_EXPERTS },
	{ "ffn_down_shexp.weight", DIM_SHARED, DIM_MODEL, PART_SHARED, false, IN_EXPERTS },
	{ "post_ffw_norm.weight", DIM_MODEL, DIM_ONE, PART_POST_NORMS, true },
	{ "inp_gate.weight", DIM_MODEL, DIM_PER_LAYER, PART_PER_LAYER, false },
	{ "proj.weight", DIM_PER_LAYER, DIM_MODEL, PART_PER_LAYER, false },
	{ "post_norm.weight", DIM_MODEL, DIM_ONE, PART_PER_LAYER, true },
	{ "layer_output_scale.weight", DIM_ONE, DIM_ONE, PART_LAYER_SCALE, true },
};
const u32 arch_layer_tensors_n = ARRAY_LEN(arch_layer_tensors);

bool arch_tensor_scaled(const struct arch_tensor *t)
{
	bool looked_up = t->ne1 == DIM_VOCAB && t->part != PART_HEAD;
	return !t->f32_only && !looked_up && t->ne1 != DIM_EXPERTS;
}
