/* SHA-256: the examples of FIPS 180-4, in pieces of every size. */
#include "base/sha256.h"
#include "base/bytes.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_examples),
		cmocka_unit_test(pieces_do_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
