/* keep run: what its three files share. cmd_run.c holds the options, run_answer.c one answer as it comes and is printed, run_talk.c the
 * messages of a conversation, with the results of tools. */
#pragma once

#include "cli/ask.h"

struct run {
	const char *model, *prompt, *tokens, *save, *kv, *system, *schema, *gbnf;
	const char *tools_path, *messages_path, *template_path, *choice, *think;
	struct opt_list results; /* NAME=TEXT, or "-": lines of standard input */
	bool raw, json, ignore_eos, one_call, seed_given, max_given;
	u32 ctx;
	bool plan; /* only say what it would take */
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
	size_t n_results; /* of --tool-result, used so far */
};
void talk_fini(struct talk *t);
/* content and more are copied; NULL: none. 0; otherwise an exit status, said. */
_must_use_ int talk_add(struct talk *t, const char *role, const char *content, const char *more);
/* Ask; where the answer calls tools whose results are known, give them and ask again. */
_must_use_ int talk_ask(struct run *q, struct talk *t);
/* At the terminal, until its end. */
_must_use_ int talk_converse(struct run *q, struct talk *t);
