#include "runtime/think.h"

#include <errno.h>
#include <string.h>

/* The end as a trusted text: names of control tokens without what marks them. */
static int encode_end(struct think *t, const struct tok *tok, const u8 *s, u32 n)
{
	char text[THINK_TAG_BYTES_MAX];
	u32 len = 0;
	for (u32 i = 0; i < n; i++)
		if (s[i] != GRAMMAR_CONTROL)
			text[len++] = (char)s[i];
	return tok_encode(tok, text, len, true, false, &t->end);
}

int think_begin(struct think *t, const struct tok *tok, const void *data)
{
	const struct request_think *r = data;
	const u8 *s = (const u8 *)(r + 1);
	*t = (struct think){ .on = true,
		.inside = r->inside,
		.may_begin = true,
		.budget = r->budget,
		.n_open = r->open_len,
		.n_close = r->close_len };
	memcpy(t->open, s, r->open_len);
	memcpy(t->close, s + r->open_len, r->close_len);
	int e = encode_end(t, tok, s + r->open_len + r->close_len, r->end_len);
	if (!e && t->inside && t->budget == 0)
		think_end(t);
	return e;
}

void think_fini(struct think *t)
{
	tok_ids_fini(&t->end);
	*t = (struct think){ .on = false };
}

bool think_forces(struct think *t, u32 *ret_id)
{
	if (!t->forced)
		return false;
	*ret_id = t->end.id[t->end.n - t->forced--];
	return true;
}

void think_end(struct think *t)
{
	t->forced = t->end.n;
}

/* How many bytes of the tag are read behind one more byte. */
static u32 step(const u8 *tag, u32 n, u32 at, u8 c)
{
	for (u32 k = MIN(at + 1, n); k > 0; k--)
		if (tag[k - 1] == c && memcmp(tag, tag + (at - (k - 1)), k - 1) == 0)
			return k;
	return 0;
}

/* Follows the bytes up to the end of the tag that is looked for; *at is what of it is read. How many bytes were taken; len + 1: it is not
 * there. */
static size_t follow(const struct think *t, const u8 *bytes, size_t len, u32 *at)
{
	const u8 *tag = t->inside ? t->close : t->open;
	u32 n = t->inside ? t->n_close : t->n_open;
	for (size_t i = 0; i < len; i++) {
		*at = step(tag, n, *at, bytes[i]);
		if (*at == n)
			return i + 1;
	}
	return len + 1;
}

enum think_turn think_look(const struct think *t, const u8 *bytes, size_t len, size_t *ret_rest)
{
	u32 at = t->at;
	*ret_rest = 0;
	if (!t->on || (!t->inside && !t->may_begin))
		return THINK_STAYS;
	size_t taken = follow(t, bytes, len, &at);
	if (taken > len)
		return THINK_STAYS;
	*ret_rest = len - taken;
	return t->inside ? THINK_CLOSES : THINK_OPENS;
}

void think_said(struct think *t, const u8 *bytes, size_t len)
{
	bool was = t->inside;
	if (!t->on)
		return;
	for (size_t i = 0; !was && i < len; i++)
		t->n_said += t->n_said || !(bytes[i] == ' ' || bytes[i] == '\n');
	/* a token may close one part of reasoning and open the next */
	while (t->inside || t->may_begin) {
		size_t taken = follow(t, bytes, len, &t->at);
		if (taken > len)
			break;
		t->at = 0;
		t->inside = !t->inside;
		bytes += taken;
		len -= taken;
	}
	t->used += was && t->inside && !t->forced;
	if (t->inside && t->used >= t->budget && !t->forced)
		think_end(t);
}
