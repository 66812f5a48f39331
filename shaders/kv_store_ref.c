#include "shaders/kv_store.h"
#include "shaders/exact.h"

static size_t cache_row(const struct push_kv_store *p, void *const buf[], u32 i)
{
	const u32 *tables = buf[2], *seq = buf[5], *pos = buf[6];
	size_t page = tables[(size_t)seq[i] * p->pages_per_seq + pos[i] / KV_PAGE];
	return page * KV_PAGE + pos[i] % KV_PAGE;
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
