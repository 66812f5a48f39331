/* Two answers to one request, side by side: are they the same, and where do they part? */
#pragma once

#include "base/types.h"

struct replay_side {
	bool has_ids, has_text;
	const u32 *ids;
	size_t n_ids;
	const char *text;
	size_t len;
};
/* Of the side that ran again: at which byte of the text the tokens from which on begin. */
struct replay_mark {
	size_t byte, token;
};
struct replay_difference {
	bool by_token;		  /* both sides' tokens are known; else both texts */
	u64 token;		  /* the first that differs; by text: of the piece of text in which it lies */
	u64 byte;		  /* by text: the first that differs */
	bool ended_was, ended_is; /* one side has nothing there any more */
	u32 was, is;		  /* by token */
};
/* 0 there is none; 1 *ret; 2 not enough is known of one side. `marks` belong to `is`. */
_must_use_ int replay_differ(const struct replay_side *was, const struct replay_side *is,
	const struct replay_mark *marks, size_t n_marks, struct replay_difference *ret);
