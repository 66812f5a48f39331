#include "runtime/draft_model.h"
#include "runtime/sched_impl.h"

#include <string.h>
#include <time.h>

struct model_work_params sched_work_params(
	const struct model *m, const struct sched_params *p, u64 range_bytes_max)
{
	u64 fit = range_bytes_max / ((u64)m->n_vocab * sizeof(f32));
	return (struct model_work_params){ .rows_max = STEP_ROWS_MAX,
		.out_max = (u32)MIN(fit, STEP_ROWS_MAX),
		.n_slots = SCHED_SCRUB_SLOT + 1,
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
	assert(s.p.batch && s.p.chunk && w->n_slots > SCHED_SCRUB_SLOT);
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

/* ---- a step -------------------------------------------------------------------------------------------------------------- */

struct step {
	struct model_step m;
	u32 prompt_rows;
	struct draft_pace *pace; /* of steps at about the same positions */
	u32 *ids, *seq, *pos, *out_rows;
	u32 n_owners;
	struct { /* whose rows of logits are whose */
		struct sched_seq *q;
		u32 pos, whole; /* which row of those that are read whole, or NONE */
		struct sampler_need need;
	} owner[STEP_ROWS_MAX];
	const struct model_work *head;
};

/* Add the next n positions of q, and behind them those of its guesses; the wanted rows of logits are noted. */
static void add_rows(struct step *st, struct sched_seq *q, u32 n)
{
	u32 first = q->n_computed;
	q->n_computed += n;
	q->n_read = MAX(q->n_read, q->n_computed);
	for (u32 pos = first; pos < first + n + q->n_drafted; pos++) {
		u32 row = st->m.n++;
		st->ids[row] = q->ids[pos];
		st->seq[row] = q->slot;
		st->pos[row] = pos;
		st->m.pos_max = MAX(st->m.pos_max, pos);
		if (pos >= q->n_shown && (q->want == SCHED_EVERY_ROW || pos + 1 >= q->n_ids)) {
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

/* Guess what q says behind the id whose row is computed next; the last id that it may say needs no row, and rows need pages that it has. */
static struct draft_offer guess(const struct sched *s, struct sched_seq *q)
{
	u32 left = q->n_prompt + q->n_new - q->n_ids;
	q->n_guessed = q->n_drafted = 0;
	if (!q->draft.room || left < 2)
		return (struct draft_offer){ 0 };
	draft_read(&q->draft, q->ids, q->n_ids - 1);
	q->n_guessed = draft_guess(&q->draft, q->ids, q->n_ids, MIN(left - 1, DRAFT_IDS_MAX));
	return (struct draft_offer){ .chance = draft_chance(&q->draft),
		.most = MIN(q->n_guessed, sched_ahead(s, q)) };
}

/* What everybody who generates guesses, if only to learn how often that is right. Returns how many they are; false in *ret_free: rows are wanted for
 * prompts. */
static u32 look_up(struct sched *s, struct step *st, struct draft_offer *offers, bool *ret_free)
{
	u32 n = 0;
	u64 pos = 0;
	*ret_free = true;
	for (struct sched_seq *q = s->run_head; q; q = q->next) {
		if (!sched_generates(q)) {
			*ret_free = false;
			continue;
		}
		pos += q->n_computed;
		offers[n++] = guess(s, q);
	}
	st->pace = &s->pace[draft_reach(n ? pos / n : 0)];
	return n;
}

/* What a test asks for, whatever it costs. */
static void give(struct sched *s, u32 n, u32 spare, struct draft_offer *offers)
{
	for (u32 i = 0; i < n; i++) {
		offers[i].n = MIN(MIN(s->p.draft, offers[i].most), spare);
		spare -= offers[i].n;
	}
}

/* The guesses of a draft model in place of others, where more comes of them for their time. */
static int draw(struct sched *s, struct draft_step *ds, struct draft_offer *offers)
{
	struct draft_offer with[BATCH_REQUESTS_MAX];
	struct draft_step mixed = *ds;
	memcpy(with, offers, ds->n * sizeof *with);
	if (draft_model_offers(s, with)) {
		if (s->p.draft)
			give(s, ds->n, ds->spare, with);
		else
			(void)draft_share(&mixed, with);
		if (s->p.draft || mixed.gain > ds->gain)
			memcpy(offers, with, ds->n * sizeof *with);
	}
	return draft_model_guess(s, offers);
}

/* Rows are there for guesses where no prompt is read. */
static int share_rows(struct sched *s, struct step *st)
{
	struct draft_offer offers[BATCH_REQUESTS_MAX];
	bool free_rows;
	u32 n = look_up(s, st, offers, &free_rows), i = 0;
	struct draft_step ds = { .pace = st->pace,
		.model = s->drafts ? &s->drafts->pace[st->pace - s->pace] : NULL,
		.n = n,
		.others = s->others,
		.spare = MIN(s->w->rows_max, s->w->out_max) - n };
	int r = s->drafts && !s->p.no_draft ? draft_model_turn(s, &ds) : 0;
	if (r || !n || !free_rows || s->p.no_draft)
		return r;
	if (s->p.draft)
		give(s, n, ds.spare, offers);
	else
		(void)draft_share(&ds, offers);
	if (s->drafts && (r = draw(s, &ds, offers)))
		return r;
	for (struct sched_seq *q = s->run_head; q; q = q->next, i++) {
		q->n_drafted = MIN(offers[i].n, q->n_guessed);
		q->all_drafted += q->n_drafted;
		q->model_drafted += q->draft.kind == DRAFT_MODEL ? q->n_drafted : 0;
		s->n_drafted += q->n_drafted;
	}
	return 0;
}

/* The row for the last known position of q has chosen this id. */
static void say(struct sched *s, struct sched_seq *q, u32 id)
{
	bool right = q->n_guessed && q->ids[q->n_ids] == id;
	bool of_model = q->draft.kind == DRAFT_MODEL;
	if (q->n_guessed)
		draft_judge(&q->draft, right);
	if (q->n_guessed && of_model && s->drafts)
		draft_past_note(&s->drafts->past, q->principal, right);
	q->ids[q->n_ids++] = id;
	q->n_guessed = right ? q->n_guessed - 1 : 0;
	if (right && q->n_drafted) { /* its own row is there, and is right */
		q->n_drafted--;
		q->n_computed++;
		q->all_right++;
		q->model_right += of_model;
		s->n_right++;
	}
}

static int plan(struct sched *s, struct step *st)
{
	u64 now = s->n_steps + 1;
	st->ids = rt_host_ptr(s->w->ids);
	st->seq = rt_host_ptr(s->w->seq);
	st->pos = rt_host_ptr(s->w->pos);
	st->out_rows = rt_host_ptr(s->w->out_rows);
	int r = share_rows(s, st);
	if (r)
		return r;
	for (struct sched_seq *q = s->run_head; q; q = q->next)
		if (sched_generates(q))
			add_rows(st, q, 1);
	for (struct sched_seq *q; st->prompt_rows < s->p.chunk && (q = next_prompt(s, now));) {
		u32 n = prompt_rows(s, st, q);
		st->prompt_rows += n;
		add_rows(st, q, n);
		q->given = now;
		for (struct sched_seq *x = n ? s->run_head : NULL; x; x = x->next)
			x->turn = x->principal == q->principal ? now : x->turn;
	}
	return 0;
}

/* ---- rows of logits ------------------------------------------------------------------------------------------------------ */

#define NONE UINT32_MAX

/* From row `from` on those that are wanted whole, as many as are read at once; row `from` is one of them. How many. */
static u32 list_whole(struct step *st, u32 from)
{
	u32 *rows = rt_host_ptr(st->head->whole_rows), n = 0;
	for (u32 i = from; i < st->m.n_out; i++) {
		bool listed = n < MODEL_WHOLE_MAX && (i == from || !st->owner[i].need.blocks);
		st->owner[i].whole = listed ? n : NONE;
		if (listed)
			rows[n++] = i;
	}
	return n;
}

/* Tell the device what each row is for. */
static void say_needs(struct sched *s, struct step *st)
{
	u32 *need, first = NONE;
	st->head = model_head(s->w);
	if (!st->head->tops)
		return;
	need = rt_host_ptr(st->head->need);
	for (u32 i = 0; i < st->m.n_out; i++) {
		struct sched_seq *q = st->owner[i].q;
		st->owner[i].need = q->need ? q->need(q) : (struct sampler_need){ 0 };
		st->owner[i].whole = NONE;
		memcpy(need + 2ul * i, &st->owner[i].need, 2 * sizeof *need);
		if (!st->owner[i].need.blocks && first == NONE)
			first = i;
	}
	st->m.n_whole = first == NONE ? 0 : list_whole(st, first);
}

/* Row i whole, whatever was wanted of it. */
static int show_whole(struct sched *s, struct step *st, u32 i, u32 *ret_next)
{
	struct sched_seq *q = st->owner[i].q;
	u32 n_vocab = s->m->n_vocab;
	if (st->owner[i].whole == NONE) {
		int r = model_read_whole(s->m, st->head, list_whole(st, i));
		if (r)
			return r;
	}
	s->n_whole++;
	const f32 *logits = rt_host_ptr(st->head->whole);
	return q->row(q, st->owner[i].pos, logits + (size_t)st->owner[i].whole * n_vocab, ret_next);
}

/* Row i of the step to whom it belongs. As sched_seq.row, or -errno. */
static int show(struct sched *s, struct step *st, u32 i, u32 *ret_next)
{
	struct sched_seq *q = st->owner[i].q;
	const struct model_work *head = st->head;
	if (!head->tops)
		return q->row(q, st->owner[i].pos,
			(const f32 *)rt_host_ptr(head->logits) + (size_t)i * s->m->n_vocab, ret_next);
	if (st->owner[i].need.blocks) {
		const struct sampler_few few = { (const u32 *)rt_host_ptr(head->top) +
							 (size_t)i * op_top_words(s->m->n_vocab, OP_TOP_MAX),
			st->owner[i].need, OP_TOP_MAX };
		int r = q->few(q, st->owner[i].pos, &few, ret_next);
		s->n_few++;
		if (r != SAMPLER_WHOLE)
			return r;
		s->n_again++;
	}
	return show_whole(s, st, i, ret_next);
}

static int hand_out(struct sched *s, struct step *st)
{
	for (u32 i = 0; i < st->m.n_out; i++) {
		struct sched_seq *q = st->owner[i].q;
		u32 next = 0;
		if (q->enough || st->owner[i].pos >= q->n_computed) /* behind a wrong guess */
			continue;
		q->n_shown = st->owner[i].pos + 1;
		int r = show(s, st, i, &next);
		if (r < 0)
			return r;
		if (r)
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
	return 0;
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

u64 sched_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

int sched_step(struct sched *s)
{
	u64 began, took;
	sched_admit(s);
	sched_provide(s);
	int r = sched_scrub(s);
	if (r)
		return r;
	struct step st = { 0 };
	r = plan(s, &st);
	if (r || !st.m.n)
		return r;
	say_needs(s, &st);
	began = sched_now_ns();
	r = compute(s, &st);
	if (r)
		return r;
	took = sched_now_ns() - began;
	s->purse += (f64)took * DRAFT_MARGIN;
	s->n_steps++;
	s->n_rows += st.m.n;
	if (!st.prompt_rows && !s->p.no_draft)
		draft_pace_note(st.pace, st.m.n, took);
	return hand_out(s, &st);
}
