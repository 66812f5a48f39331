/* When this build was made, or rather a time that it was certainly not made before: SOURCE_DATE_EPOCH where the build was given one, else
 * the time of the last commit, else that of the last release. The same sources give the same number, so builds stay reproducible. */
#pragma once

#include "base/types.h"

/* Seconds of UTC. */
u64 build_time(void);
