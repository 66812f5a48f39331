/* One model: where it comes from as a picture, what the policy says of it today and said then, its files, where it runs, what happened to it. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/facts.h"
#include "gateway/console/chain.h"
#include "gateway/console/models.h"
#include "gateway/console/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEWEST 30u

struct one {
	u32 a_status, a_model, a_ground, a_record, a_acts, a_missing;
	bool missing;
	const json_t *model;
	struct chain chain;
};

/* ---- asking ----------------------------------------------------------------------------------------------------------------- */

static void ask_first(struct console *c)
{
	struct question_one explain = { .type = CTL_EXPLAIN, .len = sizeof explain.body.name, .fd = -1 };
	struct one *o = c->own = calloc(1, sizeof *o);
	if (!o || bytes_put_str(explain.body.name.name, sizeof explain.body.name.name, c->arg)) {
		console_fail(c, o ? 404 : 503, o ? "There is no model of that name" : "Out of memory");
		return;
	}
	o->a_status = console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	o->a_model = console_query(c, &(struct proto_query){ .what = QUERY_MODEL }, c->arg);
	o->a_ground = console_ask(c, &explain);
}

static void ask_history(struct console *c, struct one *o)
{
	static const char *const events[] = { "import-intent", "import-verdict", "revoke", "quarantine",
		"lift", "serve", "model-remove", "export", "export-allow", "halt" };
	struct proto_look q = { .what = LOOK_RECORDS,
		.flags = LOOK_NEWEST,
		.to = UINT64_MAX,
		.until_ns = UINT64_MAX,
		.count = NEWEST };
	const json_t *m = console_row(c, o->a_model);
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		snprintf(q.events[q.n_events++], sizeof q.events[0], "%s", events[i]);
	memcpy(q.models[q.n_models++], c->arg,
		MIN(strlen(c->arg), sizeof q.models[0] - 1)); /* a model of that name is there */
	o->a_record = console_query(
		c, &(struct proto_query){ .what = QUERY_RECORD, .first = facts_u64(m, "index") }, NULL);
	o->a_acts = console_look(c, &q);
}

void model_ask(struct console *c)
{
	struct one *o = c->own;
	if (c->round == 0)
		ask_first(c);
	else if (c->round == 1 && console_row(c, o->a_model))
		ask_history(c, o);
	else if (c->round == 2 && console_row(c, o->a_model))
		o->missing = records_ask_missing(c, console_rows(c, o->a_acts), &o->a_missing);
}

/* ---- where it comes from ---------------------------------------------------------------------------------------------------- */

static void time_text(u64 s, char *ret, size_t size)
{
	time_t t = (time_t)s;
	struct tm tm;
	ret[0] = 0;
	if (s && gmtime_r(&t, &tm))
		strftime(ret, size, "%Y-%m-%d %H:%M UTC", &tm);
}

static const struct question_grounds *ground_of(const struct console *c, const struct one *o)
{
	return console_answer(c, o->a_ground)->ground;
}

static void publisher(struct one *o, const struct question_grounds *g)
{
	const struct proto_signer *s = g && g->n_signers ? &g->signers[0] : NULL;
	struct chain_link *l = chain_add(&o->chain, "Publisher", s ? PAGE_GOOD : PAGE_NOTE);
	snprintf(l->line[0], sizeof l->line[0], "%s", console_str(o->model, "signer"));
	snprintf(l->line[1], sizeof l->line[1], "key %.12s", console_str(o->model, "key_id"));
	if (s && s->identity[0])
		snprintf(l->line[2], sizeof l->line[2], "%.*s", (int)sizeof s->identity - 1, s->identity);
}

static void signature(struct one *o, const struct question_grounds *g)
{
	u32 n = (u32)facts_u64(o->model, "bundles");
	struct chain_link *l = chain_add(&o->chain, "Signature", g && g->n_signers ? PAGE_GOOD : PAGE_NOTE);
	snprintf(l->line[0], sizeof l->line[0], "%u signature%s", n, n == 1 ? "" : "s");
	snprintf(l->line[1], sizeof l->line[1], "of %" PRIu64 " files", facts_u64(o->model, "n_files"));
	if (g && g->n_signers)
		time_text(g->signers[0].time, l->line[2], sizeof l->line[2]);
}

static void policy(struct one *o, const struct question_grounds *g)
{
	bool holds = g && g->verdict.verdict == ATTEST_ACCEPTED;
	u32 n = 0;
	for (u32 i = 0; g && i < g->n_rules; i++)
		n += g->rules[i].holds != 0;
	struct chain_link *l = chain_add(&o->chain, "Policy", !g ? PAGE_NOTE : holds ? PAGE_GOOD : PAGE_BAD);
	snprintf(l->line[0], sizeof l->line[0], "%.12s", console_str(o->model, "policy"));
	if (!g)
		snprintf(l->line[1], sizeof l->line[1], "not asked again");
	else
		snprintf(l->line[1], sizeof l->line[1], "%u of %u rules hold", n, g->n_rules);
	if (g)
		snprintf(l->line[2], sizeof l->line[2], "today: %s", holds ? "accepted" : "refused");
}

static void approval(struct one *o, const json_t *record)
{
	struct records_who who = records_who(record);
	const char *status = console_str(o->model, "status");
	struct chain_link *l = chain_add(&o->chain, "Approval", models_mark(status));
	snprintf(l->line[0], sizeof l->line[0], "record %" PRIu64, facts_u64(o->model, "index"));
	snprintf(l->href, sizeof l->href, "/console/records/%" PRIu64, facts_u64(o->model, "index"));
	if (record)
		time_text(console_time(record), l->line[1], sizeof l->line[1]);
	if (strcmp(status, "accepted"))
		snprintf(l->line[2], sizeof l->line[2], "now %s", status);
	else if (who.s[0])
		snprintf(l->line[2], sizeof l->line[2], "%s%s",
			who.s[strspn(who.s, "0123456789")] ? "by " : "by user ", who.s);
}

static u32 grants_of(const json_t *status, const char *model, const json_t **ret_first)
{
	u32 n = 0;
	size_t i;
	const json_t *g;
	*ret_first = NULL;
	json_array_foreach(json_object_get(status, "grants"), i, g)
	{
		if (strcmp(console_str(g, "model"), model))
			continue;
		*ret_first = *ret_first ? *ret_first : g;
		n++;
	}
	return n;
}

static void grant(struct one *o, const json_t *status)
{
	const json_t *g;
	u32 n = grants_of(status, console_str(o->model, "model"), &g);
	struct chain_link *l = chain_add(&o->chain, "Grant", n ? PAGE_GOOD : PAGE_NEUTRAL);
	if (!n) {
		snprintf(l->line[0], sizeof l->line[0], "not loaded");
		return;
	}
	snprintf(l->line[0], sizeof l->line[0], "record %" PRIu64, facts_u64(g, "grant"));
	snprintf(l->href, sizeof l->href, "/console/records/%" PRIu64, facts_u64(g, "grant"));
	snprintf(l->line[1], sizeof l->line[1], "%s", console_str(g, "device"));
	snprintf(l->line[2], sizeof l->line[2], "%s, %u of it", console_str(g, "state"), n);
}

/* ---- the verdict ------------------------------------------------------------------------------------------------------------ */

static void rules(struct page *p, const struct question_grounds *g)
{
	page_table(p, "Rules of the policy that had a say, today", "#Line", "Holds", "Rule");
	for (u32 i = 0; i < g->n_rules; i++) {
		const struct proto_rule *r = &g->rules[i];
		page_html(p, "<tr><td class=\"number\">");
		if (r->line)
			page_count(p, r->line);
		else
			page_html(p, "none");
		page_html(p, "</td><td>");
		page_state(p, r->holds ? PAGE_GOOD : PAGE_BAD, r->holds ? "holds" : "does not");
		page_html(p, "</td><td>");
		page_textn(p, r->text, strnlen(r->text, sizeof r->text));
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
}

static void signers(struct page *p, const struct question_grounds *g)
{
	char hex[2 * SHA256_BYTES + 1];
	page_table(p, "Who signed it", "Signer", "Who that is", "Judged at", "Key", "Signature file");
	for (u32 i = 0; i < g->n_signers; i++) {
		const struct proto_signer *s = &g->signers[i];
		page_html(p, "<tr><th scope=\"row\">");
		page_textn(p, s->name, strnlen(s->name, sizeof s->name));
		page_html(p, "</th><td>");
		page_textn(p, s->identity, strnlen(s->identity, sizeof s->identity));
		page_text(p, s->identity[0] ? "" : "a key");
		page_html(p, "</td><td>");
		if (s->time)
			page_time(p, s->time);
		page_html(p, "</td><td>");
		bytes_hex(s->key_id, sizeof s->key_id, hex);
		page_short(p, hex);
		page_html(p, "</td><td>");
		bytes_hex(s->bundle, sizeof s->bundle, hex);
		page_short(p, hex);
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
}

static void verdict(struct console *c, const struct one *o, struct page *p)
{
	const struct question_one *a = console_answer(c, o->a_ground);
	const struct question_grounds *g = a->ground;
	page_section(p, "verdict", "What the policy says");
	page_html(p, "<p>");
	if (!g) {
		page_state(p, PAGE_NOTE, "not judged again");
		page_html(p, " ");
		page_text(p, a->text);
	} else {
		bool yes = g->verdict.verdict == ATTEST_ACCEPTED;
		page_state(p, yes ? PAGE_GOOD : PAGE_BAD,
			yes ? "today it would be accepted" : "today it would be refused");
		page_html(p, " ");
		page_textn(p, g->verdict.detail, strnlen(g->verdict.detail, sizeof g->verdict.detail));
	}
	page_html(p, " What was decided when it came stands in record ");
	page_record(p, facts_u64(o->model, "index"));
	page_html(p, ", under the policy ");
	page_short(p, console_str(o->model, "policy"));
	page_html(p, ".</p>\n");
	if (g && g->n_rules)
		rules(p, g);
	if (g && g->n_signers)
		signers(p, g);
	page_section_end(p);
}

/* ---- what it is, and where it runs ------------------------------------------------------------------------------------------ */

/* The rule of the policy that speaks of the licence says which one it is. */
static void licence(struct page *p, const struct question_grounds *g)
{
	for (u32 i = 0; g && i < g->n_rules; i++) {
		const char *at =
			strncmp(g->rules[i].text, "licence", 7) ? NULL : strstr(g->rules[i].text, ": ");
		if (!at)
			continue;
		page_textn(p, at + 2,
			strnlen(at + 2, sizeof g->rules[i].text - 2 - (size_t)(at - g->rules[i].text)));
		return;
	}
	page_html(p, "the policy does not ask");
}

static void facts(struct console *c, const struct one *o, struct page *p)
{
	const json_t *m = o->model;
	page_section(p, "what", "What it is");
	page_facts(p);
	page_fact(p, "Digest of the whole");
	page_digest(p, console_str(m, "model"));
	page_fact_end(p);
	page_fact(p, "Size");
	page_size(p, facts_u64(m, "bytes"));
	page_fact_end(p);
	page_fact(p, "Licence");
	licence(p, ground_of(c, o));
	page_fact_end(p);
	page_fact(p, "Sequence that it states");
	page_count(p, facts_u64(m, "sequence"));
	page_fact_end(p);
	page_fact(p, "Last used");
	page_time(p, facts_u64(m, "used_s"));
	page_fact_end(p);
	if (console_str(m, "reason")[0]) {
		page_fact(p, "Why it is so");
		page_text(p, console_str(m, "reason"));
		page_fact_end(p);
	}
	page_facts_end(p);
	page_section_end(p);
}

static void files(struct page *p, const json_t *all)
{
	size_t i;
	const json_t *f;
	page_section(p, "files", "Files");
	if (!json_array_size(all)) {
		page_html(p, "<p>None of them is stored any more.</p>\n");
		page_section_end(p);
		return;
	}
	page_table(p, "Files, as they were signed", "Path", "#Size", "SHA-256");
	json_array_foreach(all, i, f)
	{
		page_html(p, "<tr><th scope=\"row\">");
		page_text(p, console_str(f, "path"));
		page_html(p, "</th><td class=\"number\">");
		page_size(p, facts_u64(f, "bytes"));
		page_html(p, "</td><td>");
		page_digest(p, console_str(f, "sha256"));
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
	page_section_end(p);
}

static void runs(struct page *p, const json_t *status, const char *model)
{
	page_section(p, "runs", "Where it runs");
	models_grants(p, status, model);
	page_section_end(p);
}

static void history(struct console *c, const struct one *o, struct page *p)
{
	struct page_url u;
	page_section(p, "history", "What happened to it");
	if (json_array_size(console_rows(c, o->a_acts)))
		records_table(p, "The newest acts about this model", console_rows(c, o->a_acts),
			o->missing ? console_rows(c, o->a_missing) : NULL);
	page_url(&u, "/console/used/");
	page_url_part(&u, c->arg);
	page_html(p, "<p>");
	page_a(p, &u, "Who uses it");
	page_html(p, "</p>\n");
	page_section_end(p);
}

void model_show(struct console *c, struct page *p)
{
	struct one *o = c->own;
	const json_t *status = console_row(c, o->a_status);
	const struct question_grounds *g = ground_of(c, o);
	o->model = console_row(c, o->a_model);
	if (!o->model) {
		console_fail(c, 404, "%s", console_answer(c, o->a_model)->text);
		return;
	}
	console_title(c, "%s", c->arg);
	publisher(o, g);
	signature(o, g);
	policy(o, g);
	approval(o, console_row(c, o->a_record));
	grant(o, status);
	page_html(p, "<p class=\"lead\">");
	models_put_status(p, console_str(o->model, "status"));
	page_html(p, "</p>\n");
	chain_write(&o->chain, p);
	verdict(c, o, p);
	facts(c, o, p);
	runs(p, status, console_str(o->model, "model"));
	files(p, json_object_get(o->model, "files"));
	history(c, o, p);
}
