/* What an answer that is not streamed is collected in: texts, and calls in their order. */
#pragma once

#include "gateway/gateway.h"

struct evbuffer;

struct answer_call {
	char *id, *name;
	struct evbuffer *arguments;
	bool is_void;
};
struct answer_log {
	struct evbuffer *text, *reasoning; /* NULL: none came */
	struct answer_call *calls;
	size_t n_calls;
};
/* 0; -ENOMEM. */
_must_use_ int answer_log_add(struct answer_log *l, const struct chat_event *e);
/* As one answer, which points into the log and the arena. */
void answer_log_whole(struct answer_log *l, struct arena *a, struct api_answer *ret);
void answer_log_fini(struct answer_log *l);
