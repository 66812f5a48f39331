/* Searching: what a filter finds is what reading everything finds, in pages of any size, from either end, with zones known or not. */
#define _GNU_SOURCE
#include "audit/facts.h"
#include "audit/search.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS (3u * ZONE_RECORDS + 41)

static char dir[64], path[96];
static struct note_key key;
static struct audit_log *log_;
static struct audit_zones zones;
static struct audit_state state;

static u8 digest_of(u32 model)
{
	return (u8)(0x10 + model);
}

static void begin(struct audit_record *r, u32 event, u64 intent, u32 uid)
{
	struct audit_actor who = { .uid = uid, .pid = 5, .self = uid == 0 };
	audit_log_record(log_, r, event, intent, &who);
}

static void end(struct audit_record *r)
{
	assert_int_equal(audit_log_append(log_, r, &state), 0);
}

static void request(u32 uid, u32 model)
{
	struct audit_record r;
	u8 digest[MODEL_DIGEST_BYTES];
	char name[16];
	memset(digest, digest_of(model), sizeof digest);
	snprintf(name, sizeof name, "model%u", model);
	begin(&r, EVENT_REQUEST, INTENT_NONE, uid);
	jsonw_kv_u64(&r.w, "session", 1);
	jsonw_kv_u64(&r.w, "request", r.index);
	jsonw_kv_str(&r.w, "name", name);
	jsonw_kv_hex(&r.w, "model", digest, sizeof digest);
	end(&r);
}

static void outcome(u64 intent, const char *finish)
{
	struct audit_record r;
	begin(&r, EVENT_OUTCOME, intent, 77); /* the runtime says it */
	jsonw_kv_str(&r.w, "finish", finish);
	jsonw_kv_u64(&r.w, "n_prompt", 10);
	jsonw_kv_u64(&r.w, "n_generated", 3);
	end(&r);
}

static void other(u32 event, const char *reason)
{
	struct audit_record r;
	begin(&r, event, INTENT_NONE, 0);
	jsonw_kv_str(&r.w, "why", reason);
	end(&r);
}

/* Requests of ten people to three models, their outcomes two records later, and one rare event. */
static int build(void **unused)
{
	struct audit_check c;
	const char *why;
	strcpy(dir,
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-search.XXXXXX" : "/tmp/keep-search.XXXXXX");
	if (sodium_init() < 0 || !mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/log.db", dir);
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	assert_int_equal(audit_log_create(path, &key, "test"), 0);
	assert_int_equal(audit_log_open(path, &key, &log_, &why), 0);
	int r = audit_check_begin(&c, log_);
	while (!r && !c.done)
		r = audit_check_step(&c, log_, 100);
	assert_true(!r && c.ok);
	audit_log_adopt(log_, &c);
	audit_check_fini(&c);
	while (audit_log_size(log_) < RECORDS) {
		u64 i = audit_log_size(log_);
		request(1000 + (u32)(i % 10), (u32)(i % 3));
		request(1000 + (u32)(i % 7), (u32)(i % 2));
		outcome(i, i % 5 ? "stop" : "refused");
		outcome(i + 1, "length");
		if (i == 601)
			other(EVENT_RUNTIME_LOST, "needle in it");
	}
	return audit_log_commit(log_);
}

static int clean(void **unused)
{
	char cmd[128];
	audit_log_close(&log_);
	audit_zones_free(&zones);
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	return system(cmd);
}

static struct proto_look look(void)
{
	return (struct proto_look){ .what = LOOK_RECORDS, .to = UINT64_MAX, .until_ns = UINT64_MAX };
}

static struct audit_search *run(const struct proto_look *q)
{
	struct audit_search *s;
	const char *why;
	assert_int_equal(audit_search_begin(q, audit_log_size(log_), &s, &why), 0);
	while (!audit_search_done(s))
		assert_int_equal(audit_search_step(s, log_, &zones, 300), 0);
	return s;
}

/* Indexes of everything that is found, in pages of `page`, from the front or from the back. */
static size_t all(struct proto_look q, u64 page, u64 *ret, size_t max)
{
	size_t n = 0;
	u64 next = 0;
	q.count = page;
	while (next != UINT64_MAX) {
		_cleanup_search_ struct audit_search *s = run(&q);
		u8 *data;
		size_t len, found = 0;
		assert_int_equal(audit_search_lines(s, &data, &len), 0);
		for (const char *p = (char *)data, *e = p + len; p < e;
			p = (const char *)memchr(p, '\n', (size_t)(e - p)) + 1) {
			struct audit_facts f;
			const char *nl = memchr(p, '\n', (size_t)(e - p));
			assert_int_equal(audit_facts_read(p, (size_t)(nl - p), &f), 0);
			assert_true(n + found < max);
			ret[n + found++] = f.index;
		}
		free(data);
		assert_true(found <= page);
		next = audit_search_next(s);
		if (q.flags & LOOK_NEWEST) { /* this page stands before those that came */
			u64 turned[RECORDS + 8];
			memcpy(turned, ret + n, found * sizeof *ret);
			memmove(ret + found, ret, n * sizeof *ret);
			memcpy(ret, turned, found * sizeof *ret);
			q.to = next;
		} else {
			q.from = next;
		}
		n += found;
	}
	return n;
}

struct truth {
	const struct proto_look *q;
	bool (*fits)(const struct audit_facts *f, const char *line, size_t len);
	u64 *index;
	size_t n;
};

static int on_line(void *arg, u64 index, const char *line, size_t len)
{
	struct truth *t = arg;
	struct audit_facts f;
	assert_int_equal(audit_facts_read(line, len, &f), 0);
	if (t->fits(&f, line, len))
		t->index[t->n++] = index;
	return 0;
}

/* The same as reading everything, whatever the page and the direction; twice, since the first time makes the zones known. */
static void same(struct proto_look q, bool (*fits)(const struct audit_facts *, const char *, size_t))
{
	static const u64 pages[] = { 1000, 1, 7, 256 };
	static u64 want[RECORDS + 8], got[RECORDS + 8];
	struct truth t = { &q, fits, want, 0 };
	assert_int_equal(audit_log_lines(log_, 0, UINT64_MAX, on_line, &t), 0);
	for (u32 i = 0; i < 2 * ARRAY_LEN(pages); i++) {
		q.flags = (q.flags & ~LOOK_NEWEST) | (i % 2 ? LOOK_NEWEST : 0);
		size_t n = all(q, pages[i / 2], got, ARRAY_LEN(got));
		assert_int_equal(n, t.n);
		assert_memory_equal(got, want, n * sizeof *want);
	}
}

static bool anything(const struct audit_facts *f, const char *line, size_t len)
{
	return true;
}
static bool is_rare(const struct audit_facts *f, const char *line, size_t len)
{
	return f->event == EVENT_RUNTIME_LOST;
}
static bool not_traffic(const struct audit_facts *f, const char *line, size_t len)
{
	return f->event != EVENT_REQUEST && f->event != EVENT_OUTCOME;
}
/* By construction: who asked record i, and whose model it was. */
static u64 asked(const struct audit_facts *f)
{
	return f->intent == INTENT_NONE ? f->index : f->intent;
}
static u64 user_of(u64 i);
static bool by_1003(const struct audit_facts *f, const char *line, size_t len)
{
	return (f->event == EVENT_REQUEST || f->event == EVENT_OUTCOME) && user_of(asked(f)) == 1003;
}
static bool refused(const struct audit_facts *f, const char *line, size_t len)
{
	return audit_word_is(&f->result, "refused");
}
static bool has_needle(const struct audit_facts *f, const char *line, size_t len)
{
	return memmem(line, len, "needle", 6);
}

struct asker {
	u64 uid;
};
static int on_asker(void *arg, u64 index, const char *line, size_t len)
{
	struct audit_facts f;
	struct asker *a = arg;
	assert_int_equal(audit_facts_read(line, len, &f), 0);
	a->uid = f.uid;
	return 1;
}
static u64 users[RECORDS + 8];
static u64 user_of(u64 i)
{
	return users[i];
}

static void finds_the_same(void **unused)
{
	for (u64 i = 0; i < audit_log_size(log_); i++) {
		struct asker a = { 0 };
		assert_int_equal(audit_log_lines(log_, i, 1, on_asker, &a), 1);
		users[i] = a.uid;
	}
	struct proto_look q = look();
	same(q, anything);
	strcpy(q.events[q.n_events++], "runtime-lost");
	same(q, is_rare);
	q = look();
	q.flags = LOOK_EXCEPT;
	q.n_events = 2;
	strcpy(q.events[0], "request");
	strcpy(q.events[1], "outcome");
	same(q, not_traffic);
	q = look();
	q.actors[q.n_actors++] = 1003;
	same(q, by_1003); /* the answers that he got among them */
	q = look();
	strcpy(q.results[q.n_results++], "refused");
	same(q, refused);
	q = look();
	strcpy(q.text, "needle");
	same(q, has_needle);
}

static size_t count(const struct proto_look *q)
{
	static u64 got[RECORDS + 8];
	return all(*q, 10000, got, ARRAY_LEN(got));
}

static void models(void **unused)
{
	struct proto_look name = look(), digits = look(), few = look();
	strcpy(name.models[name.n_models++], "model2");
	strcpy(digits.models[digits.n_models++], "12121212");
	strcpy(few.models[few.n_models++], "1212");
	assert_true(count(&name) > 100);
	assert_int_equal(count(&name), count(&digits));
	assert_int_equal(count(&few), 0); /* fewer digits than 8 name no model */
	/* alternatives of one kind add up, kinds narrow down */
	struct proto_look two = name, both = name;
	strcpy(two.models[two.n_models++], "model1");
	strcpy(both.events[both.n_events++], "request");
	assert_true(count(&two) > count(&name));
	assert_true(count(&both) < count(&name));
}

static void zones_spare_reading(void **unused)
{
	struct proto_look q = look();
	strcpy(q.events[q.n_events++], "runtime-lost");
	count(&q); /* now every whole zone is known */
	_cleanup_search_ struct audit_search *s = run(&q);
	assert_int_equal(audit_search_found(s), 1);
	assert_true(audit_search_read(s) <=
		    1 + RECORDS % ZONE_RECORDS + 8); /* that one, and what is no whole zone */
	/* a time before everything reads only what is not known: the end of the log */
	q = look();
	q.until_ns = 1;
	_cleanup_search_ struct audit_search *none = run(&q);
	assert_int_equal(audit_search_found(none), 0);
	assert_true(audit_search_read(none) < ZONE_RECORDS);
}

static void adds_up(void **unused)
{
	struct proto_look q = look();
	u8 *data;
	size_t len;
	q.what = LOOK_BY_ACTOR;
	_cleanup_search_ struct audit_search *s = run(&q);
	assert_int_equal(audit_search_lines(s, &data, &len), 0);
	assert_int_equal(audit_search_found(s), audit_log_size(log_));
	assert_non_null(memmem(data, len, "{\"key\":\"1003\",\"name\":\"\",\"records\":", 34));
	assert_null(memmem(data, len, "\"key\":\"77\"", 10)); /* an outcome is his who asked */
	assert_non_null(memmem(data, len, "{\"key\":\"keepd\"", 14));
	free(data);
	q.what = LOOK_BY_EVENT;
	_cleanup_search_ struct audit_search *e = run(&q);
	assert_int_equal(audit_search_lines(e, &data, &len), 0);
	assert_non_null(memmem(data, len, "{\"key\":\"runtime-lost\",\"name\":\"\",\"records\":1,", 43));
	free(data);
}

static void refuses(void **unused)
{
	struct audit_search *s;
	const char *why;
	struct proto_look q = look();
	strcpy(q.events[q.n_events++], "no-such");
	assert_int_equal(audit_search_begin(&q, 1, &s, &why), 1);
	q = look();
	q.n_actors = LOOK_ANY_MAX + 1;
	assert_int_equal(audit_search_begin(&q, 1, &s, &why), 1);
	q = look();
	q.n_models = 1; /* and none is given */
	assert_int_equal(audit_search_begin(&q, 1, &s, &why), 1);
	q = look();
	memset(q.text, 'x', sizeof q.text);
	assert_int_equal(audit_search_begin(&q, 1, &s, &why), 1);
	q = look();
	q.what = 99;
	assert_int_equal(audit_search_begin(&q, 1, &s, &why), 1);
}

/* More people than groups: the rest is one group, and nothing is lost. SUMMARY_GROUPS_MAX */
static void too_many_groups(void **unused)
{
	for (u32 i = 0; i < SUMMARY_GROUPS_MAX + 5; i++)
		request(100000 + i, 0);
	assert_int_equal(audit_log_commit(log_), 0);
	struct proto_look q = look();
	u8 *data;
	size_t len, lines = 0;
	q.what = LOOK_BY_ACTOR;
	_cleanup_search_ struct audit_search *s = run(&q);
	assert_int_equal(audit_search_lines(s, &data, &len), 0);
	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	assert_int_equal(lines, SUMMARY_GROUPS_MAX + 1);
	assert_non_null(memmem(data, len, "{\"key\":\"others\"", 15));
	free(data);
}

static void request_for(u32 gateway, const char *principal)
{
	struct audit_record r;
	u64 index;
	begin(&r, EVENT_REQUEST, INTENT_NONE, gateway);
	index = r.index;
	jsonw_kv_u64(&r.w, "session", 1);
	jsonw_kv_str(&r.w, "principal", principal);
	jsonw_kv_str(&r.w, "name", "model9");
	end(&r);
	outcome(index, "stop");
}

/* Who came over the network counts for himself, and not for the gateway that asked; twice, since the first time makes the zones known. */
static void principals(void **unused)
{
	for (u32 i = 0; i < ZONE_RECORDS; i++)
		request_for(2000, i % 3 == 0 ? "alice" : i % 3 == 1 ? "uid:2001" : "bob");
	assert_int_equal(audit_log_commit(log_), 0);
	for (u32 i = 0; i < 2; i++) {
		struct proto_look alice = look(), both = look(), gateway = look(), user = look();
		strcpy(alice.names[alice.n_names++], "alice");
		both = alice;
		both.actors[both.n_actors++] = 2001;
		gateway.actors[gateway.n_actors++] = 2000;
		user.actors[user.n_actors++] = 2001;
		assert_int_equal(count(&alice), 2 * 86);
		assert_int_equal(count(&user), 2 * 85);
		assert_int_equal(count(&both), 2 * (86 + 85));
		assert_int_equal(count(&gateway), 0);
	}
	struct proto_look q = look();
	u8 *data;
	size_t len;
	q.what = LOOK_BY_ACTOR;
	strcpy(q.models[q.n_models++], "model9");
	_cleanup_search_ struct audit_search *s = run(&q);
	assert_int_equal(audit_search_lines(s, &data, &len), 0);
	assert_non_null(memmem(data, len, "{\"key\":\"alice\",\"name\":\"\",\"records\":172,", 37));
	assert_non_null(memmem(data, len, "{\"key\":\"2001\",\"name\":\"\",\"records\":170,", 36));
	free(data);
	q = look();
	q.n_names = LOOK_ANY_MAX + 1;
	struct audit_search *none;
	const char *why;
	assert_int_equal(audit_search_begin(&q, 1, &none, &why), 1);
}

static u64 number_at(const char *line, const char *mark)
{
	const char *at = strstr(line, mark);
	assert_non_null(at);
	return strtoull(at + strlen(mark), NULL, 10);
}

/* Each record stands in one bucket: the one that its time says, since no clock was set back here. */
static void timeline(void **unused)
{
	for (u32 round = 0; round < 2; round++) {
		struct proto_look q = look();
		u8 *data;
		size_t len;
		u64 records = 0, hits = 0;
		q.what = LOOK_BY_TIME;
		q.count = 17;
		if (round)
			strcpy(q.events[q.n_events++], "outcome");
		_cleanup_search_ struct audit_search *s = run(&q);
		assert_int_equal(audit_search_lines(s, &data, &len), 0);
		const char *line = (char *)data;
		for (u32 i = 0; i < q.count; i++, line = strchr(line, '\n') + 1) {
			struct proto_look one = look();
			one.since_ns = number_at(line, "\"from_ns\":");
			one.until_ns = number_at(line, "\"until_ns\":");
			one.what = LOOK_BY_EVENT;
			_cleanup_search_ struct audit_search *b = run(&one);
			assert_int_equal(number_at(line, "\"records\":"), audit_search_found(b));
			assert_int_equal(number_at(line, "\"first\":"), records);
			records += number_at(line, "\"records\":");
			hits += number_at(line, "\"hits\":");
		}
		free(data);
		assert_int_equal(records, audit_log_size(log_));
		q.what = LOOK_BY_EVENT;
		q.count = 0;
		_cleanup_search_ struct audit_search *sum = run(&q);
		assert_int_equal(hits, audit_search_found(sum));
	}
	struct proto_look q = look();
	struct audit_search *none;
	const char *why;
	q.what = LOOK_BY_TIME;
	assert_int_equal(audit_search_begin(&q, 1, &none, &why), 1);
	q.count = LOOK_BUCKETS_MAX + 1;
	assert_int_equal(audit_search_begin(&q, 1, &none, &why), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_same),
		cmocka_unit_test(models),
		cmocka_unit_test(zones_spare_reading),
		cmocka_unit_test(adds_up),
		cmocka_unit_test(refuses),
		cmocka_unit_test(too_many_groups),
		cmocka_unit_test(principals),
		cmocka_unit_test(timeline),
	};
	return cmocka_run_group_tests(tests, build, clean);
}
