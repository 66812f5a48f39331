/* SentencePiece-style BPE: the best-scored pair of neighbours that is a token is joined, until there is none; what is no token
 * then is written in byte tokens. */
#include "runtime/tok_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLANK "\xe2\x96\x81" /* U+2581 stands for a blank */

static bool is_blank(const u8 *s, size_t len)
{
	return len >= 3 && memcmp(s, BLANK, 3) == 0;
}

static bool crosses_into_blank(const u8 *s, size_t len)
{
	for (size_t i = 1; i + 3 <= len; i++)
		if (is_blank(s + i, 3) && !(i >= 3 && is_blank(s + i - 3, 3)))
			return true;
	return false;
}

int tok_spm_bytes_init(struct tok *t)
{
	int n = 0;
	for (u32 b = 0; b < 256; b++) {
		char name[8];
		snprintf(name, sizeof name, "<0x%02X>", b);
		t->byte_id[b] = tok_text_find(t, name, 6);
		n += t->byte_id[b] < t->n_vocab;
	}
	t->split_at_blank = true;
	for (u32 id = 0; id < t->n_vocab && t->split_at_blank; id++) {
		struct layout_str x = t->l.vocab[id].text;
		t->split_at_blank = t->type[id] == TOK_CONTROL ||
				    !crosses_into_blank((const u8 *)t->l.strings + x.off, x.len);
	}
	return n;
}

int tok_spm_init(struct tok *t, const char **ret_why)
{
	int r = 0;
	tok_spm_bytes_init(t);
	for (u32 b = 0; !r && b < 256; b++) {
		u8 c = (u8)b;
		if (t->byte_id[b] == LAYOUT_NONE)
			t->byte_id[b] = tok_text_find(t, &c, 1);
		if (t->byte_id[b] == LAYOUT_NONE) {
			t->byte_id[b] = t->l.h->unk;
			r = tok_unknown_check(t, ret_why);
		}
	}
	return r;
}

/* Scores in an order where smaller comes first: descending, -0 as 0. */
static u32 score_key(f32 score)
{
	u32 u;
	score += 0.0f;
	memcpy(&u, &score, 4);
	return u & 0x80000000u ? u : ~(u | 0x80000000u);
}

/* If symbol i and the next one make a token, they wait to be joined. */
static int pair_add(const struct tok *t, struct tok_work *w, const u8 *word, u32 i)
{
	if (i == LAYOUT_NONE || w->sym[i].next == LAYOUT_NONE)
		return 0;
	u32 size = w->sym[i].len + w->sym[w->sym[i].next].len;
	u32 id = tok_text_find(t, word + w->sym[i].off, size);
	if (id == LAYOUT_NONE)
		return 0;
	return tok_heap_push(&w->heap, (struct tok_job){ score_key(t->l.vocab[id].score), i, size });
}

static int join_all(const struct tok *t, struct tok_work *w, const u8 *word)
{
	for (u32 i = 0; i < w->n_sym; i++) {
		int r = pair_add(t, w, word, i);
		if (r)
			return r;
	}
	while (w->heap.n) {
		struct tok_job j = tok_heap_pop(&w->heap);
		const struct tok_symbol *s = &w->sym[j.pos];
		if (s->len == 0 || s->next == LAYOUT_NONE || s->len + w->sym[s->next].len != j.size)
			continue; /* one of the two was joined to another meanwhile */
		tok_work_join(w, j.pos);
		int r = pair_add(t, w, word, s->prev);
		if (!r)
			r = pair_add(t, w, word, j.pos);
		if (r)
			return r;
	}
	return 0;
}

static int symbol_write(const struct tok *t, const u8 *s, u32 len, struct tok_ids *ids)
{
	u32 id = tok_text_find(t, s, len);
	if (id != LAYOUT_NONE)
		return tok_ids_add(ids, id);
	for (u32 k = 0; k < len; k++) {
		int r = tok_ids_add(ids, t->byte_id[s[k]]);
		if (r)
			return r;
	}
	return 0;
}

/* Bytes of the character at s[0]; a byte that is no character stands alone. */
static u32 char_len(const u8 *s, size_t len)
{
	u32 cp;
	int n = tok_utf8(s, len, &cp);
	return n > 0 ? (u32)n : 1;
}

static int word_encode(
	const struct tok *t, struct tok_work *w, const u8 *word, size_t len, struct tok_ids *ids)
{
	int r = tok_work_symbols(w, len);
	if (r)
		return r;
	for (size_t at = 0; at < len;) {
		u32 n = char_len(word + at, len - at);
		tok_work_symbol_add(w, (u32)at, n, LAYOUT_NONE);
		at += n;
	}
	r = join_all(t, w, word);
	for (u32 i = 0; !r && i != LAYOUT_NONE; i = w->sym[i].next)
		r = symbol_write(t, word + w->sym[i].off, w->sym[i].len, ids);
	return r;
}

int tok_spm_escape(struct tok_work *w, const u8 *text, size_t len, bool blank)
{
	size_t n = blank ? 3 : 0;
	for (size_t i = 0; i < len; i++)
		n += text[i] == ' ' ? 3 : 1;
	int r = tok_work_buf(w, n);
	if (r)
		return r;
	u8 *out = w->buf;
	if (blank)
		out = (u8 *)memcpy(out, BLANK, 3) + 3;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == ' ')
			out = (u8 *)memcpy(out, BLANK, 3) + 3;
		else
			*out++ = text[i];
	}
	w->n_buf = n;
	return 0;
}

size_t tok_spm_word(const struct tok *t, const u8 *s, size_t len)
{
	if (!t->split_at_blank)
		return len;
	size_t i = 0;
	while (is_blank(s + i, len - i))
		i += 3;
	while (i < len && !is_blank(s + i, len - i))
		i += char_len(s + i, len - i);
	return i;
}

int tok_spm_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank, struct tok_ids *ids)
{
	size_t step;
	int r = tok_spm_escape(w, text, len, blank);
	for (size_t at = 0; !r && at < w->n_buf; at += step) {
		step = tok_spm_word(t, w->buf + at, w->n_buf - at);
		r = word_encode(t, w, w->buf + at, step, ids);
	}
	return r;
}
