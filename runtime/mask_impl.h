/* Inside of the mask: a way through the grammar is a node: a state and the nodes that wait for its RETURN. Nodes are interned, so equal
 * stacks are one node and stacks share their lower parts. What may be the case after some bytes is a set of nodes; sets are interned
 * too (mask_sets.c). mask_plain.c knows from which states plain text may follow. */
#pragma once

#include "runtime/mask.h"

#define MASK_DEAD    0u		 /* the set of no ways */
#define MASK_UNKNOWN 0xffffffffu /* a transition that was not looked at yet */
#define MASK_RETURNS 0x80u	 /* behind one plain character the part that the state begins may be over */

struct mask_way {
	u32 state;
	u32 parent; /* node to go on with at RETURN; LAYOUT_NONE: the grammar ends */
	u32 depth;
	u32 stamp; /* of the last walk that met it */
};

struct mask_set {
	u32 off, n;  /* its nodes, ascending, in pool: those whose state takes a byte */
	bool accept; /* the answer may end here */
	u32 *next;   /* [256] sets, MASK_UNKNOWN where not looked at; NULL: nowhere was looked */
	u64 *bits;   /* NULL: not made yet */
};

struct mask_table {
	u32 *slot; /* indices, LAYOUT_NONE where free */
	u32 mask;
};

struct mask {
	const struct mask_trie *trie;
	const struct tok *tok;
	u32 *blob;
	struct grammar g;
	u8 *tail; /* [n_states] nothing but RETURN is left there: a call from here needs no place on the stack */
	u8 *plain; /* [n_states] so many plain characters may follow; and MASK_RETURNS (mask_plain.c) */
	u32 *plain_to; /* [n_states] the one state that every plain character leads to; LAYOUT_NONE: none, or several */
	u8 *any;     /* [n_states] everything may follow, for ever */
	u32 *border; /* [trigger_len] how long a beginning of the trigger is an end of its first i + 1 bytes */
	u32 *inner;  /* tokens that hold the whole trigger, but not at their beginning */
	u32 n_inner;

	struct mask_way *node;
	u32 n_nodes, cap_nodes, stamp;
	struct mask_table node_at;
	struct mask_set *set;
	u32 n_sets, cap_sets;
	struct mask_table set_at;
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

bool mask_fail(struct mask *m, const char *why); /* notes it; false */
static inline u32 mask_n_prefix(const struct mask *m)
{
	return m->g.h->trigger_len;
}
/* Sets 1 .. trigger_len are the places inside of the trigger, in front of its first byte and so on. */
static inline bool mask_is_prefix(const struct mask *m, u32 set)
{
	return set != MASK_DEAD && set <= mask_n_prefix(m);
}

/* ---- mask_sets.c: all note what went wrong ------------------------------------------------------------------------------- */

u32 mask_node_of(struct mask *m, u32 state, u32 parent); /* LAYOUT_NONE: noted */
bool mask_sets_begin(
	struct mask *m); /* the sets that every run has: none, and the places inside of the trigger */
/* The set of these nodes, sorted here. */
bool mask_set_of(struct mask *m, u32 *v, u32 n, bool accept, u32 *ret);
bool mask_forget(struct mask *m); /* everything but where we are */
void mask_sets_free(struct mask *m);

/* ---- mask_plain.c -------------------------------------------------------------------------------------------------------- */

/* plain, any and plain_to of every state. 0; -ENOMEM. */
_must_use_ int mask_plain_find(const struct grammar *g, u8 *plain, u8 *any, u32 *to);
