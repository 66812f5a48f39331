#include "audit/tlog/merkle.h"

#include <string.h>

#define LEAF_ON_STACK 2048u /* bytes of a record that is hashed in one piece */

struct merkle_hash tlog_merkle_leaf(const void *record, size_t len)
{
	struct merkle_hash h;
	if (len < LEAF_ON_STACK) {
		__attribute__((uninitialized)) u8 buf[1 + LEAF_ON_STACK + SHA256_PAD_BYTES];
		buf[0] = 0;
		memcpy(buf + 1, record, len);
		struct sha256_block m = { buf, sha256_pad(buf, 1 + len) };
		sha256_of_blocks(&m, 1, &h.b);
		return h;
	}
	struct sha256 s;
	sha256_init(&s);
	sha256_update(&s, "\0", 1);
	sha256_update(&s, record, len);
	sha256_final(&s, h.b);
	return h;
}

struct merkle_hash tlog_merkle_node(const struct merkle_hash *left, const struct merkle_hash *right)
{
	struct merkle_hash h[2] = { *left, *right };
	tlog_merkle_parents(h, 1);
	return h[0];
}

/* A node is two blocks: the prefix and both children, and what SHA-256 adds. */
struct node_block {
	u8 b[2 * SHA256_BLOCK_BYTES];
};

static struct sha256_block fill(struct node_block *block, const struct merkle_hash h[2])
{
	block->b[0] = 1;
	memcpy(block->b + 1, h, 2 * SHA256_BYTES);
	return (struct sha256_block){ block->b, sha256_pad(block->b, 1 + 2 * SHA256_BYTES) };
}

#define TOGETHER 16u /* nodes hashed at once */

void tlog_merkle_parents(struct merkle_hash *h, u32 n)
{
	for (u32 i = 0; i < n; i += TOGETHER) {
		struct node_block block[TOGETHER];
		struct sha256_block m[TOGETHER];
		u32 k = MIN(n - i, TOGETHER);
		for (u32 j = 0; j < k; j++)
			m[j] = fill(&block[j], h + 2 * (i + j));
		sha256_of_blocks(m, k, (u8(*)[SHA256_BYTES])(h + i));
	}
}

static bool equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return memcmp(a->b, b->b, SHA256_BYTES) == 0;
}

u32 tlog_merkle_add_subtree(struct merkle *m, u32 level, const struct merkle_hash *root,
	struct merkle_hash path[MERKLE_PROOF_MAX + 1])
{
	u64 leaves = 1ull << level;
	assert(m->size % leaves == 0);
	path[level] = *root;
	for (; m->size >> level & 1; level++)
		path[level + 1] = tlog_merkle_node(&m->edge[level], &path[level]);
	assert(level < ARRAY_LEN(m->edge));
	m->edge[level] = path[level];
	m->size += leaves;
	return level;
}

u32 tlog_merkle_add_path(
	struct merkle *m, const struct merkle_hash *leaf, struct merkle_hash path[MERKLE_PROOF_MAX + 1])
{
	return tlog_merkle_add_subtree(m, 0, leaf, path);
}

void tlog_merkle_add(struct merkle *m, const struct merkle_hash *leaf)
{
	struct merkle_hash path[MERKLE_PROOF_MAX + 1];
	(void)tlog_merkle_add_path(m, leaf, path);
}

struct merkle_hash tlog_merkle_root(const struct merkle *m)
{
	struct merkle_hash h;
	bool any = false;
	if (m->size == 0)
		sha256_of("", 0, h.b);
	for (u32 level = 0; level < 64; level++) {
		if (!(m->size >> level & 1))
			continue;
		h = any ? tlog_merkle_node(&m->edge[level], &h) : m->edge[level];
		any = true;
	}
	return h;
}

int tlog_merkle_subtree(const struct merkle_source *s, u32 level, u64 n, struct merkle_hash *ret)
{
	u32 have = s->step ? level - level % s->step : 0;
	u64 first = n << (level - have), left = 1ull << (level - have);
	struct merkle m = { 0 };
	while (left) {
		struct merkle_hash row[MERKLE_ROW_MAX];
		u32 k = (u32)MIN(left, MERKLE_ROW_MAX);
		int r = s->row(s->arg, have, first, k, row);
		if (r)
			return r;
		for (u32 i = 0; i < k; i++)
			tlog_merkle_add(&m, &row[i]);
		first += k;
		left -= k;
	}
	*ret = tlog_merkle_root(&m);
	return 0;
}

/* Root of the leaves [from, to), to > from, where from is a multiple of the power of two that their number fits in. */
static int root_of(const struct merkle_source *s, u64 from, u64 to, struct merkle_hash *ret)
{
	struct merkle m = { .size = to - from };
	for (u32 level = 64; level-- > 0;) {
		if (!(m.size >> level & 1))
			continue;
		int r = tlog_merkle_subtree(s, level, from >> level, &m.edge[level]);
		if (r)
			return r;
		from += 1ull << level;
	}
	*ret = tlog_merkle_root(&m);
	return 0;
}

int tlog_merkle_root_at(const struct merkle_source *s, u64 size, struct merkle_hash *ret)
{
	const struct merkle empty = { 0 };
	if (size)
		return root_of(s, 0, size, ret);
	*ret = tlog_merkle_root(&empty);
	return 0;
}

/* Largest power of two below n, n > 1. */
static u64 split(u64 n)
{
	return 1ull << (63 - __builtin_clzll(n - 1));
}

/* A proof walks down from [0, size); each step leaves one half behind, whose root belongs to the proof, outermost last. */
struct step {
	u64 from, to;
};

static int emit(const struct merkle_source *s, const struct step *steps, u32 n, struct merkle_proof *p)
{
	for (u32 i = n; i-- > 0;) {
		int r = root_of(s, steps[i].from, steps[i].to, &p->h[p->n]);
		if (r)
			return r;
		p->n++;
	}
	return 0;
}

int tlog_merkle_inclusion(const struct merkle_source *s, u64 index, u64 size, struct merkle_proof *ret)
{
	if (index >= size)
		return 1;
	struct step steps[MERKLE_PROOF_MAX];
	u32 n = 0;
	for (u64 from = 0, to = size; to - from > 1; n++) {
		u64 mid = from + split(to - from);
		steps[n] = index < mid ? (struct step){ mid, to } : (struct step){ from, mid };
		if (index < mid)
			to = mid;
		else
			from = mid;
	}
	struct merkle_proof p = { 0 };
	int r = emit(s, steps, n, &p);
	if (r)
		return r;
	*ret = p;
	return 0;
}

int tlog_merkle_consistency(const struct merkle_source *s, u64 size1, u64 size2, struct merkle_proof *ret)
{
	if (size1 == 0 || size1 > size2)
		return 1;
	struct step steps[MERKLE_PROOF_MAX];
	u32 n = 0;
	u64 from = 0, to = size2;
	while (size1 != to) { /* the old tree ends inside [from, to) */
		u64 mid = from + split(to - from);
		steps[n++] = size1 <= mid ? (struct step){ mid, to } : (struct step){ from, mid };
		if (size1 <= mid)
			to = mid;
		else
			from = mid;
	}
	struct merkle_proof p = { 0 };
	if (from != 0) {
		int r = root_of(s, from, to, &p.h[0]);
		if (r)
			return r;
		p.n = 1;
	}
	int r = emit(s, steps, n, &p);
	if (r)
		return r;
	*ret = p;
	return 0;
}

int tlog_merkle_inclusion_check(const struct merkle_included *p)
{
	if (p->index >= p->size)
		return 1;
	u64 fn = p->index, sn = p->size - 1;
	struct merkle_hash h = *p->leaf;
	for (size_t i = 0; i < p->n_proof; i++) {
		if (sn == 0)
			return 1;
		if ((fn & 1) || fn == sn) {
			h = tlog_merkle_node(&p->proof[i], &h);
			for (; !(fn & 1) && fn; fn >>= 1)
				sn >>= 1;
		} else {
			h = tlog_merkle_node(&h, &p->proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && equal(&h, p->root) ? 0 : 1;
}

int tlog_merkle_consistency_check(const struct merkle_consistent *p)
{
	if (p->size1 == 0 || p->size1 > p->size2)
		return 1;
	if (p->size1 == p->size2)
		return p->n_proof == 0 && equal(p->root1, p->root2) ? 0 : 1;
	if (p->n_proof == 0)
		return 1;
	const struct merkle_hash *first = p->root1;
	size_t i = 0;
	if (p->size1 & (p->size1 - 1))
		first = &p->proof[i++];
	u64 fn = p->size1 - 1, sn = p->size2 - 1;
	for (; fn & 1; fn >>= 1)
		sn >>= 1;
	struct merkle_hash fr = *first, sr = *first;
	for (; i < p->n_proof; i++) {
		const struct merkle_hash *c = &p->proof[i];
		if (sn == 0)
			return 1;
		if ((fn & 1) || fn == sn) {
			fr = tlog_merkle_node(c, &fr);
			sr = tlog_merkle_node(c, &sr);
			for (; !(fn & 1) && fn; fn >>= 1)
				sn >>= 1;
		} else {
			sr = tlog_merkle_node(&sr, c);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && equal(&fr, p->root1) && equal(&sr, p->root2) ? 0 : 1;
}

bool tlog_merkle_subtree_ok(u64 start, u64 end)
{
	if (end <= start)
		return false;
	u64 n = end - start, span = n > 1 ? 1ull << (64 - __builtin_clzll(n - 1)) : 1;
	return n <= 1ull << 63 && start % span == 0;
}

int tlog_merkle_subtree_check(const struct merkle_subtree *p)
{
	const struct merkle none = { 0 };
	struct merkle_hash empty = tlog_merkle_root(&none);
	if (p->start == p->end && p->end <= p->size)
		return p->n_proof == 0 && equal(p->subtree, &empty) ? 0 : 1;
	if (!tlog_merkle_subtree_ok(p->start, p->end) || p->end > p->size)
		return 1;
	u64 fn = p->start, sn = p->end - 1, tn = p->size - 1;
	/* up to where the subtree's own root stands, or its last complete part */
	for (bool at_end = sn == tn; fn != sn && (at_end || (sn & 1));) {
		fn >>= 1;
		sn >>= 1;
		tn >>= 1;
	}
	size_t i = 0;
	if (fn != sn && p->n_proof == 0)
		return 1;
	struct merkle_hash fr = fn == sn ? *p->subtree : p->proof[i++], sr = fr;
	for (; i < p->n_proof; i++) {
		const struct merkle_hash *c = &p->proof[i];
		if (tn == 0)
			return 1;
		if ((sn & 1) || sn == tn) {
			if (fn < sn)
				fr = tlog_merkle_node(c, &fr);
			sr = tlog_merkle_node(c, &sr);
			for (; !(sn & 1) && sn; sn >>= 1) {
				fn >>= 1;
				tn >>= 1;
			}
		} else {
			sr = tlog_merkle_node(&sr, c);
		}
		fn >>= 1;
		sn >>= 1;
		tn >>= 1;
	}
	return tn == 0 && equal(&fr, p->subtree) && equal(&sr, p->root) ? 0 : 1;
}
