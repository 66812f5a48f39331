/* Inside of the mask: a way through the grammar is a node: a state and the nodes that wait for its RETURN. Nodes are interned, so equal
 * stacks are one node and stacks share their lower parts. What may be the case after some bytes is a set of nodes; sets are interned
 * too (mask_sets.c). mask_step.c goes from set to set, mask_chars.c knows which characters lead from one to the same other.
 *
 * States that do the same for as many bytes as a short token has are alike (mask_alike.c): the hundredth character of two hundred and
 * the tenth. One of them stands for all. For short tokens sets are made of those alone, so that a count has few sets and not one for each
 * of its numbers, and sets that are alike have one mask; long tokens and what is said go from set to set as the grammar has it. */
#pragma once

#include "runtime/mask.h"

#define MASK_DEAD    0u		 /* the set of no ways */
#define MASK_UNKNOWN 0xffffffffu /* a set that was not looked for yet */
#define MASK_NOWHERE 0xffffu	 /* the same in a row */
static_assert(GRAMMAR_SETS_MAX < MASK_NOWHERE, "a row holds sets");
#define MASK_MASKS_MAX 256u /* masks remembered; 5 MB at 150,000 tokens */
#define MASK_POOL_MAX  (2u * GRAMMAR_WORK_MAX)

struct mask_way {
	u32 state;
	u32 parent; /* node to go on with at RETURN; LAYOUT_NONE: the grammar ends */
	u32 depth;
	u32 stamp; /* of the last walk that met it */
	u32 like;  /* the node that stands for it; LAYOUT_NONE: not looked for yet */
};

struct mask_set {
	u32 off, n;  /* its nodes, ascending, in pool: those whose state takes a byte */
	bool accept; /* the answer may end here */
	bool looked; /* the next four are known */
	u32 to;	     /* a set, of those that stand for others */
	/* What leads to it, and what leads to it or to one that has its ways and more, so that at least as much fits behind. */
	struct mask_chars same, chars;
	struct mask_chars dead; /* what leads nowhere */
	u32 like;		/* the set that stands for it; MASK_UNKNOWN */
	u16 *next, *next_like;	/* [256] sets, MASK_NOWHERE where not looked at; NULL: nowhere was looked */
	u64 *some, *bits;	/* of short tokens, of all; NULL: not made yet */
};

struct mask_table {
	u32 *slot; /* indices, LAYOUT_NONE where free */
	u32 mask;  /* one less than there are; 0: none yet */
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

	u32 *like; /* [n_states] the state that stands for it */

	/* Memory for all that is remembered, as much as the bounds allow; taken once, and of the machine only what is written. */
	void *room;
	size_t room_bytes;
	struct mask_way *node; /* [GRAMMAR_NODES_MAX] */
	u32 n_nodes, stamp;
	struct mask_table node_at, set_at;
	struct mask_set *set; /* [GRAMMAR_SETS_MAX] */
	u32 n_sets;
	u32 *pool; /* [MASK_POOL_MAX] */
	u32 n_pool;
	u16 *rows; /* [2 * GRAMMAR_SETS_MAX][256] */
	u32 n_rows;
	u64 *masks; /* [MASK_MASKS_MAX][words] */
	u32 n_masks;
	u32 *moved;  /* [GRAMMAR_NODES_MAX] where nodes went when the rest was forgotten */
	u64 *longer; /* [words] the long tokens of the mask that is being made */
	u32 *walk, n_walk,
		n_found; /* [GRAMMAR_CONFIGS_MAX] nodes met, and of those the ones that take a byte, first */
	u32 *found;

	u32 now;   /* set */
	u32 words; /* of the bits of all tokens */
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

bool mask_sets_create(struct
	mask *m); /* the memory, and the sets that every run has: none, and the places inside of the trigger */
void mask_sets_destroy(struct mask *m);
u32 mask_node_of(struct mask *m, u32 state, u32 parent); /* LAYOUT_NONE: noted */
/* The set of these nodes, sorted here. */
bool mask_set_of(struct mask *m, u32 *v, u32 n, bool accept, u32 *ret);
u16 *mask_row(struct mask *m);	      /* a new one */
u64 *mask_bits(struct mask *m);	      /* no bit is set */
bool mask_full(const struct mask *m); /* it is time to forget */
bool mask_forget(struct mask *m);     /* everything but where we are */

/* ---- mask_step.c: all note what went wrong ------------------------------------------------------------------------------- */

/* The set that the grammar begins with. */
bool mask_start_set(struct mask *m, u32 *ret);
/* The set behind byte b; LAYOUT_NONE: noted. */
u32 mask_step(struct mask *m, u32 set, u8 b);
/* The same among sets that stand for others: for MASK_SHORT_BYTES bytes from where this began, it is dead when the other is. */
u32 mask_step_like(struct mask *m, u32 set, u8 b);
/* The set that stands for this one. */
bool mask_like(struct mask *m, u32 set, u32 *ret);

/* ---- mask_alike.c -------------------------------------------------------------------------------------------------------- */

/* like[s]: of the states that state s cannot be told from by n bytes, one and the same for all of them. tail as in struct mask.
 * 0; -ENOMEM. */
_must_use_ int mask_alike_find(const struct grammar *g, const u8 *tail, u32 n, u32 *like);

/* ---- mask_chars.c -------------------------------------------------------------------------------------------------------- */

/* Does everything that is made of at most `most` of these characters fit behind the set? false: not, or nobody knows. */
bool mask_chars_fit(struct mask *m, u32 set, struct mask_chars chars, u32 most);
/* Is it known which of the short tokens that are made of these characters fit behind the set? Then those of at most *ret_n characters
 * without any of *ret_but. */
bool mask_chars_known(
	struct mask *m, u32 set, struct mask_chars chars, u32 *ret_n, struct mask_chars *ret_but);
/* Are all of these but those within the others? */
bool mask_chars_within(struct mask_chars all, struct mask_chars but, struct mask_chars others);
/* Those that plain tokens are made of, and those that words are. */
extern const struct mask_chars mask_chars_plain, mask_chars_words;
/* From which states everything may follow, for ever. */
void mask_any_find(const struct grammar *g, u8 *any);
