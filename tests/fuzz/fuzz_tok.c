/* Vocabularies and texts: byte 0 kind, byte 1 number of tokens, byte 2 number of merges, or the flags of a unigram or WordPiece; a token is
 * {type, score, length, bytes}, a merge {left, right} of tokens; for a unigram then a table of normalisation behind its length, two bytes; the
 * rest is text. Behind 256 byte tokens and one for the unknown, so that every vocabulary is usable. Then: no control token from a user and
 * nothing that the template is built with, every byte back where nothing is normalised, whole characters streamed, and bounded work. */
#define _GNU_SOURCE
#include "runtime/tok_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define EXTRA_MAX 255u

static struct layout_token vocab[257 + EXTRA_MAX];
static struct layout_merge merges[256];
static char strings[65536 * 2];
static struct layout_header h;

struct input {
	const u8 *p;
	size_t len;
};

static u8 take(struct input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->p++;
}

static void token_add(u32 type, f32 score, const void *text, u32 n)
{
	vocab[h.n_vocab++] = (struct layout_token){ { h.strings_bytes, n }, score, type };
	memcpy(strings + h.strings_bytes, text, n);
	h.strings_bytes += n;
}

static void byte_tokens(bool spm)
{
	u32 other = 0x100;
	for (u32 b = 0; b < 256; b++) {
		char s[8];
		if (spm) {
			snprintf(s, sizeof s, "<0x%02X>", b);
			token_add(TOK_BYTE, 0, s, 6);
			continue;
		}
		bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
		u32 cp = itself ? b : other++;
		s[0] = (char)(cp < 0x80 ? cp : 0xc0 | cp >> 6);
		s[1] = (char)(0x80 | (cp & 0x3f));
		token_add(TOK_NORMAL, 0, s, cp < 0x80 ? 1 : 2);
	}
}

static u32 model_of(u8 kind)
{
	static const u32 models[] = { LAYOUT_TOK_BPE, LAYOUT_TOK_SPM, LAYOUT_TOK_BPE_TEXT,
		LAYOUT_TOK_UNIGRAM };
	return (kind & 3) == 3 && kind & 0x80 ? LAYOUT_TOK_WORDPIECE : models[kind & 3];
}

static bool has_merges(void)
{
	return h.tok_model == LAYOUT_TOK_BPE || h.tok_model == LAYOUT_TOK_BPE_TEXT;
}

static bool normalises(void)
{
	return h.tok_model == LAYOUT_TOK_UNIGRAM || h.tok_model == LAYOUT_TOK_WORDPIECE;
}

static void charsmap_take(struct input *in)
{
	size_t n = (size_t)take(in) << 8;
	n |= take(in);
	n = MIN(n, in->len);
	h.charsmap = (struct layout_str){ h.strings_bytes, (u32)n };
	memcpy(strings + h.strings_bytes, in->p, n);
	h.strings_bytes += (u32)n;
	in->p += n;
	in->len -= n;
}

static void vocab_build(struct input *in)
{
	u8 kind = take(in), n = take(in), third = take(in);
	h = (struct layout_header){ .tok_model = model_of(kind),
		.tok_pre = (kind >> 3) % LAYOUT_PRE_COUNT,
		.tok_flags = kind & 4 ? LAYOUT_SPACE_PREFIX : 0,
		.bos = LAYOUT_NONE,
		.eos = LAYOUT_NONE,
		.eot = LAYOUT_NONE,
		.unk = 256 };
	if (normalises())
		h.tok_flags = third;
	byte_tokens(h.tok_model != LAYOUT_TOK_BPE);
	token_add(TOK_UNKNOWN, 0, "<unk>", 5);
	for (u32 i = 0; i < n && in->len; i++) {
		u8 type = take(in) % 5 + 1; /* not TOK_BYTE */
		f32 score = -(f32)take(in);
		size_t k = take(in);
		k = MIN(k, in->len);
		if (k)
			token_add(type == TOK_UNUSED ? TOK_NORMAL : type, score, in->p, (u32)k);
		in->p += k;
		in->len -= k;
	}
	h.chat_template = (struct layout_str){ 0,
		h.strings_bytes }; /* all user-defined tokens in brackets stand in it */
	for (u32 i = 0; has_merges() && i < third && in->len >= 2; i++) {
		u32 l = take(in) * 2u % h.n_vocab, r = take(in) * 2u % h.n_vocab;
		merges[h.n_merges++] = (struct layout_merge){ vocab[l].text, vocab[r].text };
	}
	if (h.tok_model == LAYOUT_TOK_UNIGRAM)
		charsmap_take(in);
}

static void check_stream(const struct tok *t, const struct tok_ids *ids)
{
	static char out[3 * TOKEN_BYTES_MAX + 16];
	struct tok_stream s = { 0 };
	for (size_t i = 0; i <= ids->n; i++) {
		size_t n = i < ids->n ? tok_stream_push(t, &s, ids->id[i], out, sizeof out)
				      : tok_stream_end(&s, out, sizeof out);
		for (size_t at = 0; at < n;) {
			u32 cp;
			int k = tok_utf8((u8 *)out + at, n - at, &cp);
			assert(k > 0);
			at += (size_t)k;
		}
	}
}

/* The text with U+2581 as blank. */
static size_t unescape(const u8 *s, size_t len, u8 *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		bool blank = i + 3 <= len && memcmp(s + i, "\xe2\x96\x81", 3) == 0;
		out[n++] = blank ? ' ' : s[i];
		i += blank ? 2 : 0;
	}
	return n;
}

static void check_bytes(
	const struct tok *t, const struct tok_ids *ids, const u8 *text, size_t len, bool blank)
{
	bool spm = h.tok_model != LAYOUT_TOK_BPE;
	u8 *want = malloc(len + 2), *got = malloc(ids->n * 256 + 1), *flat = malloc(ids->n * 256 + 1);
	size_t n_got = 0, n_want = 0, n;
	assert(want && got && flat);
	want[n_want] = ' ';
	n_want += blank;
	for (size_t i = 0; i < ids->n; i++) {
		const u8 *b = tok_bytes(t, ids->id[i], &n);
		if (t->type[ids->id[i]] == TOK_UNKNOWN || t->type[ids->id[i]] == TOK_USER)
			goto out; /* no text, or a blank behind it */
		memcpy(got + n_got, b, n);
		n_got += n;
	}
	if (spm) {
		n_want += unescape(text, len, want + n_want);
		n_got = unescape(got, n_got, flat);
		memcpy(got, flat, n_got);
	} else {
		memcpy(want + n_want, text, len);
		n_want += len;
	}
	assert(n_got == n_want && memcmp(got, want, n_got) == 0);
out:
	free(want);
	free(got);
	free(flat);
}

static void encode(const struct tok *t, const u8 *text, size_t len, bool trusted, bool first)
{
	struct tok_work w = { 0 };
	struct tok_ids ids = { 0 };
	tok_looks = 0;
	assert(tok_encode_with(t, &w, text, len, trusted, first, &ids) == 0);
	/* what is normalised grows by CHARSMAP_VALUE_BYTES_MAX at most, and from each byte a trie is walked no further than the longest token */
	assert(normalises() || tok_looks <= 18 * (u64)len * 3 + 64);
	for (size_t i = 0; i < ids.n; i++) {
		assert(ids.id[i] < h.n_vocab);
		assert(trusted || (t->type[ids.id[i]] != TOK_CONTROL && !t->marks[ids.id[i]]));
	}
	if (t->n_special == 0)
		assert(w.heap.pushes <= 3 * (len + 1) + 64);
	check_stream(t, &ids);
	if (!trusted && !normalises())
		check_bytes(t, &ids, text, len,
			first && len && h.tok_model == LAYOUT_TOK_SPM && h.tok_flags & LAYOUT_SPACE_PREFIX);
	tok_work_fini(&w);
	tok_ids_fini(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, MIN(len, (size_t)65536) };
	struct layout l = { .h = &h, .vocab = vocab, .merges = merges, .strings = strings };
	struct tok *t;
	const char *why;
	vocab_build(&in);
	if (tok_create(&l, &t, &why)) /* a byte token's text was taken by a control token */
		return 0;
	for (int i = 0; i < 4; i++)
		encode(t, in.p, in.len, i & 1, i & 2);
	tok_destroy(t);
	return 0;
}
