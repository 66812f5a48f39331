/* A vocabulary for tests of grammars, in memory: 256 byte tokens, then texts, then control tokens; the last one ends an answer. */
#pragma once

#include "base/layout.h"
#include "runtime/tok.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct byte_vocab {
	struct layout_header h;
	struct layout_token *vocab;
	char *strings;
	u32 cap_vocab, cap_strings;
	struct layout l;
	struct tok *tok;
};

static inline void byte_vocab_add(struct byte_vocab *v, u32 type, const char *text)
{
	u32 n = (u32)strlen(text);
	if (v->h.n_vocab == v->cap_vocab)
		v->vocab = realloc(v->vocab, (v->cap_vocab = 2 * v->cap_vocab + 512) * sizeof *v->vocab);
	if (n > v->cap_strings - v->h.strings_bytes)
		v->strings = realloc(v->strings, v->cap_strings = 2 * v->cap_strings + n + 4096);
	assert(v->vocab && v->strings);
	v->vocab[v->h.n_vocab++] = (struct layout_token){ { v->h.strings_bytes, n }, 0, type };
	memcpy(v->strings + v->h.strings_bytes, text, n);
	v->h.strings_bytes += n;
}

static inline void byte_vocab_init(struct byte_vocab *v)
{
	*v = (struct byte_vocab){ .h = { .tok_model = LAYOUT_TOK_SPM } };
	for (u32 b = 0; b < 256; b++) {
		char s[8];
		snprintf(s, sizeof s, "<0x%02X>", b);
		byte_vocab_add(v, TOK_BYTE, s);
	}
}

/* After the texts: the controls, ended by NULL. */
static inline int byte_vocab_done(struct byte_vocab *v, const char *const *controls)
{
	const char *why;
	for (; *controls; controls++)
		byte_vocab_add(v, TOK_CONTROL, *controls);
	v->h.bos = v->h.eot = v->h.unk = v->h.pad = LAYOUT_NONE;
	v->h.eos = v->h.n_vocab - 1;
	v->l = (struct layout){ .h = &v->h, .vocab = v->vocab, .strings = v->strings };
	return tok_create(&v->l, &v->tok, &why);
}

static inline void byte_vocab_fini(struct byte_vocab *v)
{
	v->tok = tok_destroy(v->tok);
	free(v->vocab);
	free(v->strings);
}
