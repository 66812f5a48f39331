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

enum api_form {
	API_CHAT = 1,	/* POST /v1/chat/completions, of OpenAI */
	API_COMPLETION, /* POST /v1/completions, of OpenAI */
	API_MESSAGES,	/* POST /v1/messages, of Anthropic */
	API_RESPONSES,	/* POST /v1/responses, of OpenAI */
	API_COUNT,	/* POST /v1/messages/count_tokens, of Anthropic */
	API_TOKENIZE,	/* POST /tokenize, of llama-server */
};

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

struct api_error {
	u32 status;	  /* of HTTP */
	u32 retry_s;	  /* 429 and 503: the same may be let through then; 0: nobody knows */
	const char *code; /* of our own short list, see keep-gateway(8); NULL: none */
	char param[64];	  /* the field that is wrong; "" */
	char message[REASON_LEN_MAX + 1];
};
/* Fills *e and returns 1. */
int api_refuse(struct api_error *e, u32 status, const char *code, const char *param, const char *fmt, ...)
	_printf_(5, 6);
/* In the shape of that form. */
void api_error_write(struct jsonw *w, enum api_form form, const struct api_error *e);

/* ---- in -------------------------------------------------------------------------------------------------------------------- */

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
	u32 n;			   /* choices: answers to the same, at most CHOICES_MAX */
	struct request_header how; /* sampling; max_tokens 0: not said */
	bool seed_given;
	const char *stops[STOPS_MAX];
	u32 n_stops;
	u32 think_budget;   /* tokens of reasoning, or THINK_NO_BUDGET */
	bool stream, usage; /* usage: a chunk with the counts ends the stream */
};
/* Everything *ret points to is in the arena. 0; 1 *e says what is wrong; -ENOMEM. */
_must_use_ int api_ask_read(enum api_form form, const void *body, size_t len, struct arena *a,
	struct api_ask *ret, struct api_error *e);

/* The i-th field that bodies are read by, and the forms that have it, as bits; NULL behind the last. */
const char *api_field_at(size_t i, u32 *ret_forms);

/* ---- out ------------------------------------------------------------------------------------------------------------------- */

/* What stands in every body of one answer. */
struct api_head {
	enum api_form form;
	const char *model;
	u64 index;   /* of the record of the intent: the id is made of it */
	u64 created; /* seconds of UTC */
	const char *const *stops;
	u32 n_stops;
};

/* Probabilities that were asked for, as JSON, until they are written. Zero-filled but for asked. Of API_RESPONSES the first list is what came since
 * the last event, and the second what belongs to the open message. */
struct api_probs {
	bool asked, open, full;
	struct jsonw list[4];
	u64 offset; /* of the next token in the text */
};
void api_probs_fini(struct api_probs *p);
void api_probs_add(struct api_probs *p, enum api_form form, const struct proto_probs *f);
/* The member "logprobs", where it was asked for; null where none came since the last time. */
void api_probs_write(struct api_probs *p, enum api_form form, struct jsonw *w);
/* Of API_RESPONSES: what came since the last event belongs to the message's text, or to something of which no probabilities are told. */
void api_probs_settle(struct api_probs *p, bool text);
/* The member "logprobs" of a delta, or of the message so far. p may be NULL: not asked for. */
void api_probs_delta(struct api_probs *p, struct jsonw *w);
void api_probs_message(struct api_probs *p, struct jsonw *w);

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
	const u32 *ids; /* of API_COUNT and API_TOKENIZE */
	size_t n_ids;
	const struct proto_outcome *outcome;
	const u8 *model;	       /* digest */
	struct api_probs *probs;       /* NULL: not asked for */
	u64 index;		       /* of its own record, of several choices */
	const struct api_answer *next; /* choice; NULL: the last */
};
void api_answer_write(struct jsonw *w, const struct api_head *h, const struct api_answer *a);

/* A stream, as lines of server-sent events: api_stream_begin, an event at a time, then api_stream_end or api_stream_error. What is said is
 * appended to w. */
struct api_stream {
	const struct api_head *head;
	bool usage; /* the counts are asked for */
	u32 n_calls;
	u32 n;				     /* choices; 0: one */
	u32 choice;			     /* of which the next event or end is */
	u32 called;			     /* bits: choices that have called a tool */
	u32 n_over;			     /* choices that have ended */
	u64 index;			     /* of the choice's own record, of several */
	u32 n_prompt, n_cached, n_generated; /* so far, of those that have ended */
	struct api_probs *probs;	     /* of the choice; NULL: not asked for */
	/* of forms that say where each block begins and ends: blocks so far, the kind of the open one */
	u32 n_blocks, open;
	/* of API_RESPONSES: what is open, what is whole, events so far */
	struct jsonw item, items;
	char name[CHAT_NAME_BYTES_MAX + 1], id[CHAT_NAME_BYTES_MAX + 1];
	u64 n_events;
};
void api_stream_fini(struct api_stream *s);
void api_stream_begin(struct api_stream *s, struct jsonw *w);
void api_stream_event(struct api_stream *s, struct jsonw *w, const struct chat_event *e);
/* Of each choice; the last one ends the stream. */
void api_stream_end(struct api_stream *s, struct jsonw *w, const struct proto_outcome *o, const u8 *model);
void api_stream_error(struct api_stream *s, struct jsonw *w, const struct api_error *e);
