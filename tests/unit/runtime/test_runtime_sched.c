/* Requests on a loaded model, without sockets: waiting, sharing, wiping, ending. */
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"
#include "base/bytes.h"
#include "runtime/dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

static struct rt_device *device;
static struct tiny tiny;
static struct grant grant;
static struct ask asks[80];
static u32 prompt[200];

static int open_all(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 3, .ctx = 1024 };
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

static void load(u32 kv_pages, u32 batch)
{
	struct grant_params p = { .wake = -1, .kv_pages = kv_pages, .batch = batch, .no_draft = true };
	tiny_load(&tiny, device, &p, KV_F32, &grant);
}

static struct ask generation(u32 n_prompt, u32 n, u64 principal)
{
	return (struct ask){ .ids = prompt,
		.n_ids = n_prompt,
		.max_tokens = n,
		.temperature = 1,
		.seed = 5,
		.principal = principal };
}

static void too_long_is_refused_with_counts(void **state)
{
	load(0, 0);
	struct ask *k = &asks[0];
	*k = generation(200, 825, 1);
	ask_begin(k, &grant);
	assert_non_null(k->refused);
	assert_non_null(
		strstr(k->refused, "200 tokens of prompt and 825 to generate exceed the context of 1024"));
	static const u32 beyond[] = { 320 };
	*k = generation(1, 1, 1);
	k->ids = beyond;
	ask_begin(k, &grant);
	assert_non_null(k->refused);
	assert_non_null(strstr(k->refused, "token 320"));
	*k = generation(0, 1, 1);
	ask_begin(k, &grant);
	assert_non_null(k->refused);
	assert_true(sched_idle(&grant.sched));
	grant_fini(&grant);
}

/* REQUEST_FILL: what the context has left behind the prompt, and no token more; a prompt that leaves none is refused as ever. */
static void fills_the_context(void **state)
{
	load(0, 0);
	struct ask *k = &asks[0];
	*k = generation(200, 4000, 1);
	k->flags = REQUEST_FILL;
	ask_all(k, 1, &grant);
	assert_int_equal(k->outcome.finish, FINISH_LENGTH);
	assert_int_equal(k->outcome.n_prompt + k->outcome.n_generated, 1024);
	*k = generation(200, 3, 1);
	k->flags = REQUEST_FILL;
	ask_all(k, 1, &grant);
	assert_int_equal(k->outcome.n_generated, 3);
	static u32 full[1024];
	*k = generation(1024, 1, 1);
	k->ids = full;
	k->flags = REQUEST_FILL;
	ask_begin(k, &grant);
	assert_non_null(k->refused);
	assert_non_null(strstr(k->refused, "exceed the context of 1024"));
	grant_fini(&grant);
}

/* With three pages, requests of two pages run one after the other, in order of arrival; all of them end, equally. */
static void waits_for_pages(void **state)
{
	load(3, 0);
	for (u32 i = 0; i < 5; i++) {
		asks[i] = generation(40, 10, i);
		ask_begin(&asks[i], &grant);
		assert_null(asks[i].refused);
	}
	assert_int_equal(sched_step(&grant.sched), 0);
	assert_int_equal(grant.sched.n_running, 1);
	assert_int_equal(grant.sched.n_waiting, 4);
	answer_abort(&asks[3].a, FINISH_CANCELLED, "while it waits");
	assert_int_equal(grant.sched.n_waiting, 3);
	u32 order = 0;
	while (!sched_idle(&grant.sched)) {
		assert_int_equal(sched_step(&grant.sched), 0);
		while (order < 5 && (asks[order].over || order == 3))
			order++;
		for (u32 i = order + 1; i < 5; i++)
			assert_true(!asks[i].over || i == 3);
	}
	assert_int_equal(order, 5);
	for (u32 i = 1; i < 5; i++)
		if (i != 3)
			assert_memory_equal(asks[i].rows, asks[0].rows, SHA256_BYTES);
	assert_int_equal(kv_pool_available(&grant.sched.kv), 3);
	asks[0] = generation(90, 10, 1); /* four pages: never */
	ask_begin(&asks[0], &grant);
	assert_non_null(asks[0].refused);
	grant_fini(&grant);
}

static void more_than_a_batch(void **state)
{
	load(0, 0);
	for (u32 i = 0; i < 80; i++) {
		asks[i] = generation(5 + i % 7, 4, i);
		ask_begin(&asks[i], &grant);
	}
	u64 rows = 0;
	for (bool first = true; !sched_idle(&grant.sched); first = false) {
		assert_int_equal(sched_step(&grant.sched), 0);
		u64 n = grant.sched.n_rows - rows;
		if (first) { /* as many as may run, one chunk of their prompts */
			assert_int_equal(grant.sched.n_running, BATCH_REQUESTS_MAX);
			assert_int_equal(grant.sched.n_waiting, 80 - BATCH_REQUESTS_MAX);
			assert_int_equal(n, STEP_PROMPT_ROWS);
		}
		assert_true(grant.sched.n_running <= BATCH_REQUESTS_MAX && n <= STEP_ROWS_MAX);
		rows += n;
	}
	for (u32 i = 7; i < 80; i++)
		assert_memory_equal(asks[i].rows, asks[i % 7].rows, SHA256_BYTES);
	grant_fini(&grant);
}

/* A prefix is shared inside one principal only. */
static void prefixes_stay_with_their_principal(void **state)
{
	load(0, 0);
	asks[0] = generation(100, 4, 1);
	asks[1] = generation(100, 4, 2);
	asks[2] = generation(100, 4, 1);
	for (u32 i = 0; i < 3; i++)
		ask_all(&asks[i], 1, &grant);
	assert_int_equal(asks[0].outcome.n_cached, 0);
	assert_int_equal(asks[1].outcome.n_cached, 0);
	assert_int_equal(asks[2].outcome.n_cached, 3 * RT_KV_PAGE);
	assert_memory_equal(asks[0].rows, asks[2].rows, SHA256_BYTES);
	grant_fini(&grant);
}

static bool page_is_zero(u32 page, u32 from_row)
{
	u64 row = (u64)grant.model.n_kv_heads * grant.model.head_dim * sizeof(f32);
	bool zero = true;
	for (u32 i = 0; i < 2 * grant.model.n_layers; i++) {
		const u8 *p = (const u8 *)grant.work.kv[i]->host + page * RT_KV_PAGE * row;
		for (u64 b = from_row * row; b < RT_KV_PAGE * row; b++)
			zero = zero && p[b] == 0;
	}
	return zero;
}

/* What one principal left in a page is gone before another computes with it. The reference device's memory is ours to look at. */
static void pages_are_wiped(void **state)
{
	load(6, 0);
	asks[0] = generation(180, 4, 1);
	ask_all(&asks[0], 1, &grant);
	for (u32 page = 0; page < 5; page++)
		assert_false(page_is_zero(page, 0));
	asks[1] = generation(3, 180, 2);
	ask_begin(&asks[1], &grant);
	u32 pages = 0;
	while (!asks[1].over) {
		const struct sched_seq *q = &asks[1].a.seq;
		assert_int_equal(sched_step(&grant.sched), 0);
		assert_int_equal(grant.sched.kv.n_scrub, 0);
		if (asks[1].over)
			break;
		for (u32 i = q->n_computed / RT_KV_PAGE; i < q->n_held; i++) /* behind its own rows */
			assert_true(page_is_zero(q->pages[i],
				i == q->n_computed / RT_KV_PAGE ? q->n_computed % RT_KV_PAGE : 0));
		pages = q->n_held;
	}
	assert_int_equal(pages, 6);
	grant_fini(&grant);
}

static void stop_strings_end_it(void **state)
{
	load(0, 0);
	static struct ask plain, stopped;
	plain = generation(9, 120, 1);
	ask_all(&plain, 1, &grant);
	assert_int_equal(plain.outcome.finish, FINISH_LENGTH);
	char stop[8] = { 0 };
	const char *found = NULL;
	for (size_t at = 40; !found && at + 3 < plain.n_said;
		at++) { /* three plain letters of what it says */
		memcpy(stop, plain.said + at, 3);
		if (!(((u8)stop[0] | (u8)stop[1] | (u8)stop[2]) & 0x80) && stop[0] > ' ' && stop[1] > ' ')
			found = strstr(plain.said, stop);
	}
	assert_non_null(found);
	stopped = generation(9, 120, 1);
	stopped.stop = stop;
	ask_all(&stopped, 1, &grant);
	assert_int_equal(stopped.outcome.finish, FINISH_STRING);
	assert_true(stopped.outcome.stop_string == 1 && !plain.outcome.stop_string);
	assert_int_equal(stopped.n_said, found - plain.said);
	assert_memory_equal(stopped.said, plain.said, stopped.n_said);
	assert_true(stopped.outcome.n_generated < 120 && stopped.n_out == stopped.outcome.n_generated);
	u8 digest[SHA256_BYTES];
	sha256_of(stopped.said, stopped.n_said, digest);
	assert_memory_equal(digest, stopped.outcome.text, sizeof digest);
	sha256_of(stopped.out, stopped.n_out * sizeof stopped.out[0], digest);
	assert_memory_equal(digest, stopped.outcome.tokens, sizeof digest);
	grant_fini(&grant);
}

static void end_tokens_end_it(void **state)
{
	load(0, 0);
	static struct ask k;
	for (u64 seed = 0; seed < 16; seed++) {
		k = generation(9, 400, 1);
		k.seed = seed;
		k.temperature = 30; /* nearly anything goes */
		k.ends = true;
		ask_all(&k, 1, &grant);
		if (k.outcome.finish == FINISH_STOP)
			break;
	}
	assert_int_equal(k.outcome.finish, FINISH_STOP);
	assert_int_equal(k.out[k.n_out - 1], 2);
	assert_int_equal(k.n_out, k.outcome.n_generated);
	for (u32 i = 0; i + 1 < k.n_out; i++)
		assert_int_not_equal(k.out[i], 2);
	grant_fini(&grant);
}

static void logits_take_a_bounded_memory(void **state)
{
	load(0, 0);
	for (u32 i = 0; i < 3; i++)
		asks[i] = (struct ask){ .kind = REQUEST_LOGITS, .ids = prompt, .n_ids = 100 };
	ask_begin(&asks[0], &grant);
	ask_begin(&asks[1], &grant);
	assert_int_equal(answer_result_bytes(), 2ull * 100 * 320 * sizeof(f32));
	answer_abort(&asks[1].a, FINISH_CANCELLED, "");
	assert_int_equal(answer_result_bytes(), 100ull * 320 * sizeof(f32));
	ask_finish(&grant);
	assert_int_equal(answer_result_bytes(), 0);
	assert_memory_equal(asks[0].result, asks[0].rows, SHA256_BYTES);
	grant_fini(&grant);
}

/* The rows of all of them at once: up to the limit, and one row of logits more. */
static void results_are_bounded(void **state)
{
	const u64 row = 320 * sizeof(f32);
	const u32 full = (u32)(RESULT_BYTES_MAX / (1024 * row)),
		  rest = (u32)(RESULT_BYTES_MAX % (1024 * row) / row);
	static u32 ids[1024];
	struct ask *k = calloc(full + 2, sizeof *k);
	struct rlimit files;
	assert_non_null(k);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	load(0, 0);
	for (u32 i = 0; i < full; i++) {
		k[i] = (struct ask){ .kind = REQUEST_LOGITS, .ids = ids, .n_ids = 1024 };
		ask_begin(&k[i], &grant);
		assert_null(k[i].refused);
	}
	k[full] = (struct ask){ .kind = REQUEST_LOGITS, .ids = ids, .n_ids = rest + 1 };
	ask_begin(&k[full], &grant);
	assert_non_null(k[full].refused);
	assert_non_null(strstr(k[full].refused, "MiB are free"));
	k[full].n_ids = rest;
	ask_begin(&k[full], &grant);
	assert_null(k[full].refused);
	k[full + 1] = (struct ask){ .kind = REQUEST_LOGITS, .ids = ids, .n_ids = 1 };
	ask_begin(&k[full + 1], &grant);
	assert_non_null(k[full + 1].refused);
	for (u32 i = 0; i <= full; i++)
		answer_abort(&k[i].a, FINISH_CANCELLED, "");
	assert_int_equal(answer_result_bytes(), 0);
	grant_fini(&grant);
	free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_long_is_refused_with_counts),
		cmocka_unit_test(fills_the_context),
		cmocka_unit_test(waits_for_pages),
		cmocka_unit_test(more_than_a_batch),
		cmocka_unit_test(prefixes_stay_with_their_principal),
		cmocka_unit_test(pages_are_wiped),
		cmocka_unit_test(stop_strings_end_it),
		cmocka_unit_test(end_tokens_end_it),
		cmocka_unit_test(logits_take_a_bounded_memory),
		cmocka_unit_test(results_are_bounded),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
