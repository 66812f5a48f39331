/* Parts of a transfer become one file again, as their media come (carry.h). Where they are collected there are FILE.partial, the bytes at
 * their places, and FILE.have, the list of the parts that are in it: written after each part is durable, so that an interrupted one is
 * begun again and no other is lost. */
#pragma once

#include "cli/carry.h"

/* Is path a part, or the FILE of parts? FILE into ret[cap], *ret_part the one, or UINT32_MAX for all that are there. */
bool collect_wanted(const char *path, char *ret, size_t cap, u32 *ret_part);

struct collect_params {
	const char *file; /* as collect_wanted said */
	u32 part;
	const char *into; /* a directory; NULL: the user's own */
};
/* Take them. CLI_DONE and *ret_whole: all are here, and its path is in ret[cap]; or not yet, and what is missing was said; otherwise an
 * exit status, said. */
_must_use_ int collect(const struct collect_params *p, bool *ret_whole, char *ret, size_t cap);
/* What was collected is not needed any more. */
void collect_drop(const char *whole);
