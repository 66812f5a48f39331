#define _GNU_SOURCE
#include "runtime/mask_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MASKS_AT_ONCE 256u /* masks remembered; 5 MB at 150,000 tokens */

static bool tidy(struct mask *m)
{
	m->work = m->look_work = 0;
	bool full = m->n_sets > GRAMMAR_SETS_MAX / 4 || m->n_nodes > GRAMMAR_NODES_MAX / 4 ||
		    m->n_masks >= MASKS_AT_ONCE || m->stamp > 0xf0000000u;
	if (!full)
		return true;
	bool ok = mask_forget(m);
	m->stamp = 0;
	return ok;
}

/* ---- what the answer asks ------------------------------------------------------------------------------------------------ */

static void set_tokens(const u32 *id, u32 n, u64 *bits)
{
	for (u32 i = 0; i < n; i++)
		bits[id[i] / 64] |= 1ull << id[i] % 64;
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
			if (mask_step(m, at[x->depth - 1], x->byte) == LAYOUT_NONE)
				return false;
			continue;
		}
		at[x->depth] = way;
		const struct mask_below *below = x->below == LAYOUT_NONE ? NULL : &t->below[x->below];
		u32 last = below && mask_chars_fit(m, way, below->chars, below->most) ? x->end : i + 1;
		set_tokens(t->id + x->first, t->v[last].first - x->first, bits);
		i = last;
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

static bool says_bytes(struct mask *m, const u8 *s, size_t len, u32 set, u32 *ret)
{
	for (size_t i = 0; i < len; i++)
		if ((set = mask_step(m, set, s[i])) == LAYOUT_NONE)
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

/* Tokens that begin with these bytes, the end of the trigger: what stands behind it must fit from `start` on. */
static bool fill_behind(struct mask *m, const u8 *bytes, u32 n, u32 start, u64 *bits)
{
	for (u32 i = 0; i < MASK_PARTS; i++) {
		const struct mask_nodes *t = &m->trie->part[i];
		u32 x = descend(t, bytes, n);
		if (x == LAYOUT_NONE)
			continue;
		for (u32 k = t->v[x + 1].first; k < t->v[t->v[x].end].first; k++)
			bits[t->id[k] / 64] &= ~(1ull << t->id[k] % 64);
		if (!walk_nodes(m, t, x + 1, t->v[x].end, start, bits))
			return false;
	}
	return true;
}

/* Everything, but what goes on behind the trigger as the grammar does not. */
static bool fill_free(struct mask *m, u64 *bits)
{
	u32 n = mask_n_prefix(m), start, at = m->now - 1;
	memset(bits, 0xff, (size_t)m->trie->n_vocab / 8);
	for (u32 id = m->trie->n_vocab & ~7u; id < m->trie->n_vocab; id++)
		bits[id / 64] |= 1ull << id % 64;
	if (!mask_start_set(m, &start))
		return false;
	for (bool more = true; more; at = at ? m->border[at - 1] : 0) {
		more = at > 0;
		if (!fill_behind(m, m->g.trigger + at, n - at, start, bits))
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

static bool takes_any(const struct mask *m, u32 set)
{
	const struct mask_set *s = &m->set[set];
	for (u32 i = 0; i < s->n; i++)
		if (m->any[m->node[m->pool[s->off + i]].state])
			return true;
	return false;
}

/* Parts of the trie whose tokens are known without walking: *ret_bits are those that fit, *ret_part the first that is not known. */
static bool known(struct mask *m, const u64 **ret_bits, u32 *ret_part)
{
	u32 n;
	bool all;
	if (!mask_chars_run(m, m->now, mask_chars_plain, &n, &all))
		return false;
	*ret_bits = m->trie->plain[n];
	*ret_part = MASK_ODD;
	if (all)
		return true;
	if (!mask_chars_run(m, m->now, mask_chars_words, &n, &all))
		return false;
	*ret_bits = m->trie->words[all ? n : 0];
	*ret_part = all ? MASK_OTHERS : MASK_WORDS;
	return true;
}

static bool fill_any(struct mask *m, u64 *bits)
{
	const struct mask_nodes *odd = &m->trie->part[MASK_ODD];
	memcpy(bits, m->trie->text, DIV_UP(m->trie->n_vocab, 64u) * sizeof *bits);
	u32 x = descend(odd, (const u8[]){ GRAMMAR_CONTROL }, 1); /* what is left are control tokens */
	return x == LAYOUT_NONE || walk_nodes(m, odd, x, odd->v[x].end, m->now, bits);
}

static bool fill_held(struct mask *m, u64 *bits)
{
	const struct mask_trie *t = m->trie;
	u32 words = DIV_UP(t->n_vocab, 64u), part = MASK_PARTS;
	const u64 *fit;
	bool any = takes_any(m, m->now), ok = any ? fill_any(m, bits) : known(m, &fit, &part);
	if (ok && !any)
		memcpy(bits, fit, words * sizeof *bits);
	for (u32 i = 0; i < words && m->set[m->now].accept; i++)
		bits[i] |= t->ends[i];
	for (; ok && part < MASK_PARTS; part++)
		ok = walk_nodes(m, &t->part[part], 0, t->part[part].n, m->now, bits);
	return ok;
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
		ok = mask_start_set(m, &m->now);
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
	m->any = calloc(n, 1);
	m->border = calloc(mask_n_prefix(m) + 1, sizeof *m->border);
	m->walk = calloc(GRAMMAR_CONFIGS_MAX, sizeof *m->walk);
	m->found = calloc(GRAMMAR_CONFIGS_MAX, sizeof *m->found);
	if (!m->tail || !m->any || !m->border || !m->walk || !m->found)
		return mask_fail(m, "no memory for the grammar");
	mask_any_find(&m->g, m->any);
	find_tails(m);
	find_borders(m);
	if (!find_inner(m) || !mask_sets_begin(m))
		return false;
	m->now = 1;
	return mask_n_prefix(m) || mask_start_set(m, &m->now);
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
	void *const parts[] = { m->blob, m->tail, m->any, m->inner, m->border, m->node, m->node_at.slot,
		m->set, m->set_at.slot, m->pool, m->walk, m->found };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	free(m);
	return NULL;
}
