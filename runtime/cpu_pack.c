#include "runtime/cpu.h"

#include "base/layout.h"
#include "shaders/blocks_ref.h"

#include <string.h>

/* Where the parts of a block lie in the file. */
struct shape {
	u32 type, words; /* 32-bit words of a block, without d */
	u32 d_at;	 /* byte of a scale that stands outside words, or NO_D */
	u32 words_at;
	u32 d_bytes;
};
#define NO_D	  0xffffffffu
#define WORDS_MAX 52u

static const struct shape shapes[] = {
	{ TENSOR_Q8_0, 8, 0, 2, 2 },
	{ TENSOR_Q4_0, 4, 0, 2, 2 },
	{ TENSOR_MXFP4, 4, 0, 1, 1 },
	{ TENSOR_Q4_K, 36, NO_D, 0 },
	{ TENSOR_Q5_K, 44, NO_D, 0 },
	{ TENSOR_Q6_K, 52, 208, 0, 2 },
	{ TENSOR_Q4_1, 5, NO_D, 0 },
	{ TENSOR_Q5_0, 5, 0, 2, 2 },
	{ TENSOR_Q5_1, 6, NO_D, 0 },
	{ TENSOR_IQ4_NL, 4, 0, 2, 2 },
	{ TENSOR_Q2_K, 21, NO_D, 0 },
	{ TENSOR_Q3_K, 27, 108, 0, 2 },
	{ TENSOR_IQ4_XS, 34, NO_D, 0 },
	{ TENSOR_NVFP4, 9, NO_D, 0 },
};

static const struct shape *shape_of(u32 type)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

bool cpu_packs(u32 type)
{
	return shape_of(type) != NULL;
}

/* The byte of the file's block where packed word i begins. */
static u32 word_at(const struct shape *s, u32 i)
{
	if (s->type != TENSOR_Q6_K)
		return s->words_at + 4 * i;
	if (i < 4)
		return 192 + 4 * i;
	u32 g = (i - 4) / 3, h = g / 8, n = g % 8, part = (i - 4) % 3;
	return part == 2 ? 128 + 4 * (8 * h + n) : 4 * (16 * h + 8 * part + n);
}

/* Where block b of a panel has its words, and its d. */
static size_t words_place(const struct shape *s, u32 blocks, u32 b)
{
	size_t block = CPU_PANEL * (size_t)block_bytes_of(s->type);
	if (s->d_at == NO_D)
		return b * block;
	u32 first = b / 2 * 2, n = MIN(2u, blocks - first);
	return first * block + n * s->d_bytes * CPU_PANEL + (b - first) * (size_t)s->words * 4 * CPU_PANEL;
}

static size_t d_place(const struct shape *s, u32 b)
{
	return b / 2 * 2 * (size_t)CPU_PANEL * block_bytes_of(s->type) + b % 2 * s->d_bytes * CPU_PANEL;
}

/* Copies block b of row r of a panel, from the file's form or into it. */
static void block_copy(const struct shape *s, u32 blocks, u8 *panel, u32 r, u32 b, u8 *block, bool pack)
{
	u8 *words = panel + words_place(s, blocks, b) + 4 * r;
	for (u32 i = 0; i < s->words; i++) {
		u8 *p = words + (size_t)i * 4 * CPU_PANEL, *f = block + word_at(s, i);
		memcpy(pack ? p : f, pack ? f : p, 4);
	}
	if (s->d_at == NO_D)
		return;
	u8 *p = panel + d_place(s, b) + s->d_bytes * r, *f = block + s->d_at;
	memcpy(pack ? p : f, pack ? f : p, s->d_bytes);
}

static void convert(u32 type, u32 k, u8 *w, u32 first, u32 end, u8 *scratch, bool pack)
{
	const struct shape *s = shape_of(type);
	u32 bytes = block_bytes_of(type), blocks = k / block_len_of(type);
	size_t panel_bytes = CPU_PANEL * (size_t)blocks * bytes;
	for (u32 p = first; p < end; p++) {
		u8 *at = w + p * panel_bytes, *panel = pack ? at : scratch, *rows = pack ? scratch : at;
		memcpy(scratch, at, panel_bytes);
		for (u32 b = 0; b < blocks; b++)
			for (u32 r = 0; r < CPU_PANEL; r++)
				block_copy(s, blocks, panel, r, b, rows + ((size_t)r * blocks + b) * bytes,
					pack);
	}
}

void cpu_pack_panels(u32 type, u32 k, u8 *w, u32 first, u32 end, u8 *scratch)
{
	convert(type, k, w, first, end, scratch, true);
}

void cpu_unpack_panels(u32 type, u32 k, u8 *w, u32 first, u32 end, u8 *scratch)
{
	convert(type, k, w, first, end, scratch, false);
}

void cpu_packed_block(u32 type, u32 k, const u8 *w, u32 n_rows, u32 r, u32 b, u8 *ret)
{
	u32 bytes = block_bytes_of(type), blocks = k / block_len_of(type);
	if (r / CPU_PANEL >= n_rows / CPU_PANEL) {
		memcpy(ret, w + ((size_t)r * blocks + b) * bytes, bytes);
		return;
	}
	u8 *panel = (u8 *)(uintptr_t)w + r / CPU_PANEL * (size_t)CPU_PANEL * blocks * bytes;
	block_copy(shape_of(type), blocks, panel, r % CPU_PANEL, b, ret, false);
}
