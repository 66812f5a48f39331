#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_origin_at(int r, const char *file, int line)
{
	assert(r < 0);
	int saved = errno;
	if (getenv("KEEP_TRACE"))
		fprintf(stderr, "%s:%d: %s\n", file, line, strerror(-r));
	errno = saved;
	return r;
}

bool err_is_path(int e)
{
	return e == ENOENT || e == ENOTDIR || e == EISDIR || e == ELOOP || e == ENAMETOOLONG || e == EACCES;
}

int err_errno_at(const char *file, int line)
{
	return err_origin_at(errno > 0 ? -errno : -EIO, file, line);
}
