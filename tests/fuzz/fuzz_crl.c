/* A PEM file with a path, leaf first and root last, and revocation lists, in any mixture: read both ways, and the path held to the lists. */
#include "attest/bundle.h"

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_certs *path = NULL;
	struct attest_crls *crls = NULL;
	struct attest_report report;
	int c = attest_certs_add(&path, data, size, &report);
	assert((c == 1) == (report.verdict == ATTEST_REJECTED));
	int l = attest_crls_add(&crls, data, size, &report);
	assert((l == 1) == (report.verdict == ATTEST_REJECTED));
	if (c == 0 && l == 0) {
		attest_report_init(&report);
		int r = crls_check(crls, certs_stack(path), NOW, &report);
		assert((r == 1) == (report.verdict == ATTEST_REJECTED));
	}
	attest_certs_free(path);
	attest_crls_free(crls);
	return 0;
}
