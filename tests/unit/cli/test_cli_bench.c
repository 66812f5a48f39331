/* What keep bench measures with: prompts that repeat only from the same start, spread, read loops, the bytes of a token. */
#define _GNU_SOURCE
#include "cli/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka last
#include <cmocka.h>

static void random_is_splitmix64(void **state)
{
	u64 at = 0;
	assert_true(bench_random(&at) == 0xe220a8397b1dcdafu);
	assert_true(bench_random(&at) == 0x6e789e6aa1b965f4u);
}

static void prompts(void **state)
{
	u32 a[500], b[500];
	u64 one = 7, same = 7, other = 8;
	bench_prompt(&one, 1000, a, 500);
	for (u32 i = 0; i < 500; i++)
		assert_true(a[i] < 1000);
	bench_prompt(&same, 1000, b, 500);
	assert_memory_equal(a, b, sizeof a);
	bench_prompt(&one, 1000, b, 500); /* the next of the same start */
	assert_memory_not_equal(a, b, sizeof a);
	bench_prompt(&other, 1000, b, 500);
	assert_memory_not_equal(a, b, sizeof a);
	bench_prompt(&one, 1, a, 3);
	assert_true(!a[0] && !a[1] && !a[2]);
}

static void spread(void **state)
{
	double odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 }, single[] = { 5 };
	struct bench_spread s = bench_spread(odd, 3);
	assert_true(s.median == 2 && s.min == 1 && s.max == 3);
	s = bench_spread(even, 4);
	assert_true(s.median == 2.5 && s.min == 1 && s.max == 4);
	s = bench_spread(single, 1);
	assert_true(s.median == 5 && s.min == 5 && s.max == 5);
}

static void token_bytes(void **state)
{
	struct layout_tensor t[] = { { .name = "output.weight", .bytes = 1000, .ne = { 10, 100, 1, 1 } },
		{ .name = "output_norm.weight", .bytes = 40, .ne = { 10, 1, 1, 1 } },
		{ .name = "token_embd.weight", .bytes = 2000, .ne = { 10, 100, 1, 1 } } };
	struct layout_header h = { .n_tensors = 3 };
	struct layout l = { .h = &h, .tensors = t };
	assert_int_equal(bench_token_bytes(&l), 1000 + 40 + 20);
	h.n_tensors = 2;
	l.tensors = t + 1; /* tied: the embedding is the output too */
	assert_int_equal(bench_token_bytes(&l), 40 + 2000);
}

static void read_loop(void **state)
{
	struct bench_read b;
	assert_int_equal(bench_read_open(1, &b), 0);
	assert_int_equal(b.bytes, 64u << 20);
	assert_true(b.n >= 1 && b.threads[0] == 1);
	for (u32 i = 1; i < b.n; i++)
		assert_true(b.threads[i] > b.threads[i - 1]);
	assert_int_equal(bench_read_sample(&b, BENCH_REPEAT_MAX - 1), 0);
	for (u32 i = 0; i < b.n; i++)
		assert_true(b.gb[i][BENCH_REPEAT_MAX - 1] > 0);
	bench_read_close(&b);
}

static void kinds(void **state)
{
	assert_true(
		bench_kind_is_cpu("native") && bench_kind_is_cpu("reference") && bench_kind_is_cpu("cpu"));
	assert_false(
		bench_kind_is_cpu("discrete") || bench_kind_is_cpu("integrated") || bench_kind_is_cpu(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_is_splitmix64), cmocka_unit_test(prompts),
		cmocka_unit_test(spread), cmocka_unit_test(token_bytes), cmocka_unit_test(read_loop),
		cmocka_unit_test(kinds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
