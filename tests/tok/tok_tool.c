/* tok_tool VOCAB < cases: one case a line, "t" or "u" (trusted), "f" or "-" (first), the text in hex; prints the ids of each.
 * With -s: also the text that the ids stream as, in hex. With -e: only the ids that end a turn. */
#include "runtime/tok.h"
#include "tests/tok/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%02x", (u8)s[i]);
}

static void stream(const struct tok *t, const struct tok_ids *ids)
{
	char out[3 * TOKEN_BYTES_MAX + 16];
	struct tok_stream s = { 0 };
	printf(" | ");
	for (size_t i = 0; i < ids->n; i++)
		hex(out, tok_stream_push(t, &s, ids->id[i], out, sizeof out));
	hex(out, tok_stream_end(&s, out, sizeof out));
}

static int one(const struct tok *t, char *line, bool streamed)
{
	struct tok_ids ids = { 0 };
	long n = strlen(line) < 4 ? -1 : vocab_unhex(line + 4);
	if (n < 0 || tok_encode(t, line + 4, (size_t)n, line[0] == 't', line[2] == 'f', &ids))
		return 1;
	for (size_t i = 0; i < ids.n; i++)
		printf("%s%u", i ? " " : "", ids.id[i]);
	if (streamed)
		stream(t, &ids);
	putchar('\n');
	tok_ids_fini(&ids);
	return 0;
}

int main(int argc, char **argv)
{
	struct vocab v;
	struct tok *t;
	const char *why, *path = argv[argc - 1];
	bool streamed = argc == 3 && strcmp(argv[1], "-s") == 0,
	     ends = argc == 3 && strcmp(argv[1], "-e") == 0;
	if (argc < 2 || argc > 3 || vocab_read(path, &v))
		return 2;
	if (tok_create(&v.l, &t, &why)) {
		fprintf(stderr, "%s: %s\n", path, why);
		return 1;
	}
	for (u32 id = 0; ends && id < v.h.n_vocab; id++)
		if (tok_ends(t, id))
			printf("%u\n", id);
	char *line = NULL;
	size_t cap = 0;
	int r = 0;
	while (!ends && !r && getline(&line, &cap, stdin) >= 0)
		r = one(t, line, streamed);
	free(line);
	tok_destroy(t);
	vocab_fini(&v);
	return r;
}
