/* A proof, judged here and drawn: from the record's hash over every hash on the way to the root that a checkpoint signs. keepd has made it; that
 * it holds is found out here, with the same functions as keep-audit-verify. */
#pragma once

#include "audit/tlog/checkpoint.h"
#include "audit/tlog/proof.h"
#include "gateway/console/page.h"

struct proof_view {
	u64 index;
	struct checkpoint cp;
	struct merkle_hash leaf;
	u32 n;								      /* steps */
	struct merkle_hash beside[MERKLE_PROOF_MAX], above[MERKLE_PROOF_MAX]; /* above[n - 1]: the root */
	bool left[MERKLE_PROOF_MAX];					      /* what is beside stands left */
	char note[NOTE_BYTES_MAX];
};
/* text: a tlog-proof; entry: the record's bytes; vkey: the log's. 0 it holds; 1 it does not, *ret_why. */
struct proof_read {
	const char *text, *entry, *vkey;
	size_t text_len, entry_len;
	u64 index;
};
_must_use_ int proof_view_read(const struct proof_read *r, struct proof_view *ret, const char **ret_why);
/* As a picture, with a list of the same as its alternative. */
void proof_view_write(const struct proof_view *v, struct page *p);
