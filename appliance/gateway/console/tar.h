/* Files as one, in the form of POSIX ustar: regular files alone, of nobody, mode 0644. */
#pragma once

#include "gateway/console/page.h"

#define TAR_NAME_MAX 99u /* bytes of a name */

struct tar_file {
	const char *name; /* of [A-Za-z0-9._/-], at most TAR_NAME_MAX */
	const void *data;
	size_t len;
};
/* What tar_put writes of it. */
u64 tar_bytes(const struct tar_file *f);
void tar_put(struct page *p, const struct tar_file *f, u64 time_s);
/* Behind the last one. */
void tar_end(struct page *p);
