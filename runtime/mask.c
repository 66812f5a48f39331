#define _GNU_SOURCE
#include "runtime/mask_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MASKS_AT_ONCE 256u /* masks remembered; 5 MB at 150,000 tokens */

/* ---- walking ------------------------------------------------------------------------------------------------------------- */

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

static bool start_set(struct mask *m, u32 *ret)
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
		return start_set(m, ret);
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

/* The set behind byte b; LAYOUT_NONE: noted. */
static u32 step(struct mask *m, u32 set, u8 b)
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

static bool tidy(struct mask *m)
{
	m->work = 0;
	bool full = m->n_sets > GRAMMAR_SETS_MAX / 4 || m->n_nodes > GRAMMAR_NODES_MAX / 4 ||
		    m->n_masks >= MASKS_AT_ONCE || m->stamp > 0xf0000000u;
	if (!full)
		return true;
	bool ok = mask_forget(m);
	m->stamp = 0;
	return ok;
}

/* ---- what the answer asks ------------------------------------------------------------------------------------------------ */

static void set_token(const struct mask_trie *t, const struct mask_node *x, u64 *bits)
{
	if (x->token != LAYOUT_NONE)
		bits[x->token / 64] |= 1ull << x->token % 64;
	for (u32 id = x->token; x->same && id != LAYOUT_NONE; id = t->same[id])
		bits[id / 64] |= 1ull << id % 64;
}

/* Nodes from..to of a trie, whose first is reached from `set` by its last byte: those that the grammar follows. */
static bool walk_nodes(struct mask *m, const struct mask_nodes *t, u32 from, u32 to, u32 set, u64 *bits)
{
	u32 at[TOKEN_BYTES_MAX + 3];
	if (from < to)
		at[t->v[from].depth - 1] = set;
	for (u32 i = from; i < to;) {
		const struct mask_node *x = &t->v[i];
		const u32 *next = m->set[at[x->depth - 1]].next;
		u32 way = next ? next[x->byte] : MASK_UNKNOWN;
		if (way == MASK_DEAD) {
			i = x->end;
			continue;
		}
		if (way == MASK_UNKNOWN) { /* then look, and come again */
			if (step(m, at[x->depth - 1], x->byte) == LAYOUT_NONE)
				return false;
			continue;
		}
		at[x->depth] = way;
		set_token(m->trie, x, bits);
		i++;
	}
	return true;
}

/* ---- in front of the trigger ---- */

/* The node that the bytes lead to from the root; LAYOUT_NONE. */
static u32 descend(const struct mask_nodes *t, const u8 *s, u32 n)
{
	u32 at = 0, end = t->n, found = LAYOUT_NONE;
	for (u32 i = 0; i < n; i++) {
		while (at < end && t->v[at].byte != s[i])
			at = t->v[at].end;
		if (at >= end)
			return LAYOUT_NONE;
		found = at;
		end = t->v[at].end;
		at++;
	}
	return found;
}

static void clear_nodes(const struct mask *m, u32 from, u32 to, u64 *bits)
{
	const struct mask_nodes *t = &m->trie->all;
	for (u32 i = from; i < to; i++)
		for (u32 id = t->v[i].token; id != LAYOUT_NONE;
			id = t->v[i].same ? m->trie->same[id] : LAYOUT_NONE)
			bits[id / 64] &= ~(1ull << id % 64);
}

static bool says_bytes(struct mask *m, const u8 *s, size_t len, u32 set, u32 *ret)
{
	for (size_t i = 0; i < len; i++)
		if ((set = step(m, set, s[i])) == LAYOUT_NONE)
			return false;
	*ret = set;
	return true;
}

/* The whole of a token from here on. */
static bool says(struct mask *m, u32 id, u32 set, u32 *ret)
{
	size_t len;
	const u8 *s = mask_token_bytes(m->trie, m->tok, id, &len);
	return says_bytes(m, s, len, set, ret);
}

/* Everything, but what goes on behind the trigger as the grammar does not. */
static bool fill_free(struct mask *m, u64 *bits)
{
	u32 n = mask_n_prefix(m), start, at = m->now - 1;
	memset(bits, 0xff, (size_t)m->trie->n_vocab / 8);
	for (u32 id = m->trie->n_vocab & ~7u; id < m->trie->n_vocab; id++)
		bits[id / 64] |= 1ull << id % 64;
	if (!start_set(m, &start))
		return false;
	for (bool more = true; more; at = at ? m->border[at - 1] : 0) {
		u32 x = descend(&m->trie->all, m->g.trigger + at, n - at);
		more = at > 0;
		if (x == LAYOUT_NONE)
			continue;
		clear_nodes(m, x + 1, m->trie->all.v[x].end, bits);
		if (!walk_nodes(m, &m->trie->all, x + 1, m->trie->all.v[x].end, start, bits))
			return false;
	}
	for (u32 i = 0; i < m->n_inner; i++) {
		u32 id = m->inner[i], to;
		if (!says(m, id, m->now, &to))
			return false;
		if (to == MASK_DEAD)
			bits[id / 64] &= ~(1ull << id % 64);
	}
	return true;
}

/* ---- inside of the grammar ---- */

/* How many plain characters the way is good for, at least; *ret_next: the state that goes on behind the first, if it is one. */
static u32 plain_run(const struct mask *m, const struct mask_way *x, u32 *ret_next)
{
	u32 here = m->plain[x->state] & ~MASK_RETURNS;
	bool back = m->plain[x->state] & MASK_RETURNS && x->parent != LAYOUT_NONE;
	/* a character that was called for: what follows it is the caller's */
	u32 called = back ? 1 + (m->plain[m->node[x->parent].state] & ~MASK_RETURNS) : 0;
	if (x->depth + 2 >= GRAMMAR_DEPTH_MAX)
		return 0; /* a call from here may be one too deep */
	*ret_next = called > here ? m->node[x->parent].state : m->plain_to[x->state];
	return MAX(here, called);
}

static bool takes_plain(const struct mask *m, u32 state)
{
	for (u32 k = m->g.first[state]; k < m->g.first[state + 1]; k++) {
		const struct grammar_edge *e = &m->g.edges[k];
		bool mark = e->lo == e->hi && (e->lo == '"' || e->lo == '\\' || e->lo == '<');
		if (e->kind == GRAMMAR_BYTE && e->hi >= 0x20 && !mark)
			return true;
	}
	return false;
}

/* After `run` plain characters, the first of which leads to state next: is there no place for another one? */
static bool ends_there(struct mask *m, u32 run, u32 next, bool *ret)
{
	u32 set = m->now;
	*ret = false;
	for (u32 i = 1; i < run; i++)
		if (next == LAYOUT_NONE || (next = m->plain_to[next]) == LAYOUT_NONE)
			return true;
	for (u32 i = 0; i < run; i++)
		if ((set = step(m, set, 'q')) == LAYOUT_NONE)
			return false;
	for (u32 b = 0x20; b < 0xf5; b++) {
		u32 to = b == '"' || b == '\\' || b == '<' ? MASK_DEAD : step(m, set, (u8)b);
		if (to == LAYOUT_NONE)
			return false;
		if (to != MASK_DEAD)
			return true;
	}
	*ret = true;
	return true;
}

enum known { WALK_ALL, WALK_ODD, WALK_CONTROL };

/* Which tokens need not be walked through: all with text; or those that are plain, of which *ret_bits fit. */
static bool known(struct mask *m, enum known *ret, const u64 **ret_bits)
{
	const struct mask_set *s = &m->set[m->now];
	u32 run = 0, n_plain = 0, next = LAYOUT_NONE;
	*ret = WALK_ALL;
	for (u32 i = 0; i < s->n && run < MASK_PLAIN_CHARS; i++) {
		const struct mask_way *x = &m->node[m->pool[s->off + i]];
		u32 here = plain_run(m, x, &next);
		if (m->any[x->state]) {
			*ret = WALK_CONTROL;
			*ret_bits = m->trie->text;
			return true;
		}
		n_plain += here || takes_plain(m, x->state);
		run = MAX(run, here);
	}
	bool ends = run >= MASK_PLAIN_CHARS;
	if (!ends && (n_plain != 1 || run == 0))
		return true;
	if (!ends && !ends_there(m, run, next, &ends))
		return false;
	if (ends) {
		*ret = WALK_ODD;
		*ret_bits = m->trie->plain[MIN(run, MASK_PLAIN_CHARS)];
	}
	return true;
}

static bool fill_held(struct mask *m, u64 *bits)
{
	const struct mask_trie *t = m->trie;
	u32 words = DIV_UP(t->n_vocab, 64u), set = m->now;
	const u64 *fit = NULL;
	enum known how;
	if (!known(m, &how, &fit))
		return false;
	if (fit)
		memcpy(bits, fit, words * sizeof *bits);
	for (u32 i = 0; i < words && m->set[set].accept; i++)
		bits[i] |= t->ends[i];
	const struct mask_nodes *nodes = how == WALK_ODD ? &t->odd : &t->all;
	if (how != WALK_CONTROL)
		return walk_nodes(m, nodes, 0, nodes->n, set, bits);
	u32 x = descend(&t->all, (const u8[]){ GRAMMAR_CONTROL }, 1);
	return x == LAYOUT_NONE || walk_nodes(m, &t->all, x, t->all.v[x].end, set, bits);
}

static bool fill(struct mask *m, u64 *bits)
{
	return mask_is_prefix(m, m->now) ? fill_free(m, bits) : fill_held(m, bits);
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
		ok = bits ? fill(m, bits) : mask_fail(m, "no memory for the grammar");
		if (ok && none(bits, words))
			ok = mask_fail(m, "no token of the vocabulary fits the grammar here");
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
	u32 to = m->now;
	bool ok = tidy(m) && says(m, id, m->now, &to);
	m->now = ok ? to : m->now;
	if (ok && m->now == MASK_DEAD)
		ok = mask_fail(m, "a token was chosen that does not fit the grammar");
	if (!ok) {
		*ret_why = m->why;
		return 1;
	}
	*ret_over = !mask_is_prefix(m, m->now) && m->set[m->now].n == 0;
	return 0;
}

int mask_push_bytes(
	struct mask *m, const u8 *bytes, size_t len, bool *ret_fits, bool *ret_over, const char **ret_why)
{
	u32 to = m->now;
	if (!tidy(m) || !says_bytes(m, bytes, len, m->now, &to)) {
		*ret_why = m->why;
		return 1;
	}
	*ret_fits = to != MASK_DEAD;
	m->now = *ret_fits ? to : m->now;
	*ret_over = !mask_is_prefix(m, m->now) && m->set[m->now].n == 0;
	return 0;
}

int mask_again(struct mask *m, const char **ret_why)
{
	bool ok = tidy(m);
	if (ok && mask_n_prefix(m))
		m->now = 1;
	else if (ok)
		ok = start_set(m, &m->now);
	if (!ok)
		*ret_why = m->why;
	return ok ? 0 : 1;
}

bool mask_waits(const struct mask *m)
{
	return mask_is_prefix(m, m->now);
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
	for (u32 i = 1, k = 0; i < mask_n_prefix(m); i++) {
		while (k && s[k] != s[i])
			k = m->border[k - 1];
		k += s[k] == s[i];
		m->border[i] = k;
	}
}

/* Tokens that hold the whole trigger behind their first byte: once for a request. */
static bool find_inner(struct mask *m)
{
	u32 n = mask_n_prefix(m), cap = 0;
	for (u32 id = 0; n && id < m->trie->n_vocab; id++) {
		size_t len;
		const u8 *s = mask_token_bytes(m->trie, m->tok, id, &len);
		if (len <= n || !memmem(s + 1, len - 1, m->g.trigger, n))
			continue;
		if (m->n_inner == cap) {
			u32 *p = realloc(m->inner, (cap = 2 * cap + 16) * sizeof *p);
			if (!p)
				return mask_fail(m, "no memory for the grammar");
			m->inner = p;
		}
		m->inner[m->n_inner++] = id;
	}
	return true;
}

static bool begin(struct mask *m)
{
	u32 n = m->g.h->n_states;
	m->tail = calloc(n, 1);
	m->plain = calloc(n, 1);
	m->any = calloc(n, 1);
	m->plain_to = calloc(n, sizeof *m->plain_to);
	m->border = calloc(mask_n_prefix(m) + 1, sizeof *m->border);
	m->walk = calloc(GRAMMAR_CONFIGS_MAX, sizeof *m->walk);
	m->found = calloc(GRAMMAR_CONFIGS_MAX, sizeof *m->found);
	if (!m->tail || !m->plain || !m->plain_to || !m->any || !m->border || !m->walk || !m->found ||
		mask_plain_find(&m->g, m->plain, m->any, m->plain_to))
		return mask_fail(m, "no memory for the grammar");
	find_tails(m);
	find_borders(m);
	if (!find_inner(m) || !mask_sets_begin(m))
		return false;
	m->now = 1;
	return mask_n_prefix(m) || start_set(m, &m->now);
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
	if (!r && m->now == MASK_DEAD) {
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
	mask_sets_free(m);
	void *const parts[] = { m->blob, m->tail, m->plain, m->plain_to, m->any, m->inner, m->border, m->node,
		m->node_at.slot, m->set, m->set_at.slot, m->pool, m->walk, m->found };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	free(m);
	return NULL;
}
