/* Ways in: the form of keys, patterns, rules, and which rule fits which certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/access.h"
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_key(void **state)
{
	u8 secret[ACCESS_SECRET_BYTES], proof[SHA256_BYTES], hash[SHA256_BYTES];
	char text[ACCESS_KEY_TEXT_SIZE], longest[NAME_LEN_MAX + 1];
	struct proto_prove_key k;
	for (u32 i = 0; i < sizeof secret; i++)
		secret[i] = (u8)(i * 7 + 1);
	access_key_text("lap_top", secret, text);
	assert_int_equal(strncmp(text, "keep_lap_top_0108", 17), 0);
	assert_int_equal(access_key_read(text, strlen(text), &k), 0);
	assert_string_equal(k.name, "lap_top");
	access_key_proof(secret, proof);
	assert_memory_equal(k.proof, proof, sizeof proof);
	access_key_hash(proof, hash);
	assert_false(access_same(proof, hash));
	assert_true(access_same(hash, hash));
	for (size_t n = 0; n < strlen(text); n++) /* cut anywhere */
		assert_int_equal(access_key_read(text, n, &k), 1);
	for (size_t i = 0; i < strlen(text);
		i++) { /* another character anywhere: none, or another name or proof */
		char bad[ACCESS_KEY_TEXT_SIZE];
		memcpy(bad, text, sizeof bad);
		bad[i] = bad[i] == '1' ? '2' : '1';
		if (!access_key_read(bad, strlen(bad), &k))
			assert_true(strcmp(k.name, "lap_top") || !access_same(k.proof, proof));
	}
	memset(longest, 'n', NAME_LEN_MAX);
	longest[NAME_LEN_MAX] = 0;
	access_key_text(longest, secret, text);
	assert_int_equal(access_key_read(text, strlen(text), &k), 0);
	assert_true(
		access_key_meant("keep_", 5) && !access_key_meant("sk-", 3) && !access_key_meant("keep", 4));
}

static void test_like(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} all[] = { { "", "x", true }, { "*", "", true }, { "demo", "demo", true },
		{ "demo", "demo2", false }, { "demo*", "demo2", true }, { "*-7b", "code-7b", true },
		{ "a*b*c", "aXXbYYc", true }, { "a*b*c", "aXXbYY", false }, { "a?c", "abc", true },
		{ "a?c", "ac", false }, { "?", "", false } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (access_like(all[i].pattern, all[i].text) != all[i].fits)
			fail_msg("%s and %s", all[i].pattern, all[i].text);
}

static struct proto_access rule(const char *san, const char *principal)
{
	struct proto_access a = {
		.kind = ACCESS_CERT, .role = ROLE_USER, .uses = USE_ALL, .name = "r", .ca = "corp"
	};
	snprintf(a.san, sizeof a.san, "%s", san);
	snprintf(a.principal, sizeof a.principal, "%s", principal);
	return a;
}

static struct proto_prove_cert cert(const char *name)
{
	struct proto_prove_cert c = {
		.ca = "corp", .issuer = "CN=ca", .n_names = 1, .n_policies = 1, .policies[0] = "1.2.3"
	};
	snprintf(c.names[0], sizeof c.names[0], "%s", name);
	return c;
}

static void test_rules(void **state)
{
	static const struct {
		const char *san, *name;
		bool fits;
	} all[] = { { "email:a@x", "email:a@x", true }, { "email:a@x", "email:A@x", false },
		{ "email:a@x", "dns:a@x", false }, { "email:*@x", "email:b@x", true },
		{ "email:*@x", "email:@x", false }, { "email:*@x", "email:b@x.evil", false },
		{ "uri:spiffe://c/*", "uri:spiffe://c/d", true },
		{ "uri:spiffe://c/*", "uri:spiffe://c/", false }, { "dns:*.x", "dns:a.b.x", true } };
	char who[NAME_LEN_MAX + 8];
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct proto_access a = rule(all[i].san, "");
		struct proto_prove_cert c = cert(all[i].name);
		assert_null(access_check(&a));
		assert_true(access_cert_ok(&c));
		if (access_rule_fits(&a, &c, who) != all[i].fits)
			fail_msg("%s and %s", all[i].san, all[i].name);
		if (all[i].fits)
			assert_string_equal(who, all[i].name);
	}
	struct proto_access a = rule("email:a@x", "ann"), wide = rule("email:*@x", ""), any = rule("", "all");
	struct proto_prove_cert c = cert("email:a@x");
	strcpy(any.issuer, "CN=ca");
	assert_true(access_rule_fits(&a, &c, who) && !strcmp(who, "ann"));
	assert_true(access_rule_fits(&any, &c, who) && !strcmp(who, "all"));
	assert_true(access_rule_narrower(&a, &wide) > 0 && access_rule_narrower(&any, &wide) < 0 &&
		    access_rule_narrower(&a, &a) == 0);
	strcpy(any.issuer, "CN=other");
	assert_false(access_rule_fits(&any, &c, who));
	strcpy(a.policy_oid, "1.2.3");
	assert_true(access_rule_fits(&a, &c, who));
	strcpy(a.policy_oid, "1.2.4");
	assert_false(access_rule_fits(&a, &c, who));
	strcpy(c.ca, "other");
	assert_false(access_rule_fits(&wide, &c, who));
	/* a principal that does not fit whole is nobody */
	char most[ACCESS_NAME_LEN_MAX + 1] = "email:";
	memset(most + 6, 'm', NAME_LEN_MAX - 6);
	c = cert(most);
	wide = rule("email:*", "");
	assert_true(access_rule_fits(&wide, &c, who));
	most[NAME_LEN_MAX] = 'm';
	c = cert(most);
	assert_false(access_rule_fits(&wide, &c, who));
}

static void test_check(void **state)
{
	struct proto_access key = { .kind = ACCESS_KEY,
		.role = ROLE_AUDITOR,
		.uses = USE_LIST,
		.name = "k",
		.principal = "p",
		.expires_s = 1,
		.hash = { 1 } };
	assert_null(access_check(&key));
	key.uses = USE_LIST | USE_CONSOLE;
	assert_null(access_check(&key));
	key.uses = USE_CONSOLE;
	key.role = ROLE_OFFICER; /* may look, and ask no model */
	assert_null(access_check(&key));
	key.uses = USE_CONSOLE | USE_LIST;
	assert_non_null(access_check(&key));
	key.uses = USE_CONSOLE;
	key.role = ROLE_USER;
	assert_non_null(access_check(&key));
	key.uses = USE_LIST;
	struct proto_access bad[12];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = i < 8 ? key : rule("email:*@x", "");
	bad[0].role = ROLE_OFFICER; /* nobody decides over the network */
	bad[1].role = ROLE_USER | ROLE_OPERATOR;
	bad[2].uses = USE_CONSOLE << 1;
	bad[3].expires_s = 0;
	bad[4].hash[0] = 0;
	bad[5].principal[0] = 0;
	strcpy(bad[6].ca, "corp");
	bad[7].kind = 3;
	strcpy(bad[8].san, "email:*");
	bad[8].ca[0] = 0;
	strcpy(bad[9].san, "*@x");
	strcpy(bad[10].san, "email:*@*");
	bad[11].san[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!access_check(&bad[i]))
			fail_msg("case %zu is let through", i);
	struct proto_access full = rule("email:", "");
	memset(full.san + 6, 'm', ACCESS_NAME_LEN_MAX - 6);
	assert_null(access_check(&full));
	full.san[ACCESS_NAME_LEN_MAX] = 'm'; /* without its end */
	assert_non_null(access_check(&full));
	full = rule("email:a@x", "");
	memset(full.policy_oid, '1', ACCESS_OID_LEN_MAX);
	assert_null(access_check(&full));
	full.policy_oid[ACCESS_OID_LEN_MAX] = '1';
	assert_non_null(access_check(&full));
}

/* A frame that no honest gateway sends. */
static void test_cert(void **state)
{
	struct proto_prove_cert c = cert("email:a@x");
	for (u32 i = 1; i < ACCESS_NAMES_MAX; i++)
		strcpy(c.names[i], "dns:x");
	c.n_names = ACCESS_NAMES_MAX;
	for (u32 i = 1; i < ACCESS_POLICIES_MAX; i++)
		strcpy(c.policies[i], "1.2");
	c.n_policies = ACCESS_POLICIES_MAX;
	assert_true(access_cert_ok(&c));
	c.n_names = ACCESS_NAMES_MAX + 1;
	assert_false(access_cert_ok(&c));
	c.n_names = ACCESS_NAMES_MAX - 1; /* one more than it says */
	assert_false(access_cert_ok(&c));
	c = cert("email:a@x");
	c.n_policies = ACCESS_POLICIES_MAX + 1;
	assert_false(access_cert_ok(&c));
	c = cert("email:a\x01@x");
	assert_false(access_cert_ok(&c));
	c = cert("");
	assert_false(access_cert_ok(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_key), cmocka_unit_test(test_like),
		cmocka_unit_test(test_rules), cmocka_unit_test(test_check), cmocka_unit_test(test_cert) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
