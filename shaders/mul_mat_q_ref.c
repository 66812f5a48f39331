#include "shaders/mul_mat_q.h"
#include "shaders/act.h"
#include "shaders/blocks_ref.h"
#include "shaders/exact.h"
#include "shaders/plan.h"

#define TILE 16u /* columns that share one unpacking of the weights */

struct cols {
	const i8 *q;
	const f32 *scale;
	const i32 *sum;
	u32 k;
};

static inline i32 dot(const i8 *a, const i8 *b, u32 n)
{
	i32 s = 0;
	for (u32 i = 0; i < n; i++)
		s += a[i] * b[i];
	return s;
}

static i32 sum(const i8 *q, u32 n)
{
	i32 s = 0;
	for (u32 i = 0; i < n; i++)
		s += q[i];
	return s;
}

/* Both integers of a term of n elements. */
static inline void ints_of(const struct block_kind kind, u32 n, const struct block_ints *b, const i8 *q,
	const i32 *sums, i32 *ret_i1, i32 *ret_i2)
{
	i32 i1 = 0, i2 = 0;
	u32 len = kind.scale_len ? kind.scale_len : 32;
	for (u32 e = 0; e < n; e += len)
		i1 += b->sc[e / 16] * dot(b->q + e, q + e, len);
	for (u32 e = 0; kind.min_len == 32 && e < n; e += 32)
		i2 += b->m[e / 16] * sums[e / 32];
	for (u32 e = 0; kind.min_len == 16 && e < n; e += 16)
		i2 += b->m[e / 16] * sum(q + e, 16);
	*ret_i1 = i1;
	*ret_i2 = i2;
}

static inline f32 term(u32 type, u32 n, const struct block_ints *b, const struct cols *x, u32 c, u32 p)
{
	const i8 *q = x->q + (size_t)c * x->k + (size_t)n * p;
	const i32 *sums = x->sum + (size_t)c * (x->k / 32) + n / 32 * p;
	i32 i1, i2;
	if (type == TENSOR_NVFP4) {
		i1 = dot(b->q, q, 16);
		i2 = -dot(b->q + 16, q + 16, 16);
	} else {
		ints_of(block_kind_of(type), n, b, q, sums, &i1, &i2);
	}
	f32 t1 = exact_from_int(i1) * b->d;
	f32 t2 = exact_from_int(i2) * b->dmin;
	return (t1 - t2) * x->scale[(size_t)c * (x->k / n) + p];
}

/* Columns g of row o of y. */
static inline void row_times(u32 type, const struct push_mul_mat_q *p, const u8 *row, const struct cols *x,
	const struct group_columns *g, f32 *y)
{
	u32 len = block_term_of(type), bytes = block_bytes_of(type), parts = block_len_of(type) / len;
	for (u32 c0 = g->first; c0 < g->first + g->n; c0 += TILE) {
		u32 n = MIN(TILE, g->first + g->n - c0);
		f32 acc[TILE] = { 0 };
		for (u32 b = 0; b < p->k / len; b++) {
			struct block_ints ints;
			block_unpack(type, row + (size_t)(b / parts) * bytes, b % parts, &ints);
			for (u32 c = 0; c < n; c++)
				acc[c] = acc[c] + term(type, len, &ints, x, c0 + c, b);
		}
		for (u32 c = 0; c < n; c++)
			y[(size_t)(c0 + c) * p->n_out] = exact_window(acc[c]);
	}
}

static inline void mul_mat(u32 type, const struct push_mul_mat_q *p, void *const buf[], u32 first, u32 end)
{
	const struct cols x = { .q = buf[1],
		.scale = (const f32 *)buf[1] + act_scale_at(p->cols, p->k),
		.sum = (const i32 *)buf[1] + act_sum_at(p->cols, p->k, block_term_of(type)),
		.k = p->k };
	for (u32 i = 0; i < group_columns_n(p->experts, buf[4]); i++) {
		const struct group_columns g =
			group_columns_at(p->experts, p->cols, p->n_out, p->first, buf[4], i);
		for (u32 o = first; o < end; o++) {
			u32 held = o + g.held_from;
			if (held < p->count)
				row_times(type, p, (const u8 *)buf[0] + p->base + (size_t)held * p->row_bytes,
					&x, &g, (f32 *)buf[2] + g.row_from + o);
		}
	}
}

#define REF(name, c, ...)                                                             \
	void ref_mul_mat_##c(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                             \
		mul_mat(TENSOR_##name, push, buf, first, end);                        \
	}
TENSOR_BLOCKS(REF)
