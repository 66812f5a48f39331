/* A compiled grammar: what an answer may consist of, byte by byte. chat makes one from a JSON schema or GBNF, it travels in the sealed
 * request (so that it is recorded and replayed), and the runtime follows it. Nobody compiles it a second time.
 *
 * It is a network of states. An edge takes one byte of a range, or nothing; or calls: the called state's part is gone through up to a
 * RETURN, then the edge is taken. A RETURN that nobody called ends the grammar: the answer may stop there. An answer starts in `start`,
 * or, where there is a trigger, behind the first occurrence of the trigger; before it everything may be said.
 *
 * Layout, little-endian: struct grammar_header, u32 first[n_states + 1], the edges sorted by their state (state s has the edges
 * first[s] .. first[s + 1] - 1), the trigger's bytes, zeros up to a multiple of 4. */
#pragma once

#include "base/limits.h"
#include "base/types.h"

#define GRAMMAR_MAGIC "KEEPGRM1"
/* No text holds this byte. Around a name it is the control token of that name: 0xff "<|tool|>" 0xff, in edges and in the trigger. */
#define GRAMMAR_CONTROL 0xff

struct grammar_header {
	char magic[8];
	u32 n_states, n_edges;
	u32 start;
	u32 trigger_len; /* 0: none */
	u32 reserved[2];
};
SIZE_PIN(grammar_header, 32);

enum grammar_kind { GRAMMAR_BYTE = 1, GRAMMAR_NOTHING = 2, GRAMMAR_CALL = 3, GRAMMAR_RETURN = 4 };

struct grammar_edge {
	u8 kind;   /* enum grammar_kind */
	u8 lo, hi; /* GRAMMAR_BYTE: lo..hi, both within; else 0 */
	u8 reserved;
	u32 to;	  /* state behind it; GRAMMAR_RETURN: 0 */
	u32 call; /* GRAMMAR_CALL: the state that is called; else 0 */
};
SIZE_PIN(grammar_edge, 12);

struct grammar {
	const struct grammar_header *h;
	const u32 *first;
	const struct grammar_edge *edges;
	const u8 *trigger;
};

/* Point into data[len], aligned to 4, after checking every count, kind and index. What it accepts may still be left-recursive: whoever
 * follows it bounds the depth of calls. 0 done; 1 malformed, *ret_why says how. */
_must_use_ int grammar_open(const void *data, size_t len, struct grammar *ret, const char **ret_why);
