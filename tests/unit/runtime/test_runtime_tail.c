/* Pages of layers with a window: which of them a sequence has, that it never lacks one, and which others find. */
#include "runtime/kv.h"
#include "shaders/attention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define P     RT_KV_PAGE
#define PAGES 40u

static u32 ids[PAGES * P];

static int setup(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = i * 7 + 1;
	return 0;
}

/* A sequence, and how far it has come. */
struct seq {
	u64 principal;
	u32 n_pages, at;
	struct kv_tail tail;
	u32 pages[PAGES];
};

static struct kv_want want_of(const struct seq *q)
{
	return (struct kv_want){ .principal = q->principal,
		.ids = ids,
		.n_ids = q->n_pages * P,
		.n_pages = q->n_pages,
		.reuse = true };
}

static struct seq begin(struct kv_pool *p, const struct kv_span *s, u64 principal, u32 n_pages, u32 cached)
{
	struct seq q = { .principal = principal, .n_pages = n_pages };
	struct kv_want w = want_of(&q);
	assert_true(kv_tail_room(p, s, n_pages));
	q.tail.pages = q.pages;
	cached = kv_tail_find(p, s, &w, cached, &q.tail);
	kv_tail_take(p, s, &w, cached, &q.tail);
	q.at = cached * P;
	q.tail.pages = NULL; /* the copy's */
	return q;
}

static struct kv_move move_of(const struct seq *q, u32 n)
{
	return (struct kv_move){ .principal = q->principal, .ids = ids, .from = q->at, .n = n, .keep = true };
}

static void go_on(struct kv_pool *p, const struct kv_span *s, struct seq *q, u32 n)
{
	const struct kv_move m = move_of(q, n);
	q->tail.pages = q->pages;
	assert_int_equal(kv_tail_move(p, s, &m, &q->tail), 0);
	q->at += n;
}

static void end(struct kv_pool *p, struct seq *q)
{
	const struct kv_move m = move_of(q, 0);
	q->tail.pages = q->pages;
	kv_tail_give(p, &m, &q->tail);
}

static void run_to(struct kv_pool *p, const struct kv_span *s, struct seq *q, u32 at)
{
	while (q->at < at)
		go_on(p, s, q, MIN(s->rows, at - q->at));
}

/* ---- counts ---------------------------------------------------------------------------------------------------------------- */

/* As many pages as the positions of a step see, and for some step no fewer. */
static void as_many_as_it_sees(void **state)
{
	for (u32 window = 1; window < 200; window += 3)
		for (u32 rows = 1; rows < 100; rows += 7)
			for (u32 pieces = 0; pieces < 2; pieces++) {
				const struct kv_span s = { window, pieces, rows };
				u32 most = 0;
				for (u32 from = 0; from < 20 * P; from++) {
					u32 lo = attention_first(from, window, pieces) / P;
					assert_int_equal(kv_span_first(&s, from), lo);
					most = MAX(most, (from + rows - 1) / P - lo + 1);
				}
				assert_true(most <= kv_span_pages(&s, 1000));
				assert_true(pieces || most == kv_span_pages(&s, 1000));
				assert_int_equal(kv_span_pages(&s, 2), MIN(kv_span_pages(&s, 1000), 2));
			}
}

/* Every page that is seen is there, and is nobody else's. */
static void check(const struct kv_span *s, const struct seq *q, u32 n, u32 first)
{
	const struct seq *one = &q[first];
	u32 seen = kv_span_first(s, one->at);
	assert_true(one->tail.first <= seen && one->tail.end * P >= one->at);
	for (u32 i = one->tail.first; i < one->tail.end; i++)
		for (u32 k = 0; k < n; k++)
			for (u32 j = q[k].tail.first; j < q[k].tail.end; j++)
				if (k != first || i != j)
					assert_int_not_equal(one->pages[i], q[k].pages[j]);
}

/* In a pool with no page more than they have at once at most, sequences go on by turns to their ends. */
static void never_dry(void **state)
{
	for (u32 pieces = 0; pieces < 2; pieces++) {
		const struct kv_span s = { 40, pieces, 16 };
		u32 each = kv_span_pages(&s, PAGES);
		struct kv_pool p;
		struct seq q[3];
		assert_int_equal(kv_pool_create(3 * each, &p), 0);
		for (u32 i = 0; i < 3; i++)
			q[i] = begin(&p, &s, i, PAGES, 0);
		for (u32 step = 0; q[2].at < PAGES * P - 16; step++) {
			u32 i = step % 3, n = 1 + step * 5 % 16;
			go_on(&p, &s, &q[i], MIN(n, PAGES * P - q[i].at));
			check(&s, q, 3, i);
			kv_scrubbed(&p);
		}
		for (u32 i = 0; i < 3; i++)
			end(&p, &q[i]);
		assert_int_equal(kv_pool_available(&p), 3 * each);
		kv_pool_fini(&p);
	}
}

/* Where pages are wanting, or would be for somebody else, none is taken; those behind the tail are given back all the same. */
static void dry(void **state)
{
	const struct kv_span s = { 40, false, 16 };
	struct kv_pool p;
	assert_int_equal(kv_pool_create(5, &p), 0);
	struct seq a = begin(&p, &s, 1, PAGES, 0), b = begin(&p, &s, 2, PAGES, 0);
	run_to(&p, &s, &a, 2 * P);
	run_to(&p, &s, &b, 3 * P + 8);
	assert_int_equal(kv_pool_available(&p), 0);
	assert_false(kv_tail_room(&p, &s, 1));
	struct kv_move m = move_of(&a, 1);
	a.tail.pages = a.pages;
	assert_int_equal(kv_tail_move(&p, &s, &m, &a.tail), 1);
	assert_true(a.tail.first == 0 && a.tail.end == 2);
	a.at = 2 * P + 16; /* as if: its first page is behind what it sees */
	m = move_of(&a, 16);
	m.leave = 1;
	assert_int_equal(kv_tail_move(&p, &s, &m, &a.tail), 1);
	assert_true(a.tail.first == 1 && a.tail.end == 2);
	m.leave = 0;
	assert_int_equal(kv_tail_move(&p, &s, &m, &a.tail), 0);
	assert_int_equal(a.tail.end, 3);
	end(&p, &a);
	end(&p, &b);
	assert_int_equal(kv_pool_available(&p), 5);
	kv_pool_fini(&p);
}

/* ---- prefixes -------------------------------------------------------------------------------------------------------------- */

/* A prefix is there where the pages of the window before its end are. */
static void prefixes(void **state)
{
	const struct kv_span s = { 70, false, 32 }; /* at a page's beginning it sees three pages before */
	struct kv_pool p;
	assert_int_equal(kv_pool_create(16, &p), 0);
	struct seq a = begin(&p, &s, 1, 20, 0);
	run_to(&p, &s, &a, 10 * P + 5);
	end(&p, &a);
	struct seq b = begin(&p, &s, 1, 20, 10);
	assert_int_equal(b.at, 10 * P);
	assert_int_equal(b.tail.first, 7);
	for (u32 i = 7; i < 10; i++)
		assert_int_equal(b.pages[i], a.pages[i]);
	end(&p, &b);
	b = begin(&p, &s, 1, 20, 4); /* pages that a has left behind are there too */
	assert_int_equal(b.at, 4 * P);
	end(&p, &b);
	b = begin(&p, &s, 2, 20, 10); /* nobody else's */
	assert_int_equal(b.at, 0);
	end(&p, &b);
	kv_pool_fini(&p);
}

/* The pages that were left first are taken first: what is gone in the middle ends a prefix, and what is behind it begins anew. */
static void gaps(void **state)
{
	const struct kv_span s = { 70, false, 32 };
	struct kv_pool p;
	assert_int_equal(kv_pool_create(13, &p), 0);
	struct seq a = begin(&p, &s, 1, 20, 0), b;
	run_to(&p, &s, &a, 12 * P);
	end(&p, &a); /* 12 pages can be found, one is free */
	b = begin(&p, &s, 2, 3, 0);
	run_to(&p, &s, &b, 3 * P); /* the free one, and pages 0 and 1 */
	end(&p, &b);
	b = begin(&p, &s, 1, 20, 4);
	assert_int_equal(b.at, 0); /* of pages 1, 2 and 3 the first is gone */
	end(&p, &b);
	b = begin(&p, &s, 1, 20, 5);
	assert_int_equal(b.at, 5 * P);
	end(&p, &b);
	kv_pool_fini(&p);
}

/* A page that comes from somebody else on the way is to be overwritten. */
static void principals(void **state)
{
	const struct kv_span s = { 40, false, 16 };
	struct kv_pool p;
	assert_int_equal(kv_pool_create(4, &p), 0);
	struct seq a = begin(&p, &s, 1, 8, 0), b;
	run_to(&p, &s, &a, 8 * P);
	assert_int_equal(p.n_scrub, 0);
	end(&p, &a);
	b = begin(&p, &s, 2, 8, 0);
	go_on(&p, &s, &b, 16);
	assert_int_equal(p.n_scrub, 1);
	run_to(&p, &s, &b, 8 * P);
	assert_int_equal(p.n_scrub, 4);
	kv_scrubbed(&p);
	end(&p, &b);
	kv_pool_fini(&p);
}

/* Two sequences of one principal share a tail, by counting. */
static void shared(void **state)
{
	const struct kv_span s = { 40, false, 16 };
	struct kv_pool p;
	assert_int_equal(kv_pool_create(3 * kv_span_pages(&s, 20), &p), 0);
	struct seq a = begin(&p, &s, 1, 20, 0), b, c;
	run_to(&p, &s, &a, 6 * P);
	end(&p, &a);
	b = begin(&p, &s, 1, 20, 6);
	c = begin(&p, &s, 1, 20, 6);
	assert_int_equal(b.at, 6 * P);
	assert_int_equal(p.pages[b.pages[5]].refs, 2);
	run_to(&p, &s, &b, 10 * P);
	assert_int_equal(p.pages[c.pages[5]].refs, 1);
	run_to(&p, &s, &c, 10 * P);
	end(&p, &b);
	end(&p, &c);
	assert_int_equal(kv_pool_available(&p), p.n_pages);
	kv_pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_many_as_it_sees), cmocka_unit_test(never_dry),
		cmocka_unit_test(dry), cmocka_unit_test(prefixes), cmocka_unit_test(gaps),
		cmocka_unit_test(principals), cmocka_unit_test(shared) };
	return cmocka_run_group_tests(tests, setup, NULL);
}
