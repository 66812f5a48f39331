/* A timeline: how many records stand in each of some buckets of equal time, and how many of them fit a filter.
 *
 * The log is in the order of its records, and their time rises but for steps of the clock (which are records themselves). So where a bucket
 * begins is found by halving, and what it holds is a difference of two indices: a few hundred records are read, whatever the log's size. Around a
 * clock that was set back, a record counts where it stands, not where its time would be. How many fit a filter takes reading; that is done of
 * LOOK_TIMELINE_RECORDS at most. */
#include "audit/search_priv.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

#define PRUNED_STEPS \
	64u /* records without a time that are passed over; a longer row of them counts as older than all others */

struct search_time {
	u64 since_ns, until_ns;
	u32 n;
	bool ready, counted;
	u64 first[LOOK_BUCKETS_MAX + 1]; /* where bucket i begins; the last: where all end */
	u64 hits[LOOK_BUCKETS_MAX];
};

int search_time_new(const struct proto_look *q, struct search_time **ret)
{
	struct search_time *t = calloc(1, sizeof *t);
	if (!t)
		return err_origin(-ENOMEM);
	t->since_ns = q->since_ns;
	t->until_ns = q->until_ns;
	t->n = (u32)q->count;
	*ret = t;
	return 0;
}

void search_time_free(struct search_time *t)
{
	free(t);
}

bool search_time_ready(const struct search_time *t)
{
	return t->ready;
}

/* ---- borders ---- */

struct stamp {
	u64 index, time_ns;
	bool there;
};

static int on_record(void *arg, u64 index, const char *line, size_t len)
{
	struct stamp *s = arg;
	struct audit_facts f;
	if (audit_facts_read(line, len, &f))
		return 0; /* pruned: the next one */
	*s = (struct stamp){ index, f.time_ns, true };
	return 1;
}

/* The first record of at least `index` and below `end` that has a time. 0; -errno. */
static int stamp(struct audit_log *log, u64 index, u64 end, struct stamp *ret)
{
	*ret = (struct stamp){ 0 };
	return MIN(audit_log_lines(log, index, MIN(end - index, PRUNED_STEPS), on_record, ret), 0);
}

/* The first of records [lo, hi) whose time is not before `ns`; hi: none. */
static int border(struct audit_log *log, u64 ns, u64 lo, u64 hi, u64 *ret)
{
	while (lo < hi) {
		u64 middle = lo + (hi - lo) / 2;
		struct stamp s;
		int r = stamp(log, middle, hi, &s);
		if (r)
			return r;
		if (s.there && s.time_ns >= ns)
			hi = middle;
		else
			lo = s.there ? s.index + 1 : middle + MIN(hi - middle, PRUNED_STEPS);
	}
	*ret = lo;
	return 0;
}

/* Without a time to begin or end with, it is that of the first or last record. */
static int ends(struct search_time *t, struct audit_log *log, u64 from, u64 to)
{
	struct stamp s = { 0 };
	int r = 0;
	for (u64 i = from; !r && !t->since_ns && i < to && !s.there; i += PRUNED_STEPS) {
		r = stamp(log, i, to, &s);
		t->since_ns = s.there ? s.time_ns : 0;
	}
	s.there = false;
	for (u64 i = to; !r && t->until_ns == UINT64_MAX && i > from && !s.there; i--) {
		r = stamp(log, i - 1, i, &s);
		t->until_ns = s.there ? s.time_ns : UINT64_MAX;
	}
	if (t->until_ns < t->since_ns || t->until_ns == UINT64_MAX)
		t->until_ns = t->since_ns;
	return r;
}

/* When bucket i begins. */
static u64 begins(const struct search_time *t, u32 i)
{
	u64 all = t->until_ns - t->since_ns + 1;
	return t->since_ns + all / t->n * i + all % t->n * i / t->n;
}

int search_time_begin(struct search_time *t, struct audit_log *log, struct search_span *span)
{
	int r = ends(t, log, span->from, span->to);
	u64 at = span->from;
	for (u32 i = 0; i <= t->n && !r; i++) {
		r = border(log, begins(t, i), at, span->to, &at);
		t->first[i] = at;
	}
	if (r)
		return r;
	span->from = t->first[0];
	span->to = t->first[t->n];
	t->counted = span->everything || span->to - span->from <= LOOK_TIMELINE_RECORDS;
	for (u32 i = 0; i < t->n && span->everything; i++)
		t->hits[i] = t->first[i + 1] - t->first[i];
	if (span->everything || !t->counted)
		span->to = span->from;
	t->ready = true;
	return 0;
}

void search_time_add(struct search_time *t, u64 index)
{
	u32 lo = 0, hi = t->n;
	while (hi - lo > 1) {
		u32 middle = (lo + hi) / 2;
		if (t->first[middle] <= index)
			lo = middle;
		else
			hi = middle;
	}
	t->hits[lo]++;
}

int search_time_lines(const struct search_time *t, u8 **ret, size_t *ret_len)
{
	struct jsonw w;
	jsonw_init_grow(&w, (size_t)t->n * 160 + 160);
	for (u32 i = 0; i < t->n; i++) {
		jsonw_object(&w);
		jsonw_kv_u64(&w, "from_ns", begins(t, i));
		jsonw_kv_u64(&w, "until_ns", begins(t, i + 1) - 1);
		jsonw_kv_u64(&w, "first", t->first[i]);
		jsonw_kv_u64(&w, "records", t->first[i + 1] - t->first[i]);
		if (t->counted)
			jsonw_kv_u64(&w, "hits", t->hits[i]);
		jsonw_object_end(&w);
		jsonw_newline(&w);
	}
	if (w.full) {
		jsonw_fini(&w);
		return err_origin(-ENOMEM);
	}
	*ret = (u8 *)w.buf;
	*ret_len = w.len;
	return 0;
}
