/* A turn held against one model's layout, and as the parts of a request: what the command and the gateway do alike. */
#pragma once

#include "base/layout.h"
#include "base/request.h"
#include "chat/chat.h"

/* What the layout knows of an ask, where it is not given: the template, its tokens, the vocabulary. l stays where it is until the turn ends.
 * 0; 1 the model has no chat template; -ENOMEM. */
_must_use_ int chat_ask_of(const struct layout *l, struct arena *a, struct chat_ask *ask);
/* The prompt. The template writes BOS itself: the request's header has REQUEST_RAW. */
void chat_request_pieces(struct request_builder *b, const struct chat_turn *t);
/* Behind the stop strings: the grammar of the turn's calls, else the caller's own, and how reasoning is told from the rest where that makes a
 * difference. */
struct chat_ends {
	const void *grammar; /* the caller's; NULL: none */
	size_t grammar_len;
	u32 budget; /* tokens of reasoning, or THINK_NO_BUDGET */
};
void chat_request_ends(
	struct request_builder *b, const struct chat_turn *t, const struct chat_ends *e, struct arena *a);
/* One frame of an answer: what its text says comes in front of its control token. 0; -ENOMEM. */
_must_use_ int chat_reader_tokens(
	struct chat_reader *r, const struct layout *l, const char *text, size_t len, const u32 *ids, u32 n);
