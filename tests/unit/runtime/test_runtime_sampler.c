#include "runtime/sampler.h"
#include "base/types.h"
#include "runtime/op.h"
#include "tests/logits/tiny_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N 64u

/* The known answers that were published with the generator. */
static void philox_known_answers(void **state)
{
	static const u32 rows[][10] = {
		{ 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
		{ 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
			0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
		{ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
			0x94fdcceb, 0x5001e420, 0x24126ea1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		u32 got[4];
		philox4x32(rows[i], rows[i] + 4, got);
		assert_memory_equal(got, rows[i] + 6, sizeof got);
	}
}

struct bed {
	struct sampler s;
	f32 l[N];
	struct sampler_params p;
};

static struct bed bed(u64 seed)
{
	struct bed b = { .p = { .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = seed } };
	assert_int_equal(sampler_create(N, &b.s), 0);
	for (u32 i = 0; i < N; i++)
		b.l[i] = (f32)(i64)(tiny_random(&seed) % 1000) / 100.0f - 5.0f;
	return b;
}

static u32 pick(struct bed *b, const u32 *ids, u32 n)
{
	u32 id = N;
	f32 before[N];
	memcpy(before, b->l, sizeof before);
	assert_int_equal(sampler_pick(&b->s, &b->p, b->l, ids, n, &id), 0);
	assert_true(id < N);
	assert_memory_equal(before, b->l, sizeof before);
	return id;
}

static u32 best(const struct bed *b)
{
	u32 at = 0;
	for (u32 i = 1; i < N; i++)
		at = b->l[i] > b->l[at] ? i : at;
	return at;
}

static void zero_is_the_first_largest(void **state)
{
	struct bed b = bed(1);
	b.p.temperature = 0;
	assert_int_equal(pick(&b, NULL, 0), best(&b));
	b.l[60] = b.l[20] = b.l[40] = 50.0f;
	assert_int_equal(pick(&b, NULL, 0), 20);
	for (u32 i = 0; i < N; i++)
		b.l[i] = i % 2 ? 0.0f : -0.0f;
	assert_int_equal(pick(&b, NULL, 0), 0);
	b.p.temperature = 1;
	b.p.top_k = 1; /* the order has the same ties */
	assert_int_equal(pick(&b, NULL, 0), 0);
	sampler_fini(&b.s);
}

/* The same as an evaluation by the book in double precision, for many draws. */
static u32 by_the_book(const struct bed *b, u32 position)
{
	u32 order[N], n = N;
	f64 e[N], total = 0, sum = 0;
	for (u32 i = 0; i < N; i++)
		order[i] = i;
	for (u32 i = 0; i < N; i++)
		for (u32 j = i + 1; j < N; j++)
			if (b->l[order[j]] > b->l[order[i]] ||
				(b->l[order[j]] == b->l[order[i]] && order[j] < order[i])) {
				u32 t = order[i];
				order[i] = order[j];
				order[j] = t;
			}
	if (b->p.top_k)
		n = MIN(n, b->p.top_k);
	for (u32 i = 0; i < n; i++)
		total += e[i] = exp(((f64)b->l[order[i]] - b->l[order[0]]) / b->p.temperature);
	u32 keep = 0;
	while (keep < n && (b->p.top_p >= 1 || sum < b->p.top_p * total))
		sum += e[keep++];
	while (keep > 1 && e[keep - 1] < b->p.min_p)
		keep--;
	u32 counter[4] = { position, b->p.choice, 0, 0 }, key[2] = { (u32)b->p.seed, (u32)(b->p.seed >> 32) },
	    r[4];
	philox4x32(counter, key, r);
	f64 u = ((f64)((u64)r[0] << 21 | r[1] >> 11)) / 9007199254740992.0;
	total = sum = 0;
	for (u32 i = 0; i < keep; i++)
		total += e[i];
	for (u32 i = 0; i < keep; i++) {
		sum += e[i];
		if (sum > u * total)
			return order[i];
	}
	return order[keep - 1];
}

static void draws_by_the_book(void **state)
{
	u32 differ = 0, kinds[N] = { 0 };
	for (u32 i = 0; i < 2000; i++) {
		struct bed b = bed(i);
		u32 ids[8] = { 0 };
		b.p.temperature = 0.25f + 0.25f * (f32)(i % 8);
		b.p.top_k = i % 3 ? 0 : 1 + i % 20;
		b.p.top_p = i % 5 ? 1.0f : 0.1f * (f32)(1 + i % 9);
		b.p.min_p = i % 7 ? 0.0f : 0.05f;
		b.p.choice = i % 4;
		b.p.seed = (u64)i << 33 | i;
		u32 got = pick(&b, ids, i % 8);
		differ += got != by_the_book(&b, i % 8);
		kinds[got]++;
		sampler_fini(&b.s);
	}
	assert_true(differ <= 2); /* a draw within 1e-7 of a border may fall on either side */
	u32 seen = 0;
	for (u32 i = 0; i < N; i++)
		seen += kinds[i] > 0;
	assert_true(seen > N / 2);
}

/* The steps of sampler.h as they are written down, over the whole row: what the sampler leaves out must not be seen in any draw. */
struct plain {
	f32 l;
	u32 i;
};

static int plain_order(const void *a, const void *b)
{
	const struct plain *x = a, *y = b;
	return x->l != y->l ? (x->l < y->l) - (x->l > y->l) : (x->i > y->i) - (x->i < y->i);
}

static void plain_penalty(const struct sampler_params *p, struct plain *v, u32 n, const u32 *ids, u32 n_ids)
{
	for (u32 at = 0; at < n; at++) {
		bool met = false;
		for (u32 i = n_ids - MIN(n_ids, p->repeat_last_n); i < n_ids; i++)
			met = met || ids[i] == at;
		if (met && p->repeat_penalty != 1.0f)
			v[at].l = v[at].l > 0 ? v[at].l * rt_recip(p->repeat_penalty)
					      : v[at].l * p->repeat_penalty;
	}
}

static u32 plainly(const struct sampler_params *p, const f32 *l, u32 n, const u32 *ids, u32 n_ids)
{
	static struct plain v[5000];
	static f32 e[5000];
	u32 counter[4] = { n_ids, p->choice, 0, 0 }, key[2] = { (u32)p->seed, (u32)(p->seed >> 32) }, r[4];
	f64 total = 0, sum = 0;
	for (u32 i = 0; i < n; i++)
		v[i] = (struct plain){ l[i], i };
	plain_penalty(p, v, n, ids, n_ids);
	for (u32 i = 0; i < n; i++)
		v[i].l *= p->temperature == 0 ? 1.0f : rt_recip(p->temperature);
	qsort(v, n, sizeof *v, plain_order);
	if (p->temperature == 0)
		return v[0].i;
	n = p->top_k ? MIN(n, p->top_k) : n;
	for (u32 i = 0; i < n; i++)
		total += (f64)(e[i] = rt_exp(v[i].l - v[0].l));
	u32 keep = p->top_p < 1 ? 0 : n;
	while (keep < n && sum < (f64)p->top_p * total)
		sum += (f64)e[keep++];
	keep = MAX(keep, 1u);
	while (keep > 1 && e[keep - 1] < p->min_p)
		keep--;
	philox4x32(counter, key, r);
	f64 u = (f64)((u64)r[0] << 21 | r[1] >> 11) * 0x1p-53;
	total = sum = 0;
	for (u32 i = 0; i < keep; i++)
		total += (f64)e[i];
	for (u32 i = 0; i < keep; i++)
		if ((sum += (f64)e[i]) > u * total)
			return v[i].i;
	return v[keep - 1].i;
}

static void draws_as_written(void **state)
{
	static const u32 sizes[] = { 1, 2, 63, 64, 65, 129, 320, 1000, 4999 },
			 ks[] = { 0, 0, 1, 2, 15, 40, 300, 6000 };
	static const f32 ps[] = { 1, 1, 0.95f, 0.5f, 1e-6f }, mins[] = { 0, 0.05f, 0.5f, 1, 1e-35f };
	static f32 l[5000];
	u64 seed = 11;
	for (u32 round = 0; round < 1500; round++) {
		u32 n = sizes[round % ARRAY_LEN(sizes)], ids[40], got = n,
		    ties = 1u << tiny_random(&seed) % 20;
		struct sampler s;
		const struct sampler_params p = { .temperature =
							  round % 11 ? 0.1f + (f32)(round % 7) * 0.3f : 0,
			.top_k = ks[tiny_random(&seed) % ARRAY_LEN(ks)],
			.top_p = ps[tiny_random(&seed) % ARRAY_LEN(ps)],
			.min_p = mins[tiny_random(&seed) % ARRAY_LEN(mins)],
			.repeat_penalty = round % 3 ? 1.0f : 1.7f,
			.repeat_last_n = (u32)(tiny_random(&seed) % 50),
			.seed = round };
		for (u32 i = 0; i < n; i++) /* with ties, and zeros of both signs */
			l[i] = ((f32)(tiny_random(&seed) % ties) / (f32)ties - 0.5f) *
			       (i % 2 ? 16.0f : -16.0f);
		for (u32 i = 0; i < ARRAY_LEN(ids); i++)
			ids[i] = (u32)(tiny_random(&seed) % (n + 3));
		assert_int_equal(sampler_create(n, &s), 0);
		assert_int_equal(sampler_pick(&s, &p, l, ids, round % 41, &got), 0);
		assert_int_equal(got, plainly(&p, l, n, ids, round % 41));
		sampler_fini(&s);
	}
}

static void penalty_looks_back(void **state)
{
	struct bed b = bed(3);
	u32 ids[6] = { 5, 5, 9, 700, 9, 8 };
	b.p.temperature = 0;
	b.p.repeat_penalty = 2.0f;
	b.p.repeat_last_n = 2;
	b.l[9] = 30.0f; /* 15 after the penalty, counted once */
	b.l[5] = 14.0f; /* out of the window */
	b.l[7] = 14.5f;
	assert_int_equal(pick(&b, ids, 6), 9);
	b.l[7] = 15.5f;
	assert_int_equal(pick(&b, ids, 6), 7);
	for (u32 i = 0; i < N; i++)
		b.l[i] = -2.0f;
	b.l[8] = -1.5f; /* negative: times the penalty, -3 */
	assert_int_equal(pick(&b, ids, 6), 0);
	sampler_fini(&b.s);
}

static void refuses_what_is_not_finite(void **state)
{
	struct bed b = bed(3);
	u32 id = 77;
	b.l[63] = NAN;
	assert_int_equal(sampler_pick(&b.s, &b.p, b.l, NULL, 0, &id), 1);
	b.l[63] = INFINITY;
	assert_int_equal(sampler_pick(&b.s, &b.p, b.l, NULL, 0, &id), 1);
	u32 ids[1] = { 63 }; /* also where only the penalty makes it so */
	b.l[63] = -3e38f;
	b.p.repeat_penalty = 2;
	b.p.repeat_last_n = 1;
	assert_int_equal(sampler_pick(&b.s, &b.p, b.l, ids, 1, &id), 1);
	assert_int_equal(id, 77);
	sampler_fini(&b.s);
}

/* Only seed, choice and position matter; each of them does. */
static void counters(void **state)
{
	struct bed b = bed(3);
	u32 first[32], moved = 0, ids[64] = { 0 };
	for (u32 i = 0; i < 32; i++)
		first[i] = pick(&b, ids, i);
	for (u32 i = 32; i-- > 0;)
		assert_int_equal(pick(&b, ids, i), first[i]);
	for (u32 i = 1; i < 32; i++)
		moved += first[i] != first[0];
	assert_true(moved > 8);
	b.p.choice = 1;
	moved = 0;
	for (u32 i = 0; i < 32; i++)
		moved += pick(&b, ids, i) != first[i];
	assert_true(moved > 8);
	b.p.choice = 0;
	b.p.seed ^= 1ull << 40;
	moved = 0;
	for (u32 i = 0; i < 32; i++)
		moved += pick(&b, ids, i) != first[i];
	assert_true(moved > 8);
	sampler_fini(&b.s);
}

/* A mask is the same as a vocabulary of the others, whatever else is asked for. */
static void a_mask_leaves_the_others(void **state)
{
	enum { LARGE = 1000 };
	static f32 l[LARGE], few[LARGE];
	u32 to[LARGE], n, got, want;
	u64 seed = 77, bits[DIV_UP(LARGE, 64)];
	struct sampler s, t;
	assert_int_equal(sampler_create(LARGE, &s), 0);
	for (u32 round = 0; round < 600; round++) {
		struct sampler_params p = { .temperature = round % 4 ? 0.5f * (f32)(round % 5 + 1) : 0,
			.top_p = round % 3 ? 1.0f : 0.8f,
			.min_p = round % 7 ? 0 : 0.02f,
			.repeat_penalty = 1,
			.top_k = round % 5 < 3 ? 0 : 1 + round % 40,
			.seed = round };
		u32 one_in = 1u << round % 9;
		memset(bits, 0, sizeof bits);
		n = 0;
		for (u32 i = 0; i < LARGE; i++) {
			l[i] = (f32)(i64)(tiny_random(&seed) % 1000) / 100.0f - 5.0f;
			if (tiny_random(&seed) % one_in && !(i == LARGE - 1 && n == 0))
				continue;
			bits[i / 64] |= 1ull << i % 64;
			few[n] = l[i];
			to[n++] = i;
		}
		assert_int_equal(sampler_create(n, &t), 0);
		assert_int_equal(sampler_pick(&t, &p, few, NULL, 0, &want), 0);
		p.allowed = bits;
		assert_int_equal(sampler_pick(&s, &p, l, NULL, 0, &got), 0);
		assert_int_equal(got, to[want]);
		sampler_fini(&t);
	}
	sampler_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(philox_known_answers),
		cmocka_unit_test(zero_is_the_first_largest),
		cmocka_unit_test(draws_by_the_book),
		cmocka_unit_test(draws_as_written),
		cmocka_unit_test(penalty_looks_back),
		cmocka_unit_test(refuses_what_is_not_finite),
		cmocka_unit_test(counters),
		cmocka_unit_test(a_mask_leaves_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
