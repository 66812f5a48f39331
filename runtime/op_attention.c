#include "runtime/op_call.h"

#include "base/err.h"
#include "proto.h"
#include "shaders/attention.h"
#include "shaders/attention_join.h"
#include "shaders/attention_part.h"
#include "shaders/exact.h"
#include "shaders/kv_int8.h"
#include "shaders/kv_store.h"

#include <errno.h>

static_assert(KV_PAGE == RT_KV_PAGE, "the page of the kernels is the page of the runtime");
static_assert(ATTENTION_HEAD_DIM_MAX == HEAD_DIM_MAX, "shared memory of the kernel holds one head");

static const enum kernel store_of[] = {
	[KV_F32] = KERNEL_KV_STORE_F32, [KV_F16] = KERNEL_KV_STORE_F16, [KV_INT8] = KERNEL_KV_STORE_INT8
};
static const enum kernel attention_of[] = {
	[KV_F32] = KERNEL_ATTENTION_F32, [KV_F16] = KERNEL_ATTENTION_F16, [KV_INT8] = KERNEL_ATTENTION_INT8
};
static const enum kernel part_of[] = { [KV_F32] = KERNEL_ATTENTION_PART_F32,
	[KV_F16] = KERNEL_ATTENTION_PART_F16,
	[KV_INT8] = KERNEL_ATTENTION_PART_INT8 };

#define PARTS_BYTES (16ull << 20) /* more blocks than that come one after the other */
#define PARTS_REACH 65u		  /* positions: with fewer there are two blocks at most */
#define PARTS_STEP \
	8u /* blocks: a call is the same for so many, so that what was recorded is run again; those too many end at once */

static bool kv_ok(const struct op_kv *kv, u32 n)
{
	return n <= OP_ROWS_MAX && kv->kv_mode != KV_DEFAULT && kv->kv_mode <= KV_INT8 &&
	       kv->pages_per_seq > 0 && kv->pages_per_seq <= CTX_TOKENS_MAX / RT_KV_PAGE &&
	       kv->kv_heads > 0 && kv->kv_heads <= HEADS_MAX && kv->head_dim > 0 &&
	       kv->head_dim <= HEAD_DIM_MAX && kv->head_dim % 2 == 0;
}

u64 op_kv_bytes(u32 kv_mode, u32 pages, u32 kv_heads, u32 head_dim)
{
	if (kv_mode == KV_INT8)
		return (u64)pages * kv_int8_page_words(kv_heads, head_dim) * sizeof(u32);
	return (u64)pages * RT_KV_PAGE * kv_heads * head_dim * (kv_mode == KV_F16 ? 2 : 4);
}

static void kv_bufs(const struct rt_device *d, struct rt_call *c, const struct op_kv *kv)
{
	op_call_rest(d, c, 0, kv->k);
	op_call_rest(d, c, 1, kv->v);
	op_call_rest(d, c, 2, kv->tables);
}

int op_kv_store(struct rt_device *d, const struct op_kv *kv, struct rt_view k, struct rt_view v,
	struct rt_view seq, struct rt_view pos, u32 n)
{
	if (!kv_ok(kv, n))
		return err_origin(-EINVAL);
	u32 width = kv->kv_heads * kv->head_dim;
	struct rt_call c = { .kernel = store_of[kv->kv_mode],
		.work_x = n * (kv->kv_mode == KV_INT8 ? kv->kv_heads : width / 2),
		.work_y = 1,
		.cost = 8ull * n * width };
	if ((u64)n * width > UINT32_MAX)
		return err_origin(-EINVAL);
	kv_bufs(d, &c, kv);
	op_call_buf(&c, 3, k, 4ull * n * width);
	op_call_buf(&c, 4, v, 4ull * n * width);
	op_call_buf(&c, 5, seq, 4ull * n);
	op_call_buf(&c, 6, pos, 4ull * n);
	const struct push_kv_store p = {
		.n = n, .width = width, .pages_per_seq = kv->pages_per_seq, .head_dim = kv->head_dim
	};
	op_call_push(&c, &p);
	return op_call(d, &c);
}

/* What attention.comp goes round for a block: the scores, their maximum, the values, and small things. attention_tile.comp goes round less: twice head_dim
 * at most, of at most one block more. */
u32 op_attention_reach(const struct rt_device_info *info, u32 head_dim)
{
	u32 shares = DIV_UP(head_dim, RT_KV_PAGE);
	u32 block = head_dim + RT_KV_PAGE + shares * (RT_KV_PAGE + 1) + 32, around = 4 * shares + 64;
	return info->rounds_max ? (info->rounds_max - around) / block * RT_KV_PAGE : UINT32_MAX;
}

u64 op_attention_parts_bytes(const struct rt_device_info *info, u32 rows, u32 heads, u32 head_dim)
{
	u64 block = 4ull * MIN(rows, OP_PARTS_ROWS_MAX) * heads * (head_dim + 2);
	return info->parts ? MAX(PARTS_BYTES, 2 * block) : 0;
}

/* Blocks first .. first + blocks - 1 of every row. */
static int part(struct rt_device *d, const struct op_attention *a, u32 first, u32 blocks, u64 parts_bytes)
{
	const struct op_kv *kv = a->kv;
	struct rt_call c = { .kernel = part_of[kv->kv_mode],
		.work_x = blocks * kv->kv_heads,
		.work_y = a->n,
		.cost = 2ull * a->n * a->heads * kv->head_dim * blocks * RT_KV_PAGE };
	kv_bufs(d, &c, kv);
	op_call_buf(&c, 3, a->q, 4ull * a->n * a->heads * kv->head_dim);
	op_call_buf(&c, 4, a->seq, 4ull * a->n);
	op_call_buf(&c, 5, a->pos, 4ull * a->n);
	op_call_buf(&c, 6, a->parts, parts_bytes);
	const struct push_attention_part p = { .n = a->n,
		.heads = a->heads,
		.kv_heads = kv->kv_heads,
		.head_dim = kv->head_dim,
		.pages_per_seq = kv->pages_per_seq,
		.scale_bits = exact_window_bits(f2u(a->scale)),
		.window = a->window,
		.pieces = a->pieces,
		.first = first,
		.blocks = blocks };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

static int join(struct rt_device *d, const struct op_attention *a, u32 first, u32 blocks, bool last)
{
	u32 dim = a->kv->head_dim;
	u64 row = 4ull * a->n * a->heads * (dim + 2), bytes = 4ull * a->n * a->heads * dim;
	struct rt_call c = {
		.kernel = KERNEL_ATTENTION_JOIN, .work_x = a->heads, .work_y = a->n, .cost = row * blocks
	};
	op_call_buf(&c, 0, a->parts, row * (blocks + 1));
	op_call_buf(&c, 1, a->pos, 4ull * a->n);
	op_call_buf(&c, 2, a->y, bytes);
	op_call_buf(&c, 3, a->sinks.buf ? a->sinks : a->q, a->sinks.buf ? 4ull * a->heads : bytes);
	const struct push_attention_join p = { .n = a->n,
		.heads = a->heads,
		.head_dim = dim,
		.window = a->window,
		.pieces = a->pieces,
		.first = first,
		.blocks = blocks,
		.last = last,
		.sinks = a->sinks.buf != NULL };
	op_call_push(&c, &p);
	return op_call(d, &c);
}

/* As many blocks at a time as the memory for parts holds behind the states. */
static int in_parts(struct rt_device *d, const struct op_attention *a, u64 reach)
{
	u64 row = 4ull * a->n * a->heads * (a->kv->head_dim + 2), room = op_view_rest(a->parts) / row;
	u32 has = (u32)(reach + RT_KV_PAGE - 2) / RT_KV_PAGE + 1; /* it may begin anywhere in a block */
	has = ALIGN_UP(has, PARTS_STEP);
	int r = room < 2 ? err_origin(-EINVAL) : 0;
	for (u32 first = 0, n; first < has && r == 0; first += n) {
		n = (u32)MIN(room - 1, has - first);
		r = part(d, a, first, n, row * (n + 1));
		if (r == 0)
			r = join(d, a, first, n, first + n == has);
	}
	return r;
}

int op_attention(struct rt_device *d, const struct op_attention *a)
{
	const struct op_kv *kv = a->kv;
	if (!kv_ok(kv, a->n) || a->heads == 0 || a->heads > HEADS_MAX || a->heads % kv->kv_heads ||
		a->pos_max / RT_KV_PAGE >= kv->pages_per_seq || !(a->scale > 0 && a->scale <= 1024))
		return err_origin(-EINVAL);
	u64 reach = a->window ? MIN(a->pos_max + 1ull, a->window) : a->pos_max + 1ull;
	if (a->parts.buf && a->n > 0 && a->n <= OP_PARTS_ROWS_MAX && reach >= PARTS_REACH)
		return in_parts(d, a, reach);
	if (reach > op_attention_reach(&d->info, kv->head_dim) - (a->window ? RT_KV_PAGE : 0))
		return err_origin(-ENOTSUP);
	struct rt_call c = { .kernel = attention_of[kv->kv_mode],
		.work_x = a->heads,
		.work_y = a->n,
		.cost = 2ull * a->n * a->heads * kv->head_dim * reach };
	u64 bytes = 4ull * a->n * a->heads * kv->head_dim;
	kv_bufs(d, &c, kv);
	op_call_buf(&c, 3, a->q, bytes);
	op_call_buf(&c, 4, a->seq, 4ull * a->n);
	op_call_buf(&c, 5, a->pos, 4ull * a->n);
	op_call_buf(&c, 6, a->y, bytes);
	op_call_buf(&c, 7, a->sinks.buf ? a->sinks : a->q, a->sinks.buf ? 4ull * a->heads : bytes);
	const struct push_attention p = { .n = a->n,
		.heads = a->heads,
		.kv_heads = kv->kv_heads,
		.head_dim = kv->head_dim,
		.pages_per_seq = kv->pages_per_seq,
		.scale_bits = exact_window_bits(f2u(a->scale)),
		.window = a->window,
		.pieces = a->pieces,
		.sinks = a->sinks.buf != NULL };
	op_call_push(&c, &p);
	return op_call(d, &c);
}
