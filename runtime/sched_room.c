#include "runtime/sched_impl.h"
#include "base/err.h"
#include "runtime/draft_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ------------------------------------------------------------------------------------------------------------- */

static void push(struct sched_seq **head, struct sched_seq **tail, struct sched_seq *q)
{
	q->prev = *tail;
	q->next = NULL;
	if (*tail)
		(*tail)->next = q;
	else
		*head = q;
	*tail = q;
}

static void pull(struct sched_seq **head, struct sched_seq **tail, struct sched_seq *q)
{
	if (q->prev)
		q->prev->next = q->next;
	else
		*head = q->next;
	if (q->next)
		q->next->prev = q->prev;
	else
		*tail = q->prev;
	q->prev = q->next = NULL;
}

static u64 last_round(const struct sched_seq *q, u64 principal)
{
	u64 last = 0;
	for (; q; q = q->next)
		last = q->principal == principal ? MAX(last, q->round) : last;
	return last;
}

static bool before(const struct sched_seq *a, const struct sched_seq *b)
{
	return a->round != b->round ? a->round < b->round : a->arrival < b->arrival;
}

/* To its place among those who wait: into its round, and there by arrival. */
static void enqueue(struct sched *s, struct sched_seq *q)
{
	struct sched_seq *behind = s->wait_tail;
	while (behind && before(q, behind))
		behind = behind->prev;
	q->prev = behind;
	q->next = behind ? behind->next : s->wait_head;
	*(behind ? &behind->next : &s->wait_head) = q;
	*(q->next ? &q->next->prev : &s->wait_tail) = q;
	s->n_waiting++;
	q->queued = true;
}

int sched_hold(const struct sched *s, struct sched_seq *q)
{
	u64 n = (u64)q->n_prompt + q->n_new;
	u64 n_pages = DIV_UP(n, RT_KV_PAGE);
	if (n > s->p.ctx_tokens || n_pages > s->kv.n_pages)
		return 1;
	q->n_pages = (u32)n_pages;
	q->tail = (struct kv_tail){ 0 };
	q->pages = calloc(s->span.window ? 2ul * q->n_pages : q->n_pages, sizeof *q->pages);
	if (!q->pages)
		return err_origin(-ENOMEM);
	if (s->span.window)
		q->tail.pages = q->pages + q->n_pages;
	return 0;
}

void sched_enter(struct sched *s, struct sched_seq *q)
{
	u64 own = MAX(last_round(s->wait_head, q->principal), last_round(s->run_head, q->principal));
	q->round = MAX(s->round, own + 1);
	q->arrival = ++s->n_arrivals;
	enqueue(s, q);
}

int sched_add(struct sched *s, struct sched_seq *q)
{
	assert(q->n_prompt >= 1);
	int r = sched_hold(s, q);
	if (r)
		return r;
	r = s->p.no_draft || q->n_new < 2 ? 0 : draft_create((u32)((u64)q->n_prompt + q->n_new), &q->draft);
	if (r) {
		free(q->pages);
		q->pages = NULL;
		return r;
	}
	q->n_ids = q->n_prompt;
	q->n_computed = q->n_cached = q->n_read = q->n_shown = q->n_held = q->n_aside = 0;
	q->running = q->enough = false;
	q->turn = q->given = 0;
	q->n_guessed = q->n_drafted = q->all_drafted = q->all_right = 0;
	q->model_drafted = q->model_right = 0;
	shadow_create(s, q);
	sched_enter(s, q);
	return 0;
}

/* ---- pages and slots ---------------------------------------------------------------------------------------------------- */

bool sched_generates(const struct sched_seq *q)
{
	return q->n_computed + 1 == q->n_ids && q->n_ids > q->n_prompt;
}

/* q goes on with the rows of one step, and `more` for guesses, as far as it ever may. */
static struct kv_move move_of(const struct sched *s, const struct sched_seq *q, u32 more)
{
	u32 rows = more + (sched_generates(q) ? 1 : MIN(q->n_ids - q->n_computed, s->p.chunk));
	return (struct kv_move){ .principal = q->principal,
		.ids = q->ids,
		.from = q->n_computed,
		.n = MIN(rows, q->n_prompt + q->n_new - q->n_computed),
		.keep = !s->p.no_cache };
}

/* The page table of one of the pools, on one of the devices. */
static struct rt_buf *table_of(const struct sched *s, const struct kv_pool *p, const struct model_work *w)
{
	return p == &s->tails ? w->tail_tables : w->tables;
}

/* Pages first .. first + n - 1 of row `slot` of a page table, on every device. */
static void table_put(struct sched *s, const struct kv_pool *p, u32 slot, const u32 *pages, u32 first, u32 n)
{
	for (const struct model_work *w = s->w; w; w = w->next)
		memcpy((u32 *)rt_host_ptr(table_of(s, p, w)) + (size_t)slot * w->ctx_pages + first,
			pages + first, n * sizeof *pages);
}

/* It runs no more: its pages, which others find, and its slot. */
static void release(struct sched *s, struct sched_seq *q)
{
	const struct kv_move m = move_of(s, q, 0);
	const struct kv_give g = { .principal = q->principal,
		.ids = q->ids,
		.n_computed = q->n_computed,
		.n_pages = q->n_held,
		.keep = m.keep };
	kv_give(&s->kv, &g, q->pages);
	if (s->span.window)
		kv_tail_give(&s->tails, &m, &q->tail);
	q->n_held = 0;
	shadow_leave(s, q);
	s->slot_used[q->slot] = false;
	pull(&s->run_head, &s->run_tail, q);
	s->n_running--;
	q->running = false;
}

static void leave_queue(struct sched *s, struct sched_seq *q)
{
	pull(&s->wait_head, &s->wait_tail, q);
	s->n_waiting--;
	q->queued = false;
}

void sched_leave(struct sched *s, struct sched_seq *q)
{
	if (q->running)
		release(s, q);
	else if (q->queued)
		leave_queue(s, q);
}

void sched_remove(struct sched *s, struct sched_seq *q)
{
	sched_leave(s, q);
	shadow_destroy(s, q);
	free(q->pages);
	q->pages = NULL;
	draft_fini(&q->draft);
}

/* ---- admission: round by round, as slots and pages become free ----------------------------------------------------------- */

static u32 n_running_of(const struct sched *s, u64 principal)
{
	u32 n = 0;
	for (const struct sched_seq *q = s->run_head; q; q = q->next)
		n += q->principal == principal;
	return n;
}

static u64 turn_of(const struct sched *s, u64 principal)
{
	for (const struct sched_seq *q = s->run_head; q; q = q->next)
		if (q->principal == principal)
			return q->turn;
	return 0;
}

/* Of those whose round has come the first one whose principal has fewest running: who was set aside does not come before somebody who has
 * nothing. Else the first one. */
static struct sched_seq *next_of(const struct sched *s)
{
	struct sched_seq *best = s->wait_head;
	u32 least = best ? n_running_of(s, best->principal) : 0;
	for (struct sched_seq *q = best; q && q->round <= s->round && least; q = q->next) {
		u32 n = n_running_of(s, q->principal);
		if (n < least) {
			best = q;
			least = n;
		}
	}
	return best;
}

/* Pages that q begins with: for all that it knows, and one for what it says. */
static u32 first_pages(const struct sched_seq *q)
{
	return MIN(q->n_pages, DIV_UP(q->n_ids, RT_KV_PAGE) + 1);
}

/* Is there room for the tail of q? Of the pages in the cache, those are wanted that it can go on behind. */
static bool tail_room(struct sched *s, struct sched_seq *q, struct kv_want *w)
{
	if (!kv_tail_room(&s->tails, &s->span, w->n_pages))
		return false;
	w->most = kv_tail_find(&s->tails, &s->span, w, kv_find(&s->kv, w, q->pages), &q->tail);
	w->reuse = w->most;
	return true;
}

static void move_tail(struct sched *s, struct sched_seq *q)
{
	table_put(s, &s->tails, q->slot, q->tail.pages, q->tail.first, q->tail.end - q->tail.first);
}

/* 0; 1 there are not enough pages now. */
static int take_pages(struct sched *s, struct sched_seq *q)
{
	struct kv_want want = { .principal = q->principal,
		.ids = q->ids,
		.n_ids = q->n_ids,
		.n_pages = first_pages(q),
		.reuse = !s->p.no_cache && q->want == SCHED_LAST_ROW };
	u32 cached = 0;
	if (s->span.window && !tail_room(s, q, &want))
		return 1;
	if (kv_take(&s->kv, &want, q->pages, &cached))
		return 1;
	q->n_held = want.n_pages;
	q->n_computed = cached * RT_KV_PAGE;
	if (!q->n_aside)
		q->n_cached = q->n_computed;
	if (s->span.window) {
		kv_tail_take(&s->tails, &s->span, &want, cached, &q->tail);
		const struct kv_move m = move_of(s, q, 0);
		int r = kv_tail_move(&s->tails, &s->span, &m, &q->tail);
		assert(!r); /* there was room */
	}
	return 0;
}

static void begin(struct sched *s, struct sched_seq *q)
{
	leave_queue(s, q);
	q->slot = 0;
	while (s->slot_used[q->slot])
		q->slot++;
	s->slot_used[q->slot] = true;
	table_put(s, &s->kv, q->slot, q->pages, 0, q->n_held);
	if (s->span.window)
		move_tail(s, q);
	q->running = true;
	q->turn = turn_of(s, q->principal);
	s->round = MAX(s->round, q->round);
	push(&s->run_head, &s->run_tail, q);
	s->n_running++;
	shadow_begin(s, q);
}

void sched_admit(struct sched *s)
{
	struct sched_seq *q;
	s->next.q = NULL;
	s->next.pages = s->next.tails = 0;
	while (s->n_running < s->p.batch && (q = next_of(s))) {
		if (take_pages(s, q)) {
			s->next.q = q;
			s->next.pages = first_pages(q);
			s->next.tails = s->span.window ? kv_span_pages(&s->span, s->next.pages) : 0;
			return;
		}
		begin(s, q);
	}
}

/* ---- pages on the way ---------------------------------------------------------------------------------------------------- */

/* How many of its principal run that came before it. */
static u32 rank(const struct sched *s, const struct sched_seq *one)
{
	u32 n = 0;
	for (const struct sched_seq *q = s->run_head; q; q = q->next)
		n += q->principal == one->principal && q->arrival < one->arrival;
	return n;
}

/* Pages for q's next step, and for `more` guesses, but for those of who waits: if it yields. 0; 1 there are not enough now. */
static int reach(struct sched *s, struct sched_seq *q, u32 more, bool yields)
{
	struct kv_move m = move_of(s, q, more);
	u32 pages = DIV_UP(m.from + m.n, RT_KV_PAGE);
	if (pages > q->n_held) {
		u32 n = pages - q->n_held;
		if (kv_grow(&s->kv, q->principal, n, yields ? s->next.pages : 0, q->pages + q->n_held))
			return 1;
		table_put(s, &s->kv, q->slot, q->pages, q->n_held, n);
		q->n_held = pages;
	}
	if (!s->span.window)
		return 0;
	m.leave = yields ? s->next.tails : 0;
	int r = kv_tail_move(&s->tails, &s->span, &m, &q->tail);
	move_tail(s, q);
	return r;
}

static struct sched_seq *first_without(struct sched *s)
{
	u32 others = s->next.q ? n_running_of(s, s->next.q->principal) : 0;
	for (struct sched_seq *q = s->run_head; q; q = q->next)
		if (reach(s, q, 0, s->next.q && rank(s, q) > others))
			return q;
	return NULL;
}

/* Whoever is set aside where pages are wanting. */
static struct sched_seq *last_in_rank(const struct sched *s)
{
	struct sched_seq *last = NULL;
	u32 most = 0;
	for (struct sched_seq *q = s->run_head; q; q = q->next) {
		u32 n = rank(s, q);
		if (!last || n > most || (n == most && q->arrival > last->arrival)) {
			last = q;
			most = n;
		}
	}
	return last;
}

static void set_aside(struct sched *s, struct sched_seq *q)
{
	assert(s->n_running > 1); /* one alone has room: sched_add has seen to that */
	release(s, q);
	q->n_computed = 0;
	q->n_guessed = q->n_drafted = 0;
	q->n_aside++;
	s->n_aside++;
	enqueue(s, q);
}

void sched_provide(struct sched *s)
{
	while (first_without(s))
		set_aside(s, last_in_rank(s));
	for (struct sched_seq *q = s->p.no_draft ? NULL : s->run_head; q; q = q->next)
		if (sched_generates(q))
			(void)reach(s, q, DRAFT_IDS_MAX, true); /* what is there and nobody waits for */
}

int sched_reach(struct sched *s, struct sched_seq *q, u32 n)
{
	return reach(s, q, n, true);
}

u32 sched_ahead(const struct sched *s, const struct sched_seq *q)
{
	u32 pages = s->span.window ? MIN(q->n_held, q->tail.end) : q->n_held;
	return pages * RT_KV_PAGE - q->n_ids;
}

/* ---- wiping -------------------------------------------------------------------------------------------------------------- */

static int scrub_on(struct sched *s, const struct kv_pool *p, const struct model_work *w, u32 n)
{
	u32 *seq = rt_host_ptr(w->seq), *pos = rt_host_ptr(w->pos);
	for (u32 i = 0; i < n * RT_KV_PAGE; i++) {
		seq[i] = SCHED_SCRUB_SLOT;
		pos[i] = i;
	}
	int r = rt_begin(w->d);
	if (!r)
		r = model_scrub(w->d, s->m, w, table_of(s, p, w), n * RT_KV_PAGE);
	return r ? r : rt_submit(w->d);
}

static int scrub(struct sched *s, struct kv_pool *p)
{
	u32 most = MIN(s->w->rows_max / RT_KV_PAGE, s->w->ctx_pages);
	for (u32 done = 0; done < p->n_scrub; done += most) {
		u32 n = MIN(most, p->n_scrub - done);
		table_put(s, p, SCHED_SCRUB_SLOT, p->scrub + done, 0, n);
		for (const struct model_work *w = s->w; w; w = w->next) {
			int r = scrub_on(s, p, w, n);
			if (r)
				return r;
		}
	}
	kv_scrubbed(p);
	return 0;
}

int sched_scrub(struct sched *s)
{
	int r = scrub(s, &s->kv);
	return r ? r : scrub(s, &s->tails);
}
