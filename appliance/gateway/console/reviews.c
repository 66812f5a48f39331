/* What auditors have signed off, what they left open, and what is still to be reviewed; the newest checkpoint as codes that a witness scans. */
#include "gateway/console/reviews.h"
#include "audit/tlog/review.h"
#include "base/facts.h"
#include "gateway/console/codes.h"
#include "gateway/console/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS, HEAD, REVIEWS };

u32 reviews_look(struct console *c, u64 to)
{
	struct proto_look q = { .what = LOOK_RECORDS,
		.flags = LOOK_NEWEST,
		.to = to,
		.until_ns = UINT64_MAX,
		.count = REVIEWS_SHOWN,
		.n_events = 1,
		.events = { "review" } };
	return console_look(c, &q);
}

void reviews_ask(struct console *c)
{
	if (c->round)
		return;
	console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
	reviews_look(c, UINT64_MAX);
}

/* ---- one sign-off ----------------------------------------------------------------------------------------------------------- */

/* What stands in the record's note. 0; 1 it cannot be read. */
static int review_of(const json_t *record, struct tlog_review *ret)
{
	const json_t *note = json_object_get(record, "note");
	struct note n;
	return !json_is_string(note) ||
	       tlog_note_parse(json_string_value(note), json_string_length(note), &n) ||
	       tlog_review_read(n.text, n.text_len, ret);
}

static void questions(struct page *p, const struct tlog_review *r)
{
	if (!r->n_questions)
		return;
	page_html(p, "<ul>");
	for (u32 i = 0; i < r->n_questions; i++) {
		page_html(p, "<li>");
		page_textn(p, r->question[i].s, r->question[i].len);
		page_html(p, "</li>");
	}
	page_html(p, "</ul>");
}

static void row(struct page *p, const json_t *j)
{
	struct tlog_review r;
	page_html(p, "<tr><th scope=\"row\" class=\"number\">");
	page_record(p, facts_u64(j, "index"));
	page_html(p, "</th><td>");
	page_time(p, console_time(j));
	page_html(p, "</td><td>");
	records_put_who(p, j);
	page_html(p, "</td><td class=\"number\">");
	page_count(p, facts_u64(j, "from"));
	page_html(p, " to ");
	page_count(p, facts_u64(j, "to") ? facts_u64(j, "to") - 1 : 0);
	page_html(p, "</td><td>");
	if (review_of(j, &r)) {
		page_state(p, PAGE_BAD, "cannot be read");
		page_html(p, "</td><td></td><td>");
	} else {
		page_textn(p, r.remark.s, r.remark.len);
		page_html(p, "</td><td>");
		page_state(p, r.n_questions ? PAGE_NOTE : PAGE_GOOD, r.n_questions ? "open" : "none open");
		questions(p, &r);
		page_html(p, "</td><td><code>");
		page_text(p, r.key.name);
		page_html(p, "</code>");
	}
	page_html(p, "</td></tr>\n");
}

void reviews_table(struct page *p, const json_t *records)
{
	if (!json_array_size(records)) {
		page_html(p, "<p>Nobody has signed anything off.</p>\n");
		return;
	}
	page_table(p, "Sign-offs, the newest first", "Record", "Time", "By", "#Records", "Remark",
		"Questions", "Key");
	for (size_t i = json_array_size(records); i-- > 0;)
		row(p, json_array_get(records, i));
	page_table_end(p);
}

/* ---- what is not reviewed yet ----------------------------------------------------------------------------------------------- */

struct span {
	u64 from, to;
};

static int by_from(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	return x->from < y->from ? -1 : x->from > y->from;
}

/* The first record that no sign-off covers, where each goes on from where another ended. */
static u64 covered(const json_t *records)
{
	struct span v[REVIEWS_SHOWN];
	u32 n = 0;
	u64 end = 0;
	size_t i;
	const json_t *j;
	json_array_foreach(records, i, j)
	{
		if (n < REVIEWS_SHOWN)
			v[n++] = (struct span){ facts_u64(j, "from"), facts_u64(j, "to") };
	}
	qsort(v, n, sizeof v[0], by_from);
	for (u32 k = 0; k < n && v[k].from <= end; k++)
		end = MAX(end, v[k].to);
	return end;
}

static void u64_field(struct page *p, const char *name, const char *words, u64 value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, value);
	page_field(p, &(struct page_field){ name, words, text });
}

static void begin_form(struct page *p, u64 from, u64 to)
{
	page_section(p, "begin", "Sign off a part of the log");
	page_html(p, "<p class=\"hint\">You see a text that says which log, which records and what you "
		     "remark. You sign it with a key that "
		     "only you have, on a machine of your own, and bring it back here.</p>\n"
		     "<form method=\"get\" action=\"/console/reviews/sign\"><div class=\"fields\">\n");
	u64_field(p, "from", "From record", from);
	u64_field(p, "to", "Up to, and without, record", to);
	page_field(p, &(struct page_field){ "vkey", "Your public key (vkey)", "" });
	page_field(p, &(struct page_field){ "remark", "Remark, one line", "" });
	page_html(p, "</div>\n<p><label for=\"questions\">Open questions, one line each</label><textarea "
		     "id=\"questions\" "
		     "name=\"questions\" rows=\"3\"></textarea></p>\n<p><button type=\"submit\">Show what is "
		     "to be "
		     "signed</button></p></form>\n");
	page_section_end(p);
	page_section(p, "return", "Bring back what you signed");
	page_html(p, "<form method=\"post\" action=\"/console/reviews\" "
		     "enctype=\"multipart/form-data\">\n<p><label "
		     "for=\"note-file\">The file that <code>keep audit sign-off --sign</code> wrote</label>"
		     "<input id=\"note-file\" name=\"file\" type=\"file\"></p>\n<p><label for=\"note\">or "
		     "its text, as it was scanned or "
		     "copied</label><textarea id=\"note\" name=\"note\" rows=\"8\" "
		     "spellcheck=\"false\"></textarea></p>\n"
		     "<p><button type=\"submit\">Hand it in</button></p></form>\n"
		     "<script type=\"module\" src=\"/console/file.js\"></script>\n");
	page_section_end(p);
}

static void excerpt(struct page *p, u64 from, u64 to)
{
	struct page_url u;
	page_section(p, "take", "Take it with you");
	page_url(&u, "/console/reviews/report");
	page_url_param_u64(&u, "from", from);
	page_url_param_u64(&u, "to", to);
	page_html(p, "<p>");
	page_a(p, &u, "A report of these records, for paper");
	page_html(p, "</p>\n<p>");
	page_url(&u, "/console/reviews/evidence");
	page_url_param_u64(&u, "from", from);
	page_url_param_u64(&u, "to", to);
	page_a(p, &u, "Evidence of these records, to download");
	page_html(p,
		": they prove themselves where there is no appliance. At the appliance, of any number of "
		"records: <code>keep audit evidence ");
	page_fmt(p, "%" PRIu64 "..%" PRIu64 " DIR", from, to);
	page_html(p, "</code></p>\n");
	page_section_end(p);
}

/* ---- witnesses -------------------------------------------------------------------------------------------------------------- */

static void witnesses(struct page *p, const json_t *status, const json_t *head)
{
	const json_t *note = json_object_get(head, "note");
	page_section(p, "witness", "For witnesses");
	page_html(p, "<p>");
	page_count(p, facts_u64(status, "witnesses"));
	page_html(p, " of them are named; they have seen ");
	page_count(p, facts_u64(status, "witnessed_size"));
	page_html(p, " records. Whoever scans this checkpoint and keeps it can tell later whether the log "
		     "was put back or "
		     "written anew.</p>\n");
	if (json_is_string(note))
		codes_write(json_string_value(note), json_string_length(note), "The newest checkpoint", p);
	page_section_end(p);
}

void reviews_show(struct console *c, struct page *p)
{
	const json_t *status = console_row(c, STATUS), *head = console_row(c, HEAD),
		     *all = console_rows(c, REVIEWS);
	u64 size = facts_u64(head, "size"), from = covered(all);
	if (!status || !head) {
		console_fail(c, 503, "%s", console_answer(c, HEAD)->text);
		return;
	}
	page_html(p, "<p class=\"lead\">");
	if (from < size) {
		page_state(p, PAGE_NOTE, "not reviewed yet");
		page_html(p, " ");
		page_count(p, size - from);
		page_html(p, " records, from ");
		page_record(p, from);
		page_html(p, " on.");
	} else {
		page_state(p, PAGE_GOOD, "everything is signed off");
	}
	page_html(p, "</p>\n");
	page_section(p, "signed", "Signed off");
	reviews_table(p, all);
	page_section_end(p);
	if (from < size)
		excerpt(p, from, size);
	begin_form(p, MIN(from, size), size);
	witnesses(p, status, head);
}
