/* The choice of experts against a plain sort and against libm; the groups that it makes; ties, extremes and the limits. */
#include "runtime/expert.h"

#include "runtime/device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static u64 state_of_numbers = 1;

static u32 next(void)
{
	u64 z = state_of_numbers += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return (u32)(z >> 32);
}

static f32 logit(f32 size)
{
	return ((f32)(next() >> 8) * 0x1p-24f - 0.5f) * 2 * size;
}

static f64 sigmoid(f64 x)
{
	return 1 / (1 + exp(-x));
}

/* ---- the choice ---- */

/* Does a come before b? Of equal scores the lower index. */
static bool before(const f64 *score, u32 a, u32 b)
{
	return score[a] > score[b] || (score[a] == score[b] && a < b);
}

/* Is e among the n best, by looking at all others? */
static bool is_best(const f64 *score, u32 count, u32 n, u32 e)
{
	u32 ahead = 0;
	for (u32 i = 0; i < count; i++)
		ahead += i != e && before(score, i, e);
	return ahead < n;
}

static void check_choice(const struct expert_routing *p, const f32 *logits, const f32 *bias)
{
	u32 ids[EXPERTS_USED_MAX], at = 0;
	f32 weights[EXPERTS_USED_MAX];
	f64 score[EXPERTS_MAX], want[EXPERTS_USED_MAX], all = 0, chosen = 0, sum = 0, max = -1e300;
	expert_choose(p, logits, bias, ids, weights);
	for (u32 i = 0; i < p->n_experts; i++) {
		score[i] = bias ? sigmoid(logits[i]) + bias[i] : logits[i];
		max = fmax(max, logits[i]);
	}
	for (u32 i = 0; i < p->n_experts; i++) {
		all += exp(logits[i] - max);
		if (is_best(score, p->n_experts, p->n_used, i))
			assert_int_equal(ids[at++], i);
	}
	assert_int_equal(at, p->n_used);
	for (u32 i = 0; i < p->n_used; i++)
		chosen += exp(logits[ids[i]] - max);
	for (u32 i = 0; i < p->n_used; i++) {
		f64 e = exp(logits[ids[i]] - max);
		want[i] = p->kind == ARCH_ROUTE_SIGMOID	  ? sigmoid(logits[ids[i]])
			  : p->kind == ARCH_ROUTE_SOFTMAX ? e / all
							  : e / chosen;
		sum += want[i];
	}
	for (u32 i = 0; i < p->n_used; i++) {
		want[i] = (p->norm ? want[i] / sum : want[i]) * (p->scale != 0 ? (f64)p->scale : 1);
		assert_true(fabs(weights[i] - want[i]) <= 1e-6 * want[i] + 1e-12);
	}
}

static void choices_are_right(void **s)
{
	static const u32 counts[] = { 1, 2, 8, 61, 256, EXPERTS_MAX };
	f32 logits[EXPERTS_MAX], bias[EXPERTS_MAX];
	for (u32 round = 0; round < 300; round++) {
		struct expert_routing p = { .n_experts = counts[round % ARRAY_LEN(counts)],
			.kind = ARCH_ROUTE_SOFTMAX + round % 3,
			.norm = round % 4 < 2,
			.scale = round % 5 == 0 ? 2.5f : 0 };
		p.n_used = 1 + next() % (p.n_experts < EXPERTS_USED_MAX ? p.n_experts : EXPERTS_USED_MAX);
		for (u32 i = 0; i < p.n_experts; i++) {
			logits[i] = logit(round % 7 ? 8 : 60);
			bias[i] = logit(0.2f);
		}
		check_choice(&p, logits, NULL);
		if (p.kind == ARCH_ROUTE_SIGMOID && round % 7)
			check_choice(&p, logits, bias);
	}
}

static void ties_go_to_the_lower_index(void **s)
{
	const struct expert_routing p = {
		.n_experts = 8, .n_used = 3, .kind = ARCH_ROUTE_SOFTMAX, .norm = true
	};
	const f32 same[8] = { 0 }, some[8] = { 1, 2, 1, 2, 1, 2, 1, 2 }, zero[8] = { 0 };
	u32 ids[3];
	f32 w[3];
	expert_choose(&p, same, NULL, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 0, 1, 2 }), sizeof ids);
	assert_true(w[0] == w[1] && w[1] == w[2]);
	expert_choose(&p, some, NULL, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 1, 3, 5 }), sizeof ids);
	const f32 one_more[8] = { 1, 2, 1, 1, 1, 1, 3, 1 };
	expert_choose(&p, one_more, NULL, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 0, 1, 6 }), sizeof ids);
	/* sigmoids that are 1 when they are rounded are equal, though their logits are not */
	const struct expert_routing biased = { .n_experts = 8, .n_used = 3, .kind = ARCH_ROUTE_SIGMOID };
	const f32 large[8] = { 40, 50, 60, 70, 80, 90, 95, 99 };
	expert_choose(&biased, large, zero, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 0, 1, 2 }), sizeof ids);
}

/* Nothing that a router or a file may say makes a weight that is no number. */
static void extremes_give_numbers(void **s)
{
	static const f32 extremes[] = { 0x1p40f, -0x1p40f, 0, 1, -1, 0x1p-40f, 87, -87 };
	f32 logits[EXPERTS_MAX], bias[EXPERTS_MAX], w[EXPERTS_USED_MAX];
	u32 ids[EXPERTS_USED_MAX];
	for (u32 round = 0; round < 400; round++) {
		const struct expert_routing p = { .n_experts = EXPERTS_MAX,
			.n_used = EXPERTS_USED_MAX,
			.kind = ARCH_ROUTE_SOFTMAX + round % 3,
			.norm = round & 4,
			.scale = round & 8 ? 1e6f : 0 };
		for (u32 i = 0; i < EXPERTS_MAX; i++) {
			logits[i] = extremes[next() % (1 + round % 8)];
			bias[i] = round & 16 ? (i % 2 ? NAN : INFINITY) : extremes[next() % 8];
		}
		expert_choose(&p, logits, p.kind == ARCH_ROUTE_SIGMOID ? bias : NULL, ids, w);
		for (u32 i = 0; i < EXPERTS_USED_MAX; i++) {
			assert_true(w[i] >= 0 && w[i] <= 0x1p40f);
			assert_true(ids[i] < EXPERTS_MAX && (i == 0 || ids[i] > ids[i - 1]));
		}
	}
	/* all weights 0: divided by their sum they still are */
	const struct expert_routing none = {
		.n_experts = 4, .n_used = 2, .kind = ARCH_ROUTE_SIGMOID, .norm = true
	};
	const f32 far[4] = { -1000, -1000, -1000, -1000 };
	expert_choose(&none, far, NULL, ids, w);
	assert_true(w[0] == 0 && w[1] == 0);
}

/* ---- groups ---- */

static void check_groups(u32 rows, u32 used, u32 count, u32 step)
{
	static u32 ids[160 * EXPERTS_USED_MAX], slots[160 * EXPERTS_USED_MAX],
		row_of[160 * EXPERTS_USED_MAX + EXPERTS_MAX * 16];
	static struct expert_groups g;
	u32 at = 0, tokens = 0;
	for (u32 i = 0; i < rows * used; i++)
		ids[i] = (i % used ? ids[i - 1] + 1 : next() % (count - used + 1)); /* ascending in a row */
	expert_group(ids, rows, used, step, &g, row_of, slots);
	assert_true(g.n_slots <= expert_slots_max(rows, count, used, step));
	for (u32 i = 0; i < g.n; i++) {
		assert_int_equal(g.group[i].first, at);
		assert_int_equal(g.group[i].first % step, 0);
		assert_true(g.group[i].n > 0 && (i == 0 || g.group[i].expert > g.group[i - 1].expert));
		for (u32 k = 1; k < g.group[i].n; k++) /* tokens in their order, each once */
			assert_true(row_of[at + k] > row_of[at + k - 1]);
		tokens += g.group[i].n;
		at += DIV_UP(g.group[i].n, step) * step;
	}
	assert_int_equal(at, g.n_slots);
	assert_int_equal(tokens, rows * used);
	for (u32 i = 0; i < rows * used; i++) {
		assert_int_equal(row_of[slots[i]], i / used);
		u32 k = 0;
		while (slots[i] - g.group[k].first >= g.group[k].n)
			k++;
		assert_int_equal(g.group[k].expert, ids[i]);
	}
}

static void groups_hold_every_token_once(void **s)
{
	check_groups(1, 1, 1, 1);
	check_groups(1, EXPERTS_USED_MAX, EXPERTS_MAX, 16);
	check_groups(160, EXPERTS_USED_MAX, EXPERTS_MAX, 16);
	for (u32 i = 0; i < 200; i++) {
		u32 count = 1 + next() % 300, used = 1 + next() % (count < 16 ? count : 16);
		check_groups(1 + next() % 160, used, count, 1u << next() % 5);
	}
}

static void steps_meet_the_alignment(void **s)
{
	assert_int_equal(expert_step(2880, RT_ALIGN), 1);
	assert_int_equal(expert_step(64, RT_ALIGN), 1);
	assert_int_equal(expert_step(8, RT_ALIGN), 8);
	for (u32 k = EXPERT_DIM_STEP; k < 300; k += EXPERT_DIM_STEP)
		assert_true(expert_step(k, RT_ALIGN) <= 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(choices_are_right),
		cmocka_unit_test(ties_go_to_the_lower_index), cmocka_unit_test(extremes_give_numbers),
		cmocka_unit_test(groups_hold_every_token_once), cmocka_unit_test(steps_meet_the_alignment) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
