/* A document for programs is printed whole or not at all, and what was not printed is no success. */
#include "base/jsonw.h"
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What out_json prints of a document with one text of n bytes, below max; its status. */
static int print(size_t max, size_t n, char *ret, size_t size)
{
	char text[512];
	struct jsonw w;
	int at[2], was = dup(1);
	assert_true(n < sizeof text && was >= 0 && pipe(at) == 0);
	memset(text, 'x', n);
	text[n] = 0;
	jsonw_init_grow(&w, max);
	jsonw_object(&w);
	jsonw_kv_str(&w, "t", text);
	fflush(stdout);
	dup2(at[1], 1);
	int r = out_json(&w);
	dup2(was, 1);
	close(was);
	close(at[1]);
	ssize_t got = read(at[0], ret, size - 1);
	close(at[0]);
	assert_in_range(got, 0, size - 1);
	ret[got] = 0;
	return r;
}

static void whole_or_nothing(void **state)
{
	char said[1024];
	assert_int_equal(print(4096, 3, said, sizeof said), CLI_DONE);
	assert_string_equal(said, "{\"t\":\"xxx\"}\n");
	assert_int_equal(print(64, 500, said, sizeof said), CLI_UNDECIDED);
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole_or_nothing) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
