/* What a layout says of mixtures of experts, and what it may not say. The lies in headers are vectors (tests/vectors/gguf). */
#include "helper.h"
#include "attest/internal.h"

#include <stdlib.h>
#include <string.h>

#define GGUF KEEP_VECTORS "/gguf/"

static struct attest_blob layout_of(const char *path, struct layout *ret)
{
	struct attest_blob b;
	struct attest_report report;
	const char *why = "";
	const char *code = helper_layout(path, &report, &b);
	if (strcmp(code, "accepted"))
		fail_msg("%s: %s: %s", path, code, report.detail);
	assert_int_equal(layout_open(b.data, b.len, NULL, ret, &why), 0);
	return b;
}

static void test_families(void **state)
{
	static const struct {
		const char *path;
		u32 n, used, wide, shared, routing, switches;
	} rows[] = {
		{ GGUF "good-llama.gguf", 4, 2, 16, 0, ARCH_ROUTE_SOFTMAX, SWITCH_ROUTING_NORM },
		{ GGUF "good-qwen3moe.gguf", 4, 2, 16, 0, ARCH_ROUTE_SOFTMAX, SWITCH_ROUTING_NORM },
		{ GGUF "good-glm4moe.gguf", 4, 2, 16, 16, ARCH_ROUTE_SIGMOID, SWITCH_ROUTING_NORM },
		{ GGUF "good-gpt-oss.gguf", 4, 2, 16, 0, ARCH_ROUTE_CHOSEN, 0 },
		{ GGUF "good-minimax-m2.gguf", 4, 2, 16, 0, ARCH_ROUTE_SIGMOID, SWITCH_ROUTING_NORM },
		{ GGUF "good-llama4.gguf", 4, 1, 16, 16, ARCH_ROUTE_SIGMOID,
			SWITCH_UNIT_QK | SWITCH_PIECES | SWITCH_TEMPERATURE_1 },
		{ GGUF "good-granitemoe.gguf", 4, 2, 16, 0, ARCH_ROUTE_SOFTMAX, SWITCH_ROUTING_NORM },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct layout l;
		struct attest_blob b = layout_of(rows[i].path, &l);
		assert_int_equal(l.h->n_experts, rows[i].n);
		assert_int_equal(l.h->n_experts_used, rows[i].used);
		assert_int_equal(l.h->expert_dim, rows[i].wide);
		assert_int_equal(l.h->shared_dim, rows[i].shared);
		assert_int_equal(l.h->routing, rows[i].routing);
		assert_int_equal(l.h->switches, rows[i].switches);
		const struct layout_tensor *t = layout_tensor_find(&l, "blk.0.ffn_down_exps.weight");
		assert_non_null(t);
		assert_int_equal(t->ne[2], rows[i].n);
		attest_blob_fini(&b);
	}
}

/* Layers that only draft are counted and left out. */
static void test_drafts(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-glm4moe.gguf", &l);
	assert_int_equal(l.h->n_layers, 1);
	assert_int_equal(l.h->n_drafts, 1);
	assert_null(layout_tensor_find(&l, "blk.1.attn_norm.weight"));
	assert_null(layout_tensor_find(&l, "blk.1.nextn.eh_proj.weight"));
	assert_true(l.h->expert_scale == 2.5f);
	attest_blob_fini(&b);
}

/* One of a matrix, one of each expert; what is said of inputs is not in the table. */
static void test_scales(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-scales-experts.gguf", &l);
	assert_int_equal(layout_tensor_find(&l, "output.scale")->ne[0], 1);
	assert_int_equal(layout_tensor_find(&l, "blk.0.attn_q.scale")->ne[0], 1);
	assert_int_equal(layout_tensor_find(&l, "blk.0.ffn_down_exps.scale")->ne[0], 4);
	assert_null(layout_tensor_find(&l, "blk.0.attn_k.scale"));
	assert_null(layout_tensor_find(&l, "blk.0.attn_q.input_scale"));
	struct layout_header *h = (void *)b.data;
	struct layout_tensor *t = (void *)(b.data + h->off_tensors);
	const char *why = "";
	for (u32 i = 0; i < h->n_tensors; i++) {
		char *end = strstr(t[i].name, ".scale");
		if (!end)
			continue;
		end[6] = 'x'; /* still in its place by name */
		assert_int_equal(layout_open(b.data, b.len, NULL, &l, &why), 1);
		assert_string_equal(why, "a tensor that the architecture does not have");
		end[6] = 0;
		t[i].ne[0]++;
		t[i].bytes += 4;
		assert_int_equal(layout_open(b.data, b.len, NULL, &l, &why), 1);
		assert_string_equal(why, "a tensor's shape is not the architecture's");
		t[i].ne[0]--;
		t[i].bytes -= 4;
	}
	assert_int_equal(layout_open(b.data, b.len, NULL, &l, &why), 0);
	attest_blob_fini(&b);
}

static void test_pieces(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-llama4.gguf", &l);
	assert_int_equal(layout_layer_at(&l, 0).window, 8192);
	assert_int_equal(l.h->temperature_ctx, 8192);
	attest_blob_fini(&b);
}

static void test_lies(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-glm4moe.gguf", &l);
	struct layout_header *h = (void *)b.data;
	struct layout_tensor *t = (void *)(b.data + h->off_tensors);
	const char *why = "";
#define LIE(field, value)                                                 \
	do {                                                              \
		__typeof__(field) was = (field);                          \
		(field) = (__typeof__(field))(value);                     \
		if (layout_open(b.data, b.len, NULL, &l, &why) != 1)      \
			fail_msg("%s = %s was believed", #field, #value); \
		(field) = was;                                            \
	} while (0)
	LIE(h->n_experts, 0);
	LIE(h->n_experts, 3);
	LIE(h->n_experts, EXPERTS_MAX + 1);
	LIE(h->n_experts_used, 0);
	LIE(h->n_experts_used, 5);
	LIE(h->n_experts_used, EXPERTS_USED_MAX + 1);
	LIE(h->expert_dim, 0);
	LIE(h->expert_dim, 15);
	LIE(h->expert_dim, DIM_MAX + 1);
	LIE(h->shared_dim, 0);
	LIE(h->shared_dim, DIM_MAX + 1);
	LIE(h->routing, 0);
	LIE(h->routing, ARCH_ROUTE_CHOSEN + 1);
	LIE(h->expert_scale, -1);
	LIE(h->expert_scale, __builtin_nanf(""));
	LIE(h->switches, 0x8000);
	LIE(h->n_drafts, LAYERS_MAX + 1);
	LIE(h->parts, h->parts & ~(u32)PART_EXPERTS);
	LIE(h->parts, h->parts & ~(u32)PART_SHARED);
	for (u32 i = 0; i < h->n_tensors; i++)
		LIE(t[i].ne[2], t[i].ne[2] + 1);
	attest_blob_fini(&b);
}

/* Of a token at most so many, however many there are: one past is refused, the most is not what is refused. */
static void test_used_limit(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-qwen3moe.gguf", &l);
	struct layout_header *h = (void *)b.data;
	const char *range = "experts, their width or their weights out of range", *why = "";
	h->n_experts = EXPERTS_MAX;
	h->n_experts_used = EXPERTS_USED_MAX;
	assert_int_equal(layout_open(b.data, b.len, NULL, &l, &why), 1);
	assert_string_not_equal(why, range); /* but that the tensors are smaller */
	h->n_experts_used = EXPERTS_USED_MAX + 1;
	assert_int_equal(layout_open(b.data, b.len, NULL, &l, &why), 1);
	assert_string_equal(why, range);
	attest_blob_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_families), cmocka_unit_test(test_drafts),
		cmocka_unit_test(test_scales), cmocka_unit_test(test_pieces), cmocka_unit_test(test_lies),
		cmocka_unit_test(test_used_limit) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
