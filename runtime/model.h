/* A model on a device: its hyper-parameters, its weights, and the layer program that turns rows of tokens into rows of logits.
 * Nothing here knows files, requests or sampling. One row is one token of one sequence at one position; a step computes any mix
 * of rows, and no row's result depends on the others (except through the KV cache of its own sequence). */
#pragma once

#include "base/layout.h"
#include "runtime/op.h"

/* One matrix or vector of the model, on the device: a tensor, or rows of one that holds several. */
struct model_weight {
	u32 tensor;	   /* index in the layout */
	u32 type;	   /* enum tensor_type */
	u32 k, n_out, n;   /* elements of a row, rows, matrices */
	u64 offset;	   /* of the first byte, in the tensor */
	struct rt_view at; /* at.buf NULL: the model has none */
	u32 scale; /* a tensor of numbers, one for each of the n, that multiply what the product says, or LAYOUT_NONE */
	struct rt_view scale_at;
};

struct model_layer {
	struct layout_layer is; /* heads, widths, window, rotation */
	struct model_weight attn_norm, q, k, v, output;
	struct model_weight q_bias, k_bias, v_bias, output_bias, q_norm, k_norm, sinks, attn_post_norm;
	struct model_weight ffn_norm, gate, up, down, ffn_post_norm;
	struct model_weight own_gate, own_proj, own_norm; /* of the layer's own embedding */
	struct model_weight own_input; /* rows of per_layer_model_proj that are this layer's */
	struct model_weight out_scale;
	struct model_weight router, router_bias, expert_gate, expert_up,
		expert_down; /* matrices of all experts, one behind the other */
	struct model_weight gate_biases, up_biases, down_biases; /* a row for each expert */
	struct model_weight gate_bias, up_bias, down_bias;	 /* of layers without experts */
	struct model_weight shared_gate, shared_up, shared_down;
	struct model_weight choice_bias; /* of the choice of experts alone */
	struct op_xielu xielu;
};

/* Which experts a token has, and with what weights (struct op_route). */
struct model_routing {
	u32 n_experts, n_used, kind;
	bool norm;
	f32 scale;
};

struct model {
	const struct arch *arch;
	u32 n_layers, dim, ffn_dim, n_heads, n_kv_heads, head_dim, rope_dim, n_vocab,
		ctx_train; /* of the widest layer */
	f32 rms_eps;
	f32 embed_scale, residual_scale, logit_scale, logit_softcap,
		attn_scale; /* 0: none; as struct layout_header */
	f32 temperature;
	u32 temperature_ctx;
	u32 switches; /* enum layout_switch */
	struct model_routing routing;
	u32 expert_dim, shared_dim;
	struct rt_rope rope
		[2]; /* of the layers by their `rope`; ctx and factors are for model_work_create to fill */
	u32 rope_scaling, rope_ctx, per_layer_dim;
	struct model_weight embed, output_norm, head, head_bias; /* head is embed where the model ties them */
	struct model_weight own_embed,
		own_input_norm; /* the layers' own embeddings: all of a token in a row */
	struct model_weight rope_freqs, rope_short, rope_long; /* kept on the host */
	struct model_layer *layers;
	bool all_f32; /* every matrix is F32 */
	u32 window;   /* that layers have whose keys may be a tail (kv.h); 0: none */
};

/* Which tensor of the layout is which weight, and what the layer program switches on. l has passed layout_open, so every tensor that the
 * architecture needs is there, in its shape, and none is left over. Fills everything but the views.
 * 0 done, ret to be given to model_fini; 1 not a model that the runtime computes (*ret_why, valid until the next call); -ENOMEM. */
_must_use_ int model_bind(const struct layout *l, struct model *ret, const char **ret_why);
void model_fini(struct model *m);

/* The tensor of rotation factors that a context of ctx_tokens needs, or LAYOUT_NONE. It stays on the host. */
u32 model_rope_factors(const struct model *m, u32 ctx_tokens);
/* Where each weight lies: at[i] is the place of tensor i; without a buffer where it stays on the host. */
void model_place(struct model *m, const struct rt_view *at);
/* The matrices are where model_place said, hashed and checked: their devices may turn them into the form that they like best. */
void model_ready(const struct model *m);

/* What a layer of experts works with: what is routed where, and the rows of the tokens gathered by expert ("slots", of op_group), n_used for each row.
 * All NULL where the model has none. */
struct model_experts {
	struct rt_buf *logits, *ids, *weights;		   /* [rows, n_experts]; [rows, n_used] twice */
	struct rt_buf *plan, *slots, *pairs, *in, *owners; /* of struct op_group */
	struct rt_buf
		*ones;	  /* INPUT [slots]: weights, where those proper have been applied to x; else NULL */
	struct rt_buf *x; /* [slots, dim]: rows of tokens; later biases, of the wider of both widths */
	struct rt_buf *gate, *up, *y, *shared; /* [slots, expert_dim] twice, [slots, dim], [rows, dim] */
};

/* The buffers of a step, made once per grant: of one device. A model whose layers are split over several devices has one of these for each, in a
 * chain: each computes its layers and hands the rows on to the next through host memory. */
struct model_work {
	struct rt_device *d;
	u32 first, end;		 /* layers that are computed here */
	struct model_work *next; /* who goes on; NULL: nobody */
	struct rt_buf *in,
		*out; /* INPUT, OUTPUT [rows, dim]: rows from and to other devices; NULL where there are none */
	struct rt_buf *self;	/* INPUT, u32 [rows]: 0, 1, 2, … where there are others; else NULL */
	u32 rows_max, out_max;	/* rows of a step; rows of logits of a step */
	u32 n_slots, ctx_pages; /* rows of the page table; pages of each */
	u32 kv_mode, kv_pages;
	u32 tail_pages; /* of the layers with a window; 0: they are as the others */
	u64 kv_bytes, work_bytes;
	struct rt_buf *ids, *seq, *pos, *out_rows,
		*tables; /* INPUT, u32: [rows], [rows], [rows], [out_max], [n_slots, ctx_pages] */
	struct rt_buf
		*tail_tables; /* as tables, of the layers with a window; NULL where they are as the others */
	struct rt_buf *
		logits; /* OUTPUT, or with tops WORK [out_max, n_vocab]; NULL where the head is on another device */
	bool tops; /* the host reads what op_top_blocks says of rows, and few of them whole. Then, else NULL: */
	struct rt_buf *need, *most,
		*top; /* INPUT, WORK, OUTPUT: operands of op_top_blocks, of out_max rows, blocks up to OP_TOP_MAX */
	struct rt_buf *whole_rows,
		*whole; /* INPUT [MODEL_WHOLE_MAX], OUTPUT [MODEL_WHOLE_MAX, n_vocab]: rows of logits that are read whole */
	struct rt_buf *x, *h, *sum, *q, *k, *v, *att, *gate, *up; /* activations */
	struct rt_buf *parts; /* for attention in parts; NULL where the device is as fast in one pass */
	struct rt_buf
		*act[OP_ACT_Q8_256 + 1]; /* the same, quantised: one for each kind that a matrix wants */
	struct rt_buf *out_x, *out_h;	 /* [out_max, dim] */
	struct rt_buf *
		*kv; /* [n_layers][2]: K and V; NULL: it reads those of its kv_layer, or is elsewhere */
	struct rt_buf *rope[2]; /* cos and sin of every position */
	struct rt_buf *ones;	/* as many as a head has elements; or NULL */
	struct rt_buf *own,
		*own_part; /* inputs of the layers' own embeddings: [n_layers, rows, per_layer_dim], one of them; or NULL */
	struct rt_buf *temperature; /* what queries of a position are multiplied by; or NULL */
	struct rt_buf *zero;	    /* rows of zeros that overwrite pages */
	struct model_experts ex;
};
struct model_work_params {
	u32 rows_max, out_max, n_slots, ctx_tokens, kv_mode, kv_pages, tail_pages;
	const f32 *rope_factors; /* [rope_dim / 2], for layers whose rope is 0; or NULL */
	u32 first, end;		 /* layers; 0 and 0: all */
	bool tops;
};
/* Bytes that model_work_create would take on a device of that kind, without taking them. -ENOMEM: some buffer is larger than it may be. */
_must_use_ int model_work_measure(const struct rt_device_info *info, const struct model *m,
	const struct model_work_params *p, u64 *ret_kv, u64 *ret_work);
/* 0 done; -ENOMEM; -EIO. On failure nothing is left. */
_must_use_ int model_work_create(struct rt_device *d, const struct model *m,
	const struct model_work_params *p, struct model_work *ret);
void model_work_fini(struct rt_device *d, const struct model *m, struct model_work *w);
/* Is the head computed by the device of the first layers, because its matrix is the embedding's, or by that of the last? */
bool model_tied(const struct model *m);
/* Which layer each tensor of the layout belongs to: ret[n_tensors]; MODEL_FIRST, MODEL_LAST: where the first or last layer is. */
#define MODEL_FIRST 0xfffffffeu
#define MODEL_LAST  0xffffffffu
void model_layers_of(const struct model *m, u32 n_tensors, u32 *ret);
/* May layers from `at` on be computed by another device than those before? false: *ret_why says what stands against it. */
bool model_cut_ok(const struct model *m, u32 at, const char **ret_why);
/* Whichever device of the chain has the head, and so the logits of a step. */
const struct model_work *model_head(const struct model_work *w);
#define MODEL_WHOLE_MAX 16u /* rows of logits that are read at once */
/* After a step, with tops: rows whole_rows[0..n-1] of its logits to whole. 0; -EIO. */
_must_use_ int model_read_whole(const struct model *m, const struct model_work *w, u32 n);

/* Record one step: rows 0..n-1 of ids, seq (row of the page table) and pos; rows out_rows[0..n_out-1] of them give logits. With tops,
 * need says what is wanted of each of these, and whole_rows[0..n_whole-1] which are read whole.
 * pos_max is the largest of pos. w is the first of its chain, d its device; where there are more, what belongs to those before is run on the way, and the recording that is
 * left open is that of model_open's device. 0; -EINVAL; -EIO. */
struct model_step {
	u32 n, n_out, pos_max, n_whole;
};
_must_use_ int model_forward(
	struct rt_device *d, const struct model *m, const struct model_work *w, const struct model_step *s);
struct rt_device *model_open(const struct model_work *w, const struct model_step *s);
/* Record the overwriting of whole pages of this device with zeros, of the layers whose table that is: rows 0..n-1 of seq and pos name positions in
 * them. n <= rows_max. */
_must_use_ int model_scrub(struct rt_device *d, const struct model *m, const struct model_work *w,
	const struct rt_buf *table, u32 n);
/* The page table of a layer. */
struct rt_buf *model_table(const struct model *m, const struct model_work *w, u32 layer);
