/* What a layout says of a vocabulary: each kind of tokenizer, each name of a pre-tokenizer, flags, limits one past each. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GGUF KEEP_VECTORS "/gguf/"

/* Another value for a key; none: the key is gone. */
static void kv_set(struct gguf *g, const char *key, const void *value, u64 n)
{
	for (u32 i = 0; i < g->n_kv; i++) {
		struct gguf_kv *kv = &g->kv[i];
		if (kv->key_len != strlen(key) || memcmp(kv->key, key, kv->key_len))
			continue;
		kv->key_len -= !value; /* still sorted, and no longer the key */
		kv->value = value ? value : kv->value;
		kv->n = value ? n : kv->n;
	}
}

/* Twelve tokens under a kind of tokenizer, a name of a pre-tokenizer, and a name of a model, as good-bpe.gguf but without the keys that say how a
 * text begins. */
static int vocab_of(const char *kind, const char *name, const char *model, struct layout_header *ret,
	struct attest_report *report)
{
	static const char *const dropped[] = { "tokenizer.ggml.scores", "tokenizer.ggml.token_type",
		"tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token" };
	struct gguf g;
	struct arena arena = { 0 };
	struct strings strings = { 0 };
	struct vocab v = { 0 };
	struct stat st;
	_cleanup_fd_ int fd = open(GGUF "good-bpe.gguf", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	struct gguf_source src = { .name = "x.gguf", .fd = fd, .bytes = (u64)st.st_size };
	int r = gguf_open(&src, &g, report);
	assert_int_equal(r, 0);
	u8 tokens[12 * 9] = { 0 };
	for (u32 i = 0; i < 12; i++) {
		tokens[9 * i] = 1;
		tokens[9 * i + 8] = (u8)('a' + i);
	}
	kv_set(&g, "tokenizer.ggml.model", kind, strlen(kind));
	kv_set(&g, "tokenizer.ggml.pre", name, strlen(name));
	kv_set(&g, "general.name", model, strlen(model));
	kv_set(&g, "tokenizer.ggml.tokens", tokens, 12);
	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		kv_set(&g, dropped[i], NULL, 0);
	*ret = (struct layout_header){ 0 };
	r = vocab_read(&g, &arena, &strings, ret, &v, report);
	free(strings.p);
	arena_fini(&arena);
	gguf_fini(&g);
	return r;
}

static int vocab_under(const char *name, struct layout_header *ret, struct attest_report *report)
{
	return vocab_of("gpt2", name, "vector", ret, report);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *kind, *model;
		u32 tok_model, pre, flags, bos, eos, unk, n_merges;
	} rows[] = {
		{ "llama", "vector", LAYOUT_TOK_SPM, 0, LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX, 1, 5, 0, 0 },
		{ "llama", "My PHI-3 mini", LAYOUT_TOK_SPM, 0,
			LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX | LAYOUT_SPACE_EATEN, 1, 5, 0, 0 },
		{ "llama", "Phi3", LAYOUT_TOK_SPM, 0,
			LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX | LAYOUT_SPACE_EATEN, 1, 5, 0, 0 },
		{ "llama", "phi-4", LAYOUT_TOK_SPM, 0, LAYOUT_ADD_BOS | LAYOUT_SPACE_PREFIX, 1, 5, 0, 0 },
		{ "t5", "vector", LAYOUT_TOK_UNIGRAM, 0, LAYOUT_ADD_EOS, LAYOUT_NONE, 5, 2, 0 },
		{ "bert", "vector", LAYOUT_TOK_WORDPIECE, 0,
			LAYOUT_ADD_BOS | LAYOUT_ADD_EOS | LAYOUT_LOWERCASE | LAYOUT_NO_ACCENTS, LAYOUT_NONE,
			LAYOUT_NONE, LAYOUT_NONE, 0 },
		{ "gemma4", "vector", LAYOUT_TOK_BPE_TEXT, LAYOUT_PRE_GEMMA4, LAYOUT_ADD_BOS, LAYOUT_NONE, 5,
			LAYOUT_NONE, 2 },
		{ "rwkv", "vector", 0 },
		{ "gemma", "vector", 0 },
		{ "", "vector", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct layout_header h;
		struct attest_report report = { 0 };
		int r = vocab_of(rows[i].kind, "default", rows[i].model, &h, &report);
		assert_int_equal(r, !rows[i].tok_model);
		if (r) {
			assert_string_equal(report.code, "gguf-tokenizer");
			assert_string_equal(report.expected, "llama gpt2 t5 bert gemma4");
			continue;
		}
		assert_int_equal(h.tok_model, rows[i].tok_model);
		assert_int_equal(h.tok_pre, rows[i].pre);
		assert_int_equal(h.tok_flags, rows[i].flags);
		assert_int_equal(h.bos, rows[i].bos);
		assert_int_equal(h.eos, rows[i].eos);
		assert_int_equal(h.unk, rows[i].unk);
		assert_int_equal(h.n_merges, rows[i].n_merges);
	}
}

static void test_pre_tokenizers(void **state)
{
	static const struct {
		const char *name;
		int pre; /* -1: refused */
		u32 flags;
	} rows[] = {
		{ "default", LAYOUT_PRE_DEFAULT, 0 },
		{ "llama3", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "llama-v3", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "llama-bpe", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "falcon3", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "pixtral", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "midm-2.0", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "gpt-2", LAYOUT_PRE_GPT2, 0 },
		{ "phi-2", LAYOUT_PRE_GPT2, 0 },
		{ "olmo", LAYOUT_PRE_GPT2, 0 },
		{ "trillion", LAYOUT_PRE_GPT2, 0 },
		{ "granite-docling", LAYOUT_PRE_GPT2, 0 },
		{ "dbrx", LAYOUT_PRE_DBRX, 0 },
		{ "smaug-bpe", LAYOUT_PRE_DBRX, 0 },
		{ "glm4", LAYOUT_PRE_LLAMA3, 0 },
		{ "chatglm-bpe", LAYOUT_PRE_DBRX, 0 },
		{ "qwen2", LAYOUT_PRE_QWEN2, 0 },
		{ "deepseek-r1-qwen", LAYOUT_PRE_QWEN2, 0 },
		{ "stablelm2", LAYOUT_PRE_QWEN2, 0 },
		{ "megrez", LAYOUT_PRE_QWEN2, 0 },
		{ "kormo", LAYOUT_PRE_QWEN2, 0 },
		{ "qwen35", LAYOUT_PRE_QWEN35, 0 },
		{ "tekken", LAYOUT_PRE_TEKKEN, LAYOUT_ADD_BOS },
		{ "gpt-4o", LAYOUT_PRE_GPT4O, 0 },
		{ "llama4", LAYOUT_PRE_GPT4O, 0 },
		{ "starcoder", LAYOUT_PRE_STARCODER, 0 },
		{ "refact", LAYOUT_PRE_STARCODER, 0 },
		{ "command-r", LAYOUT_PRE_STARCODER, 0 },
		{ "smollm", LAYOUT_PRE_STARCODER, 0 },
		{ "minerva-7b", LAYOUT_PRE_STARCODER, 0 },
		{ "deepseek-v3", LAYOUT_PRE_DEEPSEEK3, 0 },
		{ "falcon-h1", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "lfm2", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "jina-v5-nano", LAYOUT_PRE_LLAMA3, LAYOUT_ADD_BOS },
		{ "mpt", LAYOUT_PRE_GPT2, 0 },
		{ "jais", LAYOUT_PRE_GPT2, 0 },
		{ "exaone4", LAYOUT_PRE_GPT2, 0 },
		{ "gigachat", LAYOUT_PRE_GPT2, 0 },
		{ "a.x-4.0", LAYOUT_PRE_GPT2, 0 },
		{ "mellum", LAYOUT_PRE_GPT2, 0 },
		{ "modern-bert", LAYOUT_PRE_GPT2, 0 },
		{ "f2llmv2", LAYOUT_PRE_QWEN2, 0 },
		{ "hunyuan", LAYOUT_PRE_QWEN2, 0 },
		{ "solar-open", LAYOUT_PRE_QWEN2, 0 },
		{ "grok-2", LAYOUT_PRE_QWEN2, 0 },
		{ "bailingmoe", LAYOUT_PRE_QWEN2, 0 },
		{ "bailingmoe2", LAYOUT_PRE_QWEN2, 0 },
		{ "llada-moe", LAYOUT_PRE_QWEN2, 0 },
		{ "kanana2", LAYOUT_PRE_GPT4O, 0 },
		{ "talkie", LAYOUT_PRE_GPT4O, 0 },
		{ "minimax-m2", LAYOUT_PRE_GPT4O, 0 },
		{ "codeshell", LAYOUT_PRE_STARCODER, 0 },
		{ "exaone", LAYOUT_PRE_STARCODER, 0 },
		{ "mellum2", LAYOUT_PRE_STARCODER, 0 },
		{ "hunyuan-dense", LAYOUT_PRE_DEEPSEEK3, 0 },
		{ "joyai-llm", LAYOUT_PRE_DEEPSEEK3, 0 },
		{ "hy_v4", LAYOUT_PRE_DEEPSEEK3, 0 },
		{ "falcon", LAYOUT_PRE_FALCON, 0 },
		{ "deepseek-llm", LAYOUT_PRE_DEEPSEEK_LLM, 0 },
		{ "deepseek-coder", LAYOUT_PRE_DEEPSEEK_CODER, 0 },
		{ "poro-chat", LAYOUT_PRE_PORO, 0 },
		{ "bloom", LAYOUT_PRE_PORO, 0 },
		{ "gpt3-finnish", LAYOUT_PRE_PORO, 0 },
		{ "viking", LAYOUT_PRE_VIKING, 0 },
		{ "laguna", LAYOUT_PRE_LAGUNA, 0 },
		{ "kimi-k2", LAYOUT_PRE_KIMI_K2, 0 },
		{ "seed-coder", LAYOUT_PRE_SEED_CODER, 0 },
		{ "ufakzeka", LAYOUT_PRE_UFAKZEKA, 0 },
		{ "minicpm5", LAYOUT_PRE_MINICPM5, 0 },
		{ "exaone-moe", LAYOUT_PRE_EXAONE_MOE, 0 },
		{ "jais-2", LAYOUT_PRE_JAIS2, 0 },
		{ "youtu", LAYOUT_PRE_YOUTU, 0 },
		{ "granite-embed-multi-97m", LAYOUT_PRE_GRANITE_MULTI, 0 },
		{ "superbpe", -1, 0 },
		{ "chameleon", -1, 0 },
		{ "gemma4", -1, 0 }, /* not over bytes */
		{ "qwen", -1, 0 },
		{ "qwen2 ", -1, 0 },
		{ "QWEN2", -1, 0 },
		{ "", -1, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct layout_header h;
		struct attest_report report = { 0 };
		int r = vocab_under(rows[i].name, &h, &report);
		assert_int_equal(r, rows[i].pre < 0);
		if (r) {
			assert_string_equal(report.code, "gguf-pre-tokenizer");
			assert_string_equal(report.found, rows[i].name);
			assert_non_null(strstr(report.expected, "kimi-k2, or another that Keep has"));
			continue;
		}
		assert_int_equal(h.tok_pre, rows[i].pre);
		assert_int_equal(h.tok_flags, rows[i].flags);
		assert_int_equal(h.bos, strcmp(rows[i].name, "glm4") && strcmp(rows[i].name, "chatglm-bpe")
						? 11
						: LAYOUT_NONE);
	}
}

/* A header of two keys: the tokenizer, and n empty tokens. */
static int vocab_sized(u64 n, struct layout_header *h, struct attest_report *report)
{
	static const char head[] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
				   "\x14\0\0\0\0\0\0\0tokenizer.ggml.model\x8\0\0\0\5\0\0\0\0\0\0\0llama"
				   "\x15\0\0\0\0\0\0\0tokenizer.ggml.tokens\x9\0\0\0\x8\0\0\0";
	struct gguf_source src = { .name = "m.gguf",
		.fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) };
	size_t len = sizeof head - 1;
	src.bytes = len + 8 + 8 * n; /* lengths of 0: a sparse file */
	assert_int_equal(fd_pwrite_all(src.fd, head, len, 0), 0);
	assert_int_equal(fd_pwrite_all(src.fd, &n, 8, len), 0);
	assert_int_equal(ftruncate(src.fd, (off_t)src.bytes), 0);
	struct gguf g;
	struct arena a = { 0 };
	struct strings strings = { 0 };
	struct vocab v;
	*h = (struct layout_header){ 0 };
	attest_report_init(report);
	assert_int_equal(gguf_open(&src, &g, report), 0);
	int r = vocab_read(&g, &a, &strings, h, &v, report);
	gguf_fini(&g);
	arena_fini(&a);
	free(strings.p);
	close(src.fd);
	return r;
}

static void test_vocab_limit(void **state)
{
	struct layout_header h;
	struct attest_report report;
	assert_int_equal(vocab_sized(VOCAB_MAX, &h, &report), 0);
	assert_int_equal(h.n_vocab, VOCAB_MAX);
	assert_int_equal(vocab_sized(VOCAB_MAX + 1, &h, &report), 1);
	assert_int_equal(report.reason, ATTEST_GGUF_LIMIT);
}

/* The table of normalisation is an array of bytes, and no longer than the limit. */
static void test_charsmap(void **state)
{
	static u8 map[CHARSMAP_BYTES_MAX + 1] = { 4, 0, 0, 0, 0, 0, 0, 0, 'x' };
	static const struct {
		u32 elem;
		u64 n;
		u32 reason; /* 0: accepted */
	} rows[] = {
		{ GGUF_U8, 10, 0 },
		{ GGUF_I8, 10, 0 },
		{ GGUF_I8, CHARSMAP_BYTES_MAX, 0 },
		{ GGUF_U8, CHARSMAP_BYTES_MAX + 1, ATTEST_GGUF_LIMIT },
		{ GGUF_I32, 10, ATTEST_GGUF_VALUE },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct layout_header h = { 0 };
		struct attest_report report = { 0 };
		struct gguf_kv kv[3] = { { .key = "tokenizer.ggml.model",
						 .type = GGUF_STRING,
						 .value = (const u8 *)"t5",
						 .n = 2 },
			{ .key = "tokenizer.ggml.precompiled_charsmap",
				.type = GGUF_ARRAY,
				.elem = rows[i].elem,
				.value = map,
				.n = rows[i].n },
			{ .key = "tokenizer.ggml.tokens",
				.type = GGUF_ARRAY,
				.elem = GGUF_STRING,
				.value = (const u8 *)"\1\0\0\0\0\0\0\0a",
				.n = 1 } };
		for (size_t k = 0; k < ARRAY_LEN(kv); k++)
			kv[k].key_len = strlen(kv[k].key);
		struct gguf g = { .name = "x.gguf", .kv = kv, .n_kv = ARRAY_LEN(kv) };
		struct arena arena = { 0 };
		struct strings strings = { 0 };
		struct vocab v = { 0 };
		assert_int_equal(vocab_read(&g, &arena, &strings, &h, &v, &report), rows[i].reason != 0);
		assert_int_equal(report.reason, rows[i].reason);
		if (!rows[i].reason) {
			assert_int_equal(h.charsmap.len, rows[i].n);
			assert_memory_equal(strings.p + h.charsmap.off, map, rows[i].n);
		}
		free(strings.p);
		arena_fini(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_pre_tokenizers),
		cmocka_unit_test(test_vocab_limit),
		cmocka_unit_test(test_charsmap),
	};
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
