/* Attention with positions as lanes for the scores and elements as lanes for the values. A block of keys is turned once and then read by all
 * heads that share it and by the rows of a run: rows of one sequence that stand together. A few of these at a time share a load of keys and
 * of values from the nearest cache. */
#include "runtime/cpu.h"

#include "shaders/attention.h"
#include "shaders/exact.h"
#include "shaders/kv_int8.h"
#include "shaders/kv_store.h"

#include <string.h>

#define BODY   static inline __attribute__((always_inline))
#define UNSET  __attribute__((uninitialized)) /* large, and written before it is read */
#define UNROLL CPU_UNROLL(16)
#define ROWS   8u /* of an item, where there are many */
#define ROWS_FEW \
	16u /* rows of a call below which an item is one row, and half of the heads that share keys */
#define STATES_MAX 32u /* rows of a run times heads, at once */
#define GROUP_MAX  4u  /* of them that share a load */
#define LANES	   32u /* elements of the values that are summed at once */
#define DIM_MAX_   ATTENTION_HEAD_DIM_MAX

typedef f32 f32x16 __attribute__((vector_size(64), aligned(4), may_alias));

struct run {
	const struct push_attention *p;
	void *const *buf;
	const u32 *pages, *pos;
	u32 row, rows, head, heads; /* of q and y */
	u32 g;			    /* head of K and V */
	u32 first, pos_max;	    /* of all its rows */
	enum kv_cache cache;
};

struct state {
	f32 max, sum;
	f32 q[DIM_MAX_], out[DIM_MAX_];
};

struct block {
	f32 keys[DIM_MAX_][KV_PAGE];	/* turned: element, position */
	f32 values[KV_PAGE * DIM_MAX_]; /* position, element; where the cache holds no floats */
	const f32 *v;
	size_t v_stride;
	u32 n;					      /* positions that are there */
	f32 key_scale[KV_PAGE], value_scale[KV_PAGE]; /* int8 */
};

/* How a level of the instruction set does it: the loading of a block, and how many states its registers hold. */
typedef void block_load_fn(const struct run *r, u32 t0, struct block *b);

static u32 rows_of_item(const struct push_attention *p)
{
	return p->n < ROWS_FEW ? 1 : ROWS;
}

static u32 parts_of_heads(const struct push_attention *p)
{
	return p->n < ROWS_FEW && p->heads / p->kv_heads % 2 == 0 ? 2 : 1;
}

u32 cpu_attention_items(const void *push)
{
	const struct push_attention *p = push;
	return p->kv_heads * parts_of_heads(p) * DIV_UP(p->n, rows_of_item(p));
}

/* ---- a block of the cache ---- */

/* The first element of the block, counted in elements, and from one position to the next. */
BODY size_t cache_at(const struct run *r, u32 t0)
{
	u32 page = r->pages[t0 / KV_PAGE];
	if (r->cache == KV_CACHE_INT8)
		return 4 * (size_t)kv_int8_at(page, 0, r->p->kv_heads, r->g, r->p->head_dim);
	return ((size_t)page * KV_PAGE * r->p->kv_heads + r->g) * r->p->head_dim;
}

BODY size_t cache_stride(const struct run *r)
{
	u32 dim = r->p->head_dim;
	return (size_t)r->p->kv_heads * (r->cache == KV_CACHE_INT8 ? 4 * kv_int8_words(dim) : dim);
}

BODY f32 cache_element(const struct run *r, u32 b, size_t at)
{
	switch (r->cache) {
	case KV_CACHE_F16:
		return exact_from_half(((const u16 *)r->buf[b])[at]);
	case KV_CACHE_INT8:
		return ((const i8 *)r->buf[b])[at];
	default:
		return ((const f32 *)r->buf[b])[at];
	}
}

BODY void scales_load(const struct run *r, u32 t0, struct block *b)
{
	size_t at = kv_int8_scale_at(r->pages[t0 / KV_PAGE], 0, r->p->kv_heads, r->g, r->p->head_dim);
	for (u32 t = 0; t < KV_PAGE && r->cache == KV_CACHE_INT8; t++, at += r->p->kv_heads) {
		b->key_scale[t] = t < b->n ? ((const f32 *)r->buf[0])[at] : 0;
		b->value_scale[t] = t < b->n ? ((const f32 *)r->buf[1])[at] : 0;
	}
}

/* Elements from .. dim of the keys. */
BODY void keys_load(const struct run *r, u32 t0, u32 from, struct block *b)
{
	u32 dim = r->p->head_dim;
	size_t at = cache_at(r, t0), stride = cache_stride(r);
	for (u32 d = from; d < dim && b->n < KV_PAGE; d++)
		memset(b->keys[d], 0, sizeof(b->keys[d]));
	for (u32 t = 0; t < b->n; t++, at += stride)
		for (u32 d = from; d < dim; d++)
			b->keys[d][t] = cache_element(r, 0, at + d);
}

/* Elements from .. dim of the values. */
BODY void values_load(const struct run *r, u32 t0, u32 from, struct block *b)
{
	u32 dim = r->p->head_dim;
	size_t at = cache_at(r, t0), stride = cache_stride(r);
	bool floats = r->cache == KV_CACHE_F32;
	b->v = floats ? (const f32 *)r->buf[1] + at : b->values;
	b->v_stride = floats ? stride : dim;
	for (u32 t = 0; t < b->n && !floats; t++)
		for (u32 d = from; d < dim; d++)
			b->values[(size_t)t * dim + d] = cache_element(r, 1, at + t * stride + d);
}

BODY void block_load(const struct run *r, u32 t0, struct block *b)
{
	keys_load(r, t0, 0, b);
	values_load(r, t0, 0, b);
	scales_load(r, t0, b);
}

static void load_portable(const struct run *r, u32 t0, struct block *b)
{
	block_load(r, t0, b);
}

#ifdef __x86_64__
#include <immintrin.h>

static CPU_ATTR_AVX2 void load_avx2(const struct run *r, u32 t0, struct block *b)
{
	block_load(r, t0, b);
}

#define FN static inline __attribute__((always_inline)) CPU_ATTR_AVX512

/* 16 elements of the cache; zeros when there is no such position. No half of the cache has the exponent of infinities: exact_to_half gives none. */
FN __m512 cache_load(const struct run *r, u32 b, size_t at, bool there)
{
	if (!there)
		return _mm512_setzero_ps();
	if (r->cache == KV_CACHE_F32)
		return _mm512_loadu_ps((const f32 *)r->buf[b] + at);
	if (r->cache == KV_CACHE_INT8)
		return _mm512_cvtepi32_ps(
			_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)((const i8 *)r->buf[b] + at))));
	return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)((const u16 *)r->buf[b] + at)));
}

FN __m512 pair_low(__m512 a, __m512 b)
{
	return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

FN __m512 pair_high(__m512 a, __m512 b)
{
	return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

/* Rows of 16 become columns of 16: within quarters of a register, then quarters among registers. */
FN void turn_16(const __m512 *r, f32 *out, size_t stride)
{
	__m512 t[16], u[16];
	UNROLL for (u32 i = 0; i < 16; i += 2)
	{
		t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
	}
	UNROLL for (u32 i = 0; i < 16; i += 4)
	{
		u[i] = pair_low(t[i], t[i + 2]);
		u[i + 1] = pair_high(t[i], t[i + 2]);
		u[i + 2] = pair_low(t[i + 1], t[i + 3]);
		u[i + 3] = pair_high(t[i + 1], t[i + 3]);
	}
	UNROLL for (u32 i = 0; i < 4; i++)
	{
		__m512 a = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88);
		__m512 b = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xdd);
		__m512 c = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
		__m512 d = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xdd);
		_mm512_storeu_ps(out + i * stride, _mm512_shuffle_f32x4(a, c, 0x88));
		_mm512_storeu_ps(out + (i + 4) * stride, _mm512_shuffle_f32x4(b, d, 0x88));
		_mm512_storeu_ps(out + (i + 8) * stride, _mm512_shuffle_f32x4(a, c, 0xdd));
		_mm512_storeu_ps(out + (i + 12) * stride, _mm512_shuffle_f32x4(b, d, 0xdd));
	}
}

static CPU_ATTR_AVX512 void load_avx512(const struct run *r, u32 t0, struct block *b)
{
	u32 dim = r->p->head_dim, whole = dim / 16 * 16;
	size_t at = cache_at(r, t0), stride = cache_stride(r);
	for (u32 d = 0; d < whole; d += 16)
		for (u32 t = 0; t < KV_PAGE; t += 16) {
			__m512 rows[16];
			UNROLL for (u32 i = 0; i < 16; i++) rows[i] =
				cache_load(r, 0, at + (t + i) * stride + d, t + i < b->n);
			turn_16(rows, &b->keys[d][t], KV_PAGE);
		}
	keys_load(r, t0, whole, b);
	for (u32 t = 0; t < b->n && r->cache != KV_CACHE_F32; t++)
		for (u32 d = 0; d < whole; d += 16)
			_mm512_storeu_ps(
				b->values + (size_t)t * dim + d, cache_load(r, 1, at + t * stride + d, true));
	values_load(r, t0, whole, b);
	scales_load(r, t0, b);
}
#endif

/* ---- rows and heads in one block ---- */

struct result {
	f32 max, sum;
	f32 w[KV_PAGE]; /* dots, then weights, then what values are multiplied by */
};

/* The positions of a block that a row attends to. */
struct span {
	u32 from, n;
};

/* ret[i].w = q of state i times every key. */
BODY void dots(const struct block *b, const struct state *s, u32 dim, const u32 N, struct result *ret)
{
	f32x16 acc[GROUP_MAX][2] UNSET;
	UNROLL for (u32 i = 0; i < N; i++) acc[i][0] = acc[i][1] = (f32x16){ 0 };
	for (u32 d = 0; d < dim; d++) {
		f32x16 k0 = *(const f32x16 *)&b->keys[d][0], k1 = *(const f32x16 *)&b->keys[d][16];
		UNROLL for (u32 i = 0; i < N; i++)
		{
			f32x16 m0 = s[i].q[d] * k0, m1 = s[i].q[d] * k1;
			acc[i][0] = acc[i][0] + m0;
			acc[i][1] = acc[i][1] + m1;
		}
	}
	UNROLL for (u32 i = 0; i < N; i++) memcpy(ret[i].w, acc[i], sizeof(ret[i].w));
}

/* Floats in the order of integers, and back: an integer maximum may be taken in any order, so it becomes vectors. */
BODY i32 ordered(i32 bits)
{
	return bits ^ (bits >> 31 & 0x7fffffff);
}

/* The tree over 32 lanes: 16, 8, 4, 2, 1. */
BODY f32 tree(const f32 *w)
{
	typedef f32 f32x8 __attribute__((vector_size(32)));
	typedef f32 f32x4 __attribute__((vector_size(16)));
	f32x16 a = *(const f32x16 *)w + *(const f32x16 *)(w + 16);
	f32x8 b = __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7) +
		  __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15);
	f32x4 c = __builtin_shufflevector(b, b, 0, 1, 2, 3) + __builtin_shufflevector(b, b, 4, 5, 6, 7);
	f32 d0 = c[0] + c[2], d1 = c[1] + c[3];
	return d0 + d1;
}

/* The products in r->w to weights, their maximum and sum; the scales of int8 where they belong. */
BODY void weigh(const struct block *b, bool scaled, struct span a, f32 scale, struct result *r)
{
	f32 s[KV_PAGE] UNSET;
	i32 most[KV_PAGE] UNSET;
	for (u32 t = 0; t < KV_PAGE; t++) {
		f32 dot = exact_window(r->w[t]);
		if (scaled)
			dot = exact_window(dot * b->key_scale[t]);
		s[t] = exact_window(dot * scale);
		most[t] = t - a.from < a.n - a.from ? ordered(f2i(s[t])) : INT32_MIN;
	}
	for (u32 h = KV_PAGE / 2; h > 0; h /= 2)
		for (u32 t = 0; t < h; t++)
			most[t] = MAX(most[t], most[t + h]);
	f32 max = r->max = i2f(ordered(most[0]));
	for (u32 t = 0; t < KV_PAGE; t++) {
		bool in = t - a.from < a.n - a.from;
		f32 w = attention_weight((in ? s[t] : max) - max);
		r->w[t] = in ? w : 0;
	}
	r->sum = tree(r->w);
	for (u32 t = 0; t < KV_PAGE && scaled; t++)
		r->w[t] = attention_share(r->w[t], b->value_scale[t]);
}

/* out[i] = the windowed sum of r[i].w[t] * v[t] for `lanes` elements from d on. A weight of 0 adds a zero, which changes no sum. */
BODY void values_sum(const struct block *b, const struct result *r, struct span a, u32 d, const u32 lanes,
	const u32 N, f32 out[GROUP_MAX][LANES])
{
	f32x16 acc[GROUP_MAX][2] UNSET;
	UNROLL for (u32 i = 0; i < N; i++) acc[i][0] = acc[i][1] = (f32x16){ 0 };
	for (u32 t = a.from; t < a.n; t++) {
		const f32 *v = b->v + t * b->v_stride + d;
		f32x16 v0, v1;
		if (lanes == LANES) {
			v0 = *(const f32x16 *)v;
			v1 = *(const f32x16 *)(v + 16);
		} else {
			f32 some[LANES] = { 0 };
			memcpy(some, v, lanes * sizeof(f32));
			v0 = *(const f32x16 *)some;
			v1 = *(const f32x16 *)(some + 16);
		}
		UNROLL for (u32 i = 0; i < N; i++)
		{
			f32x16 m0 = r[i].w[t] * v0, m1 = r[i].w[t] * v1;
			acc[i][0] = acc[i][0] + m0;
			acc[i][1] = acc[i][1] + m1;
		}
	}
	UNROLL for (u32 i = 0; i < N; i++)
	{
		memcpy(out[i], acc[i], sizeof(out[i]));
		for (u32 l = 0; l < LANES; l++)
			out[i][l] = exact_window(out[i][l]);
	}
}

BODY void join(f32 *restrict out, const f32 *restrict o, u32 lanes, f32 wa, f32 wb)
{
	for (u32 l = 0; l < lanes; l++) {
		f32 a = out[l] * wa, c = o[l] * wb;
		out[l] = exact_window(a + c);
	}
}

/* What a state's results so far and those of the block are multiplied with; the block's maximum and sum join the state's. */
struct joint {
	f32 wa, wb;
	bool first; /* block of this state */
};

/* One of the two weights is that of 0, which is 1; the others of N states stand side by side. */
BODY void sums_join(struct state *s, const struct result *r, const bool *first, const u32 N, struct joint *j)
{
	f32 e[GROUP_MAX] = { 0 };
	for (u32 i = 0; i < N; i++) {
		f32 d = s[i].max - r[i].max;
		e[i] = d > 0 ? -d : d;
	}
	for (u32 i = 0; i < GROUP_MAX; i++)
		e[i] = attention_weight(e[i]);
	for (u32 i = 0; i < N; i++) {
		bool higher = first[i] || r[i].max > s[i].max;
		j[i] = (struct joint){ higher ? e[i] : 1, higher ? 1 : e[i], first[i] };
		f32 la = s[i].sum * j[i].wa, lb = r[i].sum * j[i].wb;
		s[i].sum = first[i] ? r[i].sum : la + lb;
		s[i].max = higher ? r[i].max : s[i].max;
	}
}

BODY void values_join(struct state *s, const struct joint *j, u32 d, const u32 lanes, const u32 N,
	f32 out[GROUP_MAX][LANES])
{
	for (u32 i = 0; i < N; i++) {
		if (j[i].first)
			memcpy(s[i].out + d, out[i], lanes * sizeof(f32));
		else
			join(s[i].out + d, out[i], lanes, j[i].wa, j[i].wb);
	}
}

/* N states, each of which attends to some position of the block. */
BODY void states_add(const struct run *run, struct state *s, const struct block *b, const struct span *a,
	const bool *first, const u32 N)
{
	u32 dim = run->p->head_dim;
	struct result r[GROUP_MAX] UNSET;
	struct joint j[GROUP_MAX] UNSET;
	f32 out[GROUP_MAX][LANES] UNSET;
	struct span both = a[0];
	dots(b, s, dim, N, r);
	for (u32 i = 0; i < N; i++) {
		weigh(b, run->cache == KV_CACHE_INT8, a[i], u2f(run->p->scale_bits), &r[i]);
		both.from = MIN(both.from, a[i].from);
		both.n = MAX(both.n, a[i].n);
	}
	sums_join(s, r, first, N, j);
	u32 d = 0;
	for (; d + LANES <= dim; d += LANES) {
		values_sum(b, r, both, d, LANES, N, out);
		values_join(s, j, d, LANES, N, out);
	}
	if (d < dim) {
		values_sum(b, r, both, d, dim - d, N, out);
		values_join(s, j, d, dim - d, N, out);
	}
}

/* ---- items ---- */

/* Block t0 into all states that attend to it, `group` neighbours at a time where they all do. */
BODY void block_add(
	const struct run *r, u32 t0, const struct block *b, struct state *states, u32 n, const u32 group)
{
	struct span a[STATES_MAX] UNSET;
	bool first[STATES_MAX] UNSET, in[STATES_MAX] UNSET;
	for (u32 i = 0; i < n; i++) {
		u32 pos = r->pos[r->row + i / r->heads],
		    lo = attention_first(pos, r->p->window, r->p->pieces);
		a[i] = (struct span){ lo > t0 ? lo - t0 : 0, pos >= t0 ? MIN(KV_PAGE, pos + 1 - t0) : 0 };
		first[i] = t0 == lo / KV_PAGE * KV_PAGE;
		in[i] = a[i].from < a[i].n;
	}
	for (u32 i = 0; i < n;) {
		u32 m = 0;
		while (m < group && i + m < n && in[i + m])
			m++;
		if (m == group)
			states_add(r, states + i, b, a + i, first + i, group);
		else if (m > 0)
			states_add(r, states + i, b, a + i, first + i, m = 1);
		i += MAX(m, 1u);
	}
}

/* The score that no position has: it takes a part of the sum and adds no value. */
BODY void sink_add(struct state *s, f32 z, u32 dim)
{
	f32 max = z > s->max ? z : s->max, a = attention_weight(s->max - max), la = s->sum * a;
	s->sum = la + attention_weight(z - max);
	for (u32 d = 0; d < dim; d++)
		s->out[d] = exact_window(s->out[d] * a);
}

BODY void run_attend(const struct run *r, block_load_fn *load, const u32 group)
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
		load(r, t0, &b);
		block_add(r, t0, &b, states, n, group);
	}
	for (u32 i = 0; i < n; i++) {
		f32 *y = (f32 *)r->buf[6] + at + i / r->heads * width + i % r->heads * dim;
		if (r->p->sinks)
			sink_add(&states[i], exact_window(((const f32 *)r->buf[7])[r->head + i % r->heads]),
				dim);
		f32 inv = exact_recip(states[i].sum);
		for (u32 d = 0; d < dim; d++)
			y[d] = exact_window(states[i].out[d] * inv);
	}
}

/* An item: heads of q that share head g of K and V, in some rows. */
struct item {
	u32 g, head, heads, row, end;
};

/* Rows as runs of one sequence, and as many heads at once as there are states for. */
BODY void item_run(enum kv_cache cache, const struct push_attention *p, void *const buf[], struct item it,
	block_load_fn *load, const u32 group)
{
	const u32 *tables = buf[2], *seq = buf[4], *pos = buf[5];
	u32 row = it.row;
	while (row < it.end) {
		u32 n = 1, most = pos[row], least = pos[row];
		while (row + n < it.end && seq[row + n] == seq[row] &&
			(n + 1) * MIN(it.heads, STATES_MAX) <= STATES_MAX) {
			most = MAX(most, pos[row + n]);
			least = MIN(least, pos[row + n]);
			n++;
		}
		for (u32 h = 0; h < it.heads; h += STATES_MAX / n) {
			const struct run r = { .p = p,
				.buf = buf,
				.pages = tables + (size_t)seq[row] * p->pages_per_seq,
				.pos = pos,
				.row = row,
				.rows = n,
				.head = it.head + h,
				.heads = MIN(STATES_MAX / n, it.heads - h),
				.g = it.g,
				.first = attention_first(least, p->window, p->pieces),
				.pos_max = most,
				.cache = cache };
			run_attend(&r, load, group);
		}
		row += n;
	}
}

BODY void attention(enum kv_cache cache, const void *push, void *const buf[], u32 first, u32 end,
	block_load_fn *load, const u32 group)
{
	const struct push_attention *p = push;
	u32 shared = p->heads / p->kv_heads, parts = parts_of_heads(p), rows = rows_of_item(p);
	for (u32 i = first; i < end; i++) {
		u32 g = i / parts % p->kv_heads, row = i / parts / p->kv_heads * rows;
		const struct item it = { .g = g,
			.head = g * shared + i % parts * (shared / parts),
			.heads = shared / parts,
			.row = row,
			.end = MIN(row + rows, p->n) };
		item_run(cache, p, buf, it, load, group);
	}
}

#define KERNEL(cache, C, isa, attr, group)                                                      \
	static attr void cache##_##isa(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                                       \
		attention(KV_CACHE_##C, push, buf, first, end, load_##isa, group);              \
	}
#define KERNELS(isa, attr, group)          \
	KERNEL(f32, F32, isa, attr, group) \
	KERNEL(f16, F16, isa, attr, group) \
	KERNEL(int8, INT8, isa, attr, group)

KERNELS(portable, , 1)
#ifdef __x86_64__
KERNELS(avx2, CPU_ATTR_AVX2, 2)
KERNELS(avx512, CPU_ATTR_AVX512, GROUP_MAX)
#endif

kernel_ref_fn *cpu_attention_kernel(enum cpu_level level, enum kernel k)
{
	static const struct {
		enum kernel kernel;
		kernel_ref_fn *portable, *avx2, *avx512;
	} kernels[] = {
#ifdef __x86_64__
#define ROW(name, cache) { KERNEL_ATTENTION_##name, cache##_portable, cache##_avx2, cache##_avx512 }
#else
#define ROW(name, cache)                                              \
	{                                                             \
		KERNEL_ATTENTION_##name, cache##_portable, NULL, NULL \
	}
#endif
		ROW(F32, f32),
		ROW(F16, f16),
		ROW(INT8, int8),
	};
	for (u32 i = 0; i < ARRAY_LEN(kernels); i++) {
		kernel_ref_fn *fast = level == CPU_AVX2	    ? kernels[i].avx2
				      : level == CPU_AVX512 ? kernels[i].avx512
							    : NULL;
		if (kernels[i].kernel == k)
			return fast ? fast : kernels[i].portable;
	}
	return NULL;
}
