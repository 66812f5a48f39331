#include "shaders/attention.h"
#include "shaders/attention_join.h"
#include "shaders/attention_part.h"
#include "shaders/exact.h"
#include "shaders/kv_int8.h"
#include "shaders/kv_store.h"

struct head {
	const struct push_attention *p;
	void *const *buf;
	const f32 *q;
	const u32 *pages;
	u32 g; /* head of K and V */
	enum kv_cache cache;
};

struct state {
	f32 max, sum;
	f32 out[ATTENTION_HEAD_DIM_MAX];
};

/* The elements of this head in row t of cache b, as floats. */
static const f32 *cache_row(const struct head *h, u32 b, u32 t, f32 *scratch)
{
	const struct push_attention *p = h->p;
	u32 page = h->pages[t / KV_PAGE];
	size_t row = (size_t)page * KV_PAGE + t % KV_PAGE;
	size_t at = (row * p->kv_heads + h->g) * p->head_dim;
	if (h->cache == KV_CACHE_F32)
		return (const f32 *)h->buf[b] + at;
	if (h->cache == KV_CACHE_INT8) {
		at = 4 * (size_t)kv_int8_at(page, t % KV_PAGE, p->kv_heads, h->g, p->head_dim);
		for (u32 d = 0; d < p->head_dim; d++)
			scratch[d] = ((const i8 *)h->buf[b])[at + d];
		return scratch;
	}
	for (u32 d = 0; d < p->head_dim; d++)
		scratch[d] = exact_from_half(((const u16 *)h->buf[b])[at + d]);
	return scratch;
}

/* The scale of that row in a cache of int8. */
static f32 cache_scale(const struct head *h, u32 b, u32 t)
{
	size_t at =
		kv_int8_scale_at(h->pages[t / KV_PAGE], t % KV_PAGE, h->p->kv_heads, h->g, h->p->head_dim);
	return ((const f32 *)h->buf[b])[at];
}

static f32 score(const struct head *h, u32 t)
{
	f32 scratch[ATTENTION_HEAD_DIM_MAX];
	const f32 *k = cache_row(h, 0, t, scratch);
	f32 dot = 0;
	for (u32 d = 0; d < h->p->head_dim; d++) {
		f32 m = h->q[d] * k[d];
		dot = dot + m;
	}
	dot = exact_window(dot);
	if (h->cache == KV_CACHE_INT8)
		dot = exact_window(dot * cache_scale(h, 0, t));
	return exact_window(dot * u2f(h->p->scale_bits));
}

/* Positions t0 + from .. t0 + n of the block at t0. */
static void block(const struct head *h, u32 t0, u32 from, u32 n, struct state *ret)
{
	f32 w[KV_PAGE] = { 0 }, scratch[ATTENTION_HEAD_DIM_MAX];
	u32 dim = h->p->head_dim;
	for (u32 t = from; t < n; t++) {
		w[t] = score(h, t0 + t);
		ret->max = t == from || w[t] > ret->max ? w[t] : ret->max;
	}
	for (u32 t = from; t < n; t++)
		w[t] = attention_weight(w[t] - ret->max);
	memset(ret->out, 0, dim * sizeof(f32));
	for (u32 t = from; t < n; t++) {
		const f32 *v = cache_row(h, 1, t0 + t, scratch);
		f32 share =
			h->cache == KV_CACHE_INT8 ? attention_share(w[t], cache_scale(h, 1, t0 + t)) : w[t];
		for (u32 d = 0; d < dim; d++) {
			f32 m = share * v[d];
			ret->out[d] = ret->out[d] + m;
		}
	}
	for (u32 d = 0; d < dim; d++)
		ret->out[d] = exact_window(ret->out[d]);
	for (u32 s = KV_PAGE / 2; s > 0; s /= 2)
		for (u32 t = 0; t < s; t++)
			w[t] = w[t] + w[t + s];
	ret->sum = w[0];
}

static void combine(struct state *s, const struct state *b, u32 dim)
{
	f32 max = b->max > s->max ? b->max : s->max;
	f32 wa = attention_weight(s->max - max), wb = attention_weight(b->max - max);
	f32 la = s->sum * wa, lb = b->sum * wb;
	s->sum = la + lb;
	for (u32 d = 0; d < dim; d++) {
		f32 oa = s->out[d] * wa, ob = b->out[d] * wb;
		s->out[d] = exact_window(oa + ob);
	}
	s->max = max;
}

static void sink(struct state *s, f32 z, u32 dim)
{
	f32 max = z > s->max ? z : s->max, a = attention_weight(s->max - max), la = s->sum * a;
	s->sum = la + attention_weight(z - max);
	for (u32 d = 0; d < dim; d++)
		s->out[d] = exact_window(s->out[d] * a);
}

/* y, once all blocks are joined. */
static void finish(struct state *s, const f32 *z, u32 dim, f32 *y)
{
	if (z)
		sink(s, exact_window(*z), dim);
	f32 r = exact_recip(s->sum);
	for (u32 d = 0; d < dim; d++)
		y[d] = exact_window(s->out[d] * r);
}

static void head(const struct head *h, u32 pos, const f32 *z, f32 *y)
{
	struct state s, b;
	u32 dim = h->p->head_dim, lo = attention_first(pos, h->p->window, h->p->pieces),
	    start = lo / KV_PAGE * KV_PAGE;
	for (u32 t = start; t <= pos; t += KV_PAGE) {
		u32 n = MIN(KV_PAGE, pos + 1 - t);
		block(h, t, t == start ? lo - start : 0, n, t == start ? &s : &b);
		if (t > start)
			combine(&s, &b, dim);
	}
	finish(&s, h->p->sinks ? z : NULL, dim, y);
}

static void attention(
	enum kv_cache cache, const struct push_attention *p, void *const buf[], u32 first, u32 end)
{
	const u32 *tables = buf[2], *seq = buf[4], *pos = buf[5];
	for (u32 i = 0; i < p->n; i++)
		for (u32 x = first; x < end; x++) {
			f32 q[ATTENTION_HEAD_DIM_MAX];
			size_t at = ((size_t)i * p->heads + x) * p->head_dim;
			for (u32 d = 0; d < p->head_dim; d++)
				q[d] = exact_window(((const f32 *)buf[3])[at + d]);
			const struct head h = { .p = p,
				.buf = buf,
				.q = q,
				.pages = tables + (size_t)seq[i] * p->pages_per_seq,
				.g = x / (p->heads / p->kv_heads),
				.cache = cache };
			head(&h, pos[i], (const f32 *)buf[7] + x, (f32 *)buf[6] + at);
		}
}

void ref_attention_f32(const void *push, void *const buf[], u32 first, u32 end)
{
	attention(KV_CACHE_F32, push, buf, first, end);
}

void ref_attention_f16(const void *push, void *const buf[], u32 first, u32 end)
{
	attention(KV_CACHE_F16, push, buf, first, end);
}

void ref_attention_int8(const void *push, void *const buf[], u32 first, u32 end)
{
	attention(KV_CACHE_INT8, push, buf, first, end);
}

/* ---- in parts ---- */

/* The blocks that token i has, from position *ret_lo on. */
static u32 blocks_of(u32 pos, u32 window, u32 pieces, u32 *ret_lo)
{
	*ret_lo = attention_first(pos, window, pieces);
	return pos / KV_PAGE - *ret_lo / KV_PAGE + 1;
}

/* Block `which` of token i, for all heads that share head g of K and V. */
static void part(const struct push_attention_part *p, const struct head *h, u32 i, u32 which)
{
	const u32 *pos = h->buf[5];
	u32 lo, has = blocks_of(pos[i], p->window, p->pieces, &lo), shared_by = p->heads / p->kv_heads;
	u32 t0 = (lo / KV_PAGE + which) * KV_PAGE, dim = p->head_dim;
	for (u32 k = 0; k < shared_by && which < has; k++) {
		struct state s;
		struct head one = *h;
		f32 q[ATTENTION_HEAD_DIM_MAX];
		u32 row = i * p->heads + h->g * shared_by + k;
		for (u32 d = 0; d < dim; d++)
			q[d] = exact_window(((const f32 *)h->buf[3])[(size_t)row * dim + d]);
		one.q = q;
		block(&one, t0, which == 0 ? lo - t0 : 0, MIN(KV_PAGE, pos[i] + 1 - t0), &s);
		f32 *to = (f32 *)h->buf[6] +
			  attention_part_at(p->n * p->heads, row, which - p->first, p->blocks, dim);
		memcpy(to, s.out, dim * sizeof(f32));
		to[dim] = s.max;
		to[dim + 1] = s.sum;
	}
}

static void parts(
	enum kv_cache cache, const struct push_attention_part *p, void *const buf[], u32 first, u32 end)
{
	const u32 *tables = buf[2], *seq = buf[4];
	const struct push_attention shape = { .heads = p->heads,
		.kv_heads = p->kv_heads,
		.head_dim = p->head_dim,
		.scale_bits = p->scale_bits };
	for (u32 i = 0; i < p->n; i++)
		for (u32 x = first; x < end; x++) {
			const struct head h = { .p = &shape,
				.buf = buf,
				.pages = tables + (size_t)seq[i] * p->pages_per_seq,
				.g = x % p->kv_heads,
				.cache = cache };
			part(p, &h, i, p->first + x / p->kv_heads);
		}
}

void ref_attention_part_f32(const void *push, void *const buf[], u32 first, u32 end)
{
	parts(KV_CACHE_F32, push, buf, first, end);
}

void ref_attention_part_f16(const void *push, void *const buf[], u32 first, u32 end)
{
	parts(KV_CACHE_F16, push, buf, first, end);
}

void ref_attention_part_int8(const void *push, void *const buf[], u32 first, u32 end)
{
	parts(KV_CACHE_INT8, push, buf, first, end);
}

static void load(struct state *s, const f32 *from, u32 dim)
{
	memcpy(s->out, from, dim * sizeof(f32));
	s->max = from[dim];
	s->sum = from[dim + 1];
}

static void join(const struct push_attention_join *p, void *const buf[], u32 i, u32 head)
{
	struct state s, b;
	u32 dim = p->head_dim, row = i * p->heads + head, lo;
	u32 has = blocks_of(((const u32 *)buf[1])[i], p->window, p->pieces, &lo);
	f32 *state = (f32 *)buf[0] + row * (dim + 2);
	if (p->first)
		load(&s, state, dim);
	for (u32 j = p->first; j < MIN(has, p->first + p->blocks); j++) {
		const f32 *from =
			(f32 *)buf[0] + attention_part_at(p->n * p->heads, row, j - p->first, p->blocks, dim);
		load(j ? &b : &s, from, dim);
		if (j)
			combine(&s, &b, dim);
	}
	if (p->last) {
		finish(&s, p->sinks ? (const f32 *)buf[3] + head : NULL, dim,
			(f32 *)buf[2] + (size_t)row * dim);
		return;
	}
	memcpy(state, s.out, dim * sizeof(f32));
	state[dim] = s.max;
	state[dim + 1] = s.sum;
}

void ref_attention_join(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_attention_join *p = push;
	for (u32 i = 0; i < p->n; i++)
		for (u32 head = first; head < end; head++)
			join(p, buf, i, head);
}
