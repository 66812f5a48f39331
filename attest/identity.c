/* Identities: what the leaf of a path must say besides leading to a pinned root. A root alone is rarely enough: a public CA, or that of a
 * large company, signs for everybody. Each field of struct proto_identity that is not zero must hold, compared byte by byte with its
 * length: no pattern, no suffix, no folding of case, no text behind a zero byte.
 *
 *   leaf      SHA-256 of the leaf's DER
 *   san       one of its alternative names of the kinds e-mail, URI, DNS and Fulcio's user name
 *   provider  Fulcio's issuer: extension .1.8 (a UTF8String) and the older .1.1 (bare bytes); where both are there, both must say so
 *   issuer    the name of the CA that signed it, as RFC 2253 writes it
 *   policy    the leaf states that certificate policy, and every CA between it and the root states it or any; policy mappings do not
 *             count, and a leaf that states any policy states none */
#include "attest/bundle.h"
#include "base/bytes.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#define OID_PROVIDER	 "1.3.6.1.4.1.57264.1.8"
#define OID_PROVIDER_OLD "1.3.6.1.4.1.57264.1.1"
#define OID_USER_NAME	 "1.3.6.1.4.1.57264.1.7"

static void names_free(GENERAL_NAMES **n)
{
	GENERAL_NAMES_free(*n);
}
static void policies_free(CERTIFICATEPOLICIES **p)
{
	CERTIFICATEPOLICIES_free(*p);
}
static void object_free(ASN1_OBJECT **o)
{
	ASN1_OBJECT_free(*o);
}
static void string_free(ASN1_STRING **s)
{
	ASN1_STRING_free(*s);
}
static void bio_free(BIO **b)
{
	BIO_free(*b);
}

/* ---- pins ------------------------------------------------------------------------------------------------------------------- */

/* A number of two parts or more, written as everybody writes it. */
static bool oid_ok(const char *text)
{
	char again[IDENTITY_OID_LEN_MAX + 1];
	_cleanup_(object_free) ASN1_OBJECT *o = OBJ_txt2obj(text, 1);
	ERR_clear_error();
	int n = o ? OBJ_obj2txt(again, (int)sizeof again, o, 1) : -1;
	return n > 0 && (size_t)n < sizeof again && !strcmp(text, again);
}

static bool is_zero(const u8 digest[SHA256_BYTES])
{
	static const u8 zero[SHA256_BYTES];
	return !memcmp(digest, zero, sizeof zero);
}

bool attest_identity_ok(const struct proto_identity *id)
{
	return bytes_str_ok(id->san, sizeof id->san) && bytes_str_ok(id->provider, sizeof id->provider) &&
	       bytes_str_ok(id->issuer, sizeof id->issuer) &&
	       bytes_str_ok(id->policy_oid, sizeof id->policy_oid) &&
	       (!id->policy_oid[0] || oid_ok(id->policy_oid)) &&
	       (!is_zero(id->leaf) || id->san[0] || id->provider[0] || id->issuer[0] || id->policy_oid[0]);
}

bool identity_keyless_ok(const struct proto_identity *id)
{
	return id && (!is_zero(id->leaf) || (id->san[0] && id->provider[0]));
}

/* ---- what a leaf says ------------------------------------------------------------------------------------------------------- */

/* Bytes of a certificate; what of them is printed is made visible by attest_expected. */
struct said {
	const u8 *data;
	size_t len;
};

static bool same(struct said s, const char *want)
{
	return s.len == strlen(want) && !memcmp(s.data, want, s.len);
}

static struct said said_of(const ASN1_STRING *s)
{
	return (struct said){ ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) };
}

static int differs(struct attest_report *report, const char *object, const char *what, const char *want,
	struct said found)
{
	char text[sizeof report->found];
	attest_text(text, sizeof text, found.data ? (const char *)found.data : "none",
		found.data ? found.len : 4);
	attest_reject(report, ATTEST_IDENTITY, object,
		"the bundle was signed by somebody else: the leaf's %s differs", what);
	attest_expected(report, want, text);
	return 1;
}

static int leaf_check(const struct proto_identity *id, const X509 *leaf, struct attest_report *report)
{
	u8 digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (X509_digest(leaf, EVP_sha256(), digest, &n) != 1 || n != SHA256_BYTES)
		return err_origin(-ENOMEM);
	if (!memcmp(digest, id->leaf, SHA256_BYTES))
		return 0;
	attest_reject(report, ATTEST_IDENTITY, "leaf",
		"the bundle was signed with another certificate than the pinned one");
	attest_expected_hex(report, id->leaf, digest);
	return 1;
}

/* The text of an alternative name of a kind that can be pinned; no data for others. */
static struct said name_said(const GENERAL_NAME *name)
{
	int type;
	const void *value = GENERAL_NAME_get0_value(name, &type);
	if (type == GEN_EMAIL || type == GEN_URI || type == GEN_DNS)
		return said_of(value);
	ASN1_OBJECT *oid;
	ASN1_TYPE *other;
	char text[64];
	if (type == GEN_OTHERNAME && GENERAL_NAME_get0_otherName(name, &oid, &other) == 1 &&
		OBJ_obj2txt(text, (int)sizeof text, oid, 1) > 0 && !strcmp(text, OID_USER_NAME) &&
		other->type == V_ASN1_UTF8STRING)
		return said_of(other->value.utf8string);
	return (struct said){ 0 };
}

static int san_check(const struct proto_identity *id, X509 *leaf, struct attest_report *report)
{
	_cleanup_(names_free) GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	struct said first = { 0 };
	ERR_clear_error();
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		struct said s = name_said(sk_GENERAL_NAME_value(names, i));
		if (s.data && same(s, id->san))
			return 0;
		first = first.data ? first : s;
	}
	return differs(report, "identity", "name", id->san, first);
}

void identity_say(X509 *leaf, char *ret, size_t size)
{
	cert_subject(leaf, ret, size);
	if (X509_NAME_entry_count(X509_get_subject_name(leaf)) > 0)
		return;
	_cleanup_(names_free) GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	ERR_clear_error();
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		struct said s = name_said(sk_GENERAL_NAME_value(names, i));
		if (!s.data)
			continue;
		attest_text(ret, size, (const char *)s.data, s.len);
		return;
	}
}

/* The data of the one extension of that number; NULL where there is none. OpenSSL refuses none for coming twice: cert_ok does. */
static const ASN1_STRING *extension(X509 *c, const char *oid)
{
	_cleanup_(object_free) ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	int at = o ? X509_get_ext_by_OBJ(c, o, -1) : -1;
	return at >= 0 ? X509_EXTENSION_get_data(X509_get_ext(c, at)) : NULL;
}

static int provider_check(const struct proto_identity *id, X509 *leaf, struct attest_report *report)
{
	const ASN1_STRING *now = extension(leaf, OID_PROVIDER), *old = extension(leaf, OID_PROVIDER_OLD);
	struct said found = old ? said_of(old) : (struct said){ 0 };
	if (old && !same(found, id->provider))
		return differs(report, "identity-provider", "provider", id->provider, found);
	_cleanup_(string_free) ASN1_STRING *text = NULL;
	if (now) {
		struct said raw = said_of(now);
		const u8 *p = raw.data;
		text = d2i_ASN1_UTF8STRING(NULL, &p, (long)raw.len);
		ERR_clear_error();
		found = text && p == raw.data + raw.len ? said_of(text) : (struct said){ 0 };
	}
	if (!found.data || !same(found, id->provider))
		return differs(report, "identity-provider", "provider", id->provider, found);
	return 0;
}

static int issuer_check(const struct proto_identity *id, const X509 *leaf, struct attest_report *report)
{
	_cleanup_(bio_free) BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!b || X509_NAME_print_ex(b, X509_get_issuer_name(leaf), 0, CERT_NAME_FLAGS) < 0)
		return err_origin(-ENOMEM);
	long n = BIO_get_mem_data(b, &text);
	struct said found = { (const u8 *)text, n > 0 ? (size_t)n : 0 };
	return same(found, id->issuer) ? 0 : differs(report, "issuer", "issuer", id->issuer, found);
}

/* Does the certificate state the policy, or, where any counts, any policy? */
static bool states(X509 *c, const ASN1_OBJECT *want, bool any_counts)
{
	_cleanup_(policies_free) CERTIFICATEPOLICIES *p =
		X509_get_ext_d2i(c, NID_certificate_policies, NULL, NULL);
	ERR_clear_error();
	for (int i = 0; i < sk_POLICYINFO_num(p); i++) {
		const ASN1_OBJECT *o = sk_POLICYINFO_value(p, i)->policyid;
		if (OBJ_cmp(o, want) == 0 || (any_counts && OBJ_obj2nid(o) == NID_any_policy))
			return true;
	}
	return false;
}

static int policy_check(const struct proto_identity *id, STACK_OF(X509) * path, struct attest_report *report)
{
	_cleanup_(object_free) ASN1_OBJECT *want = OBJ_txt2obj(id->policy_oid, 1);
	char subject[PATH_LEN_MAX + 1];
	if (!want)
		return err_origin(-EINVAL);
	int n = sk_X509_num(path);
	for (int i = 0; i == 0 || i + 1 < n; i++) {
		X509 *c = sk_X509_value(path, i);
		if (OBJ_obj2nid(want) != NID_any_policy && states(c, want, i > 0))
			continue;
		cert_subject(c, subject, sizeof subject);
		attest_reject(report, ATTEST_IDENTITY, "policy-oid",
			"the certificate of %.160s does not state the pinned policy", subject);
		attest_expected(report, id->policy_oid, "none");
		return 1;
	}
	return 0;
}

int identity_check(const struct proto_identity *id, STACK_OF(X509) * path, struct attest_report *report)
{
	X509 *leaf = sk_X509_value(path, 0);
	int r = is_zero(id->leaf) ? 0 : leaf_check(id, leaf, report);
	r = r || !id->provider[0] ? r : provider_check(id, leaf, report);
	r = r || !id->san[0] ? r : san_check(id, leaf, report);
	r = r || !id->issuer[0] ? r : issuer_check(id, leaf, report);
	return r || !id->policy_oid[0] ? r : policy_check(id, path, report);
}

int attest_identity_check(
	const struct proto_identity *id, const struct attest_manifest *m, struct attest_report *report)
{
	if (!attest_identity_ok(id))
		return err_origin(-EINVAL);
	if (!m->priv->path)
		return attest_reject(report, ATTEST_IDENTITY, "identity",
			"an identity is pinned, and the bundle was signed with a plain key");
	return identity_check(id, certs_stack(m->priv->path), report);
}
