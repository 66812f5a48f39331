/* Inside of chat: a text that several things hold at once. Each is a network of its own over the bytes of UTF-8: a pattern, a format, a
 * name that the text must not be; and the text has some number of characters. chat_texts_put follows all of them side by side. */
#pragma once

#include "chat/grammar_build.h"

#define CHAT_SIDES_MAX 64u

struct chat_side {
	u32 first, end; /* its states */
	u32 start;
	bool not ; /* it is what the text must not be */
};

struct chat_texts {
	struct chat_gb nfa; /* all sides, flat: no edge calls, RETURN where a text may end */
	struct chat_side side[CHAT_SIDES_MAX];
	u32 n;
	u32 min, max; /* characters; CHAT_GB_NO_MAX */
};

void chat_texts_init(struct chat_texts *t, struct chat_run *r);
/* A pattern, with what it looks ahead for where the text begins. */
bool chat_texts_pattern(struct chat_texts *t, struct chat_str pattern, bool not, const char *where);
/* The text is none of the keys. */
bool chat_texts_but(struct chat_texts *t, const struct chat_dict *keys, const char *where);
/* Is every text of side i as long as min and max say? */
bool chat_texts_length_holds(struct chat_texts *t, u32 i);
/* Does this text fit all of it? */
bool chat_texts_fit(struct chat_texts *t, struct chat_str text);
/* From `from` on over every text that fits, as the inside of a string of b; the state behind. */
u32 chat_texts_put(struct chat_gb *b, u32 from, struct chat_texts *t, const char *where);

/* Inside: grammar_regex.c calls these. */
bool chat_texts_begin(struct chat_texts *t, bool not, const char *where);
void chat_texts_end(struct chat_texts *t, u32 to);
