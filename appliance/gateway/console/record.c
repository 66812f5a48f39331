/* A record's page: what it says in words and as it stands, what it answers or what answered it, and its proof: judged here, and beside that by
 * the browser. */
#define _GNU_SOURCE
#include "gateway/console/record.h"
#include "base/facts.h"
#include "gateway/console/proof.h"
#include "gateway/console/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_WITHIN 100000u /* records behind a question that are looked through for its answer */
#define DEPTH_MAX     6u      /* objects in objects; keepd writes fewer */

struct shown {
	u64 index;
	u32 a_line, a_receipt, a_head, a_events, a_other;
	bool other; /* the question, or the answer, was asked for */
	const json_t *line;
};

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static void ask_other(struct console *c, struct shown *s, const json_t *j)
{
	struct proto_look q = { .what = LOOK_RECORDS,
		.from = s->index + 1,
		.to = s->index + ANSWER_WITHIN,
		.until_ns = UINT64_MAX,
		.count = 1 };
	if (json_object_get(j, "intent")) {
		s->a_other = console_query(c,
			&(struct proto_query){ .what = QUERY_RECORD, .first = facts_u64(j, "intent") }, NULL);
		s->other = true;
	} else if (records_opens(console_str(j, "event"))) {
		snprintf(q.text, sizeof q.text, ",\"intent\":%" PRIu64 ",", s->index);
		s->a_other = console_look(c, &q);
		s->other = true;
	}
}

void record_ask(struct console *c)
{
	struct shown *s = c->own;
	u64 index = 0;
	if (c->round == 0) {
		char *end = c->arg;
		s = c->own = calloc(1, sizeof *s);
		for (; *end >= '0' && *end <= '9' && end - c->arg < 19; end++)
			index = 10 * index + (u64)(*end - '0');
		if (!s || *end || end == c->arg) {
			console_fail(c, 404, "That is no number of a record");
			return;
		}
		s->index = index;
		s->a_line =
			console_query(c, &(struct proto_query){ .what = QUERY_RECORD, .first = index }, NULL);
		s->a_receipt = console_query(
			c, &(struct proto_query){ .what = QUERY_RECEIPT, .first = index, .count = 1 }, NULL);
		s->a_head = console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
		s->a_events = console_query(c, &(struct proto_query){ .what = QUERY_EVENTS }, NULL);
		console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	} else if (c->round == 1) {
		if (console_row(c, s->a_line))
			ask_other(c, s, console_row(c, s->a_line));
	}
}

/* ---- what it says ---------------------------------------------------------------------------------------------------------- */

static void value(struct page *p, const char *key, const json_t *v)
{
	struct cell c = { "" };
	const char *s = json_string_value(v);
	size_t n = s ? strlen(s) : 0;
	facts_put(&c, v);
	if (s && n >= 32 && n == strspn(s, "0123456789abcdef"))
		page_digest(p, s);
	else if (s && strchr(s, '\n')) {
		page_html(p, "<pre>");
		page_lines(p, s, n);
		page_html(p, "</pre>");
	} else if (s)
		page_name(p, s);
	else if (!strcmp(key, "intent") || !strcmp(key, "replay_of"))
		page_record(p, (u64)json_integer_value(v));
	else if (json_is_integer(v) && strlen(key) > 5 && !strcmp(key + strlen(key) - 2, "_s") &&
		 json_integer_value(v) > 1000000000)
		page_time(p, (u64)json_integer_value(v));
	else
		page_text(p, c.s[0] ? c.s : "none");
}

static void members(struct page *p, const json_t *o, u32 depth)
{
	static const char *const shown[] = { "v", "index", "event", "time_ns" };
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	{
		bool skip = false;
		for (size_t i = 0; i < ARRAY_LEN(shown) && depth == 0; i++)
			skip |= !strcmp(key, shown[i]);
		if (skip)
			continue;
		page_html(p, "<div><dt>");
		page_text(p, key);
		page_html(p, "</dt><dd>");
		if (json_is_object(v) && depth < DEPTH_MAX) {
			page_facts(p);
			members(p, v, depth + 1);
			page_facts_end(p);
		} else if (json_is_array(v)) {
			size_t i;
			const json_t *e;
			json_array_foreach(v, i, e)
			{
				page_text(p, i ? ", " : "");
				value(p, key, e);
			}
		} else {
			value(p, key, v);
		}
		page_html(p, "</dd></div>\n");
	}
}

static const char *meaning(struct console *c, const struct shown *s, const char *event)
{
	size_t i;
	const json_t *e;
	json_array_foreach(console_rows(c, s->a_events), i, e)
	{
		if (!strcmp(console_str(e, "event"), event))
			return console_str(e, "what");
	}
	return "";
}

static void said(struct console *c, const struct shown *s, struct page *p)
{
	const json_t *j = s->line;
	page_html(p, "<p class=\"lead\">");
	page_text(p, meaning(c, s, console_str(j, "event")));
	page_html(p, ": ");
	page_time(p, console_time(j));
	page_html(p, ", by ");
	records_put_who(p, j);
	page_html(p, ".</p>\n");
}

static void side(struct page *p, const char *title, const json_t *j, const char *none)
{
	page_html(p, "<div><h3>");
	page_text(p, title);
	page_html(p, "</h3>\n");
	if (!j) {
		page_html(p, "<p>");
		page_text(p, none);
		page_html(p, "</p></div>\n");
		return;
	}
	page_html(p, "<p>Record ");
	page_record(p, facts_u64(j, "index"));
	page_html(p, ", ");
	page_time(p, console_time(j));
	page_html(p, "</p>\n<p>");
	if (json_object_get(j, "intent"))
		records_put_end(p, NULL, j);
	else
		records_put_what(p, j);
	page_html(p, "</p>\n");
	page_facts(p);
	members(p, j, 0);
	page_facts_end(p);
	page_html(p, "</div>\n");
}

/* Intent and outcome, whichever of them this is. */
static void pair(struct console *c, const struct shown *s, struct page *p)
{
	bool answer = json_object_get(s->line, "intent") != NULL;
	const json_t *other = s->other ? console_row(c, s->a_other) : NULL;
	page_section(p, "says", "What it says");
	if (s->other)
		page_html(p, "<div class=\"pair\">\n");
	else
		page_html(p, "<div>\n");
	if (!s->other)
		side(p, "This record", s->line, "");
	else if (answer)
		side(p, "What was to be done", other, "The question could not be read.");
	else
		side(p, "This record: what was to be done", s->line, "");
	if (answer)
		side(p, "This record: what came of it", s->line, "");
	else if (s->other)
		side(p, "What came of it", other,
			"No answer stands in the next 100,000 records: it is still open, or was lost "
			"(orphans are "
			"recorded when keepd starts).");
	page_html(p, "</div>\n");
	page_section_end(p);
}

/* ---- the proof ------------------------------------------------------------------------------------------------------------- */

static void browser(struct page *p, const struct shown *s, const struct proof_view *v, const char *vkey)
{
	char hex[2 * SHA256_BYTES + 1];
	page_html(p, "<section class=\"prove\" id=\"verify\" aria-labelledby=\"verify-h\" data-index=\"");
	page_fmt(p, "%" PRIu64, s->index);
	page_html(p, "\"");
	page_attr(p, "data-vkey", vkey);
	for (u32 i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", v->leaf.b[i]);
	page_attr(p, "data-leaf", hex);
	for (u32 i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", v->cp.root.b[i]);
	page_attr(p, "data-root", hex);
	page_html(p, " data-size=\"");
	page_fmt(p, "%" PRIu64, v->cp.size);
	page_html(p,
		"\"><h3 id=\"verify-h\">The same, by this browser</h3>\n"
		"<p>It downloads the signed checkpoint, the record and the rows of hashes, and computes "
		"everything "
		"anew; nothing of what the server found is used.</p>\n"
		"<p><button type=\"button\" hidden>Verify in this browser</button></p>\n"
		"<div class=\"result\" role=\"status\"></div>\n"
		"<noscript><p>That takes a script. Without one, take <code>keep audit receipt</code> and "
		"<code>keep-audit-verify</code>, on a machine of your own.</p></noscript></section>\n"
		"<script type=\"module\" src=\"/console/record.js\"></script>\n");
}

static void proven(struct page *p, const struct shown *s, const struct proof_view *v, const char *vkey)
{
	page_html(p, "<p>");
	page_state(p, PAGE_GOOD, "verified on the server");
	page_html(p, " The record's hash leads over ");
	page_count(p, v->n);
	page_html(p, " others to the root of a checkpoint of ");
	page_count(p, v->cp.size);
	page_html(p, " records, which this log's key has signed.</p>\n");
	browser(p, s, v, vkey);
	proof_view_write(v, p);
	page_html(p, "<details><summary>The checkpoint, as it is signed</summary><pre>");
	page_lines(p, v->note, strlen(v->note));
	page_html(p, "</pre><p>The log's key: <code>");
	page_text(p, vkey);
	page_html(p, "</code></p></details>\n");
}

static void proof(struct console *c, const struct shown *s, struct page *p)
{
	const struct question_one *a = console_answer(c, s->a_receipt);
	const json_t *j = console_row(c, s->a_receipt), *text = json_object_get(j, "text");
	const struct question_one *l = console_answer(c, s->a_line);
	const char *vkey = console_str(console_row(c, s->a_head), "vkey"), *why = a->text;
	struct proof_view *v = malloc(sizeof *v);
	struct proof_read r = { .text = json_string_value(text),
		.text_len = json_string_length(text),
		.entry = (const char *)l->data.data,
		.entry_len = l->data.len - 1, /* its line feed */
		.vkey = vkey,
		.index = s->index };
	page_section(p, "proof", "Proof");
	if (v && a->status == END_DONE && r.text && !proof_view_read(&r, v, &why)) {
		proven(p, s, v, vkey);
	} else {
		page_html(p, "<p>");
		page_state(p, PAGE_BAD, "not verified");
		page_html(p, " ");
		page_text(p, why);
		page_html(p, "</p>\n");
	}
	page_section_end(p);
	free(v);
}

static void raw(struct console *c, const struct shown *s, struct page *p)
{
	const struct question_one *l = console_answer(c, s->a_line);
	page_section(p, "line", "As it stands in the log");
	page_html(p, "<pre class=\"line\" id=\"entry\">");
	page_textn(p, l->data.data, l->data.len - 1);
	page_html(p, "</pre>\n");
	page_section_end(p);
}

void record_show(struct console *c, struct page *p)
{
	struct shown *s = c->own;
	const struct question_one *l = console_answer(c, s->a_line);
	if (l->status != END_DONE || !l->data.len) {
		console_fail(c, l->status == END_REFUSED ? 404 : 503, "%s", l->text);
		return;
	}
	s->line = console_row(c, s->a_line);
	if (!s->line) {
		console_fail(c, 503, "Record %" PRIu64 " cannot be read", s->index);
		return;
	}
	console_title(c, "Record %" PRIu64 ": %s", s->index, console_str(s->line, "event"));
	said(c, s, p);
	pair(c, s, p);
	proof(c, s, p);
	raw(c, s, p);
}
