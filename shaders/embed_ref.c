#include "shaders/embed.h"
#include "shaders/blocks_ref.h"
#include "shaders/exact.h"

#include "base/layout.h"

static void row_part(u32 type, const u8 *row, u32 e0, u32 n, f32 *y)
{
	u32 len = block_len_of(type), bytes = block_bytes_of(type);
	struct block_ints b;
	for (u32 i = 0; i < n; i++) {
		u32 e = e0 + i;
		const u8 *block = row + (size_t)(e / len) * bytes;
		if (len == 1) {
			y[i] = block_float(type, block);
			continue;
		}
		if (i == 0 || e % len == 0)
			block_unpack(type, block, &b);
		y[i] = block_ints_value(type, &b, e % len);
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

#define REF(name, type)                                                                \
	void ref_embed_##name(const void *push, void *const buf[], u32 first, u32 end) \
	{                                                                              \
		embed(type, push, buf, first, end);                                    \
	}
REF(f32, TENSOR_F32)
REF(f16, TENSOR_F16)
REF(bf16, TENSOR_BF16)
REF(q8_0, TENSOR_Q8_0)
REF(q4_0, TENSOR_Q4_0)
REF(mxfp4, TENSOR_MXFP4)
REF(q4_k, TENSOR_Q4_K)
REF(q5_k, TENSOR_Q5_K)
REF(q6_k, TENSOR_Q6_K)
