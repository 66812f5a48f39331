/* What exactness costs, measured: the kernels of a Vulkan device, the same code with contraction allowed (no NoContraction in it), and products that do not quantise activations but
 * multiply and add floats, fused and in any order (float_acc.comp), side by side in one run:
 *
 *   bench_exact [DEVICE [ROUNDS [MIB [TYPE]]]]    medians of ROUNDS (5) interleaved rounds; products read MIB (8) of weights, of TYPE alone
 *
 * A line a kernel: milliseconds of each, and exact over the other: 1.10 is a cost of a tenth. The three are three devices of the same driver, which differ in their rows of pipelines.c; what a
 * product needs before it, its activations quantised, is a line of its own. On a driver that computes on the CPU the milliseconds are of a processor, whatever else runs. A driver
 * that never fuses (those on the CPU) can differ in the second figure by what it rearranges, no more. */
#include "runtime/gpu.h"
#include "runtime/op_call.h"
#include "runtime/op_case.h"
#include "shaders/blocks_ref.h"
#include "shaders/mul_mat_q.h"
#include "tests/bench/bench.h"
#include "tests/budget/loose.h"

#include "proto.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K	   4096u
#define COLS_MOST  64u
#define ROWS_MOST  8u /* of kernels other than products */
#define ROUNDS_MAX 31u
#define CTX	   4096u
#define HEADS	   32u
#define KV_HEADS   8u
#define HEAD_DIM   128u
#define SEEN	   64u
#define SEEN_COLS  8u
#define FAR	   0.05 /* of activations in 8 bits, of the sum of magnitudes */
#define CALLS	   4u	/* of a kernel in a submission */

static const u32 float_q4_0[] = {
#include "tests/bench/kernels/float_acc_Q4_0.inc"
};
static const u32 float_q8_0[] = {
#include "tests/bench/kernels/float_acc_Q8_0.inc"
};
static const u32 float_q4_k[] = {
#include "tests/bench/kernels/float_acc_Q4_K.inc"
};
static const u32 float_q6_k[] = {
#include "tests/bench/kernels/float_acc_Q6_K.inc"
};

static const struct product {
	u32 type;
	enum kernel kernel;
	const u32 *spirv;
	u32 bytes;
} products[] = {
	{ TENSOR_Q4_0, KERNEL_MUL_MAT_Q4_0, float_q4_0, sizeof(float_q4_0) },
	{ TENSOR_Q8_0, KERNEL_MUL_MAT_Q8_0, float_q8_0, sizeof(float_q8_0) },
	{ TENSOR_Q4_K, KERNEL_MUL_MAT_Q4_K, float_q4_k, sizeof(float_q4_k) },
	{ TENSOR_Q6_K, KERNEL_MUL_MAT_Q6_K, float_q6_k, sizeof(float_q6_k) },
};

enum way { EXACT, LOOSE, FLOATS, WAYS };

struct side {
	struct rt_device *d;
	struct pipeline_row *rows;
	struct rt_buf *w, *x, *act, *y, *kv, *ints, *seen;
	double seconds[ROUNDS_MAX];
};

static struct side sides[WAYS];
static u64 weight_bytes;
static bool on_cpu; /* time is that of processors */

static void fail(const char *what)
{
	fprintf(stderr, "bench_exact: %s\n", what);
	exit(1);
}

static void ok(int r, const char *what)
{
	if (r != 0)
		fail(what);
}

/* ---- three devices ---- */

static struct pipeline_row float_row(const struct product *of, u32 lanes, u32 cols)
{
	return (struct pipeline_row){ .kernel = of->kernel,
		.variant = cols > 1 ? "float8" : "float",
		.spirv = of->spirv,
		.spirv_bytes = of->bytes,
		.items_x = 64 / lanes,
		.items_y = cols,
		.n_spec = 2,
		.spec = { cols, lanes } };
}

/* All rows; of the products in floats none but theirs, which take as many lanes a row as ours do on such a device. */
static u32 float_rows(struct pipeline_row *ret)
{
	u32 n = 0, lanes = on_cpu ? 1 : 16;
	for (u32 i = 0; i < pipeline_rows_n; i++) {
		bool replaced = false;
		for (u32 k = 0; k < ARRAY_LEN(products); k++)
			replaced = replaced || products[k].kernel == pipeline_rows[i].kernel;
		if (!replaced)
			ret[n++] = pipeline_rows[i];
	}
	for (u32 k = 0; k < ARRAY_LEN(products); k++) {
		ret[n++] = float_row(&products[k], lanes, 1);
		ret[n++] = float_row(&products[k], lanes, 8);
	}
	return n;
}

static void open_side(enum way way, const char *name)
{
	struct side *s = &sides[way];
	const char *why;
	u32 n = pipeline_rows_n;
	s->rows = malloc((n + 2 * ARRAY_LEN(products)) * sizeof(*s->rows));
	if (!s->rows)
		fail("no memory");
	memcpy(s->rows, pipeline_rows, n * sizeof(*s->rows));
	if (way == FLOATS)
		n = float_rows(s->rows);
	for (u32 i = 0; way == LOOSE && i < n; i++)
		ok(loose_row(&pipeline_rows[i], &s->rows[i]), "no memory");
	const struct gpu_params p = { .name = name, .rows = s->rows, .n_rows = n };
	ok(gpu_open_with(&p, &s->d, &why), "no Vulkan device of that name");
	u64 row = 4ull * COLS_MOST * K, kv = 2 * op_kv_bytes(KV_F16, CTX / RT_KV_PAGE, KV_HEADS, HEAD_DIM);
	ok(rt_buf_create(s->d, RT_BUF_WEIGHTS, weight_bytes, "w", &s->w), "no memory");
	ok(rt_buf_create(s->d, RT_BUF_INPUT, 2 * row, "x", &s->x), "no memory");
	ok(rt_buf_create(s->d, RT_BUF_WORK, row, "act", &s->act), "no memory");
	ok(rt_buf_create(s->d, RT_BUF_WORK, MAX(row, 4 * weight_bytes / K * COLS_MOST * 2), "y", &s->y),
		"no memory");
	ok(rt_buf_create(s->d, RT_BUF_WORK, kv, "kv", &s->kv), "no memory");
	ok(rt_buf_create(s->d, RT_BUF_INPUT, 4ull * (2 * COLS_MOST + CTX), "ints", &s->ints), "no memory");
	ok(rt_buf_create(s->d, RT_BUF_OUTPUT, 4ull * SEEN * SEEN_COLS, "seen", &s->seen), "no memory");
	op_case_floats(rt_host_ptr(s->x), 2 * COLS_MOST * K, FILL_PLAIN, 1);
}

static void close_side(enum way way)
{
	struct side *s = &sides[way];
	struct rt_buf *all[] = { s->w, s->x, s->act, s->y, s->kv, s->ints, s->seen };
	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		rt_buf_destroy(s->d, all[i]);
	rt_device_close(s->d);
	for (u32 i = 0; way == LOOSE && i < pipeline_rows_n; i++)
		loose_free(&s->rows[i]);
	free(s->rows);
}

/* ---- what is timed: one call of a kernel ---- */

struct work {
	const char *name;
	int (*call)(struct side *s, enum way way, const struct work *w);
	u32 cols;
	const struct product *of;
	enum way ways;
	bool see; /* a few rows of weights, for the host to see */
};

static u32 rows_of(const struct product *p)
{
	u64 row = (u64)K / block_len_of(p->type) * block_bytes_of(p->type);
	return (u32)(weight_bytes / row) / 64 * 64;
}

static int call_product(struct side *s, enum way way, const struct work *w)
{
	u32 n = w->see ? SEEN : rows_of(w->of),
	    row_bytes = K / block_len_of(w->of->type) * block_bytes_of(w->of->type);
	const struct op_mul_mat m = { .type = w->of->type,
		.k = K,
		.n_out = n,
		.rows = w->cols,
		.w = { s->w, 0 },
		.act = { s->act, 0 },
		.y = { w->see ? s->seen : s->y, 0 } };
	if (way != FLOATS)
		return op_mul_mat(s->d, &m);
	struct rt_call c = {
		.kernel = w->of->kernel, .work_x = n, .work_y = w->cols, .cost = (u64)n * K * w->cols
	};
	const struct push_mul_mat_q p = {
		.k = K, .n_out = n, .cols = w->cols, .count = n, .row_bytes = row_bytes
	};
	op_call_buf(&c, 0, m.w, (u64)n * row_bytes);
	op_call_buf(&c, 1, (struct rt_view){ s->x, 0 }, 4ull * w->cols * K);
	op_call_buf(&c, 2, m.y, 4ull * w->cols * n);
	op_call_buf(&c, 3, (struct rt_view){ s->x, 0 }, 4); /* these types have no codebook */
	op_call_push(&c, &p);
	return op_call(s->d, &c);
}

static int call_quantize(struct side *s, enum way way, const struct work *w)
{
	return op_quantize(s->d, op_act_kind(w->of->type), (struct rt_view){ s->x, 0 },
		(struct rt_view){ s->act, 0 }, w->cols, K);
}

static int call_rms_norm(struct side *s, enum way way, const struct work *w)
{
	return op_rms_norm(s->d, (struct rt_view){ s->x, 0 }, (struct rt_view){ s->x, 4ull * COLS_MOST * K },
		(struct rt_view){ s->y, 0 }, w->cols, K, 1e-5f);
}

static int call_swiglu(struct side *s, enum way way, const struct work *w)
{
	return op_swiglu(s->d, (struct rt_view){ s->x, 0 }, (struct rt_view){ s->x, 4ull * COLS_MOST * K },
		(struct rt_view){ s->y, 0 }, (u64)w->cols * K);
}

static int call_attention(struct side *s, enum way way, const struct work *w)
{
	u64 half = op_kv_bytes(KV_F16, CTX / RT_KV_PAGE, KV_HEADS, HEAD_DIM);
	u32 *ints = rt_host_ptr(s->ints);
	for (u32 i = 0; i < COLS_MOST; i++) {
		ints[i] = 0;
		ints[COLS_MOST + i] = CTX - COLS_MOST + i;
	}
	for (u32 i = 0; i < CTX / RT_KV_PAGE; i++)
		ints[2 * COLS_MOST + i] = i;
	const struct op_kv kv = { .k = { s->kv, 0 },
		.v = { s->kv, half },
		.tables = { s->ints, 8ull * COLS_MOST },
		.pages_per_seq = CTX / RT_KV_PAGE,
		.kv_mode = KV_F16,
		.kv_heads = KV_HEADS,
		.head_dim = HEAD_DIM };
	const struct op_attention a = { .kv = &kv,
		.q = { s->x, 0 },
		.seq = { s->ints, 0 },
		.pos = { s->ints, 4ull * COLS_MOST },
		.y = { s->y, 0 },
		.n = w->cols,
		.heads = HEADS,
		.pos_max = CTX - 1,
		.scale = 0.088388346f };
	return op_attention(s->d, &a);
}

/* ---- timing ---- */

static double now(void)
{
	struct timespec t;
	clock_gettime(on_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double timed(struct side *s, enum way way, const struct work *w)
{
	u32 calls = on_cpu ? 1 : CALLS;
	double start = now();
	ok(rt_begin(s->d), "a submission failed");
	for (u32 i = 0; i < calls; i++)
		ok(w->call(s, way, w), "a call failed");
	ok(rt_submit(s->d), "a submission failed");
	return (now() - start) / calls;
}

static void line(const struct work *w, u32 rounds)
{
	double ms[WAYS] = { 0 };
	for (u32 i = 0; i < w->ways; i++)
		(void)timed(&sides[i], i, w); /* compiles, records */
	for (u32 r = 0; r < rounds; r++)
		for (u32 i = 0; i < w->ways; i++)
			sides[i].seconds[r] = timed(&sides[i], i, w);
	for (u32 i = 0; i < w->ways; i++)
		ms[i] = bench_median(sides[i].seconds, rounds) * 1e3;
	printf("| %s%s%s | %u | %.3f | %.3f | %.2f |", w->name, w->of ? " " : "",
		w->of ? tensor_type_info(w->of->type)->name : "", w->cols, ms[EXACT], ms[LOOSE],
		ms[EXACT] / ms[LOOSE]);
	if (w->ways > FLOATS)
		printf(" %.3f | %.2f |\n", ms[FLOATS], ms[EXACT] / ms[FLOATS]);
	else
		printf(" - | - |\n");
	fflush(stdout);
}

static void fill(const struct product *p)
{
	u64 row = (u64)K / block_len_of(p->type) * block_bytes_of(p->type),
	    len = (u64)RT_STAGE_BYTES / row * row;
	u8 *some = malloc(len);
	if (!some)
		fail("no memory");
	op_case_weights(p->type, (u32)(len / row), K, FILL_PLAIN, 1, some);
	for (u32 i = 0; i < WAYS; i++)
		for (u64 at = 0; at < rows_of(p) * row; at += len) {
			u64 n = MIN(len, rows_of(p) * row - at);
			void *stage = rt_stage_get(sides[i].d);
			memcpy(stage, some, n);
			ok(rt_stage_put(sides[i].d, stage, (struct rt_view){ sides[i].w, at }, 0, n),
				"weights cannot be placed");
		}
	free(some);
}

/* The products of floats are those of the same numbers. */
static void compare(const struct product *p)
{
	const struct work act = { "", call_quantize, SEEN_COLS, p, FLOATS },
			  w = { "", call_product, SEEN_COLS, p, WAYS, .see = true };
	double apart = 0, all = 0;
	(void)timed(&sides[EXACT], EXACT, &act);
	(void)timed(&sides[EXACT], EXACT, &w);
	(void)timed(&sides[FLOATS], FLOATS, &w);
	const f32 *a = rt_host_ptr(sides[EXACT].seen), *b = rt_host_ptr(sides[FLOATS].seen);
	for (u32 i = 0; i < SEEN * SEEN_COLS; i++) {
		apart += fabs((double)a[i] - (double)b[i]);
		all += fabs((double)a[i]);
	}
	if (!(apart < FAR * all))
		fail("the product of floats is another one");
}

static void print_products(u32 rounds, const char *type)
{
	static const u32 cols[] = { 1, 8, COLS_MOST };
	for (u32 i = 0; i < ARRAY_LEN(products); i++) {
		if (type && strcmp(type, tensor_type_info(products[i].type)->name))
			continue;
		fill(&products[i]);
		compare(&products[i]);
		for (u32 c = 0; c < ARRAY_LEN(cols); c++) {
			line(&(struct work){ "quantize for", call_quantize, cols[c], &products[i], FLOATS },
				rounds);
			line(&(struct work){ "product", call_product, cols[c], &products[i], WAYS }, rounds);
		}
	}
}

int main(int argc, char **argv)
{
	u32 rounds = argc > 2 ? (u32)atoi(argv[2]) : 5, mib = argc > 3 ? (u32)atoi(argv[3]) : 8;
	if (rounds < 1 || rounds > ROUNDS_MAX || mib < 1 || mib > 1024)
		fail("ROUNDS is 1 to 31, MIB 1 to 1024");
	weight_bytes = (u64)mib << 20;
	for (u32 i = 0; i < WAYS; i++) {
		open_side(i, argc > 1 ? argv[1] : NULL);
		on_cpu = ((struct gpu *)sides[i].d)->found.caps.cpu;
	}
	printf("%s, %s; K = %u, %u MiB of weights; attention of %u heads on %u of %u, f16, behind %u; %u "
	       "rounds\n"
	       "| kernel | columns or rows | exact, ms | contraction allowed, ms | ratio | floats, ms | "
	       "ratio |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n",
		rt_device_info(sides[0].d).name, rt_device_info(sides[0].d).driver, K, mib, HEADS, KV_HEADS,
		HEAD_DIM, CTX, rounds);
	print_products(rounds, argc > 4 ? argv[4] : NULL);
	for (u32 n = 1; n <= ROWS_MOST; n *= ROWS_MOST) {
		line(&(struct work){ "attention", call_attention, n, NULL, FLOATS }, rounds);
		line(&(struct work){ "rms_norm", call_rms_norm, n, NULL, FLOATS }, rounds);
		line(&(struct work){ "swiglu", call_swiglu, n, NULL, FLOATS }, rounds);
	}
	for (u32 i = 0; i < WAYS; i++)
		close_side(i);
	return 0;
}
