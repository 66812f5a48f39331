/* Faults, linked into the test's own keepd only: the n-th thing that reaches the disk or a socket does not happen.
 *
 * KEEP_FAULT=MODE:N   kill  the process ends there, as by kill -9
 *                     torn  the same, but a write has done its first half
 *                     fail  the operation fails with EIO, and so does every later one
 *                     once  it fails with EIO, and every later one works, as a second fsync does after a first that failed
 *                     shrt  the same, but a write has done its first half
 *                     full  writes fail with ENOSPC from there on; syncs work
 * and with MODE:N:PATH one byte is written to that file when it comes to the n-th. Counted are SQLite's writes, syncs and truncations (by a VFS around the unix one) and our own write, pwrite, fsync, fdatasync, open, openat, renameat,
 * renameat2, mkdirat, unlinkat, ftruncate, posix_fallocate and sendmsg (by the linker's --wrap). Without KEEP_FAULT nothing changes.
 *
 * A sync of SQLite's takes 200 us, so that other things come while it runs. KEEP_FAULT=slow:US:PATH makes that US while a file PATH-slow is there;
 * and it fails while PATH-fail is.
 *
 * KEEP_FAULT=trace:PATH writes what happens to the database and what is sent, in its order, to that file (trace.h), and breaks nothing. */
#define _GNU_SOURCE
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

static enum { NONE, KILL, TORN, FAIL, FULL, ONCE, SHRT } mode;
static u64 at;
static u32 slow_us;
static const char *marks; /* PATH; NULL: none */
static _Atomic u64 done;  /* two threads count */

ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __real_write(int fd, const void *p, size_t n);

static int trace_fd = -1, struck_fd = -1;
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic u64 traced; /* events so far */

static void trace(u32 kind, u32 file, u64 off, const void *data, u32 len)
{
	struct trace_event e = { .kind = kind, .file = file, .off = off, .len = len };
	if (trace_fd < 0)
		return;
	pthread_mutex_lock(&trace_lock);
	traced++;
	if (__real_write(trace_fd, &e, sizeof e) != sizeof e ||
		__real_write(trace_fd, data, len) != (ssize_t)len)
		_exit(98);
	pthread_mutex_unlock(&trace_lock);
}

static _Thread_local u64 mine; /* the number of the operation that this thread is at */

/* Is this the operation (or, for FAIL and FULL, one after it)? */
static bool struck(void)
{
	mine = atomic_fetch_add(&done, 1) + 1;
	if (mode == NONE || mine < at)
		return false;
	if (struck_fd >= 0 && mine == at && __real_write(struck_fd, "x", 1) != 1)
		_exit(98);
	if (mode == KILL)
		_exit(137);
	return mode == FAIL || mode == FULL ? true : mine == at;
}

/* For an operation that takes no room: how it ends when it is struck. 0 it works after all. */
static int broken(int full)
{
	if (!struck())
		return 0;
	if (mode == TORN)
		_exit(137);
	errno = mode == FULL ? full : EIO;
	return mode == FULL ? full : EIO;
}

int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd)
{
	return broken(0) ? -1 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	return broken(0) ? -1 : __real_fdatasync(fd);
}

int __wrap_unlinkat(int d, const char *p, int flags);
int __real_unlinkat(int d, const char *p, int flags);
int __wrap_unlinkat(int d, const char *p, int flags)
{
	return broken(0) ? -1 : __real_unlinkat(d, p, flags);
}

int __wrap_openat64(int d, const char *p, int flags, ...);
int __real_openat64(int d, const char *p, int flags, ...);
int __wrap_openat64(int d, const char *p, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t m = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return broken(flags & O_CREAT ? ENOSPC : 0) ? -1 : __real_openat64(d, p, flags, m);
}

int __wrap_open64(const char *p, int flags, ...);
int __real_open64(const char *p, int flags, ...);
int __wrap_open64(const char *p, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t m = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return broken(flags & O_CREAT ? ENOSPC : 0) ? -1 : __real_open64(p, flags, m);
}

int __wrap_ftruncate64(int fd, off_t size);
int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size)
{
	return broken(0) ? -1 : __real_ftruncate64(fd, size);
}

/* It returns what others leave in errno. */
int __wrap_posix_fallocate64(int fd, off_t from, off_t len);
int __real_posix_fallocate64(int fd, off_t from, off_t len);
int __wrap_posix_fallocate64(int fd, off_t from, off_t len)
{
	int e = broken(ENOSPC);
	return e ? e : __real_posix_fallocate64(fd, from, len);
}

/* Our own writes of files; what is said on standard error, and to files in memory, is not counted. */
static bool counts(int fd)
{
	struct stat st;
	return fd >= 3 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 0;
}

/* A write was struck: -1, where half of it was done if that is the way. */
static ssize_t write_broken(ssize_t half)
{
	if ((mode == TORN || mode == SHRT) && (half < 0 || mode == TORN))
		_exit(137);
	errno = mode == FULL ? ENOSPC : EIO;
	return -1;
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (!counts(fd) || !struck())
		return __real_write(fd, p, n);
	return write_broken(mode == TORN || mode == SHRT ? __real_write(fd, p, n / 2) : 0);
}

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t from);
ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t from);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t from)
{
	if (!counts(fd) || !struck())
		return __real_pwrite64(fd, p, n, from);
	return write_broken(mode == TORN || mode == SHRT ? __real_pwrite64(fd, p, n / 2, from) : 0);
}

/* It happens, and then the process ends; or it fails. */
int __wrap_renameat(int d1, const char *p1, int d2, const char *p2);
int __real_renameat(int d1, const char *p1, int d2, const char *p2);
int __wrap_renameat(int d1, const char *p1, int d2, const char *p2)
{
	if (struck() && mode != FULL) {
		if (mode == TORN)
			__real_renameat(d1, p1, d2, p2), _exit(137);
		errno = EIO;
		return -1;
	}
	return __real_renameat(d1, p1, d2, p2);
}

int __wrap_renameat2(int d1, const char *p1, int d2, const char *p2, unsigned flags);
int __real_renameat2(int d1, const char *p1, int d2, const char *p2, unsigned flags);
int __wrap_renameat2(int d1, const char *p1, int d2, const char *p2, unsigned flags)
{
	if (struck() && mode != FULL) {
		if (mode == TORN) /* it happens, and then the process ends */
			__real_renameat2(d1, p1, d2, p2, flags), _exit(137);
		errno = EIO;
		return -1;
	}
	return __real_renameat2(d1, p1, d2, p2, flags);
}

int __wrap_mkdirat(int d, const char *p, mode_t m);
int __real_mkdirat(int d, const char *p, mode_t m);
int __wrap_mkdirat(int d, const char *p, mode_t m)
{
	if (struck()) {
		if (mode == TORN)
			__real_mkdirat(d, p, m), _exit(137);
		errno = mode == FULL ? ENOSPC : EIO;
		return -1;
	}
	return __real_mkdirat(d, p, m);
}

ssize_t __wrap_sendmsg(int s, const struct msghdr *m, int flags);
ssize_t __real_sendmsg(int s, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int s, const struct msghdr *m, int flags)
{
	bool hit = struck();
	if (hit && mode == TORN)
		__real_sendmsg(s, m, flags), _exit(137);
	if (hit && mode != FULL && mine == at) { /* one send fails: that peer is lost */
		errno = EPIPE;
		return -1;
	}
	ssize_t n = __real_sendmsg(s, m, flags);
	if (n > 0 && trace_fd >= 0) {
		u8 frame[4096];
		size_t len = 0;
		for (size_t i = 0; i < m->msg_iovlen; len += m->msg_iov[i++].iov_len)
			memcpy(frame + len, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
		trace(TRACE_SEND, 0, 0, frame, (u32)len);
	}
	return n;
}

/* ---- SQLite's file operations ---- */

struct fault_file {
	sqlite3_file base;
	u32 which; /* enum trace_file */
	sqlite3_file *real;
};

static sqlite3_vfs *unix_vfs, fault_vfs;
#define REAL(f)	 (((struct fault_file *)(f))->real)
#define WHICH(f) (((struct fault_file *)(f))->which)

static int f_close(sqlite3_file *f)
{
	return REAL(f)->pMethods ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK;
}
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	return REAL(f)->pMethods->xRead(REAL(f), p, n, off);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	if (struck()) {
		if (mode == TORN || mode == SHRT)
			REAL(f)->pMethods->xWrite(REAL(f), p, n / 2, off);
		if (mode == TORN)
			_exit(137);
		return mode == FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	trace(TRACE_WRITE, WHICH(f), (u64)off, p, (u32)n);
	return REAL(f)->pMethods->xWrite(REAL(f), p, n, off);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (broken(0))
		return SQLITE_IOERR_TRUNCATE;
	trace(TRACE_TRUNCATE, WHICH(f), (u64)size, NULL, 0);
	return REAL(f)->pMethods->xTruncate(REAL(f), size);
}
static bool marked(const char *what)
{
	char path[512];
	return marks && snprintf(path, sizeof path, "%s%s", marks, what) > 0 && access(path, F_OK) == 0;
}

static int f_sync(sqlite3_file *f, int flags)
{
	if (broken(0))
		return SQLITE_IOERR_FSYNC;
	u64 before = traced;
	u32 us = marked("-slow") ? slow_us : 200;
	nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
	if (marked("-fail"))
		return SQLITE_IOERR_FSYNC;
	int r = REAL(f)->pMethods->xSync(REAL(f), flags);
	trace(TRACE_SYNC, WHICH(f), before, NULL, 0);
	return r;
}
static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return REAL(f)->pMethods->xFileSize(REAL(f), size);
}
static int f_lock(sqlite3_file *f, int l)
{
	return REAL(f)->pMethods->xLock(REAL(f), l);
}
static int f_unlock(sqlite3_file *f, int l)
{
	return REAL(f)->pMethods->xUnlock(REAL(f), l);
}
static int f_check(sqlite3_file *f, int *r)
{
	return REAL(f)->pMethods->xCheckReservedLock(REAL(f), r);
}
static int f_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}
static int f_sector(sqlite3_file *f)
{
	return REAL(f)->pMethods->xSectorSize(REAL(f));
}
static int f_traits(sqlite3_file *f)
{
	return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **pp)
{
	return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, pp);
}
static int f_shm_lock(sqlite3_file *f, int off, int n, int flags)
{
	return REAL(f)->pMethods->xShmLock(REAL(f), off, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
	REAL(f)->pMethods->xShmBarrier(REAL(f));
}
static int f_shm_unmap(sqlite3_file *f, int del)
{
	return REAL(f)->pMethods->xShmUnmap(REAL(f), del);
}

static const sqlite3_io_methods methods = { 2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock,
	f_unlock, f_check, f_control, f_sector, f_traits, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap,
	NULL, NULL };

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct fault_file *ff = (void *)f;
	ff->real = (void *)(ff + 1);
	int r = unix_vfs->xOpen(unix_vfs, name, ff->real, flags, ret_flags);
	f->pMethods = ff->real->pMethods ? &methods : NULL;
	ff->which = flags & SQLITE_OPEN_MAIN_DB ? TRACE_DB
		    : flags & SQLITE_OPEN_WAL	? TRACE_WAL
						: TRACE_OTHER;
	return r;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	size_t n = strlen(name);
	if (broken(0))
		return SQLITE_IOERR_DELETE;
	int r = unix_vfs->xDelete(unix_vfs, name, sync);
	trace(TRACE_DELETE, n > 4 && !strcmp(name + n - 4, "-wal") ? TRACE_WAL : TRACE_OTHER, 0, NULL, 0);
	return r;
}

__attribute__((constructor)) static void install(void)
{
	static const char *const names[] = { "none", "kill", "torn", "fail", "full", "once", "shrt" };
	const char *e = getenv("KEEP_FAULT");
	for (u32 i = 0; e && i < ARRAY_LEN(names); i++)
		if (strncmp(e, names[i], 4) == 0 && e[4] == ':') {
			mode = i;
			char *path;
			at = strtoull(e + 5, &path, 10);
			if (*path == ':')
				struck_fd = open(path + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		}
	if (e && strncmp(e, "trace:", 6) == 0)
		trace_fd = open(e + 6, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (e && strncmp(e, "slow:", 5) == 0) {
		char *path;
		slow_us = (u32)strtoul(e + 5, &path, 10);
		marks = *path == ':' ? path + 1 : NULL;
	}
	sqlite3_initialize();
	unix_vfs = sqlite3_vfs_find(NULL);
	fault_vfs = *unix_vfs;
	fault_vfs.zName = "fault";
	fault_vfs.szOsFile = (int)sizeof(struct fault_file) + unix_vfs->szOsFile;
	fault_vfs.xOpen = v_open;
	fault_vfs.xDelete = v_delete;
	fault_vfs.pNext = NULL;
	sqlite3_vfs_register(&fault_vfs, 1);
}
