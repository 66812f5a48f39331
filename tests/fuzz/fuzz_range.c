/* The proof beside an excerpt: what is read is written again byte for byte, and the tree that it begins with has the size that it says. */
#include "audit/tlog/range.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tlog_range r;
	struct merkle m;
	char *again;
	size_t len;
	if (tlog_range_read(data, size, &r))
		return 0;
	assert(r.from < r.to && r.n <= RANGE_HASHES_MAX);
	if (tlog_range_write(&r, &again, &len) == 0) {
		assert(len == size && memcmp(again, data, size) == 0);
		free(again);
	}
	if (tlog_range_begin(&r, &m))
		return 0;
	assert(m.size == r.from);
	m.size = r.to; /* as if the records had been added */
	if (tlog_range_end(&r, r.to, &m) == 0)
		assert(m.size == r.to);
	return 0;
}
