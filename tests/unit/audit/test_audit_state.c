/* State: persons and proposals, each up to its limit and not beyond, in memory and in the database; and what a record may cost on disk. */
#define _GNU_SOURCE
#include "audit/log_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];
static struct note_key key;
static struct audit_state state, read_back;

static int make(void **unused)
{
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-state.XXXXXX" : "/tmp/keep-state.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/log.db", dir);
	memset(&state, 0, sizeof state);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	assert_int_equal(audit_log_create(path, &key, "test"), 0);
	return 0;
}

static int clean(void **unused)
{
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

static struct audit_log *open_checked(bool *ret_ok)
{
	struct audit_check c;
	struct audit_log *log = NULL;
	const char *why;
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	int r = audit_check_begin(&c, log);
	while (!r && !c.done)
		r = audit_check_step(&c, log, 1000);
	assert_int_equal(r, 0);
	*ret_ok = c.ok;
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	return log;
}

static int append(struct audit_log *log, u32 event)
{
	struct audit_record r;
	struct audit_actor who = { 1000, 5, false };
	audit_log_record(log, &r, event, INTENT_NONE, &who);
	return audit_log_append(log, &r, &state);
}

static struct role_row person(u32 i)
{
	struct role_row row = { .uid = 1000 + i, .roles = ROLE_USER };
	snprintf(row.name, sizeof row.name, "p%u", i);
	return row;
}

static void persons(void **unused)
{
	bool ok;
	for (u32 i = 0; i < PERSONS_MAX; i++) {
		struct role_row row = person(i);
		assert_int_equal(audit_role_put(&state, &row), 0);
	}
	struct role_row more = person(PERSONS_MAX), again = person(7);
	assert_int_equal(audit_role_put(&state, &more), 1);
	assert_int_equal(audit_role_put(&state, &again), 0);
	for (u32 i = 1; i < state.n_roles; i++)
		assert_true(strcmp(state.roles[i - 1].name, state.roles[i].name) < 0);
	struct audit_log *log = open_checked(&ok);
	assert_true(ok);
	assert_int_equal(append(log, EVENT_ROLE_ADD), 0);
	assert_int_equal(audit_log_put_roles(log, &state), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_state(log, &read_back), 0);
	assert_memory_equal(&read_back, &state, sizeof state);
	assert_ptr_equal(audit_role_by_uid(&state, 1007), audit_role_find(&state, "p7"));
	audit_role_drop(&state, "p7");
	assert_null(audit_role_find(&state, "p7"));
	assert_int_equal(state.n_roles, PERSONS_MAX - 1);
	/* a row that the last record does not speak of */
	assert_int_equal(audit_log_put_roles(log, &state), 0);
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	log = open_checked(&ok);
	assert_false(ok);
	audit_log_close(&log);
}

/* What people have used: as many rows as there may be, by name; and one of them edited behind the log's back. */
static void usage(void **unused)
{
	bool ok;
	struct audit_log *log = open_checked(&ok);
	for (u32 i = 0; i <= QUOTA_PRINCIPALS_MAX; i++) {
		struct usage_row row = { .day = i };
		snprintf(row.principal, sizeof row.principal, "p%u", i * 7919 % (QUOTA_PRINCIPALS_MAX + 1));
		audit_usage_put(&state, &row);
	}
	assert_int_equal(state.n_usage, QUOTA_PRINCIPALS_MAX);
	for (u32 i = 1; i < state.n_usage; i++)
		assert_true(strcmp(state.usage[i - 1].principal, state.usage[i].principal) < 0);
	sha256_of("text", 4, state.quota.digest);
	state.quota.bytes = 4;
	assert_int_equal(append(log, EVENT_USAGE), 0);
	assert_int_equal(audit_log_put_blob(log, state.quota.digest, "text", 4), 0);
	assert_int_equal(audit_log_put_quota(log, &state), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_state(log, &read_back), 0);
	assert_memory_equal(&read_back, &state, sizeof state);
	audit_log_close(&log);
	log = open_checked(&ok);
	assert_true(ok);
	state.usage[9].day_tokens++;
	assert_int_equal(audit_log_put_quota(log, &state), 0);
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	log = open_checked(&ok);
	assert_false(ok);
	audit_log_close(&log);
}

static void pending(void **unused)
{
	bool ok;
	struct dual_row row = { .uid = 7, .type = CTL_LIFT, .len = DUAL_BODY_BYTES_MAX };
	memset(row.body, 'x', sizeof row.body);
	for (u32 i = 0; i < PENDING_MAX; i++) {
		row.index = 10 + i;
		assert_int_equal(audit_pending_put(&state, &row), 0);
	}
	assert_int_equal(audit_pending_put(&state, &row), 1);
	audit_pending_drop(&state, 12);
	assert_null(audit_pending_find(&state, 12));
	assert_int_equal(audit_pending_find(&state, 13)->index, 13);
	struct audit_log *log = open_checked(&ok);
	assert_true(ok);
	assert_int_equal(append(log, EVENT_LIFT), 0);
	assert_int_equal(audit_log_put_pending(log, &state), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_state(log, &read_back), 0);
	assert_int_equal(read_back.n_pending, PENDING_MAX - 1);
	assert_memory_equal(read_back.pending, state.pending, (PENDING_MAX - 1) * sizeof row);
	/* a body longer than one can be is no row at all */
	state.pending[3].len = DUAL_BODY_BYTES_MAX + 1;
	assert_int_equal(audit_log_put_pending(log, &state), 0);
	assert_int_equal(audit_log_state(log, &read_back), 1);
	audit_log_close(&log);
}

/* What the gate keeps free for an outcome suffices for the longest there is, and LOG_KEPT_BYTES for the WAL and its move. */
static void room(void **unused)
{
	enum { N = 400 };
	bool ok;
	struct audit_log *log = open_checked(&ok);
	struct audit_actor who = { 1000, 5, false };
	struct audit_record rec;
	char longest[256];
	struct stat before, after, wal;
	char wal_path[128];
	memset(longest, 0xff, sizeof longest); /* each byte becomes three */
	snprintf(wal_path, sizeof wal_path, "%s-wal", path);
	u64 first = audit_log_size(log);
	for (u32 i = 0; i < N; i++)
		assert_int_equal(append(log, EVENT_REQUEST), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_tidy(log, true), 0);
	assert_int_equal(stat(path, &before), 0);
	for (u32 i = 0; i < N; i++) {
		audit_log_record(log, &rec, EVENT_OUTCOME, first + i, &who);
		for (int k = 0; k < 10; k++)
			jsonw_kv_u64(&rec.w, "generate_ns", UINT64_MAX);
		for (int k = 0; k < 8; k++)
			jsonw_kv_hex(&rec.w, "kernel_set", longest, 32);
		audit_record_str(&rec, "device", longest, 128);
		audit_record_str(&rec, "why", longest, 256);
		assert_int_equal(audit_log_append(log, &rec, NULL), 0);
		assert_true(rec.w.len < LOG_OUTCOME_BYTES / 2);
		assert_int_equal(audit_log_commit(log), 0); /* each alone: the dearest way */
		assert_int_equal(audit_log_tidy(log, false), 0);
		assert_int_equal(stat(wal_path, &wal), 0);
		assert_true((u64)wal.st_size < LOG_KEPT_BYTES);
	}
	assert_int_equal(audit_log_tidy(log, true), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true((u64)(after.st_size - before.st_size) < (u64)N * LOG_OUTCOME_BYTES);
	audit_log_close(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(persons, make, clean),
		cmocka_unit_test_setup_teardown(usage, make, clean),
		cmocka_unit_test_setup_teardown(pending, make, clean),
		cmocka_unit_test_setup_teardown(room, make, clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
