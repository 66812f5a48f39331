/* What test_ops asks of a device besides the bits of each op: how calls are recorded, replayed and cut, and what is refused. Each says how much was wrong. */
#pragma once

#include "runtime/dev.h"

/* More calls in one recording than there are descriptor sets, each depending on the one before. */
u32 run_long_recording(struct rt_device *d);
/* The same calls once more are not recorded once more, others are, and both compute. */
u32 run_replays(struct rt_device *d);
/* What would keep a driver waiting for too long is cut into submissions, and computes the same. */
u32 run_cuts(struct rt_device *d, struct rt_device *ref);
/* One past what a device that counts rounds computes is refused, not computed wrongly. */
u32 run_refusals(struct rt_device *ref);
