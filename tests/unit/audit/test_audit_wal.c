/* The write-ahead log's file layer (wal.c): a commit goes down in few writes, and what a failed one has lost nothing is written behind. */
#include "audit/log_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a layer below that counts what reaches the write-ahead log, and of which one write fails ---- */

struct counted {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs *unix_vfs, counting;
static sqlite3_io_methods methods;
static u32 writes, syncs, fail_at; /* the write of that number fails; 0: none */

static sqlite3_file *real(sqlite3_file *f)
{
	return ((struct counted *)(void *)f)->real;
}

static int c_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	return ++writes == fail_at ? SQLITE_IOERR_WRITE : real(f)->pMethods->xWrite(real(f), p, n, off);
}

static int c_sync(sqlite3_file *f, int flags)
{
	syncs++;
	return real(f)->pMethods->xSync(real(f), flags);
}

static int c_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int c_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	return real(f)->pMethods->xRead(real(f), p, n, off);
}

static int c_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real(f)->pMethods->xTruncate(real(f), size);
}

static int c_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real(f)->pMethods->xFileSize(real(f), ret);
}

static int c_lock(sqlite3_file *f, int l)
{
	return SQLITE_OK;
}

static int c_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int c_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int c_traits(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int c_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret)
{
	if (!(flags & SQLITE_OPEN_WAL))
		return unix_vfs->xOpen(unix_vfs, name, f, flags, ret);
	struct counted *c = (void *)f;
	c->real = (void *)(c + 1);
	int rc = unix_vfs->xOpen(unix_vfs, name, c->real, flags, ret);
	f->pMethods = rc == SQLITE_OK ? &methods : NULL;
	return rc;
}

static int install(void **unused)
{
	sqlite3_initialize();
	unix_vfs = sqlite3_vfs_find(NULL);
	counting = *unix_vfs;
	counting.zName = "counting";
	counting.szOsFile = (int)sizeof(struct counted) + unix_vfs->szOsFile;
	counting.xOpen = c_open;
	counting.pNext = NULL;
	methods = (sqlite3_io_methods){ .iVersion = 1,
		.xClose = c_close,
		.xRead = c_read,
		.xWrite = c_write,
		.xTruncate = c_truncate,
		.xSync = c_sync,
		.xFileSize = c_size,
		.xLock = c_lock,
		.xUnlock = c_lock,
		.xFileControl = c_control,
		.xSectorSize = c_sector,
		.xDeviceCharacteristics = c_traits };
	return sqlite3_vfs_register(&counting, 1);
}

/* ---- a database over it ---- */

#define PAGES 40 /* of a transaction: more than are gathered at once */

static char dir[64], path[128];

static sqlite3 *open_at(const char *db_path)
{
	sqlite3 *db;
	assert_int_equal(
		sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, audit_wal_vfs()),
		SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			"PRAGMA wal_autocheckpoint=0;"
			"CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x BLOB);",
			NULL, NULL, NULL),
		SQLITE_OK);
	return db;
}

static int begin(void **state)
{
	strcpy(dir, "/tmp/keep-wal.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/db", dir);
	*state = open_at(path);
	writes = syncs = fail_at = 0;
	return 0;
}

static int end(void **state)
{
	char cmd[128];
	sqlite3_close(*state);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* n rows, each a page of its own; SQLite's result. */
static int insert(sqlite3 *db, u32 n)
{
	int rc = SQLITE_OK;
	for (u32 i = 0; i < n && rc == SQLITE_OK; i++)
		rc = run(db, "INSERT INTO t(x) VALUES(randomblob(3900))");
	return rc;
}

static i64 count(sqlite3 *db)
{
	sqlite3_stmt *s;
	assert_int_equal(
		sqlite3_prepare_v2(db, "SELECT count(*), sum(length(x)) FROM t", -1, &s, NULL), SQLITE_OK);
	i64 n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
	assert_true(n <= 0 || sqlite3_column_int64(s, 1) == 3900 * n);
	sqlite3_finalize(s);
	return n;
}

static void few_writes(void **state)
{
	assert_int_equal(run(*state, "BEGIN"), SQLITE_OK);
	assert_int_equal(insert(*state, PAGES), SQLITE_OK);
	assert_int_equal(run(*state, "COMMIT"), SQLITE_OK);
	assert_true(writes >= 1 && writes <= 3);
	assert_int_equal(syncs, 1);
	assert_int_equal(count(*state), PAGES);
}

/* What another process finds in the files is what was committed. */
static void all_of_it(void **state)
{
	char copy[160], cmd[768];
	for (u32 i = 0; i < 5; i++)
		assert_int_equal(insert(*state, 3), SQLITE_OK);
	assert_int_equal(syncs, 15);
	snprintf(copy, sizeof copy, "%s/copy", dir);
	snprintf(cmd, sizeof cmd, "cp %s %s && cp %s-wal %s-wal", path, copy, path, copy);
	assert_int_equal(system(cmd), 0);
	sqlite3 *db = open_at(copy);
	assert_int_equal(count(db), 15);
	sqlite3_close(db);
}

static void failed_write(void **state)
{
	assert_int_equal(insert(*state, 1), SQLITE_OK);
	fail_at = writes + 1;
	assert_int_not_equal(insert(*state, 1), SQLITE_OK);
	assert_int_not_equal(insert(*state, 1), SQLITE_OK); /* nor the next, though the disk would */
	assert_int_equal(count(*state), 1);		    /* reading goes on */
}

/* A transaction that is longer than SQLite's memory for pages reads back what it has written; that write fails. Its commit must, too. */
static void lost_in_a_read(void **state)
{
	assert_int_equal(run(*state, "PRAGMA cache_size=4; BEGIN"), SQLITE_OK);
	u32 before = writes;
	assert_int_equal(insert(*state, 12), SQLITE_OK);
	assert_int_equal(writes, before);
	fail_at = before + 1;
	assert_int_equal(count(*state), -1);
	assert_int_equal(writes, before + 1);
	run(*state, "COMMIT");
	sqlite3 *db = *state;
	assert_true(!sqlite3_get_autocommit(db) || count(db) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(few_writes, begin, end),
		cmocka_unit_test_setup_teardown(all_of_it, begin, end),
		cmocka_unit_test_setup_teardown(failed_write, begin, end),
		cmocka_unit_test_setup_teardown(lost_in_a_read, begin, end),
	};
	return cmocka_run_group_tests(tests, install, NULL);
}
