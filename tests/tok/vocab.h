/* Vocabularies for tests, as text (see vocab.py for the format), turned into the layout that the tokenizer reads. */
#pragma once

#include "base/layout.h"

struct vocab {
	struct layout_header h;
	struct layout_token *vocab;
	struct layout_merge *merges;
	char *strings;
	struct layout l;
};

/* 0; -errno. Says on stderr what is wrong with the file. */
int vocab_read(const char *path, struct vocab *ret);
void vocab_fini(struct vocab *v);
/* Hex digits to bytes, in place of the text; the number of bytes, -1 if it is not hex. */
long vocab_unhex(char *s);
