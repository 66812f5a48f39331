/* The ops that layer programs are made of. Each records one or more dispatches of kernels in shaders/ (whose headers hold the exact
 * arithmetic) on device d; the reference device runs them at once. Shapes are [outer, …, inner]; f32 unless said otherwise.
 *
 * All return 0, or -EINVAL when a shape is outside limits.h or what the kernel can do, or -EIO when the device is lost. They borrow everything.
 * Numerics: NUMERICS in shaders/README.md. RT_NUMERICS is written into every outcome record. */
#pragma once

#include "base/layout.h"
#include "runtime/device.h"

#define RT_NUMERICS 1u	   /* version of the arithmetic; changes when any result bit may change */
#define RT_KV_PAGE  32u	   /* positions of a KV page, and of an attention block */
#define OP_ROWS_MAX 65535u /* rows of one call: Vulkan guarantees as many workgroups */
#define OP_TOP_MAX  128u   /* blocks of a row of logits that op_top_blocks says: 16.5 kB */

/* y[i, :] = table[ids[i], :], dequantised.  table [vocab, dim] of type, ids [n] u32, y [n, dim] */
int op_embed(struct rt_device *d, u32 type, struct rt_view table, u32 vocab, u32 dim, struct rt_view ids,
	u32 n, struct rt_view y);
/* The same with elements first .. first + dim of rows of row_dim; first and dim are whole blocks. */
struct op_embed {
	u32 type, vocab, row_dim, first, dim, n;
	struct rt_view table, ids, y;
};
int op_embed_slice(struct rt_device *d, const struct op_embed *p);

/* y[r, i] = x[r, i] * w[i] / sqrt(mean_i x[r, i]^2 + eps)   x, y [rows, dim], may be one; w [dim] */
int op_rms_norm(struct rt_device *d, struct rt_view x, struct rt_view w, struct rt_view y, u32 rows, u32 dim,
	f32 eps);

/* y[r, i] = (x[r, i] - mean_i x[r, i]) * w[i] / sqrt(mean of the squares of that + eps)   x, y [rows, dim], may be one; w [dim] */
int op_layer_norm(struct rt_device *d, struct rt_view x, struct rt_view w, struct rt_view y, u32 rows,
	u32 dim, f32 eps);

/* An activation matrix in the form that weights of one class want (struct act): f32 as it is, or int8 with scales.
 * Made once, used by every product that reads it. */
enum op_act_kind {
	OP_ACT_F32 = 1,
	OP_ACT_Q8_32 = 2 /* a scale per 32: Q4_0, Q8_0, IQ4_NL and such */,
	OP_ACT_Q8_256 = 3 /* per 256: K- and IQ-quants, ternary ones */
};
enum op_act_kind op_act_kind(u32 weight_type);
/* Bytes of a buffer that holds [rows, k] activations of that kind. */
u64 op_act_bytes(enum op_act_kind kind, u32 rows, u32 k);
/* q = quantised x.  x [rows, k].  Not for OP_ACT_F32, whose act is x itself. */
int op_quantize(
	struct rt_device *d, enum op_act_kind kind, struct rt_view x, struct rt_view q, u32 rows, u32 k);

/* y[r, o] = sum_k W[o, k] * act[r, k]   W [n_out, k] of type, act of op_act_kind(type), y [rows, n_out]. W may begin at any row of a tensor:
 * its view's offset is only a multiple of 1, 2 or 4, as the bytes of the type's blocks are.
 * With experts W is [experts, n_out, k], rows are the slots of a plan of op_group, and each is multiplied by the matrix of its expert. */
struct op_mul_mat {
	u32 type, k, n_out, rows;
	struct rt_view w, act, y;
	u32 experts; /* 0: W is one matrix */
	struct rt_view plan;
};
int op_mul_mat(struct rt_device *d, const struct op_mul_mat *p);

/* The experts of each token, by rising index, and their weights, as shaders/route.h says.
 * logits [rows, experts]; bias [experts] or buf NULL; ids [rows, used] u32, weights [rows, used] */
struct op_route {
	u32 rows, experts, used;
	u32 kind;  /* enum arch_routing */
	bool norm; /* the weights of the chosen are divided by their sum */
	f32 scale; /* of the weights, last; 0: 1 */
	struct rt_view logits, bias, ids, weights;
};
int op_route(struct rt_device *d, const struct op_route *p);

/* What op_route has chosen, by expert: a slot for each of its ids, those of an expert side by side (shaders/group.h).
 * ids, slots, pairs, rows and owners [rows * used] u32; plan of op_plan_bytes, for products. At most OP_SLOTS_MAX slots. */
struct op_group {
	u32 rows, experts, used;
	struct rt_view ids, plan;
	struct rt_view slots;  /* of each id: where it stands */
	struct rt_view pairs;  /* of each slot: which id it is */
	struct rt_view in;     /* of each slot: whose row it reads */
	struct rt_view owners; /* of each slot: its expert */
};
#define OP_SLOTS_MAX \
	10240u /* a device that counts rounds does no more: twice what the longest step of rows has */
u64 op_plan_bytes(u32 slots);
int op_group(struct rt_device *d, const struct op_group *p);

/* Rotate pairs of the first rope_dim elements of each head by the angle of the token's position: (x[2j], x[2j+1]), or with halves
 * (x[j], x[j + rope_dim / 2]).  x [n, heads, head_dim] in place; pos [n] u32; table [ctx, rope_dim / 2, 2] cos, sin of rt_rope_table. */
struct op_rope {
	struct rt_view x, pos, table;
	u32 n, heads, head_dim, rope_dim;
	bool halves;
};
int op_rope(struct rt_device *d, const struct op_rope *p);

/* A paged cache of one layer: K and V each [pages, RT_KV_PAGE, kv_heads, head_dim] of f32, f16 (round to nearest even), or int8
 * with a scale for each head of a position (shaders/kv_store.h), V after K.
 * A sequence owns a row of the page table: tables [n_seqs, pages_per_seq] u32; position p of sequence s lies in page
 * tables[s, p / RT_KV_PAGE], row p % RT_KV_PAGE. */
struct op_kv {
	struct rt_view k, v;   /* the caches of this layer */
	struct rt_view tables; /* INPUT */
	u32 pages_per_seq;
	u32 kv_mode; /* enum kv_mode of proto/common.h, but KV_DEFAULT */
	u32 kv_heads, head_dim;
};
u64 op_kv_bytes(u32 kv_mode, u32 pages, u32 kv_heads, u32 head_dim); /* of K or V alone */
/* Write rows of this step.  k, v [n, kv_heads, head_dim]; seq, pos [n] u32 */
int op_kv_store(struct rt_device *d, const struct op_kv *kv, struct rt_view k, struct rt_view v,
	struct rt_view seq, struct rt_view pos, u32 n);

/* y[i, h, :] = softmax_t(q[i, h, :] · K[t, h / (heads / kv_heads), :] * scale) · V  over t = 0..pos[i] of sequence seq[i],
 * with a window only over the last `window` of these, with pieces over those in the same piece of `window` positions as pos[i].  With sinks [heads] the
 * sum of the softmax has one more term, exp(sinks[h]), which has no value.  Blocks of RT_KV_PAGE positions, aligned to absolute positions, combined left to right.  q, y [n, heads, head_dim] */
struct op_attention {
	const struct op_kv *kv;
	struct rt_view q, seq, pos, y;
	u32 n, heads;
	u32 pos_max; /* largest pos[i] of this call: an upper bound for scratch and loops only; no result depends on it */
	f32 scale;
	u32 window; /* 0: none */
	bool pieces;
	struct rt_view sinks; /* buf NULL: none */
	struct rt_view
		parts; /* memory for attention in parts, of op_attention_parts_bytes; buf NULL: in one pass */
};
int op_attention(struct rt_device *d, const struct op_attention *p);
/* The longest rows of products on devices that count rounds (device.h): tests/ops runs all of them there at this length. */
#define OP_COUNTED_K_MAX 65536u
/* How many positions, of whole blocks, a call may look at on such a device: UINT32_MAX where the driver does not count rounds. */
u32 op_attention_reach(const struct rt_device_info *info, u32 head_dim);
/* With memory for parts, steps of at most so many rows compute blocks of positions side by side and join them; other rows make a call parallel enough. */
#define OP_PARTS_ROWS_MAX 32u
/* What such a step wants on this device: 0 where one pass is as fast. */
u64 op_attention_parts_bytes(const struct rt_device_info *info, u32 rows, u32 heads, u32 head_dim);

/* y[i] = silu(gate[i]) * up[i]   n elements */
int op_swiglu(struct rt_device *d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n);
/* y[i] = g * sigmoid(1.702 g) * (u + 1), g = min(gate[i], 7), u = up[i] held to -7..7   n elements */
int op_swiglu_oai(struct rt_device *d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n);
/* y[i] = gelu(gate[i]) * up[i], by tanh   n elements */
int op_geglu(struct rt_device *d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n);
/* x[i] = window(x[i] * a), 2^-20 <= |a| <= 2^20   n elements */
int op_scale(struct rt_device *d, struct rt_view x, u64 n, f32 a);
/* x[i] = a * tanh(x[i] / a), 2^-20 <= a <= 2^20   n elements */
int op_softcap(struct rt_device *d, struct rt_view x, u64 n, f32 a);
/* x[i] = alpha_p x^2 + beta x for x > 0, else alpha_n (e^min(x, eps) - 1 - x) + beta x; magnitudes at most 2^20   n elements */
struct op_xielu {
	f32 alpha_p, alpha_n, beta, eps;
};
int op_xielu(struct rt_device *d, struct rt_view x, u64 n, const struct op_xielu *p);
/* x[r, i] = x[r, i] + b[i]   x [rows, dim] in place, b [dim], whose offset is only a multiple of 4 */
int op_bias(struct rt_device *d, struct rt_view x, struct rt_view b, u32 rows, u32 dim);
/* x[r, i] = x[r, i] * t[pos[r]]   x [rows, dim] in place, pos [rows] u32, t [positions] */
int op_row_scale(
	struct rt_device *d, struct rt_view x, struct rt_view pos, struct rt_view t, u32 rows, u32 dim);
/* x[i] = x[i] + y[i]   n elements */
int op_add(struct rt_device *d, struct rt_view x, struct rt_view y, u64 n);
/* y[i, :] = sum_j x[slots[i, j], :] * weights[i, j], in the order of j   x [*, dim]; slots [n, used] u32, weights [n, used] */
struct op_combine {
	u32 n, dim, used;
	struct rt_view x, slots, weights, y;
};
int op_combine(struct rt_device *d, const struct op_combine *p);
/* y[i, :] = x[rows[i], :]   x [*, dim], rows [n] u32 */
int op_rows(struct rt_device *d, struct rt_view x, struct rt_view rows, struct rt_view y, u32 n, u32 dim);
/* Of each row of x its best blocks and how much the others weigh (shaders/top_blocks.h)   x [rows, n], need [rows, 2] u32, most [rows, blocks] u32 to
 * work with, out [rows, op_top_words(n, cap)] u32 */
struct op_top_blocks {
	u32 rows, n, cap; /* cap: the most blocks that a row may want */
	struct rt_view x, need, most, out;
};
int op_top_blocks(struct rt_device *d, const struct op_top_blocks *p);
u32 op_top_words(u32 n, u32 cap);
/* Of such a row the best block: its elements, the index of the first of them and how many they are. */
const f32 *op_top_best(const u32 *words, u32 n, u32 cap, u32 *ret_first, u32 *ret_len);

/* Tables of positions, computed in the stated way in double on the host by the same code on every machine (no libm).
 * cos and sin of position p and pair j: angle = p * theta_j, theta_j = base^(-2j/rope_dim) / factor[j], then / scale; with YaRN
 * theta = t / scale * (1 - m) + t * m, m = ext * ramp(j), ramp 1 below the pair whose period fits beta_fast times into ctx, 0 above beta_slow.
 * factors [rope_dim / 2] or NULL for all 1; out [ctx, rope_dim / 2, 2] */
struct rt_rope {
	u32 ctx, rope_dim;
	f32 base, scale;
	const f32 *factors;
	f32 magnitude; /* of cos and sin; 0: 1 */
	f32 yarn_ext;  /* 0: no YaRN, and the rest of this is not read */
	f32 yarn_beta_fast, yarn_beta_slow, yarn_log_multiplier;
	u32 yarn_ctx;	 /* positions of the first training */
	bool yarn_exact; /* the ramp's ends are not rounded to whole pairs */
};
void rt_rope_table(f32 *out, const struct rt_rope *p);
/* out[p] = 1 + b * ln(1 + floor((p + from) / period)), p < ctx */
struct rt_temperature {
	f32 b;
	u32 period, from;
};
void rt_temperature_table(f32 *out, u32 ctx, const struct rt_temperature *p);
/* ln(1 + e^x) */
f32 rt_softplus(f32 x);
/* exp(x) for x <= 0, 1/x, in the specified arithmetic: what the sampler uses on the host. */
f32 rt_exp(f32 x);
f32 rt_recip(f32 x);
f32 rt_log(f32 x); /* natural logarithm of a normal positive x */

/* Run every kernel on fixed inputs and compare with the stored digests (shaders/selftest.h, made from the references).
 * 0 all equal; 1 one differs, its name in *ret_kernel; -EIO. */
_must_use_ int rt_selftest(struct rt_device *d, const char **ret_kernel);
