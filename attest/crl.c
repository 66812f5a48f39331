/* Revocation lists, offline. Whoever brings one asks for all: then every certificate of the path but the root needs a list of its
 * issuer that is genuine (signed by the issuer of the path, which may sign lists, over SHA-256 or more), complete (no critical
 * extension, of the list or an entry: neither partial nor indirect) and fresh at the judged time (a list without nextUpdate never is). A genuine list that
 * names the certificate revokes it, stale or not, whatever date it gives: what was revoked stays so. Lists of others are not judged. */
#include "attest/internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct attest_crls {
	STACK_OF(X509_CRL) * list;
};

static void crl_free(X509_CRL **c)
{
	X509_CRL_free(*c);
}
static void bio_free(BIO **b)
{
	BIO_free(*b);
}

struct attest_crls *attest_crls_free(struct attest_crls *c)
{
	if (c)
		sk_X509_CRL_pop_free(c->list, X509_CRL_free);
	free(c);
	return NULL;
}

static int crls_push(struct attest_crls **crls, X509_CRL **c, struct attest_report *report)
{
	if (!*crls) {
		*crls = calloc(1, sizeof **crls);
		if (*crls && !((*crls)->list = sk_X509_CRL_new_null())) {
			free(*crls);
			*crls = NULL;
		}
		if (!*crls)
			return err_origin(-ENOMEM);
	}
	if (sk_X509_CRL_num((*crls)->list) == (int)CRLS_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "crls",
			"there are more than %u revocation lists", CRLS_MAX);
	if (!sk_X509_CRL_push((*crls)->list, *c))
		return err_origin(-ENOMEM);
	*c = NULL;
	return 0;
}

/* A file must not ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

int attest_crls_add(struct attest_crls **crls, const void *pem, size_t len, struct attest_report *report)
{
	attest_report_init(report);
	if (len > CRLS_PEM_BYTES_MAX)
		return attest_reject(report, ATTEST_SIZE_LIMIT, "crls",
			"the file is %zu bytes long; at most %u are read", len, CRLS_PEM_BYTES_MAX);
	_cleanup_(bio_free) BIO *b = BIO_new_mem_buf(pem, (int)len);
	if (!b)
		return err_origin(-ENOMEM);
	for (u32 n = 0;; n++) {
		_cleanup_(crl_free) X509_CRL *c = PEM_read_bio_X509_CRL(b, NULL, no_password, NULL);
		unsigned long why = ERR_peek_last_error();
		ERR_clear_error();
		if (!c && n && ERR_GET_REASON(why) == PEM_R_NO_START_LINE)
			return 0;
		if (!c)
			return attest_reject(report, ATTEST_CRL, "crls",
				n ? "the file holds a revocation list that cannot be read"
				  : "the file holds no revocation list in PEM");
		int r = crls_push(crls, &c, report);
		if (r)
			return r;
	}
}

/* ---- judging ---------------------------------------------------------------------------------------------------------------- */

static int refuse(struct attest_report *report, u32 reason, const X509 *about, const char *why)
{
	char subject[PATH_LEN_MAX + 1];
	cert_subject(about, subject, sizeof subject);
	return attest_reject(report, reason, subject, "%s of %.160s %s",
		reason == ATTEST_REVOKED ? "the certificate" : "the revocation list", subject, why);
}

static bool genuine(X509_CRL *c, X509 *issuer)
{
	EVP_PKEY *k = X509_get0_pubkey(issuer);
	int hash = NID_undef;
	bool may = !(X509_get_extension_flags(issuer) & EXFLAG_KUSAGE) ||
		   (X509_get_key_usage(issuer) & KU_CRL_SIGN);
	bool known = OBJ_find_sigid_algs(X509_CRL_get_signature_nid(c), &hash, NULL) == 1;
	bool ok = may && k && known && (hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512) &&
		  X509_CRL_verify(c, k) == 1;
	ERR_clear_error();
	return ok;
}

static bool fresh(X509_CRL *c, i64 at)
{
	time_t t = (time_t)at;
	const ASN1_TIME *from = X509_CRL_get0_lastUpdate(c), *to = X509_CRL_get0_nextUpdate(c);
	return from && to && X509_cmp_time(from, &t) < 0 && X509_cmp_time(to, &t) > 0;
}

/* Nothing critical that nobody here interprets, of the list or of an entry: then it would be partial, indirect or about something else. The two
 * extensions that make it so count even where their author forgot to say that they are critical. */
static bool complete(X509_CRL *c)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(c);
	if (X509_CRL_get_ext_by_critical(c, 1, -1) >= 0 ||
		X509_CRL_get_ext_by_NID(c, NID_issuing_distribution_point, -1) >= 0 ||
		X509_CRL_get_ext_by_NID(c, NID_delta_crl, -1) >= 0)
		return false;
	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++)
		if (X509_REVOKED_get_ext_by_critical(sk_X509_REVOKED_value(entries, i), 1, -1) >= 0)
			return false;
	return true;
}

/* 0 not revoked; 1 rejected. */
static int link_check(
	const struct attest_crls *crls, X509 *c, X509 *issuer, i64 at, struct attest_report *report)
{
	u32 n_fresh = 0, n_stale = 0;
	for (int i = 0; i < sk_X509_CRL_num(crls->list); i++) {
		X509_CRL *l = sk_X509_CRL_value(crls->list, i);
		X509_REVOKED *entry = NULL;
		if (X509_NAME_cmp(X509_CRL_get_issuer(l), X509_get_issuer_name(c)))
			continue;
		if (!genuine(l, issuer))
			return refuse(report, ATTEST_CRL, issuer,
				"was not signed by that CA, or not as it must be");
		if (!complete(l))
			return refuse(report, ATTEST_CRL, issuer, "is not a complete one");
		if (X509_CRL_get0_by_cert(l, &entry, c) != 0)
			return refuse(report, ATTEST_REVOKED, c, "was revoked by its issuer");
		*(fresh(l, at) ? &n_fresh : &n_stale) += 1;
	}
	if (n_fresh)
		return 0;
	return n_stale ? refuse(report, ATTEST_CRL_STALE, issuer, "is not current at the judged time")
		       : refuse(report, ATTEST_CRL_MISSING, issuer, "is missing");
}

int crls_check(
	const struct attest_crls *crls, struct stack_st_X509 *path, i64 at, struct attest_report *report)
{
	int r = 0;
	for (int i = 0; crls && i + 1 < sk_X509_num(path) && !r; i++)
		r = link_check(crls, sk_X509_value(path, i), sk_X509_value(path, i + 1), at, report);
	return r;
}
