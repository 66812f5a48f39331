/* The native CPU device: the same bits with any number of threads and while others take the processor; packing loses no byte, and whoever
 * reads packed weights in another way still reads what is in the file. That every op equals its reference is shown by tests/ops. */
#include "runtime/cpu.h"
#include "runtime/op_case.h"

#include "base/layout.h"
#include "proto.h"
#include "shaders/blocks_ref.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The types whose matrices are packed. */
static const u32 quantised[] = { TENSOR_Q8_0, TENSOR_Q4_0, TENSOR_MXFP4, TENSOR_Q4_K, TENSOR_Q5_K,
	TENSOR_Q6_K, TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1, TENSOR_Q2_K, TENSOR_Q3_K, TENSOR_IQ4_NL,
	TENSOR_IQ4_XS, TENSOR_NVFP4 };

static struct rt_device *open_with(enum cpu_level level, u32 threads)
{
	struct rt_device *d;
	assert_int_equal(cpu_open_with(&(struct cpu_params){ .level = level, .threads = threads }, &d), 0);
	return d;
}

/* ---- threads ---- */

static const struct op_case cases[] = {
	{ CASE_MUL_MAT, TENSOR_Q4_K, .rows = 1, .k = 2048, .n_out = 2000, .fill = FILL_MIXED },
	{ CASE_MUL_MAT, TENSOR_Q6_K, .rows = 40, .k = 1024, .n_out = 530, .fill = FILL_OUTLIER },
	{ CASE_MUL_MAT, TENSOR_Q8_0, .rows = 5, .k = 1056, .n_out = 1007, .fill = FILL_PLAIN },
	{ CASE_MUL_MAT, TENSOR_F16, .rows = 9, .k = 1000, .n_out = 333, .fill = FILL_PLAIN },
	{ CASE_QUANTIZE, TENSOR_Q4_K, .rows = 64, .k = 4096, .fill = FILL_MIXED },
	{ CASE_ATTENTION, KV_F16, .rows = 40, .n_out = 3, .heads = 8, .kv_heads = 2, .head_dim = 64,
		.pos = 300, .fill = FILL_PLAIN },
	{ CASE_ATTENTION, KV_INT8, .rows = 40, .n_out = 3, .heads = 8, .kv_heads = 2, .head_dim = 64,
		.pos = 300, .fill = FILL_PLAIN },
	{ CASE_SWIGLU, .rows = 64, .k = 5000, .fill = FILL_MIXED },
	{ CASE_RMS_NORM, .rows = 64, .k = 3000, .fill = FILL_MIXED },
};

static void *want[ARRAY_LEN(cases)];
static size_t want_len[ARRAY_LEN(cases)];

static int make_want(void **state)
{
	struct rt_device *ref;
	assert_int_equal(dev_ref_open(&ref), 0);
	for (u32 i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(op_case_run(ref, &cases[i], &want[i], &want_len[i]), 0);
	rt_device_close(ref);
	return 0;
}

static int free_want(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(cases); i++)
		free(want[i]);
	return 0;
}

static void same_on(struct rt_device *d, u32 times)
{
	for (u32 i = 0; i < ARRAY_LEN(cases) * times; i++) {
		u32 c = i % ARRAY_LEN(cases);
		void *have;
		size_t len;
		assert_int_equal(op_case_run(d, &cases[c], &have, &len), 0);
		assert_int_equal(len, want_len[c]);
		assert_memory_equal(have, want[c], len);
		free(have);
	}
}

static void any_threads(void **state)
{
	static const u32 threads[] = { 1, 2, 3, 7, CPU_THREADS_MAX, 4 * CPU_THREADS_MAX };
	for (u32 l = 0; l < CPU_LEVELS_N; l++)
		for (u32 t = 0; cpu_level_runs(l) && t < ARRAY_LEN(threads); t++) {
			struct rt_device *d = open_with(l, threads[t]);
			same_on(d, 1);
			rt_device_close(d);
		}
}

static atomic_bool stop_competing;

static void *compete(void *arg)
{
	while (!atomic_load(&stop_competing))
		;
	return NULL;
}

static void busy_machine(void **state)
{
	pthread_t others[2];
	atomic_store(&stop_competing, false);
	for (u32 i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(pthread_create(&others[i], NULL, compete, NULL), 0);
	struct rt_device *d = open_with(cpu_level_best(), 3);
	same_on(d, 3);
	rt_device_close(d);
	atomic_store(&stop_competing, true);
	for (u32 i = 0; i < ARRAY_LEN(others); i++)
		pthread_join(others[i], NULL);
}

/* ---- the pool: every item once, however many threads and whatever the shares ---- */

#define ITEMS 5000u
static _Atomic u8 taken[ITEMS];

static void take(const void *arg, u32 thread, u32 first, u32 end)
{
	assert_in_range(thread, 0, *(const u32 *)arg - 1);
	for (u32 i = first; i < end; i++)
		atomic_fetch_add(&taken[i], 1);
}

static void items_once(void **state)
{
	static const u32 steps[] = { 1, 3, 64, 4999, 5000, 9000 };
	for (u32 threads = 1; threads <= 5; threads++) {
		struct cpu_pool *p;
		assert_int_equal(cpu_pool_create(threads, &p), 0);
		u32 n = cpu_pool_threads(p);
		for (u32 turn = 0; turn < 60; turn++) {
			u32 items = turn % 7 ? ITEMS - turn : turn;
			memset((void *)taken, 0, sizeof(taken));
			cpu_pool_run(p, take, &n, items, steps[turn % ARRAY_LEN(steps)]);
			for (u32 i = 0; i < ITEMS; i++)
				if (taken[i] != (i < items))
					fail_msg("item %u of %u taken %u times", i, items, taken[i]);
		}
		cpu_pool_destroy(p);
	}
}

/* ---- packing ---- */

static void packed_and_back(void **state)
{
	static const u32 blocks[] = { 1, 2, 3, 8, 17 };
	for (u32 t = 0; t < ARRAY_LEN(quantised); t++)
		for (u32 i = 0; i < ARRAY_LEN(blocks); i++) {
			u32 type = quantised[t], rows = 39, bytes = block_bytes_of(type);
			u32 k = blocks[i] * block_len_of(type);
			size_t row = (size_t)blocks[i] * bytes, len = rows * row;
			u8 *file = malloc(len), *w = malloc(len), *scratch = malloc(CPU_PANEL * row),
			   block[256];
			op_case_weights(type, rows, k, FILL_MIXED, 3, file);
			memcpy(w, file, len);
			cpu_pack_panels(type, k, w, 0, rows / CPU_PANEL, scratch);
			assert_true(memcmp(w, file, len) != 0);
			assert_memory_equal(w + 32 * row, file + 32 * row, 7 * row);
			for (u32 r = 0; r < rows; r++)
				for (u32 b = 0; b < blocks[i]; b++) {
					cpu_packed_block(type, k, w, rows, r, b, block);
					assert_memory_equal(block, file + r * row + (size_t)b * bytes, bytes);
				}
			cpu_unpack_panels(type, k, w, 0, rows / CPU_PANEL, scratch);
			assert_memory_equal(w, file, len);
			free(file);
			free(w);
			free(scratch);
		}
}

/* A table that is embedded from, multiplied with, and read as another matrix, in every order: each time what the reference gives. */
struct table {
	struct rt_device *d;
	struct rt_buf *w, *ids, *act, *y;
	u32 type, k, n_out;
};

static void table_begin(struct table *t, struct rt_device *d, u32 type)
{
	size_t bytes;
	*t = (struct table){ .d = d, .type = type, .k = 512, .n_out = 70 };
	bytes = (size_t)t->n_out * t->k / block_len_of(type) * block_bytes_of(type);
	assert_int_equal(rt_buf_create(d, RT_BUF_WEIGHTS, bytes, "w", &t->w), 0);
	assert_int_equal(rt_buf_create(d, RT_BUF_INPUT, 4 * 7, "ids", &t->ids), 0);
	assert_int_equal(
		rt_buf_create(d, RT_BUF_WORK, op_act_bytes(OP_ACT_Q8_32, 1, 2 * t->k), "act", &t->act), 0);
	assert_int_equal(rt_buf_create(d, RT_BUF_OUTPUT, 4ul * 7 * t->k, "y", &t->y), 0);
	u8 *stage = rt_stage_get(d);
	op_case_weights(type, t->n_out, t->k, FILL_PLAIN, 5, stage);
	assert_int_equal(rt_stage_put(d, stage, (struct rt_view){ t->w, 0 }, 0, bytes), 0);
	for (u32 i = 0; i < 7; i++)
		((u32 *)rt_host_ptr(t->ids))[i] = i * 13;
}

static void table_end(struct table *t)
{
	rt_buf_destroy(t->d, t->w);
	rt_buf_destroy(t->d, t->ids);
	rt_buf_destroy(t->d, t->act);
	rt_buf_destroy(t->d, t->y);
}

/* shape 0: embed; 1: product [k, n_out]; 2: product of the same bytes as [2 k, n_out / 2] */
static void table_read(struct table *t, u32 shape, f32 *ret, u32 n)
{
	struct rt_view y = { t->y, 0 }, w = { t->w, 0 }, x = { t->w, 0 };
	u32 k = shape == 2 ? 2 * t->k : t->k;
	struct rt_buf *in;
	assert_int_equal(rt_buf_create(t->d, RT_BUF_INPUT, 4ul * k, "x", &in), 0);
	op_case_floats(rt_host_ptr(in), k, FILL_PLAIN, 6);
	x.buf = in;
	memset(rt_host_ptr(t->y), 0, rt_buf_bytes(t->y));
	assert_int_equal(rt_begin(t->d), 0);
	if (shape == 0) {
		assert_int_equal(
			op_embed(t->d, t->type, w, t->n_out, t->k, (struct rt_view){ t->ids, 0 }, 7, y), 0);
	} else {
		const struct op_mul_mat m = { .type = t->type,
			.k = k,
			.n_out = shape == 2 ? t->n_out / 2 : t->n_out,
			.rows = 1,
			.w = w,
			.act = { t->act, 0 },
			.y = y };
		assert_int_equal(op_quantize(t->d, op_act_kind(t->type), x, m.act, 1, k), 0);
		assert_int_equal(op_mul_mat(t->d, &m), 0);
	}
	assert_int_equal(rt_submit(t->d), 0);
	memcpy(ret, rt_host_ptr(t->y), 4ul * n);
	rt_buf_destroy(t->d, in);
}

static void packed_read_otherwise(void **state)
{
	static const u8 orders[][6] = { { 0, 1, 0, 2, 0, 1 }, { 1, 0, 2, 1, 2, 0 }, { 2, 1, 0, 1, 2, 2 } };
	static f32 a[7 * 512], b[7 * 512];
	struct rt_device *ref;
	assert_int_equal(dev_ref_open(&ref), 0);
	for (u32 i = 0; i < ARRAY_LEN(quantised) * ARRAY_LEN(orders); i++) {
		const u8 *order = orders[i % ARRAY_LEN(orders)];
		struct rt_device *d = open_with(cpu_level_best(), 2);
		struct table native, plain;
		table_begin(&native, d, quantised[i / ARRAY_LEN(orders)]);
		table_begin(&plain, ref, quantised[i / ARRAY_LEN(orders)]);
		for (u32 s = 0; s < 6; s++) {
			table_read(&native, order[s], a, ARRAY_LEN(a));
			table_read(&plain, order[s], b, ARRAY_LEN(b));
			assert_memory_equal(a, b, sizeof(a));
		}
		table_end(&native);
		table_end(&plain);
		rt_device_close(d);
	}
	rt_device_close(ref);
}

/* ---- names ---- */

static void found_by_name(void **state)
{
	static const char *const names[] = { "native", "NATIVE", "cpu native", NULL };
	const char *why = "";
	struct rt_device_info info;
	cpu_info(cpu_level_best(), &info);
	assert_string_equal(info.kind, "native");
	for (u32 i = 0; i < ARRAY_LEN(names); i++) {
		struct rt_device *d;
		assert_int_equal(rt_device_open(names[i] ? names[i] : info.name, &d, &why), 0);
		assert_string_equal(rt_device_info(d).name, info.name);
		assert_memory_equal(rt_device_info(d).kernel_set, info.kernel_set, 32);
		rt_device_close(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_threads, make_want, free_want),
		cmocka_unit_test_setup_teardown(busy_machine, make_want, free_want),
		cmocka_unit_test(items_once),
		cmocka_unit_test(packed_and_back),
		cmocka_unit_test(packed_read_otherwise),
		cmocka_unit_test(found_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
