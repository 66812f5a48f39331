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
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]:8443\r\n\r\n", &h), 0);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost:\r\n\r\n", &h), 0);
	/* HTTP/1.0 knows no 100 Continue */
	assert_int_equal(status_of("POST / HTTP/1.0\r\n" HOST "Expect: 100-continue\r\n\r\n", &h), 0);
	assert_true(!h.is_11 && !h.expects_continue);
}

/* "close" is a word of a list, which may stand in several headers, and no part of another word. */
static void test_connection(void **state)
{
	static const struct {
		bool keep;
		const char *text;
	} rows[] = { { true, GET "Connection: keep-alive\r\n\r\n" },
		{ true, GET "Connection: closed, x-close\r\n\r\n" }, { true, GET "Connection: ,\r\n\r\n" },
		{ false, GET "Connection: TE, Close\r\n\r\n" },
		{ false, GET "Connection: close\t ,keep-alive\r\n\r\n" },
		{ false, GET "Connection: close\r\nConnection: keep-alive\r\n\r\n" },
		{ false, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" } };
	struct http_head h;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(status_of(rows[i].text, &h), 0);
		if (h.keep_alive != rows[i].keep)
			fail_msg("row %zu", i);
	}
}

static void test_methods(void **state)
{
	struct http_head h;
	assert_int_equal(status_of("HEAD / HTTP/1.1\r\n" HOST "\r\n", &h), 0);
	assert_true(http_asks_head(&h) && http_method_is(&h, "GET") && !http_method_is(&h, "POST"));
	assert_int_equal(status_of(GET "\r\n", &h), 0);
	assert_true(!http_asks_head(&h) && http_method_is(&h, "GET") && !http_method_is(&h, "HEAD"));
	assert_string_equal(http_allow(true, true), "Allow: GET, HEAD, POST\r\n");
	assert_string_equal(http_allow(false, true), "Allow: POST\r\n");
	/* what is refused leaves nothing of an earlier head behind */
	assert_int_equal(status_of("GET /\n\r\n\r\n", &h), 400);
	assert_true(!h.method.s && !h.n_headers);
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
		{ 501, GET "Transfer-Encoding:\r\n\r\n" },
		{ 501, GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" },
		{ 501, GET "Transfer-Encoding:\tchunked, gzip\r\nContent-Length: 3\r\n\r\n" },
		{ 501, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, GET "Transfer-Encoding : chunked\r\n\r\n" },
		{ 400, GET "Transfer-Encoding\x0b: chunked\r\n\r\n" },
		{ 400, GET "\x0bTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, GET "Transfer-Encoding: \x0b"
			   "chunked\r\n\r\n" },
		{ 400, GET "Transfer-Encoding\r\n: chunked\r\n\r\n" },
		{ 400, GET "A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, GET "A: b\rTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, GET "\rA: b\r\n\r\n" },
		{ 400, GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\n" },
		{ 400, GET "Content-Length: 3\r\nContent-Length: 4\r\n\r\n" },
		{ 400, GET "Content-Length: 0\r\ncontent-length: 4\r\n\r\n" },
		{ 400, GET "Content-Length: 3;a=b\r\n\r\n" },
		{ 400, GET "Content-Length: 3 4\r\n\r\n" },
		{ 400, GET "Content-Length: \x0b"
			   "3\r\n\r\n" },
		{ 400, GET "Content-Length: \"3\"\r\n\r\n" },
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
		{ 400, GET "host: keep\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n" },
		/* the first line */
		{ 400, "GET  / HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n" },
		{ 505, "GET / HTTP/1.1 \r\n" HOST "\r\n" },
		{ 505, "GET / HTTP/2.0\r\n" HOST "\r\n" },
		{ 505, "GET / http/1.1\r\n" HOST "\r\n" },
		{ 400, "GET /\r\n" HOST "\r\n" },
		{ 400, "GET x HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET http://x/ HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET http://keep/ HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "CONNECT keep:443 HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
		{ 505, "GET / HTTP/1.1 HTTP/1.1\r\n" HOST "\r\n" },
		{ 505, "GET / HTTP/1.10\r\n" HOST "\r\n" },
		{ 400, "GET /\x7f HTTP/1.1\r\n" HOST "\r\n" },
		{ 400, "GET / HTTP/1.1\r\r\n" HOST "\r\n" },
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_connection),
		cmocka_unit_test(test_methods), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_headers_max), cmocka_unit_test(test_len) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
