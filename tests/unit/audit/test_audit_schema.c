/* A store across versions of Keep: what a newer one adds, an older one leaves alone, and goes on with the log; what a newer one changes, it refuses. */
#define _GNU_SOURCE
#include "audit/log.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[] = "/tmp/keep-schema.XXXXXX", path[64];
static struct note_key key;

static void sql(const char *text)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static i64 number(const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	i64 n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

static int setup(void **unused)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/log.db", dir);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	assert_int_equal(audit_log_create(path, &key, "1"), 0);
	return 0;
}

static int teardown(void **unused)
{
	char line[64];
	snprintf(line, sizeof line, "rm -r %s", dir);
	return system(line);
}

/* What this program does with a log: verifies all of it, and adds a record. */
static void live(void)
{
	struct audit_log *log = NULL;
	struct audit_check c;
	const char *why;
	struct audit_state *state = calloc(1, sizeof *state);
	struct audit_record rec;
	struct audit_actor who = { 1000, 5, false };
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	int r = audit_check_begin(&c, log);
	while (!r && !c.done)
		r = audit_check_step(&c, log, 100);
	assert_true(r == 0 && c.ok);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	audit_log_record(log, &rec, EVENT_REQUEST, INTENT_NONE, &who);
	assert_int_equal(audit_log_append(log, &rec, state), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_tidy(log, true), 0);
	audit_log_close(&log);
	free(state);
}

/* There, and back, and there: each finds what it left. */
static void additions(void **unused)
{
	live();
	sql("CREATE TABLE later(a INTEGER PRIMARY KEY, b BLOB); INSERT INTO later VALUES(7, x'01');"
	    "ALTER TABLE records ADD COLUMN hint TEXT; UPDATE records SET hint = 'newer';"
	    "INSERT INTO meta VALUES('later', '1'); INSERT INTO singles VALUES('later', x'02');");
	live();
	live();
	assert_int_equal(number("SELECT a FROM later"), 7);
	assert_int_equal(number("SELECT count(*) FROM records WHERE hint = 'newer'"), 2);
	assert_int_equal(number("SELECT count(*) FROM records WHERE hint IS NULL"), 2);
	assert_int_equal(number("SELECT count(*) FROM meta WHERE key = 'later'"), 1);
	assert_int_equal(number("SELECT count(*) FROM singles WHERE name = 'later'"), 1);
}

static void refused(const char *change, const char *words)
{
	struct audit_log *log = NULL;
	const char *why = "";
	i64 before = number("SELECT count(*) FROM records");
	sql(change);
	assert_int_equal(audit_log_open(path, &key, &log, &why), 1);
	assert_null(log);
	assert_non_null(strstr(why, words));
	assert_int_equal(number("SELECT count(*) FROM records"), before);
}

static void changes(void **unused)
{
	char newer[96];
	snprintf(newer, sizeof newer, "UPDATE meta SET value = '%d' WHERE key = 'schema'",
		AUDIT_LOG_SCHEMA + 1);
	refused(newer, "a newer Keep wrote it");
	refused("UPDATE meta SET value = '2' WHERE key = 'schema'", "an older Keep wrote it");
	refused("DELETE FROM meta WHERE key = 'schema'", "not a log");
	snprintf(newer, sizeof newer, "INSERT INTO meta VALUES('schema', '%d')", AUDIT_LOG_SCHEMA);
	sql(newer);
	live();
	refused("ALTER TABLE nodes RENAME TO knots", "not a log");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(additions), cmocka_unit_test(changes) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
