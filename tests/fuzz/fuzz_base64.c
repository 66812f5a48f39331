/* Canonical base64: a text is accepted exactly when it is what the encoder writes for the bytes that came out; and any bytes survive. */
#include "attest/internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 *out = NULL, *back = NULL;
	size_t len = 0, back_len = 0;
	if (base64_decode((const char *)data, size, &out, &len) == 0) {
		char *again = base64_encode(out, len);
		assert(again && strlen(again) == size && !memcmp(again, data, size));
		free(again);
		free(out);
	}
	char *text = base64_encode(data, size);
	assert(text && base64_decode(text, strlen(text), &back, &back_len) == 0);
	assert(back_len == size && (!size || !memcmp(back, data, size)));
	free(text);
	free(back);
	return 0;
}
