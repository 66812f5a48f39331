#include "runtime/tok_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tok_ids_fini(struct tok_ids *ids)
{
	free(ids->id);
	*ids = (struct tok_ids){ 0 };
}

int tok_ids_add(struct tok_ids *ids, u32 id)
{
	if (ids->n == ids->cap) {
		size_t cap = ids->cap ? 2 * ids->cap : 256;
		u32 *p = realloc(ids->id, cap * sizeof *p);
		if (!p)
			return -ENOMEM;
		ids->id = p;
		ids->cap = cap;
	}
	ids->id[ids->n++] = id;
	return 0;
}

/* ---- heap ---------------------------------------------------------------------------------------------------------------- */

static bool before(struct tok_job a, struct tok_job b)
{
	if (a.key != b.key)
		return a.key < b.key;
	if (a.pos != b.pos)
		return a.pos < b.pos;
	return a.size < b.size;
}

int tok_heap_push(struct tok_heap *h, struct tok_job job)
{
	if (h->n == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 256;
		struct tok_job *p = realloc(h->job, cap * sizeof *p);
		if (!p)
			return -ENOMEM;
		h->job = p;
		h->cap = cap;
	}
	size_t i = h->n++;
	for (; i > 0 && before(job, h->job[(i - 1) / 2]); i = (i - 1) / 2)
		h->job[i] = h->job[(i - 1) / 2];
	h->job[i] = job;
	h->pushes++;
	return 0;
}

struct tok_job tok_heap_pop(struct tok_heap *h)
{
	assert(h->n > 0);
	struct tok_job top = h->job[0], last = h->job[--h->n];
	size_t i = 0;
	for (;;) {
		size_t c = 2 * i + 1;
		if (c + 1 < h->n && before(h->job[c + 1], h->job[c]))
			c++;
		if (c >= h->n || !before(h->job[c], last))
			break;
		h->job[i] = h->job[c];
		i = c;
	}
	h->job[i] = last;
	return top;
}

/* ---- working memory ------------------------------------------------------------------------------------------------------ */

void tok_work_fini(struct tok_work *w)
{
	free(w->heap.job);
	free(w->sym);
	free(w->buf);
	free(w->best);
	*w = (struct tok_work){ 0 };
}

int tok_work_buf(struct tok_work *w, size_t n)
{
	if (n <= w->cap_buf)
		return 0;
	u8 *p = realloc(w->buf, n);
	if (!p)
		return -ENOMEM;
	w->buf = p;
	w->cap_buf = n;
	return 0;
}

int tok_work_put(struct tok_work *w, const void *s, size_t n)
{
	int r = n > w->cap_buf - w->n_buf ? tok_work_buf(w, 2 * w->cap_buf + n + 256) : 0;
	if (r || n == 0)
		return r;
	memcpy(w->buf + w->n_buf, s, n);
	w->n_buf += n;
	return 0;
}

int tok_work_symbols(struct tok_work *w, size_t n)
{
	w->n_sym = 0;
	w->heap.n = 0;
	if (n > INT32_MAX)
		return -EOVERFLOW;
	if (n <= w->cap_sym)
		return 0;
	struct tok_symbol *p = realloc(w->sym, n * sizeof *p);
	if (!p)
		return -ENOMEM;
	w->sym = p;
	w->cap_sym = n;
	return 0;
}

void tok_work_symbol_add(struct tok_work *w, u32 off, u32 len, u32 string)
{
	u32 i = (u32)w->n_sym++;
	assert(w->n_sym <= w->cap_sym);
	w->sym[i] = (struct tok_symbol){ off, len, i ? i - 1 : LAYOUT_NONE, LAYOUT_NONE, string };
	if (i)
		w->sym[i - 1].next = i;
}

void tok_work_join(struct tok_work *w, u32 i)
{
	struct tok_symbol *a = &w->sym[i], *b = &w->sym[a->next];
	a->len += b->len;
	a->next = b->next;
	b->len = 0;
	if (a->next != LAYOUT_NONE)
		w->sym[a->next].prev = i;
}

/* ---- the tokenizer ------------------------------------------------------------------------------------------------------- */

static int init(struct tok *t, const char **ret_why)
{
	int r = tok_vocab_init(t, ret_why);
	if (!r)
		r = tok_special_init(t, ret_why);
	if (r)
		return r;
	switch (t->l.h->tok_model) {
	case LAYOUT_TOK_SPM:
		return tok_spm_init(t, ret_why);
	case LAYOUT_TOK_BPE:
	case LAYOUT_TOK_BPE_TEXT:
		return tok_bpe_init(t, ret_why);
	case LAYOUT_TOK_UNIGRAM:
		return tok_unigram_init(t, ret_why);
	case LAYOUT_TOK_WORDPIECE:
		return tok_wordpiece_init(t, ret_why);
	default:
		*ret_why = "a kind of vocabulary that Keep does not know";
		return 1;
	}
}

int tok_create(const struct layout *l, struct tok **ret, const char **ret_why)
{
	if (l->h->n_vocab == 0) {
		*ret_why = "the vocabulary is empty";
		return 1;
	}
	struct tok *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->l = *l;
	t->n_vocab = l->h->n_vocab;
	int r = init(t, ret_why);
	if (r) {
		tok_destroy(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct tok *tok_destroy(struct tok *t)
{
	if (!t)
		return NULL;
	void *const parts[] = { t->type, t->ends, t->marks, t->off, t->bytes, t->table.slot, t->extra,
		t->special, t->left, t->right, t->result, t->merges.slot };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	tok_trie_fini(&t->trie);
	free(t);
	return NULL;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------ */

static int fragment(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank, struct tok_ids *ids)
{
	if (len == 0)
		return 0;
	switch (t->l.h->tok_model) {
	case LAYOUT_TOK_SPM:
		return tok_spm_encode(t, w, text, len, blank && t->l.h->tok_flags & LAYOUT_SPACE_PREFIX, ids);
	case LAYOUT_TOK_UNIGRAM:
		return tok_unigram_encode(t, w, text, len, blank, ids);
	case LAYOUT_TOK_WORDPIECE:
		return tok_wordpiece_encode(t, w, text, len, ids);
	default:
		return tok_bpe_encode(t, w, text, len, ids);
	}
}

static bool text_is(const struct tok *t, u32 id, const char *s)
{
	struct layout_str x = t->l.vocab[id].text;
	return x.len == strlen(s) && memcmp(t->l.strings + x.off, s, x.len) == 0;
}

/* Does the white space behind this special token belong to it? So it is in Phi-3. */
static bool eats_space(const struct tok *t, u32 id)
{
	if (!(t->l.h->tok_flags & LAYOUT_SPACE_EATEN))
		return false;
	bool special = t->type[id] == TOK_CONTROL || t->type[id] == TOK_USER || t->type[id] == TOK_UNKNOWN;
	return special && !text_is(t, id, "<unk>") && !text_is(t, id, "<s>") &&
	       !text_is(t, id, "<|endoftext|>");
}

/* Behind the white space at byte at, if the last token eats it, but no further than end. */
static size_t space_skip(
	const struct tok *t, const struct tok_ids *ids, const u8 *text, size_t at, size_t end)
{
	if (ids->n && eats_space(t, ids->id[ids->n - 1]))
		while (at < end && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r')))
			at++;
	return at;
}

int tok_encode_with(const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool trusted,
	bool first, struct tok_ids *ids)
{
	struct tok_matches ms = { 0 };
	if (len > INT32_MAX)
		return -ENOMEM;
	/* SentencePiece's blank also stands behind every special token */
	u8 last = ids->n ? t->type[ids->id[ids->n - 1]] : 0;
	bool blank = first || last == TOK_CONTROL || last == TOK_USER;
	size_t at = 0;
	int r = tok_special_find(t, w, text, len, trusted, &ms);
	for (size_t i = 0; !r && i < ms.n; i++) {
		at = space_skip(t, ids, text, at, ms.m[i].pos);
		r = fragment(t, w, text + at, ms.m[i].pos - at, blank, ids);
		if (!r)
			r = tok_ids_add(ids, ms.m[i].id);
		at = ms.m[i].pos + ms.m[i].len;
		blank = true;
	}
	at = space_skip(t, ids, text, at, len);
	if (!r)
		r = fragment(t, w, text + at, len - at, blank, ids);
	free(ms.m);
	return r == -EOVERFLOW ? -ENOMEM : r;
}

int tok_encode(
	const struct tok *t, const void *text, size_t len, bool trusted, bool first, struct tok_ids *ids)
{
	struct tok_work w = { 0 };
	int r = tok_encode_with(t, &w, text, len, trusted, first, ids);
	tok_work_fini(&w);
	return r;
}

/* ---- facts --------------------------------------------------------------------------------------------------------------- */

static u32 wanted(const struct tok *t, u32 flag, u32 id)
{
	return t->l.h->tok_flags & flag && id < t->n_vocab ? id : LAYOUT_NONE;
}

u32 tok_bos(const struct tok *t)
{
	return wanted(t, LAYOUT_ADD_BOS, t->l.h->bos);
}

u32 tok_eos_added(const struct tok *t)
{
	return wanted(t, LAYOUT_ADD_EOS, t->l.h->eos);
}

bool tok_ends(const struct tok *t, u32 id)
{
	return id < t->n_vocab && t->ends[id];
}

const char *tok_name(const struct tok *t, u32 id, size_t *ret_len)
{
	if (id >= t->n_vocab || t->type[id] != TOK_CONTROL)
		return NULL;
	*ret_len = t->l.vocab[id].text.len;
	return t->l.strings + t->l.vocab[id].text.off;
}

u32 tok_control(const struct tok *t, const void *text, size_t len)
{
	for (u32 i = 0; i < t->n_special; i++) {
		u32 id = t->special[i];
		struct layout_str s = t->l.vocab[id].text;
		if (t->type[id] == TOK_CONTROL && s.len == len &&
			memcmp(t->l.strings + s.off, text, len) == 0)
			return id;
	}
	return LAYOUT_NONE;
}

u32 tok_n_vocab(const struct tok *t)
{
	return t->n_vocab;
}

const u8 *tok_bytes(const struct tok *t, u32 id, size_t *ret_len)
{
	*ret_len = 0;
	if (id >= t->n_vocab)
		return NULL;
	*ret_len = t->off[id + 1] - t->off[id];
	return t->bytes + t->off[id];
}
