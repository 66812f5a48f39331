/* Chains of certificates for the tests, made here: what a row says, else as in the plain chain root, mid, leaf. */
#pragma once

#include "helper.h"
#include "attest/internal.h"

#include <jansson.h>
#include <openssl/x509.h>

#define NOW  1790000000ll
#define YEAR 31536000ll
#define CA   "critical,CA:TRUE"

struct chain_keys {
	EVP_PKEY *root, *mid, *leaf, *p521, *rsa3072, *rsa2048, *rsa_e3, *p224, *ed25519;
};
extern struct chain_keys keys;

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
extern X509 *plain[3]; /* leaf, mid, root */
extern struct attest_certs *plain_root;
extern bool chain_cured[128]; /* reasons of chains that are accepted without their one defect */

/* The certificate of a row's part, signed by `by` in the name of issuer; NULL: by itself. */
X509 *chain_make(const struct spec *s, const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *by, bool ca);
/* Behind a list of a bundle's certificates; into certs, as attest_certs_add. */
void chain_push(json_t *list, X509 *c);
int chain_add(struct attest_certs **certs, X509 *c);
/* The bundle that the key "leaf" signed, with another chain; to be freed. */
char *chain_bundle(json_t *list, bool bad_signature);
/* A bundle signed over the plain files with that key. As attest_sign. */
int chain_sign(EVP_PKEY *key, const struct attest_certs *certs, struct attest_blob *ret,
	struct attest_report *report);

/* What the next verdicts rest on beside the roots. */
extern struct attest_crls *chain_crls;
extern const struct proto_identity *chain_pinned;
/* The code of the verdict over a bundle. */
const char *chain_judge(
	const char *text, const struct attest_certs *roots, i64 at, struct attest_report *report);

/* Keys, the plain chain and what "leaf" signed, for a group of tests. */
int chain_setup(void **state);
int chain_teardown(void **state);

/* The tests, by file. */
void test_reading(void **state);
void test_der(void **state);
void test_files(void **state);
void test_sign(void **state);
void test_revocation(void **state);
void test_list_files(void **state);
