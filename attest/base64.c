#include "attest/internal.h"

#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to three bytes; pad of them are '='. False when one is not of the alphabet or unused bits are set. */
static bool quad(const char *t, size_t pad, u8 *out)
{
	u32 v = 0;
	for (size_t i = 0; i < 4 - pad; i++) {
		int c = value_of(t[i]);
		if (c < 0)
			return false;
		v |= (u32)c << (18 - 6 * i);
	}
	if ((pad == 1 && v & 0xff) || (pad == 2 && v & 0xffff))
		return false;
	for (size_t i = 0; i < 3 - pad; i++)
		out[i] = (u8)(v >> (16 - 8 * i));
	return true;
}

int base64_decode(const char *text, size_t len, u8 **ret_data, size_t *ret_len)
{
	if (len % 4)
		return 1;
	size_t pad = len && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
	u8 *out = malloc(len / 4 * 3 + 1);
	if (!out)
		return err_origin(-ENOMEM);
	for (size_t i = 0; i < len / 4; i++) {
		if (!quad(text + 4 * i, i + 1 == len / 4 ? pad : 0, out + 3 * i)) {
			free(out);
			return 1;
		}
	}
	*ret_len = len / 4 * 3 - pad;
	*ret_data = out;
	return 0;
}

char *base64_encode(const void *data, size_t len)
{
	const u8 *p = data;
	char *out = malloc(DIV_UP(len, (size_t)3) * 4 + 1), *o = out;
	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i += 3, o += 4) {
		size_t n = MIN(len - i, (size_t)3);
		u32 v = (u32)p[i] << 16 | (n > 1 ? (u32)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0u);
		for (size_t k = 0; k < 4; k++)
			o[k] = k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=';
	}
	*o = 0;
	return out;
}
