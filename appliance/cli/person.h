/* People: their keys, and the commands that they sign. */
#pragma once

#include "cli/ctl.h"

/* Sign the command that is sent next with the person's key file; key NULL: do nothing. file_fd: of the file that goes with it, or -1.
 * 0; otherwise an exit status, said. */
struct person_command {
	u32 type;
	const void *body;
	u32 len;
	int file_fd;
};
_must_use_ int person_sign(struct ctl *k, const char *key, const struct person_command *p);
/* Does the answer say that a second person must approve? Then that is said. */
bool person_proposed(const struct ctl_answer *a);
/* The options of every command that a person answers for. */
struct person_opts {
	const char *reason, *key;
	bool json;
};
#define PERSON_OPTS_NONE      \
	{                     \
		.reason = "", \
	}
/* Rows of an option table. */
#define PERSON_OPTS(o)                                                                            \
	{ "--reason", OPT_STR, &(o)->reason, NULL }, { "--sign-with", OPT_STR, &(o)->key, NULL }, \
	{                                                                                         \
		"--json", OPT_FLAG, &(o)->json, NULL                                              \
	}
/* Say that it was done, or proposed: with --json as an object, else in keepd's words, or those that are given. */
void person_told(const struct person_opts *o, const struct ctl_answer *a, const char *done);
/* Open, sign, ask, and say what keepd answers: the whole of a command that changes who may do what. An exit status. */
_must_use_ int person_ask(struct cli *c, const struct person_opts *o, const struct person_command *p);
/* The whole of a verb about something that has a name: NAME and the options above. An exit status. */
_must_use_ int person_named(struct cli *c, int argc, char **argv, u32 type);

/* The whole of a verb that has a file of rules count from now on: FILE and the options above. An exit status. */
struct person_file {
	u32 type;				   /* of a frame that carries a reason and the file */
	int (*check)(const char *path, bool json); /* says what is wrong with it; an exit status */
	const char *is; /* "the policy from now on": what is said behind the file's name */
};
_must_use_ int person_install(struct cli *c, int argc, char **argv, const struct person_file *p);
