/* Which experts a token has, with what weights, and which tokens an expert has. Integers and the specified float functions, on the host, from the
 * router's logits that a device has computed: so the same choice on every device. */
#pragma once

#include "base/arch.h"
#include "base/limits.h"
#include "base/types.h"

struct expert_routing {
	u32 n_experts, n_used; /* n_used <= n_experts */
	u32 kind;	       /* enum arch_routing */
	bool norm;	       /* the weights of the chosen are divided by their sum */
	f32 scale;	       /* of the weights, last; 0: 1 */
};

/* The experts of one token. logits [n_experts] in the window; bias [n_experts] or NULL. ret_ids [n_used] ascending, ret_weights [n_used].
 *
 * Scores: the logits, or with a bias window(sigmoid(logit) + window(bias)); the n_used highest are chosen, of equal ones the lower index.
 * Weights, before norm and scale:
 *   SOFTMAX  window(e_i * recip(S)), e_i = exp(window(logit_i - max)), S the sum over all experts
 *   SIGMOID  window(exact_sigmoid(logit_i))
 *   CHOSEN   as SOFTMAX, of the chosen ones alone
 * norm: window(w_i * recip(s)), s the sum of the chosen ones' weights; 0 when s is 0.  scale: window(w_i * scale).
 * Every sum runs over ascending indices from 0, left to right. */
void expert_choose(
	const struct expert_routing *p, const f32 *logits, const f32 *bias, u32 *ret_ids, f32 *ret_weights);

/* Rows first .. first + n of a matrix in which the tokens of an expert stand together. */
struct expert_group {
	u32 expert, first, n;
};
struct expert_groups {
	u32 n;	     /* groups: experts that have a token, ascending */
	u32 n_slots; /* rows of the matrix; some between groups belong to nobody */
	struct expert_group group[EXPERTS_MAX];
};
/* What ids [rows, n_used] of expert_choose make of it. A group begins at a multiple of `step` rows. ret_rows [n_slots]: the token in each row, 0
 * where there is none; ret_slots [rows, n_used]: the row of each contribution. Tokens stand in their order. */
void expert_group(const u32 *ids, u32 rows, u32 n_used, u32 step, struct expert_groups *ret, u32 *ret_rows,
	u32 *ret_slots);
/* The most rows that it may need. */
u32 expert_slots_max(u32 rows, u32 n_experts, u32 n_used, u32 step);
/* The least step at which rows of k floats begin at multiples of `align` bytes, a power of two. */
u32 expert_step(u32 k, u32 align);
