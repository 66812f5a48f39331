/* keep: one verb, one function. What every verb shares: exit statuses, the appliance's directory, options, and how things are
 * said to people (messages on stderr, data on stdout) and to programs (--json on stdout, one document per line). */
#pragma once

#include "base/types.h"

#include <stdio.h>

/* Exit statuses, in the order of enum end_status and enum attest_verdict. */
enum cli_exit {
	CLI_DONE = 0,	   /* done or accepted */
	CLI_REFUSED = 1,   /* refused or failed; the reason was printed */
	CLI_USAGE = 2,	   /* wrong options or argument count */
	CLI_UNDECIDED = 3, /* could not decide: input/output error, keepd gone, out of memory */
	CLI_SPENT = 4,	   /* a quota is spent; the message says when there is more */
};

struct jsonw;

struct cli {
	const char *root; /* the appliance's directory; NULL when nothing says where */
	bool root_given;  /* by --root, so that hints repeat it */
	const struct verb *verb;
	const char *form; /* which of the verb's words was typed; NULL: none yet */
};

struct verb {
	const char *name;
	int (*func)(struct cli *c, int argc,
		char **argv); /* argv[0] is the first argument behind the verb; an exit status */
	const char *summary;  /* one line, lower case, no full stop */
	const char *usage;    /* forms, one per line, without "keep " */
	const char *more;     /* shown by help below the usage; may be NULL */
};

extern const struct verb cli_verbs[];
extern const size_t cli_n_verbs;
const struct verb *cli_verb_find(const char *name);
/* The verb that a mistyped word is closest to, or NULL when none is close. */
const struct verb *cli_verb_near(const char *word);
/* The verb's usage, of all its forms or of those with that word behind its name (NULL: all); how many lines that were. */
u32 cli_forms(FILE *f, const struct verb *v, const char *form);
/* What "keep help" prints. */
void cli_help_all(FILE *f);

int cmd_init(struct cli *c, int argc, char **argv);
int cmd_up(struct cli *c, int argc, char **argv);
int cmd_status(struct cli *c, int argc, char **argv);
int cmd_doctor(struct cli *c, int argc, char **argv);
int cmd_update(struct cli *c, int argc, char **argv);
int cmd_support(struct cli *c, int argc, char **argv);
int cmd_device(struct cli *c, int argc, char **argv);
int cmd_keygen(struct cli *c, int argc, char **argv);
int cmd_sign(struct cli *c, int argc, char **argv);
int cmd_verify(struct cli *c, int argc, char **argv);
int cmd_verify_model(struct cli *c, int argc, char **argv);
int cmd_sign_model(struct cli *c, int argc, char **argv);
int cmd_trust(struct cli *c, int argc, char **argv);
int cmd_policy(struct cli *c, int argc, char **argv);
int cmd_quota(struct cli *c, int argc, char **argv);
int cmd_import(struct cli *c, int argc, char **argv);
int cmd_export(struct cli *c, int argc, char **argv);
int cmd_ls(struct cli *c, int argc, char **argv);
int cmd_show(struct cli *c, int argc, char **argv);
int cmd_ps(struct cli *c, int argc, char **argv);
int cmd_console(struct cli *c, int argc, char **argv);
int cmd_stop(struct cli *c, int argc, char **argv);
int cmd_gc(struct cli *c, int argc, char **argv);
int cmd_revoke(struct cli *c, int argc, char **argv);
int cmd_rm(struct cli *c, int argc, char **argv);
int cmd_run(struct cli *c, int argc, char **argv);
int cmd_tokenize(struct cli *c, int argc, char **argv);
int cmd_bench(struct cli *c, int argc, char **argv);
int cmd_logits(struct cli *c, int argc, char **argv);
int cmd_audit(struct cli *c, int argc, char **argv);
int cmd_retention(struct cli *c, int argc, char **argv);
int cmd_hold(struct cli *c, int argc, char **argv);
int cmd_erase(struct cli *c, int argc, char **argv);
int cmd_witness(struct cli *c, int argc, char **argv);
int cmd_tlog(struct cli *c, int argc, char **argv);
int cmd_role(struct cli *c, int argc, char **argv);
int cmd_key(struct cli *c, int argc, char **argv);
int cmd_access(struct cli *c, int argc, char **argv);
int cmd_tls(struct cli *c, int argc, char **argv);
int cmd_propose(struct cli *c, int argc, char **argv);
int cmd_pending(struct cli *c, int argc, char **argv);
int cmd_approve(struct cli *c, int argc, char **argv);
int cmd_reject(struct cli *c, int argc, char **argv);
int cmd_help(struct cli *c, int argc, char **argv);

/* ---- options (opt.c) ---- */

enum opt_kind {
	OPT_FLAG, /* bool */
	OPT_STR,  /* const char * */
	OPT_U64,  /* u64, decimal */
	OPT_U32,  /* u32, decimal */
	OPT_F32,  /* f32, finite */
	OPT_LIST, /* struct opt_list: may come several times */
};

#define OPT_LIST_MAX 16u
struct opt_list {
	const char *v[OPT_LIST_MAX];
	size_t n;
};

struct opt {
	const char *name; /* with its dashes */
	enum opt_kind kind;
	void *to;
	bool *given; /* set when the option came; may be NULL */
};

struct opt_params {
	const struct opt *opts;
	size_t n_opts;
	int argc;
	char **argv;		/* afterwards the positional arguments, in order, from argv[0] on */
	int min_args, max_args; /* positional arguments allowed */
};

/* Options may stand anywhere, as "--name value" or "--name=value"; "--" ends them. -h and --help print the verb's help. A dash and no letter
 * ("-1") begin an argument.
 * 0 go on, *ret is the number of positional arguments; 1 finished (help or a usage error was printed), *ret is the exit status. */
_must_use_ int opt_parse(const struct cli *c, const struct opt_params *p, int *ret);

/* A verb of several words: run the one that argv[0] names, with what follows it. */
struct opt_sub {
	const char *name;
	int (*func)(struct cli *c, int argc, char **argv);
};
int opt_sub(struct cli *c, const struct opt_sub *subs, size_t n_subs, int argc, char **argv);
/* It is that one: of the verb's forms, usage errors show these only. Returns c. */
struct cli *opt_form(struct cli *c, const char *form);

/* "1,2,3" into fresh memory. 0; 1 not a list of numbers below 2^32; -ENOMEM. */
_must_use_ int opt_u32_list(const char *s, u32 **ret, size_t *ret_n);
/* A decimal number without sign or blanks. 0; 1 not one, or above max. */
_must_use_ int opt_u64(const char *s, u64 max, u64 *ret);

/* ---- saying things (out.c) ---- */

/* Look at the terminal once: NO_COLOR, TERM=dumb, not a tty. */
void out_init(void);
bool out_tty(int fd);
enum out_style { OUT_PLAIN, OUT_BOLD, OUT_DIM, OUT_GOOD, OUT_BAD, OUT_WARN };
/* The escape sequence that starts (or with OUT_PLAIN ends) a style on that descriptor; "" where styles are off. */
const char *out_style(int fd, enum out_style s);

/* "keep: …" on stderr. */
void out_say(const char *fmt, ...) _printf_(1, 2);
/* The same, and returns the exit status that it is given. */
int out_fail(int status, const char *fmt, ...) _printf_(2, 3);
/* Ends a document that grew (jsonw_init_grow), prints it as a line on stdout, and frees it; an exit status, for it may not have fitted. */
_must_use_ int out_json(struct jsonw *w);
/* A suggestion, dim, on stderr: "next: keep …". Only where stderr is a terminal. */
void out_next(const char *fmt, ...) _printf_(1, 2);
/* A usage error with the verb's forms, or those of the word that was typed behind it; returns CLI_USAGE. */
int out_usage(const struct cli *c, const char *fmt, ...) _printf_(2, 3);
/* Words for a negative errno. */
const char *out_reason(int r);

/* Text that strangers wrote, made fit for a terminal: control characters but line feed and tab become U+FFFD, in place of the
 * bytes, when fd is a terminal; unchanged otherwise. Writes to the stream of fd 1 or 2. */
void out_text(int fd, const char *s, size_t n);

/* Progress of long work on stderr: a bar when it is a terminal, nothing otherwise. total 0: unknown. */
void out_progress(const char *what, u64 done, u64 total);
void out_progress_end(void);

/* "4.2 MB" */
struct out_size {
	char s[16];
};
struct out_size out_size(u64 bytes);

/* A table for people: cells are copied, columns aligned, the header bold. Every row has n_cols cells. */
struct out_table {
	size_t n_cols, n_cells, cap;
	char **cells;
	bool failed;
};
void out_table_row(struct out_table *t, ...) __attribute__((sentinel));
void out_table_print(struct out_table *t); /* to stdout; ends it */
void out_table_fini(struct out_table *t);
