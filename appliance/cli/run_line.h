/* A line that somebody types: with editing and a history where it is typed at a terminal (libedit), else as it comes. */
#pragma once

#include "cli/cli.h"

struct run_line;

/* For input that is a terminal. history: remember what is typed, from one conversation to the next, in a file of mode 0600 in
 * $XDG_STATE_HOME/keep; where that cannot be read or written, it is only remembered here, and a line says so.
 * A terminal without means (TERM=dumb), or none: *ret is NULL, which the others take. 0; otherwise an exit status, said. */
_must_use_ int run_line_open(bool history, struct run_line **ret);
struct run_line *run_line_close(struct run_line *l);

/* One line, without its end; what is pasted is one line, whatever stands in it. *ret is to be freed.
 * 0; 1 end of input; 2 interrupted; otherwise an exit status, said. */
_must_use_ int run_line_read(struct run_line *l, const char *prompt, char **ret);
/* What somebody means to say: a line; those up to one that ends without a backslash; or those between two """.
 * The same results. It goes into the history, unless it begins with a blank. */
_must_use_ int run_line_message(struct run_line *l, const char *prompt, char **ret);
