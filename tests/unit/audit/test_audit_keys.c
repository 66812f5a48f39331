/* The keys of a log: each vouches for the next, and a chain that does not hold is found at the record that breaks it. */
#define _GNU_SOURCE
#include "audit/log_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];
static struct note_key first, now;
static struct audit_state state;

static int make(void **unused)
{
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-keys.XXXXXX" : "/tmp/keep-keys.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/log.db", dir);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &first), 0);
	assert_int_equal(audit_log_create(path, &first, "test"), 0);
	now = first;
	return 0;
}

static int clean(void **unused)
{
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

static struct audit_log *open_as(const struct note_key *key, struct audit_check *c)
{
	struct audit_log *log = NULL;
	const char *why;
	assert_int_equal(audit_log_open(path, key, &log, &why), 0);
	int r = audit_check_begin(c, log);
	while (!r && !c->done)
		r = audit_check_step(c, log, 1000);
	assert_int_equal(r, 0);
	return log;
}

static struct audit_log *open_good(void)
{
	struct audit_check c;
	struct audit_log *log = open_as(&now, &c);
	if (!c.ok)
		fail_msg("record %llu: %s", (unsigned long long)c.first_bad, c.why);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	return log;
}

static u64 first_bad(const struct note_key *key)
{
	struct audit_check c;
	struct audit_log *log = open_as(key, &c);
	assert_false(c.ok);
	audit_check_fini(&c);
	audit_log_close(&log);
	return c.first_bad;
}

static u64 append(struct audit_log *log, u32 event)
{
	struct audit_record r;
	struct audit_actor who = { 1000, 5, false };
	audit_log_record(log, &r, event, INTENT_NONE, &who);
	assert_int_equal(audit_log_append(log, &r, &state), 0);
	return r.index;
}

struct step {
	const struct note_key *old, *fresh;
	u64 previous;
};

static u64 key_record(struct audit_log *log, const struct step *s)
{
	struct audit_record r;
	struct audit_actor who = { 1000, 5, false };
	char vkey[NOTE_VKEY_MAX];
	audit_log_record(log, &r, EVENT_KEY, INTENT_NONE, &who);
	tlog_note_vkey(s->old, vkey, sizeof vkey);
	jsonw_kv_str(&r.w, "old", vkey);
	tlog_note_vkey(s->fresh, vkey, sizeof vkey);
	jsonw_kv_str(&r.w, "vkey", vkey);
	if (s->previous != INTENT_NONE)
		jsonw_kv_u64(&r.w, "previous", s->previous);
	jsonw_kv_str(&r.w, "reason", "\",\"vkey\":\"x\",\"previous\":0");
	assert_int_equal(audit_log_append(log, &r, &state), 0);
	return r.index;
}

static u64 rotate(struct audit_log *log)
{
	struct note_key fresh;
	assert_int_equal(tlog_note_key_make(first.name, NOTE_ED25519, &fresh), 0);
	u64 index = key_record(log, &(struct step){ &now, &fresh, audit_log_key_index(log) });
	audit_log_rotate(log, &fresh);
	append(log, EVENT_LOG_READ); /* of the same commit */
	assert_int_equal(audit_log_commit(log), 0);
	now = fresh;
	return index;
}

static bool signed_by(const struct audit_log *log, const struct note_key *k)
{
	size_t len;
	const char *note = audit_log_note(log);
	return tlog_note_open(note, strlen(note), k, 1, &len) == 0;
}

/* Both sign the commit of the change, and only the new one what follows; a log that was found whole stays whole. */
static void both(void **unused)
{
	struct audit_log *log = open_good();
	append(log, EVENT_LOG_READ);
	assert_int_equal(audit_log_commit(log), 0);
	for (u32 i = 0; i < 3; i++) {
		struct note_key old = now;
		rotate(log);
		assert_true(signed_by(log, &old) && signed_by(log, &now));
		append(log, EVENT_LOG_READ);
		assert_int_equal(audit_log_commit(log), 0);
		assert_false(signed_by(log, &old));
		assert_true(signed_by(log, &now));
		static const u8 zero[64];
		assert_memory_equal(log->old_key.secret_key, zero, sizeof zero);
	}
	audit_log_close(&log);
	log = open_good();
	u32 n;
	assert_int_equal(audit_log_keys_count(log, &n), 0);
	assert_int_equal(n, 3);
	/* of several keys that are there, the one that signed */
	const struct note_key keys[] = { first, now };
	assert_true(audit_log_choose(log, keys, 2));
	assert_memory_equal(audit_log_key(log)->public_key, now.public_key, 32);
	assert_false(audit_log_choose(log, keys, 1));
	audit_log_close(&log);
	assert_int_not_equal(first_bad(&first), INTENT_NONE); /* the first key opens it no longer */
}

/* Whoever has only the newest key cannot make it up that an older one gave way to it. */
static void made_up(void **unused)
{
	struct note_key other;
	struct audit_log *log = open_good();
	u64 before = rotate(log);
	assert_int_equal(tlog_note_key_make(first.name, NOTE_ED25519, &other), 0);
	/* the record names another one as old: the chain breaks there */
	u64 index = key_record(log, &(struct step){ &other, &now, before });
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	assert_int_equal(first_bad(&now), before);
	(void)index;
}

static void not_signed(void **unused)
{
	/* a log of the newest key alone, which says that an older one preceded it */
	struct note_key older;
	struct audit_log *log = open_good();
	assert_int_equal(tlog_note_key_make(first.name, NOTE_ED25519, &older), 0);
	u64 index = key_record(log, &(struct step){ &older, &now, INTENT_NONE });
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	assert_int_equal(first_bad(&now), index);
}

static void not_followed(void **unused)
{
	struct note_key other;
	struct audit_log *log = open_good();
	assert_int_equal(tlog_note_key_make(first.name, NOTE_ED25519, &other), 0);
	u64 index =
		key_record(log, &(struct step){ &now, &other, INTENT_NONE }); /* but the old one goes on */
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	assert_int_equal(first_bad(&now), index);
}

/* A damaged record before a rotation is named, whoever's seal it stands under. */
static void damaged(void **unused)
{
	struct audit_log *log = open_good();
	for (u32 i = 0; i < 4; i++) {
		append(log, EVENT_LOG_READ);
		assert_int_equal(audit_log_commit(log), 0);
		rotate(log);
	}
	u64 size = audit_log_size(log);
	audit_log_close(&log);
	for (u64 i = 0; i < size; i++) {
		char cmd[512];
		sqlite3 *db;
		snprintf(cmd, sizeof cmd,
			"UPDATE records SET line = replace(CAST(line AS TEXT), '\"pid\":5,', '\"pid\":6,') "
			"WHERE idx = %llu",
			(unsigned long long)i);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, cmd, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		if (i)
			assert_int_equal(first_bad(&now), i);
		snprintf(cmd, sizeof cmd,
			"UPDATE records SET line = CAST(replace(CAST(line AS TEXT), '\"pid\":6,', "
			"'\"pid\":5,') AS BLOB) WHERE idx = %llu",
			(unsigned long long)i);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, cmd, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
	}
	log = open_good();
	audit_log_close(&log);
}

static void limit(void **unused)
{
	struct audit_log *log = open_good();
	u32 n;
	for (u32 i = 0; i < LOG_KEYS_MAX; i++)
		rotate(log);
	assert_int_equal(audit_log_keys_count(log, &n), 0);
	assert_int_equal(n, LOG_KEYS_MAX);
	audit_log_close(&log);
	log = open_good();
	rotate(log); /* keepd does not: rotate.c */
	assert_int_equal(audit_log_keys_count(log, &n), 1);
	audit_log_close(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both, make, clean),
		cmocka_unit_test_setup_teardown(made_up, make, clean),
		cmocka_unit_test_setup_teardown(not_signed, make, clean),
		cmocka_unit_test_setup_teardown(not_followed, make, clean),
		cmocka_unit_test_setup_teardown(damaged, make, clean),
		cmocka_unit_test_setup_teardown(limit, make, clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
