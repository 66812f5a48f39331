/* Pruning: texts of records go, everything else goes on; and nobody takes a text that was not pruned. */
#define _GNU_SOURCE
#include "audit/log_retain.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS 300u

static char dir[64], good[96], work[96];
static struct note_key key;
static struct audit_state state;

static u64 append(struct audit_log *log, u32 event, u64 intent)
{
	struct audit_record r;
	struct audit_actor who = { .uid = 1000, .pid = 5 };
	audit_log_record(log, &r, event, intent, &who);
	assert_int_equal(audit_log_append(log, &r, &state), 0);
	return r.index;
}

static struct audit_log *open_checked(const char *path, struct audit_check *c)
{
	struct audit_log *log = NULL;
	const char *why;
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	int r = audit_check_begin(c, log);
	while (!r && !c->done)
		r = audit_check_step(c, log, 7);
	assert_int_equal(r, 0);
	return log;
}

static struct audit_log *open_adopted(const char *path)
{
	struct audit_check c;
	struct audit_log *log = open_checked(path, &c);
	if (!c.ok)
		fail_msg("record %llu: %s", (unsigned long long)c.first_bad, c.why);
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	return log;
}

/* Requests and outcomes, some answered late; now and then something that is kept for ever; texts with the requests. */
static void fill(struct audit_log *log)
{
	u64 late = 0;
	while (audit_log_size(log) < RECORDS) {
		u64 i = append(log, EVENT_REQUEST, INTENT_NONE);
		assert_int_equal(audit_log_put_text(log, i, "uid:1000", "sealed", 6), 0);
		if (!late && i > 200)
			late = i; /* its outcome comes behind the range */
		else
			append(log, EVENT_OUTCOME, i);
		if (i % 10 == 0)
			append(log, EVENT_RETENTION, INTENT_NONE);
		if (i % 3 == 0)
			append(log, EVENT_START, INTENT_NONE);
		assert_int_equal(audit_log_commit(log), 0);
	}
	append(log, EVENT_OUTCOME, late);
	assert_int_equal(audit_log_commit(log), 0);
}

/* Prune what is due of 0..to-1 as keepd does, and forget what this process knows. */
static size_t prune(struct audit_log *log, u64 to, u32 classes)
{
	struct prune_plan p;
	struct archive_row row = { .index = audit_log_size(log) - 1, .from = 1, .to = to, .size = to };
	assert_int_equal(audit_prune_plan(log, &(struct prune_want){ 1, to, classes }, &p), 0);
	if (!audit_archive_find(&state.retain, state.retain.n_archives ? state.retain.archives[0].index : 0))
		assert_int_equal(audit_archive_put(&state.retain, &row), 0);
	struct archive_row *a = &state.retain.archives[0];
	a->pruned = audit_log_size(log);
	a->n_pruned = p.n;
	memcpy(a->set, p.set, sizeof a->set);
	append(log, EVENT_PRUNE, INTENT_NONE);
	assert_int_equal(audit_log_put_archives(log, &state.retain), 0);
	assert_int_equal(audit_prune_do(log, &p), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_scrub(log), 0);
	size_t n = p.n_due;
	audit_prune_fini(&p);
	return n;
}

static int build(void **unused)
{
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-prune.XXXXXX" : "/tmp/keep-prune.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(good, sizeof good, "%s/good.db", dir);
	snprintf(work, sizeof work, "%s/work.db", dir);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	assert_int_equal(audit_log_create(good, &key, "test"), 0);
	struct audit_log *log = open_adopted(good);
	fill(log);
	assert_true(prune(log, 256, 1u << RETAIN_USE) > 100);
	audit_log_close(&log);
	return 0;
}

static int clean(void **unused)
{
	char cmd[96];
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

static void change(const char *sql)
{
	char cmd[512], *err = NULL;
	sqlite3 *db;
	snprintf(cmd, sizeof cmd, "rm -f %s %s-wal %s-head && cp %s %s", work, work, work, good, work);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(sqlite3_open(work, &db), SQLITE_OK);
	if (sql && sqlite3_exec(db, sql, NULL, NULL, &err) != SQLITE_OK)
		fail_msg("%s: %s", sql, err);
	sqlite3_close(db);
}

struct seen {
	u64 pruned, whole, late;
};

static int on_line(void *arg, u64 index, const char *line, size_t len)
{
	struct seen *s = arg;
	struct audit_record_head h;
	if (memmem(line, len, ",\"pruned\":\"", 11))
		s->pruned++;
	else
		s->whole++;
	if (audit_record_head(line, len, &h) == 0 && h.event == EVENT_REQUEST && index < 256)
		s->late++;
	return 0;
}

/* The log is whole, says which texts are gone, proves the others, and grows. */
static void goes_on(void **unused)
{
	struct seen s = { 0 };
	change(NULL);
	struct audit_log *log = open_adopted(work);
	assert_int_equal(audit_log_lines(log, 0, UINT64_MAX, on_line, &s), 0);
	assert_int_equal(s.pruned, state.retain.archives[0].n_pruned);
	assert_int_equal(s.pruned + s.whole, audit_log_size(log));
	assert_in_range(s.late, 1, 2); /* their answers lie outside: both stay */
	struct merkle_source src = audit_log_hashes(log);
	struct merkle_hash root = audit_log_root(log), leaf;
	struct merkle_proof p;
	u64 size = audit_log_size(log);
	for (u64 i = 0; i < size; i++) {
		assert_int_equal(tlog_merkle_inclusion(&src, i, size, &p), 0);
		assert_int_equal(src.row(src.arg, 0, i, 1, &leaf), 0);
		assert_int_equal(tlog_merkle_inclusion_check(
					 &(struct merkle_included){ i, size, &leaf, &root, p.h, p.n }),
			0);
	}
	append(log, EVENT_REQUEST, INTENT_NONE);
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	log = open_adopted(work);
	audit_log_close(&log);
}

/* What is kept for ever stays; texts of pruned requests are gone, the others are there. */
static void kept(void **unused)
{
	struct prune_plan p;
	struct texts_count n;
	u8 *data;
	size_t len;
	change(NULL);
	struct audit_log *log = open_adopted(work);
	assert_int_equal(audit_prune_plan(log, &(struct prune_want){ 1, 256, 1u << RETAIN_USE }, &p), 0);
	assert_int_equal(p.n_due, 0); /* nothing is due twice */
	assert_int_equal(p.n, state.retain.archives[0].n_pruned);
	assert_memory_equal(p.set, state.retain.archives[0].set, sizeof p.set);
	audit_prune_fini(&p);
	assert_int_equal(audit_prune_plan(log, &(struct prune_want){ 1, 256, 3 }, &p), 0);
	assert_true(p.n_due > 3); /* starts are of the other class */
	audit_prune_fini(&p);
	assert_int_equal(audit_log_text(log, 1, &data, &len), 1);
	assert_int_equal(audit_log_texts(log, "uid:1000", &n), 0);
	assert_true(n.n > 10 && n.n < 40);
	assert_int_equal(audit_log_texts(log, "uid:1", &n), 0);
	assert_int_equal(n.n, 0);
	audit_log_close(&log);
}

/* Every way to take another text, or to put something in its place. */
static void tampered(void **unused)
{
	static const char *const sql[] = {
		/* one that is kept for ever, one of use that stayed, one outside of the range */
		"update records set line = x'', event = 0, intent = null where idx = (select min(idx) from "
		"records where event = 70)",
		"update records set line = x'', event = 0, intent = null where idx = (select max(idx) from "
		"records where event = 16 and idx < 256)",
		"update records set line = x'', event = 0, intent = null where idx = 270",
		/* a pruned one with something in it */
		"update records set line = 'x' where idx = 1",
		"update records set event = 16 where idx = 1",
		"update records set intent = 0 where idx = 1",
		"update records set leaf = zeroblob(32) where idx = 1",
		"update records set leaf = x'' where idx = 1",
		"delete from records where idx = 1",
		/* the state that says so */
		"delete from singles where name = 'archives'",
		"update singles set row = zeroblob(184) where name = 'archives'",
		/* one for another: as many as before */
		"update records set line = x'', event = 0, intent = null where idx = (select min(idx) from "
		"records where event = 70);"
		"update records set line = '{}', event = 16 where idx = 1",
	};
	for (size_t i = 0; i < ARRAY_LEN(sql); i++) {
		struct audit_check c;
		change(sql[i]);
		struct audit_log *log = open_checked(work, &c);
		if (c.ok)
			fail_msg("%s: nobody noticed", sql[i]);
		audit_check_fini(&c);
		audit_log_close(&log);
	}
}

/* A check that is under way while something is pruned ends well, and the next one counts. */
static void meanwhile(void **unused)
{
	struct audit_check c;
	struct audit_state before = state;
	change(NULL);
	struct audit_log *log = open_adopted(work);
	for (u32 passed = 0; passed < 2; passed++) {
		assert_int_equal(audit_check_begin(&c, log), 0);
		assert_int_equal(audit_check_step(&c, log, passed ? 250 : 20), 0);
		if (!passed)
			assert_true(prune(log, 256, 3) > 3);
		while (!c.done)
			assert_int_equal(audit_check_step(&c, log, 50), 0);
		if (!c.ok)
			fail_msg("%s", c.why);
		audit_check_fini(&c);
	}
	audit_log_close(&log);
	log = open_adopted(work);
	audit_log_close(&log);
	state = before;
}

/* Nothing of a deleted text is left in the database or in the write-ahead log. */
static void scrubbed(void **unused)
{
	char path[128], big[20000];
	change(NULL);
	struct audit_log *log = open_adopted(work);
	for (u32 i = 0; i < 40; i++) {
		u64 at = append(log, EVENT_REQUEST, INTENT_NONE);
		memset(big, 'a' + (int)i % 26, sizeof big);
		for (size_t j = 0; j + 32 < sizeof big; j += 32)
			memcpy(big + j, "CIPHERTEXT-OF-SOMEBODY", 22);
		assert_int_equal(audit_log_put_text(log, at, "uid:7", big, i * 500), 0);
		assert_int_equal(audit_log_commit(log), 0);
	}
	append(log, EVENT_ERASE, INTENT_NONE);
	assert_int_equal(audit_log_drop_texts(log, "uid:7"), 0);
	assert_int_equal(audit_log_commit(log), 0);
	assert_int_equal(audit_log_scrub(log), 0);
	for (u32 i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s%s", work, i ? "-wal" : "");
		_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		_cleanup_free_ u8 *data = NULL;
		size_t n;
		assert_int_equal(fd_read_file(fd, 1 << 26, &data, &n), 0);
		assert_null(memmem(data, n, "CIPHERTEXT-OF-SOMEBODY", 22));
	}
	append(log, EVENT_ERASED, audit_log_size(log) - 1);
	assert_int_equal(audit_log_commit(log), 0);
	audit_log_close(&log);
	log = open_adopted(work);
	audit_log_close(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on),
		cmocka_unit_test(kept),
		cmocka_unit_test(tampered),
		cmocka_unit_test(meanwhile),
		cmocka_unit_test(scrubbed),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, build, clean);
}
