/* Reasoning: where it begins and ends, whatever the tokens are cut like; its budget, to the token; and what a request may say of it. */
#include "runtime/think.h"
#include "tests/tok/byte_vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct byte_vocab vocab;
static struct mask_trie trie;

static const char *const TEXTS[] = { "</", "think>", "</think>", "</think>\n", "ab", "<think>x", NULL };
static const char *const CONTROLS[] = { "<|go|>", "<|stop|>", "</s>", NULL };

static int setup(void **state)
{
	byte_vocab_init(&vocab);
	for (const char *const *t = TEXTS; *t; t++)
		byte_vocab_add(&vocab, TOK_NORMAL, *t);
	return byte_vocab_done(&vocab, CONTROLS) || mask_trie_create(vocab.tok, &trie);
}

static int teardown(void **state)
{
	mask_trie_fini(&trie);
	byte_vocab_fini(&vocab);
	return 0;
}

static u32 id_of(const char *text)
{
	for (u32 i = 0; i < vocab.h.n_vocab; i++)
		if (vocab.vocab[i].text.len == strlen(text) &&
			memcmp(vocab.strings + vocab.vocab[i].text.off, text, strlen(text)) == 0)
			return i;
	fail_msg("no token %s", text);
	return 0;
}

/* ---- what a request may say ---------------------------------------------------------------------------------------------- */

static size_t part(u8 *p, u32 budget, bool inside, const char *open, const char *close, const char *end)
{
	struct request_think h = { .budget = budget,
		.inside = inside,
		.open_len = (u16)strlen(open),
		.close_len = (u16)strlen(close),
		.end_len = (u16)strlen(end) };
	memcpy(p, &h, sizeof h);
	return (size_t)sprintf((char *)p + sizeof h, "%s%s%s", open, close, end) + sizeof h;
}

static bool takes(const u8 *data, size_t len, u32 kind, u32 times)
{
	struct request_builder b;
	u8 *blob = NULL;
	size_t n;
	request_build(&b, &(struct request_header){ .kind = REQUEST_GENERATE,
				  .max_tokens = kind == REQUEST_TOKENIZE ? 0 : 1,
				  .top_p = 1,
				  .repeat_penalty = 1 });
	((struct request_header *)(void *)b.buf)->kind = kind;
	request_add(&b, REQUEST_TEXT, "a", 1);
	for (u32 i = 0; i < times; i++)
		request_add(&b, REQUEST_THINK, data, len);
	int r = request_built(&b, &blob, &n);
	free(blob);
	return r == 0;
}

static void parts(void **state)
{
	u8 p[512];
	char tag[THINK_TAG_BYTES_MAX + 2];
	size_t n = part(p, 3, true, "<think>", "</think>", "\n</think>");
	assert_true(takes(p, n, REQUEST_GENERATE, 1));
	assert_false(takes(p, n, REQUEST_GENERATE, 2));
	assert_false(takes(p, n, REQUEST_TOKENIZE, 1));
	assert_false(takes(p, n - 1, REQUEST_GENERATE, 1));
	assert_false(takes(p, sizeof(struct request_think) - 1, REQUEST_GENERATE, 1));
	p[4] = 2; /* inside */
	assert_false(takes(p, n, REQUEST_GENERATE, 1));
	assert_false(takes(p, part(p, 3, false, "", "</think>", "x"), REQUEST_GENERATE, 1));
	assert_false(takes(p, part(p, 3, false, "a\xff", "b", "c"), REQUEST_GENERATE, 1)); /* half a mark */
	assert_true(takes(p,
		part(p, 3, false,
			"\xff"
			"a"
			"\xff",
			"b", "c"),
		REQUEST_GENERATE, 1));
	assert_false(takes(p, part(p, 3, false, "a\xc3", "b", "c"), REQUEST_GENERATE, 1));
	memset(tag, 'a', sizeof tag);
	tag[THINK_TAG_BYTES_MAX] = 0;
	assert_true(takes(p, part(p, 3, false, tag, tag, tag), REQUEST_GENERATE, 1));
	tag[THINK_TAG_BYTES_MAX] = 'a';
	tag[THINK_TAG_BYTES_MAX + 1] = 0;
	assert_false(takes(p, part(p, 3, false, "a", "b", tag), REQUEST_GENERATE, 1));
}

/* ---- following ----------------------------------------------------------------------------------------------------------- */

static struct think open_think(u32 budget, bool inside, const char *open, const char *close, const char *end)
{
	struct think t;
	u8 p[512] __attribute__((aligned(8)));
	(void)part(p, budget, inside, open, close, end);
	assert_int_equal(think_begin(&t, vocab.tok, p), 0);
	return t;
}

static void said(struct think *t, const char *token)
{
	size_t len;
	const u8 *s = mask_token_bytes(&trie, vocab.tok, id_of(token), &len);
	think_said(t, s, len);
}

static void tags(void **state)
{
	struct think t = open_think(THINK_NO_BUDGET, true, "<think>", "</think>", "</think>");
	said(&t, "ab");
	said(&t, "</");
	assert_true(t.inside);
	said(&t, "think>");
	assert_false(t.inside);
	said(&t, "<think>x"); /* and once more */
	assert_true(t.inside);
	size_t rest = 9;
	assert_int_equal(think_look(&t, (const u8 *)"</think>\n", 9, &rest), THINK_CLOSES);
	assert_int_equal(rest, 1);
	assert_int_equal(think_look(&t, (const u8 *)"</thin", 6, &rest), THINK_STAYS);
	said(&t, "</think>\n");
	assert_false(t.inside);
	t.may_begin = false; /* a grammar has begun */
	said(&t, "<think>x");
	assert_false(t.inside);
	think_fini(&t);

	t = open_think(THINK_NO_BUDGET, false, "\xff<|go|>\xff", "\xff<|stop|>\xff", "\xff<|stop|>\xff");
	said(&t, "ab");
	assert_false(t.inside);
	said(&t, "<|go|>");
	assert_true(t.inside);
	said(&t, "</think>");
	assert_true(t.inside);
	said(&t, "<|stop|>");
	assert_false(t.inside);
	think_fini(&t);
}

/* n tokens, then the end, then nothing is forced. */
static void budget_of(u32 n, bool inside)
{
	struct think t = open_think(n, inside, "\xff<|go|>\xff", "\xff<|stop|>\xff", "ab\xff<|stop|>\xff");
	u32 id;
	if (!inside) {
		assert_false(think_forces(&t, &id));
		said(&t, "<|go|>");
	}
	for (u32 i = 0; i < n; i++) {
		assert_false(think_forces(&t, &id));
		said(&t, "ab");
	}
	assert_true(think_forces(&t, &id));
	assert_int_equal(id, id_of("ab"));
	said(&t, "ab");
	assert_true(think_forces(&t, &id));
	assert_int_equal(id, id_of("<|stop|>"));
	said(&t, "<|stop|>");
	assert_false(t.inside);
	assert_false(think_forces(&t, &id));
	assert_int_equal(t.used, n);
	think_fini(&t);
}

static void budget(void **state)
{
	for (u32 n = 0; n < 5; n++) {
		budget_of(n, true);
		budget_of(n, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(tags),
		cmocka_unit_test(budget),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
