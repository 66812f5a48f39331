#define _GNU_SOURCE
#include "runtime/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BELOW_MIN 8u /* tokens below a node from which on it is worth to know what they are made of */

struct work {
	struct mask_trie *tr;
	const struct tok *t;
	struct mask_nodes *to;	  /* the part that is made; id[] are its tokens */
	struct mask_below *below; /* [nodes of the part] */
	u32 n;			  /* of to->id */
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

static enum mask_part part_of(const u8 *s, size_t n)
{
	bool word = true;
	if (n > MASK_SHORT_BYTES)
		return MASK_LONG;
	for (size_t i = 0; i < n && word; i++)
		word = s[i] == ' ' || ((s[i] | 0x20u) >= 'a' && (s[i] | 0x20u) <= 'z');
	return plain_chars(s, n) == 0 ? MASK_ODD : word ? MASK_WORDS : MASK_OTHERS;
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
		const u8 *s = bytes_of(w, w->to->id[i], &len);
		nodes += len - common(last, before, s, len);
		last = s;
		before = len;
	}
	return nodes;
}

/* The nodes of token i behind those that it shares with the last; at[d] is the open node of depth d. */
static void add(struct mask_nodes *to, u32 *at, size_t shared, size_t open, u32 i, const u8 *s, size_t len)
{
	for (size_t d = open; d > shared; d--)
		to->v[at[d]].end = to->n;
	for (size_t d = shared + 1; d <= len; d++) {
		at[d] = to->n;
		to->v[to->n++] = (struct mask_node){
			.first = i, .below = LAYOUT_NONE, .depth = (u16)d, .byte = s[d - 1]
		};
	}
}

/* Which character it is, *ret_len bytes; of something that is none, one. */
static u32 char_bit(const u8 *s, size_t n, size_t *ret_len)
{
	*ret_len = 1;
	if (!whole(s, n) || s[0] < MASK_CHAR_ASCII)
		return MASK_CHAR_NONE;
	*ret_len = char_len(s[0]);
	return s[0] < 0x80 ? s[0] : MASK_CHAR_2 + (u32)*ret_len - 2;
}

/* Note a token at the nodes that it goes through: its characters behind each. */
static void note(struct mask_below *below, const u32 *at, const u8 *s, size_t len)
{
	u32 chars = 0;
	for (size_t i = 0, n; i < len; i += n, chars++)
		(void)char_bit(s + i, len - i, &n);
	for (size_t i = 0, n; i < len; i += n, chars--) {
		u32 bit = char_bit(s + i, len - i, &n);
		for (size_t d = 1; d <= i; d++)
			below[at[d]].chars.v[bit / 64] |= 1ull << bit % 64;
		for (size_t d = i + 1; d < i + n; d++) /* inside of a character */
			below[at[d]].chars.v[0] |= 1ull << MASK_CHAR_NONE;
		below[at[i + n]].most = MAX(below[at[i + n]].most, chars - 1);
	}
}

static void fill(const struct work *w)
{
	struct mask_nodes *to = w->to;
	u32 at[TOKEN_BYTES_MAX + 3];
	size_t open = 0;
	const u8 *last = NULL;
	for (u32 i = 0; i < w->n; i++) {
		size_t len;
		const u8 *s = bytes_of(w, to->id[i], &len);
		add(to, at, common(last, open, s, len), open, i, s, len);
		note(w->below, at, s, len);
		last = s;
		open = len;
	}
	for (; open; open--)
		to->v[at[open]].end = to->n;
	to->v[to->n] = (struct mask_node){ .end = to->n, .first = w->n, .below = LAYOUT_NONE };
}

/* Keep what is worth it. */
static int keep_below(const struct work *w)
{
	struct mask_nodes *to = w->to;
	u32 n = 0;
	bool is_long = to == &w->tr->part[MASK_LONG]; /* there nobody asks */
	for (u32 i = 0; i < to->n && !is_long; i++)
		if (to->v[to->v[i].end].first - to->v[i + 1].first >= BELOW_MIN) {
			w->below[n] = w->below[i];
			to->v[i].below = n++;
		}
	to->n_below = n;
	to->below = malloc((n + 1) * sizeof *to->below);
	if (!to->below)
		return -ENOMEM;
	memcpy(to->below, w->below, n * sizeof *to->below);
	return 0;
}

static int make(struct work *w)
{
	qsort_r(w->to->id, w->n, sizeof *w->to->id, by_bytes, w);
	size_t n = count_nodes(w);
	w->to->v = calloc(n + 1, sizeof *w->to->v);
	w->below = calloc(n + 1, sizeof *w->below);
	int r = w->to->v && w->below ? 0 : -ENOMEM;
	if (!r) {
		fill(w);
		r = keep_below(w);
	}
	free(w->below);
	return r;
}

static void set_bit(u64 *bits, u32 id)
{
	bits[id / 64] |= 1ull << id % 64;
}

/* The tokens of each part, n[] of them. */
static void sort_out(const struct tok *t, struct mask_trie *tr, u32 *n)
{
	for (u32 i = 0; i < tr->n_vocab; i++) {
		size_t len;
		bool control = tr->name[i] != LAYOUT_NONE;
		const u8 *s = mask_token_bytes(tr, t, i, &len);
		if (tok_ends(t, i)) {
			set_bit(tr->ends, i);
			continue;
		}
		if (len == 0 || (!control && memchr(s, GRAMMAR_CONTROL, len)))
			continue;
		enum mask_part part = part_of(s, len);
		if (control && part != MASK_LONG)
			part = MASK_ODD;
		tr->part[part].id[n[part]++] = i;
		if (!control)
			set_bit(part == MASK_LONG ? tr->long_text : tr->text, i);
		for (u32 k = plain_chars(s, len); part <= MASK_OTHERS && k <= MASK_PLAIN_CHARS; k++) {
			set_bit(tr->plain[k], i);
			if (part == MASK_WORDS)
				set_bit(tr->words[k], i);
		}
		for (size_t at = 0, n_char; part <= MASK_OTHERS && at < len; at += n_char)
			set_bit(tr->with[char_bit(s + at, len - at, &n_char)], i);
	}
}

static int build(struct work *w)
{
	struct mask_trie *tr = w->tr;
	u32 words = DIV_UP(tr->n_vocab, 64u), n[MASK_PARTS] = { 0 };
	tr->ends = calloc(words, sizeof *tr->ends);
	u64 *plain =
		calloc((2 * (MASK_PLAIN_CHARS + 1) + ARRAY_LEN(tr->with)) * (size_t)words, sizeof *plain);
	for (u32 i = 0; plain && i <= MASK_PLAIN_CHARS; i++) {
		tr->plain[i] = plain + 2 * i * (size_t)words;
		tr->words[i] = tr->plain[i] + words;
	}
	for (u32 i = 0; plain && i < ARRAY_LEN(tr->with); i++)
		tr->with[i] = plain + (2 * (MASK_PLAIN_CHARS + 1) + i) * (size_t)words;
	tr->text = calloc(words, sizeof *tr->text);
	tr->long_text = calloc(words, sizeof *tr->long_text);
	bool room = tr->ends && plain && tr->text && tr->long_text;
	for (u32 i = 0; i < MASK_PARTS; i++)
		room = (tr->part[i].id = calloc(tr->n_vocab, sizeof(u32))) != NULL && room;
	int r = room ? names(w) : -ENOMEM;
	if (!r)
		sort_out(w->t, tr, n);
	for (u32 i = 0; !r && i < MASK_PARTS; i++) {
		w->to = &tr->part[i];
		w->n = n[i];
		r = make(w);
	}
	return r;
}

int mask_trie_create(const struct tok *t, struct mask_trie *ret)
{
	struct mask_trie tr = { .n_vocab = tok_n_vocab(t) };
	struct work w = { .tr = &tr, .t = t };
	int r = build(&w);
	if (r) {
		mask_trie_fini(&tr);
		return r;
	}
	*ret = tr;
	return 0;
}

void mask_trie_fini(struct mask_trie *t)
{
	for (u32 i = 0; i < MASK_PARTS; i++) {
		free(t->part[i].v);
		free(t->part[i].below);
		free(t->part[i].id);
	}
	void *const parts[] = { t->ends, t->plain[0], t->text, t->long_text, t->names, t->name };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		free(parts[i]);
	*t = (struct mask_trie){ 0 };
}
