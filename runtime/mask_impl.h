/* Inside of the mask: a way through the grammar is a node: a state and the nodes that wait for its RETURN. Nodes are interned, so equal
 * stacks are one node and stacks share their lower parts. What may be the case after some bytes is a set of nodes; sets are interned
 * too (mask_sets.c). mask_step.c goes from set to set, mask_chars.c knows which characters lead from one to the same other. */
#pragma once

#include "runtime/mask.h"

#define MASK_DEAD    0u		 /* the set of no ways */
#define MASK_UNKNOWN 0xffffffffu /* a transition that was not looked at yet */

struct mask_way {
	u32 state;
	u32 parent; /* node to go on with at RETURN; LAYOUT_NONE: the grammar ends */
	u32 depth;
	u32 stamp; /* of the last walk that met it */
};

struct mask_set {
	u32 off, n;  /* its nodes, ascending, in pool: those whose state takes a byte */
	bool accept; /* the answer may end here */
	bool looked; /* the next two are known */
	u32 to;	     /* the set that each of these characters leads to */
	struct mask_chars chars;
	u32 *next; /* [256] sets, MASK_UNKNOWN where not looked at; NULL: nowhere was looked */
	u64 *bits; /* NULL: not made yet */
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
	u64 work, look_work;
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

/* ---- mask_step.c: all note what went wrong ------------------------------------------------------------------------------- */

/* The set that the grammar begins with. */
bool mask_start_set(struct mask *m, u32 *ret);
/* The set behind byte b; LAYOUT_NONE: noted. */
u32 mask_step(struct mask *m, u32 set, u8 b);

/* ---- mask_chars.c -------------------------------------------------------------------------------------------------------- */

/* Does everything that is made of at most `most` of these characters fit behind the set? false: not, or nobody knows. */
bool mask_chars_fit(struct mask *m, u32 set, struct mask_chars chars, u32 most);
/* How many of these characters in turn fit behind the set whatever they are, up to MASK_PLAIN_CHARS. *ret_all: and no more of them fit, or
 * these are as many as are asked for. */
bool mask_chars_run(struct mask *m, u32 set, struct mask_chars chars, u32 *ret_n, bool *ret_all);
/* Those that plain tokens are made of, and those that words are. */
extern const struct mask_chars mask_chars_plain, mask_chars_words;
/* From which states everything may follow, for ever. */
void mask_any_find(const struct grammar *g, u8 *any);
