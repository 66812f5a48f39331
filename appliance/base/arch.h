/* The architectures that Keep computes, as data: one row says how a family differs from the plain transformer, one row says which tensor
 * belongs to which part of it. attest holds headers to these tables, layout_open holds layouts to them, and the runtime's one layer
 * program switches on them and on nothing else. Another family is a row here, its keys in attest/network.c, and a test. */
#pragma once

#include "base/types.h"

enum layout_arch {
	LAYOUT_ARCH_LLAMA = 1,
	LAYOUT_ARCH_MISTRAL3,
	LAYOUT_ARCH_QWEN2,
	LAYOUT_ARCH_QWEN3,
	LAYOUT_ARCH_GEMMA3,
	LAYOUT_ARCH_PHI3,
	LAYOUT_ARCH_GRANITE,
	LAYOUT_ARCH_GLM4,
	LAYOUT_ARCH_COHERE2,
	LAYOUT_ARCH_APERTUS,
	LAYOUT_ARCH_GEMMA4,
	LAYOUT_ARCH_QWEN3MOE,
	LAYOUT_ARCH_GLM4MOE,
	LAYOUT_ARCH_GPT_OSS,
	LAYOUT_ARCH_MINIMAX_M2,
	LAYOUT_ARCH_LLAMA4,
	LAYOUT_ARCH_GRANITEMOE,
	LAYOUT_ARCHS_END
};

/* Parts of a network that come and go together: a part is there in every layer that has it, or nowhere. */
enum arch_part {
	PART_BASE =
		1u
		<< 0, /* embedding, norms before attention, output projection, down projection, last norm */
	PART_HEAD = 1u << 1,	     /* a head of its own; without it the embedding is the head */
	PART_ROPE_FREQS = 1u << 2,   /* factors on the rotation */
	PART_ROPE_FACTORS = 1u << 3, /* two sets of them, for short and for long contexts */
	PART_QKV = 1u << 4,	     /* queries, keys and values by three matrices */
	PART_QKV_FUSED = 1u << 5,    /* or by one, in that order */
	PART_QKV_BIAS = 1u << 6,     /* added to the three */
	PART_QKV_FUSED_BIAS = 1u << 7 /* added to the one */,
	PART_QK_NORM = 1u << 8,	   /* RMS norms of each head of queries and keys, before the rotation */
	PART_POST_NORMS = 1u << 9, /* norms of what attention and feed-forward add */
	PART_FFN_NORM = 1u << 10,  /* a norm before feed-forward; without it, it reads what attention reads */
	PART_GATE = 1u << 11,	   /* gate and up by two matrices */
	PART_GATE_FUSED = 1u << 12,  /* or by one, the gate first */
	PART_UP = 1u << 13,	     /* or up alone */
	PART_PER_LAYER = 1u << 14,   /* an embedding of each layer's own, added behind feed-forward */
	PART_LAYER_SCALE = 1u << 15, /* a number that multiplies what a layer leaves */
	PART_EXPERTS = 1u << 16,     /* a router, and gate, up and down of many experts */
	PART_ROUTER_BIAS = 1u << 17, /* added to what the router says */
	PART_CHOICE_BIAS = 1u << 18, /* added to it for the choice alone, not for the weights */
	PART_EXPERT_BIAS = 1u << 19, /* of the experts' three matrices */
	PART_SHARED = 1u << 20,	     /* an expert that every token has, beside the chosen ones */
	PART_SINKS = 1u << 21,	     /* a score of each head that no position has */
	PART_OUTPUT_BIAS = 1u << 22, /* of the output projection */
	PART_QK_NORM_ROW = 1u << 23, /* RMS norms of queries and keys over all heads together */
	PART_FFN_NORM_LATE =
		1u << 24,	   /* the norm before feed-forward, by the name of the one behind attention */
	PART_FFN_BIAS = 1u << 25,  /* of gate, up and down */
	PART_HEAD_BIAS = 1u << 26, /* added to the logits */
};

enum arch_rope {
	ARCH_ROPE_NORM, /* pairs (2j, 2j + 1) */
	ARCH_ROPE_NEOX, /* pairs (j, j + half) */
};
enum arch_norm { ARCH_NORM_RMS, ARCH_NORM_LAYER /* less the mean; no bias */ };
enum arch_act {
	ARCH_ACT_SILU,
	ARCH_ACT_GELU /* by tanh */,
	ARCH_ACT_XIELU,
	ARCH_ACT_SWIGLU_OAI /* clamped, and up + 1 */
};
/* From what the router says of the experts to the weights of those that are chosen, which have the highest scores, of equal ones the lower
 * index. The numbers of expert_gating_func. */
enum arch_routing {
	ARCH_ROUTE_SOFTMAX = 1, /* over all experts */
	ARCH_ROUTE_SIGMOID = 2,
	ARCH_ROUTE_CHOSEN = 3, /* softmax over the chosen ones */
};
/* Are the weights of the chosen experts divided by their sum? */
enum arch_routing_norm { ARCH_ROUTE_NORM_NEVER, ARCH_ROUTE_NORM_ALWAYS, ARCH_ROUTE_NORM_FILE /* says */ };

/* Keys that change the arithmetic, and that a family may set. A key of a family that lacks it here is refused unless it says "nothing". */
enum arch_key {
	KEY_ATTN_SCALE = 1u << 0,  /* attention.scale in place of 1 / sqrt(head) */
	KEY_EMBED_SCALE = 1u << 1, /* embedding_scale */
	KEY_RESIDUAL_SCALE = 1u << 2,
	KEY_LOGIT_SCALE = 1u << 3, /* logit_scale */
	KEY_LOGIT_SOFTCAP = 1u << 4,
	KEY_TEMPERATURE = 1u << 5,  /* attention.temperature_scale: queries grow with the position */
	KEY_WINDOW = 1u << 6,	    /* attention.sliding_window */
	KEY_ROPE_SCALING = 1u << 7, /* linear, YaRN, LongRoPE */
	KEY_LAYERS =
		1u
		<< 8, /* heads, widths and rotations of the layers with a window; arrays of one number for each layer; layers that
			       * read the keys and values of an earlier one; embedding_length_per_layer_input */
	KEY_EXPERT_SCALE = 1u << 14,  /* expert_weights_scale */
	KEY_DENSE_FIRST = 1u << 9,    /* leading_dense_block_count: layers without experts */
	KEY_DENSE_BETWEEN = 1u << 10, /* interleave_moe_layer_step */
	KEY_SHARED_COUNT = 1u << 11,  /* expert_shared_count: as wide as so many experts */
	KEY_SHARED_WIDTH = 1u << 12,  /* expert_shared_feed_forward_length */
	KEY_SECTIONS = 1u << 15,      /* rope.dimension_sections, as text is computed with it */
	KEY_NEXTN =
		1u
		<< 13, /* nextn_predict_layers: layers behind the last, for drafts, which Keep leaves out */
};

struct arch {
	const char *name; /* general.architecture */
	u32 must, may;	  /* enum arch_part */
	u32 keys;	  /* enum arch_key */
	u8 rope, norm, act;
	bool logit_divide; /* logits are divided by logit_scale, not multiplied */
	bool value_norm; /* values are normalised by head, without weights; they are the keys where a layer has no matrix for them */
	f32 attn_scale;	     /* in place of 1 / sqrt(head); 0: that */
	bool embed_sqrt;     /* the embedding is scaled by sqrt(dim) */
	bool window_no_rope; /* layers without a window know no positions */
	u8 window_period; /* without a pattern in the file: layer i has no window if i % period == period - 1; 0: all have */
	f32 rope_base_window; /* base of the layers with a window; 0: that of the others */
	u32 chunk; /* windows are pieces of so many positions, of which a position sees those before it; 0: they slide */
	f32 chunk_temperature; /* beside them, of layers that know no positions: as KEY_TEMPERATURE, by pieces, from position 1 */
	u32 unit_qk_unless; /* rotated queries and keys are normalised by head, without weights, unless there are so many experts; 0: never */
	u8 routing;	    /* enum arch_routing; 0: no experts */
	u8 routing_norm;    /* enum arch_routing_norm */
	bool routing_input; /* a weight multiplies what its expert reads, not what it says */
	bool shared_one;    /* the shared expert is as wide as the others */
};
/* The row of an enum layout_arch, or NULL. */
const struct arch *arch_of(u32 id);
/* The id of that name, or 0. */
u32 arch_find(const char *name, size_t len);

/* What a dimension of a tensor is. */
enum arch_dim {
	DIM_ONE,
	DIM_MODEL,
	DIM_VOCAB,
	DIM_FFN,
	DIM_FFN_2, /* gate and up */
	DIM_Q,
	DIM_KV,
	DIM_QKV,
	DIM_HEAD,
	DIM_ROPE_HALF,
	DIM_PER_LAYER,
	DIM_PER_LAYER_ALL, /* of all layers */
	DIM_HEADS,
	DIM_EXPERTS,
	DIM_EXPERT, /* width of one */
	DIM_SHARED, /* of the shared one */
};
/* In which layers a tensor is there. */
enum arch_when {
	IN_ALL,
	IN_KEYS /* those with LAYER_KEYS */,
	IN_VALUES,
	IN_EXPERTS,
	IN_DENSE /* without LAYER_EXPERTS */
};

struct arch_tensor {
	const char *name; /* of a layer: what follows "blk.N." */
	u8 ne0, ne1;	  /* enum arch_dim: row length, rows */
	u32 part;
	bool f32_only; /* norms, biases and factors */
	u8 when;       /* enum arch_when */
	u8 ne2;	       /* enum arch_dim: such matrices, one behind the other */
};
/* May it have a scale of its own (layout_want_scale)? What products read, but for the router. */
bool arch_tensor_scaled(const struct arch_tensor *t);
extern const struct arch_tensor arch_model_tensors[], arch_layer_tensors[];
extern const u32 arch_model_tensors_n, arch_layer_tensors_n;
extern const u32 arch_model_first_n; /* of arch_model_tensors: those that are read before the layers */
