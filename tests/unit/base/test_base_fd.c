/* Ownership of descriptors, whole transfers, sealed memory files. */
#define _GNU_SOURCE
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static int scratch(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("scratch", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void close_takes_and_keeps_errno(void **state)
{
	int fd = scratch(), copy = fd;
	errno = 1234;
	fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, 1234);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	fd_close(&fd); /* nothing */
	fd = copy;
	assert_int_equal(fd_steal(&fd), copy);
	assert_int_equal(fd, -1);
}

static void whole_transfers(void **state)
{
	_cleanup_fd_ int fd = scratch();
	char b[6] = { 0 };
	assert_int_equal(fd_write_all(fd, "abcdef", 6), 0);
	assert_int_equal(fd_pwrite_all(fd, "X", 1, 2), 0);
	assert_int_equal(fd_pread_all(fd, b, 6, 0), 0);
	assert_memory_equal(b, "abXdef", 6);
	assert_int_equal(fd_pread_all(fd, b, 6, 1), -ENODATA);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_all(fd, b, 6), 0);
	assert_int_equal(fd_read_all(fd, b, 1), -ENODATA);
	assert_int_equal(fd_read_all(-1, b, 1), -EBADF);
	assert_int_equal(fd_write_all(-1, b, 1), -EBADF);
}

/* A pipe gives a few bytes at a time: the loop must go on. */
static void short_transfers(void **state)
{
	static u8 out[300000], in[300000];
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (u8)(i * 7);
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fd_write_all(p[1], out, sizeof out) != 0);
	close(p[1]);
	assert_int_equal(fd_read_all(p[0], in, sizeof in), 0);
	assert_memory_equal(in, out, sizeof in);
	assert_int_equal(fd_read_all(p[0], in, 1), -ENODATA);
	close(p[0]);
}

static void sealed_memory_cannot_change(void **state)
{
	_cleanup_fd_ int fd = -1;
	_cleanup_map_ struct fd_map m = { 0 };
	assert_int_equal(fd_memfd_sealed("t", "hello", 5, &fd), 0);
	assert_int_equal(fd_write_all(fd, "x", 1), -EPERM);
	assert_int_equal(ftruncate(fd, 4), -1);
	assert_int_equal(ftruncate(fd, 6), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fd_map_sealed(fd, 4, &m), 2);
	assert_int_equal(fd_map_sealed(fd, 5, &m), 0);
	assert_int_equal(m.len, 5);
	assert_memory_equal(m.data, "hello", 5);
	assert_ptr_equal(mmap(NULL, 5, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

/* A short one is copied, a long one mapped; both are the file, wherever its offset stands. */
static void short_and_long_ones(void **state)
{
	static u8 text[16385];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (u8)(i * 7);
	for (size_t len = sizeof text - 1; len <= sizeof text; len++) {
		_cleanup_fd_ int fd = -1;
		_cleanup_map_ struct fd_map m = { 0 };
		assert_int_equal(fd_memfd_sealed("t", text, len, &fd), 0);
		assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
		assert_int_equal(fd_map_sealed(fd, sizeof text, &m), 0);
		assert_int_equal(m.len, len);
		assert_int_equal(m.copied, len < sizeof text);
		assert_memory_equal(m.data, text, len);
	}
}

static void every_seal_is_needed(void **state)
{
	const int all[] = { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };
	for (u32 without = 0; without < 4; without++) {
		_cleanup_fd_ int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(fd_write_all(fd, "hello", 5), 0);
		for (u32 i = 1; i <= 4; i++) /* F_SEAL_SEAL last */
			if (i % 4 != without)
				assert_int_equal(fcntl(fd, F_ADD_SEALS, all[i % 4]), 0);
		struct fd_map m;
		assert_int_equal(fd_map_sealed(fd, 5, &m), 1);
	}
	_cleanup_fd_ int file = scratch();
	struct fd_map m;
	assert_int_equal(fd_map_sealed(file, 5, &m), 1);
	assert_int_equal(fd_map_sealed(STDIN_FILENO, 5, &m), 1);
}

static void empty_memory(void **state)
{
	_cleanup_fd_ int fd = -1;
	struct fd_map m = { .len = 9 };
	assert_int_equal(fd_memfd_sealed("t", NULL, 0, &fd), 0);
	assert_int_equal(fd_map_sealed(fd, 0, &m), 0);
	assert_int_equal(m.len, 0);
	assert_null(m.data);
	fd_unmap(&m);
}

static void whole_files(void **state)
{
	_cleanup_fd_ int fd = scratch();
	assert_int_equal(fd_write_all(fd, "12345", 5), 0);
	u64 size;
	u8 *data = NULL;
	size_t len;
	assert_int_equal(fd_regular_size(fd, &size), 0);
	assert_int_equal(size, 5);
	assert_int_equal(fd_read_file(fd, 4, &data, &len), 2);
	assert_null(data);
	assert_int_equal(fd_read_file(fd, 5, &data, &len), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "12345", 6);
	free_ptr(&data);
	assert_null(data);
	_cleanup_fd_ int dir = open("/", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_regular_size(dir, &size), 1);
	assert_int_equal(fd_read_file(dir, 5, &data, &len), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_takes_and_keeps_errno),
		cmocka_unit_test(whole_transfers),
		cmocka_unit_test(short_transfers),
		cmocka_unit_test(sealed_memory_cannot_change),
		cmocka_unit_test(short_and_long_ones),
		cmocka_unit_test(every_seal_is_needed),
		cmocka_unit_test(empty_memory),
		cmocka_unit_test(whole_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
