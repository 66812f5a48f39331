/* Branches of the trie that are taken whole: patterns of which most of a vocabulary fits, each bit against stepping through the token;
 * counts that run out within a token, characters of several bytes, common beginnings. */
#include "chat/grammar.h"
#include "runtime/mask_impl.h"
#include "tests/tok/byte_vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *const CONTROLS[] = { "<|tool|>", "</s>", NULL };
static struct byte_vocab vocab;
static struct mask_trie trie;

static u64 seed = 7;
static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed % n);
}

/* Words of all sorts of characters, up to 24 of them; some broken off inside of one. */
static int setup(void **state)
{
	static const char *const letters[] = { "a", "b", "c", "x", "e", "q" };
	static const char *const all[] = { "a", "b", "c", "x", "e", "q", " ", "E", "Q", "0", "7", "_", "-",
		"/", ".", ",", "\"", "\\", "<", "\n", "\t", "\x7f", "\xc3\xa9", "\xc3\xbf", "\xd0\xb4",
		"\xe4\xb8\xad", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const wide[] = { "a", "b", "\xc2\x80", "\xc3\xa9", "\xd0\xb4", "\xe0\xa0\x80",
		"\xe4\xb8\xad", "\xed\x9f\xbf", "\xef\xbf\xbf" };
	static const struct {
		const char *const *v;
		u32 n;
	} kind[] = { { letters, ARRAY_LEN(letters) }, { letters, ARRAY_LEN(letters) }, { wide, 5 },
		{ wide, ARRAY_LEN(wide) }, { all, ARRAY_LEN(all) } };
	byte_vocab_init(&vocab);
	for (u32 i = 0; i < 8000; i++) {
		char s[128] = "";
		u32 n = 1 + rnd(i % 7 ? 7 : 24), of = rnd(ARRAY_LEN(kind));
		for (u32 k = 0; k < n; k++)
			strcat(s, k == 0 && i % 2 ? " " : kind[of].v[rnd(kind[of].n)]);
		if (i % 50 == 0) /* a beginning of a character, with enough behind it to be a branch */
			strcat(s, "\xe4\xb8");
		byte_vocab_add(&vocab, TOK_NORMAL, s);
	}
	for (u32 n = 1; n <= 64; n++) { /* long ones, of which a count holds some */
		char s[72] = "";
		for (u32 k = 0; k < n; k++)
			s[k] = k == 30 ? 'e' : "xq"[k % 7 == 3];
		byte_vocab_add(&vocab, TOK_NORMAL, s);
	}
	return byte_vocab_done(&vocab, CONTROLS) || mask_trie_create(vocab.tok, &trie);
}

static int teardown(void **state)
{
	mask_trie_fini(&trie);
	byte_vocab_fini(&vocab);
	return 0;
}

static bool bit(const u64 *bits, u32 id)
{
	return bits[id / 64] >> id % 64 & 1;
}

/* Can the token be said? Byte by byte, as mask_push does. */
static bool can_say(struct mask *m, u32 id)
{
	size_t len;
	const u8 *s = mask_token_bytes(&trie, vocab.tok, id, &len);
	u32 set = m->now;
	if (tok_ends(vocab.tok, id))
		return m->set[set].accept;
	for (size_t i = 0; i < len && set != MASK_DEAD; i++) {
		set = mask_step(m, set, s[i]);
		assert_int_not_equal(set, LAYOUT_NONE);
	}
	return len && set != MASK_DEAD;
}

static u32 check(struct mask *m, const char *of)
{
	const u64 *bits;
	const char *why = "";
	u32 n = 0;
	if (mask_allowed(m, &bits, &why))
		fail_msg("%s: %s", of, why);
	for (u32 id = 0; id < vocab.h.n_vocab; id++) {
		if (bit(bits, id) != can_say(m, id))
			fail_msg("%s: the bit of token %u is %d", of, id, bit(bits, id));
		n += bit(bits, id);
	}
	return n;
}

/* Along random answers. */
static void follow(const char *gbnf)
{
	struct arena a = { 0 };
	const void *blob;
	size_t len;
	const char *why = "";
	struct chat_grammar p = { .kind = CHAT_GRAMMAR_GBNF, .source = gbnf, .source_len = strlen(gbnf) };
	if (chat_grammar_compile(&p, &a, &blob, &len, &why))
		fail_msg("%s: %s", gbnf, why);
	for (u32 answer = 0; answer < 4; answer++) {
		struct mask *m = NULL;
		bool over = false;
		assert_int_equal(mask_create(&trie, vocab.tok, blob, len, &m, &why), 0);
		for (u32 n = 0; n < 12 && !over; n++) {
			const u64 *bits;
			u32 id = rnd(vocab.h.n_vocab);
			assert_true(check(m, gbnf) > 0);
			assert_int_equal(mask_allowed(m, &bits, &why), 0);
			for (u32 k = 0; k < 2 * vocab.h.n_vocab && (!bit(bits, id) || id == vocab.h.eos); k++)
				id = (id + 1) % vocab.h.n_vocab;
			if (id == vocab.h.eos || !bit(bits, id))
				break;
			assert_int_equal(mask_push(m, id, &over, &why), 0);
		}
		mask_destroy(m);
	}
	arena_fini(&a);
}

static void patterns(void **state)
{
	static const char *const gbnf[] = {
		"root ::= [a-z]{1,20}",
		"root ::= \"\\\"\" [a-z ]{1,40} \"\\\"\"",
		"root ::= \"\\\"\" [^\"\\\\<\\x00-\\x1f]{1,9} \"\\\"\"",
		"root ::= [^\"\\\\<\\x00-\\x1f]{3} [a-z]*", /* plain text runs out, and letters may follow */
		"root ::= [^\"\\\\<\\x00-\\x1f]{3} \"\\u00e9\"*", /* or one character beyond ASCII */
		"root ::= [a-zA-Z ]{4} [0-9/]*",
		"root ::= [a-zA-Z ]{4} \"x\"*",
		"root ::= [^e]{1,30}",
		"root ::= [a-z]{1,70}",
		"root ::= ([a-w] [a-z] | [x-z] \"e\"){1,12}", /* most lead elsewhere than some */
		"root ::= ([a-z] \"e\"?){1,70}",
		"root ::= (\"a\" | \"ab\" | \"abc\" | [a-z]){1,50}",
		"root ::= (\"b\" | [a-z]{3} \" \"?){1,24} \"/\"",
		"root ::= x{1,40} \"/\"\nx ::= [a-z]{2} | \"q\" [ex] \"x\"",
		"root ::= [^/]+",
		"root ::= ([a-c]{2} | [a-x]{5} \" \"?){1,9}",
		"root ::= (\"a\" | \"ab\" | \"abc\" | [a-z])*",
		"root ::= (\"ab\" | [a-z]){1,12} \".\"",
		"root ::= ([a-z] [a-m] | \"q\" \"x\"){1,8}",
		"root ::= [a-z\\u00e0-\\u04ff]{1,20}",
		"root ::= [\\u0080-\\U0010ffff]* [a-z]{1,3}",
		"root ::= [\\u0800-\\ud7ff]{1,3} [a-z]*",
		"root ::= ([a-z] | \"\\u4e2d\"){1,12}",
		"root ::= ([a-b ] | [\\u0081-\\U0010ffff]){1,12}",
		"root ::= [a-b \\u0080-\\ud7fe\\ue000-\\U0010ffff]{1,12}",
		"root ::= ([a-b ] | [\\u0080-\\u03ff] | [\\u0400-\\u07ff] \"a\"){1,12}",
		"root ::= ([a-b ] | [\\u0080-\\u0fff] | [\\u1000-\\uffff] \"a\"){1,12}",
		"root ::= ([a-b ] | \"\\u0080\" \"a\" | [\\u0081-\\u07ff]){1,12}",
		"root ::= x{2,6} \"e\"\nx ::= [a-z] | \"(\" x \")\"",
	};
	for (size_t i = 0; i < ARRAY_LEN(gbnf); i++)
		follow(gbnf[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(patterns) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
