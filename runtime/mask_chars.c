/* Which characters lead from a set to one and the same other, and how often in turn? Inside of strings and of patterns nearly all of them
 * do; whoever walks through a trie there can take branches whole. It looks ahead of what is asked, within bounds of its own: what is not
 * found out here is only slower, never different. */
#include "runtime/mask_impl.h"

#include <string.h>

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
		u32 next = mask_step_like(m, set, (u8)b);
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
			u32 next = mask_step_like(m, set, (u8)b);
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

/* Does no character of so many bytes begin here? After wide_to, so that each first byte was looked at or one of them leads somewhere. */
static bool no_wide(struct mask *m, u32 set, enum mask_char which)
{
	static const u8 first[][2] = { { 0xc2, 0xdf }, { 0xe0, 0xef }, { 0xf0, 0xf4 } };
	for (u32 b = first[which][0]; b <= first[which][1]; b++)
		if (mask_step_like(m, set, (u8)b) != MASK_DEAD)
			return false;
	return true;
}

/* Where each character leads. false: noted. */
static bool targets(struct mask *m, u32 set, u32 *to)
{
	for (u32 c = 0; c < 128; c++) {
		to[c] = MASK_DEAD;
		if (c >= MASK_CHAR_ASCII)
			to[c] = mask_step_like(m, set, (u8)c);
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

/* Has this set all ways of the other? */
static bool holds(const struct mask *m, u32 set, u32 other)
{
	const struct mask_set *s = &m->set[set], *o = &m->set[other];
	u32 i = 0, k = 0;
	for (; i < s->n && k < o->n; i++)
		k += m->pool[s->off + i] == m->pool[o->off + k];
	return k == o->n;
}

static void look(struct mask *m, u32 set)
{
	u32 to[128], last = MASK_DEAD;
	u64 work = m->work;
	struct mask_set *s = &m->set[set];
	s->looked = true;
	if (s->n > LOOK_WAYS_MAX || m->n_sets > LOOK_SETS_MAX || m->look_work > LOOK_WORK_MAX)
		return;
	bool ok = targets(m, set, to), more = false;
	m->look_work += m->work - work;
	m->work = work;
	if (!ok)
		return; /* if it was more than this, the next step notes it again */
	s->to = most_of(to);
	for (u32 c = 0; c < 128; c++) {
		if (to[c] == MASK_DEAD) {
			if (c >= MASK_CHAR_ASCII || (c <= MASK_CHAR_4 && no_wide(m, set, c)))
				s->dead.v[c / 64] |= 1ull << c % 64;
			continue;
		}
		if (to[c] != last)
			more = holds(m, last = to[c], s->to);
		if (to[c] == s->to)
			s->same.v[c / 64] |= 1ull << c % 64;
		if (more)
			s->chars.v[c / 64] |= 1ull << c % 64;
	}
}

/* Of characters that may all come next, at most `most`: how many, and the set behind them, or one with fewer ways than there are. */
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

static struct mask_chars without(struct mask_chars a, struct mask_chars b)
{
	return (struct mask_chars){ { a.v[0] & ~b.v[0], a.v[1] & ~b.v[1] } };
}

bool mask_chars_within(struct mask_chars all, struct mask_chars but, struct mask_chars others)
{
	return subset(without(all, but), others);
}

/* Of these characters the same ones lead from set to set, the others nowhere, up to a set that none of them leads from? */
static bool even(struct mask *m, u32 set, struct mask_chars chars, u32 *ret_n, struct mask_chars *ret_but)
{
	struct mask_chars but = { 0 };
	u32 n = 0;
	for (; n < MASK_PLAIN_CHARS; n++) {
		if (mask_is_prefix(m, set))
			return false;
		if (!m->set[set].looked)
			look(m, set);
		if (n == 0)
			but = without(chars, m->set[set].same);
		const struct mask_set *s = &m->set[set];
		if (subset(chars, s->dead))
			break;
		struct mask_chars here = without(chars, s->same);
		if (memcmp(&here, &but, sizeof here) != 0 || !subset(here, s->dead))
			return false;
		n = s->to == set ? MASK_PLAIN_CHARS - 1 : n;
		set = s->to;
	}
	*ret_n = n;
	*ret_but = but;
	return true;
}

bool mask_chars_known(
	struct mask *m, u32 set, struct mask_chars chars, u32 *ret_n, struct mask_chars *ret_but)
{
	u32 at = set;
	if (run(m, &at, chars, MASK_PLAIN_CHARS) < MASK_PLAIN_CHARS)
		return even(m, set, chars, ret_n, ret_but);
	*ret_n = MASK_PLAIN_CHARS;
	*ret_but = (struct mask_chars){ 0 };
	return true;
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
