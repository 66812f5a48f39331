/* Attention with positions as lanes for the scores and elements as lanes for the values. A block of keys is turned once and then read by all
 * heads that share it and by the rows of a run: rows of one sequence that stand together. */
#include "runtime/cpu.h"

#include "shaders/attention.h"
#include "shaders/exact.h"
#include "shaders/kv_store.h"

#include <string.h>

#define BODY	   static inline __attribute__((always_inline))
#define UNSET	   __attribute__((uninitialized)) /* large, and written before it is read */
#define ROWS	   8u				  /* of an item */
#define STATES_MAX 32u				  /* rows of a run times heads, at once */
#define LANES	   32u				  /* elements of the values that are summed at once */
#define DIM_MAX_   ATTENTION_HEAD_DIM_MAX

struct run {
	const struct push_attention *p;
	void *const *buf;
	const u32 *pages, *pos;
	u32 row, rows, head, heads; /* of q and y */
	u32 g;			    /* head of K and V */
	u32 first, pos_max;	    /* of all its rows */
	bool f16;
};

struct state {
	f32 max, sum;
	f32 q[DIM_MAX_], out[DIM_MAX_];
};

struct block {
	f32 keys[DIM_MAX_][KV_PAGE];	/* turned: element, position */
	f32 values[KV_PAGE * DIM_MAX_]; /* position, element; where the cache holds float16 */
	const f32 *v;
	size_t v_stride;
	u32 n; /* positions that are there */
};

u32 cpu_attention_items(const void *push)
{
	const struct push_attention *p = push;
	return p->kv_heads * DIV_UP(p->n, ROWS);
}

/* ---- a block of the cache ---- */

BODY size_t cache_at(const struct run *r, u32 t0)
{
	size_t row = (size_t)r->pages[t0 / KV_PAGE] * KV_PAGE;
	return (row * r->p->kv_heads + r->g) * r->p->head_dim;
}

BODY void keys_load(const struct run *r, u32 t0, struct block *b)
{
	u32 dim = r->p->head_dim;
	size_t at = cache_at(r, t0), stride = (size_t)r->p->kv_heads * dim;
	for (u32 d = 0; d < dim && b->n < KV_PAGE; d++)
		memset(b->keys[d], 0, sizeof(b->keys[d]));
	for (u32 t = 0; t < b->n; t++, at += stride) {
		const f32 *k32 = (const f32 *)r->buf[0] + at;
		const u16 *k16 = (const u16 *)r->buf[0] + at;
		for (u32 d = 0; d < dim; d++)
			b->keys[d][t] = r->f16 ? exact_from_half(k16[d]) : k32[d];
	}
}

BODY void values_load(const struct run *r, u32 t0, struct block *b)
{
	u32 dim = r->p->head_dim;
	size_t at = cache_at(r, t0), stride = (size_t)r->p->kv_heads * dim;
	b->v = (const f32 *)r->buf[1] + at;
	b->v_stride = stride;
	if (!r->f16)
		return;
	for (u32 t = 0; t < b->n; t++) {
		const u16 *v = (const u16 *)r->buf[1] + at + t * stride;
		for (u32 d = 0; d < dim; d++)
			b->values[(size_t)t * dim + d] = exact_from_half(v[d]);
	}
	b->v = b->values;
	b->v_stride = dim;
}

/* ---- one row and head in one block ---- */

struct result {
	f32 max, sum;
	f32 w[KV_PAGE];
};

/* Scores of positions from..n of the block, their maximum, weights and the sum of those. */
BODY void weigh(const struct block *b, const f32 *q, u32 dim, u32 from, u32 n, f32 scale, struct result *ret)
{
	f32 dot[KV_PAGE] = { 0 }, tree[KV_PAGE];
	for (u32 d = 0; d < dim; d++)
		for (u32 t = 0; t < KV_PAGE; t++) {
			f32 m = q[d] * b->keys[d][t];
			dot[t] = dot[t] + m;
		}
	for (u32 t = 0; t < KV_PAGE; t++)
		dot[t] = exact_window(exact_window(dot[t]) * scale);
	f32 max = dot[from];
	for (u32 t = from + 1; t < n; t++)
		max = dot[t] > max ? dot[t] : max;
	for (u32 t = n; t < KV_PAGE; t++)
		dot[t] = max;
	for (u32 t = 0; t < from; t++)
		dot[t] = max;
	for (u32 t = 0; t < KV_PAGE; t++)
		ret->w[t] = attention_weight(dot[t] - max);
	for (u32 t = n; t < KV_PAGE; t++)
		ret->w[t] = 0;
	for (u32 t = 0; t < from; t++)
		ret->w[t] = 0;
	memcpy(tree, ret->w, sizeof(tree));
	for (u32 s = KV_PAGE / 2; s > 0; s /= 2)
		for (u32 t = 0; t < s; t++)
			tree[t] = tree[t] + tree[t + s];
	ret->max = max;
	ret->sum = tree[0];
}

/* out[0..lanes] = the windowed sum of w[t] * v[t], or, with old and new, what joins it to the blocks before. */
BODY void values_sum(const struct block *b, const f32 *w, u32 from, u32 n, u32 d, u32 lanes, f32 *ret)
{
	f32 acc[LANES] = { 0 };
	for (u32 t = from; t < n; t++) {
		const f32 *v = b->v + t * b->v_stride + d;
		for (u32 l = 0; l < lanes; l++) {
			f32 m = w[t] * v[l];
			acc[l] = acc[l] + m;
		}
	}
	for (u32 l = 0; l < lanes; l++)
		ret[l] = exact_window(acc[l]);
}

BODY void join(f32 *restrict out, const f32 *restrict o, u32 lanes, f32 wa, f32 wb)
{
	for (u32 l = 0; l < lanes; l++) {
		f32 a = out[l] * wa, c = o[l] * wb;
		out[l] = exact_window(a + c);
	}
}

BODY void state_add(struct state *s, const struct block *b, u32 dim, u32 from, u32 n, f32 scale, bool first)
{
	struct result r;
	weigh(b, s->q, dim, from, n, scale, &r);
	f32 max = first || r.max > s->max ? r.max : s->max;
	f32 wa = first ? 0 : attention_weight(s->max - max), wb = attention_weight(r.max - max);
	for (u32 d = 0; d < dim; d += LANES) {
		u32 lanes = MIN(LANES, dim - d);
		f32 o[LANES];
		if (lanes == LANES)
			values_sum(b, r.w, from, n, d, LANES, o);
		else
			values_sum(b, r.w, from, n, d, lanes, o);
		if (first)
			memcpy(s->out + d, o, lanes * sizeof(f32));
		else
			join(s->out + d, o, lanes, wa, wb);
	}
	f32 la = s->sum * wa, lb = r.sum * wb;
	s->sum = first ? r.sum : la + lb;
	s->max = max;
}

/* ---- items ---- */

BODY void run_attend(const struct run *r)
{
	struct state states[STATES_MAX] UNSET;
	struct block b UNSET;
	u32 dim = r->p->head_dim, n = r->rows * r->heads;
	size_t width = (size_t)r->p->heads * dim, at = r->row * width + (size_t)r->head * dim;
	for (u32 i = 0; i < n; i++) {
		const f32 *q = (const f32 *)r->buf[3] + at + i / r->heads * width + i % r->heads * dim;
		states[i].max = states[i].sum = 0;
		for (u32 d = 0; d < dim; d++)
			states[i].q[d] = exact_window(q[d]);
	}
	for (u32 t0 = r->first / KV_PAGE * KV_PAGE; t0 <= r->pos_max; t0 += KV_PAGE) {
		b.n = MIN(KV_PAGE, r->pos_max + 1 - t0);
		keys_load(r, t0, &b);
		values_load(r, t0, &b);
		for (u32 i = 0; i < n; i++) {
			u32 pos = r->pos[r->row + i / r->heads];
			u32 lo = attention_first(pos, r->p->window), from = lo > t0 ? lo - t0 : 0;
			if (pos >= t0 && from < KV_PAGE)
				state_add(&states[i], &b, dim, from, MIN(KV_PAGE, pos + 1 - t0),
					u2f(r->p->scale_bits), t0 == lo / KV_PAGE * KV_PAGE);
		}
	}
	for (u32 i = 0; i < n; i++) {
		f32 *y = (f32 *)r->buf[6] + at + i / r->heads * width + i % r->heads * dim;
		f32 inv = exact_recip(states[i].sum);
		for (u32 d = 0; d < dim; d++)
			y[d] = exact_window(states[i].out[d] * inv);
	}
}

/* Rows row..end of head g of K and V: as runs of one sequence, and of as many heads as there are states for. */
BODY void item_run(bool f16, const struct push_attention *p, void *const buf[], u32 g, u32 row, u32 end)
{
	const u32 *tables = buf[2], *seq = buf[4], *pos = buf[5];
	u32 shared = p->heads / p->kv_heads;
	while (row < end) {
		u32 n = 1, most = pos[row], least = pos[row];
		while (row + n < end && seq[row + n] == seq[row] &&
			(n + 1) * MIN(shared, STATES_MAX) <= STATES_MAX) {
			most = MAX(most, pos[row + n]);
			least = MIN(least, pos[row + n]);
			n++;
		}
		for (u32 h = 0; h < shared; h += STATES_MAX / n) {
			const struct run r = { .p = p,
				.buf = buf,
				.pages = tables + (size_t)seq[row] * p->pages_per_seq,
				.pos = pos,
				.row = row,
				.rows = n,
				.head = g * shared + h,
				.heads = MIN(STATES_MAX / n, shared - h),
				.g = g,
				.first = attention_first(least, p->window),
				.pos_max = most,
				.f16 = f16 };
			run_attend(&r);
		}
		row += n;
	}
}

BODY void attention(bool f16, const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_attention *p = push;
	for (u32 i = first; i < end; i++) {
		u32 row = i / p->kv_heads * ROWS;
		item_run(f16, p, buf, i % p->kv_heads, row, MIN(row + ROWS, p->n));
	}
}

#define KERNELS(isa, attr)                                                                  \
	static attr void f32_##isa(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                                   \
		attention(false, push, buf, first, end);                                    \
	}                                                                                   \
	static attr void f16_##isa(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                                   \
		attention(true, push, buf, first, end);                                     \
	}

KERNELS(portable, )
#ifdef __x86_64__
KERNELS(avx2, CPU_ATTR_AVX2)
KERNELS(avx512, CPU_ATTR_AVX512)
#endif

kernel_ref_fn *cpu_attention_kernel(enum cpu_level level, enum kernel k)
{
	bool f16 = k == KERNEL_ATTENTION_F16;
	if (!f16 && k != KERNEL_ATTENTION_F32)
		return NULL;
#ifdef __x86_64__
	if (level == CPU_AVX2)
		return f16 ? f16_avx2 : f32_avx2;
	if (level == CPU_AVX512)
		return f16 ? f16_avx512 : f32_avx512;
#endif
	return f16 ? f16_portable : f32_portable;
}
