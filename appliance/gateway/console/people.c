/* Who uses the appliance, and which models are used: what the records of the last days add up to, and, of one person or model, when that was, what
 * it was, and the newest records. */
#include "gateway/console/people.h"
#include "base/facts.h"
#include "gateway/console/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S	      86400u
#define NEWEST	      20u
#define NEWEST_SUMMED 500000u /* records */
#define SECOND_NS     1000000000u
#define DAYS_UNSET    30u

/* The two of a kind. */
struct kind {
	u32 by, other; /* enum look_what */
	const char *all, *path, *head, *lead, *others, *none;
};
static const struct kind people = { LOOK_BY_ACTOR, LOOK_BY_MODEL, "/console/people", "/console/people/",
	"Who", "Everybody for whom a record stands in this time.", "Models that were used",
	"Nobody did anything." };
static const struct kind models = { LOOK_BY_MODEL, LOOK_BY_ACTOR, "/console/used", "/console/used/", "Model",
	"Every model that a record of this time names.", "Who used it", "No model was used." };

struct sums {
	const struct kind *k;
	struct filter f;
	u64 days;
	u32 a_sum, a_time, a_events, a_page, a_missing;
	bool missing, cut;
};

/* ---- asking ----------------------------------------------------------------------------------------------------------------- */

static struct sums *begin(struct console *c, const struct kind *k)
{
	const char *why;
	struct sums *s = c->own = calloc(1, sizeof *s);
	if (!s) {
		console_fail(c, 503, "Out of memory");
		return NULL;
	}
	s->k = k;
	s->days = DAYS_UNSET;
	if (form_u64(&c->query, "days", 36500, &s->days) == 2 || filter_read(&c->query, &s->f, &why)) {
		console_fail(c, 400, "That is no number of days");
		return NULL;
	}
	if (s->days)
		filter_time_text((c->now_s / DAY_S + 1 - MIN(s->days, c->now_s / DAY_S)) * DAY_S, s->f.since);
	s->f.kind = "all";
	return s;
}

static u32 look(struct console *c, const struct proto_look *q, u32 what)
{
	struct proto_look one = *q;
	one.what = what;
	one.count = what == LOOK_BY_TIME ? TIMELINE_BUCKETS : what == LOOK_RECORDS ? NEWEST : 0;
	one.flags |= what == LOOK_RECORDS ? LOOK_NEWEST : 0;
	return console_look(c, &one);
}

/* A span of days is the newest records of them alone: adding up millions takes seconds, and who wants all of them says so. */
static void ask_sums(struct console *c, struct sums *s)
{
	const char *why;
	struct proto_look q;
	bool people_s = s->k == &people;
	char *to = people_s ? s->f.who : s->f.model;
	size_t size = people_s ? sizeof s->f.who : sizeof s->f.model;
	u64 last, records = console_u64(console_row(c, 0), "log_size");
	if (snprintf(to, size, "%s", c->arg) >= (int)size || filter_look(&s->f, &q, &why) ||
		(s->f.since[0] && filter_time(s->f.since, &q.since_ns, &last))) {
		console_fail(c, 404, "There is nobody and nothing of that name");
		return;
	}
	s->cut = s->days && records > NEWEST_SUMMED;
	q.from = s->cut ? records - NEWEST_SUMMED : 0;
	s->a_sum = look(c, &q, c->arg[0] ? s->k->other : s->k->by);
	if (!c->arg[0])
		return;
	s->a_time = look(c, &q, LOOK_BY_TIME);
	s->a_events = look(c, &q, LOOK_BY_EVENT);
	s->a_page = look(c, &q, LOOK_RECORDS);
}

static void ask(struct console *c, const struct kind *k)
{
	struct sums *s = c->round ? c->own : begin(c, k);
	if (!s || c->fail)
		return;
	if (c->round == 0)
		console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	else if (c->round == 1)
		ask_sums(c, s);
	else if (c->round == 2 && c->arg[0])
		s->missing = records_ask_missing(c, console_rows(c, s->a_page), &s->a_missing);
}

void people_ask(struct console *c)
{
	ask(c, &people);
}

void used_ask(struct console *c)
{
	ask(c, &models);
}

/* ---- sums ------------------------------------------------------------------------------------------------------------------- */

static void number(struct page *p, const json_t *j, const char *key)
{
	page_html(p, "<td class=\"number\">");
	page_count(p, facts_u64(j, key));
	page_html(p, "</td>");
}

/* What a group is called, with a link to its page. */
static void group(struct page *p, u32 by, const json_t *j)
{
	const char *key = console_str(j, "key"), *name = console_str(j, "name");
	struct page_url u;
	const char *shown = name[0] ? name : key;
	if (by == LOOK_BY_EVENT || !key[0] || !strcmp(key, "keepd") || !strcmp(key, "others")) {
		page_text(p, !key[0] ? "none named" : key);
		return;
	}
	page_url_begin(&u, by == LOOK_BY_ACTOR ? people.path : models.path);
	page_url_part(&u, by == LOOK_BY_ACTOR && !strncmp(shown, "uid:", 4) ? shown + 4 : shown);
	page_html(p, "<a");
	page_link(p, &u);
	page_html(p, ">");
	if (by == LOOK_BY_ACTOR && !shown[strspn(shown, "0123456789")])
		page_fmt(p, "user %s", shown);
	else
		page_name(p, shown);
	page_html(p, "</a>");
	if (name[0] && strlen(key) > 32) {
		page_html(p, " ");
		page_short(p, key);
	}
}

void people_table(struct page *p, const char *caption, const char *head, u32 by, const json_t *rows)
{
	static const char *const keys[] = { "records", "requests", "failed", "prompt_tokens",
		"generated_tokens" };
	size_t i;
	const json_t *j;
	if (!json_array_size(rows)) {
		page_html(p, "<p>None.</p>\n");
		return;
	}
	page_table_begin(p, caption,
		(const char *const[]){ head, "#Records", "#Requests", "#Not as asked", "#Tokens read",
			"#Tokens written", "Last", NULL });
	json_array_foreach(rows, i, j)
	{
		page_html(p, "<tr><th scope=\"row\">");
		group(p, by, j);
		page_html(p, "</th>");
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			number(p, j, keys[k]);
		page_html(p, "<td>");
		page_time(p, facts_u64(j, "last_ns") / SECOND_NS);
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
}

static void periods(struct console *c, const struct sums *s, struct page *p)
{
	static const struct {
		u64 days;
		const char *words;
	} rows[] = { { 1, "Today" }, { 7, "7 days" }, { 30, "30 days" }, { 365, "A year" },
		{ 0, "Everything" } };
	page_html(p, "<ul class=\"tabs\" aria-label=\"Time\">");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct page_url u;
		page_url_begin(&u, c->arg[0] ? s->k->path : s->k->all);
		page_url_part(&u, c->arg);
		page_url_param_u64(&u, "days", rows[i].days);
		page_html(p, "<li><a");
		page_link(p, &u);
		if (rows[i].days == s->days)
			page_html(p, " aria-current=\"true\"");
		page_html(p, ">");
		page_text(p, rows[i].words);
		page_html(p, "</a></li>");
	}
	page_html(p, "</ul>\n");
}

/* ---- showing ---------------------------------------------------------------------------------------------------------------- */

static void one(struct console *c, const struct sums *s, struct page *p)
{
	struct page_url u;
	console_title(c, s->k == &people && !c->arg[strspn(c->arg, "0123456789")] ? "User %s" : "%s", c->arg);
	page_url(&u, "/console/records");
	filter_url(&s->f, &u);
	page_html(p, "<p>");
	page_a(p, &u, "All of these records, with their filter and their proof");
	page_html(p, "</p>\n");
	records_timeline(p, &s->f, console_rows(c, s->a_time));
	page_section(p, "others", "With what");
	people_table(
		p, s->k->others, s->k == &people ? "Model" : "Who", s->k->other, console_rows(c, s->a_sum));
	page_section_end(p);
	page_section(p, "events", "What was done");
	people_table(p, "Records by their event", "Event", LOOK_BY_EVENT, console_rows(c, s->a_events));
	page_section_end(p);
	page_section(p, "newest", "The newest");
	records_table(p, "The newest records", console_rows(c, s->a_page),
		s->missing ? console_rows(c, s->a_missing) : NULL);
	page_section_end(p);
}

static void show(struct console *c, struct page *p)
{
	const struct sums *s = c->own;
	const struct question_one *a = console_answer(c, s->a_sum);
	if (a->status != END_DONE) {
		console_fail(c, a->status == END_REFUSED ? 403 : 503, "%s", a->text);
		return;
	}
	periods(c, s, p);
	if (s->cut) {
		page_html(p, "<p class=\"hint\">Of the newest ");
		page_count(p, NEWEST_SUMMED);
		page_html(p, " records; Everything adds up all of them, which takes a while.</p>\n");
	}
	if (c->arg[0]) {
		one(c, s, p);
		return;
	}
	page_html(p, "<p class=\"lead\">");
	page_text(p, s->k->lead);
	page_html(p, "</p>\n");
	if (json_array_size(console_rows(c, s->a_sum)))
		people_table(p, s->k->lead, s->k->head, s->k->by, console_rows(c, s->a_sum));
	else
		page_text(p, s->k->none);
}

void people_show(struct console *c, struct page *p)
{
	show(c, p);
}

void used_show(struct console *c, struct page *p)
{
	show(c, p);
}
