/* What a token costs behind contexts of growing length, beside the bytes that it reads:
 *
 *   bench_context [TYPE [SIZE [ROUNDS [DEVICE [KV [MOST [busy]]]]]]]
 *
 * TYPE, SIZE and DEVICE as bench_model has them; KV f32, f16 (unless said) or int8; MOST positions at most, 32,768 unless said; busy: on a machine that others use too, time is that of
 * processors, over their number, and there is no read loop. Behind 1,024, 2,048 … MOST positions
 * one token is computed, four times on the native device and once on others, in each of ROUNDS (5) rounds, all lengths in every round, as long
 * as the device's attention reaches so far. What the cache holds is zeros, written there as pages are wiped: no kernel looks at values.
 *
 * Beside each median stand the bytes of weights and of cache that the token reads, the rate that makes, its share of a plain read loop of the
 * same threads in the same rounds (native device), and what a straight line through all medians says: so much a token and so much a byte of the
 * cache. Last, that line, and how far the row lies from it that is farthest. */
#include "made.h"
#include "read_loop.h"
#include "tests/bench/bench.h"

#include "proto.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST	    1024u
#define LENGTHS_MAX 6u
#define ROUNDS_MAX  15u
#define STEP_ROWS   512u
#define AGAIN	    4u /* tokens of a length in a round, on the native device */

struct length {
	u32 n;
	double cache; /* bytes that its token reads of it */
	double ms[ROUNDS_MAX], median, line;
};

struct bench {
	struct made b;
	struct model_work w;
	struct cpu_pool *pool; /* NULL: not the native device */
	struct length lengths[LENGTHS_MAX];
	u32 n_lengths, kv_mode;
	bool busy;		 /* time is that of processors */
	double read[ROUNDS_MAX]; /* bytes a second */
};

static void fail(const char *what)
{
	fprintf(stderr, "bench_context: %s\n", what);
	exit(1);
}

static u32 kv_mode_of(const char *name)
{
	static const char *const names[] = { "", "f32", "f16", "int8" };
	for (u32 i = KV_F32; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	fail("KV is f32, f16 or int8");
	return 0;
}

/* The page in which the token stands is read too. */
static double cache_bytes(const struct bench *t, u32 n)
{
	const struct model *m = &t->b.m;
	return 2.0 * m->n_layers *
	       (double)op_kv_bytes(t->kv_mode, n / RT_KV_PAGE + 1, m->n_kv_heads, m->head_dim);
}

static void choose_lengths(struct bench *t, u32 most)
{
	const struct rt_device_info info = rt_device_info(t->b.d);
	u32 reach = op_attention_reach(&info, t->b.m.head_dim);
	for (u32 n = FIRST; n <= most && t->n_lengths < LENGTHS_MAX; n *= 2) {
		if (n + AGAIN > reach) {
			printf("this device's attention reaches %u positions\n", reach);
			break;
		}
		t->lengths[t->n_lengths++] = (struct length){ .n = n, .cache = cache_bytes(t, n) };
	}
	if (t->n_lengths < 2)
		fail("MOST is at least 2,048");
}

/* Seconds: of the clock, or of a processor, all threads together over their number, and there is no read loop. */
static double now(const struct bench *t)
{
	struct timespec at;
	clock_gettime(t->busy ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &at);
	return ((double)at.tv_sec + (double)at.tv_nsec * 1e-9) / (t->busy ? cpu_threads_of_machine() : 1);
}

static double token_ms(struct bench *t, u32 n)
{
	u32 again = t->pool ? AGAIN : 1;
	double start = now(t);
	for (u32 i = 0; i < again; i++)
		made_step(&t->b, &t->w, n, 1);
	return (now(t) - start) * 1e3 / again;
}

static void measure(struct bench *t, u32 rounds)
{
	for (u32 r = 0; r < rounds; r++) {
		if (t->pool && !t->busy)
			t->read[r] = read_loop(t->pool, t->b.weights->host, t->b.bytes);
		for (u32 i = 0; i < t->n_lengths; i++)
			t->lengths[i].ms[r] = token_ms(t, t->lengths[i].n);
	}
	for (u32 i = 0; i < t->n_lengths; i++)
		t->lengths[i].median = bench_median(t->lengths[i].ms, rounds);
}

struct line {
	double at_none, of_byte,
		far; /* ms without a cache, ms a byte; the farthest row, as a share of itself */
};

/* The line for which the squares of the shares are least: lengths differ by 32 times, and each says as much. */
static struct line fit(struct bench *t)
{
	double w0 = 0, x1 = 0, x2 = 0, y1 = 0, xy = 0;
	for (u32 i = 0; i < t->n_lengths; i++) {
		double y = t->lengths[i].median, x = t->lengths[i].cache, w = 1 / (y * y);
		w0 += w;
		x1 += w * x;
		x2 += w * x * x;
		y1 += w * y;
		xy += w * x * y;
	}
	struct line l = { .of_byte = (w0 * xy - x1 * y1) / (w0 * x2 - x1 * x1) };
	l.at_none = (y1 - l.of_byte * x1) / w0;
	for (u32 i = 0; i < t->n_lengths; i++) {
		struct length *is = &t->lengths[i];
		is->line = l.at_none + l.of_byte * is->cache;
		l.far = MAX(l.far, fabs(is->line / is->median - 1));
	}
	return l;
}

static void print(struct bench *t, u32 rounds)
{
	double weights = (double)t->b.read, read = t->pool && !t->busy ? bench_median(t->read, rounds) : 0;
	struct line l = fit(t);
	printf("| behind | ms a token | MB of weights | MB of cache | GB/s | of the read loop | the line, ms "
	       "|\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n");
	for (u32 i = 0; i < t->n_lengths; i++) {
		const struct length *is = &t->lengths[i];
		double rate = (weights + is->cache) / is->median * 1e3;
		printf("| %u | %.1f | %.0f | %.0f | %.2f |", is->n, is->median, weights * 1e-6,
			is->cache * 1e-6, rate * 1e-9);
		printf(read > 0 ? " %.2f |" : " - |", rate / read);
		printf(" %.1f |\n", is->line);
	}
	printf("%.1f ms a token, %.2f GB/s of weights, and %.2f ms for 1,000 positions, %.2f GB/s of cache; "
	       "the farthest row is "
	       "%.1f %% from that\n",
		l.at_none, weights / l.at_none * 1e-6,
		l.of_byte * t->lengths[0].cache * 1e3 / (t->lengths[0].n + RT_KV_PAGE), 1e-6 / l.of_byte,
		l.far * 100);
	if (read > 0)
		printf("read loop: %.2f GB/s\n", read * 1e-9);
}

int main(int argc, char **argv)
{
	static struct bench t;
	const char *type = argc > 1 ? argv[1] : "Q4_K_M", *size = argc > 2 ? argv[2] : "0.5b";
	u32 rounds = argc > 3 ? (u32)atoi(argv[3]) : 5, most = argc > 6 ? (u32)atoi(argv[6]) : 32768;
	bool native;
	t.busy = argc > 7 && strcmp(argv[7], "busy") == 0;
	if (rounds < 1 || rounds > ROUNDS_MAX)
		fail("ROUNDS is 1 to 15");
	t.kv_mode = kv_mode_of(argc > 5 ? argv[5] : "f16");
	t.b.d = made_device(argc > 4 ? argv[4] : NULL, &native);
	if (native && cpu_pool_create(cpu_threads_of_machine(), &t.pool) < 0)
		fail("no memory");
	made_create(&t.b, type, size, most + RT_KV_PAGE);
	choose_lengths(&t, most);
	u32 longest = t.lengths[t.n_lengths - 1].n;
	made_work(&t.b, STEP_ROWS, longest + RT_KV_PAGE, t.kv_mode, &t.w);
	made_behind(&t.b, &t.w, longest + RT_KV_PAGE);
	(void)token_ms(&t, 0); /* packs, compiles */
	printf("%s %s on %s, %s; cache in %s; %u rounds%s\n", size, type, rt_device_info(t.b.d).name,
		rt_device_info(t.b.d).driver, argc > 5 ? argv[5] : "f16", rounds,
		t.busy ? "; time of processors" : "");
	measure(&t, rounds);
	print(&t, rounds);
	model_work_fini(t.b.d, &t.b.m, &t.w);
	made_fini(&t.b);
	if (t.pool)
		cpu_pool_destroy(t.pool);
	rt_device_close(t.b.d);
	return 0;
}
