/* chat_tool: renders job after job from stdin, for the comparison with Jinja2.
 * A job: a line "SOURCE_BYTES MESSAGES_BYTES TOOLS_BYTES generation now bos eos", the template, the messages and, where there are any, the
 * tools, both as JSON. The answer: a line "0 BYTES" and the text, or "1 BYTES" and the reason of the refusal.
 * chat_tool FILE…: of each template the format of its calls, in one line. */
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

static int answer(struct chat_render *p, const char *messages)
{
	struct arena a = { 0 };
	const struct chat_piece *piece;
	const char *why = "no memory";
	size_t n, len = 0;
	int r = chat_messages_read(messages, strlen(messages), &a, &p->messages, &p->n_messages, &why);
	r = r ? r : chat_render(p, &a, &piece, &n, &why);
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

static int formats(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		static char source[1 << 18];
		FILE *f = fopen(argv[i], "r");
		if (!f)
			return 1;
		printf("%s\n", chat_template_calls(source, fread(source, 1, sizeof source, f)));
		fclose(f);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return formats(argc, argv);
	size_t n_source, n_in, n_tools;
	int generation, r = 0;
	long long now;
	char bos[64], eos[64];
	while (!r && scanf("%zu %zu %zu %d %lld %63s %63s", &n_source, &n_in, &n_tools, &generation, &now,
			     bos, eos) == 7) {
		getchar();
		char *source = take(n_source), *in = take(n_in), *tools = take(n_tools);
		r = answer(&(struct chat_render){ .source = source,
				   .source_len = n_source,
				   .add_generation_prompt = generation,
				   .bos_token = bos,
				   .eos_token = eos,
				   .tools = n_tools ? tools : NULL,
				   .now = now },
			in);
		free(source);
		free(in);
		free(tools);
	}
	return r ? 1 : 0;
}
