/* Between the two ways of the sampler: sampler.c, of a whole row; sampler_few.c, of what a device says of it. */
#pragma once

#include "runtime/sampler.h"
#include "shaders/top.h"

#include <string.h>

/* A key that sorts ascending where (l descending, index ascending) is wanted; and its l. */
static inline u64 sampler_key(f32 l, u32 index)
{
	return (u64)~top_key(f2u(l)) << 32 | index;
}

static inline f32 sampler_key_value(u64 key)
{
	return u2f(top_bits(~(u32)(key >> 32)));
}

/* Ids that the penalty has met. */
static inline void sampler_forget(struct sampler *s)
{
	memset(s->seen, 0, s->n_vocab / 8 + 1);
}

static inline bool sampler_seen(const struct sampler *s, u32 id)
{
	return s->seen[id / 8] >> (id % 8) & 1;
}

static inline void sampler_see(struct sampler *s, u32 id)
{
	s->seen[id / 8] |= (u8)(1u << (id % 8));
}

/* What the penalty makes of l. */
static inline f32 sampler_fallen(f32 l, f32 penalty, f32 recip)
{
	return l > 0 ? l * recip : l * penalty;
}

/* The first n of s->key[0], which stand by index, sorted: there or in s->key[1]; the same of any order, which takes longer the more are equal; and
 * room for as many weights, where that is not. */
const u64 *sampler_order(struct sampler *s, u32 n);
const u64 *sampler_order_any(struct sampler *s, u32 n);
static inline f32 *sampler_weights(struct sampler *s, const u64 *order)
{
	return (f32 *)(void *)(order == s->key[0] ? s->key[1] : s->key[0]);
}

/* Of the random numbers the one for a position. */
f64 sampler_uniform(const struct sampler_params *p, u32 position);
/* How many of `keep` ordered weights are not below min_p. */
u32 sampler_cut_min(const struct sampler_params *p, const f32 *e, u32 keep);
/* The first of n weights whose running sum exceeds u times their sum. */
u32 sampler_draw(const f32 *e, u32 n, f64 u);
