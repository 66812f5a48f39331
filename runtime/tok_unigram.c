/* SentencePiece's unigram: of all ways to write a text in tokens, the one whose scores have the largest sum. A character that is no token
 * costs more than any token does, and comes out as its bytes, or with all its neighbours of the kind as one unknown token. */
#include "runtime/tok_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_COSTS 10.0f /* below the least score: SentencePiece's constant */

static f32 least_score(const struct tok *t)
{
	f32 least = INFINITY;
	for (u32 id = 0; id < t->n_vocab; id++)
		if (t->type[id] == TOK_NORMAL)
			least = MIN(least, t->l.vocab[id].score);
	return isinf(least) ? 0 : least;
}

int tok_unigram_init(struct tok *t, const char **ret_why)
{
	t->has_bytes = tok_spm_bytes_init(t) == 256;
	int r = t->has_bytes ? 0 : tok_unknown_check(t, ret_why);
	t->unk_score = least_score(t) - UNKNOWN_COSTS;
	r = r ? r : tok_normal_init(t, ret_why);
	return r ? r : tok_trie_init(&t->trie, t, tok_is_piece);
}

/* ---- the best way ---------------------------------------------------------------------------------------------------------- */

static int best_init(struct tok_work *w, size_t n, f64 score)
{
	if (n + 1 > w->cap_best) {
		struct tok_best *p = realloc(w->best, (n + 1) * sizeof *p);
		if (!p)
			return -ENOMEM;
		w->best = p;
		w->cap_best = n + 1;
	}
	for (size_t i = 0; i <= n; i++)
		w->best[i] = (struct tok_best){ -INFINITY, 0, LAYOUT_NONE };
	w->best[0].score = score;
	return 0;
}

static void offer(struct tok_best *b, f64 score, size_t from, u32 id)
{
	if (score > b->score)
		*b = (struct tok_best){ score, (u32)from, id };
}

static size_t char_len(const u8 *s, size_t len)
{
	u32 cp;
	int n = tok_utf8(s, len, &cp);
	return n > 0 ? (size_t)n : 1;
}

/* One text under way. */
struct way {
	const struct tok *t;
	struct tok_work *w;
	struct tok_ids *ids;
	size_t floor; /* where its ids begin */
	f64 score; /* of the words so far: what equal ways are rounded with does not depend on where a text is cut into words */
};

/* All tokens that begin at byte at; the bytes of the character there. */
static size_t tokens_from(const struct way *x, const u8 *word, size_t len, size_t at)
{
	const struct tok *t = x->t;
	struct tok_best *best = x->w->best;
	size_t whole = char_len(word + at, len - at);
	f64 score = best[at].score;
	bool alone = false;
	u32 node = 0;
	for (size_t end = at; end < len && (node = tok_trie_step(&t->trie, node, word[end]));) {
		u32 id = t->trie.id[node];
		end++;
		if (id == LAYOUT_NONE)
			continue;
		alone = alone || end - at == whole;
		offer(&best[end], score + (t->type[id] == TOK_USER ? 0 : t->l.vocab[id].score), at, id);
	}
	if (!alone)
		offer(&best[at + whole], score + t->unk_score, at, LAYOUT_NONE);
	return whole;
}

/* Unknown characters in a row are one unknown token. */
static int unknown_write(const struct way *x, const u8 *s, size_t n)
{
	struct tok_ids *ids = x->ids;
	u32 unk = x->t->l.h->unk;
	if (!x->t->has_bytes)
		return ids->n > x->floor && ids->id[ids->n - 1] == unk ? 0 : tok_ids_add(ids, unk);
	int r = 0;
	for (size_t i = 0; !r && i < n; i++)
		r = tok_ids_add(ids, x->t->byte_id[s[i]]);
	return r;
}

/* The way back from the end, turned round in place: each from becomes the end of the step that begins there. */
static void turn(struct tok_best *best, size_t len)
{
	u32 end = (u32)len, id = best[len].id, from = best[len].from;
	while (end) {
		struct tok_best *b = &best[from];
		u32 next_from = b->from, next_id = b->id;
		b->from = end;
		b->id = id;
		end = from;
		from = next_from;
		id = next_id;
	}
}

static int word_encode(struct way *x, const u8 *word, size_t len)
{
	int r = best_init(x->w, len, x->score);
	if (r)
		return r;
	for (size_t at = 0; at < len;)
		at += tokens_from(x, word, len, at);
	const struct tok_best *best = x->w->best;
	x->score = best[len].score;
	turn(x->w->best, len);
	for (size_t at = 0; !r && at < len; at = best[at].from)
		r = best[at].id == LAYOUT_NONE ? unknown_write(x, word + at, best[at].from - at)
					       : tok_ids_add(x->ids, best[at].id);
	return r;
}

int tok_unigram_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank, struct tok_ids *ids)
{
	struct way x = { t, w, ids, ids->n, 0 };
	size_t step;
	int r = tok_normal(t, w, text, len, blank);
	if (!r && w->n_buf > INT32_MAX)
		return -EOVERFLOW;
	for (size_t at = 0; !r && at < w->n_buf; at += step) {
		step = tok_spm_word(t, w->buf + at, w->n_buf - at);
		r = word_encode(&x, w->buf + at, step);
	}
	return r;
}
