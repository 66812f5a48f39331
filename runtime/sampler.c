#include "runtime/sampler.h"
#include "base/err.h"
#include "runtime/op.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void philox4x32(const u32 counter[4], const u32 key[2], u32 ret[4])
{
	u32 c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	u32 k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		u64 a = (u64)0xD2511F53u * c0, b = (u64)0xCD9E8D57u * c2;
		c0 = (u32)(b >> 32) ^ c1 ^ k0;
		c2 = (u32)(a >> 32) ^ c3 ^ k1;
		c1 = (u32)b;
		c3 = (u32)a;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	ret[0] = c0;
	ret[1] = c1;
	ret[2] = c2;
	ret[3] = c3;
}

int sampler_create(u32 n_vocab, struct sampler *ret)
{
	struct sampler s = { .n_vocab = n_vocab };
	s.l = calloc(n_vocab, sizeof *s.l);
	s.key[0] = calloc(n_vocab, sizeof *s.key[0]);
	s.key[1] = calloc(n_vocab, sizeof *s.key[1]);
	s.seen = calloc(n_vocab / 8 + 1, 1);
	if (!s.l || !s.key[0] || !s.key[1] || !s.seen) {
		sampler_fini(&s);
		return err_origin(-ENOMEM);
	}
	*ret = s;
	return 0;
}

void sampler_fini(struct sampler *s)
{
	free(s->l);
	free(s->key[0]);
	free(s->key[1]);
	free(s->seen);
	*s = (struct sampler){ 0 };
}

static void penalise(struct sampler *s, const struct sampler_params *p, const u32 *ids, u32 n_ids)
{
	u32 n = MIN(p->repeat_last_n, n_ids);
	if (p->repeat_penalty == 1.0f || n == 0)
		return;
	f32 recip = rt_recip(p->repeat_penalty);
	memset(s->seen, 0, s->n_vocab / 8 + 1);
	for (u32 i = n_ids - n; i < n_ids; i++) {
		u32 id = ids[i];
		if (id >= s->n_vocab || (s->seen[id / 8] >> (id % 8) & 1))
			continue;
		s->seen[id / 8] |= (u8)(1u << (id % 8));
		s->l[id] = s->l[id] > 0 ? s->l[id] * recip : s->l[id] * p->repeat_penalty;
	}
}

static u32 largest(const f32 *l, u32 n)
{
	u32 best = 0;
	for (u32 i = 1; i < n; i++)
		if (l[i] > l[best])
			best = i;
	return best;
}

/* A key that sorts ascending where (l descending, index ascending) is wanted; -0 and +0 are equal. */
static u64 key_of(f32 l, u32 index)
{
	u32 u;
	l = l == 0 ? 0.0f : l;
	memcpy(&u, &l, sizeof u);
	u = u >> 31 ? ~u : u | 0x80000000u; /* ascending in l */
	return (u64)~u << 32 | index;
}

/* By the upper word, eight bits at a time, each pass stable: equal keys stay in order of index. Returns the sorted array. */
static const u64 *sort(u64 *a, u64 *b, u32 n)
{
	for (u32 shift = 32; shift < 64; shift += 8) {
		u32 at[256] = { 0 }, sum = 0;
		for (u32 i = 0; i < n; i++)
			at[a[i] >> shift & 255]++;
		for (u32 d = 0; d < 256; d++) {
			u32 count = at[d];
			at[d] = sum;
			sum += count;
		}
		for (u32 i = 0; i < n; i++)
			b[at[a[i] >> shift & 255]++] = a[i];
		u64 *t = a;
		a = b;
		b = t;
	}
	return a;
}

static f64 uniform(const struct sampler_params *p, u32 position)
{
	u32 counter[4] = { position, p->choice, 0, 0 }, key[2] = { (u32)p->seed, (u32)(p->seed >> 32) }, r[4];
	philox4x32(counter, key, r);
	u64 bits = (u64)r[0] << 21 | r[1] >> 11;
	return (f64)bits * 0x1p-53;
}

/* How many of the ordered weights stay. */
static u32 cut(const struct sampler_params *p, const f32 *e, u32 n)
{
	f64 total = 0, sum = 0;
	for (u32 i = 0; i < n; i++)
		total += (f64)e[i];
	u32 keep = n;
	if (p->top_p < 1.0f) {
		f64 enough = (f64)p->top_p * total;
		keep = 0;
		while (keep < n && sum < enough)
			sum += (f64)e[keep++];
		keep = MAX(keep, 1u);
	}
	while (keep > 1 && e[keep - 1] < p->min_p)
		keep--;
	return keep;
}

static u32 draw(const f32 *e, u32 n, f64 u)
{
	f64 total = 0, sum = 0;
	for (u32 i = 0; i < n; i++)
		total += (f64)e[i];
	f64 limit = u * total;
	for (u32 i = 0; i < n; i++) {
		sum += (f64)e[i];
		if (sum > limit)
			return i;
	}
	return n - 1;
}

int sampler_pick(struct sampler *s, const struct sampler_params *p, const f32 *logits, const u32 *ids,
	u32 n_ids, u32 *ret_id)
{
	u32 n = s->n_vocab;
	memcpy(s->l, logits, n * sizeof *s->l);
	penalise(s, p, ids, n_ids);
	f32 recip = p->temperature == 0 ? 1.0f : rt_recip(p->temperature);
	for (u32 i = 0; i < n; i++) {
		s->l[i] *= recip;
		if (!isfinite(s->l[i]))
			return 1;
		s->key[0][i] = key_of(s->l[i], i);
	}
	if (p->temperature == 0) {
		*ret_id = largest(s->l, n);
		return 0;
	}
	const u64 *order = sort(s->key[0], s->key[1], n);
	u32 k = p->top_k ? MIN(p->top_k, n) : n;
	f32 top = s->l[(u32)order[0]];
	f32 *e = (f32 *)(order == s->key[0] ? s->key[1] : s->key[0]);
	for (u32 i = 0; i < k; i++)
		e[i] = rt_exp(s->l[(u32)order[i]] - top);
	k = cut(p, e, k);
	*ret_id = (u32)order[draw(e, k, uniform(p, n_ids))];
	return 0;
}
