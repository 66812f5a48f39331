/* The bounded reader, hexadecimal, decimal, fixed strings, UTF-8, names. */
#include "base/bytes.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void reader_never_passes_its_end(void **state)
{
	const u8 d[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct bytes b = bytes_of(d, sizeof d);
	assert_int_equal(bytes_get_u8(&b), 1);
	assert_int_equal(bytes_get_u16le(&b), 0x0302);
	assert_int_equal(bytes_get_u32le(&b), 0x07060504);
	assert_int_equal(bytes_get_u64le(&b), 0x0f0e0d0c0b0a0908);
	assert_int_equal(bytes_left(&b), 0);
	assert_false(b.bad);
	assert_int_equal(bytes_get_u8(&b), 0);
	assert_true(b.bad);
}

static void a_bad_reader_stays_bad(void **state)
{
	const u8 d[4] = { 1, 2, 3, 4 };
	struct bytes b = bytes_of(d, sizeof d);
	assert_null(bytes_get(&b, 5));
	assert_true(b.bad);
	assert_null(bytes_get(&b, 1));
	assert_null(bytes_get(&b, 0));
	const u64 huge[] = { UINT64_MAX, UINT64_MAX - 3, 1ull << 63, (u64)SIZE_MAX };
	for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
		b = bytes_of(d, sizeof d);
		assert_null(bytes_get(&b, huge[i]));
		assert_ptr_equal(b.p, d);
	}
	b = bytes_of(d, 0);
	assert_non_null(bytes_get(&b, 0));
	assert_null(bytes_get(&b, 1));
}

static void big_endian(void **state)
{
	u8 d[8];
	bytes_put_u64be(d, 0x0102030405060708);
	for (u32 i = 0; i < 8; i++)
		assert_int_equal(d[i], i + 1);
	assert_int_equal(bytes_u64be(d), 0x0102030405060708);
}

static void hexadecimal(void **state)
{
	const u8 d[] = { 0x00, 0x9f, 0xf0, 0x0a };
	char out[9];
	u8 back[4];
	bytes_hex(d, 4, out);
	assert_string_equal(out, "009ff00a");
	assert_int_equal(bytes_unhex(out, 4, back), 0);
	assert_memory_equal(back, d, 4);
	const char *const wrong[] = { "009ff00A", "009ff00", "009ff00g", "009ff0 a", "0x9ff00a", "" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(bytes_unhex(wrong[i], 4, back), 1);
}

static void decimal(void **state)
{
	static const struct {
		const char *s;
		u64 v;
	} right[] = { { "0", 0 }, { "7", 7 }, { "10", 10 }, { "18446744073709551615", UINT64_MAX } };
	const char *const wrong[] = { "", "00", "07", "+7", "-7", " 7", "7 ", "0x7", "7a",
		"18446744073709551616", "99999999999999999999", "100000000000000000000" };
	u64 v;
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		assert_int_equal(bytes_decimal(right[i].s, strlen(right[i].s), &v), 0);
		assert_true(v == right[i].v);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(bytes_decimal(wrong[i], strlen(wrong[i]), &v), 1);
	assert_int_equal(bytes_decimal("12", 1, &v), 0);
	assert_true(v == 1);
}

static void fixed_strings(void **state)
{
	char f[8];
	memset(f, 'x', sizeof f);
	assert_int_equal(bytes_put_str(f, sizeof f, "12345678"), 1);
	assert_int_equal(f[0], 'x');
	assert_int_equal(bytes_put_str(f, sizeof f, "1234567"), 0);
	assert_true(bytes_str_ok(f, sizeof f));
	assert_int_equal(bytes_put_str(f, sizeof f, "1"), 0);
	assert_memory_equal(f, "1\0\0\0\0\0\0", 8);
	f[7] = 'z';
	assert_false(bytes_str_ok(f, sizeof f)); /* something behind the 0 byte */
	memset(f, 'x', sizeof f);
	assert_false(bytes_str_ok(f, sizeof f)); /* no 0 byte */
}

static void utf8(void **state)
{
	static const char *const good[] = { "", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
		"\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41",
		"\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82", "\xe2\x28\xa1",
		"\xf0\x90\x80\x41" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(bytes_utf8_ok(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (bytes_utf8_ok(bad[i], strlen(bad[i])))
			fail_msg("bad[%zu] was accepted", i);
	assert_true(bytes_utf8_ok("a\0b", 3));
}

/* Against the definition: every code point encodes to what is accepted, and nothing else of up to three bytes is. */
static void utf8_by_enumeration(void **state)
{
	u32 accepted = 0;
	for (u32 i = 0; i < 1u << 24; i++) {
		u8 b[3] = { (u8)i, (u8)(i >> 8), (u8)(i >> 16) };
		if (b[0] >= 0xe0 && b[0] <= 0xef)
			accepted += bytes_utf8_ok(b, 3);
	}
	assert_int_equal(accepted, 0x10000 - 0x800 - 0x800); /* U+0800..U+FFFF without the surrogates */
}

static void names(void **state)
{
	char longest[NAME_LEN_MAX + 2];
	memset(longest, 'a', sizeof longest);
	longest[NAME_LEN_MAX + 1] = 0;
	assert_false(bytes_name_ok(longest)); /* one too long */
	longest[NAME_LEN_MAX] = 0;
	assert_true(bytes_name_ok(longest));
	static const char *const good[] = { "a", "demo", "llama-3.2-1b", "0_0", "a." };
	static const char *const bad[] = { "", ".", "..", ".a", "-a", "A", "a/b", "a b", "a\n", "\xc3\xa9",
		"a:b" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(bytes_name_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(bytes_name_ok(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_never_passes_its_end),
		cmocka_unit_test(a_bad_reader_stays_bad),
		cmocka_unit_test(big_endian),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(decimal),
		cmocka_unit_test(fixed_strings),
		cmocka_unit_test(utf8),
		cmocka_unit_test(utf8_by_enumeration),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
