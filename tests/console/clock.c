/* LD_PRELOAD: the wall clock of a program is KEEP_TEST_SHIFT_S seconds away from the machine's, so that a log of today has a last Tuesday. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static long shift;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
	const char *s = getenv("KEEP_TEST_SHIFT_S");
	shift = s ? strtol(s, NULL, 10) : 0;
	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!real)
		begin();
	int r = real(id, ts);
	if (!r && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += shift;
	return r;
}

__attribute__((visibility("default"))) time_t time(time_t *ret)
{
	struct timespec ts = { 0 };
	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
