/* Method certificate: every rule of chain.c has a chain that breaks it and nothing else, made here: with one part of it as in the plain
 * chain, the same chain is accepted. */
#define _GNU_SOURCE
#include "chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is pinned: NULL nothing. leaf: "" the leaf itself, "x" another. */
struct pin {
	const char *leaf, *san, *provider, *issuer, *policy;
};
struct row {
	const char *name, *want;
	struct spec leaf, mid, low, root; /* low: a second CA between mid and leaf, when it has a name */
	i64 at;
	bool no_mid, other_root, root_inside, bad_signature;
	struct pin pin;
};
static const struct proto_identity *pin(const struct pin *p, X509 *leaf)
{
	static struct proto_identity id;
	unsigned n;
	memset(&id, 0, sizeof id);
	if (p->leaf)
		assert_int_equal(X509_digest(leaf, EVP_sha256(), id.leaf, &n), 1);
	if (p->leaf && p->leaf[0])
		id.leaf[31] ^= 1;
	assert_int_equal(bytes_put_str(id.san, sizeof id.san, p->san ? p->san : ""), 0);
	assert_int_equal(bytes_put_str(id.provider, sizeof id.provider, p->provider ? p->provider : ""), 0);
	assert_int_equal(bytes_put_str(id.issuer, sizeof id.issuer, p->issuer ? p->issuer : ""), 0);
	assert_int_equal(bytes_put_str(id.policy_oid, sizeof id.policy_oid, p->policy ? p->policy : ""), 0);
	return attest_identity_ok(&id) ? &id : NULL;
}

/* The code of the verdict over it. */
static const char *row_judge(const struct row *r, struct attest_report *report)
{
	struct attest_certs *roots = NULL;
	EVP_PKEY *root_key = r->root.key ? *r->root.key : keys.root,
		 *mid_key = r->mid.key ? *r->mid.key : keys.mid;
	EVP_PKEY *last_key = r->low.cn ? keys.rsa3072 : r->no_mid ? root_key : mid_key;
	X509 *root = chain_make(&r->root, "root", root_key, NULL, NULL, true);
	X509 *mid = chain_make(&r->mid, "mid", mid_key, root, root_key, true);
	X509 *low = r->low.cn ? chain_make(&r->low, "low", keys.rsa3072, mid, mid_key, true) : NULL;
	X509 *leaf = chain_make(&r->leaf, "leaf", keys.leaf,
		low	    ? low
		: r->no_mid ? root
			    : mid,
		last_key, false);
	X509 *other = chain_make(&(struct spec){ 0 }, "root", keys.p521, NULL, NULL, true);
	json_t *list = json_array();
	chain_push(list, leaf);
	if (low)
		chain_push(list, low);
	if (!r->no_mid)
		chain_push(list, mid);
	if (r->root_inside)
		chain_push(list, root);
	const char *code = "certificate";
	assert_int_equal(chain_add(&roots, r->other_root ? other : root), r->root.v1);
	char *text = chain_bundle(list, r->bad_signature);
	chain_pinned = pin(&r->pin, leaf);
	attest_report_init(report);
	if (roots)
		code = chain_judge(text, roots, r->at ? r->at : NOW, report);
	chain_pinned = NULL;
	free(text);
	json_decref(list);
	attest_certs_free(roots);
	X509_free(root);
	X509_free(mid);
	X509_free(low);
	X509_free(leaf);
	X509_free(other);
	return code;
}

bool chain_cured[128];

#define PART(x)                                                     \
	{                                                           \
		offsetof(struct row, x), sizeof((struct row *)0)->x \
	}

/* A refused row has one part that it is refused for: it is accepted with that one as in the plain chain. */
static void row_cure(const struct row *r, u32 reason)
{
	static const struct {
		size_t at, n;
	} parts[] = { PART(leaf), PART(mid), PART(low), PART(root), PART(at), PART(no_mid), PART(other_root),
		PART(root_inside), PART(bad_signature), PART(pin) };
	struct attest_report report;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct row without = *r;
		memset((u8 *)&without + parts[i].at, 0, parts[i].n);
		if (!strcmp(row_judge(&without, &report), "accepted")) {
			chain_cured[reason] = true;
			return;
		}
	}
	fail_msg("%s: nothing cures it", r->name);
}

static void run_row(const struct row *r)
{
	struct attest_report report;
	const char *code = row_judge(r, &report);
	if (strcmp(code, r->want))
		fail_msg(
			"%s: %s (%s: %s), expected %s", r->name, code, report.object, report.detail, r->want);
	if (strcmp(code, "accepted")) {
		row_cure(r, report.reason);
		return;
	}
	assert_string_equal(report.signer, "CN=leaf");
	assert_int_equal(report.time_source, ATTEST_TIME_GIVEN);
	assert_int_equal(report.time_judged, r->at ? r->at : NOW);
}

#define LOW                                       \
	{                                         \
		.cn = "low", .key = &keys.rsa3072 \
	}
static const struct row rows[] = {
	{ "plain", "accepted" },
	{ "directly below the root", "accepted", .no_mid = true },
	{ "root inside", "accepted", .root_inside = true },
	{ "leaf without extended key usage", "accepted", .leaf = { .eku = "-" } },
	{ "leaf without any usage", "accepted", .leaf = { .eku = "-", .usage = "-" } },
	{ "leaf with CA:TRUE but no keyCertSign", "accepted", .leaf = { .basic = CA } },
	{ "leaf with several purposes", "accepted", .leaf = { .eku = "serverAuth,codeSigning" } },
	{ "to the year 9999", "accepted", .mid = { .to = 253402300799 }, .root = { .to = 253402300799 } },
	{ "three CAs, RSA 3072 below P-384", "accepted", .low = LOW },
	{ "RSA 3072 root", "accepted", .root = { .key = &keys.rsa3072 } },
	{ "CA for any purpose", "accepted", .mid = { .eku = "anyExtendedKeyUsage" } },
	{ "path length just enough", "accepted", .root = { .basic = CA ",pathlen:1" } },
	{ "constraint that holds", "accepted", .mid = { .names = "critical,permitted;email:example.org" },
		.leaf = { .san = "email:a@example.org" } },
	{ "first second", "accepted", .at = NOW, .leaf = { .from = NOW } },
	{ "last second but one", "accepted", .at = NOW, .leaf = { .to = NOW + 1 } },

	{ "altered payload", "signature", .bad_signature = true },
	{ "another root of that name", "chain", .other_root = true },
	{ "another root, the true one inside", "chain", .other_root = true, .root_inside = true },
	{ "leaf signed by somebody else", "chain", .leaf = { .forged = true } },
	{ "CA signed by somebody else", "chain", .mid = { .forged = true } },
	{ "issuer without basic constraints", "chain", .mid = { .basic = "-" } },
	{ "issuer with CA:FALSE", "chain", .mid = { .basic = "critical,CA:FALSE" } },
	{ "leaf of v1", "certificate", .leaf = { .v1 = true } },
	{ "CA of v1", "certificate", .mid = { .v1 = true } },
	{ "root of v1", "certificate", .root = { .v1 = true } },
	{ "leaf has expired", "expired", .leaf = { .to = NOW - 1 } },
	{ "CA has expired", "expired", .mid = { .to = NOW - 1 } },
	{ "root has expired", "expired", .root = { .to = NOW - 1 } },
	{ "expired later", "expired", .at = NOW + YEAR + 1 },
	{ "leaf is not valid yet", "not-yet", .leaf = { .from = NOW + 1 } },
	{ "CA is not valid yet", "not-yet", .mid = { .from = NOW + 1 } },
	{ "root is not valid yet", "not-yet", .root = { .from = NOW + 1 } },
	{ "not valid yet then", "not-yet", .at = NOW - YEAR - 1 },
	{ "a web server", "eku", .leaf = { .eku = "serverAuth" } },
	{ "a time stamp server", "eku", .leaf = { .eku = "critical,timeStamping" } },
	{ "any purpose is not code signing", "eku", .leaf = { .eku = "anyExtendedKeyUsage" } },
	{ "CA of web servers", "eku", .mid = { .eku = "serverAuth,clientAuth" } },
	{ "leaf may sign certificates", "key-usage",
		.leaf = { .usage = "critical,digitalSignature,keyCertSign" } },
	{ "leaf is an unrestricted CA", "key-usage", .leaf = { .usage = "-", .basic = CA } },
	{ "leaf for key agreement", "key-usage", .leaf = { .usage = "keyAgreement" } },
	{ "CA that must not issue", "key-usage", .mid = { .usage = "critical,cRLSign" } },
	{ "root that must not issue", "key-usage", .root = { .usage = "critical,digitalSignature" } },
	{ "RSA 2048 CA", "weak-key", .mid = { .key = &keys.rsa2048 } },
	{ "RSA 2048 root", "weak-key", .root = { .key = &keys.rsa2048 } },
	{ "RSA CA with exponent 3", "weak-key", .mid = { .key = &keys.rsa_e3 } },
	{ "P-224 CA", "weak-key", .mid = { .key = &keys.p224 } },
	{ "RSA 2048 leaf", "weak-key", .leaf = { .key = &keys.rsa2048 } },
	{ "Ed25519 CA", "weak-key", .mid = { .key = &keys.ed25519 } },
	{ "RSA 3072 leaf", "key", .leaf = { .key = &keys.rsa3072 } },
	{ "leaf of another key", "signature", .leaf = { .key = &keys.p521 } },
	{ "leaf over SHA-1", "weak-hash", .leaf = { .md = EVP_sha1 } },
	{ "CA over SHA-224", "weak-hash", .mid = { .md = EVP_sha224 } },
	{ "path length of the CA", "path-length", .mid = { .basic = CA ",pathlen:0" }, .low = LOW },
	{ "path length of the root", "path-length", .root = { .basic = CA ",pathlen:0" } },
	{ "name not permitted", "name-constraint", .mid = { .names = "critical,permitted;email:example.org" },
		.leaf = { .san = "email:a@example.com" } },
	{ "name excluded", "name-constraint", .root = { .names = "critical,excluded;DNS:example.org" },
		.leaf = { .san = "DNS:www.example.org" } },
	{ "unknown critical extension", "critical-extension", .leaf = { .odd = "1.2.3.4" } },
	{ "unknown critical extension of a CA", "critical-extension", .mid = { .odd = "1.2.3.4" } },
	{ "an extension twice", "certificate", .leaf = { .odd_twice = true } },
	{ "critical policy that nobody asked for", "critical-extension", .mid = { .odd = "2.5.29.54" } },
};

#define URI	 "https://example.org/build.yml@refs/heads/main"
#define SANS	 "email:a@example.org,URI:" URI ",DNS:build.example.org"
#define PROVIDER "https://token.example.org"
#define POLICY	 "1.3.6.1.4.1.99999.1"

/* Each chain_pinned thing, alone and beside its near misses: no folding of case, no prefix, no pattern. */
static const struct row identities[] = {
	{ "this leaf", "accepted", .pin = { .leaf = "" } },
	{ "another leaf", "identity", .pin = { .leaf = "x" } },
	{ "e-mail", "accepted", .leaf = { .san = SANS }, .pin = { .san = "a@example.org" } },
	{ "URI", "accepted", .leaf = { .san = SANS }, .pin = { .san = URI } },
	{ "host", "accepted", .leaf = { .san = SANS }, .pin = { .san = "build.example.org" } },
	{ "user name", "accepted", .leaf = { .san = "otherName:1.3.6.1.4.1.57264.1.7;UTF8:me!example.org" },
		.pin = { .san = "me!example.org" } },
	{ "user name of another kind", "identity",
		.leaf = { .san = "otherName:1.3.6.1.4.1.57264.1.9;UTF8:me!example.org" },
		.pin = { .san = "me!example.org" } },
	{ "address", "identity", .leaf = { .san = "IP:192.0.2.1" }, .pin = { .san = "192.0.2.1" } },
	{ "another case", "identity", .leaf = { .san = SANS }, .pin = { .san = "A@example.org" } },
	{ "another host", "identity", .leaf = { .san = SANS }, .pin = { .san = "BUILD.example.org" } },
	{ "the domain alone", "identity", .leaf = { .san = SANS }, .pin = { .san = "example.org" } },
	{ "the beginning", "identity", .leaf = { .san = SANS },
		.pin = { .san = "https://example.org/build.yml" } },
	{ "the name and more", "identity", .leaf = { .san = SANS }, .pin = { .san = URI "2" } },
	{ "a pattern in the pin", "identity", .leaf = { .san = SANS }, .pin = { .san = "*@example.org" } },
	{ "a pattern in the leaf", "identity", .leaf = { .san = "DNS:*.example.org" },
		.pin = { .san = "build.example.org" } },
	{ "a leaf without names", "identity", .pin = { .san = "leaf" } },
	{ "provider", "accepted", .leaf = { .provider = PROVIDER }, .pin = { .provider = PROVIDER } },
	{ "older provider", "accepted", .leaf = { .provider_old = PROVIDER },
		.pin = { .provider = PROVIDER } },
	{ "both providers", "accepted", .leaf = { .provider = PROVIDER, .provider_old = PROVIDER },
		.pin = { .provider = PROVIDER } },
	{ "providers that disagree", "identity",
		.leaf = { .provider = PROVIDER, .provider_old = "https://other.example.org" },
		.pin = { .provider = PROVIDER } },
	{ "providers that disagree otherwise", "identity",
		.leaf = { .provider = "https://other.example.org", .provider_old = PROVIDER },
		.pin = { .provider = PROVIDER } },
	{ "another provider", "identity", .leaf = { .provider = PROVIDER "/" },
		.pin = { .provider = PROVIDER } },
	{ "the newer number around bare bytes", "identity", .leaf = { .provider_old = "\x0c\x01x" },
		.pin = { .provider = "x" } },
	{ "a leaf without provider", "identity", .pin = { .provider = PROVIDER } },
	{ "issuer", "accepted", .pin = { .issuer = "CN=mid" } },
	{ "issuer above the issuer", "identity", .pin = { .issuer = "CN=root" } },
	{ "issuer in another case", "identity", .pin = { .issuer = "CN=Mid" } },
	{ "issuer with escapes", "accepted", .mid = { .cn = "a, b+c" },
		.pin = { .issuer = "CN=a\\, b\\+c" } },
	{ "policy", "accepted", .leaf = { .policies = POLICY }, .mid = { .policies = POLICY },
		.pin = { .policy = POLICY } },
	{ "policy among others", "accepted", .leaf = { .policies = "1.2.3," POLICY },
		.mid = { .policies = "2.5.29.32.0" }, .pin = { .policy = POLICY } },
	{ "directly below the root", "accepted", .no_mid = true, .leaf = { .policies = POLICY },
		.pin = { .policy = POLICY } },
	{ "another policy", "identity", .leaf = { .policies = POLICY "1" },
		.mid = { .policies = "2.5.29.32.0" }, .pin = { .policy = POLICY } },
	{ "any policy is none", "identity", .leaf = { .policies = "2.5.29.32.0" },
		.mid = { .policies = POLICY }, .pin = { .policy = POLICY } },
	{ "any policy cannot be chain_pinned", "identity", .leaf = { .policies = "2.5.29.32.0" },
		.mid = { .policies = "2.5.29.32.0" }, .pin = { .policy = "2.5.29.32.0" } },
	{ "a CA that withholds it", "identity", .leaf = { .policies = POLICY },
		.mid = { .policies = "1.2.3" }, .pin = { .policy = POLICY } },
	{ "a CA that says nothing of policies", "identity", .leaf = { .policies = POLICY },
		.pin = { .policy = POLICY } },
	{ "everything at once", "accepted", .leaf = { .san = SANS, .provider = PROVIDER, .policies = POLICY },
		.mid = { .policies = POLICY }, .pin = { "", URI, PROVIDER, "CN=mid", POLICY } },
	{ "everything but one", "identity", .leaf = { .san = SANS, .provider = PROVIDER, .policies = POLICY },
		.mid = { .policies = POLICY }, .pin = { "", URI, PROVIDER, "CN=root", POLICY } },
};

static void test_identities(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(identities); i++)
		run_row(&identities[i]);
	print_message("%zu identities\n", ARRAY_LEN(identities));
}

/* A pin that came over a socket: terminated, and of something. */
static void test_identity_form(void **state)
{
	struct proto_identity id = { 0 };
	assert_false(attest_identity_ok(&id));
	memset(id.san, 'a', IDENTITY_LEN_MAX);
	assert_true(attest_identity_ok(&id));
	id.san[IDENTITY_LEN_MAX] = 'a'; /* one past: not terminated */
	assert_false(attest_identity_ok(&id));
	memset(id.san, 0, sizeof id.san);
	id.issuer[3] = 'x'; /* bytes behind the end */
	assert_false(attest_identity_ok(&id));
	id.issuer[3] = 0;
	static const char *const bad[] = { "1", "1.", ".1", "1..2", "1.2.", "3.1.2", "1.40", "1.2.03",
		"1.2.a", "codeSigning" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(bytes_put_str(id.policy_oid, sizeof id.policy_oid, bad[i]), 0);
		if (attest_identity_ok(&id))
			fail_msg("the number %s is accepted", bad[i]);
	}
	assert_int_equal(bytes_put_str(id.policy_oid, sizeof id.policy_oid, "2.999.1.2"), 0);
	assert_true(attest_identity_ok(&id));
	for (u32 i = 0; i < IDENTITY_OID_LEN_MAX; i++) /* 2.1.1.1… */
		id.policy_oid[i] = i ? i % 2 ? '.' : '1' : '2';
	assert_true(attest_identity_ok(&id));
	memset(id.policy_oid + 3, '1', sizeof id.policy_oid - 3); /* one past */
	assert_false(attest_identity_ok(&id));
}

static void test_chains(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run_row(&rows[i]);
	print_message("%zu chains\n", ARRAY_LEN(rows));
}

/* Every reason of certificates was reached by a chain that was accepted without its one defect. */
static void test_all_cured(void **state)
{
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i);
		if (reason >= ATTEST_CERTIFICATE && reason <= ATTEST_IDENTITY && !chain_cured[reason])
			fail_msg("%s has no chain that is cured", attest_reason_code(reason));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_chains), cmocka_unit_test(test_identities),
		cmocka_unit_test(test_identity_form), cmocka_unit_test(test_reading),
		cmocka_unit_test(test_der), cmocka_unit_test(test_files), cmocka_unit_test(test_revocation),
		cmocka_unit_test(test_all_cured), cmocka_unit_test(test_list_files),
		cmocka_unit_test(test_sign) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, chain_setup, chain_teardown);
}
