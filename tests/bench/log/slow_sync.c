/* A disk whose sync takes a fixed time: fsync and fdatasync sleep for slow_sync_us instead of syncing. Preloaded into keepd (LD_PRELOAD) and
 * linked into the benchmark, so that both wait in the same way; for files in memory, where a sync does nothing. KEEP_BENCH_SYNC_US makes it
 * another time than a millisecond. */
#define _GNU_SOURCE
#include "base/types.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern u32 slow_sync_us;
u32 slow_sync_us = 1000;

__attribute__((constructor)) static void from_environment(void)
{
	const char *us = getenv("KEEP_BENCH_SYNC_US");
	if (us)
		slow_sync_us = (u32)strtoul(us, NULL, 10);
}

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
