/* Proof that these and no other records stand at [from, to) of a log: what goes with an excerpt.
 *
 *   keep-range@v1 LF from SP n LF to SP n LF *(hash LF) LF checkpoint
 *
 * The hashes are the roots of the largest complete subtrees, in the order of the tree: first those of the records before `from`, one for each
 * bit of it, then those of the records from `to` to the checkpoint's size. With the records between them they make the checkpoint's
 * root, so nothing can be left out, added or moved, for 2 * 64 hashes at most, whatever the number of records.
 *
 *	tlog_range_begin(&r, &tree);
 *	for each record: tlog_merkle_add(&tree, &leaf);	(tlog_merkle_root(&tree) is the root of the log as it then was)
 *	tlog_range_end(&r, size, &tree) == 0 and tlog_merkle_root(&tree) is the checkpoint's root: they are the ones */
#pragma once

#include "audit/tlog/checkpoint.h"

#define RANGE_HASHES_MAX (2u * MERKLE_PROOF_MAX)

struct tlog_range {
	u64 from, to;
	u32 n;
	struct merkle_hash h[RANGE_HASHES_MAX];
	const char *note; /* the checkpoint, to the end */
	size_t note_len;
};

/* 0 done; 1 not from < to <= size; -errno of the source. */
_must_use_ int tlog_range_make(
	const struct merkle_source *s, u64 from, u64 to, u64 size, struct tlog_range *ret);
/* The whole file; *ret to be freed. 0 done; -ENOMEM. */
_must_use_ int tlog_range_write(const struct tlog_range *r, char **ret, size_t *ret_len);
/* Form only; points into data. 0 done; 1 malformed. */
_must_use_ int tlog_range_read(const void *data, size_t len, struct tlog_range *ret);
/* The tree before the first record. 0 done; 1 the proof has too few hashes for it. */
_must_use_ int tlog_range_begin(const struct tlog_range *r, struct merkle *ret);
/* What follows the last record, up to size records. 0 done; 1 the tree has not `to` records, or the proof has not the hashes for it. */
_must_use_ int tlog_range_end(const struct tlog_range *r, u64 size, struct merkle *tree);
