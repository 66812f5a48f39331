/* Where the time of a whole model goes, kernel by kernel, on the native device with the floor beside each line:
 *
 *   bench_model [TYPE [SIZE [ROUNDS [DEVICE [GENERATE]]]]]    TYPE Q4_0, Q4_K_M, Q8_0, F16, BF16 or F32; SIZE 0.5b or 1.2b
 *
 * DEVICE is a level of the native one or the name of another, which has no floors; with ROUNDS 0 its kernels are timed, each submitted by itself.
 * GENERATE tokens are generated, 64 unless said.
 * A llama of made-up weights, in the mixture of types that llama-quantize gives it: a prompt of 512 tokens from position 0, then 64 tokens one at a
 * time from position 512. The floor of a line is the longer of two times: its bytes at the speed of a plain read loop, and its
 * multiplications at the speed of the fastest instruction in registers, both measured with the same threads in the same run. */
#include "made.h"
#include "read_loop.h"
#include "tests/bench/bench.h"
#include "runtime/cpu.h"
#include "shaders/blocks_ref.h"

#include "proto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT	   512u
#define ROUNDS_MAX 15u
#define CTX	   1024u

static void fail(const char *what)
{
	fprintf(stderr, "bench_model: %s\n", what);
	exit(1);
}

/* ---- a device that counts ---- */

struct count {
	double seconds, bytes, mul;
	u64 calls;
};
static struct count counts[KERNELS_N];
static const struct rt_device_fns *real;
static bool alone; /* each call is submitted by itself */

static int counted_call(struct rt_device *d, const struct rt_call *c)
{
	struct count *n = &counts[c->kernel];
	double start = bench_now();
	int r = real->call(d, c);
	if (alone && r == 0)
		r = real->start(d);
	if (alone && r == 0)
		r = real->wait(d);
	if (alone && r == 0)
		r = real->begin(d);
	n->seconds += bench_now() - start;
	n->calls++;
	if (kernel_is_mul_mat(c->kernel)) {
		n->bytes += (double)c->bytes[0];
		n->mul += (double)c->cost;
	}
	return r;
}

static struct rt_device_fns counting;

static void count_calls(struct rt_device *d)
{
	real = d->fns;
	counting = *real;
	counting.call = counted_call;
	d->fns = &counting;
}

/* ---- floors ---- */

#define PEAK_TURNS 100000u

#ifdef __x86_64__
#include <immintrin.h>
#define PEAK_BYTES "byte products of VNNI"
#define PEAK_FMA   "fused multiply-add"

static __attribute__((target("avx512f,avx512vnni"))) void bytes_run(
	const void *arg, u32 thread, u32 first, u32 end)
{
	__m512i a[12], w = _mm512_set1_epi32((int)first + 1);
	for (u32 c = 0; c < 12; c++)
		a[c] = _mm512_set1_epi32((int)c);
	for (u32 i = first * PEAK_TURNS; i < end * PEAK_TURNS; i++)
		CPU_UNROLL(12) for (u32 c = 0; c < 12; c++) a[c] = _mm512_dpbusd_epi32(a[c], w, w);
	for (u32 c = 1; c < 12; c++)
		a[0] = _mm512_add_epi32(a[0], a[c]);
	((volatile i32 *)(uintptr_t)arg)[thread] = _mm512_reduce_add_epi32(a[0]);
}

static __attribute__((target("avx512f"))) void fma_run(const void *arg, u32 thread, u32 first, u32 end)
{
	__m512 a[12], w = _mm512_set1_ps(0.5f);
	for (u32 c = 0; c < 12; c++)
		a[c] = _mm512_set1_ps((float)c);
	for (u32 i = first * PEAK_TURNS; i < end * PEAK_TURNS; i++)
		CPU_UNROLL(12) for (u32 c = 0; c < 12; c++) a[c] = _mm512_fmadd_ps(a[c], w, w);
	for (u32 c = 1; c < 12; c++)
		a[0] = _mm512_add_ps(a[0], a[c]);
	((volatile i32 *)(uintptr_t)arg)[thread] = (i32)_mm512_reduce_add_ps(a[0]);
}

/* Multiplications a second in registers; 0: not known for this machine. */
static double peak(struct cpu_pool *pool, bool bytes)
{
	i32 sums[CPU_THREADS_MAX];
	if (!cpu_level_runs(CPU_AVX512))
		return 0;
	double start = bench_now();
	cpu_pool_run(pool, bytes ? bytes_run : fma_run, sums, 64, 1);
	return 64.0 * PEAK_TURNS * 12 * (bytes ? 64 : 16) / (bench_now() - start);
}
#else
static double peak(struct cpu_pool *pool, bool bytes)
{
	return 0;
}
#endif

struct floors {
	double read, bytes, fma; /* a second */
};

static double floor_of(const struct floors *f, u32 kernel, const struct count *c)
{
	double ops = block_term_of(kernel_type_of(kernel)) ? f->bytes : f->fma;
	double memory = c->bytes / f->read, sum = ops > 0 ? c->mul / ops : 0;
	return MAX(memory, sum);
}

/* ---- tables ---- */

static void print_counts(const char *what, const struct floors *f, u32 tokens)
{
	double all = 0, least = 0;
	printf("\n| %s | ms | share | floor, ms | calls |\n| --- | --- | --- | --- | --- |\n", what);
	for (u32 k = 0; k < KERNELS_N; k++)
		all += counts[k].seconds;
	for (u32 k = 0; k < KERNELS_N; k++) {
		const struct count *c = &counts[k];
		double low = c->mul > 0 ? floor_of(f, k, c) : 0;
		if (c->calls == 0)
			continue;
		printf("| %s | %.3f | %.1f %% |", kernel_refs[k].name, c->seconds * 1e3 / tokens,
			100 * c->seconds / all);
		if (low > 0)
			printf(" %.3f |", low * 1e3 / tokens);
		else
			printf(" |");
		printf(" %llu |\n", (unsigned long long)c->calls / tokens);
		least += low;
	}
	printf("| all | %.3f | | %.3f | |\n", all * 1e3 / tokens, least * 1e3 / tokens);
	memset(counts, 0, sizeof(counts));
}

static double tokens(struct made *b, struct model_work *w, u32 n)
{
	double start = bench_now();
	for (u32 i = 0; i < n; i++)
		made_step(b, w, PROMPT + i, 1);
	return n / (bench_now() - start);
}

static double prompt(struct made *b, struct model_work *w)
{
	double start = bench_now();
	made_step(b, w, 0, PROMPT);
	return PROMPT / (bench_now() - start);
}

static void say(struct made *b, double pp, double tg, double read)
{
	printf("prompt of %u: %.1f tokens/s; generation behind it: %.1f tokens/s", PROMPT, pp, tg);
	printf(read > 0 ? ", %.2f of the read loop\n" : "\n", tg * (double)b->read / read);
	fflush(stdout);
}

/* A device that runs later what it is told: rates, or kernel by kernel. */
static void on_others(struct made *b, struct model_work *w, u32 rounds, u32 generate)
{
	const struct floors none = { .read = 1e30 };
	double pp[ROUNDS_MAX], tg[ROUNDS_MAX];
	printf("%s, %s\n", rt_device_info(b->d).name, rt_device_info(b->d).driver);
	for (u32 r = 0; r < rounds; r++) {
		pp[r] = prompt(b, w);
		tg[r] = tokens(b, w, generate);
	}
	if (rounds) {
		say(b, bench_median(pp, rounds), bench_median(tg, rounds), 0);
		return;
	}
	count_calls(b->d);
	alone = true;
	(void)prompt(b, w);
	print_counts("prompt, a step of 512 rows", &none, 1);
	(void)tokens(b, w, 1);
	print_counts("generation, a token", &none, 1);
}

static void on_native(struct made *b, struct model_work *w, u32 rounds, u32 generate)
{
	static struct count counts_pp[KERNELS_N], counts_tg[KERNELS_N];
	double pp[ROUNDS_MAX], tg[ROUNDS_MAX], read[ROUNDS_MAX];
	struct cpu_pool *pool;
	if (cpu_pool_create(cpu_threads_of_machine(), &pool) < 0)
		fail("no memory");
	count_calls(b->d);
	struct floors f = { .bytes = peak(pool, true), .fma = peak(pool, false) };
	for (u32 r = 0; r < rounds; r++) {
		read[r] = read_loop(pool, b->weights->host, b->bytes);
		memcpy(counts, counts_pp, sizeof(counts));
		pp[r] = prompt(b, w);
		memcpy(counts_pp, counts, sizeof(counts));
		memcpy(counts, counts_tg, sizeof(counts));
		tg[r] = tokens(b, w, generate);
		memcpy(counts_tg, counts, sizeof(counts));
	}
	f.read = bench_median(read, rounds);
	printf("%s, %s, %u threads; read loop %.1f GB/s, byte products %.0f, fused multiply-adds %.0f "
	       "10^9/s\n",
		rt_device_info(b->d).name, rt_device_info(b->d).driver, cpu_pool_threads(pool), f.read * 1e-9,
		f.bytes * 1e-9, f.fma * 1e-9);
	say(b, bench_median(pp, rounds), bench_median(tg, rounds), f.read);
	memcpy(counts, counts_pp, sizeof(counts));
	print_counts("prompt, a step of 512 rows", &f, rounds);
	memcpy(counts, counts_tg, sizeof(counts));
	print_counts("generation, a token", &f, rounds * generate);
	cpu_pool_destroy(pool);
}

int main(int argc, char **argv)
{
	const char *file = argc > 1 ? argv[1] : "Q4_K_M", *size = argc > 2 ? argv[2] : "0.5b";
	u32 rounds = argc > 3 ? (u32)atoi(argv[3]) : 3, generate = argc > 5 ? (u32)atoi(argv[5]) : 64;
	struct made b = { 0 };
	bool native;
	b.d = made_device(argc > 4 ? argv[4] : NULL, &native);
	if (rounds < native || rounds > ROUNDS_MAX || generate < 1 || generate > CTX - PROMPT)
		fail("ROUNDS is 1 to 15, GENERATE 1 to 512");
	made_create(&b, file, size, CTX);
	struct model_work w;
	made_work(&b, PROMPT, CTX, KV_F16, &w);
	made_step(&b, &w, 0, native ? PROMPT : 33); /* packs, compiles */
	made_step(&b, &w, PROMPT, 1);
	printf("%s %s on ", size, file);
	(native ? on_native : on_others)(&b, &w, rounds, generate);
	model_work_fini(b.d, &b.m, &w);
	made_fini(&b);
	rt_device_close(b.d);
	return 0;
}
