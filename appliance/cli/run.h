/* keep run: what its files share. cmd_run.c holds the options, run_answer.c one answer as it comes and is printed, run_talk.c the
 * messages of a conversation, with files and the results of tools, run_command.c what is typed at the terminal. */
#pragma once

#include "cli/ask.h"
#include "cli/run_line.h"

struct run {
	const char *model, *prompt, *tokens, *save, *kv, *system, *schema, *gbnf;
	const char *tools_path, *messages_path, *template_path, *choice, *think;
	struct opt_list results; /* NAME=TEXT, or "-": lines of standard input */
	struct opt_list files;	 /* that go in front of the prompt */
	bool raw, json, ignore_eos, one_call, seed_given, max_given, no_history;
	u32 ctx;
	const char *draft; /* a model that guesses; NULL: none is named */
	bool plan;	   /* only say what it would take */
	struct ask_sampling how;
	struct ask_turn turn; /* what each turn has; messages are filled in */
	struct session session;
};

/* ---- one answer (run_answer.c) ------------------------------------------------------------------------------------------- */

struct text {
	char *p; /* with a 0 byte behind; NULL: nothing was added */
	size_t n, cap;
};
/* false: out of memory */
_must_use_ bool text_add(struct text *t, const void *s, size_t n);

struct run_call {
	char *name, *id;
	struct text args;
};

struct answer {
	struct run *q;
	bool live;				    /* print it */
	bool trim;				    /* leave out the blanks before the first word */
	bool printed;				    /* something was */
	char last;				    /* byte printed */
	enum { SHOWN_TEXT, SHOWN_REASONING } shown; /* kind that was printed last */
	struct chat_reader *reader;		    /* NULL: the text is all there is */
	struct text text;			    /* as the model said it */
	struct text content, reasoning, broken;
	u32 *ids;
	size_t n_ids, cap_ids;
	struct run_call *call;
	size_t n_calls, cap_calls;
	bool failed; /* out of memory */
};
struct jsonw;
void run_call_json(struct jsonw *w, const struct run_call *c); /* as OpenAI's API writes a call */
void answer_fini(struct answer *a);
#define _cleanup_answer_text_ _cleanup_(answer_fini)

/* One question, one answer; the caller ends it. 0; otherwise an exit status, said. */
_must_use_ int run_ask(
	struct run *q, const struct chat_message *messages, size_t n_messages, struct answer *ret);

/* ---- a conversation (run_talk.c) ----------------------------------------------------------------------------------------- */

struct talk {
	struct chat_message *m; /* role is a constant, content and more are owned */
	size_t n, cap;
	size_t n_results;      /* of --tool-result, used so far */
	size_t n_kept;	       /* messages that a cleared conversation begins with */
	struct text files;     /* what goes in front of the next question */
	struct run_line *line; /* of a terminal; NULL: none */
};
void talk_fini(struct talk *t);
/* content and more are copied; NULL: none. 0; otherwise an exit status, said. */
_must_use_ int talk_add(struct talk *t, const char *role, const char *content, const char *more);
/* A file of text, between two lines with its name, in front of the next question. The same results. */
_must_use_ int talk_add_file(struct talk *t, const char *path);
_must_use_ int talk_add_question(struct talk *t, const char *text);
/* Forget all behind the first n messages. */
void talk_clear(struct talk *t, size_t n);
/* In place of the system message, or as the first. */
_must_use_ int talk_set_system(struct talk *t, const char *text);
/* Ask; where the answer calls tools whose results are known, give them and ask again. typed: they may be typed. Where there is no answer,
 * all behind the first `before` messages is forgotten. */
_must_use_ int talk_ask(struct run *q, struct talk *t, size_t before, bool typed);

/* ---- at the terminal, until its end (run_command.c) ------------------------------------------------------------------------- */

_must_use_ int talk_converse(struct run *q, struct talk *t);
