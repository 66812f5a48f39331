#include "gateway/console/page.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void page_init(struct page *p, size_t max)
{
	*p = (struct page){ .max = max };
}

void page_fini(struct page *p)
{
	free(p->buf);
	*p = (struct page){ 0 };
}

/* Room for len more bytes and a 0; false: full. */
static bool room(struct page *p, size_t len)
{
	if (p->full || len >= p->max - p->len) {
		p->full = true;
		return false;
	}
	if (p->len + len < p->cap)
		return true;
	size_t cap = MIN(p->max, MAX(2 * p->cap, ALIGN_UP(p->len + len + 1, (size_t)16384)));
	char *more = realloc(p->buf, cap);
	if (!more) {
		p->full = true;
		return false;
	}
	p->buf = more;
	p->cap = cap;
	return true;
}

void page_markup(struct page *p, const void *s, size_t len)
{
	if (!room(p, len) || !len)
		return;
	memcpy(p->buf + p->len, s, len);
	p->len += len;
}

static void put(struct page *p, const char *s)
{
	page_markup(p, s, strlen(s));
}

/* ---- escaping ---- */

/* The character at s, of at most len bytes: its length, *ret; 0: no UTF-8. */
static size_t character(const u8 *s, size_t len, u32 *ret)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (n > len || !bytes_utf8_ok(s, n))
		return 0;
	u32 c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	*ret = c;
	return n;
}

/* Characters that cannot be seen, or that turn what stands around them. */
static bool unseen(u32 c)
{
	static const u32 ranges[][2] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x34f, 0x34f },
		{ 0x61c, 0x61c }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff } };
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

static void escape(struct page *p, const void *data, size_t len, bool lines)
{
	const u8 *s = data;
	char number[32];
	for (size_t i = 0, n; i < len; i += n) {
		u32 c = 0;
		n = character(s + i, len - i, &c);
		if (!n) {
			put(p, "\xef\xbf\xbd");
			n = 1;
		} else if (c == '<') {
			put(p, "&lt;");
		} else if (c == '>') {
			put(p, "&gt;");
		} else if (c == '&') {
			put(p, "&amp;");
		} else if (c == '"') {
			put(p, "&quot;");
		} else if (c == '\'') {
			put(p, "&#39;");
		} else if (unseen(c) && !(lines && (c == '\n' || c == '\t'))) {
			snprintf(number, sizeof number, "\xe2\x9f\xa8U+%04X\xe2\x9f\xa9", c);
			put(p, number);
		} else {
			page_markup(p, s + i, n);
		}
	}
}

void page_textn(struct page *p, const void *s, size_t len)
{
	escape(p, s, len, false);
}

void page_text(struct page *p, const char *s)
{
	escape(p, s, strlen(s), false);
}

void page_lines(struct page *p, const void *s, size_t len)
{
	escape(p, s, len, true);
}

void page_fmt(struct page *p, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	page_text(p, text);
}

void page_name(struct page *p, const char *s)
{
	page_html(p, "<bdi>");
	page_text(p, s);
	page_html(p, "</bdi>");
}

void page_attribute(struct page *p, const char *open, const char *value)
{
	put(p, open);
	page_text(p, value);
	page_html(p, "\"");
}

void page_int(struct page *p, i64 v)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, v);
	put(p, text);
}

/* ---- values that people read ---- */

void page_count(struct page *p, u64 v)
{
	char digits[24], text[32];
	size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, v), at = 0;
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	page_markup(p, text, at);
}

void page_size(struct page *p, u64 bytes)
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB" };
	char text[40];
	f64 v = (f64)bytes;
	size_t u = 0;
	while (v >= 999.5 && u + 1 < ARRAY_LEN(units)) {
		v /= 1000;
		u++;
	}
	snprintf(text, sizeof text, "%.*f %s", u && v < 99.95 ? 1 : 0, v, units[u]);
	put(p, text);
}

void page_time(struct page *p, u64 s)
{
	char text[40];
	struct tm tm;
	time_t t = (time_t)s;
	if (!s || s > 253402300799u || !gmtime_r(&t, &tm)) { /* the year 9999 */
		put(p, s ? "beyond all calendars" : "never");
		return;
	}
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	page_html(p, "<time");
	page_attr(p, "datetime", text);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	page_html(p, ">");
	put(p, text);
	page_html(p, " <abbr title=\"coordinated universal time\">UTC</abbr></time>");
}

void page_age(struct page *p, u64 s)
{
	static const struct {
		u64 s;
		const char *one;
	} units[] = { { 365 * 86400, "year" }, { 86400, "day" }, { 3600, "hour" }, { 60, "minute" },
		{ 1, "second" } };
	char text[48];
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(units) && s < 2 * units[i].s)
		i++;
	u64 n = s / units[i].s;
	snprintf(text, sizeof text, "%" PRIu64 " %s%s", n, units[i].one, n == 1 ? "" : "s");
	put(p, text);
}

void page_digest(struct page *p, const char *hex)
{
	if (!hex[0]) {
		page_html(p, "none");
		return;
	}
	page_html(p, "<code class=\"digest\">");
	page_text(p, hex);
	page_html(p, "</code>");
}

void page_short(struct page *p, const char *hex)
{
	size_t n = strlen(hex);
	if (n <= 12) {
		page_digest(p, hex);
		return;
	}
	page_html(p, "<code class=\"digest\"");
	page_attr(p, "title", hex);
	page_html(p, ">");
	page_textn(p, hex, 12);
	page_html(p, "\xe2\x80\xa6</code>");
}

void page_state(struct page *p, enum page_mark mark, const char *words)
{
	switch (mark) {
	case PAGE_GOOD:
		page_html(p, "<span class=\"state good\"><span class=\"sign\" "
			     "aria-hidden=\"true\">\xe2\x9c\x93</span> ");
		break;
	case PAGE_NOTE:
		page_html(
			p, "<span class=\"state note\"><span class=\"sign\" aria-hidden=\"true\">!</span> ");
		break;
	case PAGE_BAD:
		page_html(p, "<span class=\"state bad\"><span class=\"sign\" "
			     "aria-hidden=\"true\">\xe2\x9c\x95</span> ");
		break;
	default:
		page_html(p,
			"<span class=\"state\"><span class=\"sign\" aria-hidden=\"true\">\xc2\xb7</span> ");
	}
	page_text(p, words);
	page_html(p, "</span>");
}

/* ---- addresses ---- */

static void url_put(struct page_url *u, const char *s, size_t n)
{
	if (u->full || n >= sizeof u->s - u->len) {
		u->full = true;
		return;
	}
	memcpy(u->s + u->len, s, n);
	u->len += n;
	u->s[u->len] = 0;
}

void page_url_begin(struct page_url *u, const char *path)
{
	*u = (struct page_url){ 0 };
	url_put(u, path, strlen(path));
}

void page_url_part(struct page_url *u, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	char byte[4];
	for (const char *s = value; *s; s++) {
		snprintf(byte, sizeof byte, "%%%02X", (u8)*s);
		if (strchr(plain, *s))
			url_put(u, s, 1);
		else
			url_put(u, byte, 3);
	}
}

void page_url_u64(struct page_url *u, u64 v)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, v);
	page_url_part(u, text);
}

void page_url_param(struct page_url *u, const char *name, const char *value)
{
	if (!value[0])
		return;
	url_put(u, u->asked ? "&" : "?", 1);
	u->asked = true;
	page_url_part(u, name);
	url_put(u, "=", 1);
	page_url_part(u, value);
}

void page_url_param_u64(struct page_url *u, const char *name, u64 v)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, v);
	page_url_param(u, name, text);
}

void page_link(struct page *p, const struct page_url *u)
{
	page_attr(p, "href", u->full ? "/console" : u->s);
}

void page_a(struct page *p, const struct page_url *u, const char *text)
{
	page_html(p, "<a");
	page_link(p, u);
	page_html(p, ">");
	page_text(p, text);
	page_html(p, "</a>");
}

void page_record(struct page *p, u64 index)
{
	struct page_url u;
	page_url(&u, "/console/records/");
	page_url_u64(&u, index);
	page_html(p, "<a");
	page_link(p, &u);
	page_html(p, ">");
	page_count(p, index);
	page_html(p, "</a>");
}

/* ---- shapes ---- */

void page_table_begin(struct page *p, const char *caption, const char *const *heads)
{
	page_html(p, "<div class=\"table\" tabindex=\"0\" role=\"region\"");
	page_attr(p, "aria-label", caption);
	page_html(p, "><table><caption>");
	page_text(p, caption);
	page_html(p, "</caption><thead><tr>");
	for (; *heads; heads++) {
		bool numbers = **heads == '#';
		page_html(p, "<th scope=\"col\"");
		if (numbers)
			page_attr(p, "class", "number");
		page_html(p, ">");
		page_text(p, *heads + numbers);
		page_html(p, "</th>");
	}
	page_html(p, "</tr></thead><tbody>\n");
}

void page_field(struct page *p, const struct page_field *f)
{
	char id[32];
	snprintf(id, sizeof id, "f-%s", f->name);
	page_html(p, "<p><label");
	page_attr(p, "for", id);
	page_html(p, ">");
	page_text(p, f->words);
	page_html(p, "</label><input");
	page_attr(p, "id", id);
	page_attr(p, "name", f->name);
	page_attr(p, "value", f->value);
	if (f->hint)
		page_attr(p, "placeholder", f->hint);
	if (f->list)
		page_attr(p, "list", f->list);
	page_html(p, "></p>\n");
}
