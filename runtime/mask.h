/* Which tokens may come next, by a grammar. A trie over the vocabulary is made at load; a request that carries a grammar follows it
 * with what it has said so far, and asks for a bit per token before each choice.
 *
 * Sets of grammar states are interned and their transitions remembered, so one walk through the trie is a table look-up per node; the
 * bits of a set are remembered too. Where any text may follow, the tokens that are plain text are known beforehand and only the others
 * are walked through. What is remembered is bounded and may be forgotten at any time without a difference in the result.
 * The grammar comes from a stranger: calls deeper than GRAMMAR_DEPTH_MAX are ways that do not exist, and more than GRAMMAR_CONFIGS_MAX
 * ways at once, or more than GRAMMAR_NODES_MAX different stacks, are an error of the request. */
#pragma once

#include "base/grammar.h"
#include "runtime/tok.h"

/* ---- the trie (mask_trie.c) ---------------------------------------------------------------------------------------------- */

/* A plain token: whole characters, at most MASK_PLAIN_CHARS of them, without control characters, '"', '\\' and '<'. */
#define MASK_PLAIN_CHARS 16u

struct mask_node {
	u32 end;   /* the first node that is not below this one */
	u32 token; /* a token that ends here, LAYOUT_NONE if none */
	u16 depth; /* from 1 */
	u8 byte;
	u8 same; /* more tokens end here */
};
/* Nodes in depth-first order: the children of a node follow it. */
struct mask_nodes {
	u32 n;
	struct mask_node *v; /* [n] */
};
/* Bytes of tokens as a grammar reads them: their text, and of a control token GRAMMAR_CONTROL, its name, GRAMMAR_CONTROL. Text with that
 * byte is in no trie: it fits no grammar. */
struct mask_trie {
	u32 n_vocab;
	struct mask_nodes all;
	struct mask_nodes odd;		  /* those that are not plain */
	u32 *same;			  /* [n_vocab] the next token of the same bytes */
	u64 *plain[MASK_PLAIN_CHARS + 1]; /* bits of the plain tokens of at most so many characters */
	u64 *text;			  /* bits of all tokens with text that fits a grammar */
	u64 *ends;			  /* bits of the tokens that end an answer */
	u8 *names; /* of control tokens, as a grammar reads them: a length of two bytes, and the bytes */
	u32 *name; /* [n_vocab] where in names; LAYOUT_NONE: no control token that is said inside of an answer */
};
_must_use_ int mask_trie_create(const struct tok *t, struct mask_trie *ret); /* 0; -ENOMEM */
void mask_trie_fini(struct mask_trie *t);
/* What a grammar reads where this token is said. */
const u8 *mask_token_bytes(const struct mask_trie *tr, const struct tok *t, u32 id, size_t *ret_len);

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

/* The same for these bytes, which may not fit: *ret_fits is false then, and nothing was done. */
_must_use_ int mask_push_bytes(
	struct mask *m, const u8 *bytes, size_t len, bool *ret_fits, bool *ret_over, const char **ret_why);
/* From the beginning of the grammar again; what was remembered stays. 0; 1 *ret_why. */
_must_use_ int mask_again(struct mask *m, const char **ret_why);
/* Is the trigger still to come? */
bool mask_waits(const struct mask *m);

/* Work so far, for tests and the benchmark. */
struct mask_stats {
	u64 masks_made, masks_found, sets, nodes, forgotten;
};
struct mask_stats mask_stats(const struct mask *m);
