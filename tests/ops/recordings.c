#include "tests/ops/recordings.h"

#include "runtime/gpu.h"
#include "runtime/op_case.h"

#include "proto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

u32 run_long_recording(struct rt_device *d)
{
	u32 n = GPU_SETS + 500, bad = 0;
	struct rt_buf *x, *y;
	if (rt_buf_create(d, RT_BUF_OUTPUT, 64, "x", &x) < 0 ||
		rt_buf_create(d, RT_BUF_INPUT, 64, "y", &y) < 0)
		return 1;
	for (u32 i = 0; i < 16; i++)
		((f32 *)rt_host_ptr(y))[i] = (f32)i;
	int r = rt_begin(d);
	for (u32 i = 0; i < n && r == 0; i++)
		r = op_add(d, (struct rt_view){ x }, (struct rt_view){ y }, 16);
	r = r == 0 ? rt_submit(d) : r;
	for (u32 i = 0; i < 16; i++)
		bad += ((f32 *)rt_host_ptr(x))[i] != (f32)(i * n);
	rt_buf_destroy(d, x);
	rt_buf_destroy(d, y);
	return r < 0 || bad;
}

u32 run_replays(struct rt_device *d)
{
	struct gpu *g = gpu_of(d);
	struct rt_buf *x, *y;
	u64 before = g->parts_recorded;
	u32 bad = 0;
	int r = 0;
	if (rt_buf_create(d, RT_BUF_OUTPUT, 1024, "x", &x) < 0 ||
		rt_buf_create(d, RT_BUF_INPUT, 1024, "y", &y) < 0)
		return 1;
	for (u32 step = 0; step < 6 && r == 0; step++) {
		for (u32 i = 0; i < 16; i++)
			((f32 *)rt_host_ptr(y))[i] = (f32)(i + step);
		r = rt_begin(d);
		for (u32 i = 0; i < 3 && r == 0; i++)
			r = op_add(d, (struct rt_view){ x }, (struct rt_view){ y }, step < 4 ? 16 : 8);
		r = r == 0 ? rt_submit(d) : r;
	}
	for (u32 i = 0; i < 16; i++)
		bad += ((f32 *)rt_host_ptr(x))[i] != (f32)(i < 8 ? 3 * (6 * i + 15) : 3 * (4 * i + 6));
	if (g->parts_recorded - before != 2)
		bad++;
	rt_buf_destroy(d, x);
	rt_buf_destroy(d, y);
	return r < 0 || bad;
}

static const struct rt_device_fns *cut_fns;

/* Says that a call costs two and a half submissions. */
static int dear_call(struct rt_device *d, const struct rt_call *c)
{
	struct rt_call dear = *c;
	if (kernel_is_mul_mat(c->kernel))
		dear.cost = GPU_COST_MAX * 5 / 2;
	return cut_fns->call(d, &dear);
}

u32 run_cuts(struct rt_device *d, struct rt_device *ref)
{
	const struct op_case c = { CASE_MUL_MAT, TENSOR_Q4_K, .rows = 200, .k = 256, .n_out = 96 };
	struct gpu *g = gpu_of(d);
	struct rt_device_fns dear = *d->fns;
	void *want = NULL, *got = NULL;
	size_t n, len;
	u64 before = g->parts_used, plain;
	cut_fns = d->fns;
	u32 bad = op_case_run(ref, &c, &want, &n) < 0 || op_case_run(d, &c, &got, &len) < 0;
	free(got);
	got = NULL;
	plain = g->parts_used - before;
	dear.call = dear_call;
	d->fns = &dear;
	bad += bad || op_case_run(d, &c, &got, &len) < 0 || len != n || memcmp(want, got, n) != 0;
	d->fns = cut_fns;
	bad += g->parts_used - before - plain != plain + 2;
	free(want);
	free(got);
	return bad;
}

u32 run_refusals(struct rt_device *ref)
{
	void *out = NULL;
	size_t len;
	const struct op_case past[] = {
		{ CASE_MUL_MAT, TENSOR_Q4_K, .rows = 1, .k = 2 * OP_COUNTED_K_MAX, .n_out = 1 },
		{ CASE_ATTENTION, KV_F16, .rows = 1, .n_out = 1, .heads = 1, .kv_heads = 1, .head_dim = 128,
			.pos = op_attention_reach(&(struct rt_device_info){ .rounds_max = 65535 }, 128) },
	};
	u32 bad = 0;
	ref->info.rounds_max = 65535;
	for (u32 i = 0; i < ARRAY_LEN(past); i++)
		bad += op_case_run(ref, &past[i], &out, &len) != -ENOTSUP;
	ref->info.rounds_max = 0;
	printf("%-72s %5zu cases, %u differ\n", "one past what a device computes that counts rounds",
		ARRAY_LEN(past), bad);
	return bad;
}
