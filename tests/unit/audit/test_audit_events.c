/* The catalogue of events and the journal's file about them say the same: each event stands there once, under its id, with its subject. */
#define _GNU_SOURCE
#include "audit/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *path;

static char *read_all(void)
{
	static char text[131072];
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	assert_true(n > 0 && n < sizeof text - 1);
	text[n] = 0;
	fclose(f);
	return text;
}

static u32 count(const char *text, const char *what)
{
	u32 n = 0;
	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static void same(void **state)
{
	const char *text = read_all();
	u32 n = 0;
	for (u32 e = 0; e < EVENT_NUMBERS_MAX; e++) {
		const struct audit_event_info *i = audit_event_info(e);
		char id[33], want[256];
		if (!i)
			continue;
		n++;
		audit_event_message_id(e, id);
		assert_int_equal(strlen(id), 32);
		assert_int_equal(strtoul(id + 28, NULL, 16), e);
		if (!i->what || !*i->what)
			fail_msg("%s: no sentence says what it is", i->name);
		snprintf(want, sizeof want, "\n-- %s\nSubject: %s\nDefined-By: Keep\n", id, i->what);
		if (count(text, want) != 1)
			fail_msg("%s: keep.catalog has no \"-- %s\" with the subject \"%s\"", i->name, id,
				i->what);
		snprintf(want, sizeof want, ", event %s, of user @KEEP_UID@.\n", i->name);
		assert_int_equal(count(text, want), 1);
	}
	assert_int_equal(count(text, "\n-- "), n);
	assert_int_equal(count(text, "\nSubject: "), n);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same) };
	assert(argc == 2);
	path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
