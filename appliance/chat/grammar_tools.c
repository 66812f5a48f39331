#include "chat/grammar_tools.h"

int chat_tools_grammar(const struct chat_tools_want *p, struct arena *a, const void **ret, size_t *ret_len,
	const char **ret_why)
{
	return 0;
}
