/* What keep-audit-verify hashes with where the processor has no SHA extensions: the same digests. */
#include "base/sha256_lib.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Every length up to some blocks, in two pieces. */
static void same(void **state)
{
	u8 text[300], want[SHA256_BYTES], got[SHA256_BYTES];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (u8)(i * 31);
	assert_false(sha256_lib_always());
	for (size_t len = 0; len <= sizeof text; len++) {
		void *c = sha256_lib_new();
		sha256_lib_update(c, text, len / 3);
		sha256_lib_update(c, text + len / 3, len - len / 3);
		sha256_lib_final(c, got);
		sha256_lib_free(c);
		crypto_hash_sha256(want, text, len);
		assert_memory_equal(got, want, sizeof got);
		sha256_of(text, len, want);
		assert_memory_equal(got, want, sizeof got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same) };
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
