#include "runtime/expert.h"

#include "shaders/exact.h"

/* Puts expert i among the best so far, which stand in falling order: behind those of an equal score, whose index is lower. */
static u32 insert(const f32 *score, u32 i, u32 n, u32 n_used, u32 *best)
{
	u32 at = n;
	if (n == n_used && !(score[i] > score[best[n - 1]]))
		return n;
	for (at = MIN(n, n_used - 1); at > 0 && score[i] > score[best[at - 1]]; at--)
		best[at] = best[at - 1];
	best[at] = i;
	return MIN(n + 1, n_used);
}

static void sort(u32 *ids, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u32 id = ids[i], at = i;
		for (; at > 0 && ids[at - 1] > id; at--)
			ids[at] = ids[at - 1];
		ids[at] = id;
	}
}

static void choose(const struct expert_routing *p, const f32 *logits, const f32 *bias, u32 *ret_ids)
{
	f32 biased[EXPERTS_MAX];
	const f32 *score = logits;
	u32 n = 0;
	for (u32 i = 0; i < p->n_experts && bias; i++)
		biased[i] = exact_window(exact_sigmoid(logits[i]) + exact_window(bias[i]));
	if (bias)
		score = biased;
	for (u32 i = 0; i < p->n_experts; i++)
		n = insert(score, i, n, p->n_used, ret_ids);
	sort(ret_ids, n);
}

static f32 sum_of(const f32 *x, u32 n)
{
	f32 s = 0;
	for (u32 i = 0; i < n; i++)
		s = s + x[i];
	return s;
}

static f32 max_of(const f32 *x, u32 n)
{
	f32 m = x[0];
	for (u32 i = 1; i < n; i++)
		m = x[i] > m ? x[i] : m;
	return m;
}

static void divide(f32 *x, u32 n, f32 by)
{
	f32 r = by > 0 ? exact_recip(by) : 0;
	for (u32 i = 0; i < n; i++)
		x[i] = exact_window(x[i] * r);
}

/* Softmax of all logits, or of those of ids alone; of ids it is returned. */
static void softmax(const f32 *logits, u32 n, bool all, const u32 *ids, u32 n_ids, f32 *ret)
{
	f32 e[EXPERTS_MAX];
	for (u32 i = 0; i < n_ids; i++)
		ret[i] = logits[ids[i]];
	f32 max = all ? max_of(logits, n) : max_of(ret, n_ids);
	for (u32 i = 0; i < n_ids; i++)
		ret[i] = exact_exp(exact_window(ret[i] - max));
	for (u32 i = 0; i < n && all; i++)
		e[i] = exact_exp(exact_window(logits[i] - max));
	divide(ret, n_ids, all ? sum_of(e, n) : sum_of(ret, n_ids));
}

void expert_choose(
	const struct expert_routing *p, const f32 *logits, const f32 *bias, u32 *ret_ids, f32 *ret_weights)
{
	assert(p->n_experts <= EXPERTS_MAX && p->n_used >= 1 && p->n_used <= p->n_experts);
	choose(p, logits, bias, ret_ids);
	for (u32 i = 0; i < p->n_used && p->kind == ARCH_ROUTE_SIGMOID; i++)
		ret_weights[i] = exact_window(exact_sigmoid(logits[ret_ids[i]]));
	if (p->kind != ARCH_ROUTE_SIGMOID)
		softmax(logits, p->n_experts, p->kind == ARCH_ROUTE_SOFTMAX, ret_ids, p->n_used, ret_weights);
	if (p->norm)
		divide(ret_weights, p->n_used, sum_of(ret_weights, p->n_used));
	for (u32 i = 0; i < p->n_used && p->scale != 0; i++)
		ret_weights[i] = exact_window(ret_weights[i] * p->scale);
}

/* ---- groups -------------------------------------------------------------------------------------------------------- */

void expert_group(const u32 *ids, u32 rows, u32 n_used, u32 step, struct expert_groups *ret, u32 *ret_rows,
	u32 *ret_slots)
{
	u32 count[EXPERTS_MAX] = { 0 }, next[EXPERTS_MAX], at = 0, n = rows * n_used;
	for (u32 i = 0; i < n; i++)
		count[ids[i]]++;
	ret->n = 0;
	for (u32 e = 0; e < EXPERTS_MAX; e++) {
		if (!count[e])
			continue;
		next[e] = at;
		ret->group[ret->n++] = (struct expert_group){ e, at, count[e] };
		for (u32 i = at; i < at + DIV_UP(count[e], step) * step; i++)
			ret_rows[i] = 0;
		at += DIV_UP(count[e], step) * step;
	}
	ret->n_slots = at;
	for (u32 i = 0; i < n; i++) {
		ret_slots[i] = next[ids[i]]++;
		ret_rows[ret_slots[i]] = i / n_used;
	}
}

u32 expert_slots_max(u32 rows, u32 n_experts, u32 n_used, u32 step)
{
	return rows * n_used + MIN(n_experts, rows * n_used) * (step - 1);
}

u32 expert_step(u32 k, u32 align)
{
	u32 step = 1;
	while ((u64)step * k * sizeof(f32) % align)
		step *= 2;
	return step;
}
