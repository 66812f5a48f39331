/* The rules of NUMERICS for a compiled kernel (README.md lists them): what a source says is not enough, the SPIR-V must say it. */
#pragma once

#include "base/types.h"

/* NULL when the module of n words keeps every rule, else the first rule that it breaks ("OpFAdd without NoContraction"). Bounds of
 * instructions are checked; *ret_at is the word where the offending one begins. */
const char *spv_check(const u32 *words, size_t n, size_t *ret_at);
