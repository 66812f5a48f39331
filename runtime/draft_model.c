/* Source of the idea: Leviathan et al. 2023, "Fast inference from transformers via speculative decoding"; here by equality, not by chance. */
#include "runtime/draft_model.h"
#include "runtime/sched_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- shadows -------------------------------------------------------------------------------------------------------------- */

/* Ids from `from` on that both vocabularies have, up to n. */
static u32 known_to(const struct sched *drafts, const u32 *ids, u32 from, u32 n)
{
	while (from < n && ids[from] < drafts->m->n_vocab)
		from++;
	return from;
}

void shadow_create(struct sched *s, struct sched_seq *q)
{
	struct sched *d = s->drafts;
	q->shadow = NULL;
	if (!d || !q->draft.room || q->want != SCHED_LAST_ROW)
		return;
	u64 most = MIN(d->p.ctx_tokens, (u64)d->kv.n_pages * RT_KV_PAGE);
	u32 n = (u32)MIN(most, (u64)q->n_prompt + q->n_new);
	if (n <= q->n_prompt || known_to(d, q->ids, 0, q->n_prompt) < q->n_prompt)
		return;
	struct shadow *h = calloc(1, sizeof *h);
	if (!h)
		return;
	h->q = (struct sched_seq){ .principal = q->principal, .ids = q->ids, .n_prompt = n };
	if (sched_hold(d, &h->q)) {
		free(h);
		return;
	}
	q->shadow = h;
}

void shadow_leave(struct sched *s, struct sched_seq *q)
{
	if (q->shadow)
		sched_leave(s->drafts, &q->shadow->q);
}

void shadow_destroy(struct sched *s, struct sched_seq *q)
{
	if (!q->shadow)
		return;
	sched_remove(s->drafts, &q->shadow->q);
	explicit_bzero(q->shadow, sizeof *q->shadow);
	free(q->shadow);
	q->shadow = NULL;
}

void shadow_begin(struct sched *s, struct sched_seq *q)
{
	struct shadow *h = q->shadow;
	if (!h || q->n_ids > h->q.n_prompt || known_to(s->drafts, q->ids, 0, q->n_ids) < q->n_ids)
		return; /* it would get no further */
	h->q.n_ids = q->n_ids;
	h->q.n_computed = 0;
	h->n_guess = h->n_ahead = 0;
	sched_enter(s->drafts, &h->q);
}

void draft_model_attach(struct sched *s, struct sched *drafts)
{
	assert(!s->drafts && drafts->p.drafts && sched_idle(drafts));
	s->drafts = drafts;
	s->purse = 0;
}

void draft_model_detach(struct sched *s)
{
	for (struct sched_seq *q = s->run_head; q; q = q->next)
		shadow_destroy(s, q);
	for (struct sched_seq *q = s->wait_head; q; q = q->next)
		shadow_destroy(s, q);
	s->drafts = NULL;
}

/* What the sequence has said since: guesses of it that were computed rightly need not be computed again. */
static void learn(struct sched *drafts, const struct sched_seq *q)
{
	struct shadow *h = q->shadow;
	u32 was = h->q.n_ids, n = q->n_ids, right = 0;
	if (n == was)
		return;
	if (n > h->q.n_prompt || known_to(drafts, q->ids, was, n) < n) { /* it goes no further */
		sched_leave(drafts, &h->q);
		return;
	}
	while (right < h->n_ahead && was + right < n && q->ids[was + right] == h->guess[right])
		right++;
	h->q.n_computed += right;
	h->q.n_ids = n;
	h->n_guess = h->n_ahead = 0;
}

static u32 behind(const struct shadow *h)
{
	return h->q.n_ids - h->q.n_computed;
}

static struct shadow *shadow_of(struct sched_seq *q)
{
	return (struct shadow *)q;
}

/* ---- a step of the draft model -------------------------------------------------------------------------------------------- */

struct rows {
	struct model_step m;
	u32 *ids, *seq, *pos, *out_rows;
	u64 sum; /* of the positions */
	u32 n_owners;
	struct shadow *owner[BATCH_REQUESTS_MAX];
};

static struct rows rows_begin(const struct sched *d)
{
	return (struct rows){ .ids = rt_host_ptr(d->w->ids),
		.seq = rt_host_ptr(d->w->seq),
		.pos = rt_host_ptr(d->w->pos),
		.out_rows = rt_host_ptr(d->w->out_rows) };
}

static void add_row(struct rows *r, const struct shadow *h, u32 id, u32 pos)
{
	r->ids[r->m.n] = id;
	r->seq[r->m.n] = h->q.slot;
	r->pos[r->m.n++] = pos;
	r->m.pos_max = MAX(r->m.pos_max, pos);
	r->sum += pos;
}

/* The last row of h says what it guesses next. */
static void add_owner(struct rows *r, struct shadow *h)
{
	r->out_rows[r->m.n_out++] = r->m.n - 1;
	r->owner[r->n_owners++] = h;
}

/* n of the ids that h knows and has not computed. */
static void add_known(struct rows *r, struct shadow *h, u32 n)
{
	for (u32 i = 0; i < n; i++)
		add_row(r, h, h->q.ids[h->q.n_computed + i], h->q.n_computed + i);
	h->q.n_computed += n;
	h->n_guess = h->n_ahead = 0;
	if (!behind(h))
		add_owner(r, h);
}

static u32 largest(const f32 *x, u32 n)
{
	u32 best = 0;
	for (u32 i = 1; i < n; i++)
		best = x[i] > x[best] ? i : best;
	return best;
}

/* Of row i of the logits, of ids below n: the largest, or where only the best block is said, the largest there. */
static u32 guess_of(const struct sched *d, u32 i, u32 n)
{
	const struct model_work *head = model_head(d->w);
	u32 n_vocab = d->m->n_vocab;
	if (!head->tops)
		return largest((const f32 *)rt_host_ptr(head->logits) + (size_t)i * n_vocab, n);
	const u32 *words =
		(const u32 *)rt_host_ptr(head->top) + (size_t)i * op_top_words(n_vocab, OP_TOP_MAX);
	u32 first, len;
	const f32 *best = op_top_best(words, n_vocab, OP_TOP_MAX, &first, &len);
	return first < n ? first + largest(best, MIN(len, n - first)) : 0;
}

/* Where rows stay on the device: the best block of each. */
static void say_needs(const struct sched *d, u32 n)
{
	const struct model_work *head = model_head(d->w);
	u32 *need = head->tops ? rt_host_ptr(head->need) : NULL;
	for (u32 i = 0; need && i < n; i++) {
		need[2 * i] = 1;
		need[2 * i + 1] = 0;
	}
}

/* Compute them; their shadows have a guess more. What ids beyond the target's vocabulary say is no guess. */
static int rows_run(const struct sched *s, const struct rows *r)
{
	struct sched *d = s->drafts;
	u64 began = sched_now_ns();
	say_needs(d, r->m.n_out);
	int e = rt_begin(d->d);
	if (!e)
		e = model_forward(d->d, d->m, d->w, &r->m);
	if (!e)
		e = rt_submit(model_open(d->w, &r->m));
	if (e)
		return e;
	for (u32 i = 0; i < r->n_owners; i++) {
		struct shadow *h = r->owner[i];
		h->guess[h->n_guess++] = guess_of(d, i, MIN(d->m->n_vocab, s->m->n_vocab));
	}
	d->n_steps++;
	d->n_rows += r->m.n;
	draft_pace_note(&d->pace[draft_reach(r->sum / r->m.n)], r->m.n, sched_now_ns() - began);
	return 0;
}

/* ---- reading what is known ------------------------------------------------------------------------------------------------ */

static u32 all_behind(const struct sched *d)
{
	u32 n = 0;
	for (struct sched_seq *q = d->run_head; q; q = q->next)
		n += behind(shadow_of(q));
	return n;
}

/* At most `most` rows: whoever runs longest first. */
static int read_known(struct sched *s, u32 most)
{
	struct sched *d = s->drafts;
	struct rows r = rows_begin(d);
	for (struct sched_seq *q = d->run_head; q && r.m.n < most; q = q->next) {
		u32 n = MIN(behind(shadow_of(q)), MIN(d->p.chunk, most - r.m.n));
		if (n)
			add_known(&r, shadow_of(q), n);
	}
	return rows_run(s, &r);
}

/* Whoever is alone here reads at its own expense: all that it lacks, where as many ids as it has said would be gained by guesses to repay it. */
static bool repays(const struct sched *s, const struct draft_step *st, f32 chunk_ns)
{
	const struct sched_seq *q = s->run_head;
	if (st->n != 1 || s->n_running != 1 || st->others || chunk_ns <= 0 || !q->shadow)
		return false;
	struct draft_offer one = { .chance = draft_chance_model(&q->draft, &s->drafts->past, q->principal),
		.most = DRAFT_IDS_MAX,
		.behind = 1,
		.model = true };
	struct draft_step with = *st;
	with.model = &s->drafts->pace[draft_reach(q->n_computed)];
	if (!draft_share(&with, &one))
		return false;
	f32 saved = draft_pace_of(st->pace, 1) * (1 - 1 / with.gain);
	f32 cost = chunk_ns * (f32)DIV_UP(all_behind(s->drafts), s->drafts->p.chunk);
	return cost <= saved * (f32)(q->n_ids - q->n_prompt);
}

/* A step of what shadows lack, where somebody pays for it. */
static int read_on(struct sched *s, const struct draft_step *st)
{
	struct sched *d = s->drafts;
	u32 rows = MIN(all_behind(d), d->p.chunk);
	if (!rows)
		return 0;
	u64 pos = 0;
	for (const struct sched_seq *q = d->run_head; q; q = q->next)
		pos += q->n_computed;
	const struct draft_pace *pace = &d->pace[draft_reach(pos / d->n_running)];
	f32 ns;
	while ((ns = draft_pace_of(pace, rows)) <= 0 && rows > 1) /* of what is not known a little */
		rows /= 2;
	s->purse = MIN(s->purse, (f64)MAX(ns, 1)); /* what is saved up is for one step */
	if (s->purse < (f64)ns && !repays(s, st, ns))
		return 0;
	if (s->purse <= 0 && ns <= 0)
		return 0;
	u64 began = sched_now_ns();
	int r = read_known(s, rows);
	s->purse = MAX(s->purse - (f64)(sched_now_ns() - began), -(f64)MAX(ns, 0));
	return r;
}

/* Everybody who runs has pages for what it lacks. */
static int make_room(struct sched *d)
{
	sched_admit(d);
	sched_provide(d);
	return sched_scrub(d);
}

int draft_model_turn(struct sched *s, const struct draft_step *st)
{
	struct sched *d = s->drafts;
	for (struct sched_seq *q = s->run_head; q; q = q->next)
		if (q->shadow)
			learn(d, q);
	int r = make_room(d);
	if (!s->p.draft)
		return r ? r : read_on(s, st);
	while (!r && all_behind(d) > 2 * d->n_running) { /* for tests: whatever it takes */
		r = read_known(s, d->p.chunk);
		r = r ? r : make_room(d);
	}
	return r;
}

/* ---- guesses -------------------------------------------------------------------------------------------------------------- */

/* Guesses that the shadow of q may come to: there are positions for them, pages of q, and rows of one move of a tail. */
static u32 most_of(const struct sched *s, const struct sched_seq *q)
{
	const struct shadow *h = q->shadow;
	const struct sched *d = s->drafts;
	u32 left = q->n_prompt + q->n_new - q->n_ids, rows = MAX(d->p.chunk, 1 + DRAFT_IDS_MAX);
	if (!h || !h->q.running || h->q.n_ids != q->n_ids || left < 2)
		return 0;
	if (behind(h) > d->p.chunk || behind(h) >= rows || (!behind(h) && !h->n_guess))
		return 0;
	u32 most = MIN(MIN(left - 1, DRAFT_IDS_MAX), rows - behind(h));
	return MIN(most, MIN(sched_ahead(s, q), h->q.n_prompt - h->q.n_ids));
}

u32 draft_model_offers(const struct sched *s, struct draft_offer *offers)
{
	u32 n = 0, i = 0, rows = s->drafts->w->rows_max;
	for (const struct sched_seq *q = s->run_head; q; q = q->next, i++) {
		u32 most = most_of(s, q), first = most ? behind(q->shadow) : 0;
		u32 takes = MAX(first, 1u);
		f32 chance = draft_chance_model(&q->draft, &s->drafts->past, q->principal);
		if (!most || takes > rows || (offers[i].most && offers[i].chance >= chance))
			continue;
		rows -= takes;
		offers[i] = (struct draft_offer){
			.chance = chance, .most = most, .behind = first, .model = true
		};
		n++;
	}
	return n;
}

/* One step towards what is wanted. 0; 1 nothing is wanted any more; -errno. */
static int guess_on(const struct sched *s)
{
	struct rows r = rows_begin(s->drafts);
	for (struct sched_seq *q = s->drafts->run_head; q; q = q->next) {
		struct shadow *h = shadow_of(q);
		if (h->n_guess >= h->want)
			continue;
		if (behind(h)) {
			add_known(&r, h, behind(h));
			continue;
		}
		add_row(&r, h, h->guess[h->n_guess - 1], h->q.n_ids + h->n_ahead);
		h->n_ahead++;
		add_owner(&r, h);
	}
	return r.m.n ? rows_run(s, &r) : 1;
}

/* Guesses of h, for its sequence to have them behind what it knows. */
static void hand_over(struct sched_seq *q, u32 n)
{
	memcpy(q->ids + q->n_ids, q->shadow->guess, n * sizeof *q->ids);
	q->n_guessed = n;
	q->draft.kind = DRAFT_MODEL;
}

int draft_model_guess(struct sched *s, const struct draft_offer *offers)
{
	struct sched *d = s->drafts;
	u32 i = 0;
	int r;
	for (struct sched_seq *q = d->run_head; q; q = q->next)
		shadow_of(q)->want = 0;
	for (const struct sched_seq *q = s->run_head; q; q = q->next, i++)
		if (offers[i].model && offers[i].n && !sched_reach(d, &q->shadow->q, offers[i].n))
			q->shadow->want = offers[i].n;
	for (r = sched_scrub(d); !r;)
		r = guess_on(s);
	for (struct sched_seq *q = s->run_head; q; q = q->next) {
		const struct shadow *h = q->shadow;
		bool here = h && h->q.running && h->q.n_ids == q->n_ids && h->n_guess;
		if (here && h->want)
			hand_over(q, MIN(h->n_guess, h->want));
		else if (here && !q->n_guessed && most_of(s, q)) /* to be judged, if not computed */
			hand_over(q, 1);
	}
	return r < 0 ? r : 0;
}
