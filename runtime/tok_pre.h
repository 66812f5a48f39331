/* Inside of the pre-tokenizer: what the regular expressions look at (tok_pre_class.c), how each cuts (tok_pre_cut.c), and which
 * pre-tokenizer is which of them (tok_pre.c). Nobody else includes this. */
#pragma once

#include "runtime/tok_impl.h"

/* STRAY: in no class of deepseek3. */
enum tok_kind { END, LETTER, NUMBER, SPACE, OTHER, STRAY };

struct tok_shape;
/* A text, len > 0, as one regular expression sees it: a byte that belongs to no character is U+FFFD. */
struct tok_text {
	const u8 *s;
	size_t len;
	const struct tok_shape *shape;
};

/* The bytes of the first piece of x: what the expression finds at its beginning, else all that lies in front of what it finds. */
typedef size_t tok_cut(struct tok_text x);

/* A pre-tokenizer: each expression cuts the pieces of the one before it, NULL behind the last. */
struct tok_shape {
	tok_cut *cut[TOK_PRE_CUTS];
	u32 digits;	   /* so many numbers are a word at most */
	const char *tail;  /* bytes that follow OTHER in its word */
	bool marks;	   /* a mark is a letter */
	bool marks_too;	   /* behind OTHER also one of those */
	bool strays;	   /* OTHER are only punctuation and symbols, the rest is STRAY */
	bool apostrophes;  /* gpt-4o: 's belongs to the word before it */
	bool undivided;	   /* gpt-4o: capitals begin no word */
	bool contractions; /* llama-3: 's is a word */
	bool whole;	   /* a word that is a token is that token, whatever the merges say */
};

/* ---- tok_pre_class.c ----------------------------------------------------------------------------------------------------------- */

/* The kind of the character at byte at, and its bytes; END and 0 at the end. */
enum tok_kind tok_look(struct tok_text x, size_t at, size_t *ret_n);
/* Where the run of characters of kind c that begins at byte at ends. */
size_t tok_run(struct tok_text x, size_t at, enum tok_kind c);
/* Bytes of the character at byte at if it is of that class, else 0; 0 at the end. */
size_t tok_len_if(struct tok_text x, size_t at, bool (*class)(u32 cp));
/* Where the run of at most max characters of that class that begins at byte at ends. */
size_t tok_run_if(struct tok_text x, size_t at, u32 max, bool (*class)(u32 cp));
/* Where the character at byte at, which is not the end, ends. */
size_t tok_next(struct tok_text x, size_t at);
u8 tok_byte_at(struct tok_text x, size_t at); /* 0 at the end */

bool tok_is_space(u32 cp);
bool tok_is_letter(u32 cp);
bool tok_is_mark(u32 cp);
bool tok_is_number(u32 cp);
bool tok_is_punctuation(u32 cp);
bool tok_is_control(u32 cp);	   /* \p{C}: also formats, private and unassigned characters */
bool tok_is_punct_default(u32 cp); /* [\p{P}$+<=>^~|] */
bool tok_is_punct_falcon(u32 cp);  /* [\p{P}$+<=>^~|`] */
bool tok_is_ideograph_or_kana(u32 cp);
bool tok_is_han(u32 cp);	    /* as kimi-k2 has it */
bool tok_is_cased_deepseek(u32 cp); /* letters with case, as deepseek-llm has them */
bool tok_is_punct_deepseek(u32 cp);
bool tok_is_cjk_deepseek(u32 cp);
bool tok_is_not_poro(u32 cp); /* what does not end a word of poro */
/* Which of youtu's classes of East Asian characters, 1..4; 0 none. */
u32 tok_class_youtu(u32 cp);

/* ---- tok_pre_cut.c ------------------------------------------------------------------------------------------------------------- */

tok_cut tok_cut_llama3, tok_cut_gpt4o, tok_cut_gpt2, tok_cut_deepseek3, tok_cut_kimi, tok_cut_exaone;
tok_cut tok_cut_each_number, tok_cut_three_numbers, tok_cut_number_runs, tok_cut_triples;
tok_cut tok_cut_punct_default, tok_cut_punct_falcon, tok_cut_ideographs, tok_cut_asian_youtu;
tok_cut tok_cut_each_newline, tok_cut_lines, tok_cut_tail, tok_cut_blanks_by_powers;
tok_cut tok_cut_cased, tok_cut_punct_deepseek, tok_cut_cjk_deepseek, tok_cut_letters, tok_cut_punct,
	tok_cut_poro;
