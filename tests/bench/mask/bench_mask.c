/* bench_mask [SEED]: what a schema costs per token at a vocabulary of 150,000, beside the least that a step of decoding can cost: one
 * reading of 0.5 GB of weights (1 billion parameters of 4 bits; models with such vocabularies are larger), by the read loop that runs
 * here in turns with it. Answers are random within the schema, and begin anew with nothing remembered.
 *
 * Times are of this thread's work, so that other work of the machine does not count.
 *
 * The mask of a choice is made while the device computes the row that chooses (sched.c), so what a step waits for is the rest: the token said,
 * the mask found.
 *
 *   schema | tokens | per token, µs: mean, worst; beginning | of it on the path: mean, worst | masks made, found | mean of that step, mean and
 *   worst of a GPU's step of 5 ms, % ; on the path, mean and worst, % of 5 ms */
#define _GNU_SOURCE
#include "chat/chat.h"
#include "chat/grammar.h"
#include "runtime/grant.h"
#include "tests/tok/byte_vocab.h"

#include <time.h>

#define VOCAB	     150000u
#define WEIGHT_BYTES 500e6
#define ANSWERS	     20u

static u64 seed = 1;
static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed % n);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Words of two to four syllables with and without a blank, digits, marks, some of them in other scripts. */
static void word(char *s, u32 i)
{
	static const char *const syllable[] = { "an", "ber", "co", "de", "en", "fi", "ga", "hou", "in", "ja",
		"ka", "lo", "mi", "ne", "or", "pre", "que", "ri", "st", "ta", "un", "ver", "wi", "xy", "ys",
		"za", "\xc3\xa9", "\xd0\xb4\xd0\xb0", "\xe4\xb8\xad", "\xe6\x96\x87", "ing", "tion" };
	static const char *const mark[] = { "{\"", "\":", "\": ", "\",", " \"", "\"}", "],", "},", "\n ",
		", ", "\"\"", "[]" };
	char *p = s;
	if (i % 40 == 0) {
		snprintf(s, 32, "%s%u", mark[rnd(ARRAY_LEN(mark))], rnd(100));
		return;
	}
	if (i % 9 == 0 && i / 9 < 1000) { /* each once, as in the vocabularies that there are */
		snprintf(s, 32, "%u", i / 9);
		return;
	}
	if (i % 2)
		p += sprintf(p, "\xe2\x96\x81");
	for (u32 n = 2 + rnd(3); n; n--)
		p += sprintf(p, "%s", syllable[rnd(ARRAY_LEN(syllable))]);
}

/* Seconds of one reading of bytes of memory, from memory. */
static double read_loop(const u64 *p, size_t bytes)
{
	double t = now();
	u64 a = 0, b = 0, c = 0, d = 0;
	for (size_t i = 0; i + 4 <= bytes / 8; i += 4) {
		a += p[i];
		b += p[i + 1];
		c += p[i + 2];
		d += p[i + 3];
	}
	volatile u64 sink = a + b + c + d;
	(void)sink;
	return now() - t;
}

struct cost {
	double sum, worst, begin;
	double path, path_worst;
	u32 n;
	u64 made, found;
};

static void stop(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(1);
}

static void one(const struct byte_vocab *v, const struct mask_trie *trie, const void *blob, size_t len,
	struct cost *c)
{
	struct mask *m = NULL;
	const char *why;
	bool over = false;
	double started = now();
	if (mask_create(trie, v->tok, blob, len, &m, &why))
		stop(why);
	c->begin = MAX(c->begin, now() - started);
	for (u32 k = 0; k < 200 && !over; k++) {
		const u64 *bits;
		u32 id;
		double t = now();
		mask_ahead(m, NULL, 0);
		double spent = now() - t, path;
		t = now();
		if (mask_allowed(m, &bits, &why))
			stop(why);
		path = now() - t;
		u32 tries = 0;
		do /* a word where there may be one, else what there is */
			id = tries++ < 2000 ? 256 + rnd(v->h.n_vocab - 256) : rnd(v->h.n_vocab);
		while (!(bits[id / 64] >> id % 64 & 1) && tries < 100000);
		while (!(bits[id / 64] >> id % 64 & 1))
			id = (id + 1) % v->h.n_vocab;
		if (id == v->h.eos)
			break;
		t = now();
		if (mask_push(m, id, &over, &why))
			stop(why);
		path += now() - t;
		spent += path;
		c->path += path;
		c->path_worst = MAX(c->path_worst, path);
		c->sum += spent;
		c->worst = MAX(c->worst, spent);
		c->n++;
	}
	c->made += mask_stats(m).masks_made;
	c->found += mask_stats(m).masks_found;
	mask_destroy(m);
}

#define PATTERN(p) "{\"type\":\"string\",\"pattern\":\"^" p "$\"}"
#define TOOL                                                                                            \
	"[{\"type\":\"function\",\"function\":{\"name\":\"write\",\"parameters\":{\"type\":\"object\"," \
	"\"properties\":{"                                                                              \
	"\"path\":{\"type\":\"string\",\"pattern\":\"^[a-z/"                                            \
	"]{1,40}$\"},\"text\":{\"type\":\"string\"},\"line\":{\"type\":"                                \
	"\"integer\"}},\"required\":[\"path\",\"text\"]}}}]"

/* The grammar of a row: a schema, or the calls of a template's format, required or behind their tag. */
static int compile(const char *text, bool lazy, struct arena *a, const void **ret, size_t *ret_len)
{
	const char *why;
	if (text[0] == '{' && text[1] != '#')
		return chat_grammar_compile(
			&(struct chat_grammar){ .source = text, .source_len = strlen(text) }, a, ret, ret_len,
			&why);
	struct chat_turn t;
	struct chat_ask p = { .source = text,
		.source_len = strlen(text),
		.tools = TOOL,
		.choice = lazy ? CHAT_CALLS_AUTO : CHAT_CALLS_REQUIRED };
	int r = chat_turn_begin(&p, a, &t, &why);
	if (r)
		return r;
	*ret = t.grammar;
	*ret_len = t.grammar_len;
	chat_turn_fini(&t);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const CONTROLS[] = { "</s>", NULL };
	static const struct {
		const char *name, *text;
		bool lazy;
	} schema[] = {
		{ "any JSON", "{}" },
		{ "one string", "{\"type\":\"string\"}" },
		{ "invoice", "{\"type\":\"object\",\"properties\":{\"number\":{\"type\":\"string\","
			     "\"pattern\":\"^[A-Z]{2}-[0-9]{4}$\"},"
			     "\"date\":{\"type\":\"string\",\"format\":\"date\"},\"from\":{\"type\":"
			     "\"string\"},\"note\":{\"type\":\"string\"},"
			     "\"items\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\","
			     "\"properties\":{\"what\":{\"type\":\"string\"},"
			     "\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":999},\"price\":{"
			     "\"type\":\"number\",\"minimum\":0}},"
			     "\"required\":[\"what\",\"count\",\"price\"]}}},\"required\":[\"number\","
			     "\"date\",\"from\",\"note\",\"items\"]}" },
		{ "string of up to 500", "{\"type\":\"string\",\"maxLength\":500}" },
		{ "pattern of letters", PATTERN("[A-Za-z ]{1,200}") },
		{ "small letters", PATTERN("[a-z]{1,200}") },
		{ "letters without e", PATTERN("[a-df-z ]{1,200}") },
		{ "anything without /", PATTERN("[^/]{1,200}") },
		{ "anything without e", PATTERN("[^e]{1,200}") },
		{ "words and commas", PATTERN("([a-z]{1,12}, ){1,20}") },
		{ "pairs of letters", PATTERN("([a-m][n-z]| ){1,100}") },
		{ "common beginnings", PATTERN("(in|inter|internal|[a-z ]){1,100}") },
		{ "counted groups", PATTERN("(([a-z]{2}|[a-z]{5}) ?){1,60}") },
		{ "beyond ASCII", PATTERN("[a-z \\u00e0-\\u04ff]{1,200}") },
		{ "each its own way", PATTERN("((a[b-z]{1,9}a|[b-m][a-z]{1,7}c|[n-z][a-y]{3,9}z) ?){1,40}") },
		{ "calls, JSON", "{# <tool_call> tools #}" },
		{ "calls, JSON, in time", "{# <tool_call> tools #}", true },
		{ "calls, XML", "{# <tool_call><function=<parameter= #}" },
	};
	struct byte_vocab v;
	struct mask_trie trie;
	size_t bytes = 256u << 20;
	u64 *memory = malloc(bytes);
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) | 1;
	byte_vocab_init(&v);
	for (u32 i = 0; v.h.n_vocab < VOCAB - 1; i++) {
		char s[64];
		word(s, i);
		byte_vocab_add(&v, TOK_NORMAL, s);
	}
	double t = now();
	if (!memory || byte_vocab_done(&v, CONTROLS))
		return 1;
	double loaded = now();
	if (mask_trie_create(v.tok, &trie))
		return 1;
	printf("trie of %u tokens: nodes of words %u, others %u, odd %u, %.0f ms (the tokenizer: %.0f ms)\n",
		v.h.n_vocab, trie.part[MASK_WORDS].n, trie.part[MASK_OTHERS].n, trie.part[MASK_ODD].n,
		(now() - loaded) * 1e3, (loaded - t) * 1e3);
	memset(memory, 1, bytes);
	for (size_t i = 0; i < ARRAY_LEN(schema); i++) {
		struct arena a = { 0 };
		const void *blob;
		size_t len;
		if (compile(schema[i].text, schema[i].lazy, &a, &blob, &len))
			return 1;
		struct cost c = { 0 };
		double step = 1e9;
		for (u32 k = 0; k < ANSWERS; k++) {
			one(&v, &trie, blob, len, &c);
			if (k % 4 == 0)
				step = MIN(step, read_loop(memory, bytes) * WEIGHT_BYTES / (double)bytes);
		}
		double mean = c.sum / c.n;
		printf("%-20s | %5u | %7.1f %6.0f %6.0f | %5.1f %5.0f | %5llu %5llu | %.2f %% of %.1f ms, "
		       "%.2f %% "
		       "%.1f %% ; %.2f %% %.1f %%\n",
			schema[i].name, c.n, mean * 1e6, c.worst * 1e6, c.begin * 1e6, c.path / c.n * 1e6,
			c.path_worst * 1e6, (unsigned long long)c.made, (unsigned long long)c.found,
			100 * mean / step, step * 1e3, 100 * mean / 5e-3, 100 * c.worst / 5e-3,
			100 * c.path / c.n / 5e-3, 100 * c.path_worst / 5e-3);
		arena_fini(&a);
	}
	mask_trie_fini(&trie);
	byte_vocab_fini(&v);
	free(memory);
	return 0;
}
