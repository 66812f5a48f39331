#include "runtime/stops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void add(struct stops *s, const char *text)
{
	s->len[s->n] = (u32)strlen(text);
	memcpy(s->text[s->n++], text, strlen(text));
}

/* Push pieces; collect what is shown. Returns 1 when a stop string was met. */
static int feed(struct stops *s, const char *const *pieces, char *shown)
{
	shown[0] = 0;
	for (; *pieces; pieces++) {
		size_t n = strlen(*pieces), free_bytes = 0;
		memcpy(stops_room(s), *pieces, n);
		int r = stops_push(s, n, &free_bytes);
		strncat(shown, s->held, free_bytes);
		stops_shown(s, free_bytes);
		if (r)
			return 1;
	}
	return 0;
}

static void across_pieces(void **state)
{
	static struct stops s;
	char shown[256];
	add(&s, "STOP");
	const char *a[] = { "abc S", "T", "O", "x then ST", "OP and more", NULL };
	assert_int_equal(feed(&s, a, shown), 1);
	assert_string_equal(shown, "abc STOx then ");
}

static void the_first_of_several(void **state)
{
	static struct stops s;
	char shown[256];
	add(&s, "\n\n");
	add(&s, "bc");
	add(&s, "abcd");
	const char *a[] = { "xxab", "cd", NULL };
	assert_int_equal(feed(&s, a, shown), 1);
	assert_string_equal(shown, "xx"); /* the one that begins first, of those that are there */
	assert_int_equal(s.met, 2);
	static struct stops t = { 0 };
	add(&t, "bc");
	add(&t, "abcd");
	const char *b[] = { "xxab", "c", "d", NULL };
	assert_int_equal(feed(&t, b, shown), 1);
	assert_string_equal(shown, "xxa");
	assert_int_equal(t.met, 0);
}

static void none(void **state)
{
	static struct stops s;
	char shown[256];
	const char *a[] = { "ab", "c\xe2\x82\xac", "", "d", NULL };
	assert_int_equal(feed(&s, a, shown), 0);
	assert_string_equal(shown, "abc\xe2\x82\xac"
				   "d");
	assert_int_equal(s.n_held, 0);
}

static void limits(void **state)
{
	static struct stops s;
	char long_stop[STOP_BYTES_MAX + 1];
	memset(long_stop, 'a', STOP_BYTES_MAX);
	long_stop[STOP_BYTES_MAX] = 0;
	add(&s, long_stop);
	size_t free_bytes = 0, shown = 0;
	for (u32 i = 0; i < STOP_BYTES_MAX - 1; i++) { /* all of it may still become the stop string */
		*stops_room(&s) = 'a';
		assert_int_equal(stops_push(&s, 1, &free_bytes), 0);
		assert_int_equal(free_bytes, 0);
	}
	*stops_room(&s) = 'b'; /* it did not */
	assert_int_equal(stops_push(&s, 1, &free_bytes), 0);
	assert_int_equal(free_bytes, STOP_BYTES_MAX);
	stops_shown(&s, free_bytes);
	memset(stops_room(&s), 'x', STOPS_TOKEN_TEXT_MAX);
	assert_int_equal(stops_push(&s, STOPS_TOKEN_TEXT_MAX, &shown), 0);
	assert_int_equal(shown, STOPS_TOKEN_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(across_pieces),
		cmocka_unit_test(the_first_of_several),
		cmocka_unit_test(none),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
