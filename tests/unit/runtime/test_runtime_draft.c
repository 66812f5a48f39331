/* Guesses: what they are, what they may cost, and that no bit of an answer knows of them. */
#include "guesses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- what is guessed ------------------------------------------------------------------------------------------------------ */

static u32 guess(const char *text, u32 most, char *ret)
{
	u32 ids[256], n = (u32)strlen(text);
	struct draft d;
	for (u32 i = 0; i < n; i++)
		ids[i] = (u8)text[i];
	assert_int_equal(draft_create(200, &d), 0);
	draft_read(&d, ids, n - 1);
	u32 k = draft_guess(&d, ids, n, most);
	for (u32 i = 0; i < k; i++)
		ret[i] = (char)ids[n + i];
	ret[k] = 0;
	draft_fini(&d);
	return k;
}

static void guesses(void **state)
{
	char s[64];
	assert_int_equal(guess("abcdef, abc", 4, s), 4);
	assert_string_equal(s, "def,");
	assert_int_equal(guess("abcdef, bcd", 1, s), 1);
	assert_string_equal(s, "e");
	assert_int_equal(guess("abc1 abc2 abc", 2, s), 2); /* of equal matches the latest */
	assert_string_equal(s, "2 ");
	assert_int_equal(guess("xabc1 abc2 xabc", 1, s), 1); /* the longest first */
	assert_string_equal(s, "1");
	assert_int_equal(guess("yyababab", 5, s), 5); /* what repeats goes on */
	assert_string_equal(s, "ababa");
	assert_int_equal(guess("abcdefgh", 4, s), 0);
	assert_int_equal(guess("ab", 4, s), 0);
	assert_int_equal(guess("abcab", 4, s), 0);    /* two ids are too few */
	assert_int_equal(guess("abcabc", 195, s), 0); /* no room */
}

/* Every gram of a long text is found again, wherever its bucket is shared, within the places that are looked at. */
static void long_text(void **state)
{
	static u32 ids[6000 + DRAFT_IDS_MAX];
	struct draft d;
	u64 seed = 3;
	assert_int_equal(draft_create(ARRAY_LEN(ids), &d), 0);
	for (u32 i = 0; i < 5000; i++)
		ids[i] = (u32)(tiny_random(&seed) % 50000);
	for (u32 i = 0; i < 900; i++)
		ids[5000 + i] = ids[1000 + i];
	for (u32 n = 5003; n < 5890; n++) {
		u32 kept[DRAFT_IDS_MAX];
		draft_read(&d, ids, n - 1);
		memcpy(kept, ids + n, sizeof kept);
		u32 k = draft_guess(&d, ids, n, 10);
		assert_int_equal(k, 10);
		assert_memory_equal(kept, ids + n, 10 * sizeof *kept);
		memcpy(ids + n, kept, sizeof kept);
	}
	draft_fini(&d);
}

/* Each kind of guess has its own luck; it forgets by halves. */
static void luck(void **state)
{
	struct draft d = { .kind = 1 };
	assert_true(draft_chance(&d) == 0.5f);
	draft_judge(&d, true);
	assert_true(draft_chance(&d) == 2.0f / 3);
	d.kind = 2;
	assert_true(draft_chance(&d) == 0.5f);
	for (u32 i = 0; i < 1000; i++)
		draft_judge(&d, false);
	assert_true(draft_chance(&d) < 0.035f);
	for (u32 i = 0; i < 200; i++)
		draft_judge(&d, true);
	assert_true(draft_chance(&d) > 0.9f);
}

/* ---- what it may cost ----------------------------------------------------------------------------------------------------- */

/* Steps cost base + rows * each. */
static struct draft_pace paced(u32 most, f32 base, f32 each)
{
	struct draft_pace p = { 0 };
	for (u32 rows = 1; rows <= most; rows++)
		draft_pace_note(&p, rows, (u64)(base + each * (f32)rows));
	return p;
}

static void paces(void **state)
{
	struct draft_pace p = { 0 };
	assert_true(draft_pace_of(&p, 1) == 0);
	draft_pace_note(&p, 1, 1000);
	assert_true(draft_pace_of(&p, 1) == 1000);
	assert_true(draft_pace_of(&p, 2) == 1000); /* tried for the price of what is known */
	assert_true(draft_pace_of(&p, 3) == 0);	   /* not before two rows have been measured */
	draft_pace_note(&p, 2, 1100);
	assert_true(draft_pace_of(&p, 4) == 1300); /* on the line */
	assert_true(draft_pace_of(&p, 5) == 0);
	draft_pace_note(&p, 6, 1300);
	assert_true(draft_pace_of(&p, 4) == 1200); /* between */
	draft_pace_note(&p, 6, 2100);
	assert_true(draft_pace_of(&p, 6) == 1400); /* creeps up */
	draft_pace_note(&p, 6, 1200);
	assert_true(draft_pace_of(&p, 6) == 1200); /* falls at once */
	for (u32 i = 0; i < DRAFT_FRESH; i++)
		draft_pace_note(&p, 1, 1000);
	assert_true(draft_pace_of(&p, 2) == 1000 && draft_pace_of(&p, 6) == 0); /* too long ago */
	for (u32 rows = 1; rows <= STEP_ROWS_MAX; rows++)
		draft_pace_note(&p, rows, rows);
	assert_true(draft_pace_of(&p, STEP_ROWS_MAX) > STEP_ROWS_MAX - 16);
	assert_true(draft_pace_of(&p, STEP_ROWS_MAX + 1) == 0 && draft_pace_of(&p, 0) == 0);
}

/* Each doubling of positions has a table of its own. */
static void reaches(void **state)
{
	assert_int_equal(draft_reach(0), 0);
	assert_int_equal(draft_reach(256), 0);
	assert_int_equal(draft_reach(257), 1);
	assert_int_equal(draft_reach(16384), DRAFT_REACHES - 2);
	assert_int_equal(draft_reach(16385), DRAFT_REACHES - 1);
	assert_int_equal(draft_reach(UINT32_MAX), DRAFT_REACHES - 1);
}

static u32 share(const struct draft_pace *p, struct draft_offer *o, u32 n, bool others, u32 spare)
{
	struct draft_step st = { .pace = p, .n = n, .others = others, .spare = spare };
	return draft_share(&st, o);
}

static u32 share1(const struct draft_pace *p, f32 chance, bool others)
{
	struct draft_offer o = { .chance = chance, .most = DRAFT_IDS_MAX };
	u32 n = share(p, &o, 1, others, 100);
	assert_int_equal(n, o.n);
	return n;
}

/* One alone: as many as pay. */
static void alone(void **state)
{
	struct draft_pace flat = paced(32, 1000, 0), some = paced(32, 1000, 100), dear = paced(32, 0, 1000);
	assert_int_equal(share1(&flat, 0.9f, false), DRAFT_IDS_MAX);
	assert_int_equal(share1(&flat, 0.01f, false), 0); /* a gain within the noise */
	assert_in_range(share1(&some, 0.9f, false), 5, 12);
	assert_in_range(share1(&some, 0.5f, false), 1, 3);
	assert_int_equal(share1(&some, 0.05f, false), 0);
	assert_int_equal(share1(&dear, 0.95f, false), 0);
	/* somebody else comes after this step: only what costs nothing */
	assert_int_equal(share1(&flat, 0.9f, true), DRAFT_IDS_MAX);
	assert_int_equal(share1(&some, 0.9f, true), 0);
	/* what is not known is measured first */
	struct draft_pace none = { 0 };
	assert_int_equal(share1(&none, 0.9f, false), 0);
	draft_pace_note(&none, 1, 1000);
	assert_int_equal(share1(&none, 0.9f, false), 1);
}

/* Several: none waits longer for its next token than without. */
static void several(void **state)
{
	struct draft_pace flat = paced(64, 1000, 0), some = paced(64, 1000, 100);
	struct draft_offer o[3] = { { .chance = 0.9f, .most = 8, .n = 7 }, { .n = 7 },
		{ .chance = 0.5f, .most = 8, .n = 7 } };
	assert_int_equal(share(&flat, o, 3, false, 100), 8 + 8);
	assert_int_equal(o[0].n, 8);
	assert_int_equal(o[1].n, 0);
	assert_int_equal(o[2].n, 8);
	/* the likeliest first: 0.9, 0.81, … and 0.5, 0.25, … */
	assert_int_equal(share(&flat, o, 3, false, 8), 8);
	assert_int_equal(o[0].n, 7);
	assert_int_equal(o[2].n, 1);
	/* the second would be slowed */
	assert_int_equal(share(&some, o, 3, false, 100), 0);
	/* all of them gain */
	struct draft_offer both[2] = { { .chance = 0.9f, .most = 8 }, { .chance = 0.8f, .most = 8 } };
	assert_true(share(&some, both, 2, false, 100) > 4);
	assert_true(both[0].n && both[1].n);
	assert_int_equal(share(&some, both, 2, false, 0), 0);
	/* as many sequences as there may be, as many rows as a step may have */
	static struct draft_offer many[BATCH_REQUESTS_MAX];
	struct draft_pace all = paced(STEP_ROWS_MAX, 1000, 0);
	for (u32 i = 0; i < BATCH_REQUESTS_MAX; i++)
		many[i] = (struct draft_offer){ .chance = 0.9f, .most = DRAFT_IDS_MAX };
	assert_int_equal(share(&all, many, BATCH_REQUESTS_MAX, false, STEP_ROWS_MAX - BATCH_REQUESTS_MAX),
		STEP_ROWS_MAX - BATCH_REQUESTS_MAX);
}

/* ---- whole answers -------------------------------------------------------------------------------------------------------- */

static struct rt_device *devices[2];
static u32 n_devices;
static struct ask plain[ASKS], drafted[ASKS];

/* How a model is run: on which device, with how many rows of guesses (0: without), all at once, and which of the requests. */
struct way {
	u32 rows, device;
	bool together;
	u32 asks; /* bit i: request i */
};

static void run(struct ask *k, const struct tiny *t, u32 kv_mode, const struct way *w)
{
	const struct grant_params p = { .wake = -1, .draft = w->rows, .no_draft = !w->rows };
	u64 drafted_n = 0, right_n = 0;
	struct grant g;
	tiny_load(t, devices[w->device], &p, kv_mode, &g);
	for (u32 i = 0; i < ASKS; i++) {
		if (!(w->asks >> i & 1))
			continue;
		k[i] = guess_asked(i);
		ask_begin(&k[i], &g);
		assert_null(k[i].refused);
		if (!w->together)
			ask_finish(&g);
	}
	ask_finish(&g);
	assert_int_equal(kv_pool_available(&g.sched.kv), g.sched.kv.n_pages);
	for (u32 i = 0; i < ASKS; i++) {
		drafted_n += w->asks >> i & 1 ? k[i].outcome.n_drafted : 0;
		right_n += w->asks >> i & 1 ? k[i].outcome.n_accepted : 0;
	}
	assert_int_equal(drafted_n, g.sched.n_drafted);
	assert_int_equal(right_n, g.sched.n_right);
	assert_true(!w->rows ? !g.sched.n_drafted
			     : g.sched.n_right > 20 && g.sched.n_drafted > g.sched.n_right + 10);
	grant_fini(&g);
}

/* Without, on the first device; with few and many guesses, one after the other and all at once, and some on the second where n is 2. */
static void on_model(u32 arch, u32 type, u32 kv_mode, u32 n)
{
	const struct tiny_spec spec = { .type = type, .seed = 9, .ctx = 512, .arch = arch };
	const struct way without = { 0, 0, false, 0xff },
			 ways[] = { { 1, 0, true, 0xff }, { 5, 0, false, 0xff },
				 { DRAFT_IDS_MAX, 0, true, 0xff }, { 4, 1, true, 1 << 3 | 1 << 4 | 1 << 6 } };
	struct tiny t;
	tiny_make(&spec, &t);
	run(plain, &t, kv_mode, &without);
	for (u32 i = 0; i < ARRAY_LEN(ways); i++) {
		if (ways[i].device >= n)
			continue;
		run(drafted, &t, kv_mode, &ways[i]);
		for (u32 k = 0; k < ASKS; k++)
			if (ways[i].asks >> k & 1)
				guess_same(&plain[k], &drafted[k]);
	}
	tiny_fini(&t);
}

static void answers_are_the_same(void **state)
{
	on_model(LAYOUT_ARCH_LLAMA, TENSOR_Q8_0, KV_F16, n_devices);
	on_model(LAYOUT_ARCH_LLAMA, TINY_MIXED, KV_F32, 1);
	on_model(LAYOUT_ARCH_LLAMA, TINY_MIXED, KV_INT8, 1);
	on_model(LAYOUT_ARCH_GEMMA3, TINY_MIXED, KV_F16, 1);
	on_model(LAYOUT_ARCH_LLAMA4, TINY_MIXED, KV_INT8, 1);
	on_model(LAYOUT_ARCH_GPT_OSS, TINY_MIXED, KV_F16, 1);
}

/* Wrong guesses leave rows in pages: none of them is ever found. An answer goes on where another was thrown out in the middle. */
static void no_prefix_has_a_wrong_guess(void **state)
{
	const struct tiny_spec spec = { .type = TINY_MIXED, .seed = 9, .ctx = 512 };
	const struct grant_params p = { .wake = -1, .draft = DRAFT_IDS_MAX },
				  none = { .wake = -1, .no_draft = true, .no_cache = true };
	static struct ask first, again, without;
	static u32 ids[256];
	struct tiny t;
	struct grant g;
	tiny_make(&spec, &t);
	for (u32 steps = 3; steps < 40; steps += 9) {
		tiny_load(&t, devices[0], &p, KV_F16, &g);
		first = guess_asked(7);
		ask_begin(&first, &g);
		for (u32 i = 0; i < steps && !first.over; i++)
			assert_int_equal(sched_step(&g.sched), 0);
		if (!first.over)
			answer_abort(&first.a, FINISH_CANCELLED, "test");
		again = guess_asked(7);
		memcpy(ids, first.ids, first.n_ids * sizeof *ids);
		memcpy(ids + first.n_ids, first.out, first.n_out * sizeof *ids);
		again.ids = ids;
		again.n_ids = first.n_ids + first.n_out;
		without = again;
		ask_all(&again, 1, &g);
		assert_in_range(again.outcome.n_cached, RT_KV_PAGE, again.n_ids - 1);
		/* all pages that the first had filled, but for its last id */
		assert_int_equal(again.outcome.n_cached / RT_KV_PAGE, (again.n_ids - 1) / RT_KV_PAGE);
		grant_fini(&g);
		tiny_load(&t, devices[0], &none, KV_F16, &g);
		ask_all(&without, 1, &g);
		guess_same(&again, &without);
		grant_fini(&g);
	}
	tiny_fini(&t);
}

/* A step that reads a prompt has no row for guesses, and none has more rows than there may be. */
static void prompts_come_first(void **state)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512 };
	const struct grant_params p = { .wake = -1, .draft = DRAFT_IDS_MAX };
	struct tiny t;
	struct grant g;
	tiny_make(&spec, &t);
	tiny_load(&t, devices[0], &p, KV_F16, &g);
	for (u32 i = 4; i < ASKS; i++) {
		drafted[i] = guess_asked(i);
		ask_begin(&drafted[i], &g);
		for (u32 k = 0; k < 4; k++) {
			bool reads = false;
			for (const struct sched_seq *q = g.sched.run_head; q; q = q->next)
				reads = reads || q->n_computed + 1 < q->n_ids;
			reads = reads || g.sched.wait_head;
			u64 rows = g.sched.n_drafted, all = g.sched.n_rows;
			assert_int_equal(sched_step(&g.sched), 0);
			assert_true(!reads || g.sched.n_drafted == rows);
			assert_true(g.sched.n_rows - all <= STEP_ROWS_MAX);
		}
	}
	assert_true(g.sched.n_drafted > 0);
	ask_finish(&g);
	grant_fini(&g);
	tiny_fini(&t);
}

static int open_all(void **state)
{
	static const char *const names[] = { "native", "llvmpipe" };
	n_devices = ask_devices(names, ARRAY_LEN(names), devices);
	return n_devices == 0;
}

static int close_all(void **state)
{
	ask_devices_close(devices, n_devices);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guesses),
		cmocka_unit_test(long_text),
		cmocka_unit_test(luck),
		cmocka_unit_test(paces),
		cmocka_unit_test(reaches),
		cmocka_unit_test(alone),
		cmocka_unit_test(several),
		cmocka_unit_test(answers_are_the_same),
		cmocka_unit_test(no_prefix_has_a_wrong_guess),
		cmocka_unit_test(prompts_come_first),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
