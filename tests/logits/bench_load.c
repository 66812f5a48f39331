/* What a load costs against its two parts, on files that are in the page cache: reading alone, hashing alone, loading (both, and the copy to the
 * device), with the same number of threads.
 *
 *   bench_load [MIB]      default 400 */
#define _GNU_SOURCE
#include "tests/logits/tiny_model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct tiny tiny;
static bool hash_too, read_too;
static atomic_ullong next;

static void *work(void *arg)
{
	u8 *block = aligned_alloc(4096, SEGMENT_BYTES), digest[SHA256_BYTES];
	memset(block, 1, SEGMENT_BYTES);
	for (u64 at; (at = atomic_fetch_add(&next, SEGMENT_BYTES)) < tiny.bytes[0];) {
		u64 n = MIN(SEGMENT_BYTES, tiny.bytes[0] - at);
		if (read_too && fd_pread_all(tiny.files[0], block, n, at))
			abort();
		if (hash_too)
			sha256_of(block, n, digest);
	}
	free(block);
	return NULL;
}

static f64 pass(u32 threads, bool reads, bool hashes)
{
	pthread_t t[LOAD_THREADS_MAX];
	u64 began = clock_ns();
	read_too = reads;
	hash_too = hashes;
	atomic_store(&next, 0);
	for (u32 i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, work, NULL))
			abort();
	for (u32 i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return (f64)(clock_ns() - began) / 1e9;
}

static f64 load(struct rt_device *d, u32 threads)
{
	struct grant g;
	struct proto_load_failed f;
	struct grant_params p = { .wake = -1, .load_threads = threads };
	tiny_collect(&tiny, KV_DEFAULT, 0, &g);
	if (grant_load(&g, d, &p, &f))
		abort();
	u64 began = clock_ns();
	while (!load_ended(g.load)) {
		struct timespec ms = { .tv_nsec = 200000 };
		nanosleep(&ms, NULL);
	}
	f64 s = (f64)(clock_ns() - began) / 1e9;
	grant_fini(&g);
	return s;
}

static f64 best(f64 a, f64 b)
{
	return a < b ? a : b;
}

int main(int argc, char **argv)
{
	u32 mib = argc > 1 ? (u32)atoi(argv[1]) : 400;
	struct tiny_spec spec = { .type = TENSOR_F32, .seed = 1, .ffn = MAX(mib * 170u / 256u, 1u) * 256u };
	struct rt_device *d;
	const char *why;
	if (rt_device_open("reference", &d, &why))
		return 1;
	tiny_make(&spec, &tiny);
	printf("%.0f MiB, cached, best of 3\nthreads      read      hash      load  GB/s\n",
		(f64)tiny.bytes[0] / (1 << 20));
	for (u32 threads = 1; threads <= 2; threads++) {
		f64 r = 1e9, h = 1e9, l = 1e9, gb = (f64)tiny.bytes[0] / 1e9;
		for (int i = 0; i < 3; i++) {
			r = best(r, pass(threads, true, false));
			h = best(h, pass(threads, false, true));
			l = best(l, load(d, threads));
		}
		printf("%7u %9.2f %9.2f %9.2f\n", threads, gb / r, gb / h, gb / l);
	}
	tiny_fini(&tiny);
	rt_device_close(d);
	return 0;
}
