#define _GNU_SOURCE
#include "audit/search_priv.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_BYTES_MAX (8u << 20) /* bytes of records in one answer; then fewer come than were asked for */
#define LINES_MAX	10000u	   /* records in one answer */
#define SKIP_COST	4u	   /* of passing over a zone, in records that are read */
#define TEXT_COST	16u	   /* of looking into a kept text, likewise */

/* Records of one zone, copied out of the database, so that questions can be looked up beside them. */
struct batch {
	char *data;
	size_t len, cap;
	u32 n;
	struct {
		size_t at, len;
	} row[ZONE_RECORDS];
	u64 index[ZONE_RECORDS];
};

struct chunk {
	struct chunk *next;
	size_t len;
	char data[];
};

struct audit_search {
	struct proto_look q;
	struct search_filter filter;
	u64 from, to; /* what is left */
	u64 begin, end;
	u64 total, n_found, n_read, n_texts, next;
	audit_search_kept *kept; /* NULL: records only */
	void *kept_arg;
	bool done;
	size_t bytes;
	struct chunk *first, **last;
	struct search_sum *sum;
	struct search_time *time;
	struct batch b;
	struct known known[KNOWN];
};

/* Which records are looked at: those of the question that there are. */
static void range(struct audit_search *s, const struct proto_look *q, u64 size)
{
	s->to = MIN(q->to, size);
	s->from = MIN(q->from, s->to);
	s->begin = s->from;
	s->end = s->to;
	s->total = s->to - s->from;
	s->next = UINT64_MAX;
	s->done = s->total == 0;
}

int audit_search_begin(const struct proto_look *q, u64 size, struct audit_search **ret, const char **ret_why)
{
	*ret_why = search_filter_wrong(q);
	if (*ret_why)
		return 1;
	struct audit_search *s = calloc(1, sizeof *s);
	if (!s)
		return err_origin(-ENOMEM);
	s->q = *q;
	s->q.count = MIN(q->count ? q->count : LINES_MAX, LINES_MAX);
	s->last = &s->first;
	search_filter_make(q, &s->filter);
	range(s, q, size);
	int r = q->what == LOOK_RECORDS	  ? 0
		: q->what == LOOK_BY_TIME ? search_time_new(q, &s->time)
					  : search_sum_new(q->what, &s->sum);
	if (r)
		audit_search_free(&s);
	else
		*ret = s;
	return r;
}

void audit_search_texts(struct audit_search *s, audit_search_kept *kept, void *arg)
{
	s->kept = s->q.text[0] ? kept : NULL;
	s->kept_arg = arg;
}

bool audit_search_in_texts(const struct audit_search *s)
{
	return s->kept != NULL;
}

void audit_search_free(struct audit_search **ps)
{
	struct audit_search *s = *ps;
	*ps = NULL;
	if (!s)
		return;
	for (struct chunk *c; (c = s->first);) {
		s->first = c->next;
		free(c);
	}
	search_sum_free(s->sum);
	search_time_free(s->time);
	free(s->b.data);
	free(s);
}

/* ---- does a record fit? ---- */

/* Do the words stand in record i of the batch, or in the text that was kept of it? 0 yes; 1 no; -errno. */
static int text_fits(struct audit_search *s, u32 i)
{
	const char *line = s->b.data + s->b.row[i].at, *words = s->q.text;
	size_t len = s->b.row[i].len;
	bool looked = false;
	if (!words[0] || memmem(line, len, words, strlen(words)))
		return 0;
	int r = s->kept ? s->kept(s->kept_arg, &(struct audit_search_row){ s->b.index[i], line, len, words },
				  &looked)
			: 1;
	s->n_texts += looked;
	return r;
}

/* ---- questions and answers ---- */

static void remember(struct audit_search *s, const struct audit_facts *f)
{
	struct known *k = &s->known[f->index % KNOWN];
	*k = (struct known){ .index = f->index, .uid = f->uid, .self = f->self, .there = true };
	k->name_len = (u32)MIN(f->name.len, sizeof k->name);
	k->model_len = (u32)MIN(f->model.len, sizeof k->model);
	k->principal_len = (u32)MIN(f->principal.len, sizeof k->principal);
	if (k->principal_len)
		memcpy(k->principal, f->principal.s, k->principal_len);
	if (k->name_len)
		memcpy(k->name, f->name.s, k->name_len);
	if (k->model_len)
		memcpy(k->model, f->model.s, k->model_len);
}

static int on_question(void *arg, u64 index, const char *line, size_t len)
{
	struct audit_facts f;
	if (audit_facts_read(line, len, &f) == 0)
		remember(arg, &f);
	return 1;
}

/* The question at `index`, or NULL when it is not there. 0; -errno. */
static int question(struct audit_search *s, struct audit_log *log, u64 index, const struct known **ret)
{
	const struct known *k = &s->known[index % KNOWN];
	int r = k->there && k->index == index ? 1 : audit_log_lines(log, index, 1, on_question, s);
	*ret = k->there && k->index == index ? k : NULL;
	return MIN(r, 0);
}

/* A record's facts, with those of its question. 0; 1 it has none; -errno. */
static int facts_of(struct audit_search *s, struct audit_log *log, u32 i, struct found *ret)
{
	const struct known *k = NULL;
	struct found r = { 0 };
	if (audit_facts_read(s->b.data + s->b.row[i].at, s->b.row[i].len, &r.f))
		return 1;
	r.uid = r.f.uid;
	r.self = r.f.self;
	r.name = r.f.name;
	r.model = r.f.model;
	r.principal = r.f.principal;
	bool answer = r.f.intent != INTENT_NONE;
	u64 of = answer ? r.f.intent : r.f.session;
	int e = of == INTENT_NONE ? 0 : question(s, log, of, &k);
	if (e)
		return e;
	if (k && answer) {
		r.uid = k->uid;
		r.self = k->self;
		r.principal = (struct audit_word){ k->principal, k->principal_len };
	}
	if (k && !r.name.len)
		r.name = (struct audit_word){ k->name, k->name_len };
	if (k && !r.model.len)
		r.model = (struct audit_word){ k->model, k->model_len };
	if ((audit_event_info(r.f.event)->flags & EVENT_OPENS) || r.f.event == EVENT_SESSION)
		remember(s, &r.f);
	*ret = r;
	return 0;
}

/* ---- zones ---- */

static int on_line(void *arg, u64 index, const char *line, size_t len)
{
	struct batch *b = arg;
	if (b->n == ZONE_RECORDS)
		return 1;
	if (b->len + len > b->cap) {
		size_t cap = MAX(2 * b->cap, ALIGN_UP(b->len + len, (size_t)65536));
		char *p = realloc(b->data, cap);
		if (!p)
			return err_origin(-ENOMEM);
		b->data = p;
		b->cap = cap;
	}
	if (len)
		memcpy(b->data + b->len, line, len);
	b->index[b->n] = index;
	b->row[b->n].at = b->len;
	b->row[b->n++].len = len;
	b->len += len;
	return 0;
}

/* Take hits[n] into the answer, as many as fit; from the front, or with LOOK_NEWEST from the back. 0; -errno. */
static int take(struct audit_search *s, const u32 *hits, u32 n)
{
	bool newest = s->q.flags & LOOK_NEWEST;
	const struct batch *b = &s->b;
	u64 room = s->q.count - s->n_found;
	u32 took = 0;
	size_t len = 0;
	for (; took < n && took < room; took++) {
		u32 i = hits[newest ? n - 1 - took : took];
		if (s->bytes + len + b->row[i].len + 1 > LINES_BYTES_MAX && s->n_found + took)
			break;
		len += b->row[i].len + 1;
	}
	struct chunk *c = malloc(sizeof *c + len);
	if (!c)
		return err_origin(-ENOMEM);
	*c = (struct chunk){ .len = len };
	const u32 *at = newest ? hits + n - took : hits;
	for (u32 i = 0, to = 0; i < took; i++) {
		memcpy(c->data + to, b->data + b->row[at[i]].at, b->row[at[i]].len);
		to += (u32)b->row[at[i]].len;
		c->data[to++] = '\n';
	}
	if (newest) {
		c->next = s->first;
		s->first = c;
	} else {
		*s->last = c;
		s->last = &c->next;
	}
	s->bytes += len;
	s->n_found += took;
	if (took < n || s->n_found == s->q.count) {
		s->done = true;
		s->next = newest ? b->index[at[0]] : b->index[at[took - 1]] + 1;
	}
	return 0;
}

/* Records [first, last) of a zone into the batch: all, or of a zone that is known those that may fit. 0; -errno. */
static int zone_lines(
	struct audit_search *s, struct audit_log *log, const struct audit_zone *z, u64 first, u64 last)
{
	u32 may[ZONE_RECORDS], n = 0;
	s->b.n = 0;
	s->b.len = 0;
	for (u64 i = first; z && i < last; i++)
		if (search_filter_row(&s->q, &s->filter, z, (u32)(i % ZONE_RECORDS)))
			may[n++] = (u32)(i % ZONE_RECORDS);
	int r = 0;
	if (!z || n > (last - first) / 2) {
		s->n_read += last - first;
		r = audit_log_lines(log, first, last - first, on_line, &s->b);
		return MIN(r, 0);
	}
	s->n_read += n;
	for (u32 i = 0; i < n && r >= 0; i++)
		r = audit_log_lines(log, first - first % ZONE_RECORDS + may[i], 1, on_line, &s->b);
	return MIN(r, 0);
}

/* Is every record wanted? Then those whose text was pruned are, too. */
static bool everything(const struct audit_search *s)
{
	const struct proto_look *q = &s->q;
	return !s->sum && !q->n_events && !q->n_actors && !q->n_names && !q->n_models && !q->n_results &&
	       !q->text[0] && ((q->since_ns == 0 && q->until_ns == UINT64_MAX) || s->time);
}

/* Read records [first, last) of zone i and judge each. 0; -errno. */
static int zone_read(
	struct audit_search *s, struct audit_log *log, struct audit_zones *zones, u64 first, u64 last)
{
	const struct audit_zone *known = audit_zones_get(zones, first / ZONE_RECORDS);
	struct audit_zone z = { 0 };
	struct found r;
	u32 hits[ZONE_RECORDS], n = 0;
	int e = zone_lines(s, log, known, first, last);
	for (u32 i = 0; e >= 0 && i < s->b.n && s->b.index[i] < last; i++) {
		e = facts_of(s, log, i, &r);
		if (e > 0 && everything(s))
			hits[n++] = i;
		if (e)
			continue;
		if (!known)
			search_filter_fold(&z, &r);
		if (!search_filter_fits(&s->q, &s->filter, &r) || (e = text_fits(s, i)) > 0)
			continue;
		if (e)
			break;
		if (s->time)
			search_time_add(s->time, r.f.index);
		else if (s->sum)
			search_sum_add(s->sum, &r);
		else
			hits[n++] = i;
		s->n_found += s->sum || s->time;
	}
	if (e < 0)
		return e;
	if (z.n == ZONE_RECORDS)
		audit_zones_put(zones, first / ZONE_RECORDS, &z);
	return n ? take(s, hits, n) : 0;
}

/* The next zone, or what of it was asked for. */
static int step(struct audit_search *s, struct audit_log *log, struct audit_zones *zones, u64 *cost)
{
	bool newest = s->q.flags & LOOK_NEWEST;
	u64 i = newest ? (s->to - 1) / ZONE_RECORDS : s->from / ZONE_RECORDS;
	u64 first = MAX(s->from, i * ZONE_RECORDS), last = MIN(s->to, (i + 1) * ZONE_RECORDS);
	const struct audit_zone *z = audit_zones_get(zones, i);
	u64 read = s->n_read + TEXT_COST * s->n_texts;
	bool skip = z && !search_filter_zone(&s->q, &s->filter, z);
	int r = skip ? 0 : zone_read(s, log, zones, first, last);
	*cost += SKIP_COST + s->n_read + TEXT_COST * s->n_texts - read;
	if (newest)
		s->to = first;
	else
		s->from = last;
	if (s->from >= s->to)
		s->done = true;
	if (s->done && s->next != UINT64_MAX && s->next == (newest ? s->begin : s->end))
		s->next = UINT64_MAX;
	return r;
}

/* Of a timeline, before anything else: where its buckets begin. */
static int borders(struct audit_search *s, struct audit_log *log)
{
	struct search_span span = { s->from, s->to, everything(s) };
	int r = search_time_begin(s->time, log, &span);
	s->from = s->begin = span.from;
	s->to = s->end = span.to;
	s->total = s->to - s->from;
	s->done = s->total == 0;
	return r;
}

int audit_search_step(struct audit_search *s, struct audit_log *log, struct audit_zones *z, u64 records)
{
	int r = s->time && !search_time_ready(s->time) ? borders(s, log) : 0;
	for (u64 cost = 0; !r && !s->done && cost < records;)
		r = step(s, log, z, &cost);
	return r;
}

/* ---- what came of it ---- */

bool audit_search_done(const struct audit_search *s)
{
	return s->done;
}

void audit_search_progress(const struct audit_search *s, u64 *ret_done, u64 *ret_total)
{
	*ret_done = s->total - (s->to - s->from);
	*ret_total = s->total;
}

int audit_search_lines(const struct audit_search *s, u8 **ret, size_t *ret_len)
{
	if (s->sum)
		return search_sum_lines(s->sum, ret, ret_len);
	if (s->time)
		return search_time_lines(s->time, ret, ret_len);
	u8 *out = malloc(s->bytes + 1);
	size_t at = 0;
	if (!out)
		return err_origin(-ENOMEM);
	for (const struct chunk *c = s->first; c; c = c->next) {
		memcpy(out + at, c->data, c->len);
		at += c->len;
	}
	*ret = out;
	*ret_len = at;
	return 0;
}

u64 audit_search_next(const struct audit_search *s)
{
	return s->next;
}

u64 audit_search_found(const struct audit_search *s)
{
	return s->n_found;
}

u64 audit_search_read(const struct audit_search *s)
{
	return s->n_read;
}

const struct proto_look *audit_search_asked(const struct audit_search *s)
{
	return &s->q;
}

static void words(char *out, size_t cap, const char *fmt, ...) _printf_(3, 4);
static void words(char *out, size_t cap, const char *fmt, ...)
{
	size_t at = strlen(out);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(out + at, cap - at, fmt, ap);
	va_end(ap);
}

void audit_search_words(const struct proto_look *q, char *out, size_t cap)
{
	out[0] = 0;
	for (u32 i = 0; i < q->n_events; i++)
		words(out, cap, "%s%s",
			i			 ? ","
			: q->flags & LOOK_EXCEPT ? " event!="
						 : " event=",
			q->events[i]);
	for (u32 i = 0; i < q->n_actors; i++)
		words(out, cap, "%s%" PRIu32, i ? "," : " actor=", q->actors[i]);
	for (u32 i = 0; i < q->n_names; i++)
		words(out, cap, "%s%s", i ? "," : " principal=", q->names[i]);
	for (u32 i = 0; i < q->n_models; i++)
		words(out, cap, "%s%s", i ? "," : " model=", q->models[i]);
	for (u32 i = 0; i < q->n_results; i++)
		words(out, cap, "%s%s", i ? "," : " result=", q->results[i]);
	if (q->since_ns)
		words(out, cap, " since=%" PRIu64, q->since_ns);
	if (q->until_ns != UINT64_MAX)
		words(out, cap, " until=%" PRIu64, q->until_ns);
	if (q->text[0])
		words(out, cap, " text=%s", q->text);
	if (out[0])
		memmove(out, out + 1, strlen(out));
}
