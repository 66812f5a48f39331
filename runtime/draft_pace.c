#include "runtime/draft.h"

/* Sizes of steps: 1, 2, … 16; 20 … 32; 40 … 64; 80 … 160. The index of the smallest that is not below rows. */
static u32 index_of(u32 rows)
{
	return rows <= 16   ? rows - 1
	       : rows <= 32 ? 15 + DIV_UP(rows - 16, 4u)
	       : rows <= 64 ? 19 + DIV_UP(rows - 32, 8u)
			    : 23 + DIV_UP(rows - 64, 16u);
}

static u32 rows_of(u32 i)
{
	return i < 16 ? i + 1 : i < 20 ? 16 + 4 * (i - 15) : i < 24 ? 32 + 8 * (i - 19) : 64 + 16 * (i - 23);
}

u32 draft_reach(u64 mean_pos)
{
	u32 i = 0;
	while (i < DRAFT_REACHES - 1 && mean_pos > 256ull << i)
		i++;
	return i;
}

static bool fresh(const struct draft_pace *p, u32 i)
{
	return p->of[i].at && p->now - p->of[i].at < DRAFT_FRESH;
}

void draft_pace_note(struct draft_pace *p, u32 rows, u64 ns)
{
	u32 i = index_of(rows);
	f32 x = (f32)ns, old = p->of[i].ns;
	assert(rows >= 1 && i < DRAFT_PACES);
	p->now++;
	p->of[i].ns = fresh(p, i) && x > old ? old + (x - old) / 8 : x;
	p->of[i].at = p->now;
}

/* The line through two measurements, or level where there is but one. */
static f32 line(const struct draft_pace *p, u32 a, u32 b, u32 rows)
{
	if (a == b)
		return p->of[a].ns;
	f32 slope = (p->of[b].ns - p->of[a].ns) / (f32)(rows_of(b) - rows_of(a));
	return p->of[b].ns + MAX(slope, 0) * ((f32)rows - (f32)rows_of(b));
}

f32 draft_pace_of(const struct draft_pace *p, u32 rows)
{
	u32 at = index_of(rows), below = DRAFT_PACES, before = DRAFT_PACES, above = DRAFT_PACES;
	if (rows < 1 || at >= DRAFT_PACES)
		return 0;
	if (fresh(p, at))
		return p->of[at].ns;
	for (u32 i = 0; i < at; i++)
		if (fresh(p, i)) {
			before = below == DRAFT_PACES ? i : below;
			below = i;
		}
	for (u32 i = at + 1; i < DRAFT_PACES && above == DRAFT_PACES; i++)
		above = fresh(p, i) ? i : above;
	if (below == DRAFT_PACES)
		return 0;
	if (above < DRAFT_PACES)
		return line(p, below, above, rows);
	return rows <= 2 * rows_of(below) ? line(p, before, below, rows) : 0;
}

/* Would every sequence have its next tokens no later, with steps of `ns` in place of `without`? */
static bool suits(const struct draft_offer *o, u32 n, bool others, f32 ns, f32 without, const f32 *gain)
{
	f32 slower = ns / without;
	bool ok = !others || slower <= 1 + (f32)DRAFT_MARGIN;
	for (u32 i = 0; i < n && ok; i++)
		ok = slower <= (o[i].n ? 1 + gain[i] : 1 + (f32)DRAFT_MARGIN);
	return ok;
}

/* The sequence whose next guess is likeliest right, or n. more[i]: how likely that is. */
static u32 likeliest(const struct draft_offer *o, u32 n, const f32 *more)
{
	u32 best = n;
	for (u32 i = 0; i < n; i++)
		if (o[i].n < o[i].most && (best == n || more[i] > more[best]))
			best = i;
	return best;
}

/* Steps of the draft model that are under consideration: rows of the first, of the second, … */
struct model_steps {
	u32 rows[DRAFT_IDS_MAX], n;
};

/* One guess more of o, which has o->n of them. */
static void add_step(struct model_steps *m, const struct draft_offer *o)
{
	if (!o->model)
		return;
	m->rows[o->n] += o->n ? 1 : o->behind;
	m->n = MAX(m->n, o->n + 1);
}

/* Nanoseconds that they take; < 0: not known. */
static f32 model_ns(const struct draft_step *st, const struct model_steps *m)
{
	f32 sum = 0;
	for (u32 i = 0; i < m->n; i++) {
		f32 ns = m->rows[i] ? draft_pace_of(st->model, m->rows[i]) : 0;
		if (m->rows[i] && ns <= 0)
			return -1;
		sum += ns;
	}
	return sum;
}

/* What is being shared out. */
struct share {
	f32 gain[BATCH_REQUESTS_MAX], more[BATCH_REQUESTS_MAX], sum, rate;
	u32 order[STEP_ROWS_MAX], rows, best;
	struct model_steps model;
};

/* Give the likeliest guess a row, where it is known what that takes: whether it is worth it shows in h->best. false: there is none. */
static bool share_one(const struct draft_step *st, struct draft_offer *o, f32 without, struct share *h)
{
	u32 n = st->n, i = likeliest(o, n, h->more);
	f32 ns = i < n ? draft_pace_of(st->pace, n + h->rows + 1) : 0;
	if (ns <= 0)
		return false;
	add_step(&h->model, &o[i]);
	f32 before = model_ns(st, &h->model);
	if (before < 0)
		return false;
	ns += before;
	h->order[h->rows++] = i;
	o[i].n++;
	h->gain[i] += h->more[i];
	h->sum += h->more[i];
	h->more[i] *= o[i].chance;
	if (((f32)n + h->sum) / ns > h->rate && suits(o, n, st->others, ns, without, h->gain)) {
		h->rate = ((f32)n + h->sum) / ns;
		h->best = h->rows;
	}
	return true;
}

u32 draft_share(struct draft_step *st, struct draft_offer *o)
{
	struct share h = { 0 };
	assert(st->n <= BATCH_REQUESTS_MAX && st->spare <= STEP_ROWS_MAX);
	st->gain = 1;
	for (u32 i = 0; i < st->n; i++) {
		o[i].n = 0;
		h.more[i] = o[i].chance;
	}
	if (!st->n || !fresh(st->pace, index_of(st->n))) /* measured first, without guesses */
		return 0;
	f32 without = draft_pace_of(st->pace, st->n), rate = (f32)st->n / without;
	h.rate = rate * (1 + (f32)DRAFT_MARGIN);
	while (h.rows < st->spare && share_one(st, o, without, &h))
		;
	if (h.best)
		st->gain = h.rate / rate;
	while (h.rows > h.best)
		o[h.order[--h.rows]].n--;
	return h.best;
}
