/* What the benchmarks share: a clock, and the median that every row is. */
#pragma once

#include "base/types.h"

#include <stdlib.h>
#include <time.h>

static inline f64 bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec + (f64)t.tv_nsec * 1e-9;
}

static inline int bench_by_value(const void *a, const void *b)
{
	f64 x = *(const f64 *)a, y = *(const f64 *)b;
	return (x > y) - (x < y);
}

/* v is sorted. */
static inline f64 bench_median(f64 *v, u32 n)
{
	qsort(v, n, sizeof(*v), bench_by_value);
	return v[n / 2];
}
