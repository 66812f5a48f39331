/* The real keep-runtime and what it is given to load: bytes that were changed, tables that are not those of the grant. */
#include "tests/unit/runtime/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct proto_load_failed load_fails(
	struct runtime *rt, const struct tiny *t, const struct proto_grant *want)
{
	struct proto_load_failed f;
	offer(rt, t, want);
	memcpy(&f, hear(rt->gate, GATE_LOAD_FAILED)->body, sizeof f);
	return f;
}

static void flip(int fd, u64 at)
{
	u8 b;
	assert_int_equal(fd_pread_all(fd, &b, 1, at), 0);
	b ^= 0x10;
	assert_int_equal(fd_pwrite_all(fd, &b, 1, at), 0);
}

/* A byte that differs, anywhere in any file, is found; file and offset are named. */
static void flipped(void **state)
{
	struct runtime rt;
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 4 };
	struct tiny t;
	tiny_make(&spec, &t);
	struct proto_grant want = tiny_wants(&t, KV_DEFAULT, 0);
	start(&rt, "reference");
	const u64 at[] = { 0, 4097, SEGMENT_BYTES - 1, SEGMENT_BYTES,
		tiny_offset(&t, "blk.1.ffn_down.weight") + 99, t.bytes[0] - 1 };
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		flip(t.files[0], at[i]);
		struct proto_load_failed f = load_fails(&rt, &t, &want);
		assert_int_equal(f.reason, LOAD_SEGMENT);
		assert_int_equal(f.file, 0);
		assert_int_equal(f.offset, at[i] / SEGMENT_BYTES * SEGMENT_BYTES);
		assert_non_null(strstr(f.text, "model.gguf"));
		flip(t.files[0], at[i]);
	}
	flip(t.files[1], 3);
	struct proto_load_failed f = load_fails(&rt, &t, &want);
	assert_int_equal(f.reason, LOAD_SEGMENT);
	assert_int_equal(f.file, 1);
	assert_non_null(strstr(f.text, "LICENSE"));
	flip(t.files[1], 3);

	int keep = t.files[0]; /* replaced by another file */
	t.files[0] = t.files[1];
	f = load_fails(&rt, &t, &want);
	assert_int_equal(f.reason, LOAD_SEGMENT);
	assert_int_equal(f.file, 0);
	t.files[0] = keep;

	offer(&rt, &t, &want); /* as admitted, it loads */
	(void)hear(rt.gate, GATE_READY);
	tiny_fini(&t);
	assert_int_equal(ended(&rt), 0);
}

/* Tables that are not those of the grant; numbers that are none; contexts that are too long. */
static void unfit(void **state)
{
	struct runtime rt;
	struct tiny_spec spec = { .type = TENSOR_F32, .seed = 4 };
	struct tiny t;
	tiny_make(&spec, &t);
	start(&rt, "reference");
	struct proto_grant want = tiny_wants(&t, KV_DEFAULT, 0);
	want.layout[5] ^= 1;
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_LAYOUT);
	want = tiny_wants(&t, KV_DEFAULT, 0);
	want.segments[5] ^= 1;
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_LAYOUT);
	want = tiny_wants(&t, KV_DEFAULT, 257);
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_UNSUPPORTED);
	want = tiny_wants(&t, 9, 0);
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_UNSUPPORTED);
	tiny_fini(&t);
	assert_int_equal(ended(&rt), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flipped),
		cmocka_unit_test(unfit),
	};
	return cmocka_run_group_tests(tests, rig_open, rig_close);
}
