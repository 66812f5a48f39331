#include "runtime/kv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define P RT_KV_PAGE

static u32 ids[8 * P];

static int take(struct kv_pool *p, u64 principal, u32 n_ids, u32 n_pages, u32 *pages, u32 *cached)
{
	struct kv_want w = {
		.principal = principal, .ids = ids, .n_ids = n_ids, .n_pages = n_pages, .reuse = true
	};
	return kv_take(p, &w, pages, cached);
}

static void give(struct kv_pool *p, u64 principal, u32 n_computed, u32 n_pages, const u32 *pages)
{
	struct kv_give g = {
		.principal = principal, .ids = ids, .n_computed = n_computed, .n_pages = n_pages, .keep = true
	};
	kv_give(p, &g, pages);
}

static int setup(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = i * 7 + 1;
	return 0;
}

static void counts(void **state)
{
	struct kv_pool p;
	u32 a[8], b[8], cached;
	assert_int_equal(kv_pool_create(6, &p), 0);
	assert_int_equal(take(&p, 1, 3, 4, a, &cached), 0);
	assert_int_equal(cached, 0);
	assert_int_equal(kv_pool_available(&p), 2);
	assert_int_equal(take(&p, 1, 3, 3, b, &cached), 1); /* one short: nothing is taken */
	assert_int_equal(kv_pool_available(&p), 2);
	assert_int_equal(take(&p, 1, 3, 2, b, &cached), 0);
	for (u32 i = 0; i < 4; i++)
		for (u32 j = 0; j < 2; j++)
			assert_int_not_equal(a[i], b[j]);
	give(&p, 1, 0, 4, a);
	give(&p, 1, 0, 2, b);
	assert_int_equal(kv_pool_available(&p), 6);
	assert_int_equal(p.idle.n, 0);
	kv_pool_fini(&p);
}

/* More pages on the way: all that are wanted or none, and what is to be left is left. */
static void growing(void **state)
{
	struct kv_pool p;
	u32 a[8], cached;
	assert_int_equal(kv_pool_create(6, &p), 0);
	assert_int_equal(take(&p, 1, 3, 2, a, &cached), 0);
	assert_int_equal(kv_grow(&p, 1, 5, 0, a + 2), 1);
	assert_int_equal(kv_grow(&p, 1, 3, 2, a + 2), 1);
	assert_int_equal(kv_grow(&p, 1, 1, UINT32_MAX, a + 2), 1);
	assert_int_equal(kv_pool_available(&p), 4);
	assert_int_equal(kv_grow(&p, 1, 3, 1, a + 2), 0);
	assert_int_equal(kv_grow(&p, 1, 1, 0, a + 5), 0);
	for (u32 i = 0; i < 6; i++)
		for (u32 j = 0; j < i; j++)
			assert_int_not_equal(a[i], a[j]);
	give(&p, 1, 6 * P, 6, a);
	assert_int_equal(kv_grow(&p, 2, 6, 0, a), 0);
	assert_int_equal(p.n_scrub, 6); /* somebody else's */
	give(&p, 2, 0, 6, a);
	kv_pool_fini(&p);
}

/* Whole pages of the same beginning are found; the last id is always left to be computed. */
static void prefixes(void **state)
{
	struct kv_pool p;
	u32 a[8], b[8], cached;
	assert_int_equal(kv_pool_create(8, &p), 0);
	assert_int_equal(take(&p, 1, 3 * P, 4, a, &cached), 0);
	give(&p, 1, 3 * P + 5, 4, a);
	assert_int_equal(p.idle.n, 3);
	assert_int_equal(take(&p, 1, 3 * P, 4, b, &cached), 0);
	assert_int_equal(cached, 2); /* not the third: its last id must be computed */
	assert_int_equal(b[0], a[0]);
	assert_int_equal(b[1], a[1]);
	assert_int_not_equal(b[2], a[2]);
	give(&p, 1, 3 * P, 4, b);
	assert_int_equal(
		p.idle.n, 3); /* the third page was there already: one of them is findable, the other free */
	assert_int_equal(take(&p, 1, 3 * P + 1, 4, b, &cached), 0);
	assert_int_equal(cached, 3);
	give(&p, 1, 0, 4, b);
	ids[P + 3] ^= 1; /* differs in the second page */
	assert_int_equal(take(&p, 1, 3 * P + 1, 4, b, &cached), 0);
	assert_int_equal(cached, 1);
	give(&p, 1, 0, 4, b);
	ids[P + 3] ^= 1;
	kv_pool_fini(&p);
}

static void shared_while_running(void **state)
{
	struct kv_pool p;
	u32 a[8], b[8], c[8], cached;
	assert_int_equal(kv_pool_create(5, &p), 0);
	assert_int_equal(take(&p, 1, 2 * P, 2, a, &cached), 0);
	give(&p, 1, 2 * P, 2, a);
	assert_int_equal(take(&p, 1, 2 * P + 1, 3, b, &cached), 0);
	assert_int_equal(take(&p, 1, 2 * P + 1, 3, c, &cached), 0);
	assert_int_equal(cached, 2);
	assert_int_equal(b[0], c[0]);
	assert_int_equal(p.pages[b[0]].refs, 2);
	assert_int_equal(kv_pool_available(&p), 1);
	give(&p, 1, 2 * P, 3, b);
	assert_int_equal(p.pages[c[0]].refs, 1);
	assert_int_equal(kv_pool_available(&p), 2);
	give(&p, 1, 2 * P, 3, c);
	assert_int_equal(kv_pool_available(&p), 5);
	kv_pool_fini(&p);
}

/* Principals never share; a page that moves from one to another is to be overwritten, once. */
static void principals(void **state)
{
	struct kv_pool p;
	u32 a[8], b[8], cached;
	assert_int_equal(kv_pool_create(4, &p), 0);
	assert_int_equal(take(&p, 1, 3 * P, 3, a, &cached), 0);
	assert_int_equal(p.n_scrub, 0); /* fresh pages are zero */
	give(&p, 1, 3 * P, 3, a);
	assert_int_equal(take(&p, 2, 3 * P, 3, b, &cached), 0);
	assert_int_equal(cached, 0);
	assert_int_equal(p.n_scrub, 2); /* one was fresh */
	give(&p, 2, 0, 3, b);
	assert_int_equal(take(&p, 3, 3, 3, b, &cached), 0);
	assert_int_equal(p.n_scrub, 3);
	for (u32 i = 0; i < p.n_scrub; i++)
		for (u32 j = 0; j < i; j++)
			assert_int_not_equal(p.scrub[i], p.scrub[j]);
	kv_scrubbed(&p);
	give(&p, 3, 0, 3, b);
	assert_int_equal(take(&p, 3, 3, 3, b, &cached), 0);
	assert_int_equal(p.n_scrub, 0); /* its own */
	give(&p, 3, 0, 3, b);
	kv_pool_fini(&p);
}

/* What was useful longest ago goes first, and of a chain its end. */
static void ageing(void **state)
{
	struct kv_pool p;
	u32 a[8], b[8], cached;
	assert_int_equal(kv_pool_create(4, &p), 0);
	assert_int_equal(take(&p, 1, 3 * P, 3, a, &cached), 0);
	give(&p, 1, 3 * P, 3, a);
	ids[0] ^= 1;
	assert_int_equal(take(&p, 1, 2 * P, 2, b, &cached), 0); /* the free page, then the end of the chain */
	assert_int_equal(b[1], a[2]);
	give(&p, 1, 0, 2, b);
	ids[0] ^= 1;
	assert_int_equal(take(&p, 1, 3 * P + 1, 4, b, &cached), 0);
	assert_int_equal(cached, 2);
	give(&p, 1, 0, 4, b);
	kv_pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(growing),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(shared_while_running),
		cmocka_unit_test(principals),
		cmocka_unit_test(ageing),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
