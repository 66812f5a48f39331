/* Heads of requests, as the gateway reads them from the network: nothing that is accepted has a second reading. */
#define _GNU_SOURCE
#include "gateway/http_parse.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data, *why = NULL;
	struct http_head h;
	size_t n = http_head_len(text, len);
	assert(n <= len);
	if (!n)
		return 0;
	u32 bad = http_head_parse(text, n, &h, &why);
	assert(bad == 0 || (bad >= 400 && bad < 600 && why));
	if (bad)
		return 0;
	assert(!http_header_find(&h, "transfer-encoding").s && h.n_headers <= HTTP_HEADERS_MAX);
	assert(h.path.len && h.path.s[0] == '/' && h.path.s + h.path.len <= text + n);
	for (u32 i = 0; i < h.n_headers; i++)
		assert(!memchr(h.headers[i].name.s, ' ', h.headers[i].name.len) &&
			!memchr(h.headers[i].value.s, '\n', h.headers[i].value.len));
	return 0;
}
