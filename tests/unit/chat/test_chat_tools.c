/* Tools that are refused, and why; as many as there may be. */
#define _GNU_SOURCE
#include "chat/chat.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HERMES "{# <tool_call> tools #}"

static void tools_refused(const char *tools, const char *reason)
{
	struct arena a = { 0 };
	struct chat_turn t;
	const char *why = "";
	int r = chat_turn_begin(
		&(struct chat_ask){ .source = HERMES, .source_len = strlen(HERMES), .tools = tools }, &a, &t,
		&why);
	if (r != 1 || !strstr(why, reason))
		fail_msg("%.60s: %d \"%s\", not \"%s\"", tools, r, why, reason);
	arena_fini(&a);
}

/* n tools, or one that says so many bytes. */
static char *many_tools(u32 n, size_t bytes)
{
	char *out;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	for (u32 i = 0; i < n; i++)
		fprintf(f, "%s{\"function\":{\"name\":\"f%u\",\"description\":\"%*s\"}}", i ? "," : "[", i,
			bytes > 43 ? (int)(bytes - 43) : 0, "");
	fputs("]", f);
	fclose(f);
	return out;
}

static void tools(void **state)
{
	tools_refused("{}", "not a list");
	tools_refused("[", "not JSON, at byte 1");
	tools_refused("[{\"type\":\"web\"}]", "tools[0]: not");
	tools_refused("[{\"function\":{\"name\":\"a b\"}}]", "no name of letters");
	tools_refused("[{\"function\":{\"name\":\"a\",\"parameters\":[]}}]", "no schema");
	tools_refused("[{\"function\":{\"name\":\"a\"}},{\"function\":{\"name\":\"a\"}}]",
		"tools[1]: a second tool");
	tools_refused(
		"[{\"function\":{\"name\":\"a\",\"parameters\":{\"type\":\"string\"}}}]", "not \"object\"");
	tools_refused(
		"[{\"function\":{\"name\":\"a\",\"parameters\":{\"anyOf\":[{}]}}}]", "at the top: \"anyOf\"");
	char *s = many_tools(TOOLS_MAX + 1, 0);
	tools_refused(s, "TOOLS_MAX");
	free(s);
	s = many_tools(1, TOOLS_BYTES_MAX + 1);
	tools_refused(s, "TOOLS_BYTES_MAX");
	free(s);
	struct arena a = { 0 };
	s = many_tools(TOOLS_MAX, 0);
	struct chat_turn t;
	const char *why;
	assert_int_equal(
		chat_turn_begin(
			&(struct chat_ask){ .source = HERMES, .source_len = strlen(HERMES), .tools = s }, &a,
			&t, &why),
		0);
	chat_turn_fini(&t);
	free(s);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest list[] = { cmocka_unit_test(tools) };
	return cmocka_run_group_tests(list, NULL, NULL);
}
