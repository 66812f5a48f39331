#include "read_loop.h"
#include "tests/bench/bench.h"

#define CHUNK_WORDS (32u << 10)

struct reading {
	const u64 *words;
	u64 sums[CPU_THREADS_MAX];
};

static void read_some(const void *arg, u32 thread, u32 first, u32 end)
{
	const struct reading *r = arg;
	u64 s[16] = { 0 };
	for (u64 i = (u64)first * CHUNK_WORDS; i < (u64)end * CHUNK_WORDS; i += 16)
		for (u32 j = 0; j < 16; j++)
			s[j] |= r->words[i + j];
	for (u32 j = 1; j < 16; j++)
		s[0] |= s[j];
	*(volatile u64 *)(uintptr_t)&r->sums[thread] = s[0];
}

double read_loop(struct cpu_pool *pool, const void *words, u64 bytes)
{
	struct reading r = { .words = words };
	u32 chunks = (u32)(bytes / (8 * CHUNK_WORDS));
	double start = bench_now();
	cpu_pool_run(pool, read_some, &r, chunks, 4);
	return (double)chunks * 8 * CHUNK_WORDS / (bench_now() - start);
}
