/* Chat: what goes into a model and what comes out of it, in one header. Used by the command, and by the gateway.
 *
 *	messages, tools, the model's own template
 *		-> chat_turn_begin ->
 *	pieces of a prompt, a grammar, what reasoning is marked with, a reader
 *		-> the runtime answers; each piece of text and each control token goes to chat_reader_push, chat_reader_control ->
 *	events: text, reasoning, calls of tools
 *
 * A template is code that a stranger wrote: it is run by a bounded interpreter of a Jinja subset that can reach nothing but the values it
 * is given. Every piece says whether its text came from the template (trusted: may hold control tokens) or from a message, a tool or
 * an argument (never does). */
#pragma once

#include "base/arena.h"
#include "base/types.h"

/* ---- in: messages and tools ------------------------------------------------------------------------------------------------ */

struct chat_message {
	const char *role;    /* "system", "developer", "user", "assistant", "tool" */
	const char *content; /* UTF-8; NULL: none */
	const char *
		more; /* NULL, or a JSON object: what else the message has, as OpenAI's API names it: tool_calls, tool_call_id, name,
			     reasoning_content, content in parts */
};
/* Messages of OpenAI's API, a JSON list, into the arena. 0; 1 *ret_why; -ENOMEM. */
_must_use_ int chat_messages_read(const char *json, size_t len, struct arena *a,
	const struct chat_message **ret, size_t *ret_n, const char **ret_why);

/* What the model's vocabulary is asked. */
struct chat_vocab {
	bool (*is_control)(void *ctx, const char *text, size_t len); /* NULL: it has no control tokens */
	void *ctx;
};

enum chat_choice {
	CHAT_CALLS_AUTO = 0, /* the model decides */
	CHAT_CALLS_NONE,     /* it is told of no tools */
	CHAT_CALLS_REQUIRED, /* it calls, at least once */
};

struct chat_ask {
	const char *source; /* the template */
	size_t source_len;
	const struct chat_message *messages;
	size_t n_messages;
	const char *bos_token, *eos_token; /* "" where the model has none; trusted */
	const char *tools;		   /* NULL, or OpenAI's tools, a JSON list */
	const char
		*vars; /* NULL, or a JSON object of more values for the template: {"enable_thinking":false} */
	enum chat_choice choice;
	const char *choice_name; /* with CHAT_CALLS_REQUIRED: this tool; NULL: any */
	bool one_call;		 /* at most one call in the answer */
	i64 now; /* UNIX time for strftime_now, in UTC; 0: the template finds no such function */
	struct chat_vocab vocab;
};

/* ---- between: what a request is made of ------------------------------------------------------------------------------------ */

struct chat_piece {
	bool trusted;
	const char *text;
	size_t len;
};

/* What reasoning is marked with in this model's answers; a control token is 0xff, its name, 0xff. */
struct chat_think {
	bool known;  /* the template has reasoning at all */
	bool inside; /* the prompt has opened it */
	const char *open, *close;
	const char *end; /* said in the model's place when a budget of reasoning is used up; holds close */
	size_t open_len, close_len, end_len;
};

struct chat_reader;
struct chat_turn {
	const struct chat_piece *pieces;
	size_t n_pieces;
	const void *grammar; /* compiled, for the request (base/grammar.h); NULL: none is needed */
	size_t grammar_len;
	struct chat_think think;
	const char *format; /* name of the model's way to write calls; "none" */
	struct chat_reader *reader;
	struct chat_state *state; /* what all of this lies in */
};

/* 0 done, until chat_turn_fini; 1 the template is outside the subset, raised an exception or ran over a limit, or the tools cannot be
 * used with this model: *ret_why, in the arena, names the construct and its line, or the place in a schema; -ENOMEM. */
_must_use_ int chat_turn_begin(
	const struct chat_ask *p, struct arena *a, struct chat_turn *ret, const char **ret_why);
void chat_turn_fini(struct chat_turn *t);
#define _cleanup_turn_ _cleanup_(chat_turn_fini)

/* ---- out: events ----------------------------------------------------------------------------------------------------------- */

enum chat_event_kind {
	CHAT_TEXT = 1,
	CHAT_REASONING,
	CHAT_CALL,	/* a call begins: call, name, id */
	CHAT_ARGUMENTS, /* a piece of its arguments; all pieces of a call are one JSON object */
	CHAT_CALL_END,	/* it is complete */
	CHAT_CALL_VOID, /* it is none: forget it; what it looked like follows as CHAT_BROKEN */
	CHAT_BROKEN,	/* text that began as a call and is none */
};
struct chat_event {
	enum chat_event_kind kind;
	u32 call;	  /* index of the call in this answer */
	const char *text; /* until the handler returns */
	size_t len;
	const char *name, *id; /* CHAT_CALL */
};

/* Who hears the events; before the first push. */
void chat_reader_on(struct chat_reader *r, void (*handler)(void *ctx, const struct chat_event *e), void *ctx);
/* What the model said, in order and cut anywhere: the events together are the same. No part of a tag is ever shown as text.
 * 0; -ENOMEM: the rest is lost. */
_must_use_ int chat_reader_push(struct chat_reader *r, const char *text, size_t len);
_must_use_ int chat_reader_control(struct chat_reader *r, const char *name, size_t len);
_must_use_ int chat_reader_end(struct chat_reader *r);

/* ---- only a template ------------------------------------------------------------------------------------------------------- */

struct chat_render {
	const char *source; /* the template */
	size_t source_len;
	const struct chat_message *messages;
	size_t n_messages;
	bool add_generation_prompt;
	const char *bos_token, *eos_token;
	const char *tools, *vars; /* as in struct chat_ask */
	i64 now;
};

/* Parse and run. Neighbouring pieces of one kind are merged; empty ones left out.
 * 0 done, pieces in the arena; 1 as chat_turn_begin; -ENOMEM. */
_must_use_ int chat_render(const struct chat_render *p, struct arena *a, const struct chat_piece **ret_pieces,
	size_t *ret_n, const char **ret_why);

/* Only parse: may this template be used? Same outcomes. */
_must_use_ int chat_template_check(const char *source, size_t len, struct arena *a, const char **ret_why);
/* The name of the format that its calls have, "none" if it has none; and whether it knows tools at all. */
const char *chat_template_calls(const char *source, size_t len);
