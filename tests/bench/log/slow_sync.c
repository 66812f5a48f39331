/* A disk whose sync takes a fixed time: fsync and fdatasync sleep for slow_sync_us instead of syncing. Preloaded into keepd (LD_PRELOAD) and
 * linked into the benchmark, so that both wait in the same way; for files in memory, where a sync does nothing. */
#define _GNU_SOURCE
#include "base/types.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern u32 slow_sync_us;
u32 slow_sync_us = 1000;

static int slow(long call, int fd)
{
	struct timespec t = { 0, (long)slow_sync_us * 1000 };
	if (!slow_sync_us)
		return (int)syscall(call, fd);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	return 0;
}

EXPORT int fdatasync(int fd)
{
	return slow(SYS_fdatasync, fd);
}

EXPORT int fsync(int fd)
{
	return slow(SYS_fsync, fd);
}
