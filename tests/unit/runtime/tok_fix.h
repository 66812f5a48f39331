/* The vocabularies of tests/vectors/tok, for the tests of the tokenizer. */
#pragma once

#include "runtime/tok_impl.h"
#include "tests/tok/vocab.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fix {
	struct vocab v;
	struct tok *t;
};

/* NAME.cases, of the vocabulary FILE.vocab under those rules. */
static const struct {
	const char *name, *file;
	u32 pre;
} FIXES[] = {
	{ "spm-words", "spm-words", 0 },
	{ "spm-crossing", "spm-crossing", 0 },
	{ "bpe-llama3", "bpe", LAYOUT_PRE_LLAMA3 },
	{ "bpe-gpt-2", "bpe", LAYOUT_PRE_GPT2 },
	{ "bpe-default", "bpe", LAYOUT_PRE_DEFAULT },
	{ "bpe-dbrx", "bpe", LAYOUT_PRE_DBRX },
	{ "bpe-qwen2", "bpe", LAYOUT_PRE_QWEN2 },
	{ "bpe-qwen35", "bpe", LAYOUT_PRE_QWEN35 },
	{ "bpe-tekken", "bpe", LAYOUT_PRE_TEKKEN },
	{ "bpe-gpt-4o", "bpe", LAYOUT_PRE_GPT4O },
	{ "bpe-starcoder", "bpe", LAYOUT_PRE_STARCODER },
	{ "bpe-deepseek-v3", "bpe", LAYOUT_PRE_DEEPSEEK3 },
	{ "bpe-falcon", "bpe", LAYOUT_PRE_FALCON },
	{ "bpe-deepseek-llm", "bpe", LAYOUT_PRE_DEEPSEEK_LLM },
	{ "bpe-deepseek-coder", "bpe", LAYOUT_PRE_DEEPSEEK_CODER },
	{ "bpe-poro-chat", "bpe", LAYOUT_PRE_PORO },
	{ "bpe-viking", "bpe", LAYOUT_PRE_VIKING },
	{ "bpe-laguna", "bpe", LAYOUT_PRE_LAGUNA },
	{ "bpe-kimi-k2", "bpe", LAYOUT_PRE_KIMI_K2 },
	{ "bpe-seed-coder", "bpe", LAYOUT_PRE_SEED_CODER },
	{ "bpe-ufakzeka", "bpe", LAYOUT_PRE_UFAKZEKA },
	{ "bpe-minicpm5", "bpe", LAYOUT_PRE_MINICPM5 },
	{ "bpe-exaone-moe", "bpe", LAYOUT_PRE_EXAONE_MOE },
	{ "bpe-jais-2", "bpe", LAYOUT_PRE_JAIS2 },
	{ "bpe-youtu", "bpe", LAYOUT_PRE_YOUTU },
	{ "bpe-granite-embed-multi-97m", "bpe", LAYOUT_PRE_GRANITE_MULTI },
	{ "bpe-gemma4", "bpe-gemma4", LAYOUT_PRE_GEMMA4 },
	{ "ugm-rules", "ugm-rules", 0 },
	{ "ugm-bytes", "ugm-bytes", 0 },
	{ "ugm-spaces", "ugm-spaces", 0 },
	{ "ugm-suffix", "ugm-suffix", 0 },
	{ "ugm-noprefix", "ugm-noprefix", 0 },
	{ "ugm-crossing", "ugm-crossing", 0 },
	{ "wpm-uncased", "wpm-uncased", 0 },
	{ "wpm-cased", "wpm-cased", 0 },
};

static inline bool fix_ready(void)
{
	if (getenv("TOK_VECTORS"))
		return true;
	fprintf(stderr, "TOK_VECTORS is not set\n");
	return false;
}

/* The tokenizer anew, after a change of the vocabulary. */
static inline void fix_again(struct fix *f)
{
	const char *why = "out of memory";
	f->t = tok_destroy(f->t);
	if (tok_create(&f->v.l, &f->t, &why))
		fail_msg("%s", why);
}

static inline void fix_open(struct fix *f, const char *name)
{
	char path[512];
	size_t k = 0;
	while (strcmp(FIXES[k].name, name) != 0)
		assert_true(++k < ARRAY_LEN(FIXES));
	snprintf(path, sizeof path, "%s/%s.vocab", getenv("TOK_VECTORS"), FIXES[k].file);
	assert_int_equal(vocab_read(path, &f->v), 0);
	f->v.h.tok_pre = FIXES[k].pre;
	f->t = NULL;
	fix_again(f);
}

static inline void fix_close(struct fix *f)
{
	f->t = tok_destroy(f->t);
	vocab_fini(&f->v);
}

/* Text that normalises comes back another. */
static inline bool fix_normalises(const struct fix *f)
{
	return f->v.h.tok_model == LAYOUT_TOK_UNIGRAM || f->v.h.tok_model == LAYOUT_TOK_WORDPIECE;
}
