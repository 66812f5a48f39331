/* Canonical JSON: the same calls, the same bytes; a text that did not fit is never taken for a whole one. */
#include "base/jsonw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void everything(struct jsonw *w)
{
	jsonw_object(w);
	jsonw_kv_str(w, "s", "a");
	jsonw_kv_u64(w, "u", UINT64_MAX);
	jsonw_key(w, "i");
	jsonw_i64(w, INT64_MIN);
	jsonw_kv_bool(w, "b", true);
	jsonw_kv_hex(w, "h", "\x00\xff", 2);
	jsonw_key(w, "a");
	jsonw_array(w);
	jsonw_null(w);
	jsonw_array(w);
	jsonw_array_end(w);
	jsonw_object(w);
	jsonw_object_end(w);
	jsonw_bool(w, false);
	jsonw_f64(w, 0.5);
	jsonw_f64(w, (f64)NAN);
	jsonw_f64(w, -(f64)INFINITY);
	jsonw_array_end(w);
	jsonw_object_end(w);
	jsonw_newline(w);
	jsonw_array(w);
	jsonw_array_end(w);
}
static const char expected[] =
	"{\"s\":\"a\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":true,\"h\":\"00ff\","
	"\"a\":[null,[],{},false,0.5,null,null]}\n[]";

static void exact_bytes(void **state)
{
	char buf[400];
	struct jsonw w;
	jsonw_init(&w, buf, sizeof buf);
	everything(&w);
	assert_false(w.full);
	assert_string_equal(buf, expected);
	assert_int_equal(w.len, strlen(expected));
}

static void escapes(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} rows[] = {
		{ "\"\\/\b\f\n\r\t", 8, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
		{ "\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\xff"
		  "a\xc3",
			3,
			"\"\xef\xbf\xbd"
			"a\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "", 0, "\"\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[100];
		struct jsonw w;
		jsonw_init(&w, buf, sizeof buf);
		jsonw_strn(&w, rows[i].in, rows[i].n);
		assert_string_equal(buf, rows[i].out);
	}
}

static void every_size_too_small_says_so(void **state)
{
	for (size_t cap = 1; cap <= sizeof expected + 2; cap++) {
		char *buf = malloc(cap); /* so that a sanitizer sees the end */
		struct jsonw w;
		jsonw_init(&w, buf, cap);
		everything(&w);
		assert_int_equal(w.full, cap < sizeof expected);
		assert_true(w.len < cap);
		assert_int_equal(buf[w.len], 0);
		free(buf);
	}
}

static void grows_to_its_bound(void **state)
{
	for (size_t max = 100; max < 20000; max += 997) {
		struct jsonw w;
		jsonw_init_grow(&w, max);
		size_t n = 0;
		for (; !w.full; n++)
			jsonw_str(&w, "0123456789");
		assert_true(w.len < max);
		assert_true(w.len + 14 > max - 13);
		assert_int_equal(w.buf[w.len], 0);
		jsonw_fini(&w);
		assert_null(w.buf);
	}
	struct jsonw w;
	jsonw_init_grow(&w, 1000);
	everything(&w);
	assert_string_equal(w.buf, expected);
	jsonw_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_bytes),
		cmocka_unit_test(escapes),
		cmocka_unit_test(every_size_too_small_says_so),
		cmocka_unit_test(grows_to_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
