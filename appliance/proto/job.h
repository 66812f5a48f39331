/* The job socket: what keepd asks of one keep-attest, and the verdict, which goes on to whoever asked keepd. */
#pragma once

#include "base/ipc.h"
#include "base/sha256.h"
#include "proto/common.h"

enum job_kind {
	JOB_KIND_KEY = 1,    /* fd: a PEM public key → KEY_INFO */
	JOB_KIND_VERIFY = 2, /* fd: the bundle; sources and stages → segments */
	JOB_KIND_LAYOUT = 3, /* fd: the segments; sources are the stored files → layout */
	JOB_KIND_TRUST = 4,  /* fd: unused, the file comes with the one TRUST: is it what its kind says? */
	JOB_KIND_POLICY = 5, /* fd: a policy file: does it parse? */
	JOB_KIND_EXPLAIN =
		6, /* fd: the bundle; tables, sources are the stored files: would it be accepted now? */
};
struct proto_job {
	u32 kind, n_files, n_keys, flags;
	u64 now;    /* seconds of UTC that the verdict is judged at */
	u64 newest; /* highest sequence ever accepted under that name; 0: none */
	u32 n_trust, n_bundles;
	char name[NAME_LEN_MAX + 8]; /* that the model shall have */
};
SIZE_PIN(proto_job, 112);
struct proto_key {
	char name[NAME_LEN_MAX + 8];
	u8 id[SHA256_BYTES]; /* SHA-256 of the PEM text of the key, as in a bundle's hint */
	u32 der_len, curve_bits;
	u8 der[KEY_DER_BYTES_MAX];     /* SubjectPublicKeyInfo */
	char models[NAME_LEN_MAX + 8]; /* names that it may vouch for, as a pattern; "": all */
};
SIZE_PIN(proto_key, 440);
enum attest_verdict { ATTEST_ACCEPTED = 0, ATTEST_REJECTED = 1, ATTEST_UNDECIDED = 3 };
/* What a job found, printed by the CLI and kept in the log: one truth. Reason codes: attest/reason.h. */
struct attest_report {
	u32 verdict;		       /* enum attest_verdict */
	u32 reason;		       /* enum attest_reason; 0 when accepted */
	char code[32];		       /* the reason's documented name, "digest" */
	char object[PATH_LEN_MAX + 1]; /* what it is about: a file, a key, a field */
	char expected[136], found[136];
	char detail[REASON_LEN_MAX + 1];	       /* one sentence for people */
	u8 model[MODEL_DIGEST_BYTES];		       /* when the signature held */
	u8 bundle[SHA256_BYTES], result[SHA256_BYTES]; /* of the bundle file; of the segments or layout */
	u8 key_id[SHA256_BYTES];
	char signer[NAME_LEN_MAX + 8]; /* name of the trusted key that vouched */
	u64 bytes;
	u32 n_files;
	u32 time_source;	 /* enum attest_time_source */
	u64 time_judged;	 /* seconds of UTC: when certificates were judged, or what a stamp proves */
	u8 policy[SHA256_BYTES]; /* digest of the policy that the verdict was held to; zero: none */
	u64 sequence;		 /* of the model, where it states one */
	u32 two_persons;	 /* policy jobs: enum two_persons */
	u32 reserved;
};
SIZE_PIN(attest_report, 1368);
/* Who said what time it was when the verdict's certificates were judged; only LOG and STAMP were signed by somebody. */
enum attest_time_source {
	ATTEST_TIME_NONE = 0, /* no certificate, no stamp: nothing depended on a time */
	ATTEST_TIME_GIVEN,    /* the caller: --at, or the clock */
	ATTEST_TIME_LOG,      /* a transparency log's promise */
	ATTEST_TIME_STAMP,    /* an RFC 3161 stamp of a pinned authority */
};
/* What the leaf of a bundle must say besides leading to a root: each field that is not zero must hold, byte by byte, with no
 * pattern and no folding of case. Zero-filled. Made and held by attest/identity.c. */
struct proto_identity {
	u8 leaf[SHA256_BYTES]; /* of the leaf's DER */
	/* one of its alternative names: e-mail, URI, DNS, or Fulcio's user name */
	char san[IDENTITY_LEN_MAX + 1];
	/* who told the CA that name: Fulcio's issuer, 1.3.6.1.4.1.57264.1.8 or .1.1 */
	char provider[IDENTITY_LEN_MAX + 1];
	/* the distinguished name of the CA that signed the leaf, as RFC 2253 writes it */
	char issuer[IDENTITY_LEN_MAX + 1];
	/* a certificate policy of the leaf that no CA of the path withholds */
	char policy_oid[IDENTITY_OID_LEN_MAX + 1];
};
SIZE_PIN(proto_identity, 1696);
enum trust_kind {
	TRUST_KEY = 1,	/* a PEM public key */
	TRUST_ROOT,	/* CA certificates in PEM, with the identity that a leaf below them must have */
	TRUST_CRL,	/* revocation lists in PEM, for the roots that they serve */
	TRUST_TSA,	/* certificates of time stamp authorities in PEM, likewise */
	TRUST_SIGSTORE, /* a trusted-root file, with an identity */
	TRUST_CLIENTS,	/* CA certificates in PEM that vouch for people and programs, never for models */
};
/* Something that vouches, or helps to judge who vouches. In jobs the descriptor is a sealed memory file. */
struct proto_trust {
	char name[NAME_LEN_MAX + 8];
	char models[NAME_LEN_MAX + 8];	/* names that it may vouch for, as a pattern; "": all */
	char serves[NAME_LEN_MAX + 8];	/* lists and stamps: of the trust root of that name; "": of all */
	u32 kind;			/* enum trust_kind */
	u32 replace;			/* 1: instead of the one of that name and kind that is there */
	struct proto_identity identity; /* zero where the kind has none */
};
SIZE_PIN(proto_trust, 1920);
/* Whose signature a bundle holds, and what that signer may be told apart by. */
struct proto_signer {
	char name[NAME_LEN_MAX + 8]; /* of the trust root that vouched */
	u8 key_id[SHA256_BYTES];
	u8 leaf[SHA256_BYTES]; /* SHA-256 of the leaf certificate; zero: signed with a plain key */
	char serial[48];       /* of the leaf, lower-case hexadecimal without leading zeros; "" */
	char identity[128];    /* of the leaf: its first alternative name, else its subject; cut; "" */
	u8 model[MODEL_DIGEST_BYTES], bundle[SHA256_BYTES];
	u64 time; /* seconds of UTC at which it was judged; 0: nothing depended on a time */
	u32 time_source, reserved;
};
SIZE_PIN(proto_signer, 408);
/* A rule of the policy that had a say. */
struct proto_rule {
	u32 line;  /* of the policy; 0: of none */
	u32 holds; /* 1: it holds; 0: for its sake the verdict is no, or a signature does not count */
	char text[184];
};
SIZE_PIN(proto_rule, 192);
