/* A report of a span of the log, to be printed: what it is and how that is proven, when it happened, who, which models, which events, what never came to
 * an end, and what was signed off. */
#define _GNU_SOURCE
#include "base/facts.h"
#include "gateway/console/people.h"
#include "gateway/console/records.h"
#include "gateway/console/reviews.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORPHANS 100u

struct report {
	u64 from, to;
	struct filter f;
	u32 a_status, a_head, a_range, a_time, a_who, a_model, a_event, a_orphan, a_review;
};

/* ---- asking ----------------------------------------------------------------------------------------------------------------- */

static u32 look(struct console *c, const struct report *r, u32 what, u64 count)
{
	return console_look(c, &(struct proto_look){ .what = what,
				       .from = r->from,
				       .to = r->to,
				       .until_ns = UINT64_MAX,
				       .count = count,
				       .purpose = "report" });
}

static u32 orphans(struct console *c, const struct report *r)
{
	return console_look(c, &(struct proto_look){ .what = LOOK_RECORDS,
				       .from = r->from,
				       .to = r->to,
				       .until_ns = UINT64_MAX,
				       .count = ORPHANS,
				       .n_events = 1,
				       .events = { "orphan" },
				       .purpose = "report" });
}

void report_ask(struct console *c)
{
	struct report *r;
	if (c->round)
		return;
	r = c->own = calloc(1, sizeof *r);
	if (!r || form_u64(&c->query, "from", UINT64_MAX - 2, &r->from) ||
		form_u64(&c->query, "to", UINT64_MAX - 1, &r->to) || r->from >= r->to) {
		console_fail(
			c, r ? 400 : 503, r ? "Which records: from one to a later one" : "Out of memory");
		return;
	}
	r->f = (struct filter){ .kind = "all", .until_ns = UINT64_MAX, .from = r->from, .to = r->to };
	r->a_status = console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	r->a_head = console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
	r->a_range = console_query(c,
		&(struct proto_query){ .what = QUERY_RANGE, .first = r->from, .count = r->to - r->from },
		"newest");
	r->a_time = look(c, r, LOOK_BY_TIME, TIMELINE_BUCKETS);
	r->a_who = look(c, r, LOOK_BY_ACTOR, 0);
	r->a_model = look(c, r, LOOK_BY_MODEL, 0);
	r->a_event = look(c, r, LOOK_BY_EVENT, 0);
	r->a_orphan = orphans(c, r);
	r->a_review = reviews_look(c, UINT64_MAX);
}

/* ---- showing ---------------------------------------------------------------------------------------------------------------- */

static void what(struct console *c, const struct report *r, struct page *p)
{
	const json_t *head = console_row(c, r->a_head);
	const char *vkey = console_str(head, "vkey");
	page_facts(p);
	page_fact(p, "Log");
	page_name(p, console_str(head, "origin"));
	page_fact_end(p);
	page_fact(p, "Records");
	page_count(p, r->from);
	page_html(p, " to ");
	page_count(p, r->to - 1);
	page_html(p, ", ");
	page_count(p, r->to - r->from);
	page_html(p, " of them");
	page_fact_end(p);
	page_fact(p, "Read");
	page_time(p, c->now_s);
	page_html(p, ", by ");
	page_name(p, c->is.name);
	page_fact_end(p);
	page_fact(p, "Newest checkpoint");
	page_count(p, facts_u64(head, "size"));
	page_html(p, " records, root ");
	page_digest(p, console_str(head, "root"));
	page_fact_end(p);
	page_fact(p, "The log's key");
	page_html(p, "<code class=\"digest\">");
	page_text(p, vkey);
	page_html(p, "</code>");
	page_fact_end(p);
	page_facts_end(p);
}

static void sums(struct console *c, const struct report *r, struct page *p)
{
	page_section(p, "who", "Who");
	people_table(p, "Records by who caused them", "Who", LOOK_BY_ACTOR, console_rows(c, r->a_who));
	page_section_end(p);
	page_section(p, "models", "Models");
	people_table(p, "Records by the model that they name", "Model", LOOK_BY_MODEL,
		console_rows(c, r->a_model));
	page_section_end(p);
	page_section(p, "events", "Events");
	people_table(p, "Records by their event", "Event", LOOK_BY_EVENT, console_rows(c, r->a_event));
	page_section_end(p);
}

static void open_ends(struct console *c, const struct report *r, struct page *p)
{
	const json_t *all = console_rows(c, r->a_orphan);
	page_section(p, "orphans", "What never came to an end");
	if (json_array_size(all))
		records_table(p, "Orphans: intents that have no outcome", all, NULL);
	else
		page_html(p, "<p>Every act that was begun here came to an end, or is still under way.</p>\n");
	page_section_end(p);
}

void report_show(struct console *c, struct page *p)
{
	struct report *r = c->own;
	const struct question_one *range = console_answer(c, r->a_range),
				  *time = console_answer(c, r->a_time);
	if (range->status != END_DONE || time->status != END_DONE) {
		const struct question_one *a = range->status != END_DONE ? range : time;
		console_fail(c, a->status == END_REFUSED ? 400 : 503, "%s", a->text);
		return;
	}
	console_title(c, "Report of records %" PRIu64 " to %" PRIu64, r->from, r->to - 1);
	what(c, r, p);
	records_timeline(p, &r->f, console_rows(c, r->a_time));
	open_ends(c, r, p);
	sums(c, r, p);
	page_section(p, "signed", "Signed off");
	reviews_table(p, console_rows(c, r->a_review));
	page_section_end(p);
	page_html(p, "<p class=\"hint\">A printed page proves nothing by itself: <code>keep audit evidence ");
	page_fmt(p, "%" PRIu64 "..%" PRIu64, r->from, r->to);
	page_html(p, " DIR</code> makes the same records provable, and the root above says whether they are "
		     "these.</p>\n");
}
