/* Request blobs: whatever request_open accepts can be walked within its bounds, and building it again from its parts gives the same bytes. */
#include "base/bytes.h"
#include "base/grammar.h"
#include "base/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void walk(const struct request *r, const u8 *end, struct request_builder *b)
{
	const struct request_part *p = NULL;
	const u8 *bytes;
	u32 n = 0, stops = 0;
	while ((p = request_next(r, p, &bytes))) {
		assert(bytes <= end && p->len <= (size_t)(end - bytes));
		assert(p->kind == REQUEST_TOKENS     ? p->len % 4 == 0
			: p->kind == REQUEST_GRAMMAR ? p->len >= sizeof(struct grammar_header)
						     : bytes_utf8_ok(bytes, p->len));
		stops += p->kind == REQUEST_STOP;
		n++;
		request_add(b, p->kind, bytes, p->len);
	}
	assert(n == r->h->n_pieces + r->h->n_stops + r->h->n_grammars && stops == r->h->n_stops);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct request r;
	struct request_builder b;
	const char *why = NULL;
	u8 *again,
		*copy = aligned_alloc(8,
			len + 8 -
				len % 8); /* exactly sized reads are the sanitizer's to see: the tail is poisoned by value */
	size_t again_len;
	if (!copy)
		return 0;
	memset(copy, 0xee, len + 8 - len % 8);
	memcpy(copy, data, len);
	if (request_open(copy, len, &r, &why) == 0) {
		request_build(&b, r.h);
		walk(&r, copy + len, &b);
		int made = request_built(&b, &again, &again_len);
		assert(made == 0 && again_len == len && memcmp(again, copy, len) == 0);
		free(again);
	} else {
		assert(why);
	}
	free(copy);
	return 0;
}
