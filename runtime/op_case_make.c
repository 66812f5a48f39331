/* What cases are made of: numbers of every kind of float and of block, and the buffers that hold them. */
#include "runtime/op_case_make.h"

#include "base/err.h"
#include "shaders/blocks_ref.h"
#include "shaders/exact.h"

#include <errno.h>

/* ---- numbers ---- */

u64 op_case_next(u64 *s)
{
	u64 z = *s += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static f32 with_exponent(u64 r, u32 exponent)
{
	return u2f((u32)(r & 0x807fffff) | exponent << 23);
}

static f32 one_float(enum op_case_fill fill, u64 r)
{
	switch (fill) {
	case FILL_ZERO:
		return u2f((u32)r & 0x80000000u);
	case FILL_MAX:
		return u2f(((u32)r & 0x80000000u) | 0x44000000u); /* 512 */
	case FILL_TINY:
		return with_exponent(r, (u32)(r >> 32) % 4 ? 0 : 80 + (u32)(r >> 40) % 14);
	case FILL_MIXED:
		return with_exponent(r, 60 + (u32)(r >> 32) % 110);
	case FILL_OUTLIER:
	case FILL_PLAIN:
		break;
	}
	return with_exponent(r, 121 + (u32)__builtin_ctzll(r >> 32 | 1ull << 8));
}

void op_case_floats(f32 *ret, size_t n, enum op_case_fill fill, u64 seed)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = one_float(fill, op_case_next(&seed));
	if (fill == FILL_OUTLIER && n > 0)
		ret[op_case_next(&seed) % n] = 30000.0f;
}

static u32 one_half(enum op_case_fill fill, u64 r)
{
	switch (fill) {
	case FILL_ZERO:
		return (u32)r & 0x8000u;
	case FILL_MAX:
		return ((u32)r & 0x8000u) | 0x7bffu;
	case FILL_TINY:
		return (u32)r & 0x83ffu;
	case FILL_MIXED:
		return (u32)r & 0xffffu; /* the exponent of infinities too */
	case FILL_OUTLIER:
	case FILL_PLAIN:
		break;
	}
	return 0x1c00u + (u32)r % 0x1000u; /* 2^-8 to 2^-4 */
}

static void put_half(u8 *p, u32 h)
{
	p[0] = (u8)h;
	p[1] = (u8)(h >> 8);
}

/* Bytes 0..n of a block that hold integers. */
static void fill_ints(u8 *p, u32 n, enum op_case_fill fill, u64 *seed)
{
	for (u32 i = 0; i < n; i++)
		p[i] = fill == FILL_MAX ? (op_case_next(seed) & 1 ? 0xff : 0x80) : (u8)op_case_next(seed);
}

/* An E8M0 scale of MXFP4. */
static u8 one_power(enum op_case_fill fill, u64 r)
{
	switch (fill) {
	case FILL_ZERO:
		return 0;
	case FILL_MAX:
		return 255;
	case FILL_TINY:
		return (u8)(r % 90);
	case FILL_MIXED:
		return (u8)r;
	case FILL_OUTLIER:
	case FILL_PLAIN:
		break;
	}
	return (u8)(118 + r % 5);
}

static void fill_block(u32 type, u8 *b, enum op_case_fill fill, u64 *seed)
{
	u32 bytes = block_bytes_of(type), at[2], n = block_halves_of(type, at);
	fill_ints(b, bytes, fill, seed);
	for (u32 i = 0; i < n; i++)
		put_half(b + at[i], one_half(fill, op_case_next(seed)));
	if (type == TENSOR_IQ1_M) {
		u32 h = one_half(fill, op_case_next(seed));
		for (u32 i = 0; i < 4; i++)
			b[49 + 2 * i] = (u8)((b[49 + 2 * i] & 15) | (h >> (4 * i) & 15) << 4);
	}
	if (type == TENSOR_MXFP4)
		b[0] = one_power(fill, op_case_next(seed));
	for (u32 i = 0; type == TENSOR_NVFP4 && i < 4; i++)
		b[i] = fill == FILL_ZERO ? 0 : (u8)(op_case_next(seed) & (fill == FILL_TINY ? 15 : 127));
}

void op_case_weights(u32 type, u32 rows, u32 k, enum op_case_fill fill, u64 seed, void *ret)
{
	u32 bytes = block_bytes_of(type);
	size_t n = (size_t)rows * (k / block_len_of(type));
	u8 *p = ret;
	for (size_t i = 0; i < n; i++, p += bytes) {
		f32 x;
		switch (type) {
		case TENSOR_F32:
			op_case_floats((f32 *)(void *)p, 1, fill, op_case_next(&seed));
			break;
		case TENSOR_BF16:
			x = one_float(fill, op_case_next(&seed));
			put_half(p, f2u(x) >> 16);
			break;
		case TENSOR_F16:
			put_half(p, one_half(fill, op_case_next(&seed)));
			break;
		default:
			fill_block(type, p, fill, &seed);
		}
	}
}

/* ---- buffers ---- */

int make(struct run *r, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_view *ret)
{
	struct rt_buf *b;
	assert(r->n_bufs < CASE_BUFS_MAX);
	int e = rt_buf_create(r->d, kind, MAX(bytes, 4), tag, &b);
	if (e < 0)
		return e;
	r->bufs[r->n_bufs++] = b;
	*ret = (struct rt_view){ b, 0 };
	return 0;
}

int make_floats(struct run *r, size_t n, u64 seed, const char *tag, struct rt_view *ret)
{
	int e = make(r, RT_BUF_INPUT, 4 * n, tag, ret);
	if (e == 0)
		op_case_floats(rt_host_ptr(ret->buf), n, r->c->fill, seed);
	return e;
}

int make_words(struct run *r, const u32 *words, size_t n, const char *tag, struct rt_view *ret)
{
	int e = make(r, RT_BUF_INPUT, 4 * n, tag, ret);
	if (e == 0)
		memcpy(rt_host_ptr(ret->buf), words, 4 * n);
	return e;
}

int make_list(struct run *r, u32 n, u32 first, u32 below, struct rt_view *ret)
{
	u32 list[WORDS_MAX];
	assert(n <= WORDS_MAX);
	for (u32 i = 0; i < n; i++)
		list[i] = i == 0 ? first : i * 7919 % below;
	return make_words(r, list, n, "list", ret);
}

int make_weights(struct run *r, u32 type, u32 rows, u32 k, struct rt_view *ret)
{
	u64 bytes = (u64)rows * (k / block_len_of(type)) * block_bytes_of(type);
	_cleanup_(freep) u8 *raw = malloc(bytes);
	if (!raw)
		return err_origin(-ENOMEM);
	op_case_weights(type, rows, k, r->c->fill, 1, raw);
	int e = make(r, RT_BUF_WEIGHTS, bytes, "weights", ret);
	for (u64 at = 0; at < bytes && e == 0; at += RT_STAGE_BYTES) {
		u8 *stage = rt_stage_get(r->d);
		u64 n = MIN(bytes - at, (u64)RT_STAGE_BYTES);
		memcpy(stage, raw + at, n);
		e = rt_stage_put(r->d, stage, (struct rt_view){ ret->buf, at }, 0, n);
	}
	return e;
}

int make_out(struct run *r, size_t bytes, struct rt_view *ret)
{
	r->out_len = bytes;
	int e = make(r, RT_BUF_OUTPUT, bytes, "out", ret);
	r->out = *ret;
	return e;
}

int make_inout(struct run *r, size_t n, u64 seed, struct rt_view *ret)
{
	int e = make_out(r, 4 * n, ret);
	if (e == 0)
		op_case_floats(rt_host_ptr(ret->buf), n, r->c->fill, seed);
	return e;
}

int make_activations(struct run *r, u32 rows, u32 k, struct rt_view *ret)
{
	TRY(make_floats(r, (size_t)rows * k, 2, "x", ret));
	f32 *x = rt_host_ptr(ret->buf);
	for (size_t i = 0; i < (size_t)rows * k; i++)
		x[i] = exact_window(x[i]);
	return 0;
}
