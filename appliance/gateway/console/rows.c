/* Records in cells: the words that every listing uses. */
#define _GNU_SOURCE
#include "gateway/console/records.h"
#include "base/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX    1024u
#define MISSING_MAX 4096u /* records that are read to find questions */

const json_t *records_find(const json_t *all, u64 index)
{
	size_t i;
	const json_t *j;
	json_array_foreach(all, i, j)
	{
		if (json_object_get(j, "index") && facts_u64(j, "index") == index)
			return j;
	}
	return NULL;
}

bool records_opens(const char *event)
{
	static const char *const opens[] = { "request", "grant", "import-intent", "propose", "erase" };
	for (size_t i = 0; i < ARRAY_LEN(opens); i++)
		if (!strcmp(event, opens[i]))
			return true;
	return false;
}

/* ---- who ------------------------------------------------------------------------------------------------------------------- */

/* A key or a quota is about somebody, who has not asked for it. */
static bool is_about_another(const char *event)
{
	return !strncmp(event, "access-", 7) || !strcmp(event, "quota-spent");
}

struct records_who records_who(const json_t *j)
{
	struct records_who w = { "" };
	const json_t *a = json_object_get(j, "actor");
	const char *principal = is_about_another(console_str(j, "event")) ? "" : console_str(j, "principal");
	if (principal[0])
		snprintf(w.s, sizeof w.s, "%s", principal + (strncmp(principal, "uid:", 4) ? 0 : 4));
	else if (strcmp(console_str(a, "auth"), "self") && json_object_get(a, "uid"))
		snprintf(w.s, sizeof w.s, "%" PRIu64, facts_u64(a, "uid"));
	return w;
}

static void put_name(struct page *p, const json_t *j, const struct records_who *w)
{
	const char *person = console_str(json_object_get(j, "actor"), "person");
	if (person[0] && !console_str(j, "principal")[0])
		page_name(p, person);
	else if (!w->s[strspn(w->s, "0123456789")])
		page_fmt(p, "user %s", w->s);
	else
		page_name(p, w->s);
}

void records_put_who(struct page *p, const json_t *j)
{
	struct records_who w = records_who(j);
	struct page_url u;
	if (!w.s[0]) {
		page_html(p, "keepd");
		return;
	}
	page_url(&u, "/console/people/");
	page_url_part(&u, w.s);
	page_html(p, "<a");
	page_link(p, &u);
	page_html(p, ">");
	put_name(p, j, &w);
	page_html(p, "</a>");
}

/* ---- what ------------------------------------------------------------------------------------------------------------------ */

void records_put_model(struct page *p, const json_t *j)
{
	const char *name = console_str(j, "name");
	struct page_url u;
	if (!name[0] || !console_str(j, "model")[0])
		return;
	page_url(&u, "/console/used/");
	page_url_part(&u, name);
	page_a(p, &u, name);
}

void records_put_what(struct page *p, const json_t *j)
{
	const char *event = console_str(j, "event");
	char line[512];
	page_html(p, "<span class=\"event\">");
	page_text(p, event[0] ? event : "pruned");
	page_html(p, "</span> ");
	if (!strcmp(event, "request")) {
		page_size(p, facts_u64(j, "bytes"));
		page_html(p, ", digest ");
		page_short(p, console_str(j, "digest"));
		return;
	}
	facts_line(j, line, sizeof line);
	page_text(p, line);
}

static void put_state(struct page *p, const json_t *j, const char *words)
{
	enum facts_severity s = facts_severity_of(j);
	page_state(p, s == FACTS_INFO ? PAGE_GOOD : s == FACTS_FAILED ? PAGE_NOTE : PAGE_BAD, words);
}

void records_put_end(struct page *p, const json_t *q, const json_t *a)
{
	struct cell result = facts_result(a), why = facts_cell(a, "why");
	if (!a) {
		page_text(p, q && records_opens(console_str(q, "event")) ? "not on this page" : "");
		return;
	}
	if (!strcmp(console_str(a, "event"), "orphan")) {
		page_state(p, PAGE_BAD, "never answered");
		page_html(p, " ");
		page_text(p, why.s);
	} else {
		put_state(p, a, result.s[0] ? result.s : console_str(a, "event"));
		if (json_object_get(a, "n_generated")) {
			page_html(p, " ");
			page_count(p, facts_u64(a, "n_prompt"));
			page_html(p, " + ");
			page_count(p, facts_u64(a, "n_generated"));
			page_html(p, " tokens ");
		}
		page_text(p, why.s);
	}
	page_html(p, " ");
	page_record(p, facts_u64(a, "index"));
}

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

struct pair {
	const json_t *q, *a; /* a alone: its question is not known */
	u64 index;
};

static struct pair *pair_of(struct pair *v, size_t n, u64 index)
{
	for (size_t i = n; i-- > 0;)
		if (v[i].q && v[i].index == index)
			return &v[i];
	return NULL;
}

static size_t pair_up(const json_t *all, const json_t *extra, struct pair v[ROWS_MAX])
{
	size_t i, n = 0;
	const json_t *j;
	json_array_foreach(all, i, j)
	{
		u64 index = facts_u64(j, "index"), of = facts_u64(j, "intent");
		bool answer = json_object_get(j, "intent") != NULL;
		struct pair *at = answer ? pair_of(v, n, of) : NULL;
		if (n == ROWS_MAX)
			break;
		if (at && !at->a)
			at->a = j;
		else if (answer)
			v[n++] = (struct pair){ extra ? records_find(extra, of) : NULL, j, of };
		else
			v[n++] = (struct pair){ j, NULL, index };
	}
	return n;
}

static void row(struct page *p, const struct pair *r)
{
	const json_t *of = r->q ? r->q : r->a;
	bool alarm = (r->a && !strcmp(console_str(r->a, "event"), "orphan")) ||
		     facts_severity_of(of) == FACTS_ALARM;
	page_html(p, "<tr");
	if (alarm)
		page_html(p, " class=\"alarm\"");
	page_html(p, "><th scope=\"row\" class=\"number\">");
	page_record(p, r->index);
	page_html(p, "</th><td>");
	page_time(p, console_time(of));
	page_html(p, "</td><td class=\"who\">");
	if (r->q || !json_object_get(of, "intent"))
		records_put_who(p, of);
	page_html(p, "</td><td>");
	records_put_model(p, of);
	page_html(p, "</td><td>");
	if (r->q)
		records_put_what(p, r->q);
	else
		page_html(p, "a question further back");
	page_html(p, "</td><td>");
	records_put_end(p, r->q, r->a);
	page_html(p, "</td></tr>\n");
}

void records_table(struct page *p, const char *caption, const json_t *all, const json_t *extra)
{
	struct pair *v = calloc(ROWS_MAX, sizeof *v);
	size_t n = v ? pair_up(all, extra, v) : 0;
	page_table(p, caption, "Record", "Time", "Who", "Model", "What", "How it ended");
	while (n-- > 0)
		row(p, &v[n]);
	page_table_end(p);
	free(v);
}

bool records_ask_missing(struct console *c, const json_t *all, u32 *ret_ask)
{
	u64 lo = UINT64_MAX, hi = 0;
	size_t i;
	const json_t *j;
	json_array_foreach(all, i, j)
	{
		u64 of = facts_u64(j, "intent");
		if (!json_object_get(j, "intent") || records_find(all, of))
			continue;
		lo = MIN(lo, of);
		hi = MAX(hi, of);
	}
	if (lo > hi || hi - lo >= MISSING_MAX)
		return false;
	*ret_ask = console_query(
		c, &(struct proto_query){ .what = QUERY_RECORDS, .first = lo, .count = hi - lo + 1 }, NULL);
	return true;
}

/* ---- the timeline ---------------------------------------------------------------------------------------------------------- */

static void zoom(void *arg, const struct timeline_bucket *b, struct page_url *u)
{
	struct filter f = *(const struct filter *)arg;
	f.from = 0;
	f.to = UINT64_MAX;
	filter_time_text(b->from_ns / 1000000000u, f.since);
	filter_time_text(b->until_ns / 1000000000u, f.until);
	page_url(u, "/console/records");
	filter_url(&f, u);
}

void records_timeline(struct page *p, const struct filter *f, const json_t *rows)
{
	struct timeline t;
	timeline_read(rows, &t);
	timeline_write(&t, &(struct timeline_show){ "When it happened", zoom, (void *)(uintptr_t)f }, p);
}
