/* What several networks hold at once, followed side by side. A place is the set of states that a text has led to, in all sides together
 * (their states are different ones), and how many characters it has; equal places are one. */
#include "chat/grammar_texts.h"

#include <stdlib.h>
#include <string.h>

void chat_texts_init(struct chat_texts *t, struct chat_run *r)
{
	*t = (struct chat_texts){ .nfa = { .r = r, .flat = true }, .max = CHAT_GB_NO_MAX };
}

bool chat_texts_begin(struct chat_texts *t, bool not, const char *where)
{
	if (t->n == CHAT_SIDES_MAX)
		return chat_gb_fail(&t->nfa, where, "more than %u things that hold one text", CHAT_SIDES_MAX);
	u32 start = chat_gb_state(&t->nfa);
	t->side[t->n] = (struct chat_side){ .first = start, .start = start, .not = not };
	return chat_gb_ok(&t->nfa);
}

void chat_texts_end(struct chat_texts *t, u32 to)
{
	chat_gb_return(&t->nfa, to);
	t->side[t->n++].end = t->nfa.n_states;
}

bool chat_texts_but(struct chat_texts *t, const struct chat_dict *keys, const char *where)
{
	if (keys->n == 0)
		return true;
	if (!chat_texts_begin(t, true, where))
		return false;
	u32 to = chat_gb_state(&t->nfa);
	for (u32 i = 0; i < keys->n; i++) {
		struct chat_str s = keys->kv[2 * i].s;
		chat_gb_skip(&t->nfa, chat_gb_text(&t->nfa, t->side[t->n].start, s.p, s.len), to);
	}
	chat_texts_end(t, to);
	return chat_gb_ok(&t->nfa);
}

/* ---- sets of states ------------------------------------------------------------------------------------------------------ */

struct set {
	u32 *v;
	u32 n;
};

struct place {
	u32 off, n;  /* its states: pool[off .. off + n) */
	u32 chars;   /* of the text so far, as far as it matters */
	u32 state;   /* of the grammar that is made */
	u32 next;    /* with the same hash; LAYOUT_NONE */
	bool is_end; /* the text may end here */
};

#define NO_PLACE 0xffffffffu
#define BUCKETS	 4096u

struct walk {
	struct chat_texts *t;
	struct chat_run *r;
	u32 *first, *edge; /* the edges of state s are edge[first[s] .. first[s + 1]) */
	u32 *seen, stamp;  /* states of the set that is made bear the stamp */
	struct set now;
	u32 *pool, n_pool, cap_pool;
	struct place *place;
	u32 n, cap;
	u32 bucket[BUCKETS];
};

static bool sort_edges(struct walk *w)
{
	const struct chat_gb *b = &w->t->nfa;
	w->first = chat_alloc(w->r, (b->n_states + 2) * sizeof(u32));
	w->edge = chat_alloc(w->r, (b->n_edges + 1) * sizeof(u32));
	w->seen = chat_alloc(w->r, (b->n_states + 1) * sizeof(u32));
	w->now.v = chat_alloc(w->r, (b->n_states + 1) * sizeof(u32));
	if (!w->first || !w->edge || !w->seen || !w->now.v)
		return false;
	for (u32 i = 0; i < b->n_edges; i++)
		w->first[b->from[i] + 2]++;
	for (u32 s = 0; s < b->n_states; s++)
		w->first[s + 2] += w->first[s + 1];
	for (u32 i = 0; i < b->n_edges; i++)
		w->edge[w->first[b->from[i] + 1]++] = i;
	return true;
}

static bool walk_init(struct walk *w, struct chat_texts *t)
{
	*w = (struct walk){ .t = t, .r = t->nfa.r };
	memset(w->bucket, 0xff, sizeof w->bucket);
	return chat_gb_ok(&t->nfa) && sort_edges(w);
}

static const struct grammar_edge *edge_at(const struct walk *w, u32 i)
{
	return &w->t->nfa.edge[w->edge[i]];
}

/* The set that is made is empty, and states are put into it. */
static void set_begin(struct walk *w)
{
	w->now.n = 0;
	w->stamp++;
}

static void set_add(struct walk *w, u32 s)
{
	if (w->seen[s] == w->stamp)
		return;
	w->seen[s] = w->stamp;
	w->now.v[w->now.n++] = s;
}

static int by_number(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	return x < y ? -1 : x > y;
}

/* What is reached without a byte joins; states that only lead on without one are left out; in order. */
static bool set_close(struct walk *w)
{
	u32 n = 0;
	for (u32 i = 0; i < w->now.n; i++) {
		u32 s = w->now.v[i];
		bool counts = false;
		if (!chat_charge(w->r, 16 * (w->first[s + 1] - w->first[s])))
			return false;
		for (u32 k = w->first[s]; k < w->first[s + 1]; k++) {
			const struct grammar_edge *e = edge_at(w, k);
			counts = counts || e->kind != GRAMMAR_NOTHING;
			if (e->kind == GRAMMAR_NOTHING)
				set_add(w, e->to);
		}
		if (counts)
			w->now.v[n++] = s;
	}
	w->now.n = n;
	qsort(w->now.v, n, sizeof(u32), by_number);
	return true;
}

static bool ends_at(const struct walk *w, u32 s)
{
	for (u32 k = w->first[s]; k < w->first[s + 1]; k++)
		if (edge_at(w, k)->kind == GRAMMAR_RETURN)
			return true;
	return false;
}

/* Of the sides: is one that must hold out of states (then no text from here on fits)? May the text end here? */
static bool judge(const struct walk *w, const u32 *v, u32 n, bool *ret_end)
{
	u32 at = 0;
	*ret_end = true;
	for (u32 i = 0; i < w->t->n; i++) {
		const struct chat_side *side = &w->t->side[i];
		bool any = false, end = false;
		for (; at < n && v[at] < side->end; at++) {
			any = true;
			end = end || ends_at(w, v[at]);
		}
		if (!any && !side->not )
			return false;
		*ret_end = *ret_end && end != side->not ;
	}
	return true;
}

static bool set_start(struct walk *w)
{
	set_begin(w);
	for (u32 i = 0; i < w->t->n; i++)
		set_add(w, w->t->side[i].start);
	return set_close(w);
}

/* From a set over one byte. */
static bool set_step(struct walk *w, const u32 *v, u32 n, u8 byte)
{
	set_begin(w);
	for (u32 i = 0; i < n; i++)
		for (u32 k = w->first[v[i]]; k < w->first[v[i] + 1]; k++) {
			const struct grammar_edge *e = edge_at(w, k);
			if (e->kind == GRAMMAR_BYTE && e->lo <= byte && byte <= e->hi)
				set_add(w, e->to);
		}
	return set_close(w);
}

/* ---- does one text fit? -------------------------------------------------------------------------------------------------- */

bool chat_texts_fit(struct chat_texts *t, struct chat_str text)
{
	struct walk w;
	bool end = false, alive = true;
	u32 chars = 0;
	if (!walk_init(&w, t) || !set_start(&w))
		return false;
	u32 *v = chat_alloc(w.r, (t->nfa.n_states + 1) * sizeof *v);
	for (u32 i = 0; v && i < text.len; i++) {
		u32 n = w.now.n;
		memcpy(v, w.now.v, n * sizeof *v);
		chars += ((u8)text.p[i] & 0xc0) != 0x80;
		if (!set_step(&w, v, n, (u8)text.p[i]))
			return false;
	}
	alive = v && judge(&w, w.now.v, w.now.n, &end);
	return alive && end && chars >= t->min && chars <= t->max;
}

/* ---- how long are the texts of one side? --------------------------------------------------------------------------------- */

static bool is_char(const struct grammar_edge *e)
{
	return e->kind == GRAMMAR_BYTE && (e->lo < 0x80 || e->lo >= 0xc0);
}

/* Everything that is reached with no further character: the rest of one that has begun belongs to it. */
static bool close_chars(struct walk *w, bool *ret_end)
{
	*ret_end = false;
	for (u32 i = 0; i < w->now.n; i++) {
		u32 s = w->now.v[i];
		if (!chat_charge(w->r, 16 * (w->first[s + 1] - w->first[s])))
			return false;
		for (u32 k = w->first[s]; k < w->first[s + 1]; k++) {
			const struct grammar_edge *e = edge_at(w, k);
			*ret_end = *ret_end || e->kind == GRAMMAR_RETURN;
			if (e->kind != GRAMMAR_RETURN && !is_char(e))
				set_add(w, e->to);
		}
	}
	return true;
}

bool chat_texts_length_holds(struct chat_texts *t, u32 i)
{
	struct walk w;
	u32 rounds = t->max == CHAT_GB_NO_MAX ? t->min : t->max + 1;
	if (!walk_init(&w, t))
		return false;
	u32 *v = chat_alloc(w.r, (t->nfa.n_states + 1) * sizeof *v);
	set_begin(&w);
	set_add(&w, t->side[i].start);
	for (u32 chars = 0; v && chars <= rounds; chars++) {
		bool end;
		if (!close_chars(&w, &end) || (end && (chars < t->min || chars > t->max)))
			return false;
		if (chars > t->max && w.now.n)
			return false; /* it goes on */
		u32 n = w.now.n;
		memcpy(v, w.now.v, n * sizeof *v);
		set_begin(&w);
		for (u32 a = 0; a < n; a++)
			for (u32 k = w.first[v[a]]; k < w.first[v[a] + 1]; k++)
				if (is_char(edge_at(&w, k)))
					set_add(&w, edge_at(&w, k)->to);
	}
	return v != NULL;
}

/* ---- all texts ----------------------------------------------------------------------------------------------------------- */

static u32 hash_of(const u32 *v, u32 n, u32 chars)
{
	u32 h = 2166136261u ^ chars;
	for (u32 i = 0; i < n; i++)
		h = (h ^ v[i]) * 16777619u;
	return (h ^ h >> 15) % BUCKETS;
}

/* Room for n more of size bytes each, in memory that is given back with the run. */
static bool grow(struct chat_run *r, void **v, u32 *cap, u32 n, u32 more, size_t size)
{
	if (more <= *cap - n)
		return true;
	u32 to = MAX(2 * *cap, n + more + 256);
	void *p = chat_alloc(r, to * size);
	if (!p)
		return false;
	if (n)
		memcpy(p, *v, n * size);
	*v = p;
	*cap = to;
	return true;
}

/* The place of the set that was made; NO_PLACE: noted. */
static u32 place_of(struct walk *w, struct chat_gb *b, u32 chars, bool is_end, const char *where)
{
	u32 h = hash_of(w->now.v, w->now.n, chars), i = w->bucket[h];
	for (; i != NO_PLACE; i = w->place[i].next) {
		const struct place *p = &w->place[i];
		if (p->n == w->now.n && p->chars == chars &&
			!memcmp(w->pool + p->off, w->now.v, p->n * sizeof(u32)))
			return i;
	}
	if (w->n == GRAMMAR_TEXTS_MAX) {
		chat_gb_fail(b, where,
			"patterns, formats and lengths that hold one text together need more than %u states",
			GRAMMAR_TEXTS_MAX);
		return NO_PLACE;
	}
	if (!grow(w->r, (void **)&w->place, &w->cap, w->n, 1, sizeof *w->place) ||
		!grow(w->r, (void **)&w->pool, &w->cap_pool, w->n_pool, w->now.n, sizeof(u32)))
		return NO_PLACE;
	memcpy(w->pool + w->n_pool, w->now.v, w->now.n * sizeof(u32));
	w->place[w->n] = (struct place){ w->n_pool, w->now.n, chars, chat_gb_state(b), w->bucket[h], is_end };
	w->n_pool += w->now.n;
	w->bucket[h] = w->n;
	return w->n++;
}

/* Where the bytes that lead from a place to the same set begin. */
static void cuts(const struct walk *w, const struct place *p, bool cut[257])
{
	memset(cut, 0, 257 * sizeof *cut);
	cut[1] = cut[0x80] = cut[0xc0] = cut[256] = true;
	for (u32 i = 0; i < p->n; i++) {
		u32 s = w->pool[p->off + i];
		for (u32 k = w->first[s]; k < w->first[s + 1]; k++) {
			const struct grammar_edge *e = edge_at(w, k);
			if (e->kind == GRAMMAR_BYTE)
				cut[e->lo] = cut[e->hi + 1] = true;
		}
	}
}

static bool go_on(struct walk *w, struct chat_gb *b, u32 at, const char *where)
{
	bool cut[257], end;
	cuts(w, &w->place[at], cut);
	for (u32 lo = 1, hi; lo < 256 && chat_gb_ok(b); lo = hi + 1) {
		struct place p = w->place[at];
		for (hi = lo; !cut[hi + 1];)
			hi++;
		u32 chars = p.chars + (lo < 0x80 || lo >= 0xc0);
		if (w->t->max == CHAT_GB_NO_MAX)
			chars = MIN(chars, w->t->min);
		if (chars > w->t->max)
			continue;
		if (!set_step(w, w->pool + p.off, p.n, (u8)lo))
			return false;
		if (!judge(w, w->now.v, w->now.n, &end))
			continue;
		u32 to = place_of(w, b, chars, end, where);
		if (to == NO_PLACE)
			return false;
		chat_gb_string_bytes(b, p.state, (u8)lo, (u8)hi, w->place[to].state);
	}
	return chat_gb_ok(b);
}

/* Where nothing says what the text is, only what it is not: any. */
static bool any_where_none(struct chat_texts *t, const char *where)
{
	for (u32 i = 0; i < t->n; i++)
		if (!t->side[i].not )
			return true;
	return chat_texts_pattern(t, CHAT_S("^[^]*$"), false, where);
}

u32 chat_texts_put(struct chat_gb *b, u32 from, struct chat_texts *t, const char *where)
{
	struct walk w;
	u32 to = chat_gb_state(b);
	bool end = false;
	if (!any_where_none(t, where) || !walk_init(&w, t) || !set_start(&w) ||
		!judge(&w, w.now.v, w.now.n, &end) || place_of(&w, b, 0, end, where) == NO_PLACE)
		return to;
	chat_gb_skip(b, from, w.place[0].state);
	for (u32 i = 0; i < w.n && go_on(&w, b, i, where); i++)
		if (w.place[i].is_end && w.place[i].chars >= t->min)
			chat_gb_skip(b, w.place[i].state, to);
	return to;
}
