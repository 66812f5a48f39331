/* A PEM file that somebody calls a public key; what is accepted must be what a socket would be believed too. */
#include "attest/attest.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_key key;
	struct attest_report report;
	if (attest_key_parse(data, size, &key, &report) == 0)
		assert(attest_key_ok(&key));
	if (size >= sizeof key) {
		memcpy(&key, data, sizeof key);
		(void)attest_key_ok(&key);
	}
	return 0;
}
