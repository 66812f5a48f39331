/* What the files of the layer program share: a step under way, and activations that several products read. */
#pragma once

#include "runtime/model.h"

/* The first error stops what follows. */
struct run {
	struct rt_device *d;
	const struct model *m;
	const struct model_work *w;
	u32 rows, pos_max;
	int r;
};

static inline struct rt_view whole(struct rt_buf *b)
{
	return (struct rt_view){ b, 0 };
}

static inline bool has(const struct model_weight *w)
{
	return w->at.buf;
}

/* A matrix of activations, and the quantised forms of it that were made so far. */
struct act {
	struct rt_view x;
	u32 rows, k;
	bool made[OP_ACT_Q8_256 + 1];
};
struct act act_of(struct rt_buf *x, u32 rows, u32 k);

/* y = a · Wᵀ   W [n_out, a.k]; of experts each row of a with the matrix of its own */
void mul_mat(struct run *run, const struct model_weight *w, struct act *a, u32 n_out, struct rt_buf *y);
/* up = act(gate) ∘ up, or act(up) where there is no gate, of n elements */
void activate(struct run *run, const struct model_layer *l, struct rt_buf *gate, struct rt_buf *up, u64 n);

/* y = what the experts of each row of h, which is w->h, say of it, and the shared one (model_experts.c) */
void experts(struct run *run, const struct model_layer *l, struct act *h, struct rt_buf *y);
