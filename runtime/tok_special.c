#define _GNU_SOURCE
#include "runtime/tok_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_special(const struct tok *t, u32 id, bool trusted)
{
	u8 type = t->type[id];
	if (type == TOK_USER)
		return trusted || !t->marks[id];
	return trusted && (type == TOK_CONTROL || type == TOK_UNKNOWN);
}

int tok_by_text(const void *a, const void *b, void *arg)
{
	const struct tok *t = arg;
	u32 ia = *(const u32 *)a, ib = *(const u32 *)b;
	struct layout_str x = t->l.vocab[ia].text, y = t->l.vocab[ib].text;
	int c = memcmp(t->l.strings + x.off, t->l.strings + y.off, MIN(x.len, y.len));
	if (c)
		return c;
	if (x.len != y.len)
		return x.len < y.len ? -1 : 1;
	return ia < ib ? -1 : 1;
}

int tok_special_init(struct tok *t, const char **ret_why)
{
	u32 n = 0;
	for (u32 id = 0; id < t->n_vocab; id++) {
		u32 len = is_special(t, id, true) ? t->l.vocab[id].text.len : 0;
		n += len > 0;
		if (len > SPECIAL_TOKEN_BYTES_MAX) {
			*ret_why = "a special token is longer than SPECIAL_TOKEN_BYTES_MAX";
			return 1;
		}
	}
	t->special = calloc(n ? n : 1, sizeof *t->special);
	if (!t->special)
		return -ENOMEM;
	for (u32 id = 0; id < t->n_vocab; id++)
		if (t->l.vocab[id].text.len && is_special(t, id, true))
			t->special[t->n_special++] = id;
	qsort_r(t->special, n, sizeof *t->special, tok_by_text, t);
	for (u32 i = 0; i < n; i++)
		t->first[(u8)t->l.strings[t->l.vocab[t->special[i]].text.off] + 1] = i + 1;
	for (u32 b = 1; b <= 256; b++)
		t->first[b] = MAX(t->first[b], t->first[b - 1]);
	return 0;
}

/* ---- the longest special token at one place ------------------------------------------------------------------------------ */

/* Byte at of special i, which is longer than that. */
static u8 byte_at(const struct tok *t, u32 i, size_t at)
{
	return (u8)t->l.strings[t->l.vocab[t->special[i]].text.off + at];
}

/* The first of special[lo..hi) whose byte at is not below b; all are longer than at. */
static u32 lower(const struct tok *t, u32 lo, u32 hi, size_t at, u32 b)
{
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		if (byte_at(t, mid, at) < b)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The longest special token that text[0..len) begins with: its length and id; 0 if there is none. The candidates are a range of
 * the sorted list that every further byte narrows. */
static u32 longest(const struct tok *t, const u8 *text, size_t len, bool trusted, u32 *ret_id)
{
	u32 lo = t->first[text[0]], hi = t->first[text[0] + 1], best = 0;
	for (size_t at = 1; lo < hi; at++) {
		/* those that end here come first, all the same text */
		bool found = false;
		for (; lo < hi && t->l.vocab[t->special[lo]].text.len == at; lo++)
			if (!found && is_special(t, t->special[lo], trusted)) {
				best = (u32)at;
				*ret_id = t->special[lo];
				found = true;
			}
		if (at == len)
			break;
		u8 b = text[at];
		if (lo < hi && (byte_at(t, lo, at) != b || byte_at(t, hi - 1, at) != b)) {
			lo = lower(t, lo, hi, at, b);
			hi = lower(t, lo, hi, at, b + 1u);
		}
	}
	return best;
}

/* ---- all of a text ------------------------------------------------------------------------------------------------------- */

static int match_add(struct tok_matches *ms, struct tok_match m)
{
	if (ms->n == ms->cap) {
		size_t cap = ms->cap ? 2 * ms->cap : 64;
		struct tok_match *p = realloc(ms->m, cap * sizeof *p);
		if (!p)
			return -ENOMEM;
		ms->m = p;
		ms->cap = cap;
	}
	ms->m[ms->n++] = m;
	return 0;
}

static int by_pos(const void *a, const void *b)
{
	const struct tok_match *x = a, *y = b;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

/* Jobs wait with (longest first, lowest id first, leftmost first). Nothing shorter than a waiting job has its place yet, so a job
 * is in somebody's way exactly if its first or its last byte is taken. */
static int settle(const struct tok *t, struct tok_work *w, const u8 *text, bool trusted, u8 *taken,
	struct tok_matches *ms)
{
	size_t from = ms->n;
	while (w->heap.n) {
		struct tok_job j = tok_heap_pop(&w->heap);
		u32 len = ~j.key, pos = j.size, id = j.pos;
		if (taken[pos])
			continue;
		if (taken[pos + len - 1]) {
			len = len > 1 ? longest(t, text + pos, len - 1, trusted, &id) : 0;
			if (len) {
				int r = tok_heap_push(&w->heap, (struct tok_job){ ~len, id, pos });
				if (r)
					return r;
			}
			continue;
		}
		memset(taken + pos, 1, len);
		int r = match_add(ms, (struct tok_match){ pos, len, id });
		if (r)
			return r;
	}
	if (ms->n - from > 1)
		qsort(ms->m + from, ms->n - from, sizeof *ms->m, by_pos);
	return 0;
}

static int find_all(const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool trusted,
	u8 *taken, struct tok_matches *ms)
{
	size_t end = 0; /* of the waiting jobs: from there on nobody is in anybody's way */
	for (size_t p = 0; p < len; p++) {
		u32 id, n;
		if (t->first[text[p]] == t->first[text[p] + 1])
			continue;
		n = longest(t, text + p, len - p, trusted, &id);
		if (!n)
			continue;
		int r = p >= end ? settle(t, w, text, trusted, taken, ms) : 0;
		if (!r)
			r = tok_heap_push(&w->heap, (struct tok_job){ ~n, id, (u32)p });
		if (r)
			return r;
		end = MAX(end, p + n);
	}
	return settle(t, w, text, trusted, taken, ms);
}

int tok_special_find(const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool trusted,
	struct tok_matches *ret)
{
	if (!t->n_special)
		return 0;
	u8 *taken = calloc(len ? len : 1, 1);
	if (!taken)
		return -ENOMEM;
	w->heap.n = 0;
	int r = find_all(t, w, text, len, trusted, taken, ret);
	free(taken);
	return r;
}
