#include "runtime/sampler_impl.h"
#include "base/err.h"
#include "runtime/op.h"

#include <errno.h>
#include <float.h>
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

/* The row is looked at in blocks: what the largest of a block rules out need not be looked at again. */
#define BLOCK 64u

int sampler_create(u32 n_vocab, struct sampler *ret)
{
	struct sampler s = { .n_vocab = n_vocab, .n_blocks = DIV_UP(n_vocab, BLOCK) };
	s.l = calloc(n_vocab, sizeof *s.l);
	s.most = calloc(s.n_blocks, sizeof *s.most);
	s.key[0] = calloc(n_vocab, sizeof *s.key[0]);
	s.key[1] = calloc(n_vocab, sizeof *s.key[1]);
	s.seen = calloc(n_vocab / 8 + 1, 1);
	if (!s.l || !s.most || !s.key[0] || !s.key[1] || !s.seen) {
		sampler_fini(&s);
		return err_origin(-ENOMEM);
	}
	*ret = s;
	return 0;
}

void sampler_fini(struct sampler *s)
{
	free(s->l);
	free(s->most);
	free(s->key[0]);
	free(s->key[1]);
	free(s->seen);
	*s = (struct sampler){ 0 };
}

/* ---- the row, times a factor, and the largest of each block ---- */

typedef f32 f32x4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef i32 i32x4 __attribute__((vector_size(16)));

static f32x4 larger(f32x4 a, f32x4 b)
{
	i32x4 m = a > b;
	return (f32x4)(((i32x4)a & m) | ((i32x4)b & ~m));
}

/* One block of x times factor, -0 as +0, to l; its largest. *bad gets bits when one of them is not finite. */
static f32 scale_block(const f32 *x, f32 factor, f32 *l, i32x4 *bad)
{
	f32x4 most[4];
	for (u32 i = 0; i < BLOCK; i += 16)
		for (u32 j = 0; j < 4; j++) {
			f32x4 v = *(const f32x4 *)(x + i + 4 * j) * factor + 0.0f;
			*(f32x4 *)(l + i + 4 * j) = v;
			*bad |= ((i32x4)v & 0x7f800000) == 0x7f800000;
			most[j] = i ? larger(v, most[j]) : v;
		}
	f32x4 m = larger(larger(most[0], most[1]), larger(most[2], most[3]));
	f32 a = m[0] > m[1] ? m[0] : m[1], b = m[2] > m[3] ? m[2] : m[3];
	return a > b ? a : b;
}

static f32 largest_of(const f32 *l, u32 n)
{
	f32 most = l[0];
	for (u32 i = 1; i < n; i++)
		most = l[i] > most ? l[i] : most;
	return most;
}

static u32 block_len(const struct sampler *s, u32 b)
{
	return MIN(BLOCK, s->n_vocab - b * BLOCK);
}

/* Returns whether all are finite. */
static bool scale(struct sampler *s, const f32 *x, f32 factor)
{
	u32 whole = s->n_vocab / BLOCK;
	i32x4 bad = { 0 };
	for (u32 b = 0; b < whole; b++)
		s->most[b] = scale_block(x + b * BLOCK, factor, s->l + b * BLOCK, &bad);
	bool fine = !(bad[0] | bad[1] | bad[2] | bad[3]);
	for (u32 i = whole * BLOCK; i < s->n_vocab; i++) {
		s->l[i] = x[i] * factor + 0.0f;
		fine = fine && isfinite(s->l[i]);
	}
	if (whole < s->n_blocks)
		s->most[whole] = largest_of(s->l + whole * BLOCK, block_len(s, whole));
	return fine;
}

static bool all_finite(const struct sampler *s)
{
	for (u32 i = 0; i < s->n_vocab; i++)
		if (!isfinite(s->l[i]))
			return false;
	return true;
}

/* What the penalty changes is computed again from the row itself, times the factor as the rest was. fine: all are finite
 * before; returns whether they are after. */
static bool penalise(struct sampler *s, const struct sampler_params *p, const f32 *x, f32 factor,
	const u32 *ids, u32 n_ids, bool fine)
{
	u32 n = MIN(p->repeat_last_n, n_ids);
	bool changed_fine = true;
	if (p->repeat_penalty == 1.0f || n == 0)
		return fine;
	f32 recip = rt_recip(p->repeat_penalty);
	sampler_forget(s);
	for (u32 i = n_ids - n; i < n_ids; i++) {
		u32 id = ids[i];
		if (id >= s->n_vocab || sampler_seen(s, id))
			continue;
		sampler_see(s, id);
		s->l[id] = sampler_fallen(x[id], p->repeat_penalty, recip) * factor + 0.0f;
		changed_fine = changed_fine && isfinite(s->l[id]);
	}
	for (u32 i = n_ids - n; i < n_ids; i++)
		if (ids[i] < s->n_vocab) {
			u32 b = ids[i] / BLOCK;
			s->most[b] = largest_of(s->l + b * BLOCK, block_len(s, b));
		}
	return fine ? changed_fine : all_finite(s);
}

/* The lowest index of the largest. */
static u32 first_largest(const struct sampler *s)
{
	u32 b = 0;
	for (u32 i = 1; i < s->n_blocks; i++)
		b = s->most[i] > s->most[b] ? i : b;
	u32 i = b * BLOCK;
	while (s->l[i] != s->most[b])
		i++;
	return i;
}

/* What may not be chosen is below everything. At least one stays. */
static void exclude(struct sampler *s, const u64 *allowed)
{
	for (u32 b = 0; b < s->n_blocks; b++) {
		f32 *l = s->l + b * BLOCK;
		u32 n = block_len(s, b);
		for (u32 i = 0; allowed[b] != ~0ull && i < n; i++)
			l[i] = allowed[b] >> i & 1 ? l[i] : -INFINITY;
		s->most[b] = allowed[b] ? largest_of(l, n) : -INFINITY;
	}
}
static_assert(BLOCK == 64, "a block is a word of the mask");

/* ---- the order ---- */

/* By the upper word, eleven bits at a time, each pass stable: equal keys stay in order of index. Returns the sorted array. */
static const u64 *sort(u64 *a, u64 *b, u32 n)
{
	enum { BITS = 11, DIGITS = 1 << BITS };
	for (u32 shift = 32; shift < 64; shift += BITS) {
		u32 at[DIGITS] = { 0 }, sum = 0;
		for (u32 i = 0; i < n; i++)
			at[a[i] >> shift & (DIGITS - 1)]++;
		for (u32 d = 0; d < DIGITS; d++) {
			u32 count = at[d];
			at[d] = sum;
			sum += count;
		}
		for (u32 i = 0; i < n; i++)
			b[at[a[i] >> shift & (DIGITS - 1)]++] = a[i];
		u64 *t = a;
		a = b;
		b = t;
	}
	return a;
}

#define FEW 256u /* that are sorted by insertion */

static const u64 *sort_few(u64 *a, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u64 k = a[i];
		u32 j = i;
		for (; j && a[j - 1] > k; j--)
			a[j] = a[j - 1];
		a[j] = k;
	}
	return a;
}

/* At least k of the row are not below this: so many blocks have one. */
static f32 floor_of_blocks(struct sampler *s, u32 k)
{
	f32 *v = (f32 *)(void *)s->key[0];
	u32 lo = 0, hi = s->n_blocks - 1;
	memcpy(v, s->most, s->n_blocks * sizeof *v);
	while (lo < hi) { /* the k-th largest comes to v[k - 1] */
		f32 pivot = v[lo + (hi - lo) / 2];
		u32 i = lo, j = hi;
		for (;;) {
			while (v[i] > pivot)
				i++;
			while (v[j] < pivot)
				j--;
			if (i >= j)
				break;
			f32 t = v[i];
			v[i++] = v[j];
			v[j--] = t;
		}
		if (k - 1 <= j)
			hi = j;
		else
			lo = j + 1;
	}
	return v[k - 1];
}

/* No logit below this can be drawn, nor does one count in a sum that decides. */
static f32 floor_of(struct sampler *s, const struct sampler_params *p, f32 top)
{
	const f32 spare = 0.5f; /* more than rt_log and rt_exp are wrong together */
	if (p->top_k && p->top_k <= s->n_blocks)
		return floor_of_blocks(s, p->top_k);
	if (p->top_p >= 1.0f && p->min_p > 1e-30f)
		return MIN(top, top + rt_log(p->min_p) - spare);
	return -INFINITY;
}

const u64 *sampler_order(struct sampler *s, u32 n)
{
	return n <= FEW ? sort_few(s->key[0], n) : sort(s->key[0], s->key[1], n);
}

const u64 *sampler_order_any(struct sampler *s, u32 n)
{
	const u64 *order = sampler_order(s, n);
	return sort_few(order == s->key[0] ? s->key[0] : s->key[1], n);
}

/* Those of at least the floor, in order; *ret_n of them, at least one. */
static const u64 *order_from(struct sampler *s, f32 floor, u32 *ret_n)
{
	u64 *to = s->key[0];
	u32 n = 0;
	for (u32 b = 0; b < s->n_blocks; b++) {
		if (!(s->most[b] >= floor))
			continue;
		for (u32 i = b * BLOCK, end = i + block_len(s, b); i < end; i++)
			if (s->l[i] >= floor)
				to[n++] = sampler_key(s->l[i], i);
	}
	*ret_n = n;
	return sampler_order(s, n);
}

/* ---- the draw ---- */

f64 sampler_uniform(const struct sampler_params *p, u32 position)
{
	u32 counter[4] = { position, p->choice, 0, 0 }, key[2] = { (u32)p->seed, (u32)(p->seed >> 32) }, r[4];
	philox4x32(counter, key, r);
	u64 bits = (u64)r[0] << 21 | r[1] >> 11;
	return (f64)bits * 0x1p-53;
}

u32 sampler_cut_min(const struct sampler_params *p, const f32 *e, u32 keep)
{
	while (keep > 1 && e[keep - 1] < p->min_p)
		keep--;
	return keep;
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
	return sampler_cut_min(p, e, keep);
}

u32 sampler_draw(const f32 *e, u32 n, f64 u)
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
	f32 factor = p->temperature == 0 ? 1.0f : rt_recip(p->temperature);
	bool fine = scale(s, logits, factor);
	if (!penalise(s, p, logits, factor, ids, n_ids, fine))
		return 1;
	if (p->allowed)
		exclude(s, p->allowed);
	u32 first = first_largest(s), n;
	if (p->temperature == 0) {
		*ret_id = first;
		return 0;
	}
	f32 top = s->l[first];
	const u64 *order = order_from(s, MAX(floor_of(s, p, top), -FLT_MAX), &n);
	u32 k = p->top_k ? MIN(p->top_k, n) : n;
	f32 *e = sampler_weights(s, order);
	for (u32 i = 0; i < k; i++)
		e[i] = rt_exp(s->l[(u32)order[i]] - top);
	k = cut(p, e, k);
	*ret_id = (u32)order[sampler_draw(e, k, sampler_uniform(p, n_ids))];
	return 0;
}
