#define _GNU_SOURCE
#include "runtime/mask_impl.h"

#include <string.h>
#include <sys/mman.h>

bool mask_fail(struct mask *m, const char *why)
{
	m->why = why;
	return false;
}

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

#define NODE_SLOTS (4u * GRAMMAR_NODES_MAX)
#define SET_SLOTS  (4u * GRAMMAR_SETS_MAX)

static void *carve(u8 *room, size_t *at, size_t n, size_t each)
{
	size_t from = *at;
	*at = ALIGN_UP(from + n * each, (size_t)64);
	return room ? room + from : NULL;
}

/* Where everything lies in the room; its size. */
static size_t lay_out(struct mask *m, u8 *room)
{
	size_t at = 0;
	m->node = carve(room, &at, GRAMMAR_NODES_MAX, sizeof *m->node);
	m->node_at.slot = carve(room, &at, NODE_SLOTS, sizeof(u32));
	m->moved = carve(room, &at, GRAMMAR_NODES_MAX, sizeof *m->moved);
	m->set = carve(room, &at, GRAMMAR_SETS_MAX, sizeof *m->set);
	m->set_at.slot = carve(room, &at, SET_SLOTS, sizeof(u32));
	m->rows = carve(room, &at, 2 * GRAMMAR_SETS_MAX, 256 * sizeof *m->rows);
	m->pool = carve(room, &at, MASK_POOL_MAX, sizeof *m->pool);
	m->masks = carve(room, &at, MASK_MASKS_MAX, m->words * sizeof *m->masks);
	m->longer = carve(room, &at, m->words, sizeof *m->longer);
	m->walk = carve(room, &at, GRAMMAR_CONFIGS_MAX, sizeof *m->walk);
	m->found = carve(room, &at, GRAMMAR_CONFIGS_MAX, sizeof *m->found);
	return at;
}

u16 *mask_row(struct mask *m)
{
	assert(m->n_rows < 2 * GRAMMAR_SETS_MAX);
	u16 *row = m->rows + (size_t)m->n_rows++ * 256;
	memset(row, 0xff, 256 * sizeof *row);
	return row;
}

u64 *mask_bits(struct mask *m)
{
	assert(m->n_masks < MASK_MASKS_MAX);
	u64 *bits = m->masks + (size_t)m->n_masks++ * m->words;
	memset(bits, 0, m->words * sizeof *bits);
	return bits;
}

/* ---- tables -------------------------------------------------------------------------------------------------------------- */

static u64 mix(u64 a, u64 b)
{
	u64 x = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xd1b54a32d192ed03ull;
	return x ^ x >> 29;
}

/* More places for n things; whoever calls puts in again what was there. */
static void table_grow(struct mask_table *t, u32 n)
{
	u32 cap = 64;
	while (cap < 4 * n)
		cap *= 2;
	memset(t->slot, 0xff, cap * sizeof *t->slot);
	t->mask = cap - 1;
}

static u32 *node_slot(const struct mask *m, u32 state, u32 parent)
{
	for (u64 h = mix(state, (u64)parent + 1);; h++) {
		u32 *s = &m->node_at.slot[h & m->node_at.mask];
		if (*s == LAYOUT_NONE || (m->node[*s].state == state && m->node[*s].parent == parent))
			return s;
	}
}

static void nodes_room(struct mask *m)
{
	if (2 * (m->n_nodes + 1) <= m->node_at.mask)
		return;
	table_grow(&m->node_at, m->n_nodes + 1);
	for (u32 i = 0; i < m->n_nodes; i++)
		*node_slot(m, m->node[i].state, m->node[i].parent) = i;
}

u32 mask_node_of(struct mask *m, u32 state, u32 parent)
{
	nodes_room(m);
	u32 *slot = node_slot(m, state, parent);
	if (*slot != LAYOUT_NONE)
		return *slot;
	if (m->n_nodes >= GRAMMAR_NODES_MAX) {
		mask_fail(m, "the grammar needs more stacks than GRAMMAR_NODES_MAX");
		return LAYOUT_NONE;
	}
	*slot = m->n_nodes;
	m->node[m->n_nodes] = (struct mask_way){ .state = state, .parent = parent, .like = LAYOUT_NONE };
	if (parent != LAYOUT_NONE)
		m->node[m->n_nodes].depth = m->node[parent].depth + 1;
	return m->n_nodes++;
}

static u32 *set_slot(const struct mask *m, const u32 *v, u32 n, bool accept)
{
	u64 h = accept;
	for (u32 i = 0; i < n; i++)
		h = mix(h, (u64)v[i] + 1);
	for (;; h++) {
		u32 *s = &m->set_at.slot[h & m->set_at.mask];
		if (*s == LAYOUT_NONE)
			return s;
		const struct mask_set *x = &m->set[*s];
		if (x->n == n && x->accept == accept && memcmp(m->pool + x->off, v, n * sizeof *v) == 0)
			return s;
	}
}

static void sets_room(struct mask *m)
{
	if (2 * (m->n_sets + 1) <= m->set_at.mask)
		return;
	table_grow(&m->set_at, m->n_sets + 1);
	for (u32 i = 1 + mask_n_prefix(m); i < m->n_sets; i++)
		*set_slot(m, m->pool + m->set[i].off, m->set[i].n, m->set[i].accept) = i;
}

static bool set_add(struct mask *m, const u32 *v, u32 n, bool accept)
{
	if (m->n_sets >= GRAMMAR_SETS_MAX)
		return mask_fail(
			m, "one choice of the grammar needs more than GRAMMAR_SETS_MAX sets of ways");
	if (n > MASK_POOL_MAX - m->n_pool)
		return mask_fail(m, "one choice of the grammar takes more steps than GRAMMAR_WORK_MAX");
	if (n)
		memcpy(m->pool + m->n_pool, v, n * sizeof *v);
	m->set[m->n_sets++] =
		(struct mask_set){ .off = m->n_pool, .n = n, .accept = accept, .like = MASK_UNKNOWN };
	m->n_pool += n;
	m->stats.sets++;
	return true;
}

/* ---- sets ---------------------------------------------------------------------------------------------------------------- */

static void sink(u32 *v, u32 at, u32 n)
{
	for (u32 child; (child = 2 * at + 1) < n; at = child) {
		child += child + 1 < n && v[child + 1] > v[child];
		if (v[at] >= v[child])
			return;
		u32 was = v[at];
		v[at] = v[child];
		v[child] = was;
	}
}

/* By a heap, for the C library's takes memory. */
static void sort(u32 *v, u32 n)
{
	bool sorted = true;
	for (u32 i = 1; i < n && sorted; i++)
		sorted = v[i - 1] <= v[i];
	if (sorted)
		return;
	for (u32 i = n / 2; i-- > 0;)
		sink(v, i, n);
	for (u32 i = n; i-- > 1;) {
		u32 most = v[0];
		v[0] = v[i];
		v[i] = most;
		sink(v, 0, i);
	}
}

static u32 unique(u32 *v, u32 n)
{
	u32 kept = 0;
	for (u32 i = 0; i < n; i++)
		if (i == 0 || v[i] != v[kept - 1])
			v[kept++] = v[i];
	return kept;
}

bool mask_set_of(struct mask *m, u32 *v, u32 n, bool accept, u32 *ret)
{
	sort(v, n);
	n = unique(v, n);
	sets_room(m);
	u32 *slot = set_slot(m, v, n, accept);
	if (*slot == LAYOUT_NONE) {
		if (!set_add(m, v, n, accept))
			return false;
		*slot = m->n_sets - 1;
	}
	*ret = *slot;
	return true;
}

/* ---- forgetting ---------------------------------------------------------------------------------------------------------- */

bool mask_full(const struct mask *m)
{
	return m->n_sets > GRAMMAR_SETS_MAX / 4 || m->n_nodes > GRAMMAR_NODES_MAX / 4 ||
	       m->n_pool > MASK_POOL_MAX / 4 || m->n_masks + 2 > MASK_MASKS_MAX || m->stamp > 0xf0000000u;
}

static bool sets_begin(struct mask *m)
{
	m->n_sets = m->n_pool = m->n_rows = m->n_masks = m->stamp = 0;
	m->set_at.mask = 0;
	bool ok = set_add(m, NULL, 0, false);
	for (u32 i = 0; ok && i < mask_n_prefix(m); i++)
		ok = set_add(m, NULL, 0, true);
	return ok;
}

/* Of the nodes only those that these n lead down to, closed up in the order that they had; v[] are their new numbers. */
static void nodes_keep(struct mask *m, u32 *v, u32 n)
{
	u32 kept = 0;
	memset(m->moved, 0xff, m->n_nodes * sizeof *m->moved);
	for (u32 i = 0; i < n; i++)
		for (u32 id = v[i]; id != LAYOUT_NONE && m->moved[id] == LAYOUT_NONE; id = m->node[id].parent)
			m->moved[id] = 0;
	for (u32 i = 0; i < m->n_nodes; i++) {
		if (m->moved[i] == LAYOUT_NONE)
			continue;
		struct mask_way x = m->node[i];
		x.parent = x.parent == LAYOUT_NONE ? LAYOUT_NONE : m->moved[x.parent]; /* is in front of it */
		x.like = LAYOUT_NONE;
		x.stamp = 0;
		m->moved[i] = kept;
		m->node[kept++] = x;
	}
	for (u32 i = 0; i < n; i++)
		v[i] = m->moved[v[i]];
	m->n_nodes = kept;
	m->node_at.mask = 0;
}

bool mask_forget(struct mask *m)
{
	struct mask_set now = m->set[m->now];
	bool held = m->now != MASK_DEAD && !mask_is_prefix(m, m->now);
	if (now.n)
		memcpy(m->found, m->pool + now.off, now.n * sizeof *m->found);
	nodes_keep(m, m->found, now.n);
	m->stats.forgotten++;
	return sets_begin(m) && (!held || mask_set_of(m, m->found, now.n, now.accept, &m->now));
}

/* ---- beginning and end --------------------------------------------------------------------------------------------------- */

bool mask_sets_create(struct mask *m)
{
	m->room_bytes = lay_out(m, NULL);
	void *room = mmap(NULL, m->room_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return mask_fail(m, "no memory for the grammar");
	m->room = room;
	(void)lay_out(m, room);
	return sets_begin(m);
}

void mask_sets_destroy(struct mask *m)
{
	if (m->room)
		munmap(m->room, m->room_bytes);
}
