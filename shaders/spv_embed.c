/* Build-time tool:  spv_embed IN.spv OUT.inc   checks a module against the rules and writes its words as C numbers. */
#include "shaders/spv_check.h"

#include <stdio.h>
#include <stdlib.h>

#define MODULE_WORDS_MAX (1u << 20)

static u32 words[MODULE_WORDS_MAX];

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: spv_embed IN.spv OUT.inc\n");
		return 2;
	}
	FILE *in = fopen(argv[1], "rb");
	size_t n = in ? fread(words, 4, MODULE_WORDS_MAX, in) : 0, at;
	if (!in || ferror(in) || n == MODULE_WORDS_MAX) {
		fprintf(stderr, "%s: cannot read\n", argv[1]);
		return 1;
	}
	fclose(in);
	const char *why = spv_check(words, n, &at);
	if (why) {
		fprintf(stderr, "%s: word %zu: %s\n", argv[1], at, why);
		return 1;
	}
	FILE *out = fopen(argv[2], "w");
	if (!out)
		return 1;
	for (size_t i = 0; i < n; i++)
		fprintf(out, "0x%08x,%s", words[i], i % 8 == 7 ? "\n" : " ");
	return fclose(out) == 0 ? 0 : 1;
}
