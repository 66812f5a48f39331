#include "base/build_time.h"
#include "build_time_config.h"

#define RELEASE_S 1795305600u /* 2026-11-22: the first one */

u64 build_time(void)
{
	return MAX((u64)KEEP_BUILD_TIME, (u64)RELEASE_S);
}
