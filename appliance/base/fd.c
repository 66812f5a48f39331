#define _GNU_SOURCE
#include "base/fd.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPIED_MAX \
	16384u /* bytes of a sealed file up to which reading it costs less than mapping it, page faults and all */
#define SEALS_ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void fd_close(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void free_ptr(void *pp)
{
	void **p = pp;
	free(*p);
	*p = NULL;
}

int fd_read_all(int fd, void *buf, size_t len)
{
	for (u8 *p = buf; len;) {
		ssize_t n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno();
		if (n == 0)
			return -ENODATA;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_pread_all(int fd, void *buf, size_t len, u64 offset)
{
	for (u8 *p = buf; len;) {
		ssize_t n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno();
		if (n == 0)
			return -ENODATA;
		p += n;
		offset += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	for (const u8 *p = buf; len;) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno();
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_pwrite_all(int fd, const void *buf, size_t len, u64 offset)
{
	for (const u8 *p = buf; len;) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno();
		p += n;
		offset += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_memfd_sealed(const char *name, const void *data, size_t len, int *ret_fd)
{
	_cleanup_fd_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_errno();
	int r = fd_write_all(fd, data, len);
	if (r)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, SEALS_ALL) < 0)
		return err_errno();
	*ret_fd = fd_steal(&fd);
	return 0;
}

static int map(int fd, struct fd_map *m)
{
	m->copied = m->len <= COPIED_MAX;
	void *p = m->copied ? malloc(m->len) : mmap(NULL, m->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (!p || p == MAP_FAILED)
		return m->copied ? err_origin(-ENOMEM) : err_errno();
	ssize_t n = m->copied ? pread(fd, p, m->len, 0) : (ssize_t)m->len;
	if (n != (ssize_t)m->len) { /* only of a copy */
		int r = n < 0 ? err_errno() : err_origin(-EIO);
		free(p);
		return r;
	}
	m->data = p;
	return 0;
}

int fd_map_sealed(int fd, u64 max, struct fd_map *ret_map)
{
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS_ALL) != SEALS_ALL)
		return 1;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno();
	if (st.st_size < 0 || (u64)st.st_size > max)
		return 2;
	struct fd_map m = { .len = (size_t)st.st_size };
	int r = m.len ? map(fd, &m) : 0;
	if (!r)
		*ret_map = m;
	return r;
}

void fd_unmap(struct fd_map *map)
{
	if (map->copied && map->data) { /* somebody's words: no copy stays */
		explicit_bzero((void *)(uintptr_t)map->data, map->len);
		free((void *)(uintptr_t)map->data);
	} else if (map->data)
		munmap((void *)(uintptr_t)map->data, map->len);
	*map = (struct fd_map){ 0 };
}

int fd_regular_size(int fd, u64 *ret_size)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno();
	if (!S_ISREG(st.st_mode))
		return 1;
	*ret_size = (u64)st.st_size;
	return 0;
}

u64 fd_limit_raise(u64 want)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 0;
	u64 had = l.rlim_cur;
	l.rlim_cur = MIN(l.rlim_max, (rlim_t)want);
	if (had >= want || setrlimit(RLIMIT_NOFILE, &l) < 0)
		return had;
	return l.rlim_cur;
}

int fd_read_file(int fd, u64 max, u8 **ret_data, size_t *ret_len)
{
	u64 size;
	int r = fd_regular_size(fd, &size);
	if (r)
		return r;
	if (size > max)
		return 2;
	_cleanup_free_ u8 *buf = malloc(size + 1);
	if (!buf)
		return err_origin(-ENOMEM);
	r = fd_pread_all(fd, buf, size, 0);
	if (r)
		return r;
	buf[size] = 0;
	*ret_data = buf;
	*ret_len = size;
	buf = NULL;
	return 0;
}
