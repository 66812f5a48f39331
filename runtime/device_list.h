/* What `keep device ls` and `keep device test` print: keep-runtime --device-ls and --device-test [NAME], both with [--json]. */
#pragma once

#include "base/types.h"
#include <stdio.h>

/* List every Vulkan device and the reference: name, driver, kind, memory, features, and the rows of the pipeline table that this build has
 * and the device can run. A device below the baseline is listed with the reason. 0; -errno. */
_must_use_ int rt_device_ls(bool json, FILE *out);

/* Run the self-test on the device of that name (as rt_device_open takes it), or on all with NULL, and print ok or BAD per kernel.
 * 0 every kernel right; 1 a kernel is wrong, or there is no such device (printed); -errno. */
_must_use_ int rt_device_test(const char *name, bool json, FILE *out);
