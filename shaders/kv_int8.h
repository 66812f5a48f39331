/* Where things stand in a cache of int8 (kv_store.h), counted in words of four bytes. */
#ifndef KEEP_SHADERS_KV_INT8_H
#define KEEP_SHADERS_KV_INT8_H
#include "lang.h"

/* Of one head of one position. */
FUNC u32 kv_int8_words(u32 head_dim)
{
	return (head_dim + 3u) / 4u;
}

/* A page of 32 positions: their elements, then their scales. */
FUNC u32 kv_int8_page_words(u32 heads, u32 head_dim)
{
	return 32u * heads * (kv_int8_words(head_dim) + 1u);
}

FUNC u32 kv_int8_at(u32 page, u32 row, u32 heads, u32 head, u32 head_dim)
{
	return page * kv_int8_page_words(heads, head_dim) + (row * heads + head) * kv_int8_words(head_dim);
}

FUNC u32 kv_int8_scale_at(u32 page, u32 row, u32 heads, u32 head, u32 head_dim)
{
	return page * kv_int8_page_words(heads, head_dim) + 32u * heads * kv_int8_words(head_dim) +
	       row * heads + head;
}
#endif
