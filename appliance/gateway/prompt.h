/* From what was asked to a sealed request, and from tokens to events: the chat library held against one model. */
#pragma once

#include "base/layout.h"
#include "gateway/rules.h"

struct prompt {
	bool chat;
	struct chat_turn turn;
	const struct layout *layout;
	u8 digest[SHA256_BYTES]; /* of the request */
};
/* p is zero-filled. 0, *ret_fd is sealed; 1 *e says why not; -ENOMEM. */
_must_use_ int prompt_make(const struct api_ask *in, const struct layout *l,
	const struct proto_session_open *open, const struct rules *rules, struct arena *a, struct prompt *p,
	int *ret_fd, struct api_error *e);
/* Tokens that came; what they mean goes to the handler. 0; -ENOMEM. */
_must_use_ int prompt_answer(struct prompt *p, const struct proto_tokens *t,
	void (*handler)(void *ctx, const struct chat_event *e), void *ctx);
_must_use_ int prompt_answer_end(
	struct prompt *p, void (*handler)(void *ctx, const struct chat_event *e), void *ctx);
void prompt_fini(struct prompt *p);
