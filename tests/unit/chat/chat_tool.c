/* chat_tool: renders job after job from stdin, for the comparison with Jinja2.
 * A job: a line "SOURCE_BYTES MESSAGES_BYTES generation now bos eos", the template, the messages; a message is "role US content RS"
 * (bytes 0x1f, 0x1e). The answer: a line "0 BYTES" and the text, or "1 BYTES" and the reason of the refusal. */
#include "chat/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *take(size_t n)
{
	char *p = malloc(n + 1);
	if (!p || fread(p, 1, n, stdin) != n)
		exit(2);
	p[n] = 0;
	return p;
}

static size_t messages_read(char *body, struct chat_message *m)
{
	size_t n = 0;
	for (char *end; (end = strchr(body, 0x1e)); body = end + 1) {
		*end = 0;
		char *us = strchr(body, 0x1f);
		if (us)
			*us = 0;
		m[n++] = (struct chat_message){ body, us ? us + 1 : NULL };
	}
	return n;
}

static int answer(const struct chat_render *p)
{
	struct arena a = { 0 };
	const struct chat_piece *piece;
	const char *why = "no memory";
	size_t n, len = 0;
	int r = chat_render(p, &a, &piece, &n, &why);
	if (r)
		printf("1 %zu\n%s", strlen(why), why);
	for (size_t i = 0; !r && i < n; i++)
		len += piece[i].len;
	if (!r)
		printf("0 %zu\n", len);
	for (size_t i = 0; !r && i < n; i++)
		fwrite(piece[i].text, 1, piece[i].len, stdout);
	arena_fini(&a);
	return fflush(stdout);
}

int main(void)
{
	size_t n_source, n_in;
	int generation, r = 0;
	long long now;
	char bos[64], eos[64];
	while (!r && scanf("%zu %zu %d %lld %63s %63s", &n_source, &n_in, &generation, &now, bos, eos) == 6) {
		getchar();
		char *source = take(n_source), *in = take(n_in);
		struct chat_message *m = calloc(n_in + 1, sizeof *m);
		if (!m)
			return 2;
		r = answer(&(struct chat_render){ .source = source,
			.source_len = n_source,
			.messages = m,
			.n_messages = messages_read(in, m),
			.add_generation_prompt = generation,
			.bos_token = bos,
			.eos_token = eos,
			.now = now });
		free(source);
		free(in);
		free(m);
	}
	return r ? 1 : 0;
}
