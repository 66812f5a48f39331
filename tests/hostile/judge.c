#define _GNU_SOURCE
#include "tests/hostile/judge.h"

#include "base/fd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int hostile_judge(const u8 *data, size_t len, struct attest_report *report)
{
	_cleanup_fd_ int fd = memfd_create("model", MFD_CLOEXEC);
	struct attest_source source = { .path = "m.gguf", .fd = fd, .bytes = len };
	u64 n = DIV_UP(len, (u64)SEGMENT_BYTES);
	struct segments_header h = { SEGMENTS_MAGIC, SEGMENT_BYTES, 1, n, len };
	struct segments_file file = { .bytes = len, .count = n, .path = "m.gguf" };
	u8(*digests)[SHA256_BYTES] = calloc(n + 1, SHA256_BYTES);
	assert(fd >= 0 && digests && fd_write_all(fd, data, len) == 0);
	for (u64 i = 0; i < n; i++)
		sha256_of(data + i * SEGMENT_BYTES, MIN(len - i * SEGMENT_BYTES, (size_t)SEGMENT_BYTES),
			digests[i]);
	struct segments s = { &h, &file, (const u8(*)[SHA256_BYTES])digests };
	struct attest_layout_params p = { .segments = &s, .files = &source, .n_files = 1 };
	struct attest_blob layout = { 0 };
	int r = attest_layout_make(&p, &layout, report);
	assert((r == 0 || r == 1) && (r == 0) == (report->verdict == ATTEST_ACCEPTED));
	assert(r == 0 || (report->detail[0] && report->code[0]));
	attest_blob_fini(&layout);
	free(digests);
	return r;
}
