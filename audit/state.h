/* The state that records describe: who vouches, by which policy, which models are here, what time it is at least. Small, so it lives in memory whole; every change is
 * written to its table in the transaction of the record that says so, and that record ends with the digest of all rows. So a row
 * that was added, edited or deleted behind keepd's back does not fit the last record that speaks of state. */
#pragma once

#include "appliance/proto.h"
#include "audit/retain.h"
#include "base/limits.h"

struct trust_row {
	char name[NAME_LEN_MAX + 8];
	u8 key_id
		[SHA256_BYTES]; /* keys: SHA-256 of the PEM text; others: of the file, which lies in the table of blobs */
	u64 index;		/* record that added it */
	u64 bytes;		/* of the file; 0 for keys */
	u32 kind;		/* enum trust_kind */
	u32 curve_bits, der_len;
	u32 replaces;		   /* 0; in an act that adds it: instead of the one of that name */
	u8 der[KEY_DER_BYTES_MAX]; /* keys: SubjectPublicKeyInfo, zero-filled */
	char models[NAME_LEN_MAX + 8], serves[NAME_LEN_MAX + 8]; /* as in struct proto_trust */
	struct proto_identity identity;
};
SIZE_PIN(trust_row, 2232);

/* The policy in force; all zero: none was ever set, and keep-attest's default holds. Its text lies in the table of blobs. */
struct policy_row {
	u8 digest[SHA256_BYTES];
	u64 index; /* record that set it */
	u64 bytes;
	u32 two_persons, reserved; /* enum two_persons: which acts need two people, as keep-attest read it */
};
SIZE_PIN(policy_row, 56);

/* The quotas in force (quota.h); all zero: none were ever set. The file lies in the table of blobs. */
struct quota_row {
	u8 digest[SHA256_BYTES];
	u64 index; /* record that set them */
	u64 bytes;
	u64 usage; /* record behind which what was used is to be added up */
};
SIZE_PIN(quota_row, 56);
/* What a principal had used when that record was made. */
struct usage_row {
	char principal[NAME_LEN_MAX + 8];
	u64 day, day_tokens;	   /* days of UTC since 1970 */
	u64 minute, minute_tokens; /* minutes likewise */
	u32 minute_requests, reserved;
};
SIZE_PIN(usage_row, 112);

/* An enrolled person. */
struct role_row {
	char name[NAME_LEN_MAX + 8];
	u32 uid, roles; /* enum role */
	u64 index;	/* record that added it */
	char vkey[ROLE_VKEY_BYTES];
};
SIZE_PIN(role_row, 344);

/* A proposal that waits for a second person (dual.h). */
struct dual_row {
	u64 index;     /* its record */
	u64 expires_s; /* seconds of UTC */
	u32 type;      /* of the command: enum proto_type */
	u32 uid;       /* who proposed it */
	char person[NAME_LEN_MAX + 8];
	char object[NAME_LEN_MAX + 8];
	char reason[REASON_LEN_MAX + 1];
	u8 digest[SHA256_BYTES]; /* of the act */
	u8 file[SHA256_BYTES];	 /* of the file that came with it; zero: none */
	u64 file_bytes;
	u32 len, reserved;
	u8 body[DUAL_BODY_BYTES_MAX];
};
SIZE_PIN(dual_row, 2808);

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
	u32 n_files;
	u32 may_leave; /* 1 + uid of who may export it once, as two people said; 0: nobody */
	char reason[REASON_LEN_MAX + 1]; /* of the last change, where it has one */
	u8 policy[SHA256_BYTES];	 /* that the verdict was held to */
	u64 sequence;			 /* that the model states; 0: none */
	u32 n_bundles;			 /* stored ones */
	u32 approved;			 /* 1: two people said that it may be served */
	u8 files[SHA256_BYTES]; /* of names and digests of all files, sorted: who signed them in which order is not in it */
	u64 used_s; /* seconds of UTC of its last grant; of its import, while there was none */
};
SIZE_PIN(model_row, 704);

/* Ways in over the network (principal.h), and the certificate that the gateway shows. */
struct access_row {
	struct proto_access what; /* its text is empty: the record has it */
	u64 index;		  /* record that added it */
};
SIZE_PIN(access_row, 1120);
struct access_head {
	u64 generation; /* record that last changed what certificates are judged by */
	u64 tls_index;	/* record that set it; 0: none */
	struct proto_tls tls;
	u32 tls_warned, reserved; /* days before its end that a record has warned of; 0: none */
};
SIZE_PIN(access_head, 520);

struct audit_state {
	u32 n_trust, n_models, n_roles, n_pending;
	struct policy_row policy;
	struct clock_row clock;
	struct trust_row trust[TRUST_KEYS_MAX]; /* by name */
	struct model_row models[MODELS_MAX];	/* by digest */
	struct role_row roles[PERSONS_MAX];	/* by name */
	struct dual_row pending[PENDING_MAX];	/* by index */
	struct retain_state retain;
	struct quota_row quota;
	u32 n_usage;
	struct usage_row usage[QUOTA_PRINCIPALS_MAX]; /* by name */
	struct access_head access;
	u32 n_access;
	struct access_row ways[ACCESS_MAX]; /* by name */
};

/* SHA-256 over policy, clock, and of each table the count and the rows, byte for byte in their order. */
void audit_state_digest(const struct audit_state *s, u8 ret[SHA256_BYTES]);

struct trust_row *audit_trust_find(struct audit_state *s, const char *name);
/* Insert or replace. 0 done; 1 full. */
_must_use_ int audit_trust_put(struct audit_state *s, const struct trust_row *row);
void audit_trust_drop(struct audit_state *s, const char *name);

struct role_row *audit_role_find(struct audit_state *s, const char *name);
const struct role_row *audit_role_by_uid(const struct audit_state *s, u32 uid);
/* Insert or replace. 0 done; 1 full. */
_must_use_ int audit_role_put(struct audit_state *s, const struct role_row *row);
void audit_role_drop(struct audit_state *s, const char *name);

/* Insert, while there is room. */
void audit_usage_put(struct audit_state *s, const struct usage_row *row);
struct access_row *audit_access_find(struct audit_state *s, const char *name);
/* Insert. 0 done; 1 full, or there is one of that name. */
_must_use_ int audit_access_put(struct audit_state *s, const struct access_row *row);
void audit_access_drop(struct audit_state *s, const char *name);

struct dual_row *audit_pending_find(struct audit_state *s, u64 index);
/* Its index is the greatest. 0 done; 1 full. */
_must_use_ int audit_pending_put(struct audit_state *s, const struct dual_row *row);
void audit_pending_drop(struct audit_state *s, u64 index);
/* Does a row name this file? */
bool audit_state_names(const struct audit_state *s, const u8 file[SHA256_BYTES]);

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
