/* The feed-forward part of layers of experts, all of it on the device: it computes the router's logits, chooses (op_route), says which rows stand where
 * (op_group) and gathers them, so that the tokens of an expert are columns of one product that knows all experts; then adds what the
 * experts said in the order of their indices. Nothing that is recorded depends on the choice. Sources: Shazeer et al. 2017; Fedus et al. 2021; DeepSeek-AI
 * 2024 (sigmoid, bias of the choice, shared expert). */
#include "runtime/model_run.h"

#include "base/err.h"

#include <errno.h>

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

/* The experts of each row, and the plan of their products. */
static void choose(struct run *run, const struct model_layer *l)
{
	const struct model_routing *p = &run->m->routing;
	const struct model_experts *ex = &run->w->ex;
	const struct op_route route = { .rows = run->rows,
		.experts = p->n_experts,
		.used = p->n_used,
		.kind = p->kind,
		.norm = p->norm,
		.scale = p->scale,
		.logits = whole(ex->logits),
		.bias = l->choice_bias.at,
		.ids = whole(ex->ids),
		.weights = whole(ex->weights) };
	const struct op_group group = { .rows = run->rows,
		.experts = p->n_experts,
		.used = p->n_used,
		.ids = whole(ex->ids),
		.plan = whole(ex->plan),
		.slots = whole(ex->slots),
		.pairs = whole(ex->pairs),
		.in = whole(ex->in),
		.owners = whole(ex->owners) };
	if (!run->r)
		run->r = op_route(run->d, &route);
	if (!run->r)
		run->r = op_group(run->d, &group);
}

/* x = the rows of h, by expert */
static void gather(struct run *run, u32 slots)
{
	const struct model_experts *ex = &run->w->ex;
	u32 dim = run->m->dim;
	if (!run->r)
		run->r = op_rows(run->d, whole(run->w->h), whole(ex->in), whole(ex->x), slots, dim);
	if (run->m->arch->routing_input && !run->r)
		run->r = op_row_scale(run->d, whole(ex->x), whole(ex->pairs), whole(ex->weights), slots, dim);
}

/* y = y plus the biases of each slot's expert, of dim elements, by way of x */
static void add_biases(struct run *run, const struct model_weight *b, struct rt_buf *y, u32 slots, u32 dim)
{
	const struct model_experts *ex = &run->w->ex;
	u64 bytes = (u64)run->m->routing.n_experts * dim * sizeof(f32);
	if (!has(b) || run->r)
		return;
	if (bytes > rt_device_info(run->d).range_bytes_max) /* op_rows sees no more of the biases */
		run->r = err_origin(-EINVAL);
	if (!run->r)
		run->r = op_rows(run->d, b->at, whole(ex->owners), whole(ex->x), slots, dim);
	if (!run->r)
		run->r = op_add(run->d, whole(y), whole(ex->x), (u64)slots * dim);
}

/* y = what the experts of each slot say of it */
static void ask(struct run *run, const struct model_layer *l, u32 slots)
{
	const struct model_experts *ex = &run->w->ex;
	u32 dim = run->m->dim, wide = run->m->expert_dim;
	struct act x = act_of(ex->x, slots, dim), up = act_of(ex->up, slots, wide);
	mul_mat(run, &l->expert_gate, &x, wide, ex->gate);
	mul_mat(run, &l->expert_up, &x, wide, ex->up);
	add_biases(run, &l->gate_biases, ex->gate, slots, wide);
	add_biases(run, &l->up_biases, ex->up, slots, wide);
	activate(run, l, ex->gate, ex->up, (u64)slots * wide);
	mul_mat(run, &l->expert_down, &up, dim, ex->y);
	add_biases(run, &l->down_biases, ex->y, slots, dim);
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
		.weights = whole(m->arch->routing_input ? ex->ones : ex->weights),
		.y = whole(y) };
	u32 slots = run->rows * m->routing.n_used;
	shared(run, l, h);
	struct act again = act_of(
		run->w->h, run->rows, m->dim); /* the shared expert's own took the place of its forms */
	mul_mat(run, &l->router, &again, m->routing.n_experts, ex->logits);
	if (has(&l->router_bias) && !run->r)
		run->r = op_bias(
			run->d, whole(ex->logits), l->router_bias.at, run->rows, m->routing.n_experts);
	choose(run, l);
	gather(run, slots);
	ask(run, l, slots);
	if (!run->r)
		run->r = op_combine(run->d, &sum);
	if (has(&l->shared_up) && !run->r)
		run->r = op_add(run->d, whole(y), whole(ex->shared), (u64)run->rows * m->dim);
}
