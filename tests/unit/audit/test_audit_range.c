/* What goes with an excerpt and what an auditor signs: every range of every small log proves itself and nothing else; every byte of a
 * sign-off counts. */
#define _GNU_SOURCE
#include "audit/tlog/range.h"
#include "audit/tlog/review.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE_MOST 40u

static struct note_key key;
static struct merkle_hash leaves[SIZE_MOST];

static int row(void *arg, u32 level, u64 first, u32 n, struct merkle_hash *ret)
{
	(void)arg;
	assert_int_equal(level, 0);
	memcpy(ret, &leaves[first], n * sizeof *ret);
	return 0;
}

static int setup(void **unused)
{
	if (sodium_init() < 0)
		return 1;
	for (u32 i = 0; i < SIZE_MOST; i++)
		leaves[i] = tlog_merkle_leaf(&i, sizeof i);
	return tlog_note_key_make("example.org/log", NOTE_ED25519, &key);
}

static struct merkle_hash root_at(u64 size)
{
	struct merkle m = { 0 };
	for (u64 i = 0; i < size; i++)
		tlog_merkle_add(&m, &leaves[i]);
	return tlog_merkle_root(&m);
}

static bool proves(const struct tlog_range *r, u64 size, const struct merkle_hash *l)
{
	struct merkle m;
	struct merkle_hash want = root_at(size);
	if (tlog_range_begin(r, &m))
		return false;
	for (u64 i = r->from; i < r->to; i++)
		tlog_merkle_add(&m, &l[i]);
	if (tlog_range_end(r, size, &m))
		return false;
	struct merkle_hash root = tlog_merkle_root(&m);
	return m.size == size && !memcmp(root.b, want.b, sizeof want.b);
}

static void every_range(void **unused)
{
	struct merkle_source s = { row, NULL, 0 };
	struct tlog_range r;
	for (u64 size = 1; size <= SIZE_MOST; size++) {
		for (u64 from = 0; from < size; from++) {
			for (u64 to = from + 1; to <= size; to++) {
				assert_int_equal(tlog_range_make(&s, from, to, size, &r), 0);
				assert_true(proves(&r, size, leaves));
				struct merkle_hash other[SIZE_MOST];
				memcpy(other, leaves, sizeof other);
				other[to - 1].b[0] ^= 1;
				assert_false(proves(&r, size, other));
			}
		}
		assert_int_equal(tlog_range_make(&s, 0, size + 1, size, &r), 1);
		assert_int_equal(tlog_range_make(&s, size, size, size, &r), 1);
	}
}

static void wrong_hashes(void **unused)
{
	struct merkle_source s = { row, NULL, 0 };
	struct tlog_range r, bad;
	assert_int_equal(tlog_range_make(&s, 5, 22, 39, &r), 0);
	for (u32 i = 0; i < r.n; i++) {
		bad = r;
		bad.h[i].b[31] ^= 1;
		assert_false(proves(&bad, 39, leaves));
	}
	bad = r;
	bad.n--;
	assert_false(proves(&bad, 39, leaves));
	bad = r;
	bad.h[bad.n++] = r.h[0];
	assert_false(proves(&bad, 39, leaves));
	assert_false(proves(&r, 38, leaves));
	bad = r;
	bad.from++;
	assert_false(proves(&bad, 39, leaves));
}

static void as_a_file(void **unused)
{
	struct merkle_source s = { row, NULL, 0 };
	struct merkle_hash root = root_at(39);
	struct tlog_range r, back;
	char text[CHECKPOINT_TEXT_MAX], note[1024], *file;
	size_t len;
	tlog_checkpoint_text(key.name, 39, &root, text, sizeof text);
	assert_int_equal(tlog_note_sign(&key, text, note, sizeof note), 0);
	assert_int_equal(tlog_range_make(&s, 5, 22, 39, &r), 0);
	r.note = note;
	r.note_len = strlen(note);
	assert_int_equal(tlog_range_write(&r, &file, &len), 0);
	assert_int_equal(tlog_range_read(file, len, &back), 0);
	assert_int_equal(back.n, r.n);
	assert_memory_equal(back.h, r.h, r.n * sizeof r.h[0]);
	assert_true(proves(&back, 39, leaves));
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(tlog_range_read(file, cut, &back), 1);
	/* every byte of it is form, number, hash or note: none can be another one and still be read as the same */
	for (size_t i = 0; i + r.note_len < len; i++) {
		file[i] ^= 1;
		if (tlog_range_read(file, len, &back) == 0)
			assert_false(back.from == 5 && back.to == 22 && proves(&back, 39, leaves));
		file[i] ^= 1;
	}
	/* more hashes than any range needs */
	assert_true(RANGE_HASHES_MAX >= 2 * MERKLE_PROOF_MAX);
	free(file);
}

static struct tlog_review example(void)
{
	struct tlog_review v = { .from = 3, .to = 17, .time = 1790000000, .root = root_at(17) };
	strcpy(v.origin, "example.org/log");
	assert_int_equal(tlog_note_key_make("example.org/auditor", NOTE_ED25519, &v.key), 0);
	v.remark = (struct tlog_line){ "read, and found in order", 24 };
	v.n_questions = 2;
	v.question[0] = (struct tlog_line){ "who is user 1004?", 17 };
	v.question[1] = (struct tlog_line){ "why no backup in May?", 21 };
	return v;
}

static void sign_off(void **unused)
{
	struct tlog_review v = example(), back;
	char *text, note[REVIEW_BYTES_MAX];
	assert_int_equal(tlog_review_text(&v, &text), 0);
	assert_int_equal(tlog_note_sign(&v.key, text, note, sizeof note), 0);
	size_t len = strlen(note);
	assert_int_equal(tlog_review_open(note, len, &back), 0);
	assert_int_equal(back.from, 3);
	assert_int_equal(back.to, 17);
	assert_int_equal(back.n_questions, 2);
	assert_memory_equal(back.question[1].s, "why no backup in May?", back.question[1].len);
	for (size_t i = 0; i < len; i++) {
		note[i] ^= 1;
		assert_int_not_equal(tlog_review_open(note, len, &back), 0);
		note[i] ^= 1;
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_not_equal(tlog_review_open(note, cut, &back), 0);
	free(text);
}

/* Signed by somebody else, in the name of the key. */
static void forged(void **unused)
{
	struct tlog_review v = example(), back;
	struct note_key other;
	char *text, note[REVIEW_BYTES_MAX];
	assert_int_equal(tlog_note_key_make("example.org/auditor", NOTE_ED25519, &other), 0);
	assert_int_equal(tlog_review_text(&v, &text), 0);
	assert_int_equal(tlog_note_sign(&other, text, note, sizeof note), 0);
	assert_int_equal(tlog_review_open(note, strlen(note), &back), 2);
	free(text);
}

static void limits(void **unused)
{
	struct tlog_review v = example(), back;
	char *text, longest[REVIEW_LINE_MAX + 2];
	memset(longest, 'x', sizeof longest);
	v.remark = (struct tlog_line){ longest, REVIEW_LINE_MAX };
	assert_int_equal(tlog_review_text(&v, &text), 0);
	free(text);
	v.remark.len++;
	assert_int_equal(tlog_review_text(&v, &text), 1);
	v.remark = (struct tlog_line){ "two\nlines", 9 };
	assert_int_equal(tlog_review_text(&v, &text), 1);
	v.remark.len = 0;
	assert_int_equal(tlog_review_text(&v, &text), 1);
	v = example();
	/* REVIEW_QUESTIONS_MAX and one more */
	for (u32 i = 0; i < REVIEW_QUESTIONS_MAX; i++)
		v.question[i] = (struct tlog_line){ "?", 1 };
	v.n_questions = REVIEW_QUESTIONS_MAX;
	assert_int_equal(tlog_review_text(&v, &text), 0);
	assert_int_equal(tlog_review_read(text, strlen(text), &back), 0);
	char *more;
	assert_true(asprintf(&more, "%squestion ?\n", text) > 0);
	assert_int_equal(tlog_review_read(more, strlen(more), &back), 1);
	free(more);
	free(text);
	v.n_questions++;
	assert_int_equal(tlog_review_text(&v, &text), 1);
	/* REVIEW_BYTES_MAX: what is longer is not even looked at */
	static char big[REVIEW_BYTES_MAX + 2];
	memset(big, 'a', sizeof big);
	assert_int_equal(tlog_review_open(big, REVIEW_BYTES_MAX + 1, &back), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_range),
		cmocka_unit_test(wrong_hashes),
		cmocka_unit_test(as_a_file),
		cmocka_unit_test(sign_off),
		cmocka_unit_test(forged),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
