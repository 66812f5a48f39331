#include "base/bytes.h"
#include "base/limits.h"

void bytes_hex(const void *data, size_t len, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const u8 *p = data;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digit[p[i] >> 4];
		out[2 * i + 1] = digit[p[i] & 15];
	}
	out[2 * len] = 0;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int bytes_unhex(const char *hex, size_t len, u8 *out)
{
	for (size_t i = 0; i < len; i++) {
		int hi = nibble(hex[2 * i]);
		int lo = hi < 0 ? -1 : nibble(hex[2 * i + 1]);
		if (lo < 0)
			return 1;
		out[i] = (u8)(hi << 4 | lo);
	}
	return 0;
}

int bytes_put_str(char *field, size_t size, const char *s)
{
	size_t n = strlen(s);
	if (n >= size)
		return 1;
	memset(field, 0, size);
	memcpy(field, s, n);
	return 0;
}

bool bytes_str_ok(const char *field, size_t size)
{
	size_t n = strnlen(field, size);
	if (n == size)
		return false;
	for (; n < size; n++)
		if (field[n])
			return false;
	return true;
}

int bytes_decimal(const char *s, size_t len, u64 *ret)
{
	u64 v = 0;
	if (len == 0 || (len > 1 && s[0] == '0'))
		return 1;
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
			__builtin_add_overflow(v, (u64)(s[i] - '0'), &v))
			return 1;
	*ret = v;
	return 0;
}

/* Length of the well-formed sequence at p (Unicode 15, table 3-7), or 0. */
static size_t utf8_seq(const u8 *p, size_t left)
{
	u8 c = p[0];
	if (c < 0x80)
		return 1;
	size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (!n || left < n)
		return 0;
	u8 lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u8 hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool bytes_utf8_ok(const void *data, size_t len)
{
	for (const u8 *p = data; len;) {
		size_t n = utf8_seq(p, len);
		if (!n)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool bytes_name_ok(const char *s)
{
	size_t n = strnlen(s, NAME_LEN_MAX + 1);
	if (n == 0 || n > NAME_LEN_MAX || s[0] == '.' || s[0] == '-')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}
