#include "shaders/route.h"
#include "shaders/exact.h"

#include "base/limits.h"

/* Puts expert i among the best so far, which stand in falling order: behind those of an equal score, whose index is lower. */
static u32 insert(const f32 *score, u32 i, u32 n, u32 used, u32 *best)
{
	u32 at = n;
	if (n == used && !(score[i] > score[best[n - 1]]))
		return n;
	for (at = MIN(n, used - 1); at > 0 && score[i] > score[best[at - 1]]; at--)
		best[at] = best[at - 1];
	best[at] = i;
	return MIN(n + 1, used);
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

static void choose(const struct push_route *p, const f32 *logit, const f32 *bias, u32 *ret_ids)
{
	f32 score[EXPERTS_MAX];
	u32 n = 0;
	for (u32 i = 0; i < p->experts; i++)
		score[i] =
			p->biased ? exact_window(exact_sigmoid(logit[i]) + exact_window(bias[i])) : logit[i];
	for (u32 i = 0; i < p->experts; i++)
		n = insert(score, i, n, p->used, ret_ids);
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
static void softmax(const struct push_route *p, const f32 *logit, const u32 *ids, f32 *ret)
{
	bool all = p->kind == ROUTE_SOFTMAX;
	f32 e[EXPERTS_MAX];
	for (u32 i = 0; i < p->used; i++)
		ret[i] = logit[ids[i]];
	f32 max = all ? max_of(logit, p->experts) : max_of(ret, p->used);
	for (u32 i = 0; i < p->used; i++)
		ret[i] = exact_exp(exact_window(ret[i] - max));
	for (u32 i = 0; i < p->experts && all; i++)
		e[i] = exact_exp(exact_window(logit[i] - max));
	divide(ret, p->used, all ? sum_of(e, p->experts) : sum_of(ret, p->used));
}

static void route_row(const struct push_route *p, const f32 *x, const f32 *bias, u32 *ids, f32 *w)
{
	f32 logit[EXPERTS_MAX], scale = u2f(p->scale_bits);
	for (u32 i = 0; i < p->experts; i++)
		logit[i] = exact_window(x[i]);
	choose(p, logit, bias, ids);
	for (u32 i = 0; i < p->used && p->kind == ROUTE_SIGMOID; i++)
		w[i] = exact_window(exact_sigmoid(logit[ids[i]]));
	if (p->kind != ROUTE_SIGMOID)
		softmax(p, logit, ids, w);
	if (p->norm)
		divide(w, p->used, sum_of(w, p->used));
	for (u32 i = 0; i < p->used && scale != 0; i++)
		w[i] = exact_window(w[i] * scale);
}

void ref_route(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_route *p = push;
	const f32 *logits = buf[0];
	u32 *ids = buf[2];
	f32 *weights = buf[3];
	for (u32 r = first; r < end; r++)
		route_row(p, logits + (size_t)r * p->experts, buf[1], ids + (size_t)r * p->used,
			weights + (size_t)r * p->used);
}
