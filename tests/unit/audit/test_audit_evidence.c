/* The list of an excerpt's files: it names every one, in one order, and nothing but files of an excerpt; what is no excerpt is refused. What
 * is inside of one is tested where one can be made: tests/scenario/l07-evidence.sh. */
#define _GNU_SOURCE
#include "audit/tlog/evidence.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static int fd;

static int setup(void **unused)
{
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-evid.XXXXXX" : "/tmp/keep-evid.XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0;
}

static int teardown(void **unused)
{
	char cmd[96];
	close(fd);
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

static void put(const char *name, const char *text)
{
	_cleanup_fd_ int f = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(f >= 0);
	assert_int_equal(fd_write_all(f, text, strlen(text)), 0);
}

static void lists_files(void **unused)
{
	static const char want[] =
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n"
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n"
		"2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6  context/c\n";
	u8 digest[SHA256_BYTES], is[SHA256_BYTES], *data;
	size_t len;
	put("b", "b");
	put("a", "a");
	put("taken.json", "comes after the list");
	assert_int_equal(mkdirat(fd, "context", 0700), 0);
	put("context/c", "c");
	assert_int_equal(tlog_evidence_sums(fd, digest), 0);
	_cleanup_fd_ int f = openat(fd, EVIDENCE_SUMS, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_file(f, 4096, &data, &len), 0);
	assert_string_equal((char *)data, want);
	sha256_of(data, len, is);
	assert_memory_equal(is, digest, sizeof is);
	free(data);
	assert_true(tlog_evidence_sums(fd, digest) < 0); /* never over one that is there */
}

static void only_files(void **unused)
{
	u8 digest[SHA256_BYTES];
	assert_int_equal(symlinkat("/etc/passwd", fd, "link"), 0);
	assert_int_equal(tlog_evidence_sums(fd, digest), -EEXIST);
	assert_int_equal(unlinkat(fd, "link", 0), 0);
	assert_int_equal(mkdirat(fd, "folder", 0700), 0);
	assert_int_equal(tlog_evidence_sums(fd, digest), -EEXIST);
}

static void too_many(void **unused)
{
	u8 digest[SHA256_BYTES];
	char name[16];
	for (u32 i = 0; i < EVIDENCE_FILES_MAX; i++) {
		snprintf(name, sizeof name, "%u", i);
		put(name, "");
	}
	assert_int_equal(tlog_evidence_sums(fd, digest), 0);
	assert_int_equal(unlinkat(fd, EVIDENCE_SUMS, 0), 0);
	put("one more", "");
	assert_int_equal(tlog_evidence_sums(fd, digest), -EEXIST);
}

static void no_evidence(void **unused)
{
	struct evidence_result r;
	assert_int_equal(tlog_evidence_judge(&(struct evidence_params){ .dir = "/no/such/place" }, &r), 1);
	assert_int_equal(tlog_evidence_judge(&(struct evidence_params){ .dir = dir }, &r), 1);
	assert_non_null(strstr(r.why, EVIDENCE_SUMS));
	u8 digest[SHA256_BYTES];
	assert_int_equal(
		tlog_evidence_sums(fd, digest), 0); /* an empty list is right, and nothing is there */
	assert_int_equal(tlog_evidence_judge(&(struct evidence_params){ .dir = dir }, &r), 1);
	assert_non_null(strstr(r.why, EVIDENCE_KEY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists_files, setup, teardown),
		cmocka_unit_test_setup_teardown(only_files, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(no_evidence, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
