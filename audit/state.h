/* The state that records describe: whose keys count, which models are here. Small, so it lives in memory whole; every change is
 * written to its table in the transaction of the record that says so, and that record ends with the digest of all rows. So a row
 * that was added, edited or deleted behind keepd's back does not fit the last record that speaks of state. */
#pragma once

#include "appliance/proto.h"
#include "base/limits.h"

struct trust_row {
	char name[NAME_LEN_MAX + 8];
	u8 key_id[SHA256_BYTES]; /* SHA-256 of the PEM text */
	u64 index;		 /* record that added it */
	u32 curve_bits, der_len;
	u8 der[KEY_DER_BYTES_MAX]; /* SubjectPublicKeyInfo, zero-filled */
};
SIZE_PIN(trust_row, 376);

enum model_status { MODEL_ACCEPTED = 1, MODEL_QUARANTINED = 2, MODEL_REVOKED = 3, MODEL_REMOVED = 4 };

struct model_row {
	u8 digest[MODEL_DIGEST_BYTES];
	char name[NAME_LEN_MAX + 8];
	u32 status;  /* enum model_status; quarantined and revoked are for ever */
	u32 stored;  /* 1 while its files are in the store */
	u64 index;   /* record of the verdict that accepted it */
	u64 changed; /* record of the last change */
	u8 bundle[SHA256_BYTES], segments[SHA256_BYTES], layout[SHA256_BYTES], key_id[SHA256_BYTES];
	char signer[NAME_LEN_MAX + 8];
	u64 bytes; /* of all files */
	u32 n_files, reserved;
	char reason[REASON_LEN_MAX + 1]; /* of the last change, where it has one */
};
SIZE_PIN(model_row, 616);

struct audit_state {
	u32 n_trust, n_models;
	struct trust_row trust[TRUST_KEYS_MAX]; /* by name */
	struct model_row models[MODELS_MAX];	/* by digest */
};

/* SHA-256 over the counts and the rows, byte for byte in their order. */
void audit_state_digest(const struct audit_state *s, u8 ret[SHA256_BYTES]);

struct trust_row *audit_trust_find(struct audit_state *s, const char *name);
/* Insert or replace. 0 done; 1 full. */
_must_use_ int audit_trust_put(struct audit_state *s, const struct trust_row *row);
void audit_trust_drop(struct audit_state *s, const char *name);

struct model_row *audit_model_by_digest(struct audit_state *s, const u8 digest[MODEL_DIGEST_BYTES]);
/* The stored model of that name; else the only stored model whose digest starts with those lower-case hex digits (8 or more); else
 * the same among models no longer stored. NULL: none or several. */
struct model_row *audit_model_find(struct audit_state *s, const char *name);
/* The stored model of exactly that name, or NULL. */
struct model_row *audit_model_named(struct audit_state *s, const char *name);
_must_use_ int audit_model_put(struct audit_state *s, const struct model_row *row);
const char *audit_model_status(u32 status);
