/* The ctl socket: what people and keep-gateway ask of keepd, and its answers. What is said of a verdict is in job.h, of a plan in gate.h. */
#pragma once

#include "base/access.h"
#include "base/ipc.h"
#include "base/sha256.h"
#include "proto/common.h"

struct proto_name {
	char name[NAME_LEN_MAX + 8];   /* of a model or trust root */
	char text[REASON_LEN_MAX + 1]; /* reason, where the act has one */
};
SIZE_PIN(proto_name, 328);
/* As the exit status of the CLI; AGAIN stays between gate and client. */
enum end_status {
	END_DONE = 0,
	END_REFUSED = 1,
	END_USAGE = 2,
	END_UNDECIDED = 3,
	END_SPENT = 4, /* a quota is spent: retry_s */
	END_AGAIN = 5  /* the session is too old for what holds now: open another */
};
struct proto_end {
	u32 status;
	u32 retry_s; /* SPENT: in so many seconds there is more. DONE: likewise, where a quota left the request fewer tokens than it may want */
	u64 index;   /* of the record that was written, or UINT64_MAX */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_end, 272);

/* ---- looking ---- */

enum query_what {
	QUERY_STATUS = 1,
	QUERY_TRUST,
	QUERY_MODELS,
	QUERY_MODEL,
	QUERY_RECORDS,
	QUERY_RECORD,
	QUERY_CHECKPOINT, /* the signed note and the vkey, as text */
	QUERY_VERIFY,	  /* re-reads everything */
	QUERY_POLICY,
	QUERY_RECEIPT, /* first: index; count 1: under the newest checkpoint, witnessed or not. The tlog-proof, and the record */
	QUERY_REQUEST, /* first: records that a witness has seen. The newest checkpoint as an add-checkpoint request */
	QUERY_ROLES,   /* who may do what */
	QUERY_PENDING, /* what waits for a second person */
	QUERY_EVENTS,  /* the catalogue of events */
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
/* Flags: the last ones that fit instead of the first, in the order of the log all the same; any event but those named. */
#define LOOK_NEWEST 1u
#define LOOK_EXCEPT 2u
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

/* ---- people, and two of them ---- */

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

/* ---- what the log keeps ---- */

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

/* ---- models ---- */

struct proto_import {
	char name[NAME_LEN_MAX + 8];
	u32 n_files, n_bundles; /* n_bundles: further ones, each sent as BUNDLE */
	u64 bytes;		/* of all files, so that space is checked before the first is copied */
};
SIZE_PIN(proto_import, 88);
struct proto_stored {
	u32 bundle; /* 1: a bundle; 0: a file, in the order of the segments */
	u32 index;  /* 0, 1, 2, … of its kind */
	u8 model[MODEL_DIGEST_BYTES];
	char name[NAME_LEN_MAX + 8]; /* of the model */
};
SIZE_PIN(proto_stored, 128);

/* ---- sessions and requests ---- */

struct proto_session_want {
	char name[NAME_LEN_MAX + 8]; /* a model's name or the hex of its digest's first bytes */
	u32 kv_mode, ctx_tokens;     /* 0: the default */
	/* likewise, of the model that shall guess what it says next; "": whichever does, if any */
	char draft[NAME_LEN_MAX + 8];
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

/* ---- who comes over the network (base/access.h) ---- */

/* How it is known who asks. */
enum principal_how {
	HOW_PEER = 1, /* the kernel says so of a unix socket */
	HOW_KEY,
	HOW_CERT,
	HOW_LINK, /* of keep console */
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
