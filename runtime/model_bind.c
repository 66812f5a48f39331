/* From a layout to a model: which tensor is which weight, and what of the header the layer program switches on. */
#include "runtime/model.h"
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which tensor is which weight ---------------------------------------------------------------------------------- */

struct slot {
	const char *name; /* of a layer: behind "blk.N." */
	u32 at;		  /* of the struct model_weight in struct model or struct model_layer */
};
#define MODEL(name, field)                          \
	{                                           \
		name, offsetof(struct model, field) \
	}
#define LAYER(name, field)                                \
	{                                                 \
		name, offsetof(struct model_layer, field) \
	}

static const struct slot model_slots[] = {
	MODEL("token_embd.weight", embed),
	MODEL("output_norm.weight", output_norm),
	MODEL("output.weight", head),
	MODEL("output.bias", head_bias),
	MODEL("per_layer_token_embd.weight", own_embed),
	MODEL("per_layer_proj_norm.weight", own_input_norm),
	MODEL("rope_freqs.weight", rope_freqs),
	MODEL("rope_factors_short.weight", rope_short),
	MODEL("rope_factors_long.weight", rope_long),
};
static const struct slot layer_slots[] = {
	LAYER("attn_norm.weight", attn_norm),
	LAYER("attn_q.weight", q),
	LAYER("attn_k.weight", k),
	LAYER("attn_v.weight", v),
	LAYER("attn_q.bias", q_bias),
	LAYER("attn_k.bias", k_bias),
	LAYER("attn_v.bias", v_bias),
	LAYER("attn_q_norm.weight", q_norm),
	LAYER("attn_k_norm.weight", k_norm),
	LAYER("attn_output.weight", output),
	LAYER("post_attention_norm.weight", attn_post_norm),
	LAYER("ffn_norm.weight", ffn_norm),
	LAYER("ffn_gate.weight", gate),
	LAYER("ffn_up.weight", up),
	LAYER("ffn_down.weight", down),
	LAYER("ffn_gate.bias", gate_bias),
	LAYER("ffn_up.bias", up_bias),
	LAYER("ffn_down.bias", down_bias),
	LAYER("post_ffw_norm.weight", ffn_post_norm),
	LAYER("inp_gate.weight", own_gate),
	LAYER("proj.weight", own_proj),
	LAYER("post_norm.weight", own_norm),
	LAYER("layer_output_scale.weight", out_scale),
	LAYER("", own_input), /* bind_fused */
	LAYER("attn_output.bias", output_bias),
	LAYER("attn_sinks.weight", sinks),
	LAYER("ffn_gate_inp.weight", router),
	LAYER("ffn_gate_inp.bias", router_bias),
	LAYER("exp_probs_b.bias", choice_bias),
	LAYER("ffn_gate_exps.weight", expert_gate),
	LAYER("ffn_up_exps.weight", expert_up),
	LAYER("ffn_down_exps.weight", expert_down),
	LAYER("ffn_gate_exps.bias", gate_biases),
	LAYER("ffn_up_exps.bias", up_biases),
	LAYER("ffn_down_exps.bias", down_biases),
	LAYER("ffn_gate_shexp.weight", shared_gate),
	LAYER("ffn_up_shexp.weight", shared_up),
	LAYER("ffn_down_shexp.weight", shared_down),
};

static struct model_weight *slot_in(void *at, const struct slot *s)
{
	return (struct model_weight *)((u8 *)at + s->at);
}

static const struct model_weight none = { .tensor = LAYOUT_NONE, .scale = LAYOUT_NONE };

static u32 scale_of(const struct layout *l, const char *name)
{
	char full[TENSOR_NAME_LEN_MAX + 1];
	const char *end = strstr(name, ".weight");
	if (!end)
		return LAYOUT_NONE;
	snprintf(full, sizeof full, "%.*s.scale", (int)(end - name), name);
	const struct layout_tensor *t = layout_tensor_find(l, full);
	return t ? (u32)(t - l->tensors) : LAYOUT_NONE;
}

static struct model_weight weight_of(const struct layout *l, const char *name)
{
	const struct layout_tensor *t = layout_tensor_find(l, name);
	if (!t)
		return none;
	return (struct model_weight){ .tensor = (u32)(t - l->tensors),
		.type = t->type,
		.k = t->ne[0],
		.n_out = t->ne[1],
		.n = t->ne[2],
		.scale = scale_of(l, name) };
}

/* Rows first .. first + n of the tensor that w is. */
static struct model_weight rows_of(const struct layout *l, struct model_weight w, u32 first, u32 n)
{
	const struct layout_tensor *t = &l->tensors[w.tensor];
	w.offset = t->bytes / t->ne[1] * first;
	w.n_out = n;
	return w;
}

static struct model_weight layer_weight(const struct layout *l, u32 layer, const char *name)
{
	char full[TENSOR_NAME_LEN_MAX + 1];
	snprintf(full, sizeof full, "blk.%u.%s", layer, name);
	return weight_of(l, full);
}

/* Elements first.. of the vector that w is. */
static struct model_weight elements_of(struct model_weight w, u32 first)
{
	w.offset = 4ull * first;
	return w;
}

static void bind_fused(const struct layout *l, struct model_layer *y, u32 i)
{
	u32 q = y->is.n_heads * y->is.head_dim, kv = y->is.n_kv_heads * y->is.head_dim;
	if (l->h->parts & PART_QKV_FUSED) {
		struct model_weight all = layer_weight(l, i, "attn_qkv.weight");
		y->q = rows_of(l, all, 0, q);
		y->k = rows_of(l, all, q, kv);
		y->v = rows_of(l, all, q + kv, kv);
	}
	if (l->h->parts & PART_QKV_FUSED_BIAS) {
		struct model_weight all = layer_weight(l, i, "attn_qkv.bias");
		y->q_bias = elements_of(all, 0);
		y->k_bias = elements_of(all, q);
		y->v_bias = elements_of(all, q + kv);
	}
	if (l->h->parts & PART_PER_LAYER)
		y->own_input = rows_of(l, weight_of(l, "per_layer_model_proj.weight"),
			i * l->h->per_layer_dim, l->h->per_layer_dim);
	if (l->h->parts & PART_GATE_FUSED) {
		struct model_weight all = y->up;
		y->gate = rows_of(l, all, 0, y->is.ffn_dim);
		y->up = rows_of(l, all, y->is.ffn_dim, y->is.ffn_dim);
	}
	if (l->h->parts & PART_FFN_NORM_LATE) {
		y->ffn_norm = y->attn_post_norm;
		y->attn_post_norm = none;
	}
}

static void bind_all(const struct layout *l, struct model *m)
{
	for (u32 s = 0; s < ARRAY_LEN(model_slots); s++)
		*slot_in(m, &model_slots[s]) = weight_of(l, model_slots[s].name);
	if (m->head.tensor == LAYOUT_NONE)
		m->head = m->embed;
	for (u32 i = 0; i < m->n_layers; i++) {
		struct model_layer *y = &m->layers[i];
		y->is = layout_layer_at(l, i);
		y->xielu = (struct op_xielu){ .alpha_p = rt_softplus(y->is.xielu[0]),
			.alpha_n = y->is.xielu[2] + rt_softplus(y->is.xielu[1]),
			.beta = y->is.xielu[2],
			.eps = y->is.xielu[3] };
		for (u32 s = 0; s < ARRAY_LEN(layer_slots); s++)
			*slot_in(y, &layer_slots[s]) = layer_weight(l, i, layer_slots[s].name);
		bind_fused(l, y, i);
	}
}

/* ---- what the program switches on ---------------------------------------------------------------------------------- */

static void read_header(const struct layout_header *h, struct model *m)
{
	*m = (struct model){ .arch = arch_of(h->arch),
		.n_layers = h->n_layers,
		.dim = h->dim,
		.n_vocab = h->n_vocab,
		.ctx_train = h->ctx_train,
		.rms_eps = h->rms_eps,
		.embed_scale = h->embed_scale,
		.residual_scale = h->residual_scale,
		.logit_scale = h->logit_scale,
		.logit_softcap = h->logit_softcap,
		.attn_scale = h->attn_scale,
		.temperature = h->temperature,
		.temperature_ctx = h->temperature_ctx,
		.rope_dim = h->rope_dim,
		.rope_scaling = h->rope_scaling,
		.per_layer_dim = h->per_layer_dim,
		.rope_ctx = h->rope_ctx,
		.switches = h->switches,
		.expert_dim = h->expert_dim,
		.shared_dim = h->shared_dim };
	m->routing = (struct model_routing){ .n_experts = h->n_experts,
		.n_used = h->n_experts_used,
		.kind = h->routing,
		.norm = h->switches & SWITCH_ROUTING_NORM,
		.scale = h->expert_scale };
	m->rope[0] = (struct rt_rope){ .rope_dim = h->rope_dim,
		.base = h->rope_base,
		.scale = h->rope_scale,
		.magnitude = h->rope_magnitude,
		.yarn_ext = h->rope_scaling == ROPE_YARN ? h->yarn_ext_factor : 0,
		.yarn_beta_fast = h->yarn_beta_fast,
		.yarn_beta_slow = h->yarn_beta_slow,
		.yarn_log_multiplier = h->yarn_log_multiplier,
		.yarn_ctx = h->rope_ctx,
		.yarn_exact = h->switches & SWITCH_YARN_EXACT };
	m->rope[1] = (struct rt_rope){
		.rope_dim = h->rope_dim_2, .base = h->rope_base_2, .scale = h->rope_scale_2
	};
}

/* The window of all layers that have one, unless there are several, or a layer reads keys of another kind. */
static u32 common_window(const struct model *m)
{
	u32 window = 0;
	for (u32 i = 0; i < m->n_layers; i++) {
		const struct layout_layer *y = &m->layers[i].is;
		if (m->layers[y->kv_layer].is.window != y->window)
			return 0;
		if (y->window && window && y->window != window)
			return 0;
		window = MAX(window, y->window);
	}
	return window;
}

static void measure(const struct layout *l, struct model *m)
{
	for (u32 i = 0; i < m->n_layers; i++) {
		const struct layout_layer *y = &m->layers[i].is;
		m->n_heads = MAX(m->n_heads, y->n_heads);
		m->n_kv_heads = MAX(m->n_kv_heads, y->n_kv_heads);
		m->head_dim = MAX(m->head_dim, y->head_dim);
		m->ffn_dim = MAX(m->ffn_dim, MAX(y->ffn_dim, l->h->shared_dim));
	}
	m->window = common_window(m);
	m->all_f32 = true;
	for (u32 i = 0; i < l->h->n_tensors; i++)
		m->all_f32 = m->all_f32 && l->tensors[i].type == TENSOR_F32;
}

int model_bind(const struct layout *l, struct model *ret, const char **ret_why)
{
	struct model m;
	read_header(l->h, &m);
	*ret_why = "an architecture that the runtime does not compute";
	if (!m.arch)
		return 1;
	m.layers = calloc(m.n_layers, sizeof *m.layers);
	if (!m.layers)
		return err_origin(-ENOMEM);
	bind_all(l, &m);
	measure(l, &m);
	*ret = m;
	return 0;
}

void model_fini(struct model *m)
{
	free(m->layers);
	*m = (struct model){ 0 };
}

u32 model_rope_factors(const struct model *m, u32 ctx_tokens)
{
	if (m->rope_scaling != ROPE_LONG)
		return m->rope_freqs.tensor;
	return ctx_tokens > m->rope_ctx ? m->rope_long.tensor : m->rope_short.tensor;
}

static void place(struct model_weight *w, const struct rt_view *at)
{
	if (w->tensor == LAYOUT_NONE)
		return;
	w->at = at[w->tensor];
	w->at.offset += w->offset;
	if (w->scale != LAYOUT_NONE)
		w->scale_at = at[w->scale];
}

void model_place(struct model *m, const struct rt_view *at)
{
	for (u32 s = 0; s < ARRAY_LEN(model_slots); s++)
		place(slot_in(m, &model_slots[s]), at);
	for (u32 i = 0; i < m->n_layers; i++)
		for (u32 s = 0; s < ARRAY_LEN(layer_slots); s++)
			place(slot_in(&m->layers[i], &layer_slots[s]), at);
}

static void ready(const struct model_weight *w)
{
	if (!w->at.buf || w->n_out <= 1)
		return;
	const struct tensor_type_info *t = tensor_type_info(w->type);
	struct rt_view at = w->at;
	for (u32 i = 0; i < MAX(w->n, 1u); i++, at.offset += (u64)w->k / t->block * t->bytes * w->n_out)
		rt_weights_ready(rt_buf_device(at.buf), at, w->type, w->k, w->n_out);
}

void model_ready(const struct model *m)
{
	ready(&m->embed);
	ready(&m->head);
	for (u32 i = 0; i < m->n_layers; i++)
		for (u32 s = 0; s < ARRAY_LEN(layer_slots); s++)
			ready(slot_in(&m->layers[i], &layer_slots[s]));
}

/* ---- which device needs which tensor ------------------------------------------------------------------------------- */

bool model_tied(const struct model *m)
{
	return m->head.tensor == m->embed.tensor;
}

static void belongs(const struct model_weight *w, u32 layer, u32 *ret)
{
	if (w->tensor != LAYOUT_NONE)
		ret[w->tensor] = layer;
	if (w->scale != LAYOUT_NONE)
		ret[w->scale] = layer;
}

void model_layers_of(const struct model *m, u32 n_tensors, u32 *ret)
{
	for (u32 i = 0; i < n_tensors; i++)
		ret[i] = MODEL_FIRST;
	for (u32 i = 0; i < m->n_layers; i++)
		for (u32 s = 0; s < ARRAY_LEN(layer_slots); s++)
			belongs(slot_in(&m->layers[i], &layer_slots[s]), i, ret);
	for (u32 i = 0; i < m->n_layers; i++) /* rows of one tensor, used before the first layer */
		belongs(&m->layers[i].own_input, MODEL_FIRST, ret);
	belongs(&m->output_norm, model_tied(m) ? MODEL_FIRST : MODEL_LAST, ret);
	belongs(&m->head, model_tied(m) ? MODEL_FIRST : MODEL_LAST, ret);
	belongs(&m->head_bias, model_tied(m) ? MODEL_FIRST : MODEL_LAST, ret);
}

bool model_cut_ok(const struct model *m, u32 at, const char **ret_why)
{
	*ret_why = "its layers have embeddings of their own, which are made where the tokens are";
	if (m->per_layer_dim)
		return false;
	*ret_why = "layers behind it read keys and values of layers before it";
	for (u32 i = at; i < m->n_layers; i++)
		if (m->layers[i].is.kv_layer < at)
			return false;
	return true;
}
