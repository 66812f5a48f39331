#include "runtime/load.h"
#include "base/bytes.h"
#include "shaders/blocks_ref.h"

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

/* Every number of n bytes, at byte `place` of a block, that lies wholly between at and at + len of a tensor. */
struct walk {
	u32 block_bytes, place, n;
	u64 at;
	const u8 *data;
	u64 len;
};

typedef bool number_fn(const u8 *p);

static bool all_ok(const struct walk *w, number_fn *ok)
{
	u32 bad = 0;
	/* the first number of this kind that lies at or behind `at` */
	u64 block = w->at > w->place ? DIV_UP(w->at - w->place, w->block_bytes) : 0;
	for (u64 i = block * w->block_bytes + w->place; i + w->n <= w->at + w->len; i += w->block_bytes)
		bad |= !ok(w->data + (i - w->at));
	return !bad;
}

static bool half_at_ok(const u8 *p)
{
	return half_ok(bytes_u16le(p));
}

/* The upper half of IQ1_M's hidden float16: the top nibbles of two 16-bit words. Its blocks are whole eights, and so is what a segment
 * holds of a tensor, so these four bytes are never cut. */
static bool hidden_half_ok(const u8 *p)
{
	return half_ok((u16)((p[3] & 0xf0) << 8 | (p[1] & 0xf0) << 4));
}

/* A scale of NVFP4: no sign, and not the code for no number. */
static bool ue4m3_ok(const u8 *p)
{
	return *p < 0x7f;
}

/* A scale of MXFP4: 255 is no number, and 12 / 2 * 2^(e - 127) lies beyond 2^40 from 165 on. */
#define E8M0_MAX 164u
static bool power_ok(const u8 *p)
{
	return *p <= E8M0_MAX;
}

static bool blocks_ok(u32 type, u64 at, const u8 *data, u64 len)
{
	u32 places[2], n = block_halves_of(type, places);
	struct walk w = { .block_bytes = block_bytes_of(type), .at = at, .data = data, .len = len, .n = 2 };
	bool ok = true;
	for (u32 i = 0; i < n; i++) {
		w.place = places[i];
		ok = all_ok(&w, half_at_ok) && ok;
	}
	if (type == TENSOR_IQ1_M) {
		w.place = 52;
		w.n = 4;
		ok = all_ok(&w, hidden_half_ok) && ok;
	}
	w.n = 1;
	w.place = 0;
	if (type == TENSOR_MXFP4)
		ok = all_ok(&w, power_ok) && ok;
	for (w.place = 0; type == TENSOR_NVFP4 && w.place < 4; w.place++)
		ok = all_ok(&w, ue4m3_ok) && ok;
	return ok;
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
	}
	return tensor_type_info(type) && blocks_ok(type, at, data, len);
}
