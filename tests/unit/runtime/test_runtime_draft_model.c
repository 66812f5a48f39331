/* Guesses of a draft model: what they may cost, and that no bit of an answer knows of them, whoever guesses, however badly, on whatever is left of memory. */
#include "guesses.h"
#include "runtime/dev.h"
#include "runtime/draft_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* ---- what they may cost ----------------------------------------------------------------------------------------------------- */

/* Steps cost base + rows * each. */
static struct draft_pace paced(u32 most, f32 base, f32 each)
{
	struct draft_pace p = { 0 };
	for (u32 rows = 1; rows <= most; rows++)
		draft_pace_note(&p, rows, (u64)(base + each * (f32)rows));
	return p;
}

/* One sequence with a draft model that is right so often and whose steps cost so much, of a target whose steps cost 16,000 and little for a row. */
static u32 share(f32 chance, f32 model_ns, u32 behind, f32 *ret_gain)
{
	struct draft_pace own = paced(32, 16000, 100), model = paced(32, model_ns, 0);
	struct draft_offer o = { .chance = chance, .most = DRAFT_IDS_MAX, .behind = behind, .model = true };
	struct draft_step st = { .pace = &own, .model = &model, .n = 1, .spare = 100 };
	u32 n = draft_share(&st, &o);
	assert_int_equal(n, o.n);
	*ret_gain = st.gain;
	return n;
}

static void time_counts(void **state)
{
	f32 gain, none;
	u32 cheap = share(0.8f, 500, 1, &gain), dear = share(0.8f, 4000, 1, &none);
	assert_in_range(cheap, 6, DRAFT_IDS_MAX);
	assert_in_range(dear, 1, 3);
	assert_true(gain > 2 && none > 1 && none < gain);
	assert_int_equal(share(0.8f, 16000, 1, &none), 0); /* as dear as the target */
	assert_true(none == 1);
	assert_int_equal(share(0.05f, 1000, 1, &none), 0); /* hardly ever right */
	/* the first guess is there already: one row, which costs little */
	assert_int_equal(share(0.8f, 60000, 0, &none), 1);
	/* of what was never measured nothing is asked */
	struct draft_pace own = paced(8, 1000, 0), unknown = { 0 };
	struct draft_offer o[2] = { { .chance = 0.9f, .most = 4, .behind = 1, .model = true },
		{ .chance = 0.5f, .most = 4 } };
	struct draft_step st = { .pace = &own, .model = &unknown, .n = 2, .spare = 8 };
	assert_int_equal(draft_share(&st, o), 0);
	assert_int_equal(o[0].n, 0);
}

/* Sequences whose guesses are steps of one draft model share these; who only looks up is not slowed by them. */
static void steps_are_shared(void **state)
{
	struct draft_pace own = paced(64, 16000, 10), model = paced(64, 3000, 10);
	struct draft_offer both[2] = { { .chance = 0.8f, .most = 8, .behind = 1, .model = true },
		{ .chance = 0.8f, .most = 8, .behind = 1, .model = true } };
	struct draft_step st = { .pace = &own, .model = &model, .n = 2, .spare = 64 };
	u32 n = draft_share(&st, both);
	assert_true(n >= 4 && both[0].n && both[1].n);
	both[1] = (struct draft_offer){ .chance = 0 };
	assert_int_equal(draft_share(&st, both), 0);
	both[1] = (struct draft_offer){ .chance = 0.9f, .most = 4 };
	assert_in_range(draft_share(&st, both), 4, 16);
	st.others = true;
	both[0].most = 0;
	assert_int_equal(draft_share(&st, both), 4); /* rows that cost nothing */
	both[0].most = 8;
	both[1].most = 0;
	assert_int_equal(draft_share(&st, both), 0);
}

/* What was seen in other sequences of the same principal counts as a few guesses of this one. */
static void luck_is_known(void **state)
{
	struct draft d = { 0 };
	struct draft_past past = { 0 };
	assert_true(draft_chance_model(&d, &past, 7) == 0.5f);
	for (u32 i = 0; i < 60; i++)
		draft_past_note(&past, 7, true);
	assert_true(draft_chance_model(&d, &past, 7) > 0.95f);
	assert_true(draft_chance_model(&d, &past, 8) == 0.5f); /* nothing of them is another's */
	draft_past_note(&past, 8, false);
	assert_true(draft_chance_model(&d, &past, 7) == 0.5f);
	for (u32 i = 0; i < 60; i++)
		draft_past_note(&past, 7, true);
	d.kind = DRAFT_MODEL;
	for (u32 i = 0; i < 12; i++)
		draft_judge(&d, false);
	assert_true(draft_chance_model(&d, &past, 7) < 0.25f);
}

/* ---- whole answers ---------------------------------------------------------------------------------------------------------- */

static struct rt_device *devices[3];
static u32 n_devices;
static struct ask plain[ASKS], drafted[ASKS];

/* The target, and who guesses for it. */
struct pair {
	struct grant g, d;
};

static int load_draft(const struct tiny *t, struct rt_device *dev, const struct grant_params *p, u32 kv_mode,
	struct pair *x, struct proto_load_failed *f)
{
	tiny_collect(t, kv_mode, 0, &x->d);
	x->d.want.drafts_for = 1;
	x->d.target = &x->g;
	int r = grant_load(&x->d, dev, p, f);
	if (!r)
		r = grant_ready(&x->d, p, f);
	if (!r)
		grant_attach(&x->d);
	return r;
}

static void drop_draft(struct pair *x)
{
	grant_detach(&x->d);
	grant_fini(&x->d);
}

static void all_back(struct pair *x)
{
	assert_int_equal(kv_pool_available(&x->g.sched.kv), x->g.sched.kv.n_pages);
	assert_true(sched_idle(&x->d.sched));
	assert_int_equal(kv_pool_available(&x->d.sched.kv), x->d.sched.kv.n_pages);
	assert_int_equal(kv_pool_available(&x->d.sched.tails), x->d.sched.tails.n_pages);
}

/* How a pair is run. */
struct way {
	u32 rows;		/* of guesses, whatever they cost; 0: as the costs say */
	u32 device, own_device; /* of the target; of the draft model */
	bool together;
	u32 pages, own_pages; /* of the cache; 0: as many as there may be */
	u32 asks;	      /* bit i: request i */
};

static void run_asks(struct pair *x, u32 asks, bool together)
{
	for (u32 i = 0; i < ASKS; i++) {
		if (!(asks >> i & 1))
			continue;
		drafted[i] = guess_asked(i);
		ask_begin(&drafted[i], &x->g);
		assert_null(drafted[i].refused);
		if (!together)
			ask_finish(&x->g);
	}
	ask_finish(&x->g);
}

/* What was guessed, of all requests; every number fits the others. */
static void count(u32 asks, u32 *ret_drafted, u32 *ret_right)
{
	*ret_drafted = *ret_right = 0;
	for (u32 i = 0; i < ASKS; i++) {
		const struct proto_outcome *o = &drafted[i].outcome;
		if (!(asks >> i & 1))
			continue;
		assert_true(o->n_model_drafted <= o->n_drafted && o->n_model_accepted <= o->n_accepted);
		assert_true(o->n_model_accepted <= o->n_model_drafted && o->n_accepted <= o->n_drafted);
		*ret_drafted += o->n_model_drafted;
		*ret_right += o->n_model_accepted;
	}
}

static void same_all(u32 asks)
{
	for (u32 i = 0; i < ASKS; i++)
		if (asks >> i & 1)
			guess_same(&plain[i], &drafted[i]);
}

static void run(
	const struct tiny *t, const struct tiny *draft, u32 kv_mode, const struct way *w, u32 right_min)
{
	const struct grant_params p = { .wake = -1, .draft = w->rows, .kv_pages = w->pages },
				  own = { .wake = -1, .kv_pages = w->own_pages };
	struct proto_load_failed f = { 0 };
	static struct pair x;
	u32 n, right;
	tiny_load(t, devices[w->device], &p, kv_mode, &x.g);
	if (load_draft(draft, devices[w->own_device], &own, KV_F16, &x, &f))
		fail_msg("%s", f.text);
	run_asks(&x, w->asks, w->together);
	all_back(&x);
	count(w->asks, &n, &right);
	if (w->rows && (right < right_min || !n))
		fail_msg("%u of %u guesses right", right, n);
	same_all(w->asks);
	drop_draft(&x);
	grant_fini(&x.g);
}

static void run_plain(const struct tiny *t, u32 kv_mode)
{
	const struct grant_params p = { .wake = -1, .no_draft = true };
	struct grant g;
	tiny_load(t, devices[0], &p, kv_mode, &g);
	for (u32 i = 0; i < ASKS; i++) {
		plain[i] = guess_asked(i);
		ask_all(&plain[i], 1, &g);
	}
	grant_fini(&g);
}

/* The draft is the model itself, in another attention mode where the target's is not F16: right mostly, and not always. Then another family, which
 * knows nothing: one layer of other weights. */
static void on_model(u32 arch, u32 type, u32 kv_mode)
{
	const struct tiny_spec spec = { .type = type, .seed = 9, .ctx = 512, .arch = arch },
			       small = { .type = TENSOR_Q8_0, .seed = 77, .ctx = 512, .layers = 1 },
			       slides = {
				       .type = TINY_MIXED, .seed = 78, .ctx = 512, .arch = LAYOUT_ARCH_GEMMA3
			       };
	const struct way ways[] = { { 5, 0, 0, false, 0, 0, 0xff }, { 3, 0, 0, true, 0, 0, 0xff },
		{ DRAFT_IDS_MAX, 0, 0, true, 0, 0, 0xff }, { 0, 0, 0, true, 0, 0, 0xff },
		{ 4, 0, 0, true, 20, 0, 0xff }, { 4, 0, 0, true, 0, 9, 0xff } };
	struct tiny t, no, window;
	tiny_make(&spec, &t);
	tiny_make(&small, &no);
	tiny_make(&slides, &window);
	run_plain(&t, kv_mode);
	for (u32 i = 0; i < ARRAY_LEN(ways); i++)
		run(&t, &t, kv_mode, &ways[i], 40);
	run(&t, &no, kv_mode, &ways[0], 0);
	run(&t, &window, kv_mode, &ways[2], 0);
	tiny_fini(&t);
	tiny_fini(&no);
	tiny_fini(&window);
}

static void answers_are_the_same(void **state)
{
	on_model(LAYOUT_ARCH_LLAMA, TENSOR_Q8_0, KV_F16);
	on_model(LAYOUT_ARCH_LLAMA, TINY_MIXED, KV_INT8);
	on_model(LAYOUT_ARCH_GEMMA3, TINY_MIXED, KV_F16);
	on_model(LAYOUT_ARCH_LLAMA4, TINY_MIXED, KV_F16);
	on_model(LAYOUT_ARCH_GPT_OSS, TINY_MIXED, KV_F16);
}

/* Target and draft on two devices, either way round, and both on the second. */
static void on_any_device(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512 };
	const u32 asks = 1 << 0 | 1 << 1 | 1 << 4;
	const struct way ways[] = { { 4, 0, 2, true, 0, 0, asks }, { 4, 2, 0, true, 0, 0, asks },
		{ 4, 2, 2, true, 0, 0, asks } };
	struct tiny t;
	tiny_make(&spec, &t);
	run_plain(&t, KV_F16);
	for (u32 i = 0; i < ARRAY_LEN(ways) && n_devices > 2; i++)
		run(&t, &t, KV_F16, &ways[i], 20);
	tiny_fini(&t);
}

/* The draft model goes in the middle of answers, and another comes: those that run go on, those that begin later have its guesses. */
static void it_may_go(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512 };
	const struct grant_params p = { .wake = -1, .draft = 2 }, own = { .wake = -1 };
	struct proto_load_failed f = { 0 };
	static struct pair x;
	struct tiny t;
	u32 n, right;
	tiny_make(&spec, &t);
	run_plain(&t, KV_F16);
	for (u32 after = 1; after < 24; after += 7) {
		tiny_load(&t, devices[0], &p, KV_F16, &x.g);
		assert_int_equal(load_draft(&t, devices[0], &own, KV_F16, &x, &f), 0);
		for (u32 i = ASKS; i-- > 0;) { /* those that no grammar holds come last */
			drafted[i] = guess_asked(i);
			ask_begin(&drafted[i], &x.g);
			for (u32 k = 0; k < after && i == 3; k++)
				assert_int_equal(sched_step(&x.g.sched), 0);
			if (i == 3)
				drop_draft(&x);
			if (i == 1)
				assert_int_equal(load_draft(&t, devices[0], &own, KV_F16, &x, &f), 0);
		}
		ask_finish(&x.g);
		all_back(&x);
		same_all(0xff);
		count(1 << 2 | 1 << 1, &n, &right);
		assert_int_equal(n, 0);
		count(1 << 0, &n, &right);
		assert_true(right > 0);
		drop_draft(&x);
		grant_fini(&x.g);
	}
	tiny_fini(&t);
}

/* Thrown out in the middle, and a draft model that reaches no further than the middle. */
static void it_may_end_early(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512 },
			       low = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 64 };
	const struct grant_params p = { .wake = -1, .draft = 3 }, own = { .wake = -1 };
	struct proto_load_failed f = { 0 };
	static struct pair x;
	struct tiny t, s;
	u32 n, right;
	tiny_make(&spec, &t);
	tiny_make(&low, &s);
	run_plain(&t, KV_F16);
	tiny_load(&t, devices[0], &p, KV_F16, &x.g);
	assert_int_equal(load_draft(&s, devices[0], &own, KV_F16, &x, &f), 0);
	assert_int_equal(x.d.ctx_tokens, 64);
	drafted[0] = guess_asked(0);
	ask_begin(&drafted[0], &x.g);
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(sched_step(&x.g.sched), 0);
	answer_abort(&drafted[0].a, FINISH_CANCELLED, "test");
	assert_true(sched_idle(&x.d.sched));
	run_asks(&x, 1 << 0, true);
	count(1 << 0, &n, &right); /* 20 of prompt: 44 of its answer are within reach */
	assert_in_range(n, 3, 43);
	assert_int_equal(right, n);
	run_asks(&x, 0xff, true);
	all_back(&x);
	same_all(0xff);
	drop_draft(&x);
	grant_fini(&x.g);
	tiny_fini(&s);
	tiny_fini(&t);
}

/* Every step of it takes so long, as far as it knows. */
static void paced_all(struct sched *s, f32 ns)
{
	for (u32 r = 0; r < DRAFT_REACHES; r++) {
		s->pace[r].now = MAX(s->pace[r].now, 1ull);
		for (u32 i = 0; i < DRAFT_PACES; i++) {
			s->pace[r].of[i].ns = ns;
			s->pace[r].of[i].at = s->pace[r].now;
		}
	}
}

/* Without anybody who says how many: a model whose steps are cheap guesses, and one as dear as its target never does. */
static void costs_decide(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512 };
	const struct grant_params p = { .wake = -1 };
	struct proto_load_failed f = { 0 };
	static struct pair x;
	struct tiny t;
	u32 n, right;
	tiny_make(&spec, &t);
	run_plain(&t, KV_F16);
	for (u32 dear = 0; dear < 2; dear++) {
		tiny_load(&t, devices[0], &p, KV_F16, &x.g);
		assert_int_equal(load_draft(&t, devices[0], &p, KV_F16, &x, &f), 0);
		drafted[0] = guess_asked(0);
		ask_begin(&drafted[0], &x.g);
		while (!sched_idle(&x.g.sched)) {
			paced_all(&x.g.sched, 1e12f);
			paced_all(&x.d.sched, dear ? 2e12f : 1e9f);
			x.g.sched.purse = dear ? 0 : 1e9;
			assert_int_equal(sched_step(&x.g.sched), 0);
		}
		same_all(1 << 0);
		count(1 << 0, &n, &right);
		assert_true(dear ? !n && !x.d.sched.n_steps : n > 3 && right == n);
		assert_true(dear || x.g.sched.n_steps < GUESS_NEW / 3);
		drop_draft(&x);
		grant_fini(&x.g);
	}
	tiny_fini(&t);
}

/* ---- whose pages -------------------------------------------------------------------------------------------------------------- */

static bool rows_are_zero(const struct grant *g, u32 page, u32 from_row)
{
	u64 row = (u64)g->model.n_kv_heads * g->model.head_dim * sizeof(f32);
	for (u32 i = 0; i < 2 * g->model.n_layers; i++) {
		const u8 *p = (const u8 *)g->work.kv[i]->host + page * RT_KV_PAGE * row;
		for (u64 b = from_row * row; b < RT_KV_PAGE * row; b++)
			if (p[b])
				return false;
	}
	return true;
}

/* Eight people, one after the other on the same few pages of the draft model: behind what was computed for one there is nothing of another. The
 * reference device's memory is ours to look at. */
static void others_pages_are_wiped(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_F32, .seed = 9, .ctx = 512 };
	const struct grant_params p = { .wake = -1, .draft = 2 }, own = { .wake = -1, .kv_pages = 6 };
	struct proto_load_failed f = { 0 };
	static struct pair x;
	struct tiny t;
	u32 seen = 0;
	tiny_make(&spec, &t);
	tiny_load(&t, devices[0], &p, KV_F32, &x.g);
	assert_int_equal(load_draft(&t, devices[1], &own, KV_F32, &x, &f), 0);
	for (u32 i = 0; i < ASKS; i++) {
		drafted[i] = guess_asked(i % 4);
		drafted[i].principal = 100 + i;
		ask_begin(&drafted[i], &x.g);
	}
	while (!sched_idle(&x.g.sched)) {
		assert_int_equal(sched_step(&x.g.sched), 0);
		for (const struct sched_seq *q = x.d.sched.run_head; q; q = q->next) {
			u32 end = q->n_ids + 3, first = end / RT_KV_PAGE; /* what may have been guessed */
			for (u32 i = first; i < q->n_held && !q->n_aside; i++) {
				assert_true(
					rows_are_zero(&x.d, q->pages[i], i == first ? end % RT_KV_PAGE : 0));
				seen++;
			}
		}
	}
	assert_true(seen > 50);
	all_back(&x);
	drop_draft(&x);
	grant_fini(&x.g);
	tiny_fini(&t);
}

/* ---- who may guess ------------------------------------------------------------------------------------------------------------ */

static void refused(struct pair *x, const struct tiny *t, const char *why)
{
	const struct grant_params own = { .wake = -1 };
	struct proto_load_failed f = { 0 };
	assert_int_equal(load_draft(t, devices[0], &own, KV_F16, x, &f), 1);
	assert_int_equal(f.reason, LOAD_UNSUPPORTED);
	if (!strstr(f.text, why))
		fail_msg("%s", f.text);
	grant_fini(&x->d);
}

static void others_do_not_guess(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512 };
	const struct grant_params p = { .wake = -1 };
	struct proto_load_failed f = { 0 };
	static struct pair x, none;
	static struct grant second;
	struct tiny t, other;
	const char *why;
	struct layout l;
	tiny_make(&spec, &t);
	tiny_make(&spec, &other);
	assert_int_equal(layout_open(other.layout, other.layout_len, NULL, &l, &why), 0);
	char *word = (char *)other.layout + ((const u8 *)l.strings - other.layout) + l.vocab[300].text.off;
	tiny_load(&t, devices[0], &p, KV_F16, &x.g);
	word[0] ^= 1;
	refused(&x, &other,
		"token 300 is another one in the model that it would guess for: their vocabularies differ");
	word[0] ^= 1;
	assert_int_equal(load_draft(&other, devices[0], &p, KV_F16, &x, &f), 0);
	second = x.d;
	refused(&x, &other, "another model guesses for that one already");
	x.d = second;
	/* a target that is gone */
	tiny_collect(&t, KV_F16, 0, &none.d);
	none.d.want.drafts_for = 1;
	assert_int_equal(grant_load(&none.d, devices[0], &p, &f), 1);
	assert_string_equal(f.text, "the model that it would guess for is not loaded");
	grant_fini(&none.d);
	x.d.target = &x.g;
	grant_detach(&x.d);
	grant_fini(&x.d);
	grant_fini(&x.g);
	tiny_fini(&t);
	tiny_fini(&other);
}

static int open_all(void **state)
{
	static const char *const names[] = { "native", "reference", "llvmpipe" };
	n_devices = ask_devices(names, ARRAY_LEN(names), devices);
	return n_devices < 2;
}

static int close_all(void **state)
{
	ask_devices_close(devices, n_devices);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_counts),
		cmocka_unit_test(steps_are_shared),
		cmocka_unit_test(luck_is_known),
		cmocka_unit_test(answers_are_the_same),
		cmocka_unit_test(on_any_device),
		cmocka_unit_test(it_may_go),
		cmocka_unit_test(it_may_end_early),
		cmocka_unit_test(costs_decide),
		cmocka_unit_test(others_pages_are_wiped),
		cmocka_unit_test(others_do_not_guess),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, open_all, close_all);
}
