/* Limits of what a stranger wrote: at each, and one past it. Those of manifests, trees and certificates are with their tests. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- JSON and keys -------------------------------------------------------------------------------------------------------- */

/* An object that holds arrays within each other: depth brackets in all. */
static int json_of(u32 depth, struct attest_report *report)
{
	char text[512];
	size_t n = (size_t)sprintf(text, "{\"a\":");
	assert_true(2 * depth + 16 < sizeof text);
	for (u32 i = 1; i < depth; i++)
		text[n++] = '[';
	for (u32 i = 1; i < depth; i++)
		text[n++] = ']';
	text[n++] = '}';
	json_t *j = NULL;
	attest_report_init(report);
	int r = json_strict_load(text, n, "bundle", &j, report);
	json_decref(j);
	return r;
}

static void test_json_depth(void **state)
{
	struct attest_report report;
	assert_int_equal(json_of(JSON_DEPTH_MAX, &report), 0);
	assert_int_equal(json_of(JSON_DEPTH_MAX + 1, &report), 1);
	assert_int_equal(report.reason, ATTEST_DEPTH_LIMIT);
}

/* An array of n ones: with the object that holds it n + 2 values, counted as commas and brackets. */
static int values_of(size_t n, size_t blanks, struct attest_report *report)
{
	size_t len = 0;
	char *text = malloc(2 * n + blanks + 16);
	assert_non_null(text);
	len += (size_t)sprintf(text, "{\"a\":[1");
	for (size_t i = 1; i < n; i++, len += 2)
		memcpy(text + len, ",1", 2);
	memset(text + len, ' ', blanks);
	len += blanks;
	memcpy(text + len, "]}", 2);
	json_t *j = NULL;
	attest_report_init(report);
	int r = json_strict_load(text, len + 2, "bundle", &j, report);
	json_decref(j);
	free(text);
	return r;
}

static void test_json_values(void **state)
{
	struct attest_report report;
	size_t extra = 8 + 2 * JSON_VALUES_FREE; /* what the text's own length allows beside */
	size_t n = JSON_VALUES_FREE - 2 + extra / JSON_VALUE_BYTES_MIN;
	while ((2 * n + 8) / JSON_VALUE_BYTES_MIN + JSON_VALUES_FREE > n + 2)
		n++;
	assert_int_equal(values_of(n, 0, &report), 0);
	assert_int_equal(values_of(n + 2, 0, &report), 1);
	assert_int_equal(report.reason, ATTEST_SIZE_LIMIT);
	assert_int_equal(values_of(n + 2, 2 * JSON_VALUE_BYTES_MIN, &report), 0);
}

/* A length that a frame stated: the key is the last thing before memory that cannot be read. */
static void test_key_der(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	u8 *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	struct proto_key good, *key = (void *)(map + page - sizeof good);
	assert_int_equal(helper_keys(KEEP_VECTORS "/oms", "p521", &good, 1), 1);
	*key = good;
	assert_true(attest_key_ok(key));
	key->der_len = KEY_DER_BYTES_MAX;
	assert_false(attest_key_ok(key));
	const u32 longer[] = { KEY_DER_BYTES_MAX + 1, 2 * KEY_DER_BYTES_MAX, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_LEN(longer); i++) {
		key->der_len = longer[i];
		assert_false(attest_key_ok(key));
	}
	munmap(map, 2 * page);
}

/* ---- headers --------------------------------------------------------------------------------------------------------------- */

static u8 *at; /* end of the header being written */

static void put(const void *data, size_t n)
{
	memcpy(at, data, n);
	at += n;
}
static void put_u32(u32 v)
{
	put(&v, sizeof v);
}
static void put_u64(u64 v)
{
	put(&v, sizeof v);
}
static void put_name(char c, u64 len)
{
	put_u64(len);
	memset(at, c, len);
	at += len;
}

static u8 *header(u64 n_tensors, u64 n_kv)
{
	u8 *buf = at = calloc(1, 4u << 20);
	assert_non_null(buf);
	put("GGUF\3\0\0\0", 8);
	put_u64(n_tensors);
	put_u64(n_kv);
	return buf;
}

/* What the reader says of it: 0, or the reason. 4 KiB of data follow. Frees it. */
static u32 verdict(u8 *buf, bool tensors)
{
	struct gguf_source src = { .name = "m.gguf", .bytes = (u64)(at - buf) + 4096 };
	struct attest_report report;
	struct gguf g;
	src.fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_all(src.fd, buf, src.bytes, 0), 0);
	attest_report_init(&report);
	int r = gguf_open(&src, &g, &report);
	if (!r && tensors)
		r = gguf_read_tensors(&g, &report);
	assert_in_range(r, 0, 1);
	gguf_fini(&g);
	close(src.fd);
	free(buf);
	return r ? report.reason : 0;
}

static u32 entries(u32 n)
{
	u8 *buf = header(0, n);
	for (u32 i = 0; i < n; i++) {
		char key[8];
		put_u64(6);
		snprintf(key, sizeof key, "k%05u", i);
		put(key, 6);
		put_u32(0); /* a byte */
		put("", 1);
	}
	return verdict(buf, false);
}

static u32 key_of(u32 len)
{
	u8 *buf = header(0, 1);
	put_name('k', len);
	put_u32(0);
	put("", 1);
	return verdict(buf, false);
}

/* A string, or an array of one. */
static u32 string_of(u64 len, bool array)
{
	u8 *buf = header(0, 1);
	put_name('k', 1);
	put_u32(array ? 9 : 8);
	if (array) {
		put_u32(8);
		put_u64(1);
	}
	put_name('s', len);
	return verdict(buf, false);
}

static u32 tensor_of(u32 name_len)
{
	u8 *buf = header(1, 0);
	put_name('t', name_len);
	put_u32(1);
	put_u64(32);
	put_u32(TENSOR_F32);
	put_u64(0);
	return verdict(buf, true);
}

static u32 tensors_of(u64 n)
{
	u8 *buf = header(n, 0);
	for (u64 i = 0; i < n; i++) {
		char name[8];
		put_u64(6);
		snprintf(name, sizeof name, "t%05u", (u32)i);
		put(name, 6);
		put_u32(1);
		put_u64(1);
		put_u32(TENSOR_F32);
		put_u64(0);
	}
	return verdict(buf, false);
}

static void test_gguf(void **state)
{
	assert_int_equal(entries(GGUF_KV_MAX), 0);
	assert_int_equal(entries(GGUF_KV_MAX + 1), ATTEST_GGUF_LIMIT);
	assert_int_equal(key_of(GGUF_KEY_LEN_MAX), 0);
	assert_int_equal(key_of(GGUF_KEY_LEN_MAX + 1), ATTEST_GGUF_KEY);
	for (int array = 0; array < 2; array++) {
		assert_int_equal(string_of(GGUF_STRING_BYTES_MAX, array), 0);
		assert_int_equal(string_of(GGUF_STRING_BYTES_MAX + 1, array), ATTEST_GGUF_LIMIT);
	}
	assert_int_equal(tensors_of(TENSORS_MAX), 0);
	assert_int_equal(tensors_of(TENSORS_MAX + 1), ATTEST_GGUF_LIMIT);
	assert_int_equal(tensor_of(TENSOR_NAME_LEN_MAX), 0);
	assert_int_equal(tensor_of(TENSOR_NAME_LEN_MAX + 1), ATTEST_GGUF_TENSOR_NAME);
}

static void put_key_u32(const char *key, u32 v)
{
	put_u64(strlen(key));
	put(key, strlen(key));
	put_u32(4);
	put_u32(v);
}

struct network {
	u32 layers, dim, ffn, ctx, heads, head_dim;
};

/* The reason that its hyperparameters are refused for; 0, and the context that is read. */
static u32 network_of(const struct network *n, u32 *ret_ctx)
{
	u8 *buf = header(0, 9);
	f32 eps = 1e-5f;
	put_key_u32("llama.block_count", n->layers);
	put_key_u32("llama.embedding_length", n->dim);
	put_key_u32("llama.feed_forward_length", n->ffn);
	put_key_u32("llama.context_length", n->ctx);
	put_key_u32("llama.attention.head_count", n->heads);
	put_key_u32("llama.attention.key_length", n->head_dim);
	put_key_u32("llama.attention.value_length", n->heads * n->head_dim == n->dim ? 0 : n->head_dim);
	put_key_u32("llama.rope.dimension_count", 2); /* that of an odd head would be odd */
	put_u64(38);
	put("llama.attention.layer_norm_rms_epsilon", 38);
	put_u32(6);
	put(&eps, sizeof eps);
	struct gguf_source src = { .name = "m.gguf", .bytes = (u64)(at - buf) };
	struct layout_header h = { .arch = LAYOUT_ARCH_LLAMA };
	struct layout_layer *layers;
	struct attest_report report;
	struct arena arena = { 0 };
	struct gguf g;
	src.fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(fd_pwrite_all(src.fd, buf, src.bytes, 0), 0);
	attest_report_init(&report);
	assert_int_equal(gguf_open(&src, &g, &report), 0);
	int r = network_read(&g, &arena, &h, &layers, &report);
	assert_in_range(r, 0, 1);
	arena_fini(&arena);
	gguf_fini(&g);
	close(src.fd);
	free(buf);
	*ret_ctx = h.ctx_train;
	return r ? report.reason : 0;
}

static void test_network(void **state)
{
	const u32 refused = ATTEST_GGUF_HYPERPARAMETER;
	const struct {
		struct network n;
		u32 want;
	} rows[] = {
		{ { LAYERS_MAX, 64, 64, 64, 4, 16 }, 0 },
		{ { LAYERS_MAX + 1, 64, 64, 64, 4, 16 }, refused },
		{ { 1, DIM_MAX, 64, 64, 4, 16 }, 0 },
		{ { 1, DIM_MAX + 1, 64, 64, 4, 16 }, refused },
		{ { 1, 64, DIM_MAX, 64, 4, 16 }, 0 },
		{ { 1, 64, DIM_MAX + 1, 64, 4, 16 }, refused },
		{ { 1, 64, 64, 64, HEADS_MAX, 16 }, 0 },
		{ { 1, 64, 64, 64, HEADS_MAX + 1, 16 }, refused },
		{ { 1, 64, 64, 64, 4, HEAD_DIM_MAX }, 0 },
		{ { 1, 64, 64, 64, 4, HEAD_DIM_MAX + 1 }, refused },
		{ { 1, 4 * HEAD_DIM_MAX, 64, 64, 4, HEAD_DIM_MAX }, 0 },
		{ { 1, 4 * (HEAD_DIM_MAX + 1), 64, 64, 4, HEAD_DIM_MAX + 1 }, refused },
		{ { 1, 64, 64, 64, DIM_MAX / HEAD_DIM_MAX, HEAD_DIM_MAX }, 0 },
		{ { 1, 64, 64, 64, DIM_MAX / HEAD_DIM_MAX + 1, HEAD_DIM_MAX }, refused },
	};
	u32 ctx;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (network_of(&rows[i].n, &ctx) != rows[i].want)
			fail_msg("row %zu: not %u", i, rows[i].want);
	/* a longer training is no fault; only so much of it is used */
	assert_int_equal(network_of(&(struct network){ 1, 64, 64, CTX_TOKENS_MAX, 4, 16 }, &ctx), 0);
	assert_int_equal(ctx, CTX_TOKENS_MAX);
	assert_int_equal(network_of(&(struct network){ 1, 64, 64, CTX_TOKENS_MAX + 1, 4, 16 }, &ctx), 0);
	assert_int_equal(ctx, CTX_TOKENS_MAX);
}

/* ---- layouts ---------------------------------------------------------------------------------------------------------------- */

/* Why a layout of that header and of zeros is refused. */
static const char *layout_why(const struct layout_header *h)
{
	size_t cap = (size_t)LAYOUT_BYTES_MAX + 4096;
	void *map =
		mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct layout l;
	const char *why = NULL;
	assert_true(map != MAP_FAILED);
	memcpy(map, h, sizeof *h);
	assert_int_equal(layout_open(map, h->bytes, NULL, &l, &why), 1);
	munmap(map, cap);
	return why;
}

/* At the limit something else is wrong with it, and named. */
static void test_layout(void **state)
{
	static const char *const length = "length differs from the header", *const count =
										    "a count out of range";
	const struct layout_header good = {
		.magic = LAYOUT_MAGIC, .bytes = 1 << 20, .n_files = 1, .n_tensors = 1, .n_vocab = 1
	};
	struct layout_header h = good;
	h.bytes = LAYOUT_BYTES_MAX;
	assert_string_not_equal(layout_why(&h), length);
	h.bytes = LAYOUT_BYTES_MAX + 8;
	assert_string_equal(layout_why(&h), length);
	const struct {
		size_t field;
		u32 max;
	} rows[] = {
		{ offsetof(struct layout_header, n_files), MODEL_FILES_MAX },
		{ offsetof(struct layout_header, n_tensors), TENSORS_MAX },
		{ offsetof(struct layout_header, n_vocab), VOCAB_MAX },
		{ offsetof(struct layout_header, n_merges), GGUF_ARRAY_LEN_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (u32 more = 0; more < 2; more++) {
			u32 v = rows[i].max + more;
			h = good;
			memcpy((u8 *)&h + rows[i].field, &v, sizeof v);
			assert_int_equal(strcmp(layout_why(&h), count) == 0, more);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_json_depth),
		cmocka_unit_test(test_json_values), cmocka_unit_test(test_key_der),
		cmocka_unit_test(test_gguf), cmocka_unit_test(test_network), cmocka_unit_test(test_layout) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
