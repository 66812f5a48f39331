/* A device that computes nothing: memory is there, weights arrive, calls are counted and return at once. What is left of a step is the runtime's own. Logits
 * are what the test writes. */
#pragma once

#include "runtime/dev.h"

/* Aborts when there is no memory. Closed by rt_device_close. */
struct rt_device *still_open(void);
/* Calls of kernels so far. */
u64 still_calls(const struct rt_device *d);
/* Has something been started that nobody has waited for? */
bool still_runs(const struct rt_device *d);
/* Submissions so far. */
u64 still_submits(const struct rt_device *d);
