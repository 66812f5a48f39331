/* A tlog-proof: what is read is written again byte for byte, and no policy without its log believes it. */
#include "audit/tlog/proof.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char none[] =
		"log example.org/log+3679334f+AYzlgDpkGnKvI8QykMidIpzgh27X/XsubiRXEdZaUDvP\nquorum none\n";
	_cleanup_policy_ struct tlog_policy *p = NULL;
	struct tlog_proof proof;
	struct tlog_proof_verdict v;
	struct merkle_hash leaf = tlog_merkle_leaf("entry 3", 7);
	char *again, why[200];
	const char *words;
	size_t len;
	if (tlog_proof_read(data, size, &proof))
		return 0;
	if (tlog_proof_write(&proof, &again, &len) == 0) {
		assert(len == size && memcmp(again, data, size) == 0);
		free(again);
	}
	if (tlog_policy_read(none, sizeof none - 1, &p, why, sizeof why) == 0 &&
		tlog_proof_verify(p, data, size, &leaf, &v, &words) == 0)
		assert(v.checkpoint.n_logs == 1 && v.proof.index < v.checkpoint.checkpoint.size);
	return 0;
}
