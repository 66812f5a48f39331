/* The file of quotas: what it says, what it may not say, and for whom each section counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/quota.h"

#include <string.h>

static struct quota q;
static struct quota_error e;

static int parse(const char *text)
{
	return quota_parse(text, strlen(text), &q, &e);
}

static void whole(void **state)
{
	char *system;
	struct quota_text word;
	size_t at = 0;
	assert_int_equal(
		parse("# who may what\n\n[principal alice@*]\n models = demo  llama-*\ncontext = 8192\n"
		      "max-tokens=1024\nparallel = 4\nrequests-per-minute = 60\ntokens-per-minute = 20000\n"
		      "tokens-per-day = 500000\ntools = weather search\nsystem = Be brief.\n"
		      "\tsystem = Say x = y.  \n[role operator]\ntokens-per-day = 0\n[everyone]\nparallel = "
		      "1"),
		0);
	assert_int_equal(q.n, 3);
	assert_int_equal(q.v[0].line, 3);
	static const u64 want[] = { 8192, 1024, 4, 60, 20000, 500000 };
	assert_memory_equal(q.v[0].limit, want, sizeof want);
	assert_true(q.v[1].limit[QUOTA_TOKENS_DAY] == 0 && q.v[1].limit[QUOTA_PARALLEL] == QUOTA_NONE);
	assert_int_equal(quota_system(&q.v[0], &system), 0);
	assert_string_equal(system, "Be brief.\nSay x = y.");
	free(system);
	assert_int_equal(quota_system(&q.v[1], &system), 1);
	assert_true(quota_word(&q.v[0].tools, &at, &word) && word.len == 7 && !memcmp(word.s, "weather", 7));
	assert_true(quota_word(&q.v[0].tools, &at, &word) && word.len == 6);
	assert_false(quota_word(&q.v[0].tools, &at, &word));
	assert_string_equal(quota_limit_name(QUOTA_TOKENS_DAY), "tokens-per-day");
}

static void first_counts(void **state)
{
	assert_int_equal(parse("[principal a*b*c]\n[principal uid:7]\n[role auditor]\n[everyone]\n"), 0);
	static const struct {
		const char *who, *role;
		u32 rule;
	} rows[] = { { "abc", "user", 0 }, { "aXbXbYc", "user", 0 }, { "aXcXb", "user", 3 },
		{ "ab", "user", 3 }, { "uid:7", "auditor", 1 }, { "uid:77", "auditor", 2 }, { "", "", 3 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_ptr_equal(quota_rule_for(&q, rows[i].who, rows[i].role), &q.v[rows[i].rule]);
	assert_int_equal(parse("[role user]\n"), 0);
	assert_null(quota_rule_for(&q, "x", "operator"));
	assert_int_equal(parse(""), 0);
	assert_null(quota_rule_for(&q, "x", "user"));
}

static void models(void **state)
{
	assert_int_equal(parse("[everyone]\nmodels = demo llama-*\n[x"), 1);
	assert_int_equal(parse("[everyone]\nmodels = demo llama-*\n"), 0);
	assert_true(quota_allows_model(&q.v[0], "demo") && quota_allows_model(&q.v[0], "llama-3"));
	assert_false(quota_allows_model(&q.v[0], "demo2") || quota_allows_model(&q.v[0], "a-llama-3"));
	assert_true(quota_allows_model(NULL, "anything"));
}

static void refused(void **state)
{
	static const struct {
		const char *text;
		u32 line;
	} rows[] = { { "parallel = 1\n", 1 }, { "[everyone]\nparallel = \n", 2 },
		{ "[everyone]\nparallel 1\n", 2 }, { "[everyone]\nparallel = 1\nparallel = 2\n", 3 },
		{ "[everyone]\nparallel = -1\n", 2 }, { "[everyone]\nparallel = 9007199254740993\n", 2 },
		{ "[everyone]\nparallel = 99999999999999999999\n", 2 }, { "[everyone]\nparalel = 1\n", 2 },
		{ "[everyone\n", 1 }, { "[]\n", 1 }, { "[everyone x]\n", 1 }, { "[principal]\n", 1 },
		{ "[principal a b]\n", 1 }, { "[role king]\n", 1 }, { "[people]\n", 1 },
		{ "\n[everyone]\n[role user]\n", 3 }, { "[role user]\n[role user]\n", 2 },
		{ "[everyone]\nmodels = a\nmodels = b\n", 3 }, { "[everyone]\n\001\n", 2 },
		{ "[everyone]\n\177", 2 }, { "# \xff\n", 1 },
		{ "[everyone]\nsystem = a\n# not between\nsystem = b\n", 4 },
		{ "[everyone]\nsystem = a\nparallel = 1\nsystem = b\n", 4 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!parse(rows[i].text))
			fail_msg("accepted: %s", rows[i].text);
		assert_int_equal(e.line, rows[i].line);
		assert_true(e.text[0]);
	}
}

/* One past each limit. */
static void limits(void **state)
{
	static char text[QUOTA_FILE_BYTES_MAX + 2];
	memset(text, '#', QUOTA_LINE_BYTES_MAX + 1);
	assert_int_equal(quota_parse(text, QUOTA_LINE_BYTES_MAX, &q, &e), 0);
	assert_int_equal(quota_parse(text, QUOTA_LINE_BYTES_MAX + 1, &q, &e), 1);
	memset(text, '\n', sizeof text);
	assert_int_equal(quota_parse(text, QUOTA_FILE_BYTES_MAX, &q, &e), 0);
	assert_int_equal(quota_parse(text, QUOTA_FILE_BYTES_MAX + 1, &q, &e), 1);
	size_t n = 0;
	for (u32 i = 0; i < QUOTA_RULES_MAX; i++)
		n += (size_t)sprintf(text + n, "[principal p%u]\n", i);
	assert_int_equal(quota_parse(text, n, &q, &e), 0);
	n += (size_t)sprintf(text + n, "[everyone]\n");
	assert_int_equal(quota_parse(text, n, &q, &e), 1);
	n = (size_t)sprintf(text, "[everyone]\ntools =");
	for (u32 i = 0; i < QUOTA_NAMES_MAX; i++)
		n += (size_t)sprintf(text + n, " t%u", i);
	assert_int_equal(quota_parse(text, n, &q, &e), 0);
	n += (size_t)sprintf(text + n, " t");
	assert_int_equal(quota_parse(text, n, &q, &e), 1);
	n = (size_t)sprintf(text, "[everyone]\nmodels = ");
	memset(text + n, 'm', CHAT_NAME_BYTES_MAX + 1);
	assert_int_equal(quota_parse(text, n + CHAT_NAME_BYTES_MAX, &q, &e), 0);
	assert_int_equal(quota_parse(text, n + CHAT_NAME_BYTES_MAX + 1, &q, &e), 1);
	n = (size_t)sprintf(text, "[principal %0*d]", (int)NAME_LEN_MAX, 1);
	assert_int_equal(quota_parse(text, n, &q, &e), 0);
	n = (size_t)sprintf(text, "[principal %0*d]", (int)NAME_LEN_MAX + 1, 1);
	assert_int_equal(quota_parse(text, n, &q, &e), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole), cmocka_unit_test(first_counts),
		cmocka_unit_test(models), cmocka_unit_test(refused), cmocka_unit_test(limits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
