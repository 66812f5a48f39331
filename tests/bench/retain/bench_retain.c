/* What keeping texts costs, and for how long pruning the largest archive and erasing hold the gate up. bench_retain [DIR] [RECORDS] */
#define _GNU_SOURCE
#include "audit/log_retain.h"
#include "audit/subject.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COMMIT 64u /* records of one */

static struct audit_state state;
static struct note_key key;

static f64 now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec + (f64)t.tv_nsec * 1e-9;
}

static void must(int r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "bench_retain: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(1);
}

/* A request or an outcome, about as long as a real one. */
static u64 append(struct audit_log *log, u32 event, u64 intent)
{
	static struct audit_record r;
	struct audit_actor who = { .uid = 1000, .pid = 5 };
	u8 digest[SHA256_BYTES] = { 1 };
	audit_log_record(log, &r, event, intent, &who);
	for (u32 i = 0; i < 4; i++)
		jsonw_kv_hex(&r.w, "digest", digest, sizeof digest);
	must(audit_log_append(log, &r, &state), "append");
	return r.index;
}

static struct audit_log *make(const char *path)
{
	struct audit_log *log = NULL;
	struct audit_check c;
	const char *why = "";
	unlink(path);
	must(tlog_note_key_make(NULL, NOTE_ED25519, &key), "key");
	must(audit_log_create(path, &key, "bench"), path);
	must(audit_log_open(path, &key, &log, &why), why);
	must(audit_check_begin(&c, log), "check");
	while (!c.done)
		must(audit_check_step(&c, log, UINT64_MAX), "check");
	audit_log_adopt(log, &c);
	audit_check_fini(&c);
	return log;
}

/* Seconds for so many requests of so many bytes, each kept when there is a subject. */
static f64 requests(struct audit_log *log, u64 n, const struct subject *s, size_t bytes)
{
	u8 *text = calloc(1, bytes + 1), *sealed;
	size_t len;
	f64 t = now();
	for (u64 i = 0; i < n; i += 2) {
		u64 index = append(log, EVENT_REQUEST, INTENT_NONE);
		if (s) {
			must(audit_subject_seal(s, index, text, bytes, &sealed, &len), "seal");
			must(audit_log_put_text(log, index, s->name, sealed, len), "text");
			free(sealed);
		}
		append(log, EVENT_OUTCOME, index);
		if (i % COMMIT == 0)
			must(audit_log_commit(log), "commit");
		must(audit_log_tidy(log, false), "tidy");
	}
	must(audit_log_commit(log), "commit");
	free(text);
	return now() - t;
}

int main(int argc, char **argv)
{
	char path[512], keys[512];
	struct subjects subjects;
	struct subject *s;
	struct prune_plan p;
	char own[] = "/tmp/keep-retain.XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(own);
	u64 n = argc > 2 ? strtoull(argv[2], NULL, 10) : ARCHIVE_RECORDS_MAX, texts = 4096;
	must(dir ? 0 : 1, own);
	snprintf(path, sizeof path, "%s/bench-retain.db", dir);
	snprintf(keys, sizeof keys, "%s/keys", dir);
	must(sodium_init() < 0, "sodium");
	if (mkdir(keys, 0700) < 0 && access(keys, W_OK) < 0)
		must(1, keys);
	int store = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct audit_log *log = make(path);
	f64 t = requests(log, n, NULL, 0);
	printf("%llu records without texts: %.1f us each\n", (unsigned long long)n, t / (f64)n * 1e6);
	t = now();
	must(audit_prune_plan(log, &(struct prune_want){ 1, n, 3 }, &p), "plan");
	f64 planned = now();
	append(log, EVENT_PRUNE, INTENT_NONE);
	must(audit_prune_do(log, &p), "prune");
	must(audit_log_commit(log), "commit");
	f64 pruned = now();
	must(audit_log_scrub(log), "scrub");
	printf("prune %zu of them: plan %.2f s, done and durable %.2f s, overwritten %.2f s\n", p.n_due,
		planned - t, pruned - planned, now() - pruned);
	audit_prune_fini(&p);
	must(audit_subjects_open(store, &subjects), "subjects");
	t = now();
	must(audit_subject_make(&subjects, "uid:1", audit_log_size(log), &s), "subject");
	printf("a new subject: %.2f ms\n", (now() - t) * 1e3);
	t = requests(log, texts, s, 4096);
	printf("a request of 4 KiB that is kept, and its outcome: %.1f us\n", t / (f64)texts * 2e6);
	t = now();
	append(log, EVENT_ERASE, INTENT_NONE);
	must(audit_log_drop_texts(log, "uid:1"), "erase");
	must(audit_log_commit(log), "commit");
	must(audit_subject_destroy(&subjects, s), "destroy");
	must(audit_log_scrub(log), "scrub");
	printf("erase a subject with %llu such texts: %.2f s\n", (unsigned long long)texts / 2, now() - t);
	audit_log_close(&log);
	audit_subjects_close(&subjects);
	unlink(path);
	strcat(path, "-head");
	unlink(path);
	unlinkat(store, "keys/subjects", 0);
	rmdir(keys);
	if (argc == 1)
		rmdir(dir);
	return 0;
}
