/* The llama family: which tensors it has, and its layer program. The program names ops only; it reads like the paper.
 * Source: Touvron et al. 2023 (LLaMA); Ainslie et al. 2023 (grouped queries); Zhang & Sennrich 2019 (RMSNorm);
 * Su et al. 2021 (rotary positions); Shazeer 2020 (SwiGLU). */
#include "runtime/model.h"
#include "base/err.h"
#include "proto.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which tensor is which weight ---------------------------------------------------------------------------------- */

static _Thread_local char why_text[REASON_LEN_MAX];

struct binder {
	const struct layout *l;
	u8 *used; /* one per tensor */
	bool failed;
};

static void refuse(struct binder *b, const char *name, const char *what)
{
	if (!b->failed)
		snprintf(why_text, sizeof why_text, "tensor %s %s", name, what);
	b->failed = true;
}

/* The tensor `format` of layer `layer` with rows of ne0 elements, ne1 of them. A vector has one row and is F32. */
static struct model_weight want(
	struct binder *b, const char *format, u32 layer, u32 ne0, u32 ne1, bool optional)
{
	struct model_weight w = { .tensor = LAYOUT_NONE };
	char name[TENSOR_NAME_LEN_MAX + 1], what[160];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(name, sizeof name, format, layer);
#pragma GCC diagnostic pop
	const struct layout_tensor *t = layout_tensor_find(b->l, name);
	if (!t) {
		if (!optional)
			refuse(b, name, "is missing");
		return w;
	}
	const struct tensor_type_info *info = tensor_type_info(t->type);
	if (t->ne[0] != ne0 || t->ne[1] != ne1 || t->ne[2] != 1 || t->ne[3] != 1) {
		snprintf(what, sizeof what, "has shape %u x %u x %u x %u, the header demands %u x %u",
			t->ne[0], t->ne[1], t->ne[2], t->ne[3], ne0, ne1);
		refuse(b, name, what);
	} else if (!info) {
		refuse(b, name, "has a type that Keep does not compute with");
	} else if (ne0 % info->block || t->bytes != (u64)ne0 / info->block * info->bytes * ne1) {
		refuse(b, name, "has rows that are not whole blocks of its type");
	} else if (ne1 == 1 && t->type != TENSOR_F32) {
		refuse(b, name, "is a vector and not F32");
	} else if (t->offset % sizeof(u32)) {
		refuse(b, name, "is not aligned to 4 bytes in its file");
	}
	w.tensor = (u32)(t - b->l->tensors);
	w.type = t->type;
	b->used[w.tensor] = 1;
	return w;
}

static struct model_layer bind_layer(struct binder *b, const struct model *m, u32 i)
{
	u32 q_dim = m->n_heads * m->head_dim, kv_dim = m->n_kv_heads * m->head_dim;
	return (struct model_layer){
		.attn_norm = want(b, "blk.%u.attn_norm.weight", i, m->dim, 1, false),
		.q = want(b, "blk.%u.attn_q.weight", i, m->dim, q_dim, false),
		.k = want(b, "blk.%u.attn_k.weight", i, m->dim, kv_dim, false),
		.v = want(b, "blk.%u.attn_v.weight", i, m->dim, kv_dim, false),
		.output = want(b, "blk.%u.attn_output.weight", i, q_dim, m->dim, false),
		.ffn_norm = want(b, "blk.%u.ffn_norm.weight", i, m->dim, 1, false),
		.gate = want(b, "blk.%u.ffn_gate.weight", i, m->dim, m->ffn_dim, false),
		.up = want(b, "blk.%u.ffn_up.weight", i, m->dim, m->ffn_dim, false),
		.down = want(b, "blk.%u.ffn_down.weight", i, m->ffn_dim, m->dim, false),
	};
}

static void bind_all(struct binder *b, struct model *m)
{
	m->embed = want(b, "token_embd.weight", 0, m->dim, m->n_vocab, false);
	m->output_norm = want(b, "output_norm.weight", 0, m->dim, 1, false);
	m->head = want(b, "output.weight", 0, m->dim, m->n_vocab, true);
	if (m->head.tensor == LAYOUT_NONE)
		m->head = m->embed;
	m->rope_freqs = want(b, "rope_freqs.weight", 0, m->rope_dim / 2, 1, true).tensor;
	for (u32 i = 0; i < m->n_layers && !b->failed; i++)
		m->layers[i] = bind_layer(b, m, i);
	for (u32 i = 0; i < b->l->h->n_tensors && !b->failed; i++)
		if (!b->used[i])
			refuse(b, b->l->tensors[i].name, "is not part of the llama architecture");
}

static bool is_f32(const struct model *m)
{
	bool all = m->embed.type == TENSOR_F32 && m->head.type == TENSOR_F32;
	for (u32 i = 0; i < m->n_layers; i++) {
		const struct model_layer *l = &m->layers[i];
		const struct model_weight *w[] = { &l->q, &l->k, &l->v, &l->output, &l->gate, &l->up,
			&l->down };
		for (size_t j = 0; j < ARRAY_LEN(w); j++)
			all = all && w[j]->type == TENSOR_F32;
	}
	return all;
}

static const char *check_numbers(const struct layout_header *h)
{
	if (h->arch != LAYOUT_ARCH_LLAMA)
		return "the architecture is not llama";
	if (!h->n_layers || h->n_layers > LAYERS_MAX || !h->dim || h->dim > DIM_MAX || !h->ffn_dim ||
		h->ffn_dim > DIM_MAX || !h->n_vocab || h->n_vocab > VOCAB_MAX || !h->ctx_train ||
		h->ctx_train > CTX_TOKENS_MAX)
		return "a dimension is 0 or beyond the limits";
	if (!h->n_heads || h->n_heads > HEADS_MAX || !h->n_kv_heads || h->n_heads % h->n_kv_heads)
		return "heads are not a multiple of key-value heads, or beyond the limit";
	if (!h->head_dim || h->head_dim > HEAD_DIM_MAX || (u64)h->n_heads * h->head_dim > DIM_MAX)
		return "the head dimension is 0 or beyond the limit";
	if (!h->rope_dim || h->rope_dim % 2 || h->rope_dim > h->head_dim)
		return "the rotated part of a head is odd, empty or larger than the head";
	if (!(h->rms_eps > 0 && h->rms_eps < 1) || !(h->rope_base >= 1 && h->rope_base <= 1e12f) ||
		!(h->rope_scale > 0 && h->rope_scale <= 1e6f))
		return "rms_eps, rope_base or rope_scale is out of range";
	return NULL;
}

int model_bind(const struct layout *l, struct model *ret, const char **ret_why)
{
	const struct layout_header *h = l->h;
	*ret_why = check_numbers(h);
	if (*ret_why)
		return 1;
	struct model m = { .n_layers = h->n_layers,
		.dim = h->dim,
		.ffn_dim = h->ffn_dim,
		.n_heads = h->n_heads,
		.n_kv_heads = h->n_kv_heads,
		.head_dim = h->head_dim,
		.rope_dim = h->rope_dim,
		.n_vocab = h->n_vocab,
		.ctx_train = h->ctx_train,
		.rms_eps = h->rms_eps,
		.rope_base = h->rope_base,
		.rope_scale = h->rope_scale };
	struct binder b = { .l = l, .used = calloc(MAX(h->n_tensors, 1u), 1) };
	m.layers = calloc(m.n_layers, sizeof *m.layers);
	if (!b.used || !m.layers) {
		free(b.used);
		free(m.layers);
		return err_origin(-ENOMEM);
	}
	bind_all(&b, &m);
	free(b.used);
	if (b.failed) {
		free(m.layers);
		*ret_why = why_text;
		return 1;
	}
	m.all_f32 = is_f32(&m);
	*ret = m;
	return 0;
}

void model_fini(struct model *m)
{
	free(m->layers);
	*m = (struct model){ 0 };
}

static void place(struct model_weight *w, const struct rt_view *at)
{
	w->at = at[w->tensor];
}

void model_place(struct model *m, const struct rt_view *at)
{
	place(&m->embed, at);
	place(&m->output_norm, at);
	place(&m->head, at);
	for (u32 i = 0; i < m->n_layers; i++) {
		struct model_layer *l = &m->layers[i];
		struct model_weight *w[] = { &l->attn_norm, &l->q, &l->k, &l->v, &l->output, &l->ffn_norm,
			&l->gate, &l->up, &l->down };
		for (size_t j = 0; j < ARRAY_LEN(w); j++)
			place(w[j], at);
	}
}

/* ---- the layer program --------------------------------------------------------------------------------------------- */

/* One step under way. The first error stops what follows. */
struct run {
	struct rt_device *d;
	const struct model *m;
	const struct model_work *w;
	u32 rows, pos_max;
	int r;
};

static struct rt_view whole(struct rt_buf *b)
{
	return (struct rt_view){ b, 0 };
}

/* A matrix of activations, and the quantised forms of it that were made so far. */
struct act {
	struct rt_view x;
	u32 rows, k;
	bool made[OP_ACT_Q8_256 + 1];
};

static struct act act_of(struct rt_buf *x, u32 rows, u32 k)
{
	return (struct act){ .x = whole(x), .rows = rows, .k = k };
}

static struct rt_view act_as(struct run *run, struct act *a, enum op_act_kind kind)
{
	if (kind == OP_ACT_F32)
		return a->x;
	struct rt_view q = whole(run->w->act[kind]);
	if (!a->made[kind] && !run->r)
		run->r = op_quantize(run->d, kind, a->x, q, a->rows, a->k);
	a->made[kind] = true;
	return q;
}

/* y = a · Wᵀ   W [n_out, a.k] */
static void mul_mat(struct run *run, const struct model_weight *w, struct act *a, u32 n_out, struct rt_buf *y)
{
	struct op_mul_mat p = {
		.type = w->type, .k = a->k, .n_out = n_out, .rows = a->rows, .w = w->at, .y = whole(y)
	};
	p.act = act_as(run, a, op_act_kind(w->type));
	if (!run->r)
		run->r = op_mul_mat(run->d, &p);
}

static void rms_norm(
	struct run *run, struct rt_buf *x, const struct model_weight *w, struct rt_buf *y, u32 rows)
{
	if (!run->r)
		run->r = op_rms_norm(run->d, whole(x), w->at, whole(y), rows, run->m->dim, run->m->rms_eps);
}

static void add(struct run *run, struct rt_buf *x, struct rt_buf *y)
{
	if (!run->r)
		run->r = op_add(run->d, whole(x), whole(y), (u64)run->rows * run->m->dim);
}

static void rope(struct run *run, struct rt_buf *x, u32 heads)
{
	struct op_rope p = { .x = whole(x),
		.pos = whole(run->w->pos),
		.table = whole(run->w->rope),
		.n = run->rows,
		.heads = heads,
		.head_dim = run->m->head_dim,
		.rope_dim = run->m->rope_dim };
	if (!run->r)
		run->r = op_rope(run->d, &p);
}

static struct op_kv kv_of(const struct model *m, const struct model_work *w, u32 layer)
{
	return (struct op_kv){ .k = whole(w->kv[2 * layer]),
		.v = whole(w->kv[2 * layer + 1]),
		.tables = whole(w->tables),
		.pages_per_seq = w->ctx_pages,
		.kv_mode = w->kv_mode,
		.kv_heads = m->n_kv_heads,
		.head_dim = m->head_dim };
}

static void kv_store(struct run *run, const struct op_kv *kv, struct rt_buf *k, struct rt_buf *v)
{
	if (!run->r)
		run->r = op_kv_store(
			run->d, kv, whole(k), whole(v), whole(run->w->seq), whole(run->w->pos), run->rows);
}

static void attend(struct run *run, const struct op_kv *kv, struct rt_buf *q, struct rt_buf *y)
{
	struct op_attention p = { .kv = kv,
		.q = whole(q),
		.seq = whole(run->w->seq),
		.pos = whole(run->w->pos),
		.y = whole(y),
		.n = run->rows,
		.heads = run->m->n_heads,
		.pos_max = run->pos_max,
		.scale = (f32)(1.0 / sqrt((f64)run->m->head_dim)) };
	if (!run->r)
		run->r = op_attention(run->d, &p);
}

static void swiglu(struct run *run, struct rt_buf *gate, struct rt_buf *up, struct rt_buf *y)
{
	if (!run->r)
		run->r =
			op_swiglu(run->d, whole(gate), whole(up), whole(y), (u64)run->rows * run->m->ffn_dim);
}

/* x += attention(norm(x)) · Wo;  x += (silu(norm(x) · Wg) ∘ (norm(x) · Wu)) · Wd */
static void layer(struct run *run, const struct model_layer *l, u32 i)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	u32 n = run->rows, q_dim = m->n_heads * m->head_dim, kv_dim = m->n_kv_heads * m->head_dim;
	struct op_kv kv = kv_of(m, w, i);

	rms_norm(run, w->x, &l->attn_norm, w->h, n);
	struct act h = act_of(w->h, n, m->dim);
	mul_mat(run, &l->q, &h, q_dim, w->q);
	mul_mat(run, &l->k, &h, kv_dim, w->k);
	mul_mat(run, &l->v, &h, kv_dim, w->v);
	rope(run, w->q, m->n_heads);
	rope(run, w->k, m->n_kv_heads);
	kv_store(run, &kv, w->k, w->v);
	attend(run, &kv, w->q, w->att);
	struct act att = act_of(w->att, n, q_dim);
	mul_mat(run, &l->output, &att, m->dim, w->h);
	add(run, w->x, w->h);

	rms_norm(run, w->x, &l->ffn_norm, w->h, n);
	h = act_of(w->h, n, m->dim);
	mul_mat(run, &l->gate, &h, m->ffn_dim, w->gate);
	mul_mat(run, &l->up, &h, m->ffn_dim, w->up);
	swiglu(run, w->gate, w->up, w->gate);
	struct act g = act_of(w->gate, n, m->ffn_dim);
	mul_mat(run, &l->down, &g, m->dim, w->h);
	add(run, w->x, w->h);
}

/* The last norm and the head, only for the rows whose logits somebody wants. */
static void head(struct run *run, u32 n_out)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	if (!run->r)
		run->r = op_rows(run->d, whole(w->x), whole(w->out_rows), whole(w->out_x), n_out, m->dim);
	rms_norm(run, w->out_x, &m->output_norm, w->out_h, n_out);
	struct act h = act_of(w->out_h, n_out, m->dim);
	mul_mat(run, &m->head, &h, m->n_vocab, w->logits);
}

int model_forward(
	struct rt_device *d, const struct model *m, const struct model_work *w, const struct model_step *s)
{
	assert(s->n >= 1 && s->n <= w->rows_max && s->n_out <= w->out_max);
	struct run run = { .d = d, .m = m, .w = w, .rows = s->n, .pos_max = s->pos_max };
	run.r = op_embed(d, m->embed.type, m->embed.at, m->n_vocab, m->dim, whole(w->ids), s->n, whole(w->x));
	for (u32 i = 0; i < m->n_layers; i++)
		layer(&run, &m->layers[i], i);
	if (s->n_out)
		head(&run, s->n_out);
	return run.r;
}

int model_scrub(struct rt_device *d, const struct model *m, const struct model_work *w, u32 n)
{
	assert(n <= w->rows_max);
	struct run run = { .d = d, .m = m, .w = w, .rows = n };
	for (u32 i = 0; i < m->n_layers; i++) {
		struct op_kv kv = kv_of(m, w, i);
		kv_store(&run, &kv, w->zero, w->zero);
	}
	return run.r;
}
