#include "runtime/sched.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The last row of the page table names the pages that are being overwritten. */
#define SCRUB_SLOT BATCH_REQUESTS_MAX

struct model_work_params sched_work_params(
	const struct model *m, const struct sched_params *p, u64 range_bytes_max)
{
	u64 fit = range_bytes_max / ((u64)m->n_vocab * sizeof(f32));
	return (struct model_work_params){ .rows_max = STEP_ROWS_MAX,
		.out_max = (u32)MIN(fit, STEP_ROWS_MAX),
		.n_slots = BATCH_REQUESTS_MAX + 1,
		.ctx_tokens = p->ctx_tokens };
}

struct kv_span sched_span(const struct model *m, const struct sched_params *p)
{
	return (struct kv_span){ .window = m->window,
		.pieces = m->switches & SWITCH_PIECES,
		.rows = MAX(MIN(p->chunk ? p->chunk : STEP_PROMPT_ROWS, STEP_ROWS_MAX), 1 + DRAFT_IDS_MAX) };
}

int sched_create(struct rt_device *d, const struct model *m, const struct model_work *w,
	const struct sched_params *p, struct sched *ret)
{
	struct sched s = { .d = d, .m = m, .w = w, .p = *p };
	s.p.batch = MIN(p->batch ? p->batch : BATCH_REQUESTS_MAX, MIN(w->out_max, BATCH_REQUESTS_MAX));
	s.p.chunk = MIN(p->chunk ? p->chunk : STEP_PROMPT_ROWS, w->rows_max - s.p.batch);
	assert(s.p.batch && s.p.chunk && w->n_slots > SCRUB_SLOT);
	int r = kv_pool_create(w->kv_pages, &s.kv);
	if (!r && w->tail_pages) {
		s.span = sched_span(m, p);
		r = kv_pool_create(w->tail_pages, &s.tails);
	}
	if (r)
		kv_pool_fini(&s.kv);
	else
		*ret = s;
	return r;
}

void sched_fini(struct sched *s)
{
	assert(!s->wait_head && !s->run_head);
	kv_pool_fini(&s->kv);
	kv_pool_fini(&s->tails);
	*s = (struct sched){ 0 };
}

bool sched_idle(const struct sched *s)
{
	return !s->wait_head && !s->run_head;
}

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

/* Into its round, behind those of the same one. */
static void enqueue(struct sched *s, struct sched_seq *q)
{
	u64 own = MAX(last_round(s->wait_head, q->principal), last_round(s->run_head, q->principal));
	struct sched_seq *behind = s->wait_tail;
	q->round = MAX(s->round, own + 1);
	while (behind && behind->round > q->round)
		behind = behind->prev;
	q->prev = behind;
	q->next = behind ? behind->next : s->wait_head;
	*(behind ? &behind->next : &s->wait_head) = q;
	*(q->next ? &q->next->prev : &s->wait_tail) = q;
	s->n_waiting++;
}

int sched_add(struct sched *s, struct sched_seq *q)
{
	assert(q->n_prompt >= 1);
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
	int r = s->p.no_draft || q->n_new < 2 ? 0 : draft_create((u32)n, &q->draft);
	if (r) {
		free(q->pages);
		q->pages = NULL;
		return r;
	}
	q->n_ids = q->n_prompt;
	q->n_computed = q->n_cached = 0;
	q->running = q->enough = false;
	q->queued = true;
	q->turn = q->given = 0;
	q->n_guessed = q->n_drafted = q->all_drafted = q->all_right = 0;
	enqueue(s, q);
	return 0;
}

static struct kv_move move_of(const struct sched *s, const struct sched_seq *q)
{
	u32 left = q->n_prompt + q->n_new - q->n_computed;
	return (struct kv_move){ .principal = q->principal,
		.ids = q->ids,
		.from = q->n_computed,
		.n = MIN(left, s->span.rows),
		.keep = !s->p.no_cache };
}

static void tail_give(struct sched *s, struct sched_seq *q)
{
	const struct kv_move m = move_of(s, q);
	kv_tail_give(&s->tails, &m, &q->tail);
}

void sched_remove(struct sched *s, struct sched_seq *q)
{
	if (q->running) {
		struct kv_give g = { .principal = q->principal,
			.ids = q->ids,
			.n_computed = q->n_computed,
			.n_pages = q->n_pages,
			.keep = !s->p.no_cache };
		kv_give(&s->kv, &g, q->pages);
		if (s->span.window)
			tail_give(s, q);
		s->slot_used[q->slot] = false;
		pull(&s->run_head, &s->run_tail, q);
		s->n_running--;
	} else if (q->queued) {
		pull(&s->wait_head, &s->wait_tail, q);
		s->n_waiting--;
	}
	free(q->pages);
	q->pages = NULL;
	draft_fini(&q->draft);
	q->queued = q->running = false;
}

/* ---- admission: round by round, as slots and pages become free ----------------------------------------------------------- */

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

/* Pages of layers with a window, for the positions that a step may compute. */
static void move_tails(struct sched *s)
{
	for (struct sched_seq *q = s->span.window ? s->run_head : NULL; q; q = q->next) {
		const struct kv_move m = move_of(s, q);
		kv_tail_move(&s->tails, &s->span, &m, &q->tail);
		table_put(s, &s->tails, q->slot, q->tail.pages, q->tail.first, q->tail.end - q->tail.first);
	}
}

static u64 turn_of(const struct sched *s, u64 principal)
{
	for (const struct sched_seq *q = s->run_head; q; q = q->next)
		if (q->principal == principal)
			return q->turn;
	return 0;
}

/* Is there room for the tail of q? Of the pages in the cache, those are wanted that it can go on behind. */
static bool tail_room(struct sched *s, struct sched_seq *q, struct kv_want *w)
{
	if (!kv_tail_room(&s->tails, &s->span, q->n_pages))
		return false;
	w->most = kv_tail_find(&s->tails, &s->span, w, kv_find(&s->kv, w, q->pages), &q->tail);
	w->reuse = w->most;
	return true;
}

static void admit(struct sched *s)
{
	while (s->wait_head && s->n_running < s->p.batch) {
		struct sched_seq *q = s->wait_head;
		struct kv_want want = { .principal = q->principal,
			.ids = q->ids,
			.n_ids = q->n_prompt,
			.n_pages = q->n_pages,
			.reuse = !s->p.no_cache && q->want == SCHED_LAST_ROW };
		u32 cached = 0;
		if (s->span.window && !tail_room(s, q, &want))
			return;
		if (kv_take(&s->kv, &want, q->pages, &cached))
			return;
		if (s->span.window)
			kv_tail_take(&s->tails, &s->span, &want, cached, &q->tail);
		pull(&s->wait_head, &s->wait_tail, q);
		s->n_waiting--;
		q->slot = 0;
		while (s->slot_used[q->slot])
			q->slot++;
		s->slot_used[q->slot] = true;
		table_put(s, &s->kv, q->slot, q->pages, 0, q->n_pages);
		q->n_cached = q->n_computed = cached * RT_KV_PAGE;
		q->queued = false;
		q->running = true;
		q->turn = turn_of(s, q->principal);
		s->round = MAX(s->round, q->round);
		push(&s->run_head, &s->run_tail, q);
		s->n_running++;
	}
}

/* Pages that pass from one principal to another are overwritten before any row of a step may read them. */
static int scrub_on(struct sched *s, const struct kv_pool *p, const struct model_work *w, u32 n)
{
	u32 *seq = rt_host_ptr(w->seq), *pos = rt_host_ptr(w->pos);
	for (u32 i = 0; i < n * RT_KV_PAGE; i++) {
		seq[i] = SCRUB_SLOT;
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
		table_put(s, p, SCRUB_SLOT, p->scrub + done, 0, n);
		for (const struct model_work *w = s->w; w; w = w->next) {
			int r = scrub_on(s, p, w, n);
			if (r)
				return r;
		}
	}
	kv_scrubbed(p);
	return 0;
}

/* ---- a step -------------------------------------------------------------------------------------------------------------- */

struct step {
	struct model_step m;
	u32 prompt_rows;
	struct draft_pace *pace; /* of steps at about the same positions */
	u32 *ids, *seq, *pos, *out_rows;
	u32 n_owners;
	struct { /* whose rows of logits are whose */
		struct sched_seq *q;
		u32 pos;
	} owner[STEP_ROWS_MAX];
};

static bool generates(const struct sched_seq *q)
{
	return q->n_computed + 1 == q->n_ids && q->n_ids > q->n_prompt;
}

/* Add the next n positions of q, and behind them those of its guesses; the wanted rows of logits are noted. */
static void add_rows(struct step *st, struct sched_seq *q, u32 n)
{
	u32 first = q->n_computed;
	q->n_computed += n;
	for (u32 pos = first; pos < first + n + q->n_drafted; pos++) {
		u32 row = st->m.n++;
		st->ids[row] = q->ids[pos];
		st->seq[row] = q->slot;
		st->pos[row] = pos;
		st->m.pos_max = MAX(st->m.pos_max, pos);
		if (q->want == SCHED_EVERY_ROW || pos + 1 >= q->n_ids) {
			st->owner[st->m.n_out].q = q;
			st->owner[st->m.n_out].pos = pos;
			st->out_rows[st->m.n_out++] = row;
		}
	}
}

/* Rows of the prompt of q that fit: into the chunk, and their logits into the output. */
static u32 prompt_rows(const struct sched *s, const struct step *st, const struct sched_seq *q)
{
	u32 n = MIN(q->n_ids - q->n_computed, s->p.chunk - st->prompt_rows);
	u32 out = s->w->out_max - st->m.n_out;
	if (q->want == SCHED_EVERY_ROW)
		return MIN(n, out);
	bool last = n == q->n_ids - q->n_computed;
	return last && n && !out ? n - 1 : n;
}

/* Of the prompts that this step has no rows of: one whose principal had its turn longest ago. */
static struct sched_seq *next_prompt(const struct sched *s, u64 now)
{
	struct sched_seq *best = NULL;
	for (struct sched_seq *q = s->run_head; q; q = q->next)
		if (q->n_computed < q->n_ids && q->given != now && (!best || q->turn < best->turn))
			best = q;
	return best;
}

/* ---- guesses ------------------------------------------------------------------------------------------------------------- */

/* Guess what q says behind the id whose row is computed next; the last id that it may say needs no row. */
static struct draft_offer guess(struct sched_seq *q)
{
	u32 left = q->n_prompt + q->n_new - q->n_ids;
	q->n_guessed = q->n_drafted = 0;
	if (!q->draft.room || left < 2)
		return (struct draft_offer){ 0 };
	draft_read(&q->draft, q->ids, q->n_ids - 1);
	q->n_guessed = draft_guess(&q->draft, q->ids, q->n_ids, MIN(left - 1, DRAFT_IDS_MAX));
	return (struct draft_offer){ .chance = draft_chance(&q->draft), .most = q->n_guessed };
}

/* Everybody guesses, if only to learn how often that is right; rows are there for it where no prompt is read. */
static void share_rows(struct sched *s, struct step *st)
{
	struct draft_offer offers[BATCH_REQUESTS_MAX];
	u32 n = 0, spare;
	u64 pos = 0;
	bool prompts = false;
	for (struct sched_seq *q = s->run_head; q; q = q->next) {
		if (!generates(q)) {
			prompts = true;
			continue;
		}
		pos += q->n_computed;
		offers[n++] = guess(q);
	}
	st->pace = &s->pace[draft_reach(n ? pos / n : 0)];
	spare = MIN(s->w->rows_max, s->w->out_max) - n;
	if (!n || prompts || s->p.no_draft)
		return;
	if (!s->p.draft)
		(void)draft_share(st->pace, offers, n, s->others, spare);
	n = 0;
	for (struct sched_seq *q = s->run_head; q; q = q->next, n++) {
		u32 rows = s->p.draft ? MIN(MIN(s->p.draft, q->n_guessed), spare) : offers[n].n;
		spare -= rows;
		q->n_drafted = rows;
		q->all_drafted += rows;
		s->n_drafted += rows;
	}
}

/* The row for the last known position of q has chosen this id. */
static void say(struct sched *s, struct sched_seq *q, u32 id)
{
	bool right = q->n_guessed && q->ids[q->n_ids] == id;
	if (q->n_guessed)
		draft_judge(&q->draft, right);
	q->ids[q->n_ids++] = id;
	q->n_guessed = right ? q->n_guessed - 1 : 0;
	if (right && q->n_drafted) { /* its own row is there, and is right */
		q->n_drafted--;
		q->n_computed++;
		q->all_right++;
		s->n_right++;
	}
}

static void plan(struct sched *s, struct step *st)
{
	u64 now = s->n_steps + 1;
	st->ids = rt_host_ptr(s->w->ids);
	st->seq = rt_host_ptr(s->w->seq);
	st->pos = rt_host_ptr(s->w->pos);
	st->out_rows = rt_host_ptr(s->w->out_rows);
	share_rows(s, st);
	for (struct sched_seq *q = s->run_head; q; q = q->next)
		if (generates(q))
			add_rows(st, q, 1);
	for (struct sched_seq *q; st->prompt_rows < s->p.chunk && (q = next_prompt(s, now));) {
		u32 n = prompt_rows(s, st, q);
		st->prompt_rows += n;
		add_rows(st, q, n);
		q->given = now;
		for (struct sched_seq *x = n ? s->run_head : NULL; x; x = x->next)
			x->turn = x->principal == q->principal ? now : x->turn;
	}
}

static void hand_out(struct sched *s, const struct step *st)
{
	const f32 *logits = st->m.n_out ? model_logits(s->w) : NULL;
	for (u32 i = 0; i < st->m.n_out; i++) {
		struct sched_seq *q = st->owner[i].q;
		u32 next = 0;
		if (q->enough || st->owner[i].pos >= q->n_computed) /* behind a wrong guess */
			continue;
		if (q->row(q, st->owner[i].pos, logits + (size_t)i * s->m->n_vocab, &next))
			q->enough = true;
		else if (st->owner[i].pos + 1 == q->n_ids && q->n_ids < q->n_prompt + q->n_new)
			say(s, q, next);
		else if (st->owner[i].pos + 1 == q->n_ids)
			q->enough = true;
	}
	for (struct sched_seq *q = s->run_head, *next; q; q = next) {
		next = q->next;
		if (!q->enough)
			continue;
		sched_remove(s, q);
		q->ended(q);
	}
}

/* While the device works: what the choices behind this step need, of every sequence whose row for its last known id is in it. */
static void look_ahead(const struct step *st)
{
	for (u32 i = 0; i < st->m.n_out; i++) {
		struct sched_seq *q = st->owner[i].q;
		if (q->ahead && st->owner[i].pos + 1 == q->n_ids)
			q->ahead(q, q->n_drafted);
	}
}

static int compute(struct sched *s, const struct step *st)
{
	struct rt_device *d;
	int r = rt_begin(s->d);
	if (!r)
		r = model_forward(s->d, s->m, s->w, &st->m);
	d = model_open(s->w, &st->m);
	if (!r)
		r = rt_start(d);
	if (r)
		return r;
	look_ahead(st);
	return rt_wait(d);
}

static u64 now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

int sched_step(struct sched *s)
{
	u64 began;
	admit(s);
	move_tails(s);
	int r = scrub(s, &s->kv);
	if (!r)
		r = scrub(s, &s->tails);
	if (r)
		return r;
	struct step st = { 0 };
	plan(s, &st);
	if (!st.m.n)
		return 0;
	began = now_ns();
	r = compute(s, &st);
	if (r)
		return r;
	s->n_steps++;
	s->n_rows += st.m.n;
	if (!st.prompt_rows && !s->p.no_draft)
		draft_pace_note(st.pace, st.m.n, now_ns() - began);
	hand_out(s, &st);
	return 0;
}
