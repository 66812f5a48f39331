#include "runtime/mask_impl.h"

#include <stdlib.h>
#include <string.h>

bool mask_fail(struct mask *m, const char *why)
{
	m->why = why;
	return false;
}

/* ---- tables -------------------------------------------------------------------------------------------------------------- */

static u64 mix(u64 a, u64 b)
{
	u64 x = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xd1b54a32d192ed03ull;
	return x ^ x >> 29;
}

static bool table_room(struct mask *m, struct mask_table *t, u32 n)
{
	if (t->slot && 2 * n <= t->mask)
		return true;
	u32 cap = 64;
	while (cap < 4 * n)
		cap *= 2;
	u32 *slot = malloc(cap * sizeof *slot);
	if (!slot)
		return mask_fail(m, "no memory for the grammar");
	memset(slot, 0xff, cap * sizeof *slot);
	free(t->slot);
	t->slot = slot;
	t->mask = cap - 1;
	return true;
}

static u64 node_hash(u32 state, u32 parent)
{
	return mix(state, (u64)parent + 1);
}

static u32 *node_slot(const struct mask *m, u32 state, u32 parent)
{
	for (u64 h = node_hash(state, parent);; h++) {
		u32 *s = &m->node_at.slot[h & m->node_at.mask];
		if (*s == LAYOUT_NONE || (m->node[*s].state == state && m->node[*s].parent == parent))
			return s;
	}
}

static bool nodes_grow(struct mask *m)
{
	u32 *old = m->node_at.slot;
	if (m->n_nodes == m->cap_nodes) {
		u32 cap = m->cap_nodes ? 2 * m->cap_nodes : 256;
		struct mask_way *p = realloc(m->node, cap * sizeof *p);
		if (!p)
			return mask_fail(m, "no memory for the grammar");
		m->node = p;
		m->cap_nodes = cap;
	}
	if (!old || 2 * (m->n_nodes + 1) > m->node_at.mask) {
		if (!table_room(m, &m->node_at, m->n_nodes + 1))
			return false;
		for (u32 i = 0; i < m->n_nodes; i++)
			*node_slot(m, m->node[i].state, m->node[i].parent) = i;
	}
	return true;
}

u32 mask_node_of(struct mask *m, u32 state, u32 parent)
{
	u32 *slot = m->node_at.slot ? node_slot(m, state, parent) : NULL;
	if (slot && *slot != LAYOUT_NONE)
		return *slot;
	if (m->n_nodes >= GRAMMAR_NODES_MAX) {
		mask_fail(m, "the grammar needs more stacks than GRAMMAR_NODES_MAX");
		return LAYOUT_NONE;
	}
	if (!nodes_grow(m))
		return LAYOUT_NONE;
	u32 depth = parent == LAYOUT_NONE ? 0 : m->node[parent].depth + 1;
	*node_slot(m, state, parent) = m->n_nodes;
	m->node[m->n_nodes] = (struct mask_way){ state, parent, depth, 0 };
	return m->n_nodes++;
}

static u64 set_hash(const u32 *v, u32 n, bool accept)
{
	u64 h = accept;
	for (u32 i = 0; i < n; i++)
		h = mix(h, (u64)v[i] + 1);
	return h;
}

static u32 *set_slot(const struct mask *m, const u32 *v, u32 n, bool accept)
{
	for (u64 h = set_hash(v, n, accept);; h++) {
		u32 *s = &m->set_at.slot[h & m->set_at.mask];
		if (*s == LAYOUT_NONE)
			return s;
		const struct mask_set *x = &m->set[*s];
		if (x->n == n && x->accept == accept && memcmp(m->pool + x->off, v, n * sizeof *v) == 0)
			return s;
	}
}

static bool sets_grow(struct mask *m, u32 n)
{
	if (m->n_sets == m->cap_sets) {
		u32 cap = m->cap_sets ? 2 * m->cap_sets : 64;
		struct mask_set *p = realloc(m->set, cap * sizeof *p);
		if (!p)
			return mask_fail(m, "no memory for the grammar");
		m->set = p;
		m->cap_sets = cap;
	}
	if (n > m->cap_pool - m->n_pool) {
		u32 cap = MAX(2 * m->cap_pool, m->n_pool + n + 256);
		u32 *p = realloc(m->pool, cap * sizeof *p);
		if (!p)
			return mask_fail(m, "no memory for the grammar");
		m->pool = p;
		m->cap_pool = cap;
	}
	if (!m->set_at.slot || 2 * (m->n_sets + 1) > m->set_at.mask) {
		if (!table_room(m, &m->set_at, m->n_sets + 1))
			return false;
		for (u32 i = 1 + mask_n_prefix(m); i < m->n_sets; i++)
			*set_slot(m, m->pool + m->set[i].off, m->set[i].n, m->set[i].accept) = i;
	}
	return true;
}

static bool set_add(struct mask *m, const u32 *v, u32 n, bool accept)
{
	if (m->n_sets >= GRAMMAR_SETS_MAX)
		return mask_fail(
			m, "one choice of the grammar needs more than GRAMMAR_SETS_MAX sets of ways");
	if (!sets_grow(m, n))
		return false;
	if (n)
		memcpy(m->pool + m->n_pool, v, n * sizeof *v);
	m->set[m->n_sets++] = (struct mask_set){ .off = m->n_pool, .n = n, .accept = accept };
	m->n_pool += n;
	m->stats.sets++;
	return true;
}

static int by_number(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	return x < y ? -1 : x > y;
}

bool mask_set_of(struct mask *m, u32 *v, u32 n, bool accept, u32 *ret)
{
	qsort(v, n, sizeof *v, by_number);
	if (!sets_grow(m, 0))
		return false;
	u32 *slot = set_slot(m, v, n, accept);
	if (*slot == LAYOUT_NONE) {
		if (!set_add(m, v, n, accept))
			return false;
		slot = set_slot(m, v, n, accept);
		*slot = m->n_sets - 1;
	}
	*ret = *slot;
	return true;
}

/* ---- forgetting ---------------------------------------------------------------------------------------------------------- */

void mask_sets_free(struct mask *m)
{
	for (u32 i = 0; i < m->n_sets; i++) {
		free(m->set[i].next);
		free(m->set[i].bits);
	}
	m->n_sets = m->n_pool = m->n_masks = 0;
	if (m->set_at.slot)
		memset(m->set_at.slot, 0xff, ((size_t)m->set_at.mask + 1) * sizeof *m->set_at.slot);
}

bool mask_sets_begin(struct mask *m)
{
	bool ok = set_add(m, NULL, 0, false);
	for (u32 i = 0; ok && i < mask_n_prefix(m); i++)
		ok = set_add(m, NULL, 0, true);
	return ok;
}

/* Put a node of the old table, with everything below it, into the new one. */
static u32 node_again(struct mask *m, const struct mask_way *old, u32 id)
{
	u32 chain[GRAMMAR_DEPTH_MAX + 2], n = 0, parent = LAYOUT_NONE;
	for (; id != LAYOUT_NONE; id = old[id].parent)
		chain[n++] = id;
	while (n) {
		parent = mask_node_of(m, old[chain[--n]].state, parent);
		if (parent == LAYOUT_NONE)
			return LAYOUT_NONE;
	}
	return parent;
}

bool mask_forget(struct mask *m)
{
	struct mask_set now = m->set[m->now];
	struct mask_way *old = m->node;
	bool prefix = m->now <= mask_n_prefix(m), ok = true;
	u32 *ids = malloc((now.n + 1) * sizeof *ids);
	if (!ids)
		return mask_fail(m, "no memory for the grammar");
	memcpy(ids, m->pool + now.off, now.n * sizeof *ids);
	mask_sets_free(m);
	m->node = NULL;
	m->n_nodes = m->cap_nodes = 0;
	memset(m->node_at.slot, 0xff, ((size_t)m->node_at.mask + 1) * sizeof *m->node_at.slot);
	for (u32 i = 0; ok && i < now.n; i++)
		ok = (ids[i] = node_again(m, old, ids[i])) != LAYOUT_NONE;
	qsort(ids, now.n, sizeof *ids, by_number);
	ok = ok && mask_sets_begin(m);
	if (ok && !prefix) {
		ok = set_add(m, ids, now.n, now.accept);
		if (ok)
			*set_slot(m, ids, now.n, now.accept) = m->now = m->n_sets - 1;
	}
	free(old);
	free(ids);
	m->stats.forgotten++;
	return ok;
}
