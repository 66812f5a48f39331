/* Mixtures of experts: how many there are, which layers have them, how a token's are chosen. A family's routing is its own (base/arch.c): a key
 * that says otherwise is refused. */
#include "attest/network.h"

#include <stdio.h>

static int refuse(struct reader *r, const char *suffix, const char *why)
{
	const char *key = network_key(r, suffix);
	return attest_reject(r->report, ATTEST_GGUF_EXPERTS, key, "%s: %s %s", r->g->name, key, why);
}

/* Layers behind the last one, which only draft tokens: the rest of the model computes the same without them. */
static int drafts_read(struct reader *r)
{
	u32 n = 0;
	const struct int_row row = { "nextn_predict_layers", &n, 0, r->h->n_layers - 1, false };
	int e = r->arch->keys & KEY_NEXTN ? network_ints(r, &row, 1) : 0;
	r->h->n_layers -= n;
	r->h->n_drafts = n;
	return e;
}

static int counts_read(struct reader *r)
{
	struct layout_header *h = r->h;
	u32 shared = 0, groups = 0;
	const struct int_row rows[] = {
		{ "expert_count", &h->n_experts, 0, EXPERTS_MAX, r->arch->must & PART_EXPERTS },
		{ "expert_used_count", &h->n_experts_used, 0, EXPERTS_USED_MAX, false },
		{ "expert_feed_forward_length", &h->expert_dim, 1, DIM_MAX, false },
		{ "expert_group_count", &groups, 0, EXPERTS_MAX, false },
		{ "expert_shared_count", &shared, 0, EXPERTS_MAX, false },
		{ "expert_shared_feed_forward_length", &h->shared_dim, 0, DIM_MAX, false },
	};
	h->expert_dim = h->ffn_dim;
	int e = network_ints(r, rows, ARRAY_LEN(rows));
	if (e)
		return e;
	if (!h->n_experts && r->arch->must & PART_EXPERTS)
		return refuse(r, "expert_count", "is 0, of an architecture that has experts");
	if (!h->n_experts)
		return h->n_experts_used ? refuse(r, "expert_used_count", "is set, and there are no experts")
					 : 0;
	if (!h->n_experts_used || h->n_experts_used > h->n_experts)
		return refuse(r, "expert_used_count", "is 0, missing, or more than there are experts");
	if (groups > 1)
		return refuse(r, "expert_group_count", "is more than 1, which Keep does not compute");
	if (h->dim % EXPERT_DIM_STEP || h->expert_dim % EXPERT_DIM_STEP)
		return refuse(r, "expert_feed_forward_length", "or embedding_length is not a multiple of 4");
	if (r->arch->shared_one)
		shared = 1;
	if ((u64)shared * h->expert_dim > DIM_MAX)
		return refuse(r, "expert_shared_count", "makes a shared expert that is too wide");
	h->shared_dim = shared ? shared * h->expert_dim : h->shared_dim;
	return 0;
}

static int routing_read(struct reader *r)
{
	struct layout_header *h = r->h;
	u32 kind = r->arch->routing;
	bool norm = r->arch->routing_norm == ARCH_ROUTE_NORM_ALWAYS, said = norm;
	const struct int_row row = { "expert_gating_func", &kind, 0, UINT32_MAX, false };
	const struct float_row scale = { "expert_weights_scale", &h->expert_scale, 1e-6f, 1e6f, false, true };
	int e = network_ints(r, &row, 1);
	e = e ? e : network_floats(r, &scale, 1);
	if (e || gguf_get_bool(r->g, network_key(r, "expert_weights_norm"), &said, r->report) == 1)
		return e ? e : 1;
	if (h->expert_scale != 0 && h->expert_scale != 1 && !(r->arch->keys & KEY_EXPERT_SCALE))
		return refuse(r, "expert_weights_scale",
			"is not 1, which Keep does not compute for this architecture");
	if (kind && kind != r->arch->routing)
		return refuse(
			r, "expert_gating_func", "is not the one that Keep computes for this architecture");
	if (said != norm && r->arch->routing_norm != ARCH_ROUTE_NORM_FILE)
		return refuse(r, "expert_weights_norm", "is not what Keep computes for this architecture");
	h->routing = r->arch->routing;
	h->switches |= said ? SWITCH_ROUTING_NORM : 0;
	if (r->arch->unit_qk_unless && h->n_experts != r->arch->unit_qk_unless)
		h->switches |= SWITCH_UNIT_QK;
	return 0;
}

/* Which layers have experts: those behind the first dense ones, or every step-th, as the family has it. */
static int places_read(struct reader *r)
{
	u32 dense = 0, step = 1, n = 0;
	const struct int_row first = { "leading_dense_block_count", &dense, 0, r->h->n_layers, false };
	const struct int_row between = { "interleave_moe_layer_step", &step, 0, LAYERS_MAX, false };
	int e = r->arch->keys & KEY_DENSE_FIRST ? network_ints(r, &first, 1) : 0;
	e = e || !(r->arch->keys & KEY_DENSE_BETWEEN) ? e : network_ints(r, &between, 1);
	if (e || (!dense && step == 1))
		return e;
	e = network_layers_make(r);
	for (u32 i = 0; i < r->h->n_layers && !e; i++) {
		bool has = i >= dense && step && (i + 1) % step == 0;
		if (!has)
			r->layers[i].tensors &= ~(u32)LAYER_EXPERTS;
		n += has;
	}
	if (!e && !n)
		return refuse(r, dense ? first.key : between.key, "leaves no layer for the experts");
	return e;
}

int network_experts(struct reader *r)
{
	if (!((r->arch->must | r->arch->may) & PART_EXPERTS))
		return 0;
	int e = drafts_read(r);
	e = e ? e : counts_read(r);
	if (e || !r->h->n_experts)
		return e;
	e = routing_read(r);
	return e ? e : places_read(r);
}
