/* What a review costs: bench_review [RECORDS]. A log of that many requests and outcomes (default 10,000,000) of 200 people and 20 models,
 * with one rare event in a million; then pages of 200 records, with and without filters, from the front, from the back and from the
 * middle, cold (nothing has been read yet) and warm; and a summary of everything. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "audit/search.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 200u

static f64 now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec * 1e3 + (f64)t.tv_nsec / 1e6;
}

/* As keepd writes them, byte for byte, but for the digests. */
static int line_of(u64 i, char *out, size_t cap)
{
	static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	u64 asked = i & ~1ull, user = 1000 + asked / 2 % 200, model = asked / 2 % 20;
	int n = snprintf(out, cap,
		"{\"v\":1,\"index\":%" PRIu64 ",\"time_ns\":%" PRIu64
		",\"boot\":\"%.32s\",\"boottime_ns\":%" PRIu64 ",\"event\":\"%s\"",
		i, 1790000000000000000u + i * 1000000, hex, i * 1000000,
		i % 1000000 == 500000 ? "runtime-lost"
		: i & 1		      ? "outcome"
				      : "request");
	if (i & 1)
		n += snprintf(out + n, cap - (size_t)n, ",\"intent\":%" PRIu64, asked);
	n += snprintf(out + n, cap - (size_t)n,
		",\"actor\":{\"uid\":%" PRIu64
		",\"pid\":4711,\"auth\":\"peer-credentials\",\"role\":\"user\"}",
		i & 1 ? 998 : user);
	if (i % 1000000 == 500000)
		n += snprintf(out + n, cap - (size_t)n,
			",\"why\":\"closed its connection\",\"requests\":0,\"sessions\":1}");
	else if (i & 1)
		n += snprintf(out + n, cap - (size_t)n,
			",\"session\":12,\"request\":%" PRIu64
			",\"finish\":\"%s\",\"n_prompt\":211,\"n_cached\":0,\"n_generated\":97,\"seed\":1,"
			"\"digest\":\"%s\",\"tokens\":\"%s\"}",
			asked, i % 1001 ? "stop" : "length", hex, hex);
	else
		n += snprintf(out + n, cap - (size_t)n,
			",\"session\":12,\"request\":%" PRIu64 ",\"name\":\"model%02" PRIu64
			"\",\"model\":\"%02" PRIx64 "%s%.30s\",\"digest\":\"%s\",\"bytes\":900}",
			asked, model, model, hex, hex, hex);
	return n;
}

static u32 event_of(u64 i)
{
	return i % 1000000 == 500000 ? EVENT_RUNTIME_LOST : i & 1 ? EVENT_OUTCOME : EVENT_REQUEST;
}

static void fill(struct audit_log *log, u64 records)
{
	char line[1024];
	sqlite3_stmt *s;
	assert(sqlite3_prepare_v2(log->db,
		       "INSERT INTO records(idx, event, intent, line, leaf) VALUES(?, ?, ?, ?, zeroblob(32))",
		       -1, &s, NULL) == SQLITE_OK);
	sqlite3_exec(log->db, "BEGIN", NULL, NULL, NULL);
	for (u64 i = 1; i < records; i++) {
		int n = line_of(i, line, sizeof line);
		sqlite3_bind_int64(s, 1, (sqlite3_int64)i);
		sqlite3_bind_int64(s, 2, event_of(i));
		if ((i & 1) && i > 1)
			sqlite3_bind_int64(s, 3, (sqlite3_int64)(i & ~1ull));
		else
			sqlite3_bind_null(s, 3);
		sqlite3_bind_blob(s, 4, line, n, SQLITE_STATIC);
		assert(sqlite3_step(s) == SQLITE_DONE && sqlite3_reset(s) == SQLITE_OK);
	}
	sqlite3_exec(log->db, "COMMIT", NULL, NULL, NULL);
	sqlite3_finalize(s);
	log->tree.size = records;
}

static struct audit_zones zones;

static void measure(struct audit_log *log, const char *what, struct proto_look q)
{
	struct audit_search *s;
	const char *why;
	u8 *data;
	size_t len;
	f64 at = now_ms();
	assert(audit_search_begin(&q, audit_log_size(log), &s, &why) == 0);
	while (!audit_search_done(s))
		assert(audit_search_step(s, log, &zones, 1u << 20) == 0);
	assert(audit_search_lines(s, &data, &len) == 0);
	f64 ms = now_ms() - at;
	printf("%-44s %9.1f ms  %8" PRIu64 " found  %9" PRIu64 " read\n", what, ms, audit_search_found(s),
		audit_search_read(s));
	free(data);
	audit_search_free(&s);
}

static struct proto_look page(void)
{
	return (struct proto_look){
		.what = LOOK_RECORDS, .to = UINT64_MAX, .until_ns = UINT64_MAX, .count = PAGE
	};
}

/* What pages of the console ask. */
static void measure_console(struct audit_log *log, u64 records)
{
	struct proto_look t = { .what = LOOK_BY_TIME, .to = UINT64_MAX, .until_ns = UINT64_MAX, .count = 48 };
	measure(log, "timeline of everything, cold", t);
	measure(log, "timeline of everything, warm", t);
	t.n_actors = 1;
	t.actors[0] = 1042;
	measure(log, "timeline of one person, not counted", t);
	t.from = records - MIN(records, (u64)LOOK_TIMELINE_RECORDS);
	measure(log, "timeline of one person, all counted, cold", t);
	measure(log, "timeline of one person, all counted, warm", t);
	struct proto_look o = { .what = LOOK_BY_EVENT,
		.from = records - MIN(records, (u64)LOOK_TIMELINE_RECORDS),
		.to = UINT64_MAX,
		.until_ns = UINT64_MAX };
	o.n_events = 2;
	strcpy(o.events[0], "orphan");
	strcpy(o.events[1], "import-verdict");
	measure(log, "overview's sums of rare events, warm", o);
}

static void measure_all(struct audit_log *log, u64 records)
{
	struct proto_look q = page(), p = page();
	measure(log, "first page", q);
	q.flags = LOOK_NEWEST;
	measure(log, "last page", q);
	q.flags = 0;
	q.from = records / 2;
	measure(log, "page from the middle", q);
	p.n_actors = 1;
	p.actors[0] = 1042;
	measure(log, "one person of 200, first page, cold", p);
	p.flags = LOOK_NEWEST;
	measure(log, "one person of 200, last page, cold", p);
	measure(log, "one person of 200, last page, warm", p);
	p.n_models = 1;
	strcpy(p.models[0], "model02");
	measure(log, "and one model, last page, warm", p);
	struct proto_look r = page();
	r.n_events = 1;
	strcpy(r.events[0], "runtime-lost");
	measure(log, "a rare event, cold", r);
	measure(log, "a rare event, warm", r);
	r.flags = LOOK_NEWEST;
	measure(log, "a rare event, warm, last page", r);
	struct proto_look t = page();
	t.since_ns = 1790000000000000000u + (records - 1000) * 1000000;
	measure(log, "since a time near the end, warm", t);
	struct proto_look none = page();
	none.n_actors = 1;
	none.actors[0] = 7;
	measure(log, "somebody who never came, warm", none);
	p.flags = 0;
	p.n_models = 0;
	memset(p.models, 0, sizeof p.models);
	p.from = records / 2;
	measure(log, "one person of 200, from the middle, warm", p);
	q = page();
	q.what = LOOK_BY_ACTOR;
	measure(log, "summary of everything by actor", q);
}

int main(int argc, char **argv)
{
	u64 records = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	char dir[] = "/tmp/keep-review.XXXXXX", path[64], cmd[96];
	struct note_key key;
	struct audit_log *log;
	const char *why;
	if (sodium_init() < 0 || !mkdtemp(dir) || tlog_note_key_make(NULL, NOTE_ED25519, &key))
		return 1;
	snprintf(path, sizeof path, "%s/log.db", dir);
	snprintf(cmd, sizeof cmd, "rm -r %s", dir);
	if (audit_log_create(path, &key, "bench") || audit_log_open(path, &key, &log, &why))
		return 1;
	sqlite3_exec(log->db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
	f64 at = now_ms();
	fill(log, records);
	printf("%" PRIu64 " records written in %.0f s\n", records, (now_ms() - at) / 1e3);
	measure_console(log, records);
	measure_all(log, records);
	printf("%-44s %9.1f MB\n", "zones",
		(f64)sizeof(struct audit_zone) * (f64)(records / ZONE_RECORDS) / 1e6);
	audit_zones_free(&zones);
	audit_log_close(&log);
	return system(cmd) ? 1 : 0;
}
