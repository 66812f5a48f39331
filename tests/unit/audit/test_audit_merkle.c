/* The tree against its definition, and proofs against public vectors (KEEP_SHARED/vectors/tlog/merkle). */
#define _GNU_SOURCE
#include "audit/tlog/merkle.h"
#include "audit/tlog/note.h"

#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 70u
static struct merkle_hash leaves[N];

/* MTH of RFC 6962 2.1, as it is written there. */
static struct merkle_hash mth(u64 from, u64 n)
{
	struct merkle_hash h;
	if (n == 0)
		sha256_of("", 0, h.b);
	if (n == 1)
		h = leaves[from];
	if (n > 1) {
		u64 k = 1;
		while (2 * k < n)
			k *= 2;
		struct merkle_hash l = mth(from, k), r = mth(from + k, n - k);
		h = tlog_merkle_node(&l, &r);
	}
	return h;
}

/* Complete subtrees from the definition; *arg is the step, and only its levels may be asked for. */
static int source_row(void *arg, u32 level, u64 first, u32 n, struct merkle_hash *ret)
{
	const u32 *step = arg;
	assert_true(n <= MERKLE_ROW_MAX && (*step ? level % *step == 0 : level == 0));
	assert_true((first + n) << level <= N);
	for (u32 i = 0; i < n; i++)
		ret[i] = mth((first + i) << level, 1ull << level);
	return 0;
}
static u32 steps[] = { 0, 1, 2, 4 };

static int make_leaves(void **state)
{
	for (u32 i = 0; i < N; i++)
		leaves[i] = tlog_merkle_leaf(&i, sizeof i);
	return 0;
}

static void roots(void **state)
{
	struct merkle m = { 0 };
	for (u32 i = 0; i <= N; i++) {
		struct merkle_hash a = tlog_merkle_root(&m), b = mth(0, i);
		assert_memory_equal(a.b, b.b, sizeof a.b);
		if (i < N)
			tlog_merkle_add(&m, &leaves[i]);
	}
}

static void inclusion_all(void **state)
{
	struct merkle_proof p;
	for (u64 size = 1; size <= N; size++) {
		struct merkle_hash root = mth(0, size);
		const struct merkle_source s = { source_row, &steps[size % 4], steps[size % 4] };
		for (u64 i = 0; i < size; i++) {
			assert_int_equal(tlog_merkle_inclusion(&s, i, size, &p), 0);
			struct merkle_included in = { i, size, &leaves[i], &root, p.h, p.n };
			assert_int_equal(tlog_merkle_inclusion_check(&in), 0);
			in.leaf = &leaves[(i + 1) % N];
			assert_int_equal(tlog_merkle_inclusion_check(&in), 1);
			in.leaf = &leaves[i];
			in.n_proof++; /* one more */
			assert_int_equal(tlog_merkle_inclusion_check(&in), 1);
		}
	}
	const struct merkle_source any = { source_row, &steps[0], 0 };
	assert_int_equal(tlog_merkle_inclusion(&any, 5, 5, &p), 1);
}

static void consistency_all(void **state)
{
	struct merkle_proof p;
	for (u64 b = 1; b <= N; b++) {
		struct merkle_hash root2 = mth(0, b), at;
		const struct merkle_source s = { source_row, &steps[b % 4], steps[b % 4] };
		assert_int_equal(tlog_merkle_root_at(&s, b, &at), 0);
		assert_memory_equal(at.b, root2.b, sizeof at.b);
		for (u64 a = 1; a <= b; a++) {
			struct merkle_hash root1 = mth(0, a);
			assert_int_equal(tlog_merkle_consistency(&s, a, b, &p), 0);
			struct merkle_consistent c = { a, b, &root1, &root2, p.h, p.n };
			assert_int_equal(tlog_merkle_consistency_check(&c), 0);
			c.root1 = &leaves[1];
			assert_int_equal(tlog_merkle_consistency_check(&c), 1);
			c.root1 = &root1;
			c.root2 = &leaves[1];
			assert_int_equal(tlog_merkle_consistency_check(&c), 1);
		}
	}
	const struct merkle_source any = { source_row, &steps[0], 0 };
	assert_int_equal(tlog_merkle_consistency(&any, 0, 5, &p), 1);
	assert_int_equal(tlog_merkle_consistency(&any, 6, 5, &p), 1);
}

/* A subtree's complete parts and the tree that goes on behind it: from the definition, with the proof that a prefix has. */
static void subtrees(void **state)
{
	for (u64 size = 1; size <= N; size++) {
		struct merkle_hash root = mth(0, size);
		for (u64 end = 1; end <= size; end++) {
			struct merkle_proof p;
			struct merkle_hash sub = mth(0, end);
			const struct merkle_source s = { source_row, &steps[0], 0 };
			assert_int_equal(tlog_merkle_consistency(&s, end, size, &p), 0);
			struct merkle_subtree t = { 0, end, size, &sub, &root, p.h, p.n };
			assert_int_equal(tlog_merkle_subtree_check(&t), 0);
			t.subtree = &leaves[N - 1];
			assert_int_equal(tlog_merkle_subtree_check(&t), 1);
		}
		for (u64 i = 0; i < size;
			i++) { /* one leaf is a subtree, and its proof is one of inclusion */
			struct merkle_proof p;
			const struct merkle_source s = { source_row, &steps[0], 0 };
			assert_int_equal(tlog_merkle_inclusion(&s, i, size, &p), 0);
			struct merkle_subtree t = { i, i + 1, size, &leaves[i], &root, p.h, p.n };
			assert_int_equal(tlog_merkle_subtree_check(&t), 0);
			t.start = i + 1;
			assert_int_equal(tlog_merkle_subtree_check(&t), 1);
		}
	}
	assert_true(tlog_merkle_subtree_ok(4, 7) && tlog_merkle_subtree_ok(8, 16) &&
		    tlog_merkle_subtree_ok(5, 6));
	assert_false(
		tlog_merkle_subtree_ok(2, 5) || tlog_merkle_subtree_ok(3, 3) || tlog_merkle_subtree_ok(4, 9));
}

/* ---- public vectors ---- */

static u32 n_files, n_good;

/* Some vectors hold words where a hash belongs ("don't care 1"): those stand for their own digest. 0; 1 empty or not base64. */
static int hash_of(const json_t *j, struct merkle_hash *ret)
{
	const char *s = json_string_value(j);
	u8 data[256];
	size_t n;
	if (!s || tlog_unbase64(s, strlen(s), data, sizeof data, &n) || n == 0)
		return 1;
	if (n == sizeof ret->b)
		memcpy(ret->b, data, n);
	else
		sha256_of(data, n, ret->b);
	return 0;
}

static u64 number_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_real_value(v) >= 0x1p64 ? UINT64_MAX : (u64)json_real_value(v);
}

static int proof_of(const json_t *o, struct merkle_hash *proof, size_t *n)
{
	const json_t *p = json_object_get(o, "proof");
	*n = json_array_size(p);
	for (size_t i = 0; i < *n; i++)
		if (hash_of(json_array_get(p, i), &proof[i]))
			return 1;
	return 0;
}

static int check_inclusion(const json_t *o)
{
	struct merkle_hash leaf, root, proof[128];
	struct merkle_included in = { number_of(o, "leafIdx"), number_of(o, "treeSize"), &leaf, &root, proof,
		0 };
	if (hash_of(json_object_get(o, "leafHash"), &leaf) || hash_of(json_object_get(o, "root"), &root) ||
		proof_of(o, proof, &in.n_proof))
		return 1;
	return tlog_merkle_inclusion_check(&in);
}

static int check_consistency(const json_t *o)
{
	struct merkle_hash root1, root2, proof[128];
	struct merkle_consistent c = { number_of(o, "size1"), number_of(o, "size2"), &root1, &root2, proof,
		0 };
	if (hash_of(json_object_get(o, "root1"), &root1) || hash_of(json_object_get(o, "root2"), &root2) ||
		proof_of(o, proof, &c.n_proof))
		return 1;
	return tlog_merkle_consistency_check(&c);
}

static int check_subtree_inclusion(const json_t *o)
{
	struct merkle_hash leaf, root, proof[128];
	u64 index = number_of(o, "leafIdx"), start = number_of(o, "start"), end = number_of(o, "end");
	if (!tlog_merkle_subtree_ok(start, end) || index < start ||
		hash_of(json_object_get(o, "leafHash"), &leaf) || hash_of(json_object_get(o, "root"), &root))
		return 1;
	struct merkle_included in = { index - start, end - start, &leaf, &root, proof, 0 };
	return proof_of(o, proof, &in.n_proof) ? 1 : tlog_merkle_inclusion_check(&in);
}

static int check_subtree(const json_t *o)
{
	struct merkle_hash subtree, root, proof[128];
	struct merkle_subtree s = { number_of(o, "start"), number_of(o, "end"), number_of(o, "size"),
		&subtree, &root, proof, 0 };
	if (hash_of(json_object_get(o, "root1"), &subtree) || hash_of(json_object_get(o, "root2"), &root) ||
		proof_of(o, proof, &s.n_proof))
		return 1;
	return tlog_merkle_subtree_check(&s);
}

static int one_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type != FTW_F || !strstr(path, ".json"))
		return 0;
	json_t *o = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
	if (!o)
		fail_msg("%s: cannot be read", path);
	int r = strstr(path, "/inclusion/")	     ? check_inclusion(o)
		: strstr(path, "/consistency/")	     ? check_consistency(o)
		: strstr(path, "/subtreeinclusion/") ? check_subtree_inclusion(o)
						     : check_subtree(o);
	bool bad = json_is_true(json_object_get(o, "wantErr"));
	if ((r != 0) != bad)
		fail_msg("%s: %d, wanted %s", path, r, bad ? "refusal" : "acceptance");
	json_decref(o);
	n_files++;
	n_good += !bad;
	return 0;
}

static void vectors(void **state)
{
	static const char *const kinds[] = { "inclusion", "consistency", "subtreeinclusion",
		"subtreeconsistency" };
	const char *shared = getenv("KEEP_SHARED");
	if (!shared) {
		print_message("KEEP_SHARED is not set: no public vectors\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/vectors/tlog/merkle/testdata/%s", shared, kinds[i]);
		assert_int_equal(nftw(path, one_file, 8, FTW_PHYS), 0);
	}
	print_message("%u vectors, %u of them good\n", n_files, n_good);
	assert_true(n_good >= 20 && n_files >= 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(roots), cmocka_unit_test(inclusion_all),
		cmocka_unit_test(consistency_all), cmocka_unit_test(subtrees), cmocka_unit_test(vectors) };
	return cmocka_run_group_tests(tests, make_leaves, NULL);
}
