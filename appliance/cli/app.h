/* The appliance's directory, and the programs that serve it.
 *
 *   ROOT/store     keepd's: log, models, keys
 *   ROOT/run       sockets: ctl.sock attest.sock runtime.sock http.sock, and while one command keeps the appliance up, hold.sock;
 *                  lock (who supervises), keep.log (what the processes of single commands said) */
#pragma once

#include "cli/cli.h"

#include <limits.h>
#include <sys/types.h>

struct app {
	char root[PATH_MAX]; /* absolute */
	int run_fd;	     /* ROOT/run */
};

/* 0; otherwise an exit status, and the reason was printed. */
_must_use_ int app_open(const struct cli *c, struct app *ret);
void app_close(struct app *a);
#define _cleanup_app_ _cleanup_(app_close)

enum app_program {
	APP_KEEPD,
	APP_ATTEST,
	APP_RUNTIME,
	APP_GATEWAY,
	APP_N_DAEMONS,
	/* scripts, for root */
	APP_SETUP = APP_N_DAEMONS,
	APP_UPDATE,
	APP_N_PROGRAMS,
};
const char *app_program_name(enum app_program p);
/* Where a program is: KEEP_LIBEXEC when it is set, else the build tree that this keep runs from, else the place it was
 * configured to be installed to. 0; 1 not there, ret_path says where it was expected. */
_must_use_ int app_program_path(enum app_program p, char ret_path[PATH_MAX]);

#define APP_MORE_MAX 4u
struct app_spawn {
	enum app_program program;
	char *const *args;	 /* behind argv[0], NULL at the end; may be NULL */
	int listen_fd;		 /* becomes descriptor 3 of LISTEN_FDS; -1: none */
	const int *more;	 /* becomes 4, 5, … of LISTEN_FDS, with names */
	u32 n_more;		 /* at most APP_MORE_MAX */
	const char *names;	 /* LISTEN_FDNAMES; NULL: none */
	const char *credentials; /* CREDENTIALS_DIRECTORY; NULL: as it is */
	int err_fd;		 /* becomes stderr; -1: ours */
	int out_fd;		 /* becomes stdout; -1: as stderr */
	const char *notify;	 /* NOTIFY_SOCKET; NULL: none */
	bool dies_with_us;	 /* SIGTERM when this process ends, own process group */
};
/* 0, *ret_pid to be waited for; -errno: it could not be started. */
_must_use_ int app_spawn(const struct app_spawn *p, pid_t *ret_pid);
/* This process becomes the program, with its arguments behind argv[0], NULL at the end. Returns only when it cannot: an exit status, said. */
int app_become(enum app_program p, char *const *args);
/* Waits; "exited with 1", "was killed by signal 9 (Killed)". Returns the exit status, 128 + signal. */
int app_wait(pid_t pid);
void app_describe(int wstatus, char *ret, size_t size);
