#include "base/facts.h"

#include <stdio.h>
#include <string.h>

#define DIGEST_DIGITS 12 /* of a digest in a table */

void facts_put(struct cell *c, const json_t *v)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		snprintf(c->s, sizeof c->s, "%s", json_string_value(v));
		break;
	case JSON_INTEGER:
		snprintf(c->s, sizeof c->s, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		snprintf(c->s, sizeof c->s, "%.6g", json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		snprintf(c->s, sizeof c->s, "%s", json_is_true(v) ? "yes" : "no");
		break;
	default:
		break;
	}
}

struct cell facts_cell(const json_t *o, const char *key)
{
	struct cell c = { "" };
	facts_put(&c, json_object_get(o, key));
	return c;
}

struct cell facts_short(const json_t *o, const char *key)
{
	struct cell c = facts_cell(o, key);
	c.s[DIGEST_DIGITS] = 0;
	return c;
}

u64 facts_u64(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return v && json_number_value(v) > 0
		       ? json_is_integer(v) ? (u64)json_integer_value(v) : (u64)json_real_value(v)
		       : 0;
}

/* What a record is about, in one line: the members that matter, by event. */
static const struct {
	const char *event,
		*keys; /* "label=key" or "key"; a leading '#' shortens a digest, '+' quotes nothing but the value */
} facts[] = {
	{ "init", "vkey" },
	{ "start", "version single_user" },
	{ "stop", "open" },
	{ "trust-add", "+name #key_id" },
	{ "trust-remove", "+name reason" },
	{ "import-intent", "+name n_files bytes" },
	{ "import-verdict", "+name +verdict +code object #model signer" },
	{ "model-remove", "+name #model reason" },
	{ "revoke", "+name #model reason sessions" },
	{ "quarantine", "+name path offset +reason" },
	{ "grant", "+name #model kv_mode ctx_tokens" },
	{ "load", "intent +result +text device" },
	{ "unload", "grant why" },
	{ "session", "+name grant" },
	{ "session-end", "session why" },
	{ "request", "+name #digest replay_of" },
	{ "outcome", "intent +finish n_prompt n_generated #tokens +why" },
	{ "orphan", "intent of +why" },
	{ "log-read", "+what +filter principal" },
	{ "runtime-lost", "+why requests sessions" },
	{ "witnesses", "witnesses #policy reason" },
	{ "cosign", "size witnesses quorum" },
	{ "contradiction", "size #root" },
	{ "review", "from to questions" },
	{ "policy-set", "#policy bytes reason" },
	{ "clock", "+why step_ns behind_s" },
	{ "retention", "texts use_days operate_days reason" },
	{ "hold-add", "+name subject from to reason" },
	{ "hold-remove", "+name subject made reason" },
	{ "erase", "+subject texts reason" },
	{ "erased", "intent +why" },
	{ "archive", "from to label #digest" },
	{ "prune", "archive from to pruned reason" },
	{ "boot", "kernel" },
	{ "gap", "after of lost" },
	{ "denied", "+what needs +why left_out" },
	{ "role-add", "+name person_uid roles reason" },
	{ "role-remove", "+name person_uid roles reason" },
	{ "propose", "+act +object reason" },
	{ "approve", "intent +act +object reason" },
	{ "reject", "intent +act +object reason" },
	{ "expire", "intent +act +object" },
	{ "lift", "+name was reason" },
	{ "serve", "+name #model reason" },
	{ "key", "vkey reason" },
	{ "storage", "+level percent free" },
	{ "reserve", "+why bytes left" },
	{ "fault", "+object +why" },
	{ "export", "+name #model label" },
	{ "export-allow", "+name person_uid reason" },
	{ "access-add", "+name kind +principal expires_s reason" },
	{ "access-remove", "+name kind +principal sessions reason" },
	{ "tls-set", "+subject issuer" },
	{ "tls-ends", "days #leaf" },
	{ "quota-set", "#quotas sections reason" },
	{ "usage", "principals" },
	{ "quota-spent", "+principal limit tokens" },
	{ "halt", "+name session sessions reason" },
	{ "console-link", "+principal reads minutes" },
	{ "console-enter", "+principal link reads until_s" },
	{ "console-end", "logins" },
};

static void add_fact(char *buf, size_t size, const json_t *o, const char *word, size_t len)
{
	char key[64];
	bool shorten = *word == '#', bare = *word == '+';
	size_t at = strlen(buf);
	snprintf(key, sizeof key, "%.*s", (int)(len - (shorten || bare)), word + (shorten || bare));
	struct cell c = shorten ? facts_short(o, key) : facts_cell(o, key);
	if (c.s[0])
		snprintf(buf + at, size - at, "%s%s%s%.80s", at ? "  " : "", bare ? "" : key, bare ? "" : " ",
			c.s);
}

void facts_line(const json_t *o, char *buf, size_t size)
{
	struct cell event = facts_cell(o, "event");
	buf[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (strcmp(facts[i].event, event.s))
			continue;
		for (const char *p = facts[i].keys; *p; p += strspn(p, " ")) {
			size_t n = strcspn(p, " ");
			add_fact(buf, size, o, p, n);
			p += n;
		}
	}
}

struct cell facts_result(const json_t *j)
{
	static const char *const keys[] = { "finish", "verdict", "result" };
	struct cell c = { "" };
	for (size_t i = 0; i < ARRAY_LEN(keys) && !c.s[0]; i++)
		c = facts_cell(j, keys[i]);
	return c;
}

enum facts_severity facts_severity_of(const json_t *j)
{
	static const char *const alarms[] = { "contradiction", "quarantine", "fault", "gap" };
	static const char *const failures[] = { "denied", "orphan", "runtime-lost", "storage", "reserve" };
	static const char *const bad[] = { "refused", "spent", "error", "failed", "rejected", "undecided" };
	struct cell event = facts_cell(j, "event"), result = facts_result(j);
	for (size_t i = 0; i < ARRAY_LEN(alarms); i++)
		if (!strcmp(event.s, alarms[i]))
			return FACTS_ALARM;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++)
		if (!strcmp(event.s, failures[i]))
			return FACTS_FAILED;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!strcmp(result.s, bad[i]))
			return FACTS_FAILED;
	return FACTS_INFO;
}
