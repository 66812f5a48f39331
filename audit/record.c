#define _GNU_SOURCE
#include "audit/record.h"
#include "audit/role.h"
#include "base/bytes.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

static const struct audit_event_info catalogue[] = {
	{ EVENT_INIT, EVENT_STATE, "init", "origin vkey version state", "A new log was made" },
	{ EVENT_START, EVENT_STATE, "start",
		"version single_user size root floor_s source wall_s behind_s policy state",
		"keepd started" },
	{ EVENT_STOP, EVENT_STATE, "stop", "open floor_s source wall_s behind_s state",
		"keepd stopped in order" },
	{ EVENT_TRUST_ADD, EVENT_STATE, "trust-add",
		"name kind key_id curve_bits der bytes models serves leaf san provider issuer policy_oid "
		"replaces state",
		"A trust root was added" },
	{ EVENT_TRUST_REMOVE, EVENT_STATE, "trust-remove", "name key_id reason state",
		"A trust root was removed" },
	{ EVENT_IMPORT_INTENT, EVENT_OPENS, "import-intent",
		"name n_files bytes files bundle cosigned keys policy", "An import began" },
	{ EVENT_IMPORT_VERDICT, EVENT_CLOSES | EVENT_STATE, "import-verdict",
		"verdict name code object expected found detail model bundle segments layout signer key_id "
		"bytes n_files sequence judged_s clock policy signers rules rules_more state",
		"An import was accepted or refused" },
	{ EVENT_MODEL_REMOVE, EVENT_STATE, "model-remove", "name model reason state",
		"A model's files were removed" },
	{ EVENT_REVOKE, EVENT_STATE, "revoke", "name model reason sessions state", "A model was revoked" },
	{ EVENT_QUARANTINE, EVENT_STATE | EVENT_WARNS, "quarantine",
		"name model reason file path offset state", "A model's stored bytes were found changed" },
	{ EVENT_GRANT, EVENT_OPENS | EVENT_STATE, "grant",
		"name model segments layout kv_mode ctx_tokens state", "A model was granted to a runtime" },
	{ EVENT_LOAD, EVENT_CLOSES, "load",
		"result reason text device driver kernel_set numerics kv_mode ctx_tokens n_vocab "
		"weight_bytes kv_bytes "
		"work_bytes load_ns file path offset",
		"A grant was loaded, or failed to" },
	{ EVENT_UNLOAD, 0, "unload", "grant model why", "A grant was unloaded and its memory overwritten" },
	{ EVENT_SESSION, 0, "session", "grant name model kv_mode ctx_tokens principal how credential leaf",
		"A session was opened" },
	{ EVENT_SESSION_END, 0, "session-end", "session why", "A session ended" },
	{ EVENT_REQUEST, EVENT_OPENS | EVENT_QUIET, "request",
		"session request principal name model digest bytes kv_mode ctx_tokens replay_of quota texts "
		"subject retained",
		"A request was let through" },
	{ EVENT_OUTCOME, EVENT_CLOSES | EVENT_QUIET, "outcome",
		"session request finish n_prompt n_cached n_generated kv_mode seed numerics prompt_ns "
		"generate_ns digest tokens "
		"text kernel_set device why replay quota texts retained",
		"A request ended" },
	{ EVENT_ORPHAN, EVENT_CLOSES | EVENT_WARNS, "orphan", "of why",
		"An intent has no outcome and will have none" },
	{ EVENT_LOG_READ, 0, "log-read", "what first count filter manifest principal how credential leaf",
		"The log was read" },
	{ EVENT_RUNTIME_LOST, EVENT_WARNS, "runtime-lost", "why requests sessions grants",
		"A runtime ended unexpectedly" },
	{ EVENT_POLICY_SET, EVENT_STATE, "policy-set", "policy bytes old two_persons reason state",
		"The policy was set" },
	{ EVENT_CLOCK, EVENT_STATE, "clock", "why step_ns floor_s source wall_s behind_s state",
		"The clocks were compared and differ, or were stored" },
	{ EVENT_WITNESSES, 0, "witnesses", "policy bytes witnesses reason", "The witness policy was set" },
	{ EVENT_COSIGN, 0, "cosign", "size root witnesses quorum note", "A cosigned checkpoint came back" },
	{ EVENT_CONTRADICTION, EVENT_WARNS, "contradiction", "size root witnesses note",
		"A witness saw another log than this one" },
	{ EVENT_RETENTION, EVENT_STATE, "retention", "texts use_days operate_days reason state",
		"What is kept of texts and records was set" },
	{ EVENT_HOLD_ADD, EVENT_STATE, "hold-add", "name subject from to reason state",
		"A legal hold was made" },
	{ EVENT_HOLD_REMOVE, EVENT_STATE, "hold-remove", "name subject from to made reason state",
		"A legal hold was removed" },
	{ EVENT_ERASE, EVENT_OPENS, "erase", "subject texts bytes reason",
		"A subject's texts are being erased" },
	{ EVENT_ERASED, EVENT_CLOSES, "erased", "why", "A subject's key, salt and texts are destroyed" },
	{ EVENT_ARCHIVE, EVENT_STATE, "archive", "from to size root digest label state",
		"A period of the log was archived" },
	{ EVENT_PRUNE, EVENT_STATE, "prune", "archive from to records pruned set digest seen_s reason state",
		"Records of an archived period were pruned" },
	{ EVENT_REVIEW, 0, "review", "from to root key questions note principal how credential leaf",
		"An auditor signed a review" },
	{ EVENT_BOOT, 0, "boot", "previous kernel", "The machine was started since the last record" },
	{ EVENT_GAP, EVENT_WARNS, "gap", "after of after_ns intents lost",
		"The last end of keepd was not in order" },
	{ EVENT_DENIED, EVENT_WARNS, "denied", "what needs why left_out",
		"Somebody was refused what they may not do" },
	{ EVENT_ROLE_ADD, EVENT_STATE, "role-add", "name person_uid roles vkey reason state",
		"A person was enrolled" },
	{ EVENT_ROLE_REMOVE, EVENT_STATE, "role-remove", "name person_uid roles reason state",
		"A person is no longer enrolled" },
	{ EVENT_PROPOSE, EVENT_OPENS | EVENT_STATE, "propose",
		"act object act_digest file reason expires_s state",
		"Something that needs two people was proposed" },
	{ EVENT_APPROVE, EVENT_CLOSES | EVENT_STATE, "approve", "act object act_digest reason state",
		"A second person approved a proposal" },
	{ EVENT_REJECT, EVENT_CLOSES | EVENT_STATE, "reject", "act object act_digest reason state",
		"A proposal was rejected or taken back" },
	{ EVENT_EXPIRE, EVENT_CLOSES | EVENT_STATE, "expire", "act object act_digest state",
		"A proposal was not answered in time" },
	{ EVENT_LIFT, EVENT_STATE, "lift", "name model was reason state",
		"A quarantine or revocation was lifted" },
	{ EVENT_SERVE, EVENT_STATE, "serve", "name model reason state", "A model was approved for use" },
	{ EVENT_KEY, EVENT_STATE, "key", "old vkey previous reason state", "The log has a new key" },
	{ EVENT_STORAGE, EVENT_WARNS, "storage", "level percent free total",
		"The medium crossed a mark of fullness" },
	{ EVENT_RESERVE, EVENT_WARNS, "reserve", "why bytes left free",
		"The reserve was used, or is whole again" },
	{ EVENT_EXPORT, EVENT_STATE, "export", "name model bytes n_files label state",
		"A model was exported" },
	{ EVENT_EXPORT_ALLOW, EVENT_STATE, "export-allow", "name model person_uid reason state",
		"Two people allowed that a model is exported" },
	{ EVENT_ACCESS_ADD, EVENT_STATE, "access-add",
		"name kind principal person_role uses models expires_s hash ca san issuer policy_oid reason "
		"state",
		"An API key, or a rule for certificates, was added" },
	{ EVENT_ACCESS_REMOVE, EVENT_STATE, "access-remove", "name kind principal sessions reason state",
		"An API key, or a rule for certificates, was removed" },
	{ EVENT_TLS_SET, EVENT_STATE, "tls-set", "leaf subject issuer from_s until_s state",
		"The gateway was given a certificate" },
	{ EVENT_TLS_ENDS, EVENT_STATE | EVENT_WARNS, "tls-ends", "leaf until_s days state",
		"The gateway's certificate ends soon" },
	{ EVENT_CONSOLE_LINK, 0, "console-link", "principal reads minutes",
		"A link to the review console was made" },
	{ EVENT_CONSOLE_ENTER, 0, "console-enter", "link principal how credential reads until_s",
		"Somebody came into the review console by a link" },
	{ EVENT_CONSOLE_END, 0, "console-end", "logins",
		"Somebody ended their logins of the review console" },
	{ EVENT_HALT, 0, "halt", "name model session sessions reason",
		"Somebody ended a session, or a model's use" },
	{ EVENT_FAULT, EVENT_WARNS, "fault", "object why",
		"Something that should be there is missing or broken" },
	{ EVENT_QUOTA_SET, EVENT_STATE, "quota-set", "old quotas bytes sections reason state",
		"The quotas were set" },
	{ EVENT_USAGE, EVENT_STATE, "usage", "principals state", "What principals have used was put down" },
	{ EVENT_QUOTA_SPENT, EVENT_WARNS, "quota-spent", "principal limit tokens",
		"The tokens of a principal's day are spent" },
};

const struct audit_event_info *audit_event_info(u32 event)
{
	for (size_t i = 0; i < ARRAY_LEN(catalogue); i++)
		if (catalogue[i].event == event)
			return &catalogue[i];
	return NULL;
}

void audit_event_message_id(u32 event, char ret[33])
{
	snprintf(ret, 33, "%s%04x", "6b1f0d5c9e7a4c3f8a52d4e11b09", event & 0xffff);
}

/* Behind uid and pid: how that is known, and what it was allowed by. */
static void put_actor(struct jsonw *w, const struct audit_actor *a)
{
	static const char *const auth[] = { [AUTH_PEER] = "peer-credentials",
		[AUTH_SINGLE_USER] = "single-user",
		[AUTH_SIGNATURE] = "signature" };
	jsonw_kv_str(w, "auth", a->self ? "self" : auth[a->auth]);
	if (a->role)
		jsonw_kv_str(w, "role", audit_role_name(a->role));
	if (a->person[0])
		jsonw_kv_str(w, "person", a->person);
	if (a->proposal != PROPOSAL_NONE)
		jsonw_kv_u64(w, "proposal", a->proposal);
	if (a->auth != AUTH_SIGNATURE)
		return;
	jsonw_kv_hex(w, "signed", a->signed_digest, sizeof a->signed_digest);
	jsonw_kv_hex(w, "signature", a->signature, sizeof a->signature);
}

void audit_record_start(struct audit_record *r, const struct audit_record_start *s)
{
	const struct audit_event_info *e = audit_event_info(s->event);
	assert(e);
	assert(!(e->flags & EVENT_CLOSES) == (s->intent == INTENT_NONE));
	r->index = s->index;
	r->intent = s->intent;
	r->event = s->event;
	r->uid = s->actor.uid;
	struct jsonw *w = &r->w;
	jsonw_init(w, r->line, sizeof r->line);
	jsonw_object(w);
	jsonw_kv_u64(w, "v", 1);
	jsonw_kv_u64(w, "index", s->index);
	jsonw_kv_u64(w, "time_ns", s->time_ns);
	jsonw_kv_str(w, "boot", s->boot);
	jsonw_kv_u64(w, "boottime_ns", s->boottime_ns);
	jsonw_kv_str(w, "event", e->name);
	if (s->intent != INTENT_NONE)
		jsonw_kv_u64(w, "intent", s->intent);
	jsonw_key(w, "actor");
	jsonw_object(w);
	jsonw_kv_u64(w, "uid", s->actor.uid);
	jsonw_kv_u64(w, "pid", s->actor.pid);
	put_actor(w, &s->actor);
	jsonw_object_end(w);
}

void audit_record_text(struct jsonw *w, const char *key, const char *text, size_t max)
{
	char clean[1024];
	size_t n = strnlen(text, MIN(max, sizeof clean));
	for (size_t i = 0; i < n; i++)
		clean[i] = (u8)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	jsonw_key(w, key);
	jsonw_strn(w, clean, n);
}

void audit_record_str(struct audit_record *r, const char *key, const char *text, size_t max)
{
	audit_record_text(&r->w, key, text, max);
}

int audit_record_finish(struct audit_record *r)
{
	jsonw_object_end(&r->w);
	return r->w.full ? 1 : 0;
}

/* ---- the fixed head, compared byte by byte ---- */

static bool skip(struct bytes *b, const char *text)
{
	size_t n = strlen(text);
	if (bytes_left(b) < n || memcmp(b->p, text, n) != 0)
		return false;
	b->p += n;
	return true;
}

/* The digits, eight at most, at p: their number, and their value. There are eight bytes. */
static u32 digits(const u8 *p, u64 *ret)
{
	u64 x;
	memcpy(&x, p, sizeof x);
	x = le64toh(x) ^ 0x3030303030303030; /* a digit is its value now, anything else is more than 9 */
	u64 other = (x | (x + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0;
	u32 n = other ? (u32)__builtin_ctzll(other) / 8 : 8;
	x = n ? x << (64 - 8 * n) : 0; /* zeros before them */
	x = x * 10 + (x >> 8);	       /* pairs, then fours, then all */
	*ret = ((x & 0xff000000ff) * 0x000f424000000064 + ((x >> 16) & 0xff000000ff) * 0x0000271000000001) >>
	       32;
	return n;
}

/* The same one by one, as far as a number of 64 bits goes. */
static bool more_digits(struct bytes *b, u64 *v)
{
	for (; b->p < b->end && *b->p >= '0' && *b->p <= '9'; b->p++)
		if (__builtin_mul_overflow(*v, 10u, v) || __builtin_add_overflow(*v, (u64)(*b->p - '0'), v))
			return false;
	return true;
}

static bool number(struct bytes *b, u64 *ret)
{
	static const u32 power[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 };
	const u8 *first = b->p;
	u64 v = 0, part;
	for (u32 n = 8; n == 8 && b->p < first + 16 && bytes_left(b) >= 8; b->p += n) {
		n = digits(b->p, &part); /* sixteen always fit */
		v = v * power[n] + part;
	}
	if (!more_digits(b, &v))
		return false;
	*ret = v;
	return b->p > first && (b->p == first + 1 || *first != '0');
}

/* Sixteen bytes in hex. */
static bool boot_id(const u8 *p)
{
	u8 other = 0;
	for (u32 i = 0; i < 32; i++)
		other |= (u8)(p[i] - '0') > 9 && (u8)(p[i] - 'a') > 5;
	return !other;
}

static bool named(struct bytes *b, const struct audit_event_info *e, u32 *ret)
{
	struct bytes at = *b;
	if (!skip(&at, e->name) || !skip(&at, "\""))
		return false;
	*b = at;
	*ret = e->event;
	return true;
}

static bool event_name(struct bytes *b, u32 *ret)
{
	if (skip(b, "request\"")) { /* nearly all of them are one of these two */
		*ret = EVENT_REQUEST;
		return true;
	}
	if (skip(b, "outcome\"")) {
		*ret = EVENT_OUTCOME;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(catalogue); i++)
		if (bytes_left(b) && *b->p == (u8)catalogue[i].name[0] && named(b, &catalogue[i], ret))
			return true;
	return false;
}

int audit_record_head(const char *line, size_t len, struct audit_record_head *ret)
{
	struct audit_record_head h = { .intent = INTENT_NONE };
	struct bytes b = bytes_of(line, len);
	if (!skip(&b, "{\"v\":1,\"index\":") || !number(&b, &h.index) || !skip(&b, ",\"time_ns\":") ||
		!number(&b, &h.time_ns) || !skip(&b, ",\"boot\":\"") || bytes_left(&b) < 32 || !boot_id(b.p))
		return 1;
	memcpy(h.boot, b.p, 32);
	b.p += 32;
	if (!skip(&b, "\",\"boottime_ns\":") || !number(&b, &h.boottime_ns) || !skip(&b, ",\"event\":\"") ||
		!event_name(&b, &h.event))
		return 1;
	if (skip(&b, ",\"intent\":") && (!number(&b, &h.intent) || h.intent == INTENT_NONE))
		return 1;
	if (!skip(&b, ",\"actor\":{\"uid\":") || line[len - 1] != '}')
		return 1;
	bool closes = audit_event_info(h.event)->flags & EVENT_CLOSES;
	if (closes != (h.intent != INTENT_NONE) || (closes && h.intent >= h.index))
		return 1;
	*ret = h;
	return 0;
}

bool audit_record_has_hex(const char *line, size_t len, const char *key, const void *data, size_t n)
{
	char want[256];
	assert(strlen(key) + 2 * n + 8 <= sizeof want);
	int at = snprintf(want, sizeof want, "\"%s\":\"", key);
	bytes_hex(data, n, want + at);
	size_t k = (size_t)at + 2 * n;
	want[k++] = '"';
	return memmem(line, len, want, k) != NULL;
}
