/* Subjects: what is sealed opens only for its record and its subject, commitments differ by exchange, and what was destroyed is nowhere. */
#define _GNU_SOURCE
#include "audit/subject.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], file[96];
static int store;
static struct subjects subjects;

static int make(void **state)
{
	char keys[96];
	strcpy(dir,
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-subject.XXXXXX" : "/tmp/keep-subject.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(keys, sizeof keys, "%s/keys", dir);
	snprintf(file, sizeof file, "%s/keys/subjects", dir);
	assert_int_equal(mkdir(keys, 0700), 0);
	store = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return audit_subjects_open(store, &subjects);
}

static int clean(void **state)
{
	char cmd[96];
	audit_subjects_close(&subjects);
	close(store);
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

static void again(void)
{
	audit_subjects_close(&subjects);
	assert_int_equal(audit_subjects_open(store, &subjects), 0);
}

/* Does the file hold these bytes? */
static bool holds(const void *what, size_t len)
{
	_cleanup_fd_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ u8 *data = NULL;
	size_t n;
	assert_int_equal(fd_read_file(fd, 1 << 24, &data, &n), 0);
	return n && memmem(data, n, what, len) != NULL;
}

static void names(void **state)
{
	char longest[NAME_LEN_MAX + 2];
	memset(longest, 'a', sizeof longest);
	longest[NAME_LEN_MAX + 1] = 0;
	assert_false(audit_subject_name_ok(longest));
	longest[NAME_LEN_MAX] = 0;
	assert_true(audit_subject_name_ok(longest));
	assert_true(audit_subject_name_ok("uid:1000"));
	assert_false(audit_subject_name_ok(""));
	assert_false(audit_subject_name_ok("a\"b"));
	assert_false(audit_subject_name_ok("A"));
}

static void sealed(void **state)
{
	struct subject *a, *b;
	u8 *data, text[16];
	size_t len;
	assert_int_equal(audit_subject_make(&subjects, "uid:1", 7, &a), 0);
	assert_int_equal(audit_subject_make(&subjects, "uid:2", 7, &b), 0);
	assert_int_equal(audit_subject_seal(a, 9, "a patient's name", 16, &data, &len), 0);
	assert_int_equal(len, 16 + SUBJECT_SEAL_BYTES);
	assert_null(memmem(data, len, "patient", 7));
	assert_int_equal(audit_subject_unseal(a, 9, data, len, text), 0);
	assert_memory_equal(text, "a patient's name", 16);
	assert_int_equal(audit_subject_unseal(a, 10, data, len, text), 1); /* another record */
	assert_int_equal(audit_subject_unseal(b, 9, data, len, text), 1);  /* somebody else */
	assert_int_equal(audit_subject_unseal(a, 9, data, SUBJECT_SEAL_BYTES - 1, text), 1);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 1;
		assert_int_equal(audit_subject_unseal(a, 9, data, len, text), 1);
		data[i] ^= 1;
	}
	free(data);
	again(); /* the secrets are on the disk */
	a = audit_subject_find(&subjects, "uid:1");
	assert_non_null(a);
	assert_int_equal(a->made, 7);
	assert_int_equal(audit_subject_seal(a, 9, NULL, 0, &data, &len), 0);
	assert_int_equal(audit_subject_unseal(a, 9, data, len, text), 0);
	free(data);
}

/* SHA-256(salt ‖ digest): different for every exchange and every subject; the salt of one says nothing of the next. */
static void commitments(void **state)
{
	const struct subject *a = audit_subject_find(&subjects, "uid:1"),
			     *b = audit_subject_find(&subjects, "uid:2");
	u8 digest[SHA256_BYTES], x[SHA256_BYTES], y[SHA256_BYTES], both[2 * SHA256_BYTES];
	sha256_of("yes", 3, digest);
	audit_subject_commit(a, 3, digest, x);
	audit_subject_commit(a, 4, digest, y);
	assert_memory_not_equal(x, y, sizeof x);
	audit_subject_commit(b, 3, digest, y);
	assert_memory_not_equal(x, y, sizeof x);
	assert_memory_not_equal(x, digest, sizeof x);
	audit_subject_commit(a, 3, digest, y);
	assert_memory_equal(x, y, sizeof x);
	audit_subject_salt(a, 3, both);
	memcpy(both + SHA256_BYTES, digest, SHA256_BYTES);
	sha256_of(both, sizeof both, y);
	assert_memory_equal(x, y, sizeof x);
	memcpy(y, digest, sizeof y); /* in place */
	audit_subject_commit(a, 3, y, y);
	assert_memory_equal(x, y, sizeof x);
}

/* Key, salt and name are gone from the file; who comes back has others. */
static void destroyed(void **state)
{
	struct subject *a = audit_subject_find(&subjects, "uid:1"), was = *a, *fresh;
	assert_true(holds(was.key, sizeof was.key));
	assert_int_equal(audit_subject_destroy(&subjects, a), 0);
	assert_false(holds(was.key, sizeof was.key));
	assert_false(holds(was.salt, sizeof was.salt));
	assert_false(holds("uid:1", 6));
	assert_null(audit_subject_find(&subjects, "uid:1"));
	assert_non_null(audit_subject_find(&subjects, "uid:2"));
	again();
	assert_null(audit_subject_find(&subjects, "uid:1"));
	assert_int_equal(subjects.n_damaged, 0);
	assert_int_equal(audit_subject_make(&subjects, "uid:1", 20, &fresh), 0);
	assert_memory_not_equal(fresh->key, was.key, sizeof was.key);
	assert_memory_not_equal(fresh->salt, was.salt, sizeof was.salt);
	assert_ptr_equal(fresh, &subjects.v[0]); /* the slot is used again */
}

/* A torn or flipped slot is nobody's, and is left as it is; a file of another length is refused. */
static void damaged(void **state)
{
	u8 b;
	_cleanup_fd_ int fd = open(file, O_RDWR | O_CLOEXEC);
	for (off_t at = 0; at < (off_t)sizeof(struct subject); at += 5) {
		assert_int_equal(pread(fd, &b, 1, at), 1);
		b ^= 0x10;
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
		again();
		if (audit_subject_find(&subjects, "uid:1") || subjects.n_damaged != 1)
			fail_msg("byte %lld of a slot is another, and nobody noticed", (long long)at);
		assert_non_null(audit_subject_find(&subjects, "uid:2"));
		b ^= 0x10;
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
	}
	again();
	assert_non_null(audit_subject_find(&subjects, "uid:1"));
	struct subjects other = SUBJECTS_NONE;
	assert_int_equal(ftruncate(fd, 2 * sizeof(struct subject) - 1), 0);
	assert_int_equal(audit_subjects_open(store, &other), 1);
	assert_int_equal(ftruncate(fd, 0), 0);
	again();
	assert_int_equal(subjects.n, 0);
}

/* One more than SUBJECTS_MAX is refused, in the file and by name. */
static void full(void **state)
{
	struct subject *s;
	char name[16];
	for (u32 i = 0; i < SUBJECTS_MAX; i++) {
		snprintf(name, sizeof name, "uid:%u", i);
		assert_int_equal(audit_subject_make(&subjects, name, 0, &s), 0);
	}
	assert_int_equal(audit_subject_make(&subjects, "one-more", 0, &s), 1);
	again();
	assert_int_equal(subjects.n, SUBJECTS_MAX);
	struct subjects other = SUBJECTS_NONE;
	_cleanup_fd_ int fd = open(file, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (SUBJECTS_MAX + 1) * (off_t)sizeof *s), 0);
	assert_int_equal(audit_subjects_open(store, &other), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(sealed),
		cmocka_unit_test(commitments),
		cmocka_unit_test(destroyed),
		cmocka_unit_test(damaged),
		cmocka_unit_test(full),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make, clean);
}
