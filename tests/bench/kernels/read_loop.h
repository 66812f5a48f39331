/* What a machine's memory gives at most, beside which every decode row stands. */
#pragma once

#include "runtime/cpu.h"

/* Bytes a second of a plain read of memory by the pool's threads. words: host memory of at least a chunk, a multiple of 64 bytes. */
double read_loop(struct cpu_pool *pool, const void *words, u64 bytes);
