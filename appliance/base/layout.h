/* The two tables that describe an admitted model. keep-attest writes them, keepd stores them unread, the runtime (and the CLI, for
 * the chat template) reads them. Both are flat, little-endian, position-independent and travel as sealed memory files.
 * Whoever reads one runs the check first, even though it came from our own process: attest may have been captured. */
#pragma once

#include "base/arch.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/tensor.h"
#include "base/types.h"

/* ---- segments: what the bytes are (made by the verify job, in the one pass that hashed and stored them) ---------------- */

#define SEGMENTS_MAGIC "KEEPSEG1"

struct segments_header {
	char magic[8];
	u32 segment_bytes; /* SEGMENT_BYTES */
	u32 n_files;	   /* 1..MODEL_FILES_MAX, in the order of the manifest */
	u64 n_segments;	   /* of all files together */
	u64 bytes;	   /* of all files together */
};
SIZE_PIN(segments_header, 32);

/* Then n_files of these, then n_segments digests of SHA256_BYTES, nothing more. */
struct segments_file {
	u64 bytes; /* size of the file */
	u64 first; /* index of its first segment */
	u64 count; /* DIV_UP(bytes, segment_bytes); the last may be short; 0 for an empty file */
	u8 digest[SHA256_BYTES];     /* of the whole file */
	char path[PATH_LEN_MAX + 1]; /* relative, '/', UTF-8 */
};
SIZE_PIN(segments_file, 568);

struct segments {
	const struct segments_header *h;
	const struct segments_file *files;
	const u8 (*digests)[SHA256_BYTES];
};

/* Point into data[len] after checking every count, size, order and path. 0 done; 1 malformed, *ret_why says how. */
_must_use_ int segments_open(const void *data, size_t len, struct segments *ret, const char **ret_why);

/* ---- layout: what the bytes mean (made by the layout job from the GGUF headers) ---------------------------------------- */

#define LAYOUT_MAGIC "KEEPLAY2"
#define LAYOUT_NONE  0xffffffffu /* no such token, no such index */

enum layout_tok_model {
	LAYOUT_TOK_SPM = 1,	  /* "llama": SentencePiece's BPE */
	LAYOUT_TOK_BPE = 2,	  /* "gpt2": BPE over bytes */
	LAYOUT_TOK_UNIGRAM = 3,	  /* "t5": SentencePiece's unigram */
	LAYOUT_TOK_WORDPIECE = 4, /* "bert" */
	LAYOUT_TOK_BPE_TEXT = 5,  /* "gemma4": BPE over characters, U+2581 for blanks */
};
/* How text is cut into words before byte-level BPE: runtime/tok_pre.c has their rules, attest/vocab.c the names in files. */
enum layout_tok_pre {
	LAYOUT_PRE_DEFAULT = 0,
	LAYOUT_PRE_LLAMA3 = 1,
	LAYOUT_PRE_GPT2 = 2,
	LAYOUT_PRE_DBRX = 3,
	LAYOUT_PRE_QWEN2 = 4,
	LAYOUT_PRE_QWEN35 = 5,
	LAYOUT_PRE_TEKKEN = 6,
	LAYOUT_PRE_GPT4O = 7,
	LAYOUT_PRE_STARCODER = 8,
	LAYOUT_PRE_DEEPSEEK3 = 9,
	LAYOUT_PRE_FALCON = 10,
	LAYOUT_PRE_DEEPSEEK_LLM = 11,
	LAYOUT_PRE_DEEPSEEK_CODER = 12,
	LAYOUT_PRE_PORO = 13,
	LAYOUT_PRE_VIKING = 14,
	LAYOUT_PRE_GEMMA4 = 15,
	LAYOUT_PRE_LAGUNA = 16,
	LAYOUT_PRE_KIMI_K2 = 17,
	LAYOUT_PRE_SEED_CODER = 18,
	LAYOUT_PRE_UFAKZEKA = 19,
	LAYOUT_PRE_MINICPM5 = 20,
	LAYOUT_PRE_EXAONE_MOE = 21,
	LAYOUT_PRE_JAIS2 = 22,
	LAYOUT_PRE_YOUTU = 23,
	LAYOUT_PRE_GRANITE_MULTI = 24,
	LAYOUT_PRE_COUNT
};
enum layout_tok_flags {
	LAYOUT_ADD_BOS = 1,
	LAYOUT_ADD_EOS = 2,
	LAYOUT_SPACE_PREFIX = 4, /* a blank in front of the text */
	LAYOUT_SPACE_SUFFIX = 8, /* unigram: that blank stands behind it instead */
	LAYOUT_SPACE_ONCE = 16,	 /* unigram: blanks in a row are one, those at the ends none */
	LAYOUT_LOWERCASE = 32,	 /* WordPiece */
	LAYOUT_NO_ACCENTS = 64,	 /* WordPiece */
	LAYOUT_SPACE_EATEN =
		128, /* special tokens take the white space behind them, but for those that phi-3 excepts */
	LAYOUT_TOK_FLAGS = 255
};
/* As tokenizer.ggml.token_type. */
enum layout_tok_type {
	TOK_NORMAL = 1,
	TOK_UNKNOWN = 2,
	TOK_CONTROL = 3,
	TOK_USER = 4,
	TOK_UNUSED = 5,
	TOK_BYTE = 6
};

/* A span of the string area. */
struct layout_str {
	u32 off, len;
};

struct layout_header {
	char magic[8];
	u64 bytes; /* of the whole layout */
	u32 arch;  /* enum layout_arch */
	u32 n_files;
	u32 n_tensors;
	u32 n_vocab;
	u32 n_merges; /* 0 unless tok_model is LAYOUT_TOK_BPE */
	u32 strings_bytes;
	/* offsets of the areas from the start of the layout, each a multiple of 8, in this order, without overlap */
	u64 off_tensors, off_vocab, off_merges, off_strings;

	/* the network; what layers differ in stands in their table */
	u32 n_layers, dim, ffn_dim, n_heads, n_kv_heads, head_dim, rope_dim, ctx_train;
	f32 rms_eps, rope_base; /* rms_eps: of every norm */
	f32 rope_scale; /* position p is rotated as p / rope_scale: rope.scaling.factor; 1 when there is none */
	u32 reserved0;

	/* the tokenizer */
	u32 tok_model, tok_pre, tok_flags;
	u32 bos, eos, eot, unk, pad; /* LAYOUT_NONE where the model has none */

	struct layout_str name, license, chat_template; /* len 0 where the model has none */

	/* the network beyond the plain transformer; 0 wherever the model has nothing of the kind */
	u64 off_layers; /* of struct layout_layer [n_layers], after the strings; 0: all layers are as this header says */
	u32 parts;	    /* enum arch_part: those of the architecture that are there */
	u32 rope_scaling;   /* enum layout_rope_scaling */
	f32 rope_magnitude; /* cos and sin are multiplied by it; 0: 1 */
	f32 yarn_ext_factor, yarn_beta_fast, yarn_beta_slow, yarn_log_multiplier;
	u32 rope_ctx;		       /* positions of the training before its scaling */
	f32 rope_base_2, rope_scale_2; /* of layers whose rope is 1 */
	f32 attn_scale;		       /* 0: 1 / sqrt(head_dim) */
	f32 embed_scale, residual_scale,
		logit_scale; /* factors of the embedding, of what a layer adds, of the logits; 0: 1 */
	f32 logit_softcap;   /* c: logits become c tanh(l / c) */
	f32 temperature; /* b: queries of position p are multiplied by 1 + b ln(1 + floor(p / temperature_ctx)) */
	u32 temperature_ctx;
	u32 rope_dim_2;	   /* rotated dimensions of layers whose rope is 1 */
	u32 per_layer_dim; /* width of the layers' own embeddings */

	/* mixtures of experts; 0: every layer is dense */
	u32 n_experts, n_experts_used; /* of a layer; of a token */
	u32 expert_dim, shared_dim;    /* width of an expert; of the shared one, 0: there is none */
	u32 routing;		       /* enum arch_routing */
	f32 expert_scale;	       /* of the weights; 0: 1 */
	u32 switches;		       /* enum layout_switch */
	u32 n_drafts; /* layers behind the last that only draft: their tensors are in no table */

	struct layout_str
		charsmap; /* unigram: how text is normalised (runtime/tok_normal.c); len 0: as it is */
	u8 reserved[180];
};
SIZE_PIN(layout_header, 480);

enum layout_switch {
	SWITCH_ROUTING_NORM = 1, /* the weights of the chosen experts are divided by their sum */
	SWITCH_UNIT_QK = 2,	 /* rotated queries and keys are normalised by head, without weights */
	SWITCH_YARN_EXACT = 4,	 /* the ramp of YaRN begins and ends between pairs, not at whole ones */
	SWITCH_PIECES = 8,	 /* a window of w is the piece of w positions that a position lies in */
	SWITCH_TEMPERATURE_1 =
		16, /* temperature is that of position p + 1, and of layers alone that know no positions */
	SWITCH_ROPE_HALVES = 32, /* pairs are (j, j + half), whatever the architecture's are */
};

enum layout_rope_scaling {
	ROPE_LINEAR = 0, /* and none */
	ROPE_YARN = 1,
	ROPE_LONG = 2 /* LongRoPE: the tensors rope_factors_short and, beyond rope_ctx, rope_factors_long */
};

/* attn_k and its norm, attn_v: a layer that reads those of another may lack them. Experts: in place of the dense feed-forward part. */
enum layout_layer_tensors { LAYER_KEYS = 1, LAYER_VALUES = 2, LAYER_EXPERTS = 4 };

/* One layer. */
struct layout_layer {
	u32 n_heads, n_kv_heads, head_dim;
	u32 rope_dim; /* 0: it knows no positions */
	u32 ffn_dim;
	u32 window; /* position p attends to p - window < t <= p; 0: to all */
	u32 rope; /* 0: rope_base and rope_scale of the header; 1: rope_base_2 and rope_scale_2, and no factors */
	f32 xielu[4]; /* alpha_p and alpha_n before their softplus, beta, eps */
	u32 kv_layer; /* whose keys and values it reads: its own, or those of an earlier one */
	u32 tensors;  /* enum layout_layer_tensors */
	u32 reserved[3];
};
SIZE_PIN(layout_layer, 64);

struct layout_tensor {
	u64 offset; /* of the first byte in its file */
	u64 bytes;  /* product of the dimensions, in blocks, times block bytes */
	u32 file;   /* index into the segments' files */
	u32 type;   /* enum tensor_type */
	u32 n_dims; /* 1..4 */
	u32 ne[4];  /* fastest first (ne[0] is the row length); 1 beyond n_dims */
	char name[TENSOR_NAME_LEN_MAX + 1];
	u32 reserved;
};
SIZE_PIN(layout_tensor, 112);

struct layout_token {
	struct layout_str text; /* as stored in the GGUF (byte-level BPE in its mapped alphabet) */
	f32 score;		/* 0 where the model has none */
	u32 type;		/* enum layout_tok_type */
};
SIZE_PIN(layout_token, 16);

/* One merge, highest priority first: "left right" as in the GGUF, as two spans of the string area. */
struct layout_merge {
	struct layout_str left, right;
};
SIZE_PIN(layout_merge, 16);

struct layout {
	const struct layout_header *h;
	const struct layout_layer *layers;   /* NULL: all are as the header says */
	const struct layout_tensor *tensors; /* sorted by name (strcmp), unique */
	const struct layout_token *vocab;
	const struct layout_merge *merges;
	const char *strings;
};

/* Point into data[len] after checking every count, offset, span, type, product and bound against limits.h, against each other,
 * and, when segs is not NULL, every tensor against the size of its file. 0 done; 1 malformed, *ret_why says how. */
_must_use_ int layout_open(
	const void *data, size_t len, const struct segments *segs, struct layout *ret, const char **ret_why);

/* The tensor of that name, or NULL. */
const struct layout_tensor *layout_tensor_find(const struct layout *l, const char *name);

/* Layer i, from the table or from the header. */
struct layout_layer layout_layer_at(const struct layout *l, u32 i);

/* What a model is made of: every tensor of base/arch.h with its shape. layout_open holds a layout to this list (all of them there,
 * none beside them, shapes equal), so whoever reads a layout may rely on it. Of l only the header and the layers are read. */
struct layout_want {
	char name[TENSOR_NAME_LEN_MAX + 1];
	u32 ne[3];     /* row length, rows (1 for a vector), matrices (1 but for experts) */
	bool f32_only; /* norms, biases and factors */
	u32 part;      /* enum arch_part that it belongs to */
	bool scaled;   /* layout_want_scale */
};
/* How many tensors l's architecture could have; hyper-parameters must be within limits.h. */
u32 layout_want_count(const struct layout *l);
/* The i-th, i < layout_want_count(l). false: it belongs to a part that is not in h->parts. */
bool layout_want_at(const struct layout *l, u32 i, struct layout_want *ret);
/* A matrix that products read may have a number that multiplies all of it (one for each of its experts), as the tensor "….scale" beside its "….weight":
 * the second scale of NVFP4, which files leave out where it is 1. false: w cannot have one. */
bool layout_want_scale(const struct layout_want *w, struct layout_want *ret);
/* May a model of that architecture consist of these parts, no more and no less? */
bool layout_parts_ok(u32 arch, u32 parts);

/* Bytes of a tensor of that shape. 0 done; 1 the row is not whole blocks, a dimension is 0, the type unknown, or a product overflows. */
_must_use_ int layout_tensor_bytes(u32 type, const u32 ne[4], u64 *ret_bytes);
