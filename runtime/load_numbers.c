#include "runtime/load.h"
#include "base/bytes.h"

/* Where the float16 scales of a block stand. */
struct scales {
	u32 type;
	u32 n, at[2];
};
static const struct scales table[] = {
	{ TENSOR_Q4_0, 1, { 0 } },
	{ TENSOR_Q8_0, 1, { 0 } },
	{ TENSOR_Q4_K, 2, { 0, 2 } },
	{ TENSOR_Q5_K, 2, { 0, 2 } },
	{ TENSOR_Q6_K, 1, { 208 } },
};

static bool half_ok(u16 h)
{
	return (h & 0x7c00u) != 0x7c00u;
}

static bool halves_ok(const u8 *data, u64 len)
{
	u32 bad = 0;
	for (u64 i = 0; i + 2 <= len; i += 2)
		bad |= !half_ok(bytes_u16le(data + i));
	return !bad;
}

/* bfloat16 and float32 share the exponent's place in their upper half: 2^40 has the exponent 167. */
static bool upper_ok(u32 upper)
{
	return (upper & 0x7f80u) < 0x5380u || (upper & 0x7fffu) == 0x5380u;
}

static bool bfloats_ok(const u8 *data, u64 len)
{
	u32 bad = 0;
	for (u64 i = 0; i + 2 <= len; i += 2)
		bad |= !upper_ok(bytes_u16le(data + i));
	return !bad;
}

static bool floats_ok(const u8 *data, u64 len)
{
	u32 bad = 0;
	for (u64 i = 0; i + 4 <= len; i += 4)
		bad |= (bytes_u32le(data + i) & 0x7fffffffu) > 0x53800000u;
	return !bad;
}

static bool blocks_ok(const struct scales *s, u32 block_bytes, u64 at, const u8 *data, u64 len)
{
	u32 bad = 0;
	for (u32 k = 0; k < s->n; k++) {
		/* the first scale of this kind that lies at or behind `at` */
		u64 block = at > s->at[k] ? DIV_UP(at - s->at[k], block_bytes) : 0;
		for (u64 i = block * block_bytes + s->at[k]; i + 2 <= at + len; i += block_bytes)
			bad |= !half_ok(bytes_u16le(data + (i - at)));
	}
	return !bad;
}

/* Scales of MXFP4: 255 is no number, and 12 / 2 * 2^(e - 127) lies beyond 2^40 from 165 on. */
#define E8M0_MAX 164u
static bool powers_ok(u32 block_bytes, u64 at, const u8 *data, u64 len)
{
	u32 bad = 0;
	for (u64 i = DIV_UP(at, (u64)block_bytes) * block_bytes; i < at + len; i += block_bytes)
		bad |= data[i - at] > E8M0_MAX;
	return !bad;
}

bool load_numbers_ok(u32 type, u64 at, const u8 *data, u64 len)
{
	switch (type) {
	case TENSOR_F32:
		return floats_ok(data, len);
	case TENSOR_F16:
		return halves_ok(data, len);
	case TENSOR_BF16:
		return bfloats_ok(data, len);
	case TENSOR_MXFP4:
		return powers_ok(tensor_type_info(type)->bytes, at, data, len);
	}
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].type == type)
			return blocks_ok(&table[i], tensor_type_info(type)->bytes, at, data, len);
	return false;
}
