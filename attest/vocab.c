/* The vocabulary: tokens, scores, types, merges and the special tokens, with the defaults that llama.cpp has for absent keys.
 * As there, two tokens may not have one text, an empty token gets a name, and tokens whose text says that they end a turn are control
 * tokens whatever their type says. */
#include "attest/internal.h"
#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	const struct gguf *g;
	struct arena *arena;
	struct strings *strings;
	struct layout_header *h;
	struct vocab *v;
	struct attest_report *report;
	u32 bos_absent; /* which token begins a text where the file does not say */
};

static int bad(struct reading *rd, const char *key, const char *why)
{
	return attest_reject(rd->report, ATTEST_GGUF_VOCAB, key, "%s: %s %s", rd->g->name, key, why);
}

static bool text_is(const char *s, size_t len, const char *want)
{
	return len == strlen(want) && !memcmp(s, want, len);
}

/* ---- which tokenizer --------------------------------------------------------------------------------------------------------- */

#define BOS_ABSENT 11u /* llama.cpp's, for byte-level vocabularies */

/* The names in files, which rules each stands for (runtime/tok_pre.c), and what is so where the file does not say. */
static const struct {
	const char *name;
	u32 pre;
	bool add_bos;
	u32 bos;
} pres[] = {
	{ "default", LAYOUT_PRE_DEFAULT, false, BOS_ABSENT },
	{ "llama3", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "llama-v3", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "llama-bpe", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "falcon3", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "pixtral", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "midm-2.0", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "gpt-2", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "phi-2", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "olmo", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "trillion", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "granite-docling", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "dbrx", LAYOUT_PRE_DBRX, false, BOS_ABSENT },
	{ "smaug-bpe", LAYOUT_PRE_DBRX, false, BOS_ABSENT },
	{ "glm4", LAYOUT_PRE_DBRX, false, LAYOUT_NONE },
	{ "chatglm-bpe", LAYOUT_PRE_DBRX, false, LAYOUT_NONE },
	{ "qwen2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "deepseek-r1-qwen", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "stablelm2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "megrez", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "kormo", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "qwen35", LAYOUT_PRE_QWEN35, false, BOS_ABSENT },
	{ "tekken", LAYOUT_PRE_TEKKEN, true, BOS_ABSENT },
	{ "gpt-4o", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "llama4", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "starcoder", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "refact", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "command-r", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "smollm", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "minerva-7b", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "deepseek-v3", LAYOUT_PRE_DEEPSEEK3, false, BOS_ABSENT },
};
/* One name of each rule: all would not fit a report. */
#define PRES_EXPECTED                                                                                        \
	"default llama-bpe gpt-2 dbrx qwen2 qwen35 tekken gpt-4o starcoder deepseek-v3, or another name of " \
	"theirs"

static int pre_read(struct reading *rd, bool *ret_add_bos)
{
	const char *s = "default";
	size_t len = strlen(s);
	if (gguf_get_string(rd->g, "tokenizer.ggml.pre", &s, &len, rd->report) == 1)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(pres); i++) {
		if (!text_is(s, len, pres[i].name))
			continue;
		rd->h->tok_pre = pres[i].pre;
		rd->bos_absent = pres[i].bos;
		*ret_add_bos = pres[i].add_bos;
		return 0;
	}
	attest_reject(rd->report, ATTEST_GGUF_PRE_TOKENIZER, "tokenizer.ggml.pre",
		"%s: the pre-tokenizer \"%.*s\" is not one that Keep has", rd->g->name,
		(int)MIN(len, (size_t)60), s);
	char found[64];
	snprintf(found, sizeof found, "%.*s", (int)MIN(len, (size_t)60), s);
	attest_expected(rd->report, PRES_EXPECTED, found);
	return 1;
}

static int flag_read(struct reading *rd, const char *key, bool absent, u32 flag)
{
	bool v = absent;
	if (gguf_get_bool(rd->g, key, &v, rd->report) == 1)
		return 1;
	rd->h->tok_flags |= v ? flag : 0;
	return 0;
}

static int model_read(struct reading *rd)
{
	const char *s = "";
	size_t len = 0;
	int r = gguf_get_string(rd->g, "tokenizer.ggml.model", &s, &len, rd->report);
	if (r == 2)
		return attest_reject(rd->report, ATTEST_GGUF_MISSING_KEY, "tokenizer.ggml.model",
			"%s lacks the key %s", rd->g->name, "tokenizer.ggml.model");
	if (r)
		return r;
	bool spm = text_is(s, len, "llama"), add_bos = spm;
	if (!spm && !text_is(s, len, "gpt2")) {
		char found[64];
		snprintf(found, sizeof found, "%.*s", (int)MIN(len, (size_t)60), s);
		attest_reject(rd->report, ATTEST_GGUF_TOKENIZER, "tokenizer.ggml.model",
			"%s: the tokenizer \"%s\" is not one that Keep has", rd->g->name, found);
		attest_expected(rd->report, "llama gpt2", found);
		return 1;
	}
	rd->h->tok_model = spm ? LAYOUT_TOK_SPM : LAYOUT_TOK_BPE;
	rd->bos_absent = 1;
	r = spm ? 0 : pre_read(rd, &add_bos);
	r = r ? r : flag_read(rd, "tokenizer.ggml.add_bos_token", add_bos, LAYOUT_ADD_BOS);
	r = r ? r : flag_read(rd, "tokenizer.ggml.add_eos_token", false, LAYOUT_ADD_EOS);
	return r ? r : flag_read(rd, "tokenizer.ggml.add_space_prefix", spm, LAYOUT_SPACE_PREFIX);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------------- */

/* An array of the key, of n elements (0: any number) and of one of two types. 0; 1 rejected; 2 absent. */
static int array_of(
	struct reading *rd, const char *key, u32 type, u32 type2, u64 n, const struct gguf_kv **ret)
{
	const struct gguf_kv *kv = gguf_find(rd->g, key);
	if (!kv)
		return 2;
	if (kv->type != GGUF_ARRAY || (kv->elem != type && kv->elem != type2))
		return attest_reject(rd->report, ATTEST_GGUF_VALUE, key,
			"%s: %s is not the array that it must be", rd->g->name, key);
	if (n && kv->n != n) {
		bad(rd, key, "has another length than the tokens");
		attest_expected_u64(rd->report, n, kv->n);
		return 1;
	}
	*ret = kv;
	return 0;
}

static int string_put(struct reading *rd, const void *s, size_t len, struct layout_str *ret)
{
	int r = strings_add(rd->strings, s, len, ret);
	return r == 1 ? attest_reject(rd->report, ATTEST_GGUF_LIMIT, rd->g->name,
				"the texts of %s are longer than a layout may be", rd->g->name)
		      : r;
}

static int token_put(struct reading *rd, u32 i, const u8 *s, u64 len)
{
	char empty[32];
	if (len == 0) {
		len = (u64)snprintf(empty, sizeof empty, "[EMPTY_%u]", i);
		s = (const u8 *)empty;
	}
	if (len > TOKEN_BYTES_MAX)
		return attest_reject(rd->report, ATTEST_GGUF_LIMIT, "tokenizer.ggml.tokens",
			"%s: token %u has %llu bytes, at most %u", rd->g->name, i, (unsigned long long)len,
			TOKEN_BYTES_MAX);
	if (!bytes_utf8_ok(s, len) || memchr(s, 0, len))
		return bad(rd, "tokenizer.ggml.tokens", "holds a token that is not text");
	rd->v->tokens[i].type = TOK_NORMAL;
	return string_put(rd, s, len, &rd->v->tokens[i].text);
}

struct text {
	const u8 *p;
	u32 len, id;
};

static int by_text(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	int c = memcmp(x->p, y->p, MIN(x->len, y->len));
	return c ? c : x->len < y->len ? -1 : x->len > y->len;
}

static int duplicates_check(struct reading *rd, struct text *sorted)
{
	u32 n = rd->h->n_vocab;
	for (u32 i = 0; i < n; i++) {
		const struct layout_str *t = &rd->v->tokens[i].text;
		sorted[i] = (struct text){ rd->strings->p + t->off, t->len, i };
	}
	qsort(sorted, n, sizeof *sorted, by_text);
	for (u32 i = 1; i < n; i++)
		if (!by_text(&sorted[i - 1], &sorted[i]))
			return attest_reject(rd->report, ATTEST_GGUF_VOCAB, "tokenizer.ggml.tokens",
				"%s: tokens %u and %u have one text", rd->g->name,
				MIN(sorted[i - 1].id, sorted[i].id), MAX(sorted[i - 1].id, sorted[i].id));
	return 0;
}

static int tokens_read(struct reading *rd)
{
	const struct gguf_kv *kv;
	int r = array_of(rd, "tokenizer.ggml.tokens", GGUF_STRING, GGUF_STRING, 0, &kv);
	if (r == 2)
		return attest_reject(rd->report, ATTEST_GGUF_MISSING_KEY, "tokenizer.ggml.tokens",
			"%s lacks the key %s", rd->g->name, "tokenizer.ggml.tokens");
	if (r)
		return r;
	if (kv->n == 0 || kv->n > VOCAB_MAX)
		return attest_reject(rd->report, ATTEST_GGUF_LIMIT, "tokenizer.ggml.tokens",
			"%s has %llu tokens; 1 to %u are read", rd->g->name, (unsigned long long)kv->n,
			VOCAB_MAX);
	u32 stated = (u32)kv->n;
	rd->h->n_vocab = (u32)kv->n;
	if (gguf_get_u32(rd->g, "llama.vocab_size", &stated, rd->report) == 1)
		return 1;
	if (stated != kv->n) {
		bad(rd, "llama.vocab_size", "is not the number of tokens");
		attest_expected_u64(rd->report, kv->n, stated);
		return 1;
	}
	rd->v->tokens = arena_alloc(rd->arena, kv->n * sizeof *rd->v->tokens);
	if (!rd->v->tokens)
		return err_origin(-ENOMEM);
	const u8 *at = kv->value;
	for (u32 i = 0; i < rd->h->n_vocab && !r; i++) {
		u64 len;
		const u8 *s = gguf_next_string(&at, &len);
		r = token_put(rd, i, s, len);
	}
	return r;
}

static int scores_read(struct reading *rd)
{
	const struct gguf_kv *kv;
	int r = array_of(rd, "tokenizer.ggml.scores", GGUF_F32, GGUF_F32, rd->h->n_vocab, &kv);
	if (r)
		return r == 2 ? 0 : r;
	for (u32 i = 0; i < rd->h->n_vocab; i++) {
		f32 v;
		memcpy(&v, kv->value + 4ull * i, sizeof v);
		if (!(v >= -1e30f && v <= 1e30f))
			return bad(rd, "tokenizer.ggml.scores", "holds a score that is not a finite number");
		rd->v->tokens[i].score = v;
	}
	return 0;
}

static int types_read(struct reading *rd)
{
	const struct gguf_kv *kv;
	int r = array_of(rd, "tokenizer.ggml.token_type", GGUF_I32, GGUF_U32, rd->h->n_vocab, &kv);
	if (r)
		return r == 2 ? 0 : r;
	for (u32 i = 0; i < rd->h->n_vocab; i++) {
		u32 type = bytes_u32le(kv->value + 4ull * i);
		if (type > TOK_BYTE)
			return bad(rd, "tokenizer.ggml.token_type", "holds a type that nobody defined");
		rd->v->tokens[i].type = type ? type : TOK_NORMAL;
	}
	return 0;
}

/* ---- merges ------------------------------------------------------------------------------------------------------------------- */

/* "left right", split at the first blank that is not the first byte. */
static int merge_put(struct reading *rd, struct layout_merge *m, const u8 *s, u64 len)
{
	const u8 *blank = len > 2 ? memchr(s + 1, ' ', len - 2) : NULL;
	if (!blank || len > 2 * TOKEN_BYTES_MAX + 1 || !bytes_utf8_ok(s, len))
		return bad(rd, "tokenizer.ggml.merges",
			"holds an entry that is not two tokens with a blank between");
	u32 left = (u32)(blank - s), right = (u32)(len - left - 1);
	if (left > TOKEN_BYTES_MAX || right > TOKEN_BYTES_MAX)
		return bad(rd, "tokenizer.ggml.merges", "holds a token that is too long");
	struct layout_str whole;
	int r = string_put(rd, s, len, &whole);
	m->left = (struct layout_str){ whole.off, left };
	m->right = (struct layout_str){ whole.off + left + 1, right };
	return r;
}

static int merges_read(struct reading *rd)
{
	const struct gguf_kv *kv;
	if (rd->h->tok_model != LAYOUT_TOK_BPE)
		return 0;
	int r = array_of(rd, "tokenizer.ggml.merges", GGUF_STRING, GGUF_STRING, 0, &kv);
	if (r == 2)
		return attest_reject(rd->report, ATTEST_GGUF_MISSING_KEY, "tokenizer.ggml.merges",
			"%s lacks the key %s", rd->g->name, "tokenizer.ggml.merges");
	if (r)
		return r;
	rd->h->n_merges = (u32)kv->n; /* at most GGUF_ARRAY_LEN_MAX */
	rd->v->merges = arena_alloc(rd->arena, kv->n * sizeof *rd->v->merges);
	if (!rd->v->merges)
		return err_origin(-ENOMEM);
	const u8 *at = kv->value;
	for (u32 i = 0; i < rd->h->n_merges && !r; i++) {
		u64 len;
		const u8 *s = gguf_next_string(&at, &len);
		r = merge_put(rd, &rd->v->merges[i], s, len);
	}
	return r;
}

/* ---- special tokens ------------------------------------------------------------------------------------------------------------ */

static int special_read(struct reading *rd, const char *key, u32 absent, u32 *ret)
{
	u32 id = absent < rd->h->n_vocab ? absent : LAYOUT_NONE;
	int r = gguf_get_u32(rd->g, key, &id, rd->report);
	if (r == 1)
		return 1;
	if (r == 0 && id >= rd->h->n_vocab) {
		bad(rd, key, "names a token beyond the vocabulary");
		attest_expected_u64(rd->report, rd->h->n_vocab - 1, id);
		return 1;
	}
	*ret = id;
	return 0;
}

/* Texts that end a turn, most telling first. */
static const char *const turn_ends[] = { "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eom_id|>",
	"<|end_of_text|>", "<|endoftext|>", "<EOT>", "_<EOT>", "<end_of_utterance>" };

static void eot_find(struct reading *rd, const struct text *sorted)
{
	bool given = rd->h->eot != LAYOUT_NONE;
	for (size_t k = 0; k < ARRAY_LEN(turn_ends); k++) {
		struct text want = { (const u8 *)turn_ends[k], (u32)strlen(turn_ends[k]), 0 };
		const struct text *t = bsearch(&want, sorted, rd->h->n_vocab, sizeof *sorted, by_text);
		if (!t)
			continue;
		rd->v->tokens[t->id].type = TOK_CONTROL;
		if (!given && rd->h->eot == LAYOUT_NONE)
			rd->h->eot = t->id;
	}
}

static int specials_read(struct reading *rd)
{
	bool spm = rd->h->tok_model == LAYOUT_TOK_SPM;
	int r = special_read(rd, "tokenizer.ggml.bos_token_id", rd->bos_absent, &rd->h->bos);
	r = r ? r : special_read(rd, "tokenizer.ggml.eos_token_id", spm ? 2 : 11, &rd->h->eos);
	r = r ? r : special_read(rd, "tokenizer.ggml.unknown_token_id", spm ? 0 : LAYOUT_NONE, &rd->h->unk);
	r = r ? r : special_read(rd, "tokenizer.ggml.padding_token_id", LAYOUT_NONE, &rd->h->pad);
	return r ? r : special_read(rd, "tokenizer.ggml.eot_token_id", LAYOUT_NONE, &rd->h->eot);
}

int vocab_read(const struct gguf *g, struct arena *a, struct strings *s, struct layout_header *h,
	struct vocab *ret, struct attest_report *report)
{
	struct reading rd = { g, a, s, h, ret, report, LAYOUT_NONE };
	int r = model_read(&rd);
	r = r ? r : tokens_read(&rd);
	if (r)
		return r;
	struct text *sorted = arena_alloc(a, h->n_vocab * sizeof *sorted);
	if (!sorted)
		return err_origin(-ENOMEM);
	r = scores_read(&rd);
	r = r ? r : types_read(&rd);
	r = r ? r : specials_read(&rd);
	r = r ? r : duplicates_check(&rd, sorted);
	if (r)
		return r;
	eot_find(&rd, sorted); /* before the merges: the string area may move when it grows */
	return merges_read(&rd);
}
