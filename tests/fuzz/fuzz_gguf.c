/* The layout job over one GGUF file. */
#define _GNU_SOURCE
#include "attest/attest.h"
#include "base/fd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_source source = {
		.path = "m.gguf", .fd = memfd_create("fuzz", MFD_CLOEXEC), .bytes = size
	};
	u64 n = DIV_UP(size, (u64)SEGMENT_BYTES);
	struct segments_header h = { SEGMENTS_MAGIC, SEGMENT_BYTES, 1, n, size };
	struct segments_file file = { .bytes = size, .count = n, .path = "m.gguf" };
	u8(*digests)[SHA256_BYTES] = calloc(n + 1, SHA256_BYTES);
	for (u64 i = 0; i < n; i++)
		sha256_of(data + i * SEGMENT_BYTES, MIN(size - i * SEGMENT_BYTES, (size_t)SEGMENT_BYTES),
			digests[i]);
	struct segments s = { &h, &file, (const u8(*)[SHA256_BYTES])digests };
	struct attest_layout_params p = { .segments = &s, .files = &source, .n_files = 1 };
	struct attest_blob layout = { 0 };
	struct attest_report report;
	assert(source.fd >= 0 && digests && fd_write_all(source.fd, data, size) == 0);
	int r = attest_layout_make(&p, &layout, &report);
	assert(r >= 0 && (r == 0) == (report.verdict == ATTEST_ACCEPTED));
	attest_blob_fini(&layout);
	free(digests);
	close(source.fd);
	return 0;
}
