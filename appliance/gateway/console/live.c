/* What happens now: requests, what they cost, who has how much left, what is in memory; nothing of what is asked or answered. The page loads itself
 * again without a script. How fast it goes keepd says, as the runtime says it a few times a second. */
#include "gateway/console/live.h"
#include "base/facts.h"
#include "gateway/console/models.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVERY_S	  5u
#define SECOND_NS 1e9

enum { STATUS, USAGE, OPEN };

void live_ask(struct console *c)
{
	if (c->round)
		return;
	console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_USAGE }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_OPEN }, NULL);
}

/* ---- now -------------------------------------------------------------------------------------------------------------------- */

static void per_second(struct page *p, f64 tokens, f64 seconds)
{
	if (seconds > 0)
		page_fmt(p, "%.1f a second", tokens / seconds);
	else
		page_html(p, "nothing yet");
}

static f64 number(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static void requests(struct page *p, const json_t *j)
{
	page_count(p, console_u64(j, "requests_running"));
	page_html(p, " running, ");
	page_count(p, console_u64(j, "requests_waiting"));
	page_html(p, " waiting");
}

static void now(const json_t *s, struct page *p)
{
	const json_t *t = json_object_get(s, "totals");
	page_facts(p);
	page_fact(p, "Requests");
	requests(p, s);
	page_fact_end(p);
	page_fact(p, "Tokens, just now");
	page_html(p, "written ");
	per_second(p, number(s, "generated_tokens_s"), 1);
	page_html(p, ", read ");
	per_second(p, number(s, "prompt_tokens_s"), 1);
	page_fact_end(p);
	page_fact(p, "Tokens of one request, on average");
	page_html(p, "written ");
	per_second(p, number(t, "generated_tokens"), number(t, "generate_ns") / SECOND_NS);
	page_html(p, ", read ");
	per_second(p, number(t, "prompt_tokens"), number(t, "prompt_ns") / SECOND_NS);
	page_fact_end(p);
	page_fact(p, "Since the start");
	page_count(p, console_u64(t, "requests"));
	page_text(p, console_u64(t, "requests") == 1 ? " request, " : " requests, ");
	page_count(p, console_u64(t, "prompt_tokens"));
	page_html(p, " tokens read, ");
	page_count(p, console_u64(t, "generated_tokens"));
	page_html(p, " written, in ");
	page_age(p, console_u64(s, "uptime_s"));
	page_fact_end(p);
	page_facts_end(p);
}

/* What is under way of a model or a session: four cells. */
static void under_way(struct page *p, const json_t *j)
{
	static const char *const keys[] = { "generated_tokens_s", "prompt_tokens_s" };
	page_html(p, "<td class=\"number\">");
	page_count(p, console_u64(j, "requests_running"));
	page_html(p, "</td><td class=\"number\">");
	page_count(p, console_u64(j, "requests_waiting"));
	page_html(p, "</td>");
	for (u32 i = 0; i < ARRAY_LEN(keys); i++) {
		page_html(p, "<td class=\"number\">");
		page_fmt(p, "%.1f", number(j, keys[i]));
		page_html(p, "</td>");
	}
}

/* How many guesses at next tokens were right; of a model that only guesses, for which grant. */
static void guesses(struct page *p, const json_t *g)
{
	if (facts_u64(g, "drafts_for")) {
		page_html(p, "for ");
		page_record(p, facts_u64(g, "drafts_for"));
		return;
	}
	page_count(p, facts_u64(g, "accepted_tokens"));
	page_html(p, " of ");
	page_count(p, facts_u64(g, "drafted_tokens"));
}

static void models(struct page *p, const json_t *all)
{
	size_t i;
	const json_t *g;
	if (!json_array_size(all)) {
		page_html(p, "<p>No model is loaded.</p>\n");
		return;
	}
	page_table(p, "What each model does", "Model", "Device", "#Running", "#Waiting", "#Written a second",
		"#Read a second", "#Guesses right", "#Sessions");
	json_array_foreach(all, i, g)
	{
		struct page_url u;
		page_url(&u, "/console/models/");
		page_url_part(&u, console_str(g, "name"));
		page_html(p, "<tr><th scope=\"row\">");
		page_a(p, &u, console_str(g, "name"));
		page_html(p, "</th><td>");
		page_text(p, console_str(g, "device"));
		page_html(p, "</td>");
		under_way(p, g);
		page_html(p, "<td class=\"number\">");
		guesses(p, g);
		page_html(p, "</td><td class=\"number\">");
		page_count(p, facts_u64(g, "sessions"));
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
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
	page_table(p, "Sessions: one for each model that somebody uses", "Session", "Who", "Model",
		"#Running", "#Waiting", "#Written a second", "#Read a second");
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
		page_html(p, "</td>");
		under_way(p, s);
		page_html(p, "</tr>\n");
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
	page_table(p, "What was used, of what is allowed", "Who", "#At once", "#Requests this minute",
		"#Tokens this minute", "#Tokens today");
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

static void again(struct console *c)
{
	c->refresh_s = EVERY_S;
	page_url(&c->refresh_to, "/console/live");
}

void live_show(struct console *c, struct page *p)
{
	const json_t *s = console_row(c, STATUS);
	if (!s) {
		console_fail(c, 503, "%s", console_answer(c, STATUS)->text);
		return;
	}
	if (!form_has(&c->query, "still"))
		again(c);
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
	now(s, p);
	open_intents(p, console_rows(c, OPEN));
	page_section_end(p);
	page_section(p, "models", "Models");
	models(p, json_object_get(s, "grants"));
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
