/* The listing: what was chosen, when it happened, record by record; both ways through the log. */
#define _GNU_SOURCE
#include "gateway/console/records.h"
#include "base/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_UNSET 100u
#define ROWS_MOST  500u
#define DAY_S	   86400u
#define SECOND_NS  1000000000u

/* What is kept between the rounds. */
struct listing {
	struct filter f;
	struct proto_look q;
	u32 a_head, a_time, a_events, a_page, a_missing;
	bool page, missing;
	u64 from, to; /* records that the time chosen leaves */
	u64 before, after, rows;
	struct timeline time;
};

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static struct listing *begin(struct console *c)
{
	const char *why;
	struct listing *l = c->own = calloc(1, sizeof *l);
	if (!l) {
		console_fail(c, 503, "Out of memory");
		return NULL;
	}
	l->before = l->after = UINT64_MAX;
	l->rows = ROWS_UNSET;
	if (filter_read(&c->query, &l->f, &why) || filter_look(&l->f, &l->q, &why)) {
		console_fail(c, 400, "The filter's field \"%s\" cannot be understood", why);
		return NULL;
	}
	if (form_u64(&c->query, "before", UINT64_MAX - 1, &l->before) == 2 ||
		form_u64(&c->query, "after", UINT64_MAX - 1, &l->after) == 2) {
		console_fail(c, 400, "That is no number of a record");
		return NULL;
	}
	if (form_u64(&c->query, "rows", ROWS_MOST, &l->rows) == 2 || !l->rows) {
		console_fail(c, 400, "A page has 1 to %u rows", ROWS_MOST);
		return NULL;
	}
	return l;
}

/* The time that was chosen is a part of the log: what follows reads that part alone. */
static void ask_page(struct console *c, struct listing *l)
{
	struct proto_look q = l->q;
	timeline_read(console_rows(c, l->a_time), &l->time);
	l->from = l->time.n ? l->time.b[0].first : 0;
	l->to = timeline_end(&l->time);
	q.from = l->after != UINT64_MAX ? MAX(l->from, l->after) : l->from;
	q.to = MIN(l->to, l->before);
	q.flags |= l->after == UINT64_MAX ? LOOK_NEWEST : 0;
	q.count = l->rows;
	l->a_page = console_look(c, &q);
	l->page = true;
}

void records_ask(struct console *c)
{
	struct listing *l = c->round ? c->own : begin(c);
	if (!l)
		return;
	if (c->round == 0) {
		struct proto_look q = l->q;
		q.what = LOOK_BY_TIME;
		q.count = TIMELINE_BUCKETS;
		console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
		l->a_head = console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
		l->a_events = console_query(c, &(struct proto_query){ .what = QUERY_EVENTS }, NULL);
		l->a_time = console_look(c, &q);
	} else if (c->round == 1 && console_answer(c, l->a_time)->status == END_DONE) {
		ask_page(c, l);
	} else if (c->round == 2 && l->page) {
		l->missing = records_ask_missing(c, console_rows(c, l->a_page), &l->a_missing);
	}
}

/* ---- choosing -------------------------------------------------------------------------------------------------------------- */

static void kinds(struct page *p, const struct filter *f)
{
	static const char *const kind[][2] = { { "asks", "Questions and answers" }, { "acts", "Acts" },
		{ "all", "Everything" } };
	page_html(p, "<ul class=\"tabs\">");
	for (size_t i = 0; i < ARRAY_LEN(kind); i++) {
		struct filter g = *f;
		struct page_url u;
		bool now = !strcmp(f->kind, kind[i][0]) && !f->event[0];
		g.kind = kind[i][0];
		g.event[0] = 0;
		page_url(&u, "/console/records");
		filter_url(&g, &u);
		page_html(p, "<li><a");
		page_link(p, &u);
		if (now)
			page_html(p, " aria-current=\"true\"");
		page_html(p, ">");
		page_text(p, kind[i][1]);
		page_html(p, "</a></li>");
	}
	page_html(p, "</ul>\n");
}

/* The last days, by their names. */
static void days(struct page *p, const struct filter *f, u64 now_s)
{
	page_html(p, "<ul class=\"tabs days\" aria-label=\"Days\">");
	for (u64 i = 0; i < 8; i++) {
		struct filter g = *f;
		struct page_url u;
		struct tm tm;
		char text[32] = "Today";
		time_t day = (time_t)((now_s / DAY_S - i) * DAY_S);
		filter_time_text((u64)day, g.since);
		filter_time_text((u64)day, g.until);
		g.from = 0;
		g.to = UINT64_MAX;
		if (i && gmtime_r(&day, &tm))
			strftime(text, sizeof text, i == 7 ? "%A last week" : "%A %d %b", &tm);
		page_url(&u, "/console/records");
		filter_url(&g, &u);
		page_html(p, "<li><a");
		page_link(p, &u);
		if (!strcmp(f->since, g.since) && !strcmp(f->until, g.until))
			page_html(p, " aria-current=\"true\"");
		page_html(p, ">");
		page_text(p, text);
		page_html(p, "</a></li>");
	}
	page_html(p, "</ul>\n");
}

/* Filters that many ask for; and those that this browser keeps. */
static void ready(struct page *p)
{
	static const char *const rows[][2] = { { "/console/records?kind=all&event=orphan", "Never answered" },
		{ "/console/records?kind=all&result=rejected,refused,error,failed,undecided",
			"Not as asked" },
		{ "/console/records?kind=all&event=denied", "Refused to people" },
		{ "/console/"
		  "records?kind=all&event=role-add,role-remove,access-add,access-remove,console-link",
			"Who may do what" },
		{ "/console/records?kind=all&event=import-verdict,revoke,quarantine,model-remove,serve",
			"Models" },
		{ "/console/records?kind=all&event=start,stop,boot,gap,clock,fault,storage", "The machine" },
		{ "/console/records?kind=all&event=log-read,review", "Who read the log" } };
	page_html(p, "<ul class=\"tabs\" aria-label=\"Ready filters\">");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		page_html(p, "<li><a");
		page_attr(p, "href", rows[i][0]);
		page_html(p, ">");
		page_text(p, rows[i][1]);
		page_html(p, "</a></li>");
	}
	page_html(p,
		"</ul>\n<div id=\"saved\" hidden><p><label for=\"save-as\">Keep this filter in this browser, "
		"as</label><input id=\"save-as\" maxlength=\"80\"> <button type=\"button\">Keep</button></p>"
		"<ul class=\"tabs\" aria-label=\"Kept filters\"></ul></div>\n"
		"<script type=\"module\" src=\"/console/saved.js\"></script>\n");
}

static void form(struct page *p, const struct filter *f, const json_t *events)
{
	size_t i;
	const json_t *e;
	page_html(p, "<details class=\"filter\"");
	if (filter_narrows(f))
		page_html(p, " open");
	page_html(p, "><summary>Filter</summary>\n<form method=\"get\" action=\"/console/records\">"
		     "<input type=\"hidden\" name=\"kind\"");
	page_attr(p, "value", f->kind);
	page_html(p, ">\n<div class=\"fields\">\n");
	const struct page_field fields[] = { { "who", "Who", f->who, .hint = "1000, alice" },
		{ "model", "Model", f->model, .hint = "name, or digest" },
		{ "event", "Event", f->event, .hint = "request", .list = "events" },
		{ "result", "How it ended", f->result, .hint = "stop, refused" },
		{ "since", "Since (UTC)", f->since, .hint = "2026-01-31" },
		{ "until", "Until the end of (UTC)", f->until, .hint = "2026-01-31T12:00" },
		{ "text", "Words in the record", f->text } };
	for (i = 0; i < ARRAY_LEN(fields); i++)
		page_field(p, &fields[i]);
	page_html(p, "</div>\n<datalist id=\"events\">");
	json_array_foreach(events, i, e)
	{
		page_html(p, "<option");
		page_attr(p, "value", console_str(e, "event"));
		page_html(p, ">");
	}
	page_html(p, "</datalist>\n<p><button type=\"submit\">Show</button> "
		     "<a href=\"/console/records\">Everything again</a></p>\n"
		     "<p class=\"hint\">The address of this page is the filter: keep it as a bookmark, or "
		     "write it into a report. Several words of one field are alternatives, with commas "
		     "between them.</p>\n</form>\n");
	ready(p);
	page_html(p, "</details>\n");
}

/* ---- the pages before and after ------------------------------------------------------------------------------------------ */

static void turn(struct page *p, const struct listing *l, const char *name, u64 at, const char *words)
{
	struct page_url u;
	page_url(&u, "/console/records");
	filter_url(&l->f, &u);
	if (l->rows != ROWS_UNSET)
		page_url_param_u64(&u, "rows", l->rows);
	if (name && !strcmp(name, "before"))
		page_url_param_u64(&u, "before", at);
	else if (name)
		page_url_param_u64(&u, "after", at);
	page_html(p, "<li><a");
	page_link(p, &u);
	page_html(p, ">");
	page_text(p, words);
	page_html(p, "</a></li>");
}

static void pager(struct page *p, const struct listing *l, const json_t *all, u64 next, const char *where)
{
	size_t n = json_array_size(all);
	u64 first = facts_u64(json_array_get(all, 0), "index"),
	    last = facts_u64(json_array_get(all, n ? n - 1 : 0), "index");
	bool forward = l->after != UINT64_MAX;
	bool newer = forward ? next != UINT64_MAX : l->before != UINT64_MAX,
	     older = forward ? true : next != UINT64_MAX;
	if (!newer && !(older && first > l->from))
		return;
	page_html(p, "<nav");
	page_attr(p, "aria-label", where);
	page_html(p, "><ul class=\"tabs pager\">");
	if (newer)
		turn(p, l, NULL, 0, "\xc2\xab Newest");
	if (newer && n)
		turn(p, l, "after", last + 1, "\xe2\x80\xb9 Newer");
	if (older && n && first > l->from)
		turn(p, l, "before", first, "Older \xe2\x80\xba");
	if (older && n && first > l->from)
		turn(p, l, "after", l->from, "Oldest \xc2\xbb");
	page_html(p, "</ul></nav>\n");
}

/* ---- showing --------------------------------------------------------------------------------------------------------------- */

/* Where a browser that runs scripts proves the span by itself. */
static void completeness(struct page *p, struct console *c, const struct listing *l)
{
	u64 hits;
	if (l->from >= l->to)
		return;
	page_html(p, "<section class=\"prove\" id=\"complete\" aria-labelledby=\"complete-h\"");
	page_html(p, " data-from=\"");
	page_int(p, (i64)l->from);
	page_html(p, "\" data-to=\"");
	page_int(p, (i64)l->to);
	page_html(p, "\" data-since=\"");
	page_fmt(p, "%" PRIu64, l->f.since_ns);
	page_html(p, "\" data-until=\"");
	page_fmt(p, "%" PRIu64,
		MIN(l->f.until_ns, c->now_s * SECOND_NS)); /* what this page is read by is later */
	page_html(p, "\" data-hits=\"");
	if (timeline_hits(&l->time, &hits))
		page_fmt(p, "%" PRIu64, hits);
	page_html(p, "\"");
	page_attr(p, "data-vkey", console_str(console_row(c, l->a_head), "vkey"));
	page_attr(p, "data-who", l->f.who);
	page_attr(p, "data-model", l->f.model);
	page_attr(p, "data-event", l->f.event);
	page_attr(p, "data-result", l->f.result);
	page_attr(p, "data-text", l->f.text);
	page_attr(p, "data-kind", l->f.kind);
	page_html(p, "><h2 id=\"complete-h\">Is anything missing?</h2>\n<p>This time is records ");
	page_count(p, l->from);
	page_html(p, " to ");
	page_count(p, l->to - 1);
	page_html(p, " of the log: ");
	page_count(p, l->to - l->from);
	page_html(p,
		" of them. This browser can download them all, hash each, hold them against the signed "
		"checkpoint, and choose by itself which fit.</p>\n"
		"<p><button type=\"button\" hidden>Prove that nothing is missing</button></p>\n"
		"<div class=\"result\" role=\"status\"></div>\n"
		"<noscript><p>That takes a script; without one, <code>keep audit evidence</code> makes a "
		"bundle of the same records with its proof.</p></noscript></section>\n"
		"<script type=\"module\" src=\"/console/range.js\"></script>\n");
}

static void show_page(struct console *c, struct listing *l, struct page *p)
{
	const struct question_one *a = console_answer(c, l->a_page);
	const json_t *all = console_rows(c, l->a_page),
		     *extra = l->missing ? console_rows(c, l->a_missing) : NULL;
	page_html(p, "<p class=\"lead\">");
	filter_words(&l->f, p);
	page_html(p, ".</p>\n");
	records_timeline(p, &l->f, console_rows(c, l->a_time));
	if (a->status != END_DONE) {
		console_fail(c, a->status == END_REFUSED ? 400 : 503, "%s", a->text);
	} else if (!json_array_size(all)) {
		page_html(p, "<p class=\"none\">Nothing here fits.</p>\n");
	} else {
		pager(p, l, all, a->index, "Pages, above the records");
		records_table(p, "Records, the newest first", all, extra);
		pager(p, l, all, a->index, "Pages, below the records");
	}
	completeness(p, c, l);
}

void records_show(struct console *c, struct page *p)
{
	struct listing *l = c->own;
	const struct question_one *a = console_answer(c, l->a_time);
	if (a->status != END_DONE) {
		console_fail(c, a->status == END_REFUSED ? 400 : 503, "%s", a->text);
		return;
	}
	kinds(p, &l->f);
	days(p, &l->f, c->now_s);
	form(p, &l->f, console_rows(c, l->a_events));
	show_page(c, l, p);
}
