/* What a browser writes into addresses, forms and cookies: pure functions of bytes that a stranger may have written.
 *
 * 1. Pairs are separated by & (forms and queries) or "; " (cookies); a name stands once, or the whole is refused.
 * 2. %XX and + are decoded in queries and forms, once; what decodes to a 0 byte is refused. Cookies are as they are.
 * 3. Of parts of a form with a file, nothing is decoded; the same holds of their names.
 * 4. Values are bytes: who shows them escapes them (page.h), who uses them as a number or a name checks that. */
#pragma once

#include "base/limits.h"
#include "base/types.h"

#define FORM_PAIRS_MAX 32u
struct form {
	u32 n;
	struct form_pair {
		u16 name, value; /* where they stand in text */
	} v[FORM_PAIRS_MAX];
	char text[4 *
		  REVIEW_BYTES_MAX]; /* a sign-off, as text and as a file, in the widest spelling that fits */
};
/* 0; 1 it is malformed, too long, or says something twice. */
_must_use_ int form_read(const char *s, size_t len, struct form *ret);
/* A form with a file in it, as RFC 7578 has it: `type` is the Content-Type header, of its n_type bytes. Each part's name, and its bytes as the value;
 * what a file is called, and of which type, is not looked at. Bytes before the first part are refused. 0; 1 as form_read, or a value has a 0 byte. */
_must_use_ int form_read_parts(const char *type, size_t n_type, const char *s, size_t len, struct form *ret);
/* Either, as that header says: no header, or another one, is a form as form_read has it. */
_must_use_ int form_read_body(const char *type, size_t n_type, const char *s, size_t len, struct form *ret);
/* The value; "" where there is none. */
const char *form_get(const struct form *f, const char *name);
bool form_has(const struct form *f, const char *name);
/* A decimal number of at most max. 0; 1 it is not there; 2 it is none. */
_must_use_ int form_u64(const struct form *f, const char *name, u64 max, u64 *ret);

/* Decode a path's piece. 0; 1 malformed, longer than size - 1, or with a 0 byte or a slash in it. */
_must_use_ int form_part(const char *s, size_t len, char *ret, size_t size);
/* The same of several pieces: it may have slashes, none of them encoded. */
_must_use_ int form_path(const char *s, size_t len, char *ret, size_t size);
/* The 64 hex digits of a cookie's value in a Cookie header, where it stands there once. 0; 1 it is not there; 2 it is not so. */
_must_use_ int form_cookie(const char *header, size_t len, const char *name, u8 ret[32]);
