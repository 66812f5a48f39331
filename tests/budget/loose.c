#include "tests/budget/loose.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_WORDS   5u
#define OP_NOP	       (1u << 16)
#define OP_DECORATE    (3u << 16 | 71) /* with its three words */
#define NO_CONTRACTION 42u

int loose_row(const struct pipeline_row *row, struct pipeline_row *ret)
{
	u32 *words = malloc(row->spirv_bytes);
	if (!words)
		return err_origin(-ENOMEM);
	memcpy(words, row->spirv, row->spirv_bytes);
	for (u32 i = HEADER_WORDS; i < row->spirv_bytes / 4; i += words[i] >> 16 ? words[i] >> 16 : 1)
		if (words[i] == OP_DECORATE && words[i + 2] == NO_CONTRACTION)
			words[i] = words[i + 1] = words[i + 2] = OP_NOP;
	*ret = *row;
	ret->spirv = words;
	return 0;
}

void loose_free(struct pipeline_row *row)
{
	free((void *)(uintptr_t)row->spirv);
}
