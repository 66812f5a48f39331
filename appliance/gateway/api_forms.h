/* The forms of answers, each in its own file; api_write.c has the table of them. */
#pragma once

#include "gateway/api.h"

#include <jansson.h>

struct api_voice {
	void (*answer)(struct jsonw *w, const struct api_head *h, const struct api_answer *a);
	void (*begin)(struct api_stream *s, struct jsonw *w);
	void (*event)(struct api_stream *s, struct jsonw *w, const struct chat_event *e);
	void (*end)(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model);
};

/* api_openai.c */
void api_openai_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a);
void api_openai_begin(struct api_stream *s, struct jsonw *w);
void api_openai_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e);
void api_openai_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model);
void api_head_write(struct jsonw *w, const struct api_head *h, const char *kind);
/* The member "keep": what a client may hold against the log. */
void api_evidence_write(
	struct jsonw *w, const struct api_head *h, const struct proto_outcome *o, const u8 *model);

/* api_messages.c */
void api_messages_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a);
void api_messages_begin(struct api_stream *s, struct jsonw *w);
void api_messages_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e);
void api_messages_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model);

/* api_responses.c */
void api_responses_answer(struct jsonw *w, const struct api_head *h, const struct api_answer *a);
void api_responses_begin(struct api_stream *s, struct jsonw *w);
void api_responses_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e);
void api_responses_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model);

/* api_responses_read.c: items and tools as messages and tools of chats, likewise. */
_must_use_ int api_items_convert(json_t *instructions, json_t *input, json_t **ret, const char **ret_why);
_must_use_ int api_flat_tools_convert(json_t *tools, json_t **ret, const char **ret_why);

/* api_messages_read.c: Anthropic's messages and tools as OpenAI's, which chat reads. JSON in, a new JSON value out. 0; 1 *ret_why. */
_must_use_ int api_messages_convert(json_t *system, json_t *messages, json_t **ret, const char **ret_why);
_must_use_ int api_tools_convert(json_t *tools, json_t **ret, const char **ret_why);

/* api_body.c: the object that a body is; *ret to be freed. 0; 1 *e says what is wrong; -ENOMEM. */
_must_use_ int api_body_load(const void *body, size_t len, json_t **ret, struct api_error *e);
