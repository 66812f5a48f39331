/* What a product costs:  bench_ops [DEVICE]   prints milliseconds and 10^9 multiplications a second, best of six, one column and eight. */
#include "runtime/op_case.h"

#include <stdio.h>
#include <time.h>

#define K     1024u
#define N_OUT 8192u
#define COLS  8u

#define TYPE(name, ...) TENSOR_##name,
static const u32 types[] = { TENSOR_FLOATS(TYPE) TENSOR_BLOCKS(TYPE) };

struct bench {
	struct rt_device *d;
	struct rt_buf *w, *x, *act, *y;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
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
	double best = 1e9;
	for (u32 i = 0; i < 6; i++) {
		double start = now();
		if (product(b, type, rows) < 0)
			return 1;
		best = MIN(best, now() - start);
	}
	printf("%-7s %u column%s %8.2f ms %7.2f G/s\n", tensor_type_info(type)->name, rows,
		rows > 1 ? "s" : " ", best * 1e3, (double)K * N_OUT * rows / best / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b;
	const char *why = "";
	if (rt_device_open(argc > 1 ? argv[1] : NULL, &b.d, &why) != 0) {
		fprintf(stderr, "cannot open: %s\n", why);
		return 1;
	}
	if (rt_buf_create(b.d, RT_BUF_WEIGHTS, 4ull * K * N_OUT, "w", &b.w) < 0 ||
		rt_buf_create(b.d, RT_BUF_INPUT, 4ull * K * COLS, "x", &b.x) < 0 ||
		rt_buf_create(b.d, RT_BUF_WORK, 4ull * K * COLS, "act", &b.act) < 0 ||
		rt_buf_create(b.d, RT_BUF_OUTPUT, 4ull * N_OUT * COLS, "y", &b.y) < 0)
		return 1;
	op_case_floats(rt_host_ptr(b.x), K * COLS, FILL_PLAIN, 1);
	printf("%s, [%u, %u]\n", rt_device_info(b.d).name, N_OUT, K);
	int r = 0;
	for (u32 t = 0; t < ARRAY_LEN(types) && r == 0; t++)
		r = bench(&b, types[t], 1) || bench(&b, types[t], COLS);
	struct rt_buf *all[] = { b.w, b.x, b.act, b.y };
	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		rt_buf_destroy(b.d, all[i]);
	rt_device_close(b.d);
	return r;
}
