#include "cli/facts.h"

#include <stdio.h>
#include <string.h>

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
	{ "log-read", "+what +filter" },
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
};

static void add_fact(char *buf, size_t size, const json_t *o, const char *word, size_t len)
{
	char key[64];
	bool shorten = *word == '#', bare = *word == '+';
	size_t at = strlen(buf);
	snprintf(key, sizeof key, "%.*s", (int)(len - (shorten || bare)), word + (shorten || bare));
	struct cell c = shorten ? lines_short(o, key) : lines_cell(o, key);
	if (c.s[0])
		snprintf(buf + at, size - at, "%s%s%s%.80s", at ? "  " : "", bare ? "" : key, bare ? "" : " ",
			c.s);
}

void facts_line(const json_t *o, char *buf, size_t size)
{
	struct cell event = lines_cell(o, "event");
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
