/* Which states of a grammar cannot be told apart by n bytes? Blocks of states that may be alike are cut, byte by byte: in round k two
 * states of a block part where their edges differ, or lead without a byte into blocks that are parted now, or over w bytes into blocks
 * that were parted when round k - w had ended. What is looked at again is only what leads to a state that went into another block, so a
 * count of ten thousand costs what its last numbers do. Edges are compared as they stand and in their order: states that do the same in
 * another order are not found to be alike, which is slower, never different. So is a grammar with which this has too much work: its states
 * stand for themselves. */
#define _GNU_SOURCE
#include "runtime/mask_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIKE_WORK_MAX 2000000u /* edges looked at; some 50 ms */
#define LEAST_PASSES   64u

struct notice {
	u32 edge, block, next;
};

struct alike {
	const struct grammar *g;
	const u8 *tail;
	u32 n_rounds;
	u8 *least; /* [n_states] of so many bytes is the shortest way from there to a RETURN, up to n_rounds */
	u32 *block; /* [n_states] */
	u32 *size;  /* [n_states] of each block */
	u32 *from;  /* [n_edges] state of each edge */
	u32 *seen; /* [n_edges] block that the edge led to when as many bytes less were known as lie between */
	u32 *into_at; /* [n_states + 1] where in into[] the edges into a state begin */
	u32 *into;    /* twice the edge, plus one if it calls the state */
	u32 *now, *next,
		*moved; /* [n_states] states to be looked at: now, yet in this round; and moved in this one */
	u32 n_now, n_next, n_moved;
	u32 *in_next, *in_moved; /* [n_states] number of the last list of that kind that it was put into */
	u32 list;		 /* the last number */
	u8 *head;		 /* [n_states] 1: the first of its kind in now[]; 2: of its block */
	struct notice *notice;	 /* who moved, for the rounds to come; n_rounds + 1 lists */
	u32 n_notices, cap_notices, *notices;
	u32 n_blocks;
	u64 work;
};

/* ---- what leads where ---------------------------------------------------------------------------------------------------- */

/* Bytes between where an edge begins and where it has led, at least. */
static u32 weight(const struct alike *a, const struct grammar_edge *e)
{
	return e->kind == GRAMMAR_BYTE ? 1 : e->kind == GRAMMAR_CALL ? a->least[e->call] : 0;
}

static u32 least_of(const struct alike *a, u32 s)
{
	u32 least = a->least[s];
	for (u32 k = a->g->first[s]; k < a->g->first[s + 1]; k++) {
		const struct grammar_edge *e = &a->g->edges[k];
		u32 n = e->kind == GRAMMAR_RETURN ? 0 : weight(a, e) + a->least[e->to];
		least = MIN(least, n);
	}
	return least;
}

/* To and fro, each time from as many as may count downward. Where that takes more passes than it may, nothing lies between: then too
 * much is parted, not too little. */
static void find_least(struct alike *a)
{
	u32 n = a->g->h->n_states;
	bool more = true;
	memset(a->least, (int)a->n_rounds, n);
	for (u32 pass = 0; more && pass < LEAST_PASSES; pass++) {
		more = false;
		for (u32 i = 0; i < n; i++) {
			u32 s = pass % 2 ? i : n - 1 - i, least = least_of(a, s);
			more = more || least != a->least[s];
			a->least[s] = (u8)least;
		}
	}
	if (more)
		memset(a->least, 0, n);
}

static void lead(struct alike *a, u32 to, u32 what)
{
	if (a->into)
		a->into[a->into_at[to]++] = what;
	else
		a->into_at[to + 1]++;
}

static void each_edge(struct alike *a)
{
	for (u32 s = 0; s < a->g->h->n_states; s++)
		for (u32 k = a->g->first[s]; k < a->g->first[s + 1]; k++) {
			const struct grammar_edge *e = &a->g->edges[k];
			a->from[k] = s;
			if (e->kind == GRAMMAR_CALL)
				lead(a, e->call, 2 * k + 1);
			if (e->kind != GRAMMAR_RETURN)
				lead(a, e->to, 2 * k);
		}
}

/* Counted, summed up, put in; that moves each beginning to the next. */
static bool find_leads(struct alike *a)
{
	u32 n = a->g->h->n_states;
	each_edge(a);
	for (u32 s = 0; s < n; s++)
		a->into_at[s + 1] += a->into_at[s];
	a->into = malloc((a->into_at[n] + 1) * sizeof *a->into);
	if (!a->into)
		return false;
	each_edge(a);
	memmove(a->into_at + 1, a->into_at, n * sizeof *a->into_at);
	a->into_at[0] = 0;
	return true;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------------- */

static int order(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

static int by_edge(const struct alike *a, u32 kx, u32 ky)
{
	const struct grammar_edge *x = &a->g->edges[kx], *y = &a->g->edges[ky];
	u32 wx = weight(a, x), wy = weight(a, y);
	int c = order(
		(u64)x->kind << 16 | (u64)x->lo << 8 | x->hi, (u64)y->kind << 16 | (u64)y->lo << 8 | y->hi);
	if (c || x->kind == GRAMMAR_RETURN)
		return c;
	if (x->kind == GRAMMAR_CALL && ((c = order(a->block[x->call], a->block[y->call])) ||
					       (c = order(a->tail[x->to], a->tail[y->to]))))
		return c;
	if ((c = order(wx, wy)))
		return c;
	return wx ? order(a->seen[kx], a->seen[ky]) : order(a->block[x->to], a->block[y->to]);
}

static int by_edges(const void *px, const void *py, void *arg)
{
	const struct alike *a = arg;
	u32 x = *(const u32 *)px, y = *(const u32 *)py;
	u32 ex = a->g->first[x], ey = a->g->first[y], nx = a->g->first[x + 1] - ex,
	    ny = a->g->first[y + 1] - ey;
	int c = order(a->block[x], a->block[y]);
	if (!c)
		c = order(nx, ny);
	for (u32 i = 0; !c && i < nx; i++)
		c = by_edge(a, ex + i, ey + i);
	return c;
}

/* ---- parting ------------------------------------------------------------------------------------------------------------- */

static void put(u32 *list, u32 *n, u32 *in, u32 number, u32 s)
{
	if (in[s] == number)
		return;
	in[s] = number;
	list[(*n)++] = s;
}

/* State s has gone into another block: what leads to it without a byte has to be looked at again in this round. */
static void move(struct alike *a, u32 s, u32 block, u32 round)
{
	a->size[a->block[s]]--;
	a->size[block]++;
	a->block[s] = block;
	put(a->moved, &a->n_moved, a->in_moved, round, s);
	for (u32 i = a->into_at[s]; i < a->into_at[s + 1]; i++) {
		u32 k = a->into[i] / 2;
		if (a->into[i] & 1 || weight(a, &a->g->edges[k]) == 0)
			put(a->next, &a->n_next, a->in_next, a->list, a->from[k]);
	}
}

/* now[from..to) is of one block. The largest part keeps it if nobody else is in it. */
static void part_block(struct alike *a, u32 from, u32 to, u32 round)
{
	u32 block = a->block[a->now[from]], largest = from, most = 0;
	bool whole = a->size[block] == to - from;
	for (u32 i = from, k; i < to; i = k) {
		for (k = i + 1; k < to && !a->head[k]; k++)
			;
		if (whole && k - i > most) {
			largest = i;
			most = k - i;
		}
	}
	for (u32 i = from, k; i < to; i = k) {
		bool stays = whole && i == largest;
		for (k = i; k == i || (k < to && !a->head[k]); k++)
			if (!stays)
				move(a, a->now[k], a->n_blocks, round);
		a->n_blocks += !stays;
	}
}

static void part(struct alike *a, u32 round)
{
	u32 n = a->n_now;
	qsort_r(a->now, n, sizeof *a->now, by_edges, a);
	for (u32 i = 0; i < n; i++) {
		bool block = i == 0 || a->block[a->now[i]] != a->block[a->now[i - 1]];
		a->head[i] = block ? 2 : by_edges(&a->now[i], &a->now[i - 1], a) != 0;
		a->work += 1 + a->g->first[a->now[i] + 1] - a->g->first[a->now[i]];
	}
	a->list++;
	a->n_next = 0;
	for (u32 i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && a->head[k] != 2; k++)
			;
		part_block(a, i, k, round);
	}
	u32 *now = a->now;
	a->now = a->next;
	a->next = now;
	a->n_now = a->n_next;
}

/* The edges over bytes into a state that moved: told when so many rounds have passed. */
static bool tell(struct alike *a, u32 s, u32 round)
{
	for (u32 i = a->into_at[s]; i < a->into_at[s + 1]; i++) {
		u32 k = a->into[i] / 2, w = a->into[i] & 1 ? 0 : weight(a, &a->g->edges[k]);
		if (w == 0 || round + w > a->n_rounds)
			continue;
		if (a->n_notices == a->cap_notices) {
			u32 cap = 2 * a->cap_notices + 1024;
			struct notice *p = realloc(a->notice, cap * sizeof *p);
			if (!p)
				return false;
			a->notice = p;
			a->cap_notices = cap;
		}
		a->notice[a->n_notices] = (struct notice){ k, a->block[s], a->notices[round + w] };
		a->notices[round + w] = a->n_notices++;
		a->work++;
	}
	return true;
}

/* One byte more. */
static bool one_round(struct alike *a, u32 round)
{
	a->list++;
	for (u32 i = a->notices[round]; i != LAYOUT_NONE; i = a->notice[i].next) {
		a->seen[a->notice[i].edge] = a->notice[i].block;
		put(a->now, &a->n_now, a->in_next, a->list, a->from[a->notice[i].edge]);
	}
	a->n_moved = 0;
	while (a->n_now && a->work < ALIKE_WORK_MAX)
		part(a, round);
	bool ok = true;
	for (u32 i = 0; ok && i < a->n_moved && a->work < ALIKE_WORK_MAX; i++)
		ok = tell(a, a->moved[i], round);
	return ok;
}

static bool find(struct alike *a, u32 *like)
{
	u32 n = a->g->h->n_states;
	a->size[0] = a->n_now = n;
	a->n_blocks = 1;
	for (u32 s = 0; s < n; s++)
		a->now[s] = s;
	for (u32 round = 1; round <= a->n_rounds && a->work < ALIKE_WORK_MAX; round++)
		if (!one_round(a, round))
			return false;
	bool done = a->work < ALIKE_WORK_MAX;
	memset(a->now, 0xff, n * sizeof *a->now); /* the first state of each block */
	for (u32 s = 0; s < n; s++) {
		u32 *one = done ? &a->now[a->block[s]] : &a->now[s];
		*one = MIN(*one, s);
		like[s] = *one;
	}
	return true;
}

static bool room(struct alike *a)
{
	u32 n = a->g->h->n_states + 1, n_edges = a->g->h->n_edges + 1;
	u32 **const of_states[] = { &a->block, &a->size, &a->into_at, &a->now, &a->next, &a->moved,
		&a->in_next, &a->in_moved };
	u32 *p = calloc((size_t)n * ARRAY_LEN(of_states) + 2 * (size_t)n_edges, sizeof *p);
	a->least = calloc(2, n);
	a->notices = malloc((a->n_rounds + 1) * sizeof *a->notices);
	a->block = p;
	if (!p || !a->least || !a->notices)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(of_states); i++, p += n)
		*of_states[i] = p;
	a->seen = p;
	a->from = p + n_edges;
	a->head = a->least + n;
	memset(a->notices, 0xff, (a->n_rounds + 1) * sizeof *a->notices);
	return true;
}

int mask_alike_find(const struct grammar *g, const u8 *tail, u32 n_bytes, u32 *like)
{
	struct alike a = { .g = g, .tail = tail, .n_rounds = n_bytes + 1 };
	assert(n_bytes < 100);
	bool ok = room(&a);
	if (ok)
		find_least(&a);
	ok = ok && find_leads(&a) && find(&a, like);
	u32 *const memory[] = { a.block, a.into, a.notices };
	for (size_t i = 0; i < ARRAY_LEN(memory); i++)
		free(memory[i]);
	free(a.least);
	free(a.notice);
	return ok ? 0 : -ENOMEM;
}
