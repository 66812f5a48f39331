#include "shaders/top_blocks.h"
#include "shaders/exact.h"

struct row {
	const struct push_top_blocks *p;
	const f32 *x;
	const u32 *most;
	u32 want;
	f32 factor;
	u32 *out;
};

static u32 rank_of(const struct row *r, u32 b)
{
	u32 rank = 0;
	for (u32 j = 0; j < r->p->blocks; j++)
		rank += r->most[j] > r->most[b] || (r->most[j] == r->most[b] && j < b);
	return rank;
}

static u32 block_end(const struct row *r, u32 b)
{
	return MIN((b + 1) * TOP_BLOCK, r->p->n);
}

static void select_block(const struct row *r, u32 b, u32 rank)
{
	u32 groups = DIV_UP(r->p->blocks, TOP_GROUP), end = block_end(r, b);
	u32 *values = r->out + TOP_VALUES(groups, r->p->cap) + rank * TOP_BLOCK;
	r->out[TOP_INDICES(groups) + rank] = b;
	for (u32 i = 0; i < TOP_BLOCK; i++)
		values[i] = b * TOP_BLOCK + i < end ? exact_window_bits(f2u(r->x[b * TOP_BLOCK + i])) : 0;
}

static u64 weight_of(const struct row *r, u32 b, f32 most)
{
	u64 sum = 0;
	for (u32 i = b * TOP_BLOCK; i < block_end(r, b) && r->factor != 0; i++) {
		f32 v = exact_window(r->x[i]) * r->factor, e = exact_exp(v - most);
		sum += (u64)top_fix_high(f2u(e)) << 32 | top_fix_low(f2u(e));
	}
	return sum;
}

static void group(const struct row *r, u32 g)
{
	u32 first = g * TOP_GROUP, end = MIN(first + TOP_GROUP, r->p->blocks), key = 0;
	u64 weight = 0;
	for (u32 b = first; b < end; b++)
		key = MAX(key, r->most[b]);
	f32 most = u2f(top_bits(key)) * r->factor;
	for (u32 b = first; b < end; b++) {
		u32 rank = rank_of(r, b);
		if (rank < r->want) {
			select_block(r, b, rank);
			continue;
		}
		weight += weight_of(r, b, most);
		if (rank == r->want) {
			r->out[0] = r->most[b];
			r->out[1] = b;
		}
	}
	if (g == 0 && r->want >= r->p->blocks)
		r->out[0] = r->out[1] = 0;
	u32 *to = r->out + TOP_WEIGHTS + TOP_GROUP_WORDS * g;
	to[0] = (u32)weight;
	to[1] = (u32)(weight >> 32);
	to[2] = key;
}

void ref_top_blocks(const void *push, void *const buf[], u32 first, u32 end)
{
	const struct push_top_blocks *p = push;
	const u32 *need = buf[2];
	size_t words = TOP_WORDS(DIV_UP(p->blocks, TOP_GROUP), p->cap);
	for (u32 i = 0; i < p->rows; i++) {
		const struct row r = { .p = p,
			.x = (const f32 *)buf[0] + (size_t)i * p->n,
			.most = (const u32 *)buf[1] + (size_t)i * p->blocks,
			.want = need[2 * i],
			.factor = u2f(need[2 * i + 1]),
			.out = (u32 *)buf[3] + i * words };
		for (u32 g = first; g < end && r.want; g++)
			group(&r, g);
	}
}
