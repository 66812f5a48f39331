/* The vocabulary: tokens, scores, types, merges and the special tokens, with the defaults that llama.cpp has for absent keys.
 * As there, two tokens may not have one text, an empty token gets a name, and tokens whose text says that they end a turn are control
 * tokens whatever their type says. */
#include "attest/internal.h"
#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
	{ "falcon-h1", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "lfm2", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "jina-v5-nano", LAYOUT_PRE_LLAMA3, true, BOS_ABSENT },
	{ "gpt-2", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "phi-2", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "olmo", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "trillion", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "granite-docling", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "mpt", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "jais", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "exaone4", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "gigachat", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "a.x-4.0", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "mellum", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "modern-bert", LAYOUT_PRE_GPT2, false, BOS_ABSENT },
	{ "dbrx", LAYOUT_PRE_DBRX, false, BOS_ABSENT },
	{ "smaug-bpe", LAYOUT_PRE_DBRX, false, BOS_ABSENT },
	{ "glm4", LAYOUT_PRE_LLAMA3, false, LAYOUT_NONE },
	{ "chatglm-bpe", LAYOUT_PRE_DBRX, false, LAYOUT_NONE },
	{ "qwen2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "deepseek-r1-qwen", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "stablelm2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "megrez", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "kormo", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "f2llmv2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "hunyuan", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "solar-open", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "grok-2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "bailingmoe", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "bailingmoe2", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "llada-moe", LAYOUT_PRE_QWEN2, false, BOS_ABSENT },
	{ "qwen35", LAYOUT_PRE_QWEN35, false, BOS_ABSENT },
	{ "tekken", LAYOUT_PRE_TEKKEN, true, BOS_ABSENT },
	{ "gpt-4o", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "llama4", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "kanana2", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "talkie", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "minimax-m2", LAYOUT_PRE_GPT4O, false, BOS_ABSENT },
	{ "starcoder", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "refact", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "command-r", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "smollm", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "minerva-7b", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "codeshell", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "exaone", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "mellum2", LAYOUT_PRE_STARCODER, false, BOS_ABSENT },
	{ "deepseek-v3", LAYOUT_PRE_DEEPSEEK3, false, BOS_ABSENT },
	{ "hunyuan-dense", LAYOUT_PRE_DEEPSEEK3, false, BOS_ABSENT },
	{ "joyai-llm", LAYOUT_PRE_DEEPSEEK3, false, BOS_ABSENT },
	{ "hy_v4", LAYOUT_PRE_DEEPSEEK3, false, BOS_ABSENT },
	{ "falcon", LAYOUT_PRE_FALCON, false, BOS_ABSENT },
	{ "deepseek-llm", LAYOUT_PRE_DEEPSEEK_LLM, false, BOS_ABSENT },
	{ "deepseek-coder", LAYOUT_PRE_DEEPSEEK_CODER, false, BOS_ABSENT },
	{ "poro-chat", LAYOUT_PRE_PORO, false, BOS_ABSENT },
	{ "bloom", LAYOUT_PRE_PORO, false, BOS_ABSENT },
	{ "gpt3-finnish", LAYOUT_PRE_PORO, false, BOS_ABSENT },
	{ "viking", LAYOUT_PRE_VIKING, false, BOS_ABSENT },
	{ "laguna", LAYOUT_PRE_LAGUNA, false, BOS_ABSENT },
	{ "kimi-k2", LAYOUT_PRE_KIMI_K2, false, BOS_ABSENT },
	{ "seed-coder", LAYOUT_PRE_SEED_CODER, false, BOS_ABSENT },
	{ "ufakzeka", LAYOUT_PRE_UFAKZEKA, false, BOS_ABSENT },
	{ "minicpm5", LAYOUT_PRE_MINICPM5, false, BOS_ABSENT },
	{ "exaone-moe", LAYOUT_PRE_EXAONE_MOE, false, BOS_ABSENT },
	{ "jais-2", LAYOUT_PRE_JAIS2, false, BOS_ABSENT },
	{ "youtu", LAYOUT_PRE_YOUTU, false, BOS_ABSENT },
	{ "granite-embed-multi-97m", LAYOUT_PRE_GRANITE_MULTI, false, BOS_ABSENT },
};
/* Some of them: all would not fit a report. */
#define PRES_EXPECTED                                                                                       \
	"default llama-bpe gpt-2 dbrx qwen2 qwen35 tekken gpt-4o starcoder deepseek-v3 falcon kimi-k2, or " \
	"another that Keep has"

static int pre_read(struct reading *rd, u32 *ret_flags)
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
		*ret_flags |= pres[i].add_bos ? LAYOUT_ADD_BOS : 0;
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

/* The kinds of tokenizers, with what is so where the file does not say. */
static const struct kind {
	const char *name;
	u32 model, pre, bos, eos, unk;
	u32 absent; /* flags */
} kinds[] = {
	{ "llama", LAYOUT_TOK_SPM, LAYOUT_PRE_DEFAULT, 1, 2, 0, LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX },
	{ "gpt2", LAYOUT_TOK_BPE, LAYOUT_PRE_DEFAULT, BOS_ABSENT, 11, LAYOUT_NONE, 0 },
	{ "t5", LAYOUT_TOK_UNIGRAM, LAYOUT_PRE_DEFAULT, LAYOUT_NONE, 1, 2, LAYOUT_ADD_EOS },
	{ "bert", LAYOUT_TOK_WORDPIECE, LAYOUT_PRE_DEFAULT, 101, 102, 100,
		LAYOUT_ADD_BOS | LAYOUT_ADD_EOS | LAYOUT_LOWERCASE },
	{ "gemma4", LAYOUT_TOK_BPE_TEXT, LAYOUT_PRE_GEMMA4, LAYOUT_NONE, LAYOUT_NONE, LAYOUT_NONE,
		LAYOUT_ADD_BOS },
};

/* The keys of flags, in their order, and the kinds that have them: 1 << model. What ends a text is the separator in BERT. */
#define KINDS_ALL 0x3eu
#define KINDS_SP  (1u << LAYOUT_TOK_SPM | 1u << LAYOUT_TOK_UNIGRAM)
static const struct {
	const char *key;
	u32 flag, kinds;
} flag_keys[] = {
	{ "add_bos_token", LAYOUT_ADD_BOS, KINDS_ALL & ~(1u << LAYOUT_TOK_BPE_TEXT) },
	{ "add_eos_token", LAYOUT_ADD_EOS, KINDS_ALL & ~(1u << LAYOUT_TOK_WORDPIECE) },
	{ "add_sep_token", LAYOUT_ADD_EOS, 1u << LAYOUT_TOK_WORDPIECE },
	{ "add_space_prefix", LAYOUT_SPACE_PREFIX, KINDS_SP },
	{ "remove_extra_whitespaces", LAYOUT_SPACE_ONCE, 1u << LAYOUT_TOK_UNIGRAM },
	{ "treat_whitespace_as_suffix", LAYOUT_SPACE_SUFFIX, 1u << LAYOUT_TOK_UNIGRAM },
	{ "normalizer.lowercase", LAYOUT_LOWERCASE, 1u << LAYOUT_TOK_WORDPIECE },
	{ "normalizer.strip_accents", LAYOUT_NO_ACCENTS, 1u << LAYOUT_TOK_WORDPIECE },
};

static int flags_read(struct reading *rd, u32 absent)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_keys); i++) {
		char key[64];
		u32 flag = flag_keys[i].flag;
		bool v = absent & flag;
		if (flag == LAYOUT_NO_ACCENTS) /* where the file does not say: as with capitals */
			v = rd->h->tok_flags & LAYOUT_LOWERCASE;
		snprintf(key, sizeof key, "tokenizer.ggml.%s", flag_keys[i].key);
		if (!(flag_keys[i].kinds & 1u << rd->h->tok_model))
			v = v && flag == LAYOUT_ADD_BOS; /* gemma4: whatever the file says */
		else if (gguf_get_bool(rd->g, key, &v, rd->report) == 1)
			return 1;
		rd->h->tok_flags |= v ? flag : 0;
	}
	return 0;
}

/* Phi-3's special tokens take the white space behind them; the file says so by its name alone. */
static int name_read(struct reading *rd)
{
	const char *s = "";
	size_t len = 0;
	if (gguf_get_string(rd->g, "general.name", &s, &len, rd->report) == 1)
		return 1;
	for (size_t i = 0; i + 4 <= len; i++)
		if (!strncasecmp(s + i, "phi3", 4) || (i + 5 <= len && !strncasecmp(s + i, "phi-3", 5)))
			rd->h->tok_flags |= LAYOUT_SPACE_EATEN;
	return 0;
}

static const struct kind *kind_of(const char *s, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (text_is(s, len, kinds[i].name))
			return &kinds[i];
	return NULL;
}

static int model_read(struct reading *rd, const struct kind **ret)
{
	const char *s = "";
	size_t len = 0;
	int r = gguf_get_string(rd->g, "tokenizer.ggml.model", &s, &len, rd->report);
	if (r == 2)
		return attest_reject(rd->report, ATTEST_GGUF_MISSING_KEY, "tokenizer.ggml.model",
			"%s lacks the key %s", rd->g->name, "tokenizer.ggml.model");
	if (r)
		return r;
	const struct kind *k = kind_of(s, len);
	if (!k) {
		char found[64];
		snprintf(found, sizeof found, "%.*s", (int)MIN(len, (size_t)60), s);
		attest_reject(rd->report, ATTEST_GGUF_TOKENIZER, "tokenizer.ggml.model",
			"%s: the tokenizer \"%s\" is not one that Keep has", rd->g->name, found);
		attest_expected(rd->report, "llama gpt2 t5 bert gemma4", found);
		return 1;
	}
	u32 absent = k->absent;
	rd->h->tok_model = k->model;
	rd->h->tok_pre = k->pre;
	rd->bos_absent = k->bos;
	r = k->model == LAYOUT_TOK_BPE ? pre_read(rd, &absent) : 0;
	r = r ? r : flags_read(rd, absent);
	*ret = k;
	return r ? r : name_read(rd);
}

static int string_put(struct reading *rd, const void *s, size_t len, struct layout_str *ret)
{
	int r = strings_add(rd->strings, s, len, ret);
	return r == 1 ? attest_reject(rd->report, ATTEST_GGUF_LIMIT, rd->g->name,
				"the texts of %s are longer than a layout may be", rd->g->name)
		      : r;
}

/* How text is normalised: an array of bytes. */
static int charsmap_read(struct reading *rd)
{
	static const char key[] = "tokenizer.ggml.precompiled_charsmap";
	const struct gguf_kv *kv = gguf_find(rd->g, key);
	if (rd->h->tok_model != LAYOUT_TOK_UNIGRAM || !kv)
		return 0;
	if (kv->type != GGUF_ARRAY || (kv->elem != GGUF_U8 && kv->elem != GGUF_I8))
		return attest_reject(rd->report, ATTEST_GGUF_VALUE, key,
			"%s: %s is not the array that it must be", rd->g->name, key);
	if (kv->n > CHARSMAP_BYTES_MAX)
		return attest_reject(rd->report, ATTEST_GGUF_LIMIT, key, "%s: %s has %llu bytes, at most %u",
			rd->g->name, key, (unsigned long long)kv->n, CHARSMAP_BYTES_MAX);
	return string_put(rd, kv->value, kv->n, &rd->h->charsmap);
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
	if (rd->h->tok_model != LAYOUT_TOK_BPE && rd->h->tok_model != LAYOUT_TOK_BPE_TEXT)
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

static int specials_read(struct reading *rd, const struct kind *k)
{
	const char *eos = k->model == LAYOUT_TOK_WORDPIECE ? "tokenizer.ggml.seperator_token_id"
							   : "tokenizer.ggml.eos_token_id"; /* its spelling */
	int r = special_read(rd, "tokenizer.ggml.bos_token_id", rd->bos_absent, &rd->h->bos);
	r = r ? r : special_read(rd, eos, k->eos, &rd->h->eos);
	r = r ? r : special_read(rd, "tokenizer.ggml.unknown_token_id", k->unk, &rd->h->unk);
	r = r ? r : special_read(rd, "tokenizer.ggml.padding_token_id", LAYOUT_NONE, &rd->h->pad);
	return r ? r : special_read(rd, "tokenizer.ggml.eot_token_id", LAYOUT_NONE, &rd->h->eot);
}

int vocab_read(const struct gguf *g, struct arena *a, struct strings *s, struct layout_header *h,
	struct vocab *ret, struct attest_report *report)
{
	struct reading rd = { g, a, s, h, ret, report, LAYOUT_NONE };
	const struct kind *k;
	int r = model_read(&rd, &k);
	r = r ? r : charsmap_read(&rd);
	r = r ? r : tokens_read(&rd);
	if (r)
		return r;
	struct text *sorted = arena_alloc(a, h->n_vocab * sizeof *sorted);
	if (!sorted)
		return err_origin(-ENOMEM);
	r = scores_read(&rd);
	r = r ? r : types_read(&rd);
	r = r ? r : specials_read(&rd, k);
	r = r ? r : duplicates_check(&rd, sorted);
	if (r)
		return r;
	eot_find(&rd, sorted); /* before the merges: the string area may move when it grows */
	return merges_read(&rd);
}
