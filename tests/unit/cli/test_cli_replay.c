/* Where two answers part: by token where both are known, by text where it was kept, and otherwise nobody can say. */
#include "cli/replay_compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct replay_side of(const u32 *ids, size_t n, const char *text)
{
	return (struct replay_side){ ids != NULL, text != NULL, ids, n, text, text ? strlen(text) : 0 };
}

static void tokens(void **unused)
{
	static const u32 a[] = { 5, 6, 7, 8 }, b[] = { 5, 6, 9, 8 };
	struct replay_difference d;
	struct replay_side was = of(a, 4, NULL), same = of(a, 4, "text"), is = of(b, 4, "text");
	assert_int_equal(replay_differ(&was, &same, NULL, 0, &d), 0);
	assert_int_equal(replay_differ(&was, &is, NULL, 0, &d), 1);
	assert_true(d.by_token && d.token == 2 && d.was == 7 && d.is == 9 && !d.ended_was && !d.ended_is);
	is = of(b, 2, "");
	assert_int_equal(replay_differ(&was, &is, NULL, 0, &d), 1);
	assert_true(d.token == 2 && d.was == 7 && d.ended_is && !d.ended_was);
	was = of(a, 0, NULL);
	assert_int_equal(replay_differ(&was, &is, NULL, 0, &d), 1);
	assert_true(d.token == 0 && d.ended_was && d.is == 5);
}

static void texts(void **unused)
{
	static const u32 ids[] = { 1, 2, 3 };
	static const struct replay_mark marks[] = { { 0, 0 }, { 4, 1 }, { 8, 2 } };
	struct replay_difference d;
	struct replay_side was = of(NULL, 0, "one two thr"), is = of(ids, 3, "one twx thr");
	assert_int_equal(replay_differ(&was, &is, marks, 3, &d), 1);
	assert_true(!d.by_token && d.byte == 6 && d.token == 1);
	is = of(ids, 3, "one two thr and more");
	assert_int_equal(replay_differ(&was, &is, marks, 3, &d), 1);
	assert_true(d.byte == 11 && d.token == 2 && d.ended_was);
	/* the same text of other tokens: the digests differ, and nobody can say where */
	is = of(ids, 3, "one two thr");
	assert_int_equal(replay_differ(&was, &is, marks, 3, &d), 2);
}

static void unknown(void **unused)
{
	static const u32 ids[] = { 1 };
	struct replay_difference d;
	struct replay_side was = of(NULL, 0, NULL), is = of(ids, 1, "x");
	assert_int_equal(replay_differ(&was, &is, NULL, 0, &d), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens),
		cmocka_unit_test(texts),
		cmocka_unit_test(unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
