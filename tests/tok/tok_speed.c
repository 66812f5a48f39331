/* tok_speed VOCAB...: how long a mebibyte takes, in milliseconds: words, and the slowest of some hostile texts, best of three each. A VOCAB is what
 * vocab.py writes. */
#include "runtime/tok.h"
#include "tests/tok/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_BYTES (1u << 20)

static const char *const WORDS =
	"It was said that 3,141 of them, the keepers' own, hadn't been seen since; \"nobody\" knew why.\n"
	"Größe und Übermut tun selten gut. Где это было? 漢字とかなを混ぜて書く。\tint main(void) { return "
	"0; }\n\n";
static const char *const HOSTILE[] = { "a", " ", "\n", "1", "!", "ab", "aA", "a ", "'s", "e\xcc\x81", "漢",
	"漢1", "😀", "\xff", "<|", "<|im_start|", "</s>", "\xe2\x96\x81", "\t ", "a.", "1a", "abcabcabd",
	"\xef\xb7\xba", "Éa", " \n", "\xc2\xa0", "ｶﾞ", "0x", "=-", "aaaaaaaaab" };

static f64 now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec * 1e3 + (f64)t.tv_nsec * 1e-6;
}

static f64 best_ms(const struct tok *t, const char *unit, char *text)
{
	size_t n = strlen(unit), at = 0;
	f64 best = 1e9;
	for (; at + n <= TEXT_BYTES; at += n)
		memcpy(text + at, unit, n);
	for (int i = 0; i < 3; i++) {
		struct tok_ids ids = { 0 };
		f64 begin = now_ms();
		if (tok_encode(t, text, at, true, true, &ids))
			exit(1);
		best = MIN(best, now_ms() - begin);
		tok_ids_fini(&ids);
	}
	return best;
}

static void row(const char *path, char *text)
{
	struct vocab v;
	struct tok *t;
	const char *why = "out of memory", *name = strrchr(path, '/'), *slowest = "";
	f64 worst = 0;
	if (vocab_read(path, &v))
		exit(2);
	f64 begin = now_ms();
	if (tok_create(&v.l, &t, &why)) {
		fprintf(stderr, "%s: %s\n", path, why);
		exit(1);
	}
	f64 made = now_ms() - begin, words = best_ms(t, WORDS, text);
	for (size_t i = 0; i < ARRAY_LEN(HOSTILE); i++) {
		f64 ms = best_ms(t, HOSTILE[i], text);
		slowest = ms > worst ? HOSTILE[i] : slowest;
		worst = MAX(ms, worst);
	}
	printf("%-32s %8u %8.1f %8.1f %8.1f  of \"%s\"\n", name ? name + 1 : path, v.h.n_vocab, made, words,
		worst, slowest);
	tok_destroy(t);
	vocab_fini(&v);
}

int main(int argc, char **argv)
{
	char *text = malloc(TEXT_BYTES);
	if (argc < 2 || !text)
		return 2;
	printf("%-32s %8s %8s %8s %8s\n", "vocabulary", "tokens", "made", "words", "slowest");
	for (int i = 1; i < argc; i++)
		row(argv[i], text);
	free(text);
	return 0;
}
