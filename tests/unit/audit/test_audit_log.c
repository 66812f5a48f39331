/* The log as a database: what was committed is there, and every way to change it afterwards is found and located. */
#define _GNU_SOURCE
#include "audit/log.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS 14u
#define LONG	34u /* two subtrees of 16 and a rest */

static char dir[64], good[96], work[96];
static struct note_key key;
static struct audit_state state;

static int append(struct audit_log *log, u32 event, u64 intent)
{
	struct audit_record r;
	struct audit_actor who = { 1000, 5, false };
	audit_log_record(log, &r, event, intent, &who);
	return audit_log_append(log, &r, &state);
}

static struct audit_log *open_checked(const char *path, struct audit_check *c)
{
	struct audit_log *log = NULL;
	const char *why;
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	int r = audit_check_begin(c, log);
	while (!r && !c->done)
		r = audit_check_step(c, log, 3);
	assert_int_equal(r, 0);
	return log;
}

/* init, trust-add, then pairs of request and outcome; one commit for some, one for each of the others. */
static int build(void **unused)
{
	/* in memory where there is such a place: this test is about content, not about disks */
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-log.XXXXXX" : "/tmp/keep-log.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(good, sizeof good, "%s/good.db", dir);
	snprintf(work, sizeof work, "%s/work.db", dir);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	assert_int_equal(audit_log_create(good, &key, "test"), 0);
	assert_int_equal(audit_log_create(good, &key, "test"), -EEXIST);
	struct audit_check c;
	struct audit_log *log = open_checked(good, &c);
	assert_true(c.ok);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	struct trust_row t = { .name = "publisher",
		.index = 1,
		.kind = TRUST_KEY,
		.curve_bits = 256,
		.der_len = 3,
		.der = "abc" };
	assert_int_equal(audit_trust_put(&state, &t), 0);
	assert_int_equal(append(log, EVENT_TRUST_ADD, INTENT_NONE), 0);
	assert_int_equal(audit_log_put_trust(log, &t), 0);
	assert_int_equal(audit_log_commit(log), 0);
	while (audit_log_size(log) < RECORDS) {
		u64 i = audit_log_size(log);
		assert_int_equal(append(log, EVENT_REQUEST, INTENT_NONE), 0);
		if (i < 8)
			assert_int_equal(audit_log_commit(log), 0);
		assert_int_equal(append(log, EVENT_OUTCOME, i), 0);
		assert_int_equal(audit_log_commit(log), 0);
	}
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

/* A copy of the good log, changed by SQL (with ? as the row). */
static void change(const char *sql, u64 row)
{
	char cmd[512];
	sqlite3 *db;
	sqlite3_stmt *s;
	snprintf(cmd, sizeof cmd, "rm -f %s %s-wal %s-head && cp %s %s", work, work, work, good, work);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(sqlite3_open(work, &db), SQLITE_OK);
	for (const char *at = sql; at && *at;) {
		if (sqlite3_prepare_v2(db, at, -1, &s, &at) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		if (!s)
			break;
		if (sqlite3_bind_parameter_count(s))
			sqlite3_bind_int64(s, 1, (sqlite3_int64)row);
		if (sqlite3_step(s) != SQLITE_DONE)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		sqlite3_finalize(s);
	}
	sqlite3_close(db);
}

static u64 first_bad(const char *sql, u64 row)
{
	struct audit_check c;
	change(sql, row);
	struct audit_log *log = open_checked(work, &c);
	if (c.ok)
		fail_msg("%s (row %llu) was not found", sql, (unsigned long long)row);
	audit_log_adopt(log, &c);
	assert_non_null(audit_log_failed(log)); /* and nothing can be written any more */
	audit_check_fini(&c);
	audit_log_close(&log);
	return c.first_bad;
}

static void whole(void **unused)
{
	struct audit_check c;
	struct audit_log *log = open_checked(good, &c);
	assert_true(c.ok);
	assert_int_equal(c.size, RECORDS);
	assert_int_equal(c.tail.n_open, 0);
	audit_log_adopt(log, &c);
	u64 answer;
	assert_int_equal(audit_log_answer(log, 2, &answer), 0);
	assert_int_equal(answer, 3);
	assert_int_equal(audit_log_answer(log, 3, &answer), 1);
	/* proofs from the database fit the head */
	struct merkle_source src = audit_log_hashes(log);
	struct merkle_proof p;
	struct merkle_hash root = audit_log_root(log), leaf;
	for (u64 i = 0; i < RECORDS; i++) {
		assert_int_equal(tlog_merkle_inclusion(&src, i, RECORDS, &p), 0);
		assert_int_equal(src.row(src.arg, 0, i, 1, &leaf), 0);
		assert_int_equal(tlog_merkle_inclusion_check(
					 &(struct merkle_included){ i, RECORDS, &leaf, &root, p.h, p.n }),
			0);
	}
	audit_check_fini(&c);
	audit_log_close(&log);
}

static void one_writer(void **unused)
{
	struct audit_check c;
	struct audit_log *log = open_checked(good, &c), *other = NULL;
	const char *why;
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	assert_int_equal(audit_log_open(good, &key, &other, &why), -EBUSY);
	audit_log_close(&log);
}

/* What is not committed is not there. */
static void not_committed(void **unused)
{
	struct audit_check c;
	change("", 0);
	struct audit_log *log = open_checked(work, &c);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	assert_int_equal(append(log, EVENT_REQUEST, INTENT_NONE), 0);
	assert_true(audit_log_dirty(log));
	audit_log_close(&log);
	log = open_checked(work, &c);
	assert_true(c.ok);
	assert_int_equal(c.size, RECORDS);
	audit_check_fini(&c);
	audit_log_close(&log);
}

static void open_intents(void **unused)
{
	struct audit_check c;
	change("", 0);
	struct audit_log *log = open_checked(work, &c);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	assert_int_equal(append(log, EVENT_GRANT, INTENT_NONE), 0);
	assert_int_equal(append(log, EVENT_REQUEST, INTENT_NONE), 0);
	assert_int_equal(append(log, EVENT_LOAD, RECORDS), 0);
	assert_int_equal(audit_log_commit(log), 0);
	/* an intent is answered once; a second answer closes the log */
	assert_int_not_equal(append(log, EVENT_ORPHAN, RECORDS), 0);
	assert_non_null(audit_log_failed(log));
	audit_log_close(&log);
	log = open_checked(work, &c);
	assert_true(c.ok);
	assert_int_equal(c.tail.n_open, 1);
	assert_int_equal(c.tail.open[0].index, RECORDS + 1);
	assert_int_equal(c.tail.open[0].event, EVENT_REQUEST);
	audit_check_fini(&c);
	audit_log_close(&log);
}

static void edited(void **unused)
{
	for (u64 i = 0; i < RECORDS; i++) {
		assert_int_equal(first_bad("UPDATE records SET line = replace(CAST(line AS TEXT), "
					   "'\"pid\":', '\"pid\":1')"
					   " WHERE idx = ?",
					 i),
			i);
		assert_int_equal(first_bad("UPDATE records SET leaf = zeroblob(32) WHERE idx = ?", i), i);
		assert_int_equal(first_bad("UPDATE records SET event = 3 WHERE idx = ?", i), i);
		assert_int_equal(first_bad("UPDATE records SET line = x'' WHERE idx = ?", i), i);
	}
}

/* An edit with care: the leaf hash is made to fit. Only signatures tell. */
/* Roots of subtrees are derived, and must be exactly those of the records. */
static void nodes(void **unused)
{
	char was[sizeof good];
	struct audit_check c;
	change("", 0);
	struct audit_log *log = open_checked(work, &c);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	while (audit_log_size(log) < LONG)
		assert_int_equal(append(log, EVENT_LOG_READ, INTENT_NONE), 0);
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	memcpy(was, good, sizeof good);
	snprintf(good, sizeof good, "%s/long.db", dir);
	assert_int_equal(rename(work, good), 0);
	for (u64 n = 0; n < LONG / 16; n++) {
		assert_int_equal(
			first_bad("UPDATE nodes SET hash = zeroblob(32) WHERE n = ?", n), 16 * n + 15);
		assert_int_equal(first_bad("UPDATE nodes SET hash = x'' WHERE n = ?", n), 16 * n + 15);
		assert_int_equal(first_bad("DELETE FROM nodes WHERE n = ?", n), 16 * n + 15);
	}
	assert_int_equal(first_bad("INSERT INTO nodes VALUES(4, 2, zeroblob(32))", 0), LONG);
	assert_int_equal(first_bad("INSERT INTO nodes VALUES(3, 0, zeroblob(32))", 0), LONG);
	memcpy(good, was, sizeof good);
}

static void edited_with_care(void **unused)
{
	for (u64 i = 0; i < RECORDS; i++) {
		sqlite3 *db;
		sqlite3_stmt *s;
		u8 line[RECORD_BYTES_MAX];
		change("", 0);
		assert_int_equal(sqlite3_open(work, &db), SQLITE_OK);
		sqlite3_prepare_v2(db, "SELECT line FROM records WHERE idx = ?", -1, &s, NULL);
		sqlite3_bind_int64(s, 1, (sqlite3_int64)i);
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		int n = sqlite3_column_bytes(s, 0);
		memcpy(line, sqlite3_column_blob(s, 0), (size_t)n);
		sqlite3_finalize(s);
		char *at = memmem(line, (size_t)n, "\"time_ns\":", 10);
		at[10] ^= 1;
		struct merkle_hash leaf = tlog_merkle_leaf(line, (size_t)n);
		sqlite3_prepare_v2(db, "UPDATE records SET line = ?, leaf = ? WHERE idx = ?", -1, &s, NULL);
		sqlite3_bind_blob(s, 1, line, n, SQLITE_STATIC);
		sqlite3_bind_blob(s, 2, leaf.b, sizeof leaf.b, SQLITE_STATIC);
		sqlite3_bind_int64(s, 3, (sqlite3_int64)i);
		assert_int_equal(sqlite3_step(s), SQLITE_DONE);
		sqlite3_finalize(s);
		/* with a crude edit behind it, the first is still the first */
		if (i + 1 < RECORDS)
			sqlite3_exec(db, "UPDATE records SET leaf = zeroblob(32) WHERE idx = 13", NULL, NULL,
				NULL);
		sqlite3_close(db);
		struct audit_check c;
		struct audit_log *log = open_checked(work, &c);
		assert_false(c.ok);
		assert_int_equal(c.first_bad, i);
		audit_check_fini(&c);
		audit_log_close(&log);
	}
}

static void deleted(void **unused)
{
	for (u64 i = 0; i < RECORDS; i++) {
		assert_int_equal(first_bad("DELETE FROM records WHERE idx = ?", i), i);
		assert_int_equal(first_bad("DELETE FROM records WHERE idx >= ?", i), i); /* the end cut off */
	}
	assert_int_equal(first_bad("DELETE FROM records WHERE idx < 3", 0), 0);
	for (u64 i = 0; i + 1 < RECORDS; i++) /* deleted, and the rest moved up */
		assert_int_equal(first_bad("DELETE FROM records WHERE idx = ?1;"
					   "UPDATE records SET idx = -idx WHERE idx > ?1;"
					   "UPDATE records SET idx = -idx - 1 WHERE idx < 0",
					 i),
			i);
}

static void reordered(void **unused)
{
	for (u64 i = 0; i + 1 < RECORDS; i++)
		assert_int_equal(first_bad("UPDATE records SET idx = -1 WHERE idx = ?1;"
					   "UPDATE records SET idx = ?1 WHERE idx = ?1 + 1;"
					   "UPDATE records SET idx = ?1 + 1 WHERE idx = -1",
					 i),
			i);
}

static void added(void **unused)
{
	assert_int_equal(
		first_bad("INSERT INTO records SELECT 14, event, NULL, line, leaf, seal FROM records "
			  "WHERE idx = 2",
			0),
		RECORDS);
}

/* A cut with the head of that time: only somebody who kept a later checkpoint can tell; but no row's signature makes such a head. */
static void cut_with_head(void **unused)
{
	assert_int_equal(first_bad("DELETE FROM records WHERE idx >= 10; UPDATE head SET size = 10", 0), 0);
	assert_int_equal(first_bad("UPDATE head SET note = replace(note, '14', '13')", 0), 0);
	assert_int_equal(first_bad("UPDATE head SET root = zeroblob(32)", 0), 0);
	change("DELETE FROM head", 0);
	struct audit_log *log = NULL;
	const char *why;
	assert_int_equal(audit_log_open(work, &key, &log, &why), 1);
}

static void state_rows(void **unused)
{
	assert_int_equal(first_bad("DELETE FROM trust", 0), 1); /* the record that speaks of it */
	assert_int_equal(first_bad("UPDATE trust SET row = substr(row, 1, 375) || x'01'", 0), 1);
	assert_int_equal(first_bad("UPDATE trust SET row = x'00'", 0), 1);
	assert_int_equal(first_bad("INSERT INTO trust SELECT 'zz', row FROM trust", 0), 1);
	assert_int_equal(first_bad("INSERT INTO models VALUES(x'00', zeroblob(616))", 0), 1);
}

/* One past each limit, and rows in their order whatever the order of arrival. */
static void state_full(void **unused)
{
	struct audit_state *s = calloc(1, sizeof *s), *t = calloc(1, sizeof *t);
	u8 a[SHA256_BYTES], b[SHA256_BYTES];
	for (u32 i = 0; i <= MODELS_MAX; i++) {
		struct model_row m = { .stored = 1, .status = MODEL_ACCEPTED };
		u32 first = i * 2654435761u;
		memcpy(m.digest, &first, sizeof first);
		snprintf(m.name, sizeof m.name, "m%u", i);
		assert_int_equal(audit_model_put(s, &m), i < MODELS_MAX ? 0 : 1);
		first = (MODELS_MAX - 1 - i) * 2654435761u;
		memcpy(m.digest, &first, sizeof first);
		memset(m.name, 0, sizeof m.name); /* fields are zero-filled: the digest is over bytes */
		snprintf(m.name, sizeof m.name, "m%u", MODELS_MAX - 1 - i);
		assert_int_equal(audit_model_put(t, &m), i < MODELS_MAX ? 0 : 1);
	}
	audit_state_digest(s, a);
	audit_state_digest(t, b);
	assert_memory_equal(a, b, sizeof a);
	assert_non_null(audit_model_find(s, "m77"));
	assert_null(audit_model_find(s, "0000000"));	  /* seven digits are too few */
	assert_non_null(audit_model_find(s, "00000000")); /* the one whose key is 0 */
	for (u32 i = 0; i <= TRUST_KEYS_MAX; i++) {
		struct trust_row r = { .index = i };
		snprintf(r.name, sizeof r.name, "k%u", i);
		assert_int_equal(audit_trust_put(s, &r), i < TRUST_KEYS_MAX ? 0 : 1);
	}
	audit_trust_drop(s, "k5");
	assert_null(audit_trust_find(s, "k5"));
	assert_int_equal(s->n_trust, TRUST_KEYS_MAX - 1);
	free(s);
	free(t);
}

static void other_key(void **unused)
{
	struct note_key mine = key;
	struct audit_check c;
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	change("", 0);
	struct audit_log *log = open_checked(work, &c);
	assert_false(c.ok);
	audit_check_fini(&c);
	audit_log_close(&log);
	key = mine;
}

/* A check that runs while records are added follows them. */
static void growing(void **unused)
{
	struct audit_check c;
	change("", 0);
	struct audit_log *log = open_checked(work, &c);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	assert_int_equal(audit_check_begin(&c, log), 0);
	for (u32 i = 0; !c.done; i++) {
		if (i < 10) {
			struct trust_row t = state.trust[0];
			t.curve_bits = i;
			assert_int_equal(audit_trust_put(&state, &t), 0);
			assert_int_equal(append(log, EVENT_TRUST_ADD, INTENT_NONE), 0);
			assert_int_equal(audit_log_put_trust(log, &t), 0);
			assert_int_equal(audit_log_commit(log), 0);
		}
		assert_int_equal(audit_check_step(&c, log, 2), 0);
	}
	assert_true(c.ok);
	assert_int_equal(c.size, RECORDS + 10);
	audit_check_fini(&c);
	audit_log_close(&log);
}

int main(void)
{
	assert(sodium_init() >= 0);
	const struct CMUnitTest tests[] = { cmocka_unit_test(whole), cmocka_unit_test(one_writer),
		cmocka_unit_test(not_committed), cmocka_unit_test(open_intents), cmocka_unit_test(edited),
		cmocka_unit_test(nodes), cmocka_unit_test(edited_with_care), cmocka_unit_test(deleted),
		cmocka_unit_test(reordered), cmocka_unit_test(added), cmocka_unit_test(cut_with_head),
		cmocka_unit_test(state_rows), cmocka_unit_test(state_full), cmocka_unit_test(other_key),
		cmocka_unit_test(growing) };
	return cmocka_run_group_tests(tests, build, clean);
}
