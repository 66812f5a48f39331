/* Inside of chat: the grammar of calls in a model's own format. */
#pragma once

#include "chat/format.h"
#include "chat/grammar_build.h"

struct chat_tools_want {
	const struct chat_format *format;
	const struct chat_tools *tools;
	struct chat_vocab vocab;
	const struct chat_think *think;
	bool required;
	const char *name; /* only this tool; NULL: any */
	bool one;	  /* at most one call */
};
/* Required: the answer, behind its reasoning, is calls and nothing else. Else whatever begins as a call goes on as one. Arguments fit the
 * schema of their tool. 0; 1 a schema is outside of the subset, *ret_why names the place; -ENOMEM. */
_must_use_ int chat_tools_grammar(const struct chat_tools_want *p, struct arena *a, const void **ret,
	size_t *ret_len, const char **ret_why);
