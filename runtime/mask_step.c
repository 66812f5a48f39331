/* From a set of ways to the next, byte by byte; what was looked at is remembered in the sets. */
#include "runtime/mask_impl.h"

#include <stdlib.h>
#include <string.h>

static bool visit(struct mask *m, u32 node)
{
	if (node == LAYOUT_NONE)
		return false;
	if (m->node[node].stamp == m->stamp)
		return true;
	if (m->n_walk == GRAMMAR_CONFIGS_MAX)
		return mask_fail(m, "the grammar has more ways at once than GRAMMAR_CONFIGS_MAX");
	if (++m->work > GRAMMAR_WORK_MAX)
		return mask_fail(m, "one choice of the grammar takes more steps than GRAMMAR_WORK_MAX");
	m->node[node].stamp = m->stamp;
	m->walk[m->n_walk++] = node;
	return true;
}

static bool call(struct mask *m, const struct grammar_edge *e, u32 parent)
{
	if (m->tail[e->to])
		return visit(m, mask_node_of(m, e->call, parent));
	if (parent != LAYOUT_NONE && m->node[parent].depth >= GRAMMAR_DEPTH_MAX)
		return true; /* a way that does not exist */
	u32 back = mask_node_of(m, e->to, parent);
	return back != LAYOUT_NONE && visit(m, mask_node_of(m, e->call, back));
}

/* Everything that walk[] leads to without a byte; found[] are the nodes that take one. */
static bool close_walk(struct mask *m, bool *ret_accept)
{
	*ret_accept = false;
	for (u32 i = 0; i < m->n_walk; i++) {
		u32 id = m->walk[i], parent = m->node[id].parent, state = m->node[id].state;
		bool takes = false, ok = true;
		for (u32 k = m->g.first[state]; ok && k < m->g.first[state + 1]; k++) {
			const struct grammar_edge *e = &m->g.edges[k];
			if (e->kind == GRAMMAR_BYTE)
				takes = true;
			else if (e->kind == GRAMMAR_NOTHING)
				ok = visit(m, mask_node_of(m, e->to, parent));
			else if (e->kind == GRAMMAR_CALL)
				ok = call(m, e, parent);
			else if (parent == LAYOUT_NONE)
				*ret_accept = true;
			else
				ok = visit(m, parent);
		}
		if (!ok)
			return false;
		if (takes)
			m->found[m->n_found++] = id;
	}
	return true;
}

static void walk_begin(struct mask *m)
{
	m->stamp++;
	m->n_walk = m->n_found = 0;
}

/* The set of everything that walk[] leads to. */
static bool walk_end(struct mask *m, u32 *ret)
{
	bool accept;
	if (!close_walk(m, &accept))
		return false;
	if (m->n_found == 0 && !accept) {
		*ret = MASK_DEAD;
		return true;
	}
	return mask_set_of(m, m->found, m->n_found, accept, ret);
}

bool mask_start_set(struct mask *m, u32 *ret)
{
	walk_begin(m);
	return visit(m, mask_node_of(m, m->g.h->start, LAYOUT_NONE)) && walk_end(m, ret);
}

/* Behind byte b in front of the trigger's byte at (Knuth, Morris and Pratt). */
static bool step_prefix(struct mask *m, u32 at, u8 b, u32 *ret)
{
	while (at && m->g.trigger[at] != b)
		at = m->border[at - 1];
	if (m->g.trigger[at] == b)
		at++;
	if (at == mask_n_prefix(m))
		return mask_start_set(m, ret);
	*ret = 1 + at;
	return true;
}

/* Bytes around b on which the edge decides as on b. */
static void narrow(const struct grammar_edge *e, u8 b, u8 *lo, u8 *hi)
{
	if (b >= e->lo && b <= e->hi) {
		*lo = MAX(*lo, e->lo);
		*hi = MIN(*hi, e->hi);
	} else if (e->hi < b) {
		*lo = MAX(*lo, (u8)(e->hi + 1));
	} else {
		*hi = MIN(*hi, (u8)(e->lo - 1));
	}
}

/* Behind b, and behind every other byte of lo..hi. */
static bool step_set(struct mask *m, u32 set, u8 b, u8 *lo, u8 *hi, u32 *ret)
{
	walk_begin(m);
	for (u32 i = 0; i < m->set[set].n; i++) {
		u32 id = m->pool[m->set[set].off + i], state = m->node[id].state;
		for (u32 k = m->g.first[state]; k < m->g.first[state + 1]; k++) {
			const struct grammar_edge *e = &m->g.edges[k];
			if (e->kind != GRAMMAR_BYTE)
				continue;
			narrow(e, b, lo, hi);
			if (b >= e->lo && b <= e->hi && !visit(m, mask_node_of(m, e->to, m->node[id].parent)))
				return false;
		}
	}
	return walk_end(m, ret);
}

u32 mask_step(struct mask *m, u32 set, u8 b)
{
	u32 to;
	u8 lo = 0, hi = 255;
	if (m->set[set].next && m->set[set].next[b] != MASK_UNKNOWN)
		return m->set[set].next[b];
	if (!m->set[set].next) {
		u32 *next = malloc(256 * sizeof *next);
		if (!next) {
			mask_fail(m, "no memory for the grammar");
			return LAYOUT_NONE;
		}
		memset(next, 0xff, 256 * sizeof *next);
		m->set[set].next = next;
	}
	bool prefix = mask_is_prefix(m, set);
	if (!(prefix ? step_prefix(m, set - 1, b, &to) : step_set(m, set, b, &lo, &hi, &to)))
		return LAYOUT_NONE;
	for (u32 c = prefix ? b : lo; c <= (prefix ? b : hi); c++)
		m->set[set].next[c] = to;
	return to;
}
