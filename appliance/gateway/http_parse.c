#define _GNU_SOURCE
#include "gateway/http_parse.h"

#include <string.h>
#include <strings.h>

bool http_str_is(struct http_str s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.s, text, s.len);
}

bool http_str_like(struct http_str s, const char *text)
{
	return s.len == strlen(text) && !strncasecmp(s.s, text, s.len);
}

bool http_asks_head(const struct http_head *h)
{
	return http_str_is(h->method, "HEAD");
}

bool http_method_is(const struct http_head *h, const char *method)
{
	return http_str_is(h->method, method) || (http_asks_head(h) && !strcmp(method, "GET"));
}

const char *http_allow(bool get, bool post)
{
	static const char *all[] = { "", "Allow: GET, HEAD\r\n", "Allow: POST\r\n",
		"Allow: GET, HEAD, POST\r\n" };
	return all[get + 2 * post];
}

struct http_str http_header_find(const struct http_head *h, const char *name)
{
	struct http_str found = { 0 };
	for (u32 i = 0; i < h->n_headers; i++) {
		if (!http_str_like(h->headers[i].name, name))
			continue;
		if (found.s)
			return (struct http_str){ 0 };
		found = h->headers[i].value;
	}
	return found;
}

size_t http_head_len(const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	return end ? (size_t)(end - data) + 4 : 0;
}

/* Are all of them letters, digits, or of those? */
static bool is_of(struct http_str s, const char *others)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c && strchr(others, c))))
			return false;
	}
	return true;
}

static bool is_token(struct http_str s)
{
	return s.len > 0 && is_of(s, "!#$%&'*+-.^_`|~");
}

/* Up to a character that must be there; *at goes behind it. */
static bool take_to(const char **at, const char *end, char c, struct http_str *ret)
{
	const char *p = memchr(*at, c, (size_t)(end - *at));
	if (!p)
		return false;
	*ret = (struct http_str){ *at, (size_t)(p - *at) };
	*at = p + 1;
	return true;
}

/* The next line without its CR LF. False: a CR or LF of its own. */
static bool take_line(const char **at, const char *end, struct http_str *ret)
{
	return take_to(at, end, '\n', ret) && ret->len && ret->s[--ret->len] == '\r' &&
	       !memchr(ret->s, '\r', ret->len);
}

static u32 request_line(struct http_str line, struct http_head *h, const char **why)
{
	const char *at = line.s, *end = line.s + line.len;
	struct http_str target, version;
	*why = "the request line is malformed";
	if (!take_to(&at, end, ' ', &h->method) || !take_to(&at, end, ' ', &target) || !is_token(h->method) ||
		!target.len || target.s[0] != '/')
		return 400;
	for (size_t i = 0; i < target.len; i++)
		if (target.s[i] <= 0x20 || target.s[i] >= 0x7f || target.s[i] == '#')
			return 400;
	version = (struct http_str){ at, (size_t)(end - at) };
	h->is_11 = http_str_is(version, "HTTP/1.1");
	if (!h->is_11 && !http_str_is(version, "HTTP/1.0")) {
		*why = "HTTP/1.1 is spoken here";
		return 505;
	}
	const char *q = memchr(target.s, '?', target.len);
	h->path = (struct http_str){ target.s, q ? (size_t)(q - target.s) : target.len };
	h->query = q ? (struct http_str){ q + 1, target.len - h->path.len - 1 } : (struct http_str){ "", 0 };
	return 0;
}

/* Without the blanks and tabs around it. */
static struct http_str trimmed(struct http_str s)
{
	for (; s.len && (s.s[0] == ' ' || s.s[0] == '\t'); s.s++)
		s.len--;
	while (s.len && (s.s[s.len - 1] == ' ' || s.s[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool header_read(struct http_str line, struct http_header *ret)
{
	const char *at = line.s, *end = line.s + line.len;
	if (!take_to(&at, end, ':', &ret->name) || !is_token(ret->name))
		return false;
	ret->value = trimmed((struct http_str){ at, (size_t)(end - at) });
	for (size_t i = 0; i < ret->value.len; i++)
		if (((u8)ret->value.s[i] < 0x20 && ret->value.s[i] != '\t') || ret->value.s[i] == 0x7f)
			return false;
	return true;
}

static u32 length_read(struct http_str v, u64 *ret, const char **why)
{
	u64 n = 0;
	*why = "Content-Length is not a decimal number";
	if (!v.len || v.len > 18)
		return 400;
	for (size_t i = 0; i < v.len; i++) {
		if (v.s[i] < '0' || v.s[i] > '9')
			return 400;
		n = n * 10 + (u64)(v.s[i] - '0');
	}
	*ret = n;
	return 0;
}

/* Is "close" one of the words of that list? */
static bool says_close(struct http_str list)
{
	struct http_str word;
	for (const char *at = list.s, *end = list.s + list.len; at < end;) {
		if (!take_to(&at, end, ',', &word)) {
			word = (struct http_str){ at, (size_t)(end - at) };
			at = end;
		}
		if (http_str_like(trimmed(word), "close"))
			return true;
	}
	return false;
}

/* What the headers say of the message itself. */
static u32 framing(struct http_head *h, const char **why)
{
	u32 n_length = 0, n_host = 0, bad = 0;
	h->keep_alive = h->is_11;
	for (u32 i = 0; i < h->n_headers && !bad; i++) {
		struct http_str name = h->headers[i].name, value = h->headers[i].value;
		if (http_str_like(name, "transfer-encoding")) {
			*why = "a body needs Content-Length; Transfer-Encoding is not read here";
			return 501;
		}
		if (http_str_like(name, "content-length")) {
			n_length++;
			bad = length_read(value, &h->body_len, why);
		} else if (http_str_like(name, "host")) {
			n_host++;
			*why = "Host is not the name of one";
			bad = is_of(value, "-._~%:[]") ? 0 : 400;
		} else if (http_str_like(name, "connection")) {
			h->keep_alive &= !says_close(value);
		} else if (http_str_like(name, "expect")) {
			*why = "only Expect: 100-continue is known";
			bad = http_str_like(value, "100-continue") ? 0 : 417;
			h->expects_continue = h->is_11;
		}
	}
	if (bad)
		return bad;
	*why = n_length > 1 ? "Content-Length stands there twice" : "Host must stand there once";
	return n_length > 1 || n_host > 1 || (h->is_11 && n_host == 0) ? 400 : 0;
}

u32 http_head_parse(const char *data, size_t len, struct http_head *ret, const char **ret_why)
{
	const char *at = data, *end = data + len;
	struct http_str line;
	*ret = (struct http_head){ 0 };
	*ret_why = "a line does not end with CR LF";
	if (!take_line(&at, end, &line))
		return 400;
	u32 bad = request_line(line, ret, ret_why);
	while (!bad) {
		*ret_why = "a header is malformed";
		if (!take_line(&at, end, &line))
			return 400;
		if (!line.len)
			break;
		if (ret->n_headers == HTTP_HEADERS_MAX) {
			*ret_why = "there are too many headers";
			return 431;
		}
		bad = header_read(line, &ret->headers[ret->n_headers++]) ? 0 : 400;
	}
	return bad ? bad : framing(ret, ret_why);
}
