#include "chat/grammar_build.h"
#include "base/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool chat_gb_ok(const struct chat_gb *b)
{
	return b->r->err == 0;
}

bool chat_gb_fail(struct chat_gb *b, const char *where, const char *fmt, ...)
{
	struct chat_run *r = b->r;
	if (r->err)
		return false;
	va_list ap;
	va_start(ap, fmt);
	int n = snprintf(r->why, sizeof r->why / 2, "%s: ", where);
	n = MIN(n, (int)sizeof r->why / 2 - 1);
	vsnprintf(r->why + n, sizeof r->why - (size_t)n, fmt, ap);
	va_end(ap);
	r->err = 1;
	return false;
}

/* ---- states and edges ---------------------------------------------------------------------------------------------------- */

u32 chat_gb_state(struct chat_gb *b)
{
	if (!chat_gb_ok(b))
		return 0;
	if (b->n_states == GRAMMAR_STATES_MAX) {
		chat_gb_fail(b, "the grammar", "it needs more than %u states", GRAMMAR_STATES_MAX);
		return 0;
	}
	return b->n_states++;
}

static bool edges_grow(struct chat_gb *b)
{
	u32 cap = b->cap_edges ? 2 * b->cap_edges : 1024;
	if (b->n_edges == GRAMMAR_EDGES_MAX)
		return chat_gb_fail(b, "the grammar", "it needs more than %u edges", GRAMMAR_EDGES_MAX);
	struct grammar_edge *e = chat_alloc(b->r, cap * sizeof *e);
	u32 *from = chat_alloc(b->r, cap * sizeof *from);
	if (!e || !from)
		return false;
	if (b->n_edges) {
		memcpy(e, b->edge, b->n_edges * sizeof *e);
		memcpy(from, b->from, b->n_edges * sizeof *from);
	}
	b->edge = e;
	b->from = from;
	b->cap_edges = cap;
	return true;
}

static void edge_add(struct chat_gb *b, u32 from, struct grammar_edge e)
{
	if (!chat_gb_ok(b) ||
		((b->n_edges == b->cap_edges || b->n_edges == GRAMMAR_EDGES_MAX) && !edges_grow(b)))
		return;
	b->edge[b->n_edges] = e;
	b->from[b->n_edges++] = from;
}

void chat_gb_byte(struct chat_gb *b, u32 from, u8 lo, u8 hi, u32 to)
{
	edge_add(b, from, (struct grammar_edge){ .kind = GRAMMAR_BYTE, .lo = lo, .hi = hi, .to = to });
}

void chat_gb_skip(struct chat_gb *b, u32 from, u32 to)
{
	edge_add(b, from, (struct grammar_edge){ .kind = GRAMMAR_NOTHING, .to = to });
}

void chat_gb_call(struct chat_gb *b, u32 from, u32 entry, u32 to)
{
	edge_add(b, from, (struct grammar_edge){ .kind = GRAMMAR_CALL, .to = to, .call = entry });
}

void chat_gb_return(struct chat_gb *b, u32 from)
{
	edge_add(b, from, (struct grammar_edge){ .kind = GRAMMAR_RETURN });
}

u32 chat_gb_text(struct chat_gb *b, u32 from, const void *text, size_t len)
{
	const u8 *s = text;
	for (size_t i = 0; i < len && chat_gb_ok(b); i++) {
		u32 to = chat_gb_state(b);
		chat_gb_byte(b, from, s[i], s[i], to);
		from = to;
	}
	return from;
}

u32 chat_gb_str(struct chat_gb *b, u32 from, const char *text)
{
	return chat_gb_text(b, from, text, strlen(text));
}

/* The n states from begin on, with the edges from `first` to `end` that lead from one to another, once more; how much higher they stand. */
static u32 copied(struct chat_gb *b, u32 begin, u32 n, u32 first, u32 end)
{
	u32 by = b->n_states - begin;
	for (u32 i = 0; i < n && chat_gb_ok(b); i++)
		(void)chat_gb_state(b);
	for (u32 i = first; i < end && chat_gb_ok(b); i++) {
		struct grammar_edge e = b->edge[i];
		e.to += by;
		edge_add(b, b->from[i] + by, e);
	}
	return by;
}

/* The same without calls: the fragment, which was made last, is copied. */
static u32 times_flat(struct chat_gb *b, u32 from, u32 begin, u32 end, u32 min, u32 max)
{
	u32 n = b->n_states - begin, n_edges = b->n_edges, first = n_edges, by = 0, at = from;
	while (first && b->from[first - 1] >= begin)
		first--;
	u32 to = chat_gb_state(b), copies = max == CHAT_GB_NO_MAX ? MAX(min, 1u) : max;
	for (u32 i = 0; i < copies && chat_gb_ok(b); i++) {
		by = i ? copied(b, begin, n, first, n_edges) : 0;
		if (i >= min)
			chat_gb_skip(b, at, to);
		chat_gb_skip(b, at, begin + by);
		at = end + by;
	}
	chat_gb_skip(b, at, to);
	if (max == CHAT_GB_NO_MAX)
		chat_gb_skip(b, at, begin + by);
	return to;
}

u32 chat_gb_times(struct chat_gb *b, u32 from, u32 begin, u32 end, u32 min, u32 max)
{
	if (b->flat)
		return times_flat(b, from, begin, end, min, max);
	u32 to = chat_gb_state(b), at = from;
	if (min <= 1 && (max == 1 || max == CHAT_GB_NO_MAX)) {
		chat_gb_skip(b, from, begin);
		chat_gb_skip(b, end, to);
		if (max == CHAT_GB_NO_MAX)
			chat_gb_skip(b, end, begin);
		if (min == 0)
			chat_gb_skip(b, from, to);
		return to;
	}
	chat_gb_return(b, end);
	for (u32 i = 0; i < min && chat_gb_ok(b); i++) {
		u32 next = chat_gb_state(b);
		chat_gb_call(b, at, begin, next);
		at = next;
	}
	chat_gb_skip(b, at, to);
	if (max == CHAT_GB_NO_MAX)
		chat_gb_call(b, to, begin, to);
	for (u32 i = min; i < max && max != CHAT_GB_NO_MAX && chat_gb_ok(b); i++) {
		u32 next = chat_gb_state(b);
		chat_gb_call(b, at, begin, next);
		chat_gb_skip(b, next, to);
		at = next;
	}
	return to;
}

/* ---- characters ---------------------------------------------------------------------------------------------------------- */

static u32 utf8(u32 cp, u8 out[4])
{
	u32 n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (u32 i = n; i-- > 1; cp >>= 6)
		out[i] = (u8)(0x80 | (cp & 0x3f));
	out[0] = (u8)(n == 1 ? cp : (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | cp);
	return n;
}

/* Ranges that differ in one byte after the other: lo..hi have the same length, and behind the first byte that differs lo has only
 * lowest and hi only highest bytes. */
static void byte_ranges(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 to)
{
	u8 x[4], y[4];
	u32 n = utf8(lo, x);
	utf8(hi, y);
	for (u32 i = 0; i < n && chat_gb_ok(b); i++) {
		u32 next = i + 1 < n ? chat_gb_state(b) : to;
		chat_gb_byte(b, from, x[i], y[i], next);
		from = next;
	}
}

/* lo..hi have the same length of n bytes: cut until byte_ranges fits, at most twice for each byte. */
static void same_length(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 n, u32 to)
{
	while (lo <= hi && chat_gb_ok(b)) {
		u32 end = lo;
		for (u32 k = 1; k <= n; k++) {
			u32 part = 1u << 6 * (k - 1);
			if (lo & (part - 1))
				break;
			u32 top = k < n ? lo | ((1u << 6 * k) - 1) : UINT32_MAX;
			u32 whole = (hi + 1) / part * part; /* behind the last whole part */
			if (hi >= top)
				end = top;
			else if (whole > lo)
				end = MAX(end, whole - 1);
		}
		end = MIN(end, hi);
		byte_ranges(b, from, lo, end, to);
		lo = end + 1;
	}
}

void chat_gb_chars(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 to)
{
	static const struct {
		u32 lo, hi, n;
	} part[] = { { 0, 0x7f, 1 }, { 0x80, 0x7ff, 2 }, { 0x800, 0xd7ff, 3 }, { 0xe000, 0xffff, 3 },
		{ 0x10000, 0x10ffff, 4 } };
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		u32 a = MAX(lo, part[i].lo), z = MIN(hi, part[i].hi);
		if (a <= z)
			same_length(b, from, a, z, part[i].n, to);
	}
}

void chat_gb_chars_but(struct chat_gb *b, u32 from, u32 lo, u32 hi, u32 but, u32 to)
{
	if (but < lo || but > hi || but == 0) {
		chat_gb_chars(b, from, lo, hi, to);
		return;
	}
	if (but > lo)
		chat_gb_chars(b, from, lo, but - 1, to);
	if (but < hi)
		chat_gb_chars(b, from, but + 1, hi, to);
}

bool chat_set_add(struct chat_set *s, u32 lo, u32 hi)
{
	if (s->n == CHAT_SET_MAX)
		return false;
	s->v[s->n].lo = lo;
	s->v[s->n++].hi = hi;
	return true;
}

static int by_lo(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	return x < y ? -1 : x > y;
}

void chat_set_close(struct chat_set *s, bool negated)
{
	struct chat_set to = { .n = 0 };
	qsort(s->v, s->n, sizeof s->v[0], by_lo);
	for (u32 i = 0; i < s->n; i++) {
		if (to.n && s->v[i].lo <= to.v[to.n - 1].hi + 1)
			to.v[to.n - 1].hi = MAX(to.v[to.n - 1].hi, s->v[i].hi);
		else
			to.v[to.n++] = s->v[i];
	}
	if (negated) {
		struct chat_set other = { .n = 0 };
		u32 at = 0;
		for (u32 i = 0; i < to.n; at = to.v[i++].hi + 1)
			if (to.v[i].lo > at)
				(void)chat_set_add(&other, at, to.v[i].lo - 1);
		if (at <= 0x10ffff)
			(void)chat_set_add(&other, at, 0x10ffff);
		to = other;
	}
	*s = to;
}

u32 chat_char_at(struct chat_str s, u32 at, u32 *ret_n)
{
	u8 c = (u8)s.p[at];
	u32 n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4, cp = n == 1 ? c : c & (0x7fu >> n);
	for (u32 i = 1; i < n; i++)
		cp = cp << 6 | ((u8)s.p[at + i] & 0x3f);
	*ret_n = n;
	return cp;
}

/* ---- the compiled form --------------------------------------------------------------------------------------------------- */

struct final {
	struct chat_gb *b;
	u8 *good;   /* [n_states] the end can be reached */
	u32 *first; /* [n_states + 1] mentions of a state, in at[] */
	u32 *at;    /* edges that lead to it or call it */
	u32 *work, n_work;
};

static bool leads_on(const struct final *f, u32 edge)
{
	const struct grammar_edge *e = &f->b->edge[edge];
	return e->kind == GRAMMAR_RETURN || (f->good[e->to] && (e->kind != GRAMMAR_CALL || f->good[e->call]));
}

static void mark(struct final *f, u32 edge)
{
	u32 s = f->b->from[edge];
	if (f->good[s] || !leads_on(f, edge))
		return;
	f->good[s] = 1;
	f->work[f->n_work++] = s;
}

static void mentions(struct final *f)
{
	const struct chat_gb *b = f->b;
	for (u32 i = 0; i < b->n_edges; i++) {
		f->first[b->edge[i].to + 1]++;
		f->first[b->edge[i].call + 1]++;
	}
	for (u32 s = 0; s < b->n_states; s++)
		f->first[s + 1] += f->first[s];
	for (u32 i = b->n_edges; i--;) {
		f->at[--f->first[b->edge[i].to + 1]] = i;
		f->at[--f->first[b->edge[i].call + 1]] = i;
	}
	/* counted down, first[s + 1] is where the mentions of s begin */
	memmove(f->first, f->first + 1, b->n_states * sizeof *f->first);
	f->first[b->n_states] = 2 * b->n_edges;
}

/* Edges that lead nowhere are left out: an answer never gets stuck. */
static bool prune(struct chat_gb *b, u32 start)
{
	struct final f = { .b = b };
	f.good = chat_alloc(b->r, b->n_states);
	f.first = chat_alloc(b->r, (b->n_states + 2) * sizeof *f.first);
	f.at = chat_alloc(b->r, (2 * b->n_edges + 1) * sizeof *f.at);
	f.work = chat_alloc(b->r, b->n_states * sizeof *f.work);
	if (!f.good || !f.first || !f.at || !f.work)
		return false;
	mentions(&f);
	for (u32 i = 0; i < b->n_edges; i++)
		if (b->edge[i].kind == GRAMMAR_RETURN)
			mark(&f, i);
	while (f.n_work) {
		u32 s = f.work[--f.n_work];
		for (u32 k = f.first[s]; k < f.first[s + 1]; k++)
			mark(&f, f.at[k]);
	}
	if (!f.good[start])
		return chat_gb_fail(b, "the grammar", "nothing fits it, or what fits has no end");
	u32 n = 0;
	for (u32 i = 0; i < b->n_edges; i++)
		if (leads_on(&f, i)) {
			b->edge[n] = b->edge[i];
			b->from[n++] = b->from[i];
		}
	b->n_edges = n;
	return true;
}

static int write_out(const struct chat_gb *b, u32 start, struct chat_bytes trigger, struct arena *a,
	const void **ret, size_t *ret_len)
{
	size_t len = sizeof(struct grammar_header) + (b->n_states + 1) * sizeof(u32) +
		     b->n_edges * sizeof(struct grammar_edge) + ALIGN_UP((size_t)trigger.len, 4);
	struct grammar_header *h = arena_alloc(a, len);
	u32 *put = arena_alloc(a, (b->n_states + 1) * sizeof *put);
	if (!h || !put)
		return -ENOMEM;
	*h = (struct grammar_header){
		.n_states = b->n_states, .n_edges = b->n_edges, .start = start, .trigger_len = trigger.len
	};
	memcpy(h->magic, GRAMMAR_MAGIC, sizeof h->magic);
	u32 *first = (u32 *)(h + 1);
	struct grammar_edge *edges = (struct grammar_edge *)(first + b->n_states + 1);
	for (u32 i = 0; i < b->n_edges; i++)
		first[b->from[i] + 1]++;
	for (u32 s = 0; s < b->n_states; s++)
		first[s + 1] += first[s];
	memcpy(put, first, (b->n_states + 1) * sizeof *put);
	for (u32 i = 0; i < b->n_edges; i++)
		edges[put[b->from[i]]++] = b->edge[i];
	if (trigger.len)
		memcpy(edges + b->n_edges, trigger.p, trigger.len);
	*ret = h;
	*ret_len = len;
	return 0;
}

int chat_gb_finish(struct chat_gb *b, u32 start, struct chat_bytes trigger, struct arena *a, const void **ret,
	size_t *ret_len)
{
	if (!chat_gb_ok(b) || !prune(b, start))
		return b->r->err;
	return write_out(b, start, trigger, a, ret, ret_len);
}

/* ---- from the text ------------------------------------------------------------------------------------------------------- */

static u32 build(struct chat_gb *b, const struct chat_grammar *p)
{
	struct chat_str s = { .p = p->source, .len = (u32)p->source_len };
	struct chat_val v;
	if (p->kind == CHAT_GRAMMAR_GBNF)
		return chat_gb_gbnf(b, s);
	return chat_json_read(b->r, "the schema", p->source, p->source_len, &v) ? chat_gb_schema(b, &v) : 0;
}

int chat_grammar_compile(const struct chat_grammar *p, struct arena *a, const void **ret, size_t *ret_len,
	const char **ret_why)
{
	struct chat_run r;
	struct chat_gb b = { .r = &r };
	struct chat_bytes trigger = { p->trigger, p->trigger ? (u32)strlen(p->trigger) : 0 };
	u32 start = 0;
	chat_run_init(&r, NULL, NULL);
	if (p->source_len > GRAMMAR_SOURCE_BYTES_MAX)
		chat_gb_fail(&b, "the grammar", "its text is longer than %u bytes", GRAMMAR_SOURCE_BYTES_MAX);
	else if (!bytes_utf8_ok(p->source, p->source_len))
		chat_gb_fail(&b, "the grammar", "its text is not UTF-8");
	else if (trigger.len > GRAMMAR_TRIGGER_BYTES_MAX)
		chat_gb_fail(&b, "the trigger", "it is longer than %u bytes", GRAMMAR_TRIGGER_BYTES_MAX);
	else
		start = build(&b, p);
	int e = chat_gb_finish(&b, start, trigger, a, ret, ret_len);
	if (e == 1)
		e = chat_run_outcome(&r, a, ret_why);
	arena_fini(&r.a);
	return e;
}
