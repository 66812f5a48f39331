/* Files and pipes that a verb is given: whole, up to their limit and not one byte more; and a file that is written whole or not at all. */
#define _GNU_SOURCE
#include "base/fd.h"
#include "base/limits.h"
#include "audit/tlog/parts.h"
#include "cli/file.h"
#include "cli/qr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void limits(void **state)
{
	_cleanup_fd_ int fd = memfd_create("file", MFD_CLOEXEC);
	char path[64], why[256], *data;
	size_t len;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	for (u64 past = 0; past < 2; past++) {
		assert_int_equal(ftruncate(fd, TLOG_ENTRY_BYTES_MAX + past), 0);
		int r = file_read(path, TLOG_ENTRY_BYTES_MAX, &data, &len, why, sizeof why);
		assert_int_equal(r, past ? CLI_REFUSED : CLI_DONE);
		if (!r) {
			assert_int_equal(len, TLOG_ENTRY_BYTES_MAX);
			assert_int_equal(data[len], 0);
			free(data);
		}
	}
	assert_int_equal(file_read("/nonexistent/file", 10, &data, &len, why, sizeof why), CLI_REFUSED);
	assert_int_equal(file_read("/", 10, &data, &len, why, sizeof why), CLI_REFUSED);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(file_read(path, 0, &data, &len, why, sizeof why), CLI_DONE);
	assert_int_equal(len, 0);
	free(data);
}

static void pipes(void **state)
{
	int p[2];
	char path[64], why[256], *data;
	size_t len;
	assert_int_equal(pipe(p), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
	assert_int_equal(write(p[1], "words", 5), 5);
	close(p[1]);
	assert_int_equal(file_read(path, 5, &data, &len, why, sizeof why), CLI_DONE);
	assert_true(len == 5 && !memcmp(data, "words", 6));
	free(data);
	close(p[0]);
}

static void written(void **state)
{
	char dir[] = "/tmp/keep-file.XXXXXX", path[64], why[256], *data;
	size_t len;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/f", dir);
	assert_int_equal(file_write(path, "one", 3), CLI_DONE);
	assert_int_equal(file_write(path, "other", 5), CLI_DONE);
	assert_int_equal(file_read(path, 100, &data, &len, why, sizeof why), CLI_DONE);
	assert_true(len == 5 && !memcmp(data, "other", 5));
	free(data);
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left there */
	assert_int_not_equal(file_write("/nonexistent/f", "x", 1), CLI_DONE);
}

/* A pipe and a device stay what they are; a directory is refused; what failed leaves what was there. */
static void in_place(void **state)
{
	char dir[] = "/tmp/keep-place.XXXXXX", path[64], got[8];
	struct file_out o;
	struct stat st;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(file_write(dir, "x", 1), CLI_REFUSED);
	snprintf(path, sizeof path, "%s/f", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	_cleanup_fd_ int in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(file_write(path, "words", 5), CLI_DONE);
	assert_int_equal(read(in, got, sizeof got), 5);
	assert_true(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
	assert_int_equal(file_begin(path, 0600, &o), CLI_DONE);
	assert_int_equal(file_end(&o, CLI_REFUSED), CLI_REFUSED);
	assert_true(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
	unlink(path);
	assert_int_equal(symlink("/dev/full", path), 0);
	assert_int_equal(file_write(path, "x", 1), CLI_UNDECIDED);
	assert_true(stat(path, &st) == 0 && S_ISCHR(st.st_mode));
	unlink(path);
	assert_int_equal(file_write(path, "one", 3), CLI_DONE);
	assert_int_equal(file_begin(path, 0600, &o), CLI_DONE);
	assert_int_equal(write(o.fd, "other", 5), 5);
	assert_int_equal(file_end(&o, CLI_UNDECIDED), CLI_UNDECIDED);
	assert_true(stat(path, &st) == 0 && st.st_size == 3);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

/* What one QR code does not hold goes in several; their texts, scanned in any order into one file, are read as the whole. */
static void codes(void **state)
{
	char dir[] = "/tmp/keep-codes.XXXXXX", path[64], why[256], part[2331], *back;
	static char text[5000];
	size_t len = 0;
	memset(text, 'x', sizeof text);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/code.png", dir);
	assert_int_equal(qr_png(text, 2331, path), CLI_DONE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(qr_png(text, sizeof text, path), CLI_DONE);
	assert_int_not_equal(unlink(path), 0);
	for (u32 k = 1; k <= 3; k++) {
		snprintf(path, sizeof path, "%s/code-%u.png", dir, k);
		assert_int_equal(unlink(path), 0);
	}
	snprintf(path, sizeof path, "%s/scanned", dir);
	for (u32 missing = 0; missing <= 3; missing++) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		for (u32 k = 3; k >= 1; k--) {
			size_t n = tlog_part_write(text, sizeof text, k, 3, part, sizeof part);
			if (k != missing)
				fprintf(f, "%.*s\n", (int)n, part);
		}
		assert_int_equal(fclose(f), 0);
		int r = file_read_parts(path, 1u << 20, &back, &len, why, sizeof why);
		assert_int_equal(r, missing ? CLI_REFUSED : CLI_DONE);
		if (r)
			continue;
		assert_int_equal(len, sizeof text);
		assert_memory_equal(back, text, len);
		free(back);
	}
	assert_non_null(strstr(why, "part 3 is missing"));
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(limits), cmocka_unit_test(pipes),
		cmocka_unit_test(written), cmocka_unit_test(in_place), cmocka_unit_test(codes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
