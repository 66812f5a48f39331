/* Inside of the tokenizer: what tok_*.c share. Nobody else includes this but their tests. */
#pragma once

#include "runtime/tok.h"

/* ---- texts to ids: one open-addressing table over strings that lie in the layout ----------------------------------------- */

struct tok_table {
	u32 *slot; /* ids, LAYOUT_NONE where free */
	u32 mask;
};

/* ---- a heap of triples, smallest first ----------------------------------------------------------------------------------- */

struct tok_job {
	u32 key, pos, size; /* compared in this order */
};
struct tok_heap {
	struct tok_job *job;
	size_t n, cap;
	u64 pushes; /* ever: what the bounded-work test counts */
};
_must_use_ int tok_heap_push(struct tok_heap *h, struct tok_job job); /* 0; -ENOMEM */
struct tok_job tok_heap_pop(struct tok_heap *h);

/* ---- a trie over texts --------------------------------------------------------------------------------------------------- */

struct tok_trie {
	u32 *child; /* node i has the children child[i] to child[i + 1]; node 0 is the root */
	u32 *id;    /* the token that ends at a node; LAYOUT_NONE */
	u8 *label;  /* the byte that leads to a node */
	u32 n;
};

/* ---- the tokenizer ------------------------------------------------------------------------------------------------------- */

struct tok {
	struct layout l;
	u32 n_vocab;
	u8 *type; /* enum layout_tok_type, corrected for tokens that are known to end a turn */
	u8 *ends; /* 1 where the token ends a generation */
	u8 *marks; /* 1 where the chat template builds with a user-defined token: to be had from trusted text only */
	u32 *off; /* n_vocab + 1 offsets into bytes */
	u8 *bytes;

	/* Texts that may be met in text: every token but control tokens. From n_vocab on: extra[], strings that only merges know. */
	struct tok_table table;
	struct layout_str *extra;
	u32 n_extra;
	u32 text_len_max;
	u32 byte_id[256]; /* the token of one byte; BPE: LAYOUT_NONE or a string where there is none */

	/* Special tokens, sorted by text; first[b]..first[b + 1] begin with byte b. */
	u32 *special;
	u32 n_special;
	u32 first[257];

	bool split_at_blank; /* SPM, unigram: no token crosses from another character into U+2581 */

	/* unigram and WordPiece: the tokens that text can become */
	struct tok_trie trie;
	f64 unk_score;	/* unigram: of a character that is no token */
	bool has_bytes; /* unigram: such a character is its bytes */

	/* unigram: a double array of n_units, then texts that end with 0 (tok_normal.c) */
	const u8 *units, *values;
	u32 n_units, values_bytes;

	/* BPE: merge i joins the strings left[i] and right[i] to result[i] (LAYOUT_NONE: a string nobody knows). */
	u32 *left, *right, *result;
	struct tok_table merges;
	u8 byte_char[256][2]; /* the character of one byte in UTF-8 */
	u8 byte_char_len[256];
	u32 byte_string[256]; /* the string of one byte's character, LAYOUT_NONE where nobody knows it */
};

/* Unigram: the best way to a place. */
struct tok_best {
	f64 score;
	u32 from, id;
};

/* Memory of one tok_encode, reused from word to word. */
struct tok_symbol {
	u32 off, len;	/* bytes of the word; len 0 once merged away */
	u32 prev, next; /* indices, LAYOUT_NONE at the ends */
	u32 string;	/* BPE: which string this is, LAYOUT_NONE if nobody knows it */
};
struct tok_work {
	struct tok_heap heap;
	struct tok_symbol *sym;
	size_t n_sym, cap_sym;
	u8 *buf;
	size_t n_buf, cap_buf;
	struct tok_best *best;
	size_t cap_best;
};
void tok_work_fini(struct tok_work *w);
_must_use_ int tok_work_buf(struct tok_work *w, size_t n); /* at least n bytes in buf; 0; -ENOMEM */
_must_use_ int tok_work_put(
	struct tok_work *w, const void *s, size_t n); /* behind the n_buf bytes of buf; 0; -ENOMEM */
/* Room for n symbols, none yet. 0; -ENOMEM; -EOVERFLOW more than 2^31. */
_must_use_ int tok_work_symbols(struct tok_work *w, size_t n);
void tok_work_symbol_add(struct tok_work *w, u32 off, u32 len, u32 string);
/* Take the right neighbour of symbol i into it. */
void tok_work_join(struct tok_work *w, u32 i);

/* As tok_encode, with the caller's memory; the heap's count of pushes stays there to be read. */
_must_use_ int tok_encode_with(const struct tok *t, struct tok_work *w, const u8 *text, size_t len,
	bool trusted, bool first, struct tok_ids *ids);

/* tok_vocab.c */
_must_use_ int tok_vocab_init(struct tok *t, const char **ret_why);
/* Is there an unknown token for text that is no token, and one that a text may hold: neither beginning nor end? 0; 1 *ret_why. */
_must_use_ int tok_unknown_check(const struct tok *t, const char **ret_why);
/* Can text become that token? Not where it is a control token, stands for bytes, or marks the parts of a chat. */
bool tok_is_piece(const struct tok *t, u32 id);
struct layout_str tok_string(const struct tok *t, u32 id);
/* The token, or string from n_vocab on, of that text; LAYOUT_NONE if there is none. Never a control token. */
u32 tok_text_find(const struct tok *t, const void *text, size_t len);
/* As the above; an unknown text becomes an extra string. 0; 1 *ret_why. Room for it was made before. */
_must_use_ int tok_text_add(struct tok *t, struct layout_str text, u32 *ret, const char **ret_why);
_must_use_ int tok_table_init(struct tok_table *tab, size_t n);
u64 tok_mix(u64 a, u64 b);

/* tok_special.c: special tokens in a text, from left to right. */
struct tok_match {
	u32 pos, len, id;
};
struct tok_matches {
	struct tok_match *m;
	size_t n, cap;
};
_must_use_ int tok_special_init(struct tok *t, const char **ret_why);
/* As llama.cpp does it: the longest token of all takes its places first, then the next; within one token from left to right.
 * Trusted: control, user-defined and unknown tokens; else only user-defined ones. 0; -ENOMEM. */
_must_use_ int tok_special_find(const struct tok *t, struct tok_work *w, const u8 *text, size_t len,
	bool trusted, struct tok_matches *ret);
/* For qsort_r over ids, with the struct tok behind: by the bytes of their texts, then by id. */
int tok_by_text(const void *a, const void *b, void *arg);

/* tok_trie.c */
_must_use_ int tok_trie_init(struct tok_trie *trie, const struct tok *t,
	bool (*takes)(const struct tok *t, u32 id)); /* 0; -ENOMEM */
void tok_trie_fini(struct tok_trie *trie);
/* The child of node that byte b leads to; 0 if there is none. */
u32 tok_trie_step(const struct tok_trie *trie, u32 node, u8 b);

/* tok_spm.c, tok_bpe.c, tok_unigram.c, tok_wordpiece.c: one fragment of text without special tokens. */
_must_use_ int tok_spm_init(struct tok *t, const char **ret_why);
_must_use_ int tok_spm_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank, struct tok_ids *ids);
/* The text with U+2581 for blanks, and one in front if blank, in w->buf. 0; -ENOMEM. */
_must_use_ int tok_spm_escape(struct tok_work *w, const u8 *text, size_t len, bool blank);
/* How far to the next U+2581 that no token can reach across. */
size_t tok_spm_word(const struct tok *t, const u8 *s, size_t len);
/* byte_id of the bytes that have a token, and split_at_blank; how many those are. */
int tok_spm_bytes_init(struct tok *t);
_must_use_ int tok_unigram_init(struct tok *t, const char **ret_why);
_must_use_ int tok_unigram_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank, struct tok_ids *ids);
_must_use_ int tok_wordpiece_init(struct tok *t, const char **ret_why);
_must_use_ int tok_wordpiece_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, struct tok_ids *ids);
_must_use_ int tok_bpe_init(struct tok *t, const char **ret_why);
_must_use_ int tok_bpe_encode(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, struct tok_ids *ids);
/* The byte that a character of byte-level BPE's alphabet stands for, or -1. */
int tok_bpe_byte(u32 cp);

/* tok_normal.c: text as a unigram vocabulary wants it, in w->buf, by the rules of its charsmap, which is a stranger's. */
_must_use_ int tok_normal_init(struct tok *t, const char **ret_why);
_must_use_ int tok_normal(
	const struct tok *t, struct tok_work *w, const u8 *text, size_t len, bool blank); /* 0; -ENOMEM */

/* tok_pre.c: the words of a text, one after the other, by the rules of enum layout_tok_pre. */
#define TOK_PRE_CUTS 6u
struct tok_words {
	u32 pre;
	const u8 *text;
	size_t len, at;
	size_t end[TOK_PRE_CUTS]; /* of the piece that each of its expressions is in; begin with 0 */
};
/* Bytes of the next word, which begins at byte at; 0 behind the last. */
size_t tok_words_next(struct tok_words *w);
/* Is a word that is a token that token, whatever the merges say? */
bool tok_pre_whole(u32 pre);
/* Characters and nodes of a trie that were looked at, ever: what the bounded-work test counts. */
extern _Thread_local u64 tok_looks;

/* tok_stream.c: the character at text[0], len > 0: its bytes, 1..4, and code point. 0: not a character, nor the beginning of one.
 * -1: the beginning of one that is cut off by the end. */
int tok_utf8(const u8 *text, size_t len, u32 *ret_cp);
