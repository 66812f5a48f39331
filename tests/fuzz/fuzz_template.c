/* Templates: the input is one; it meets messages whose every byte is a mark. Then: an outcome, and no byte of a message in a trusted
 * piece nor, as long as the template does not write it itself, out of one. */
#include "chat/chat.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MARK "\x01\x02\x01\x02\x01\x02"

static void check(const char *source, size_t len, const struct chat_message *m, size_t n_m)
{
	struct arena a = { .max_bytes = 64u << 20 };
	const struct chat_piece *piece;
	const char *why = NULL;
	size_t n;
	int r = chat_render(&(struct chat_render){ .source = source,
				    .source_len = len,
				    .messages = m,
				    .n_messages = n_m,
				    .add_generation_prompt = true,
				    .bos_token = "<s>",
				    .eos_token = "</s>",
				    .now = 1000000000 },
		&a, &piece, &n, &why);
	assert(r == 0 || r == 1 || r < 0);
	if (r == 1)
		assert(why && strncmp(why, "line ", 5) == 0);
	/* the marks' bytes cannot be written by a template without \ or the bytes themselves */
	bool writes = memchr(source, '\\', len) || memchr(source, 1, len) || memchr(source, 2, len);
	for (size_t i = 0; r == 0 && i < n; i++) {
		assert(piece[i].len > 0);
		assert(i == 0 || piece[i].trusted != piece[i - 1].trusted);
		if (piece[i].trusted && !writes)
			assert(!memchr(piece[i].text, 1, piece[i].len) &&
				!memchr(piece[i].text, 2, piece[i].len));
	}
	r = chat_template_check(source, len, &a, &why);
	assert(r == 0 || r == 1 || r < 0);
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct chat_message m[] = { { "system", MARK " " MARK }, { "user", MARK "\n" MARK },
		{ "assistant", MARK "\xc3\xa9\xff" MARK }, { "user", MARK } };
	check((const char *)data, len, m, 4);
	return 0;
}
