/* Descriptors: ownership, whole reads and writes, sealed memory files.
 *
 * `int fd` is borrowed; `int *fd` is taken and becomes -1. Every descriptor is close-on-exec. */
#pragma once

#include "base/types.h"

#include <sys/types.h>

/* Close *fd if it is open; *fd becomes -1. Keeps errno. */
void fd_close(int *fd);
/* Let this process have so many descriptors at once, as far as the hard limit goes; it never has fewer than before. Returns how many it may have. */
u64 fd_limit_raise(u64 want);
#define _cleanup_fd_ _cleanup_(fd_close)

/* Hand the descriptor over: returns *fd and leaves -1 behind. */
static inline int fd_steal(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}

/* Read or write exactly len bytes, over EINTR and short transfers. 0 done; -ENODATA end of file came first; -errno. */
_must_use_ int fd_read_all(int fd, void *buf, size_t len);
_must_use_ int fd_pread_all(int fd, void *buf, size_t len, u64 offset);
_must_use_ int fd_write_all(int fd, const void *buf, size_t len);
_must_use_ int fd_pwrite_all(int fd, const void *buf, size_t len, u64 offset);

/* A memory file that holds data[len], sealed against write, grow, shrink and further seals, name for /proc only.
 * 0 done, *ret_fd owned by the caller; -errno. */
_must_use_ int fd_memfd_sealed(const char *name, const void *data, size_t len, int *ret_fd);

/* A sealed memory file for reading: mapped, or copied where it is so short that mapping costs more. data is NULL when len is 0. */
struct fd_map {
	const u8 *data;
	size_t len;
	bool copied;
};

/* Map a memory file that a less trusted peer sent. It must carry all four seals and be at most max bytes.
 * 0 done, *ret_map to be given to fd_unmap; 1 not a sealed memory file; 2 longer than max; -errno. */
_must_use_ int fd_map_sealed(int fd, u64 max, struct fd_map *ret_map);
void fd_unmap(struct fd_map *map);
#define _cleanup_map_ _cleanup_(fd_unmap)

/* Size of a regular file. 0 done; 1 not a regular file; -errno. */
_must_use_ int fd_regular_size(int fd, u64 *ret_size);

/* Whole content of a regular file, at most max bytes, into a fresh allocation with a 0 byte behind it (not counted).
 * 0 done, *ret_data to be freed; 1 not a regular file; 2 longer than max; -errno. */
_must_use_ int fd_read_file(int fd, u64 max, u8 **ret_data, size_t *ret_len);

void free_ptr(void *pp);
#define _cleanup_free_ _cleanup_(free_ptr)
