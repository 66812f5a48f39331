#include "audit/tlog/parts.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_CHARS 16u

static const char mark[] = "keep-part ";

static void digest_of(const void *text, size_t len, char out[DIGEST_CHARS + 1])
{
	u8 d[SHA256_BYTES];
	sha256_of(text, len, d);
	bytes_hex(d, DIGEST_CHARS / 2, out);
}

u32 tlog_parts_count(size_t len, size_t room)
{
	assert(room > PART_HEAD_MAX);
	return len <= room ? 1 : (u32)MIN(DIV_UP(len, room - PART_HEAD_MAX), (size_t)PARTS_MAX + 1);
}

/* Where piece k begins; k = n: the end. Pieces are of about the same length. */
static size_t piece(size_t len, u32 k, u32 n)
{
	return (size_t)((u64)len * k / n);
}

size_t tlog_part_write(const void *text, size_t len, u32 k, u32 n, char *out, size_t room)
{
	char digest[DIGEST_CHARS + 1];
	size_t from = piece(len, k - 1, n), to = piece(len, k, n);
	digest_of(text, len, digest);
	int head = snprintf(out, room, "%s%u/%u %zu %s\n", mark, k, n, to - from, digest);
	assert(k >= 1 && k <= n && head > 0 && (size_t)head + (to - from) <= room);
	memcpy(out + head, (const char *)text + from, to - from);
	return (size_t)head + (to - from);
}

/* ---- back again ---- */

struct parts {
	u32 n;
	char digest[DIGEST_CHARS + 1];
	struct {
		const char *p;
		size_t len;
	} part[PARTS_MAX];
};

static bool number(const char **p, const char *end, char stop, u64 *ret)
{
	u64 v = 0;
	const char *s = *p;
	while (s < end && *s >= '0' && *s <= '9' && v < 1u << 24)
		v = v * 10 + (u64)(*s++ - '0');
	bool good = s > *p && **p != '0' && s < end && *s == stop;
	*p = s + 1;
	*ret = v;
	return good;
}

/* The part at *p. True: it is whole, and of the same text as those before. */
static bool take(struct parts *t, const char **p, const char *end)
{
	u64 k, n, len;
	const char *s = *p;
	if ((size_t)(end - s) < sizeof mark - 1 || memcmp(s, mark, sizeof mark - 1) != 0)
		return false;
	s += sizeof mark - 1;
	if (!number(&s, end, '/', &k) || !number(&s, end, ' ', &n) || !number(&s, end, ' ', &len) ||
		n > PARTS_MAX || k > n || (size_t)(end - s) < DIGEST_CHARS + 1 || s[DIGEST_CHARS] != '\n' ||
		(t->n && (t->n != n || memcmp(s, t->digest, DIGEST_CHARS) != 0)))
		return false;
	memcpy(t->digest, s, DIGEST_CHARS);
	s += DIGEST_CHARS + 1;
	if ((u64)(end - s) < len)
		return false;
	t->n = (u32)n;
	t->part[k - 1].p = s;
	t->part[k - 1].len = len;
	*p = s + len;
	return true;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == '\n' || *p == '\r' || *p == ' ' || *p == '\t'))
		p++;
	return p;
}

int tlog_parts_join(const char *text, size_t len, char **ret, size_t *ret_len, u32 *ret_missing)
{
	struct parts t = { 0 };
	char digest[DIGEST_CHARS + 1];
	const char *end = text + len, *p = skip_blanks(text, end);
	size_t whole = 0;
	if ((size_t)(end - p) < sizeof mark - 1 || memcmp(p, mark, sizeof mark - 1) != 0)
		return 1;
	while (p < end && take(&t, &p, end))
		p = skip_blanks(p, end);
	*ret_missing = 1;
	while (*ret_missing <= t.n && t.part[*ret_missing - 1].p)
		whole += t.part[(*ret_missing)++ - 1].len;
	if (p < end || t.n == 0 || *ret_missing <= t.n)
		return 2;
	char *out = malloc(whole + 1);
	if (!out)
		return err_origin(-ENOMEM);
	size_t at = 0;
	for (u32 i = 0; i < t.n; at += t.part[i++].len)
		memcpy(out + at, t.part[i].p, t.part[i].len);
	out[whole] = 0;
	digest_of(out, whole, digest);
	if (memcmp(digest, t.digest, DIGEST_CHARS) != 0) {
		free(out);
		return 2;
	}
	*ret = out;
	*ret_len = whole;
	return 0;
}
