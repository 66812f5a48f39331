/* Grammars: a JSON schema or GBNF text becomes the compiled form of base/grammar.h, for the sealed request. Both are texts of a
 * stranger: read in bounded time and memory, and whatever is outside of the subset is refused by its name and place. */
#pragma once

#include "base/arena.h"
#include "base/types.h"

enum chat_grammar_kind { CHAT_GRAMMAR_SCHEMA, CHAT_GRAMMAR_GBNF };

struct chat_grammar {
	enum chat_grammar_kind kind;
	const char *source; /* UTF-8 */
	size_t source_len;
	const char *
		trigger; /* NULL: it holds from the first byte; else from behind the first occurrence of this text on */
};

/* 0 done, *ret in the arena, aligned to 16; 1 refused, *ret_why (in the arena) says what and where; -ENOMEM. */
_must_use_ int chat_grammar_compile(const struct chat_grammar *p, struct arena *a, const void **ret,
	size_t *ret_len, const char **ret_why);
