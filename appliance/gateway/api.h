/* The words of the API: a body in, an ask out; an answer in, bodies and events out. Pure functions of bytes: no socket, no clock.
 *
 * Unknown fields and fields that are null are as if they were not there, since clients send much that no server needs; a field of a
 * known name and a wrong type or value is refused, and named. What is known and cannot be done here is refused too: nobody shall think
 * that it was. */
#pragma once

#include "base/arena.h"
#include "base/jsonw.h"
#include "base/request.h"
#include "base/types.h"
#include "chat/chat.h"
#include "proto.h"

/* ---- errors, in OpenAI's shape --------------------------------------------------------------------------------------------- */

struct api_error {
	u32 status;	  /* of HTTP */
	const char *code; /* of our own short list, see README.md; NULL: none */
	char param[64];	  /* the field that is wrong; "" */
	char message[REASON_LEN_MAX + 1];
};
/* Fills *e and returns 1. */
int api_refuse(struct api_error *e, u32 status, const char *code, const char *param, const char *fmt, ...)
	_printf_(5, 6);
void api_error_write(struct jsonw *w, const struct api_error *e);

/* ---- in -------------------------------------------------------------------------------------------------------------------- */

enum api_form {
	API_CHAT = 1,	/* POST /v1/chat/completions */
	API_COMPLETION, /* POST /v1/completions */
};

struct api_ask {
	enum api_form form;
	const char *model;
	const char *messages, *tools, *vars; /* JSON; tools and vars may be NULL */
	size_t messages_len;
	const char *prompt; /* API_COMPLETION */
	enum chat_choice choice;
	const char *choice_name;
	bool one_call;
	const char *schema;	   /* what the answer must be, a JSON schema; NULL: anything */
	struct request_header how; /* sampling; max_tokens 0: not said */
	bool seed_given;
	const char *stops[STOPS_MAX];
	u32 n_stops;
	bool stream, usage; /* usage: a chunk with the counts ends the stream */
};
/* Everything *ret points to is in the arena. 0; 1 *e says what is wrong; -ENOMEM. */
_must_use_ int api_ask_read(enum api_form form, const void *body, size_t len, struct arena *a,
	struct api_ask *ret, struct api_error *e);

/* ---- out ------------------------------------------------------------------------------------------------------------------- */

/* What stands in every body of one answer. */
struct api_head {
	enum api_form form;
	const char *model;
	u64 index;   /* of the record of the intent: the id is made of it */
	u64 created; /* seconds of UTC */
};

/* One call of a tool, whole. */
struct api_call {
	const char *id, *name, *arguments;
	size_t arguments_len;
};
/* A whole answer. */
struct api_answer {
	const char *text, *reasoning;
	size_t text_len, reasoning_len;
	const struct api_call *calls;
	size_t n_calls;
	const struct proto_outcome *outcome;
	const u8 *model; /* digest */
};
void api_answer_write(struct jsonw *w, const struct api_head *h, const struct api_answer *a);

/* Chunks of a stream: the first, one for each event, the last, and, where it was asked for, the counts. Each is one JSON object. */
void api_chunk_first(struct jsonw *w, const struct api_head *h);
/* False: there is nothing to say of this event. */
bool api_chunk_event(struct jsonw *w, const struct api_head *h, const struct chat_event *e);
void api_chunk_last(struct jsonw *w, const struct api_head *h, const struct proto_outcome *o, bool calls,
	const u8 *model);
void api_chunk_usage(struct jsonw *w, const struct api_head *h, const struct proto_outcome *o);
