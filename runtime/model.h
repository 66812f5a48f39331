/* A model on a device: its hyper-parameters, its weights, and the layer program that turns rows of tokens into rows of logits.
 * Nothing here knows files, requests or sampling. One row is one token of one sequence at one position; a step computes any mix
 * of rows, and no row's result depends on the others (except through the KV cache of its own sequence). */
#pragma once

#include "base/layout.h"
#include "runtime/op.h"

/* One matrix or vector of the model, on the device. */
struct model_weight {
	u32 tensor; /* index in the layout; LAYOUT_NONE: the model has none */
	u32 type;   /* enum tensor_type */
	struct rt_view at;
};

struct model_layer {
	struct model_weight attn_norm, q, k, v, output;
	struct model_weight ffn_norm, gate, up, down;
};

struct model {
	u32 n_layers, dim, ffn_dim, n_heads, n_kv_heads, head_dim, rope_dim, n_vocab, ctx_train;
	f32 rms_eps, rope_base, rope_scale;
	struct model_weight embed, output_norm, head; /* head is embed where the model ties them */
	u32 rope_freqs; /* tensor of the llama-3 factors, kept on the host; LAYOUT_NONE */
	struct model_layer *layers;
	bool all_f32; /* every matrix is F32 */
};

/* Which tensor of the layout is which weight: every tensor that the architecture needs is there, has the shape that the
 * hyper-parameters demand and a type that Keep computes, and none is left over. Fills everything but the views.
 * 0 done, ret to be given to model_fini; 1 not such a model (*ret_why, which may name a tensor, valid until the next call);
 * -ENOMEM. */
_must_use_ int model_bind(const struct layout *l, struct model *ret, const char **ret_why);
void model_fini(struct model *m);

/* Where each weight lies: at[i] is the place of tensor i. */
void model_place(struct model *m, const struct rt_view *at);

/* The buffers of a step, made once per grant. */
struct model_work {
	u32 rows_max, out_max;	/* rows of a step; rows of logits of a step */
	u32 n_slots, ctx_pages; /* rows of the page table; pages of each */
	u32 kv_mode, kv_pages;
	u64 kv_bytes, work_bytes;
	struct rt_buf *ids, *seq, *pos, *out_rows,
		*tables;       /* INPUT, u32: [rows], [rows], [rows], [out_max], [n_slots, ctx_pages] */
	struct rt_buf *logits; /* OUTPUT [out_max, n_vocab] */
	struct rt_buf *x, *h, *q, *k, *v, *att, *gate, *up; /* activations */
	struct rt_buf
		*act[OP_ACT_Q8_256 + 1]; /* the same, quantised: one for each kind that a matrix wants */
	struct rt_buf *out_x, *out_h;	 /* [out_max, dim] */
	struct rt_buf **kv;		 /* [n_layers][2]: K and V */
	struct rt_buf *rope;		 /* cos and sin of every position */
	struct rt_buf *zero;		 /* rows of zeros that overwrite pages */
};
struct model_work_params {
	u32 rows_max, out_max, n_slots, ctx_tokens, kv_mode, kv_pages;
	const f32 *rope_factors; /* [rope_dim / 2] or NULL */
};
/* 0 done; -ENOMEM; -EIO. On failure nothing is left. */
_must_use_ int model_work_create(struct rt_device *d, const struct model *m,
	const struct model_work_params *p, struct model_work *ret);
void model_work_fini(struct rt_device *d, const struct model *m, struct model_work *w);
/* Bytes that model_work_create would take for the KV cache and for the rest. */
u64 model_kv_bytes(const struct model *m, u32 kv_mode, u32 pages);

/* Record one step: rows 0..n-1 of ids, seq (row of the page table) and pos; rows out_rows[0..n_out-1] of them give logits.
 * pos_max is the largest of pos. 0; -EINVAL; -EIO. */
struct model_step {
	u32 n, n_out, pos_max;
};
_must_use_ int model_forward(
	struct rt_device *d, const struct model *m, const struct model_work *w, const struct model_step *s);
/* Record the overwriting of whole pages with zeros: rows 0..n-1 of seq and pos name positions in them. n <= rows_max. */
_must_use_ int model_scrub(struct rt_device *d, const struct model *m, const struct model_work *w, u32 n);
