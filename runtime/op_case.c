/* What a case runs, one function an op: its inputs, and the op or the few that it takes. */
#include "runtime/op_case_make.h"

#include "base/err.h"
#include "proto.h"
#include "shaders/map.h"

#include <errno.h>

static int run_embed(struct run *r)
{
	const struct op_case *c = r->c;
	struct rt_view table, ids, y;
	u32 slices = c->kv_heads ? c->kv_heads : 1;
	TRY(make_weights(r, c->type, c->n_out, slices * c->k, &table));
	TRY(make_list(r, c->rows, 0, c->n_out, &ids));
	if (c->rows > 3)
		((u32 *)rt_host_ptr(ids.buf))[3] = c->n_out + 3; /* beyond the vocabulary */
	TRY(make_out(r, 4ul * c->rows * c->k, &y));
	const struct op_embed e = { .type = c->type,
		.vocab = c->n_out,
		.row_dim = slices * c->k,
		.first = c->heads * c->k,
		.dim = c->k,
		.n = c->rows,
		.table = table,
		.ids = ids,
		.y = y };
	TRY(rt_begin(r->d));
	TRY(op_embed_slice(r->d, &e));
	return rt_submit(r->d);
}

static int run_mul_mat(struct run *r)
{
	const struct op_case *c = r->c;
	enum op_act_kind kind = op_act_kind(c->type);
	struct rt_view w, x, act, y;
	TRY(make_weights(r, c->type, c->n_out, c->k, &w));
	TRY(make_activations(r, c->rows, c->k, &x));
	TRY(make(r, RT_BUF_WORK, op_act_bytes(kind, c->rows, c->k), "act", &act));
	TRY(make_out(r, 4ul * c->rows * c->n_out, &y));
	TRY(rt_begin(r->d));
	if (kind == OP_ACT_F32)
		act = x;
	else
		TRY(op_quantize(r->d, kind, x, act, c->rows, c->k));
	const struct op_mul_mat m = {
		.type = c->type, .k = c->k, .n_out = c->n_out, .rows = c->rows, .w = w, .act = act, .y = y
	};
	TRY(op_mul_mat(r->d, &m));
	return rt_submit(r->d);
}

static int run_quantize(struct run *r)
{
	const struct op_case *c = r->c;
	enum op_act_kind kind = op_act_kind(c->type);
	struct rt_view x, act;
	TRY(make_floats(r, (size_t)c->rows * c->k, 3, "x", &x));
	TRY(make_out(r, op_act_bytes(kind, c->rows, c->k), &act));
	TRY(rt_begin(r->d));
	TRY(op_quantize(r->d, kind, x, act, c->rows, c->k));
	return rt_submit(r->d);
}

/* The layer norm in place. */
static int run_norm(struct run *r)
{
	const struct op_case *c = r->c;
	bool rms = c->op == CASE_RMS_NORM;
	size_t n = (size_t)c->rows * c->k;
	f32 eps = c->fill == FILL_ZERO ? 0 : 1e-5f;
	struct rt_view x, w, y;
	if (rms)
		TRY(make_floats(r, n, 4, "x", &x));
	else
		TRY(make_inout(r, n, 15, &x));
	TRY(make_floats(r, c->k, rms ? 5 : 16, "w", &w));
	if (rms)
		TRY(make_out(r, 4 * n, &y));
	TRY(rt_begin(r->d));
	if (rms)
		TRY(op_rms_norm(r->d, x, w, y, c->rows, c->k, eps));
	else
		TRY(op_layer_norm(r->d, x, w, x, c->rows, c->k, eps));
	return rt_submit(r->d);
}

static int run_rope(struct run *r)
{
	const struct op_case *c = r->c;
	size_t n = (size_t)c->rows * c->heads * c->head_dim;
	struct rt_view x, pos, table;
	TRY(make_inout(r, n, 6, &x));
	TRY(make_list(r, c->rows, c->pos, c->pos + 1, &pos));
	TRY(make(r, RT_BUF_INPUT, 4ull * (c->pos + 1) * c->k, "table", &table));
	const struct rt_rope angles = { .ctx = c->pos + 1, .rope_dim = c->k, .base = 10000, .scale = 1 };
	rt_rope_table(rt_host_ptr(table.buf), &angles);
	const struct op_rope p = { .x = x,
		.pos = pos,
		.table = table,
		.n = c->rows,
		.heads = c->heads,
		.head_dim = c->head_dim,
		.rope_dim = c->k,
		.halves = c->halves };
	TRY(rt_begin(r->d));
	TRY(op_rope(r->d, &p));
	return rt_submit(r->d);
}

struct kv {
	struct op_kv kv;
	struct rt_view seq, pos;
	u32 n, cache_bytes;
};

/* Caches of n_out sequences whose pages lie in a scattered order, one position to store per row: all positions 0..pos of each. */
static int make_kv(struct run *r, enum rt_buf_kind kind, struct kv *ret)
{
	const struct op_case *c = r->c;
	u32 per_seq = c->pos / RT_KV_PAGE + 1, pages = per_seq * c->n_out, n = c->n_out * (c->pos + 1);
	_cleanup_(freep) u32 *words = malloc(4ul * (pages + 2ul * n));
	if (!words)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < pages; i++)
		words[i] = pages - 1 - i;
	for (u32 i = 0; i < n; i++) {
		words[pages + i] = i % c->n_out;
		words[pages + n + i] = i / c->n_out;
	}
	*ret = (struct kv){ .n = n };
	ret->kv = (struct op_kv){
		.pages_per_seq = per_seq, .kv_mode = c->type, .kv_heads = c->kv_heads, .head_dim = c->head_dim
	};
	ret->cache_bytes = (u32)op_kv_bytes(c->type, pages, c->kv_heads, c->head_dim);
	u64 v_at = ALIGN_UP((u64)ret->cache_bytes, RT_ALIGN);
	r->out_len = v_at + ret->cache_bytes;
	TRY(make(r, kind, v_at + ret->cache_bytes, "kv", &ret->kv.k));
	ret->kv.v = (struct rt_view){ ret->kv.k.buf, v_at };
	TRY(make_words(r, words, pages, "tables", &ret->kv.tables));
	TRY(make_words(r, words + pages, n, "seq", &ret->seq));
	return make_words(r, words + pages + n, n, "pos", &ret->pos);
}

static int store_kv(struct run *r, const struct kv *kv)
{
	size_t n = (size_t)kv->n * r->c->kv_heads * r->c->head_dim;
	struct rt_view k, v;
	TRY(make_floats(r, n, 7, "k", &k));
	TRY(make_floats(r, n, 8, "v", &v));
	TRY(rt_begin(r->d));
	return op_kv_store(r->d, &kv->kv, k, v, kv->seq, kv->pos, kv->n);
}

static int run_kv_store(struct run *r)
{
	struct kv kv;
	TRY(make_kv(r, RT_BUF_OUTPUT, &kv));
	r->out = kv.kv.k;
	TRY(store_kv(r, &kv));
	return rt_submit(r->d);
}

static int run_attention(struct run *r)
{
	const struct op_case *c = r->c;
	struct kv kv;
	struct rt_view q, seq, pos, y, sinks = { 0 }, parts = { 0 };
	u32 who[WORDS_MAX];
	size_t n = (size_t)c->rows * c->heads * c->head_dim;
	assert(c->rows <= WORDS_MAX);
	for (u32 i = 0; i < c->rows; i++)
		who[i] = i % c->n_out;
	TRY(make_kv(r, RT_BUF_WORK, &kv));
	TRY(make_floats(r, n, 9, "q", &q));
	TRY(make_words(r, who, c->rows, "who", &seq));
	TRY(make_list(r, c->rows, c->pos, c->pos + 1, &pos));
	if (c->sinks)
		TRY(make_floats(r, c->heads, 25, "sinks", &sinks));
	if (c->parts)
		TRY(make(r, RT_BUF_WORK, 4ull * c->rows * c->heads * (c->head_dim + 2) * (c->parts + 1),
			"parts", &parts));
	TRY(make_out(r, 4 * n, &y));
	const struct op_attention a = { .kv = &kv.kv,
		.q = q,
		.seq = seq,
		.pos = pos,
		.y = y,
		.n = c->rows,
		.heads = c->heads,
		.pos_max = c->pos,
		.scale = 0.125f,
		.window = c->window,
		.pieces = c->pieces,
		.sinks = sinks,
		.parts = parts };
	TRY(store_kv(r, &kv));
	TRY(op_attention(r->d, &a));
	return rt_submit(r->d);
}

static int run_glu(struct run *r)
{
	static int (*const ops[])(
		struct rt_device * d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n) = {
		[CASE_SWIGLU] = op_swiglu, [CASE_GEGLU] = op_geglu, [CASE_SWIGLU_OAI] = op_swiglu_oai
	};
	size_t n = (size_t)r->c->rows * r->c->k;
	u64 seed = r->c->op == CASE_SWIGLU ? 10 : 21;
	struct rt_view gate, up, y;
	TRY(make_floats(r, n, seed, "gate", &gate));
	TRY(make_floats(r, n, seed + 1, "up", &up));
	TRY(make_out(r, 4 * n, &y));
	TRY(rt_begin(r->d));
	TRY(ops[r->c->op](r->d, gate, up, y, n));
	return rt_submit(r->d);
}

static int run_add(struct run *r)
{
	size_t n = (size_t)r->c->rows * r->c->k;
	struct rt_view x, y;
	TRY(make_inout(r, n, 12, &x));
	TRY(make_floats(r, n, 13, "y", &y));
	TRY(rt_begin(r->d));
	TRY(op_add(r->d, x, y, n));
	return rt_submit(r->d);
}

static int run_rows(struct run *r)
{
	const struct op_case *c = r->c;
	struct rt_view x, rows, y;
	TRY(make_floats(r, (size_t)c->n_out * c->k, 14, "x", &x));
	TRY(make_list(r, c->rows, 0, c->n_out, &rows));
	TRY(make_out(r, 4ul * c->rows * c->k, &y));
	TRY(rt_begin(r->d));
	TRY(op_rows(r->d, x, rows, y, c->rows, c->k));
	return rt_submit(r->d);
}

static int run_bias(struct run *r)
{
	const struct op_case *c = r->c;
	struct rt_view x, b;
	TRY(make_inout(r, (size_t)c->rows * c->k, 17, &x));
	TRY(make_floats(r, c->k, 18, "b", &b));
	TRY(rt_begin(r->d));
	TRY(op_bias(r->d, x, b, c->rows, c->k));
	return rt_submit(r->d);
}

static int run_row_scale(struct run *r)
{
	const struct op_case *c = r->c;
	const struct rt_temperature warm = { .b = 0.1f, .period = 16 };
	struct rt_view x, pos, t;
	TRY(make_inout(r, (size_t)c->rows * c->k, 19, &x));
	TRY(make_list(r, c->rows, c->pos, c->pos + 1, &pos));
	TRY(make(r, RT_BUF_INPUT, 4ull * (c->pos + 1), "t", &t));
	rt_temperature_table(rt_host_ptr(t.buf), c->pos + 1, &warm);
	TRY(rt_begin(r->d));
	TRY(op_row_scale(r->d, x, pos, t, c->rows, c->k));
	return rt_submit(r->d);
}

static int run_map(struct run *r)
{
	const struct op_case *c = r->c;
	const struct op_xielu p = { .alpha_p = 0.8f, .alpha_n = 1.3f, .beta = 0.5f, .eps = -1e-6f };
	size_t n = (size_t)c->rows * c->k;
	struct rt_view x;
	TRY(make_inout(r, n, 20, &x));
	TRY(rt_begin(r->d));
	if (c->type == MAP_SCALE)
		TRY(op_scale(r->d, x, n, 0.22f));
	else if (c->type == MAP_SOFTCAP)
		TRY(op_softcap(r->d, x, n, 3.0f));
	else
		TRY(op_xielu(r->d, x, n, &p));
	return rt_submit(r->d);
}

static int run_combine(struct run *r)
{
	const struct op_case *c = r->c;
	struct op_combine p = { .n = c->rows, .dim = c->k, .used = c->heads };
	TRY(make_floats(r, (size_t)c->n_out * c->k, 23, "x", &p.x));
	TRY(make_list(r, c->rows * c->heads, 0, c->n_out, &p.slots));
	TRY(make_floats(r, (size_t)c->rows * c->heads, 24, "weights", &p.weights));
	TRY(make_out(r, 4ul * c->rows * c->k, &p.y));
	TRY(rt_begin(r->d));
	TRY(op_combine(r->d, &p));
	return rt_submit(r->d);
}

/* The first row wants as many as it may, the others all sorts of numbers, one none; factors of 0, below and above 1. */
static int run_top_blocks(struct run *r)
{
	static const f32 factors[] = { 0.7f, 0, 1.25f };
	const struct op_case *c = r->c;
	struct op_top_blocks p = { .rows = c->rows, .n = c->k, .cap = c->heads };
	u32 need[WORDS_MAX];
	assert(2 * c->rows <= WORDS_MAX);
	for (u32 i = 0; i < c->rows; i++) {
		need[2 * i] = i ? i * 7919 % (c->heads + 1) : c->heads;
		need[2 * i + 1] = f2u(factors[i % ARRAY_LEN(factors)]);
	}
	TRY(make_floats(r, (size_t)c->rows * c->k, 25, "x", &p.x));
	TRY(make_words(r, need, 2ul * c->rows, "need", &p.need));
	TRY(make(r, RT_BUF_WORK, 4ul * c->rows * c->k, "most", &p.most));
	TRY(make_out(r, 4ul * c->rows * op_top_words(c->k, c->heads), &p.out));
	TRY(rt_begin(r->d));
	TRY(op_top_blocks(r->d, &p));
	return rt_submit(r->d);
}

static int run_route(struct run *r)
{
	const struct op_case *c = r->c;
	u32 n = c->rows * c->heads;
	struct op_route p = { .rows = c->rows,
		.experts = c->k,
		.used = c->heads,
		.kind = c->type,
		.norm = c->norm,
		.scale = c->scale };
	u64 weights_at = ALIGN_UP(4ull * n, (u64)RT_ALIGN);
	TRY(make_floats(r, (size_t)c->rows * c->k, 26, "logits", &p.logits));
	f32 *logits = rt_host_ptr(p.logits.buf);
	for (u32 i = 0; i < c->rows * c->k && c->pos; i++) /* ties: few values */
		logits[i] = (f32)((i * 2654435761u >> 16) % (c->pos + 1));
	if (c->biased)
		TRY(make_floats(r, c->k, 27, "bias", &p.bias));
	TRY(make_out(r, weights_at + 4ull * n, &p.ids));
	p.weights = (struct rt_view){ p.ids.buf, weights_at };
	TRY(rt_begin(r->d));
	TRY(op_route(r->d, &p));
	return rt_submit(r->d);
}

/* Ids of rows as op_route gives them: each row's ascend. */
static int make_ids(
	struct run *r, u32 rows, u32 experts, u32 used, enum op_case_ids kind, struct rt_view *ret)
{
	u64 seed = 28;
	TRY(make(r, RT_BUF_INPUT, 4ull * rows * used, "ids", ret));
	u32 *ids = rt_host_ptr(ret->buf);
	for (u32 i = 0; i < rows; i++)
		for (u32 j = 0, e = 0; j < used; j++, e++) {
			u32 room = experts - used + j - e; /* experts that may be passed over */
			u64 hop = kind == IDS_SAME ? room : op_case_next(&seed) % (2 * room / (used - j) + 1);
			e += (u32)MIN(hop, (u64)room);
			ids[i * used + j] = e;
		}
	return 0;
}

/* The lists of n slots, side by side in a buffer of that kind. */
static int make_group(struct run *r, enum rt_buf_kind kind, struct op_group *p)
{
	u32 n = p->rows * p->used;
	u64 list = ALIGN_UP(4ull * n, (u64)RT_ALIGN), plan = ALIGN_UP(op_plan_bytes(n), (u64)RT_ALIGN);
	struct rt_view *lists[] = { &p->slots, &p->pairs, &p->in, &p->owners };
	if (kind == RT_BUF_OUTPUT)
		TRY(make_out(r, plan + 4 * list, &p->plan));
	else
		TRY(make(r, kind, plan + 4 * list, "group", &p->plan));
	for (u32 i = 0; i < ARRAY_LEN(lists); i++)
		*lists[i] = (struct rt_view){ p->plan.buf, plan + i * list };
	return 0;
}

static int run_group(struct run *r)
{
	const struct op_case *c = r->c;
	struct op_group p = { .rows = c->rows, .experts = c->k, .used = c->heads };
	TRY(make_ids(r, c->rows, c->k, c->heads, c->type, &p.ids));
	TRY(make_group(r, RT_BUF_OUTPUT, &p));
	TRY(rt_begin(r->d));
	TRY(op_group(r->d, &p));
	return rt_submit(r->d);
}

static int run_experts(struct run *r)
{
	const struct op_case *c = r->c;
	enum op_act_kind kind = op_act_kind(c->type);
	u32 slots = c->rows * c->heads;
	struct op_group g = { .rows = c->rows, .experts = c->kv_heads, .used = c->heads };
	struct op_mul_mat m = {
		.type = c->type, .k = c->k, .n_out = c->n_out, .rows = slots, .experts = c->kv_heads
	};
	struct rt_view x;
	TRY(make_weights(r, c->type, c->kv_heads * c->n_out, c->k, &m.w));
	TRY(make_activations(r, slots, c->k, &x));
	TRY(make_ids(r, c->rows, c->kv_heads, c->heads, c->pos, &g.ids));
	TRY(make_group(r, RT_BUF_WORK, &g));
	TRY(make(r, RT_BUF_WORK, op_act_bytes(kind, slots, c->k), "act", &m.act));
	TRY(make_out(r, 4ul * slots * c->n_out, &m.y));
	m.plan = g.plan;
	TRY(rt_begin(r->d));
	if (kind == OP_ACT_F32)
		m.act = x;
	else
		TRY(op_quantize(r->d, kind, x, m.act, slots, c->k));
	TRY(op_group(r->d, &g));
	TRY(op_mul_mat(r->d, &m));
	return rt_submit(r->d);
}

static int (*const runs[])(struct run *r) = {
	[CASE_EMBED] = run_embed,
	[CASE_MUL_MAT] = run_mul_mat,
	[CASE_RMS_NORM] = run_norm,
	[CASE_QUANTIZE] = run_quantize,
	[CASE_ROPE] = run_rope,
	[CASE_KV_STORE] = run_kv_store,
	[CASE_ATTENTION] = run_attention,
	[CASE_SWIGLU] = run_glu,
	[CASE_ADD] = run_add,
	[CASE_ROWS] = run_rows,
	[CASE_LAYER_NORM] = run_norm,
	[CASE_BIAS] = run_bias,
	[CASE_ROW_SCALE] = run_row_scale,
	[CASE_MAP] = run_map,
	[CASE_GEGLU] = run_glu,
	[CASE_SWIGLU_OAI] = run_glu,
	[CASE_COMBINE] = run_combine,
	[CASE_TOP_BLOCKS] = run_top_blocks,
	[CASE_ROUTE] = run_route,
	[CASE_GROUP] = run_group,
	[CASE_EXPERTS] = run_experts,
};

int op_case_run(struct rt_device *d, const struct op_case *c, void **ret_out, size_t *ret_len)
{
	struct run r = { .d = d, .c = c };
	int e = runs[c->op](&r);
	if (e == 0) {
		void *out = malloc(r.out_len);
		if (out) {
			memcpy(out, rt_host_ptr(r.out.buf), r.out_len);
			*ret_out = out;
			*ret_len = r.out_len;
		} else {
			e = err_origin(-ENOMEM);
		}
	}
	while (r.n_bufs > 0)
		rt_buf_destroy(d, r.bufs[--r.n_bufs]);
	return e;
}
