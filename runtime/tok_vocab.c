#define _GNU_SOURCE
#include "runtime/tok_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A table at most half full of texts that were not made to collide needs a few dozen. Beyond this somebody chose them. */
#define PROBES_MAX 1024u

u64 tok_mix(u64 a, u64 b)
{
	unsigned __int128 p = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd1b54a32d192ed03ull);
	return (u64)p ^ (u64)(p >> 64);
}

static u64 text_hash(const void *text, size_t len)
{
	const u8 *p = text;
	u64 h = len, w;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		h = tok_mix(h, w);
	}
	w = 0;
	memcpy(&w, p, len);
	return tok_mix(h, w);
}

int tok_table_init(struct tok_table *tab, size_t n)
{
	size_t cap = 16;
	while (cap < 2 * n)
		cap *= 2;
	tab->slot = malloc(cap * sizeof *tab->slot);
	if (!tab->slot)
		return -ENOMEM;
	memset(tab->slot, 0xff, cap * sizeof *tab->slot);
	tab->mask = (u32)(cap - 1);
	return 0;
}

struct layout_str tok_string(const struct tok *t, u32 id)
{
	return id < t->n_vocab ? t->l.vocab[id].text : t->extra[id - t->n_vocab];
}

/* The slot of that text, or the free one where it would go; NULL after too many probes. */
static u32 *slot_of(const struct tok *t, const void *text, size_t len)
{
	u32 at = (u32)text_hash(text, len);
	for (u32 n = 0; n < PROBES_MAX; n++, at++) {
		u32 *slot = &t->table.slot[at & t->table.mask];
		if (*slot == LAYOUT_NONE)
			return slot;
		struct layout_str s = tok_string(t, *slot);
		if (s.len == len && memcmp(t->l.strings + s.off, text, len) == 0)
			return slot;
	}
	return NULL;
}

u32 tok_text_find(const struct tok *t, const void *text, size_t len)
{
	if (len == 0 || len > t->text_len_max)
		return LAYOUT_NONE;
	const u32 *slot = slot_of(t, text, len);
	return slot ? *slot : LAYOUT_NONE;
}

int tok_text_add(struct tok *t, struct layout_str text, u32 *ret, const char **ret_why)
{
	u32 *slot = slot_of(t, t->l.strings + text.off, text.len);
	if (!slot) {
		*ret_why = "texts of the vocabulary were chosen to collide";
		return 1;
	}
	if (*slot == LAYOUT_NONE) {
		*slot = t->n_vocab + t->n_extra;
		t->extra[t->n_extra++] = text;
		t->text_len_max = MAX(t->text_len_max, text.len);
	}
	*ret = *slot;
	return 0;
}

/* ---- which tokens are special -------------------------------------------------------------------------------------------- */

static bool text_is(const struct tok *t, u32 id, const char *s)
{
	struct layout_str x = t->l.vocab[id].text;
	return x.len == strlen(s) && memcmp(t->l.strings + x.off, s, x.len) == 0;
}

/* Names that end a turn in the models that are out there; a vocabulary seldom says so itself. */
static const char *const END_NAMES[] = {
	"</s>",
	"<eos>",
	"[EOS]",
	"<EOT>",
	"_<EOT>",
	"[EOT]", /* the oldest */
	"<|endoftext|>",
	"<|end_of_text|>",
	"<|eot_id|>",
	"<|eom_id|>",
	"<|im_end|>",
	"<|end|>",
	"<|return|>",
	"<|call|>",
	"<|calls|>",
	"<|flush|>",
	"<end_of_turn>",
	"<turn|>",
	"<end_of_utterance>",
	"<|tool_response>", /* gemma 4: the answer of a tool follows */
	"<|ifm|im_end|>",
	"[e~[",
	"<\xef\xbd\x9c\145nd\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>", /* 145: e */
	/* between the files of a repository, in models that complete code */
	"<|fim_pad|>",
	"<fim-pad>",
	"<fim_pad>",
	"<PAD>",
	"<|fim_repo|>",
	"<|repo_name|>",
	"<fim-repo>",
	"<REPO>",
	"<reponame>",
	"<|file_sep|>",
};

static bool bracketed(const struct tok *t, u32 id)
{
	struct layout_str x = t->l.vocab[id].text;
	const char *s = t->l.strings + x.off;
	return x.len >= 3 && (*s == '<' || *s == '[') && (s[x.len - 1] == '>' || s[x.len - 1] == ']');
}

static u32 token_named(const struct tok *t, const char *name)
{
	for (u32 id = 0; id < t->n_vocab; id++)
		if (text_is(t, id, name))
			return id;
	return LAYOUT_NONE;
}

static bool both(const struct tok *t, const char *a, const char *b)
{
	return token_named(t, a) != LAYOUT_NONE && token_named(t, b) != LAYOUT_NONE;
}

static void classify(struct tok *t)
{
	const struct layout_header *h = t->l.h;
	for (u32 id = 0; id < t->n_vocab; id++) {
		t->type[id] = (u8)t->l.vocab[id].type;
		for (size_t i = 0; i < ARRAY_LEN(END_NAMES); i++)
			if (text_is(t, id, END_NAMES[i])) {
				t->ends[id] = 1;
				t->type[id] = TOK_CONTROL;
			}
	}
	/* where there are these, <|end|> only ends a part of the answer */
	u32 end = token_named(t, "<|end|>");
	if (end != LAYOUT_NONE && (both(t, "<|return|>", "<|call|>") || both(t, "<|calls|>", "<|flush|>")))
		t->ends[end] = 0;
	/* where a turn ends so, </s> is a text like others */
	u32 closing = token_named(t, "</s>");
	if (closing != LAYOUT_NONE && closing != h->eos && both(t, "</s>", "<|tool_response>")) {
		t->ends[closing] = 0;
		t->type[closing] = TOK_NORMAL;
	}
	const u32 named[] = { h->bos, h->eos, h->eot };
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (named[i] < t->n_vocab && bracketed(t, named[i]))
			t->type[named[i]] = TOK_CONTROL;
	if (h->eos < t->n_vocab)
		t->ends[h->eos] = 1;
	if (h->eot < t->n_vocab)
		t->ends[h->eot] = 1;
}

/* Models have tokens of the user-defined kind that a chat is built with: <tool_call>, <think>. They are those in brackets that stand in the
 * template. */
static void marks_find(struct tok *t)
{
	struct layout_str whole = t->l.h->chat_template;
	const char *s = t->l.strings;
	for (u32 id = 0; whole.len && id < t->n_vocab; id++) {
		struct layout_str x = t->l.vocab[id].text;
		t->marks[id] = t->type[id] == TOK_USER && bracketed(t, id) &&
			       memmem(s + whole.off, whole.len, s + x.off, x.len);
	}
}

bool tok_is_piece(const struct tok *t, u32 id)
{
	u8 type = t->type[id];
	return !t->marks[id] && (type == TOK_NORMAL || type == TOK_USER || type == TOK_UNUSED);
}

/* ---- what tokens look like in text --------------------------------------------------------------------------------------- */

static int hex_digit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "<0x0A>": 10; -1 for any other text. */
static int byte_named(const u8 *s, size_t len)
{
	if (len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
		return -1;
	int hi = hex_digit(s[3]), lo = hex_digit(s[4]);
	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/* All but byte-level BPE: U+2581 stands for a blank. */
static size_t spm_bytes(u32 type, const u8 *s, size_t len, u8 *out)
{
	int b = type == TOK_BYTE ? byte_named(s, len) : -1;
	size_t n = 0;
	if (b >= 0) {
		out[n++] = (u8)b;
		return n;
	}
	for (size_t i = 0; i < len; i++) {
		if (type == TOK_NORMAL && i + 2 < len && memcmp(s + i, "\xe2\x96\x81", 3) == 0) {
			out[n++] = ' ';
			i += 2;
		} else {
			out[n++] = s[i];
		}
	}
	return n;
}

static size_t bpe_bytes(u32 type, const u8 *s, size_t len, u8 *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len;) {
		u32 cp;
		int k = tok_utf8(s + i, len - i, &cp);
		int b = k > 0 && type == TOK_NORMAL ? tok_bpe_byte(cp) : -1;
		size_t step = k > 0 ? (size_t)k : 1;
		if (b >= 0) {
			out[n++] = (u8)b;
		} else {
			memcpy(out + n, s + i, step);
			n += step;
		}
		i += step;
	}
	return n;
}

static void spell(struct tok *t)
{
	bool spm = t->l.h->tok_model != LAYOUT_TOK_BPE;
	u32 n = 0;
	for (u32 id = 0; id < t->n_vocab; id++) {
		struct layout_str x = t->l.vocab[id].text;
		const u8 *s = (const u8 *)t->l.strings + x.off;
		u32 type = t->type[id];
		t->off[id] = n;
		if (type == TOK_NORMAL || type == TOK_USER || type == TOK_BYTE)
			n += (u32)(spm ? spm_bytes(type, s, x.len, t->bytes + n)
				       : bpe_bytes(type, s, x.len, t->bytes + n));
	}
	t->off[t->n_vocab] = n;
}

int tok_unknown_check(const struct tok *t, const char **ret_why)
{
	const struct layout_header *h = t->l.h;
	if (h->unk >= t->n_vocab)
		*ret_why = "the vocabulary lacks byte tokens and has no unknown token";
	else if (t->ends[h->unk] || h->unk == h->bos)
		*ret_why = "the unknown token of the vocabulary begins or ends a text";
	else
		return 0;
	return 1;
}

/* ---- building ------------------------------------------------------------------------------------------------------------ */

static int texts_check(const struct tok *t, size_t *ret_bytes, const char **ret_why)
{
	size_t bytes = 0;
	for (u32 id = 0; id < t->n_vocab; id++) {
		bytes += t->l.vocab[id].text.len;
		if (t->l.vocab[id].text.len > TOKEN_BYTES_MAX) {
			*ret_why = "a token is longer than TOKEN_BYTES_MAX";
			return 1;
		}
	}
	if (bytes > UINT32_MAX) {
		*ret_why = "the texts of the vocabulary are too long together";
		return 1;
	}
	*ret_bytes = bytes;
	return 0;
}

static int texts_index(struct tok *t, const char **ret_why)
{
	for (u32 id = 0; id < t->n_vocab; id++) {
		struct layout_str x = t->l.vocab[id].text;
		if (x.len == 0 || t->type[id] == TOK_CONTROL || t->marks[id])
			continue;
		u32 *slot = slot_of(t, t->l.strings + x.off, x.len);
		if (!slot) {
			*ret_why = "texts of the vocabulary were chosen to collide";
			return 1;
		}
		*slot = id; /* of equal texts the last counts, as elsewhere */
		t->text_len_max = MAX(t->text_len_max, x.len);
	}
	return 0;
}

int tok_vocab_init(struct tok *t, const char **ret_why)
{
	size_t bytes;
	int r = texts_check(t, &bytes, ret_why);
	if (r)
		return r;
	t->type = calloc(t->n_vocab, 1);
	t->ends = calloc(t->n_vocab, 1);
	t->marks = calloc(t->n_vocab, 1);
	t->off = calloc((size_t)t->n_vocab + 1, sizeof *t->off);
	t->bytes = malloc(bytes + 1);
	size_t n_extra_max = 2 * (size_t)t->l.h->n_merges + 256;
	t->extra = calloc(n_extra_max, sizeof *t->extra);
	if (!t->type || !t->ends || !t->marks || !t->off || !t->bytes || !t->extra)
		return -ENOMEM;
	r = tok_table_init(&t->table, t->n_vocab + n_extra_max);
	if (r)
		return r;
	classify(t);
	marks_find(t);
	spell(t);
	return texts_index(t, ret_why);
}
