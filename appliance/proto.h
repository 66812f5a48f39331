/* Every message of the system. A frame is struct ipc_header (type, len, id), the struct named here, and a descriptor where the
 * word is marked +fd. Integers are little-endian, reserved bytes are zero, strings are 0-terminated and zero-filled.
 * The two tables that travel as memory files are in base/layout.h, the request blob in base/request.h, what
 * is said of keys and certificates in base/access.h. */
#pragma once

#include "base/access.h"
#include "base/ipc.h"
#include "base/limits.h"
#include "base/sha256.h"

/* A model's name for ever: SHA-384 of the statement that its publisher signed. */
#define MODEL_DIGEST_BYTES 48u

enum proto_type {
	/* ctl socket: client → keepd.  Every request is answered by any number of PROGRESS and DATA, then one END. */
	CTL_QUERY = 0x0100, /* proto_query                          → DATA +fd (JSON lines), END */
	CTL_TRUST_ADD,	    /* proto_trust          +fd file        → END */
	CTL_TRUST_RM,	    /* proto_name                           → END */
	CTL_IMPORT,	    /* proto_import         +fd bundle      then n_files FILE, then GO */
	CTL_FILE,	    /* proto_file           +fd             opened by the caller, read-only */
	CTL_IMPORT_GO,	    /* –                                    → PROGRESS…, VERDICT, END */
	CTL_REVOKE,	    /* proto_name                           → END */
	CTL_REMOVE,	    /* proto_name                           → END */
	CTL_SESSION, /* proto_session_want                   → PROGRESS…, SESSION_OPEN +fd, DATA +fd (layout), END */
	CTL_BEGIN, /* proto_begin          +fd sealed request; id = request  → END (index of the intent) */
	CTL_BUNDLE, /* proto_index          +fd further bundles of an import, between IMPORT and GO, from index 1 on */
	CTL_POLICY_SET, /* proto_name: text = why +fd policy file  → END */
	CTL_EXPLAIN,	/* proto_name                           → SIGNER…, RULE…, VERDICT, END */
	CTL_WITNESSES,	/* proto_name: text = why +fd witness policy (tlog-policy) → END */
	CTL_COSIGN,	/* –                    +fd checkpoint with cosignatures → END */
	CTL_SIGN,	/* proto_sign: the next command, of the same id, is signed  (no answer of its own) */
	CTL_ROLE_ADD,	/* proto_role                           → END (proposed) */
	CTL_ROLE_RM,	/* proto_name                           → END (proposed) */
	CTL_LIFT,	/* proto_name: a quarantined or revoked model → END (proposed) */
	CTL_SERVE,	/* proto_name: a model that waits for approval → END (proposed) */
	CTL_ROTATE,	/* proto_name: text = why; a new key for the log → END (proposed) */
	CTL_DECIDE,	/* proto_decide: approve or reject a proposal → END */
	CTL_LOOK, /* proto_look                           → PROGRESS…, DATA +fd, END (index: where the next page begins) */
	CTL_REVIEW,   /* –                    +fd sign-off (audit/tlog/review.h) → END */
	CTL_TAKEN,    /* proto_taken: an excerpt was made     → END */
	CTL_RETAIN,   /* proto_retain: what is kept, and how long → END */
	CTL_HOLD_ADD, /* proto_hold                           → END */
	CTL_HOLD_RM,  /* proto_name                           → END (proposed) */
	CTL_ERASE,    /* proto_name: a subject                → END (proposed) */
	CTL_ARCHIVED, /* proto_archive: a period was written to a medium → END */
	CTL_PRUNE,    /* proto_prune                          → END (proposed) */
	CTL_TEXT,     /* proto_record                         → DATA +fd (proto_text, the text), END */
	CTL_EXPORT, /* proto_name: text = what for, or onto what → DATA +fd (segments), STORED…, END; or END (proposed) */
	CTL_QUOTA_SET,	/* proto_name: text = why +fd quota file (base/quota.h) → END */
	CTL_PLAN,	/* proto_session_want: what it would take  → DATA +fd (proto_plan), END */
	CTL_ACCESS_ADD, /* proto_access: an API key, or a rule for certificates → END */
	CTL_ACCESS_RM,	/* proto_name: one of them              → END */
	CTL_TLS_SET,	/* proto_tls: the gateway has a new certificate → END */
	/* keep-gateway says who asks, and shows why that is so; the session that follows is for that principal */
	CTL_PROVE_PEER, /* –                    +fd the client's connection to http.sock → PRINCIPAL, END */
	CTL_PROVE_KEY,	/* proto_prove_key                      → PRINCIPAL, END */
	CTL_PROVE_CERT, /* proto_prove_cert                     → PRINCIPAL, END */
	CTL_STOP,	/* proto_name: a session's number or a model, text = why → END */
	CTL_CONSOLE,	/* proto_console: a one-time link to the review console → END */
	CTL_CONSOLE_END, /* –                                   → END: whoever asks is logged in nowhere any more */
	CTL_ENTER,	 /* proto_enter: keep-gateway was shown such a link → PRINCIPAL, END */
	CTL_PROVE_LOGIN, /* proto_prove_key without a name: what came of it → PRINCIPAL, END */
	/* keepd → client */
	CTL_PROGRESS = 0x0180, /* proto_progress */
	CTL_DATA,	       /* proto_data        +fd sealed memory file */
	CTL_VERDICT,	       /* struct attest_report */
	CTL_SESSION_OPEN,      /* proto_session_open +fd session socket */
	CTL_END,	       /* proto_end */
	CTL_SIGNER,	       /* proto_signer                      before VERDICT, as RULE */
	CTL_RULE,	       /* proto_rule */
	CTL_STORED,    /* proto_stored +fd  a file of an exported model, read-only: bundles, then files */
	CTL_PRINCIPAL, /* proto_principal */

	/* job socket: keepd → keep-attest, one job per connection */
	JOB_BEGIN = 0x0200, /* proto_job            +fd what the kind says */
	JOB_KEY,	    /* proto_key                            a trusted key, n_keys times */
	JOB_SOURCE,	    /* proto_file           +fd             read-only, n_files times */
	JOB_STAGE, /* proto_index          +fd             where the bytes of that source go; verify jobs only */
	JOB_GO,	   /* – */
	JOB_TRUST, /* proto_trust          +fd             what else vouches: certificates, lists, stamps; n_trust times */
	JOB_BUNDLE, /* proto_index          +fd             further bundles, n_bundles times, from index 1 on */
	JOB_POLICY, /* –                    +fd             absent: the default policy */
	JOB_TABLE,  /* proto_index          +fd             explain jobs: 0 the segments, 1 the layout */
	/* keep-attest → keepd */
	JOB_PROGRESS = 0x0280, /* proto_progress */
	JOB_KEY_INFO,	       /* proto_key                         key jobs: the canonical key */
	JOB_RESULT, /* proto_data        +fd             segments or layout, only when accepted; before REPORT */
	JOB_REPORT, /* struct attest_report              the last frame of every job */
	JOB_SIGNER, /* proto_signer                      of each bundle, before REPORT */
	JOB_RULE,   /* proto_rule                        each rule that had a say, before REPORT */

	/* gate socket: keepd → keep-runtime */
	GATE_GRANT =
		0x0300, /* proto_grant         +fd layout      id = grant; then SEGMENTS, n_files FILE, LOAD */
	GATE_SEGMENTS,	/* –                   +fd segments */
	GATE_FILE,	/* proto_index         +fd stored file, read-only */
	GATE_LOAD,	/* – */
	GATE_SESSION,	/* proto_session       +fd session socket; id = session */
	GATE_TICKET, /* proto_ticket                        id = request, strictly increasing in a session */
	GATE_SESSION_END, /* –                                   id = session; its streams end, nothing is sent on it any more */
	GATE_UNLOAD, /* –                                   id = grant */
	GATE_PLAN, /* proto_grant         +fd layout      id = question: where would it go? Nothing is loaded */
	/* keep-runtime → keepd */
	GATE_LOADING = 0x0380, /* proto_progress                    id = grant */
	GATE_READY,	       /* proto_ready                       id = grant */
	GATE_LOAD_FAILED,      /* proto_load_failed                 id = grant */
	GATE_OUTCOME,  /* proto_outcome                     id = request; exactly one for each ticket */
	GATE_UNLOADED, /* –                                 id = grant; its memory has been overwritten */
	GATE_ANSWER, /* proto_answer      +fd sealed text  id = request; before OUTCOME, when the ticket said so */
	GATE_PLANNED, /* proto_plan                        id = question */
	GATE_BUSY, /* proto_busy                        id = session; when it is another, at most four times a second */

	/* session socket: client → keep-runtime */
	SESSION_REQUEST = 0x0400, /* –              +fd sealed request; id = request */
	SESSION_CANCEL,		  /* –                              id = request */
	/* keep-runtime → client */
	SESSION_TOKENS = 0x0480, /* proto_tokens                    id = request */
	SESSION_RESULT,		 /* proto_data      +fd             id = request; logits (f32) or ids (u32) */
	SESSION_PROBS, /* proto_probs                      id = request; before the TOKENS with that token, where they were asked for */
	SESSION_DONE,  /* proto_outcome                   id = request; the same that keepd records */
};

/* ---- ctl ---- */

enum query_what {
	QUERY_STATUS = 1,
	QUERY_TRUST,
	QUERY_MODELS,
	QUERY_MODEL,
	QUERY_RECORDS,
	QUERY_RECORD,
	QUERY_CHECKPOINT /* the signed note and the vkey, as text */,
	QUERY_VERIFY /* re-reads everything */,
	QUERY_POLICY,
	QUERY_RECEIPT, /* first: index; count 1: under the newest checkpoint, witnessed or not. The tlog-proof, and the record */
	QUERY_REQUEST /* first: records that a witness has seen. The newest checkpoint as an add-checkpoint request */
	,
	QUERY_ROLES,   /* who may do what */
	QUERY_PENDING, /* what waits for a second person */
	QUERY_EVENTS /* the catalogue of events */,
	QUERY_RANGE, /* first, count: the proof that these records and no others stand there (audit/tlog/range.h); name
			"newest": under the newest checkpoint, witnessed or not */
	QUERY_OPEN, /* intents that have no answer yet */
	QUERY_BLOB, /* name: 64 digits. The file that a record names by this SHA-256: a policy, a cosigned checkpoint */
	QUERY_RETAIN,	 /* the setting, subjects, holds and archives */
	QUERY_WITNESSED, /* the newest checkpoint that witnesses cosigned, and the policy */
	QUERY_LEAVES,	 /* first, count: leaf hashes, as they are */
	QUERY_SUBTREES,	 /* first, count: roots of 256 records each; name "2": of 256 such, … "4" */
	QUERY_QUOTA,	 /* the file of quotas */
	QUERY_USAGE,	 /* what is left to whom: name: that principal; count 1: the client itself */
	QUERY_ACCESS,	 /* keys and rules for certificates, without any secret */
	QUERY_CLIENTS, /* first: the generation that is known. What vouches for clients, where it is another: proto_clients, then
			    each root as proto_client_root and its bytes */
};

#define ROLE_VKEY_BYTES 256u /* of an enrolled key's vkey with its 0 */
/* Somebody who is enrolled by uid. */
struct proto_role {
	char name[NAME_LEN_MAX + 8];
	u32 uid, roles;		    /* roles: enum role, at least one */
	char vkey[ROLE_VKEY_BYTES]; /* Ed25519; "": none */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_role, 592);
struct proto_sign {
	u8 signature[64];
	u8 file[SHA256_BYTES]; /* SHA-256 of the file that comes with the command; zero: none does */
};
SIZE_PIN(proto_sign, 96);
/* Acts that need two people where the policy's two-persons names them; one bit each. */
enum two_persons { TWO_TRUST = 1, TWO_POLICY = 2, TWO_SERVE = 4, TWO_EXPORT = 8, TWO_ACCESS = 16 };
struct proto_decide {
	u64 index;   /* of the proposal */
	u32 approve; /* 1; 0: reject */
	u32 reserved;
	u8 digest[SHA256_BYTES]; /* of the act, as it was listed */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_decide, 304);

struct proto_query {
	u32 what, reserved;
	u64 first, count;	     /* RECORDS: from this index, at most so many; RECORD: first */
	char name[NAME_LEN_MAX + 8]; /* MODEL */
};
SIZE_PIN(proto_query, 96);
/* What is looked for in the log. Alternatives of one kind, and all kinds; n_… 0: any. */
enum look_what {
	LOOK_RECORDS = 1,
	LOOK_BY_ACTOR,
	LOOK_BY_MODEL,
	LOOK_BY_EVENT,
	LOOK_BY_TIME /* count: so many buckets of equal time from since_ns to until_ns */
};
#define LOOK_NEWEST \
	1u /* flag: the last ones that fit instead of the first, in the order of the log all the same */
#define LOOK_EXCEPT 2u /* flag: any event but those named */
struct proto_look {
	u32 what, flags;	/* enum look_what */
	u64 from, to;		/* records from to to - 1; UINT64_MAX: to the end */
	u64 since_ns, until_ns; /* of their time; UINT64_MAX: none */
	u64 count;		/* at most so many records; 0: as many as one answer holds */
	u32 n_events, n_actors, n_models, n_results;
	u32 actors[LOOK_ANY_MAX]; /* uids */
	char events[LOOK_ANY_MAX][24];
	char models[LOOK_ANY_MAX][104]; /* a name, or 8 or more digits that a digest begins with */
	char results[LOOK_ANY_MAX][24]; /* how an act ended: accepted, stop, failed, … */
	char text[136];			/* bytes that stand in the record */
	char purpose[48]; /* what it is for, in the record that the log was read; "": to look at */
	u32 n_names, reserved;
	char names[LOOK_ANY_MAX][NAME_LEN_MAX + 8]; /* actors too: principals who came over the network */
};
SIZE_PIN(proto_look, 3904);
struct proto_taken {
	u64 from, to;		   /* records from to to - 1 */
	u8 manifest[SHA256_BYTES]; /* of the list of the excerpt's files */
	char what[48];		   /* "evidence" */
};
SIZE_PIN(proto_taken, 96);
struct proto_record {
	u64 index;
};
SIZE_PIN(proto_record, 8);
/* What stands before a text that was kept. */
struct proto_text {
	u8 salt[SHA256_BYTES]; /* of its exchange: what the record shows is SHA-256(salt ‖ SHA-256(text)) */
	u64 intent;	       /* index of the request's record */
	u64 bytes;	       /* of the text behind this */
	char subject[NAME_LEN_MAX + 8];
	u32 kept, reserved; /* 0: only the salt is there */
};
SIZE_PIN(proto_text, 128);
/* What records say of requests and answers, and whether the texts are kept. */
enum texts_mode {
	TEXTS_DIGESTS = 0,     /* SHA-256 of the text: whoever has the text, or guesses it, can compare */
	TEXTS_COMMITMENTS = 1, /* salted (audit/subject.h): only who is given the salt can */
	TEXTS_CONTENT = 2,     /* the same, and the texts are kept, sealed under the subject's key */
};
/* Events by how long their records must be kept. What is in neither class is kept for ever: who may do what, what was decided, and all
 * that retention is about. */
enum retain_class {
	RETAIN_USE,	/* sessions, requests, outcomes, reading the log */
	RETAIN_OPERATE, /* start, stop, clock, imports, loading and unloading */
	RETAIN_CLASSES,
	RETAIN_FOREVER = RETAIN_CLASSES
};
struct proto_retain {
	u32 texts;		  /* enum texts_mode */
	u32 days[RETAIN_CLASSES]; /* 0: for ever */
	u32 reserved;
	char reason[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_retain, 272);
struct proto_hold {
	char name[NAME_LEN_MAX + 8];
	char subject[NAME_LEN_MAX + 8]; /* "": everybody */
	u64 from, to;			/* records from to to - 1 */
	char reason[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_hold, 416);
struct proto_archive {
	u64 from, to, size; /* records from to to - 1, and the size of its checkpoint */
	u8 root[SHA256_BYTES];
	u8 digest[SHA256_BYTES]; /* of its SHA256SUMS */
	char label[NAME_LEN_MAX + 8];
};
SIZE_PIN(proto_archive, 160);
struct proto_prune {
	u64 archive; /* index of its record */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_prune, 264);
struct proto_name {
	char name[NAME_LEN_MAX + 8];   /* of a model or trust root */
	char text[REASON_LEN_MAX + 1]; /* reason, where the act has one */
};
SIZE_PIN(proto_name, 328);
struct proto_import {
	char name[NAME_LEN_MAX + 8];
	u32 n_files, n_bundles; /* n_bundles: further ones, each sent as BUNDLE */
	u64 bytes;		/* of all files, so that space is checked before the first is copied */
};
SIZE_PIN(proto_import, 88);
struct proto_file {
	u64 bytes;
	u64 offset;	     /* 0: the whole file; else bytes from there on, of a longer one */
	u32 index, reserved; /* 0, 1, 2, … */
	char path[PATH_LEN_MAX + 1];
};
SIZE_PIN(proto_file, 536);
struct proto_stored {
	u32 bundle; /* 1: a bundle; 0: a file, in the order of the segments */
	u32 index;  /* 0, 1, 2, … of its kind */
	u8 model[MODEL_DIGEST_BYTES];
	char name[NAME_LEN_MAX + 8]; /* of the model */
};
SIZE_PIN(proto_stored, 128);
struct proto_index {
	u32 index, reserved;
};
SIZE_PIN(proto_index, 8);
enum kv_mode { KV_DEFAULT = 0 /* f32 for f32 models, else f16 */, KV_F32 = 1, KV_F16 = 2, KV_INT8 = 3 };
struct proto_session_want {
	char name[NAME_LEN_MAX + 8]; /* a model's name or the hex of its digest's first bytes */
	u32 kv_mode, ctx_tokens;     /* 0: the default */
	char draft[NAME_LEN_MAX +
		   8]; /* likewise, of the model that shall guess what it says next; "": whichever does, if any */
};
SIZE_PIN(proto_session_want, 152);
struct proto_session_open {
	u64 session, grant;
	u64 index; /* of the session's record */
	u32 kv_mode, ctx_tokens;
	u8 model[MODEL_DIGEST_BYTES];
	char name[NAME_LEN_MAX + 8];
};
SIZE_PIN(proto_session_open, 152);
#define REPLAY_NONE UINT64_MAX
struct proto_begin {
	u64 session;
	u64 replay_of;		 /* index of the intent record that this repeats, or REPLAY_NONE */
	u8 digest[SHA256_BYTES]; /* the client's own; keepd compares it with what it computes */
};
SIZE_PIN(proto_begin, 48);
struct proto_progress {
	u64 done, total; /* bytes, or records */
	char what[64];
};
SIZE_PIN(proto_progress, 80);
struct proto_data {
	u64 bytes;
};
SIZE_PIN(proto_data, 8);
enum end_status {
	END_DONE = 0,
	END_REFUSED = 1,
	END_USAGE = 2,
	END_UNDECIDED = 3,
	END_SPENT = 4, /* a quota is spent: retry_s */
	END_AGAIN = 5  /* the session is too old for what holds now: open another */
};		       /* as the exit status of the CLI; AGAIN stays between gate and client */
struct proto_end {
	u32 status;
	u32 retry_s; /* SPENT: in so many seconds there is more. DONE: likewise, where a quota left the request fewer tokens than it may want */
	u64 index;   /* of the record that was written, or UINT64_MAX */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_end, 272);

/* ---- who comes over the network (base/access.h) ---- */

/* How it is known who asks. */
enum principal_how {
	HOW_PEER = 1 /* the kernel says so of a unix socket */,
	HOW_KEY,
	HOW_CERT,
	HOW_LINK /* of keep console */
};
struct proto_principal {
	char name[NAME_LEN_MAX + 8];	   /* "uid:1000", "alice", "email:alice@example.org" */
	char credential[NAME_LEN_MAX + 8]; /* the key or rule; "": the kernel's word */
	u32 how, role;			   /* enum principal_how; one of enum role */
	u32 uses;			   /* enum access_use */
	u32 reads;			   /* enum role: as whom it reads in the console; 0: it may not */
	u64 expires_s;			   /* 0: never */
	u64 generation;		 /* of what it was judged by; a newer one ends it where how is HOW_CERT */
	u8 digest[SHA256_BYTES]; /* of the credential: hash of the key, leaf certificate; zero: none */
	char models[NAME_LEN_MAX + 8];
};
SIZE_PIN(proto_principal, 280);
/* A link to the console, as keepd knows it: the hash of its proof, both as of an API key (base/access.h). */
struct proto_console {
	u8 hash[SHA256_BYTES];
	u32 minutes; /* that a login is good for; 1 to CONSOLE_MINUTES_MAX */
	u32 reserved;
};
SIZE_PIN(proto_console, 40);
/* A link is shown, and what shall prove from now on who comes by it. */
struct proto_enter {
	u8 link[SHA256_BYTES];	/* the proof of its secret */
	u8 login[SHA256_BYTES]; /* the hash of the proof of the cookie's */
};
SIZE_PIN(proto_enter, 64);
struct proto_clients {
	u64 generation; /* record that changed it last; 0: nothing ever did */
};
SIZE_PIN(proto_clients, 8);
/* A trust root of kind CLIENTS, and every list that serves it, in PEM. */
struct proto_client_root {
	char name[NAME_LEN_MAX + 8];
	u64 bytes; /* behind this */
};
SIZE_PIN(proto_client_root, 80);
/* The certificate that keep-gateway shows, for records and warnings. */
struct proto_tls {
	u8 leaf[SHA256_BYTES];
	u64 from_s, until_s; /* seconds of UTC */
	char subject[ACCESS_NAME_LEN_MAX + 1];
	char issuer[ACCESS_NAME_LEN_MAX + 1];
};
SIZE_PIN(proto_tls, 496);

/* ---- attest ---- */

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

/* ---- gate ---- */

struct proto_grant {
	u8 model[MODEL_DIGEST_BYTES];
	u8 segments[SHA256_BYTES],
		layout[SHA256_BYTES]; /* digests of the two tables, as recorded at acceptance */
	u32 n_files, kv_mode, ctx_tokens, reserved;
	u64 drafts_for; /* a grant that is loaded: this one serves no session, and guesses what that one says next; 0: none */
};
SIZE_PIN(proto_grant, 136);
struct proto_session {
	u64 grant;
	u64 principal; /* requests of different principals never share a prefix */
};
SIZE_PIN(proto_session, 16);
struct proto_ticket {
	u64 session;
	u64 index; /* of the intent record */
	u8 digest[SHA256_BYTES];
	u32 keep;	 /* 1: what is said is wanted too, by ANSWER */
	u32 tokens_max;	 /* of prompt and answer together; 0: as many as the context holds */
	u32 tokens_ever; /* what it could be at most if nothing had been used: >= tokens_max */
	u32 reserved;
};
SIZE_PIN(proto_ticket, 64);
struct proto_answer {
	u64 session;
	u64 bytes;
};
SIZE_PIN(proto_answer, 16);
/* How far a session's requests are: for those who watch, decides nothing. */
struct proto_busy {
	u32 running, reserved; /* requests that have a place in the steps; the other open ones wait */
	u64 read, written;     /* tokens of the session so far: of its prompts, computed; of its answers */
};
SIZE_PIN(proto_busy, 24);
struct proto_ready {
	char device[128], driver[128];
	u8 kernel_set[SHA256_BYTES];
	u32 numerics, kv_mode, ctx_tokens, n_vocab;
	u64 weight_bytes, kv_bytes, work_bytes;
	u64 load_ns;
};
SIZE_PIN(proto_ready, 336);
/* What a model would take where, before anything of it is loaded. */
struct proto_plan_part {
	char device[128];
	u64 have, taken; /* memory of the device that a model may use, and what other models have of it */
	u64 weights, kv, work; /* bytes of this one */
	u32 first, end;	       /* layers, the first and the one behind the last */
};
SIZE_PIN(proto_plan_part, 176);
struct proto_plan_remedy {
	u32 kv_mode, ctx_tokens;
};
SIZE_PIN(proto_plan_remedy, 8);
#define PLAN_REMEDIES_MAX 4u
struct proto_plan {
	u32 fits; /* 0: not so; text says why, and where there are settings that would do, they are the remedies */
	u32 n_parts, n_remedies, n_layers;
	u32 kv_mode, ctx_tokens, ctx_train;
	u32 kv_tokens; /* that the cache holds, of all requests at once */
	u32 window,
		tail_tokens; /* layers with that window hold so many; tail_tokens 0: as many as the others */
	char text[REASON_LEN_MAX + 1];
	struct proto_plan_remedy remedy[PLAN_REMEDIES_MAX];
	struct proto_plan_part part[RUNTIME_DEVICES_MAX];
};
SIZE_PIN(proto_plan, 1736);
enum load_reason {
	LOAD_SEGMENT = 1 /* a digest differs: quarantine */,
	LOAD_LAYOUT,
	LOAD_MEMORY,
	LOAD_IO,
	LOAD_DEVICE,
	LOAD_UNSUPPORTED
};
struct proto_load_failed {
	u32 reason, file; /* file: index, LAYOUT_NONE where it is none */
	u64 offset;	  /* of the segment in the file */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_load_failed, 272);
enum finish {
	FINISH_STOP = 1 /* end token */,
	FINISH_STRING /* stop string */,
	FINISH_LENGTH,
	FINISH_CANCELLED,
	FINISH_REVOKED,
	FINISH_REFUSED /* never started; text says why */,
	FINISH_ERROR,
	FINISH_SPENT /* never started: larger than what a quota leaves now, and no larger than it may leave later */
};
struct proto_outcome {
	u64 session;
	u32 finish, numerics;
	u32 n_prompt, n_cached, n_generated, kv_mode;
	u32 n_drafted,
		n_accepted; /* rows of guesses at what comes next, and how many were right: what it took, no part of what was said */
	u32 n_aside; /* how often it was set aside for want of pages; likewise */
	u32 n_model_drafted,
		n_model_accepted; /* of n_drafted and n_accepted, those of a draft model; the others were found in what stands before */
	u32 reserved;
	u64 seed;
	u64 prompt_ns, generate_ns;
	u8 request[SHA256_BYTES];
	u8 tokens
		[SHA256_BYTES]; /* SHA-256 of the generated ids, u32 each; of the result's bytes for the other kinds */
	u8 text[SHA256_BYTES]; /* SHA-256 of the text as streamed */
	u8 kernel_set[SHA256_BYTES];
	char device[128];
	char why[REASON_LEN_MAX + 1]; /* for REFUSED and ERROR */
};
SIZE_PIN(proto_outcome, 592);

/* ---- session ---- */

#define TOKENS_PER_FRAME 32u
struct proto_tokens {
	u32 n_tokens, text_len;
	u32 tokens[TOKENS_PER_FRAME];
	char text[1024]; /* whole characters only */
};
SIZE_PIN(proto_tokens, 1160);
/* A token that was said, and what the model held likely in its place (runtime/probs.h). */
#define PROB_NO_TEXT 0xffffffffu
struct proto_prob {
	u32 id;
	f32 logprob;
	u32 len; /* of its text, which stands behind those of the entries before it; PROB_NO_TEXT: it did not fit */
};
struct proto_probs {
	u32 n, reserved; /* the one that was said, then alternatives, likeliest first */
	struct proto_prob v[1 + LOGPROBS_MAX];
	char text[3588]; /* bytes of tokens: not always whole characters */
};
SIZE_PIN(proto_probs, 3848);
