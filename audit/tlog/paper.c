#include "audit/tlog/paper.h"
#include "base/err.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 10u
#define LINE_CHARS 16u
#define CHARS	   (2u + LINE_CHARS + 2u) /* of a line, without blanks */

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* CRC-10 (polynomial 0x233) of the line's number and bytes: it finds every change within ten bits, two neighbouring characters. */
static u32 check_of(u32 number, const u8 data[LINE_BYTES])
{
	u8 buf[4 + LINE_BYTES] = { (u8)(number >> 24), (u8)(number >> 16), (u8)(number >> 8), (u8)number };
	u32 crc = 0;
	memcpy(buf + 4, data, LINE_BYTES);
	for (u32 i = 0; i < 8 * sizeof buf; i++) {
		u32 bit = buf[i / 8] >> (7 - i % 8) & 1;
		crc = (crc << 1 & 1023) ^ ((crc >> 9 ^ bit) ? 0x233 : 0);
	}
	return crc;
}

static void put_line(FILE *f, u32 number, const u8 data[LINE_BYTES])
{
	u32 check = check_of(number, data);
	fprintf(f, "%02u", number % 100);
	for (u32 i = 0; i < LINE_CHARS; i++) {
		u32 bit = 5 * i,
		    v = (u32)data[bit / 8] << 8 | (bit / 8 + 1 < LINE_BYTES ? data[bit / 8 + 1] : 0);
		fprintf(f, "%s%c", i % 4 ? "" : " ", digits[v >> (11 - bit % 8) & 31]);
	}
	fprintf(f, " %c%c\n", digits[check >> 5], digits[check & 31]);
}

void tlog_paper_write(FILE *f, const void *data, size_t len)
{
	const u8 *p = data;
	u32 number = 1;
	for (size_t at = 0; at < len; at += LINE_BYTES) {
		u8 line[LINE_BYTES] = { 0 };
		memcpy(line, p + at, MIN(LINE_BYTES, len - at));
		put_line(f, number++, line);
	}
	u8 last[LINE_BYTES] = { 'e', 'n', 'd', 0, 0, 0, (u8)(len >> 24), (u8)(len >> 16), (u8)(len >> 8),
		(u8)len };
	put_line(f, number, last);
}

/* The value of a typed character; 32: none, to be passed over; 33: wrong. */
static u32 value(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (u32)(at - digits) : strchr(" \t\r-", c) ? 32 : 33;
}

/* One typed line. 0 done; 1 it is not line `number`; 2 it is empty. */
static int get_line(const char *s, size_t len, u32 number, u8 ret[LINE_BYTES])
{
	u32 v[CHARS], n = 0;
	for (size_t i = 0; i < len; i++) {
		u32 d = value(s[i]);
		if (d == 33 || (d < 32 && n == CHARS))
			return 1;
		if (d < 32)
			v[n++] = d;
	}
	if (n == 0)
		return 2;
	if (n != CHARS || v[0] * 10 + v[1] != number % 100 || v[0] > 9 || v[1] > 9)
		return 1;
	memset(ret, 0, LINE_BYTES);
	for (u32 i = 0; i < LINE_CHARS; i++)
		for (u32 bit = 0; bit < 5; bit++)
			if (v[2 + i] >> (4 - bit) & 1)
				ret[(5 * i + bit) / 8] |= (u8)(0x80 >> (5 * i + bit) % 8);
	return check_of(number, ret) == (v[18] << 5 | v[19]) ? 0 : 1;
}

int tlog_paper_read(const char *text, size_t len, u8 **ret, size_t *ret_len, u32 *ret_line)
{
	if (len > WITNESS_BYTES_MAX) {
		*ret_line = 0;
		return 1;
	}
	u8 *out = malloc(len + LINE_BYTES + 1); /* a typed line is longer than what it carries */
	size_t n = 0;
	u32 number = 1;
	if (!out)
		return err_origin(-ENOMEM);
	for (const char *p = text, *end = text + len; p < end;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t line = (size_t)((lf ? lf : end) - p);
		int r = get_line(p, line, number, out + n);
		p += line + (lf != NULL);
		if (r == 1)
			break;
		number += r == 0;
		n += r == 0 ? LINE_BYTES : 0;
	}
	static const u8 mark[] = { 'e', 'n', 'd', 0, 0, 0 };
	const u8 *last = n ? out + n - LINE_BYTES : NULL;
	size_t said =
		last ? (size_t)last[6] << 24 | (size_t)last[7] << 16 | (size_t)last[8] << 8 | last[9] : 0;
	if (!last || memcmp(last, mark, sizeof mark) != 0 || ALIGN_UP(said, LINE_BYTES) != n - LINE_BYTES) {
		free(out);
		*ret_line = number;
		return 1;
	}
	out[said] = 0;
	*ret = out;
	*ret_len = said;
	return 0;
}
