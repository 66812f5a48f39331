#include "runtime/model.h"
#include "base/err.h"
#include "proto.h"
#include "shaders/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static u64 layer_kv_bytes(const struct model_layer *l, u32 kv_mode, u32 pages)
{
	return op_kv_bytes(kv_mode, pages, l->is.n_kv_heads, l->is.head_dim);
}

static bool has_tail(const struct model *m, const struct model_work *w, u32 layer)
{
	return w->tail_pages && m->layers[layer].is.window;
}

struct rt_buf *model_table(const struct model *m, const struct model_work *w, u32 layer)
{
	return has_tail(m, w, layer) ? w->tail_tables : w->tables;
}

/* Buffers are made one after the other; the first failure stops the rest. Without a device they are only counted. */
struct maker {
	struct rt_device *d;
	struct rt_device_info info;
	u64 bytes;
	int r;
};

static struct rt_buf *make(struct maker *mk, enum rt_buf_kind kind, u64 bytes, const char *tag)
{
	struct rt_buf *b = NULL;
	if (!mk->r && bytes > mk->info.buf_bytes_max)
		mk->r = err_origin(-ENOMEM);
	if (!mk->r && mk->d)
		mk->r = rt_buf_create(mk->d, kind, MAX(bytes, RT_ALIGN), tag, &b);
	if (!mk->r)
		mk->bytes += MAX(bytes, RT_ALIGN);
	return b;
}

static int upload(struct rt_device *d, struct rt_buf *dst, const void *data, u64 len)
{
	for (u64 at = 0; at < len; at += RT_STAGE_BYTES) {
		u64 n = MIN(len - at, RT_STAGE_BYTES);
		void *stage = rt_stage_get(d);
		memcpy(stage, (const u8 *)data + at, n);
		int r = rt_stage_put(d, stage, (struct rt_view){ dst, at }, 0, n);
		if (r)
			return r;
	}
	return 0;
}

/* A buffer of numbers of positions that the host computes. */
static struct rt_buf *make_table(struct maker *mk, const f32 *data, u64 bytes, const char *tag)
{
	struct rt_buf *b = make(mk, RT_BUF_WEIGHTS, bytes, tag);
	if (!mk->d)
		return NULL;
	if (!mk->r && !data)
		mk->r = err_origin(-ENOMEM);
	if (!mk->r)
		mk->r = upload(mk->d, b, data, bytes);
	return b;
}

static bool uses_rope(const struct model *m, const struct model_work *w, u32 which)
{
	for (u32 i = w->first; i < w->end; i++)
		if (m->layers[i].is.rope_dim && m->layers[i].is.rope == which)
			return true;
	return false;
}

static void make_positions(
	struct maker *mk, const struct model *m, const struct model_work_params *p, struct model_work *w)
{
	for (u32 i = 0; i < ARRAY_LEN(w->rope) && !mk->r; i++) {
		struct rt_rope rope = m->rope[i];
		u64 bytes = (u64)p->ctx_tokens * rope.rope_dim * sizeof(f32);
		if (!uses_rope(m, w, i))
			continue;
		rope.ctx = p->ctx_tokens;
		rope.factors = i == 0 ? p->rope_factors : NULL;
		f32 *table = mk->d ? malloc(bytes) : NULL;
		if (table)
			rt_rope_table(table, &rope);
		w->rope[i] = make_table(mk, table, bytes, "rope");
		free(table);
	}
	if (!mk->r && (m->arch->value_norm || m->switches & SWITCH_UNIT_QK)) {
		f32 ones[HEAD_DIM_MAX];
		for (u32 i = 0; i < HEAD_DIM_MAX; i++)
			ones[i] = 1;
		w->ones = make_table(mk, ones, m->head_dim * sizeof(f32), "ones");
	}
	if (mk->r || !(m->temperature > 0))
		return;
	f32 *table = mk->d ? malloc(p->ctx_tokens * sizeof *table) : NULL;
	const struct rt_temperature warm = { .b = m->temperature,
		.period = m->temperature_ctx,
		.from = m->switches & SWITCH_TEMPERATURE_1 ? 1 : 0 };
	if (table)
		rt_temperature_table(table, p->ctx_tokens, &warm);
	w->temperature = make_table(mk, table, p->ctx_tokens * sizeof *table, "temperature");
	free(table);
}

static bool has_head(const struct model *m, const struct model_work *w)
{
	return model_tied(m) ? w->first == 0 : w->end == m->n_layers;
}

/* The most that each kind of quantised activation has to hold: what this matrix reads, n rows of it. */
static void note_act(u64 *most, const struct model_weight *w, u32 n)
{
	enum op_act_kind kind = op_act_kind(w->type);
	if (w->tensor != LAYOUT_NONE && kind != OP_ACT_F32)
		most[kind] = MAX(most[kind], op_act_bytes(kind, n, w->k));
}

static void make_acts(struct maker *mk, const struct model *m, struct model_work *w)
{
	u64 most[OP_ACT_Q8_256 + 1] = { 0 };
	for (u32 i = w->first; i < w->end; i++) {
		const struct model_layer *l = &m->layers[i];
		const struct model_weight *rows[] = { &l->q, &l->k, &l->v, &l->output, &l->gate, &l->up,
			&l->down, &l->own_input, &l->own_gate, &l->own_proj, &l->router, &l->shared_gate,
			&l->shared_up, &l->shared_down };
		const struct model_weight *slots[] = { &l->expert_gate, &l->expert_up, &l->expert_down };
		for (size_t k = 0; k < ARRAY_LEN(rows); k++)
			note_act(most, rows[k], w->rows_max);
		for (size_t k = 0; k < ARRAY_LEN(slots); k++)
			note_act(most, slots[k], w->rows_max * m->routing.n_used);
	}
	if (has_head(m, w))
		note_act(most, &m->head, w->out_max);
	for (u32 kind = OP_ACT_Q8_32; kind < ARRAY_LEN(most); kind++)
		if (most[kind])
			w->act[kind] = make(mk, RT_BUF_WORK, most[kind], "act");
}

/* What layers of experts work with. */
static void make_experts(struct maker *mk, const struct model *m, struct model_work *w)
{
	struct model_experts *ex = &w->ex;
	u64 rows = (u64)w->rows_max * sizeof(f32), slots = rows * m->routing.n_used;
	if (!m->routing.n_experts)
		return;
	ex->logits = make(mk, RT_BUF_WORK, rows * m->routing.n_experts, "router");
	ex->plan = make(mk, RT_BUF_WORK, op_plan_bytes(w->rows_max * m->routing.n_used), "expert plan");
	struct rt_buf **lists[] = { &ex->ids, &ex->weights, &ex->slots, &ex->pairs, &ex->in, &ex->owners };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		*lists[i] = make(mk, RT_BUF_WORK, slots, "expert slots");
	if (m->arch->routing_input)
		ex->ones = make(mk, RT_BUF_INPUT, slots, "ones of slots");
	ex->x = make(mk, RT_BUF_WORK, slots * MAX(m->dim, m->expert_dim), "expert x");
	ex->gate = make(mk, RT_BUF_WORK, slots * m->expert_dim, "expert gate");
	ex->up = make(mk, RT_BUF_WORK, slots * m->expert_dim, "expert up");
	ex->y = make(mk, RT_BUF_WORK, slots * m->dim, "expert y");
	if (m->shared_dim)
		ex->shared = make(mk, RT_BUF_WORK, rows * m->dim, "shared expert");
	for (u32 i = 0; ex->ones && i < w->rows_max * m->routing.n_used; i++)
		((f32 *)rt_host_ptr(ex->ones))[i] = 1;
}

static void make_kv(struct maker *mk, const struct model *m, struct model_work *w)
{
	w->kv = calloc(2ull * m->n_layers, sizeof *w->kv);
	if (!w->kv) {
		mk->r = err_origin(-ENOMEM);
		return;
	}
	for (u32 i = 2 * w->first; i < 2 * w->end; i++)
		if (m->layers[i / 2].is.kv_layer == i / 2)
			w->kv[i] = make(mk, RT_BUF_WORK,
				layer_kv_bytes(&m->layers[i / 2], w->kv_mode,
					has_tail(m, w, i / 2) ? w->tail_pages : w->kv_pages),
				"kv");
}

/* What is read of logits that stay on the device. */
static void make_tops(struct maker *mk, const struct model *m, struct model_work *w)
{
	u64 out = (u64)w->out_max * sizeof(u32);
	w->need = make(mk, RT_BUF_INPUT, 2 * out, "what rows are for");
	w->most = make(mk, RT_BUF_WORK, out * DIV_UP(m->n_vocab, TOP_BLOCK), "largest logits");
	w->top = make(mk, RT_BUF_OUTPUT, out * op_top_words(m->n_vocab, OP_TOP_MAX), "top logits");
	w->whole_rows = make(mk, RT_BUF_INPUT, MODEL_WHOLE_MAX * sizeof(u32), "whole rows");
	w->whole = make(mk, RT_BUF_OUTPUT, (u64)MODEL_WHOLE_MAX * m->n_vocab * sizeof(f32), "whole logits");
}

static void make_rows(struct maker *mk, const struct model *m, struct model_work *w)
{
	u64 rows = (u64)w->rows_max * sizeof(f32), out = (u64)w->out_max * sizeof(f32);
	u64 q_dim = (u64)m->n_heads * m->head_dim, kv_dim = (u64)m->n_kv_heads * m->head_dim;
	w->ids = make(mk, RT_BUF_INPUT, rows, "ids");
	w->seq = make(mk, RT_BUF_INPUT, rows, "seq");
	w->pos = make(mk, RT_BUF_INPUT, rows, "pos");
	w->out_rows = make(mk, RT_BUF_INPUT, out, "out rows");
	w->tables = make(mk, RT_BUF_INPUT, (u64)w->n_slots * w->ctx_pages * sizeof(u32), "page tables");
	if (w->tail_pages)
		w->tail_tables =
			make(mk, RT_BUF_INPUT, (u64)w->n_slots * w->ctx_pages * sizeof(u32), "tail tables");
	if (has_head(m, w))
		w->logits = make(mk, w->tops ? RT_BUF_WORK : RT_BUF_OUTPUT, out * m->n_vocab, "logits");
	if (has_head(m, w) && w->tops)
		make_tops(mk, m, w);
	if (w->first > 0 || (w->end < m->n_layers && model_tied(m)))
		w->in = make(mk, RT_BUF_INPUT, rows * m->dim, "rows from another device");
	if (w->end < m->n_layers || (w->first > 0 && model_tied(m)))
		w->out = make(mk, RT_BUF_OUTPUT, rows * m->dim, "rows for another device");
	if (w->first > 0 || w->end < m->n_layers)
		w->self = make(mk, RT_BUF_INPUT, rows, "row numbers");
	for (u32 i = 0; w->self && i < w->rows_max; i++)
		((u32 *)rt_host_ptr(w->self))[i] = i;
	w->x = make(mk, RT_BUF_WORK, rows * m->dim, "x");
	w->h = make(mk, RT_BUF_WORK, rows * m->dim, "h");
	w->sum = make(mk, RT_BUF_WORK, rows * m->dim, "sum");
	w->q = make(mk, RT_BUF_WORK, rows * q_dim, "q");
	w->k = make(mk, RT_BUF_WORK, rows * kv_dim, "k");
	w->v = make(mk, RT_BUF_WORK, rows * kv_dim, "v");
	w->att = make(mk, RT_BUF_WORK, rows * q_dim, "att");
	u64 parts = op_attention_parts_bytes(&mk->info, w->rows_max, m->n_heads, m->head_dim);
	if (parts)
		w->parts = make(mk, RT_BUF_WORK, parts, "parts of attention");
	w->gate = make(mk, RT_BUF_WORK, rows * m->ffn_dim, "gate");
	w->up = make(mk, RT_BUF_WORK, rows * m->ffn_dim, "up");
	w->out_x = make(mk, RT_BUF_WORK, out * m->dim, "out x");
	w->out_h = make(mk, RT_BUF_WORK, out * m->dim, "out h");
	w->zero = make(mk, RT_BUF_WORK, rows * kv_dim, "zero");
	if (m->per_layer_dim) {
		w->own = make(mk, RT_BUF_WORK, rows * m->per_layer_dim * m->n_layers, "own embeddings");
		w->own_part = make(mk, RT_BUF_WORK, rows * m->per_layer_dim, "own part");
	}
}

static int make_work(
	struct maker *mk, const struct model *m, const struct model_work_params *p, struct model_work *ret)
{
	struct model_work w = {
		.d = mk->d,
		.first = p->first,
		.end = p->end ? p->end : m->n_layers,
		.rows_max = p->rows_max,
		.out_max = p->out_max,
		.n_slots = p->n_slots,
		.ctx_pages = DIV_UP(p->ctx_tokens, RT_KV_PAGE),
		.kv_mode = p->kv_mode,
		.kv_pages = p->kv_pages,
		.tail_pages = m->window ? p->tail_pages : 0,
		.tops = p->tops,
	};
	make_rows(mk, m, &w);
	make_experts(mk, m, &w);
	make_acts(mk, m, &w);
	make_positions(mk, m, p, &w);
	w.work_bytes = mk->bytes;
	make_kv(mk, m, &w);
	w.kv_bytes = mk->bytes - w.work_bytes;
	*ret = w;
	return mk->r;
}

int model_work_measure(const struct rt_device_info *info, const struct model *m,
	const struct model_work_params *p, u64 *ret_kv, u64 *ret_work)
{
	struct maker mk = { .info = *info };
	struct model_work w;
	int r = make_work(&mk, m, p, &w);
	free(w.kv);
	if (r)
		return r;
	*ret_kv = w.kv_bytes;
	*ret_work = w.work_bytes;
	return 0;
}

int model_work_create(
	struct rt_device *d, const struct model *m, const struct model_work_params *p, struct model_work *ret)
{
	struct maker mk = { .d = d, .info = rt_device_info(d) };
	struct model_work w;
	int r = make_work(&mk, m, p, &w);
	if (r)
		model_work_fini(d, m, &w);
	else
		*ret = w;
	return r;
}

void model_work_fini(struct rt_device *d, const struct model *m, struct model_work *w)
{
	struct rt_buf **bufs[] = { &w->ids, &w->seq, &w->pos, &w->out_rows, &w->tables, &w->tail_tables,
		&w->logits, &w->need, &w->most, &w->top, &w->whole_rows, &w->whole, &w->x, &w->h, &w->sum,
		&w->q, &w->k, &w->v, &w->att, &w->parts, &w->gate, &w->up, &w->out_x, &w->out_h, &w->zero,
		&w->in, &w->out, &w->self, &w->rope[0], &w->rope[1], &w->ones, &w->own, &w->own_part,
		&w->temperature, &w->ex.logits, &w->ex.ids, &w->ex.weights, &w->ex.plan, &w->ex.slots,
		&w->ex.pairs, &w->ex.in, &w->ex.owners, &w->ex.ones, &w->ex.x, &w->ex.gate, &w->ex.up,
		&w->ex.y, &w->ex.shared };
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		*bufs[i] = rt_buf_destroy(d, *bufs[i]);
	for (size_t i = 0; i < ARRAY_LEN(w->act); i++)
		w->act[i] = rt_buf_destroy(d, w->act[i]);
	for (u32 i = 0; w->kv && i < 2 * m->n_layers; i++)
		rt_buf_destroy(d, w->kv[i]);
	free(w->kv);
	*w = (struct model_work){ 0 };
}
