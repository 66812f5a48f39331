/* From a set of ways to the next, byte by byte; what was looked at is remembered in the sets. */
#include "runtime/mask_impl.h"

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

/* ---- which stand for others ---- */

static u32 node_like(struct mask *m, u32 id)
{
	u32 chain[GRAMMAR_DEPTH_MAX + 2], n = 0, like = LAYOUT_NONE;
	for (; id != LAYOUT_NONE && m->node[id].like == LAYOUT_NONE; id = m->node[id].parent)
		chain[n++] = id;
	if (id != LAYOUT_NONE)
		like = m->node[id].like;
	while (n) {
		id = chain[--n];
		like = mask_node_of(m, m->like[m->node[id].state], like);
		if (like == LAYOUT_NONE)
			return like;
		m->node[id].like = like;
	}
	return like;
}

static bool nodes_like(struct mask *m, u32 *v, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if ((v[i] = node_like(m, v[i])) == LAYOUT_NONE)
			return false;
	return true;
}

bool mask_like(struct mask *m, u32 set, u32 *ret)
{
	struct mask_set *s = &m->set[set];
	if (s->like == MASK_UNKNOWN && (set == MASK_DEAD || mask_is_prefix(m, set)))
		s->like = set;
	if (s->like == MASK_UNKNOWN) {
		if (s->n)
			memcpy(m->found, m->pool + s->off, s->n * sizeof *m->found);
		if (!nodes_like(m, m->found, s->n) || !mask_set_of(m, m->found, s->n, s->accept, &s->like))
			return false;
	}
	*ret = s->like;
	return true;
}

/* ---- from set to set ---- */

/* The set of everything that walk[] leads to, or the one that stands for it. */
static bool walk_end(struct mask *m, bool like, u32 *ret)
{
	bool accept;
	if (!close_walk(m, &accept) || (like && !nodes_like(m, m->found, m->n_found)))
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
	return visit(m, mask_node_of(m, m->g.h->start, LAYOUT_NONE)) && walk_end(m, false, ret);
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
static bool step_set(struct mask *m, u32 set, u8 b, bool like, u8 *lo, u8 *hi, u32 *ret)
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
	return walk_end(m, like, ret);
}

static u32 step(struct mask *m, u32 set, u8 b, bool like)
{
	u16 **row = like ? &m->set[set].next_like : &m->set[set].next;
	bool prefix = mask_is_prefix(m, set);
	u8 lo = prefix ? b : 0, hi = prefix ? b : 255;
	u32 to;
	if (*row && (*row)[b] != MASK_NOWHERE)
		return (*row)[b];
	if (!*row)
		*row = mask_row(m);
	if (!(prefix ? step_prefix(m, set - 1, b, &to) : step_set(m, set, b, like, &lo, &hi, &to)))
		return LAYOUT_NONE;
	for (u32 c = lo; c <= hi; c++)
		(*row)[c] = (u16)to;
	return to;
}

u32 mask_step(struct mask *m, u32 set, u8 b)
{
	return step(m, set, b, false);
}

u32 mask_step_like(struct mask *m, u32 set, u8 b)
{
	return step(m, set, b, true);
}
