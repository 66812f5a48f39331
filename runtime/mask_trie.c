#define _GNU_SOURCE
#include "runtime/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *a, const void *b, void *arg)
{
	const struct tok *t = arg;
	u32 ia = *(const u32 *)a, ib = *(const u32 *)b;
	size_t na, nb;
	const u8 *x = tok_bytes(t, ia, &na), *y = tok_bytes(t, ib, &nb);
	int c = memcmp(x, y, MIN(na, nb));
	if (c)
		return c;
	if (na != nb)
		return na < nb ? -1 : 1;
	return ia < ib ? -1 : 1;
}

/* How many bytes two texts have in common at their beginning. */
static size_t common(const u8 *a, size_t na, const u8 *b, size_t nb)
{
	size_t n = 0;
	while (n < na && n < nb && a[n] == b[n])
		n++;
	return n;
}

static size_t count_nodes(const struct tok *t, const u32 *id, u32 n)
{
	size_t nodes = 0, before = 0;
	const u8 *last = NULL;
	for (u32 i = 0; i < n; i++) {
		size_t len;
		const u8 *s = tok_bytes(t, id[i], &len);
		nodes += len - common(last, before, s, len);
		last = s;
		before = len;
	}
	return nodes;
}

/* The nodes of one text behind those that it shares with the last; at[d] is the open node of depth d. */
static void add(struct mask_trie *tr, u32 *at, size_t shared, size_t open, const u8 *s, size_t len, u32 id)
{
	for (size_t d = open; d > shared; d--)
		tr->node[at[d]].end = tr->n;
	for (size_t d = shared + 1; d <= len; d++) {
		at[d] = tr->n;
		tr->node[tr->n++] =
			(struct mask_node){ .token = LAYOUT_NONE, .depth = (u16)d, .byte = s[d - 1] };
	}
	struct mask_node *last = &tr->node[at[len]];
	tr->same[id] = last->token;
	last->same = last->token != LAYOUT_NONE;
	last->token = id;
	tr->depth_max = MAX(tr->depth_max, (u32)len);
}

static void fill(struct mask_trie *tr, const struct tok *t, const u32 *id, u32 n)
{
	u32 at[TOKEN_BYTES_MAX + 1];
	size_t open = 0;
	const u8 *last = NULL;
	for (u32 i = 0; i < n; i++) {
		size_t len;
		const u8 *s = tok_bytes(t, id[i], &len);
		add(tr, at, common(last, open, s, len), open, s, len, id[i]);
		last = s;
		open = len;
	}
	for (; open; open--)
		tr->node[at[open]].end = tr->n;
}

static int build(struct mask_trie *tr, const struct tok *t, u32 *id)
{
	u32 n = 0, words = DIV_UP(tr->n_vocab, 64u);
	tr->ends = calloc(words, sizeof *tr->ends);
	tr->silent = calloc(words, sizeof *tr->silent);
	tr->same = calloc(tr->n_vocab, sizeof *tr->same);
	if (!tr->ends || !tr->silent || !tr->same)
		return -ENOMEM;
	for (u32 i = 0; i < tr->n_vocab; i++) {
		size_t len;
		(void)tok_bytes(t, i, &len);
		if (tok_ends(t, i))
			tr->ends[i / 64] |= 1ull << i % 64;
		else if (len == 0)
			tr->silent[i / 64] |= 1ull << i % 64;
		else
			id[n++] = i;
	}
	qsort_r(id, n, sizeof *id, by_bytes, (void *)(uintptr_t)t);
	size_t nodes = MAX(count_nodes(t, id, n), (size_t)1);
	tr->node = calloc(nodes, sizeof *tr->node);
	if (!tr->node)
		return -ENOMEM;
	fill(tr, t, id, n);
	return 0;
}

int mask_trie_create(const struct tok *t, struct mask_trie *ret)
{
	struct mask_trie tr = { .n_vocab = tok_n_vocab(t) };
	u32 *id = calloc(tr.n_vocab, sizeof *id);
	int r = id ? build(&tr, t, id) : -ENOMEM;
	free(id);
	if (r) {
		mask_trie_fini(&tr);
		return r;
	}
	*ret = tr;
	return 0;
}

void mask_trie_fini(struct mask_trie *t)
{
	void *const parts[] = { t->node, t->same, t->ends, t->silent };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	*t = (struct mask_trie){ 0 };
}
