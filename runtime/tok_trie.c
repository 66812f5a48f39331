/* A trie over the texts of a vocabulary. Nodes are numbered level by level, so the children of a node stand together, and those of the
 * next node behind them: one index a node is enough. */
#define _GNU_SOURCE
#include "runtime/tok_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Thread_local u64 tok_looks;

struct build {
	const struct tok *t;
	u32 *sorted, n;	   /* tokens by text, of equal texts the lowest id first */
	u32 *first, *last; /* of each node: the sorted tokens that it leads to */
};

static struct layout_str text_of(const struct build *b, u32 i)
{
	return b->t->l.vocab[b->sorted[i]].text;
}

static u8 byte_of(const struct build *b, u32 i, u32 at)
{
	return (u8)b->t->l.strings[text_of(b, i).off + at];
}

/* The root, and a node for every byte that a text does not share with the one before it. */
static u32 nodes_count(const struct build *b)
{
	u32 n = 1;
	for (u32 i = 0; i < b->n; i++) {
		u32 len = text_of(b, i).len, same = 0, max = i ? MIN(len, text_of(b, i - 1).len) : 0;
		while (same < max && byte_of(b, i, same) == byte_of(b, i - 1, same))
			same++;
		n += len - same;
	}
	return n;
}

static void fill(struct build *b, struct tok_trie *trie)
{
	u32 next = 1, depth = 0, level_end = 1;
	b->first[0] = 0;
	b->last[0] = b->n;
	for (u32 i = 0; i < trie->n; i++) {
		if (i == level_end) {
			depth++;
			level_end = next;
		}
		u32 at = b->first[i], end = b->last[i];
		trie->child[i] = next;
		trie->id[i] = LAYOUT_NONE;
		for (; at < end && text_of(b, at).len == depth; at++)
			trie->id[i] = b->sorted[at]; /* of equal texts the last counts, as elsewhere */
		while (at < end) {
			u8 c = byte_of(b, at, depth);
			b->first[next] = at;
			while (at < end && byte_of(b, at, depth) == c)
				at++;
			b->last[next] = at;
			trie->label[next++] = c;
		}
	}
	assert(next == trie->n);
	trie->child[trie->n] = next;
}

static int tokens_take(struct build *b, bool (*takes)(const struct tok *t, u32 id))
{
	b->sorted = calloc(b->t->n_vocab, sizeof *b->sorted);
	if (!b->sorted)
		return -ENOMEM;
	for (u32 id = 0; id < b->t->n_vocab; id++)
		if (b->t->l.vocab[id].text.len && takes(b->t, id))
			b->sorted[b->n++] = id;
	qsort_r(b->sorted, b->n, sizeof *b->sorted, tok_by_text, (void *)(uintptr_t)b->t);
	return 0;
}

int tok_trie_init(struct tok_trie *trie, const struct tok *t, bool (*takes)(const struct tok *t, u32 id))
{
	struct build b = { .t = t };
	int r = tokens_take(&b, takes);
	if (!r) {
		trie->n = nodes_count(&b);
		trie->child = calloc((size_t)trie->n + 1, sizeof *trie->child);
		trie->id = calloc(trie->n, sizeof *trie->id);
		trie->label = calloc(trie->n, 1);
		b.first = calloc(trie->n, sizeof *b.first);
		b.last = calloc(trie->n, sizeof *b.last);
		if (trie->child && trie->id && trie->label && b.first && b.last)
			fill(&b, trie);
		else
			r = -ENOMEM;
	}
	free(b.sorted);
	free(b.first);
	free(b.last);
	return r;
}

void tok_trie_fini(struct tok_trie *trie)
{
	free(trie->child);
	free(trie->id);
	free(trie->label);
	*trie = (struct tok_trie){ 0 };
}

u32 tok_trie_step(const struct tok_trie *trie, u32 node, u8 b)
{
	tok_looks++;
	u32 first = trie->child[node], n = trie->child[node + 1] - first;
	const u8 *at = n ? memchr(trie->label + first, b, n) : NULL;
	return at ? (u32)(at - trie->label) : 0;
}
