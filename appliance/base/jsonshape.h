/* The shape of JSON that a stranger wrote, before anything recursive sees it or allocates for it. */
#pragma once

#include "base/types.h"

/* Nesting of at most JSON_DEPTH_MAX, and at most JSON_VALUES_FREE values and one for each further JSON_VALUE_BYTES_MIN bytes; brackets and
 * commas within strings do not count. Says nothing about validity. 0; 1 nested deeper; 2 more values. */
_must_use_ int json_shape_check(const void *data, size_t len);
