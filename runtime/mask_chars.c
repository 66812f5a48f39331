/* Which characters lead from a set to one and the same other, and how often in turn? Inside of strings and of patterns nearly all of them
 * do; whoever walks through a trie there can take branches whole. It looks ahead of what is asked, within bounds of its own: what is not
 * found out here is only slower, never different. */
#include "runtime/mask_impl.h"

#include <stdlib.h>

#define LOOK_WORK_MAX 65536u			     /* ways looked at in this for one choice; 1 ms */
#define LOOK_SETS_MAX (GRAMMAR_SETS_MAX / 4 + 1024u) /* sets, beyond those that tidying leaves */
#define LOOK_WAYS_MAX 64u			     /* of one set */

const struct mask_chars mask_chars_plain = { { 0xeffffffb00000007ull, 0xffffffffefffffffull } };
const struct mask_chars mask_chars_words = { { 0x0000000100000000ull, 0x07fffffe07fffffeull } };

static bool subset(struct mask_chars a, struct mask_chars of)
{
	return !(a.v[0] & ~of.v[0]) && !(a.v[1] & ~of.v[1]);
}

/* The set that every way of bytes lead to: the first in lo..hi, `left` more of them behind it. MASK_DEAD: one leads nowhere, or two
 * elsewhere; LAYOUT_NONE: noted. */
static u32 all_to(struct mask *m, u32 set, u8 lo, u8 hi, u32 left)
{
	u32 last = MASK_DEAD, to = MASK_DEAD;
	for (u32 b = lo; b <= hi; b++) {
		u32 next = mask_step(m, set, (u8)b);
		if (next == last && b > lo)
			continue;
		last = next;
		if (left && next != MASK_DEAD && next != LAYOUT_NONE)
			next = all_to(m, next, 0x80, 0xbf, left - 1);
		if (next == MASK_DEAD || next == LAYOUT_NONE)
			return next;
		if (to != MASK_DEAD && next != to)
			return MASK_DEAD;
		to = next;
	}
	return to;
}

/* The same for all characters of two, three or four bytes. */
static u32 wide_to(struct mask *m, u32 set, enum mask_char which)
{
	static const struct {
		u8 which, lo, hi, second_lo, second_hi;
	} part[] = { { MASK_CHAR_2, 0xc2, 0xdf, 0x80, 0xbf }, { MASK_CHAR_3, 0xe0, 0xe0, 0xa0, 0xbf },
		{ MASK_CHAR_3, 0xe1, 0xec, 0x80, 0xbf }, { MASK_CHAR_3, 0xed, 0xed, 0x80, 0x9f },
		{ MASK_CHAR_3, 0xee, 0xef, 0x80, 0xbf }, { MASK_CHAR_4, 0xf0, 0xf0, 0x90, 0xbf },
		{ MASK_CHAR_4, 0xf1, 0xf3, 0x80, 0xbf }, { MASK_CHAR_4, 0xf4, 0xf4, 0x80, 0x8f } };
	u32 to = MASK_DEAD, last = MASK_DEAD;
	for (size_t i = 0; i < ARRAY_LEN(part); i++)
		for (u32 b = part[i].lo; which == part[i].which && b <= part[i].hi; b++) {
			u32 next = mask_step(m, set, (u8)b);
			if (next == last && b > part[i].lo)
				continue;
			last = next;
			if (next != MASK_DEAD && next != LAYOUT_NONE)
				next = all_to(
					m, next, part[i].second_lo, part[i].second_hi, which - MASK_CHAR_2);
			if (next == MASK_DEAD || next == LAYOUT_NONE)
				return next;
			if (to != MASK_DEAD && next != to)
				return MASK_DEAD;
			to = next;
		}
	return to;
}

/* Where each character leads. false: noted. */
static bool targets(struct mask *m, u32 set, u32 *to)
{
	for (u32 c = 0; c < 128; c++) {
		to[c] = MASK_DEAD;
		if (c >= MASK_CHAR_ASCII)
			to[c] = mask_step(m, set, (u8)c);
		else if (c <= MASK_CHAR_4)
			to[c] = wide_to(m, set, c);
		if (to[c] == LAYOUT_NONE)
			return false;
	}
	return true;
}

/* The one that more than half of those that lead somewhere lead to, if there is one (Boyer and Moore); else one of them. */
static u32 most_of(const u32 *to)
{
	u32 most = MASK_DEAD;
	for (u32 c = 0, lead = 0; c < 128; c++) {
		if (to[c] == MASK_DEAD)
			continue;
		if (lead == 0)
			most = to[c];
		lead = to[c] == most ? lead + 1 : lead - 1;
	}
	return most;
}

static void look(struct mask *m, u32 set)
{
	u32 to[128];
	u64 work = m->work;
	m->set[set].looked = true;
	if (m->set[set].n > LOOK_WAYS_MAX || m->n_sets > LOOK_SETS_MAX || m->look_work > LOOK_WORK_MAX)
		return;
	bool ok = targets(m, set, to);
	m->look_work += m->work - work;
	m->work = work;
	if (!ok)
		return; /* if it was more than this, the next step notes it again */
	struct mask_set *s = &m->set[set];
	s->to = most_of(to);
	for (u32 c = 0; c < 128; c++)
		if (s->to != MASK_DEAD && to[c] == s->to)
			s->chars.v[c / 64] |= 1ull << c % 64;
}

/* Of characters that may all come next, at most `most`: how many, and the set behind them. */
static u32 run(struct mask *m, u32 *set, struct mask_chars chars, u32 most)
{
	for (u32 i = 0; i < most; i++) {
		if (mask_is_prefix(m, *set))
			return i;
		if (!m->set[*set].looked)
			look(m, *set);
		if (!subset(chars, m->set[*set].chars))
			return i;
		if (m->set[*set].to == *set)
			return most;
		*set = m->set[*set].to;
	}
	return most;
}

bool mask_chars_fit(struct mask *m, u32 set, struct mask_chars chars, u32 most)
{
	return !(chars.v[0] >> MASK_CHAR_NONE & 1) && run(m, &set, chars, most) == most;
}

/* Does none of these begin behind the set? Of wide ones those count that begin as any of them does. false: noted. */
static bool none_begins(struct mask *m, u32 set, struct mask_chars chars, bool *ret)
{
	const u64 wide = 1ull << MASK_CHAR_2 | 1ull << MASK_CHAR_3 | 1ull << MASK_CHAR_4;
	*ret = false;
	for (u32 b = MASK_CHAR_ASCII; b < 0xf5; b++) {
		if (b < 0x80 ? !(chars.v[b / 64] >> b % 64 & 1) : !(chars.v[0] & wide))
			continue;
		u32 to = mask_step(m, set, (u8)b);
		if (to == LAYOUT_NONE)
			return false;
		if (to != MASK_DEAD)
			return true;
	}
	*ret = true;
	return true;
}

bool mask_chars_run(struct mask *m, u32 set, struct mask_chars chars, u32 *ret_n, bool *ret_all)
{
	*ret_n = run(m, &set, chars, MASK_PLAIN_CHARS);
	*ret_all = *ret_n == MASK_PLAIN_CHARS;
	return *ret_all || none_begins(m, set, chars, ret_all);
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

void mask_any_find(const struct grammar *g, u8 *any)
{
	for (u32 s = 0; s < g->h->n_states; s++)
		any[s] = takes_any(g, s);
}
