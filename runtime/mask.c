#define _GNU_SOURCE
#include "runtime/mask_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_BUT_MAX 40 /* characters that tokens are to be without */

static bool tidy(struct mask *m)
{
	m->work = m->look_work = 0;
	return !mask_full(m) || mask_forget(m);
}

/* ---- what the answer asks ------------------------------------------------------------------------------------------------ */

static void set_tokens(const u32 *id, u32 n, u64 *bits)
{
	for (u32 i = 0; i < n; i++)
		bits[id[i] / 64] |= 1ull << id[i] % 64;
}

/* Nodes of a part of the trie, whose first is reached from `set` by its last byte: those that the grammar follows. Short tokens go among
 * sets that stand for others. */
static bool walk_nodes(struct mask *m, enum mask_part part, u32 from, u32 to, u32 set, u64 *bits)
{
	const struct mask_nodes *t = &m->trie->part[part];
	u32 at[TOKEN_BYTES_MAX + 3];
	bool like = part != MASK_LONG;
	if (from >= to)
		return true;
	if (like && !mask_like(m, set, &set))
		return false;
	at[t->v[from].depth - 1] = set;
	for (u32 i = from; i < to;) {
		const struct mask_node *x = &t->v[i];
		const struct mask_set *s = &m->set[at[x->depth - 1]];
		const u16 *next = like ? s->next_like : s->next;
		u32 way = next ? next[x->byte] : MASK_NOWHERE;
		if (way == MASK_DEAD) {
			i = x->end;
			continue;
		}
		if (way == MASK_NOWHERE) { /* then look, and come again */
			u32 (*step)(struct mask *, u32, u8) = like ? mask_step_like : mask_step;
			if (step(m, at[x->depth - 1], x->byte) == LAYOUT_NONE)
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
		if (!walk_nodes(m, i, x + 1, t->v[x].end, start, bits))
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

/* Those of `fit` that hold none of these characters. false: they are so many that walking costs less, for few are left to go on with. */
static bool set_known(struct mask *m, const u64 *fit, struct mask_chars but, u64 *bits)
{
	if (__builtin_popcountll(but.v[0]) + __builtin_popcountll(but.v[1]) > KNOWN_BUT_MAX)
		return false;
	memcpy(bits, fit, m->words * sizeof *bits);
	for (u32 c = 0; c < 128; c++)
		for (u32 i = 0; but.v[c / 64] >> c % 64 & 1 && i < m->words; i++)
			bits[i] &= ~m->trie->with[c][i];
	return true;
}

/* Parts of the trie whose short tokens are known without walking: those that fit are set; the first part that is not known. */
static enum mask_part known(struct mask *m, u32 set, u64 *bits)
{
	struct mask_chars but;
	u32 n;
	bool words = mask_chars_known(m, set, mask_chars_words, &n, &but) &&
		     set_known(m, m->trie->words[n], but, bits);
	bool plain = mask_chars_known(m, set, mask_chars_plain, &n, &but);
	if (plain && words && mask_chars_within(mask_chars_plain, but, mask_chars_words))
		return MASK_ODD; /* each of the others holds one that does not fit */
	if (plain && set_known(m, m->trie->plain[n], but, bits))
		return MASK_ODD;
	return words ? MASK_OTHERS : MASK_WORDS;
}

/* The control tokens of a part: where any text may follow, they are what is left. */
static bool fill_controls(struct mask *m, enum mask_part part, u32 set, u64 *bits)
{
	const struct mask_nodes *t = &m->trie->part[part];
	u32 x = descend(t, (const u8[]){ GRAMMAR_CONTROL }, 1);
	return x == LAYOUT_NONE || walk_nodes(m, part, x, t->v[x].end, set, bits);
}

/* The short tokens behind a set that stands for others. */
static bool fill_short(struct mask *m, u32 set, u64 *bits)
{
	const struct mask_trie *t = m->trie;
	bool any = takes_any(m, set), ok = true;
	if (any)
		memcpy(bits, t->text, m->words * sizeof *bits);
	u32 part = any ? MASK_LONG : known(m, set, bits);
	for (u32 i = 0; i < m->words && m->set[set].accept; i++)
		bits[i] |= t->ends[i];
	for (; ok && part < MASK_LONG; part++)
		ok = walk_nodes(m, part, 0, t->part[part].n, set, bits);
	return ok && any ? fill_controls(m, MASK_ODD, set, bits) : ok;
}

/* The long ones. */
static bool fill_long(struct mask *m, u64 *bits)
{
	const struct mask_trie *t = m->trie;
	bool any = takes_any(m, m->now);
	memset(bits, 0, m->words * sizeof *bits);
	if (!any)
		return walk_nodes(m, MASK_LONG, 0, t->part[MASK_LONG].n, m->now, bits);
	memcpy(bits, t->long_text, m->words * sizeof *bits);
	return fill_controls(m, MASK_LONG, m->now, bits);
}

static bool none(const u64 *bits, u32 words)
{
	u64 any = 0;
	for (u32 i = 0; i < words; i++)
		any |= bits[i];
	return any == 0;
}

static bool fill_held(struct mask *m, u64 **ret)
{
	u32 like;
	if (!mask_like(m, m->now, &like))
		return false;
	if (!m->set[like].some) {
		u64 *bits = mask_bits(m);
		if (!fill_short(m, like, bits))
			return false;
		m->set[like].some = bits;
		m->stats.masks_made++;
	}
	*ret = m->set[like].some;
	if (!fill_long(m, m->longer))
		return false;
	if (none(m->longer, m->words))
		return true;
	u64 *bits = mask_bits(m);
	for (u32 i = 0; i < m->words; i++)
		bits[i] = m->set[like].some[i] | m->longer[i];
	*ret = bits;
	return true;
}

static bool fill(struct mask *m)
{
	u64 *bits;
	if (mask_is_prefix(m, m->now)) {
		bits = mask_bits(m);
		m->stats.masks_made++;
		if (!fill_free(m, bits))
			return false;
	} else if (!fill_held(m, &bits)) {
		return false;
	}
	if (none(bits, m->words))
		return mask_fail(m, "no token of the vocabulary fits the grammar here");
	m->set[m->now].bits = bits;
	return true;
}

int mask_allowed(struct mask *m, const u64 **ret_bits, const char **ret_why)
{
	u64 made = m->stats.masks_made;
	if (!m->set[m->now].bits && (!tidy(m) || !fill(m))) {
		*ret_why = m->why;
		return 1;
	}
	m->stats.masks_found += made == m->stats.masks_made;
	*ret_bits = m->set[m->now].bits;
	return 0;
}

/* One more of the tokens. What is remembered stays, or the place that was left would be lost with it. */
static bool go_ahead(struct mask *m, u32 id)
{
	const u64 *bits = m->set[m->now].bits;
	u32 to;
	if (!bits || !(bits[id / 64] >> id % 64 & 1) || tok_ends(m->tok, id) || mask_full(m))
		return false;
	m->work = m->look_work = 0;
	if (!says(m, id, m->now, &to) || to == MASK_DEAD || mask_full(m))
		return false;
	m->now = to;
	return true;
}

void mask_ahead(struct mask *m, const u32 *ids, u32 n)
{
	const u64 *bits;
	const char *why;
	bool ok = mask_allowed(m, &bits, &why) == 0;
	u32 here = m->now; /* no sooner, for that may have forgotten the rest */
	for (u32 i = 0; ok && i < n; i++)
		ok = go_ahead(m, ids[i]) && mask_allowed(m, &bits, &why) == 0;
	m->now = here;
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
	m->like = calloc(n, sizeof *m->like);
	m->words = DIV_UP(m->trie->n_vocab, 64u);
	if (!m->tail || !m->any || !m->border || !m->like)
		return mask_fail(m, "no memory for the grammar");
	mask_any_find(&m->g, m->any);
	find_tails(m);
	find_borders(m);
	if (mask_alike_find(&m->g, m->tail, MASK_SHORT_BYTES, m->like))
		return mask_fail(m, "no memory for the grammar");
	if (!find_inner(m) || !mask_sets_create(m))
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
	mask_sets_destroy(m);
	void *const parts[] = { m->blob, m->tail, m->any, m->inner, m->border, m->like };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	free(m);
	return NULL;
}
