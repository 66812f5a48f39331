/* Method certificate: every rule of chain.c has a chain that breaks it and nothing else, made here: with one part of it as in the plain
 * chain, the same chain is accepted. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW  1790000000ll
#define YEAR 31536000ll
#define CA   "critical,CA:TRUE"

static struct {
	EVP_PKEY *root, *mid, *leaf, *p521, *rsa3072, *rsa2048, *rsa_e3, *p224, *ed25519;
} keys;
static struct attest_blob good; /* a bundle that the key "leaf" signed, with one chain */
static char *dir;

/* One certificate. An extension that is NULL is the default of its place, "-" is none. */
struct spec {
	const char *cn, *basic, *usage, *eku, *names, *san, *odd;
	EVP_PKEY **key;
	i64 from, to;
	const EVP_MD *(*md)(void);
	bool v1, forged, odd_twice;
	const char *policies, *provider,
		*provider_old; /* identities: certificate policies, Fulcio's .1.8 and .1.1 */
};
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

static void extend(X509 *c, X509 *issuer, int nid, const char *value, const char *otherwise)
{
	X509V3_CTX ctx;
	value = value ? value : otherwise;
	if (!value || !strcmp(value, "-"))
		return;
	X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(c, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* A critical extension of a number that nobody knows, or of one that OpenSSL knows and that nothing asks it to interpret. */
static void extend_odd(X509 *c, const char *oid)
{
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	static const u8 inhibit[] = { 2, 1, 0 };
	assert_int_equal(ASN1_OCTET_STRING_set(data, inhibit, sizeof inhibit), 1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, object, 1, data);
	assert_int_equal(X509_add_ext(c, e, -1), 1);
	X509_EXTENSION_free(e);
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(data);
}

/* Certificate policies, "1.2.3,1.2.4". */
static void extend_policies(X509 *c, const char *list)
{
	char copy[200], *at = copy;
	CERTIFICATEPOLICIES *all = CERTIFICATEPOLICIES_new();
	snprintf(copy, sizeof copy, "%s", list);
	for (char *oid; (oid = strsep(&at, ","));) {
		POLICYINFO *p = POLICYINFO_new();
		p->policyid = OBJ_txt2obj(oid, 1);
		assert_non_null(p->policyid);
		sk_POLICYINFO_push(all, p);
	}
	assert_int_equal(X509_add1_ext_i2d(c, NID_certificate_policies, all, 0, 0), 1);
	CERTIFICATEPOLICIES_free(all);
}

/* An extension of that number around bytes; utf8: within a UTF8String. */
static void extend_bytes(X509 *c, const char *oid, const char *value, bool utf8)
{
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	u8 der[200] = { 0x0c, (u8)strlen(value) };
	memcpy(der + 2, value, strlen(value));
	assert_int_equal(ASN1_OCTET_STRING_set(
				 data, utf8 ? der : (const u8 *)value, (int)strlen(value) + (utf8 ? 2 : 0)),
		1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, object, 0, data);
	assert_int_equal(X509_add_ext(c, e, -1), 1);
	X509_EXTENSION_free(e);
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(data);
}

static X509 *make(const struct spec *s, const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *by, bool ca)
{
	X509 *c = X509_new();
	X509_NAME *name = X509_get_subject_name(c);
	static long serial;
	key = s->key ? *s->key : key;
	assert_int_equal(X509_set_version(c, s->v1 ? X509_VERSION_1 : X509_VERSION_3), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
				 (const u8 *)(s->cn && *s->cn ? s->cn : cn), -1, -1, 0),
		1);
	X509_set_issuer_name(c, issuer ? X509_get_subject_name(issuer) : name);
	ASN1_TIME_set(X509_getm_notBefore(c), (time_t)(s->from ? s->from : NOW - YEAR));
	ASN1_TIME_set(X509_getm_notAfter(c), (time_t)(s->to ? s->to : NOW + YEAR));
	X509_set_pubkey(c, key);
	if (!s->v1) {
		issuer = issuer ? issuer : c;
		extend(c, issuer, NID_basic_constraints, s->basic, ca ? CA : NULL);
		extend(c, issuer, NID_key_usage, s->usage,
			ca ? "critical,keyCertSign" : "critical,digitalSignature");
		extend(c, issuer, NID_ext_key_usage, s->eku, ca ? NULL : "codeSigning");
		extend(c, issuer, NID_name_constraints, s->names, NULL);
		extend(c, issuer, NID_subject_alt_name, s->san, NULL);
		if (s->policies)
			extend_policies(c, s->policies);
		if (s->odd)
			extend_odd(c, s->odd);
		if (s->odd_twice) {
			extend_bytes(c, "1.2.3.4", "a", false);
			extend_bytes(c, "1.2.3.4", "a", false);
		}
		if (s->provider)
			extend_bytes(c, "1.3.6.1.4.1.57264.1.8", s->provider, true);
		if (s->provider_old)
			extend_bytes(c, "1.3.6.1.4.1.57264.1.1", s->provider_old, false);
	}
	EVP_PKEY *signer = s->forged ? keys.p521 : by ? by : key;
	assert_true(X509_sign(c, signer,
			    EVP_PKEY_is_a(signer, "ED25519") ? NULL
			    : s->md			     ? s->md()
							     : EVP_sha256()) > 0);
	return c;
}

static void push_der(json_t *list, X509 *c)
{
	u8 *der = NULL;
	int n = i2d_X509(c, &der);
	assert_true(n > 0);
	char *text = base64_encode(der, (size_t)n);
	json_array_append_new(list, json_pack("{s:s}", "rawBytes", text));
	free(text);
	OPENSSL_free(der);
}

static int add_pem(struct attest_certs **certs, X509 *c)
{
	struct attest_report report;
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_X509(b, c), 1);
	long n = BIO_get_mem_data(b, &text);
	int r = attest_certs_add(certs, text, (size_t)n, &report);
	BIO_free(b);
	return r;
}

/* The good bundle with another chain. */
static char *with_chain(json_t *list, bool bad_signature)
{
	json_t *j = json_loadb((const char *)good.data, good.len, 0, NULL);
	json_t *m = json_object_get(j, "verificationMaterial"), *e = json_object_get(j, "dsseEnvelope");
	assert_int_equal(json_object_del(m, "x509CertificateChain"), 0);
	json_object_set_new(m, "x509CertificateChain", json_pack("{s:O}", "certificates", list));
	if (bad_signature) /* of the same envelope with another payload */
		json_object_set_new(e, "payload", json_string("e30="));
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	return text;
}

static struct attest_crls *crls; /* for the next verdicts */
static const struct proto_identity *pinned;
static const char *judge(
	const char *text, const struct attest_certs *roots, i64 at, struct attest_report *report)
{
	struct attest_manifest *m = NULL;
	struct attest_bundle_params p = {
		.data = text, .len = strlen(text), .roots = roots, .crls = crls, .at = at, .identity = pinned
	};
	assert_in_range(attest_bundle_verify(&p, &m, report), 0, 1);
	if (m && pinned) { /* asked again, later */
		struct attest_report again;
		attest_report_init(&again);
		assert_int_equal(attest_identity_check(pinned, m, &again), 0);
	}
	attest_manifest_free(m);
	return report->code;
}

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
	X509 *root = make(&r->root, "root", root_key, NULL, NULL, true);
	X509 *mid = make(&r->mid, "mid", mid_key, root, root_key, true);
	X509 *low = r->low.cn ? make(&r->low, "low", keys.rsa3072, mid, mid_key, true) : NULL;
	X509 *leaf = make(&r->leaf, "leaf", keys.leaf, low ? low : r->no_mid ? root : mid, last_key, false);
	X509 *other = make(&(struct spec){ 0 }, "root", keys.p521, NULL, NULL, true);
	json_t *list = json_array();
	push_der(list, leaf);
	if (low)
		push_der(list, low);
	if (!r->no_mid)
		push_der(list, mid);
	if (r->root_inside)
		push_der(list, root);
	const char *code = "certificate";
	assert_int_equal(add_pem(&roots, r->other_root ? other : root), r->root.v1);
	char *text = with_chain(list, r->bad_signature);
	pinned = pin(&r->pin, leaf);
	attest_report_init(report);
	if (roots)
		code = judge(text, roots, r->at ? r->at : NOW, report);
	pinned = NULL;
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

static bool cured[128]; /* reasons of chains that are accepted without their one defect */

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
			cured[reason] = true;
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

/* Each pinned thing, alone and beside its near misses: no folding of case, no prefix, no pattern. */
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
	{ "any policy cannot be pinned", "identity", .leaf = { .policies = "2.5.29.32.0" },
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

/* ---- what surrounds the chain ------------------------------------------------------------------------------------------------ */

static struct attest_certs *plain_root;
static X509 *plain[3]; /* leaf, mid, root */

static json_t *plain_list(void)
{
	json_t *list = json_array();
	push_der(list, plain[0]);
	push_der(list, plain[1]);
	return list;
}

static void expect_list(json_t *list, const char *want)
{
	struct attest_report report;
	char *text = with_chain(list, false);
	const char *code = judge(text, plain_root, NOW, &report);
	if (strcmp(code, want))
		fail_msg("%s (%s), expected %s", code, report.detail, want);
	free(text);
	json_decref(list);
}

static void test_reading(void **state)
{
	struct attest_report report;
	json_t *list = plain_list(), *mixed;
	expect_list(plain_list(), "accepted");
	expect_list(json_array(), "material");
	mixed = json_pack("[O,s]", json_array_get(list, 0), "x");
	expect_list(mixed, "field");
	mixed = json_pack("[{s:s,s:s}]", "rawBytes", "AAAA", "x", "y");
	expect_list(mixed, "field");
	expect_list(json_pack("[{}]"), "field");
	expect_list(json_pack("[{s:s}]", "rawBytes", "AA=A"), "base64");
	expect_list(json_pack("[{s:s}]", "rawBytes", ""), "base64");
	expect_list(json_pack("[{s:s}]", "rawBytes", "AAAA"), "certificate");
	mixed = json_pack("[O,{s:s}]", json_array_get(list, 0), "rawBytes", "MAA=");
	expect_list(mixed, "certificate");
	/* leaf last */
	mixed = json_pack("[O,O]", json_array_get(list, 1), json_array_get(list, 0));
	expect_list(mixed, "key-usage");
	/* without the CA between */
	mixed = json_pack("[O]", json_array_get(list, 0));
	expect_list(mixed, "chain");
	/* the largest number of certificates, and one past */
	mixed = plain_list();
	while (json_array_size(mixed) < CERTS_MAX)
		json_array_append(mixed, json_array_get(list, 1));
	expect_list(json_deep_copy(mixed), "accepted");
	json_array_append(mixed, json_array_get(list, 1));
	expect_list(mixed, "size-limit");
	json_decref(list);
	/* no root: the method is refused; peeking only shows what was signed */
	char *text = with_chain((list = plain_list()), false);
	struct attest_manifest *m = NULL;
	assert_string_equal(judge(text, NULL, NOW, &report), "method");
	assert_int_equal(attest_bundle_peek(text, strlen(text), &m, &report), 0);
	assert_false(m->verified);
	attest_manifest_free(m);
	free(text);
	json_decref(list);
}

/* Bytes behind, a length in the long form, a signed part that is no DER: the certificate is refused before anything is believed. */
static void test_der(void **state)
{
	u8 *der = NULL, copy[4096];
	struct attest_report report;
	struct attest_certs *c = NULL;
	int n = i2d_X509(plain[0], &der);
	assert_true(n > 256 && n < 4000 && der[1] == 0x82);
	assert_int_equal(certs_add_der(&c, der, (size_t)n, &report), 0);
	memcpy(copy, der, (size_t)n);
	copy[n] = 0;
	assert_int_equal(certs_add_der(&c, copy, (size_t)n + 1, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(certs_add_der(&c, copy, (size_t)n - 1, &report), 1);
	copy[1] = 0x83; /* 83 00 hi lo */
	copy[2] = 0;
	memcpy(copy + 3, der + 2, (size_t)n - 2);
	assert_int_equal(certs_add_der(&c, copy, (size_t)n + 1, &report), 1);
	assert_string_equal(report.code, "certificate");
	/* the same inside: the signed part's length, hidden from the outer encoder */
	assert_true(der[4] == 0x30 && der[5] == 0x81);
	memcpy(copy, der, 6);
	copy[5] = 0x82;
	copy[6] = 0;
	memcpy(copy + 7, der + 6, (size_t)n - 6);
	copy[2] = (u8)((u32)(n - 3) >> 8);
	copy[3] = (u8)(n - 3);
	assert_int_equal(certs_add_der(&c, copy, (size_t)n + 1, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(attest_certs_count(c), 1);
	u8 *large = calloc(1, CERT_BYTES_MAX + 1);
	assert_int_equal(certs_add_der(&c, large, CERT_BYTES_MAX, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(certs_add_der(&c, large, CERT_BYTES_MAX + 1, &report), 1);
	assert_string_equal(report.code, "size-limit");
	free(large);
	attest_certs_free(c);
	OPENSSL_free(der);
}

static void test_files(void **state)
{
	static const struct {
		const char *name, *want;
	} none[] = { { "p256.pub.pem", "certificate" }, { "bad-empty.pem", "certificate" },
		{ "bad-certificate.pem", "certificate" } };
	struct attest_report report;
	struct attest_certs *c = NULL;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		char path[300];
		snprintf(path, sizeof path, KEEP_VECTORS "/oms/keys/%s", none[i].name);
		struct attest_blob pem = helper_read(path);
		assert_int_equal(attest_certs_add(&c, pem.data, pem.len, &report), 1);
		assert_string_equal(report.code, none[i].want);
		attest_blob_fini(&pem);
	}
	char *large = calloc(1, CERTS_PEM_BYTES_MAX + 1);
	memset(large, '\n', CERTS_PEM_BYTES_MAX + 1);
	assert_int_equal(attest_certs_add(&c, large, CERTS_PEM_BYTES_MAX, &report), 1);
	assert_string_equal(report.code, "certificate");
	assert_int_equal(attest_certs_add(&c, large, CERTS_PEM_BYTES_MAX + 1, &report), 1);
	assert_string_equal(report.code, "size-limit");
	free(large);
	for (u32 i = 0; i < CERTS_MAX; i++)
		assert_int_equal(add_pem(&c, plain[2]), 0);
	assert_int_equal(add_pem(&c, plain[2]), 1);
	assert_int_equal(attest_certs_count(c), CERTS_MAX);
	attest_certs_free(c);
}

/* ---- revocation -------------------------------------------------------------------------------------------------------------- */

struct list {
	X509 *issuer; /* NULL: no list */
	EVP_PKEY **by;
	i64 from, to; /* to: 0 none */
	X509 *revoked;
	bool partial, sha1, odd_entry;
};

static void add_list(const struct list *l)
{
	struct attest_report report;
	if (!l->issuer)
		return;
	X509_CRL *c = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)(l->from ? l->from : NOW - 1));
	X509_CRL_set_version(c, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(c, X509_get_subject_name(l->issuer));
	X509_CRL_set1_lastUpdate(c, t);
	if (l->to) {
		ASN1_TIME_set(t, (time_t)l->to);
		X509_CRL_set1_nextUpdate(c, t);
	}
	if (l->revoked) {
		X509_REVOKED *e = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(e, X509_get_serialNumber(l->revoked));
		X509_REVOKED_set_revocationDate(e, t);
		if (l->odd_entry) {
			ASN1_ENUMERATED *why = ASN1_ENUMERATED_new();
			ASN1_ENUMERATED_set(why, CRL_REASON_KEY_COMPROMISE);
			assert_int_equal(X509_REVOKED_add1_ext_i2d(e, NID_crl_reason, why, 1, 0), 1);
			ASN1_ENUMERATED_free(why);
		}
		assert_int_equal(X509_CRL_add0_revoked(c, e), 1);
	}
	if (l->partial) {
		ISSUING_DIST_POINT *p = ISSUING_DIST_POINT_new();
		p->onlyuser = 0xff;
		assert_int_equal(X509_CRL_add1_ext_i2d(c, NID_issuing_distribution_point, p, 1, 0), 1);
		ISSUING_DIST_POINT_free(p);
	}
	assert_true(X509_CRL_sign(c, *l->by, l->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_X509_CRL(b, c), 1);
	long n = BIO_get_mem_data(b, &text);
	assert_int_equal(attest_crls_add(&crls, text, (size_t)n, &report), 0);
	BIO_free(b);
	ASN1_TIME_free(t);
	X509_CRL_free(c);
}

static const char *judge_lists(X509 *const chain[2], const struct attest_certs *roots,
	const struct list lists[3], struct attest_report *report)
{
	json_t *list = json_array();
	push_der(list, chain[0]);
	push_der(list, chain[1]);
	char *text = with_chain(list, false);
	for (u32 k = 0; k < 3; k++)
		add_list(&lists[k]);
	const char *code = judge(text, roots, NOW, report);
	crls = attest_crls_free(crls);
	free(text);
	json_decref(list);
	return code;
}

/* Without any list nobody asks for one. */
static bool all_absent(const struct list lists[3])
{
	return !lists[0].issuer && !lists[1].issuer && !lists[2].issuer;
}

static void test_revocation(void **state)
{
	static const struct spec ca = { .usage = "critical,keyCertSign,cRLSign" };
	X509 *root = make(&ca, "root", keys.root, NULL, NULL, true);
	X509 *mid = make(&ca, "mid", keys.mid, root, keys.root, true);
	X509 *mute = make(&(struct spec){ 0 }, "mid", keys.mid, root, keys.root, true);
	X509 *leaf = make(&(struct spec){ 0 }, "leaf", keys.leaf, mid, keys.mid, false);
	X509 *other = make(&ca, "other", keys.p521, NULL, NULL, true);
	const i64 end = NOW + YEAR;
	const struct list of_root = { .issuer = root, .by = &keys.root, .to = end },
			  of_mid = { .issuer = mid, .by = &keys.mid, .to = end };
	const struct {
		const char *name, *want;
		struct list lists[3];
		bool mute;
	} table[] = {
		{ "fresh", "accepted", { of_root, of_mid } },
		{ "others are not judged", "accepted",
			{ of_root, of_mid, { .issuer = other, .by = &keys.root, .revoked = leaf } } },
		{ "another one revoked", "accepted",
			{ of_root, { .issuer = mid, .by = &keys.mid, .to = end, .revoked = other } } },
		{ "a stale one beside", "accepted",
			{ of_root, of_mid,
				{ .issuer = mid, .by = &keys.mid, .from = NOW - 9, .to = NOW - 5 } } },
		{ "leaf revoked", "revoked",
			{ of_root, { .issuer = mid, .by = &keys.mid, .to = end, .revoked = leaf } } },
		{ "CA revoked", "revoked",
			{ { .issuer = root, .by = &keys.root, .to = end, .revoked = mid }, of_mid } },
		{ "revoked by a stale list beside a fresh one", "revoked",
			{ of_root, of_mid,
				{ .issuer = mid,
					.by = &keys.mid,
					.from = NOW - 9,
					.to = NOW - 5,
					.revoked = leaf } } },
		{ "stale", "crl-stale",
			{ of_root, { .issuer = mid, .by = &keys.mid, .from = NOW - 9, .to = NOW - 1 } } },
		{ "from the future", "crl-stale",
			{ of_root, { .issuer = mid, .by = &keys.mid, .from = NOW + 9, .to = end } } },
		{ "without end", "crl-stale", { of_root, { .issuer = mid, .by = &keys.mid } } },
		{ "stale list of the root", "crl-stale",
			{ { .issuer = root, .by = &keys.root, .from = NOW - 9, .to = NOW - 1 }, of_mid } },
		{ "forged", "crl", { of_root, { .issuer = mid, .by = &keys.p521, .to = end } } },
		{ "forged, naming the leaf", "crl",
			{ of_root, { .issuer = mid, .by = &keys.p521, .to = end, .revoked = leaf } } },
		{ "partial", "crl",
			{ of_root, { .issuer = mid, .by = &keys.mid, .to = end, .partial = true } } },
		{ "an entry with something critical", "crl",
			{ of_root, { .issuer = mid,
					   .by = &keys.mid,
					   .to = end,
					   .revoked = other,
					   .odd_entry = true } } },
		{ "over SHA-1", "crl",
			{ of_root, { .issuer = mid, .by = &keys.mid, .to = end, .sha1 = true } } },
		{ "of a CA that must not sign lists", "crl", { of_root, of_mid }, .mute = true },
		{ "none of the CA", "crl-missing", { of_root } },
		{ "none of the root", "crl-missing", { of_mid } },
	};
	struct attest_certs *roots = NULL;
	struct attest_report report;
	assert_int_equal(add_pem(&roots, root), 0);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		X509 *chain[2] = { leaf, table[i].mute ? mute : mid };
		const char *code = judge_lists(chain, roots, table[i].lists, &report);
		if (strcmp(code, table[i].want))
			fail_msg("%s: %s (%s), expected %s", table[i].name, code, report.detail,
				table[i].want);
		u32 reason = report.reason;
		chain[1] = mid;
		bool well = !strcmp(code, "accepted") ||
			    (table[i].mute &&
				    !strcmp(judge_lists(chain, roots, table[i].lists, &report), "accepted"));
		/* one list that is not there, or a fresh one in its place */
		const struct list instead[] = { { 0 }, of_root, of_mid };
		for (u32 k = 0; k < 3 * ARRAY_LEN(instead) && !well; k++) {
			struct list lists[3];
			memcpy(lists, table[i].lists, sizeof lists);
			lists[k % 3] = instead[k / 3];
			well = !all_absent(lists) &&
			       !strcmp(judge_lists(chain, roots, lists, &report), "accepted");
		}
		if (!well)
			fail_msg("%s: nothing cures it", table[i].name);
		cured[reason] = true;
	}
	attest_certs_free(roots);
	X509 *all[] = { root, mid, mute, leaf, other };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		X509_free(all[i]);
}

/* Every reason of certificates was reached by a chain that was accepted without its one defect. */
static void test_all_cured(void **state)
{
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i);
		if (reason >= ATTEST_CERTIFICATE && reason <= ATTEST_IDENTITY && !cured[reason])
			fail_msg("%s has no chain that is cured", attest_reason_code(reason));
	}
}

/* A file without any, and one past each limit. */
static void test_list_files(void **state)
{
	struct attest_report report;
	const struct list l = { .issuer = plain[1], .by = &keys.mid, .to = NOW + YEAR };
	char *large = malloc(CRLS_PEM_BYTES_MAX + 1);
	memset(large, '\n', CRLS_PEM_BYTES_MAX + 1);
	assert_int_equal(attest_crls_add(&crls, large, CRLS_PEM_BYTES_MAX, &report), 1);
	assert_string_equal(report.code, "crl");
	assert_int_equal(attest_crls_add(&crls, large, CRLS_PEM_BYTES_MAX + 1, &report), 1);
	assert_string_equal(report.code, "size-limit");
	free(large);
	for (u32 i = 0; i < CRLS_MAX; i++)
		add_list(&l);
	X509_CRL *c = X509_CRL_new();
	X509_CRL_set_issuer_name(c, X509_get_subject_name(plain[1]));
	ASN1_TIME *t = ASN1_TIME_set(NULL, NOW);
	X509_CRL_set1_lastUpdate(c, t);
	assert_true(X509_CRL_sign(c, keys.mid, EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_X509_CRL(b, c), 1);
	long n = BIO_get_mem_data(b, &text);
	assert_int_equal(attest_crls_add(&crls, text, (size_t)n, &report), 1);
	assert_string_equal(report.code, "size-limit");
	BIO_free(b);
	ASN1_TIME_free(t);
	X509_CRL_free(c);
	crls = attest_crls_free(crls);
}

/* ---- signing ----------------------------------------------------------------------------------------------------------------- */

static char *private_pem(EVP_PKEY *k)
{
	char *text;
	BIO *b = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(b, &text);
	char *copy = strndup(text, (size_t)n);
	BIO_free(b);
	return copy;
}

static int sign(EVP_PKEY *key, const struct attest_certs *certs, struct attest_blob *ret,
	struct attest_report *report)
{
	struct attest_tree tree;
	struct attest_tree_params t = { .path = dir };
	assert_int_equal(attest_tree_open(&t, &tree, report), 0);
	char *pem = private_pem(key);
	struct attest_sign_params p = {
		.tree = &tree, .key_pem = pem, .key_len = strlen(pem), .certs = certs
	};
	int r = attest_sign(&p, ret, report);
	free(pem);
	attest_tree_fini(&tree);
	return r;
}

static void test_sign(void **state)
{
	struct attest_report report;
	struct attest_blob b = { 0 };
	struct attest_certs *c = NULL;
	assert_int_equal(add_pem(&c, plain[0]) | add_pem(&c, plain[1]), 0);
	assert_int_equal(sign(keys.p521, c, &b, &report), 1);
	assert_string_equal(report.code, "key");
	assert_int_equal(sign(keys.leaf, c, &b, &report), 0);
	char *text = strndup((char *)b.data, b.len);
	assert_string_equal(judge(text, plain_root, NOW, &report), "accepted");
	free(text);
	attest_blob_fini(&b);
	attest_certs_free(c);
}

static EVP_PKEY *rsa_of_exponent(u32 e)
{
	EVP_PKEY *k = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *n = BN_new();
	BN_set_word(n, e);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 3072), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, n), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &k), 1);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	return k;
}

static int setup(void **state)
{
	struct attest_report report;
	struct attest_certs *c = NULL;
	keys.root = EVP_EC_gen("P-384");
	keys.mid = EVP_EC_gen("P-256");
	keys.leaf = EVP_EC_gen("P-256");
	keys.p521 = EVP_EC_gen("P-521");
	keys.p224 = EVP_EC_gen("P-224");
	keys.rsa3072 = EVP_RSA_gen(3072);
	keys.rsa2048 = EVP_RSA_gen(2048);
	keys.rsa_e3 = rsa_of_exponent(3);
	keys.ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_true(keys.root && keys.mid && keys.leaf && keys.p521 && keys.p224 && keys.rsa3072 &&
		    keys.rsa2048 && keys.rsa_e3 && keys.ed25519);
	plain[2] = make(&(struct spec){ 0 }, "root", keys.root, NULL, NULL, true);
	plain[1] = make(&(struct spec){ 0 }, "mid", keys.mid, plain[2], keys.root, true);
	plain[0] = make(&(struct spec){ 0 }, "leaf", keys.leaf, plain[1], keys.mid, false);
	assert_int_equal(add_pem(&plain_root, plain[2]), 0);
	dir = helper_tmp();
	char path[200];
	snprintf(path, sizeof path, "%s/weights", dir);
	helper_write(path, "weights", 7);
	assert_int_equal(add_pem(&c, plain[0]), 0);
	assert_int_equal(sign(keys.leaf, c, &good, &report), 0);
	attest_certs_free(c);
	return 0;
}

static int teardown(void **state)
{
	EVP_PKEY **all = (EVP_PKEY **)&keys;
	for (size_t i = 0; i < sizeof keys / sizeof *all; i++)
		EVP_PKEY_free(all[i]);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		X509_free(plain[i]);
	attest_certs_free(plain_root);
	attest_blob_fini(&good);
	helper_rm(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_chains), cmocka_unit_test(test_identities),
		cmocka_unit_test(test_identity_form), cmocka_unit_test(test_reading),
		cmocka_unit_test(test_der), cmocka_unit_test(test_files), cmocka_unit_test(test_revocation),
		cmocka_unit_test(test_all_cured), cmocka_unit_test(test_list_files),
		cmocka_unit_test(test_sign) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
