/* SQLite's file layer, with two differences: the write-ahead log is written in few pieces, and the sync that ends a commit can be put off,
 * so that it runs beside other work.
 *
 * SQLite writes a page and its head apart, some thirty small writes for a commit of sixteen requests. They are gathered while each follows
 * the one before, and written when something else is wanted of the file: a sync, above all, with which every commit ends. So a write that
 * fails fails its commit, there instead of a little earlier; and since it may fail under another's hands (a read in the middle of a long
 * transaction), nothing is written or synced behind it any more.
 *
 * SQLite syncs the write-ahead log inside of COMMIT and waits for it. A commit of which that sync was put off is whole in the file and in
 * SQLite's view of it, and is owed one sync: who put it off calls audit_wal_sync, from any thread, and tells nobody of that commit before
 * it returned. Only the last sync of a commit is ever put off: the one behind a new head of the write-ahead log is done at once, since what
 * was there before must not come back behind it. Nothing else is touched: the database file is SQLite's own affair. */
#include "audit/log_db.h"

#include <stdlib.h>
#include <string.h>

#define GATHER_BYTES 122880u /* thirty pages, nearly all that the layer below writes at once (128 KiB - 1) */

struct wal_file {
	sqlite3_file base;
	sqlite3_file *real;
	u8 *gathered; /* bytes that belong at `off`, and that the file below has not yet */
	size_t len;
	sqlite3_int64 off;
	int lost;     /* SQLite's word for why what was gathered did not reach the file */
	bool put_off; /* the next sync */
	bool owed;    /* it was */
	bool headed;  /* a new head was written since the last sync */
};

static sqlite3_vfs *below, vfs;

static struct wal_file *wal(sqlite3_file *f)
{
	return (struct wal_file *)(void *)f;
}

/* What the file below does, with these arguments. */
#define BELOW(f, call, ...) wal(f)->real->pMethods->call(wal(f)->real __VA_OPT__(, ) __VA_ARGS__)

/* What was gathered reaches the file. */
static int give(struct wal_file *w)
{
	size_t len = w->len;
	w->len = 0;
	int rc = len ? BELOW(&w->base, xWrite, w->gathered, (int)len, w->off) : SQLITE_OK;
	w->lost = w->lost ? w->lost : rc;
	return rc;
}

/* The same, for who adds to the file: not behind what was lost. */
static int give_all(struct wal_file *w)
{
	int rc = give(w);
	return rc ? rc : w->lost;
}

static int w_close(sqlite3_file *f)
{
	struct wal_file *w = wal(f);
	int rc = give(w), rc2 = BELOW(f, xClose);
	free(w->gathered);
	w->gathered = NULL;
	return rc ? rc : rc2;
}

static int w_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	int rc = give(wal(f));
	return rc ? rc : BELOW(f, xRead, p, n, off);
}

static int w_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	struct wal_file *w = wal(f);
	w->headed |= off == 0;
	bool follows = off == w->off + (sqlite3_int64)w->len && (size_t)n <= GATHER_BYTES - w->len;
	int rc = follows ? w->lost : give_all(w);
	if (rc || (size_t)n > GATHER_BYTES)
		return rc ? rc : BELOW(f, xWrite, p, n, off);
	if (!w->len)
		w->off = off;
	memcpy(w->gathered + w->len, p, (size_t)n);
	w->len += (size_t)n;
	return SQLITE_OK;
}

static int w_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = give_all(wal(f));
	return rc ? rc : BELOW(f, xTruncate, size);
}

static int w_sync(sqlite3_file *f, int flags)
{
	struct wal_file *w = wal(f);
	int rc = give_all(w);
	if (rc)
		return rc;
	if (w->put_off && !w->headed) {
		w->owed = true;
		return SQLITE_OK;
	}
	w->headed = false;
	return BELOW(f, xSync, flags);
}

static int w_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	int rc = give(wal(f));
	return rc ? rc : BELOW(f, xFileSize, ret);
}

static int w_lock(sqlite3_file *f, int l)
{
	return BELOW(f, xLock, l);
}

static int w_unlock(sqlite3_file *f, int l)
{
	return BELOW(f, xUnlock, l);
}

static int w_locked(sqlite3_file *f, int *ret)
{
	return BELOW(f, xCheckReservedLock, ret);
}

static int w_control(sqlite3_file *f, int op, void *arg)
{
	return BELOW(f, xFileControl, op, arg);
}

static int w_sector(sqlite3_file *f)
{
	return BELOW(f, xSectorSize);
}

static int w_traits(sqlite3_file *f)
{
	return BELOW(f, xDeviceCharacteristics);
}

static const sqlite3_io_methods methods = { 1, w_close, w_read, w_write, w_truncate, w_sync, w_size, w_lock,
	w_unlock, w_locked, w_control, w_sector, w_traits, NULL, NULL, NULL, NULL, NULL, NULL };

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	if (!(flags & SQLITE_OPEN_WAL))
		return below->xOpen(below, name, f, flags, ret_flags);
	struct wal_file *w = wal(f);
	memset(w, 0, sizeof *w);
	w->real = (void *)(w + 1);
	w->gathered = malloc(GATHER_BYTES);
	if (!w->gathered)
		return SQLITE_NOMEM;
	int rc = below->xOpen(below, name, w->real, flags, ret_flags);
	f->pMethods = w->real->pMethods ? &methods : NULL;
	if (!f->pMethods)
		free(w->gathered);
	return rc;
}

const char *audit_wal_vfs(void)
{
	if (below)
		return vfs.zName;
	sqlite3_initialize();
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.zName = "keep-wal";
	vfs.szOsFile = (int)sizeof(struct wal_file) + below->szOsFile;
	vfs.xOpen = v_open;
	vfs.pNext = NULL;
	sqlite3_vfs_register(&vfs, 0);
	return vfs.zName;
}

/* The write-ahead log's file; NULL before SQLite has opened it. */
static struct wal_file *wal_of(sqlite3 *db)
{
	sqlite3_file *f = NULL;
	int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f);
	return rc == SQLITE_OK && f && f->pMethods == &methods ? wal(f) : NULL;
}

bool audit_wal_put_off(sqlite3 *db)
{
	struct wal_file *w = wal_of(db);
	if (w)
		w->put_off = true;
	return w != NULL;
}

sqlite3_file *audit_wal_owed(sqlite3 *db)
{
	struct wal_file *w = wal_of(db);
	if (!w)
		return NULL;
	bool owed = w->owed;
	w->put_off = w->owed = false;
	return owed ? &w->base : NULL;
}

int audit_wal_sync(sqlite3_file *owed)
{
	return BELOW(owed, xSync, SQLITE_SYNC_NORMAL);
}
