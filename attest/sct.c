/* Signed certificate timestamps (RFC 6962, 3.2) embedded in a leaf: a certificate log saw it before it was issued, so that whoever
 * watches the log learns of every certificate. What the log signed is the leaf's signed part without the list itself, and the issuer's
 * key. One timestamp of a known log must hold, and none of a known log may fail; those of other logs count for nothing. */
#include "attest/sigstore.h"

#include <openssl/ct.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static void list_free(STACK_OF(SCT) * *l)
{
	SCT_LIST_free(*l);
}
static void cert_free(X509 **c)
{
	X509_free(*c);
}
static void bytes_free(u8 **p)
{
	OPENSSL_free(*p);
}

static int refuse(struct attest_report *report, const char *why)
{
	return attest_reject(report, ATTEST_SCT, "certificate", "the leaf's certificate timestamp %s", why);
}

static u8 *put_be(u8 *at, u64 v, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++)
		at[i] = (u8)(v >> 8 * (bytes - 1 - i));
	return at + bytes;
}

static const struct trusted_log *log_find(const struct attest_trusted_root *root, SCT *s)
{
	u8 *id;
	i64 at = (i64)(SCT_get_timestamp(s) / 1000);
	if (SCT_get0_log_id(s, &id) != SHA256_BYTES)
		return NULL;
	for (u32 i = root->first_ct; i < root->n_logs; i++) {
		const struct trusted_log *l = &root->logs[i];
		if (!memcmp(l->id, id, SHA256_BYTES) && at >= l->from && at <= l->to)
			return l;
	}
	return NULL;
}

/* What of the leaf and its issuer every log signs. */
struct precert {
	u8 *tbs;
	int tbs_len;
	u8 issuer_key[SHA256_BYTES];
};

static void precert_fini(struct precert *p)
{
	OPENSSL_free(p->tbs);
}

static int precert_make(const struct attest_certs *path, struct precert *ret)
{
	_cleanup_(cert_free) X509 *copy = X509_dup(certs_at(path, 0));
	_cleanup_(bytes_free) u8 *key = NULL;
	int at = copy ? X509_get_ext_by_NID(copy, NID_ct_precert_scts, -1) : -1;
	if (at < 0)
		return err_origin(-ENOMEM);
	X509_EXTENSION_free(X509_delete_ext(copy, at));
	ret->tbs_len = i2d_re_X509_tbs(copy, &ret->tbs);
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certs_at(path, 1)), &key);
	if (ret->tbs_len <= 0 || n <= 0)
		return err_origin(-ENOMEM);
	sha256_of(key, (size_t)n, ret->issuer_key);
	return 0;
}

/* version, kind of signature, time, kind of entry (a precertificate), issuer, length and bytes, length and extensions */
static int signed_text(SCT *s, const struct precert *p, u8 **ret, size_t *ret_len)
{
	u8 *ext;
	size_t ext_len = SCT_get0_extensions(s, &ext);
	u8 *text = malloc(64 + (size_t)p->tbs_len + ext_len), *at = text;
	if (!text)
		return err_origin(-ENOMEM);
	at = put_be(at, 0, 2);
	at = put_be(at, SCT_get_timestamp(s), 8);
	at = put_be(at, 1, 2);
	memcpy(at, p->issuer_key, SHA256_BYTES);
	at = put_be(at + SHA256_BYTES, (u64)p->tbs_len, 3);
	memcpy(at, p->tbs, (size_t)p->tbs_len);
	at = put_be(at + p->tbs_len, ext_len, 2);
	if (ext_len)
		memcpy(at, ext, ext_len);
	*ret = text;
	*ret_len = (size_t)(at - text) + ext_len;
	return 0;
}

/* 0 it holds; 1 rejected; 2 of no known log; -errno. */
static int sct_check(
	const struct attest_trusted_root *root, SCT *s, const struct precert *p, struct attest_report *report)
{
	_cleanup_free_ u8 *text = NULL;
	size_t len;
	u8 *sig;
	const struct trusted_log *l = SCT_get_version(s) == SCT_VERSION_V1 ? log_find(root, s) : NULL;
	if (!l)
		return 2;
	int r = signed_text(s, p, &text, &len);
	if (r)
		return r;
	size_t sig_len = SCT_get0_signature(s, &sig);
	r = SCT_get_signature_nid(s) == NID_ecdsa_with_SHA256 ? log_verify(l, text, len, sig, sig_len) : 1;
	return r == 1 ? refuse(report, "was not signed by the log that it names") : r;
}

int sct_verify(
	const struct attest_trusted_root *root, const struct attest_certs *path, struct attest_report *report)
{
	_cleanup_(list_free) STACK_OF(SCT) *list =
		X509_get_ext_d2i(certs_at(path, 0), NID_ct_precert_scts, NULL, NULL);
	_cleanup_(precert_fini) struct precert p = { 0 };
	u32 held = 0;
	ERR_clear_error();
	if (sk_SCT_num(list) < 1 || attest_certs_count(path) < 2)
		return refuse(report, "is missing");
	int r = precert_make(path, &p);
	for (int i = 0; i < sk_SCT_num(list) && r != 1 && r >= 0; i++) {
		r = sct_check(root, sk_SCT_value(list, i), &p, report);
		held += r == 0;
	}
	if (r == 1 || r < 0)
		return r;
	return held ? 0 : refuse(report, "is of no certificate log of the trusted root");
}
