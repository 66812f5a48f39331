/* Every quantised type against somebody else's decoder: the blocks that op_case_weights makes of a type are decoded by the references, and their
 * float32 bits hashed; quants.h has the digests of what the peer's library (ggml) makes of the same blocks. `tests/quants/peer` stored them.
 *   test_quants               compares
 *   test_quants blocks TYPE   writes the blocks of a type, for the peer
 *   test_quants floats TYPE   writes what the references make of them */
#include "runtime/op_case.h"
#include "shaders/blocks_ref.h"
#include "shaders/grids.h"
#include "tests/quants/quants.h"
#include "base/bytes.h"
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Enough that every entry of a codebook of 2048 is met, of which a block has 32. */
#define ELEMENTS (1024u * 256u)

#define TYPE(name, ...) TENSOR_##name,
static const u32 types[] = { TENSOR_BLOCKS(TYPE) };

static u8 *blocks_of(u32 type, size_t *ret_bytes)
{
	*ret_bytes = (size_t)ELEMENTS / block_len_of(type) * block_bytes_of(type);
	u8 *raw = malloc(*ret_bytes);
	if (!raw)
		abort();
	op_case_weights(type, ELEMENTS / 256, 256, FILL_PLAIN, 1, raw);
	if (type == TENSOR_NVFP4) /* the peer takes 0x7f for 0; Keep refuses it at load */
		for (size_t i = 0; i < *ret_bytes; i++)
			raw[i] -= i % 36 < 4 && raw[i] == 0x7f;
	return raw;
}

static f32 *floats_of(u32 type)
{
	size_t bytes;
	u32 len = block_len_of(type), term = block_term_of(type);
	u8 *raw = blocks_of(type, &bytes);
	f32 *y = malloc(sizeof(f32) * ELEMENTS);
	if (!y)
		abort();
	for (u32 e = 0; e < ELEMENTS; e += term) {
		struct block_ints b;
		block_unpack(type, raw + (size_t)(e / len) * block_bytes_of(type), e % len / term, &b);
		for (u32 i = 0; i < term; i++)
			y[e + i] = block_ints_value(type, &b, i);
	}
	free(raw);
	return y;
}

static void decoded_as_by_the_peer(void **state)
{
	u32 n = 0;
	for (u32 t = 0; t < ARRAY_LEN(types); t++) {
		const char *name = tensor_type_info(types[t])->name;
		f32 *y = floats_of(types[t]);
		u8 digest[SHA256_BYTES];
		char hex[2 * SHA256_BYTES + 1];
		sha256_of(y, sizeof(f32) * ELEMENTS, digest);
		free(y);
		bytes_hex(digest, sizeof digest, hex);
		for (u32 i = 0; i < ARRAY_LEN(peer_digests); i++)
			if (strcmp(peer_digests[i][0], name) == 0) {
				if (strcmp(peer_digests[i][1], hex))
					print_message("%s differs\n", name);
				assert_string_equal(peer_digests[i][1], hex);
				n++;
			}
	}
	assert_int_equal(n, ARRAY_LEN(types)); /* none is without a digest */
}

/* Which entries of the codebook that begins at word `grid` the blocks of a type name. */
static u32 entries_met(u32 type, u32 n, u32 (*index)(const u8 *block, u32 i), u32 per_block)
{
	size_t bytes;
	u8 *raw = blocks_of(type, &bytes), *met = calloc(n, 1);
	u32 count = 0, blocks = (u32)(bytes / block_bytes_of(type));
	if (!met)
		abort();
	for (u32 i = 0; i < blocks * per_block; i++)
		met[index(raw + (size_t)(i / per_block) * block_bytes_of(type), i % per_block)] = 1;
	for (u32 i = 0; i < n; i++)
		count += met[i];
	free(raw);
	free(met);
	return count;
}

static u32 index_iq2_xxs(const u8 *b, u32 i)
{
	return b[2 + i / 4 * 8 + i % 4];
}

static u32 index_iq2_xs(const u8 *b, u32 i)
{
	return (b[2 + 2 * i] | (u32)b[3 + 2 * i] << 8) & 511;
}

static u32 index_iq2_s(const u8 *b, u32 i)
{
	return b[2 + i] | (b[66 + i / 4] >> (i % 4 * 2) & 3u) << 8;
}

static u32 index_iq3_xxs(const u8 *b, u32 i)
{
	return b[2 + i];
}

static u32 index_iq3_s(const u8 *b, u32 i)
{
	return b[2 + i] | (b[66 + i / 8] >> (i % 8) & 1u) << 8;
}

static u32 index_iq1_m(const u8 *b, u32 i)
{
	return b[i] | (b[32 + i / 2] >> (i % 2 * 4) & 7u) << 8;
}

static void codebooks_are_met_whole(void **state)
{
	assert_int_equal(entries_met(TENSOR_IQ2_XXS, 256, index_iq2_xxs, 32), 256);
	assert_int_equal(entries_met(TENSOR_IQ2_XS, 512, index_iq2_xs, 32), 512);
	assert_int_equal(entries_met(TENSOR_IQ2_S, 1024, index_iq2_s, 32), 1024);
	assert_int_equal(entries_met(TENSOR_IQ3_XXS, 256, index_iq3_xxs, 64), 256);
	assert_int_equal(entries_met(TENSOR_IQ3_S, 512, index_iq3_s, 64), 512);
	assert_int_equal(entries_met(TENSOR_IQ1_M, 2048, index_iq1_m, 32), 2048);
}

static int write_out(const char *what, const char *name)
{
	for (u32 t = 0; t < ARRAY_LEN(types); t++) {
		if (strcmp(tensor_type_info(types[t])->name, name))
			continue;
		bool floats = strcmp(what, "floats") == 0;
		size_t bytes = sizeof(f32) * ELEMENTS;
		void *p = floats ? (void *)floats_of(types[t]) : blocks_of(types[t], &bytes);
		bool done = fwrite(p, 1, bytes, stdout) == bytes;
		free(p);
		return !done;
	}
	fprintf(stderr, "test_quants: no type %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(decoded_as_by_the_peer),
		cmocka_unit_test(codebooks_are_met_whole) };
	if (argc == 3)
		return write_out(argv[1], argv[2]);
	if (argc == 2) { /* the names of all types */
		for (u32 t = 0; t < ARRAY_LEN(types); t++)
			puts(tensor_type_info(types[t])->name);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
