/* The feed-forward part of layers of experts. The device computes the router's logits; the host chooses (expert.h) and says which rows stand where;
 * the device gathers them, so that the tokens of an expert are a matrix for the same products that dense layers have, and adds what the experts
 * said in the order of their indices. Sources: Shazeer et al. 2017; Fedus et al. 2021; DeepSeek-AI 2024 (sigmoid, bias of the choice, shared expert). */
#include "runtime/model_run.h"

#include <string.h>

/* y = a row of biases, added to n rows of dim elements */
static void add_biases(
	struct run *run, const struct model_weight *b, u32 expert, struct rt_view y, u32 n, u32 dim)
{
	struct rt_view at = b->at;
	at.offset += (u64)expert * dim * sizeof(f32);
	if (has(b) && !run->r)
		run->r = op_bias(run->d, y, at, n, dim);
}

static struct rt_view rows_of(struct rt_buf *b, u32 first, u32 dim)
{
	return (struct rt_view){ b, (u64)first * dim * sizeof(f32) };
}

/* Pieces of the buffers of quantised activations, one for each group, so that no product waits for another. */
static struct act piece_of(struct rt_buf *x, const struct expert_group *g, u32 k, u64 *at)
{
	struct act a = { .x = rows_of(x, g->first, k), .rows = g->n, .k = k, .made_at = *at };
	*at += model_piece_bytes(g->n, k);
	return a;
}

/* The shared expert, on every row. */
static void shared(struct run *run, const struct model_layer *l, struct act *h)
{
	const struct model_work *w = run->w;
	u32 dim = run->m->shared_dim;
	if (!has(&l->shared_up))
		return;
	mul_mat(run, &l->shared_gate, h, dim, w->gate);
	mul_mat(run, &l->shared_up, h, dim, w->up);
	activate(run, l, w->gate, w->up, (u64)run->rows * dim);
	struct act up = act_of(w->up, run->rows, dim);
	mul_mat(run, &l->shared_down, &up, run->m->dim, w->ex.shared);
}

/* Whose rows the slots are; those of nobody are expert 0's. */
static void name_slots(const struct model_experts *ex)
{
	u32 *of = rt_host_ptr(ex->slot_experts);
	memset(of, 0, ex->groups->n_slots * sizeof *of);
	for (u32 i = 0; i < ex->groups->n; i++)
		for (u32 k = 0; k < ex->groups->group[i].n; k++)
			of[ex->groups->group[i].first + k] = ex->groups->group[i].expert;
}

/* What has been recorded runs, and the host reads the logits and decides. */
static void choose(struct run *run, const struct model_layer *l)
{
	const struct expert_routing *p = &run->m->routing;
	const struct model_experts *ex = &run->w->ex;
	if (!run->r)
		run->r = rt_submit(run->d);
	if (run->r)
		return;
	const f32 *logits = rt_host_ptr(ex->logits);
	f32 *weights = rt_host_ptr(ex->weights), *of_slot = rt_host_ptr(ex->slot_weights);
	u32 *slots = rt_host_ptr(ex->slots);
	for (u32 i = 0; i < run->rows; i++)
		expert_choose(p, logits + (size_t)i * p->n_experts, l->choice,
			ex->ids + (size_t)i * p->n_used, weights + (size_t)i * p->n_used);
	expert_group(ex->ids, run->rows, p->n_used, ex->step, ex->groups, rt_host_ptr(ex->rows), slots);
	name_slots(ex);
	memset(of_slot, 0, ex->groups->n_slots * sizeof *of_slot);
	for (u32 i = 0; i < run->rows * p->n_used && run->m->arch->routing_input; i++) {
		of_slot[slots[i]] = weights[i];
		weights[i] = 1;
	}
	run->r = rt_begin(run->d);
}

/* x = the rows of h, by expert */
static void gather(struct run *run)
{
	const struct model_experts *ex = &run->w->ex;
	u32 n = ex->groups->n_slots, dim = run->m->dim;
	if (!run->r)
		run->r = op_rows(run->d, whole(run->w->h), whole(ex->rows), whole(ex->x), n, dim);
	if (run->m->arch->routing_input && !run->r)
		run->r = op_row_scale(run->d, whole(ex->x), whole(ex->self), whole(ex->slot_weights), n, dim);
}

/* y = what the experts' matrices w said, of dim elements a slot: times their scales, plus their biases */
static void finish(struct run *run, const struct model_weight *w, const struct model_weight *b,
	struct rt_buf *y, u32 dim)
{
	const struct model_experts *ex = &run->w->ex;
	if (w->scale_at.buf && !run->r)
		run->r = op_row_scale(
			run->d, whole(y), whole(ex->slot_experts), w->scale_at, ex->groups->n_slots, dim);
	for (u32 i = 0; i < ex->groups->n; i++) {
		const struct expert_group *g = &ex->groups->group[i];
		add_biases(run, b, g->expert, rows_of(y, g->first, dim), g->n, dim);
	}
}

/* up = act(x · Wg) ∘ (x · Wu), each group by its expert */
static void widen(struct run *run, const struct model_layer *l)
{
	const struct model_experts *ex = &run->w->ex;
	u32 wide = run->m->expert_dim;
	u64 at = 0;
	for (u32 i = 0; i < ex->groups->n; i++) {
		const struct expert_group *g = &ex->groups->group[i];
		struct model_weight gate = model_matrix(&l->expert_gate, g->expert),
				    up = model_matrix(&l->expert_up, g->expert);
		struct act x = piece_of(ex->x, g, run->m->dim, &at);
		mul_mat_to(run, &gate, &x, wide, rows_of(ex->gate, g->first, wide));
		mul_mat_to(run, &up, &x, wide, rows_of(ex->up, g->first, wide));
	}
	finish(run, &l->expert_gate, &l->gate_biases, ex->gate, wide);
	finish(run, &l->expert_up, &l->up_biases, ex->up, wide);
	activate(run, l, ex->gate, ex->up, (u64)ex->groups->n_slots * wide);
}

/* y = up · Wd */
static void narrow(struct run *run, const struct model_layer *l)
{
	const struct model_experts *ex = &run->w->ex;
	u32 dim = run->m->dim;
	u64 at = 0;
	for (u32 i = 0; i < ex->groups->n; i++) {
		const struct expert_group *g = &ex->groups->group[i];
		struct model_weight down = model_matrix(&l->expert_down, g->expert);
		struct act up = piece_of(ex->up, g, run->m->expert_dim, &at);
		mul_mat_to(run, &down, &up, dim, rows_of(ex->y, g->first, dim));
	}
	finish(run, &l->expert_down, &l->down_biases, ex->y, dim);
}

void experts(struct run *run, const struct model_layer *l, struct act *h, struct rt_buf *y)
{
	const struct model *m = run->m;
	const struct model_experts *ex = &run->w->ex;
	const struct op_combine sum = { .n = run->rows,
		.dim = m->dim,
		.used = m->routing.n_used,
		.x = whole(ex->y),
		.slots = whole(ex->slots),
		.weights = whole(ex->weights),
		.y = whole(y) };
	shared(run, l, h);
	struct act again = act_of(
		run->w->h, run->rows, m->dim); /* the shared expert's own took the place of its forms */
	mul_mat(run, &l->router, &again, m->routing.n_experts, ex->logits);
	add_biases(run, &l->router_bias, 0, whole(ex->logits), run->rows, m->routing.n_experts);
	choose(run, l);
	gather(run);
	widen(run, l);
	narrow(run, l);
	if (!run->r)
		run->r = op_combine(run->d, &sum);
	if (has(&l->shared_up) && !run->r)
		run->r = op_add(run->d, whole(y), whole(ex->shared), (u64)run->rows * m->dim);
}
