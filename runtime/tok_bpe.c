/* Byte-level BPE: a word is its bytes, each written as a printable character; the pair of neighbours whose merge stands first in
 * the list is joined, until no pair is in the list. Gemma 4 does so over characters as they are, with U+2581 for blanks, and falls back on
 * byte tokens. */
#include "runtime/tok_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the alphabet: printable Latin-1 characters are themselves, the 68 other bytes follow from U+0100 on ------------------ */

static bool is_itself(u32 b)
{
	return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

int tok_bpe_byte(u32 cp)
{
	if (cp < 256)
		return is_itself(cp) ? (int)cp : -1;
	if (cp >= 0x100 + 68)
		return -1;
	u32 left = cp - 0x100;
	for (u32 b = 0; b < 256; b++)
		if (!is_itself(b) && left-- == 0)
			return (int)b;
	return -1;
}

/* The character of byte b in UTF-8: 1 or 2 bytes. */
static u32 byte_char(u32 b, u8 out[2])
{
	u32 cp = b;
	if (!is_itself(b)) {
		cp = 0x100;
		for (u32 x = 0; x < b; x++)
			cp += !is_itself(x);
	}
	if (cp < 0x80) {
		out[0] = (u8)cp;
		return 1;
	}
	out[0] = (u8)(0xc0 | cp >> 6);
	out[1] = (u8)(0x80 | (cp & 0x3f));
	return 2;
}

/* ---- merges -------------------------------------------------------------------------------------------------------------- */

static u64 pair_hash(u32 left, u32 right)
{
	return tok_mix((u64)left << 32 | right, 0x2545f4914f6cdd1dull);
}

/* The slot of that pair or the free one where it would go. The ids are ours, not the text's, and the table is half empty. */
static u32 *pair_slot(const struct tok *t, u32 left, u32 right)
{
	u32 at = (u32)pair_hash(left, right);
	for (;; at++) {
		u32 *slot = &t->merges.slot[at & t->merges.mask];
		if (*slot == LAYOUT_NONE || (t->left[*slot] == left && t->right[*slot] == right))
			return slot;
	}
}

static int merge_texts(struct tok *t, const char **ret_why)
{
	for (u32 i = 0; i < t->l.h->n_merges; i++) {
		const struct layout_merge *m = &t->l.merges[i];
		if (!m->left.len || !m->right.len || m->left.len > TOKEN_BYTES_MAX ||
			m->right.len > TOKEN_BYTES_MAX) {
			*ret_why = "a merge is empty or longer than TOKEN_BYTES_MAX";
			return 1;
		}
		int r = tok_text_add(t, m->left, &t->left[i], ret_why);
		if (!r)
			r = tok_text_add(t, m->right, &t->right[i], ret_why);
		if (r)
			return r;
	}
	return 0;
}

static void merge_index(struct tok *t)
{
	u8 both[2 * TOKEN_BYTES_MAX];
	for (u32 i = 0; i < t->l.h->n_merges; i++) {
		struct layout_str a = t->l.merges[i].left, b = t->l.merges[i].right;
		memcpy(both, t->l.strings + a.off, a.len);
		memcpy(both + a.len, t->l.strings + b.off, b.len);
		t->result[i] = tok_text_find(t, both, a.len + b.len);
		u32 *slot = pair_slot(t, t->left[i], t->right[i]);
		if (*slot == LAYOUT_NONE)
			*slot = i; /* of equal pairs the first counts */
	}
}

static bool is_text(const struct tok *t)
{
	return t->l.h->tok_model == LAYOUT_TOK_BPE_TEXT;
}

/* Some vocabularies lack the tokens of control characters, or of bytes that UTF-8 does not have: those leave no id, as with their own tokenizers. */
static void bytes_index(struct tok *t)
{
	if (is_text(t))
		tok_spm_bytes_init(t);
	for (u32 b = 0; b < 256; b++) {
		t->byte_char_len[b] = (u8)byte_char(b, t->byte_char[b]);
		t->byte_string[b] = tok_text_find(t, t->byte_char[b], t->byte_char_len[b]);
		if (!is_text(t))
			t->byte_id[b] = t->byte_string[b];
	}
}

int tok_bpe_init(struct tok *t, const char **ret_why)
{
	if (t->l.h->tok_pre >= LAYOUT_PRE_COUNT) {
		*ret_why = "a byte-level vocabulary without a pre-tokenizer that Keep knows";
		return 1;
	}
	size_t n = t->l.h->n_merges;
	t->left = calloc(n + 1, sizeof *t->left);
	t->right = calloc(n + 1, sizeof *t->right);
	t->result = calloc(n + 1, sizeof *t->result);
	if (!t->left || !t->right || !t->result)
		return -ENOMEM;
	int r = tok_table_init(&t->merges, n);
	if (!r)
		r = merge_texts(t, ret_why);
	if (r)
		return r;
	merge_index(t);
	bytes_index(t);
	return 0;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------ */

static int pair_add(const struct tok *t, struct tok_work *w, u32 i)
{
	if (i == LAYOUT_NONE || w->sym[i].next == LAYOUT_NONE)
		return 0;
	const struct tok_symbol *a = &w->sym[i], *b = &w->sym[a->next];
	if (a->string == LAYOUT_NONE || b->string == LAYOUT_NONE)
		return 0;
	u32 rank = *pair_slot(t, a->string, b->string);
	if (rank == LAYOUT_NONE)
		return 0;
	return tok_heap_push(&w->heap, (struct tok_job){ rank, i, a->len + b->len });
}

static int join_all(const struct tok *t, struct tok_work *w)
{
	for (u32 i = 0; i < w->n_sym; i++) {
		int r = pair_add(t, w, i);
		if (r)
			return r;
	}
	while (w->heap.n) {
		struct tok_job j = tok_heap_pop(&w->heap);
		struct tok_symbol *s = &w->sym[j.pos];
		if (s->len == 0 || s->next == LAYOUT_NONE || s->len + w->sym[s->next].len != j.size)
			continue; /* one of the two was joined to another meanwhile */
		tok_work_join(w, j.pos);
		s->string = t->result[j.key];
		int r = pair_add(t, w, s->prev);
		if (!r)
			r = pair_add(t, w, j.pos);
		if (r)
			return r;
	}
	return 0;
}

static int symbol_write(const struct tok *t, const struct tok_symbol *s, const u8 *word, struct tok_ids *ids)
{
	if (s->string < t->n_vocab)
		return tok_ids_add(ids, s->string);
	for (u32 k = 0; k < s->len; k++) {
		u32 id = t->byte_id[word[s->off + k]];
		int r = id < t->n_vocab ? tok_ids_add(ids, id) : 0;
		if (r)
			return r;
	}
	return 0;
}

/* The token that is the whole word, if the model takes such words as they are (tok_pre_whole). */
static u32 whole_word(const struct tok *t, const u8 *word, size_t len)
{
	u8 text[2 * TOKEN_BYTES_MAX];
	u32 n = 0;
	if (len > TOKEN_BYTES_MAX)
		return LAYOUT_NONE;
	if (is_text(t)) { /* newlines: a word holds nothing else then */
		u32 found = word[0] == '\n' ? tok_text_find(t, word, len) : LAYOUT_NONE;
		return found < t->n_vocab ? found : LAYOUT_NONE;
	}
	if (!tok_pre_whole(t->l.h->tok_pre))
		return LAYOUT_NONE;
	for (size_t i = 0; i < len; i++) {
		memcpy(text + n, t->byte_char[word[i]], 2);
		n += t->byte_char_len[word[i]];
	}
	u32 id = tok_text_find(t, text, n);
	return id < t->n_vocab ? id : LAYOUT_NONE;
}

static int word_encode(
	const struct tok *t, struct tok_work *w, const u8 *word, size_t len, struct tok_ids *ids)
{
	u32 id = whole_word(t, word, len);
	if (id != LAYOUT_NONE)
		return tok_ids_add(ids, id);
	int r = tok_work_symbols(w, len);
	if (r)
		return r;
	for (size_t i = 0; !is_text(t) && i < len; i++)
		tok_work_symbol_add(w, (u32)i, 1, t->byte_string[word[i]]);
	for (size_t i = 0, n; is_text(t) && i < len; i += n) {
		u32 cp;
		int k = tok_utf8(word + i, len - i, &cp);
		n = k > 0 ? (size_t)k : 1;
		tok_work_symbol_add(w, (u32)i, (u32)n, tok_text_find(t, word + i, n));
	}
	r = join_all(t, w);
	for (u32 i = 0; !r && i != LAYOUT_NONE; i = w->sym[i].next)
		r = symbol_write(t, &w->sym[i], word, ids);
	return r;
}

int tok_bpe_encode(const struct tok *t, struct tok_work *w, const u8 *text, size_t len, struct tok_ids *ids)
{
	int r = 0;
	if (is_text(t)) {
		r = tok_spm_escape(w, text, len, false);
		text = w->buf;
		len = w->n_buf;
	}
	struct tok_words words = { .pre = t->l.h->tok_pre, .text = text, .len = r ? 0 : len };
	for (size_t n; !r && (n = tok_words_next(&words));)
		r = word_encode(t, w, text + words.at - n, n, ids);
	return r;
}
