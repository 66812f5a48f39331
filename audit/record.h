/* Records: canonical JSON lines, written here and never parsed.
 *
 *   {"v":1,"index":N,"time_ns":T,"boot":"<32 hex>","boottime_ns":B,"event":"<name>"[,"intent":I],
 *    "actor":{"uid":U,"pid":P,"auth":A[,"role":R][,"person":N][,"proposal":I][,"signed":D,"signature":S]},
 *    <fields of the event>[,"state":"<64 hex>"]}
 *
 * 1. One object, no blanks, keys in this order, integers in decimal; no line feed (a listing puts one between records).
 * 2. Everything up to "event" and "intent" has no free text, so the head can be compared byte by byte (audit_record_head).
 * 3. intent names the record that this one answers: the load of a grant, the outcome of a request. Each intent is answered once.
 * 4. state, always last, is the digest of all state rows after the change that the record describes (audit/state.h).
 * 5. A string that came from a process or a person is cut to its field and freed of control characters before it is written, and a
 *    quote inside a string is escaped; so the bytes "key":"value" occur in a record only where that field stands.
 * 6. The actor says who acted and how that is known: auth is "self" (keepd), "peer-credentials" (the kernel says so of the peer),
 *    "single-user" (likewise, where one user has every role) or "signature" (likewise, and an enrolled key signed the command: D is what,
 *    audit/role.h says how). role is the one under which it was allowed, person the enrolled name, proposal the record by which the act was
 *    proposed: it was done when a second person approved it. */
#pragma once

#include "base/jsonw.h"
#include "base/limits.h"
#include "base/types.h"

/* Numbers are stored beside the records: never reuse one. */
enum audit_event {
	EVENT_INIT = 1,
	EVENT_START = 2,
	EVENT_STOP = 3,
	EVENT_TRUST_ADD = 4,
	EVENT_TRUST_REMOVE = 5,
	EVENT_IMPORT_INTENT = 6,
	EVENT_IMPORT_VERDICT = 7,
	EVENT_MODEL_REMOVE = 8,
	EVENT_REVOKE = 9,
	EVENT_QUARANTINE = 10,
	EVENT_GRANT = 11,
	EVENT_LOAD = 12,
	EVENT_UNLOAD = 13,
	EVENT_SESSION = 14,
	EVENT_SESSION_END = 15,
	EVENT_REQUEST = 16,
	EVENT_OUTCOME = 17,
	EVENT_ORPHAN = 18,
	EVENT_LOG_READ = 19,
	EVENT_RUNTIME_LOST = 20,
	EVENT_POLICY_SET = 21,
	EVENT_CLOCK = 22,
	EVENT_WITNESSES = 23,
	EVENT_COSIGN = 24,
	EVENT_CONTRADICTION = 25,
	EVENT_REVIEW = 60,
	EVENT_RETENTION = 70,
	EVENT_HOLD_ADD = 71,
	EVENT_HOLD_REMOVE = 72,
	EVENT_ERASE = 73,
	EVENT_ERASED = 74,
	EVENT_ARCHIVE = 75,
	EVENT_PRUNE = 76,
	EVENT_BOOT = 26,
	EVENT_GAP = 27,
	EVENT_DENIED = 28,
	EVENT_ROLE_ADD = 29,
	EVENT_ROLE_REMOVE = 30,
	EVENT_PROPOSE = 31,
	EVENT_APPROVE = 32,
	EVENT_REJECT = 33,
	EVENT_EXPIRE = 34,
	EVENT_LIFT = 35,
	EVENT_SERVE = 36,
	EVENT_KEY = 37,
	EVENT_STORAGE = 38,
	EVENT_RESERVE = 39,
	EVENT_FAULT = 40,
	EVENT_QUOTA_SET = 80,
	EVENT_USAGE = 81,
	EVENT_QUOTA_SPENT = 82,
	EVENT_EXPORT = 41,
	EVENT_EXPORT_ALLOW = 42,
	EVENT_HALT = 43,
	EVENT_ACCESS_ADD = 50,
	EVENT_ACCESS_REMOVE = 51,
	EVENT_TLS_SET = 52,
	EVENT_TLS_ENDS = 53,
	EVENT_CONSOLE_LINK = 54,
	EVENT_CONSOLE_ENTER = 55,
	EVENT_CONSOLE_END = 56,
};

enum audit_event_flags {
	EVENT_OPENS = 1,  /* an intent: exactly one later record answers it */
	EVENT_CLOSES = 2, /* answers an intent */
	EVENT_STATE = 4,  /* ends with the digest of the state */
	EVENT_WARNS = 8,  /* somebody should look at it */
	EVENT_QUIET = 16, /* too many for the journal */
};

struct audit_event_info {
	u32 event;	    /* enum audit_event */
	u32 flags;	    /* enum audit_event_flags */
	const char *name;   /* as in the record */
	const char *fields; /* for readers of the catalogue; tests hold the records to it */
	const char *
		what; /* one sentence for people; the journal's catalogue has it as the subject (packaging/systemd/keep.catalog) */
};
#define EVENT_NUMBERS_MAX 256u
/* The closed catalogue. NULL for an unknown event. */
const struct audit_event_info *audit_event_info(u32 event);
/* The journal's MESSAGE_ID of an event: 32 digits, the last four its number, for ever. */
void audit_event_message_id(u32 event, char ret[33]);

#define INTENT_NONE UINT64_MAX

enum audit_auth { AUTH_PEER = 0, AUTH_SINGLE_USER, AUTH_SIGNATURE };
#define PROPOSAL_NONE 0 /* record 0 is the log's own */

struct audit_actor {
	u32 uid, pid;
	bool self; /* keepd itself; else as the kernel says of the peer */
	u32 auth;  /* enum audit_auth */
	u32 role;  /* one of enum role; 0: none was needed */
	u64 proposal;
	char person[NAME_LEN_MAX + 8];	     /* "": not enrolled */
	u8 signed_digest[32], signature[64]; /* AUTH_SIGNATURE */
};

/* A record while it is being written. */
struct audit_record {
	u64 index, intent;
	u32 event, uid;
	struct jsonw w;
	char line[RECORD_BYTES_MAX];
};

struct audit_record_start {
	u64 index, time_ns, boottime_ns;
	u64 intent; /* or INTENT_NONE */
	u32 event;
	struct audit_actor actor;
	char boot[33];
};

/* Write the head; then add the fields with jsonw_kv_* on r->w; then finish. */
void audit_record_start(struct audit_record *r, const struct audit_record_start *s);
/* A string from elsewhere: cut to max bytes, control characters replaced. Not for our own constants. */
void audit_record_str(struct audit_record *r, const char *key, const char *text, size_t max);
/* The same into what is no record, but shows the fields of one. */
void audit_record_text(struct jsonw *w, const char *key, const char *text, size_t max);
/* 0 done, r->w.buf and r->w.len are the record; 1 it does not fit RECORD_BYTES_MAX. */
_must_use_ int audit_record_finish(struct audit_record *r);

struct audit_record_head {
	u64 index, intent;
	u32 event;
	u64 time_ns, boottime_ns;
	char boot[33];
};
/* Compare a stored record with the fixed head of rule 1. 0 it fits, *ret; 1 it does not. */
_must_use_ int audit_record_head(const char *line, size_t len, struct audit_record_head *ret);
/* Does the record hold exactly "key":"<hex of data>"? */
bool audit_record_has_hex(const char *line, size_t len, const char *key, const void *data, size_t n);
