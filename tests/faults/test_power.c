/* The power fails: test_faults_power KEEPD_FAULTY [STATES]
 *
 * Each story is told once, without faults, while keepd_faulty writes down what reaches its database and its peers, in order. From that the
 * state of the disk is made as it may be after a loss of power at any of these moments: what was synced is there; of what was not, each
 * write is there or not, whatever came before or after it, and may be torn at any sector. On each such state (STATES of them, KEEP_POWER_STATES,
 * default 600) the log is opened and checked whole, as a start does, and:
 *
 *   1. it verifies;
 *   2. it is a beginning of the log that the story left, record for record (its root is the root at that size);
 *   3. every record whose acknowledgement had left is in it, and so is every record whose ticket had. */
#define _GNU_SOURCE
#include "story.h"
#include "trace.h"
#include "audit/log.h"
#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECTOR	   512u
#define FILE_BYTES (8u << 20)
#define EVENTS_MAX 65536u
#define RECORDS	   4096u

static const char *keepd_path;
static u32 n_states = 600;

/* A file as it may be on the disk. */
struct disk {
	u8 *data;
	size_t len;
};

struct told {
	u8 *trace;
	size_t trace_len;
	const struct trace_event *event[EVENTS_MAX];
	u32 n;
	u8 *base; /* the database before the story */
	size_t base_len;
	struct note_key key;
	struct merkle_hash root[RECORDS]; /* at each size */
	u64 size;
};
static struct told t;
static char dir[64], db[96], wal[96];

static u64 random_state = 1;

/* xorshift: a run can be repeated from its seed. */
static u64 next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void read_whole(const char *path, u8 **ret, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_read_file(fd, 64u << 20, ret, ret_len), 0);
	close(fd);
}

/* ---- the story, once ---- */

static int on_line(void *arg, u64 index, const char *line, size_t len)
{
	struct merkle *m = arg;
	struct merkle_hash leaf = tlog_merkle_leaf(line, len);
	assert_true(index + 1 < RECORDS);
	tlog_merkle_add(m, &leaf);
	t.root[index + 1] = tlog_merkle_root(m);
	return 0;
}

static void read_roots(const char *path)
{
	struct merkle m = { 0 };
	struct audit_log *log;
	const char *why;
	assert_int_equal(audit_log_open(path, &t.key, &log, &why), 0);
	assert_int_equal(audit_log_lines(log, 0, RECORDS, on_line, &m), 0);
	t.size = m.size;
	audit_log_close(&log);
}

static void read_events(void)
{
	t.n = 0;
	for (size_t at = 0; at < t.trace_len;) {
		const struct trace_event *e = (const void *)(t.trace + at);
		assert_true(t.n < EVENTS_MAX && at + sizeof *e + e->len <= t.trace_len);
		t.event[t.n++] = e;
		at += sizeof *e + e->len;
	}
}

static void tell(const struct story *s)
{
	struct rig r;
	struct acked k = { 0 };
	char path[256], env[300];
	u8 *text;
	size_t len;
	rig_init(&r, keepd_path, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
	pid_t runtime = story_runtime(r.runtime_sock);
	if (s->before)
		s->before(&r, &k);
	snprintf(path, sizeof path, "%s/keys/log.key", r.store);
	read_whole(path, &text, &len);
	assert_int_equal(tlog_note_key_from_secret((char *)text, &t.key), 0);
	free(text);
	/* a crash left a write-ahead log: into the database, so that the story begins from one file */
	snprintf(path, sizeof path, "%s/log.db", r.store);
	if (s->before) {
		struct audit_log *log;
		const char *why;
		assert_int_equal(audit_log_open(path, &t.key, &log, &why), 0);
		audit_log_close(&log);
	}
	read_whole(path, &t.base, &t.base_len);
	snprintf(env, sizeof env, "KEEP_FAULT=trace:%s/trace", r.root);
	r.env = env;
	assert_int_equal(rig_start(&r), 0);
	s->tell(&r, &k);
	assert_true(k.whole);
	rig_end(&r, SIGTERM);
	read_roots(path);
	snprintf(path, sizeof path, "%s/trace", r.root);
	read_whole(path, &t.trace, &t.trace_len);
	read_events();
	kill(runtime, SIGKILL);
	waitpid(runtime, NULL, 0);
	rig_fini(&r);
}

/* ---- states of the disk ---- */

static void put(struct disk *d, const u8 *data, size_t len, u64 off)
{
	assert_true(off + len <= FILE_BYTES);
	if (off > d->len)
		memset(d->data + d->len, 0, off - d->len);
	memcpy(d->data + off, data, len);
	d->len = MAX(d->len, off + len);
}

/* Some sectors of a write, the others not. */
static void put_torn(struct disk *d, const u8 *data, size_t len, u64 off)
{
	for (size_t at = 0; at < len;) {
		size_t n = MIN(len - at, SECTOR - (off + at) % SECTOR);
		if (next_random() & 1)
			put(d, data + at, n, off + at);
		at += n;
	}
}

enum luck { ALL, NONE, SOME, TORN };

static void apply(struct disk *d, const struct trace_event *e, enum luck luck)
{
	const u8 *data = (const u8 *)(e + 1);
	if (luck == NONE || (luck != ALL && (next_random() & 1)))
		return;
	if (e->kind == TRACE_WRITE && luck == TORN)
		put_torn(d, data, e->len, e->off);
	else if (e->kind == TRACE_WRITE)
		put(d, data, e->len, e->off);
	else if (e->kind == TRACE_TRUNCATE)
		d->len = MIN(d->len, (size_t)e->off);
	else
		d->len = 0; /* deleted */
}

/* Both files as they may be after the first n events. */
static void disks(struct disk d[2], u32 n, enum luck luck)
{
	u32 synced[2] = { 0, 0 };
	memcpy(d[TRACE_DB].data, t.base, t.base_len);
	d[TRACE_DB].len = t.base_len;
	d[TRACE_WAL].len = 0;
	for (u32 i = 0; i < n; i++)
		if (t.event[i]->kind == TRACE_SYNC && t.event[i]->file <= TRACE_WAL)
			synced[t.event[i]->file] = (u32)t.event[i]->off;
	for (u32 i = 0; i < n; i++) {
		const struct trace_event *e = t.event[i];
		if (e->kind < TRACE_SYNC || e->kind == TRACE_DELETE)
			if (e->file <= TRACE_WAL)
				apply(&d[e->file], e, i < synced[e->file] ? ALL : luck);
	}
}

/* How many records the log must have at least: those of which somebody has heard. */
static u64 heard(u32 n)
{
	u64 least = 0;
	for (u32 i = 0; i < n; i++) {
		struct ipc_header h;
		struct proto_end end;
		struct proto_ticket ticket;
		const struct trace_event *e = t.event[i];
		if (e->kind != TRACE_SEND)
			continue;
		memcpy(&h, e + 1, sizeof h);
		const u8 *body = (const u8 *)(e + 1) + sizeof h;
		if (h.type == CTL_END && h.len == sizeof end) {
			memcpy(&end, body, sizeof end);
			if (end.status == END_DONE && end.index != UINT64_MAX)
				least = MAX(least, end.index + 1);
		} else if (h.type == GATE_TICKET) {
			memcpy(&ticket, body, sizeof ticket);
			least = MAX(least, ticket.index + 1);
		}
	}
	return least;
}

static void put_file(const char *path, const struct disk *d)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, d->data, d->len), 0);
	close(fd);
}

static void judge(const struct disk d[2], u32 n, const char *what)
{
	struct audit_check c;
	struct audit_log *log = NULL;
	const char *why = "";
	put_file(db, &d[TRACE_DB]);
	if (d[TRACE_WAL].len)
		put_file(wal, &d[TRACE_WAL]);
	else
		unlink(wal);
	int r = audit_log_open(db, &t.key, &log, &why);
	if (r)
		fail_msg("%s: it does not open: %d %s", what, r, why);
	r = audit_check_begin(&c, log);
	while (!r && !c.done)
		r = audit_check_step(&c, log, UINT64_MAX);
	if (r || !c.ok)
		fail_msg("%s: it does not verify: %d, record %llu: %s", what, r,
			(unsigned long long)c.first_bad, c.why);
	if (c.size > t.size || memcmp(&c.head.root, &t.root[c.size], sizeof c.head.root) != 0)
		fail_msg("%s: %llu records, and they are not the first of the story's %llu", what,
			(unsigned long long)c.size, (unsigned long long)t.size);
	if (c.size < heard(n))
		fail_msg("%s: %llu records, and somebody has heard of %llu", what, (unsigned long long)c.size,
			(unsigned long long)heard(n));
	audit_check_fini(&c);
	audit_log_close(&log);
}

static void power(void **state)
{
	struct disk d[2] = { { malloc(FILE_BYTES), 0 }, { malloc(FILE_BYTES), 0 } };
	assert_true(d[0].data && d[1].data);
	u32 n_told = 0;
	for (u32 i = 0; i < n_stories; i++)
		n_told += !stories[i].files;
	for (u32 i = 0; i < n_stories; i++) {
		if (stories[i].files)
			continue;
		u64 seed = random_state = (u64)time(NULL) * 1000003u + (u64)getpid() + i;
		if (getenv("KEEP_POWER_SEED"))
			seed = random_state = strtoull(getenv("KEEP_POWER_SEED"), NULL, 10);
		tell(&stories[i]);
		print_message("%s: %u events, seed %llu\n", stories[i].name, t.n, (unsigned long long)seed);
		for (u32 k = 0; k < n_states / n_told; k++) {
			static const char *const luck[] = { "all", "none", "some", "torn" };
			char what[128];
			u32 n = (u32)(next_random() % (t.n + 1)), how = k % 8 < 2 ? k % 8 : 2 + k % 2;
			snprintf(what, sizeof what,
				"%s, seed %llu, state %u: after %u events, %s of what was not synced",
				stories[i].name, (unsigned long long)seed, k, n, luck[how]);
			disks(d, n, how);
			judge(d, n, what);
		}
		free(t.trace);
		free(t.base);
	}
	free(d[0].data);
	free(d[1].data);
}

int main(int argc, char **argv)
{
	assert(argc >= 2);
	keepd_path = argv[1];
	const char *states = argc > 2 ? argv[2] : getenv("KEEP_POWER_STATES");
	if (states)
		n_states = (u32)atoi(states);
	signal(SIGPIPE, SIG_IGN);
	assert(sodium_init() >= 0);
	story_setup();
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-power.XXXXXX" : "/tmp/keep-power.XXXXXX");
	assert(mkdtemp(dir));
	snprintf(db, sizeof db, "%s/log.db", dir);
	snprintf(wal, sizeof wal, "%s/log.db-wal", dir);
	const struct CMUnitTest tests[] = { cmocka_unit_test(power) };
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(wal);
	unlink(db);
	rmdir(dir);
	return r;
}
