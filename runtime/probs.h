/* What the model held likely at a position: natural logarithms of probabilities, from the row of logits as the device computed it, before penalty,
 * mask, temperature and everything else that choosing adds. Stated like the sampler, so that every machine says the same bits:
 *
 *   1. m = the largest l; s = the sum of rt_exp(l_i - m), in f64, i ascending
 *   2. logprob_i = (l_i - m) - rt_log((f32)s)
 *   3. alternatives: by l descending, then by index ascending */
#pragma once

#include "proto.h"

/* logits[n_vocab], all finite. The chosen id, and the n_top likeliest (at most LOGPROBS_MAX and n_vocab), into *ret; without texts. */
void probs_of_row(const f32 *logits, u32 n_vocab, u32 id, u32 n_top, struct proto_probs *ret);
/* The text of entry i, behind those of the entries before it; one that no longer fits is left out, and said to be. */
void probs_text(struct proto_probs *p, u32 i, const void *text, size_t len);
