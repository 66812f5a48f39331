/* What an appliance believes: keys, roots with identities, lists, stamps. Whether a bundle is vouched for by one of them, and by whom. */
#pragma once

#include "attest/attest.h"
#include "attest/policy.h"

/* Everything that vouches, in the order in which it was added; at most TRUST_KEYS_MAX keys and as many other entries. */
struct attest_trust;
/* 0; -ENOMEM. */
_must_use_ int attest_trust_create(struct attest_trust **ret);
struct attest_trust *attest_trust_free(struct attest_trust *t);

/* A key that attest_key_ok holds. 0; 1 ATTEST_SIZE_LIMIT. */
_must_use_ int attest_trust_add_key(
	struct attest_trust *t, const struct proto_key *key, struct attest_report *report);
/* A file of one of the other kinds, copied: what it holds must parse, a root must come with an identity, and nothing else with one.
 * 0; 1 ATTEST_TRUST_ROOT, _SIZE_LIMIT, _CERTIFICATE, _CRL; -errno. */
_must_use_ int attest_trust_add(struct attest_trust *t, const struct proto_trust *what, const void *data,
	size_t len, struct attest_report *report);

struct attest_trust_question {
	const void *data; /* the bundle */
	size_t len;
	i64 at; /* now: seconds of UTC */
};
/* Does somebody who is trusted vouch for the bundle? As attest_bundle_verify, by key or under one root after the other, each with the
 * lists and stamps that serve it. ret_signer's models points into t. 0; 1 the refusal that says most; -errno. */
_must_use_ int attest_trust_judge(const struct attest_trust *t, const struct attest_trust_question *q,
	struct attest_manifest **ret_manifest, struct attest_signer *ret_signer,
	struct attest_report *report);

/* Do two verified manifests list the same files with the same digests, in whatever order? 0; 1 ATTEST_COSIGNED; -ENOMEM. */
_must_use_ int attest_manifests_equal(
	const struct attest_manifest *a, const struct attest_manifest *b, struct attest_report *report);
