/* The ops that read weights and tables, which may be larger than what one dispatch may see: these split them by rows. No sum is split. */
#include "runtime/op_call.h"

#include "base/err.h"
#include "shaders/blocks_ref.h"
#include "shaders/embed.h"
#include "shaders/grids.h"
#include "shaders/plan.h"
#include "shaders/mul_mat_f.h"
#include "shaders/mul_mat_q.h"
#include "shaders/rope.h"

#include <errno.h>
#include <string.h>

/* Rows first .. first + count of a table, and how buffer 0 of the call shows them. */
struct part {
	u32 first, count;
	u32 base; /* bytes between the view and the first row */
	struct rt_view view;
	u64 bytes;
};

/* The part that begins at row `first` of a table of n rows: as many rows as fit. count 0: not even one does. */
static struct part part_at(const struct rt_device *d, struct rt_view table, u64 row_bytes, u32 n, u32 first)
{
	u64 at = table.offset + first * row_bytes, down = at / RT_ALIGN * RT_ALIGN;
	u64 fit = (d->info.range_bytes_max - (at - down)) / row_bytes;
	u32 count = (u32)MIN(fit, (u64)(n - first));
	return (struct part){ .first = first,
		.count = count,
		.base = (u32)(at - down),
		.view = { table.buf, down },
		.bytes = at - down + count * row_bytes };
}

/* The codebooks of grids.h as operand 3 of the calls that may read them. The first such call of a device, in its self-test, makes them. */
static int grids_bind(struct rt_device *d, struct rt_call *c)
{
	if (kernel_refs[c->kernel].n_bufs < 4)
		return 0;
	if (!d->grids) {
		int r = rt_buf_create(d, RT_BUF_INPUT, sizeof(shader_grids), "codebooks", &d->grids);
		if (r < 0)
			return r;
		memcpy(rt_host_ptr(d->grids), shader_grids, sizeof(shader_grids));
	}
	op_call_buf(c, 3, (struct rt_view){ d->grids, 0 }, sizeof(shader_grids));
	return 0;
}

static bool slice_ok(const struct op_embed *e)
{
	u32 block = block_len_of(e->type);
	return e->n <= OP_ROWS_MAX && e->vocab > 0 && e->vocab <= VOCAB_MAX && e->dim > 0 &&
	       e->row_dim <= DIM_MAX && e->dim <= e->row_dim && e->first <= e->row_dim - e->dim &&
	       e->dim % block == 0 && e->first % block == 0 && e->row_dim % block == 0 &&
	       e->table.offset % RT_ALIGN == 0;
}

int op_embed_slice(struct rt_device *d, const struct op_embed *e)
{
	struct rt_call c = { .work_x = e->n * e->dim, .work_y = 1, .cost = 16ull * e->n * e->dim };
	if (!kernel_embed_of(e->type, &c.kernel) || !slice_ok(e))
		return err_origin(-EINVAL);
	int r = grids_bind(d, &c);
	if (r < 0)
		return r;
	u32 block = block_len_of(e->type), bytes = block_bytes_of(e->type);
	u64 row_bytes = (u64)(e->row_dim / block) * bytes;
	op_call_buf(&c, 1, e->ids, 4ull * e->n);
	op_call_buf(&c, 2, e->y, 4ull * e->n * e->dim);
	for (u32 first = 0; first < e->vocab && e->n > 0;) {
		struct part t = part_at(d, e->table, row_bytes, e->vocab, first);
		if (t.count == 0)
			return err_origin(-EINVAL);
		op_call_buf(&c, 0, t.view, t.bytes);
		const struct push_embed p = { .n = e->n,
			.dim = e->dim,
			.vocab = e->vocab,
			.first = t.first,
			.count = t.count,
			.base = t.base + e->first / block * bytes,
			.row_bytes = (u32)row_bytes };
		op_call_push(&c, &p);
		r = op_call(d, &c);
		if (r < 0)
			return r;
		first += t.count;
	}
	return 0;
}

int op_embed(struct rt_device *d, u32 type, struct rt_view table, u32 vocab, u32 dim, struct rt_view ids,
	u32 n, struct rt_view y)
{
	const struct op_embed e = { .type = type,
		.vocab = vocab,
		.row_dim = dim,
		.dim = dim,
		.n = n,
		.table = table,
		.ids = ids,
		.y = y };
	return op_embed_slice(d, &e);
}

static void mul_mat_push(struct rt_call *c, const struct op_mul_mat *m, const struct part *t, u64 row_bytes)
{
	const struct push_mul_mat_f f = { .k = m->k,
		.n_out = m->n_out,
		.cols = m->rows,
		.first = t->first,
		.count = t->count,
		.base = t->base,
		.experts = m->experts };
	const struct push_mul_mat_q q = { .k = m->k,
		.n_out = m->n_out,
		.cols = m->rows,
		.first = t->first,
		.count = t->count,
		.base = t->base,
		.row_bytes = (u32)row_bytes,
		.experts = m->experts };
	if (op_act_kind(m->type) == OP_ACT_F32)
		op_call_push(c, &f);
	else
		op_call_push(c, &q);
}

static bool product_ok(const struct op_mul_mat *m)
{
	u32 bytes = block_bytes_of(m->type), unit = bytes % 2	? 1
						    : bytes % 4 ? 2
								: 4; /* what rows are multiples of */
	return m->rows <= OP_ROWS_MAX && m->k > 0 && m->k <= DIM_MAX && m->k % block_len_of(m->type) == 0 &&
	       m->n_out > 0 && m->n_out <= VOCAB_MAX && m->w.offset % unit == 0 &&
	       m->experts <= EXPERTS_MAX && (u64)m->experts * m->n_out <= UINT32_MAX;
}

int op_mul_mat(struct rt_device *d, const struct op_mul_mat *m)
{
	struct rt_call c = { .work_y = m->rows, .experts = m->experts };
	u32 w_rows = MAX(m->experts, 1u) * m->n_out, last;
	if (!kernel_mul_mat_of(m->type, &c.kernel) || !product_ok(m))
		return err_origin(-EINVAL);
	if (d->info.rounds_max && m->k > OP_COUNTED_K_MAX)
		return err_origin(-ENOTSUP);
	int r = grids_bind(d, &c);
	if (r < 0)
		return r;
	u64 row_bytes = (u64)(m->k / block_len_of(m->type)) * block_bytes_of(m->type);
	op_call_buf(&c, 1, m->act, op_act_bytes(op_act_kind(m->type), m->rows, m->k));
	op_call_buf(&c, 2, m->y, 4ull * m->rows * m->n_out);
	last = kernel_refs[c.kernel].n_bufs - 1;
	op_call_buf(&c, last, m->experts ? m->plan : m->act, m->experts ? group_plan_bytes(m->rows) : 4);
	for (u32 first = 0; first < w_rows && m->rows > 0;) {
		struct part t = part_at(d, m->w, row_bytes, w_rows, first);
		if (t.count == 0)
			return err_origin(-EINVAL);
		c.work_x = m->experts ? m->n_out : t.count;
		c.cost = (u64)t.count * m->k * m->rows / MAX(m->experts, 1u);
		op_call_buf(&c, 0, t.view, t.bytes);
		mul_mat_push(&c, m, &t, row_bytes);
		r = op_call(d, &c);
		if (r < 0)
			return r;
		first += t.count;
	}
	return 0;
}

int op_rope(struct rt_device *d, const struct op_rope *p)
{
	u64 width = (u64)p->heads * p->head_dim, pairs = (u64)p->n * p->heads * (p->rope_dim / 2);
	if (p->n > OP_ROWS_MAX || p->heads == 0 || p->heads > HEADS_MAX || p->head_dim == 0 ||
		p->head_dim > HEAD_DIM_MAX || p->rope_dim == 0 || p->rope_dim > p->head_dim ||
		p->rope_dim % 2 || p->table.offset % RT_ALIGN)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = KERNEL_ROPE, .work_x = (u32)pairs, .work_y = 1, .cost = 8 * pairs };
	op_call_buf(&c, 0, p->x, 4 * p->n * width);
	op_call_buf(&c, 1, p->pos, 4ull * p->n);
	u64 row_bytes = 4ull * p->rope_dim;
	u64 positions = op_view_rest(p->table) / row_bytes;
	u32 n_pos = (u32)MIN(positions, (u64)CTX_TOKENS_MAX);
	for (u32 first = 0; first < n_pos && p->n > 0;) {
		struct part t = part_at(d, p->table, row_bytes, n_pos, first);
		if (t.count == 0)
			return err_origin(-EINVAL);
		op_call_buf(&c, 2, t.view, t.bytes);
		const struct push_rope push = { .n = p->n,
			.heads = p->heads,
			.head_dim = p->head_dim,
			.rope_dim = p->rope_dim,
			.halves = p->halves,
			.first = t.first,
			.count = t.count,
			.base = t.base / 4 };
		op_call_push(&c, &push);
		int r = op_call(d, &c);
		if (r < 0)
			return r;
		first += t.count;
	}
	return 0;
}
