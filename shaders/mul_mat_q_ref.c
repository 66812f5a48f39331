#include "shaders/mul_mat_q.h"
#include "shaders/act.h"
#include "shaders/blocks_ref.h"
#include "shaders/exact.h"

#include "base/layout.h"

#define TILE 16u /* columns that share one unpacking of the weights */

struct cols {
	const i8 *q;
	const f32 *scale;
	const i32 *sum;
	u32 k, group;
};

static inline i32 dot(const i8 *a, const i8 *b, u32 n)
{
	i32 s = 0;
	for (u32 i = 0; i < n; i++)
		s += a[i] * b[i];
	return s;
}

static f32 term_32(const struct block_ints *b, const struct cols *x, u32 c, u32 p)
{
	i32 i = dot(b->q, x->q + (size_t)c * x->k + 32 * p, 32);
	f32 t = exact_from_int(i) * b->d;
	return t * x->scale[(size_t)c * (x->k / 32) + p];
}

static f32 term_k(const struct block_ints *b, const struct cols *x, u32 c, u32 p)
{
	const i8 *q = x->q + (size_t)c * x->k + 256 * p;
	const i32 *sum = x->sum + (size_t)c * (x->k / 32) + 8 * p;
	i32 i1 = 0, i2 = 0;
	for (u32 j = 0; j < 8; j++) {
		i1 += b->sc[j] * dot(b->q + 32 * j, q + 32 * j, 32);
		i2 += b->m[j] * sum[j];
	}
	f32 t1 = exact_from_int(i1) * b->d;
	f32 t2 = exact_from_int(i2) * b->dmin;
	return (t1 - t2) * x->scale[(size_t)c * (x->k / 256) + p];
}

static f32 term_q6_k(const struct block_ints *b, const struct cols *x, u32 c, u32 p)
{
	const i8 *q = x->q + (size_t)c * x->k + 256 * p;
	i32 i = 0;
	for (u32 j = 0; j < 16; j++)
		i += b->sc[j] * dot(b->q + 16 * j, q + 16 * j, 16);
	f32 t = exact_from_int(i) * b->d;
	return t * x->scale[(size_t)c * (x->k / 256) + p];
}

static inline f32 term(u32 type, const struct block_ints *b, const struct cols *x, u32 c, u32 p)
{
	switch (type) {
	case TENSOR_Q8_0:
	case TENSOR_Q4_0:
	case TENSOR_MXFP4:
		return term_32(b, x, c, p);
	case TENSOR_Q6_K:
		return term_q6_k(b, x, c, p);
	}
	return term_k(b, x, c, p);
}

static inline void mul_mat(u32 type, const struct push_mul_mat_q *p, void *const buf[], u32 first, u32 end)
{
	u32 len = block_len_of(type), bytes = block_bytes_of(type);
	const struct cols x = { .q = buf[1],
		.scale = (const f32 *)buf[1] + act_scale_at(p->cols, p->k),
		.sum = (const i32 *)buf[1] + act_sum_at(p->cols, p->k, len),
		.k = p->k,
		.group = len };
	f32 *y = buf[2];
	for (u32 o = first; o < end; o++) {
		const u8 *row = (const u8 *)buf[0] + p->base + (size_t)o * p->row_bytes;
		for (u32 c0 = 0; c0 < p->cols; c0 += TILE) {
			u32 n = MIN(TILE, p->cols - c0);
			f32 acc[TILE] = { 0 };
			for (u32 b = 0; b < p->k / len; b++) {
				struct block_ints ints;
				block_unpack(type, row + (size_t)b * bytes, &ints);
				for (u32 c = 0; c < n; c++)
					acc[c] = acc[c] + term(type, &ints, &x, c0 + c, b);
			}
			for (u32 c = 0; c < n; c++)
				y[(size_t)(c0 + c) * p->n_out + p->first + o] = exact_window(acc[c]);
		}
	}
}

#define REF(name, type)                                                                  \
	void ref_mul_mat_##name(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                                \
		mul_mat(type, push, buf, first, end);                                    \
	}
REF(q8_0, TENSOR_Q8_0)
REF(q4_0, TENSOR_Q4_0)
REF(mxfp4, TENSOR_MXFP4)
REF(q4_k, TENSOR_Q4_K)
REF(q5_k, TENSOR_Q5_K)
REF(q6_k, TENSOR_Q6_K)
