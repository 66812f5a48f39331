/* The head of an HTTP/1.1 request: a pure function of bytes. Stricter than RFC 9112 asks, and than a proxy in front may be, so that two
 * readers can never see two requests in one:
 *
 * 1. lines end with CR LF, and no CR or LF stands anywhere else; no line is continued; at most HTTP_HEADERS_MAX headers;
 * 2. one blank between the three words of the request line; the target begins with '/', printable ASCII; HTTP/1.0 or 1.1;
 * 3. a header's name is a token right before its colon; its value has no control character but the tab;
 * 4. Content-Length at most once, decimal digits; Transfer-Encoding never (bodies have a length, clients know it);
 * 5. HTTP/1.1 has exactly one Host, of the characters that a name, an address and a port have. */
#pragma once

#include "base/types.h"

#define HTTP_HEADERS_MAX 64u /* headers of a request; real clients send 20 */

struct http_str {
	const char *s;
	size_t len;
};
struct http_header {
	struct http_str name, value;
};
/* Points into the head. */
struct http_head {
	struct http_str method, path, query;
	struct http_header headers[HTTP_HEADERS_MAX];
	u32 n_headers;
	u64 body_len;
	bool is_11; /* else HTTP/1.0, which knows neither chunks nor 100 Continue */
	bool keep_alive;
	bool expects_continue;
};

/* Length of the head with the empty line that ends it; 0: it is not whole yet. */
size_t http_head_len(const char *data, size_t len);
/* 0; otherwise the status to be answered with, after which the connection ends; *ret_why says why. data[len] is a whole head. */
_must_use_ u32 http_head_parse(const char *data, size_t len, struct http_head *ret, const char **ret_why);

bool http_str_is(struct http_str s, const char *text);
/* Without regard to case. */
bool http_str_like(struct http_str s, const char *text);
/* A HEAD asks for what a GET gets, and is answered without the body. */
bool http_asks_head(const struct http_head *h);
/* Is it asked by that method? A HEAD is wherever a GET is. */
bool http_method_is(const struct http_head *h, const char *method);
/* The header of a 405: by which of the two methods that paths here have is it asked for? "" for neither. */
const char *http_allow(bool get, bool post);
/* The value of a header that stands there once; s NULL: not there, or several times. */
struct http_str http_header_find(const struct http_head *h, const char *name);
