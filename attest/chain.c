/* Certificates: is the leaf of a bundle, or of a time stamp, one that a pinned root vouches for, at the judged time?
 *
 * OpenSSL builds the path and holds signatures, names, validity, path length and name constraints of every link, the root's validity
 * too. The store holds the caller's roots and nothing else: no default path, no file of the system, no network. What OpenSSL leaves
 * to the purpose is held here, over the path that it found: every issuer is a CA by its basic constraints; no key weaker than RSA
 * 3072 or outside P-256, P-384, P-521; no signature over less than SHA-256; no critical extension that nothing here interprets;
 * code signing wherever an extended key usage is; a leaf that signs data and no certificates (CA:TRUE alone is a known quirk).
 * A root in the bundle is a certificate like any other: it counts when it is pinned. */
#include "attest/bundle.h"
#include "base/bytes.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 3072 /* 128 bits of security, as P-256 */

struct attest_certs {
	STACK_OF(X509) * list;
};

static void cert_free(X509 **c)
{
	X509_free(*c);
}
static void bio_free(BIO **b)
{
	BIO_free(*b);
}
static void stack_free(STACK_OF(X509) * *s)
{
	sk_X509_free(*s);
}
static void store_free(X509_STORE **s)
{
	X509_STORE_free(*s);
}
static void ctx_free(X509_STORE_CTX **c)
{
	X509_STORE_CTX_free(*c);
}
static void bytes_free(u8 **p)
{
	OPENSSL_free(*p);
}

struct attest_certs *attest_certs_free(struct attest_certs *c)
{
	if (c)
		sk_X509_pop_free(c->list, X509_free);
	free(c);
	return NULL;
}

void certs_put(struct attest_certs **c)
{
	*c = attest_certs_free(*c);
}

STACK_OF(X509) * certs_stack(const struct attest_certs *c)
{
	return c->list;
}

X509 *certs_at(const struct attest_certs *c, u32 i)
{
	return sk_X509_value(c->list, (int)i);
}

u32 attest_certs_count(const struct attest_certs *c)
{
	return c ? (u32)sk_X509_num(c->list) : 0;
}

/* The subject as RFC 2253 writes it, for reports. */
void cert_subject(const X509 *c, char *ret, size_t size)
{
	_cleanup_(bio_free) BIO *b = BIO_new(BIO_s_mem());
	const char *text = "";
	long n = 0;
	if (b && X509_NAME_print_ex(b, X509_get_subject_name(c), 0, CERT_NAME_FLAGS) >= 0)
		n = BIO_get_mem_data(b, (char **)&text);
	attest_text(ret, size, n > 0 ? text : "certificate", n > 0 ? (size_t)n : 11);
}

static int refuse(struct attest_report *report, u32 reason, const X509 *c, const char *why)
{
	char subject[PATH_LEN_MAX + 1];
	identity_say((X509 *)c, subject, sizeof subject);
	return attest_reject(report, reason, subject, "the certificate of %.160s %s", subject, why);
}

static int certs_push(struct attest_certs **certs, X509 **c, struct attest_report *report)
{
	if (!*certs) {
		*certs = calloc(1, sizeof **certs);
		if (*certs && !((*certs)->list = sk_X509_new_null())) {
			free(*certs);
			*certs = NULL;
		}
		if (!*certs)
			return err_origin(-ENOMEM);
	}
	if (attest_certs_count(*certs) == CERTS_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "certificates",
			"there are more than %u certificates", CERTS_MAX);
	if (!sk_X509_push((*certs)->list, *c))
		return err_origin(-ENOMEM);
	*c = NULL;
	return 0;
}

/* X.509 v3, and no extension that is there twice or does not parse. OpenSSL looks for doubles only of those that it knows. */
static bool cert_ok(X509 *c)
{
	for (int i = 0; i < X509_get_ext_count(c); i++)
		if (X509_get_ext_by_OBJ(c, X509_EXTENSION_get_object(X509_get_ext(c, i)), i) >= 0)
			return false;
	return X509_get_version(c) == X509_VERSION_3 && !(X509_get_extension_flags(c) & EXFLAG_INVALID);
}

/* Exactly the DER that an encoder writes, inside and outside of what is signed. */
static bool cert_is_der(X509 *c, const u8 *der, size_t len)
{
	_cleanup_(bytes_free) u8 *inner = NULL, *again = NULL;
	_cleanup_(cert_free) X509 *copy = X509_dup(c);
	if (!copy || i2d_re_X509_tbs(copy, &inner) <= 0) /* forgets how it was encoded */
		return false;
	int n = i2d_X509(copy, &again);
	return n > 0 && (size_t)n == len && !memcmp(again, der, len);
}

int certs_add_der(struct attest_certs **certs, const u8 *der, size_t len, struct attest_report *report)
{
	const u8 *p = der;
	if (len > CERT_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "certificate",
			"a certificate is %zu bytes long; at most %u are read", len, CERT_BYTES_MAX);
	_cleanup_(cert_free) X509 *c = d2i_X509(NULL, &p, (long)len);
	bool ok = c && p == der + len && cert_is_der(c, der, len) && cert_ok(c);
	ERR_clear_error();
	if (!ok)
		return attest_reject(report, ATTEST_CERTIFICATE, "x509CertificateChain",
			"a certificate in the bundle is not one X.509 v3 certificate in exact DER");
	return certs_push(certs, &c, report);
}

/* A file must not ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

int attest_certs_add(struct attest_certs **certs, const void *pem, size_t len, struct attest_report *report)
{
	attest_report_init(report);
	if (len > CERTS_PEM_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "certificates",
			"the file is %zu bytes long; at most %u are read", len, CERTS_PEM_BYTES_MAX);
	_cleanup_(bio_free) BIO *b = BIO_new_mem_buf(pem, (int)len);
	if (!b)
		return err_origin(-ENOMEM);
	for (u32 n = 0;; n++) {
		_cleanup_(cert_free) X509 *c = PEM_read_bio_X509(b, NULL, no_password, NULL);
		unsigned long why = ERR_peek_last_error();
		ERR_clear_error();
		if (!c && n && ERR_GET_REASON(why) == PEM_R_NO_START_LINE)
			return 0;
		if (!c || !cert_ok(c))
			return attest_reject(report, ATTEST_CERTIFICATE, "certificates",
				n ? "the file holds a certificate that is not X.509 v3"
				  : "the file holds no X.509 v3 certificate in PEM");
		int r = certs_push(certs, &c, report);
		if (r)
			return r;
	}
}

int certs_der(const struct attest_certs *certs, u32 i, u8 **ret, size_t *ret_len)
{
	u8 *der = NULL;
	int n = i2d_X509(sk_X509_value(certs->list, (int)i), &der);
	u8 *copy = n > 0 ? malloc((size_t)n) : NULL;
	if (copy)
		memcpy(copy, der, (size_t)n);
	OPENSSL_free(der);
	if (!copy)
		return err_origin(-ENOMEM);
	*ret = copy;
	*ret_len = (size_t)n;
	return 0;
}

/* ---- what the path must be ------------------------------------------------------------------------------------------------ */

/* FIPS 186-5: odd and above 2^16. A smaller one makes signatures guessable where padding is read laxly; 1 makes them worthless. */
static bool exponent_strong(EVP_PKEY *k)
{
	BIGNUM *e = NULL;
	bool ok = EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
		  BN_num_bits(e) > 16;
	BN_free(e);
	return ok;
}

static int key_strong(X509 *c, struct attest_report *report)
{
	EVP_PKEY *k = X509_get0_pubkey(c);
	struct proto_key key;
	char found[64] = "unreadable";
	if (k && EVP_PKEY_is_a(k, "RSA") && EVP_PKEY_get_bits(k) >= RSA_BITS_MIN && exponent_strong(k))
		return 0;
	int r = k && EVP_PKEY_is_a(k, "EC") ? key_describe(k, &key) : 1;
	if (r <= 0)
		return r;
	if (k && EVP_PKEY_get0_type_name(k))
		snprintf(found, sizeof found, "%.40s %d", EVP_PKEY_get0_type_name(k), EVP_PKEY_get_bits(k));
	refuse(report, ATTEST_WEAK_KEY, c,
		"has a key that is not RSA from 3072 bits with an exponent above 65536, or P-256, P-384, "
		"P-521");
	attest_expected(report, "RSA 3072", found);
	return 1;
}

static int hash_strong(X509 *c, struct attest_report *report)
{
	int hash = NID_undef, bits = 0;
	bool ok = X509_get_signature_info(c, &hash, NULL, &bits, NULL) == 1 &&
		  (hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512);
	if (ok)
		return 0;
	refuse(report, ATTEST_WEAK_HASH, c,
		"is signed over a digest other than SHA-256, SHA-384 and SHA-512");
	attest_expected(report, "SHA256", hash == NID_undef ? "unknown" : OBJ_nid2sn(hash));
	return 1;
}

/* OpenSSL lets pass what it could interpret if it were asked to; we ask for none of that. */
static int extensions_known(X509 *c, struct attest_report *report)
{
	static const int known[] = { NID_basic_constraints, NID_key_usage, NID_ext_key_usage,
		NID_name_constraints, NID_subject_alt_name, NID_certificate_policies,
		NID_subject_key_identifier, NID_authority_key_identifier };
	for (int i = 0; i < X509_get_ext_count(c); i++) {
		X509_EXTENSION *e = X509_get_ext(c, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
		size_t k = 0;
		while (k < ARRAY_LEN(known) && known[k] != nid)
			k++;
		if (X509_EXTENSION_get_critical(e) && k == ARRAY_LEN(known))
			return refuse(report, ATTEST_CRITICAL_EXTENSION, c,
				"has a critical extension that Keep does not interpret");
	}
	return 0;
}

static int leaf_usage(X509 *c, struct attest_report *report)
{
	u32 flags = X509_get_extension_flags(c), usage = X509_get_key_usage(c);
	if ((flags & EXFLAG_KUSAGE) ? usage & KU_KEY_CERT_SIGN : flags & EXFLAG_CA)
		return refuse(
			report, ATTEST_KEY_USAGE, c, "may sign certificates, so it must not sign models");
	if ((flags & EXFLAG_KUSAGE) && !(usage & KU_DIGITAL_SIGNATURE))
		return refuse(report, ATTEST_KEY_USAGE, c, "must not be used for digital signatures");
	if ((flags & EXFLAG_XKUSAGE) && !(X509_get_extended_key_usage(c) & XKU_CODE_SIGN))
		return refuse(report, ATTEST_EKU, c, "is for other purposes than code signing");
	return 0;
}

static int issuer_usage(X509 *c, enum chain_purpose purpose, struct attest_report *report)
{
	u32 may = XKU_ANYEKU | (purpose == CHAIN_STAMP ? XKU_TIMESTAMP : XKU_CODE_SIGN);
	u32 flags = X509_get_extension_flags(c), usage = X509_get_key_usage(c);
	if ((flags & EXFLAG_KUSAGE) && !(usage & KU_KEY_CERT_SIGN))
		return refuse(report, ATTEST_KEY_USAGE, c, "issued one although its key usage forbids it");
	if (X509_check_ca(c) != 1)
		return refuse(report, ATTEST_CHAIN, c, "issued one although it is not a CA's");
	if ((flags & EXFLAG_XKUSAGE) && !(X509_get_extended_key_usage(c) & may))
		return refuse(report, ATTEST_EKU, c, "is of a CA for other purposes");
	return 0;
}

/* RFC 3161, 2.3: that purpose, critical and alone. */
static int stamp_usage(X509 *c, struct attest_report *report)
{
	u32 flags = X509_get_extension_flags(c), usage = X509_get_key_usage(c);
	int critical = 0;
	EXTENDED_KEY_USAGE *e = X509_get_ext_d2i(c, NID_ext_key_usage, &critical, NULL);
	bool only = e && critical == 1 && sk_ASN1_OBJECT_num(e) == 1 &&
		    OBJ_obj2nid(sk_ASN1_OBJECT_value(e, 0)) == NID_time_stamp;
	EXTENDED_KEY_USAGE_free(e);
	if (!only)
		return refuse(report, ATTEST_EKU, c, "is not for time stamps, critically and alone");
	if ((flags & EXFLAG_KUSAGE) && (usage & ~(u32)(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return refuse(report, ATTEST_KEY_USAGE, c, "is for more than signing stamps");
	if (flags & EXFLAG_CA)
		return refuse(report, ATTEST_KEY_USAGE, c, "is a CA's, so it must not sign stamps");
	return 0;
}

/* Those that a stamp brings have not been read by certs_add_der. A root is the caller's: it counts as it is. */
static int link_form(X509 *c, bool root, struct attest_report *report)
{
	_cleanup_(bytes_free) u8 *der = NULL;
	int n = i2d_X509(c, &der);
	if (cert_ok(c) && (root || (n > 0 && cert_is_der(c, der, (size_t)n))))
		return 0;
	return refuse(
		report, ATTEST_CERTIFICATE, c, "is not X.509 v3 in exact DER, or has an extension twice");
}

static int path_check(STACK_OF(X509) * path, enum chain_purpose purpose, struct attest_report *report)
{
	int n = sk_X509_num(path), r = 0;
	for (int i = 0; i < n && !r; i++)
		r = key_strong(sk_X509_value(path, i), report);
	for (int i = 0; i < n && !r; i++)
		r = link_form(sk_X509_value(path, i), i + 1 == n, report);
	for (int i = 0; i < n && !r; i++) {
		X509 *c = sk_X509_value(path, i);
		r = i + 1 < n ? hash_strong(c, report) : 0; /* nobody relies on the root's own signature */
		r = r ? r : extensions_known(c, report);
		r = r			     ? r
		    : i			     ? issuer_usage(c, purpose, report)
		    : purpose == CHAIN_STAMP ? stamp_usage(c, report)
					     : leaf_usage(c, report);
	}
	return r;
}

/* ---- why there is none ---------------------------------------------------------------------------------------------------- */

static const struct {
	int error;
	u32 reason;
	const char *why;
} failures[] = {
	{ X509_V_ERR_CERT_NOT_YET_VALID, ATTEST_NOT_YET, "is not valid yet at the judged time" },
	{ X509_V_ERR_CERT_HAS_EXPIRED, ATTEST_EXPIRED, "has expired at the judged time" },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, ATTEST_CERTIFICATE,
		"has a malformed start of validity" },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, ATTEST_CERTIFICATE, "has a malformed end of validity" },
	{ X509_V_ERR_PATH_LENGTH_EXCEEDED, ATTEST_PATH_LENGTH, "allows fewer CAs below it than there are" },
	{ X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, ATTEST_CRITICAL_EXTENSION,
		"has a critical extension that Keep does not interpret" },
	{ X509_V_ERR_PERMITTED_VIOLATION, ATTEST_NAME_CONSTRAINT,
		"is for a name that its CA may not vouch for" },
	{ X509_V_ERR_EXCLUDED_VIOLATION, ATTEST_NAME_CONSTRAINT,
		"is for a name that its CA may not vouch for" },
	{ X509_V_ERR_SUBTREE_MINMAX, ATTEST_NAME_CONSTRAINT, "has name constraints of an unknown form" },
	{ X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, ATTEST_NAME_CONSTRAINT,
		"has name constraints of an unknown form" },
	{ X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, ATTEST_NAME_CONSTRAINT,
		"has name constraints of an unknown form" },
	{ X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, ATTEST_NAME_CONSTRAINT,
		"has a name that name constraints cannot be held against" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, ATTEST_CHAIN, "was not signed by the CA that it names" },
	{ X509_V_ERR_INVALID_CA, ATTEST_CHAIN, "issued one although it is not a CA's" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ATTEST_CHAIN, "does not lead to a pinned root" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ATTEST_CHAIN, "does not lead to a pinned root" },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ATTEST_CHAIN, "does not lead to a pinned root" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ATTEST_CHAIN, "is a root that is not pinned" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ATTEST_CHAIN, "is self-signed and not pinned" },
};

static void validity_found(X509 *c, i64 at, bool end, struct attest_report *report)
{
	char text[2][40];
	_cleanup_(bio_free) BIO *b = BIO_new(BIO_s_mem());
	ASN1_TIME *judged = ASN1_TIME_set(NULL, (time_t)at);
	for (u32 i = 0; b && judged && i < 2; i++) {
		int n = BIO_reset(b) == 1 && ASN1_TIME_print(b, i     ? judged
								: end ? X509_get0_notAfter(c)
								      : X509_get0_notBefore(c)) == 1
				? BIO_read(b, text[i], (int)sizeof text[i] - 1)
				: 0;
		text[i][n > 0 ? n : 0] = 0;
	}
	if (b && judged)
		attest_expected(report, text[0], text[1]);
	ASN1_STRING_free(judged);
}

static int path_failed(X509_STORE_CTX *ctx, const struct chain_params *p, struct attest_report *report)
{
	int error = X509_STORE_CTX_get_error(ctx);
	X509 *c = X509_STORE_CTX_get_current_cert(ctx);
	c = c ? c : p->leaf;
	if (error == X509_V_ERR_OUT_OF_MEM || error == X509_V_OK)
		return err_origin(-ENOMEM);
	if (error == X509_V_ERR_INVALID_CA && issuer_usage(c, p->purpose, report))
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		if (failures[i].error != error)
			continue;
		refuse(report, failures[i].reason, c, failures[i].why);
		if (failures[i].reason == ATTEST_EXPIRED || failures[i].reason == ATTEST_NOT_YET)
			validity_found(c, p->at, failures[i].reason == ATTEST_EXPIRED, report);
		return 1;
	}
	return refuse(report, ATTEST_CHAIN, c, X509_verify_cert_error_string(error));
}

/* ---- all ------------------------------------------------------------------------------------------------------------------ */

static X509_STORE *store_of(const struct attest_certs *roots)
{
	X509_STORE *s = X509_STORE_new();
	for (u32 i = 0; s && i < attest_certs_count(roots); i++)
		if (X509_STORE_add_cert(s, sk_X509_value(roots->list, (int)i)) != 1) {
			X509_STORE_free(s);
			s = NULL;
		}
	return s;
}

int certs_leaf_key(const struct attest_certs *chain, struct proto_key *ret, struct attest_report *report)
{
	X509 *leaf = sk_X509_value(chain->list, 0);
	EVP_PKEY *k = X509_get0_pubkey(leaf);
	int r = k ? key_describe(k, ret) : 1;
	ERR_clear_error();
	if (r > 0)
		return refuse(report, ATTEST_KEY, leaf,
			"holds no ECDSA key on P-256, P-384 or P-521 with a named curve");
	return r;
}

/* What OpenSSL found holds our own rules too. */
static int path_judge(const struct chain_params *p, STACK_OF(X509) * path, struct attest_report *report)
{
	int r = path_check(path, p->purpose, report);
	r = r ? r : crls_check(p->crls, path, p->now, report);
	ERR_clear_error();
	return r;
}

static int path_copy(STACK_OF(X509) * path, struct attest_certs **ret)
{
	struct attest_certs *c = calloc(1, sizeof *c);
	if (c && !(c->list = X509_chain_up_ref(path))) {
		free(c);
		c = NULL;
	}
	if (!c)
		return err_origin(-ENOMEM);
	*ret = c;
	return 0;
}

int chain_verify(const struct chain_params *p, struct attest_certs **ret_path, struct attest_report *report)
{
	_cleanup_(store_free) X509_STORE *store = store_of(p->roots);
	_cleanup_(ctx_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	_cleanup_(stack_free) STACK_OF(X509) *others = sk_X509_new_null();
	if (!store || !ctx || !others)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < attest_certs_count(p->others); i++)
		if (!sk_X509_push(others, sk_X509_value(p->others->list, (int)i)))
			return err_origin(-ENOMEM);
	for (int i = 0; i < sk_X509_num(p->more); i++)
		if (!sk_X509_push(others, sk_X509_value(p->more, i)))
			return err_origin(-ENOMEM);
	if (X509_STORE_CTX_init(ctx, store, p->leaf, others) != 1)
		return err_origin(-ENOMEM);
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)p->at);
	X509_VERIFY_PARAM_set_depth(param, (int)CERTS_MAX);
	int ok = X509_verify_cert(ctx);
	ERR_clear_error();
	if (ok != 1)
		return path_failed(ctx, p, report);
	int r = path_judge(p, X509_STORE_CTX_get0_chain(ctx), report);
	return r ? r : path_copy(X509_STORE_CTX_get0_chain(ctx), ret_path);
}
