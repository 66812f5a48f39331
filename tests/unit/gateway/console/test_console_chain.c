/* The picture of where a model comes from: as many boxes as links, nothing of a value outside of its place, words cut between characters. */
#include "gateway/console/chain.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static u32 times(const char *text, const char *what)
{
	u32 n = 0;
	for (const char *s = text; (s = strstr(s, what)); s++)
		n++;
	return n;
}

static void pictures(void **state)
{
	struct chain c = { 0 };
	struct page p;
	page_init(&p, 1u << 20);
	for (u32 i = 0; i < CHAIN_LINKS_MAX; i++) {
		struct chain_link *l = chain_add(&c, "Publisher", (enum page_mark)(i % 4));
		snprintf(l->line[0], sizeof l->line[0], "</svg><b>%u\" onload=\"x", i);
		snprintf(l->line[1], sizeof l->line[1], "%s",
			"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
			"\xa9\xc3\xa9\xc3\xa9"
			"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
			"\xa9\xc3\xa9");
		snprintf(l->href, sizeof l->href, "/console/records/%u", i);
	}
	chain_write(&c, &p);
	assert_false(p.full);
	page_html(&p, "\0");
	assert_int_equal(times(p.buf, "<rect"), CHAIN_LINKS_MAX);
	assert_int_equal(times(p.buf, "class=\"arrow\""), CHAIN_LINKS_MAX - 1);
	assert_int_equal(times(p.buf, "<li>"), CHAIN_LINKS_MAX);
	assert_int_equal(times(p.buf, "<b>"), 0);
	assert_int_equal(times(p.buf, "</svg>"), 1);
	assert_int_equal(times(p.buf, "onload=\""), 0);
	assert_true(bytes_utf8_ok(p.buf, strlen(p.buf)));
	assert_null(strstr(p.buf, "\xef\xbf\xbd")); /* no character was cut */
	assert_non_null(strstr(p.buf, "\xc3\xa9\xe2\x80\xa6"));
	page_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pictures) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
