/* A clock that lies, linked into the test's own keepd only: CLOCK_REALTIME is off by the seconds that stand, as a decimal number, at the
 * beginning of the file that KEEP_TEST_CLOCK names. The file is mapped before the sandbox, so it may be written while keepd runs. */
#define _GNU_SOURCE
#include "base/types.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char *text;

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int r = __real_clock_gettime(id, t);
	if (r == 0 && id == CLOCK_REALTIME && text)
		t->tv_sec += strtoll(text, NULL, 10);
	return r;
}

__attribute__((constructor)) static void install(void)
{
	const char *path = getenv("KEEP_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		text = p;
}
