/* RFC 3161 time stamps: does a pinned authority say that the signature existed at a time?
 *
 * OpenSSL parses, verifies the CMS signature and holds the signing-certificate attributes against the signer. Held here: the response
 * is exact DER, inside and outside, and granted; one signer, over SHA-256 or more, whose ESSCertIDv2 is of SHA-256 or more; the imprint is
 * of the signature's bytes; version 1, no critical extension, an authority's name that is the signer's, accuracy within
 * STAMP_ACCURACY_S_MAX; the signer leads to the authority's root with chain.c's strictness, for time stamps critically and alone, every
 * link valid at that time, the authority trusted then; and the time does not lie ahead of us.
 *
 * Where nobody pins an authority, stamps are not opened. A stamp of an authority that is not pinned counts for nothing: whoever carries
 * a bundle can add one. A stamp of a pinned one that does not hold refuses the bundle. */
#include "attest/bundle.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static void resp_free(TS_RESP **r)
{
	TS_RESP_free(*r);
}
static void bytes_free(u8 **p)
{
	OPENSSL_free(*p);
}
static void store_free(X509_STORE **s)
{
	X509_STORE_free(*s);
}
static void stack_free(STACK_OF(X509) * *s)
{
	sk_X509_free(*s);
}
static void names_free(GENERAL_NAMES **n)
{
	GENERAL_NAMES_free(*n);
}
static void algor_free(X509_ALGOR **a)
{
	X509_ALGOR_free(*a);
}

static int refuse(struct attest_report *report, const char *why)
{
	return attest_reject(report, ATTEST_TIMESTAMP, "signedTimestamp", "a time stamp %s", why);
}

/* SHA-256 or more; NULL for anything else. */
static const EVP_MD *hash_of(const X509_ALGOR *a)
{
	const ASN1_OBJECT *o = NULL;
	X509_ALGOR_get0(&o, NULL, NULL, a);
	int nid = o ? OBJ_obj2nid(o) : NID_undef;
	return nid == NID_sha256   ? EVP_sha256()
	       : nid == NID_sha384 ? EVP_sha384()
	       : nid == NID_sha512 ? EVP_sha512()
				   : NULL;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct stamp {
	TS_RESP *resp;
	PKCS7 *token;
	TS_TST_INFO *info;
	PKCS7_SIGNER_INFO *si;
	i64 at;
};

/* YYYYMMDDhhmmss[.f]Z, no zero at the end of the fraction: what DER allows. Fractions are cut. */
static int gen_time(const ASN1_GENERALIZEDTIME *t, i64 *ret)
{
	const char *s = (const char *)ASN1_STRING_get0_data(t);
	size_t n = (size_t)ASN1_STRING_length(t);
	struct tm tm;
	if (n < 15 || n > 32 || s[n - 1] != 'Z' || strspn(s, "0123456789") != 14)
		return 1;
	if (n != 15 && (s[14] != '.' || n < 17 || strspn(s + 15, "0123456789") != n - 16 || s[n - 2] == '0'))
		return 1;
	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 1;
	*ret = (i64)timegm(&tm);
	return 0;
}

static bool same_der(const u8 *a, int n, const u8 *b, size_t len)
{
	return n > 0 && (size_t)n == len && !memcmp(a, b, len);
}

/* The response and what is signed in it, each encoded again. The certificates that it brings keep their own encoding; chain.c judges. */
static bool exact(struct stamp *s, const struct bundle_stamp *raw)
{
	_cleanup_(bytes_free) u8 *outer = NULL, *inner = NULL;
	const ASN1_TYPE *content = s->token->d.sign->contents->d.other;
	if (!content || content->type != V_ASN1_OCTET_STRING)
		return false;
	const ASN1_OCTET_STRING *o = content->value.octet_string;
	int n = i2d_TS_RESP(s->resp, &outer), m = i2d_TS_TST_INFO(s->info, &inner);
	return same_der(outer, n, raw->data, raw->len) &&
	       same_der(inner, m, ASN1_STRING_get0_data(o), (size_t)ASN1_STRING_length(o));
}

static int stamp_parse(const struct bundle_stamp *raw, struct stamp *ret, struct attest_report *report)
{
	const u8 *p = raw->data;
	ret->resp = d2i_TS_RESP(NULL, &p, (long)raw->len);
	ERR_clear_error();
	if (!ret->resp || p != raw->data + raw->len)
		return refuse(report, "is not one RFC 3161 response");
	const ASN1_INTEGER *status = TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(ret->resp));
	ret->token = TS_RESP_get_token(ret->resp);
	ret->info = TS_RESP_get_tst_info(ret->resp);
	long granted = ASN1_INTEGER_get(status);
	if ((granted != TS_STATUS_GRANTED && granted != TS_STATUS_GRANTED_WITH_MODS) || !ret->token ||
		!ret->info)
		return refuse(report, "was not granted");
	STACK_OF(PKCS7_SIGNER_INFO) *signers = PKCS7_get_signer_info(ret->token);
	if (sk_PKCS7_SIGNER_INFO_num(signers) != 1)
		return refuse(report, "has not exactly one signer");
	ret->si = sk_PKCS7_SIGNER_INFO_value(signers, 0);
	if (!exact(ret, raw))
		return refuse(report, "is not exact DER");
	if (gen_time(TS_TST_INFO_get_time(ret->info), &ret->at))
		return refuse(report, "has a malformed time");
	return 0;
}

/* ---- what it says ----------------------------------------------------------------------------------------------------------- */

/* Absent, or within the limit: an authority that is less sure does not say when. */
static bool accuracy_ok(const TS_ACCURACY *a)
{
	static const long most[] = { STAMP_ACCURACY_S_MAX, 999, 999 };
	if (!a)
		return true;
	const ASN1_INTEGER *parts[] = { TS_ACCURACY_get_seconds(a), TS_ACCURACY_get_millis(a),
		TS_ACCURACY_get_micros(a) };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		i64 v = 0;
		if (parts[i] && (ASN1_INTEGER_get_int64(&v, parts[i]) != 1 || v < (i > 0) || v > most[i]))
			return false;
	}
	return true;
}

/* Where the stamp names its authority, that is the signer. */
static bool named_as(TS_TST_INFO *info, X509 *signer)
{
	GENERAL_NAME *tsa = TS_TST_INFO_get_tsa(info);
	if (!tsa)
		return true;
	int type;
	void *value = GENERAL_NAME_get0_value(tsa, &type);
	if (type == GEN_DIRNAME)
		return X509_NAME_cmp(value, X509_get_subject_name(signer)) == 0;
	_cleanup_(names_free) GENERAL_NAMES *names =
		X509_get_ext_d2i(signer, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (GENERAL_NAME_cmp(tsa, sk_GENERAL_NAME_value(names, i)) == 0)
			return true;
	return false;
}

/* Is it about these bytes? */
static int imprint_check(TS_TST_INFO *info, const u8 *data, size_t len, struct attest_report *report)
{
	TS_MSG_IMPRINT *m = TS_TST_INFO_get_msg_imprint(info);
	const EVP_MD *md = hash_of(TS_MSG_IMPRINT_get_algo(m));
	const ASN1_OCTET_STRING *digest = TS_MSG_IMPRINT_get_msg(m);
	u8 want[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!md)
		return refuse(report, "is over a digest other than SHA-256, SHA-384 and SHA-512");
	if (EVP_Digest(data, len, want, &n, md, NULL) != 1)
		return err_origin(-ENOMEM);
	if ((unsigned)ASN1_STRING_length(digest) != n || memcmp(ASN1_STRING_get0_data(digest), want, n))
		return refuse(report, "is about other bytes than this signature");
	return 0;
}

static bool policy_is(TS_TST_INFO *info, const char *want)
{
	char text[IDENTITY_OID_LEN_MAX + 1];
	int n = OBJ_obj2txt(text, (int)sizeof text, TS_TST_INFO_get_policy_id(info), 1);
	return n > 0 && (size_t)n < sizeof text && !strcmp(text, want);
}

static int info_check(
	const struct stamp *s, X509 *signer, const struct stamps_params *p, struct attest_report *report)
{
	if (TS_TST_INFO_get_version(s->info) != 1)
		return refuse(report, "is of another version than 1");
	if (TS_TST_INFO_get_ext_by_critical(s->info, 1, -1) >= 0)
		return refuse(report, "has a critical extension");
	if (p->policy && !policy_is(s->info, p->policy))
		return refuse(report, "is under another policy than the pinned one");
	if (!accuracy_ok(TS_TST_INFO_get_accuracy(s->info)))
		return refuse(report, "has an accuracy that is malformed or worse than a minute");
	if (!named_as(s->info, signer))
		return refuse(report, "names another authority than the one that signed it");
	return imprint_check(s->info, p->bundle->sig, p->bundle->sig_len, report);
}

/* ---- who signed it ---------------------------------------------------------------------------------------------------------- */

/* The first ESSCertIDv2 names the signer's certificate by a strong digest. OpenSSL has held the others, and takes SHA-1 too. */
static bool ess_strong(PKCS7_SIGNER_INFO *si, X509 *signer)
{
	const ASN1_TYPE *t = PKCS7_get_signed_attribute(si, NID_id_smime_aa_signingCertificateV2);
	if (!t || t->type != V_ASN1_SEQUENCE)
		return false;
	const u8 *p = ASN1_STRING_get0_data(t->value.sequence),
		 *end = p + ASN1_STRING_length(t->value.sequence);
	long len = 0;
	int tag = 0, class = 0;
	for (int depth = 0; depth < 3; depth++) /* SigningCertificateV2, its certs, the first of them */
		if (ASN1_get_object(&p, &len, &tag, &class, end - p) != V_ASN1_CONSTRUCTED ||
			tag != V_ASN1_SEQUENCE)
			return false;
	const EVP_MD *md = EVP_sha256();
	end = p + len;
	if (p < end && *p == (V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE)) {
		_cleanup_(algor_free) X509_ALGOR *a = d2i_X509_ALGOR(NULL, &p, end - p);
		md = a ? hash_of(a) : NULL;
	}
	u8 digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	return md && ASN1_get_object(&p, &len, &tag, &class, end - p) == 0 && tag == V_ASN1_OCTET_STRING &&
	       X509_digest(signer, md, digest, &n) == 1 && (unsigned)len == n && !memcmp(p, digest, n);
}

/* What OpenSSL does not look at: the versions that RFC 5652 fixes, and a kind of signature that is the key's and over the digest. */
static bool form_ok(const struct stamp *s, X509 *signer)
{
	const ASN1_OBJECT *o = NULL, *of_digest = NULL;
	int hash = NID_undef, kind = NID_undef;
	X509_ALGOR_get0(&o, NULL, NULL, s->si->digest_enc_alg);
	X509_ALGOR_get0(&of_digest, NULL, NULL, s->si->digest_alg);
	EVP_PKEY *k = X509_get0_pubkey(signer);
	int nid = OBJ_obj2nid(o), base = k ? EVP_PKEY_get_base_id(k) : NID_undef;
	bool fits = nid == base || (OBJ_find_sigid_algs(nid, &hash, &kind) == 1 && kind == base &&
					   hash == OBJ_obj2nid(of_digest));
	return ASN1_INTEGER_get(s->token->d.sign->version) == 3 && ASN1_INTEGER_get(s->si->version) == 1 &&
	       fits;
}

/* The CMS signature and the signing-certificate attributes, with a store that holds the judged path's root. */
static bool token_holds(const struct stamp *s, const struct attest_certs *path)
{
	_cleanup_(store_free) X509_STORE *store = X509_STORE_new();
	X509 *signer = NULL;
	if (!store || X509_STORE_add_cert(store, certs_at(path, attest_certs_count(path) - 1)) != 1)
		return false;
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)s->at);
	bool ok = TS_RESP_verify_signature(s->token, certs_stack(path), store, &signer) == 1 &&
		  X509_cmp(signer, certs_at(path, 0)) == 0;
	X509_free(signer);
	ERR_clear_error();
	return ok;
}

/* An authority that brings its own leaf is that leaf, not whatever its root signs. */
static bool leaf_pinned(const struct attest_certs *certs, X509 *signer)
{
	bool any = false, this = false;
	for (u32 i = 0; i < attest_certs_count(certs); i++) {
		X509 *c = certs_at(certs, i);
		if (X509_check_ca(c))
			continue;
		any = true;
		this |= X509_cmp(c, signer) == 0;
	}
	return this || !any;
}

/* 0 it is this authority's and *ret_path is filled; 1 rejected; 2 it is not. */
static int signer_find(const struct stamp *s, const struct stamp_authority *a, const struct stamps_params *p,
	struct attest_certs **ret_path, struct attest_report *report)
{
	_cleanup_(stack_free) STACK_OF(X509) *found = PKCS7_get0_signers(s->token, certs_stack(a->certs), 0);
	ERR_clear_error();
	X509 *signer = sk_X509_num(found) == 1 ? sk_X509_value(found, 0) : NULL;
	if (!signer || !leaf_pinned(a->certs, signer))
		return 2;
	struct attest_report scratch;
	attest_report_init(&scratch);
	struct chain_params c = { .leaf = signer,
		.roots = a->certs,
		.others = a->certs,
		.more = s->token->d.sign->cert,
		.crls = p->crls,
		.at = s->at,
		.now = p->now,
		.purpose = CHAIN_STAMP };
	int r = chain_verify(&c, ret_path, &scratch);
	if (r == 1 && scratch.reason == ATTEST_CHAIN)
		return 2;
	if (r == 1)
		return attest_reject(report, ATTEST_TIMESTAMP, scratch.object,
			"a time stamp's authority does not hold: %s", scratch.detail);
	return r;
}

static int judge(const struct stamp *s, const struct stamp_authority *a, const struct stamps_params *p,
	struct attest_report *report)
{
	_cleanup_(certs_put) struct attest_certs *path = NULL;
	int r = signer_find(s, a, p, &path, report);
	if (r)
		return r;
	if (!hash_of(s->si->digest_alg) || !ess_strong(s->si, certs_at(path, 0)))
		return refuse(report, "does not name its content and its signer by SHA-256 or more");
	if (!form_ok(s, certs_at(path, 0)))
		return refuse(report, "is of another version or kind of signature than its content and key");
	if (!token_holds(s, path))
		return refuse(report, "of a pinned authority is forged");
	if (s->at < a->from || s->at > a->to)
		return refuse(report, "is of a time when its authority was not trusted");
	return info_check(s, certs_at(path, 0), p, report);
}

static int stamp_verify(const struct bundle_stamp *raw, const struct stamps_params *p,
	struct signed_times *times, struct attest_report *report)
{
	_cleanup_(resp_free) TS_RESP *resp = NULL;
	struct stamp s = { 0 };
	int r = stamp_parse(raw, &s, report);
	resp = s.resp;
	if (r)
		return r;
	r = 2;
	for (u32 i = 0; i < p->n_authorities && r == 2; i++)
		r = judge(&s, &p->authorities[i], p, report);
	if (r == 0)
		return times_add(times, s.at, ATTEST_TIME_STAMP, p->now, report);
	return r == 2 ? 0 : r;
}

int stamps_verify(const struct stamps_params *p, struct signed_times *times, struct attest_report *report)
{
	int r = 0;
	for (u32 i = 0; p->n_authorities && i < p->bundle->n_stamps && !r; i++)
		r = stamp_verify(&p->bundle->stamps[i], p, times, report);
	ERR_clear_error();
	return r;
}

int times_add(struct signed_times *t, i64 at, u32 source, i64 now, struct attest_report *report)
{
	assert(t->n < ARRAY_LEN(t->at));
	if (at > now + (i64)SIGNED_AHEAD_S_MAX) {
		attest_reject(report, source == ATTEST_TIME_STAMP ? ATTEST_TIMESTAMP : ATTEST_SIGNING_TIME,
			source == ATTEST_TIME_STAMP ? "signedTimestamp" : "integratedTime",
			"the time of signing lies ahead of the time now");
		attest_expected_u64(report, (u64)now, (u64)at);
		return 1;
	}
	t->at[t->n] = at;
	t->source[t->n++] = source;
	return 0;
}
