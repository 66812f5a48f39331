#version 450
#include "common.glsl"
#include "route.h"

/* A workgroup a token. An expert's rank is how many come before it, so lanes find the chosen ones side by side; sums are one lane's, in order. */
#define LANES	    256u
#define EXPERTS_MAX 1024u
#define USED_MAX    32u
layout(local_size_x = LANES) in;
BUF_IN(0, logits);
BUF_IN(1, bias);
BUF_OUT(2, ids);
BUF_OUT(3, weights);

shared int key[EXPERTS_MAX]; /* of the scores: ordered as they are; then 1 for the chosen ones */
shared float logit[EXPERTS_MAX];
shared float e[EXPERTS_MAX];
shared u32 id[USED_MAX];
shared float w[USED_MAX];

void read_scores(u32 row)
{
	for (u32 i = LANE; i < p.experts; i += LANES) {
		f32 x = WINDOWED(logits[row * p.experts + i]);
		f32 score = x;
		if (p.biased != 0u) {
			f32 b = WINDOWED(bias[i]);
			f32 s = exact_sigmoid(x);
			score = s + b;
			score = exact_window(score);
		}
		int bits = f2i(score);
		key[i] = bits < 0 ? bits ^ 0x7fffffff : bits;
		logit[i] = x;
	}
	barrier();
}

/* id = the chosen ones, ascending */
void choose()
{
	bool chosen[EXPERTS_MAX / LANES];
	for (u32 n = 0u; n < EXPERTS_MAX / LANES; n++) {
		u32 i = LANE + n * LANES;
		u32 before = 0u;
		ROLLED for (u32 j = 0u; j < p.experts && i < p.experts; j++)
			before += key[j] > key[i] || (key[j] == key[i] && j < i) ? 1u : 0u;
		chosen[n] = i < p.experts && before < p.used;
	}
	barrier();
	for (u32 n = 0u; n < EXPERTS_MAX / LANES; n++)
		key[LANE + n * LANES] = chosen[n] ? 1 : 0;
	barrier();
	for (u32 n = 0u; n < EXPERTS_MAX / LANES; n++) {
		u32 i = LANE + n * LANES;
		int at = 0;
		ROLLED for (u32 j = 0u; chosen[n] && j < i; j++)
			at += key[j];
		if (chosen[n])
			id[at] = i;
	}
	barrier();
}

/* The factor that makes numbers of this sum sum up to 1. */
f32 part_of(f32_in s)
{
	f32 r = exact_recip(s);
	f32 y = s > 0.0f ? r : 0.0f;
	return y;
}

f32 sum_of_weights()
{
	f32 s = 0.0f;
	ROLLED for (u32 j = 0u; j < p.used; j++)
		s = s + w[j];
	return s;
}

/* e = what softmax adds up: of all experts, or of the chosen ones */
f32 exp_of(u32 i, f32_in most)
{
	f32 d = logit[i] - most;
	d = exact_window(d);
	f32 y = exact_exp(d);
	return y;
}

f32 softmax_of_all()
{
	f32 most = logit[0];
	ROLLED for (u32 j = 1u; j < p.experts; j++)
		most = logit[j] > most ? logit[j] : most;
	for (u32 i = LANE; i < p.experts; i += LANES) {
		f32 y = exp_of(i, most);
		e[i] = y;
	}
	barrier();
	f32 s = 0.0f;
	ROLLED for (u32 j = 0u; j < p.experts; j++)
		s = s + e[j];
	f32 r = part_of(s);
	f32 y = e[id[min(LANE, p.used - 1u)]] * r;
	y = exact_window(y);
	return y;
}

f32 softmax_of_chosen()
{
	f32 most = logit[id[0]];
	ROLLED for (u32 j = 1u; j < p.used; j++)
		most = logit[id[j]] > most ? logit[id[j]] : most;
	f32 own = exp_of(id[min(LANE, p.used - 1u)], most);
	if (LANE < p.used)
		w[LANE] = own;
	barrier();
	f32 s = sum_of_weights();
	f32 r = part_of(s);
	f32 y = own * r;
	y = exact_window(y);
	barrier();
	return y;
}

void main()
{
	u32 row = GROUP_X;
	if (row >= p.rows)
		return;
	read_scores(row);
	choose();
	f32 v = exact_sigmoid(logit[id[min(LANE, p.used - 1u)]]);
	v = exact_window(v);
	if (p.kind == ROUTE_SOFTMAX)
		v = softmax_of_all();
	if (p.kind == ROUTE_CHOSEN)
		v = softmax_of_chosen();
	if (p.norm != 0u) {
		if (LANE < p.used)
			w[LANE] = v;
		barrier();
		f32 s = sum_of_weights();
		f32 r = part_of(s);
		v = v * r;
		v = exact_window(v);
	}
	f32 scale = u2f(p.scale_bits);
	if (p.scale_bits != 0u) {
		v = v * scale;
		v = exact_window(v);
	}
	if (LANE < p.used) {
		ids[row * p.used + LANE] = id[LANE];
		weights[row * p.used + LANE] = f2u(v);
	}
}
