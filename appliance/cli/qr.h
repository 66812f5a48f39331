/* QR codes of what leaves the machine, by libqrencode; PNG by libpng. */
#pragma once

#include "cli/cli.h"

/* With half blocks on standard output, dark on light whatever the terminal's colours. CLI_DONE, or an exit status, said: CLI_REFUSED when
 * it is longer than one code holds (2,331 bytes at level M). */
_must_use_ int qr_print(const void *data, size_t len);
/* The same as a picture. */
_must_use_ int qr_png(const void *data, size_t len, const char *path);
