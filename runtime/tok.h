/* Tokens: text to ids and back, from the vocabulary in a layout. Knows nothing of devices or files.
 *
 * Control tokens come only from trusted pieces: in text that a user wrote, "<|im_end|>" is ten characters, whatever the vocabulary
 * says; and so do user-defined tokens that the chat template is built with ("<tool_call>"). Time is near-linear in the length of the text, whoever wrote it. */
#pragma once

#include "base/layout.h"

struct tok;

/* A growing list of ids. */
struct tok_ids {
	u32 *id;
	size_t n, cap;
};
void tok_ids_fini(struct tok_ids *ids);
_must_use_ int tok_ids_add(struct tok_ids *ids, u32 id); /* 0; -ENOMEM */

/* The layout stays alive as long as the tokenizer. 0; 1 the vocabulary is not usable (*ret_why); -ENOMEM. */
_must_use_ int tok_create(const struct layout *l, struct tok **ret, const char **ret_why);
struct tok *tok_destroy(struct tok *t);

/* Append the ids of one piece of a prompt. trusted: special tokens (control and user-defined) in the text become their ids.
 * first: nothing of the prompt came before (SentencePiece puts its blank in front of a first piece of text, if the model says so, and
 * also behind a control or user-defined token: in this text, or the last one of ids). Pieces are words of their own: nothing merges
 * across two calls.
 * 0; -ENOMEM. Any bytes are accepted. Invalid UTF-8 is encoded as bytes; for unigram it is U+FFFD, for WordPiece nothing. A byte that the
 * vocabulary has no token for leaves no id, as with the model's own tokenizer: some lack control characters, or bytes that UTF-8 does not have. */
_must_use_ int tok_encode(
	const struct tok *t, const void *text, size_t len, bool trusted, bool first, struct tok_ids *ids);

/* BOS and EOS that the model wants around a prompt: LAYOUT_NONE where it wants none. */
u32 tok_bos(const struct tok *t);
u32 tok_eos_added(const struct tok *t);
/* Does this token end a generation (eos, eot, and control tokens that are known to end a turn)? */
bool tok_ends(const struct tok *t, u32 id);
u32 tok_n_vocab(const struct tok *t);
/* The control token of that text; LAYOUT_NONE if there is none. */
u32 tok_control(const struct tok *t, const void *text, size_t len);
/* The text of a control token as the vocabulary has it, *ret_len bytes, borrowed; NULL: it is none. */
const char *tok_name(const struct tok *t, u32 id, size_t *ret_len);

/* Bytes of one token as they appear in text (control tokens: none). Borrowed from the tokenizer; NULL and 0 beyond the vocabulary. */
const u8 *tok_bytes(const struct tok *t, u32 id, size_t *ret_len);

/* Ids to text, incrementally: what comes out is always whole UTF-8 characters; bytes that can never become a character come out
 * as U+FFFD. The first piece of a SentencePiece answer keeps its leading blank, as in the prompt's continuation. */
struct tok_stream {
	u8 held[8];
	u32 n_held;
};
/* The text that this id completes, appended to out (cap bytes; room for TOKEN_BYTES_MAX * 3 + 16 is always enough). Returns the bytes written. */
size_t tok_stream_push(const struct tok *t, struct tok_stream *s, u32 id, char *out, size_t cap);
/* At the end: what is still held comes out as U+FFFD. */
size_t tok_stream_end(struct tok_stream *s, char *out, size_t cap);
