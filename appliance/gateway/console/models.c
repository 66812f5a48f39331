/* Every model that this appliance has, or had. */
#include "gateway/console/models.h"
#include "base/facts.h"

#include <string.h>

void models_ask(struct console *c)
{
	if (c->round)
		return;
	console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_MODELS, .count = 1 }, NULL);
}

enum page_mark models_mark(const char *status)
{
	return !strcmp(status, "accepted")	? PAGE_GOOD
	       : !strcmp(status, "quarantined") ? PAGE_BAD
						: PAGE_NOTE;
}

void models_put_status(struct page *p, const char *status)
{
	page_state(p, models_mark(status), status);
}

static void row(struct page *p, const json_t *m)
{
	struct page_url u;
	page_url(&u, "/console/models/");
	page_url_part(&u, console_str(m, "name"));
	page_html(p, "<tr><th scope=\"row\">");
	page_a(p, &u, console_str(m, "name"));
	page_html(p, "</th><td>");
	models_put_status(p, console_str(m, "status"));
	page_html(p, "</td><td>");
	page_text(p, console_str(m, "signer"));
	page_html(p, "</td><td class=\"number\">");
	page_size(p, facts_u64(m, "bytes"));
	page_html(p, "</td><td class=\"number\">");
	page_count(p, facts_u64(m, "grants"));
	page_html(p, "</td><td>");
	page_time(p, facts_u64(m, "used_s"));
	page_html(p, "</td><td class=\"number\">");
	page_record(p, facts_u64(m, "index"));
	page_html(p, "</td><td>");
	page_short(p, console_str(m, "model"));
	page_html(p, "</td></tr>\n");
}

void models_table(struct page *p, const json_t *models)
{
	size_t i;
	const json_t *m;
	if (!json_array_size(models)) {
		page_html(p, "<p>There is none.</p>\n");
		return;
	}
	page_table(p, "Models of this appliance", "Name", "State", "Signed by", "#Size", "#Loaded",
		"Last used", "#Verified in record", "Digest");
	json_array_foreach(models, i, m) row(p, m);
	page_table_end(p);
}

void models_show(struct console *c, struct page *p)
{
	if (console_answer(c, 1)->status != END_DONE) {
		console_fail(c, 503, "%s", console_answer(c, 1)->text);
		return;
	}
	page_html(p, "<p class=\"lead\">A model is here because somebody trusted has signed it, the policy "
		     "allowed it, and "
		     "a record says so. Each name leads to who, which rules, and where it runs.</p>\n");
	models_table(p, console_rows(c, 1));
}

/* ---- in memory -------------------------------------------------------------------------------------------------------------- */

static void grant(struct page *p, const json_t *g)
{
	page_html(p, "<tr><th scope=\"row\">");
	page_record(p, facts_u64(g, "grant"));
	page_html(p, "</th><td>");
	page_text(p, console_str(g, "name"));
	page_html(p, "</td><td>");
	page_text(p, console_str(g, "state"));
	if (facts_u64(g, "drafts_for")) {
		page_html(p, ", guesses for ");
		page_record(p, facts_u64(g, "drafts_for"));
	}
	page_html(p, "</td><td>");
	page_fmt(p, "%s, %s", console_str(g, "device"), console_str(g, "driver"));
	page_html(p, "</td><td>");
	page_short(p, console_str(g, "kernel_set"));
	page_html(p, "</td><td class=\"number\">");
	page_count(p, facts_u64(g, "ctx_tokens"));
	page_fmt(p, " tokens, %s", console_str(g, "kv_mode"));
	page_html(p, "</td><td class=\"number\">");
	page_size(p, facts_u64(g, "weight_bytes") + facts_u64(g, "kv_bytes") + facts_u64(g, "work_bytes"));
	page_html(p, "</td><td class=\"number\">");
	page_count(p, facts_u64(g, "sessions"));
	page_html(p, "</td></tr>\n");
}

void models_grants(struct page *p, const json_t *status, const char *model)
{
	const json_t *all = json_object_get(status, "grants"), *g;
	size_t i, n = 0;
	json_array_foreach(all, i, g) n += !model || !strcmp(console_str(g, "model"), model);
	if (!n) {
		page_html(p, "<p>Nothing is loaded.</p>\n");
		return;
	}
	page_table(p, "Grants: each let a model into memory once", "Grant", "Model", "State", "Device",
		"Kernels", "#Context", "#Memory", "#Sessions");
	json_array_foreach(all, i, g)
	{
		if (!model || !strcmp(console_str(g, "model"), model))
			grant(p, g);
	}
	page_table_end(p);
}
