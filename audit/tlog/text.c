#include "audit/tlog/text.h"

#include <string.h>

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void tlog_base64(const void *data, size_t len, char *out)
{
	const u8 *p = data;
	for (; len >= 3; len -= 3, p += 3) {
		u32 v = (u32)p[0] << 16 | (u32)p[1] << 8 | p[2];
		for (u32 i = 0; i < 4; i++)
			*out++ = b64[v >> (18 - 6 * i) & 63];
	}
	if (len) {
		u32 v = (u32)p[0] << 16 | (len == 2 ? (u32)p[1] << 8 : 0);
		*out++ = b64[v >> 18];
		*out++ = b64[v >> 12 & 63];
		*out++ = len == 2 ? b64[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = 0;
}

/* Value of a digit, or 64. */
static u32 digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (u32)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (u32)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (u32)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

int tlog_unbase64(const char *text, size_t len, u8 *ret, size_t cap, size_t *ret_len)
{
	if (len % 4)
		return 1;
	size_t n = 0;
	for (size_t i = 0; i < len; i += 4) {
		u32 pad = 0, v = 0;
		if (i + 4 == len)
			pad = text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		for (u32 k = 0; k < 4; k++) {
			u32 d = k < 4 - pad ? digit(text[i + k]) : 0;
			if (d > 63)
				return 1;
			v = v << 6 | d;
		}
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)) || (ret && n + 3 - pad > cap))
			return 1;
		for (u32 k = 0; k < 3 - pad; k++, n++)
			if (ret)
				ret[n] = (u8)(v >> (16 - 8 * k));
	}
	*ret_len = n;
	return 0;
}

int tlog_hash(const char *s, size_t len, struct merkle_hash *ret)
{
	struct merkle_hash h;
	size_t n;
	if (tlog_unbase64(s, len, h.b, sizeof h.b, &n) || n != sizeof h.b)
		return 1;
	*ret = h;
	return 0;
}

int tlog_text_line(struct tlog_text *t, struct tlog_line *ret)
{
	size_t left = (size_t)(t->end - t->p);
	const char *lf = left ? memchr(t->p, '\n', left) : NULL;
	if (!lf)
		return 1;
	*ret = (struct tlog_line){ t->p, (size_t)(lf - t->p) };
	t->p = lf + 1;
	return 0;
}

bool tlog_line_after(const struct tlog_line *l, const char *prefix, struct tlog_line *ret)
{
	size_t n = strlen(prefix);
	if (l->len < n || memcmp(l->s, prefix, n) != 0)
		return false;
	*ret = (struct tlog_line){ l->s + n, l->len - n };
	return true;
}

int tlog_text_hashes(struct tlog_text *t, struct merkle_hash *ret, u32 max, u32 *ret_n)
{
	struct tlog_line l;
	for (u32 n = 0; tlog_text_line(t, &l) == 0; n++) {
		if (l.len == 0) {
			*ret_n = n;
			return 0;
		}
		if (n == max || tlog_hash(l.s, l.len, &ret[n]))
			return 1;
	}
	return 1;
}
