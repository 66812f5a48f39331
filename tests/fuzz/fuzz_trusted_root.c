/* A trusted-root file; with a bundle behind a zero byte, the bundle against it, and with a text behind two, a checkpoint of its first log. */
#include "attest/sigstore.h"

#include <string.h>

#define NOW 1795000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bundle(const struct attest_trusted_root *root, const u8 *data, size_t size)
{
	static const struct proto_identity id = { .san = "https://example.org/build.yml@refs/heads/main",
		.provider = "https://token.example.org" };
	struct attest_bundle_params p = {
		.data = data, .len = size, .trusted_root = root, .identity = &id, .at = NOW
	};
	struct attest_manifest *m = NULL;
	struct attest_report report;
	int r = attest_bundle_verify(&p, &m, &report);
	assert((r == 0) == (m != NULL) && (r == 1) == (report.verdict == ATTEST_REJECTED));
	if (m)
		assert(report.time_source == ATTEST_TIME_LOG || report.time_source == ATTEST_TIME_STAMP);
	attest_manifest_free(m);
}

static void checkpoint(const struct attest_trusted_root *root, const u8 *data, size_t size)
{
	char text[4096];
	u8 digest[SHA256_BYTES];
	u64 n;
	struct attest_report report;
	size = MIN(size, sizeof text - 1);
	memcpy(text, data, size);
	text[size] = 0;
	attest_report_init(&report);
	(void)!checkpoint_open(&root->logs[0], text, &n, digest, &report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_trusted_root *root = NULL;
	struct attest_report report;
	const u8 *zero = size ? memchr(data, 0, size) : NULL;
	size_t len = zero ? (size_t)(zero - data) : size, rest = zero ? size - len - 1 : 0;
	int r = attest_trusted_root_parse(data, len, &root, &report);
	assert((r == 0) == (root != NULL) && (r == 1) == (report.verdict == ATTEST_REJECTED));
	if (root)
		assert(root->first_ct >= 1 && root->first_ct <= root->n_logs && root->n_cas >= 1);
	if (root && rest && zero[1])
		bundle(root, zero + 1, rest);
	else if (root && rest)
		checkpoint(root, zero + 2, rest - 1);
	attest_trusted_root_free(root);
	return 0;
}
