/* Pages on demand: more requests run than there are pages for all that they may ever need. Who is set aside goes on later, and says what it says alone. */
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"
#include "runtime/dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MANY  30u
#define NEW   90u
#define EACH  4u /* pages of one, at most: 30 ids of prompt and NEW */
#define SEVEN (7 * EACH)

static struct rt_device *device, *reference;
static struct ask alone[MANY], alone_plain[MANY], crowd[MANY];
static u32 prompts[MANY][30];
static u32 many = MANY; /* that ask: fewer of the slower models */

/* Of three people: greedy and hot, with penalties, held by a grammar, ended by a string; every tenth wants all rows of logits of its prompt. */
static struct ask asked(u32 i)
{
	struct ask k = { .ids = prompts[i],
		.n_ids = 1 + (i * 7 + 12) % 30,
		.max_tokens = i % 10 == 9 ? 0 : NEW,
		.kind = i % 10 == 9 ? REQUEST_LOGITS : 0,
		.temperature = i % 4 ? 0.9f : 0,
		.top_k = i % 5 == 2 ? 3 : 0,
		.top_p = i % 5 == 3 ? 0.9f : 1,
		.repeat_penalty = i % 2 ? 1 : 1.15f,
		.seed = i,
		.principal = i % 3 };
	if (i % 3 == 1 && !k.kind) {
		k.grammar = ask_letters(&k.n_grammar);
		k.ends = true;
	}
	if (i % 8 == 6)
		k.stop = "dabcabcabd";
	return k;
}

static void same(const struct ask *a, const struct ask *b)
{
	assert_true(a->over && b->over);
	assert_int_equal(a->outcome.finish, b->outcome.finish);
	assert_int_equal(a->outcome.n_generated, b->outcome.n_generated);
	assert_int_equal(a->n_out, b->n_out);
	assert_memory_equal(a->out, b->out, a->n_out * sizeof *a->out);
	assert_memory_equal(a->rows, b->rows, SHA256_BYTES);
	assert_memory_equal(a->outcome.tokens, b->outcome.tokens, SHA256_BYTES);
	assert_memory_equal(a->outcome.text, b->outcome.text, SHA256_BYTES);
}

static void begin(struct ask *k, struct ask what, struct grant *g)
{
	*k = what;
	ask_begin(k, g);
	assert_null(k->refused);
}

static void begin_all(struct grant *g)
{
	for (u32 i = 0; i < many; i++)
		begin(&crowd[i], asked(i), g);
}

static void one_by_one(const struct tiny *t, u32 kv_mode, struct ask *k)
{
	const struct grant_params p = { .wake = -1, .no_cache = true, .no_draft = true };
	struct grant g;
	tiny_load(t, device, &p, kv_mode, &g);
	for (u32 i = 0; i < many; i++) {
		begin(&k[i], asked(i), &g);
		ask_finish(&g);
	}
	assert_int_equal(g.sched.n_aside, 0);
	grant_fini(&g);
}

static void all_back(const struct grant *g)
{
	const struct sched *s = &g->sched;
	assert_true(sched_idle(s));
	assert_int_equal(kv_pool_available(&s->kv), s->kv.n_pages);
	assert_int_equal(kv_pool_available(&s->tails), s->tails.n_pages);
}

/* The one that came first of all that are left. */
static struct ask *eldest(void)
{
	for (u32 i = 0; i < many; i++)
		if (!crowd[i].over)
			return &crowd[i];
	return NULL;
}

static void step(struct grant *g)
{
	assert_int_equal(sched_step(&g->sched), 0);
}

/* To the end; once the one that came first of all that are left runs, it is never set aside, so everybody's turn comes. */
static void crowded(const struct tiny *t, u32 kv_mode, const struct grant_params *p)
{
	struct grant g;
	u32 most = 0;
	u64 aside = 0;
	tiny_load(t, device, p, kv_mode, &g);
	begin_all(&g);
	while (!sched_idle(&g.sched)) {
		struct ask *k = eldest();
		bool ran = k->a.seq.running;
		u32 n = k->a.seq.n_aside;
		step(&g);
		assert_true(!ran || k->over || k->a.seq.n_aside == n);
		most = MAX(most, g.sched.n_running);
	}
	for (u32 i = 0; i < many; i++) {
		same(&alone[i], &crowd[i]);
		aside += crowd[i].outcome.n_aside;
	}
	assert_int_equal(aside, g.sched.n_aside);
	assert_true(aside > 0 && (p->tails || most > 7));
	assert_int_equal(crowd[0].outcome.n_aside, 0);
	all_back(&g);
	grant_fini(&g);
}

static const struct {
	u32 arch, type, kv_mode, tails, ways;
} models[] = {
	{ LAYOUT_ARCH_LLAMA, TENSOR_Q8_0, KV_F16, 0, 0x7 },
	{ LAYOUT_ARCH_LLAMA, TINY_MIXED, KV_INT8, 0, 0x2 },
	{ LAYOUT_ARCH_GEMMA3, TINY_MIXED, KV_F32, 2, 0xa },
	{ LAYOUT_ARCH_LLAMA4, TINY_MIXED, KV_INT8, 2, 0x8 },
	{ LAYOUT_ARCH_GPT_OSS, TINY_MIXED, KV_F16, 2, 0x8 },
};

static void thirty_on_pages_for_seven(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(models); i++) {
		const struct tiny_spec spec = {
			.type = models[i].type, .seed = 9, .ctx = 256, .arch = models[i].arch
		};
		const struct grant_params ways[] = { { .wake = -1, .kv_pages = SEVEN },
			{ .wake = -1, .kv_pages = SEVEN, .draft = 5 },
			{ .wake = -1, .kv_pages = SEVEN, .no_cache = true, .no_draft = true, .chunk = 16 },
			{ .wake = -1, .kv_pages = 2 * SEVEN, .tails = models[i].tails, .draft = 5 } };
		struct tiny t;
		many = i ? MANY / 2 : MANY;
		tiny_make(&spec, &t);
		one_by_one(&t, models[i].kv_mode, alone);
		if (i == 0)
			memcpy(alone_plain, alone, sizeof alone);
		for (u32 w = 0; w < ARRAY_LEN(ways); w++)
			if (models[i].ways >> w & 1)
				crowded(&t, models[i].kv_mode, &ways[w]);
		tiny_fini(&t);
	}
	many = MANY;
}

/* The first of the models. */
static const struct tiny_spec plain = {
	.type = TENSOR_Q8_0, .seed = 9, .ctx = 256, .arch = LAYOUT_ARCH_LLAMA
};

static void load(struct rt_device *d, u32 kv_mode, struct tiny *t, struct grant *g)
{
	const struct grant_params p = { .wake = -1, .kv_pages = SEVEN, .no_draft = true };
	tiny_make(&plain, t);
	tiny_load(t, d, &p, kv_mode, g);
}

/* Somebody who is set aside, having said something. */
static struct ask *waits(void)
{
	for (u32 i = many; i-- > 0;)
		if (!crowd[i].over && crowd[i].a.seq.queued && crowd[i].a.seq.n_aside && crowd[i].n_out)
			return &crowd[i];
	return NULL;
}

static void to_the_first_aside(struct grant *g)
{
	while (!waits())
		step(g);
}

/* Who is set aside has no page, is cancelled like everybody, and nobody else's answer knows. */
static void cancelled_while_aside(void **state)
{
	struct tiny t;
	struct grant g;
	u32 n = 0;
	load(device, KV_F16, &t, &g);
	begin_all(&g);
	for (; n < 5; n++) {
		to_the_first_aside(&g);
		struct ask *k = waits();
		u32 said = k->n_out;
		assert_true(k->a.seq.n_held == 0 && !k->a.seq.running);
		answer_abort(&k->a, FINISH_CANCELLED, "test");
		assert_true(k->over && k->n_out == said);
	}
	ask_finish(&g);
	for (u32 i = 0; i < many; i++)
		if (crowd[i].outcome.finish != FINISH_CANCELLED)
			same(&alone_plain[i], &crowd[i]);
		else
			assert_memory_equal(crowd[i].out, alone_plain[i].out, crowd[i].n_out * sizeof(u32));
	all_back(&g);
	grant_fini(&g);
	tiny_fini(&t);
}

/* The model goes, as serve.c has it: everybody is ended first, wherever he stands. */
static void unloaded_while_aside(void **state)
{
	struct tiny t;
	struct grant g;
	load(device, KV_F16, &t, &g);
	begin_all(&g);
	to_the_first_aside(&g);
	for (u32 i = 0; i < many; i++)
		if (!crowd[i].over)
			answer_abort(&crowd[i].a, FINISH_REVOKED, "the model was unloaded");
	all_back(&g);
	grant_fini(&g);
	tiny_fini(&t);
}

/* All rows of a long prompt, set aside half-way: what was handed out is computed again, and handed out once. */
static void rows_are_shown_once(void **state)
{
	const struct grant_params p = { .wake = -1, .kv_pages = 6, .no_draft = true, .chunk = 16 };
	const struct ask all = { .kind = REQUEST_LOGITS, .ids = (const u32 *)prompts, .n_ids = 120 };
	struct tiny t;
	struct grant g;
	u32 shown = 0;
	tiny_make(&plain, &t);
	tiny_load(&t, device, &p, KV_F16, &g);
	begin(&alone[0], all, &g);
	ask_finish(&g);
	struct ask k = asked(0);
	k.n_ids = 30;
	k.principal = 0;
	begin(&crowd[0], k, &g);
	while (crowd[0].n_out < 30)
		step(&g);
	begin(&crowd[1], all, &g);
	while (!crowd[1].over) {
		step(&g);
		shown = !crowd[1].over && crowd[1].a.seq.queued ? crowd[1].a.seq.n_shown : shown;
	}
	ask_finish(&g);
	assert_true(crowd[1].outcome.n_aside == 1 && shown >= 16 && shown < 120);
	assert_memory_equal(crowd[1].rows, alone[0].rows, SHA256_BYTES);
	assert_memory_equal(crowd[1].result, alone[0].result, SHA256_BYTES);
	all_back(&g);
	grant_fini(&g);
	tiny_fini(&t);
}

static bool rows_are_zero(const struct grant *g, u32 page, u32 from_row)
{
	u64 row = (u64)g->model.n_kv_heads * g->model.head_dim * sizeof(f32);
	bool zero = true;
	for (u32 i = 0; i < 2 * g->model.n_layers; i++) {
		const u8 *p = (const u8 *)g->work.kv[i]->host + page * RT_KV_PAGE * row;
		for (u64 b = from_row * row; b < RT_KV_PAGE * row; b++)
			zero = zero && p[b] == 0;
	}
	return zero;
}

/* Pages that somebody gets who was never set aside, each of them one's only request: behind what he computed there is nothing, whoever was set aside
 * or ended for them. The reference device's memory is ours to look at. */
static void others_pages_are_wiped(void **state)
{
	struct tiny t;
	struct grant g;
	u32 seen = 0;
	load(reference, KV_F32, &t, &g);
	for (u32 i = 0; i < 12; i++) {
		struct ask k = asked(i);
		k.principal = 100 + i;
		begin(&crowd[i], k, &g);
	}
	for (u32 i = 12; i < many; i++)
		crowd[i].over = true;
	while (!sched_idle(&g.sched)) {
		step(&g);
		for (const struct sched_seq *q = g.sched.run_head; q; q = q->next) {
			if (q->n_aside || !g.sched.n_aside)
				continue;
			for (u32 i = q->n_computed / RT_KV_PAGE; i < q->n_held; i++)
				assert_true(rows_are_zero(&g, q->pages[i],
					i == q->n_computed / RT_KV_PAGE ? q->n_computed % RT_KV_PAGE : 0));
			seen++;
		}
	}
	assert_true(seen > 50);
	all_back(&g);
	grant_fini(&g);
	tiny_fini(&t);
}

/* One that fits alone takes every page that there is, and needs nobody's permission; one id more is refused at once. */
static void all_pages_for_one(void **state)
{
	const struct grant_params p = { .wake = -1, .kv_pages = EACH };
	struct tiny t;
	struct grant g;
	tiny_make(&plain, &t);
	tiny_load(&t, device, &p, KV_F32, &g);
	struct ask k = asked(0), more;
	k.max_tokens = EACH * RT_KV_PAGE - k.n_ids;
	more = k;
	more.max_tokens++;
	ask_begin(&more, &g);
	assert_non_null(more.refused);
	assert_non_null(strstr(more.refused, "the cache cannot hold so many tokens"));
	for (u32 i = 0; i < 3; i++)
		begin(&crowd[i], k, &g);
	ask_finish(&g);
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(crowd[i].outcome.finish, FINISH_LENGTH);
		same(&crowd[0], &crowd[i]);
	}
	assert_true(g.sched.n_aside > 0);
	all_back(&g);
	grant_fini(&g);
	tiny_fini(&t);
}

static int open_all(void **state)
{
	const char *why;
	u64 seed = 1;
	for (u32 i = 0; i < MANY; i++)
		tiny_ids(prompts[i], ARRAY_LEN(prompts[0]), &seed);
	return rt_device_open("native", &device, &why) || rt_device_open("reference", &reference, &why);
}

static int close_all(void **state)
{
	rt_device_close(device);
	rt_device_close(reference);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thirty_on_pages_for_seven),
		cmocka_unit_test(cancelled_while_aside),
		cmocka_unit_test(unloaded_while_aside),
		cmocka_unit_test(rows_are_shown_once),
		cmocka_unit_test(others_pages_are_wiped),
		cmocka_unit_test(all_pages_for_one),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
