/* Source of the idea: Saxena 2023, "Prompt lookup decoding"; of judging a guess by what the model says: Leviathan et al. 2023. */
#include "runtime/draft.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LUCK_MOST 64u /* guesses that are remembered, about */

int draft_create(u32 room, struct draft *ret)
{
	struct draft d = { .room = room, .n_buckets = 64 };
	while (d.n_buckets < room && d.n_buckets < 1u << 31)
		d.n_buckets *= 2;
	d.last = calloc(d.n_buckets, sizeof *d.last);
	d.before = calloc(room + 1ull, sizeof *d.before);
	if (!d.last || !d.before) {
		draft_fini(&d);
		return err_origin(-ENOMEM);
	}
	*ret = d;
	return 0;
}

void draft_fini(struct draft *d)
{
	if (d->last)
		explicit_bzero(d->last, d->n_buckets * sizeof *d->last);
	if (d->before)
		explicit_bzero(d->before, (d->room + 1ull) * sizeof *d->before);
	free(d->last);
	free(d->before);
	*d = (struct draft){ 0 };
}

/* The bucket of the gram that ends in front of end. */
static u32 *bucket_of(const struct draft *d, const u32 *end)
{
	u64 h = 0;
	for (u32 i = 0; i < DRAFT_GRAM; i++)
		h = (h ^ end[(i32)i - (i32)DRAFT_GRAM]) * 0x9e3779b97f4a7c15ull;
	return &d->last[(h >> 32) & (d->n_buckets - 1)];
}

void draft_read(struct draft *d, const u32 *ids, u32 n)
{
	assert(n <= d->room);
	for (; d->n < n; d->n++) {
		u32 end = d->n + 1;
		if (end < DRAFT_GRAM)
			continue;
		u32 *bucket = bucket_of(d, ids + end);
		d->before[end] = *bucket;
		*bucket = end;
	}
}

/* Ids in front of a and b that are equal, at most DRAFT_MATCH and those that are there. */
static u32 match(const u32 *ids, u32 a, u32 b)
{
	u32 n = 0, most = MIN(a, DRAFT_MATCH);
	while (n < most && ids[a - n - 1] == ids[b - n - 1])
		n++;
	return n;
}

static u32 kind_of(u32 matched)
{
	return matched <= 3 ? 0 : matched <= 5 ? 1 : matched <= 11 ? 2 : 3;
}

u32 draft_guess(struct draft *d, u32 *ids, u32 n, u32 most)
{
	u32 best = 0, at = 0;
	assert(d->n + 1 >= n && d->n < n);
	if (n < DRAFT_GRAM || n + most > d->room)
		return 0;
	u32 end = *bucket_of(d, ids + n);
	for (u32 looks = 0; end && looks < DRAFT_LOOKS && best < DRAFT_MATCH; looks++) {
		u32 m = match(ids, end, n);
		if (m > best) {
			best = m;
			at = end;
		}
		end = d->before[end];
	}
	if (best < DRAFT_GRAM)
		return 0;
	d->kind = kind_of(best);
	for (u32 i = 0; i < most; i++) /* a guess may run into itself: what repeats goes on repeating */
		ids[n + i] = ids[at + i];
	return most;
}

static void note(struct draft_luck *l, bool right)
{
	if (l->tried == LUCK_MOST) {
		l->tried /= 2;
		l->right /= 2;
	}
	l->tried++;
	l->right += right;
}

void draft_judge(struct draft *d, bool right)
{
	note(&d->luck[d->kind], right);
}

f32 draft_chance(const struct draft *d)
{
	const struct draft_luck *l = &d->luck[d->kind];
	return (f32)(l->right + 1) / (f32)(l->tried + 2);
}

void draft_past_note(struct draft_past *p, u64 principal, bool right)
{
	if (p->principal != principal)
		*p = (struct draft_past){ .principal = principal };
	note(&p->luck, right);
}

f32 draft_chance_model(const struct draft *d, const struct draft_past *past, u64 principal)
{
	const struct draft_luck *l = &d->luck[DRAFT_MODEL];
	bool own = past->principal == principal;
	f32 prior = own ? (f32)(past->luck.right + 1) / (f32)(past->luck.tried + 2) : 0.5f;
	return ((f32)l->right + (f32)DRAFT_PRIOR * prior) / (f32)(l->tried + DRAFT_PRIOR);
}
