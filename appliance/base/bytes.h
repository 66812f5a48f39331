/* Bytes: a bounded reader, little-endian access, hexadecimal and decimal. The reader never reads past its end: a get that does not fit
 * sets `bad`, returns 0 or NULL, and every later get fails too, so a parser may check once at the end of a group. */
#pragma once

#include "base/types.h"

#include <string.h>

struct bytes {
	const u8 *p;   /* next byte */
	const u8 *end; /* one past the last */
	bool bad;      /* a get did not fit */
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){ .p = data, .end = (const u8 *)data + len };
}

static inline size_t bytes_left(const struct bytes *b)
{
	return (size_t)(b->end - b->p);
}

/* The next n bytes, borrowed from the underlying buffer; NULL and bad when fewer are left. */
static inline const u8 *bytes_get(struct bytes *b, u64 n)
{
	if (b->bad || n > bytes_left(b)) {
		b->bad = true;
		return NULL;
	}
	const u8 *p = b->p;
	b->p += n;
	return p;
}

static inline u16 bytes_u16le(const void *p)
{
	u16 v;
	memcpy(&v, p, 2);
	return v;
}
static inline u32 bytes_u32le(const void *p)
{
	u32 v;
	memcpy(&v, p, 4);
	return v;
}
static inline u64 bytes_u64le(const void *p)
{
	u64 v;
	memcpy(&v, p, 8);
	return v;
}
static inline u64 bytes_u64be(const void *p)
{
	return __builtin_bswap64(bytes_u64le(p));
}
static inline void bytes_put_u64be(void *p, u64 v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}

static inline u8 bytes_get_u8(struct bytes *b)
{
	const u8 *p = bytes_get(b, 1);
	return p ? *p : 0;
}
static inline u16 bytes_get_u16le(struct bytes *b)
{
	const u8 *p = bytes_get(b, 2);
	return p ? bytes_u16le(p) : 0;
}
static inline u32 bytes_get_u32le(struct bytes *b)
{
	const u8 *p = bytes_get(b, 4);
	return p ? bytes_u32le(p) : 0;
}
static inline u64 bytes_get_u64le(struct bytes *b)
{
	const u8 *p = bytes_get(b, 8);
	return p ? bytes_u64le(p) : 0;
}

/* Lower-case hexadecimal; out holds 2 * len + 1 characters, 0-terminated. */
void bytes_hex(const void *data, size_t len, char *out);
/* 2 * len lower-case digits at hex, nothing else. 0 done; 1 not so. */
_must_use_ int bytes_unhex(const char *hex, size_t len, u8 *out);

/* A decimal number below 2^64 in its one spelling: digits alone, no leading zero. 0 done; 1 not one. */
_must_use_ int bytes_decimal(const char *s, size_t len, u64 *ret);

/* Copy a C string into a fixed field, zero-filled to its end. 0 done; 1 it does not fit with its 0 byte. */
_must_use_ int bytes_put_str(char *field, size_t size, const char *s);
/* Is a fixed field a 0-terminated string with only zeros behind? */
bool bytes_str_ok(const char *field, size_t size);
/* Are len bytes valid UTF-8 (no overlong forms, no surrogates, at most U+10FFFF)? */
bool bytes_utf8_ok(const void *data, size_t len);
/* Is s a name of ours: 1 to 64 of [a-z0-9._-], not starting with a dot or a dash? */
bool bytes_name_ok(const char *s);

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Keep's hosts are little-endian");
