/* Keyless bundles: what a trusted-root file says, and what of a bundle is held against it. */
#pragma once

#include "attest/bundle.h"

/* ---- the trusted root (trusted_root.c) -------------------------------------------------------------------------------------- */

struct trusted_log {
	u8 id[SHA256_BYTES];   /* in entries and SCTs */
	u8 note[SHA256_BYTES]; /* its first four bytes are in the signatures of checkpoints */
	struct proto_key key;  /* ECDSA, where ed25519 is NULL */
	EVP_PKEY *ed25519;
	i64 from, to; /* when it was trusted, both included */
};
struct trusted_ca {
	struct attest_certs *certs;
	i64 from, to;
};
struct attest_trusted_root {
	struct trusted_log
		logs[2 * TRUSTED_ENTRIES_MAX]; /* transparency logs, from first_ct on certificate logs */
	u32 first_ct, n_logs;
	bool wants_sct; /* the file lists certificate logs, usable here or not */
	struct trusted_ca cas[TRUSTED_ENTRIES_MAX], tsas[TRUSTED_ENTRIES_MAX];
	u32 n_cas, n_tsas;
};
/* Did the log's key sign data[len]? Exact DER for ECDSA. 0; 1 no; -errno. (rekor.c) */
_must_use_ int log_verify(
	const struct trusted_log *l, const void *data, size_t len, const u8 *sig, size_t sig_len);

/* ---- transparency logs (rekor.c, checkpoint.c) ------------------------------------------------------------------------------- */

/* An entry that is in its log. */
struct log_entry {
	json_t *body; /* what was logged, parsed */
};
/* Is the entry in a log of the root: included in a checkpoint that the log signed, and promised, where it is promised? A promise adds
 * its time. 0, ret->body to be freed; 1 rejected; -errno. */
_must_use_ int rekor_verify(const struct attest_trusted_root *root, json_t *entry, i64 now,
	struct log_entry *ret, struct signed_times *times, struct attest_report *report);
/* Is the logged entry about this signature, this leaf and this statement? 0; 1 ATTEST_LOG_ENTRY; -errno. */
_must_use_ int rekor_matches(const struct log_entry *e, const struct bundle *b, struct attest_report *report);

/* Is leaf number index of a tree with that root among size leaves? RFC 9162, 2.1.3.2. */
struct inclusion {
	u64 index, size;
	u8 leaf[SHA256_BYTES];
	const u8 (*path)[SHA256_BYTES];
	u32 n;
};
bool inclusion_holds(const struct inclusion *p, const u8 root[SHA256_BYTES]);
/* A signed note that is a checkpoint: size and root, where the log signed it. 0; 1 ATTEST_LOG_PROOF; -errno. */
_must_use_ int checkpoint_open(const struct trusted_log *l, const char *text, u64 *ret_size,
	u8 ret_root[SHA256_BYTES], struct attest_report *report);

/* ---- certificate logs (sct.c) ------------------------------------------------------------------------------------------------ */

/* Does a certificate log of the root vouch for the leaf of a path, in the certificate itself? 0; 1 ATTEST_SCT; -errno. */
_must_use_ int sct_verify(const struct attest_trusted_root *root, const struct attest_certs *path,
	struct attest_report *report);

/* ---- all (sigstore.c) -------------------------------------------------------------------------------------------------------- */

/* The root's time stamp authorities: at most TRUSTED_ENTRIES_MAX. */
u32 keyless_authorities(const struct attest_trusted_root *root, struct stamp_authority *ret);
struct keyless {
	struct log_entry entries[LOG_ENTRIES_MAX];
	u32 n;
};
void keyless_fini(struct keyless *k);
/* Add the times that logs of the trusted root signed for the entries. 0; 1; -errno. */
_must_use_ int keyless_times(const struct attest_bundle_params *p, const struct bundle *b,
	struct keyless *ret, struct signed_times *times, struct attest_report *report);
/* Does the leaf lead to an authority that was trusted at that time, with a certificate log vouching? 0, *ret_path to be freed; 1; -errno. */
_must_use_ int keyless_path(const struct attest_bundle_params *p, const struct bundle *b, i64 at,
	struct attest_certs **ret_path, struct attest_report *report);
/* Is every entry about this bundle? 0; 1 ATTEST_LOG_ENTRY; -errno. */
_must_use_ int keyless_matches(const struct keyless *k, const struct bundle *b, struct attest_report *report);
