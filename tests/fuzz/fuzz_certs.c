/* Certificates as a bundle brings them: each with its length in two bytes, the leaf first; the last one is the pinned root. */
#include "attest/bundle.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(struct attest_certs *chain, enum chain_purpose purpose)
{
	static const struct proto_identity id = { .san = "a@example.org",
		.provider = "https://token.example.org",
		.issuer = "CN=mid",
		.policy_oid = "1.2.3" };
	struct attest_certs *roots = NULL, *path = NULL;
	struct attest_report report;
	u8 *der = NULL;
	size_t len;
	attest_report_init(&report);
	int r = certs_der(chain, attest_certs_count(chain) - 1, &der, &len);
	r = r ? r : certs_add_der(&roots, der, len, &report);
	struct chain_params p = { .leaf = certs_at(chain, 0),
		.roots = roots,
		.others = chain,
		.at = NOW,
		.now = NOW,
		.purpose = purpose };
	r = r ? r : chain_verify(&p, &path, &report);
	assert((r == 0) == (path != NULL) && (r == 1) == (report.verdict == ATTEST_REJECTED));
	struct proto_key key;
	if (path) {
		(void)!identity_check(&id, certs_stack(path), &report);
		(void)!certs_leaf_key(path, &key, &report);
	}
	char text[80];
	identity_say(certs_at(chain, 0), text, sizeof text);
	attest_certs_free(path);
	attest_certs_free(roots);
	free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_certs *chain = NULL;
	struct attest_report report;
	while (size >= 2) {
		size_t n = MIN((size_t)data[0] << 8 | data[1], size - 2);
		attest_report_init(&report);
		if (certs_add_der(&chain, data + 2, n, &report) == 0) {
			u8 *again = NULL;
			size_t len = 0;
			assert(certs_der(chain, attest_certs_count(chain) - 1, &again, &len) == 0);
			assert(len == n && !memcmp(again, data + 2, n));
			free(again);
		}
		data += 2 + n;
		size -= 2 + n;
	}
	if (attest_certs_count(chain)) {
		judge(chain, CHAIN_SIGN);
		judge(chain, CHAIN_STAMP);
	}
	attest_certs_free(chain);
	return 0;
}
