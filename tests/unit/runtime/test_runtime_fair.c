/* Principals take turns: who asks for one thing does not wait for all that somebody else asked before. */
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"
#include "runtime/dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MANY  32u
#define SLOTS 4u

static struct rt_device *device;
static struct tiny tiny;
static struct grant grant;
static struct ask many[MANY], one, alone;
static u32 prompt[300];

static int open_all(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 3, .ctx = 512 };
	const char *why;
	u64 seed = 1;
	if (rt_device_open("reference", &device, &why))
		return 1;
	tiny_make(&spec, &tiny);
	tiny_ids(prompt, ARRAY_LEN(prompt), &seed);
	return 0;
}

static int close_all(void **state)
{
	tiny_fini(&tiny);
	rt_device_close(device);
	return 0;
}

static struct ask asked(u32 n_prompt, u32 n, u64 principal)
{
	return (struct ask){ .ids = prompt,
		.n_ids = n_prompt,
		.max_tokens = n,
		.temperature = 1,
		.seed = 5,
		.principal = principal };
}

static void begin(struct ask *k, struct ask what)
{
	*k = what;
	ask_begin(k, &grant);
	assert_null(k->refused);
}

static void load(void)
{
	struct grant_params p = { .wake = -1, .batch = SLOTS };
	tiny_load(&tiny, device, &p, KV_F32, &grant);
}

static u32 ended(void)
{
	u32 n = 0;
	for (u32 i = 0; i < MANY; i++)
		n += many[i].over;
	return n;
}

static void step(void)
{
	assert_int_equal(sched_step(&grant.sched), 0);
}

/* Every slot is taken, and 28 more wait: somebody else begins with the next slot, and his answer has the bits that it has alone. */
static void next_slot(void **state)
{
	load();
	begin(&alone, asked(150, 6, 2));
	ask_finish(&grant);
	for (u32 i = 0; i < MANY; i++)
		begin(&many[i], asked(20 + i, 8 + i % 3, 1));
	step();
	assert_int_equal(grant.sched.n_running, SLOTS);
	begin(&one, asked(150, 6, 2));
	u32 before = ended();
	while (!one.a.seq.running)
		step();
	/* all that end in one step make room together */
	assert_true(ended() - before >= 1 && ended() - before <= SLOTS);
	while (!one.over)
		step();
	assert_true(ended() < MANY / 2);
	assert_memory_equal(one.rows, alone.rows, SHA256_BYTES);
	ask_finish(&grant);
	assert_int_equal(ended(), MANY);
	grant_fini(&grant);
}

/* Three long prompts are being read: a fourth one, of somebody else, gets every second step. */
static void prompts_in_turn(void **state)
{
	load();
	for (u32 i = 0; i < 3; i++)
		begin(&many[i], asked(300, 2, 1));
	step();
	begin(&one, asked(180, 1, 2)); /* two chunks */
	u32 n = 0;
	for (; !one.over; n++)
		step();
	assert_true(n <= 2 * DIV_UP(180, STEP_PROMPT_ROWS));
	assert_false(many[2].over);
	ask_finish(&grant);
	grant_fini(&grant);
}

/* Of one's own requests, and of the first of several people, those that came first begin first. */
static void by_arrival(void **state)
{
	load();
	for (u32 i = 0; i < 12; i++)
		begin(&many[i], asked(10, 40, i < 8 ? 1 : i));
	step();
	static const u32 want[] = { 0, 8, 9,
		10 }; /* one each; the first of the others came behind eight of one */
	for (u32 i = 0; i < SLOTS; i++)
		assert_true(many[want[i]].a.seq.running);
	for (u32 i = 1; i < 8; i++)
		assert_false(many[i].a.seq.running);
	/* the next rounds go by turns: 11, then 1's second, third, ... in their order */
	u64 round = 0;
	for (const struct sched_seq *q = grant.sched.wait_head; q; q = q->next) {
		assert_true(q->round >= round);
		round = q->round;
	}
	assert_ptr_equal(grant.sched.wait_head, &many[11].a.seq);
	assert_ptr_equal(grant.sched.wait_head->next, &many[1].a.seq);
	ask_finish(&grant);
	grant_fini(&grant);
}

/* All pages are taken by eight answers of one, which want more as they go on: who has nothing begins as soon as the youngest of them would grow, before
 * any of them has ended, and is never set aside for them. All say what they say alone. */
static void makes_way(void **state)
{
	const struct grant_params p = { .wake = -1, .kv_pages = 24, .no_draft = true };
	static struct ask eighth;
	u32 steps = 0;
	tiny_load(&tiny, device, &p, KV_F32, &grant);
	begin(&alone, asked(60, 40, 2));
	ask_finish(&grant);
	begin(&eighth, asked(20, 100, 1));
	ask_finish(&grant);
	for (u32 i = 0; i < 8; i++)
		begin(&many[i], asked(20, 100, 1));
	do
		step();
	while (kv_pool_available(&grant.sched.kv));
	assert_true(grant.sched.n_running == 8 && grant.sched.n_aside == 0);
	begin(&one, asked(60, 40, 2));
	for (; !one.a.seq.running; steps++)
		step();
	assert_in_range(steps, 1, RT_KV_PAGE + 1);
	for (u32 i = 0; i < 8; i++)
		assert_false(many[i].over);
	assert_true(many[7].a.seq.n_aside == 1 && many[7].a.seq.queued && many[0].a.seq.n_aside == 0);
	while (!one.over)
		step();
	assert_int_equal(one.outcome.n_aside, 0);
	ask_finish(&grant);
	assert_memory_equal(one.rows, alone.rows, SHA256_BYTES);
	for (u32 i = 0; i < 8; i++)
		assert_memory_equal(many[i].rows, eighth.rows, SHA256_BYTES);
	grant_fini(&grant);
}

static u32 generating(void)
{
	u32 n = 0;
	for (const struct sched_seq *q = grant.sched.run_head; q; q = q->next)
		n += q->n_ids > q->n_prompt;
	return n;
}

/* What an answer waits for between two tokens is one step, and a step that reads prompts has a row for each answer and the chunk: however many
 * prompts of however many people come in meanwhile, however long, and whether all their rows of logits are wanted. */
static void answers_go_on(void **state)
{
	struct grant_params p = { .wake = -1, .batch = 8 };
	u32 full = 0, before[2];
	tiny_load(&tiny, device, &p, KV_F32, &grant);
	for (u32 i = 0; i < 2; i++)
		begin(&many[i], asked(20, 60, 1 + i));
	step(); /* both prompts are read, and say their first tokens */
	for (u32 i = 2; i < 10; i++) {
		struct ask k = asked(75 + 25 * i, i == 5 ? 0 : 2, i);
		k.kind = i == 5 ? REQUEST_LOGITS : 0;
		begin(&many[i], k);
	}
	while (!many[9].over) {
		u32 answers = generating();
		u64 rows = grant.sched.n_rows;
		before[0] = many[0].n_out;
		before[1] = many[1].n_out;
		step();
		rows = grant.sched.n_rows - rows;
		assert_true(rows <= answers + STEP_PROMPT_ROWS);
		full += rows == answers + STEP_PROMPT_ROWS;
		for (u32 i = 0; i < 2; i++)
			assert_true(many[i].over || many[i].n_out > before[i]);
	}
	assert_true(full >= 1700 / STEP_PROMPT_ROWS - 3 && !many[0].over);
	ask_finish(&grant);
	grant_fini(&grant);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(next_slot), cmocka_unit_test(prompts_in_turn),
		cmocka_unit_test(by_arrival), cmocka_unit_test(makes_way), cmocka_unit_test(answers_go_on) };
	return cmocka_run_group_tests(tests, open_all, close_all);
}
