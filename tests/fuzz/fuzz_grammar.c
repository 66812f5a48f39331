/* Grammars: byte 0 says what follows, a JSON schema, GBNF or a compiled grammar. What compiles is well-formed; whatever the runtime
 * takes is followed for some tokens: each that a mask allows can be said, and what chat made never gets stuck. */
#define _GNU_SOURCE
#include "../tok/byte_vocab.h"
#include "chat/grammar.h"
#include "runtime/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEPS 24u

static struct byte_vocab vocab;
static struct mask_trie trie;

static void vocabulary(void)
{
	static const char *const texts[] = { "{\"", "\": ", "\",", "true", "12", "]]", "((", "abc", "<t>x" },
				 *const controls[] = { "<c>", "</s>", NULL };
	byte_vocab_init(&vocab);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		byte_vocab_add(&vocab, TOK_NORMAL, texts[i]);
	if (byte_vocab_done(&vocab, controls) || mask_trie_create(vocab.tok, &trie))
		abort();
}

static void follow(struct mask *m, bool ours, u32 seed)
{
	for (u32 i = 0; i < STEPS; i++) {
		const u64 *bits;
		const char *why = NULL;
		bool over;
		if (mask_allowed(m, &bits, &why)) {
			assert(why && (!ours || strstr(why, "GRAMMAR_")));
			return;
		}
		seed = seed * 1664525u + 1013904223u;
		u32 id = (seed >> 8) % vocab.h.n_vocab;
		while (!(bits[id / 64] >> id % 64 & 1))
			id = (id + 1) % vocab.h.n_vocab;
		if (id == vocab.h.eos)
			return;
		int r = mask_push(m, id, &over, &why);
		assert(r == 0 || strstr(why, "GRAMMAR_"));
		if (r || over)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena a = { .max_bytes = 64u << 20 };
	const void *blob = NULL;
	const char *why = NULL;
	size_t blob_len = 0;
	u32 kind = len ? data[0] % 3 : 0;
	if (len == 0)
		return 0;
	if (!vocab.tok)
		vocabulary();
	if (kind == 2) {
		blob_len = len - 1;
		void *copy = arena_alloc(&a, blob_len + 1);
		assert(copy);
		memcpy(copy, data + 1, blob_len);
		blob = copy;
	} else {
		struct chat_grammar p = { kind ? CHAT_GRAMMAR_GBNF : CHAT_GRAMMAR_SCHEMA,
			(const char *)data + 1, len - 1, data[0] & 0x80 ? "<t>" : NULL };
		int r = chat_grammar_compile(&p, &a, &blob, &blob_len, &why);
		assert(r <= 0 || (why && *why));
		struct grammar g;
		if (r == 0 && grammar_open(blob, blob_len, &g, &why))
			abort();
		if (r)
			blob = NULL;
	}
	struct mask *m = NULL;
	if (blob && mask_create(&trie, vocab.tok, blob, blob_len, &m, &why) == 0)
		follow(m, kind < 2, (u32)len);
	mask_destroy(m);
	arena_fini(&a);
	return 0;
}
