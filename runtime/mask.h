/* Which tokens may come next, by a grammar. A trie over the vocabulary is made at load; a request that carries a grammar follows it
 * with what it has said so far, and asks for a bit per token before each choice.
 *
 * Sets of grammar states are interned and their transitions remembered, so one walk through the trie is a table look-up per node; the
 * bits of a set are remembered too. What is remembered is bounded and may be forgotten at any time without a difference in the result.
 * The grammar comes from a stranger: calls deeper than GRAMMAR_DEPTH_MAX are ways that do not exist, and more than GRAMMAR_CONFIGS_MAX
 * ways at once, or more than GRAMMAR_NODES_MAX different stacks, are an error of the request. */
#pragma once

#include "base/grammar.h"
#include "runtime/tok.h"

/* ---- the trie (mask_trie.c) ---------------------------------------------------------------------------------------------- */

struct mask_node {
	u32 end;   /* the first node that is not below this one */
	u32 token; /* a token that ends here, LAYOUT_NONE if none */
	u16 depth; /* from 1 */
	u8 byte;
	u8 same; /* more tokens end here */
};
/* Nodes in depth-first order: the children of a node follow it. */
struct mask_trie {
	u32 n, n_vocab;
	struct mask_node *node; /* [n] */
	u32 *same;		/* [n_vocab] the next token of the same bytes */
	u32 depth_max;
	u64 *ends; /* bits of the tokens that end an answer */
	u64 *silent; /* bits of the tokens that have no text and end nothing: not to be said inside of a grammar */
};
_must_use_ int mask_trie_create(const struct tok *t, struct mask_trie *ret); /* 0; -ENOMEM */
void mask_trie_fini(struct mask_trie *t);

/* ---- one request (mask.c) ------------------------------------------------------------------------------------------------ */

struct mask;

/* The trie and the tokenizer stay alive as long as the mask; data[len] is copied and checked.
 * 0; 1 not a grammar that can be followed, *ret_why; -ENOMEM. */
_must_use_ int mask_create(const struct mask_trie *trie, const struct tok *t, const void *data, size_t len,
	struct mask **ret, const char **ret_why);
struct mask *mask_destroy(struct mask *m);

/* One bit per token, [DIV_UP(n_vocab, 64)], valid until the next call with m. At least one is set.
 * 0; 1 nothing may come, or a bound is met: *ret_why. */
_must_use_ int mask_allowed(struct mask *m, const u64 **ret_bits, const char **ret_why);
/* This token, one of the allowed that ends nothing, was chosen. *ret_over: the grammar is complete and nothing can follow.
 * 0; 1 a bound is met: *ret_why. */
_must_use_ int mask_push(struct mask *m, u32 id, bool *ret_over, const char **ret_why);

/* Work so far, for tests and the benchmark. */
struct mask_stats {
	u64 masks_made, masks_found, sets, nodes, forgotten;
};
struct mask_stats mask_stats(const struct mask *m);
