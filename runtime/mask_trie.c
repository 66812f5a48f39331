#define _GNU_SOURCE
#include "runtime/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct work {
	struct mask_trie *tr;
	const struct tok *t;
	u32 *id; /* tokens of the trie that is made */
	u32 n;
};

const u8 *mask_token_bytes(const struct mask_trie *tr, const struct tok *t, u32 id, size_t *ret_len)
{
	if (id >= tr->n_vocab || tr->name[id] == LAYOUT_NONE)
		return tok_bytes(t, id, ret_len);
	const u8 *p = tr->names + tr->name[id];
	*ret_len = (size_t)(p[0] | p[1] << 8);
	return p + 2;
}

/* ---- names of control tokens --------------------------------------------------------------------------------------------- */

static int names(struct work *w)
{
	struct mask_trie *tr = w->tr;
	size_t n = 0, len;
	for (u32 i = 0; i < tr->n_vocab; i++)
		n += tok_name(w->t, i, &len) ? len + 4 : 0;
	tr->names = malloc(n + 1);
	tr->name = malloc((tr->n_vocab + 1) * sizeof *tr->name);
	if (!tr->names || !tr->name)
		return -ENOMEM;
	n = 0;
	for (u32 i = 0; i < tr->n_vocab; i++) {
		const char *s = tok_name(w->t, i, &len);
		bool said = s && len && !tok_ends(w->t, i) && !memchr(s, GRAMMAR_CONTROL, len);
		tr->name[i] = said ? (u32)n : LAYOUT_NONE;
		if (!said)
			continue;
		tr->names[n++] = (u8)(len + 2);
		tr->names[n++] = (u8)((len + 2) >> 8);
		tr->names[n++] = GRAMMAR_CONTROL;
		memcpy(tr->names + n, s, len);
		n += len;
		tr->names[n++] = GRAMMAR_CONTROL;
	}
	return 0;
}

/* ---- which are plain ----------------------------------------------------------------------------------------------------- */

static u32 char_len(u8 c)
{
	return c < 0x80		       ? 1
	       : c >= 0xc2 && c < 0xe0 ? 2
	       : (c & 0xf0) == 0xe0    ? 3
	       : c >= 0xf0 && c < 0xf5 ? 4
				       : 0;
}

/* A whole character of Unicode at s, n bytes are left. */
static bool whole(const u8 *s, size_t n)
{
	u32 len = char_len(s[0]);
	if (len == 0 || len > n)
		return false;
	for (u32 i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return false;
	u8 a = s[0], b = len > 1 ? s[1] : 0;
	return !(a == 0xe0 && b < 0xa0) && !(a == 0xed && b > 0x9f) && !(a == 0xf0 && b < 0x90) &&
	       !(a == 0xf4 && b > 0x8f);
}

/* How many characters; 0: it is not plain. */
static u32 plain_chars(const u8 *s, size_t n)
{
	u32 chars = 0;
	for (size_t i = 0; i < n; i += char_len(s[i]), chars++)
		if (s[i] < 0x20 || s[i] == '"' || s[i] == '\\' || s[i] == '<' || !whole(s + i, n - i))
			return 0;
	return chars <= MASK_PLAIN_CHARS ? chars : 0;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------------- */

static const u8 *bytes_of(const struct work *w, u32 id, size_t *ret_len)
{
	return mask_token_bytes(w->tr, w->t, id, ret_len);
}

static int by_bytes(const void *a, const void *b, void *arg)
{
	const struct work *w = arg;
	u32 ia = *(const u32 *)a, ib = *(const u32 *)b;
	size_t na, nb;
	const u8 *x = bytes_of(w, ia, &na), *y = bytes_of(w, ib, &nb);
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

static size_t count_nodes(const struct work *w)
{
	size_t nodes = 0, before = 0;
	const u8 *last = NULL;
	for (u32 i = 0; i < w->n; i++) {
		size_t len;
		const u8 *s = bytes_of(w, w->id[i], &len);
		nodes += len - common(last, before, s, len);
		last = s;
		before = len;
	}
	return nodes;
}

/* The nodes of one text behind those that it shares with the last; at[d] is the open node of depth d. */
static void add(struct mask_nodes *to, u32 *at, size_t shared, size_t open, const u8 *s, size_t len)
{
	for (size_t d = open; d > shared; d--)
		to->v[at[d]].end = to->n;
	for (size_t d = shared + 1; d <= len; d++) {
		at[d] = to->n;
		to->v[to->n++] =
			(struct mask_node){ .token = LAYOUT_NONE, .depth = (u16)d, .byte = s[d - 1] };
	}
}

static void fill(const struct work *w, struct mask_nodes *to)
{
	u32 at[TOKEN_BYTES_MAX + 3];
	size_t open = 0;
	const u8 *last = NULL;
	for (u32 i = 0; i < w->n; i++) {
		size_t len;
		const u8 *s = bytes_of(w, w->id[i], &len);
		add(to, at, common(last, open, s, len), open, s, len);
		struct mask_node *end = &to->v[at[len]];
		w->tr->same[w->id[i]] = end->token;
		end->same = end->token != LAYOUT_NONE;
		end->token = w->id[i];
		last = s;
		open = len;
	}
	for (; open; open--)
		to->v[at[open]].end = to->n;
}

/* Tokens of the same bytes are all plain or all not: `same` is right for both tries. */
static int make(struct work *w, struct mask_nodes *to)
{
	to->v = calloc(MAX(count_nodes(w), (size_t)1), sizeof *to->v);
	if (!to->v)
		return -ENOMEM;
	fill(w, to);
	return 0;
}

static void sort_out(struct work *w)
{
	struct mask_trie *tr = w->tr;
	for (u32 i = 0; i < tr->n_vocab; i++) {
		size_t len;
		bool control = tr->name[i] != LAYOUT_NONE;
		const u8 *s = bytes_of(w, i, &len);
		u64 bit = 1ull << i % 64;
		if (tok_ends(w->t, i))
			tr->ends[i / 64] |= bit;
		else if (len && (control || !memchr(s, GRAMMAR_CONTROL, len)))
			w->id[w->n++] = i;
		else
			continue;
		if (control || tok_ends(w->t, i))
			continue;
		tr->text[i / 64] |= bit;
		for (u32 n = plain_chars(s, len); n && n <= MASK_PLAIN_CHARS; n++)
			tr->plain[n][i / 64] |= bit;
	}
}

static int build(struct work *w)
{
	struct mask_trie *tr = w->tr;
	u32 words = DIV_UP(tr->n_vocab, 64u), n = 0;
	tr->ends = calloc(words, sizeof *tr->ends);
	u64 *plain = calloc((MASK_PLAIN_CHARS + 1) * (size_t)words, sizeof *plain);
	for (u32 i = 0; plain && i <= MASK_PLAIN_CHARS; i++)
		tr->plain[i] = plain + (size_t)i * words;
	tr->text = calloc(words, sizeof *tr->text);
	tr->same = calloc(tr->n_vocab, sizeof *tr->same);
	if (!tr->ends || !plain || !tr->text || !tr->same || names(w))
		return -ENOMEM;
	sort_out(w);
	qsort_r(w->id, w->n, sizeof *w->id, by_bytes, w);
	int r = make(w, &tr->all);
	for (u32 i = 0; i < w->n; i++)
		if (!(tr->plain[MASK_PLAIN_CHARS][w->id[i] / 64] >> w->id[i] % 64 & 1))
			w->id[n++] = w->id[i];
	w->n = n;
	return r ? r : make(w, &tr->odd);
}

int mask_trie_create(const struct tok *t, struct mask_trie *ret)
{
	struct mask_trie tr = { .n_vocab = tok_n_vocab(t) };
	struct work w = { .tr = &tr, .t = t, .id = calloc(tr.n_vocab, sizeof *w.id) };
	int r = w.id ? build(&w) : -ENOMEM;
	free(w.id);
	if (r) {
		mask_trie_fini(&tr);
		return r;
	}
	*ret = tr;
	return 0;
}

void mask_trie_fini(struct mask_trie *t)
{
	void *const parts[] = { t->all.v, t->odd.v, t->same, t->ends, t->plain[0], t->text, t->names,
		t->name };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	*t = (struct mask_trie){ 0 };
}
