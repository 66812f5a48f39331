#include "runtime/op_call.h"

#include "base/arch.h"
#include "base/err.h"
#include "shaders/act.h"
#include "shaders/add.h"
#include "shaders/bias.h"
#include "shaders/block_max.h"
#include "shaders/blocks_ref.h"
#include "shaders/combine.h"
#include "shaders/exact.h"
#include "shaders/geglu.h"
#include "shaders/group.h"
#include "shaders/layer_norm.h"
#include "shaders/map.h"
#include "shaders/quantize.h"
#include "shaders/rms_norm.h"
#include "shaders/route.h"
#include "shaders/row_scale.h"
#include "shaders/rows.h"
#include "shaders/swiglu.h"
#include "shaders/swiglu_oai.h"
#include "shaders/top_blocks.h"

#include <errno.h>

u64 op_view_rest(struct rt_view v)
{
	return v.buf && v.offset < v.buf->bytes ? v.buf->bytes - v.offset : 0;
}

void op_call_buf(struct rt_call *c, u32 i, struct rt_view v, u64 bytes)
{
	c->view[i] = v;
	c->bytes[i] = bytes;
}

void op_call_rest(const struct rt_device *d, struct rt_call *c, u32 i, struct rt_view v)
{
	op_call_buf(c, i, v, MIN(op_view_rest(v), d->info.range_bytes_max));
}

void op_call_push_bytes(struct rt_call *c, const void *p, size_t bytes)
{
	static_assert(KERNEL_PUSH_MAX <= 128, "Vulkan guarantees 128 bytes");
	assert(bytes <= sizeof(c->push));
	memcpy(c->push, p, bytes);
}

int op_call(struct rt_device *d, const struct rt_call *c)
{
	const struct kernel_ref *k = &kernel_refs[c->kernel];
	if (c->work_x == 0 || c->work_y == 0)
		return 0;
	for (u32 i = 0; i < k->n_bufs; i++) {
		if (c->view[i].offset % RT_ALIGN || c->bytes[i] == 0 ||
			c->bytes[i] > op_view_rest(c->view[i]) || c->bytes[i] > d->info.range_bytes_max)
			return err_origin(-EINVAL);
	}
	return d->fns->call(d, c);
}

static bool rows_ok(u32 rows, u32 dim)
{
	return rows <= OP_ROWS_MAX && dim > 0 && dim <= DIM_MAX && (u64)rows * dim <= UINT32_MAX / 4;
}

/* Norms take the heads of many tokens too: more rows than others, since work along x may be as long as a u32 counts. */
static bool norm_ok(u32 rows, u32 dim, f32 eps)
{
	return dim > 0 && dim <= DIM_MAX && (u64)rows * dim <= UINT32_MAX && eps >= 0 && eps < 1;
}

static struct rt_call norm_call(
	enum kernel kernel, struct rt_view x, struct rt_view w, struct rt_view y, u32 rows, u32 dim)
{
	struct rt_call c = { .kernel = kernel, .work_x = rows, .work_y = 1, .cost = 8ull * rows * dim };
	u64 bytes = 4ull * rows * dim;
	op_call_buf(&c, 0, x, bytes);
	op_call_buf(&c, 1, w, 4ull * dim);
	op_call_buf(&c, 2, y, bytes);
	return c;
}

int op_rms_norm(
	struct rt_device *d, struct rt_view x, struct rt_view w, struct rt_view y, u32 rows, u32 dim, f32 eps)
{
	if (!norm_ok(rows, dim, eps))
		return err_origin(-EINVAL);
	struct rt_call c = norm_call(KERNEL_RMS_NORM, x, w, y, rows, dim);
	const struct push_rms_norm p = {
		.rows = rows, .dim = dim, .inv_dim_bits = f2u(1.0f / (f32)dim), .eps_bits = f2u(eps)
	};
	op_call_push(&c, &p);
	return op_call(d, &c);
}

int op_layer_norm(
	struct rt_device *d, struct rt_view x, struct rt_view w, struct rt_view y, u32 rows, u32 dim, f32 eps)
{
	if (!norm_ok(rows, dim, eps))
		return err_origin(-EINVAL);
	struct rt_call c = norm_call(KERNEL_LAYER_NORM, x, w, y, rows, dim);
	const struct push_layer_norm p = {
		.rows = rows, .dim = dim, .inv_dim_bits = f2u(1.0f / (f32)dim), .eps_bits = f2u(eps)
	};
	op_call_push(&c, &p);
	return op_call(d, &c);
}

static u32 act_group(enum op_act_kind kind)
{
	return kind == OP_ACT_Q8_32 ? 32 : 256;
}

enum op_act_kind op_act_kind(u32 weight_type)
{
	switch (block_term_of(weight_type)) {
	case 32:
		return OP_ACT_Q8_32;
	case 256:
		return OP_ACT_Q8_256;
	}
	return OP_ACT_F32;
}

u64 op_act_bytes(enum op_act_kind kind, u32 rows, u32 k)
{
	return kind == OP_ACT_F32 ? 4ull * rows * k : act_bytes(rows, k, act_group(kind));
}

int op_quantize(
	struct rt_device *d, enum op_act_kind kind, struct rt_view x, struct rt_view q, u32 rows, u32 k)
{
	if (!rows_ok(rows, k) || kind == OP_ACT_F32 || k % act_group(kind))
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = kind == OP_ACT_Q8_32 ? KERNEL_QUANTIZE_32 : KERNEL_QUANTIZE_256,
		.work_x = rows * (k / act_group(kind)),
		.work_y = 1,
		.cost = 8ull * rows * k };
	op_call_buf(&c, 0, x, 4ull * rows * k);
	op_call_buf(&c, 1, q, op_act_bytes(kind, rows, k));
	const struct push_quantize p = { .rows = rows, .k = k };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

static int op_glu(struct rt_device *d, enum kernel kernel, struct rt_view gate, struct rt_view up,
	struct rt_view y, u64 n)
{
	if (n > UINT32_MAX / 4)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = kernel, .work_x = (u32)n, .work_y = 1, .cost = 64 * n };
	op_call_buf(&c, 0, gate, 4 * n);
	op_call_buf(&c, 1, up, 4 * n);
	op_call_buf(&c, 2, y, 4 * n);
	static_assert(sizeof(struct push_swiglu) == sizeof(struct push_geglu) &&
			      sizeof(struct push_swiglu) == sizeof(struct push_swiglu_oai),
		"one form of all");
	const struct push_swiglu p = { .n = (u32)n };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

int op_swiglu(struct rt_device *d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n)
{
	return op_glu(d, KERNEL_SWIGLU, gate, up, y, n);
}

int op_geglu(struct rt_device *d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n)
{
	return op_glu(d, KERNEL_GEGLU, gate, up, y, n);
}

int op_swiglu_oai(struct rt_device *d, struct rt_view gate, struct rt_view up, struct rt_view y, u64 n)
{
	return op_glu(d, KERNEL_SWIGLU_OAI, gate, up, y, n);
}

static int op_map(struct rt_device *d, struct rt_view x, u64 n, const struct push_map *p)
{
	if (n > UINT32_MAX / 4)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = KERNEL_MAP, .work_x = (u32)n, .work_y = 1, .cost = 16 * n };
	op_call_buf(&c, 0, x, 4 * n);
	op_call_push(&c, p);
	return op_call(d, &c);
}

static bool number_ok(f32 x)
{
	return x >= -0x1p20f && x <= 0x1p20f;
}

static bool scale_ok(f32 x)
{
	return number_ok(x) && (x >= 0x1p-20f || x <= -0x1p-20f);
}

int op_scale(struct rt_device *d, struct rt_view x, u64 n, f32 a)
{
	const struct push_map p = { .n = (u32)n, .kind = MAP_SCALE, .a_bits = f2u(a) };
	return scale_ok(a) ? op_map(d, x, n, &p) : err_origin(-EINVAL);
}

int op_softcap(struct rt_device *d, struct rt_view x, u64 n, f32 a)
{
	if (!scale_ok(a) || a < 0)
		return err_origin(-EINVAL);
	const struct push_map p = {
		.n = (u32)n, .kind = MAP_SOFTCAP, .a_bits = f2u(a), .b_bits = f2u(1.0f / a)
	};
	return op_map(d, x, n, &p);
}

int op_xielu(struct rt_device *d, struct rt_view x, u64 n, const struct op_xielu *o)
{
	if (!number_ok(o->alpha_p) || !number_ok(o->alpha_n) || !number_ok(o->beta) || !number_ok(o->eps))
		return err_origin(-EINVAL);
	const struct push_map p = { .n = (u32)n,
		.kind = MAP_XIELU,
		.a_bits = exact_window_bits(f2u(o->alpha_p)),
		.b_bits = exact_window_bits(f2u(o->alpha_n)),
		.c_bits = exact_window_bits(f2u(o->beta)),
		.d_bits = exact_window_bits(f2u(o->eps)) };
	return op_map(d, x, n, &p);
}

int op_bias(struct rt_device *d, struct rt_view x, struct rt_view b, u32 rows, u32 dim)
{
	bool fits = rows <= OP_ROWS_MAX && dim > 0 && dim <= VOCAB_MAX && (u64)rows * dim <= UINT32_MAX / 4;
	if (!fits || b.offset % 4)
		return err_origin(-EINVAL);
	struct rt_call c = {
		.kernel = KERNEL_BIAS, .work_x = rows * dim, .work_y = 1, .cost = 4ull * rows * dim
	};
	op_call_buf(&c, 0, x, 4ull * rows * dim);
	u64 down = b.offset / RT_ALIGN * RT_ALIGN, base = b.offset - down;
	op_call_buf(&c, 1, (struct rt_view){ b.buf, down }, base + 4ull * dim);
	const struct push_bias p = { .n = rows * dim, .dim = dim, .base = (u32)base / 4 };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

int op_row_scale(
	struct rt_device *d, struct rt_view x, struct rt_view pos, struct rt_view t, u32 rows, u32 dim)
{
	if (!rows_ok(rows, dim))
		return err_origin(-EINVAL);
	struct rt_call c = {
		.kernel = KERNEL_ROW_SCALE, .work_x = rows * dim, .work_y = 1, .cost = 4ull * rows * dim
	};
	op_call_buf(&c, 0, x, 4ull * rows * dim);
	op_call_buf(&c, 1, pos, 4ull * rows);
	op_call_rest(d, &c, 2, t);
	const struct push_row_scale p = { .n = rows * dim, .dim = dim };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

int op_add(struct rt_device *d, struct rt_view x, struct rt_view y, u64 n)
{
	if (n > UINT32_MAX / 4)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = KERNEL_ADD, .work_x = (u32)n, .work_y = 1, .cost = 4 * n };
	op_call_buf(&c, 0, x, 4 * n);
	op_call_buf(&c, 1, y, 4 * n);
	const struct push_add p = { .n = (u32)n };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

int op_rows(struct rt_device *d, struct rt_view x, struct rt_view rows, struct rt_view y, u32 n, u32 dim)
{
	if (n > OP_ROWS_MAX || dim == 0 || dim > VOCAB_MAX || (u64)n * dim > UINT32_MAX / 4)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = KERNEL_ROWS, .work_x = n * dim, .work_y = 1, .cost = (u64)n * dim };
	op_call_rest(d, &c, 0, x);
	op_call_buf(&c, 1, rows, 4ull * n);
	op_call_buf(&c, 2, y, 4ull * n * dim);
	const struct push_rows p = { .n = n, .dim = dim };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

u32 op_top_words(u32 n, u32 cap)
{
	return TOP_WORDS(DIV_UP(n, TOP_BLOCK * TOP_GROUP), cap);
}

const f32 *op_top_best(const u32 *words, u32 n, u32 cap, u32 *ret_first, u32 *ret_len)
{
	u32 groups = DIV_UP(n, TOP_BLOCK * TOP_GROUP);
	*ret_first = words[TOP_INDICES(groups)] * TOP_BLOCK;
	*ret_len = MIN(TOP_BLOCK, n - *ret_first);
	return (const f32 *)(const void *)(words + TOP_VALUES(groups, cap));
}

static int block_max(struct rt_device *d, const struct op_top_blocks *p, u32 blocks)
{
	struct rt_call c = {
		.kernel = KERNEL_BLOCK_MAX, .work_x = blocks, .work_y = p->rows, .cost = (u64)p->rows * p->n
	};
	op_call_buf(&c, 0, p->x, 4ull * p->rows * p->n);
	op_call_buf(&c, 1, p->most, 4ull * p->rows * blocks);
	const struct push_block_max push = { .rows = p->rows, .n = p->n, .blocks = blocks };
	op_call_push(&c, &push);
	return op_call(d, &c);
}

int op_top_blocks(struct rt_device *d, const struct op_top_blocks *p)
{
	u32 blocks = DIV_UP(p->n, TOP_BLOCK);
	if (p->rows > OP_ROWS_MAX || p->n == 0 || p->n > VOCAB_MAX || (u64)p->rows * p->n > UINT32_MAX / 4 ||
		p->cap == 0 || p->cap > OP_TOP_MAX)
		return err_origin(-EINVAL);
	int r = block_max(d, p, blocks);
	if (r)
		return r;
	struct rt_call c = { .kernel = KERNEL_TOP_BLOCKS,
		.work_x = DIV_UP(blocks, TOP_GROUP),
		.work_y = p->rows,
		.cost = 32ull * p->rows * p->n };
	op_call_buf(&c, 0, p->x, 4ull * p->rows * p->n);
	op_call_buf(&c, 1, p->most, 4ull * p->rows * blocks);
	op_call_buf(&c, 2, p->need, 8ull * p->rows);
	op_call_buf(&c, 3, p->out, 4ull * p->rows * op_top_words(p->n, p->cap));
	const struct push_top_blocks push = { .rows = p->rows, .n = p->n, .blocks = blocks, .cap = p->cap };
	op_call_push(&c, &push);
	return op_call(d, &c);
}

static bool routing_ok(u32 rows, u32 experts, u32 used)
{
	return rows <= OP_ROWS_MAX && experts > 0 && experts <= EXPERTS_MAX && used > 0 &&
	       used <= MIN(experts, EXPERTS_USED_MAX);
}

int op_route(struct rt_device *d, const struct op_route *p)
{
	static_assert(ROUTE_SOFTMAX == ARCH_ROUTE_SOFTMAX && ROUTE_SIGMOID == ARCH_ROUTE_SIGMOID &&
			      ROUTE_CHOSEN == ARCH_ROUTE_CHOSEN,
		"the same kinds");
	if (!routing_ok(p->rows, p->experts, p->used) || p->kind < ROUTE_SOFTMAX || p->kind > ROUTE_CHOSEN ||
		!(p->scale == 0 || scale_ok(p->scale)))
		return err_origin(-EINVAL);
	struct rt_call c = {
		.kernel = KERNEL_ROUTE, .work_x = p->rows, .work_y = 1, .cost = 64ull * p->rows * p->experts
	};
	bool biased = p->bias.buf;
	op_call_buf(&c, 0, p->logits, 4ull * p->rows * p->experts);
	op_call_buf(&c, 1, biased ? p->bias : p->logits, biased ? 4ull * p->experts : 4);
	op_call_buf(&c, 2, p->ids, 4ull * p->rows * p->used);
	op_call_buf(&c, 3, p->weights, 4ull * p->rows * p->used);
	const struct push_route push = { .rows = p->rows,
		.experts = p->experts,
		.used = p->used,
		.kind = p->kind,
		.biased = biased,
		.norm = p->norm,
		.scale_bits = p->scale == 0 ? 0 : f2u(p->scale) };
	op_call_push(&c, &push);
	return op_call(d, &c);
}

u64 op_plan_bytes(u32 slots)
{
	return group_plan_bytes(slots);
}

int op_group(struct rt_device *d, const struct op_group *p)
{
	static_assert(EXPERTS_MAX <= 1u << GROUP_ID_BITS, "a word has an expert and a count");
	static_assert(STEP_ROWS_MAX * EXPERTS_USED_MAX <= OP_SLOTS_MAX, "every step");
	u64 n = (u64)p->rows * p->used;
	if (!routing_ok(p->rows, p->experts, p->used) || n > OP_SLOTS_MAX)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = KERNEL_GROUP, .work_x = p->rows > 0, .work_y = 1, .cost = n };
	const struct rt_view lists[] = { p->ids, p->plan, p->slots, p->pairs, p->in, p->owners };
	for (u32 i = 0; i < ARRAY_LEN(lists); i++)
		op_call_buf(&c, i, lists[i], i == 1 ? group_plan_bytes((u32)n) : 4 * n);
	const struct push_group push = { .n = (u32)n, .used = p->used, .experts = p->experts };
	op_call_push(&c, &push);
	return op_call(d, &c);
}

int op_combine(struct rt_device *d, const struct op_combine *p)
{
	if (!rows_ok(p->n, p->dim) || p->used == 0 || p->used > EXPERTS_USED_MAX)
		return err_origin(-EINVAL);
	struct rt_call c = { .kernel = KERNEL_COMBINE,
		.work_x = p->n * p->dim,
		.work_y = 1,
		.cost = (u64)p->n * p->dim * p->used };
	op_call_rest(d, &c, 0, p->x);
	op_call_buf(&c, 1, p->slots, 4ull * p->n * p->used);
	op_call_buf(&c, 2, p->weights, 4ull * p->n * p->used);
	op_call_buf(&c, 3, p->y, 4ull * p->n * p->dim);
	const struct push_combine push = { .rows = p->n, .dim = p->dim, .used = p->used };
	op_call_push(&c, &push);
	return op_call(d, &c);
}
