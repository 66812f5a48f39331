/* Errors. One rule in the whole tree:
 *
 *   0    the thing is true, or done
 *   > 0  a documented outcome of this very function (a refusal); the caller handles it and never forwards it
 *   < 0  -errno: could not decide; forwarded unchanged up to main(), which reports once and exits
 *
 * err_origin() marks the birth of a negative error: with KEEP_TRACE set in the environment it prints file, line and
 * reason to stderr; otherwise it is silent. It returns its argument. */
#pragma once

#include "base/types.h"

int err_origin_at(int r, const char *file, int line);
#define err_origin(r) err_origin_at((r), __FILE__, __LINE__)
/* -errno of the system call that has just failed; never 0. */
int err_errno_at(const char *file, int line);
#define err_errno() err_errno_at(__FILE__, __LINE__)
/* Does that errno say that a path does not lead to what was meant, or not for this caller? Then the path is refused: whoever gave it can
 * mend it. */
bool err_is_path(int e);
