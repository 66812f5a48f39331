/* Policies: what parses, what is refused at which line, and which rule decides. */
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

static struct attest_policy *parse(const char *text)
{
	struct attest_policy *p = NULL;
	struct attest_policy_errors e;
	if (attest_policy_parse(text, strlen(text), &p, &e))
		fail_msg("line %u: %s\n%s", e.v[0].line, e.v[0].text, text);
	return p;
}

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
		struct attest_policy *p = parse(good[i]);
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
	};
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		struct attest_policy *p = parse(said[i].text);
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

/* ---- who signed ------------------------------------------------------------------------------------------------------------------ */

#define T2026 1767225600u /* 2026-01-01 */

static struct attest_signer signer(const char *name, u8 key, u64 time)
{
	struct attest_signer s = { .models = "" };
	snprintf(s.facts.name, sizeof s.facts.name, "%s", name);
	memset(s.facts.key_id, key, sizeof s.facts.key_id);
	memset(s.facts.model, 0x11, sizeof s.facts.model);
	memset(s.facts.bundle, 0x22, sizeof s.facts.bundle);
	s.facts.time = time;
	s.facts.time_source = time ? ATTEST_TIME_STAMP : ATTEST_TIME_NONE;
	return s;
}

static struct attest_rules rules;
static struct attest_report report;

/* "accepted", or the code. */
static const char *ask(const char *policy, const char *name, const struct attest_signer *s, u32 n)
{
	struct attest_policy *p = parse(policy);
	struct attest_policy_question q = { .name = name, .signers = s, .n_signers = n, .now = T2026 };
	rules.n = 0;
	attest_report_init(&report);
	int r = attest_policy_signers(p, &q, &rules, &report);
	attest_policy_free(p);
	assert_true(r == 0 || r == 1);
	assert_int_equal(report.verdict, r ? ATTEST_REJECTED : ATTEST_ACCEPTED);
	/* a refusal has a rule that fails; an acceptance names what holds */
	u32 failed = 0;
	for (u32 i = 0; i < rules.n; i++)
		failed += !rules.v[i].holds;
	assert_true(rules.n > 0 && (!r || failed > 0));
	return report.code;
}

static void test_roles(void **state)
{
	static const char policy[] =
		HEAD "[signer pub-*]\nroles = publisher\n[signer lab-a lab-b]\nroles = lab\n"
		     "[signer both]\nroles = publisher lab\n"
		     "[models llama-*]\nrequire = 1 publisher, 2 lab\n"
		     "[models demo]\nrequire = 1 any\n";
	const struct attest_signer a = signer("pub-x", 1, 0), b = signer("lab-a", 2, 0),
				   c = signer("lab-b", 3, 0), b2 = signer("lab-a", 4, 0),
				   bk = signer("lab-b", 2, 0), all = signer("both", 5, 0),
				   none = signer("else", 6, 0);
	const struct {
		const char *want, *name;
		struct attest_signer s[4];
		u32 n;
	} rows[] = {
		{ "accepted", "llama-8b", { a, b, c }, 3 },
		{ "accepted", "llama-8b", { c, a, b }, 3 },
		{ "accepted", "llama-8b", { a, b, all }, 3 },
		{ "accepted", "llama-8b", { b, all }, 2 }, /* one person in two roles counts in each */
		{ "signers", "llama-8b", { a, b }, 2 },
		{ "signers", "llama-8b", { b, c }, 2 },
		{ "signers", "llama-8b", { a, b, b2 }, 3 }, /* one trust root is one signer */
		{ "signers", "llama-8b", { a, b, bk }, 3 }, /* and so is one key */
		{ "signers", "llama-8b", { a, b, none }, 3 },
		{ "signers", "llama-8b", { none }, 0 },
		{ "accepted", "demo", { none }, 1 },
		{ "signers", "demo", { none }, 0 },
		{ "policy", "other", { a, b, c }, 3 },
		{ "policy", "llama", { a, b, c }, 3 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(ask(policy, rows[i].name, rows[i].s, rows[i].n), rows[i].want))
			fail_msg("row %zu: %s: %s", i, report.code, report.detail);
	ask(policy, "llama-8b", (struct attest_signer[]){ a, b }, 2);
	assert_string_equal(report.expected, "2 lab");
	assert_string_equal(report.found, "1");
	assert_non_null(strstr(report.detail, "line 10"));
}

static void test_scope_and_time(void **state)
{
	static const char policy[] = HEAD "[signer old]\nroles = r\nnot-after = 2025-06-30T00:00:00Z\n"
					  "[signer new]\nroles = r\nnot-before = 2026-06-30\n"
					  "[models late-*]\nrequire = 1 any\nnot-before = 2025-06-01\n"
					  "[models *]\nrequire = 1 r\n";
	u64 mid = 0, edge = 0;
	assert_int_equal(attest_time_parse("2025-05-01", &mid), 0);
	assert_int_equal(attest_time_parse("2025-06-30", &edge), 0);
	struct attest_signer s = signer("old", 1, 0);
	assert_string_equal(ask(policy, "m", &s, 1), "signers"); /* nobody proves that it is older than now */
	s = signer("old", 1, mid);
	assert_string_equal(ask(policy, "m", &s, 1), "accepted");
	s = signer("old", 1, edge);
	assert_string_equal(ask(policy, "m", &s, 1), "accepted");
	s = signer("old", 1, edge + 1);
	assert_string_equal(ask(policy, "m", &s, 1), "signers");
	s = signer("new", 1, 0);
	assert_string_equal(ask(policy, "m", &s, 1), "signers"); /* too early: it waits */
	s = signer("else", 1, mid);
	assert_string_equal(ask(policy, "late-1", &s, 1), "signers");
	s = signer("else", 1, edge);
	assert_string_equal(ask(policy, "late-1", &s, 1), "accepted");
	s.models = "late-2*";
	assert_string_equal(ask(policy, "late-1", &s, 1), "signers");
	s.models = "late-?";
	assert_string_equal(ask(policy, "late-1", &s, 1), "accepted");
}

static void test_denied(void **state)
{
	struct attest_signer s[2] = { signer("pub", 0xaa, 0), signer("lab", 0xbb, 0) };
	struct segments_file file = { .path = "weights.gguf" };
	struct segments_header head = { .n_files = 1 };
	struct segments seg = { .h = &head, .files = &file };
	struct attest_policy_question q = {
		.name = "m", .signers = s, .n_signers = 2, .now = T2026, .files = &seg
	};
	memset(file.digest, 0x33, sizeof file.digest);
	strcpy(s[1].facts.serial, "1a2b");
	static const struct {
		const char *key;
		u8 byte;
		u32 n;
		const char *object;
	} rows[] = { { "key", 0xbb, 32, "bbbb" }, { "digest", 0x11, 48, "1111" },
		{ "digest", 0x22, 32, "2222" }, { "digest", 0x33, 32, "weights.gguf" },
		{ "key", 0xcc, 32, NULL }, { "digest", 0xbb, 32, NULL }, { "digest", 0x11, 32, NULL } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512], hex[2 * MODEL_DIGEST_BYTES + 1];
		u8 raw[MODEL_DIGEST_BYTES];
		memset(raw, rows[i].byte, sizeof raw);
		bytes_hex(raw, rows[i].n, hex);
		snprintf(text, sizeof text, "%s[deny]\n%s = %s\n", attest_policy_default, rows[i].key, hex);
		struct attest_policy *p = parse(text);
		rules.n = 0;
		attest_report_init(&report);
		assert_int_equal(attest_policy_signers(p, &q, &rules, &report), rows[i].object ? 1 : 0);
		attest_policy_free(p);
		if (!rows[i].object)
			continue;
		assert_string_equal(report.code, "denied");
		assert_memory_equal(report.object, rows[i].object, strlen(rows[i].object));
		assert_int_equal(rules.v[0].line, 11);
	}
	static const char *const serials[] = { "1a2b", "001a2b", "1a2" };
	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		char text[512];
		snprintf(text, sizeof text, "%s[deny]\nserial = %s\n", attest_policy_default, serials[i]);
		struct attest_policy *p = parse(text);
		attest_report_init(&report);
		assert_int_equal(attest_policy_signers(p, &q, &rules, &report), i < 2 ? 1 : 0);
		attest_policy_free(p);
	}
}

/* More rules than are listed are all held; the last one that is listed says so. */
static void test_many_rules(void **state)
{
	char text[4096] = HEAD "[signer *]\nroles =";
	struct attest_signer s[BUNDLES_MAX];
	size_t at = strlen(text);
	for (u32 i = 0; i < POLICY_ROLES_MAX; i++)
		at += (size_t)sprintf(text + at, " r%u", i);
	at += (size_t)sprintf(text + at, "\n[models *]\nrequire = %u any", BUNDLES_MAX);
	for (u32 i = 0; i + 1 < POLICY_ROLES_MAX; i++)
		at += (size_t)sprintf(text + at, ", 1 r%u", i);
	sprintf(text + at, "\n");
	for (u32 i = 0; i < BUNDLES_MAX; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%u", i);
		s[i] = signer(name, (u8)i, 0);
	}
	assert_string_equal(ask(text, "m", s, BUNDLES_MAX), "accepted");
	assert_int_equal(rules.n, RULES_MAX);
	assert_non_null(strstr(rules.v[RULES_MAX - 1].text, "more rules"));
	assert_string_equal(ask(text, "m", s, BUNDLES_MAX - 1), "signers");
}

/* ---- what was signed -------------------------------------------------------------------------------------------------------------- */

static const char *ask_content(const char *policy, struct attest_policy_content c)
{
	struct attest_policy *p = parse(policy);
	c.name = c.name ? c.name : "m";
	c.licence_why = c.licence ? NULL : "it states no licence";
	c.licence_from = c.licence ? "general.license" : "";
	rules.n = 0;
	attest_report_init(&report);
	int r = attest_policy_content(p, &c, &rules, &report);
	attest_policy_free(p);
	assert_true(r == 0 || r == 1);
	return report.code;
}

static void test_content(void **state)
{
	static const char lic[] = HEAD "[models *]\nrequire = 1 any\nlicence = MIT OR Apache-2.0\n";
	static const char min[] = HEAD "[models *]\nrequire = 1 any\nmin-sequence = 5\n";
	static const char back[] = HEAD "[models *]\nrequire = 1 any\nno-rollback = yes\n";
	static const char both[] = HEAD "[models *]\nrequire = 1 any\nmin-sequence = 5\nno-rollback = yes\n";
	const struct {
		const char *want, *policy;
		struct attest_policy_content c;
	} rows[] = {
		{ "accepted", attest_policy_default, { 0 } },
		{ "accepted", attest_policy_default, { .licence = "nonsense (" } },
		{ "accepted", lic, { .licence = "mit" } },
		{ "licence", lic, { .licence = "GPL-3.0" } },
		{ "licence", lic, { .licence = "nonsense (" } },
		{ "licence", lic, { 0 } },
		{ "sequence", min, { 0 } },
		{ "sequence", min, { .has_sequence = true } },
		{ "sequence", min, { .has_sequence = true, .sequence = 4 } },
		{ "accepted", min, { .has_sequence = true, .sequence = 5 } },
		{ "accepted", min, { .has_sequence = true, .sequence = 5, .newest = 9 } }, /* not asked for */
		{ "accepted", back, { .has_sequence = true, .sequence = 1 } },
		{ "accepted", back, { .has_sequence = true, .sequence = 9, .newest = 9 } },
		{ "sequence", back, { .has_sequence = true, .sequence = 8, .newest = 9 } },
		{ "sequence", back, { .newest = 9 } },
		{ "sequence", both, { .has_sequence = true, .sequence = 4, .newest = 3 } },
		{ "sequence", both, { .has_sequence = true, .sequence = 6, .newest = 7 } },
		{ "accepted", both, { .has_sequence = true, .sequence = 7, .newest = 7 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(ask_content(rows[i].policy, rows[i].c), rows[i].want))
			fail_msg("row %zu: %s: %s", i, report.code, report.detail);
	assert_string_equal(
		ask_content(HEAD "[models a]\nrequire = 1 any\n", (struct attest_policy_content){ 0 }),
		"policy");
}

/* ---- cures -------------------------------------------------------------------------------------------------------------------- */

/* Who signed, what was signed, and a trust root: refused for one thing, accepted without it. */
static const struct cure {
	u32 reason;
	const char *policy,
		*well; /* a policy, and the one without the defect; the same: it was in the question */
	u32 signers, well_signers; /* how many signed; 0: asked is what was signed */
	struct attest_policy_content said, well_said;
} cures[] = {
	{ ATTEST_POLICY, HEAD "[models n]\nrequire = 1 any\n", HEAD "[models m]\nrequire = 1 any\n", 1, 1,
		{ 0 }, { 0 } },
	{ ATTEST_SIGNERS, HEAD "[models *]\nrequire = 2 any\n", HEAD "[models *]\nrequire = 2 any\n", 1, 2,
		{ 0 }, { 0 } },
	{ ATTEST_DENIED, HEAD "[deny]\nserial = 1a\n[models *]\nrequire = 1 any\n",
		HEAD "[deny]\nserial = 1b\n[models *]\nrequire = 1 any\n", 1, 1, { 0 }, { 0 } },
	{ ATTEST_LICENCE, HEAD "[models *]\nrequire = 1 any\nlicence = MIT\n",
		HEAD "[models *]\nrequire = 1 any\nlicence = MIT\n", 0, 0, { .licence = "ISC" },
		{ .licence = "MIT" } },
	{ ATTEST_SEQUENCE, HEAD "[models *]\nrequire = 1 any\nno-rollback = yes\n",
		HEAD "[models *]\nrequire = 1 any\nno-rollback = yes\n", 0, 0,
		{ .has_sequence = true, .sequence = 8, .newest = 9 },
		{ .has_sequence = true, .sequence = 9, .newest = 9 } },
};

static const char *cure_ask(const struct cure *c, bool well)
{
	struct attest_signer s[2] = { signer("a", 1, 0), signer("b", 2, 0) };
	const char *policy = well ? c->well : c->policy;
	strcpy(s[0].facts.serial, "1a");
	return c->signers ? ask(policy, "m", s, well ? c->well_signers : c->signers)
			  : ask_content(policy, well ? c->well_said : c->said);
}

/* test_cosigned and test_trust have their own. */
static void test_cures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cures); i++) {
		assert_string_equal(cure_ask(&cures[i], false), attest_reason_code(cures[i].reason));
		assert_string_equal(cure_ask(&cures[i], true), "accepted");
	}
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i), n = 0;
		for (size_t k = 0; k < ARRAY_LEN(cures); k++)
			n += cures[k].reason == reason;
		n += reason == ATTEST_COSIGNED || reason == ATTEST_TRUST_ROOT;
		if (n != (reason >= ATTEST_POLICY && reason <= ATTEST_TRUST_ROOT ? 1 : 0))
			fail_msg("%s has %u cures", attest_reason_code(reason), n);
	}
}

/* ---- trust roots -------------------------------------------------------------------------------------------------------------------- */

static void test_trust(void **state)
{
	struct attest_trust *t = NULL;
	struct proto_trust w = { .name = "ca", .kind = TRUST_ROOT };
	struct proto_key key = { .name = "k" };
	static const char junk[] = "no certificate";
	struct attest_blob pem = helper_read(KEEP_VECTORS "/sigstore/ca.pem");
	assert_int_equal(attest_trust_create(&t), 0);
	assert_int_equal(attest_trust_add(t, &w, pem.data, pem.len, &report), 1);
	assert_string_equal(report.code, "trust-root"); /* no pin */
	strcpy(w.identity.san, "a@example.org");
	assert_int_equal(attest_trust_add(t, &w, pem.data, pem.len, &report), 0);
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "certificate");
	w.kind = TRUST_CRL;
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "trust-root"); /* a list vouches for nobody */
	memset(&w.identity, 0, sizeof w.identity);
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "crl");
	w.kind = 77;
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "trust-root");
	for (u32 i = 0; i <= TRUST_KEYS_MAX; i++)
		assert_int_equal(attest_trust_add_key(t, &key, &report), i < TRUST_KEYS_MAX ? 0 : 1);
	assert_string_equal(report.code, "size-limit");
	attest_blob_fini(&pem);
	attest_trust_free(t);
}

/* ---- what the files say ------------------------------------------------------------------------------------------------------- */

/* Of a model with that card and sequence (NULL: none). The weights' header states no licence. */
static struct attest_policy_content said(
	const char *card, size_t card_len, const char *sequence, char *licence)
{
	char *dir = helper_tmp(), path[512];
	struct attest_tree tree = { 0 };
	struct attest_blob table = { 0 }, layout = { 0 },
			   gguf = helper_read(KEEP_VECTORS "/gguf/good-defaults.gguf");
	struct segments seg;
	const char *why;
	snprintf(path, sizeof path, "%s/m.gguf", dir);
	helper_write(path, gguf.data, gguf.len);
	assert_string_equal(helper_layout(path, &report, &layout), "accepted");
	snprintf(path, sizeof path, "%s/README.md", dir);
	if (card)
		helper_write(path, card, card_len);
	snprintf(path, sizeof path, "%s/" SEQUENCE_FILE, dir);
	if (sequence)
		helper_write(path, sequence, strlen(sequence));
	helper_segments(dir, &tree, &table);
	assert_int_equal(segments_open(table.data, table.len, &seg, &why), 0);
	struct attest_policy_content c = { .name = "m" };
	struct attest_content_params p = { .segments = &seg,
		.files = tree.files,
		.n_files = tree.n_files,
		.layout = layout.data,
		.layout_len = layout.len };
	attest_report_init(&report);
	assert_int_equal(attest_content_read(&p, licence, &c, &report), 0);
	attest_tree_fini(&tree);
	attest_blob_fini(&table);
	attest_blob_fini(&layout);
	attest_blob_fini(&gguf);
	helper_rm(dir);
	return c;
}

static void test_said(void **state)
{
	char licence[LICENCE_BYTES_MAX + 1];
	static const struct {
		const char *card, *want; /* NULL: it cannot be told */
	} cards[] = {
		{ "no front matter\nlicense: mit\n", NULL },
		{ "---\nlicense:\n---\n", NULL },
		{ "---\ntags: x\n---\nlicense: bsd\n", NULL },
		{ "---\nlicense: bsd", "bsd" },
		{ "---\r\ntags: [a]\r\nlicense: 'bsd'\r\n---\r\n", "bsd" },
		{ "---\nlicense: \"a b\"\n---\n", "a b" },
		{ "---\nlicense: \xff\n---\n", NULL },
	};
	assert_null(said(NULL, 0, NULL, licence).licence);
	for (size_t i = 0; i < ARRAY_LEN(cards); i++) {
		struct attest_policy_content c = said(cards[i].card, strlen(cards[i].card), NULL, licence);
		if (!c.licence != !cards[i].want || (c.licence && strcmp(c.licence, cards[i].want)))
			fail_msg("card %zu: %s", i, c.licence ? c.licence : c.licence_why);
		assert_true(c.licence || c.licence_why);
	}
	static const struct {
		const char *text;
		u64 want;
	} sequences[] = { { "1", 1 }, { "42\n", 42 }, { "9223372036854775807\n", INT64_MAX },
		{ "9223372036854775808\n", 0 }, { "0", 0 }, { "01", 0 }, { "", 0 }, { "\n", 0 },
		{ "1\n\n", 0 }, { "1 ", 0 }, { "+1", 0 }, { "1.0", 0 } };
	for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
		struct attest_policy_content c = said(NULL, 0, sequences[i].text, licence);
		assert_true(c.has_sequence);
		assert_int_equal(c.sequence, sequences[i].want);
	}
	assert_false(said(NULL, 0, NULL, licence).has_sequence);
}

/* One past SEQUENCE_BYTES_MAX, LICENCE_BYTES_MAX and CARD_BYTES_MAX. */
static void test_said_limits(void **state)
{
	char licence[LICENCE_BYTES_MAX + 1], long_one[SEQUENCE_BYTES_MAX + 2] = "";
	char *card = malloc(CARD_BYTES_MAX + 1);
	assert_non_null(card);
	memset(long_one, '1', SEQUENCE_BYTES_MAX + 1);
	assert_int_equal(said(NULL, 0, long_one, licence).sequence, 0);
	for (u32 more = 0; more < 2; more++) {
		size_t n = (size_t)sprintf(card, "---\nlicense: ");
		memset(card + n, 'a', LICENCE_BYTES_MAX + more);
		n += LICENCE_BYTES_MAX + more;
		n += (size_t)sprintf(card + n, "\n---\n");
		struct attest_policy_content c = said(card, n, NULL, licence);
		assert_true(more ? !c.licence && strstr(c.licence_why, "too long") : c.licence != NULL);
		memset(card, ' ', CARD_BYTES_MAX + 1);
		memcpy(card, "---\nlicense: mit\n---\n", 21);
		c = said(card, CARD_BYTES_MAX + more, NULL, licence);
		assert_true(more ? !c.licence : c.licence != NULL);
	}
	free(card);
}

static struct attest_manifest *peek(const char *name)
{
	struct attest_manifest *m = NULL;
	char path[512];
	snprintf(path, sizeof path, KEEP_VECTORS "/oms/%s", name);
	struct attest_blob b = helper_read(path);
	assert_int_equal(attest_bundle_peek(b.data, b.len, &m, &report), 0);
	attest_blob_fini(&b);
	return m;
}

static void test_cosigned(void **state)
{
	struct attest_manifest *a = peek("good-p256.sig"), *b = peek("good-p384.sig"),
			       *c = peek("good-shards.sig");
	assert_int_equal(attest_manifests_equal(a, a, &report), 0);
	assert_int_equal(attest_manifests_equal(a, b, &report), 0);
	assert_int_equal(attest_manifests_equal(a, c, &report), 1);
	assert_string_equal(report.code, "cosigned");
	u8 *digests = malloc(b->n_digests * 32u);
	assert_non_null(digests);
	memcpy(digests, b->digests, b->n_digests * 32u);
	digests[b->n_digests * 32u - 1] ^= 1;
	struct attest_manifest other = *b;
	other.digests = digests;
	assert_int_equal(attest_manifests_equal(a, &other, &report), 1);
	other = *b;
	other.n_files--;
	assert_int_equal(attest_manifests_equal(a, &other, &report), 1);
	free(digests);
	attest_manifest_free(a);
	attest_manifest_free(b);
	attest_manifest_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_two_persons),
		cmocka_unit_test(test_bad), cmocka_unit_test(test_limits), cmocka_unit_test(test_time),
		cmocka_unit_test(test_spdx), cmocka_unit_test(test_spdx_limits), cmocka_unit_test(test_roles),
		cmocka_unit_test(test_scope_and_time), cmocka_unit_test(test_denied),
		cmocka_unit_test(test_many_rules), cmocka_unit_test(test_content),
		cmocka_unit_test(test_cures), cmocka_unit_test(test_trust), cmocka_unit_test(test_cosigned),
		cmocka_unit_test(test_said), cmocka_unit_test(test_said_limits) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
