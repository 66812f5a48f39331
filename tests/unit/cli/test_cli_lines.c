/* Lines that keepd sends: a record whose text was pruned is told from every other, whatever a record says of itself. */
#include "cli/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool pruned(const char *line, u64 index)
{
	return lines_pruned(line, strlen(line), index);
}

static void told(void **state)
{
	assert_true(pruned("{\"v\":1,\"index\":17,\"pruned\":\"ab\"}", 17));
	assert_false(pruned("{\"v\":1,\"index\":17,\"pruned\":\"ab\"}", 18)); /* another one's */
	assert_false(pruned("{\"v\":1,\"index\":17,\"pruned\":\"", 17));      /* cut */
	assert_false(pruned("", 17));
	/* a real record has a time there, and may hold the word behind it */
	assert_false(pruned("{\"v\":1,\"index\":17,\"time_ns\":5,\"reason\":\",\\\"pruned\\\":\\\"\"}", 17));
	assert_false(pruned("{\"v\":1,\"index\":170,\"pruned\":\"ab\"}", 17));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(told) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
