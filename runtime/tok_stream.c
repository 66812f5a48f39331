#include "runtime/tok_impl.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The range of the second byte after each first byte (Unicode, table 3-7); all others are 80..BF. */
static bool second_ok(u8 a, u8 b)
{
	u8 lo = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
	u8 hi = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
	return b >= lo && b <= hi;
}

int tok_utf8(const u8 *s, size_t len, u32 *ret_cp)
{
	u8 a = s[0];
	if (a < 0x80) {
		*ret_cp = a;
		return 1;
	}
	if (a < 0xc2 || a > 0xf4)
		return 0;
	int n = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
	u32 cp = a & (0x7fu >> n);
	for (int i = 1; i < n; i++) {
		if ((size_t)i >= len)
			return -1;
		if (i == 1 ? !second_ok(a, s[1]) : (s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	*ret_cp = cp;
	return n;
}

struct out {
	char *p;
	size_t n, cap;
};

/* A whole character or nothing. */
static void put(struct out *o, const void *s, size_t n)
{
	if (o->cap - o->n < n)
		return;
	memcpy(o->p + o->n, s, n);
	o->n += n;
}

/* How many bytes of s[len], which are no character, are the beginning of one. At least one. */
static size_t broken_len(const u8 *s, size_t len)
{
	u32 cp;
	size_t n = 1;
	while (n < len && tok_utf8(s, n + 1, &cp) < 0)
		n++;
	return n;
}

/* Write what is whole of s[len]; the bytes that are left. */
static size_t emit(struct out *o, const u8 *s, size_t len)
{
	u32 cp;
	while (len) {
		int n = tok_utf8(s, len, &cp);
		if (n < 0)
			break;
		size_t step = n ? (size_t)n : broken_len(s, len);
		put(o, n ? (const void *)s : REPLACEMENT, n ? step : 3);
		s += step;
		len -= step;
	}
	return len;
}

size_t tok_stream_push(const struct tok *t, struct tok_stream *s, u32 id, char *out, size_t cap)
{
	struct out o = { out, 0, cap };
	size_t n;
	const u8 *b = tok_bytes(t, id, &n);
	/* byte by byte while a character is open, the rest at once */
	size_t at = 0;
	while (at < n && s->n_held) {
		s->held[s->n_held++] = b[at++];
		size_t left = emit(&o, s->held, s->n_held);
		memmove(s->held, s->held + s->n_held - left, left);
		s->n_held = (u32)left;
	}
	if (at == n)
		return o.n;
	size_t left = emit(&o, b + at, n - at);
	memcpy(s->held, b + n - left, left);
	s->n_held = (u32)left;
	return o.n;
}

size_t tok_stream_end(struct tok_stream *s, char *out, size_t cap)
{
	struct out o = { out, 0, cap };
	if (s->n_held)
		put(&o, REPLACEMENT, 3);
	s->n_held = 0;
	return o.n;
}
