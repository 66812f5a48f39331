/* The choice of experts against a plain sort and against libm; the groups that it makes; ties, extremes and the limits; which products know of experts. */
#include "base/limits.h"
#include "shaders/group.h"
#include "shaders/pipelines.h"
#include "shaders/route.h"

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

static void choose(
	const struct push_route *p, const f32 *logits, const f32 *bias, u32 *ret_ids, f32 *ret_weights)
{
	struct push_route one = *p;
	void *const buf[] = { (void *)(uintptr_t)logits, (void *)(uintptr_t)bias, ret_ids, ret_weights };
	one.rows = 1;
	one.biased = bias != NULL;
	ref_route(&one, buf, 0, 1);
}

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

static void check_choice(const struct push_route *p, const f32 *logits, const f32 *bias)
{
	u32 ids[EXPERTS_USED_MAX], at = 0;
	f32 weights[EXPERTS_USED_MAX];
	f64 score[EXPERTS_MAX], want[EXPERTS_USED_MAX], all = 0, chosen = 0, sum = 0, max = -1e300;
	choose(p, logits, bias, ids, weights);
	for (u32 i = 0; i < p->experts; i++) {
		score[i] = bias ? sigmoid(logits[i]) + bias[i] : logits[i];
		max = fmax(max, logits[i]);
	}
	for (u32 i = 0; i < p->experts; i++) {
		all += exp(logits[i] - max);
		if (is_best(score, p->experts, p->used, i))
			assert_int_equal(ids[at++], i);
	}
	assert_int_equal(at, p->used);
	for (u32 i = 0; i < p->used; i++)
		chosen += exp(logits[ids[i]] - max);
	for (u32 i = 0; i < p->used; i++) {
		f64 e = exp(logits[ids[i]] - max);
		want[i] = p->kind == ROUTE_SIGMOID   ? sigmoid(logits[ids[i]])
			  : p->kind == ROUTE_SOFTMAX ? e / all
						     : e / chosen;
		sum += want[i];
	}
	for (u32 i = 0; i < p->used; i++) {
		want[i] = (p->norm ? want[i] / sum : want[i]) * (p->scale_bits ? (f64)u2f(p->scale_bits) : 1);
		assert_true(fabs(weights[i] - want[i]) <= 1e-6 * want[i] + 1e-12);
	}
}

static void choices_are_right(void **s)
{
	static const u32 counts[] = { 1, 2, 8, 61, 256, EXPERTS_MAX };
	f32 logits[EXPERTS_MAX], bias[EXPERTS_MAX];
	for (u32 round = 0; round < 300; round++) {
		struct push_route p = { .experts = counts[round % ARRAY_LEN(counts)],
			.kind = ROUTE_SOFTMAX + round % 3,
			.norm = round % 4 < 2,
			.scale_bits = round % 5 == 0 ? f2u(2.5f) : 0 };
		p.used = 1 + next() % (p.experts < EXPERTS_USED_MAX ? p.experts : EXPERTS_USED_MAX);
		for (u32 i = 0; i < p.experts; i++) {
			logits[i] = logit(round % 7 ? 8 : 60);
			bias[i] = logit(0.2f);
		}
		check_choice(&p, logits, NULL);
		if (p.kind == ROUTE_SIGMOID && round % 7)
			check_choice(&p, logits, bias);
	}
}

static void ties_go_to_the_lower_index(void **s)
{
	const struct push_route p = { .experts = 8, .used = 3, .kind = ROUTE_SOFTMAX, .norm = true };
	const f32 same[8] = { 0 }, some[8] = { 1, 2, 1, 2, 1, 2, 1, 2 }, zero[8] = { 0 };
	u32 ids[3];
	f32 w[3];
	choose(&p, same, NULL, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 0, 1, 2 }), sizeof ids);
	assert_true(w[0] == w[1] && w[1] == w[2]);
	choose(&p, some, NULL, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 1, 3, 5 }), sizeof ids);
	const f32 one_more[8] = { 1, 2, 1, 1, 1, 1, 3, 1 };
	choose(&p, one_more, NULL, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 0, 1, 6 }), sizeof ids);
	/* sigmoids that are 1 when they are rounded are equal, though their logits are not */
	const struct push_route biased = { .experts = 8, .used = 3, .kind = ROUTE_SIGMOID };
	const f32 large[8] = { 40, 50, 60, 70, 80, 90, 95, 99 };
	choose(&biased, large, zero, ids, w);
	assert_memory_equal(ids, ((const u32[]){ 0, 1, 2 }), sizeof ids);
}

/* Nothing that a router or a file may say makes a weight that is no number. */
static void extremes_give_numbers(void **s)
{
	static const f32 extremes[] = { 0x1p40f, -0x1p40f, 0, 1, -1, 0x1p-40f, 87, -87 };
	f32 logits[EXPERTS_MAX], bias[EXPERTS_MAX], w[EXPERTS_USED_MAX];
	u32 ids[EXPERTS_USED_MAX];
	for (u32 round = 0; round < 400; round++) {
		const struct push_route p = { .experts = EXPERTS_MAX,
			.used = EXPERTS_USED_MAX,
			.kind = ROUTE_SOFTMAX + round % 3,
			.norm = (round & 4) != 0,
			.scale_bits = round & 8 ? f2u(1e6f) : 0 };
		for (u32 i = 0; i < EXPERTS_MAX; i++) {
			logits[i] = extremes[next() % (1 + round % 8)];
			bias[i] = round & 16 ? (i % 2 ? NAN : INFINITY) : extremes[next() % 8];
		}
		choose(&p, logits, p.kind == ROUTE_SIGMOID ? bias : NULL, ids, w);
		for (u32 i = 0; i < EXPERTS_USED_MAX; i++) {
			assert_true(w[i] >= 0 && w[i] <= 0x1p40f);
			assert_true(ids[i] < EXPERTS_MAX && (i == 0 || ids[i] > ids[i - 1]));
		}
	}
	/* all weights 0: divided by their sum they still are */
	const struct push_route none = { .experts = 4, .used = 2, .kind = ROUTE_SIGMOID, .norm = true };
	const f32 far[4] = { -1000, -1000, -1000, -1000 };
	choose(&none, far, NULL, ids, w);
	assert_true(w[0] == 0 && w[1] == 0);
}

/* ---- groups ---- */

#define ROWS  160u
#define SLOTS (ROWS * EXPERTS_USED_MAX)

static u32 ids[SLOTS], slots[SLOTS], pairs[SLOTS], rows_of[SLOTS], owners[SLOTS];
static u32 plan[GROUP_HEAD + 2 * GROUP_LISTS * SLOTS];

/* The tiles of a list cover all slots once, in order, each of one expert and at most so wide, and none could be wider. */
static void check_list(u32 list, u32 n, u32 count)
{
	u32 at = 0, width = list ? 1u << (list - 1) : n;
	const u32 *tile = plan + group_list_at(list, n);
	for (u32 i = 0; i < plan[list]; i++, tile += 2) {
		u32 size = group_size(tile[1]), expert = group_expert(tile[1]);
		assert_int_equal(tile[0], at);
		assert_true(size >= 1 && size <= width && expert < count);
		for (u32 s = at; s < at + size; s++)
			assert_int_equal(owners[s], expert);
		bool ends = at + size == n || owners[at + size] != expert;
		assert_true(ends || size == width);
		at += size;
	}
	assert_int_equal(at, n);
	assert_true(plan[list] <= group_tiles_max(n, count, width));
}

static void check_groups(u32 rows, u32 used, u32 count)
{
	const struct push_group p = { .n = rows * used, .used = used, .experts = count };
	void *const buf[] = { ids, plan, slots, pairs, rows_of, owners };
	for (u32 i = 0; i < p.n; i++)
		ids[i] = (i % used ? ids[i - 1] + 1 : next() % (count - used + 1)); /* ascending in a row */
	ref_group(&p, buf, 0, 1);
	for (u32 i = 0; i < p.n; i++) {
		assert_int_equal(pairs[slots[i]], i);
		assert_int_equal(rows_of[slots[i]], i / used);
		assert_int_equal(owners[slots[i]], ids[i]);
	}
	for (u32 s = 1; s < p.n; s++) /* experts ascend, of each the rows */
		assert_true(
			owners[s] > owners[s - 1] || (owners[s] == owners[s - 1] && pairs[s] > pairs[s - 1]));
	for (u32 list = 0; list < GROUP_LISTS; list++)
		check_list(list, p.n, count);
}

static void groups_hold_every_token_once(void **s)
{
	check_groups(1, 1, 1);
	check_groups(ROWS, 1, 1);
	check_groups(1, EXPERTS_USED_MAX, EXPERTS_MAX);
	check_groups(ROWS, EXPERTS_USED_MAX, EXPERTS_MAX);
	for (u32 i = 0; i < 200; i++) {
		u32 count = 1 + next() % 300, used = 1 + next() % (count < 16 ? count : 16);
		check_groups(1 + next() % ROWS, used, count);
	}
}

/* ---- products ---- */

static bool is_product(enum kernel k)
{
	return !strncmp(kernel_refs[k].name, "mul_mat.", 8);
}

/* On hardware a product without experts is compiled without them; a driver on a CPU has one for both. */
static void products_without_experts_do_not_pay(void **s)
{
	const struct pipeline_caps gpu = { .tile = { 32, 16, 16, 16 } }, cpu = { .cpu = true },
				   picked = { .cpu = true, .only = "wide" };
	u32 n = 0;
	for (u32 i = 0; i < pipeline_rows_n; i++) {
		const struct pipeline_row *row = &pipeline_rows[i];
		u32 at = row->experts;
		assert_int_equal(at != 0, is_product(row->kernel));
		if (at == 0)
			continue;
		n++;
		assert_int_equal(at, row->n_spec - 1);
		assert_int_equal(pipeline_row_resolve(row, &gpu, false).spec[at], 0);
		assert_int_equal(pipeline_row_resolve(row, &gpu, true).spec[at], 1);
		assert_int_equal(pipeline_row_resolve(row, &cpu, false).spec[at], 1);
		assert_int_equal(pipeline_row_resolve(row, &picked, false).spec[at], 0);
	}
	assert_true(n > 100);
}

/* Every tile that products may have is as wide as those of a list. */
static void tiles_have_lists(void **s)
{
	for (u32 n = 0; n < 64; n++) {
		const struct pipeline_tile t = { .lanes = n ? n : 1, .m = 8, .n = n, .k = 16 };
		bool listed = n && (n & (n - 1)) == 0 && n <= 1u << (GROUP_LISTS - 2);
		assert_int_equal(pipeline_tile_fits(&t), listed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(choices_are_right),
		cmocka_unit_test(ties_go_to_the_lower_index), cmocka_unit_test(extremes_give_numbers),
		cmocka_unit_test(groups_hold_every_token_once),
		cmocka_unit_test(products_without_experts_do_not_pay), cmocka_unit_test(tiles_have_lists) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
