/* Both tables that the runtime reads, from a captured keep-attest. */
#include "base/layout.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct segments s;
	struct layout l;
	u8 *copy = malloc(size + 1); /* exact, so that a byte too many is seen; malloc aligns */
	assert(copy);
	memcpy(copy, data, size);
	int a = segments_open(copy, size, &s, &why), b = layout_open(copy, size, NULL, &l, &why);
	assert((a == 0 || a == 1) && (b == 0 || b == 1) && (a == 0 || why));
	if (b == 0)
		assert(layout_tensor_find(&l, "token_embd.weight"));
	free(copy);
	return 0;
}
