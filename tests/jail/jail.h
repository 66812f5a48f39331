/* What a process tries from inside of a sandbox (tries.c), and what makes the sandbox and the world around it (jail.c). */
#pragma once

#include "base/types.h"

#include <stddef.h>
#include <sys/types.h>

#define DONE   0
#define KILLED (-1)
#define ANY    (-2) /* free column: the machine may or may not allow it, so it proves nothing either way */

/* What stands around the process: one directory on the list, one that is not, somebody else's process, sockets. */
struct world {
	char in[64], out[64];	/* directories */
	char inf[96], outf[96]; /* a file in each */
	int in_fd, file_fd;	/* the listed directory, and a file in it opened for reading and writing */
	int pair[2];
	int server;   /* a listening unix socket in `in`, named "s" */
	pid_t victim; /* sleeps */
	char secret[16];
};
extern struct world w;

/* What is tried, and what must come of it. */
struct attempt {
	const char *name;
	int (*f)(void);
	int want[4]; /* attest, keepd, runtime, gateway */
	int free;    /* without a sandbox */
};
extern const struct attempt attempts[];
extern const size_t n_attempts;
