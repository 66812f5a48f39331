#include "gateway/console/timeline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define WIDTH  960
#define HEIGHT 150
#define BASE   120 /* where bars stand */
#define TOP    14
#define SECOND 1000000000u
#define LABELS 6u

void timeline_read(const json_t *rows, struct timeline *ret)
{
	size_t i;
	const json_t *row;
	*ret = (struct timeline){ .counted = true };
	json_array_foreach(rows, i, row)
	{
		json_int_t v[5];
		static const char *const keys[] = { "from_ns", "until_ns", "first", "records", "hits" };
		for (u32 k = 0; k < ARRAY_LEN(keys); k++)
			v[k] = json_integer_value(json_object_get(row, keys[k]));
		if (ret->n == TIMELINE_BUCKETS || v[0] < 0 || v[1] < v[0] || v[2] < 0 || v[3] < 0 || v[4] < 0)
			continue;
		ret->counted &= json_object_get(row, "hits") != NULL;
		ret->b[ret->n++] =
			(struct timeline_bucket){ (u64)v[0], (u64)v[1], (u64)v[2], (u64)v[3], (u64)v[4] };
	}
}

u64 timeline_end(const struct timeline *t)
{
	return t->n ? t->b[t->n - 1].first + t->b[t->n - 1].records : 0;
}

bool timeline_hits(const struct timeline *t, u64 *ret)
{
	u64 n = 0;
	for (u32 i = 0; i < t->n; i++)
		n += t->b[i].hits;
	*ret = n;
	return t->counted;
}

/* ---- the picture ----------------------------------------------------------------------------------------------------------- */

/* What is wanted at the least to tell two labels apart. */
static void label(u64 ns, u64 span_ns, char ret[32])
{
	time_t s = (time_t)(ns / SECOND);
	struct tm tm;
	ret[0] = 0;
	if (gmtime_r(&s, &tm))
		strftime(ret, 32,
			span_ns > 3 * 86400ull * SECOND ? "%d %b"
			: span_ns > 600ull * SECOND	? "%d %b %H:%M"
							: "%H:%M:%S",
			&tm);
}

static void bar(struct page *p, const char *class, u32 i, u32 n, i64 height)
{
	i64 x = (i64)i * WIDTH / n, w = (i64)(i + 1) * WIDTH / n - x;
	page_html(p, "<rect");
	page_attr(p, "class", class);
	page_html(p, " x=\"");
	page_int(p, x);
	page_html(p, "\" y=\"");
	page_int(p, BASE - height);
	page_html(p, "\" width=\"");
	page_int(p, MAX(w - 2, 1));
	page_html(p, "\" height=\"");
	page_int(p, height);
	page_html(p, "\"/>");
}

static i64 height_of(u64 v, u64 max)
{
	return v ? MAX((i64)((f64)v / (f64)max * (BASE - TOP)), 2) : 0;
}

static void words(const struct timeline_bucket *b, bool counted, struct page *p)
{
	char from[32];
	label(b->from_ns, 86400ull * SECOND, from);
	page_fmt(p, "%s UTC: ", from);
	page_count(p, b->records);
	page_html(p, " records");
	if (counted && b->hits != b->records) {
		page_html(p, ", ");
		page_count(p, b->hits);
		page_html(p, " of them fit");
	}
}

static void one(const struct timeline *t, const struct timeline_show *how, u32 i, u64 max, struct page *p)
{
	const struct timeline_bucket *b = &t->b[i];
	struct page_url u;
	if (how->link && b->records) {
		how->link(how->arg, b, &u);
		page_html(p, "<a");
		page_link(p, &u);
		page_html(p, ">");
	} else {
		page_html(p, "<g>");
	}
	page_html(p, "<title>");
	words(b, t->counted, p);
	page_html(p, "</title>");
	bar(p, "hold", i, t->n, BASE);
	bar(p, "bar", i, t->n, height_of(b->records, max));
	if (t->counted)
		bar(p, "hit", i, t->n, height_of(b->hits, max));
	if (how->link && b->records)
		page_html(p, "</a>\n");
	else
		page_html(p, "</g>\n");
}

static void axis(const struct timeline *t, u64 max, struct page *p)
{
	char text[32];
	page_html(p,
		"<g aria-hidden=\"true\"><line class=\"axis\" x1=\"0\" x2=\"960\" y1=\"120\" y2=\"120\"/>"
		"<text x=\"0\" y=\"10\">");
	page_count(p, max);
	page_html(p, "</text>");
	for (u32 k = 0; k < LABELS; k++) {
		u32 i = k * t->n / LABELS;
		label(t->b[i].from_ns, t->b[t->n - 1].until_ns - t->b[0].from_ns, text);
		page_html(p, "<text x=\"");
		page_int(p, (i64)i * WIDTH / t->n);
		page_html(p, "\" y=\"138\">");
		page_text(p, text);
		page_html(p, "</text>");
	}
	page_html(p, "</g>\n");
}

static void table(const struct timeline *t, struct page *p)
{
	page_html(p, "<details><summary>The same as a table</summary>\n");
	page_table(p, "Records in each span of time", "From", "Until", "#Records", "#That fit");
	for (u32 i = 0; i < t->n; i++) {
		if (!t->b[i].records)
			continue;
		page_html(p, "<tr><td>");
		page_time(p, t->b[i].from_ns / SECOND);
		page_html(p, "</td><td>");
		page_time(p, t->b[i].until_ns / SECOND);
		page_html(p, "</td><td class=\"number\">");
		page_count(p, t->b[i].records);
		page_html(p, "</td><td class=\"number\">");
		if (t->counted)
			page_count(p, t->b[i].hits);
		else
			page_html(p, "not counted");
		page_html(p, "</td></tr>\n");
	}
	page_table_end(p);
	page_html(p, "</details>\n");
}

void timeline_write(const struct timeline *t, const struct timeline_show *how, struct page *p)
{
	u64 max = 1, records = 0, hits = 0;
	for (u32 i = 0; i < t->n; i++) {
		max = MAX(max, t->b[i].records);
		records += t->b[i].records;
		hits += t->b[i].hits;
	}
	if (!records)
		return;
	page_html(p, "<figure class=\"timeline\"><figcaption>");
	page_text(p, how->caption);
	page_html(p, ": ");
	page_count(p, records);
	page_html(p, " records");
	if (!t->counted) {
		page_html(p, ". How many of them fit is counted where there are fewer: choose a bar");
	} else if (hits != records) {
		page_html(p, ", ");
		page_count(p, hits);
		page_html(p, " of them fit");
	}
	page_html(p, ".</figcaption>\n<div class=\"drawn\"><svg viewBox=\"0 0 960 150\" role=\"group\" "
		     "aria-label=\"Records over time; each bar is a link that zooms in\">\n");
	for (u32 i = 0; i < t->n; i++)
		one(t, how, i, max, p);
	axis(t, max, p);
	page_html(p, "</svg></div>\n");
	table(t, p);
	page_html(p, "</figure>\n");
}
