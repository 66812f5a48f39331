/* From a row of logits to the next token. Everything enters the result in a stated order, and the random numbers come from a counter
 * (seed, choice, position) and nothing else, so a request gives the same tokens on every machine, however it was scheduled.
 *
 *   1. repetition penalty   for each distinct id among the last repeat_last_n ids: l > 0 ? l * (1/p) : l * p
 *   1b. mask               tokens that are not allowed leave; all that follows is about the others
 *   2. temperature 0        the largest l, lowest index first; nothing else
 *   3. temperature T        l = l * (1/T)
 *   4. order                by l descending, then by index ascending
 *   5. top-k                the first k
 *   6. weights              e_i = rt_exp(l_i - l_0), in this order; sums are f64, left to right
 *   7. top-p                the shortest prefix whose sum reaches p * (sum of all that are left)
 *   8. min-p                then those with e_i >= min_p (e_0 is 1)
 *   9. draw                 u = 53 bits of Philox; the first i whose running sum exceeds u * (sum of all that are left)
 *
 * 1/p and 1/T are rt_recip. */
#pragma once

#include "base/types.h"

struct sampler_params {
	f32 temperature, top_p, min_p, repeat_penalty;
	u32 top_k, repeat_last_n, choice;
	u64 seed;
	const u64 *allowed; /* one bit per token, at least one set; NULL: all. Borrowed for the call */
};

/* Memory that sampling needs, made once: an order of n_vocab entries. Where the parameters allow it, only those that could be drawn are put in
 * order: the result is that of the steps above. */
struct sampler {
	u32 n_vocab, n_blocks;
	f32 *l;	     /* the row, changed */
	f32 *most;   /* the largest of each block of it */
	u64 *key[2]; /* sorting */
	u8 *seen;    /* ids that the penalty has met, by bit */
};
_must_use_ int sampler_create(u32 n_vocab, struct sampler *ret); /* 0; -ENOMEM */
void sampler_fini(struct sampler *s);

/* The token for position n_ids: ids[0..n_ids-1] came before it. logits [n_vocab] is left as it is.
 * 0 done; 1 a logit is not finite. */
_must_use_ int sampler_pick(struct sampler *s, const struct sampler_params *p, const f32 *logits,
	const u32 *ids, u32 n_ids, u32 *ret_id);

/* ---- where a device has reduced the row (shaders/top_blocks.h; sampler_few.c) ----
 *
 * It says some blocks of the row, all that is in them, and how much the rest weighs. From that follows which ids come first, in their order; of the rest
 * that none of it comes before these; and bounds for sums that the rest has a part in. Where every number within the bounds gives one and the same id, it is
 * that which the steps above give; else the whole row is wanted. So the id never depends on which of the two ways it came. */

/* What is wanted of a row. */
struct sampler_need {
	u32 blocks; /* 0: the whole row */
	f32 factor; /* for the weights of the rest; 0: none */
};
/* masked: p->allowed will be given. n_ids: as sampler_pick has it. */
struct sampler_need sampler_need(const struct sampler_params *p, bool masked, u32 n_ids);

/* One row of op_top_blocks. */
struct sampler_few {
	const u32 *words;
	struct sampler_need need;
	u32 cap;
};
/* As sampler_pick, of what was wanted of the row. 0 done; SAMPLER_WHOLE: it takes the whole row. */
#define SAMPLER_WHOLE 2
_must_use_ int sampler_pick_few(struct sampler *s, const struct sampler_params *p,
	const struct sampler_few *few, const u32 *ids, u32 n_ids, u32 *ret_id);

/* Philox4x32-10: four words from a counter and a key.  Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". */
void philox4x32(const u32 counter[4], const u32 key[2], u32 ret[4]);
