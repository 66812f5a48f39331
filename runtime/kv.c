#include "runtime/kv.h"
#include "base/err.h"
#include "shaders/attention.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void list_add(struct kv_pool *p, struct kv_list *l, u32 i)
{
	struct kv_page *g = &p->pages[i];
	g->prev = l->tail;
	g->next = KV_NO_PAGE;
	if (l->tail != KV_NO_PAGE)
		p->pages[l->tail].next = i;
	else
		l->head = i;
	l->tail = i;
	l->n++;
}

static void list_remove(struct kv_pool *p, struct kv_list *l, u32 i)
{
	struct kv_page *g = &p->pages[i];
	if (g->prev != KV_NO_PAGE)
		p->pages[g->prev].next = g->next;
	else
		l->head = g->next;
	if (g->next != KV_NO_PAGE)
		p->pages[g->next].prev = g->prev;
	else
		l->tail = g->prev;
	l->n--;
}

int kv_pool_create(u32 n_pages, struct kv_pool *ret)
{
	struct kv_list empty = { KV_NO_PAGE, KV_NO_PAGE, 0 };
	struct kv_pool p = { .n_pages = n_pages, .n_buckets = n_pages * 2, .free = empty, .idle = empty };
	p.pages = calloc(n_pages, sizeof *p.pages);
	p.buckets = malloc(p.n_buckets * sizeof *p.buckets);
	p.scrub = calloc(n_pages, sizeof *p.scrub);
	if (!p.pages || !p.buckets || !p.scrub) {
		kv_pool_fini(&p);
		return err_origin(-ENOMEM);
	}
	memset(p.buckets, 0xff, p.n_buckets * sizeof *p.buckets);
	for (u32 i = 0; i < n_pages; i++)
		list_add(&p, &p.free, i);
	*ret = p;
	return 0;
}

void kv_pool_fini(struct kv_pool *p)
{
	free(p->pages);
	free(p->buckets);
	free(p->scrub);
	*p = (struct kv_pool){ 0 };
}

void kv_scrubbed(struct kv_pool *p)
{
	for (u32 i = 0; i < p->n_scrub; i++)
		p->pages[p->scrub[i]].dirty = false;
	p->n_scrub = 0;
}

u32 kv_pool_available(const struct kv_pool *p)
{
	return p->free.n + p->idle.n;
}

/* ---- the chain of ids ------------------------------------------------------------------------------------------------- */

static void chain_start(u64 principal, u8 chain[SHA256_BYTES])
{
	sha256_of(&principal, sizeof principal, chain);
}

static void chain_next(u8 chain[SHA256_BYTES], const u32 *ids)
{
	struct {
		u8 before[SHA256_BYTES];
		u32 ids[RT_KV_PAGE];
	} link;
	memcpy(link.before, chain, SHA256_BYTES);
	memcpy(link.ids, ids, sizeof link.ids);
	sha256_of(&link, sizeof link, chain);
}

static u32 *bucket_of(const struct kv_pool *p, const u8 chain[SHA256_BYTES])
{
	u32 h;
	memcpy(&h, chain, sizeof h);
	return &p->buckets[h % p->n_buckets];
}

static u32 find(const struct kv_pool *p, const u8 chain[SHA256_BYTES])
{
	u32 i = *bucket_of(p, chain);
	while (i != KV_NO_PAGE && memcmp(p->pages[i].chain, chain, SHA256_BYTES) != 0)
		i = p->pages[i].next_bucket;
	return i;
}

/* Make a page findable, unless it or its like is. */
static void publish(struct kv_pool *p, u32 i, const u8 chain[SHA256_BYTES])
{
	struct kv_page *g = &p->pages[i];
	u32 *bucket = bucket_of(p, chain);
	if (g->cached || find(p, chain) != KV_NO_PAGE)
		return;
	memcpy(g->chain, chain, SHA256_BYTES);
	g->cached = true;
	g->next_bucket = *bucket;
	*bucket = i;
}

static void forget(struct kv_pool *p, u32 i)
{
	u32 *at = bucket_of(p, p->pages[i].chain);
	while (*at != i)
		at = &p->pages[*at].next_bucket;
	*at = p->pages[i].next_bucket;
	p->pages[i].cached = false;
}

/* ---- take and give ---------------------------------------------------------------------------------------------------- */

u32 kv_find(const struct kv_pool *p, const struct kv_want *w, u32 *pages)
{
	u8 chain[SHA256_BYTES];
	u32 n = 0, most = w->n_ids ? MIN((w->n_ids - 1) / RT_KV_PAGE, w->n_pages) : 0;
	most = w->most ? MIN(most, w->most) : most;
	chain_start(w->principal, chain);
	while (w->reuse && n < most) {
		chain_next(chain, w->ids + (size_t)n * RT_KV_PAGE);
		u32 i = find(p, chain);
		if (i == KV_NO_PAGE)
			break;
		assert(p->pages[i].principal == w->principal);
		pages[n++] = i;
	}
	return n;
}

static void hold(struct kv_pool *p, u32 i)
{
	if (p->pages[i].refs++ == 0)
		list_remove(p, &p->idle, i);
}

/* A page that nobody uses: first one that nobody can find, then the one that was last useful longest ago. */
static u32 take_one(struct kv_pool *p, u64 principal)
{
	u32 i = p->free.head;
	if (i != KV_NO_PAGE) {
		list_remove(p, &p->free, i);
	} else {
		i = p->idle.head;
		list_remove(p, &p->idle, i);
		forget(p, i);
	}
	struct kv_page *g = &p->pages[i];
	if (g->owned && g->principal != principal && !g->dirty) {
		g->dirty = true;
		p->scrub[p->n_scrub++] = i;
	}
	g->owned = true;
	g->principal = principal;
	g->refs = 1;
	return i;
}

int kv_take(struct kv_pool *p, const struct kv_want *w, u32 *pages, u32 *ret_cached)
{
	u32 cached = kv_find(p, w, pages), idle = 0;
	for (u32 i = 0; i < cached; i++)
		idle += p->pages[pages[i]].refs == 0;
	if (w->n_pages - cached > kv_pool_available(p) - idle)
		return 1;
	for (u32 i = 0; i < cached; i++)
		hold(p, pages[i]);
	for (u32 i = cached; i < w->n_pages; i++)
		pages[i] = take_one(p, w->principal);
	*ret_cached = cached;
	return 0;
}

int kv_grow(struct kv_pool *p, u64 principal, u32 n, u32 leave, u32 *ret_pages)
{
	if ((u64)n + leave > kv_pool_available(p))
		return 1;
	for (u32 i = 0; i < n; i++)
		ret_pages[i] = take_one(p, principal);
	return 0;
}

static void drop(struct kv_pool *p, u32 i)
{
	struct kv_page *g = &p->pages[i];
	assert(g->refs > 0);
	if (--g->refs == 0)
		list_add(p, g->cached ? &p->idle : &p->free, i);
}

void kv_give(struct kv_pool *p, const struct kv_give *g, const u32 *pages)
{
	u8 chain[SHA256_BYTES];
	u32 full = MIN(g->n_computed / RT_KV_PAGE, g->n_pages);
	chain_start(g->principal, chain);
	for (u32 i = 0; g->keep && i < full; i++) {
		chain_next(chain, g->ids + (size_t)i * RT_KV_PAGE);
		publish(p, pages[i], chain);
	}
	/* last first: the end of a chain is of no use without its beginning, so it ages first */
	for (u32 i = g->n_pages; i-- > 0;)
		drop(p, pages[i]);
}

/* ---- layers with a window ------------------------------------------------------------------------------------------------ */

u32 kv_span_first(const struct kv_span *s, u32 pos)
{
	return attention_first(pos, s->window, s->pieces) / RT_KV_PAGE;
}

u32 kv_span_pages(const struct kv_span *s, u32 n_pages)
{
	u64 most = DIV_UP((u64)s->window + s->rows - 2, RT_KV_PAGE) + 1;
	return (u32)MIN(most, n_pages);
}

bool kv_tail_room(const struct kv_pool *p, const struct kv_span *s, u32 n_pages)
{
	return kv_span_pages(s, n_pages) <= kv_pool_available(p);
}

u32 kv_tail_find(
	const struct kv_pool *p, const struct kv_span *s, const struct kv_want *w, u32 n, struct kv_tail *t)
{
	u8 chain[SHA256_BYTES];
	u32 best = 0, run = 0; /* pages before i that are here without a gap */
	chain_start(w->principal, chain);
	for (u32 i = 0; i < n; i++) {
		chain_next(chain, w->ids + (size_t)i * RT_KV_PAGE);
		t->pages[i] = find(p, chain);
		run = t->pages[i] == KV_NO_PAGE ? 0 : run + 1;
		if (i + 1 - kv_span_first(s, (i + 1) * RT_KV_PAGE) <= run)
			best = i + 1;
	}
	return best;
}

void kv_tail_take(
	struct kv_pool *p, const struct kv_span *s, const struct kv_want *w, u32 cached, struct kv_tail *t)
{
	t->first = kv_span_first(s, cached * RT_KV_PAGE);
	t->end = cached;
	t->chained = 0;
	chain_start(w->principal, t->chain);
	for (u32 i = t->first; i < t->end; i++)
		hold(p, t->pages[i]);
}

/* Pages up to `end` become findable, those of them that are full. */
static void publish_tail(struct kv_pool *p, const struct kv_move *m, u32 end, struct kv_tail *t)
{
	u32 full = MIN(end, m->from / RT_KV_PAGE);
	for (; m->keep && t->chained < full; t->chained++) {
		chain_next(t->chain, m->ids + (size_t)t->chained * RT_KV_PAGE);
		if (t->chained >= t->first)
			publish(p, t->pages[t->chained], t->chain);
	}
}

int kv_tail_move(struct kv_pool *p, const struct kv_span *s, const struct kv_move *m, struct kv_tail *t)
{
	u32 first = kv_span_first(s, m->from), end = DIV_UP(m->from + m->n, RT_KV_PAGE);
	assert(m->n <= s->rows && first <= t->end);
	publish_tail(p, m, first, t);
	while (t->first < first)
		drop(p, t->pages[t->first++]);
	if (end <= t->end)
		return 0;
	int r = kv_grow(p, m->principal, end - t->end, m->leave, t->pages + t->end);
	t->end = r ? t->end : end;
	return r;
}

void kv_tail_give(struct kv_pool *p, const struct kv_move *m, struct kv_tail *t)
{
	publish_tail(p, m, t->end, t);
	while (t->end > t->first) /* last first, as above */
		drop(p, t->pages[--t->end]);
	*t = (struct kv_tail){ .pages = t->pages };
}
