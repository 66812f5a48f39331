/* What products of quantised and float weights cost on the devices of this machine, side by side in one run:
 *
 *   bench_kernels [ROUNDS [MIB [TYPE]]]    medians of ROUNDS (5) interleaved rounds; the native device reads MIB (320) of weights a product;
 *                                          TYPE: only types whose names begin so
 *
 * A row a type: one column (what decoding does) and 512 (what a prompt does). Beside the native device's bandwidth stands its share of a plain
 * read loop over the same memory with the same threads in the same rounds. Slow devices get smaller matrices; all figures are rates. */
#include "read_loop.h"
#include "tests/bench/bench.h"
#include "runtime/cpu.h"
#include "runtime/op_case.h"

#include "shaders/blocks_ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K	   4096u
#define COLS	   512u
#define ROUNDS_MAX 31u
#define DEVICES	   3u

static const char *const names[DEVICES] = { "native", "reference", "llvmpipe" };
#define TYPE(name, ...) TENSOR_##name,
static const u32 types[] = { TENSOR_BLOCKS(TYPE) TENSOR_FLOATS(TYPE) };

struct bench {
	struct rt_device *d;
	struct rt_buf *w, *x, *act, *y;
	u32 type, n_one, n_many; /* rows of weights for one column and for COLS */
	double one[ROUNDS_MAX], many[ROUNDS_MAX],
		read[ROUNDS_MAX]; /* products of 10^9 a second; GB a second */
};

static u64 row_bytes(u32 type)
{
	return (u64)K / block_len_of(type) * block_bytes_of(type);
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_kernels: %s\n", what);
	exit(1);
}

/* The first MiB is made, the rest repeats it: packing and products do not look at values. */
static void fill(struct bench *b, u64 bytes)
{
	u32 rows = (u32)MIN((u64)b->n_one, RT_STAGE_BYTES / row_bytes(b->type));
	u64 len = rows * row_bytes(b->type);
	u8 *some = malloc(len);
	if (!some)
		fail("no memory");
	op_case_weights(b->type, rows, K, FILL_PLAIN, 1, some);
	for (u64 at = 0; at < bytes; at += len) {
		u64 n = MIN(len, bytes - at);
		void *stage = rt_stage_get(b->d);
		memcpy(stage, some, n);
		if (rt_stage_put(b->d, stage, (struct rt_view){ b->w, at }, 0, n) < 0)
			fail("weights cannot be placed");
	}
	free(some);
}

static void begin(struct bench *b, u32 type, u64 bytes_one, u32 n_many)
{
	b->type = type;
	b->n_one = (u32)MIN(bytes_one / row_bytes(type), (u64)VOCAB_MAX) / 16 * 16;
	b->n_many = n_many;
	u64 weights = MAX(b->n_one, n_many) * row_bytes(type);
	if (rt_buf_create(b->d, RT_BUF_WEIGHTS, weights, "weights", &b->w) < 0 ||
		rt_buf_create(b->d, RT_BUF_INPUT, 4ull * COLS * K, "x", &b->x) < 0 ||
		rt_buf_create(b->d, RT_BUF_WORK, op_act_bytes(OP_ACT_Q8_32, COLS, K), "act", &b->act) < 0 ||
		rt_buf_create(b->d, RT_BUF_WORK, 4ull * MAX((u64)b->n_one, (u64)COLS * n_many), "y", &b->y) <
			0)
		fail("no memory");
	op_case_floats(rt_host_ptr(b->x), (size_t)COLS * K, FILL_PLAIN, 2);
	fill(b, weights);
}

static void end(struct bench *b)
{
	struct rt_buf *all[] = { b->w, b->x, b->act, b->y };
	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		rt_buf_destroy(b->d, all[i]);
}

/* 10^9 multiplications a second of one product, the activations quantised before. */
static double product(struct bench *b, u32 n_out, u32 cols)
{
	enum op_act_kind kind = op_act_kind(b->type);
	struct rt_view x = { b->x, 0 }, act = { b->act, 0 };
	const struct op_mul_mat m = { .type = b->type,
		.k = K,
		.n_out = n_out,
		.rows = cols,
		.w = { b->w, 0 },
		.act = kind == OP_ACT_F32 ? x : act,
		.y = { b->y, 0 } };
	int r = rt_begin(b->d);
	if (r == 0 && kind != OP_ACT_F32)
		r = op_quantize(b->d, kind, x, act, cols, K);
	if (r == 0)
		r = rt_submit(b->d);
	double start = bench_now();
	if (r == 0)
		r = rt_begin(b->d);
	if (r == 0)
		r = op_mul_mat(b->d, &m);
	if (r == 0)
		r = rt_submit(b->d);
	if (r < 0)
		fail("a product failed");
	return (double)K * n_out * cols / (bench_now() - start) * 1e-9;
}

static void print_row(struct bench *b, u32 rounds, u32 n)
{
	double bytes = (double)row_bytes(b[0].type) / K, read = bench_median(b[0].read, rounds);
	printf("| %-7s |", tensor_type_info(b[0].type)->name);
	for (u32 i = 0; i < n; i++)
		printf(" %7.2f |", bench_median(b[i].one, rounds));
	double gb = b[0].one[rounds / 2] * bytes;
	printf(" %5.1f of %5.1f = %.2f |", gb, read, gb / read);
	for (u32 i = 0; i < n; i++)
		printf(" %7.2f |", bench_median(b[i].many, rounds));
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	u32 rounds = argc > 1 ? (u32)atoi(argv[1]) : 5, mib = argc > 2 ? (u32)atoi(argv[2]) : 320, n = 0;
	struct bench b[DEVICES] = { 0 };
	struct cpu_pool *pool;
	const char *why;
	if (rounds < 1 || rounds > ROUNDS_MAX || mib < 4)
		fail("usage: bench_kernels [ROUNDS [MIB [TYPE]]]");
	for (u32 i = 0; i < DEVICES; i++)
		if (rt_device_open(names[i], &b[n].d, &why) == 0)
			n++;
	if (cpu_pool_create(cpu_threads_of_machine(), &pool) < 0 || n < 2)
		fail("no memory");
	printf("%s; %s; %u threads; K = %u; %u rounds; 10^9 multiplications a second\n| type  |",
		rt_device_info(b[0].d).name, rt_device_info(b[0].d).driver, cpu_pool_threads(pool), K,
		rounds);
	for (u32 i = 0; i < n; i++)
		printf(" 1 %s |", names[i]);
	printf(" GB/s of read loop |");
	for (u32 i = 0; i < n; i++)
		printf(" %u %s |", COLS, names[i]);
	printf("\n");
	for (u32 t = 0; t < ARRAY_LEN(types); t++) {
		const char *name = tensor_type_info(types[t])->name;
		if (argc > 3 && strncmp(name, argv[3], strlen(argv[3])) != 0)
			continue;
		for (u32 i = 0; i < n; i++) {
			begin(&b[i], types[t], i == 0 ? (u64)mib << 20 : 8u << 20, i == 0 ? 2048 : 32);
			(void)product(&b[i], b[i].n_one, 1); /* touches, packs */
			if (b[i].n_one != b[i].n_many)
				(void)product(&b[i], b[i].n_one, 1);
		}
		for (u32 r = 0; r < rounds; r++)
			for (u32 i = 0; i < n; i++) {
				if (i == 0)
					b[i].read[r] = read_loop(pool, b[i].w->host, b[i].w->bytes) * 1e-9;
				b[i].one[r] = product(&b[i], b[i].n_one, 1);
			}
		for (u32 i = 0; i < n; i++) {
			end(&b[i]);
			begin(&b[i], types[t], 8u << 20, i == 0 ? 2048 : 32);
			(void)product(&b[i], b[i].n_many, 1);
		}
		for (u32 r = 0; r < rounds; r++)
			for (u32 i = 0; i < n; i++)
				b[i].many[r] = product(&b[i], b[i].n_many, COLS);
		print_row(b, rounds, n);
		for (u32 i = 0; i < n; i++)
			end(&b[i]);
	}
	for (u32 i = 0; i < n; i++)
		rt_device_close(b[i].d);
	cpu_pool_destroy(pool);
	return 0;
}
