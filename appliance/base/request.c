#include "base/request.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/grammar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define PAD 4u

static const char *check_sampling(const struct request_header *h)
{
	if (!(h->temperature == 0 ||
		    (h->temperature >= TEMPERATURE_MIN && h->temperature <= TEMPERATURE_MAX)))
		return "temperature is neither 0 nor between 0.0001 and 100";
	if (!(h->top_p > 0 && h->top_p <= 1))
		return "top_p is not above 0 and at most 1";
	if (!(h->min_p >= 0 && h->min_p <= 1))
		return "min_p is not between 0 and 1";
	if (!(h->repeat_penalty >= REPEAT_PENALTY_MIN && h->repeat_penalty <= REPEAT_PENALTY_MAX))
		return "repeat_penalty is not between 0.01 and 100";
	if (h->n_logprobs > 1 + LOGPROBS_MAX)
		return "more alternatives of a token than may be asked for";
	if (h->max_tokens < 1 || h->max_tokens > CTX_TOKENS_MAX)
		return "max_tokens is 0 or beyond the limit";
	return NULL;
}

static const char *check_header(const struct request_header *h)
{
	static const u8 zero[sizeof h->reserved];
	if (memcmp(h->magic, REQUEST_MAGIC, sizeof h->magic) != 0)
		return "not a request";
	if (h->kind < REQUEST_GENERATE || h->kind > REQUEST_TOKENIZE)
		return "unknown kind of request";
	if (h->flags & ~(u32)(REQUEST_IGNORE_EOS | REQUEST_RAW | REQUEST_FILL))
		return "unknown flags";
	if (memcmp(h->reserved, zero, sizeof zero) != 0)
		return "reserved bytes are not zero";
	if (h->n_pieces > REQUEST_PIECES_MAX)
		return "too many pieces";
	if (h->n_stops > STOPS_MAX)
		return "too many stop strings";
	if (h->n_grammars > 1)
		return "more than one grammar";
	if (h->n_thinks > 1)
		return "more than one description of reasoning";
	if (h->n_grammars && h->flags & REQUEST_IGNORE_EOS)
		return "a grammar ends the answer: it cannot go on past the end";
	if (!isfinite(h->temperature) || !isfinite(h->top_p) || !isfinite(h->min_p) ||
		!isfinite(h->repeat_penalty))
		return "a sampling number is not finite";
	if (h->kind == REQUEST_GENERATE)
		return check_sampling(h);
	return h->max_tokens || h->n_stops || h->n_grammars || h->n_thinks || h->n_logprobs
		       ? "only a generation has max_tokens, stop strings, a grammar, reasoning and logprobs"
		       : NULL;
}

static const char *check_grammar(const struct request_part *part, const u8 *data)
{
	struct grammar g;
	const char *why = "a grammar is missing";
	return part->kind == REQUEST_GRAMMAR && grammar_open(data, part->len, &g, &why) == 0 ? NULL : why;
}

/* UTF-8 but for the bytes around names of control tokens. */
static bool tag_ok(const u8 *s, u32 n)
{
	u8 text[THINK_TAG_BYTES_MAX];
	u32 len = 0, marks = 0;
	if (n > sizeof text)
		return false;
	for (u32 i = 0; i < n; i++) {
		marks += s[i] == GRAMMAR_CONTROL;
		if (s[i] != GRAMMAR_CONTROL)
			text[len++] = s[i];
	}
	return marks % 2 == 0 && bytes_utf8_ok(text, len);
}

static const char *check_think(const struct request_part *part, const u8 *data)
{
	const struct request_think *t = (const void *)data;
	if (part->kind != REQUEST_THINK || part->len < sizeof *t)
		return "the description of reasoning is missing";
	if (t->inside > 1 || t->reserved)
		return "reserved bytes of the description of reasoning are not zero";
	if (t->open_len == 0 || t->close_len == 0 || t->end_len == 0 ||
		part->len != sizeof *t + t->open_len + t->close_len + t->end_len)
		return "the description of reasoning has another length than its texts";
	const u8 *s = data + sizeof *t;
	return tag_ok(s, t->open_len) && tag_ok(s + t->open_len, t->close_len) &&
			       tag_ok(s + t->open_len + t->close_len, t->end_len)
		       ? NULL
		       : "a tag of reasoning is too long, or no text";
}

static const char *check_part(const struct request_part *part, const u8 *data, bool is_stop)
{
	if (is_stop) {
		if (part->kind != REQUEST_STOP)
			return "a stop string is missing";
		if (part->len == 0 || part->len > STOP_BYTES_MAX)
			return "a stop string is empty or too long";
		return bytes_utf8_ok(data, part->len) ? NULL : "a stop string is not UTF-8";
	}
	switch (part->kind) {
	case REQUEST_TEXT:
	case REQUEST_TRUSTED:
		return bytes_utf8_ok(data, part->len) ? NULL : "a piece is not UTF-8";
	case REQUEST_TOKENS:
		return part->len % sizeof(u32) == 0 ? NULL : "a piece of tokens is not whole";
	default:
		return "unknown kind of piece";
	}
}

static const char *check_parts(const struct request_header *h, struct bytes *b)
{
	static const u8 zero[PAD];
	u32 n_text = h->n_pieces + h->n_stops;
	for (u32 i = 0; i < n_text + h->n_grammars + h->n_thinks; i++) {
		const struct request_part *part = (const void *)bytes_get(b, sizeof *part);
		const u8 *data = part ? bytes_get(b, part->len) : NULL;
		u32 pad = part ? (PAD - part->len % PAD) % PAD : 0;
		const u8 *padding = data ? bytes_get(b, pad) : NULL;
		if (!padding)
			return "it ends inside a piece";
		if (memcmp(padding, zero, pad) != 0)
			return "padding is not zero";
		const char *why = i >= n_text + h->n_grammars ? check_think(part, data)
				  : i >= n_text		      ? check_grammar(part, data)
							      : check_part(part, data, i >= h->n_pieces);
		if (why)
			return why;
	}
	return bytes_left(b) ? "bytes follow the last piece" : NULL;
}

int request_open(const void *data, size_t len, struct request *ret, const char **ret_why)
{
	assert(((uintptr_t)data & 7) == 0);
	if (len > REQUEST_BYTES_MAX) {
		*ret_why = "longer than a request may be";
		return 1;
	}
	struct bytes b = bytes_of(data, len);
	const struct request_header *h = (const void *)bytes_get(&b, sizeof *h);
	if (!h) {
		*ret_why = "shorter than its header";
		return 1;
	}
	const char *why = check_header(h);
	struct request r = { .h = h, .parts = b.p, .end = b.end };
	if (!why)
		why = check_parts(h, &b);
	if (why) {
		*ret_why = why;
		return 1;
	}
	*ret = r;
	return 0;
}

const struct request_part *request_next(
	const struct request *r, const struct request_part *at, const u8 **ret_data)
{
	const u8 *p = r->parts;
	if (at)
		p = (const u8 *)(at + 1) + ALIGN_UP((size_t)at->len, PAD);
	if (p >= r->end)
		return NULL;
	const struct request_part *part = (const void *)p;
	*ret_data = p + sizeof *part;
	return part;
}

static u8 *grow(struct request_builder *b, size_t n)
{
	if (b->failed || n > REQUEST_BYTES_MAX + PAD - b->len) {
		b->failed = true;
		return NULL;
	}
	if (b->len + n > b->cap) {
		size_t cap = MAX(b->cap * 2, b->len + n);
		u8 *buf = realloc(b->buf, cap);
		if (!buf) {
			b->failed = true;
			return NULL;
		}
		b->buf = buf;
		b->cap = cap;
	}
	u8 *p = b->buf + b->len;
	memset(p, 0, n);
	b->len += n;
	return p;
}

void request_build(struct request_builder *b, const struct request_header *h)
{
	*b = (struct request_builder){ 0 };
	struct request_header *out = (void *)grow(b, sizeof *out);
	if (!out)
		return;
	*out = *h;
	memcpy(out->magic, REQUEST_MAGIC, sizeof out->magic);
	out->n_pieces = out->n_stops = out->n_grammars = out->n_thinks = 0;
}

void request_add(struct request_builder *b, u32 kind, const void *data, size_t len)
{
	if (len > REQUEST_BYTES_MAX) {
		b->failed = true;
		return;
	}
	struct request_part part = { .kind = kind, .len = (u32)len };
	u8 *p = grow(b, sizeof part + ALIGN_UP(len, PAD));
	if (!p)
		return;
	memcpy(p, &part, sizeof part);
	if (len)
		memcpy(p + sizeof part, data, len);
	struct request_header *h = (void *)b->buf;
	if (kind == REQUEST_STOP)
		h->n_stops++;
	else if (kind == REQUEST_GRAMMAR)
		h->n_grammars++;
	else if (kind == REQUEST_THINK)
		h->n_thinks++;
	else
		h->n_pieces++;
}

int request_built(struct request_builder *b, u8 **ret_data, size_t *ret_len)
{
	struct request r;
	const char *why;
	bool no_memory = b->failed && !b->buf;
	if (b->failed || request_open(b->buf, b->len, &r, &why)) {
		free(b->buf);
		*b = (struct request_builder){ 0 };
		return no_memory ? err_origin(-ENOMEM) : 1;
	}
	*ret_data = b->buf;
	*ret_len = b->len;
	*b = (struct request_builder){ 0 };
	return 0;
}
