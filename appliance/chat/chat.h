/* Chat: messages and a model's own template make the pieces of a prompt. A template is code that a stranger wrote: it is run by a
 * bounded interpreter of a Jinja subset that can reach nothing but the values it is given. Every piece says whether its text came
 * from the template (trusted: may hold control tokens) or from a message (never does). */
#pragma once

#include "base/arena.h"
#include "base/types.h"

struct chat_message {
	const char *role;    /* "system", "user", "assistant" */
	const char *content; /* UTF-8 */
};

struct chat_piece {
	bool trusted;
	const char *text; /* in the caller's arena */
	size_t len;
};

struct chat_render {
	const char *source; /* the template */
	size_t source_len;
	const struct chat_message *messages;
	size_t n_messages;
	bool add_generation_prompt;
	const char *bos_token, *eos_token; /* "" where the model has none; trusted */
	i64 now; /* UNIX time for strftime_now, in UTC; 0: the template finds no such function */
};

/* Parse and run. Neighbouring pieces of one kind are merged; empty ones left out.
 * 0 done, pieces in the arena; 1 the template is outside the subset, or raised an exception, or ran over a limit: *ret_why names
 * the construct and its line (in the arena); -ENOMEM. */
_must_use_ int chat_render(const struct chat_render *p, struct arena *a, const struct chat_piece **ret_pieces,
	size_t *ret_n, const char **ret_why);

/* Only parse: may this template be used? Same outcomes. */
_must_use_ int chat_template_check(const char *source, size_t len, struct arena *a, const char **ret_why);
