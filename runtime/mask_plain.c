/* From which states may plain text follow? Most of what a grammar allows is the inside of strings, where most tokens of a vocabulary fit;
 * walking through all of them for every new stack is what costs. A character is plain if it is whole, no control character and none of
 * '"', '\' and '<' (those open, escape or close something in every notation of ours). A state is good for n + 1 characters if every
 * plain character leads from it to states that are good for n. What is not found out here is only slower, never different. */
#include "runtime/mask_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLOSURE_MAX 12u /* states that one leads to without a byte; beyond, we do not look */
#define TARGETS_MAX 4u	/* states that the plain characters of one lead to */
#define LOOKS_MAX \
	512u /* states of one grammar that are looked at whole; each takes some tens of microseconds */

struct few {
	u32 v[CLOSURE_MAX];
	u32 n;
	bool full; /* there are more */
};

/* What one state does with plain characters. */
struct reach {
	u32 v[TARGETS_MAX];
	u32 n; /* 0: it does not take all of them */
};

struct finder {
	const struct grammar *g;
	struct reach *reach; /* [n_states] */
	u8 *looked; /* [n_states] 1 it was looked at; 2 a call of it takes one plain character and returns */
	u32 n_looks;
};

static void add(struct few *s, u32 state)
{
	for (u32 i = 0; i < s->n; i++)
		if (s->v[i] == state)
			return;
	if (s->n == CLOSURE_MAX)
		s->full = true;
	else
		s->v[s->n++] = state;
}

/* Everything that the states lead to without a byte or a call. */
static void close_few(const struct grammar *g, struct few *s)
{
	for (u32 i = 0; i < s->n && !s->full; i++)
		for (u32 k = g->first[s->v[i]]; k < g->first[s->v[i] + 1] && !s->full; k++)
			if (g->edges[k].kind == GRAMMAR_NOTHING)
				add(s, g->edges[k].to);
}

static struct few step(const struct grammar *g, const struct few *s, u8 byte)
{
	struct few to = { .n = 0 };
	for (u32 i = 0; i < s->n; i++)
		for (u32 k = g->first[s->v[i]]; k < g->first[s->v[i] + 1]; k++) {
			const struct grammar_edge *e = &g->edges[k];
			if (e->kind == GRAMMAR_BYTE && byte >= e->lo && byte <= e->hi)
				add(&to, e->to);
		}
	close_few(g, &to);
	return to;
}

static bool same(const struct few *a, const struct few *b)
{
	return a->n == b->n && memcmp(a->v, b->v, a->n * sizeof *a->v) == 0;
}

/* One character led to s: a first state that was met stands for all that it leads to without a byte. */
static bool note(struct reach *r, const struct few *s)
{
	if (s->n == 0 || s->full)
		return false;
	for (u32 i = 0; i < r->n; i++)
		if (r->v[i] == s->v[0])
			return true;
	if (r->n == TARGETS_MAX)
		return false;
	r->v[r->n++] = s->v[0];
	return true;
}

/* Every way of `left` more bytes of a character; the first of them is in lo..hi. */
static bool follow(const struct grammar *g, const struct few *s, u32 left, u8 lo, u8 hi, struct reach *r)
{
	struct few last = { .n = 0 };
	if (left == 0)
		return note(r, s);
	for (u32 b = lo; b <= hi; b++) {
		struct few to = step(g, s, (u8)b);
		if (to.n == 0 || to.full)
			return false;
		if (!same(&to, &last) && !follow(g, &to, left - 1, 0x80, 0xbf, r))
			return false;
		last = to;
	}
	return true;
}

/* All plain characters, by the bytes that they begin with. */
static bool takes_all(const struct grammar *g, const struct few *s, struct reach *r)
{
	static const struct {
		u8 lo, hi, left, next_lo, next_hi;
	} part[] = { { 0x20, 0x21, 0, 0, 0 }, { 0x23, 0x3b, 0, 0, 0 }, { 0x3d, 0x5b, 0, 0, 0 },
		{ 0x5d, 0x7f, 0, 0, 0 }, { 0xc2, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf },
		{ 0xe1, 0xec, 2, 0x80, 0xbf }, { 0xed, 0xed, 2, 0x80, 0x9f }, { 0xee, 0xef, 2, 0x80, 0xbf },
		{ 0xf0, 0xf0, 3, 0x90, 0xbf }, { 0xf1, 0xf3, 3, 0x80, 0xbf }, { 0xf4, 0xf4, 3, 0x80, 0x8f } };
	for (size_t i = 0; i < ARRAY_LEN(part); i++)
		for (u32 b = part[i].lo; b <= part[i].hi; b++) {
			struct few to = step(g, s, (u8)b);
			if (to.n == 0 || to.full ||
				!follow(g, &to, part[i].left, part[i].next_lo, part[i].next_hi, r))
				return false;
		}
	return true;
}

static bool returns(const struct grammar *g, u32 state)
{
	struct few s = { { state }, 1, false };
	close_few(g, &s);
	for (u32 i = 0; i < s.n; i++)
		for (u32 k = g->first[s.v[i]]; k < g->first[s.v[i] + 1]; k++)
			if (g->edges[k].kind == GRAMMAR_RETURN)
				return true;
	return false;
}

/* Bytes that the state takes itself. */
static void look(struct finder *f, u32 state)
{
	struct few s = { { state }, 1, false };
	struct reach r = { .n = 0 };
	if (f->looked[state])
		return;
	f->looked[state] = 1;
	close_few(f->g, &s);
	if (s.full || step(f->g, &s, ' ').n == 0 || step(f->g, &s, 'q').n == 0 ||
		step(f->g, &s, 0xe4).n == 0 || f->n_looks++ >= LOOKS_MAX || !takes_all(f->g, &s, &r))
		return;
	bool back = true;
	for (u32 i = 0; i < r.n; i++)
		back = back && returns(f->g, r.v[i]);
	f->looked[state] = back ? 2 : 1;
	f->reach[state] = r;
}

/* What a state reaches by calling a part that takes one plain character. A state that does nothing else is such a part itself. */
static void look_calls(struct finder *f, u32 state)
{
	const struct grammar *g = f->g;
	struct few s = { { state }, 1, false };
	if (f->reach[state].n)
		return;
	close_few(g, &s);
	for (u32 i = 0; i < s.n && !s.full; i++)
		for (u32 k = g->first[s.v[i]]; k < g->first[s.v[i] + 1]; k++)
			if (g->edges[k].kind == GRAMMAR_CALL && f->looked[g->edges[k].call] == 2) {
				f->reach[state] = (struct reach){ { g->edges[k].to }, 1 };
				f->looked[state] = returns(g, g->edges[k].to) ? 2 : 1;
				return;
			}
}

/* One character more than all that the state reaches is good for. */
static void count(const struct finder *f, u8 *plain)
{
	u32 n = f->g->h->n_states;
	bool more = true;
	for (u32 round = 0; round < MASK_PLAIN_CHARS && more; round++) {
		more = false;
		for (u32 s = 0; s < n; s++) {
			const struct reach *r = &f->reach[s];
			bool all = r->n > 0 && plain[s] == round;
			for (u32 i = 0; i < r->n; i++)
				all = all && plain[r->v[i]] >= round;
			plain[s] = (u8)(plain[s] + (all ? 1 : 0));
			more = more || all;
		}
	}
}

/* A state that takes every byte of text and stays where it is. */
static bool takes_any(const struct grammar *g, u32 s)
{
	for (u32 k = g->first[s]; k < g->first[s + 1]; k++) {
		const struct grammar_edge *e = &g->edges[k];
		if (e->kind == GRAMMAR_BYTE && e->lo == 0 && e->hi == GRAMMAR_CONTROL - 1 && e->to == s)
			return true;
	}
	return false;
}

int mask_plain_find(const struct grammar *g, u8 *plain, u8 *any, u32 *to)
{
	u32 n = g->h->n_states;
	struct finder f = { .g = g, .reach = calloc(n, sizeof *f.reach), .looked = calloc(n, 1) };
	int r = f.reach && f.looked ? 0 : -ENOMEM;
	for (u32 s = 0; !r && s < n; s++) {
		any[s] = takes_any(g, s);
		look(&f, s);
	}
	for (u32 round = 0; !r && round < 3;
		round++) /* parts of parts of parts: what repetitions are made of */
		for (u32 s = 0; s < n; s++)
			look_calls(&f, s);
	if (!r)
		count(&f, plain);
	for (u32 s = 0; !r && s < n; s++)
		plain[s] |= f.looked[s] == 2 ? MASK_RETURNS : 0;
	for (u32 s = 0; !r && s < n; s++)
		to[s] = f.reach[s].n == 1 ? f.reach[s].v[0] : LAYOUT_NONE;
	free(f.reach);
	free(f.looked);
	return r;
}
