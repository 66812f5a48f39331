/* What all these formats are made of: lines and base64, each with exactly one spelling. */
#pragma once

#include "audit/tlog/merkle.h"
#include "base/types.h"

/* Base64 of RFC 4648 with padding, strictly canonical. out holds 4 * DIV_UP(len, 3) + 1 characters. */
void tlog_base64(const void *data, size_t len, char *out);
/* 0 done, *ret_len bytes at ret; 1 not canonical base64 or more than cap bytes. ret NULL: only look, whatever the length. */
_must_use_ int tlog_unbase64(const char *text, size_t len, u8 *ret, size_t cap, size_t *ret_len);

/* Base64 of exactly 32 bytes. 0 done; 1 not so. */
_must_use_ int tlog_hash(const char *s, size_t len, struct merkle_hash *ret);

/* What is left of a text. */
struct tlog_text {
	const char *p, *end;
};
struct tlog_line {
	const char *s;
	size_t len; /* without its LF */
};
static inline struct tlog_text tlog_text(const void *data, size_t len)
{
	return (struct tlog_text){ data, (const char *)data + len };
}
/* The next line. 0 done; 1 there is none that ends in LF. */
_must_use_ int tlog_text_line(struct tlog_text *t, struct tlog_line *ret);
/* Does the line begin with prefix? Then *ret is what follows. */
bool tlog_line_after(const struct tlog_line *l, const char *prefix, struct tlog_line *ret);
/* Base64 hashes, one a line, to the empty line behind them: at most max. 0 done, *ret_n of them at ret; 1 malformed. */
_must_use_ int tlog_text_hashes(struct tlog_text *t, struct merkle_hash *ret, u32 max, u32 *ret_n);
