/* Inside of chat: what methods and filters share. */
#pragma once

#include "chat/jinja.h"

enum chat_case {
	CHAT_UPPER,
	CHAT_LOWER,
	CHAT_CAPITAL,
	CHAT_TITLE /* Python's */,
	CHAT_TITLE_WORDS /* Jinja's filter */
};

bool chat_arg_str(struct chat_run *r, const struct chat_val *v, struct chat_str *ret);
bool chat_arg_int(
	struct chat_run *r, const struct chat_val *v, i64 otherwise, i64 *ret); /* CHAT_MISSING: otherwise */
/* Letters of ASCII only. */
bool chat_recase(struct chat_run *r, struct chat_str s, enum chat_case how, struct chat_val *ret);
/* c: old, new, count. */
bool chat_replace(struct chat_run *r, struct chat_str s, const struct chat_call *c, struct chat_val *ret);
bool chat_join(
	struct chat_run *r, struct chat_str sep, const struct chat_val *v, u32 n, struct chat_val *ret);
bool chat_items(struct chat_run *r, const struct chat_dict *d, struct chat_val *ret);
/* Bytes of the line end at byte `at`, as str.splitlines knows them; 0: none is here. */
u32 chat_line_end(struct chat_str s, u32 at);
