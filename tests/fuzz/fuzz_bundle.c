/* A bundle that nobody vouches for. Its statement is hidden in base64 from a fuzzer: fuzz_statement reads those. */
#include "attest/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_manifest *m = NULL;
	struct attest_report report;
	attest_report_init(&report);
	int r = attest_bundle_peek(data, size, &m, &report);
	assert((r == 0) == (m != NULL) && (r == 1) == (report.verdict == ATTEST_REJECTED));
	for (u32 i = 0; m && i < m->n_files; i++)
		assert(m->files[i].n > 0 && m->files[i].path[0]);
	attest_manifest_free(m);
	return 0;
}
