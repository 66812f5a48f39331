/* Ops refuse what lies one past a limit, before anything runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "runtime/dev.h"
#include "runtime/op.h"

#include "base/arch.h"
#include "proto.h"

#include <errno.h>

#define BYTES (1u << 20)

static struct rt_device *d;
static struct rt_buf *b;
static const struct rt_view v;

static struct rt_view at(u64 offset)
{
	return (struct rt_view){ b, offset };
}

static void rows_and_dims(void **s)
{
	assert_int_equal(op_rms_norm(d, at(0), at(0), at(0), 1, 256, 1e-5f), 0);
	assert_int_equal(op_rms_norm(d, at(0), at(0), at(0), 0, 256, 1e-5f), 0);
	assert_int_equal(op_rms_norm(d, at(0), at(0), at(0), 1u << 24, 256, 1e-5f), -EINVAL);
	assert_int_equal(op_layer_norm(d, at(0), at(0), at(0), 1u << 24, 256, 1e-5f), -EINVAL);
	assert_int_equal(op_layer_norm(d, at(0), at(0), at(0), 1, DIM_MAX + 1, 1e-5f), -EINVAL);
	assert_int_equal(op_bias(d, at(0), at(0), OP_ROWS_MAX + 1, 1), -EINVAL);
	assert_int_equal(op_bias(d, at(0), at(0), 1, VOCAB_MAX + 1), -EINVAL);
	assert_int_equal(op_bias(d, at(0), (struct rt_view){ at(0).buf, 2 }, 1, 1), -EINVAL);
	assert_int_equal(op_row_scale(d, at(0), at(0), at(0), OP_ROWS_MAX + 1, 1), -EINVAL);
	assert_int_equal(op_scale(d, at(0), 1, 0x1p21f), -EINVAL);
	assert_int_equal(op_scale(d, at(0), 1, 0), -EINVAL);
	assert_int_equal(op_softcap(d, at(0), 1, -1), -EINVAL);
	assert_int_equal(op_rms_norm(d, at(0), at(0), at(0), 1, 0, 1e-5f), -EINVAL);
	assert_int_equal(op_rms_norm(d, at(0), at(0), at(0), 1, DIM_MAX + 1, 1e-5f), -EINVAL);
	assert_int_equal(op_rms_norm(d, at(0), at(0), at(0), 1, 256, -1), -EINVAL);
	assert_int_equal(op_rows(d, at(0), at(0), at(0), OP_ROWS_MAX + 1, 1), -EINVAL);
	struct op_combine c = { .n = 1,
		.dim = 4,
		.used = EXPERTS_USED_MAX,
		.x = at(0),
		.slots = at(0),
		.weights = at(0),
		.y = at(0) };
	assert_int_equal(op_combine(d, &c), 0);
	c.used = EXPERTS_USED_MAX + 1;
	assert_int_equal(op_combine(d, &c), -EINVAL);
	c.used = 0;
	assert_int_equal(op_combine(d, &c), -EINVAL);
	c.used = 1;
	c.n = OP_ROWS_MAX + 1;
	assert_int_equal(op_combine(d, &c), -EINVAL);
	assert_int_equal(op_add(d, at(0), at(0), 1ull << 32), -EINVAL);
	assert_int_equal(op_swiglu(d, at(0), at(0), at(0), 1ull << 32), -EINVAL);
}

static void tops(void **s)
{
	struct op_top_blocks t = {
		.rows = 1, .n = 8, .cap = 1, .x = at(0), .need = at(0), .most = at(0), .out = at(0)
	};
	assert_int_equal(op_top_blocks(d, &t), 0);
	t.cap = OP_TOP_MAX + 1;
	assert_int_equal(op_top_blocks(d, &t), -EINVAL);
	t.cap = 0;
	assert_int_equal(op_top_blocks(d, &t), -EINVAL);
	t.cap = 1;
	t.n = 0;
	assert_int_equal(op_top_blocks(d, &t), -EINVAL);
	t.n = VOCAB_MAX + 1;
	assert_int_equal(op_top_blocks(d, &t), -EINVAL);
	t.n = 1;
	t.rows = OP_ROWS_MAX + 1;
	assert_int_equal(op_top_blocks(d, &t), -EINVAL);
	/* a whole row of the largest vocabulary is a row */
	assert_int_equal(op_rows(d, at(0), at(0), at(0), 0, VOCAB_MAX), 0);
	assert_int_equal(op_rows(d, at(0), at(0), at(0), 0, VOCAB_MAX + 1), -EINVAL);
}

static void views(void **s)
{
	assert_int_equal(op_add(d, at(0), at(0), BYTES / 4), 0);
	assert_int_equal(op_add(d, at(0), at(0), BYTES / 4 + 1), -EINVAL);
	assert_int_equal(op_add(d, at(RT_ALIGN), at(0), BYTES / 4), -EINVAL);
	assert_int_equal(op_add(d, at(4), at(0), 1), -EINVAL);
	assert_int_equal(op_add(d, at(BYTES), at(0), 1), -EINVAL);
	assert_int_equal(op_add(d, at(UINT64_MAX - 255), at(0), 1), -EINVAL);
	assert_int_equal(op_add(d, v, at(0), 1), -EINVAL);
}

static void products(void **s)
{
	struct op_mul_mat m = { .type = TENSOR_Q4_K,
		.k = 256,
		.n_out = 4,
		.rows = 1,
		.w = at(0),
		.act = at(0),
		.y = at(BYTES / 2) };
	assert_int_equal(op_mul_mat(d, &m), 0);
	m.k = 128; /* not a whole block */
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	m.k = DIM_MAX + 256;
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	m.k = 256;
	m.type = 9; /* Q8_1: not computed with */
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	m.type = 0xffffffff;
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	m.type = TENSOR_Q4_K;
	m.w.offset = 2; /* its blocks are read by words */
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	m.w.offset = 4;
	assert_int_equal(op_mul_mat(d, &m), 0);
	m.w.offset = 0;
	m.n_out = VOCAB_MAX + 1;
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	m.n_out = BYTES / 144 + 1; /* one row more than the buffer has */
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	assert_int_equal(op_quantize(d, OP_ACT_Q8_256, at(0), at(BYTES / 2), 1, 128), -EINVAL);
	assert_int_equal(op_quantize(d, OP_ACT_F32, at(0), at(BYTES / 2), 1, 256), -EINVAL);
	assert_int_equal(op_embed(d, TENSOR_F32, at(0), VOCAB_MAX + 1, 1, at(0), 1, at(0)), -EINVAL);
	assert_int_equal(op_embed(d, TENSOR_Q8_0, at(0), 2, 33, at(0), 1, at(0)), -EINVAL);
}

/* Experts of a product, choices and groups. */
static void experts(void **s)
{
	struct op_mul_mat m = { .type = TENSOR_F32,
		.k = 1,
		.n_out = 1,
		.rows = 1,
		.w = at(0),
		.act = at(0),
		.y = at(BYTES / 2),
		.experts = EXPERTS_MAX,
		.plan = at(BYTES / 4) };
	struct op_route r = { .rows = 1,
		.experts = EXPERTS_MAX,
		.used = EXPERTS_USED_MAX,
		.kind = ARCH_ROUTE_CHOSEN,
		.logits = at(0),
		.ids = at(BYTES / 2),
		.weights = at(BYTES / 4) };
	struct op_group g = { .rows = 1,
		.experts = EXPERTS_MAX,
		.used = EXPERTS_USED_MAX,
		.ids = at(0),
		.plan = at(BYTES / 2),
		.slots = at(1024),
		.pairs = at(2048),
		.in = at(3072),
		.owners = at(4096) };
	assert_int_equal(op_mul_mat(d, &m), 0);
	m.experts++;
	assert_int_equal(op_mul_mat(d, &m), -EINVAL);
	assert_int_equal(op_route(d, &r), 0);
	for (u32 i = 0; i < 6; i++) {
		struct op_route bad = r;
		bad.experts += i == 0;
		bad.used = i == 1 ? EXPERTS_USED_MAX + 1 : i == 2 ? 0 : bad.used;
		bad.kind = i == 3 ? ARCH_ROUTE_CHOSEN + 1 : i == 4 ? 0 : bad.kind;
		bad.scale = i == 5 ? 0x1p21f : 0;
		assert_int_equal(op_route(d, &bad), -EINVAL);
	}
	r.experts = 3; /* fewer than a token has */
	assert_int_equal(op_route(d, &r), -EINVAL);
	assert_int_equal(op_group(d, &g), 0);
	g.used++;
	assert_int_equal(op_group(d, &g), -EINVAL);
	g.used = EXPERTS_USED_MAX;
	g.rows = OP_SLOTS_MAX / EXPERTS_USED_MAX + 1;
	assert_int_equal(op_group(d, &g), -EINVAL);
}

static void heads(void **s)
{
	struct op_kv kv = { .k = at(0),
		.v = at(0),
		.tables = at(BYTES / 2),
		.pages_per_seq = 2,
		.kv_mode = KV_F32,
		.kv_heads = 2,
		.head_dim = 4 };
	struct op_attention a = { .kv = &kv,
		.q = at(0),
		.seq = at(BYTES / 2),
		.pos = at(BYTES / 2),
		.y = at(BYTES / 4),
		.n = 1,
		.heads = 4,
		.pos_max = 2 * RT_KV_PAGE - 1,
		.scale = 1 };
	struct op_rope r = { .x = at(0),
		.pos = at(BYTES / 2),
		.table = at(BYTES / 2),
		.n = 1,
		.heads = 1,
		.head_dim = 8,
		.rope_dim = 8 };
	assert_int_equal(op_attention(d, &a), 0);
	a.pos_max++;
	assert_int_equal(op_attention(d, &a), -EINVAL);
	a.pos_max--;
	a.heads = 3; /* not a multiple of kv_heads */
	assert_int_equal(op_attention(d, &a), -EINVAL);
	a.heads = HEADS_MAX + 2;
	assert_int_equal(op_attention(d, &a), -EINVAL);
	a.heads = 4;
	kv.head_dim = HEAD_DIM_MAX + 2;
	assert_int_equal(op_attention(d, &a), -EINVAL);
	kv.head_dim = 5; /* odd: halves come in pairs */
	assert_int_equal(op_kv_store(d, &kv, at(0), at(0), at(0), at(0), 1), -EINVAL);
	kv.head_dim = 4;
	kv.kv_mode = KV_DEFAULT;
	assert_int_equal(op_kv_store(d, &kv, at(0), at(0), at(0), at(0), 1), -EINVAL);
	assert_int_equal(op_rope(d, &r), 0);
	r.rope_dim = 10;
	assert_int_equal(op_rope(d, &r), -EINVAL);
	r.rope_dim = 7;
	assert_int_equal(op_rope(d, &r), -EINVAL);
	r.rope_dim = 8;
	r.head_dim = HEAD_DIM_MAX + 1;
	assert_int_equal(op_rope(d, &r), -EINVAL);
}

static void devices(void **s)
{
	struct rt_device *other;
	struct rt_buf *none;
	const char *why = NULL;
	assert_int_equal(rt_device_open("no such device", &other, &why), 1);
	assert_non_null(why);
	assert_int_equal(rt_device_open("REFERENCE", &other, &why), 0);
	assert_int_equal(rt_buf_create(other, RT_BUF_WORK, 0, "none", &none), -EINVAL);
	assert_int_equal(rt_buf_create(other, RT_BUF_WORK, UINT64_MAX, "none", &none), -ENOMEM);
	assert_null(rt_buf_destroy(other, NULL));
	assert_null(rt_device_close(other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_and_dims),
		cmocka_unit_test(tops),
		cmocka_unit_test(views),
		cmocka_unit_test(products),
		cmocka_unit_test(experts),
		cmocka_unit_test(heads),
		cmocka_unit_test(devices),
	};
	if (dev_ref_open(&d) < 0 || rt_buf_create(d, RT_BUF_WORK, BYTES, "all", &b) < 0)
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	rt_buf_destroy(d, b);
	rt_device_close(d);
	return r;
}
