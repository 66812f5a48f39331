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
};

enum arch_rope {
	ARCH_ROPE_NORM, /* pairs (2j, 2j + 1) */
	ARCH_ROPE_NEOX, /* pairs (j, j + half) */
};
enum arch_norm { ARCH_NORM_RMS, ARCH_NORM_LAYER /* less the mean; no bias */ };
enum arch_act { ARCH_ACT_SILU, ARCH_ACT_GELU /* by tanh */, ARCH_ACT_XIELU };

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
};
/* In which layers a tensor is there. */
enum arch_when { IN_ALL, IN_KEYS /* those with LAYER_KEYS */, IN_VALUES };

struct arch_tensor {
	const char *name; /* of a layer: what follows "blk.N." */
	u8 ne0, ne1;	  /* enum arch_dim: row length, rows */
	u32 part;
	bool f32_only; /* norms, biases and factors */
	u8 when;       /* enum arch_when */
};
extern const struct arch_tensor arch_model_tensors[], arch_layer_tensors[];
extern const u32 arch_model_tensors_n, arch_layer_tensors_n;
extern const u32 arch_model_first_n; /* of arch_model_tensors: those that are read before the layers */
