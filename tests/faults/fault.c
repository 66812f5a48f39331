/* Faults, linked into the test's own keepd only: the n-th thing that reaches the disk or a socket does not happen.
 *
 * KEEP_FAULT=MODE:N   kill  the process ends there, as by kill -9
 *                     torn  the same, but a write has done its first half
 *                     fail  the operation fails with EIO, and so does every later write and sync
 *                     full  writes fail with ENOSPC from there on; syncs work
 * Counted are SQLite's writes, syncs and truncations (by a VFS around the unix one) and our own fsync, renameat, renameat2, mkdirat and
 * sendmsg (by the linker's --wrap). Without KEEP_FAULT nothing changes; with KEEP_FAULT_COUNT=FD the number of operations is
 * written there at the end. */
#define _GNU_SOURCE
#include "base/types.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static enum { NONE, KILL, TORN, FAIL, FULL } mode;
static u64 at, done;

/* Is this the operation (or, for FAIL and FULL, one after it)? */
static bool struck(void)
{
	done++;
	if (mode == NONE || done < at)
		return false;
	if (mode == KILL)
		_exit(137);
	return mode == TORN ? done == at : true;
}

int __wrap_fsync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd)
{
	if (struck() && mode != FULL) {
		if (mode == TORN)
			_exit(137);
		errno = EIO;
		return -1;
	}
	return __real_fsync(fd);
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
	if (hit && mode == FAIL && done == at) { /* one send fails: that peer is lost */
		errno = EPIPE;
		return -1;
	}
	return __real_sendmsg(s, m, flags);
}

/* ---- SQLite's file operations ---- */

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs *unix_vfs, fault_vfs;
#define REAL(f) (((struct fault_file *)(f))->real)

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
		if (mode == TORN) {
			REAL(f)->pMethods->xWrite(REAL(f), p, n / 2, off);
			_exit(137);
		}
		return mode == FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	return REAL(f)->pMethods->xWrite(REAL(f), p, n, off);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (struck() && mode != FULL) {
		if (mode == TORN)
			_exit(137);
		return SQLITE_IOERR_TRUNCATE;
	}
	return REAL(f)->pMethods->xTruncate(REAL(f), size);
}
static int f_sync(sqlite3_file *f, int flags)
{
	if (struck() && mode != FULL) {
		if (mode == TORN)
			_exit(137);
		return SQLITE_IOERR_FSYNC;
	}
	return REAL(f)->pMethods->xSync(REAL(f), flags);
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
	return r;
}

static void report(void)
{
	const char *fd = getenv("KEEP_FAULT_COUNT");
	char text[32];
	int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)done);
	if (fd && write(atoi(fd), text, (size_t)n) < 0)
		_exit(99);
}

__attribute__((constructor)) static void install(void)
{
	static const char *const names[] = { "none", "kill", "torn", "fail", "full" };
	const char *e = getenv("KEEP_FAULT");
	for (u32 i = 0; e && i < ARRAY_LEN(names); i++)
		if (strncmp(e, names[i], 4) == 0 && e[4] == ':') {
			mode = i;
			at = strtoull(e + 5, NULL, 10);
		}
	sqlite3_initialize();
	unix_vfs = sqlite3_vfs_find(NULL);
	fault_vfs = *unix_vfs;
	fault_vfs.zName = "fault";
	fault_vfs.szOsFile = (int)sizeof(struct fault_file) + unix_vfs->szOsFile;
	fault_vfs.xOpen = v_open;
	fault_vfs.pNext = NULL;
	sqlite3_vfs_register(&fault_vfs, 1);
	atexit(report);
}
