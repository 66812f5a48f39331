#include "guesses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static u32 prompts[ASKS][90];

static void make_prompts(void)
{
	static bool made;
	u64 seed = 1;
	for (u32 i = 0; i < ASKS && !made; i++)
		tiny_ids(prompts[i], ARRAY_LEN(prompts[0]), &seed);
	made = true;
}

/* Every sampler: greedy, with a penalty, hot, top-k, top-p, min-p; free and held by the grammar; one ends by a stop string. */
struct ask guess_asked(u32 i)
{
	make_prompts();
	struct ask k = { .ids = prompts[i],
		.n_ids = 20 + 4 * i,
		.max_tokens = GUESS_NEW,
		.temperature = i % 4 ? 0.9f : 0,
		.top_k = i == 2 ? 3 : 0,
		.top_p = i == 3 ? 0.9f : 1,
		.min_p = i == 5 ? 0.05f : 0,
		.repeat_penalty = i % 2 ? 1 : 1.15f,
		.seed = i,
		.principal = i % 3 };
	if (i == 0)
		k.repeat_penalty = 1;
	if (i >= 3) {
		k.grammar = ask_letters(&k.n_grammar);
		k.ends = true;
	}
	if (i == 6)
		k.stop = "dabc";
	return k;
}

void guess_same(const struct ask *a, const struct ask *b)
{
	assert_true(a->over && b->over);
	assert_int_equal(a->outcome.finish, b->outcome.finish);
	assert_int_equal(a->outcome.n_generated, b->outcome.n_generated);
	assert_int_equal(a->n_out, b->n_out);
	assert_memory_equal(a->out, b->out, a->n_out * sizeof *a->out);
	assert_memory_equal(a->rows, b->rows, SHA256_BYTES);
	assert_memory_equal(a->outcome.tokens, b->outcome.tokens, SHA256_BYTES);
	assert_memory_equal(a->outcome.text, b->outcome.text, SHA256_BYTES);
}
