/* The Merkle tree of RFC 6962 over the records of the log.
 *
 * leaf = SHA-256(0x00 || record), node = SHA-256(0x01 || left || right), split at the largest power of two below n, the empty tree
 * is SHA-256(""). Proofs do not bind the size: take size and root only from a verified checkpoint. */
#pragma once

#include "base/sha256.h"
#include "base/types.h"

#define MERKLE_PROOF_MAX 64u /* hashes of a proof: one per level of a tree of 2^64 leaves */

struct merkle_hash {
	u8 b[SHA256_BYTES];
};
SIZE_PIN(merkle_hash, 32);

/* The right edge of a growing tree: edge[l] is the root of the complete subtree of 2^l leaves that bit l of size stands for. */
struct merkle {
	u64 size; /* leaves so far */
	struct merkle_hash edge[64];
};

struct merkle_hash tlog_merkle_leaf(const void *record, size_t len);
struct merkle_hash tlog_merkle_node(const struct merkle_hash *left, const struct merkle_hash *right);

/* Add one leaf hash; a zeroed struct merkle is the empty tree. */
void tlog_merkle_add(struct merkle *m, const struct merkle_hash *leaf);
/* The same; path[l] is the root of the last 2^l leaves, for every l up to the returned one, where the tree's size is a multiple of 2^l. */
u32 tlog_merkle_add_path(
	struct merkle *m, const struct merkle_hash *leaf, struct merkle_hash path[MERKLE_PROOF_MAX + 1]);
/* Add a complete subtree of 2^level leaves to a tree whose size is a multiple of that; path from `level` on as above. */
u32 tlog_merkle_add_subtree(struct merkle *m, u32 level, const struct merkle_hash *root,
	struct merkle_hash path[MERKLE_PROOF_MAX + 1]);
/* The 2 n hashes at h become their n parents. */
void tlog_merkle_parents(struct merkle_hash *h, u32 n);
/* Root of the leaves so far. */
struct merkle_hash tlog_merkle_root(const struct merkle *m);

/* Where proofs take hashes from: those of the complete subtrees of 2^level leaves with numbers first to first + n - 1, to ret[n]. Level is
 * a multiple of step, or 0 when step is 0: then only leaves are there. At most MERKLE_ROW_MAX at once. 0 done; -errno. */
#define MERKLE_ROW_MAX 64u
struct merkle_source {
	int (*row)(void *arg, u32 level, u64 first, u32 n, struct merkle_hash *ret);
	void *arg;
	u32 step;
};

/* Root of the n-th complete subtree of 2^level leaves. 0; -errno. */
_must_use_ int tlog_merkle_subtree(const struct merkle_source *s, u32 level, u64 n, struct merkle_hash *ret);
/* Root of the first `size` leaves. 0; -errno. */
_must_use_ int tlog_merkle_root_at(const struct merkle_source *s, u64 size, struct merkle_hash *ret);

struct merkle_proof {
	u32 n;
	struct merkle_hash h[MERKLE_PROOF_MAX];
};

/* RFC 6962 2.1.1: that leaf `index` is in the tree of `size` leaves. 0 done; 1 index >= size; -errno of the source.
 * With a step of s it reads at most 2^s - 1 hashes for each level; without one, every leaf. */
_must_use_ int tlog_merkle_inclusion(
	const struct merkle_source *s, u64 index, u64 size, struct merkle_proof *ret);
/* RFC 6962 2.1.2: that the tree of `size1` leaves is a prefix of that of `size2`. 0 done; 1 not 0 < size1 <= size2; -errno. */
_must_use_ int tlog_merkle_consistency(
	const struct merkle_source *s, u64 size1, u64 size2, struct merkle_proof *ret);

struct merkle_included {
	u64 index, size;
	const struct merkle_hash *leaf, *root, *proof;
	size_t n_proof;
};
/* RFC 9162 2.1.3.2. 0 the proof holds; 1 it does not. */
_must_use_ int tlog_merkle_inclusion_check(const struct merkle_included *p);

struct merkle_consistent {
	u64 size1, size2;
	const struct merkle_hash *root1, *root2, *proof;
	size_t n_proof;
};
/* RFC 9162 2.1.4.2, where equal sizes need equal roots and no proof, and size1 = 0 proves nothing and is refused.
 * 0 the proof holds; 1 it does not. */
_must_use_ int tlog_merkle_consistency_check(const struct merkle_consistent *p);

/* A subtree [start, end) of the tree, which need not be complete: start is a multiple of the smallest power of two that is not below end - start,
 * and end > start (subtrees of draft-ietf-plants-merkle-tree-certs; what ML-DSA-44 cosignatures sign). A proof that record index is in it is an
 * inclusion proof of index - start among end - start. */
bool tlog_merkle_subtree_ok(u64 start, u64 end);
struct merkle_subtree {
	u64 start, end, size;
	const struct merkle_hash *subtree, *root, *proof;
	size_t n_proof;
};
/* That the subtree is a part of the tree of `size` leaves; the empty one, with its root and without a proof, is of every tree. 0 the proof holds;
 * 1 it does not. */
_must_use_ int tlog_merkle_subtree_check(const struct merkle_subtree *p);
