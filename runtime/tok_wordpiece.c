/* WordPiece as BERT has it: controls are dropped, accents and capitals too where the model says so, words end at white space, every mark of
 * punctuation and every CJK ideograph is a word; a word is the longest tokens from left to right, or unknown as a whole. The first token of a
 * word begins with U+2581 in the vocabulary, the others do not (so GGUF has it; "##" stands in front of those elsewhere). */
#include "runtime/tok_pre.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>

#define WORD_CHARS_MAX 100u	      /* a longer word is unknown: BERT's constant */
#define BLANK	       "\xe2\x96\x81" /* U+2581 */

struct word {
	const struct tok *t;
	struct tok_work *w; /* buf: the word under way, U+2581 in front */
	struct tok_ids *ids;
	u32 chars;
};

int tok_wordpiece_init(struct tok *t, const char **ret_why)
{
	int r = tok_unknown_check(t, ret_why);
	return r ? r : tok_trie_init(&t->trie, t, tok_is_piece);
}

/* ---- a word ------------------------------------------------------------------------------------------------------------------ */

/* The longest token that s begins with; its bytes, 0 if there is none. */
static size_t longest(const struct tok_trie *trie, const u8 *s, size_t len, u32 *ret_id)
{
	size_t found = 0;
	u32 node = 0;
	for (size_t i = 0; i < len && (node = tok_trie_step(trie, node, s[i])); i++)
		if (trie->id[node] != LAYOUT_NONE) {
			*ret_id = trie->id[node];
			found = i + 1;
		}
	return found;
}

static int word_end(struct word *x)
{
	size_t floor = x->ids->n, n;
	const u8 *s = x->w->buf;
	u32 id, chars = x->chars;
	x->chars = 0;
	if (chars == 0)
		return 0;
	for (size_t at = 0; chars <= WORD_CHARS_MAX && at < x->w->n_buf; at += n) {
		n = longest(&x->t->trie, s + at, x->w->n_buf - at, &id);
		int r = n ? tok_ids_add(x->ids, id) : 0;
		if (r)
			return r;
		if (!n) {
			x->ids->n = floor;
			break;
		}
	}
	return x->ids->n > floor ? 0 : tok_ids_add(x->ids, x->t->l.h->unk);
}

static int char_put(struct word *x, u32 cp)
{
	u8 s[4];
	int r = 0;
	if (x->chars == 0) {
		x->w->n_buf = 0;
		r = tok_work_put(x->w, BLANK, 3);
	}
	if (!r && x->chars <= WORD_CHARS_MAX) /* one too many is enough to know */
		r = tok_work_put(x->w, s, (size_t)utf8proc_encode_char((utf8proc_int32_t)cp, s));
	x->chars += x->chars <= WORD_CHARS_MAX;
	return r;
}

/* ---- characters -------------------------------------------------------------------------------------------------------------- */

/* Controls, formats, private and unassigned characters: gone. Tabulators and line ends are white space. */
static bool is_dropped(u32 cp)
{
	if (cp == '\t' || cp == '\n' || cp == '\r')
		return false;
	return cp == 0xfffd || tok_is_control(cp);
}

/* As the models were trained: the blocks of extension E begin at U+2B920 there. */
static bool is_ideograph(u32 cp)
{
	return (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3400 && cp <= 0x4dbf) ||
	       (cp >= 0x20000 && cp <= 0x2a6df) || (cp >= 0x2a700 && cp <= 0x2b73f) ||
	       (cp >= 0x2b740 && cp <= 0x2b81f) || (cp >= 0x2b920 && cp <= 0x2ceaf) ||
	       (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x2f800 && cp <= 0x2fa1f);
}

static bool is_punct(u32 cp)
{
	if (cp < 0x80)
		return cp > ' ' && cp < 0x7f && !(cp >= '0' && cp <= '9') && !(cp >= 'a' && cp <= 'z') &&
		       !(cp >= 'A' && cp <= 'Z');
	return tok_is_punctuation(cp);
}

/* A character behind the normaliser; alone: it is a word of its own. */
static int char_take(struct word *x, u32 cp, bool alone)
{
	alone = alone || is_punct(cp);
	int r = alone ? word_end(x) : 0;
	r = r ? r : char_put(x, cp);
	return r || !alone ? r : word_end(x);
}

static int char_lower(struct word *x, u32 cp, bool alone)
{
	if (!(x->t->l.h->tok_flags & LAYOUT_LOWERCASE))
		return char_take(x, cp, alone);
	int r = char_take(x, (u32)utf8proc_tolower((utf8proc_int32_t)cp), alone);
	if (!r && cp == 0x130) /* the only one whose small letter is two characters */
		r = char_take(x, 0x307, false);
	return r;
}

/* Taken apart, without what stands above and below letters. */
static int char_plain(struct word *x, u32 cp, bool alone)
{
	utf8proc_int32_t parts[32];
	int boundclass = 0, r = 0;
	if (!(x->t->l.h->tok_flags & LAYOUT_NO_ACCENTS))
		return char_lower(x, cp, alone);
	utf8proc_ssize_t n = utf8proc_decompose_char(
		(utf8proc_int32_t)cp, parts, ARRAY_LEN(parts), UTF8PROC_DECOMPOSE, &boundclass);
	for (utf8proc_ssize_t i = 0; !r && i < MIN(n, (utf8proc_ssize_t)ARRAY_LEN(parts)); i++)
		if (utf8proc_category(parts[i]) != UTF8PROC_CATEGORY_MN)
			r = char_lower(x, (u32)parts[i], alone);
	return r;
}

int tok_wordpiece_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, struct tok_ids *ids)
{
	struct word x = { t, w, ids, 0 };
	int r = 0, n;
	for (size_t at = 0; !r && at<len; at += n> 0 ? (size_t)n : 1) {
		u32 cp = 0;
		n = tok_utf8(text + at, len - at, &cp);
		if (n <= 0 || is_dropped(cp))
			continue;
		if (tok_is_space(cp))
			r = word_end(&x);
		else
			r = char_plain(&x, cp, is_ideograph(cp));
	}
	return r ? r : word_end(&x);
}
