/* Savepoints: a start that does not re-read everything, what may be shown meanwhile, and what becomes of a change in what was not re-read. And the
 * last head beside the database. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "audit/search.h"

#include <fcntl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SAVED \
	70u /* records before the savepoint; the first is "init", every fifth of the others an intent without an answer */
#define ALL  90u
#define HERE 33u /* the record that is changed */

static char dir[64], db[96];
static struct note_key key;
static struct audit_state state;

static int append(struct audit_log *log, u32 event)
{
	struct audit_record r;
	struct audit_actor who = { .uid = 1000, .pid = 5 };
	audit_log_record(log, &r, event, INTENT_NONE, &who);
	return audit_log_append(log, &r, &state);
}

static struct audit_log *open_resumed(u64 worth, struct audit_check *c)
{
	struct audit_log *log = NULL;
	const char *why;
	assert_int_equal(audit_log_open(db, &key, &log, &why), 0);
	assert_int_equal(audit_check_resume(c, log, worth), 0);
	while (!c->done)
		assert_int_equal(audit_check_step(c, log, 7), 0);
	return log;
}

static void grow(struct audit_log *log, u64 size)
{
	while (audit_log_size(log) < size) {
		u64 i = audit_log_size(log);
		assert_int_equal(append(log, i % 5 ? EVENT_LOG_READ : EVENT_REQUEST), 0);
		if (i % 3 == 0)
			assert_int_equal(audit_log_commit(log), 0);
	}
	assert_int_equal(audit_log_commit(log), 0);
}

static int build(void **unused)
{
	struct audit_check c;
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-save.XXXXXX" : "/tmp/keep-save.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(db, sizeof db, "%s/log.db", dir);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	assert_int_equal(audit_log_create(db, &key, "test"), 0);
	struct audit_log *log = open_resumed(1, &c);
	assert_true(c.ok && c.from == 0);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	grow(log, SAVED - 1);
	assert_int_equal(append(log, EVENT_LOG_READ), 0);
	assert_int_equal(audit_log_save(log), 0);
	assert_int_equal(audit_log_commit(log), 0);
	grow(log, ALL);
	assert_int_equal(audit_log_tidy(log, true), 0);
	audit_log_close(&log);
	return 0;
}

static int clean(void **unused)
{
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

/* Behind our back: an SQL statement on the file. */
static void sql(const char *text)
{
	sqlite3 *d;
	char *why = NULL;
	assert_int_equal(sqlite3_open(db, &d), SQLITE_OK);
	if (sqlite3_exec(d, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(d);
}

/* A record replaced with care: its leaf hash fits; `roots`: the stored root over it as well. */
static void replace_with_care(bool roots)
{
	sqlite3 *d;
	sqlite3_stmt *s;
	struct merkle m = { 0 };
	u64 first = HERE / 16 * 16;
	assert_int_equal(sqlite3_open(db, &d), SQLITE_OK);
	for (u64 i = first; i < first + 16; i++) {
		u8 line[RECORD_BYTES_MAX];
		sqlite3_prepare_v2(d, "SELECT line FROM records WHERE idx = ?", -1, &s, NULL);
		sqlite3_bind_int64(s, 1, (sqlite3_int64)i);
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		int n = sqlite3_column_bytes(s, 0);
		memcpy(line, sqlite3_column_blob(s, 0), (size_t)n);
		sqlite3_finalize(s);
		if (i == HERE)
			((char *)memmem(line, (size_t)n, "\"time_ns\":", 10))[10] ^= 1;
		struct merkle_hash leaf = tlog_merkle_leaf(line, (size_t)n);
		tlog_merkle_add(&m, &leaf);
		sqlite3_prepare_v2(d, "UPDATE records SET line = ?, leaf = ? WHERE idx = ?", -1, &s, NULL);
		sqlite3_bind_blob(s, 1, line, n, SQLITE_STATIC);
		sqlite3_bind_blob(s, 2, leaf.b, sizeof leaf.b, SQLITE_STATIC);
		sqlite3_bind_int64(s, 3, (sqlite3_int64)i);
		assert_int_equal(sqlite3_step(s), SQLITE_DONE);
		sqlite3_finalize(s);
	}
	struct merkle_hash root = tlog_merkle_root(&m);
	if (!roots) {
		sqlite3_close(d);
		return;
	}
	sqlite3_prepare_v2(d, "UPDATE nodes SET hash = ? WHERE level = 4 AND n = ?", -1, &s, NULL);
	sqlite3_bind_blob(s, 1, root.b, sizeof root.b, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)first / 16);
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
	sqlite3_finalize(s);
	sqlite3_close(d);
}

static int count(void *arg, u64 index, const char *line, size_t len)
{
	++*(u64 *)arg;
	return 0;
}

/* Only what stands behind the savepoint is read; the intents that were open are known; and then the rest is re-read. */
static void short_start(void **unused)
{
	struct audit_check c, again;
	u64 n = 0;
	struct audit_log *log = open_resumed(1, &c);
	assert_true(c.ok);
	assert_int_equal(c.from, SAVED);
	assert_int_equal(c.size, ALL);
	assert_int_equal(c.tail.n_open, (ALL - 1) / 5);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	assert_int_equal(audit_log_unread(log), SAVED);
	assert_int_equal(audit_log_lines(log, 0, ALL, count, &n), 0); /* each of the unread proves itself */
	assert_int_equal(n, ALL);
	assert_int_equal(append(log, EVENT_LOG_READ), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_check_begin(&again, log), 0);
	for (u64 left = SAVED; !again.done; left = audit_log_unread(log)) {
		assert_int_equal(audit_check_step(&again, log, 16), 0);
		audit_log_reread(log, &again);
		assert_true(audit_log_unread(log) < left || again.done || left == 0);
	}
	assert_true(again.ok && again.size == ALL + 1);
	assert_int_equal(audit_log_unread(log), 0);
	assert_null(audit_log_failed(log));
	audit_check_fini(&again);
	audit_log_close(&log);
	/* a log that is not long is read whole */
	log = open_resumed(SAVED + 1, &c);
	assert_true(c.ok && c.from == 0);
	audit_check_fini(&c);
	audit_log_close(&log);
}

/* A record that nobody has re-read was replaced: whoever asks for it does not get it, and the next start reads everything. */
static void changed(bool by_asking)
{
	struct audit_check c, again;
	u64 n = 0;
	replace_with_care(false);
	struct audit_log *log = open_resumed(1, &c);
	assert_true(c.ok && c.from == SAVED);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	assert_int_equal(
		audit_log_lines(log, HERE + 16, 20, count, &n), 0); /* others stand in subtrees that hold */
	assert_null(audit_log_failed(log));
	if (by_asking) {
		assert_true(audit_log_lines(log, HERE, 1, count, &n) < 0);
		assert_int_equal(n, 20);
	} else {
		assert_int_equal(audit_check_begin(&again, log), 0);
		while (!again.done) {
			assert_int_equal(audit_check_step(&again, log, 16), 0);
			audit_log_reread(log, &again);
		}
		assert_int_equal(again.first_bad, HERE);
		audit_check_fini(&again);
	}
	assert_non_null(strstr(audit_log_failed(log), "record 33"));
	audit_log_close(&log);
	log = open_resumed(1, &c);
	assert_true(!c.ok && c.from == 0);
	assert_int_equal(c.first_bad, HERE);
	audit_check_fini(&c);
	audit_log_close(&log);
}

static void changed_and_asked(void **unused)
{
	changed(true);
}

static void changed_and_reread(void **unused)
{
	changed(false);
}

/* How many readings of the log a search over all of it finds. */
static int readings(struct audit_log *log, u64 *ret)
{
	struct proto_look q = {
		.what = LOOK_RECORDS, .to = UINT64_MAX, .until_ns = UINT64_MAX, .n_events = 1
	};
	struct audit_search *s;
	struct audit_zones zones = { 0 };
	const char *why;
	int r = 0;
	strcpy(q.events[0], "log-read");
	assert_int_equal(audit_search_begin(&q, audit_log_size(log), &s, &why), 0);
	while (!r && !audit_search_done(s))
		r = audit_search_step(s, log, &zones, 64);
	*ret = audit_search_found(s);
	audit_search_free(&s);
	audit_zones_free(&zones);
	return r;
}

/* A record that nobody has re-read is gone, or without its text: a search does not pass over it in silence. What columns say does not count. */
static void hidden(void **unused)
{
	static const struct {
		const char *sql;
		u64 index;
	} how[] = { { "DELETE FROM records WHERE idx = 33", 33 },
		{ "DELETE FROM records WHERE idx = 69", 69 },
		{ "UPDATE records SET line = x'', event = 0, intent = NULL WHERE idx = 34", 34 },
		{ "UPDATE records SET event = 16 WHERE idx = 36", UINT64_MAX } };
	u64 all = ALL - (ALL + 4) / 5, n; /* every fifth is a request, the first is the log's own */
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		struct audit_check c;
		if (i)
			assert_int_equal(build(NULL), 0);
		sql(how[i].sql);
		struct audit_log *log = open_resumed(1, &c);
		assert_true(c.ok && c.from == SAVED);
		audit_log_adopt(log, &c);
		audit_check_fini(&c);
		assert_true(audit_log_unread_in(log, SAVED - 1, SAVED + 9));
		assert_false(audit_log_unread_in(log, SAVED, SAVED + 9));
		int r = readings(log, &n);
		if (how[i].index == UINT64_MAX) {
			assert_int_equal(r, 0);
			assert_int_equal(n, all);
		} else {
			if (r != -EBADMSG)
				fail_msg("%s: %d", how[i].sql, r);
			/* that one, or one before it whose proof needs its leaf: the next start names it exactly */
			assert_non_null(strstr(audit_log_failed(log), "does not verify at record"));
			audit_log_close(&log);
			log = open_resumed(1, &c);
			assert_true(!c.ok && c.from == 0 && c.first_bad == how[i].index);
			audit_check_fini(&c);
		}
		audit_log_close(&log);
		if (i + 1 < ARRAY_LEN(how))
			clean(NULL);
	}
}

/* A stored root was changed as well: then the proofs of others fail, and already the start reads everything. */
static void changed_with_roots(void **unused)
{
	struct audit_check c;
	replace_with_care(true);
	struct audit_log *log = open_resumed(1, &c);
	assert_true(!c.ok && c.from == 0);
	assert_int_equal(c.first_bad, HERE);
	assert_int_equal(audit_log_unread(log), 0);
	audit_check_fini(&c);
	audit_log_close(&log);
}

/* A savepoint with one wrong byte is none; neither is one of a longer log. */
static void savepoint_changed(void **unused)
{
	struct audit_check c;
	sqlite3 *d;
	sqlite3_stmt *s;
	u8 was[4096];
	assert_int_equal(sqlite3_open(db, &d), SQLITE_OK);
	sqlite3_prepare_v2(d, "SELECT row FROM singles WHERE name = 'checked'", -1, &s, NULL);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int n = sqlite3_column_bytes(s, 0);
	assert_true(n > 0 && n < (int)sizeof was);
	memcpy(was, sqlite3_column_blob(s, 0), (size_t)n);
	sqlite3_finalize(s);
	for (int i = 0; i < n; i += 3) {
		was[i] ^= 0x10;
		sqlite3_prepare_v2(d, "UPDATE singles SET row = ? WHERE name = 'checked'", -1, &s, NULL);
		sqlite3_bind_blob(s, 1, was, n, SQLITE_STATIC);
		assert_int_equal(sqlite3_step(s), SQLITE_DONE);
		sqlite3_finalize(s);
		sqlite3_close(d);
		struct audit_log *log = open_resumed(1, &c);
		assert_true(c.ok);
		assert_int_equal(c.from, 0);
		audit_check_fini(&c);
		audit_log_close(&log);
		was[i] ^= 0x10;
		assert_int_equal(sqlite3_open(db, &d), SQLITE_OK);
	}
	sqlite3_close(d);
}

/* Rows of state are held against the record that speaks of them, unread or not. */
static void state_changed(void **unused)
{
	struct audit_check c;
	sql("INSERT INTO trust VALUES('zz', zeroblob(400))");
	struct audit_log *log = open_resumed(1, &c);
	assert_false(c.ok);
	audit_check_fini(&c);
	audit_log_close(&log);
}

/* ---- the last head, beside the database ---- */

static void cut_off(void **unused)
{
	static const char *const after[] = { "true", "rm log.db-head",
		"printf x | dd of=log.db-head bs=1 seek=30 conv=notrunc status=none" };
	char cmd[256];
	struct audit_check c;
	for (size_t i = 0; i < ARRAY_LEN(after); i++) {
		snprintf(cmd, sizeof cmd, "cp %s %s/old", db, dir);
		assert_int_equal(system(cmd), 0);
		struct audit_log *log = open_resumed(ALL, &c);
		audit_log_adopt(log, &c);
		audit_check_fini(&c);
		assert_int_equal(append(log, EVENT_LOG_READ), 0);
		assert_int_equal(audit_log_commit(log), 0);
		audit_log_close(&log);
		snprintf(cmd, sizeof cmd, "cd %s && cp old log.db && %s", dir, after[i]);
		assert_int_equal(system(cmd), 0);
		log = open_resumed(ALL, &c);
		assert_int_equal(c.ok,
			i > 0); /* without the file, or with a wrong byte in it, nothing here can tell */
		if (!c.ok)
			assert_int_equal(c.first_bad, ALL);
		audit_check_fini(&c);
		audit_log_close(&log);
		snprintf(cmd, sizeof cmd, "rm -f %s-head", db);
		assert_int_equal(system(cmd), 0);
	}
}

/* By who has the key: all of it written anew, and longer than it was. */
static void written_anew(void **unused)
{
	char cmd[256];
	struct audit_check c;
	struct audit_log *log = open_resumed(ALL, &c);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	grow(log, ALL + 3);
	audit_log_close(&log);
	snprintf(cmd, sizeof cmd, "cd %s && mv log.db-head head && rm -f log.db*", dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(audit_log_create(db, &key, "another"), 0);
	log = open_resumed(ALL, &c);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	grow(log, 2 * ALL);
	audit_log_close(&log);
	snprintf(cmd, sizeof cmd, "cd %s && mv head log.db-head", dir);
	assert_int_equal(system(cmd), 0);
	log = open_resumed(ALL * 3, &c);
	assert_false(c.ok);
	assert_int_equal(c.first_bad, ALL + 2);
	audit_check_fini(&c);
	audit_log_close(&log);
}

int main(void)
{
	assert(sodium_init() >= 0);
#define T(f) cmocka_unit_test_setup_teardown(f, build, clean)
	const struct CMUnitTest tests[] = { T(short_start), T(changed_and_asked), T(changed_and_reread),
		T(hidden), T(changed_with_roots), T(savepoint_changed), T(state_changed), T(cut_off),
		T(written_anew) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
