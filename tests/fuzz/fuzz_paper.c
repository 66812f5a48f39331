/* Lines that somebody typed: what is read prints as something that reads the same. */
#include "audit/tlog/paper.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 *once, *twice;
	char *text = NULL;
	size_t n, m, len;
	u32 line;
	if (tlog_paper_read((const char *)data, size, &once, &n, &line))
		return 0;
	FILE *f = open_memstream(&text, &len);
	assert(f && n < size);
	tlog_paper_write(f, once, n);
	fclose(f);
	int r = tlog_paper_read(text, len, &twice, &m, &line);
	assert(r == 0 && m == n && memcmp(once, twice, n) == 0);
	free(once);
	free(twice);
	free(text);
	return 0;
}
