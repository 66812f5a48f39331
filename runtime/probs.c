#include "runtime/probs.h"
#include "runtime/op.h"

#include <string.h>

/* Alternatives so far, in order; worse ones make room. */
struct best {
	u32 n, max;
	u32 id[LOGPROBS_MAX];
	f32 l[LOGPROBS_MAX];
};

static void offer(struct best *b, u32 id, f32 l)
{
	if (b->n == b->max && !(l > b->l[b->n - 1]))
		return;
	u32 i = b->n < b->max ? b->n++ : b->n - 1;
	for (; i && l > b->l[i - 1]; i--) {
		b->id[i] = b->id[i - 1];
		b->l[i] = b->l[i - 1];
	}
	b->id[i] = id;
	b->l[i] = l;
}

void probs_of_row(const f32 *logits, u32 n_vocab, u32 id, u32 n_top, struct proto_probs *ret)
{
	struct best b = { .max = MIN(MIN(n_top, LOGPROBS_MAX), n_vocab) };
	f32 m = logits[0];
	f64 s = 0;
	for (u32 i = 1; i < n_vocab; i++)
		m = logits[i] > m ? logits[i] : m;
	for (u32 i = 0; i < n_vocab; i++)
		s += (f64)rt_exp(logits[i] - m);
	for (u32 i = 0; b.max && i < n_vocab; i++)
		offer(&b, i, logits[i]);
	f32 log_s = rt_log((f32)s);
	*ret = (struct proto_probs){ .n = 1 + b.n,
		.v[0] = { .id = id, .logprob = (logits[id] - m) - log_s } };
	for (u32 i = 0; i < b.n; i++)
		ret->v[1 + i] = (struct proto_prob){ .id = b.id[i], .logprob = (b.l[i] - m) - log_s };
}

void probs_text(struct proto_probs *p, u32 i, const void *text, size_t len)
{
	size_t at = 0;
	for (u32 j = 0; j < i; j++)
		at += p->v[j].len == PROB_NO_TEXT ? 0 : p->v[j].len;
	if (len > sizeof p->text - at) {
		p->v[i].len = PROB_NO_TEXT;
		return;
	}
	p->v[i].len = (u32)len;
	memcpy(p->text + at, text, len);
}
