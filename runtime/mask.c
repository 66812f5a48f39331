/* A way through the grammar is a node: a state and the nodes that wait for its RETURN. Nodes are interned, so equal stacks are one node
 * and stacks share their lower parts. What may be the case after some bytes is a set of nodes; sets are interned too. */
#include "runtime/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEAD	      0u	  /* the set of no ways */
#define UNKNOWN	      0xffffffffu /* a transition that was not looked at yet */
#define MASKS_AT_ONCE 256u	  /* masks remembered; 5 MB at 150,000 tokens */

struct node {
	u32 state;
	u32 parent; /* node to go on with at RETURN; LAYOUT_NONE: the grammar ends */
	u32 depth;
	u32 stamp; /* of the last walk that met it */
};

struct set {
	u32 off, n;  /* its nodes, ascending, in pool: those whose state takes a byte */
	bool accept; /* the answer may end here */
	u32 *next;   /* [256] sets, UNKNOWN where not looked at; NULL: nowhere was looked */
	u64 *bits;   /* NULL: not made yet */
};

struct table {
	u32 *slot; /* indices, LAYOUT_NONE where free */
	u32 mask;
};

struct mask {
	const struct mask_trie *trie;
	const struct tok *tok;
	u32 *blob;
	struct grammar g;
	u8 *tail; /* [n_states] nothing but RETURN is left there: a call from here needs no place on the stack */
	u32 trigger_id; /* a control token that is the trigger, or LAYOUT_NONE */
	u32 *border; /* [trigger_len] how long a beginning of the trigger is an end of its first i + 1 bytes */

	struct node *node;
	u32 n_nodes, cap_nodes, stamp;
	struct table node_at;
	struct set *set;
	u32 n_sets, cap_sets;
	struct table set_at;
	u32 *pool;
	u32 n_pool, cap_pool;
	u32 *walk, n_walk,
		n_found; /* [GRAMMAR_CONFIGS_MAX] nodes met, and of those the ones that take a byte, first */
	u32 *found;
	u32 now; /* set */
	u32 n_masks;
	u64 work;
	const char *why;
	struct mask_stats stats;
};

static bool fail(struct mask *m, const char *why)
{
	m->why = why;
	return false;
}

static u32 n_prefix(const struct mask *m)
{
	return m->g.h->trigger_len;
}

/* Sets 1 .. trigger_len are the places inside of the trigger, in front of its first byte and so on. */
static bool is_prefix(const struct mask *m, u32 set)
{
	return set != DEAD && set <= n_prefix(m);
}

/* ---- tables -------------------------------------------------------------------------------------------------------------- */

static u64 mix(u64 a, u64 b)
{
	u64 x = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xd1b54a32d192ed03ull;
	return x ^ x >> 29;
}

static bool table_room(struct mask *m, struct table *t, u32 n)
{
	if (t->slot && 2 * n <= t->mask)
		return true;
	u32 cap = 64;
	while (cap < 4 * n)
		cap *= 2;
	u32 *slot = malloc(cap * sizeof *slot);
	if (!slot)
		return fail(m, "no memory for the grammar");
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
		struct node *p = realloc(m->node, cap * sizeof *p);
		if (!p)
			return fail(m, "no memory for the grammar");
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

/* The node of that state over that parent; LAYOUT_NONE: noted. */
static u32 node_of(struct mask *m, u32 state, u32 parent)
{
	u32 *slot = m->node_at.slot ? node_slot(m, state, parent) : NULL;
	if (slot && *slot != LAYOUT_NONE)
		return *slot;
	if (m->n_nodes >= GRAMMAR_NODES_MAX) {
		fail(m, "the grammar needs more stacks than GRAMMAR_NODES_MAX");
		return LAYOUT_NONE;
	}
	if (!nodes_grow(m))
		return LAYOUT_NONE;
	u32 depth = parent == LAYOUT_NONE ? 0 : m->node[parent].depth + 1;
	*node_slot(m, state, parent) = m->n_nodes;
	m->node[m->n_nodes] = (struct node){ state, parent, depth, 0 };
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
		const struct set *x = &m->set[*s];
		if (x->n == n && x->accept == accept && memcmp(m->pool + x->off, v, n * sizeof *v) == 0)
			return s;
	}
}

static bool sets_grow(struct mask *m, u32 n)
{
	if (m->n_sets == m->cap_sets) {
		u32 cap = m->cap_sets ? 2 * m->cap_sets : 64;
		struct set *p = realloc(m->set, cap * sizeof *p);
		if (!p)
			return fail(m, "no memory for the grammar");
		m->set = p;
		m->cap_sets = cap;
	}
	if (n > m->cap_pool - m->n_pool) {
		u32 cap = MAX(2 * m->cap_pool, m->n_pool + n + 256);
		u32 *p = realloc(m->pool, cap * sizeof *p);
		if (!p)
			return fail(m, "no memory for the grammar");
		m->pool = p;
		m->cap_pool = cap;
	}
	if (!m->set_at.slot || 2 * (m->n_sets + 1) > m->set_at.mask) {
		if (!table_room(m, &m->set_at, m->n_sets + 1))
			return false;
		for (u32 i = 1 + n_prefix(m); i < m->n_sets; i++)
			*set_slot(m, m->pool + m->set[i].off, m->set[i].n, m->set[i].accept) = i;
	}
	return true;
}

static bool set_add(struct mask *m, const u32 *v, u32 n, bool accept)
{
	if (m->n_sets >= GRAMMAR_SETS_MAX)
		return fail(m, "one choice of the grammar needs more than GRAMMAR_SETS_MAX sets of ways");
	if (!sets_grow(m, n))
		return false;
	if (n)
		memcpy(m->pool + m->n_pool, v, n * sizeof *v);
	m->set[m->n_sets++] = (struct set){ .off = m->n_pool, .n = n, .accept = accept };
	m->n_pool += n;
	m->stats.sets++;
	return true;
}

/* ---- walking ------------------------------------------------------------------------------------------------------------- */

static bool visit(struct mask *m, u32 node)
{
	if (node == LAYOUT_NONE)
		return false;
	if (m->node[node].stamp == m->stamp)
		return true;
	if (m->n_walk == GRAMMAR_CONFIGS_MAX)
		return fail(m, "the grammar has more ways at once than GRAMMAR_CONFIGS_MAX");
	if (++m->work > GRAMMAR_WORK_MAX)
		return fail(m, "one choice of the grammar takes more steps than GRAMMAR_WORK_MAX");
	m->node[node].stamp = m->stamp;
	m->walk[m->n_walk++] = node;
	return true;
}

static bool call(struct mask *m, const struct grammar_edge *e, u32 parent)
{
	if (m->tail[e->to])
		return visit(m, node_of(m, e->call, parent));
	if (parent != LAYOUT_NONE && m->node[parent].depth >= GRAMMAR_DEPTH_MAX)
		return true; /* a way that does not exist */
	u32 back = node_of(m, e->to, parent);
	return back != LAYOUT_NONE && visit(m, node_of(m, e->call, back));
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
				ok = visit(m, node_of(m, e->to, parent));
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

static int by_number(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	return x < y ? -1 : x > y;
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
		*ret = DEAD;
		return true;
	}
	qsort(m->found, m->n_found, sizeof *m->found, by_number);
	if (!sets_grow(m, 0))
		return false;
	u32 *slot = set_slot(m, m->found, m->n_found, accept);
	if (*slot == LAYOUT_NONE) {
		if (!set_add(m, m->found, m->n_found, accept))
			return false;
		slot = set_slot(m, m->found, m->n_found, accept);
		*slot = m->n_sets - 1;
	}
	*ret = *slot;
	return true;
}

static bool start_set(struct mask *m, u32 *ret)
{
	walk_begin(m);
	return visit(m, node_of(m, m->g.h->start, LAYOUT_NONE)) && walk_end(m, ret);
}

/* Behind byte b in front of the trigger's byte at (Knuth, Morris and Pratt). */
static bool step_prefix(struct mask *m, u32 at, u8 b, u32 *ret)
{
	while (at && m->g.trigger[at] != b)
		at = m->border[at - 1];
	if (m->g.trigger[at] == b)
		at++;
	if (at == n_prefix(m))
		return start_set(m, ret);
	*ret = 1 + at;
	return true;
}

static bool step_set(struct mask *m, u32 set, u8 b, u32 *ret)
{
	walk_begin(m);
	for (u32 i = 0; i < m->set[set].n; i++) {
		u32 id = m->pool[m->set[set].off + i], state = m->node[id].state;
		for (u32 k = m->g.first[state]; k < m->g.first[state + 1]; k++) {
			const struct grammar_edge *e = &m->g.edges[k];
			if (e->kind == GRAMMAR_BYTE && b >= e->lo && b <= e->hi &&
				!visit(m, node_of(m, e->to, m->node[id].parent)))
				return false;
		}
	}
	return walk_end(m, ret);
}

/* The set behind byte b; LAYOUT_NONE: noted. */
static u32 step(struct mask *m, u32 set, u8 b)
{
	u32 to;
	if (m->set[set].next && m->set[set].next[b] != UNKNOWN)
		return m->set[set].next[b];
	if (!m->set[set].next) {
		u32 *next = malloc(256 * sizeof *next);
		if (!next) {
			fail(m, "no memory for the grammar");
			return LAYOUT_NONE;
		}
		memset(next, 0xff, 256 * sizeof *next);
		m->set[set].next = next;
	}
	if (!(is_prefix(m, set) ? step_prefix(m, set - 1, b, &to) : step_set(m, set, b, &to)))
		return LAYOUT_NONE;
	m->set[set].next[b] = to;
	return to;
}

/* ---- forgetting ---------------------------------------------------------------------------------------------------------- */

static void sets_free(struct mask *m)
{
	for (u32 i = 0; i < m->n_sets; i++) {
		free(m->set[i].next);
		free(m->set[i].bits);
	}
	m->n_sets = m->n_pool = m->n_masks = 0;
	if (m->set_at.slot)
		memset(m->set_at.slot, 0xff, ((size_t)m->set_at.mask + 1) * sizeof *m->set_at.slot);
}

/* The sets that every run has: none, and the places inside of the trigger. */
static bool sets_begin(struct mask *m)
{
	bool ok = set_add(m, NULL, 0, false);
	for (u32 i = 0; ok && i < n_prefix(m); i++)
		ok = set_add(m, NULL, 0, true);
	return ok;
}

/* Put a node of the old table, with everything below it, into the new one. */
static u32 node_again(struct mask *m, const struct node *old, u32 id)
{
	u32 chain[GRAMMAR_DEPTH_MAX + 2], n = 0, parent = LAYOUT_NONE;
	for (; id != LAYOUT_NONE; id = old[id].parent)
		chain[n++] = id;
	while (n) {
		parent = node_of(m, old[chain[--n]].state, parent);
		if (parent == LAYOUT_NONE)
			return LAYOUT_NONE;
	}
	return parent;
}

/* Everything but where we are. */
static bool forget(struct mask *m)
{
	struct set now = m->set[m->now];
	struct node *old = m->node;
	bool prefix = m->now <= n_prefix(m), ok = true;
	u32 *ids = malloc((now.n + 1) * sizeof *ids);
	if (!ids)
		return fail(m, "no memory for the grammar");
	memcpy(ids, m->pool + now.off, now.n * sizeof *ids);
	sets_free(m);
	m->node = NULL;
	m->n_nodes = m->cap_nodes = 0;
	memset(m->node_at.slot, 0xff, ((size_t)m->node_at.mask + 1) * sizeof *m->node_at.slot);
	for (u32 i = 0; ok && i < now.n; i++)
		ok = (ids[i] = node_again(m, old, ids[i])) != LAYOUT_NONE;
	qsort(ids, now.n, sizeof *ids, by_number);
	ok = ok && sets_begin(m);
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

static bool tidy(struct mask *m)
{
	m->work = 0;
	bool full = m->n_sets > GRAMMAR_SETS_MAX / 4 || m->n_nodes > GRAMMAR_NODES_MAX / 4 ||
		    m->n_masks >= MASKS_AT_ONCE || m->stamp > 0xf0000000u;
	if (!full)
		return true;
	bool ok = forget(m);
	m->stamp = 0;
	return ok;
}

/* ---- what the answer asks ------------------------------------------------------------------------------------------------ */

static bool fill(struct mask *m, u64 *bits)
{
	const struct mask_trie *t = m->trie;
	u32 at[TOKEN_BYTES_MAX + 1];
	at[0] = m->now;
	for (u32 i = 0; i < t->n;) {
		const struct mask_node *x = &t->node[i];
		const u32 *next = m->set[at[x->depth - 1]].next;
		u32 to = next ? next[x->byte] : UNKNOWN;
		if (to == DEAD) {
			i = x->end;
			continue;
		}
		if (to == UNKNOWN) { /* then look, and come again */
			if (step(m, at[x->depth - 1], x->byte) == LAYOUT_NONE)
				return false;
			continue;
		}
		at[x->depth] = to;
		if (x->token != LAYOUT_NONE)
			bits[x->token / 64] |= 1ull << x->token % 64;
		for (u32 id = x->token; x->same && id != LAYOUT_NONE; id = t->same[id])
			bits[id / 64] |= 1ull << id % 64;
		i++;
	}
	u32 words = DIV_UP(t->n_vocab, 64u);
	for (u32 i = 0; i < words && m->set[m->now].accept; i++)
		bits[i] |= t->ends[i];
	for (u32 i = 0; i < words && is_prefix(m, m->now); i++)
		bits[i] |= t->silent[i];
	return true;
}

static bool none(const u64 *bits, u32 words)
{
	u64 any = 0;
	for (u32 i = 0; i < words; i++)
		any |= bits[i];
	return any == 0;
}

int mask_allowed(struct mask *m, const u64 **ret_bits, const char **ret_why)
{
	u32 words = DIV_UP(m->trie->n_vocab, 64u);
	bool ok = tidy(m);
	if (ok && !m->set[m->now].bits) {
		u64 *bits = calloc(words, sizeof *bits);
		ok = bits ? fill(m, bits) : fail(m, "no memory for the grammar");
		if (ok && none(bits, words))
			ok = fail(m, "no token of the vocabulary fits the grammar here");
		if (!ok)
			free(bits);
		else
			m->set[m->now].bits = bits;
		m->n_masks++;
		m->stats.masks_made++;
	} else {
		m->stats.masks_found++;
	}
	if (!ok) {
		*ret_why = m->why;
		return 1;
	}
	*ret_bits = m->set[m->now].bits;
	return 0;
}

int mask_push(struct mask *m, u32 id, bool *ret_over, const char **ret_why)
{
	size_t len;
	const u8 *s = tok_bytes(m->tok, id, &len);
	bool ok = tidy(m);
	if (ok && id == m->trigger_id && is_prefix(m, m->now))
		ok = start_set(m, &m->now);
	for (size_t i = 0; ok && i < len; i++) {
		u32 to = step(m, m->now, s[i]);
		ok = to != LAYOUT_NONE;
		if (ok)
			m->now = to;
	}
	if (ok && m->now == DEAD)
		ok = fail(m, "a token was chosen that does not fit the grammar");
	if (!ok) {
		*ret_why = m->why;
		return 1;
	}
	*ret_over = !is_prefix(m, m->now) && m->set[m->now].n == 0;
	return 0;
}

struct mask_stats mask_stats(const struct mask *m)
{
	struct mask_stats s = m->stats;
	s.nodes = m->n_nodes;
	return s;
}

/* ---- beginning and end --------------------------------------------------------------------------------------------------- */

/* From which states does nothing but RETURN remain? Each state is followed along single edges, no longer than there are states. */
static void find_tails(struct mask *m)
{
	const struct grammar *g = &m->g;
	for (u32 s = 0; s < g->h->n_states; s++) {
		u32 at = s, n = 0;
		while (n++ < 16 && g->first[at + 1] - g->first[at] == 1 &&
			g->edges[g->first[at]].kind == GRAMMAR_NOTHING)
			at = g->edges[g->first[at]].to;
		m->tail[s] =
			g->first[at + 1] - g->first[at] == 1 && g->edges[g->first[at]].kind == GRAMMAR_RETURN;
	}
}

static void find_borders(struct mask *m)
{
	const u8 *s = m->g.trigger;
	for (u32 i = 1, k = 0; i < n_prefix(m); i++) {
		while (k && s[k] != s[i])
			k = m->border[k - 1];
		k += s[k] == s[i];
		m->border[i] = k;
	}
}

static bool begin(struct mask *m)
{
	m->tail = calloc(m->g.h->n_states, 1);
	m->border = calloc(n_prefix(m) + 1, sizeof *m->border);
	m->walk = calloc(GRAMMAR_CONFIGS_MAX, sizeof *m->walk);
	m->found = calloc(GRAMMAR_CONFIGS_MAX, sizeof *m->found);
	if (!m->tail || !m->border || !m->walk || !m->found)
		return fail(m, "no memory for the grammar");
	find_tails(m);
	find_borders(m);
	m->trigger_id = n_prefix(m) ? tok_control(m->tok, m->g.trigger, n_prefix(m)) : LAYOUT_NONE;
	if (!nodes_grow(m) || !sets_begin(m))
		return false;
	m->now = 1;
	return n_prefix(m) || start_set(m, &m->now);
}

int mask_create(const struct mask_trie *trie, const struct tok *t, const void *data, size_t len,
	struct mask **ret, const char **ret_why)
{
	struct mask *m = calloc(1, sizeof *m);
	if (!m)
		return -ENOMEM;
	m->trie = trie;
	m->tok = t;
	m->blob = malloc(len + 1);
	int r = -ENOMEM;
	if (m->blob) {
		memcpy(m->blob, data, len);
		r = grammar_open(m->blob, len, &m->g, ret_why);
	}
	if (!r && !begin(m)) {
		*ret_why = m->why;
		r = 1;
	}
	if (!r && m->now == DEAD) {
		*ret_why = "the grammar allows nothing";
		r = 1;
	}
	if (r) {
		mask_destroy(m);
		return r;
	}
	*ret = m;
	return 0;
}

struct mask *mask_destroy(struct mask *m)
{
	if (!m)
		return NULL;
	sets_free(m);
	void *const parts[] = { m->blob, m->tail, m->border, m->node, m->node_at.slot, m->set, m->set_at.slot,
		m->pool, m->walk, m->found };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	free(m);
	return NULL;
}
