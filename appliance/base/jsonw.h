/* Canonical JSON, written and never parsed: keys in the order of the calls, no blanks, integers in decimal, strings in UTF-8
 * with only the escapes that RFC 8259 demands (short forms where they exist, \u00xx otherwise). Invalid UTF-8 bytes are
 * written as U+FFFD. The same calls give the same bytes everywhere, so the bytes can be hashed. */
#pragma once

#include "base/types.h"

struct jsonw {
	char *buf;
	size_t cap, len;
	bool full;  /* something did not fit, or memory ran out; the text is unusable */
	bool grow;  /* buf is malloc'ed and grows */
	bool comma; /* a separator is due before the next element */
};

/* Into a caller's buffer of cap bytes; a 0 byte is kept behind the text. */
void jsonw_init(struct jsonw *w, char *buf, size_t cap);
/* Into memory that grows up to max bytes; free with jsonw_fini. */
void jsonw_init_grow(struct jsonw *w, size_t max);
void jsonw_fini(struct jsonw *w);

void jsonw_object(struct jsonw *w); /* { */
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w); /* [ */
void jsonw_array_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_str(struct jsonw *w, const char *s);
void jsonw_strn(struct jsonw *w, const void *s, size_t n);
void jsonw_hex(struct jsonw *w, const void *data, size_t n);
void jsonw_u64(struct jsonw *w, u64 v);
void jsonw_i64(struct jsonw *w, i64 v);
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
/* A value that is JSON already, as it is. */
void jsonw_json(struct jsonw *w, const char *text, size_t n);
/* A number with up to six significant decimals; only for people and listings, never in records. */
void jsonw_f64(struct jsonw *w, f64 v);
/* Text between documents, as it is: what a stream wraps them in. */
void jsonw_between(struct jsonw *w, const char *text);
void jsonw_append(struct jsonw *w, const void *text, size_t n);
/* A line feed between documents: JSON lines. */
void jsonw_newline(struct jsonw *w);

/* "key":value in one call. */
void jsonw_kv_str(struct jsonw *w, const char *key, const char *s);
void jsonw_kv_hex(struct jsonw *w, const char *key, const void *data, size_t n);
void jsonw_kv_u64(struct jsonw *w, const char *key, u64 v);
void jsonw_kv_bool(struct jsonw *w, const char *key, bool v);
