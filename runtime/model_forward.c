/* The layer program of all architectures. It names ops only and reads like the papers; where families differ, it asks whether a weight is there, a
 * number is set, or what base/arch.h says of the family. Sources: Touvron et al. 2023 (LLaMA); Ainslie et al. 2023 (grouped queries); Zhang &
 * Sennrich 2019 (RMSNorm); Su et al. 2021 (rotary positions); Peng et al. 2023 (YaRN); Ding et al. 2024 (LongRoPE); Shazeer 2020 (SwiGLU, GeGLU);
 * Henry et al. 2020 (norms of queries and keys); Gemma team 2024 (norms on both sides, windows); Wang & Komatsuzaki 2021 (attention and feed-forward
 * side by side); Huang & Schlag 2025 (xIELU); Xiao et al. 2023 (sinks). */
#include "runtime/model_run.h"
#include "base/err.h"

#include <math.h>
#include <string.h>

struct act act_of(struct rt_buf *x, u32 rows, u32 k)
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

/* y = a · Wᵀ   W [n_out, a.k]; of experts each row of a with the matrix of its own */
static void mul_mat_to(
	struct run *run, const struct model_weight *w, struct act *a, u32 n_out, struct rt_view y)
{
	const struct model_experts *ex = &run->w->ex;
	struct op_mul_mat p = {
		.type = w->type, .k = a->k, .n_out = n_out, .rows = a->rows, .w = w->at, .y = y
	};
	bool many = w->n > 1;
	if (many) {
		p.experts = w->n;
		p.plan = whole(ex->plan);
	}
	p.act = act_as(run, a, op_act_kind(w->type));
	if (!run->r)
		run->r = op_mul_mat(run->d, &p);
	if (w->scale_at.buf && !run->r) /* zero: every row takes element 0 */
		run->r = op_row_scale(
			run->d, y, whole(many ? ex->owners : run->w->zero), w->scale_at, a->rows, n_out);
}

void mul_mat(struct run *run, const struct model_weight *w, struct act *a, u32 n_out, struct rt_buf *y)
{
	mul_mat_to(run, w, a, n_out, whole(y));
}

/* y = norm(x) · w   of `rows` rows of dim elements */
static void norm(struct run *run, struct rt_buf *x, struct rt_view w, struct rt_buf *y, u32 rows, u32 dim)
{
	if (run->r)
		return;
	run->r = run->m->arch->norm == ARCH_NORM_LAYER
			 ? op_layer_norm(run->d, whole(x), w, whole(y), rows, dim, run->m->rms_eps)
			 : op_rms_norm(run->d, whole(x), w, whole(y), rows, dim, run->m->rms_eps);
}

static void bias(struct run *run, struct rt_buf *x, const struct model_weight *b, u32 dim)
{
	if (has(b) && !run->r)
		run->r = op_bias(run->d, whole(x), b->at, run->rows, dim);
}

static void scale_at(struct run *run, struct rt_view x, u64 n, f32 a)
{
	if (a != 0 && a != 1 && !run->r)
		run->r = op_scale(run->d, x, n, a);
}

static void scale(struct run *run, struct rt_buf *x, u64 n, f32 a)
{
	scale_at(run, whole(x), n, a);
}

/* The input of layer i's own embedding. */
static struct rt_view own_of(const struct run *run, u32 i)
{
	return (struct rt_view){ run->w->own,
		(u64)i * run->w->rows_max * run->m->per_layer_dim * sizeof(f32) };
}

/* x += what a part of a layer has computed, in h */
static void add(struct run *run, struct rt_buf *h)
{
	u64 n = (u64)run->rows * run->m->dim;
	scale(run, h, n, run->m->residual_scale);
	if (!run->r)
		run->r = op_add(run->d, whole(run->w->x), whole(h), n);
}

/* ---- attention ----------------------------------------------------------------------------------------------------- */

/* Queries or keys: their bias, a norm of each head, the rotation. */
static void prepare(struct run *run, const struct model_layer *l, struct rt_buf *x, u32 heads,
	const struct model_weight *b, const struct model_weight *head_norm)
{
	const struct layout_layer *is = &l->is;
	u32 width = heads * is->head_dim;
	bias(run, x, b, width);
	if (has(head_norm)) /* of each head, or of all heads together */
		norm(run, x, head_norm->at, x, run->rows * (width / head_norm->k), head_norm->k);
	struct op_rope p = { .x = whole(x),
		.pos = whole(run->w->pos),
		.table = whole(run->w->rope[is->rope]),
		.n = run->rows,
		.heads = heads,
		.head_dim = is->head_dim,
		.rope_dim = is->rope_dim,
		.halves = run->m->arch->rope == ARCH_ROPE_NEOX || run->m->switches & SWITCH_ROPE_HALVES };
	if (is->rope_dim && !run->r)
		run->r = op_rope(run->d, &p);
	if (is->rope_dim && run->m->switches & SWITCH_UNIT_QK)
		norm(run, x, whole(run->w->ones), x, run->rows * heads, is->head_dim);
}

static struct op_kv kv_of(const struct model *m, const struct model_work *w, u32 layer)
{
	const struct layout_layer *is = &m->layers[layer].is;
	return (struct op_kv){ .k = whole(w->kv[2 * is->kv_layer]),
		.v = whole(w->kv[2 * is->kv_layer + 1]),
		.tables = whole(model_table(m, w, layer)),
		.pages_per_seq = w->ctx_pages,
		.kv_mode = w->kv_mode,
		.kv_heads = is->n_kv_heads,
		.head_dim = is->head_dim };
}

static void kv_store(struct run *run, const struct op_kv *kv, struct rt_buf *k, struct rt_buf *v)
{
	if (!run->r)
		run->r = op_kv_store(
			run->d, kv, whole(k), whole(v), whole(run->w->seq), whole(run->w->pos), run->rows);
}

static void attend(struct run *run, const struct model_layer *l, const struct op_kv *kv)
{
	const struct model_work *w = run->w;
	f32 own = (f32)(1.0 / sqrt((f64)l->is.head_dim));
	struct op_attention p = { .kv = kv,
		.q = whole(w->q),
		.seq = whole(w->seq),
		.pos = whole(w->pos),
		.y = whole(w->att),
		.n = run->rows,
		.heads = l->is.n_heads,
		.pos_max = run->pos_max,
		.scale = run->m->attn_scale > 0 ? run->m->attn_scale : own,
		.window = l->is.window,
		.pieces = run->m->switches & SWITCH_PIECES,
		.sinks = l->sinks.at,
		.parts = { w->parts, 0 } };
	bool warm = !(run->m->switches & SWITCH_TEMPERATURE_1) || !l->is.rope_dim;
	if (w->temperature && warm && !run->r)
		run->r = op_row_scale(
			run->d, p.q, p.pos, whole(w->temperature), run->rows, l->is.n_heads * l->is.head_dim);
	if (!run->r)
		run->r = op_attention(run->d, &p);
}

/* y = attention(h) · Wo */
static void attention(struct run *run, u32 i, struct act *h, struct rt_buf *y)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	const struct model_layer *l = &m->layers[i];
	u32 q_dim = l->is.n_heads * l->is.head_dim, kv_dim = l->is.n_kv_heads * l->is.head_dim;
	struct op_kv kv = kv_of(m, w, i);

	mul_mat(run, &l->q, h, q_dim, w->q);
	prepare(run, l, w->q, l->is.n_heads, &l->q_bias, &l->q_norm);
	if (l->is.kv_layer == i) {
		mul_mat(run, &l->k, h, kv_dim, w->k);
		mul_mat(run, has(&l->v) ? &l->v : &l->k, h, kv_dim, w->v);
		prepare(run, l, w->k, l->is.n_kv_heads, &l->k_bias, &l->k_norm);
		bias(run, w->v, &l->v_bias, kv_dim);
		if (m->arch->value_norm)
			norm(run, w->v, whole(w->ones), w->v, run->rows * l->is.n_kv_heads, l->is.head_dim);
		kv_store(run, &kv, w->k, w->v);
	}
	attend(run, l, &kv);
	struct act att = act_of(w->att, run->rows, q_dim);
	mul_mat(run, &l->output, &att, m->dim, y);
	bias(run, y, &l->output_bias, m->dim);
	if (has(&l->attn_post_norm))
		norm(run, y, l->attn_post_norm.at, y, run->rows, m->dim);
}

/* ---- feed-forward -------------------------------------------------------------------------------------------------- */

void activate(struct run *run, const struct model_layer *l, struct rt_buf *gate, struct rt_buf *up, u64 n)
{
	struct rt_view g = whole(gate), u = whole(up);
	if (run->r)
		return;
	switch (run->m->arch->act) {
	case ARCH_ACT_SILU:
		run->r = op_swiglu(run->d, g, u, u, n);
		break;
	case ARCH_ACT_GELU:
		run->r = op_geglu(run->d, g, u, u, n);
		break;
	case ARCH_ACT_SWIGLU_OAI:
		run->r = op_swiglu_oai(run->d, g, u, u, n);
		break;
	case ARCH_ACT_XIELU:
		run->r = op_xielu(run->d, u, n, &l->xielu);
	}
}

/* y = (act(h · Wg) ∘ (h · Wu)) · Wd, or what experts say */
static void feed_forward(struct run *run, const struct model_layer *l, struct act *h, struct rt_buf *y)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	if (has(&l->router)) {
		experts(run, l, h, y);
		return;
	}
	if (has(&l->gate))
		mul_mat(run, &l->gate, h, l->is.ffn_dim, w->gate);
	mul_mat(run, &l->up, h, l->is.ffn_dim, w->up);
	bias(run, w->gate, &l->gate_bias, l->is.ffn_dim);
	bias(run, w->up, &l->up_bias, l->is.ffn_dim);
	activate(run, l, w->gate, w->up, (u64)run->rows * l->is.ffn_dim);
	struct act up = act_of(w->up, run->rows, l->is.ffn_dim);
	mul_mat(run, &l->down, &up, m->dim, y);
	bias(run, y, &l->down_bias, m->dim);
	if (has(&l->ffn_post_norm))
		norm(run, y, l->ffn_post_norm.at, y, run->rows, m->dim);
}

/* ---- the layers' own embeddings ------------------------------------------------------------------------------------ */

/* own[i] = (norm(x · Wi) + embedding_i · sqrt(width)) / sqrt(2), of the embedded x, for every layer */
static void own_inputs(struct run *run)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	u64 n = (u64)run->rows * m->per_layer_dim;
	struct act x = act_of(w->x, run->rows, m->dim);
	for (u32 i = 0; i < m->n_layers && m->per_layer_dim; i++) {
		struct rt_view y = own_of(run, i);
		const struct op_embed part = { .type = m->own_embed.type,
			.vocab = m->n_vocab,
			.row_dim = m->per_layer_dim * m->n_layers,
			.first = m->per_layer_dim * i,
			.dim = m->per_layer_dim,
			.n = run->rows,
			.table = m->own_embed.at,
			.ids = whole(w->ids),
			.y = whole(w->own_part) };
		mul_mat_to(run, &m->layers[i].own_input, &x, m->per_layer_dim, y);
		scale_at(run, y, n, (f32)(1.0 / sqrt((f64)m->dim)));
		if (!run->r)
			run->r = op_rms_norm(
				run->d, y, m->own_input_norm.at, y, run->rows, m->per_layer_dim, m->rms_eps);
		if (!run->r)
			run->r = op_embed_slice(run->d, &part);
		scale_at(run, part.y, n, (f32)sqrt((f64)m->per_layer_dim));
		if (!run->r)
			run->r = op_add(run->d, y, part.y, n);
		scale_at(run, y, n, (f32)(1.0 / sqrt(2.0)));
	}
}

/* x += norm((gelu(x · Wg) ∘ own[i]) · Wp);  x *= the layer's number */
static void own_embedding(struct run *run, u32 i)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	const struct model_layer *l = &m->layers[i];
	struct rt_view part = m->per_layer_dim ? whole(w->own_part) : (struct rt_view){ 0 };
	if (m->per_layer_dim) {
		struct act x = act_of(w->x, run->rows, m->dim);
		mul_mat_to(run, &l->own_gate, &x, m->per_layer_dim, part);
		if (!run->r)
			run->r = op_geglu(
				run->d, part, own_of(run, i), part, (u64)run->rows * m->per_layer_dim);
		struct act mixed = act_of(w->own_part, run->rows, m->per_layer_dim);
		mul_mat(run, &l->own_proj, &mixed, m->dim, w->h);
		norm(run, w->h, l->own_norm.at, w->h, run->rows, m->dim);
		add(run, w->h);
	}
	if (has(&l->out_scale) && !run->r) /* zero: every row takes element 0 */
		run->r =
			op_row_scale(run->d, whole(w->x), whole(w->zero), l->out_scale.at, run->rows, m->dim);
}

/* x += attention(norm(x));  x += feed_forward(norm(x));  or, side by side, both of the one norm(x) */
static void layer(struct run *run, u32 i)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	const struct model_layer *l = &m->layers[i];

	norm(run, w->x, l->attn_norm.at, w->h, run->rows, m->dim);
	struct act h = act_of(w->h, run->rows, m->dim);
	attention(run, i, &h, w->sum);
	if (has(&l->ffn_norm)) {
		add(run, w->sum);
		norm(run, w->x, l->ffn_norm.at, w->h, run->rows, m->dim);
		h = act_of(w->h, run->rows, m->dim);
		feed_forward(run, l, &h, w->sum);
		add(run, w->sum);
	} else {
		struct act same = act_of(
			w->h, run->rows, m->dim); /* quantised again: attention's output took its place */
		feed_forward(run, l, &same, w->h);
		add(run, w->h);
		add(run, w->sum);
	}
	own_embedding(run, i);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

/* The last norm and the head, of rows whose logits somebody wants. */
static void head(struct run *run, struct rt_buf *x, u32 n_out)
{
	const struct model *m = run->m;
	const struct model_work *w = run->w;
	u64 n = (u64)n_out * m->n_vocab;
	norm(run, x, m->output_norm.at, w->out_h, n_out, m->dim);
	struct act h = act_of(w->out_h, n_out, m->dim);
	mul_mat(run, &m->head, &h, m->n_vocab, w->logits);
	if (has(&m->head_bias) && !run->r)
		run->r = op_bias(run->d, whole(w->logits), m->head_bias.at, n_out, m->n_vocab);
	scale(run, w->logits, n, m->logit_scale);
	if (m->logit_softcap > 0 && !run->r)
		run->r = op_softcap(run->d, whole(w->logits), n, m->logit_softcap);
}

/* The rows that the numbers in `which` name go to another device, which goes on with them: what has been recorded runs. */
static void hand_over(struct run *run, const struct model_work *to, struct rt_buf *which, u32 n)
{
	const struct model_work *w = run->w;
	if (!run->r)
		run->r = op_rows(run->d, whole(w->x), whole(which), whole(w->out), n, run->m->dim);
	if (!run->r)
		run->r = rt_submit(run->d);
	run->d = to->d;
	run->w = to;
	if (run->r)
		return;
	memcpy(rt_host_ptr(to->in), rt_host_ptr(w->out), (size_t)n * run->m->dim * sizeof(f32));
	run->r = rt_begin(run->d);
}

/* The next device of the chain goes on with all rows. */
static void go_on(struct run *run, const struct model_step *s)
{
	const struct model_work *w = run->w, *to = w->next;
	memcpy(rt_host_ptr(to->seq), rt_host_ptr(w->seq), s->n * sizeof(u32));
	memcpy(rt_host_ptr(to->pos), rt_host_ptr(w->pos), s->n * sizeof(u32));
	memcpy(rt_host_ptr(to->out_rows), rt_host_ptr(w->out_rows), s->n_out * sizeof(u32));
	hand_over(run, to, w->self, s->n);
	if (!run->r)
		run->r = op_rows(run->d, whole(to->in), whole(to->self), whole(to->x), s->n, run->m->dim);
}

/* What the host reads of n_out rows of logits that stay on the device. */
static void tops(struct run *run, u32 n_out, u32 n_whole)
{
	const struct model_work *w = run->w;
	const struct op_top_blocks p = { .rows = n_out,
		.n = run->m->n_vocab,
		.cap = OP_TOP_MAX,
		.x = whole(w->logits),
		.need = whole(w->need),
		.most = whole(w->most),
		.out = whole(w->top) };
	if (!run->r)
		run->r = op_top_blocks(run->d, &p);
	if (!run->r && n_whole)
		run->r = op_rows(run->d, p.x, whole(w->whole_rows), whole(w->whole), n_whole, p.n);
}

/* Rows of logits: here, or on the first device of the chain. */
static void logits(struct run *run, const struct model_work *first, u32 n_out)
{
	const struct model_work *w = run->w;
	if (w->logits) {
		if (!run->r)
			run->r = op_rows(
				run->d, whole(w->x), whole(w->out_rows), whole(w->out_x), n_out, run->m->dim);
		head(run, w->out_x, n_out);
		return;
	}
	hand_over(run, first, w->out_rows, n_out);
	head(run, first->in, n_out);
}

int model_forward(
	struct rt_device *d, const struct model *m, const struct model_work *w, const struct model_step *s)
{
	assert(s->n >= 1 && s->n <= w->rows_max && s->n_out <= w->out_max);
	struct run run = { .d = d, .m = m, .w = w, .rows = s->n, .pos_max = s->pos_max };
	run.r = op_embed(d, m->embed.type, m->embed.at, m->n_vocab, m->dim, whole(w->ids), s->n, whole(w->x));
	scale(&run, w->x, (u64)s->n * m->dim, m->embed_scale);
	own_inputs(&run);
	for (;;) {
		for (u32 i = run.w->first; i < run.w->end; i++)
			layer(&run, i);
		if (!run.w->next)
			break;
		go_on(&run, s);
	}
	if (s->n_out)
		logits(&run, w, s->n_out);
	if (s->n_out && run.w->tops)
		tops(&run, s->n_out, s->n_whole);
	return run.r;
}

struct rt_device *model_open(const struct model_work *w, const struct model_step *s)
{
	const struct model_work *last = w;
	while (last->next)
		last = last->next;
	return s->n_out && !last->logits ? w->d : last->d;
}

const struct model_work *model_head(const struct model_work *w)
{
	while (!w->logits)
		w = w->next;
	return w;
}

int model_read_whole(const struct model *m, const struct model_work *w, u32 n)
{
	int r = rt_begin(w->d);
	if (!r)
		r = op_rows(w->d, whole(w->logits), whole(w->whole_rows), whole(w->whole), n, m->n_vocab);
	return r ? r : rt_submit(w->d);
}

int model_scrub(struct rt_device *d, const struct model *m, const struct model_work *w,
	const struct rt_buf *table, u32 n)
{
	assert(n <= w->rows_max);
	struct run run = { .d = d, .m = m, .w = w, .rows = n };
	for (u32 i = w->first; i < w->end; i++) {
		struct op_kv kv = kv_of(m, w, i);
		if (m->layers[i].is.kv_layer == i && kv.tables.buf == table)
			kv_store(&run, &kv, w->zero, w->zero);
	}
	return run.r;
}
