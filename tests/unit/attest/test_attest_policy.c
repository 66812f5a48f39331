/* Policies: what parses, what is refused at which line, and what licences mean. */
#include "attest/policy.h"
#include "attest/spdx.h"
#include "attest/trust.h"
#include "base/bytes.h"
#include "helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "[policy]\nversion = 1\n"

/* ---- parsing ------------------------------------------------------------------------------------------------------------------ */

static void test_good(void **state)
{
	static const char *const good[] = {
		HEAD "[models *]\nrequire = 1 any\n",
		"# a comment\n; another\n\n  [ policy ]  \n\tversion=1\n title = Käfer \n[models a* "
		"b?c]\nrequire=2 any\n",
		HEAD "[signer pub-*]\nroles = publisher, lab\nnot-before = 2025-01-01\nnot-after = "
		     "2025-12-31T23:59:59Z\n"
		     "[signer *]\n[models *]\nrequire = 1 publisher, 8 any\nlicence = MIT OR Apache-2.0+ or "
		     "GPL-2.0-only WITH Classpath-exception-2.0\nmin-sequence = "
		     "9223372036854775807\nno-rollback = no\n"
		     "not-before = 1970-01-01\n",
		HEAD "[deny]\nserial = 0\nserial = abcdef\n[models x]\nrequire = 1 any\n[models *]\nrequire "
		     "= 1 any\n",
		attest_policy_default,
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct attest_policy *p = helper_policy(good[i]);
		u8 digest[SHA256_BYTES];
		sha256_of(good[i], strlen(good[i]), digest);
		assert_memory_equal(attest_policy_digest(p), digest, sizeof digest);
		attest_policy_free(p);
	}
}

/* Which acts need two people is said by the file, and kept by keepd. */
static void test_two_persons(void **state)
{
	static const struct {
		const char *text;
		u32 acts;
	} said[] = {
		{ HEAD "[models *]\nrequire = 1 any\n", 0 },
		{ HEAD "two-persons = trust\n[models *]\nrequire = 1 any\n", TWO_TRUST },
		{ HEAD "two-persons = serve, policy\n[models *]\nrequire = 1 any\n", TWO_POLICY | TWO_SERVE },
		{ HEAD "two-persons = export\n[models *]\nrequire = 1 any\n", TWO_EXPORT },
	};
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		struct attest_policy *p = helper_policy(said[i].text);
		assert_int_equal(attest_policy_two_persons(p), said[i].acts);
		attest_policy_free(p);
	}
}

#define KEY64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_bad(void **state)
{
	static const struct {
		u32 line;
		const char *says, *text;
	} bad[] = {
		{ 0, "no [policy]", "" },
		{ 0, "no [policy]", "# nothing\n" },
		{ 0, "no [models]", HEAD },
		{ 1, "first section", "[models *]\nrequire = 1 any\n" },
		{ 1, "before the first", "version = 1\n" },
		{ 1, "has no version", "[policy]\n[models *]\nrequire = 1 any\n" },
		{ 2, "\"2\"", "[policy]\nversion = 2\n" },
		{ 2, "no value", "[policy]\nversion =\n" },
		{ 3, "twice", HEAD "version = 1\n" },
		{ 3, "once, first", HEAD "[policy]\nversion = 1\n" },
		{ 3, "no key \"color\"", HEAD "color = red\n" },
		{ 3, "a section is", HEAD "[trust]\n" },
		{ 3, "a section is", HEAD "[]\n" },
		{ 3, "ends with ]", HEAD "[models *\n" },
		{ 3, "names nothing", HEAD "[models]\n" },
		{ 3, "names nothing", HEAD "[deny x]\n" },
		{ 3, "is made of", HEAD "[models A*]\n" },
		{ 3, "is made of", HEAD "[signer a/b]\n" },
		{ 3, "no require", HEAD "[models *]\n" },
		{ 3, "neither", HEAD "require 1 any\n" },
		{ 4, "counts from 1", HEAD "[models *]\nrequire = any\n" },
		{ 4, "counts from 1", HEAD "[models *]\nrequire = 0 any\n" },
		{ 4, "counts from 1", HEAD "[models *]\nrequire = 01 any\n" },
		{ 4, "counts from 1", HEAD "[models *]\nrequire = 1\n" },
		{ 4, "names no signer", HEAD "[models *]\nrequire = ,\n" },
		{ 4, "twice", HEAD "[models *]\nrequire = 1 any, 2 any\n" },
		{ 4, "no [signer] has the role lab", HEAD "[models *]\nrequire = 1 lab\n" },
		{ 4, "no name for a role", HEAD "[signer *]\nroles = any\n" },
		{ 4, "no name for a role", HEAD "[signer *]\nroles = Lab\n" },
		{ 5, "never reached: line 3", HEAD "[signer *]\nroles = a\n[signer b]\nroles = b\n" },
		{ 5, "never reached: line 3",
			HEAD "[models b *]\nrequire = 1 any\n[models b]\nrequire = 1 any\n" },
		{ 4, "no time such as", HEAD "[signer *]\nnot-before = 2025-02-29\n" },
		{ 3, "later than not-after",
			HEAD "[signer *]\nnot-before = 2026-01-02\nnot-after = 2026-01-01\n" },
		{ 5, "licence is any", HEAD "[models *]\nrequire = 1 any\nlicence = MIT AND Apache-2.0\n" },
		{ 5, "licence is any", HEAD "[models *]\nrequire = 1 any\nlicence = MIT OR\n" },
		{ 5, "licence is any", HEAD "[models *]\nrequire = 1 any\nlicence = (MIT)\n" },
		{ 5, "from 1 on", HEAD "[models *]\nrequire = 1 any\nmin-sequence = 0\n" },
		{ 5, "from 1 on", HEAD "[models *]\nrequire = 1 any\nmin-sequence = 9223372036854775808\n" },
		{ 5, "yes or no", HEAD "[models *]\nrequire = 1 any\nno-rollback = true\n" },
		{ 4, "64 digits", HEAD "[deny]\nkey = abc\n" },
		{ 4, "64 digits", HEAD "[deny]\nkey = " KEY64 "00\n" },
		{ 4, "64 or 96", HEAD "[deny]\ndigest = " KEY64 "00\n" },
		{ 4, "up to 40", HEAD "[deny]\nserial = 0x12\n" },
		{ 4, "up to 40", HEAD "[deny]\nserial = " KEY64 "\n" },
		{ 2, "line feed", "[policy]\nversion = 1" },
		{ 2, "control", "[policy]\nversion = 1\r\n" },
		{ 1, "control", "[pol\x01icy]\n" },
		{ 3, "UTF-8", HEAD "title = \xff\n" },
		{ 3, "two-persons is made of", HEAD "two-persons = trust everything\n" },
		{ 3, "each once", HEAD "two-persons = serve trust serve\n" },
		{ 4, "has no key", HEAD "[deny]\ntwo-persons = trust\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct attest_policy *p = NULL;
		struct attest_policy_errors e;
		int r = attest_policy_parse(bad[i].text, strlen(bad[i].text), &p, &e);
		if (r != 1)
			fail_msg("accepted: %s", bad[i].text);
		if (e.v[0].line != bad[i].line || !strstr(e.v[0].text, bad[i].says))
			fail_msg("line %u: %s; not line %u, %s:\n%s", e.v[0].line, e.v[0].text, bad[i].line,
				bad[i].says, bad[i].text);
	}
	/* a 0 byte ends nothing */
	struct attest_policy *p = NULL;
	struct attest_policy_errors e;
	assert_int_equal(attest_policy_parse("[policy]\0\nversion = 1\n", 22, &p, &e), 1);
	/* every error is counted, and the first ones are said */
	char many[2048] = "";
	for (u32 i = 0; i < 40; i++)
		strcat(many, "what is this\n");
	assert_int_equal(attest_policy_parse(many, strlen(many), &p, &e), 1);
	assert_int_equal(e.n, ARRAY_LEN(e.v));
	assert_int_equal(e.n + e.more, 41); /* and there is no [policy] */
	assert_int_equal(e.v[15].line, 16);
}

/* n times `each`, its @ being the number, between HEAD + before and after + a good [models] section. 0 or 1. */
static int repeated(const char *before, const char *each, u32 n, const char *after)
{
	struct attest_policy *p = NULL;
	struct attest_policy_errors e;
	size_t cap = 4096 + strlen(before) + strlen(after) + (size_t)n * (strlen(each) + 16);
	char *text = malloc(cap);
	assert_non_null(text);
	size_t at = (size_t)sprintf(text, HEAD "%s", before);
	for (u32 i = 0; i < n; i++)
		for (const char *c = each; *c; c++)
			at += (size_t)(*c == '@' ? sprintf(text + at, "%u", i)
						 : sprintf(text + at, "%c", *c));
	at += (size_t)sprintf(text + at, "%s[models *]\nrequire = 1 any\n", after);
	int r = attest_policy_parse(text, at, &p, &e);
	attest_policy_free(p);
	free(text);
	return r;
}

static void test_limits(void **state)
{
	struct attest_policy *p = NULL;
	struct attest_policy_errors e;
	assert_int_equal(repeated("", "[models a@]\nrequire = 1 any\n", POLICY_SECTIONS_MAX - 2, ""), 0);
	assert_int_equal(repeated("", "[models a@]\nrequire = 1 any\n", POLICY_SECTIONS_MAX - 1, ""), 1);
	assert_int_equal(repeated("[signer", " a@", POLICY_PATTERNS_MAX, "]\n"), 0);
	assert_int_equal(repeated("[signer", " a@", POLICY_PATTERNS_MAX + 1, "]\n"), 1);
	assert_int_equal(repeated("[signer a]\nroles =", " r@", POLICY_ROLES_MAX, "\n"), 0);
	assert_int_equal(repeated("[signer a]\nroles =", " r@", POLICY_ROLES_MAX + 1, "\n"), 1);
	assert_int_equal(repeated("[models a]\nrequire = 1 any\nlicence = a", " OR L-@",
				 POLICY_LICENCES_MAX - 1, "\n"),
		0);
	assert_int_equal(
		repeated("[models a]\nrequire = 1 any\nlicence = a", " OR L-@", POLICY_LICENCES_MAX, "\n"),
		1);
	assert_int_equal(repeated("[deny]\n", "serial = @\n", POLICY_DENIED_MAX, ""), 0);
	assert_int_equal(repeated("[deny]\n", "serial = @\n", POLICY_DENIED_MAX + 1, ""), 1);
	/* one line */
	assert_int_equal(repeated("#", "x", POLICY_LINE_BYTES_MAX - 1, "\n"), 0);
	assert_int_equal(repeated("#", "x", POLICY_LINE_BYTES_MAX, "\n"), 1);
	/* signers of one model */
	char text[128];
	snprintf(text, sizeof text, HEAD "[models *]\nrequire = %u any\n", BUNDLES_MAX);
	assert_int_equal(attest_policy_parse(text, strlen(text), &p, &e), 0);
	attest_policy_free(p);
	snprintf(text, sizeof text, HEAD "[models *]\nrequire = %u any\n", BUNDLES_MAX + 1);
	assert_int_equal(attest_policy_parse(text, strlen(text), &p, &e), 1);
	/* a serial of that many digits, and one more */
	snprintf(text, sizeof text, HEAD "[deny]\nserial = %0*d\n[models *]\nrequire = 1 any\n",
		(int)SERIAL_HEX_MAX, 1);
	assert_int_equal(attest_policy_parse(text, strlen(text), &p, &e), 0);
	attest_policy_free(p);
	snprintf(text, sizeof text, HEAD "[deny]\nserial = %0*d\n[models *]\nrequire = 1 any\n",
		(int)SERIAL_HEX_MAX + 1, 1);
	assert_int_equal(attest_policy_parse(text, strlen(text), &p, &e), 1);
	/* the whole file: comments fill it */
	char *file = malloc(POLICY_FILE_BYTES_MAX + 1);
	assert_non_null(file);
	memset(file, '\n', POLICY_FILE_BYTES_MAX + 1);
	memcpy(file, attest_policy_default, strlen(attest_policy_default));
	assert_int_equal(attest_policy_parse(file, POLICY_FILE_BYTES_MAX, &p, &e), 0);
	attest_policy_free(p);
	assert_int_equal(attest_policy_parse(file, POLICY_FILE_BYTES_MAX + 1, &p, &e), 1);
	assert_non_null(strstr(e.v[0].text, "longer"));
	free(file);
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		u64 s;
	} good[] = { { "1970-01-01", 0 }, { "2026-11-22T23:00:01Z", 1795388401 }, { "2000-02-29", 951782400 },
		{ "9999-12-31T23:59:59Z", 253402300799 } };
	static const char *const bad[] = { "", "2026", "2026-1-1", "2026-13-01", "2026-02-30", "2026-00-10",
		"2026-11-22T24:00:00Z", "2026-11-22T23:60:00Z", "2026-11-22T23:00:60Z", "2026-11-22T23:00:01",
		"2026-11-22 23:00:01Z", "2026-11-22T23:00:01z", "1969-12-31", "2026-11-2a" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		u64 s = 1;
		char again[24];
		assert_int_equal(attest_time_parse(good[i].text, &s), 0);
		assert_int_equal(s, good[i].s);
		attest_time_text(s, again);
		assert_memory_equal(again, good[i].text, strlen(good[i].text));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		u64 s;
		if (!attest_time_parse(bad[i], &s))
			fail_msg("\"%s\" is a time", bad[i]);
	}
}

/* ---- licences ------------------------------------------------------------------------------------------------------------------- */

static bool in_list(void *ctx, const struct spdx_term *t)
{
	struct spdx_term a;
	const char *const *list = ctx, *why;
	for (; *list; list++)
		if (spdx_term_parse(*list, strlen(*list), &a, &why) == 0 && spdx_term_allows(&a, t))
			return true;
	return false;
}

/* 0 no, 1 yes, 2 no expression. */
static int decide(const char *text, const char *const *allowed)
{
	bool ok = false;
	const char *why = "";
	return spdx_decide(text, strlen(text), in_list, (void *)(uintptr_t)allowed, &ok, &why) ? 2 : ok;
}

static void test_spdx(void **state)
{
	static const char *const allowed[] = { "MIT", "Apache-2.0", "GPL-2.0-or-later", "LGPL-3.0-only",
		"GPL-3.0-only WITH GCC-exception-3.1", "LicenseRef-llama3.1", "CC-BY-4.0+", NULL };
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "MIT", 1 },
		{ "mit", 1 },
		{ "BSD-3-Clause", 0 },
		{ "apache-2.0", 1 },
		{ "Apache-1.1", 0 },
		{ "Apache-3.0+", 0 },
		{ "Apache-1.1+", 1 }, /* the licensor offers 2.0 too */
		{ "Apache-2.0+", 1 }, /* the licensee may take 2.0 */
		{ "GPL-2.0", 1 },
		{ "GPL-2.0-only", 1 },
		{ "GPL-3.0-only", 1 }, /* "or later" is allowed */
		{ "GPL-1.0-only", 0 },
		{ "GPL-1.0-or-later", 1 },
		{ "LGPL-3.0-or-later", 1 },
		{ "LGPL-2.1-only", 0 },
		{ "LGPL-4.0", 0 },
		{ "AGPL-3.0-only", 0 },
		{ "GPL-3.0-only WITH GCC-exception-3.1", 1 },
		{ "GPL-3.0-only WITH Classpath-exception-2.0", 0 },
		{ "MIT WITH GCC-exception-3.1", 0 },
		{ "LicenseRef-llama3.1", 1 },
		{ "LicenseRef-llama3.2", 0 },
		{ "CC-BY-4.0", 1 },
		{ "CC-BY-3.0", 0 },
		{ "CC-BY-10.0", 1 },
		{ "CC-BY-NC-4.0", 0 },
		{ "MIT OR BSD-3-Clause", 1 },
		{ "BSD-3-Clause OR MIT", 1 },
		{ "MIT AND BSD-3-Clause", 0 },
		{ "MIT AND Apache-2.0", 1 },
		{ "MIT or bsd", 1 },
		{ "mit and bsd", 0 },
		{ "BSD OR MIT AND Apache-2.0", 1 }, /* AND binds closer */
		{ "MIT OR BSD AND ISC", 1 },
		{ "(MIT OR BSD) AND ISC", 0 },
		{ "ISC AND BSD OR MIT", 1 },
		{ "((MIT))", 1 },
		{ "(MIT AND (Apache-2.0 OR BSD))", 1 },
		{ "MIT AND (BSD OR ISC)", 0 },
		{ "(MIT)AND(Apache-2.0)", 1 },
		{ "", 2 },
		{ " ", 2 },
		{ "AND", 2 },
		{ "MIT AND", 2 },
		{ "OR MIT", 2 },
		{ "MIT MIT", 2 },
		{ "(MIT", 2 },
		{ "MIT)", 2 },
		{ "()", 2 },
		{ "MIT WITH", 2 },
		{ "MIT WITH (x)", 2 },
		{ "MIT WITH a+", 2 },
		{ "(MIT) WITH x", 2 },
		{ "+", 2 },
		{ "MIT+ +", 2 },
		{ "MIT/Apache-2.0", 2 },
		{ "MIT, BSD", 2 },
		{ "MIT And BSD", 2 },
		{ "MIT\n", 2 },
		{ "-or-later", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (decide(rows[i].text, allowed) != rows[i].want)
			fail_msg("\"%s\": %d, not %d", rows[i].text, decide(rows[i].text, allowed),
				rows[i].want);
}

static void test_spdx_limits(void **state)
{
	static const char *const mit[] = { "MIT", NULL };
	char text[8 * SPDX_BYTES_MAX];
	for (u32 more = 0; more < 2; more++) {
		size_t at = 0;
		for (u32 i = 0; i < SPDX_TERMS_MAX + more; i++)
			at += (size_t)sprintf(text + at, "%sMIT", i ? " OR " : "");
		assert_int_equal(decide(text, mit), more ? 2 : 1);
		memset(text, ' ', sizeof text);
		memcpy(text, "MIT", 3);
		text[SPDX_BYTES_MAX + more] = 0;
		assert_int_equal(decide(text, mit), more ? 2 : 1);
		/* parentheses take the places of operators */
		at = 0;
		for (u32 i = 0; i < 2 * SPDX_TERMS_MAX + more; i++)
			text[at++] = '(';
		at += (size_t)sprintf(text + at, "MIT");
		for (u32 i = 0; i < 2 * SPDX_TERMS_MAX + more; i++)
			text[at++] = ')';
		text[at] = 0;
		assert_int_equal(decide(text, mit), more ? 2 : 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_two_persons),
		cmocka_unit_test(test_bad), cmocka_unit_test(test_limits), cmocka_unit_test(test_time),
		cmocka_unit_test(test_spdx), cmocka_unit_test(test_spdx_limits) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
