/* Loading without a gate: numbers that are none are refused by name, whatever the threads; tables that lie are refused. */
#include "tests/logits/tiny_model.h"
#include "base/request.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct rt_device *device;

static int open_reference(void **state)
{
	const char *why;
	return rt_device_open("reference", &device, &why);
}

static int close_reference(void **state)
{
	rt_device_close(device);
	return 0;
}

static void numbers(void **state)
{
	static const struct {
		u32 type;
		u32 scales, at[2];
	} rows[] = {
		{ TENSOR_Q4_0, 1, { 0 } },
		{ TENSOR_Q8_0, 1, { 0 } },
		{ TENSOR_Q4_K, 2, { 0, 2 } },
		{ TENSOR_Q5_K, 2, { 0, 2 } },
		{ TENSOR_Q6_K, 1, { 208 } },
		{ TENSOR_Q4_1, 2, { 0, 2 } },
		{ TENSOR_Q5_0, 1, { 0 } },
		{ TENSOR_Q5_1, 2, { 0, 2 } },
		{ TENSOR_Q2_K, 2, { 80, 82 } },
		{ TENSOR_Q3_K, 1, { 108 } },
		{ TENSOR_IQ4_NL, 1, { 0 } },
		{ TENSOR_IQ4_XS, 1, { 0 } },
		{ TENSOR_IQ2_XXS, 1, { 0 } },
		{ TENSOR_IQ2_XS, 1, { 0 } },
		{ TENSOR_IQ2_S, 1, { 0 } },
		{ TENSOR_IQ3_XXS, 1, { 0 } },
		{ TENSOR_IQ3_S, 1, { 0 } },
		{ TENSOR_IQ1_S, 1, { 0 } },
		{ TENSOR_TQ1_0, 1, { 52 } },
		{ TENSOR_TQ2_0, 1, { 64 } },
		{ TENSOR_F16, 1, { 0 } },
	};
	static const u16 bad[] = { 0x7c00, 0xfc00, 0x7e01, 0xfe01 };
	u8 data[4 * 256];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		u32 block = tensor_type_info(rows[i].type)->bytes, len = 4 * block;
		for (u32 k = 0; k < rows[i].scales; k++)
			for (u32 b = 0; b < 4; b++)
				for (size_t v = 0; v < ARRAY_LEN(bad); v++) {
					memset(data, 0x11, sizeof data);
					assert_true(load_numbers_ok(rows[i].type, 0, data, len));
					u32 at = b * block + rows[i].at[k];
					memcpy(data + at, &bad[v], 2);
					assert_false(load_numbers_ok(rows[i].type, 0, data, len));
					for (u32 from = 0; from < len;
						from += 2) { /* seen by exactly the part that holds it */
						bool first = load_numbers_ok(rows[i].type, 0, data, from);
						bool second = load_numbers_ok(
							rows[i].type, from, data + from, len - from);
						assert_int_equal(first, from <= at);
						assert_int_equal(second, from > at);
					}
				}
	}
	const f32 floats[] = { 0x1p40f, -0x1p40f, 0x1.000002p40f, -0x1p41f, 1.0f / 0.0f, 0.0f / 0.0f };
	for (size_t i = 0; i < ARRAY_LEN(floats); i++) {
		u32 u;
		memcpy(&u, &floats[i], 4);
		u16 upper = (u16)(u >> 16);
		assert_int_equal(load_numbers_ok(TENSOR_F32, 0, (const u8 *)&floats[i], 4), i < 2);
		assert_int_equal(load_numbers_ok(TENSOR_BF16, 0, (const u8 *)&upper, 2), i < 3);
	}
}

/* Powers of two: 2^(164 - 127) times 6 is the last below 2^40, wherever a part begins. */
static void powers(void **state)
{
	u8 data[4 * 17];
	for (u32 b = 0; b < 4; b++)
		for (u32 e = 0; e < 256; e++) {
			memset(data, 255, sizeof data); /* nibbles may be anything */
			for (u32 i = 0; i < 4; i++)
				data[17 * i] = 120;
			data[17 * b] = (u8)e;
			assert_int_equal(load_numbers_ok(TENSOR_MXFP4, 0, data, sizeof data), e <= 164);
			for (u32 from = 0; from < sizeof data; from++) {
				bool second =
					load_numbers_ok(TENSOR_MXFP4, from, data + from, sizeof data - from);
				assert_int_equal(load_numbers_ok(TENSOR_MXFP4, 0, data, from),
					e <= 164 || from <= 17 * b);
				assert_int_equal(second, e <= 164 || from > 17 * b);
			}
		}
}

/* Scales that are no float16 of their own: the nibbles of IQ1_M, the bytes of NVFP4. */
static void hidden_numbers(void **state)
{
	u8 data[4 * 56];
	for (u32 b = 0; b < 4; b++) {
		memset(data, 0x11, sizeof data);
		assert_true(load_numbers_ok(TENSOR_IQ1_M, 0, data, sizeof data));
		data[56 * b + 53] = 0xcf; /* the two lower bits of the exponent */
		assert_true(load_numbers_ok(TENSOR_IQ1_M, 0, data, sizeof data));
		data[56 * b + 55] = 0x7f; /* and the three upper ones: no number */
		assert_false(load_numbers_ok(TENSOR_IQ1_M, 0, data, sizeof data));
		for (u32 from = 0; from < sizeof data; from += 8) { /* segments begin at multiples of eight */
			assert_int_equal(load_numbers_ok(TENSOR_IQ1_M, 0, data, from), from <= 56 * b + 48);
			assert_int_equal(load_numbers_ok(TENSOR_IQ1_M, from, data + from, sizeof data - from),
				from > 56 * b + 48);
		}
		data[56 * b + 53] = 0x8f;
		assert_true(load_numbers_ok(TENSOR_IQ1_M, 0, data, sizeof data));
	}
	for (u32 i = 0; i < 4 * 36; i++)
		for (u32 bad = 0x7e; bad < 0x100; bad += bad == 0x7f ? 0x80 : 1) {
			bool scale = i % 36 < 4 && bad != 0x7e;
			memset(data, 0x11, sizeof data);
			data[i] = (u8)bad;
			assert_int_equal(load_numbers_ok(TENSOR_NVFP4, 0, data, 4 * 36), !scale);
			assert_int_equal(load_numbers_ok(TENSOR_NVFP4, 0, data, i), true);
			assert_int_equal(load_numbers_ok(TENSOR_NVFP4, i, data + i, 4 * 36 - i), !scale);
		}
	assert_false(load_numbers_ok(133, 0, data, 0)); /* a type of which nothing is known */
}

static int loads(const struct tiny *t, u32 threads, struct proto_load_failed *f)
{
	struct grant g;
	struct grant_params p = { .wake = -1, .load_threads = threads };
	*f = (struct proto_load_failed){ 0 };
	tiny_collect(t, KV_DEFAULT, 0, &g);
	int r = grant_load(&g, device, &p, f);
	if (!r)
		r = grant_ready(&g, &p, f);
	grant_fini(&g);
	return r;
}

static void put(struct tiny *t, u64 at, const void *data, size_t len)
{
	assert_int_equal(fd_pwrite_all(t->files[0], data, len, at), 0);
}

/* The segment table is made anew, as if the publisher had signed this. */
static void admit(struct tiny *t)
{
	struct segments s;
	const char *why;
	u64 len = t->bytes[0];
	u8 *data = malloc(len);
	assert_int_equal(fd_pread_all(t->files[0], data, len, 0), 0);
	assert_int_equal(segments_open(t->segments, t->segments_len, &s, &why), 0);
	struct segments_file *f = (struct segments_file *)(uintptr_t)s.files;
	u8(*digests)[SHA256_BYTES] = (u8(*)[SHA256_BYTES])(uintptr_t)s.digests;
	sha256_of(data, len, f[0].digest);
	for (u64 i = 0; i < f[0].count; i++)
		sha256_of(data + i * SEGMENT_BYTES, MIN(SEGMENT_BYTES, len - i * SEGMENT_BYTES), digests[i]);
	free(data);
}

static void bad_numbers_are_named(void **state)
{
	static const char *const tensor = "blk.1.ffn_up.weight";
	static const u8 nan_f32[4] = { 0, 0, 0xc0, 0x7f }, inf_half[2] = { 0, 0x7c };
	static const u32 types[] = { TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_Q8_0, TENSOR_Q4_K,
		TENSOR_Q6_K };
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct tiny_spec spec = { .type = types[i], .seed = 1 };
		struct tiny t;
		struct proto_load_failed f;
		tiny_make(&spec, &t);
		assert_int_equal(loads(&t, 0, &f), 0);
		u64 at = tiny_offset(&t, tensor) + tensor_type_info(types[i])->bytes * 30;
		if (types[i] == TENSOR_Q6_K)
			at += 208;
		if (types[i] == TENSOR_F32)
			put(&t, at, nan_f32, 4);
		else if (types[i] == TENSOR_BF16)
			put(&t, at, nan_f32 + 2, 2);
		else
			put(&t, at, inf_half, 2);
		admit(&t);
		assert_int_equal(loads(&t, 0, &f), 1);
		assert_int_equal(f.reason, LOAD_UNSUPPORTED);
		assert_non_null(strstr(f.text, tensor));
		tiny_fini(&t);
	}
}

static void any_number_of_threads(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_F32, .seed = 1 };
	struct tiny t;
	struct proto_load_failed f;
	tiny_make(&spec, &t);
	for (u32 threads = 1; threads <= LOAD_THREADS_MAX + 1; threads++)
		assert_int_equal(loads(&t, threads, &f), 0);
	assert_int_equal(ftruncate(t.files[0], (off_t)t.bytes[0] + 1), 0); /* a byte more than was admitted */
	assert_int_equal(loads(&t, 0, &f), 1);
	assert_int_equal(f.reason, LOAD_SEGMENT);
	assert_int_equal(ftruncate(t.files[0], (off_t)t.bytes[0] - 1), 0); /* a byte less */
	assert_int_equal(loads(&t, 0, &f), 1);
	assert_int_equal(f.reason, LOAD_SEGMENT);
	assert_non_null(strstr(f.text, "model.gguf"));
	tiny_fini(&t);
}

/* A tensor that overlaps another, in a table that is otherwise in order. */
static void overlaps(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_F32, .seed = 1 };
	struct tiny t;
	struct proto_load_failed f;
	tiny_make(&spec, &t);
	struct layout_header *h = (void *)t.layout;
	struct layout_tensor *x = (void *)(t.layout + h->off_tensors);
	x[1].offset = x[0].offset + 32;
	assert_int_equal(loads(&t, 0, &f), 1);
	assert_int_equal(f.reason, LOAD_LAYOUT);
	assert_non_null(strstr(f.text, "overlap"));
	tiny_fini(&t);
}

static struct request_header generate(void)
{
	return (struct request_header){
		.kind = REQUEST_GENERATE, .max_tokens = 1, .temperature = 1, .top_p = 1, .repeat_penalty = 1
	};
}

static const char *refusal(const struct request_header *h, u32 part, const void *data, size_t len)
{
	struct request_builder b;
	struct request r;
	const char *why = NULL;
	request_build(&b, h);
	request_add(&b, part, data, len);
	assert_false(b.failed);
	int refused = request_open(b.buf, b.len, &r, &why);
	free(b.buf);
	return refused ? why : NULL;
}

/* Every number of a request, one past what it may be. */
static void requests(void **state)
{
	struct request_header h = generate();
	assert_null(refusal(&h, REQUEST_TEXT, "hello", 5));
	assert_non_null(refusal(&h, REQUEST_TEXT, "\xff", 1));
	assert_non_null(refusal(&h, REQUEST_TOKENS, "abcde", 5));
	assert_non_null(refusal(&h, 9, "x", 1));
	assert_non_null(refusal(&h, REQUEST_STOP, "", 0));
	static const f32 bad[][4] = { { 1e-5f, 1, 0, 1 }, { 100.5f, 1, 0, 1 }, { -1, 1, 0, 1 },
		{ 1, 0, 0, 1 }, { 1, 1.01f, 0, 1 }, { 1, 1, -0.1f, 1 }, { 1, 1, 1.1f, 1 }, { 1, 1, 0, 0 },
		{ 1, 1, 0, 101 }, { 0.0f / 0.0f, 1, 0, 1 }, { 1, 1.0f / 0.0f, 0, 1 } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		h = generate();
		h.temperature = bad[i][0];
		h.top_p = bad[i][1];
		h.min_p = bad[i][2];
		h.repeat_penalty = bad[i][3];
		assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
	}
	h = generate();
	h.max_tokens = 0;
	assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
	h.max_tokens = CTX_TOKENS_MAX;
	assert_null(refusal(&h, REQUEST_TEXT, "x", 1));
	h.max_tokens = CTX_TOKENS_MAX + 1;
	assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
	h = generate();
	h.flags = REQUEST_IGNORE_EOS | REQUEST_RAW | REQUEST_FILL;
	assert_null(refusal(&h, REQUEST_TEXT, "x", 1));
	h.flags = 8;
	assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
	h = generate();
	h.reserved[sizeof h.reserved - 1] = 1;
	assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
	h = generate();
	h.kind = REQUEST_LOGITS;
	assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1)); /* has max_tokens */
	h.kind = 4;
	assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
}

/* The two numbers with both ends, at each end and at the float beyond it. */
static void request_ranges(void **state)
{
	static const struct {
		size_t field;
		f32 min, max;
	} rows[] = {
		{ offsetof(struct request_header, temperature), TEMPERATURE_MIN, TEMPERATURE_MAX },
		{ offsetof(struct request_header, repeat_penalty), REPEAT_PENALTY_MIN, REPEAT_PENALTY_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const f32 good[] = { rows[i].min, rows[i].max },
			  bad[] = { nextafterf(rows[i].min, 0), nextafterf(rows[i].max, INFINITY) };
		struct request_header h = generate();
		for (u32 end = 0; end < 2; end++) {
			memcpy((u8 *)&h + rows[i].field, &good[end], sizeof(f32));
			assert_null(refusal(&h, REQUEST_TEXT, "x", 1));
			memcpy((u8 *)&h + rows[i].field, &bad[end], sizeof(f32));
			assert_non_null(refusal(&h, REQUEST_TEXT, "x", 1));
		}
	}
}

/* What request_built says of n parts of that kind and length. */
static int parts_built(u32 kind, u32 n, const void *data, size_t len)
{
	struct request_header h = generate();
	struct request_builder b;
	u8 *blob = NULL;
	size_t blob_len;
	request_build(&b, &h);
	for (u32 i = 0; i < n; i++)
		request_add(&b, kind, data, len);
	int r = request_built(&b, &blob, &blob_len);
	free(blob);
	return r;
}

/* And what request_open says of them, whoever built them. */
static bool parts_open(u32 kind, u32 n, const void *data, size_t len)
{
	size_t cap = sizeof(struct request_header) + n * (sizeof(struct request_part) + ALIGN_UP(len, 4u));
	struct request_header h = generate();
	struct request_part part = { .kind = kind, .len = (u32)len };
	struct request r;
	const char *why;
	u8 *blob = calloc(1, cap), *at = blob + sizeof h;
	memcpy(h.magic, REQUEST_MAGIC, sizeof h.magic);
	*(kind == REQUEST_STOP ? &h.n_stops : &h.n_pieces) = n;
	memcpy(blob, &h, sizeof h);
	for (u32 i = 0; i < n; i++, at += sizeof part + ALIGN_UP(len, 4u)) {
		memcpy(at, &part, sizeof part);
		memcpy(at + sizeof part, data, len);
	}
	int refused = request_open(blob, cap, &r, &why);
	free(blob);
	return !refused;
}

/* As many parts and bytes as a request may have, and one more: neither made nor read. */
static void request_limits(void **state)
{
	const size_t text = REQUEST_BYTES_MAX - sizeof(struct request_header) - sizeof(struct request_part);
	char *big = calloc(1, REQUEST_BYTES_MAX);
	const struct {
		u32 kind, n;
		size_t len;
		bool ok;
	} rows[] = {
		{ REQUEST_STOP, STOPS_MAX, 1, true },
		{ REQUEST_STOP, STOPS_MAX + 1, 1, false },
		{ REQUEST_STOP, 1, STOP_BYTES_MAX, true },
		{ REQUEST_STOP, 1, STOP_BYTES_MAX + 1, false },
		{ REQUEST_TEXT, REQUEST_PIECES_MAX, 0, true },
		{ REQUEST_TEXT, REQUEST_PIECES_MAX + 1, 0, false },
		{ REQUEST_TEXT, 1, text, true },
		{ REQUEST_TEXT, 1, text + 1, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(parts_built(rows[i].kind, rows[i].n, big, rows[i].len), !rows[i].ok);
		assert_int_equal(parts_open(rows[i].kind, rows[i].n, big, rows[i].len), rows[i].ok);
	}
	free(big);
}

static void request_shapes(void **state)
{
	struct request_header h = generate();
	struct request_builder b;
	struct request r;
	const char *why;
	const u8 *data;
	u8 *blob;
	size_t len;
	request_build(&b, &h);
	request_add(&b, REQUEST_TRUSTED, "<s>", 3);
	request_add(&b, REQUEST_TEXT, "", 0);
	request_add(&b, REQUEST_STOP, "end", 3);
	assert_int_equal(request_built(&b, &blob, &len), 0);
	assert_int_equal(len, sizeof h + 3 * 8 + 8);
	assert_int_equal(request_open(blob, len, &r, &why), 0);
	const struct request_part *p = request_next(&r, NULL, &data);
	assert_int_equal(p->kind, REQUEST_TRUSTED);
	assert_memory_equal(data, "<s>", 3);
	p = request_next(&r, p, &data);
	assert_int_equal(p->kind, REQUEST_TEXT);
	p = request_next(&r, p, &data);
	assert_int_equal(p->kind, REQUEST_STOP);
	assert_null(request_next(&r, p, &data));
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(request_open(blob, cut, &r, &why), 1);
	blob[len - 1] = 1; /* padding */
	assert_int_equal(request_open(blob, len, &r, &why), 1);
	free(blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(hidden_numbers),
		cmocka_unit_test(powers),
		cmocka_unit_test(bad_numbers_are_named),
		cmocka_unit_test(any_number_of_threads),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(requests),
		cmocka_unit_test(request_ranges),
		cmocka_unit_test(request_limits),
		cmocka_unit_test(request_shapes),
	};
	return cmocka_run_group_tests(tests, open_reference, close_reference);
}
