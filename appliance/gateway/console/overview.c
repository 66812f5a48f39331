/* Overview: what needs attention first, then the state of gate, log, machine and models, as keepd says it now. */
#include "gateway/console/models.h"

#include <string.h>

#define DAY_S	      86400u
#define WITNESS_OLD_S (7 * DAY_S)  /* as keep status says it */
#define TLS_SOON_S    (30 * DAY_S) /* before its end, when keepd records that too */

enum { STATUS, MODELS };

void overview_ask(struct console *c)
{
	if (c->round)
		return;
	console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_MODELS, .count = 1 }, NULL);
}

/* ---- what needs attention --------------------------------------------------------------------------------------------------- */

static void item(struct page *p, u32 *n, enum page_mark mark, const char *what, const char *then)
{
	page_html(p, "<li>");
	page_state(p, mark, what);
	page_html(p, " <span class=\"then\">");
	page_text(p, then);
	page_html(p, "</span></li>\n");
	++*n;
}

static u32 models_of(const json_t *models, const char *status)
{
	u32 n = 0;
	size_t i;
	json_t *m;
	json_array_foreach(models, i, m) n += !strcmp(console_str(m, "status"), status);
	return n;
}

static void witness_items(struct page *p, u32 *n, const json_t *s)
{
	if (!console_u64(s, "witnesses"))
		item(p, n, PAGE_NOTE, "Nobody witnesses this log.",
			"Nobody else could tell that it was put back: keep audit witnesses.");
	else if (!json_object_get(s, "witnessed_age_s"))
		item(p, n, PAGE_NOTE, "No checkpoint is witnessed yet.",
			"keep audit checkpoint, keep audit cosign.");
	else if (console_u64(s, "witnessed_age_s") > WITNESS_OLD_S)
		item(p, n, PAGE_NOTE, "The newest witnessed checkpoint is older than a week.",
			"Carry a newer one to the witnesses.");
}

static void attention(struct page *p, const json_t *s, const json_t *models)
{
	const json_t *clock = json_object_get(s, "clock"), *tls = json_object_get(s, "tls");
	u32 n = 0;
	page_html(p, "<ul class=\"attention\">\n");
	if (strcmp(console_str(s, "gate"), "open"))
		item(p, &n, PAGE_BAD, "The gate is shut: no request is let through.", console_str(s, "why"));
	if (models_of(models, "quarantined"))
		item(p, &n, PAGE_BAD, "A model's stored bytes were found changed.",
			"It is in quarantine: see the models below.");
	if (console_u64(s, "disk_mark") >= 75)
		item(p, &n, console_u64(s, "disk_mark") >= 95 ? PAGE_BAD : PAGE_NOTE,
			"The medium of the log fills up.", "See the storage below.");
	if (console_u64(clock, "behind_s"))
		item(p, &n, PAGE_NOTE, "The wall clock is behind the floor clock.",
			"Verdicts are judged by the floor clock.");
	witness_items(p, &n, s);
	if (console_u64(s, "log_unread"))
		item(p, &n, PAGE_NOTE, "Some records were not verified again since the start.",
			"They are, while the gate serves.");
	if (console_u64(s, "pending"))
		item(p, &n, PAGE_NOTE, "A proposal waits for a second person.", "keep pending lists it.");
	if (tls && console_u64(tls, "left_s") < TLS_SOON_S)
		item(p, &n, PAGE_NOTE, "The gateway's certificate ends soon.", "keep tls csr.");
	if (console_true(s, "single_user"))
		item(p, &n, PAGE_NOTE, "This appliance has one user, who has all roles.",
			"Nothing here takes two people.");
	if (!n)
		item(p, &n, PAGE_GOOD, "Nothing needs attention.", "");
	page_html(p, "</ul>\n");
}

/* ---- the state -------------------------------------------------------------------------------------------------------------- */

static void log_facts(struct page *p, const json_t *s)
{
	page_facts(p);
	page_fact(p, "Gate");
	page_state(p, strcmp(console_str(s, "gate"), "open") ? PAGE_BAD : PAGE_GOOD, console_str(s, "gate"));
	page_fact_end(p);
	page_fact(p, "Records");
	page_count(p, console_u64(s, "log_size"));
	page_fact_end(p);
	page_fact(p, "Root");
	page_digest(p, console_str(s, "log_root"));
	page_fact_end(p);
	page_fact(p, "Verified again since the start");
	page_count(p, console_u64(s, "log_size") - console_u64(s, "log_unread"));
	page_html(p, " of them");
	page_fact_end(p);
	page_fact(p, "Witnessed");
	if (json_object_get(s, "witnessed_age_s")) {
		page_count(p, console_u64(s, "witnessed_size"));
		page_html(p, " records, ");
		page_age(p, console_u64(s, "witnessed_age_s"));
		page_html(p, " ago");
	} else {
		page_html(p, "none");
	}
	page_fact_end(p);
	page_facts_end(p);
}

static void machine_facts(struct page *p, const json_t *s)
{
	const json_t *clock = json_object_get(s, "clock");
	page_facts(p);
	page_fact(p, "Storage");
	page_size(p, console_u64(s, "disk_free"));
	page_html(p, " free of ");
	page_size(p, console_u64(s, "disk_total"));
	page_html(p, "; ");
	page_size(p, console_u64(s, "disk_kept"));
	page_html(p, " of these kept for the log, ");
	page_size(p, console_u64(s, "disk_reserve"));
	page_html(p, " in reserve");
	page_fact_end(p);
	page_fact(p, "Time");
	page_time(p, console_u64(clock, "judged_s"));
	page_html(p, ", by the ");
	page_text(p, console_str(clock, "by"));
	page_html(p, " clock");
	page_fact_end(p);
	page_fact(p, "Requests that run");
	page_count(p, console_u64(s, "requests_open"));
	page_fact_end(p);
	page_fact(p, "Policy");
	page_digest(p, console_str(s, "policy"));
	page_fact_end(p);
	page_fact(p, "Version");
	page_text(p, console_str(s, "version"));
	page_html(p, ", up for ");
	page_age(p, console_u64(s, "uptime_s"));
	page_fact_end(p);
	page_facts_end(p);
}

void overview_show(struct console *c, struct page *p)
{
	const json_t *s = console_row(c, STATUS), *models = console_rows(c, MODELS);
	if (!s) {
		console_fail(c, 503, "%s", console_answer(c, STATUS)->text);
		return;
	}
	page_section(p, "attention", "What needs attention");
	attention(p, s, models);
	page_section_end(p);
	page_section(p, "log", "The log");
	log_facts(p, s);
	page_section_end(p);
	page_section(p, "models", "Models");
	models_table(p, models);
	page_section_end(p);
	page_section(p, "machine", "The machine");
	machine_facts(p, s);
	page_section_end(p);
}
