/* QR codes of what leaves the machine, by libqrencode; PNG by libpng. What is longer than one code holds (2,331 bytes at level M) goes in several, each a
 * part of audit/tlog/parts.h. */
#pragma once

#include "cli/cli.h"

/* With half blocks on standard output, dark on light whatever the terminal's colours; of several, each with its number over it. CLI_DONE, or an
 * exit status, said: CLI_REFUSED when it is longer than 64 codes hold. */
_must_use_ int qr_print(const void *data, size_t len);
/* The same as pictures: at path, or, when there are several, at path with "-1", "-2" ... before its last dot. */
_must_use_ int qr_png(const void *data, size_t len, const char *path);
