/* How fast a log is verified and recovered: bench_verify [RECORDS [DIR [make|look]]]
 *
 * A log of that many records (default 1,000,000) under DIR (default /dev/shm), written as keepd writes it: pairs of request and outcome with all
 * their fields, a commit for every 64, no syncs. Then one check of everything (`keep audit verify`), on one core; the same again with the
 * log's pages not in the page cache, where DIR is a disk; a start from the last savepoint, as after a crash. Last, the check of as many
 * records of the shortest kind, the readings of the log.
 *
 * make: only make that log in DIR, with a commit for every 4,096, and leave it there; look: then time on it what is asked of a log of ten million
 * records, a start from the last savepoint, and inclusion proofs of random records. */
#define _GNU_SOURCE
#include "audit/log_db.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COMMIT_MANY 4096u
#define PROOFS	    2000u

static u64 per_commit = 64;

static struct note_key key;
static char path[512];

static f64 now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec + (f64)t.tv_nsec / 1e9;
}

static f64 cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (f64)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (f64)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void must(int r, const char *what)
{
	if (r) {
		fprintf(stderr, "bench_verify: %s: %d\n", what, r);
		exit(1);
	}
}

static struct audit_log *open_log(u64 worth, struct audit_check *c)
{
	struct audit_log *log;
	const char *why;
	must(audit_log_open(path, &key, &log, &why), "open");
	must(audit_check_resume(c, log, worth), "resume");
	while (!c->done)
		must(audit_check_step(c, log, UINT64_MAX), "check");
	if (!c->ok) {
		fprintf(stderr, "bench_verify: record %" PRIu64 ": %s\n", c->first_bad, c->why);
		exit(1);
	}
	return log;
}

static void put_request(struct jsonw *w, u64 i, const u8 *digest)
{
	jsonw_kv_u64(w, "session", 17);
	jsonw_kv_u64(w, "request", i);
	jsonw_kv_str(w, "name", "llama-8b:0f3a51c2");
	jsonw_kv_hex(w, "model", digest, SHA256_BYTES);
	jsonw_kv_hex(w, "digest", digest, SHA256_BYTES);
	jsonw_kv_u64(w, "bytes", 812);
	jsonw_kv_str(w, "kv_mode", "f16");
	jsonw_kv_u64(w, "ctx_tokens", 8192);
}

static void put_outcome(struct jsonw *w, u64 i, const u8 *digest)
{
	jsonw_kv_u64(w, "session", 17);
	jsonw_kv_u64(w, "request", i);
	jsonw_kv_str(w, "finish", "stop");
	jsonw_kv_u64(w, "n_prompt", 204);
	jsonw_kv_u64(w, "n_cached", 128);
	jsonw_kv_u64(w, "n_generated", 311);
	jsonw_kv_str(w, "kv_mode", "f16");
	jsonw_kv_u64(w, "seed", 1234567890123ull);
	jsonw_kv_u64(w, "numerics", 1);
	jsonw_kv_u64(w, "prompt_ns", 81234567);
	jsonw_kv_u64(w, "generate_ns", 4812345678ull);
	jsonw_kv_hex(w, "digest", digest, SHA256_BYTES);
	jsonw_kv_hex(w, "tokens", digest, SHA256_BYTES);
	jsonw_kv_hex(w, "text", digest, SHA256_BYTES);
	jsonw_kv_hex(w, "kernel_set", digest, SHA256_BYTES);
	jsonw_kv_str(w, "device", "NVIDIA RTX 6000 Ada Generation");
	jsonw_kv_str(w, "why", "");
}

static void put_read(struct jsonw *w, u64 i)
{
	jsonw_kv_str(w, "what", "record");
	jsonw_kv_u64(w, "first", i);
	jsonw_kv_u64(w, "count", 1);
}

/* Mean length of a record. */
static f64 fill(u64 records, bool brief)
{
	struct audit_check c;
	struct audit_log *log = open_log(UINT64_MAX, &c);
	const struct audit_actor who = { .uid = 1000, .pid = 4711 };
	static struct audit_record r;
	u8 digest[SHA256_BYTES];
	u64 bytes = 0, request = 0;
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	sqlite3_exec(log->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
	while (audit_log_size(log) < records) {
		u64 i = audit_log_size(log);
		bool answer = request != 0;
		sha256_of(&i, sizeof i, digest);
		audit_log_record(log, &r,
			brief	 ? EVENT_LOG_READ
			: answer ? EVENT_OUTCOME
				 : EVENT_REQUEST,
			answer ? request : INTENT_NONE, &who);
		if (brief)
			put_read(&r.w, i);
		else
			(answer ? put_outcome : put_request)(&r.w, i, digest);
		must(audit_log_append(log, &r, NULL), "append");
		request = answer || brief ? 0 : i;
		bytes += r.w.len;
		if (i % per_commit == 0)
			must(audit_log_commit(log), "commit");
		if (i % 65536 == 0)
			must(audit_log_tidy(log, true), "tidy");
	}
	must(audit_log_commit(log), "commit");
	must(audit_log_tidy(log, true), "tidy");
	audit_log_close(&log);
	return (f64)bytes / (f64)records;
}

static void forget_cached(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		fprintf(stderr, "bench_verify: the page cache stays\n");
	close(fd);
}

static void check(u64 worth, const char *what)
{
	struct audit_check c;
	f64 t = now_s(), cpu = cpu_s();
	struct audit_log *log = open_log(worth, &c);
	t = now_s() - t;
	cpu = cpu_s() - cpu;
	u64 n = c.size - c.from;
	printf("%-34s %9" PRIu64 " records read in %7.3f s, %7.3f s of a core: %9.0f/s, %9.0f/s a core\n",
		what, n, t, cpu, (f64)n / t, (f64)n / cpu);
	audit_check_fini(&c);
	audit_log_close(&log);
}

/* The log, and the file that says how long it was. */
static void drop(void)
{
	char head[sizeof path + 8];
	snprintf(head, sizeof head, "%s-head", path);
	unlink(head);
	unlink(path);
}

static void make(u64 records, bool brief)
{
	struct stat st;
	must(audit_log_create(path, &key, "bench"), "create");
	f64 t = now_s(), mean = fill(records, brief);
	t = now_s() - t;
	must(stat(path, &st), "stat");
	printf("%" PRIu64 " records of %.0f bytes, %.2f GB, written in %.1f s (%.1f us each)\n", records,
		mean, (f64)st.st_size / 1e9, t, t * 1e6 / (f64)records);
}

/* The key of a log that stays, beside it. */
static void key_file(const char *dir, bool write)
{
	char name[512];
	snprintf(name, sizeof name, "%s/log.key", dir);
	int fd = open(name, write ? O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	ssize_t n = write ? pwrite(fd, &key, sizeof key, 0) : pread(fd, &key, sizeof key, 0);
	must(n == (ssize_t)sizeof key ? 0 : -1, name);
	close(fd);
}

static int by_value(const void *a, const void *b)
{
	f64 x = *(const f64 *)a, y = *(const f64 *)b;
	return (x > y) - (x < y);
}

static void proofs(void)
{
	static f64 us[PROOFS];
	struct audit_check c;
	struct audit_log *log = open_log(1, &c);
	struct merkle_source src = audit_log_hashes(log);
	struct merkle_hash root = tlog_merkle_root(&c.tree), leaf;
	srandom(1);
	for (u32 i = 0; i < PROOFS; i++) {
		u64 index = ((u64)random() << 20 ^ (u64)random()) % c.size;
		struct merkle_proof p;
		f64 t = now_s();
		must(tlog_merkle_inclusion(&src, index, c.size, &p), "proof");
		us[i] = (now_s() - t) * 1e6;
		must(src.row(src.arg, 0, index, 1, &leaf), "leaf");
		must(tlog_merkle_inclusion_check(
			     &(struct merkle_included){ index, c.size, &leaf, &root, p.h, p.n }),
			"a proof does not hold");
	}
	qsort(us, PROOFS, sizeof *us, by_value);
	printf("inclusion proofs of %" PRIu64 " records: median %.0f us, 99%% %.0f us, worst %.0f us\n",
		c.size, us[PROOFS / 2], us[PROOFS * 99 / 100], us[PROOFS - 1]);
	audit_check_fini(&c);
	audit_log_close(&log);
}

static int stays(u64 records, const char *dir, bool look)
{
	snprintf(path, sizeof path, "%s/log.db", dir);
	key_file(dir, !look);
	if (look) {
		check(1, "a start from the last savepoint");
		proofs();
		return 0;
	}
	per_commit = COMMIT_MANY;
	make(records, false);
	return 0;
}

int main(int argc, char **argv)
{
	u64 records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	const char *base = argc > 2 ? argv[2] : "/dev/shm";
	char dir[256];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sodium_init() < 0)
		return 1;
	must(tlog_note_key_make(NULL, NOTE_ED25519, &key), "key");
	if (argc > 3)
		return stays(records, base, strcmp(argv[3], "look") == 0);
	snprintf(dir, sizeof dir, "%s/keep-verify.XXXXXX", base);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/log.db", dir);
	make(records, false);
	check(UINT64_MAX, "everything");
	if (argc > 2) {
		forget_cached();
		check(UINT64_MAX, "everything, from the disk");
		forget_cached();
	}
	check(1, "a start from the last savepoint");
	drop();
	make(records, true);
	check(UINT64_MAX, "everything");
	drop();
	return rmdir(dir) ? 1 : 0;
}
