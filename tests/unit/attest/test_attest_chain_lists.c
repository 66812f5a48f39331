/* Revocation lists: every way one can be missing, stale, forged or partial, beside the chain that is accepted with a fresh one. */
#define _GNU_SOURCE
#include "chain.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct list {
	X509 *issuer; /* NULL: no list */
	EVP_PKEY **by;
	i64 from, to; /* to: 0 none */
	X509 *revoked;
	bool partial, sha1, odd_entry;
	bool quiet; /* partial, or a delta where not partial, by an extension that is not critical, as it ought to be */
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
		assert_int_equal(
			X509_CRL_add1_ext_i2d(c, NID_issuing_distribution_point, p, !l->quiet, 0), 1);
		ISSUING_DIST_POINT_free(p);
	} else if (l->quiet) {
		ASN1_INTEGER *base = ASN1_INTEGER_new();
		ASN1_INTEGER_set(base, 1);
		assert_int_equal(X509_CRL_add1_ext_i2d(c, NID_delta_crl, base, 0, 0), 1);
		ASN1_INTEGER_free(base);
	}
	assert_true(X509_CRL_sign(c, *l->by, l->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_X509_CRL(b, c), 1);
	long n = BIO_get_mem_data(b, &text);
	assert_int_equal(attest_crls_add(&chain_crls, text, (size_t)n, &report), 0);
	BIO_free(b);
	ASN1_TIME_free(t);
	X509_CRL_free(c);
}

static const char *judge_lists(X509 *const chain[2], const struct attest_certs *roots,
	const struct list lists[3], struct attest_report *report)
{
	json_t *list = json_array();
	chain_push(list, chain[0]);
	chain_push(list, chain[1]);
	char *text = chain_bundle(list, false);
	for (u32 k = 0; k < 3; k++)
		add_list(&lists[k]);
	const char *code = chain_judge(text, roots, NOW, report);
	chain_crls = attest_crls_free(chain_crls);
	free(text);
	json_decref(list);
	return code;
}

/* Without any list nobody asks for one. */
static bool all_absent(const struct list lists[3])
{
	return !lists[0].issuer && !lists[1].issuer && !lists[2].issuer;
}

void test_revocation(void **state)
{
	static const struct spec ca = { .usage = "critical,keyCertSign,cRLSign" };
	X509 *root = chain_make(&ca, "root", keys.root, NULL, NULL, true);
	X509 *mid = chain_make(&ca, "mid", keys.mid, root, keys.root, true);
	X509 *mute = chain_make(&(struct spec){ 0 }, "mid", keys.mid, root, keys.root, true);
	X509 *leaf = chain_make(&(struct spec){ 0 }, "leaf", keys.leaf, mid, keys.mid, false);
	X509 *other = chain_make(&ca, "other", keys.p521, NULL, NULL, true);
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
		{ "partial, and quiet about it", "crl",
			{ of_root, { .issuer = mid,
					   .by = &keys.mid,
					   .to = end,
					   .partial = true,
					   .quiet = true } } },
		{ "a delta, and quiet about it", "crl",
			{ of_root, { .issuer = mid, .by = &keys.mid, .to = end, .quiet = true } } },
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
	assert_int_equal(chain_add(&roots, root), 0);
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
		chain_cured[reason] = true;
	}
	attest_certs_free(roots);
	X509 *all[] = { root, mid, mute, leaf, other };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		X509_free(all[i]);
}
/* A file without any, and one past each limit. */
void test_list_files(void **state)
{
	struct attest_report report;
	const struct list l = { .issuer = plain[1], .by = &keys.mid, .to = NOW + YEAR };
	char *large = malloc(CRLS_PEM_BYTES_MAX + 1);
	memset(large, '\n', CRLS_PEM_BYTES_MAX + 1);
	assert_int_equal(attest_crls_add(&chain_crls, large, CRLS_PEM_BYTES_MAX, &report), 1);
	assert_string_equal(report.code, "crl");
	assert_int_equal(attest_crls_add(&chain_crls, large, CRLS_PEM_BYTES_MAX + 1, &report), 1);
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
	assert_int_equal(attest_crls_add(&chain_crls, text, (size_t)n, &report), 1);
	assert_string_equal(report.code, "size-limit");
	BIO_free(b);
	ASN1_TIME_free(t);
	X509_CRL_free(c);
	chain_crls = attest_crls_free(chain_crls);
}
