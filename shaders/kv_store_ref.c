#include "shaders/kv_store.h"
#include "shaders/exact.h"
#include "shaders/kv_int8.h"

static u32 page_of(const struct push_kv_store *p, void *const buf[], u32 i)
{
	const u32 *tables = buf[2], *seq = buf[5], *pos = buf[6];
	return tables[(size_t)seq[i] * p->pages_per_seq + pos[i] / KV_PAGE];
}

static size_t cache_row(const struct push_kv_store *p, void *const buf[], u32 i)
{
	const u32 *pos = buf[6];
	return (size_t)page_of(p, buf, i) * KV_PAGE + pos[i] % KV_PAGE;
}

void ref_kv_store_f32(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_kv_store *p = push;
	for (u32 x = 2 * first; x < 2 * end; x++) {
		size_t at = cache_row(p, buf, x / p->width) * p->width + x % p->width;
		for (u32 b = 0; b < 2; b++)
			((f32 *)buf[b])[at] = exact_window(((const f32 *)buf[3 + b])[x]);
	}
}

void ref_kv_store_f16(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_kv_store *p = push;
	for (u32 x = 2 * first; x < 2 * end; x++) {
		size_t at = cache_row(p, buf, x / p->width) * p->width + x % p->width;
		for (u32 b = 0; b < 2; b++)
			((u16 *)buf[b])[at] = (u16)exact_to_half(exact_window(((const f32 *)buf[3 + b])[x]));
	}
}

/* One head of one position: its bytes to q, which has room for whole words; returns the scale. */
static f32 head_quantize(const f32 *x, u32 n, i8 *q)
{
	u32 most = 0;
	for (u32 i = 0; i < n; i++)
		most = MAX(most, exact_window_bits(f2u(x[i])) & 0x7fffffffu);
	f32 m = u2f(most), inv = most == 0 ? 0 : exact_recip(m) * 127.0f;
	memset(q, 0, 4 * (size_t)kv_int8_words(n));
	for (u32 i = 0; i < n; i++) {
		i32 v = exact_round(exact_window(x[i]) * inv);
		q[i] = (i8)MIN(MAX(v, -127), 127);
	}
	return m * QUANTIZE_INV_127;
}

void ref_kv_store_int8(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_kv_store *p = push;
	u32 heads = p->width / p->head_dim;
	for (u32 x = first; x < end; x++) {
		u32 i = x / heads, head = x % heads, page = page_of(p, buf, i),
		    row = ((const u32 *)buf[6])[i] % KV_PAGE;
		size_t at = kv_int8_at(page, row, heads, head, p->head_dim),
		       scale_at = kv_int8_scale_at(page, row, heads, head, p->head_dim);
		for (u32 b = 0; b < 2; b++) {
			f32 *cache = buf[b];
			const f32 *from = (const f32 *)buf[3 + b] + (size_t)x * p->head_dim;
			cache[scale_at] = head_quantize(from, p->head_dim, (i8 *)(cache + at));
		}
	}
}
