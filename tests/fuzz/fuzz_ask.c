/* Bodies of requests: the first byte says the form; whatever is accepted is within the limits of a request. */
#define _GNU_SOURCE
#include "base/limits.h"
#include "gateway/api.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_arena_ struct arena a = { .max_bytes = 64u << 20 };
	struct api_ask q;
	struct api_error e;
	char text[2048];
	struct jsonw w;
	if (!len)
		return 0;
	enum api_form form = (enum api_form)(API_CHAT + data[0] % 6);
	int r = api_ask_read(form, data + 1, len - 1, &a, &q, &e);
	if (r == 1) {
		assert(e.status >= 400 && e.message[0]);
		jsonw_init(&w, text, sizeof text);
		api_error_write(&w, form, &e);
		assert(!w.full);
	}
	if (r)
		return 0;
	assert(q.model && strlen(q.model) <= NAME_LEN_MAX && (q.messages || q.prompt) &&
		q.n_stops <= STOPS_MAX);
	assert(q.how.temperature >= 0 && q.how.temperature <= TEMPERATURE_MAX && q.how.top_p > 0 &&
		q.how.top_p <= 1);
	assert(q.how.max_tokens <= CTX_TOKENS_MAX);
	return 0;
}
