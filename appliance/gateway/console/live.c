/* What happens now: requests, what they cost, who has how much left, what is in memory; nothing of what is asked or answered. The page loads itself
 * again without a script; what it saw before stands in the address that it loads, so a rate needs no memory here. */
#include "gateway/console/live.h"
#include "base/facts.h"
#include "gateway/console/models.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVERY_S	  5u
#define SECOND_NS 1000000000u
#define RATE_S	  60u /* a sample that is older says nothing of now */

enum { STATUS, USAGE, OPEN };

void live_ask(struct console *c)
{
	if (c->round)
		return;
	console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_USAGE }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_OPEN }, NULL);
}

/* ---- rates ------------------------------------------------------------------------------------------------------------------ */

/* What was seen before: when, and the totals then. */
struct sample {
	u64 up_s, read, written, requests;
};

static struct sample sample_of(const json_t *s)
{
	const json_t *t = json_object_get(s, "totals");
	return (struct sample){ console_u64(s, "uptime_s"), console_u64(t, "prompt_tokens"),
		console_u64(t, "generated_tokens"), console_u64(t, "requests") };
}

/* False: there is none that goes before `now`. */
static bool sample_before(const struct console *c, const struct sample *now, struct sample *ret)
{
	struct sample b;
	if (form_u64(&c->query, "up", UINT64_MAX, &b.up_s) ||
		form_u64(&c->query, "read", UINT64_MAX, &b.read) ||
		form_u64(&c->query, "written", UINT64_MAX, &b.written) ||
		form_u64(&c->query, "requests", UINT64_MAX, &b.requests))
		return false;
	*ret = b;
	return b.up_s < now->up_s && now->up_s - b.up_s <= RATE_S && b.read <= now->read &&
	       b.written <= now->written && b.requests <= now->requests;
}

static void again(struct console *c, const struct sample *now)
{
	c->refresh_s = EVERY_S;
	page_url(&c->refresh_to, "/console/live");
	page_url_param_u64(&c->refresh_to, "up", now->up_s);
	page_url_param_u64(&c->refresh_to, "read", now->read);
	page_url_param_u64(&c->refresh_to, "written", now->written);
	page_url_param_u64(&c->refresh_to, "requests", now->requests);
}

static void per_second(struct page *p, u64 n, u64 ns)
{
	if (ns)
		page_fmt(p, "%.1f a second", (f64)n / ((f64)ns / SECOND_NS));
	else
		page_html(p, "nothing yet");
}

static void rates(const struct console *c, const json_t *s, const struct sample *now, struct page *p)
{
	const json_t *t = json_object_get(s, "totals");
	struct sample b;
	page_facts(p);
	page_fact(p, "Requests that run or wait");
	page_count(p, console_u64(s, "requests_open"));
	page_fact_end(p);
	page_fact(p, "Tokens, just now");
	if (sample_before(c, now, &b)) {
		page_html(p, "written ");
		per_second(p, now->written - b.written, (now->up_s - b.up_s) * SECOND_NS);
		page_html(p, ", read ");
		per_second(p, now->read - b.read, (now->up_s - b.up_s) * SECOND_NS);
	} else {
		page_fmt(p, "known in %u seconds", EVERY_S);
	}
	page_fact_end(p);
	page_fact(p, "Tokens, while a request runs");
	page_html(p, "written ");
	per_second(p, console_u64(t, "generated_tokens"), console_u64(t, "generate_ns"));
	page_html(p, ", read ");
	per_second(p, console_u64(t, "prompt_tokens"), console_u64(t, "prompt_ns"));
	page_fact_end(p);
	page_fact(p, "Since the start");
	page_count(p, now->requests);
	if (now->requests == 1)
		page_html(p, " request, ");
	else
		page_html(p, " requests, ");
	page_count(p, now->read);
	page_html(p, " tokens read, ");
	page_count(p, now->written);
	page_html(p, " written, in ");
	page_age(p, now->up_s);
	page_fact_end(p);
	page_facts_end(p);
}

/* ---- who -------------------------------------------------------------------------------------------------------------------- */

static void sessions(struct page *p, const json_t *all)
{
	size_t i;
	const json_t *s;
	if (!json_array_size(all)) {
		page_html(p, "<p>Nobody is connected.</p>\n");
		return;
	}
	page_table(
		p, "Sessions: one for each model that somebody uses", "Session", "Who", "Model", "Requests");
	json_array_foreach(all, i, s)
	{
		struct page_url u;
		const char *who = console_str(s, "principal");
		page_html(p, "<tr><th scope=\"row\">");
		page_record(p, facts_u64(s, "session"));
		page_html(p, "</th><td>");
		page_url(&u, "/console/people/");
		page_url_part(&u, who + (strncmp(who, "uid:", 4) ? 0 : 4));
		page_a(p, &u, who);
		page_html(p, "</td><td>");
		page_text(p, console_str(s, "name"));
		page_html(p, "</td><td class=\"number\">");
		page_count(p, facts_u64(s, "requests_open"));
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
}

static void of_limit(struct page *p, const json_t *u, const char *used, const char *limit)
{
	page_html(p, "<td class=\"number\">");
	page_count(p, facts_u64(u, used));
	if (json_object_get(u, limit)) {
		page_html(p, " of ");
		page_count(p, facts_u64(u, limit));
	}
	page_html(p, "</td>");
}

static void quotas(struct page *p, const json_t *all)
{
	size_t i;
	const json_t *u;
	if (!json_array_size(all)) {
		page_html(p, "<p>Nobody has used anything today.</p>\n");
		return;
	}
	page_table(p, "What was used, of what is allowed", "Who", "At once", "Requests this minute",
		"Tokens this minute", "Tokens today");
	json_array_foreach(all, i, u)
	{
		page_html(p, "<tr><th scope=\"row\">");
		page_text(p, console_str(u, "principal"));
		page_html(p, "</th>");
		of_limit(p, u, "running", "parallel");
		of_limit(p, u, "minute_requests", "requests_per_minute");
		of_limit(p, u, "minute_tokens", "tokens_per_minute");
		of_limit(p, u, "day_tokens", "tokens_per_day");
		page_html(p, "</tr>\n");
	}
	page_table_end(p);
}

static void open_intents(struct page *p, const json_t *all)
{
	size_t i;
	const json_t *o;
	page_html(p, "<p>");
	page_count(p, json_array_size(all));
	page_html(p, " acts have begun and not ended yet");
	json_array_foreach(all, i, o)
	{
		if (i == 20)
			break;
		page_text(p, i ? ", " : ": ");
		page_text(p, console_str(o, "event"));
		page_html(p, " ");
		page_record(p, facts_u64(o, "intent"));
	}
	page_html(p, ".</p>\n");
}

void live_show(struct console *c, struct page *p)
{
	const json_t *s = console_row(c, STATUS);
	if (!s) {
		console_fail(c, 503, "%s", console_answer(c, STATUS)->text);
		return;
	}
	struct sample now = sample_of(s);
	if (!form_has(&c->query, "still"))
		again(c, &now);
	page_html(p, "<p class=\"hint\">");
	page_time(p, c->now_s);
	if (c->refresh_s)
		page_fmt(p, ". This page loads itself again every %u seconds; ", EVERY_S);
	else
		page_html(p, ". This page stands still; ");
	if (c->refresh_s)
		page_html(p, "<a href=\"/console/live?still=1\">let it stand still</a>");
	else
		page_html(p, "<a href=\"/console/live\">let it go on</a>");
	page_html(p, ".</p>\n");
	page_section(p, "now", "Now");
	rates(c, s, &now, p);
	open_intents(p, console_rows(c, OPEN));
	page_section_end(p);
	page_section(p, "grants", "In memory");
	models_grants(p, s, NULL);
	page_section_end(p);
	page_section(p, "sessions", "Who is connected");
	sessions(p, json_object_get(s, "sessions"));
	page_section_end(p);
	page_section(p, "quotas", "Quotas");
	quotas(p, console_rows(c, USAGE));
	page_section_end(p);
}
