#define _GNU_SOURCE
#include "audit/facts.h"
#include "base/bytes.h"

#include <string.h>

/* Does the list of words hold this one? */
static bool listed(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' '))
			return true;
	return false;
}

/* What stands behind the bytes of mark, or NULL. */
static const char *behind(const char *line, size_t len, const char *mark)
{
	size_t n = strlen(mark);
	const char *at = memmem(line, len, mark, n);
	return at ? at + n : NULL;
}

static struct audit_word word(const char *line, size_t len, const char *mark)
{
	struct audit_word w = { 0 };
	const char *at = behind(line, len, mark), *end = line + len;
	if (!at)
		return w;
	w.s = at;
	while (at < end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	w.len = at < end ? (size_t)(at - w.s) : 0;
	return w;
}

static u64 number(const char *line, size_t len, const char *mark, u64 otherwise)
{
	const char *at = behind(line, len, mark);
	u64 v = 0;
	if (!at || *at < '0' || *at > '9')
		return otherwise;
	for (; at < line + len && *at >= '0' && *at <= '9'; at++)
		v = 10 * v + (u64)(*at - '0');
	return v;
}

/* Which fields of an event are looked at: from the catalogue, once. */
enum {
	HAS_NAME = 1,
	HAS_MODEL = 2,
	HAS_SESSION = 4,
	HAS_FINISH = 8,
	HAS_VERDICT = 16,
	HAS_RESULT = 32,
	HAS_PRINCIPAL = 64,
	KNOWN = 128
};

static bool session_or_request(u32 event)
{
	return event == EVENT_SESSION || event == EVENT_REQUEST;
}

static u8 fields_of(const struct audit_event_info *e)
{
	static u8 known[256];
	u8 *k = &known[e->event % ARRAY_LEN(known)];
	if (e->event >= ARRAY_LEN(known) || !*k) {
		bool model = listed(e->fields, "model");
		u8 has = KNOWN;
		has |= model ? HAS_MODEL : 0;
		/* other things have names too */
		has |= (model || e->event == EVENT_IMPORT_INTENT) && listed(e->fields, "name") ? HAS_NAME : 0;
		has |= !model && listed(e->fields, "session") ? HAS_SESSION : 0;
		has |= listed(e->fields, "finish") ? HAS_FINISH : 0;
		has |= listed(e->fields, "verdict") ? HAS_VERDICT : 0;
		has |= listed(e->fields, "result") ? HAS_RESULT : 0;
		/* keys and rules are about a principal, who has not asked */
		has |= session_or_request(e->event) ? HAS_PRINCIPAL : 0;
		if (e->event >= ARRAY_LEN(known))
			return has;
		*k = has;
	}
	return *k;
}

/* "uid:1000" is the user of that number. */
static void principal(struct audit_facts *f, struct audit_word w)
{
	bool user = w.len > 4 && !memcmp(w.s, "uid:", 4);
	if (user)
		f->uid = (u32)number(w.s, w.len, "uid:", f->uid);
	else
		f->principal = w;
}

int audit_facts_read(const char *line, size_t len, struct audit_facts *ret)
{
	struct audit_record_head h;
	if (!line || !len || audit_record_head(line, len, &h))
		return 1;
	const char *actor = behind(line, len, ",\"actor\":{");
	size_t rest = (size_t)(line + len - actor);
	struct audit_facts f = {
		.index = h.index, .intent = h.intent, .event = h.event, .session = INTENT_NONE
	};
	u8 has = fields_of(audit_event_info(h.event));
	f.time_ns = number(line, (size_t)(actor - line), "\"time_ns\":", 0);
	f.uid = (u32)number(actor, rest, "\"uid\":", UINT32_MAX);
	f.self = behind(actor, MIN(rest, 96u), "\"auth\":\"self\"") != NULL;
	if (has & HAS_PRINCIPAL)
		principal(&f, word(actor, rest, ",\"principal\":\""));
	f.name = has & HAS_NAME ? word(actor, rest, ",\"name\":\"") : f.name;
	f.model = has & HAS_MODEL ? word(actor, rest, ",\"model\":\"") : f.model;
	f.session = has & HAS_SESSION ? number(actor, rest, ",\"session\":", INTENT_NONE) : INTENT_NONE;
	if (has & (HAS_FINISH | HAS_VERDICT | HAS_RESULT))
		f.result = word(actor, rest,
			has & HAS_FINISH    ? ",\"finish\":\""
			: has & HAS_VERDICT ? ",\"verdict\":\""
					    : ",\"result\":\"");
	if (h.event == EVENT_ORPHAN)
		f.result = (struct audit_word){ "orphan", 6 };
	if (has & HAS_FINISH) {
		f.n_prompt = number(actor, rest, ",\"n_prompt\":", 0);
		f.n_generated = number(actor, rest, ",\"n_generated\":", 0);
	}
	*ret = f;
	return 0;
}

bool audit_word_is(const struct audit_word *w, const char *text)
{
	return w->len && strlen(text) == w->len && !memcmp(w->s, text, w->len);
}

bool audit_facts_bad(const struct audit_word *result)
{
	static const char *const bad[] = { "refused", "spent", "error", "failed", "rejected", "undecided",
		"orphan" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (audit_word_is(result, bad[i]))
			return true;
	return false;
}
