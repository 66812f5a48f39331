/* The choice of an id from the best blocks of a row. What is known for certain goes by the very steps of sampler.c; the rest enters by bounds. */
#include "runtime/sampler_impl.h"
#include "runtime/op.h"
#include "shaders/top_blocks.h"

#include <math.h>

#define NUMBER_MAX 0x1p20f /* of penalties and factors: no logit leaves the range of floats by one */
#define UNSURE	   SAMPLER_WHOLE

/* Relative errors, all of them larger than what they stand for. */
#define ERR_EXP 1e-6 /* of rt_exp, and by how much it is not monotone */
#define ERR_SHIFT \
	2e-5 /* of a weight by way of other references: three differences rounded to 2^-18, three rt_exp */
#define ERR_SUM 1e-9 /* of a sum of up to VOCAB_MAX positive f64 */
static_assert(VOCAB_MAX <= 1u << 20, "ERR_SUM, and TOP_UNIT_POWER");

static u32 n_penalised(const struct sampler_params *p, u32 n_ids)
{
	return p->repeat_penalty == 1.0f ? 0 : MIN(p->repeat_last_n, n_ids);
}

static f32 factor_of(const struct sampler_params *p)
{
	return p->temperature == 0 ? 1.0f : rt_recip(p->temperature);
}

/* What is penalised falls: so many blocks more have so many more that do not. */
struct sampler_need sampler_need(const struct sampler_params *p, bool masked, u32 n_ids)
{
	f32 factor = factor_of(p);
	u64 n = (p->temperature == 0 ? 1 : p->top_k) + (u64)n_penalised(p, n_ids);
	bool counted = (p->temperature == 0 || p->top_k) && n <= OP_TOP_MAX && !masked;
	if (!(p->repeat_penalty >= 1 && p->repeat_penalty <= NUMBER_MAX) ||
		!(factor >= 1 / NUMBER_MAX && factor <= NUMBER_MAX))
		return (struct sampler_need){ 0 };
	return (struct sampler_need){ .blocks = counted ? (u32)n : OP_TOP_MAX,
		.factor = counted || p->temperature == 0 ? 0 : factor };
}

/* ---- what is said of the row -------------------------------------------------------------------------------------------- */

struct row {
	const struct sampler_params *p;
	const struct sampler_few *few;
	f32 factor, recip;	    /* 1/T, 1/penalty */
	u32 blocks, groups, n_said; /* of the row; blocks that are said */
	u32 n_fallen;		    /* at most so many ids are penalised */
	bool all;		    /* every block is said */
	f32 bound;		    /* times factor: no other element is larger */
	u64 limit;		    /* what has a smaller key comes before all others */
	u32 n, n_low;		    /* ids that do; other ones that are said, whose l are in s->l */
};

static struct row row_of(
	const struct sampler *s, const struct sampler_params *p, const struct sampler_few *few, u32 n_ids)
{
	struct row r = { .p = p,
		.few = few,
		.factor = factor_of(p),
		.recip = rt_recip(p->repeat_penalty),
		.blocks = DIV_UP(s->n_vocab, TOP_BLOCK),
		.n_fallen = n_penalised(p, n_ids),
		.all = few->words[0] == 0,
		.limit = UINT64_MAX };
	r.groups = DIV_UP(r.blocks, TOP_GROUP);
	r.n_said = MIN(few->need.blocks, r.blocks);
	if (r.all)
		return r;
	/* times a factor different numbers may become equal, and the lower index may be among the others */
	r.bound = u2f(top_bits(few->words[0])) * r.factor + 0.0f;
	r.limit = sampler_key(r.bound, r.factor == 1.0f ? few->words[1] * TOP_BLOCK : 0);
	return r;
}

static void see(struct sampler *s, const struct row *r, const u32 *ids, u32 n_ids)
{
	if (r->n_fallen)
		sampler_forget(s);
	for (u32 i = n_ids - r->n_fallen; i < n_ids; i++)
		if (ids[i] < s->n_vocab)
			sampler_see(s, ids[i]);
}

/* One id that is said. */
static bool take(struct sampler *s, struct row *r, u32 id, f32 x)
{
	if (r->n_fallen && sampler_seen(s, id))
		x = sampler_fallen(x, r->p->repeat_penalty, r->recip);
	f32 l = x * r->factor + 0.0f;
	u64 key = sampler_key(l, id);
	if (key < r->limit)
		s->key[0][r->n++] = key;
	else
		s->l[r->n_low++] = l;
	return isfinite(l);
}

/* Into s->key[0] those that come first, into s->l the others. false: one is not finite. */
static bool take_all(struct sampler *s, struct row *r)
{
	const u32 *index = r->few->words + TOP_INDICES(r->groups),
		  *value = r->few->words + TOP_VALUES(r->groups, r->few->cap);
	const u64 *allowed = r->p->allowed;
	bool fine = true;
	for (u32 i = 0; i < r->n_said; i++) {
		u32 first = index[i] * TOP_BLOCK, end = MIN(first + TOP_BLOCK, s->n_vocab);
		for (u32 id = first; id < end; id++)
			if (!allowed || allowed[id / 64] >> (id % 64) & 1)
				fine = take(s, r, id, u2f(value[i * TOP_BLOCK + id - first])) && fine;
	}
	return fine;
}

/* ---- the rest ----------------------------------------------------------------------------------------------------------- */

struct span {
	f64 lo, hi;
};

/* Weights of what is not said, before penalty and mask, if `top` weighs 1. */
static struct span unsaid(const struct sampler *s, const struct row *r, f32 top)
{
	const u32 *g = r->few->words + TOP_WEIGHTS;
	f32 most = -INFINITY;
	f64 sum = 0, scale;
	for (u32 i = 0; i < r->groups; i++) {
		f32 m = u2f(top_bits(g[i * TOP_GROUP_WORDS + 2])) * r->factor;
		most = m > most ? m : most;
	}
	for (u32 i = 0; i < r->groups; i++, g += TOP_GROUP_WORDS)
		sum += (f64)((u64)g[1] << 32 | g[0]) * (f64)rt_exp(u2f(top_bits(g[2])) * r->factor - most);
	scale = (f64)rt_exp(top - most); /* top is one of them or less */
	if (scale == 0)
		return (struct span){ 0, INFINITY };
	f64 unit = 1.0 / (f64)(1ull << TOP_UNIT_POWER) / scale;
	f64 wrong = sum * unit * ERR_SHIFT + s->n_vocab * unit;
	return (struct span){ sum * unit - wrong, sum * unit + wrong };
}

/* What has its place behind the n that come first. */
struct rest {
	struct span sum; /* of its weights, where `top` weighs 1 */
	f64 each;	 /* none weighs more */
};

static struct rest rest_of(const struct sampler *s, const struct row *r, f32 top)
{
	u32 most = s->n_vocab - r->n, k = r->p->top_k; /* so many of them count */
	if (r->all || (k && k <= r->n))
		return (struct rest){ 0 };
	struct rest rest = { .each = (f64)rt_exp(r->bound - top) * (1 + ERR_EXP) };
	rest.sum.hi = (k ? MIN(most, k - r->n) : most) * rest.each;
	if (r->few->need.factor == 0)
		return rest;
	f64 low = 0;
	struct span far = unsaid(s, r, top);
	for (u32 i = 0; i < r->n_low; i++)
		low += (f64)rt_exp(s->l[i] - top);
	rest.sum.hi = MIN(rest.sum.hi, (low + far.hi) * (1 + ERR_EXP));
	if (!k && !r->p->allowed)
		rest.sum.lo =
			MIN(rest.sum.hi, MAX(0, far.lo - r->n_fallen * rest.each) + low * (1 - ERR_EXP));
	return rest;
}

/* ---- the choice --------------------------------------------------------------------------------------------------------- */

/* The first i whose running sum exceeds u times a sum within the span. 0; UNSURE. */
static int draw_within(const f32 *e, u32 n, f64 u, struct span sum, u32 *ret_i)
{
	f64 run = 0;
	for (u32 i = 0; i < n; i++) {
		run += (f64)e[i];
		if (!(run > u * sum.lo))
			continue;
		*ret_i = i;
		return run > u * sum.hi ? 0 : UNSURE;
	}
	return UNSURE;
}

/* How many of n weights stay by top-p of a total within the span. *ret_more: all, and something of the rest may. 0; UNSURE. */
static int cut_within(f32 top_p, const f32 *e, u32 n, struct span total, u32 *ret_keep, bool *ret_more)
{
	f64 run = 0, lo = (f64)top_p * total.lo, hi = (f64)top_p * total.hi;
	u32 keep = 0;
	while (keep < n && run < lo)
		run += (f64)e[keep++];
	*ret_more = run < lo;
	*ret_keep = MAX(keep, 1u);
	return run < lo || run >= hi ? 0 : UNSURE;
}

/* Of the n that come first, with weights e, by u. 0; UNSURE. */
static int choose(
	const struct sampler_params *p, const f32 *e, u32 n, const struct rest *rest, f64 u, u32 *ret_i)
{
	f64 sum = 0;
	for (u32 i = 0; i < n; i++)
		sum += (f64)e[i];
	struct span total = { sum, sum };
	bool more = rest->sum.hi > 0; /* something of the rest may stay */
	u32 keep = n;
	if (more)
		total = (struct span){ (sum + rest->sum.lo) * (1 - ERR_SUM),
			(sum + rest->sum.hi) * (1 + ERR_SUM) };
	if (p->top_p < 1.0f && cut_within(p->top_p, e, n, total, &keep, &more))
		return UNSURE;
	if (!more || rest->each < (f64)p->min_p) {
		*ret_i = sampler_draw(e, sampler_cut_min(p, e, keep), u);
		return 0;
	}
	if (e[n - 1] < p->min_p)
		return UNSURE;
	if (p->top_p < 1.0f || p->min_p > 0) /* not all of the rest */
		total.lo = sum * (1 - ERR_SUM);
	return draw_within(e, n, u, total, ret_i);
}

int sampler_pick_few(struct sampler *s, const struct sampler_params *p, const struct sampler_few *few,
	const u32 *ids, u32 n_ids, u32 *ret_id)
{
	struct row r = row_of(s, p, few, n_ids);
	u32 i = 0;
	see(s, &r, ids, n_ids);
	if (!take_all(s, &r) || r.n == 0)
		return UNSURE;
	const u64 *order = sampler_order_any(s, r.n);
	if (p->temperature == 0) {
		*ret_id = (u32)order[0];
		return 0;
	}
	f32 *e = sampler_weights(s, order), top = sampler_key_value(order[0]);
	const struct rest rest = rest_of(s, &r, top);
	u32 n = p->top_k ? MIN(p->top_k, r.n) : r.n;
	for (u32 k = 0; k < n; k++)
		e[k] = rt_exp(sampler_key_value(order[k]) - top);
	if (choose(p, e, n, &rest, sampler_uniform(p, n_ids), &i))
		return UNSURE;
	*ret_id = (u32)order[i];
	return 0;
}
