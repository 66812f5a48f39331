#include "gateway/console/form.h"
#include "base/bytes.h"

#include <string.h>

/* ---- percent-encoding ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Decoded into ret, with a 0 behind it; *ret_len bytes. 0; 1. */
static int decode(const char *s, size_t len, bool plus, char *ret, size_t size, size_t *ret_len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		char c = plus && s[i] == '+' ? ' ' : s[i];
		if (c == '%') {
			if (len - i < 3 || digit(s[i + 1]) < 0 || digit(s[i + 2]) < 0)
				return 1;
			c = (char)(digit(s[i + 1]) << 4 | digit(s[i + 2]));
			i += 2;
		}
		if (!c || n + 1 >= size)
			return 1;
		ret[n++] = c;
	}
	if (n >= size)
		return 1;
	ret[n] = 0;
	*ret_len = n;
	return 0;
}

int form_part(const char *s, size_t len, char *ret, size_t size)
{
	size_t n;
	return decode(s, len, false, ret, size, &n) || strchr(ret, '/');
}

static size_t slashes(const char *s, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		n += s[i] == '/';
	return n;
}

int form_path(const char *s, size_t len, char *ret, size_t size)
{
	size_t n;
	return decode(s, len, false, ret, size, &n) || slashes(ret, n) != slashes(s, len);
}

/* ---- forms and queries ---- */

static int add(struct form *f, size_t *at, const char *s, size_t len)
{
	const char *eq = memchr(s, '=', len);
	size_t n_name = eq ? (size_t)(eq - s) : len, n;
	struct form_pair v = { .name = (u16)*at };
	if (decode(s, n_name, true, f->text + *at, sizeof f->text - *at, &n))
		return 1;
	*at += n + 1;
	v.value = (u16)*at;
	if (decode(eq ? eq + 1 : "", eq ? len - n_name - 1 : 0, true, f->text + *at, sizeof f->text - *at,
		    &n))
		return 1;
	*at += n + 1;
	if (f->n == FORM_PAIRS_MAX || !f->text[v.name] || form_has(f, f->text + v.name))
		return 1;
	f->v[f->n++] = v;
	return 0;
}

int form_read(const char *s, size_t len, struct form *ret)
{
	size_t at = 0;
	ret->n = 0;
	while (len) {
		const char *amp = memchr(s, '&', len);
		size_t n = amp ? (size_t)(amp - s) : len;
		if (n && add(ret, &at, s, n))
			return 1;
		n += amp != NULL;
		s += n;
		len -= n;
	}
	return 0;
}

static const struct form_pair *find(const struct form *f, const char *name)
{
	for (u32 i = 0; i < f->n; i++)
		if (!strcmp(f->text + f->v[i].name, name))
			return &f->v[i];
	return NULL;
}

const char *form_get(const struct form *f, const char *name)
{
	const struct form_pair *v = find(f, name);
	return v ? f->text + v->value : "";
}

bool form_has(const struct form *f, const char *name)
{
	return find(f, name) != NULL;
}

int form_u64(const struct form *f, const char *name, u64 max, u64 *ret)
{
	const char *s = form_get(f, name);
	u64 v = 0;
	if (!s[0])
		return 1;
	for (; *s; s++)
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10u, &v) ||
			__builtin_add_overflow(v, (u64)(*s - '0'), &v))
			return 2;
	if (v > max)
		return 2;
	*ret = v;
	return 0;
}

/* ---- cookies ---- */

int form_cookie(const char *header, size_t len, const char *name, u8 ret[32])
{
	size_t n_name = strlen(name);
	const char *found = NULL;
	size_t n_found = 0;
	while (len) {
		const char *semi = memchr(header, ';', len);
		size_t n = semi ? (size_t)(semi - header) : len, skip = 0;
		while (skip < n && (header[skip] == ' ' || header[skip] == '\t'))
			skip++;
		const char *s = header + skip;
		if (n - skip > n_name && !memcmp(s, name, n_name) && s[n_name] == '=') {
			if (found)
				return 2;
			found = s + n_name + 1;
			n_found = n - skip - n_name - 1;
		}
		n += semi != NULL;
		header += n;
		len -= n;
	}
	if (!found)
		return 1;
	return n_found != 64 || bytes_unhex(found, 32, ret) ? 2 : 0;
}
