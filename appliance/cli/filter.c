#define _GNU_SOURCE
#include "cli/filter.h"
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What happens every day, as opposed to acts that change who vouches, what is here and who may. */
static const char *const routine[] = { "session", "session-end", "request", "outcome", "grant", "load",
	"unload", "log-read", "clock", "import-intent" };

/* ---- words ---- */

/* "a,b" of every option into fixed fields. 0; 1 a word is too long or there are too many. */
static int put_words(const struct opt_list *l, void *fields, size_t size, u32 *ret_n)
{
	for (size_t i = 0; i < l->n; i++) {
		for (const char *p = l->v[i]; *p; p += *p == ',') {
			size_t n = strcspn(p, ",");
			if (*ret_n == LOOK_ANY_MAX || n == 0 || n >= size)
				return 1;
			memcpy((char *)fields + *ret_n * size, p, n);
			++*ret_n;
			p += n;
		}
	}
	return 0;
}

static int put_actors(const struct opt_list *l, struct proto_look *q)
{
	char text[LOOK_ANY_MAX][16] = { { 0 } };
	u64 uid;
	if (put_words(l, text, sizeof text[0], &q->n_actors))
		return 1;
	for (u32 i = 0; i < q->n_actors; i++) {
		if (opt_u64(text[i], UINT32_MAX, &uid))
			return 1;
		q->actors[i] = (u32)uid;
	}
	return 0;
}

int filter_time(const char *s, u64 *ret_ns, u64 *ret_last_ns)
{
	static const struct {
		const char *form;
		u64 s;
	} forms[] = { { "%Y-%m-%dT%H:%M:%S", 1 }, { "%Y-%m-%dT%H:%M", 60 }, { "%Y-%m-%d", 86400 } };
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(s, forms[i].form, &tm);
		bool utc = end && !strcmp(end, "Z");
		if (!end || (*end && !utc))
			continue;
		struct tm day = tm;
		time_t t = utc ? timegm(&tm) : mktime(&tm);
		if (t < 0 || tm.tm_mday != day.tm_mday || tm.tm_mon != day.tm_mon) /* the 30th of February */
			return 1;
		*ret_ns = (u64)t * 1000000000u;
		*ret_last_ns = *ret_ns + forms[i].s * 1000000000u - 1;
		return 0;
	}
	return 1;
}

bool filter_given(const struct filter *f)
{
	return f->events.n || f->actors.n || f->models.n || f->results.n || f->since || f->until || f->text ||
	       f->from || f->to_given || f->acts;
}

int filter_range(const char *s, u64 *ret_from, u64 *ret_to)
{
	char first[24];
	const char *dots = strstr(s, "..");
	size_t n = dots ? (size_t)(dots - s) : 0;
	u64 from, to;
	if (!dots || n >= sizeof first)
		return 1;
	memcpy(first, s, n);
	first[n] = 0;
	if (opt_u64(first, UINT64_MAX - 1, &from) || opt_u64(dots + 2, UINT64_MAX - 1, &to) || from >= to)
		return 1;
	*ret_from = from;
	*ret_to = to;
	return 0;
}

int filter_read(const struct cli *c, const struct filter *f, struct proto_look *ret)
{
	struct proto_look q = { .what = LOOK_RECORDS,
		.from = f->from,
		.to = f->to_given ? f->to : UINT64_MAX,
		.until_ns = UINT64_MAX };
	u64 unused;
	if (put_words(&f->events, q.events, sizeof q.events[0], &q.n_events))
		return out_usage(c, "--event: at most %u words, each at most %zu bytes", LOOK_ANY_MAX,
			sizeof q.events[0] - 1);
	if (put_actors(&f->actors, &q))
		return out_usage(c, "--actor: at most %u numbers of users", LOOK_ANY_MAX);
	if (put_words(&f->models, q.models, sizeof q.models[0], &q.n_models))
		return out_usage(c, "--model: at most %u names or digests", LOOK_ANY_MAX);
	if (put_words(&f->results, q.results, sizeof q.results[0], &q.n_results))
		return out_usage(c, "--result: at most %u words, each at most %zu bytes", LOOK_ANY_MAX,
			sizeof q.results[0] - 1);
	if (f->since && filter_time(f->since, &q.since_ns, &unused))
		return out_usage(
			c, "--since: \"%s\" is not a date like 2026-01-31 or 2026-01-31T12:00", f->since);
	if (f->until && filter_time(f->until, &unused, &q.until_ns))
		return out_usage(
			c, "--until: \"%s\" is not a date like 2026-01-31 or 2026-01-31T12:00", f->until);
	if (f->text && bytes_put_str(q.text, sizeof q.text, f->text))
		return out_usage(c, "--text: at most %zu bytes", sizeof q.text - 1);
	if (f->acts && q.n_events)
		return out_usage(c, "--acts and --event do not go together");
	for (size_t i = 0; f->acts && i < ARRAY_LEN(routine); i++)
		strcpy(q.events[q.n_events++], routine[i]);
	q.flags = (f->last_given ? LOOK_NEWEST : 0) | (f->acts ? LOOK_EXCEPT : 0);
	*ret = q;
	return 0;
}

/* ---- pages ---- */

/* One page; the cursor in *q moves on. *ret_more: there may be another. */
static int page(struct ctl *k, struct proto_look *q, struct ctl_answer *ret, u64 *ret_n, bool *ret_more)
{
	int r = ctl_ask(k, CTL_LOOK, q, sizeof *q, -1, ret);
	if (r)
		return r;
	*ret_n = 0;
	for (size_t i = 0; i < ret->data.len; i++)
		*ret_n += ((const char *)ret->data.data)[i] == '\n';
	*ret_more = ret->end.index != UINT64_MAX;
	if (q->flags & LOOK_NEWEST)
		q->to = ret->end.index;
	else
		q->from = ret->end.index;
	return 0;
}

/* The newest come last page first: they are kept until the first one is here. */
static int newest(struct ctl *k, struct proto_look *q, const struct filter_pages *p, u64 left)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	u64 n;
	bool more = true;
	int r = 0;
	struct {
		struct fd_map map;
	} *maps = NULL;
	size_t n_maps = 0;
	while (!r && left && more) {
		q->count = MIN(left, p->page);
		r = page(k, q, &a, &n, &more);
		void *grown = r ? NULL : realloc(maps, (n_maps + 1) * sizeof *maps);
		if (!r && !grown)
			r = out_fail(CLI_UNDECIDED, "out of memory");
		if (r)
			break;
		maps = grown;
		maps[n_maps++].map = a.data;
		a.data = (struct fd_map){ 0 };
		left -= MIN(left, n);
	}
	for (size_t i = n_maps; i-- > 0;) {
		r = r ? r : p->fn(p->arg, &maps[i].map);
		fd_unmap(&maps[i].map);
	}
	free(maps);
	return r;
}

int filter_each(struct ctl *k, struct proto_look *q, const struct filter_pages *p)
{
	u64 left = p->f->last_given ? p->f->last : p->f->count, n;
	bool more = true;
	int r = 0;
	if (bytes_put_str(q->purpose, sizeof q->purpose, p->purpose))
		return out_fail(CLI_UNDECIDED, "%s: too long", p->purpose);
	if (q->flags & LOOK_NEWEST)
		return newest(k, q, p, left);
	while (!r && left && more) {
		_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
		q->count = MIN(left, p->page);
		r = page(k, q, &a, &n, &more);
		r = r ? r : p->fn(p->arg, &a.data);
		left -= MIN(left, n);
	}
	return r;
}
