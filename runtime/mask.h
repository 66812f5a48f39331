/* Which tokens may come next, by a grammar. A trie over the vocabulary is made at load; a request that carries a grammar follows it
 * with what it has said so far, and asks for a bit per token before each choice.
 *
 * Sets of grammar states are interned and their transitions remembered, so one walk through the trie is a table look-up per node; the
 * bits of a set are remembered too, and are those of every set that no short token tells from it, as in the middle of something counted.
 * Where any text may follow, or anything that is plain, those tokens are known beforehand and only the others are walked through. Elsewhere
 * a set knows which characters lead from it to one and the same set, and how often: where all that stands below a node of the trie is made
 * of them, it fits and is not walked through. What is remembered is bounded and may be forgotten at any time without a difference in the
 * result. Its memory is taken by mask_create; afterwards none is taken or given back.
 * The grammar comes from a stranger: calls deeper than GRAMMAR_DEPTH_MAX are ways that do not exist, and more than GRAMMAR_CONFIGS_MAX
 * ways at once, or more than GRAMMAR_NODES_MAX different stacks, are an error of the request. */
#pragma once

#include "base/grammar.h"
#include "runtime/tok.h"

/* ---- the trie (mask_trie.c) ---------------------------------------------------------------------------------------------- */

/* A short token is at most so many bytes long: which of these may come has to be known for so many bytes only. */
#define MASK_SHORT_BYTES 24u
/* A plain token: short, whole characters, at most MASK_PLAIN_CHARS of them, without control characters, '"', '\\' and '<'. */
#define MASK_PLAIN_CHARS 16u

/* A set of characters, one bit each: ASCII from tabulator on by itself, everything beyond by the bytes it takes. */
enum mask_char { MASK_CHAR_2 = 0, MASK_CHAR_3 = 1, MASK_CHAR_4 = 2, MASK_CHAR_NONE = 3, MASK_CHAR_ASCII = 9 };
struct mask_chars {
	u64 v[2];
};

struct mask_node {
	u32 end;   /* the first node that is not below this one */
	u32 first; /* where in id[] its tokens begin; they end where those of the next node begin */
	u32 below; /* index of what stands below it; LAYOUT_NONE: too little to be worth it */
	u16 depth; /* from 1 */
	u8 byte;
};
/* All texts below a node: their characters, with MASK_CHAR_NONE where something is no whole character; at most so many of them. */
struct mask_below {
	struct mask_chars chars;
	u32 most;
};
/* Nodes in depth-first order: the children of a node follow it, and so do their tokens. */
struct mask_nodes {
	u32 n, n_below;
	struct mask_node *v; /* [n + 1], the last one only says where the tokens end */
	struct mask_below *below;
	u32 *id; /* the tokens, by their bytes */
};
/* Bytes of tokens as a grammar reads them: their text, and of a control token GRAMMAR_CONTROL, its name, GRAMMAR_CONTROL. Text with that
 * byte is in no trie: it fits no grammar. */
enum mask_part {
	MASK_WORDS, /* plain, of ASCII letters and blanks alone: no other character keeps a whole branch from fitting */
	MASK_OTHERS, /* plain */
	MASK_ODD,    /* short, not plain */
	MASK_LONG,
	MASK_PARTS
};
struct mask_trie {
	u32 n_vocab;
	struct mask_nodes part[MASK_PARTS];
	u64 *plain[MASK_PLAIN_CHARS + 1]; /* bits of the plain tokens of at most so many characters */
	u64 *words[MASK_PLAIN_CHARS + 1]; /* of those that are words */
	u64 *with[128];	       /* bits of the plain tokens that hold a character (enum mask_char) */
	u64 *text, *long_text; /* bits of the short and of the long tokens with text that fits a grammar */
	u64 *ends;	       /* bits of the tokens that end an answer */
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
/* Makes the bits of here, and as far as they fit those behind each of n tokens that may come one after the other, so that mask_allowed finds
 * them. Changes nothing that is asked for; what goes wrong goes wrong again there. */
void mask_ahead(struct mask *m, const u32 *ids, u32 n);
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
