#include "base/jsonw.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HEX_STEP (size_t)32 /* bytes written as hex at once: a digest */

void jsonw_init(struct jsonw *w, char *buf, size_t cap)
{
	assert(cap > 0);
	*w = (struct jsonw){ .buf = buf, .cap = cap };
	buf[0] = 0;
}

void jsonw_init_grow(struct jsonw *w, size_t max)
{
	*w = (struct jsonw){ .cap = max, .grow = true };
}

void jsonw_fini(struct jsonw *w)
{
	if (w->grow)
		free(w->buf);
	*w = (struct jsonw){ 0 };
}

static bool room(struct jsonw *w, size_t n)
{
	if (w->full || n >= w->cap - w->len) {
		w->full = true;
		return false;
	}
	if (!w->grow)
		return true;
	size_t now = w->buf ? ALIGN_UP(w->len + 1, (size_t)4096) : 0; /* as allocated by the last growth */
	if (w->len + n + 1 <= now)
		return true;
	size_t want = ALIGN_UP(w->len + n + 1, (size_t)4096);
	char *p = realloc(w->buf, want);
	if (!p) {
		w->full = true;
		return false;
	}
	w->buf = p;
	return true;
}

static void put(struct jsonw *w, const void *s, size_t n)
{
	if (!room(w, n))
		return;
	memcpy(w->buf + w->len, s, n);
	w->len += n;
	w->buf[w->len] = 0;
}

static void sep(struct jsonw *w)
{
	if (w->comma)
		put(w, ",", 1);
	w->comma = true;
}

void jsonw_object(struct jsonw *w)
{
	sep(w);
	put(w, "{", 1);
	w->comma = false;
}

void jsonw_object_end(struct jsonw *w)
{
	put(w, "}", 1);
	w->comma = true;
}

void jsonw_array(struct jsonw *w)
{
	sep(w);
	put(w, "[", 1);
	w->comma = false;
}

void jsonw_array_end(struct jsonw *w)
{
	put(w, "]", 1);
	w->comma = true;
}

static bool all_plain(const char *s, size_t n);

/* Nearly every key stands for itself: then it is one piece. */
void jsonw_key(struct jsonw *w, const char *key)
{
	size_t n = strlen(key);
	if (!all_plain(key, n) || !room(w, n + 4)) {
		jsonw_str(w, key);
		put(w, ":", 1);
		w->comma = false;
		return;
	}
	char *p = w->buf + w->len;
	*p = ',';
	p += w->comma;
	*p++ = '"';
	memcpy(p, key, n);
	memcpy(p + n, "\":", 3); /* and the 0 behind it */
	w->len = (size_t)(p + n + 2 - w->buf);
	w->comma = false;
}

void jsonw_str(struct jsonw *w, const char *s)
{
	jsonw_strn(w, s, strlen(s));
}

static void put_escaped(struct jsonw *w, u8 c)
{
	static const char *const shorts[] = { ['"'] = "\\\"",
		['\\'] = "\\\\",
		['\b'] = "\\b",
		['\f'] = "\\f",
		['\n'] = "\\n",
		['\r'] = "\\r",
		['\t'] = "\\t" };
	if (c < ARRAY_LEN(shorts) && shorts[c]) {
		put(w, shorts[c], 2);
	} else if (c < 0x20) {
		char e[8];
		snprintf(e, sizeof e, "\\u%04x", c);
		put(w, e, 6);
	} else {
		put(w, &c, 1);
	}
}

/* It stands for itself. */
static bool plain(u8 c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static bool all_plain(const char *s, size_t n)
{
	bool all = true;
	for (size_t i = 0; i < n; i++)
		all &= plain((u8)s[i]);
	return all;
}

void jsonw_strn(struct jsonw *w, const void *s, size_t n)
{
	sep(w);
	put(w, "\"", 1);
	for (const u8 *p = s, *end = p + n; p < end;) {
		const u8 *run = p;
		while (p < end && plain(*p))
			p++;
		if (p > run) {
			put(w, run, (size_t)(p - run));
			continue;
		}
		if (*p < 0x80) {
			put_escaped(w, *p++);
			continue;
		}
		size_t len = 2;
		while (len <= 4 && !(len <= (size_t)(end - p) && bytes_utf8_ok(p, len)))
			len++;
		if (len <= 4) {
			put(w, p, len);
			p += len;
		} else {
			put(w, "\xef\xbf\xbd", 3);
			p++;
		}
	}
	put(w, "\"", 1);
}

void jsonw_hex(struct jsonw *w, const void *data, size_t n)
{
	const u8 *p = data;
	char hex[2 * HEX_STEP + 1];
	sep(w);
	put(w, "\"", 1);
	for (size_t i = 0; i < n; i += HEX_STEP) {
		size_t k = MIN(n - i, HEX_STEP);
		bytes_hex(p + i, k, hex);
		put(w, hex, 2 * k);
	}
	put(w, "\"", 1);
}

static void put_plain(struct jsonw *w, const char *s)
{
	sep(w);
	put(w, s, strlen(s));
}

void jsonw_u64(struct jsonw *w, u64 v)
{
	char b[24], *at = b + sizeof b;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	sep(w);
	put(w, at, (size_t)(b + sizeof b - at));
}

void jsonw_i64(struct jsonw *w, i64 v)
{
	char b[24];
	snprintf(b, sizeof b, "%" PRId64, v);
	put_plain(w, b);
}

void jsonw_f64(struct jsonw *w, f64 v)
{
	char b[32];
	if (v != v || v - v != 0)
		snprintf(b, sizeof b, "null");
	else
		snprintf(b, sizeof b, "%.6g", v);
	put_plain(w, b);
}

void jsonw_bool(struct jsonw *w, bool v)
{
	put_plain(w, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	put_plain(w, "null");
}

void jsonw_json(struct jsonw *w, const char *text, size_t n)
{
	sep(w);
	put(w, text, n);
}

void jsonw_append(struct jsonw *w, const void *text, size_t n)
{
	put(w, text, n);
	w->comma = false;
}

void jsonw_between(struct jsonw *w, const char *text)
{
	jsonw_append(w, text, strlen(text));
}

void jsonw_newline(struct jsonw *w)
{
	put(w, "\n", 1);
	w->comma = false;
}

void jsonw_kv_str(struct jsonw *w, const char *key, const char *s)
{
	jsonw_key(w, key);
	jsonw_str(w, s);
}

void jsonw_kv_hex(struct jsonw *w, const char *key, const void *data, size_t n)
{
	jsonw_key(w, key);
	jsonw_hex(w, data, n);
}

void jsonw_kv_u64(struct jsonw *w, const char *key, u64 v)
{
	jsonw_key(w, key);
	jsonw_u64(w, v);
}

void jsonw_kv_bool(struct jsonw *w, const char *key, bool v)
{
	jsonw_key(w, key);
	jsonw_bool(w, v);
}
