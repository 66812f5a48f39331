/* The arena: zeroed, aligned, bounded, freed whole. */
#include "base/arena.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void zeroed_and_aligned(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	u8 *last = NULL;
	for (size_t n = 0; n < 70000; n = n * 2 + 1) {
		u8 *p = arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_ptr_not_equal(p, last);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n); /* must not show in the next one */
		last = p;
	}
}

static void bounded(void **state)
{
	struct arena a = { .max_bytes = 64 };
	assert_null(arena_alloc(&a, 65));
	assert_non_null(arena_alloc(&a, 33)); /* counts as 48 */
	assert_null(arena_alloc(&a, 17));
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 0)); /* even an empty one is something */
	arena_fini(&a);
	assert_int_equal(a.used_bytes, 0);
	assert_non_null(arena_alloc(&a, 64)); /* the bound outlives the content */
	arena_fini(&a);
	struct arena b = { 0 };
	assert_null(arena_alloc(&b, SIZE_MAX));
	assert_null(arena_alloc(&b, SIZE_MAX - 15));
	assert_null(b.head);
}

static void copies_end_in_zero(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	assert_string_equal(arena_dup(&a, "hello world", 5), "hello");
	assert_string_equal(arena_dup(&a, NULL, 0), "");
}

/* Thousands wait in the gateway, each with an arena that holds a short question; a large one is no more than a twentieth more than is in it. */
static void as_much_as_it_holds(void **state)
{
	struct arena many[64] = { 0 }, large = { 0 };
	size_t before = mallinfo2().uordblks;
	if (!before) /* a sanitizer's allocator, which does not count so */
		skip();
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		assert_non_null(arena_alloc(&many[i], 1000));
	assert_in_range(mallinfo2().uordblks - before, 64 * 1000, 64 * 5000);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		arena_fini(&many[i]);
	assert_int_equal(mallinfo2().uordblks, before);
	while (large.used_bytes < 4u << 20)
		assert_non_null(arena_alloc(&large, 600));
	assert_in_range(mallinfo2().uordblks - before, large.used_bytes, large.used_bytes / 20 * 21);
	arena_fini(&large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeroed_and_aligned),
		cmocka_unit_test(bounded),
		cmocka_unit_test(copies_end_in_zero),
		cmocka_unit_test(as_much_as_it_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
