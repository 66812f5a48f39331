#define _GNU_SOURCE
#include "gateway/console/form.h"
#include "base/bytes.h"

#include <stdio.h>
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

/* ---- forms with a file: parts between lines of a boundary -------------------------------------------------------------------- */

#define BOUNDARY_MAX 70u /* as RFC 2046 has it */

struct parts {
	const char *s; /* what is not read yet */
	size_t len;
	char mark[BOUNDARY_MAX + 5]; /* CR LF -- boundary */
	size_t n_mark;
};

static bool begins(const char *s, size_t len, const char *with)
{
	size_t n = strlen(with);
	return len >= n && !strncasecmp(s, with, n);
}

/* What stands behind `name=` in a header, quoted or not. 0; 1 it is not there, or is malformed. */
static int parameter(const char *s, size_t len, const char *name, const char **ret, size_t *ret_len)
{
	size_t n = strlen(name), i = 0;
	while (i < len && s[i] != ';')
		i++;
	while (i < len) {
		for (i++; i < len && (s[i] == ' ' || s[i] == '\t');)
			i++;
		bool is = len - i > n && s[i + n] == '=' && begins(s + i, len - i, name);
		while (i < len && s[i] != '=' && s[i] != ';')
			i++;
		bool quoted = i + 1 < len && s[i] == '=' && s[i + 1] == '"';
		size_t from = MIN(len, i + 1 + quoted), to = from;
		while (to < len && s[to] != (quoted ? '"' : ';'))
			to++;
		if ((quoted && to == len) || (is && memchr(s + from, '\\', to - from)))
			return 1;
		if (is) {
			*ret = s + from;
			*ret_len = to - from;
			return 0;
		}
		for (i = to; i < len && s[i] != ';';)
			i++;
	}
	return 1;
}

/* A value as it is, with a 0 behind it. 0; 1 it has one in it, or there is no room. */
static int put(struct form *f, size_t *at, const char *s, size_t len)
{
	if (len >= sizeof f->text - *at || memchr(s, 0, len))
		return 1;
	memcpy(f->text + *at, s, len);
	f->text[*at + len] = 0;
	*at += len + 1;
	return 0;
}

/* Lines of a part's head, up to the empty one. *ret: its name. 0; 1 it has none, or is malformed. */
static int part_head(struct parts *p, const char **ret, size_t *ret_len)
{
	static const char disposition[] = "content-disposition:";
	*ret = NULL;
	for (;;) {
		const char *end = memmem(p->s, p->len, "\r\n", 2);
		if (!end)
			return 1;
		const char *line = p->s;
		size_t n = (size_t)(end - line);
		p->s += n + 2;
		p->len -= n + 2;
		if (!n)
			return *ret == NULL;
		if (begins(line, n, disposition) && (*ret || parameter(line, n, "name", ret, ret_len)))
			return 1;
	}
}

/* One part, up to the mark behind it. 0; 1 malformed. */
static int part(struct parts *p, struct form *f, size_t *at)
{
	const char *name, *end;
	size_t n;
	struct form_pair v = { .name = (u16)*at };
	if (part_head(p, &name, &n) || put(f, at, name, n) || f->n == FORM_PAIRS_MAX || !n ||
		form_has(f, f->text + v.name))
		return 1;
	v.value = (u16)*at;
	end = memmem(p->s, p->len, p->mark, p->n_mark);
	if (!end || put(f, at, p->s, (size_t)(end - p->s)))
		return 1;
	p->len -= (size_t)(end - p->s) + p->n_mark;
	p->s = end + p->n_mark;
	f->v[f->n++] = v;
	return 0;
}

int form_read_parts(const char *type, size_t n_type, const char *s, size_t len, struct form *ret)
{
	const char *boundary;
	struct parts p = { .s = s, .len = len };
	size_t n, at = 0;
	ret->n = 0;
	if (parameter(type, n_type, "boundary", &boundary, &n) || !n || n > BOUNDARY_MAX)
		return 1;
	p.n_mark = (size_t)snprintf(p.mark, sizeof p.mark, "\r\n--%.*s", (int)n, boundary);
	if (p.n_mark != n + 4 || len < n + 2 ||
		memcmp(s, p.mark + 2, n + 2) != 0) /* the first has no CR LF before it */
		return 1;
	p.s += n + 2;
	p.len -= n + 2;
	while (p.len >= 2 && !memcmp(p.s, "\r\n", 2)) {
		p.s += 2;
		p.len -= 2;
		if (part(&p, ret, &at))
			return 1;
	}
	return p.len < 2 || memcmp(p.s, "--", 2) != 0 ||
	       (p.len > 2 && (p.len != 4 || memcmp(p.s + 2, "\r\n", 2) != 0));
}

int form_read_body(const char *type, size_t n_type, const char *s, size_t len, struct form *ret)
{
	return begins(type, n_type, "multipart/form-data") ? form_read_parts(type, n_type, s, len, ret)
							   : form_read(s, len, ret);
}

/* ---- what they say ---- */

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
