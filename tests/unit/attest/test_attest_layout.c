/* What a layout says of good headers; both tables against every kind of lie; limits one past each. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void assert_str(const struct layout *l, struct layout_str s, const char *want)
{
	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(l->strings + s.off, want, s.len);
}

static void test_spm(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-f32.gguf", &l);
	const struct layout_header *h = l.h;
	assert_int_equal(h->arch, LAYOUT_ARCH_LLAMA);
	assert_int_equal(h->n_layers, 1);
	assert_int_equal(h->dim, 8);
	assert_int_equal(h->ffn_dim, 16);
	assert_int_equal(h->n_heads, 2);
	assert_int_equal(h->n_kv_heads, 1);
	assert_int_equal(h->head_dim, 4);
	assert_int_equal(h->rope_dim, 4);
	assert_int_equal(h->ctx_train, 64);
	assert_true(h->rms_eps == 1e-5f && h->rope_base == 10000.0f && h->rope_scale == 1.0f);
	assert_int_equal(h->tok_model, LAYOUT_TOK_SPM);
	assert_int_equal(h->tok_flags, LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX);
	assert_int_equal(h->bos, 1);
	assert_int_equal(h->eos, 2);
	assert_int_equal(h->unk, 0);
	assert_int_equal(h->pad, LAYOUT_NONE);
	assert_int_equal(h->eot, 7); /* by its text */
	assert_int_equal(l.vocab[7].type, TOK_CONTROL);
	assert_int_equal(l.vocab[3].type, TOK_BYTE);
	assert_true(l.vocab[6].score == -3.0f);
	assert_str(&l, l.vocab[4].text,
		"\xe2\x96\x81"
		"a");
	assert_str(&l, h->name, "vector");
	assert_str(&l, h->license, "mit");
	assert_str(&l, h->chat_template, "{{ messages }}");
	const struct layout_tensor *t = layout_tensor_find(&l, "blk.0.ffn_down.weight");
	assert_non_null(t);
	assert_int_equal(t->ne[0], 16);
	assert_int_equal(t->ne[1], 8);
	assert_int_equal(t->bytes, 16 * 8 * 4);
	assert_null(layout_tensor_find(&l, "blk.1.ffn_down.weight"));
	assert_null(layout_tensor_find(&l, ""));
	attest_blob_fini(&b);
}

static void test_bpe(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-bpe.gguf", &l);
	assert_int_equal(l.h->tok_model, LAYOUT_TOK_BPE);
	assert_int_equal(l.h->tok_pre, LAYOUT_PRE_LLAMA3);
	assert_int_equal(l.h->tok_flags, LAYOUT_ADD_BOS);
	assert_int_equal(l.h->n_merges, 2);
	assert_str(&l, l.merges[1].left, "\xc4\xa0");
	assert_str(&l, l.merges[1].right, "a");
	assert_int_equal(l.h->bos, 4);
	assert_int_equal(l.h->eos, 5);
	assert_int_equal(l.h->eot, 5);
	assert_int_equal(l.h->unk, LAYOUT_NONE);
	attest_blob_fini(&b);
}

static void test_others(void **state)
{
	struct layout l;
	struct attest_blob b = layout_of(GGUF "good-linear-scaling.gguf", &l);
	assert_true(l.h->rope_scale == 4.0f);
	attest_blob_fini(&b);
	b = layout_of(GGUF "good-empty-token.gguf", &l);
	assert_str(&l, l.vocab[4].text, "[EMPTY_4]");
	attest_blob_fini(&b);
	b = layout_of(GGUF "good-two-layers-tied.gguf", &l);
	assert_null(layout_tensor_find(&l, "output.weight"));
	assert_int_equal(l.h->n_tensors, 2 + 2 * 9);
	attest_blob_fini(&b);
	b = layout_of(GGUF "good-defaults.gguf", &l);
	assert_int_equal(l.h->n_kv_heads, 2);
	assert_int_equal(l.h->rope_dim, 4);
	assert_int_equal(l.h->name.len, 0);
	attest_blob_fini(&b);
	b = layout_of(GGUF "good-mixed-types.gguf", &l);
	assert_int_equal(layout_tensor_find(&l, "blk.0.attn_v.weight")->type, TENSOR_Q6_K);
	assert_int_equal(layout_tensor_find(&l, "blk.0.attn_v.weight")->bytes, 8 * 210);
	attest_blob_fini(&b);
	b = layout_of(GGUF "good-split-3", &l);
	assert_int_equal(l.h->n_files, 3);
	assert_true(layout_tensor_find(&l, "output_norm.weight")->file !=
		    layout_tensor_find(&l, "output.weight")->file);
	attest_blob_fini(&b);
}

/* ---- lies --------------------------------------------------------------------------------------------------------------------- */

#define LIE(field, value)                                                 \
	do {                                                              \
		memcpy(copy, b.data, b.len);                              \
		(field) = (value);                                        \
		if (layout_open(copy, b.len, NULL, &l, &why) != 1)        \
			fail_msg("%s = %s was believed", #field, #value); \
	} while (0)

/* The table of layers, which only some models have. */
static void test_layer_lies(void **state)
{
	struct layout l;
	const char *why = "";
	struct attest_blob b = layout_of(GGUF "good-gemma3.gguf", &l);
	assert_non_null(l.layers);
	assert_int_equal(l.layers[0].window, 16);
	assert_int_equal(l.layers[0].rope, 1);
	assert_true(l.h->rope_base_2 == 10000 && l.h->rope_scale_2 == 1);
	u8 *copy = malloc(b.len + 8);
	struct layout_header *h = (void *)copy;
	struct layout_layer *y = (void *)(copy + l.h->off_layers);
	LIE(y->n_heads, 0);
	LIE(y->n_heads, HEADS_MAX + 1);
	LIE(y->n_kv_heads, 3);
	LIE(y->head_dim, HEAD_DIM_MAX + 1);
	LIE(y->head_dim, 8);
	LIE(y->rope_dim, 2);
	LIE(y->rope_dim, 3);
	LIE(y->ffn_dim, 0);
	LIE(y->ffn_dim, 8);
	LIE(y->window, CTX_TOKENS_MAX + 1);
	LIE(y->rope, 2);
	LIE(y->xielu[3], __builtin_nanf(""));
	LIE(y->xielu[0], 1e5f);
	LIE(y->reserved[0], 1);
	LIE(h->rope_base_2, 0);
	free(copy);
	attest_blob_fini(&b);
}

static void test_layout_lies(void **state)
{
	struct layout l;
	const char *why = "";
	struct attest_blob b = layout_of(GGUF "good-bpe.gguf", &l);
	u8 *copy = malloc(b.len + 8);
	struct layout_header *h = (void *)copy;
	struct layout_tensor *t = (void *)(copy + l.h->off_tensors);
	struct layout_token *v = (void *)(copy + l.h->off_vocab);
	struct layout_merge *m = (void *)(copy + l.h->off_merges);
	LIE(h->magic[0], 'X');
	LIE(h->bytes, b.len + 1);
	LIE(h->bytes, b.len - 1);
	LIE(h->arch, 0);
	LIE(h->arch, LAYOUT_ARCHS_END);
	LIE(h->arch, LAYOUT_ARCH_QWEN2); /* whose biases are not there */
	LIE(h->arch, UINT32_MAX);
	LIE(h->parts, 0);
	LIE(h->parts, l.h->parts | PART_QK_NORM);
	LIE(h->parts, l.h->parts | PART_QKV_FUSED);
	LIE(h->parts, l.h->parts & ~(u32)PART_HEAD);
	LIE(h->parts, l.h->parts | PART_ROPE_FREQS);
	LIE(h->n_files, 0);
	LIE(h->n_files, MODEL_FILES_MAX + 1);
	LIE(h->n_tensors, 0);
	LIE(h->n_tensors, TENSORS_MAX + 1);
	LIE(h->n_tensors, l.h->n_tensors - 1);
	LIE(h->n_tensors, l.h->n_tensors + 1);
	LIE(h->n_vocab, 0);
	LIE(h->n_vocab, VOCAB_MAX + 1);
	LIE(h->n_vocab, 9);
	LIE(h->n_merges, GGUF_ARRAY_LEN_MAX + 1);
	LIE(h->n_merges, 3);
	LIE(h->strings_bytes, UINT32_MAX);
	LIE(h->strings_bytes, l.h->strings_bytes + 1);
	LIE(h->off_tensors, 0);
	LIE(h->off_tensors, 260);
	LIE(h->off_vocab, UINT64_MAX - 7);
	LIE(h->off_merges, l.h->off_vocab);
	LIE(h->off_strings, b.len + 8);
	LIE(h->n_layers, 0);
	LIE(h->n_layers, LAYERS_MAX + 1);
	LIE(h->n_layers, 2);
	LIE(h->dim, 0);
	LIE(h->dim, DIM_MAX + 1);
	LIE(h->dim, 16);
	LIE(h->ffn_dim, 0);
	LIE(h->ffn_dim, DIM_MAX + 1);
	LIE(h->n_heads, 0);
	LIE(h->n_heads, HEADS_MAX + 1);
	LIE(h->n_heads, 3);
	LIE(h->n_kv_heads, 0);
	LIE(h->n_kv_heads, 3);
	LIE(h->head_dim, 0);
	LIE(h->head_dim, HEAD_DIM_MAX + 1);
	LIE(h->rope_dim, 0);
	LIE(h->rope_dim, 3);
	LIE(h->rope_dim, 6);
	LIE(h->ctx_train, 0);
	LIE(h->ctx_train, CTX_TOKENS_MAX + 1);
	LIE(h->rms_eps, 0);
	LIE(h->rms_eps, __builtin_nanf(""));
	LIE(h->rope_base, __builtin_inff());
	LIE(h->rope_base, -1.0f);
	LIE(h->rope_scale, 0);
	LIE(h->rope_scaling, ROPE_LONG);
	LIE(h->rope_scaling, ROPE_LONG + 1);
	LIE(h->rope_magnitude, -1);
	LIE(h->rope_magnitude, __builtin_nanf(""));
	LIE(h->yarn_ext_factor, 2);
	LIE(h->yarn_beta_fast, -1);
	LIE(h->yarn_beta_slow, __builtin_inff());
	LIE(h->yarn_log_multiplier, -1);
	LIE(h->rope_ctx, CTX_TOKENS_MAX + 1);
	LIE(h->rope_base_2, 0.5f);
	LIE(h->rope_scale_2, -1);
	LIE(h->attn_scale, -1);
	LIE(h->embed_scale, 1e7f);
	LIE(h->residual_scale, __builtin_nanf(""));
	LIE(h->logit_scale, 1e-7f);
	LIE(h->logit_softcap, -30);
	LIE(h->temperature, 1); /* and no context */
	LIE(h->temperature, 101);
	LIE(h->temperature_ctx, CTX_TOKENS_MAX + 1);
	LIE(h->off_layers, 8);
	LIE(h->off_layers, b.len);
	LIE(h->off_layers, UINT64_MAX - 7);
	LIE(h->reserved0, 1);
	LIE(h->reserved[0], 1);
	LIE(h->reserved[sizeof h->reserved - 1], 1);
	LIE(h->tok_model, 0);
	LIE(h->tok_model, LAYOUT_TOK_SPM); /* with merges */
	LIE(h->tok_model, LAYOUT_TOK_UNIGRAM);
	LIE(h->tok_model, LAYOUT_TOK_WORDPIECE);
	LIE(h->tok_model, LAYOUT_TOK_BPE_TEXT + 1);
	LIE(h->tok_pre, LAYOUT_PRE_COUNT);
	LIE(h->tok_flags, LAYOUT_TOK_FLAGS + 1);
	LIE(h->bos, 8);
	LIE(h->eos, 8);
	LIE(h->eot, 8);
	LIE(h->unk, 0x80000000u);
	LIE(h->pad, 8);
	LIE(h->name.off, UINT32_MAX);
	LIE(h->name.len, UINT32_MAX);
	LIE(h->license.len, l.h->strings_bytes + 1);
	LIE(h->chat_template.len, TEMPLATE_BYTES_MAX + 1);
	LIE(h->charsmap.len, CHARSMAP_BYTES_MAX + 1);
	LIE(h->charsmap.off, l.h->strings_bytes + 1);
	LIE(v[0].text.off, l.h->strings_bytes);
	LIE(v[7].text.len, 0);
	LIE(v[7].text.len, TOKEN_BYTES_MAX + 1);
	LIE(v[7].type, 0);
	LIE(v[7].type, 7);
	LIE(v[7].score, __builtin_nanf(""));
	LIE(m[0].left.len, 0);
	LIE(m[1].right.off, UINT32_MAX);
	LIE(t[0].name[0], 0);
	LIE(t[0].name[0], 'z');
	LIE(t[0].name[63], 'x');
	LIE(t[0].type, 3);
	LIE(t[0].type, TENSOR_F16);
	LIE(t[0].n_dims, 0);
	LIE(t[0].n_dims, 5);
	LIE(t[0].ne[0], 0);
	LIE(t[0].ne[0], 9);
	LIE(t[0].ne[3], 2);
	LIE(t[0].bytes, l.tensors[0].bytes + 4);
	LIE(t[0].file, 1);
	LIE(t[0].offset, UINT64_MAX - 3);
	LIE(t[0].offset, l.tensors[0].offset + 1);
	LIE(t[0].reserved, 1);
	for (size_t n = 0; n < b.len; n += 7)
		assert_int_equal(layout_open(b.data, n, NULL, &l, &why), 1);
	free(copy);
	attest_blob_fini(&b);
}

static void test_segments_lies(void **state)
{
	struct attest_tree tree;
	struct attest_blob b;
	struct segments s;
	struct layout l;
	const char *why = "";
	helper_segments(GGUF "good-split-3", &tree, &b);
	attest_tree_fini(&tree);
	struct segments_header *h = (void *)b.data;
	struct segments_file *f = (void *)(h + 1);
	assert_int_equal(segments_open(b.data, b.len, &s, &why), 0);
#define SEG_LIE(field, value)                                             \
	do {                                                              \
		__typeof__(field) was = (field);                          \
		(field) = (__typeof__(field))(value);                     \
		if (segments_open(b.data, b.len, &s, &why) != 1)          \
			fail_msg("%s = %s was believed", #field, #value); \
		(field) = was;                                            \
	} while (0)
	SEG_LIE(h->magic[7], '2');
	SEG_LIE(h->segment_bytes, SEGMENT_BYTES / 2);
	SEG_LIE(h->n_files, 0);
	SEG_LIE(h->n_files, MODEL_FILES_MAX + 1);
	SEG_LIE(h->n_files, 2);
	SEG_LIE(h->n_segments, UINT64_MAX);
	SEG_LIE(h->n_segments, 4);
	SEG_LIE(h->bytes, h->bytes + 1);
	SEG_LIE(f[0].bytes, f[0].bytes + 1);
	SEG_LIE(f[0].bytes, UINT64_MAX);
	SEG_LIE(f[0].first, 1);
	SEG_LIE(f[0].count, 2);
	SEG_LIE(f[0].path[0], 0);
	SEG_LIE(f[0].path[0], '/');
	SEG_LIE(f[0].path[0], '\xff');
	SEG_LIE(f[0].path[PATH_LEN_MAX], 'x');
	SEG_LIE(f[0].path[6], f[1].path[6]);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(segments_open(b.data, n, &s, &why), 1);
	/* a layout whose tensors reach beyond these files */
	struct attest_blob layout;
	struct attest_report report;
	assert_string_equal(helper_layout(GGUF "good-split-3", &report, &layout), "accepted");
	assert_int_equal(segments_open(b.data, b.len, &s, &why), 0);
	assert_int_equal(layout_open(layout.data, layout.len, &s, &l, &why), 0);
	f[1].bytes = 512;
	assert_int_equal(layout_open(layout.data, layout.len, &s, &l, &why), 1);
	attest_blob_fini(&layout);
	attest_blob_fini(&b);
}

/* The stored file changed between the verify job and the layout job: its segment is wrong. */
static void test_header_digest(void **state)
{
	struct attest_tree tree;
	struct attest_blob b, layout, file = helper_read(GGUF "good-f32.gguf");
	struct segments s;
	struct attest_report report;
	const char *why = "";
	char *dir = helper_tmp(), path[64];
	snprintf(path, sizeof path, "%s/m.gguf", dir);
	helper_write(path, file.data, file.len);
	helper_segments(path, &tree, &b);
	assert_int_equal(segments_open(b.data, b.len, &s, &why), 0);
	struct attest_layout_params p = { .segments = &s, .files = tree.files, .n_files = 1 };
	file.data[file.len - 1] ^= 1; /* not even in the header, but in its segment */
	helper_write(path, file.data, file.len);
	assert_int_equal(attest_layout_make(&p, &layout, &report), 1);
	assert_int_equal(report.reason, ATTEST_DIGEST);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(attest_layout_make(&p, &layout, &report), 1);
	assert_int_equal(report.reason, ATTEST_CHANGED);
	p.n_files = 0;
	assert_int_equal(attest_layout_make(&p, &layout, &report), 1);
	assert_int_equal(report.reason, ATTEST_MISSING_FILE);
	attest_tree_fini(&tree);
	attest_blob_fini(&b);
	attest_blob_fini(&file);
	helper_rm(dir);
}

/* Every byte of a header inverted, and every prefix: refused or accepted, never anything else. */
static void test_header_bent(void **state)
{
	struct attest_blob good = helper_read(GGUF "good-bpe.gguf");
	struct gguf_source src = {
		.name = "m.gguf", .bytes = good.len, .fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
	};
	struct attest_report report;
	struct gguf g;
	u32 accepted = 0;
	assert_true(src.fd >= 0);
	for (size_t i = 0; i < 1900; i++) {
		good.data[i] ^= 0xff;
		assert_int_equal(fd_pwrite_all(src.fd, good.data, good.len, 0), 0);
		good.data[i] ^= 0xff;
		int r = gguf_open(&src, &g, &report);
		r = r ? r : gguf_read_tensors(&g, &report);
		assert_in_range(r, 0, 1);
		accepted += r == 0;
		gguf_fini(&g);
	}
	assert_int_equal(fd_pwrite_all(src.fd, good.data, good.len, 0), 0);
	for (src.bytes = 0; src.bytes < 1900; src.bytes++) {
		assert_true(gguf_open(&src, &g, &report) == 1 || gguf_read_tensors(&g, &report) == 1);
		gguf_fini(&g);
	}
	print_message(
		"inverted bytes in values, which mean something else but nothing impossible: %u of 1900\n",
		accepted);
	close(src.fd);
	attest_blob_fini(&good);
}

/* Metadata that goes on and on: eight full arrays of 8-byte numbers fill the largest header, whatever comes then is too much. */
static void test_header_limit(void **state)
{
	struct gguf_source src = { .name = "m.gguf",
		.fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) };
	u64 at = 24, array = 8ull * GGUF_ARRAY_LEN_MAX;
	struct attest_report report;
	struct gguf g;
	assert_int_equal(fd_pwrite_all(src.fd, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\x8\0\0\0\0\0\0\0", 24, 0), 0);
	for (char i = '0'; i < '8'; i++, at += 25 + array) {
		char kv[25] = "\1\0\0\0\0\0\0\0k\x9\0\0\0\xa\0\0\0";
		u64 n = GGUF_ARRAY_LEN_MAX;
		kv[8] = i;
		memcpy(kv + 17, &n, 8);
		assert_int_equal(fd_pwrite_all(src.fd, kv, sizeof kv, at), 0);
	}
	src.bytes = at;
	assert_int_equal(ftruncate(src.fd, (off_t)at), 0);
	assert_int_equal(gguf_open(&src, &g, &report), 1);
	assert_int_equal(report.reason, ATTEST_GGUF_LIMIT);
	gguf_fini(&g);
	/* the last array as much shorter as the rest of the header is long: the header has exactly the limit */
	u64 n = GGUF_ARRAY_LEN_MAX - (24 + 8 * 25) / 8;
	assert_int_equal(fd_pwrite_all(src.fd, &n, 8, at - array - 8), 0);
	assert_int_equal(gguf_open(&src, &g, &report), 0);
	assert_int_equal(g.at, GGUF_HEADER_BYTES_MAX);
	gguf_fini(&g);
	close(src.fd);
}

static void test_type_names(void **state)
{
	static const struct {
		u32 type;
		const char *name;
	} known[] = { { 0, "F32" }, { 10, "Q2_K" }, { 22, "IQ2_S" }, { 39, "MXFP4" }, { 40, "NVFP4" },
		{ 133, "Q6_0" }, { 137, "IQ2_K" }, { 141, "IQ6_K" }, { 144, "IQ4_KS" }, { 158, "IQ1_KT" } };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		assert_string_equal(gguf_type_name(known[i].type), known[i].name);
	assert_null(gguf_type_name(43));
	assert_null(gguf_type_name(UINT32_MAX));
	for (u32 t = 0; t < 1000; t++)
		if (tensor_type_info(t))
			assert_string_equal(tensor_type_info(t)->name, gguf_type_name(t));
	u64 bytes;
	assert_int_equal(layout_tensor_bytes(TENSOR_Q4_K, (u32[4]){ 512, 3, 1, 1 }, &bytes), 0);
	assert_int_equal(bytes, 2 * 144 * 3);
	assert_int_equal(layout_tensor_bytes(TENSOR_Q4_K, (u32[4]){ 511, 3, 1, 1 }, &bytes), 1);
	assert_int_equal(
		layout_tensor_bytes(TENSOR_F32, (u32[4]){ UINT32_MAX, UINT32_MAX, 1, 1 }, &bytes), 1);
	assert_int_equal(layout_tensor_bytes(TENSOR_F32, (u32[4]){ 4, 0, 1, 1 }, &bytes), 1);
	assert_int_equal(layout_tensor_bytes(9, (u32[4]){ 32, 1, 1, 1 }, &bytes), 1); /* Q8_1 */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_spm), cmocka_unit_test(test_bpe),
		cmocka_unit_test(test_others), cmocka_unit_test(test_layout_lies),
		cmocka_unit_test(test_layer_lies), cmocka_unit_test(test_segments_lies),
		cmocka_unit_test(test_header_digest), cmocka_unit_test(test_header_bent),
		cmocka_unit_test(test_header_limit), cmocka_unit_test(test_type_names) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
