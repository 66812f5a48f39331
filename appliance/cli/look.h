/* One question to keepd, shown: with --json as it came, for people as a verb makes it. What ls, show, status and their like are made of.
 *
 *	_cleanup_look_ struct look l = LOOK_NONE;
 *	if (look_ask(&(struct look_verb){ c, argc, argv, QUERY_MODELS, LOOK_ALONE }, &l))
 *		for (json_t *j; (j = look_next(&l));)
 *			…
 *	return l.status; */
#pragma once

#include "cli/lines.h"

enum look_arg {
	LOOK_ALONE, /* the question takes no argument */
	LOOK_NAME,  /* a model's name */
	LOOK_INDEX, /* a record's index */
};

struct look_verb {
	struct cli *c;
	int argc;
	char **argv;
	u32 what; /* enum query_what */
	enum look_arg arg;
};

struct look {
	struct ctl k;
	struct ctl_answer a;
	struct lines l;
	json_t *at; /* the document at hand */
	u64 n;	    /* documents seen */
	bool json;
	int status; /* what the verb ends with */
};
#define LOOK_NONE                                    \
	{                                            \
		.k = CTL_NONE, .a = CTL_ANSWER_NONE, \
	}
void look_fini(struct look *l);
#define _cleanup_look_ _cleanup_(look_fini)

/* Parse --json and the argument, and ask. True: documents wait, whatever l->status says of them; false: l->status is all there is. */
_must_use_ bool look_open(const struct look_verb *v, struct look *ret);
/* The same; with --json the documents are printed, and false comes back. */
_must_use_ bool look_ask(const struct look_verb *v, struct look *ret);
/* The next document, until the next call; NULL behind the last, or at a malformed one, which is said and becomes the status. */
json_t *look_next(struct look *l);
/* Every document that is left, one member per line. Returns l->status. */
int look_print(struct look *l);
