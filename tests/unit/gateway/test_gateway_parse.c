/* Heads of requests: what is read, and everything of which two readers could disagree, refused. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/http_parse.h"

#include <stdio.h>
#include <string.h>

#define HOST "Host: keep\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST

static u32 status_of(const char *text, struct http_head *h)
{
	const char *why = NULL;
	size_t n = http_head_len(text, strlen(text));
	assert_int_equal(n, strlen(text));
	u32 bad = http_head_parse(text, n, h, &why);
	assert_non_null(why);
	return bad;
}

static void test_read(void **state)
{
	struct http_head h;
	assert_int_equal(
		status_of(
			"POST /v1/x?a=b&c HTTP/1.1\r\nhOST: \t keep \t\r\nContent-Length: 12\r\nX-A:\r\n\r\n",
			&h),
		0);
	assert_true(http_str_is(h.method, "POST") && http_str_is(h.path, "/v1/x") &&
		    http_str_is(h.query, "a=b&c"));
	assert_true(h.body_len == 12 && h.keep_alive && h.n_headers == 3 && !h.expects_continue);
	assert_true(http_str_is(http_header_find(&h, "HOST"), "keep"));
	assert_int_equal(http_header_find(&h, "x-a").len, 0);
	assert_null(http_header_find(&h, "x-b").s);
	assert_int_equal(status_of(GET "Connection: close\r\nExpect: 100-Continue\r\n\r\n", &h), 0);
	assert_true(!h.keep_alive && h.expects_continue && h.body_len == 0 && h.query.len == 0);
	assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n", &h), 0);
	assert_false(h.keep_alive);
	assert_int_equal(status_of(GET "A: 1\r\na: 2\r\n\r\n", &h), 0);
	assert_null(http_header_find(&h, "a").s); /* twice: neither */
}

static void test_refused(void **state)
{
	static const struct {
		u32 status;
		const char *text;
	} rows[] = {
		/* one request or two? */
		{ 501, GET "Transfer-Encoding: chunked\r\n\r\n" },
		{ 501, GET "Content-Length: 3\r\nTransfer-Encoding: identity\r\n\r\n" },
		{ 501, GET "transfer-ENCODING: x\r\n\r\n" },
		{ 400, GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\n" },
		{ 400, GET "Content-Length: 3, 3\r\n\r\n" },
		{ 400, GET "Content-Length: +3\r\n\r\n" },
		{ 400, GET "Content-Length: 0x3\r\n\r\n" },
		{ 400, GET "Content-Length: -1\r\n\r\n" },
		{ 400, GET "Content-Length:\r\n\r\n" },
		{ 400, GET "Content-Length: 1000000000000000000\r\n\r\n" },
		{ 400, GET "Content-Length : 3\r\n\r\n" },
		{ 400, GET " Content-Length: 3\r\n\r\n" },
		{ 400, GET "A: b\r\n continued\r\n\r\n" },
		{ 400, GET "A: b\rContent-Length: 3\r\n\r\n" },
		{ 400, GET "A: b\nContent-Length: 3\r\n\r\n" },
		{ 400, GET "A: b\n\r\n\r\n" },
		/* names and values */
		{ 400, GET "A\r\n\r\n" },
		{ 400, GET ": b\r\n\r\n" },
		{ 400, GET "A\x80: b\r\n\r\n" },
		{ 400, GET "A: b\x01\r\n\r\n" },
		{ 400, GET "A: b\x7f\r\n\r\n" },
		/* hosts */
		{ 400, "GET / HTTP/1.1\r\n\r\n" },
		{ 400, GET "Host: other\r\n\r\n" },
		/* the first line */
		{ 400, "GET  / HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n" },
		{ 505, "GET / HTTP/1.1 \r\n" HOST "\r\n" },
		{ 505, "GET / HTTP/2.0\r\n" HOST "\r\n" },
		{ 505, "GET / http/1.1\r\n" HOST "\r\n" },
		{ 400, "GET /\r\n" HOST "\r\n" },
		{ 400, "GET x HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET http://x/ HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET /#a HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, " / HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
		{ 417, GET "Expect: 200-ok\r\n\r\n" },
	};
	struct http_head h;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why, *t = rows[i].text;
		u32 got = http_head_parse(t, strlen(t), &h, &why);
		if (got != rows[i].status)
			fail_msg("row %zu: %u, not %u", i, got, rows[i].status);
	}
}

static void test_headers_max(void **state)
{
	char text[4096] = GET;
	struct http_head h;
	for (u32 i = 1; i < HTTP_HEADERS_MAX; i++)
		strcat(text, "A: b\r\n");
	size_t n = strlen(text);
	strcat(text, "\r\n");
	assert_int_equal(status_of(text, &h), 0);
	assert_int_equal(h.n_headers, HTTP_HEADERS_MAX);
	strcpy(text + n, "A: b\r\n\r\n"); /* one past */
	assert_int_equal(status_of(text, &h), 431);
}

/* Whole or not: the length is that of the first head. */
static void test_len(void **state)
{
	static const char two[] = GET "\r\n" GET "\r\n";
	assert_int_equal(http_head_len(two, sizeof two - 1), (sizeof two - 1) / 2);
	for (size_t n = 0; n < (sizeof two - 1) / 2; n++)
		assert_int_equal(http_head_len(two, n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_headers_max), cmocka_unit_test(test_len) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
