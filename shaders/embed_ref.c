#include "shaders/embed.h"
#include "shaders/blocks_ref.h"
#include "shaders/exact.h"

static void row_part(u32 type, const u8 *row, u32 e0, u32 n, f32 *y)
{
	u32 len = block_len_of(type), bytes = block_bytes_of(type), term = block_term_of(type);
	struct block_ints b;
	for (u32 i = 0; i < n; i++) {
		u32 e = e0 + i;
		const u8 *block = row + (size_t)(e / len) * bytes;
		if (len == 1) {
			y[i] = block_float(type, block);
			continue;
		}
		if (i == 0 || e % term == 0)
			block_unpack(type, block, e % len / term, &b);
		y[i] = block_ints_value(type, &b, e % term);
	}
}

static void embed(u32 type, const struct push_embed *p, void *const buf[], u32 first, u32 end)
{
	const u32 *ids = buf[1];
	f32 *y = buf[2];
	for (u32 x = first, n; x < end; x += n) {
		u32 e = x % p->dim, id = ids[x / p->dim];
		n = MIN(p->dim - e, end - x);
		if (id >= p->vocab)
			memset(y + x, 0, n * sizeof(f32));
		else if (id >= p->first && id - p->first < p->count)
			row_part(type, (const u8 *)buf[0] + p->base + (size_t)(id - p->first) * p->row_bytes,
				e, n, y + x);
	}
}

#define REF(name, c, ...)                                                           \
	void ref_embed_##c(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                           \
		embed(TENSOR_##name, push, buf, first, end);                        \
	}
TENSOR_FLOATS(REF) TENSOR_BLOCKS(REF)
