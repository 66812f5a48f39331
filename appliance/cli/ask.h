/* Making requests: what the user typed becomes the pieces of a request blob. */
#pragma once

#include "chat/chat.h"
#include "chat/grammar.h"
#include "cli/session.h"

#define CHAT_ARENA_BYTES_MAX (64u << 20) /* of one turn; the request itself may have REQUEST_BYTES_MAX */

/* 0 done, *ret_data to be freed; otherwise an exit status, said. */
_must_use_ int ask_tokens(const struct request_header *h, const char *list, u8 **ret_data, size_t *ret_len);
_must_use_ int ask_text(const struct request_header *h, u32 part_kind, const void *text, size_t len,
	u8 **ret_data, size_t *ret_len);

/* How an answer is to be sampled: the header's fields and the stop strings. */
struct ask_sampling {
	struct request_header h;
	struct opt_list stops;
	const void *grammar; /* compiled; NULL: none */
	size_t grammar_len;
};
/* Read and compile what an answer must be, into the arena. 0; otherwise an exit status, said. */
_must_use_ int ask_grammar(
	const char *path, enum chat_grammar_kind kind, struct arena *a, struct ask_sampling *how);
/* A turn of a conversation, through the model's own chat template or another one. */
struct ask_turn {
	const struct chat_message *messages;
	size_t n_messages;
	const char *template; /* NULL: the model's, which then must have one */
	size_t template_len;
	const char *tools, *vars; /* as in struct chat_ask */
	enum chat_choice choice;
	const char *choice_name;
	bool one_call;
	u32 think_budget; /* tokens of reasoning; THINK_NO_BUDGET */
};
/* The request, and the reader of its answer; *ret_turn lies in the arena, and is to be ended before it. */
_must_use_ int ask_chat(const struct session *s, const struct ask_sampling *how, const struct ask_turn *p,
	struct arena *a, struct chat_turn *ret_turn, u8 **ret_data, size_t *ret_len);
_must_use_ int ask_sampled(const struct ask_sampling *how, u32 part_kind, const void *data, size_t len,
	u8 **ret_data, size_t *ret_len);

/* A file of text whole, at most max bytes, with a 0 byte behind; what: what it is, for messages. 0; otherwise an exit status, said. */
_must_use_ int ask_file(const char *path, const char *what, size_t max, char **ret, size_t *ret_len);
/* All of standard input, at most max bytes, with a 0 byte behind. 0; otherwise an exit status, said. */
_must_use_ int ask_read_stdin(size_t max, char **ret, size_t *ret_len);
_must_use_ int ask_seed(u64 *ret);
