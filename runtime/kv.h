/* Which page of the KV cache belongs to whom. Pages are numbers here; their bytes are on the device.
 *
 * A sequence gets pages for what it knows when it is admitted, and others as it goes on; where there are none, the scheduler sets somebody aside.
 * When it ends or is set aside, its full pages stay findable by the chain of token ids that led to them, for the same principal only: a later
 * request that begins with the same ids, or the same one when it goes on, takes them, shared and read-only, by counting. A page moves to another
 * principal only after it has been overwritten with zeros. */
#pragma once

#include "base/sha256.h"
#include "base/types.h"
#include "runtime/op.h"

#define KV_NO_PAGE 0xffffffffu

struct kv_page {
	u8 chain[SHA256_BYTES]; /* of the principal and every id up to the end of this page */
	u64 principal;
	u32 refs;	 /* sequences that use it */
	u32 next_bucket; /* hash chain */
	u32 prev, next;	 /* list of free or of cached pages, oldest first */
	bool owned;	 /* holds something of `principal` */
	bool cached;	 /* findable by chain */
	bool dirty;	 /* stands in scrub */
};

struct kv_list {
	u32 head, tail, n;
};

struct kv_pool {
	struct kv_page *pages;
	u32 n_pages, n_buckets;
	u32 *buckets;
	struct kv_list free, idle; /* never findable; findable and used by nobody */
	u32 *scrub;		   /* pages that must be zeroed before the next step reads them */
	u32 n_scrub;
};

/* 0; -ENOMEM */
_must_use_ int kv_pool_create(u32 n_pages, struct kv_pool *ret);
void kv_pool_fini(struct kv_pool *p);
/* The pages in scrub are zero now. */
void kv_scrubbed(struct kv_pool *p);
/* Pages that could be had at once. */
u32 kv_pool_available(const struct kv_pool *p);

struct kv_want {
	u64 principal;
	const u32 *ids; /* that it knows: of the prompt, and those said */
	u32 n_ids;
	u32 n_pages; /* that it begins with */
	bool reuse;  /* look for cached pages */
	u32 most;    /* of cached pages; 0: as many as are there */
};
/* How many pages kv_take would find in the cache now; ret_pages[0..that-1]. */
u32 kv_find(const struct kv_pool *p, const struct kv_want *w, u32 *ret_pages);
/* Take pages for a sequence: pages[0..n_pages-1], the first *ret_cached of them found in the cache and full. At least one id of the
 * prompt is never covered, so that there is something to compute. Pages that change principal are put on p->scrub.
 * 0 done; 1 not enough pages now (nothing taken). */
_must_use_ int kv_take(struct kv_pool *p, const struct kv_want *w, u32 *pages, u32 *ret_cached);

/* n more pages for a sequence, to ret_pages[0..n-1], if `leave` others are there behind that. Those that change principal are put on p->scrub.
 * 0 done; 1 not enough pages now (nothing taken). */
_must_use_ int kv_grow(struct kv_pool *p, u64 principal, u32 n, u32 leave, u32 *ret_pages);

/* Give the pages of a sequence back. ids[0..n_computed-1] are the positions whose keys and values lie in them; whole pages of them
 * become findable when keep is true. */
struct kv_give {
	u64 principal;
	const u32 *ids;
	u32 n_computed, n_pages;
	bool keep;
};
void kv_give(struct kv_pool *p, const struct kv_give *g, const u32 *pages);

/* ---- layers with a window: pages of a pool of their own ------------------------------------------------------------------
 * Such a layer needs the pages that the next positions of a sequence see, and no others: its tail. While a sequence goes on, pages behind its tail
 * are given back, findable as all full pages are, and others are taken ahead, where there are some. */

struct kv_span {
	u32 window;  /* positions; 0: no layer has one */
	bool pieces; /* it does not slide */
	u32 rows;    /* positions of one step, at most */
};
/* The first page that position pos sees. */
u32 kv_span_first(const struct kv_span *s, u32 pos);
/* Pages that a sequence of n_pages has at once, at most. */
u32 kv_span_pages(const struct kv_span *s, u32 n_pages);

/* Of one sequence; zeros: nothing. */
struct kv_tail {
	u32 *pages; /* [n_pages], the caller's; of these first .. end - 1 are there */
	u32 first, end;
	u32 chained; /* pages that the chain has come to */
	u8 chain[SHA256_BYTES];
};
/* Are there as many as a sequence of n_pages has at once? */
bool kv_tail_room(const struct kv_pool *p, const struct kv_span *s, u32 n_pages);
/* Of the n cached pages that the layers without a window have, the most that those with one can go on behind: whose tail is here, in
 * t->pages. */
u32 kv_tail_find(
	const struct kv_pool *p, const struct kv_span *s, const struct kv_want *w, u32 n, struct kv_tail *t);
/* Begin behind so many cached pages, which kv_tail_find has found since; there is room. */
void kv_tail_take(
	struct kv_pool *p, const struct kv_span *s, const struct kv_want *w, u32 cached, struct kv_tail *t);
/* A sequence goes on with n <= s->rows positions; ids[0..from-1] are computed. Pages behind its tail are given back, and become findable when keep
 * is true. Pages that change principal are put on p->scrub. 0 done; 1 not enough pages now, but for `leave` of them (none is taken). */
struct kv_move {
	u64 principal;
	const u32 *ids;
	u32 from, n, leave;
	bool keep;
};
_must_use_ int kv_tail_move(
	struct kv_pool *p, const struct kv_span *s, const struct kv_move *m, struct kv_tail *t);
/* It ends; m->n is nothing. */
void kv_tail_give(struct kv_pool *p, const struct kv_move *m, struct kv_tail *t);
