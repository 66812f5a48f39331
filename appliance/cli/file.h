/* Files that a verb is given: "-" is standard input; pipes are fine. */
#pragma once

#include "cli/cli.h"

#include <sys/types.h>

/* The whole of it, at most max bytes, with a 0 byte behind. CLI_DONE and *ret, to be freed; otherwise an exit status, with the reason
 * in why[cap]: CLI_REFUSED when there is no such file or it is too long, CLI_UNDECIDED when it could not be read. */
_must_use_ int file_read(const char *path, u64 max, char **ret, size_t *ret_len, char *why, size_t cap);
/* The same of a text that may have come back as parts of several QR codes (audit/tlog/parts.h), then joined. */
_must_use_ int file_read_parts(const char *path, u64 max, char **ret, size_t *ret_len, char *why, size_t cap);
/* Is there something of that name in that folder? */
bool file_in(const char *dir, const char *name);

/* A file that appears whole at its end, in place of one that is there, or not at all. What is there and is neither file nor directory, a
 * device or a pipe, is written to as it comes. */
struct file_out {
	const char *path;
	char tmp[4096];
	mode_t mode;
	int fd;
	bool whole;
};
/* CLI_DONE, write to ret->fd and end it; or an exit status, said. */
_must_use_ int file_begin(const char *path, mode_t mode, struct file_out *ret);
/* CLI_DONE, or an exit status, said: with `status` that, and there is no new file. */
_must_use_ int file_end(struct file_out *o, int status);
/* The same at once, with the caller's umask; "-" is standard output. */
_must_use_ int file_write(const char *path, const void *data, size_t len);
