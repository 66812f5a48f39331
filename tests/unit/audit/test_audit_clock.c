/* The floor clock, with readings of our own: it counts, it is raised by what was signed, nothing lowers it. */
#include "audit/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define S    1000000000ull
#define T0   1800000000ull /* some second of 2027 */
#define YEAR 31536000ull

static struct clock_reading at(u64 wall_s, u64 up_s, const char *boot)
{
	struct clock_reading r = { .wall_ns = wall_s * S, .boottime_ns = up_s * S };
	snprintf(r.boot, sizeof r.boot, "%s", boot);
	return r;
}

static u64 judged(const struct clock_row *row, struct clock_reading now)
{
	bool by_wall;
	u64 s = audit_clock_judged(row, &now, &by_wall);
	assert_int_equal(by_wall, now.wall_ns >= audit_clock_floor(row, &now));
	return s;
}

static void counts(void **state)
{
	struct clock_row row = { 0 };
	struct clock_reading now = at(T0, 100, "a");
	audit_clock_advance(&row, &now, T0 - YEAR, 0);
	assert_int_equal(row.floor_ns, (T0 - YEAR) * S);
	assert_int_equal(row.source, CLOCK_BUILD);
	now = at(T0, 160, "a");
	assert_int_equal(audit_clock_floor(&row, &now), (T0 - YEAR + 60) * S);
	/* another boot: what it counted since its start is later than what was stored */
	now = at(T0, 30, "b");
	assert_int_equal(audit_clock_floor(&row, &now), (T0 - YEAR + 30) * S);
	audit_clock_advance(&row, &now, T0 - YEAR, 0);
	now = at(T0, 40, "b");
	assert_int_equal(audit_clock_floor(&row, &now), (T0 - YEAR + 40) * S);
	/* a boot time that runs backwards counts nothing */
	now = at(T0, 10, "b");
	assert_int_equal(audit_clock_floor(&row, &now), (T0 - YEAR + 30) * S);
	/* the same build does not raise it again, a newer one does */
	now = at(T0, 50, "b");
	audit_clock_advance(&row, &now, T0 - 5, 0);
	assert_int_equal(row.floor_ns, (T0 - 5) * S);
}

static void liars(void **state)
{
	struct clock_row row = { 0 };
	struct clock_reading now = at(T0, 0, "a");
	audit_clock_advance(&row, &now, T0 - 100, 0);
	/* set back, by years or to 1970: the floor judges, and is not lowered by being stored */
	now = at(0, 50, "a");
	assert_int_equal(judged(&row, now), T0 - 50);
	assert_int_equal(audit_clock_behind(&row, &now), T0 - 50);
	audit_clock_advance(&row, &now, 0, 0);
	assert_int_equal(row.floor_ns, (T0 - 50) * S);
	/* set forward, to 2100: believed as long as it says so, and never stored */
	now = at(4102444800u, 60, "a");
	assert_int_equal(judged(&row, now), 4102444800u);
	audit_clock_advance(&row, &now, 0, 0);
	now = at(T0, 70, "a");
	assert_int_equal(judged(&row, now), T0);
	assert_int_equal(audit_clock_behind(&row, &now), 0);
	/* less than a step behind is noise */
	now = at(T0 - 31, 71, "a");
	assert_int_equal(audit_clock_behind(&row, &now), 2);
	now = at(T0 - 30, 71, "a");
	assert_int_equal(audit_clock_behind(&row, &now), 0);
}

static void signed_times(void **state)
{
	struct clock_row row = { 0 };
	struct clock_reading now = at(T0, 0, "a");
	audit_clock_advance(&row, &now, T0 - YEAR, T0 - 10);
	assert_int_equal(row.floor_ns, (T0 - 10) * S);
	assert_int_equal(row.source, CLOCK_SIGNED);
	audit_clock_advance(&row, &now, T0 - YEAR, T0 - 20); /* older: nothing */
	assert_int_equal(row.floor_ns, (T0 - 10) * S);
	/* a time from the future is not believed further than clocks may differ: one past SIGNED_AHEAD_S_MAX is cut */
	audit_clock_advance(&row, &now, 0, T0 + SIGNED_AHEAD_S_MAX + 1);
	assert_int_equal(row.floor_ns, (T0 + SIGNED_AHEAD_S_MAX) * S);
	audit_clock_advance(&row, &now, 0, UINT64_MAX);
	assert_int_equal(
		row.floor_ns, (T0 + 2 * SIGNED_AHEAD_S_MAX) * S); /* ahead of the floor, which is now */
	/* sums do not wrap */
	row.floor_ns = UINT64_MAX - 5;
	now = at(T0, 100, "a");
	assert_true(audit_clock_floor(&row, &now) == UINT64_MAX);
	audit_clock_advance(&row, &now, UINT64_MAX, UINT64_MAX);
	assert_true(row.floor_ns == UINT64_MAX);
}

static enum clock_news look(
	struct clock_watch *w, const struct clock_row *row, struct clock_reading now, i64 *step)
{
	*step = 0;
	return audit_clock_look(w, row, &now, step);
}

static void watch(void **state)
{
	struct clock_watch w = { 0 };
	struct clock_row row = { .floor_ns = T0 * S, .boot = "a" };
	i64 step;
	assert_int_equal(look(&w, &row, at(T0 + 5, 0, "a"), &step), CLOCK_QUIET);
	assert_int_equal(look(&w, &row, at(T0 + 6, 1, "a"), &step), CLOCK_QUIET);
	assert_int_equal(look(&w, &row, at(T0 + 8, 2, "a"), &step), CLOCK_QUIET); /* one second is no step */
	assert_int_equal(look(&w, &row, at(T0 + 11, 3, "a"), &step), CLOCK_STEPPED);
	assert_true(step == 2 * (i64)S);
	assert_int_equal(look(&w, &row, at(T0 + 12, 4, "a"), &step), CLOCK_QUIET);
	/* back, behind the floor: the step, then that it is behind, once */
	assert_int_equal(look(&w, &row, at(T0 - 100, 5, "a"), &step), CLOCK_STEPPED);
	assert_true(step == -113 * (i64)S);
	assert_int_equal(look(&w, &row, at(T0 - 99, 6, "a"), &step), CLOCK_FELL_BEHIND);
	assert_int_equal(look(&w, &row, at(T0 - 98, 7, "a"), &step), CLOCK_QUIET);
	assert_int_equal(look(&w, &row, at(T0 + 20, 8, "a"), &step), CLOCK_STEPPED);
	assert_int_equal(look(&w, &row, at(T0 + 21, 9, "a"), &step), CLOCK_CAUGHT_UP);
	/* and every CLOCK_SAVE_S it wants to be stored */
	assert_int_equal(
		look(&w, &row, at(T0 + 20 + CLOCK_SAVE_S, 8 + CLOCK_SAVE_S, "a"), &step), CLOCK_QUIET);
	assert_int_equal(
		look(&w, &row, at(T0 + 21 + CLOCK_SAVE_S, 9 + CLOCK_SAVE_S, "a"), &step), CLOCK_SAVE);
	assert_int_equal(
		look(&w, &row, at(T0 + 22 + CLOCK_SAVE_S, 10 + CLOCK_SAVE_S, "a"), &step), CLOCK_QUIET);
	/* behind from the start */
	struct clock_watch late = { 0 };
	assert_int_equal(look(&late, &row, at(5, 1, "a"), &step), CLOCK_FELL_BEHIND);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counts), cmocka_unit_test(liars),
		cmocka_unit_test(signed_times), cmocka_unit_test(watch) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
