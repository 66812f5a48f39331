/* Files that a verb is given: "-" is standard input; pipes are fine. */
#pragma once

#include "cli/cli.h"

/* The whole of it, at most max bytes, with a 0 byte behind. CLI_DONE and *ret, to be freed; otherwise an exit status, with the reason
 * in why[cap]: CLI_REFUSED when there is no such file or it is too long, CLI_UNDECIDED when it could not be read. */
_must_use_ int file_read(const char *path, u64 max, char **ret, size_t *ret_len, char *why, size_t cap);
/* The same of a text that may have come back as parts of several QR codes (audit/tlog/parts.h), then joined. */
_must_use_ int file_read_parts(const char *path, u64 max, char **ret, size_t *ret_len, char *why, size_t cap);
/* Write a file that appears whole or not at all; "-" is standard output. CLI_DONE, or an exit status, said. */
_must_use_ int file_write(const char *path, const void *data, size_t len);
