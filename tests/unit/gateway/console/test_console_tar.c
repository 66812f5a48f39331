/* Files as one: blocks of 512 bytes, sums that a reader recomputes, lengths at and around a block. */
#include "gateway/console/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void blocks(void **state)
{
	static const size_t lens[] = { 0, 1, 511, 512, 513, 70000 };
	static char data[70000], longest[TAR_NAME_MAX + 1];
	struct page p;
	size_t at = 0;
	memset(data, 'x', sizeof data);
	memset(longest, 'n', TAR_NAME_MAX);
	page_init(&p, 1u << 20);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		tar_put(&p, &(struct tar_file){ i ? "context/0.json" : longest, data, lens[i] }, 1790000000);
	tar_end(&p);
	assert_false(p.full);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		const u8 *h = (const u8 *)p.buf + at;
		u32 sum = 0;
		for (u32 k = 0; k < 512; k++)
			sum += k >= 148 && k < 156 ? ' ' : h[k];
		assert_int_equal(strtoul((const char *)h + 148, NULL, 8), sum);
		assert_int_equal(strtoul((const char *)h + 124, NULL, 8), lens[i]);
		assert_int_equal(strtoul((const char *)h + 136, NULL, 8), 1790000000);
		assert_memory_equal(h + 257,
			"ustar\0"
			"00",
			8);
		assert_string_equal((const char *)h, i ? "context/0.json" : longest);
		assert_memory_equal(h + 512, data, lens[i]);
		at += 512 + (lens[i] + 511) / 512 * 512;
		assert_int_equal(tar_bytes(&(struct tar_file){ "x", data, lens[i] }),
			512 + (lens[i] + 511) / 512 * 512);
	}
	assert_int_equal(p.len, at + 1024);
	page_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(blocks) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
