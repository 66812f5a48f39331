#define _GNU_SOURCE
#include "chain.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chain_keys keys;
X509 *plain[3];
struct attest_certs *plain_root;
static struct attest_blob good; /* a bundle that the key "leaf" signed, with one chain */
static char *dir;

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

X509 *chain_make(const struct spec *s, const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *by, bool ca)
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

void chain_push(json_t *list, X509 *c)
{
	u8 *der = NULL;
	int n = i2d_X509(c, &der);
	assert_true(n > 0);
	char *text = base64_encode(der, (size_t)n);
	json_array_append_new(list, json_pack("{s:s}", "rawBytes", text));
	free(text);
	OPENSSL_free(der);
}

int chain_add(struct attest_certs **certs, X509 *c)
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
char *chain_bundle(json_t *list, bool bad_signature)
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

struct attest_crls *chain_crls;
const struct proto_identity *chain_pinned;
const char *chain_judge(
	const char *text, const struct attest_certs *roots, i64 at, struct attest_report *report)
{
	struct attest_manifest *m = NULL;
	struct attest_bundle_params p = { .data = text,
		.len = strlen(text),
		.roots = roots,
		.crls = chain_crls,
		.at = at,
		.identity = chain_pinned };
	assert_in_range(attest_bundle_verify(&p, &m, report), 0, 1);
	if (m && chain_pinned) { /* asked again, later */
		struct attest_report again;
		attest_report_init(&again);
		assert_int_equal(attest_identity_check(chain_pinned, m, &again), 0);
	}
	attest_manifest_free(m);
	return report->code;
}

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

int chain_sign(EVP_PKEY *key, const struct attest_certs *certs, struct attest_blob *ret,
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

int chain_setup(void **state)
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
	plain[2] = chain_make(&(struct spec){ 0 }, "root", keys.root, NULL, NULL, true);
	plain[1] = chain_make(&(struct spec){ 0 }, "mid", keys.mid, plain[2], keys.root, true);
	plain[0] = chain_make(&(struct spec){ 0 }, "leaf", keys.leaf, plain[1], keys.mid, false);
	assert_int_equal(chain_add(&plain_root, plain[2]), 0);
	dir = helper_tmp();
	char path[200];
	snprintf(path, sizeof path, "%s/weights", dir);
	helper_write(path, "weights", 7);
	assert_int_equal(chain_add(&c, plain[0]), 0);
	assert_int_equal(chain_sign(keys.leaf, c, &good, &report), 0);
	attest_certs_free(c);
	return 0;
}

int chain_teardown(void **state)
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
