/* Texts in parts, as QR codes carry them, and back. */
#include "audit/tlog/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 200u

static char text[6000], parts[PARTS_MAX][ROOM], all[16384];
static size_t lens[PARTS_MAX];

static u32 split(size_t len)
{
	u32 n = tlog_parts_count(len, ROOM);
	for (u32 k = 1; k <= n; k++) {
		lens[k - 1] = tlog_part_write(text, len, k, n, parts[k - 1], ROOM);
		assert_true(lens[k - 1] <= ROOM);
	}
	return n;
}

/* The parts first, first + step, ... of n, with what a scanner puts between; n of them. */
static size_t scanned(u32 n, u32 first, u32 step)
{
	size_t at = 0;
	for (u32 i = 0; i < n; i++) {
		u32 k = (first + i * step) % n;
		memcpy(all + at, parts[k], lens[k]);
		at += lens[k];
		memcpy(all + at, "\r\n\n", i % 4);
		at += i % 4;
	}
	return at;
}

static void there_and_back(void **state)
{
	for (size_t len = ROOM + 1; len < sizeof text; len = len * 5 / 4) {
		u32 n = split(len), missing;
		char *back;
		size_t back_len;
		assert_true(n > 1 && n <= PARTS_MAX);
		for (u32 first = 0; first < n; first += 3) {
			assert_int_equal(
				tlog_parts_join(all, scanned(n, first, 1), &back, &back_len, &missing), 0);
			assert_int_equal(back_len, len);
			assert_memory_equal(back, text, len);
			free(back);
		}
		assert_int_equal(
			tlog_parts_join(all, scanned(n, n - 1, n - 1), &back, &back_len, &missing), 0);
		free(back);
	}
	assert_int_equal(tlog_parts_count(ROOM, ROOM), 1);
	assert_int_equal(tlog_parts_count((ROOM - PART_HEAD_MAX) * PARTS_MAX, ROOM), PARTS_MAX);
	assert_int_equal(tlog_parts_count((ROOM - PART_HEAD_MAX) * PARTS_MAX + 1, ROOM), PARTS_MAX + 1);
}

static void refused(void **state)
{
	u32 n = split(1000), missing;
	char *back;
	size_t len, back_len;
	assert_int_equal(tlog_parts_join("keep.local/x\n3\n", 15, &back, &back_len, &missing), 1);
	assert_int_equal(tlog_parts_join("", 0, &back, &back_len, &missing), 1);
	for (u32 k = 0; k < n; k++) { /* without one of them */
		len = 0;
		for (u32 i = 0; i < n; i++) {
			memcpy(all + len, parts[i], i == k ? 0 : lens[i]);
			len += i == k ? 0 : lens[i];
		}
		assert_int_equal(tlog_parts_join(all, len, &back, &back_len, &missing), 2);
		assert_int_equal(missing, k + 1);
	}
	len = scanned(n, 0, 1);
	for (size_t i = 0; i < len;
		i++) { /* with a wrong byte: none, or as it was where scanners' blanks stand */
		char was = all[i];
		all[i] ^= 1;
		int r = tlog_parts_join(all, len, &back, &back_len, &missing);
		if (r == 0) {
			assert_int_equal(back_len, 1000);
			assert_memory_equal(back, text, 1000);
			free(back);
		}
		all[i] = was;
	}
	/* a part of another text among them */
	char other[ROOM];
	text[999] ^= 1;
	size_t other_len = tlog_part_write(text, 1000, 1, n, other, ROOM);
	text[999] ^= 1;
	memcpy(all, other, other_len);
	len = other_len;
	for (u32 i = 1; i < n; i++) {
		memcpy(all + len, parts[i], lens[i]);
		len += lens[i];
	}
	assert_int_equal(tlog_parts_join(all, len, &back, &back_len, &missing), 2);
}

int main(void)
{
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 61 ? (char)('!' + i * 7 % 90) : '\n';
	const struct CMUnitTest tests[] = { cmocka_unit_test(there_and_back), cmocka_unit_test(refused) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
