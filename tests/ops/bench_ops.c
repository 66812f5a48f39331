/* What a product costs:  bench_ops [DEVICE [TYPE [VARIANT [COLUMNS ...]]]]
 * a step of 384 small calls, recorded and run again:  bench_ops DEVICE calls
 * and attention of a token in 24 layers, 20 heads on 5 of K and V, 64 wide:  bench_ops DEVICE attention [VARIANT]
 *
 * prints milliseconds and 10^9 multiplications a second, of the clock and of a core's time (whatever else runs), best of six, of one column and 64 or of those given; of all types or of TYPE. A
 * Vulkan device prefers rows of pipelines.c of that VARIANT ("lane", "wide", ...). */
#include "runtime/gpu.h"
#include "runtime/op_case.h"

#include "proto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define K	 1024u
#define N_OUT	 8192u
#define COLS_MAX 512u

#define HEADS	  20u
#define KV_HEADS  5u
#define HEAD_DIM  64u
#define REACH_MAX 4096u
#define LAYERS	  24u

#define TYPE(name, ...) TENSOR_##name,
static const u32 types[] = { TENSOR_FLOATS(TYPE) TENSOR_BLOCKS(TYPE) };

struct bench {
	struct rt_device *d;
	struct rt_buf *w, *x, *act, *y;
};

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int product(const struct bench *b, u32 type, u32 rows)
{
	enum op_act_kind kind = op_act_kind(type);
	struct rt_view x = { b->x, 0 }, act = { b->act, 0 };
	const struct op_mul_mat m = { .type = type,
		.k = K,
		.n_out = N_OUT,
		.rows = rows,
		.w = { b->w, 0 },
		.act = kind == OP_ACT_F32 ? x : act,
		.y = { b->y, 0 } };
	int r = rt_begin(b->d);
	if (r == 0 && kind != OP_ACT_F32)
		r = op_quantize(b->d, kind, x, act, rows, K);
	if (r == 0)
		r = op_mul_mat(b->d, &m);
	return r == 0 ? rt_submit(b->d) : r;
}

static int bench(const struct bench *b, u32 type, u32 rows)
{
	double best = 1e9, least = 1e9, mul = (double)K * N_OUT * rows * 1e-9;
	for (u32 i = 0; i < 6; i++) {
		double start = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (product(b, type, rows) < 0)
			return 1;
		best = MIN(best, seconds(CLOCK_MONOTONIC) - start);
		least = MIN(least, seconds(CLOCK_PROCESS_CPUTIME_ID) - used);
	}
	printf("%-7s %3u column%s %8.2f ms %7.2f G/s %7.2f G a second of a core\n",
		tensor_type_info(type)->name, rows, rows > 1 ? "s" : " ", best * 1e3, mul / best,
		mul / least);
	fflush(stdout);
	return 0;
}

static int bench_type(const struct bench *b, u32 type, char **cols)
{
	if (!*cols)
		return bench(b, type, 1) || bench(b, type, 64);
	for (; *cols; cols++) {
		u32 n = (u32)atoi(*cols);
		if (n < 1 || n > COLS_MAX || bench(b, type, n))
			return 1;
	}
	return 0;
}

/* A step of 384 calls, as 24 layers have: recorded, because its operands lie elsewhere than before, and as it was the time before. */
static int bench_calls(const struct bench *b)
{
	double least[2] = { 1e9, 1e9 };
	int r = 0;
	for (u32 i = 0; i < 40 && r == 0; i++) {
		struct rt_view x = { b->y, (u64)(i / 2) * RT_ALIGN };
		double start = seconds(CLOCK_MONOTONIC);
		r = rt_begin(b->d);
		for (u32 c = 0; c < 384 && r == 0; c++)
			r = op_add(b->d, x, (struct rt_view){ b->x, (u64)c * RT_ALIGN }, 1);
		r = r == 0 ? rt_submit(b->d) : r;
		least[i % 2] = MIN(least[i % 2], seconds(CLOCK_MONOTONIC) - start);
	}
	printf("a step of 384 calls: recorded %.0f us, run again %.0f us\n", least[0] * 1e6, least[1] * 1e6);
	return r;
}

static int attend(const struct bench *b, struct op_attention *a)
{
	double best = 1e9, least = 1e9;
	for (u32 i = 0; i < 6; i++) {
		double start = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
		int r = rt_begin(b->d);
		for (u32 l = 0; l < LAYERS && r == 0; l++)
			r = op_attention(b->d, a);
		if (r < 0 || rt_submit(b->d) < 0)
			return 1;
		best = MIN(best, seconds(CLOCK_MONOTONIC) - start);
		least = MIN(least, seconds(CLOCK_PROCESS_CPUTIME_ID) - used);
	}
	printf("attention of a token, %s, behind %4u positions, 24 layers: %8.2f ms, %8.2f ms of a core\n",
		a->kv->kv_mode == KV_F32   ? "f32 "
		: a->kv->kv_mode == KV_F16 ? "f16 "
					   : "int8",
		a->pos_max, best * 1e3, least * 1e3);
	fflush(stdout);
	return 0;
}

/* In the buffers for products: keys and values in w, all pages of one sequence in the order of the table; y holds parts and what is computed. */
static int bench_attention(const struct bench *b)
{
	static const u32 reaches[] = { 512, 1024, REACH_MAX - 1 };
	u32 pages = REACH_MAX / RT_KV_PAGE, *words = rt_host_ptr(b->x), *pos = words + RT_ALIGN / 4;
	u64 wide = 4ull * HEADS * HEAD_DIM, q_at = 2ull * RT_ALIGN + ALIGN_UP(4ull * pages, (u64)RT_ALIGN);
	for (u32 i = 0; i < pages; i++)
		words[2 * RT_ALIGN / 4 + i] = i;
	words[0] = 0;
	int r = 0;
	for (u32 mode = KV_F32; mode <= KV_INT8; mode++)
		for (u32 i = 0; i < ARRAY_LEN(reaches) && r == 0; i++) {
			struct op_kv kv = { .k = { b->w, 0 },
				.v = { b->w, 4ull * REACH_MAX * KV_HEADS * HEAD_DIM },
				.tables = { b->x, 2ull * RT_ALIGN },
				.pages_per_seq = pages,
				.kv_mode = mode,
				.kv_heads = KV_HEADS,
				.head_dim = HEAD_DIM };
			struct op_attention a = { .kv = &kv,
				.q = { b->x, q_at },
				.seq = { b->x, 0 },
				.pos = { b->x, RT_ALIGN },
				.y = { b->y, 0 },
				.n = 1,
				.heads = HEADS,
				.pos_max = reaches[i],
				.scale = 0.125f };
			if (rt_device_info(b->d).parts)
				a.parts = (struct rt_view){ b->y, ALIGN_UP(wide, (u64)RT_ALIGN) };
			*pos = reaches[i];
			r = attend(b, &a);
		}
	return r;
}

static int open_device(const char *name, const char *variant, struct rt_device **ret)
{
	const struct gpu_params p = { .name = name, .only = variant };
	const char *why = "";
	int r = variant ? gpu_open_with(&p, ret, &why) : rt_device_open(name, ret, &why);
	if (r != 0)
		fprintf(stderr, "cannot open: %s\n", why);
	return r;
}

int main(int argc, char **argv)
{
	struct bench b;
	const char *type = argc > 2 ? argv[2] : "all";
	char **cols = argv + MIN(argc, 4);
	if (open_device(argc > 1 ? argv[1] : NULL, argc > 3 ? argv[3] : NULL, &b.d) != 0)
		return 1;
	if (rt_buf_create(b.d, RT_BUF_WEIGHTS, 4ull * K * N_OUT, "w", &b.w) < 0 ||
		rt_buf_create(b.d, RT_BUF_INPUT, 4ull * K * COLS_MAX, "x", &b.x) < 0 ||
		rt_buf_create(b.d, RT_BUF_WORK, 4ull * K * COLS_MAX, "act", &b.act) < 0 ||
		rt_buf_create(b.d, RT_BUF_OUTPUT, 4ull * N_OUT * COLS_MAX, "y", &b.y) < 0)
		return 1;
	op_case_floats(rt_host_ptr(b.x), K * COLS_MAX, FILL_PLAIN, 1);
	printf("%s, [%u, %u]\n", rt_device_info(b.d).name, N_OUT, K);
	int r = !strcmp(type, "calls")	     ? bench_calls(&b)
		: !strcmp(type, "attention") ? bench_attention(&b)
					     : 0;
	for (u32 t = 0; t < ARRAY_LEN(types) && r == 0; t++)
		if (!strcmp(type, "all") || !strcasecmp(type, tensor_type_info(types[t])->name))
			r = bench_type(&b, types[t], cols);
	struct rt_buf *all[] = { b.w, b.x, b.act, b.y };
	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		rt_buf_destroy(b.d, all[i]);
	rt_device_close(b.d);
	return r;
}
