/* Overview: what needs attention first, then the four promises and their state. */
#include "gateway/console/console.h"

void overview_ask(struct console *c)
{
	if (c->round == 0)
		console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
}

void overview_show(struct console *c, struct page *p)
{
	const json_t *s = console_row(c, 0);
	if (!s) {
		console_fail(c, 503, "%s", console_answer(c, 0)->text);
		return;
	}
	page_section(p, "log", "The log");
	page_facts(p);
	page_fact(p, "Records");
	page_count(p, console_u64(s, "log_size"));
	page_fact_end(p);
	page_fact(p, "Root");
	page_digest(p, console_str(s, "log_root"));
	page_fact_end(p);
	page_facts_end(p);
	page_section_end(p);
}
