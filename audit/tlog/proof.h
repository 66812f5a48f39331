/* Proofs that go with a record: C2SP tlog-proof.
 *
 *   c2sp.org/tlog-proof@v1 LF [extra SP base64 LF] index SP n LF *(hash LF) LF checkpoint
 *
 * The extra data is nobody's word: it is signed by no one. */
#pragma once

#include "audit/tlog/policy.h"

/* Points into the bytes that it was read from. */
struct tlog_proof {
	u64 index;
	struct tlog_line extra; /* base64; len 0: none */
	struct merkle_proof path;
	const char *note; /* the checkpoint, to the end */
	size_t note_len;
};
/* Form only, the checkpoint's included. 0 done; 1 malformed. */
_must_use_ int tlog_proof_read(const void *data, size_t len, struct tlog_proof *ret);
/* The whole file; *ret to be freed. 0 done; -ENOMEM. extra may be empty. */
_must_use_ int tlog_proof_write(const struct tlog_proof *p, char **ret, size_t *ret_len);

struct tlog_proof_verdict {
	struct tlog_proof proof;
	struct policy_verdict checkpoint;
};
/* That the entry with this leaf hash is in a log that the policy believes. 0 it is, *ret; 1 it is not, *ret_why. */
_must_use_ int tlog_proof_verify(const struct tlog_policy *p, const void *data, size_t len,
	const struct merkle_hash *leaf, struct tlog_proof_verdict *ret, const char **ret_why);
