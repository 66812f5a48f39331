/* The state that records describe: who vouches, by which policy, which models are here, what time it is at least. Small, so it lives in memory whole; every change is
 * written to its table in the transaction of the record that says so, and that record ends with the digest of all rows. So a row
 * that was added, edited or deleted behind keepd's back does not fit the last record that speaks of state. */
#pragma once

#include "appliance/proto.h"
#include "base/limits.h"

struct trust_row {
	char name[NAME_LEN_MAX + 8];
	u8 key_id
		[SHA256_BYTES]; /* keys: SHA-256 of the PEM text; others: of the file, which lies in the table of blobs */
	u64 index;		/* record that added it */
	u64 bytes;		/* of the file; 0 for keys */
	u32 kind;		/* enum trust_kind */
	u32 curve_bits, der_len, reserved;
	u8 der[KEY_DER_BYTES_MAX];				 /* keys: SubjectPublicKeyInfo, zero-filled */
	char models[NAME_LEN_MAX + 8], serves[NAME_LEN_MAX + 8]; /* as in struct proto_trust */
	struct proto_identity identity;
};
SIZE_PIN(trust_row, 2232);

/* The policy in force; all zero: none was ever set, and keep-attest's default holds. Its text lies in the table of blobs. */
struct policy_row {
	u8 digest[SHA256_BYTES];
	u64 index; /* record that set it */
	u64 bytes;
};
SIZE_PIN(policy_row, 48);

/* The floor clock (clock.h) as last stored. */
struct clock_row {
	u64 floor_ns;	 /* UTC that it was at least */
	u64 boottime_ns; /* CLOCK_BOOTTIME then */
	char boot[40];	 /* boot id then */
	u32 source;	 /* enum clock_source */
	u32 reserved;
};
SIZE_PIN(clock_row, 64);

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
	u8 policy[SHA256_BYTES];	 /* that the verdict was held to */
	u64 sequence;			 /* that the model states; 0: none */
	u32 n_bundles, reserved2;	 /* stored ones */
	u8 files[SHA256_BYTES]; /* of names and digests of all files, sorted: who signed them in which order is not in it */
};
SIZE_PIN(model_row, 696);

struct audit_state {
	u32 n_trust, n_models;
	struct policy_row policy;
	struct clock_row clock;
	struct trust_row trust[TRUST_KEYS_MAX]; /* by name */
	struct model_row models[MODELS_MAX];	/* by digest */
};

/* SHA-256 over policy, clock, the counts and the rows, byte for byte in their order. */
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
/* The highest sequence of any model that was ever accepted under that name; 0: none stated one. */
u64 audit_model_newest(const struct audit_state *s, const char *name);
