/* Whole answers on the native device: the same rows of logits and the same tokens with any number of threads, and while others take the processor. */
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"
#include "runtime/cpu.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ASKS 5u

struct digests {
	u8 rows[ASKS][SHA256_BYTES], tokens[ASKS][SHA256_BYTES];
};

static struct tiny tiny;
static struct ask asks[ASKS];
static u32 prompt[120];
static atomic_bool stop;

static void *compete(void *arg)
{
	while (!atomic_load(&stop))
		;
	return NULL;
}

/* Prompts of other lengths, sampled in other ways, one with every row of its logits, all at once. */
static struct digests answers(u32 threads)
{
	const struct grant_params p = { .wake = -1 };
	struct rt_device *d;
	struct grant g;
	struct digests r;
	assert_int_equal(
		cpu_open_with(&(struct cpu_params){ .level = cpu_level_best(), .threads = threads }, &d), 0);
	tiny_load(&tiny, d, &p, KV_F16, &g);
	for (u32 i = 0; i < ASKS; i++)
		asks[i] = (struct ask){ .kind = i == 4 ? REQUEST_LOGITS : 0,
			.ids = prompt + i,
			.n_ids = 5 + 25 * i,
			.max_tokens = i == 4 ? 0 : 30,
			.temperature = i % 2 ? 0.9f : 0,
			.seed = i,
			.principal = i };
	ask_all(asks, ASKS, &g);
	for (u32 i = 0; i < ASKS; i++) {
		assert_true(asks[i].over && asks[i].outcome.finish == FINISH_LENGTH);
		memcpy(r.rows[i], asks[i].rows, SHA256_BYTES);
		memcpy(r.tokens[i], asks[i].outcome.tokens, SHA256_BYTES);
	}
	grant_fini(&g);
	rt_device_close(d);
	return r;
}

static void as_with_one(struct digests want, u32 threads)
{
	struct digests got = answers(threads);
	assert_memory_equal(want.rows, got.rows, sizeof got.rows);
	assert_memory_equal(want.tokens, got.tokens, sizeof got.tokens);
}

static void any_number_of_threads(void **state)
{
	struct digests one = answers(1);
	for (u32 i = 1; i < ASKS; i++)
		assert_memory_not_equal(one.rows[0], one.rows[i], SHA256_BYTES);
	as_with_one(one, 2);
	as_with_one(one, 3);
	as_with_one(one, 5);
}

static void a_busy_machine(void **state)
{
	struct digests one = answers(1);
	pthread_t others[3];
	atomic_store(&stop, false);
	for (u32 i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(pthread_create(&others[i], NULL, compete, NULL), 0);
	as_with_one(one, 2);
	as_with_one(one, 3);
	atomic_store(&stop, true);
	for (u32 i = 0; i < ARRAY_LEN(others); i++)
		pthread_join(others[i], NULL);
}

static int open_all(void **state)
{
	struct tiny_spec spec = { .type = TINY_MIXED, .seed = 8, .untied = true };
	u64 seed = 2;
	tiny_make(&spec, &tiny);
	tiny_ids(prompt, ARRAY_LEN(prompt), &seed);
	return 0;
}

static int close_all(void **state)
{
	tiny_fini(&tiny);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_threads),
		cmocka_unit_test(a_busy_machine),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
