/* SHA-256: the examples of FIPS 180-4, in pieces of every size. */
#include "base/sha256.h"
#include "base/bytes.h"
#include "base/shawide.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void check(const u8 d[SHA256_BYTES], const char *hex)
{
	char got[2 * SHA256_BYTES + 1];
	bytes_hex(d, SHA256_BYTES, got);
	assert_string_equal(got, hex);
}

static void published_examples(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	u8 d[SHA256_BYTES];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sha256_of(rows[i].in, strlen(rows[i].in), d);
		check(d, rows[i].out);
	}
}

static void pieces_do_not_matter(void **state)
{
	static u8 a[1000000];
	memset(a, 'a', sizeof a);
	static const size_t pieces[] = { 1, 63, 64, 65, 4096, sizeof a };
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct sha256 s;
		u8 d[SHA256_BYTES];
		sha256_init(&s);
		for (size_t at = 0; at < sizeof a; at += pieces[i])
			sha256_update(&s, a + at, MIN(pieces[i], sizeof a - at));
		sha256_final(&s, d);
		check(d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
		sha256_fini(&s); /* harmless */
	}
}

/* Every length around the edges of blocks: in one piece, by OpenSSL, padded in memory, and beside another of another length. */
static void every_way(void **state)
{
	static u8 a[700], text[2][1024];
	for (size_t i = 0; i < sizeof a; i++)
		a[i] = (u8)(i * 7 + i / 256);
	for (size_t len = 0; len < sizeof a; len++) {
		size_t other = (len * 37 + 11) % sizeof a;
		u8 one[SHA256_BYTES], two[3][SHA256_BYTES], lib[SHA256_BYTES], lib2[SHA256_BYTES];
		assert_int_equal(EVP_Digest(a, len, lib, NULL, EVP_sha256(), NULL), 1);
		assert_int_equal(EVP_Digest(a, other, lib2, NULL, EVP_sha256(), NULL), 1);
		sha256_of(a, len, one);
		assert_memory_equal(one, lib, sizeof lib);
		memcpy(text[0], a, len);
		memcpy(text[1], a, other);
		struct sha256_block m[3] = { { text[0], 0 }, { text[1], 0 }, { text[0], 0 } };
		m[0].n = m[2].n = sha256_pad(text[0], len);
		m[1].n = sha256_pad(text[1], other);
		assert_true(m[0].n * SHA256_BLOCK_BYTES <= len + SHA256_PAD_BYTES);
		sha256_of_blocks(m, 3, two);
		assert_memory_equal(two[0], lib, sizeof lib);
		assert_memory_equal(two[1], lib2, sizeof lib);
		assert_memory_equal(two[2], lib, sizeof lib);
	}
}

/* Two at once, after beginnings of every length. */
static void side_by_side(void **state)
{
	static u8 a[1000];
	for (size_t i = 0; i < sizeof a; i++)
		a[i] = (u8)(i * 13);
	for (size_t before = 0; before < 130; before += 5) {
		struct sha256 s, t;
		u8 d[2][SHA256_BYTES], want[SHA256_BYTES];
		sha256_init(&s);
		sha256_init(&t);
		sha256_update(&s, a, before);
		sha256_update(&t, a, 64);
		sha256_update2(&s, a + before, &t, a + 64, 300);
		sha256_final(&s, d[0]);
		sha256_final(&t, d[1]);
		sha256_of(a, before + 300, want);
		assert_memory_equal(d[0], want, sizeof want);
		sha256_of(a, 364, want);
		assert_memory_equal(d[1], want, sizeof want);
	}
}

/* Any number of messages of any lengths, as the lanes fill and empty: each as if it were alone. */
static void many_at_once(void **state)
{
	enum { MOST = 130, ROOM = 384 };
	static u8 text[MOST][ROOM], got[MOST][SHA256_BYTES], want[MOST][SHA256_BYTES];
	static struct sha256_block m[MOST];
	u32 seed = 1;
	for (size_t count = 0; count <= MOST; count += count < 40 ? 1 : 30) {
		for (size_t i = 0; i < count; i++) {
			seed = seed * 1664525 + 1013904223;
			size_t len = count % 3 ? (seed >> 16) % 301
					       : 55 + i % 10; /* or all around the end of a block */
			for (size_t j = 0; j < len; j++)
				text[i][j] = (u8)(seed + i * 31 + j * 7);
			assert_int_equal(EVP_Digest(text[i], len, want[i], NULL, EVP_sha256(), NULL), 1);
			m[i] = (struct sha256_block){ text[i], sha256_pad(text[i], len) };
		}
		memset(got, 0, sizeof got);
		sha256_of_blocks(m, count, got);
		assert_memory_equal(got, want, count * SHA256_BYTES);
	}
}

/* len bytes that no other i has. */
static void fill(u8 *p, u32 i, size_t len)
{
	for (size_t j = 0; j < len; j++)
		p[j] = (u8)(i * 17 + j);
}

/* Sixteen messages of so many blocks each, of lengths around the edge of the last one. */
static void lanes_of(size_t blocks)
{
	static const u32 start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		0x1f83d9ab, 0x5be0cd19 };
	static u8 text[SHAWIDE_LANES][512];
	u32 words[8][SHAWIDE_LANES];
	const u8 *p[SHAWIDE_LANES];
	for (u32 i = 0; i < SHAWIDE_LANES; i++) {
		fill(text[i], i, blocks * 64 - 9 - 3 * i);
		assert_int_equal(sha256_pad(text[i], blocks * 64 - 9 - 3 * i), blocks);
		p[i] = text[i];
		for (u32 w = 0; w < 8; w++)
			words[w][i] = start[w];
	}
	shawide_blocks(words, p, blocks);
	for (u32 i = 0; i < SHAWIDE_LANES; i++) {
		u8 want[SHA256_BYTES], again[512];
		fill(again, i, blocks * 64 - 9 - 3 * i);
		assert_int_equal(
			EVP_Digest(again, blocks * 64 - 9 - 3 * i, want, NULL, EVP_sha256(), NULL), 1);
		for (u32 w = 0; w < 8; w++) {
			u32 v = __builtin_bswap32(words[w][i]);
			assert_memory_equal(&v, want + 4 * w, sizeof v);
		}
	}
}

/* The sixteen lanes by themselves, whatever sha256_of_blocks thinks of them. */
static void lanes(void **state)
{
	if (!shawide_here()) {
		print_message("no AVX-512 here: sixteen at once are not used, nor tested\n");
		return;
	}
	for (size_t blocks = 1; blocks <= 5; blocks++)
		lanes_of(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_examples),
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(every_way),
		cmocka_unit_test(side_by_side),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(lanes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
