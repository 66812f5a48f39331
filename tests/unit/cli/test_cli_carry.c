/* The list of a transfer's parts: what is written is read; what is not such a list is refused; merging. */
#define _GNU_SOURCE
#include "cli/carry.h"
#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const u8 model[MODEL_DIGEST_BYTES] = { 1, 2, 3 };

static void limits(void **state)
{
	struct carry_list l;
	(void)state;
	assert_true(carry_split_ok(TRANSFER_PART_BYTES_MIN) && !carry_split_ok(TRANSFER_PART_BYTES_MIN - 1));
	assert_int_equal(carry_list_make("m", model, 0, 10, &l), 1);
	assert_int_equal(carry_list_make("m", model, 10, 0, &l), 1);
	assert_int_equal(carry_list_make("m", model, 10 * (TRANSFER_PARTS_MAX + 1ull), 10, &l), 1);
	assert_int_equal(carry_list_make("m", model, 10 * TRANSFER_PARTS_MAX + 1ull, 10, &l), 1);
	assert_int_equal(carry_list_make("m", model, UINT64_MAX, 1, &l), 1);
	assert_int_equal(carry_list_make("m", model, 10ull * TRANSFER_PARTS_MAX, 10, &l), 0);
	assert_int_equal(l.n_parts, TRANSFER_PARTS_MAX);
	/* a list of all of them, with long names, is not too long to be read */
	_cleanup_free_ char *text = NULL;
	char file[201];
	size_t len;
	memset(file, 'f', 200);
	file[200] = 0;
	memset(l.has, 1, l.n_parts);
	assert_int_equal(carry_list_text(&l, file, &text, &len), 0);
	assert_true(len < TRANSFER_LIST_BYTES_MAX);
	carry_list_fini(&l);
}

static void parts(void **state)
{
	struct carry_list l;
	char name[16];
	(void)state;
	assert_int_equal(carry_list_make("m", model, 25, 10, &l), 0);
	assert_int_equal(l.n_parts, 3);
	assert_int_equal(carry_part_bytes(&l, 0), 10);
	assert_int_equal(carry_part_bytes(&l, 2), 5);
	assert_int_equal(carry_part_name("a/f.tar", 2, name, sizeof name), 0);
	assert_string_equal(name, "a/f.tar.003");
	assert_int_equal(carry_part_name("a/f.tar/123456", 2, name, sizeof name), 1);
	carry_list_fini(&l);
	assert_int_equal(carry_list_make("m", model, 20, 10, &l), 0);
	assert_int_equal(carry_part_bytes(&l, 1), 10);
	carry_list_fini(&l);
}

static void written_and_read(void **state)
{
	struct carry_list l, back;
	_cleanup_free_ char *text = NULL;
	size_t len;
	(void)state;
	assert_int_equal(carry_list_make("m", model, 25, 10, &l), 0);
	memset(l.digests[1], 0xab, SHA256_BYTES);
	l.has[1] = true;
	assert_int_equal(carry_list_text(&l, "x/f", &text, &len), 0);
	assert_non_null(strstr(text, "abab  f.002\n"));
	assert_int_equal(carry_list_parse(text, len, "elsewhere/f", &back), 0);
	assert_string_equal(back.what, l.what);
	assert_string_equal(back.name, "m");
	assert_true(back.has[1] && !back.has[0] && !back.has[2]);
	assert_memory_equal(back.digests[1], l.digests[1], SHA256_BYTES);
	assert_int_equal(carry_list_merge(&l, &back), 0);
	back.digests[1][0] ^= 1;
	assert_int_equal(carry_list_merge(&l, &back), 1);
	back.what[strlen(back.what) - 1] ^= 1;
	assert_int_equal(carry_list_merge(&l, &back), 1);
	carry_list_fini(&back);
	/* whatever byte is other, it is refused or is itself what would be written */
	for (size_t i = 0; i < len; i++) {
		_cleanup_free_ char *again = NULL;
		size_t again_len;
		text[i] ^= 1;
		if (carry_list_parse(text, len, "f", &back) == 0) {
			assert_int_equal(carry_list_text(&back, "f", &again, &again_len), 0);
			assert_int_equal(again_len, len);
			assert_memory_equal(again, text, len);
			carry_list_fini(&back);
		}
		text[i] ^= 1;
	}
	for (size_t n = 0; n < len; n++)
		if (n != strlen(l.what) + 1)
			assert_int_equal(carry_list_parse(text, n, "f", &back), 1);
	carry_list_fini(&l);
}

static void refused(void **state)
{
#define DIGEST "0102030405060708091011121314151617181920212223242526272829303132"
#define MODEL  DIGEST "33343536373839404142434445464748"
#define WHAT   "# keep transfer m " MODEL ": 25 bytes in 3 parts of 10\n"
	static const char *const texts[] = { "", "\n", DIGEST "  f.001\n", WHAT DIGEST " f.001\n",
		WHAT DIGEST "  f.004\n", WHAT DIGEST "  f.000\n", WHAT DIGEST "  f.1\n",
		WHAT DIGEST "  f.001", WHAT DIGEST "  ../f.001\n", WHAT DIGEST "  f.001\n" DIGEST "  f.001\n",
		WHAT "x" DIGEST "  f.001\n", "# keep transfer m " MODEL ": 25 bytes in 4 parts of 10\n",
		"# keep transfer m " MODEL ": 25 bytes in 3 parts of 0\n",
		"# keep transfer ../m " MODEL ": 25 bytes in 3 parts of 10\n",
		"# keep transfer m " DIGEST ": 25 bytes in 3 parts of 10\n",
		"# keep transfer m " MODEL ": 25 bytes in 3 parts of 10 \n",
		"# keep transfer m " MODEL ": 99999999999999999999999 bytes in 3 parts of 10\n" };
	struct carry_list l;
	(void)state;
	assert_int_equal(
		carry_list_parse(WHAT DIGEST "  f.001\n", strlen(WHAT DIGEST "  f.001\n"), "f", &l), 0);
	carry_list_fini(&l);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (carry_list_parse(texts[i], strlen(texts[i]), "f", &l) != 1)
			fail_msg("row %zu was read", i);
	assert_int_equal(carry_list_parse("# a\0b\n", 6, "f", &l), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(parts),
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests_name("cli_carry", tests, NULL, NULL);
}
