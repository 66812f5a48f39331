/* Somebody changes a model while it is judged. Held, in every round: what was accepted are the bytes that were signed, under the names
 * that were signed, and no link was followed; and what an import keeps is what was hashed.
 *
 *   test_race [-n ROUNDS] [-e STRIDE] [-s SEED]
 *
 * Every system call by which attest looks at a model is wrapped (see meson.build). First each deed below is done at each of these calls
 * in turn, before it and so after the one before, with one thread: no moment is left out (or
 * every STRIDE-th is taken, a deed's first one being its own). Then ROUNDS rounds (500) with several threads and another
 * that does some deeds after random delays. A round makes the model anew, opens it, judges it as `keep verify` does or as an import
 * does, and then asks a witness: the wrapped pread, which wrote down every byte that it handed out. An accepted round whose witness saw
 * anything but the signed bytes, whose names are not the signed ones, or whose stage or segment table differs, fails the test; so does a
 * quiet round that is not accepted, and a deed before the first look that changes content and is. */
#define _GNU_SOURCE
#include "deeds.h"
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FDS 1024

static ino_t good_inodes[FILES]; /* of dir/good, before anything happened */
static char dir[512] = "/tmp/keep-race-XXXXXX";

/* ---- the witness and the moments ---------------------------------------------------------------------------------------------- */

static struct {
	bool on;
	u64 step, act_at; /* calls so far; the one before which to act */
	const struct deed *deed;
	u32 file;
	pthread_mutex_t lock;
	int fd_of[FILES]; /* of the tree */
	u8 *seen[FILES];
	u8 *known[FILES]; /* was that byte handed out? */
} w = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void moment(void)
{
	if (!w.on)
		return;
	pthread_mutex_lock(&w.lock);
	bool now = w.deed && w.step++ == w.act_at;
	const struct deed *d = w.deed;
	w.on = !now;
	pthread_mutex_unlock(&w.lock);
	if (!now)
		return;
	d->act(w.file);
	w.on = true;
}

static void witness(int fd, const void *data, ssize_t n, off64_t at)
{
	for (u32 i = 0; i < FILES && n > 0; i++) {
		if (w.fd_of[i] != fd || (u64)at + (u64)n > BIG_BYTES + 8192)
			continue;
		memcpy(w.seen[i] + at, data, (size_t)n);
		memset(w.known[i] + at, 1, (size_t)n);
	}
}

#define WRAPPED(type, name, params, args)  \
	type __real_##name params;         \
	type __wrap_##name params;         \
	type __wrap_##name params          \
	{                                  \
		moment();                  \
		return __real_##name args; \
	}
WRAPPED(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAPPED(long, syscall, (long n, long a, long b, long c, long d, long e5, long f), (n, a, b, c, d, e5, f))
WRAPPED(struct dirent64 *, readdir64, (DIR * d), (d))
WRAPPED(int, fstatat64, (int at, const char *path, struct stat64 *st, int flags), (at, path, st, flags))
WRAPPED(int, fstat64, (int fd, struct stat64 *st), (fd, st))
WRAPPED(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRAPPED(int, fdatasync, (int fd), (fd))

ssize_t __real_pread64(int fd, void *p, size_t n, off64_t at);
ssize_t __wrap_pread64(int fd, void *p, size_t n, off64_t at);
ssize_t __wrap_pread64(int fd, void *p, size_t n, off64_t at)
{
	moment();
	ssize_t r = __real_pread64(fd, p, n, at);
	if (w.on)
		witness(fd, p, r, at);
	return r;
}

/* ---- a model ------------------------------------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void remove_all(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS))
		die(path);
}

static void tree_make(const char *name, bool good)
{
	char path[600];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (mkdir(path, 0700) < 0)
		die(path);
	_cleanup_fd_ int at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || mkdirat(at, "sub", 0700) < 0 || mkdirat(at, "sub/deep", 0700) < 0)
		die(path);
	for (u32 i = 0; i < FILES; i++)
		put(at, names[i], good ? content[i] : other, sizes[i]);
}

/* All that a deed may have left in the signed model. False: something else is there. */
static bool model_clear(void)
{
	static const char *const files[] = { "big", "config.json", "extra", "sub/tokens", "sub/extra",
		"sub/deep/x" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		(void)!unlinkat(at_model, files[i], 0);
	return unlinkat(at_model, "sub/deep", AT_REMOVEDIR) == 0 &&
	       unlinkat(at_model, "sub", AT_REMOVEDIR) == 0 && unlinkat(at_model, "../m", AT_REMOVEDIR) == 0;
}

/* dir/m is the signed model, dir/evil another of the same shape, dir/good another copy. moved: they may have changed places. */
static void models_make(bool moved)
{
	char path[600];
	static const char *const trees[] = { "m", "evil", "away", "good" };
	bool all = moved || at_model < 0 || !model_clear();
	for (size_t i = 0; i < ARRAY_LEN(trees) && all; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, trees[i]);
		if (access(path, F_OK) == 0)
			remove_all(path);
	}
	tree_make("m", true);
	if (all) {
		tree_make("evil", false);
		tree_make("good", true);
	}
	for (u32 i = 0; i < FILES && all; i++) {
		struct stat st;
		snprintf(path, sizeof path, "%s/good/%s", dir, names[i]);
		if (stat(path, &st) < 0)
			die(path);
		good_inodes[i] = st.st_ino;
	}
	snprintf(path, sizeof path, "%s/m", dir);
	fd_close(&at_model);
	at_model = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at_model < 0)
		die(path);
}

/* Is it a file of dir/good, where only a link leads? Its bytes are right, but nobody may have gone there. */
static bool beyond_a_link(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		die("fstat");
	for (u32 i = 0; i < FILES; i++)
		if (st.st_ino == good_inodes[i])
			return true;
	return false;
}

static struct attest_manifest *manifests[2]; /* files, shards */

static struct attest_manifest *manifest_make(u64 shard_bytes)
{
	char path[600], prefix[600];
	struct attest_report report;
	struct attest_tree tree;
	struct attest_blob b;
	struct attest_manifest *m;
	struct proto_key key;
	u8 *pem;
	size_t len;
	snprintf(prefix, sizeof prefix, "%s/k%llu", dir, (unsigned long long)shard_bytes);
	snprintf(path, sizeof path, "%s/m", dir);
	if (attest_keygen(prefix, 256, &key) ||
		attest_tree_open(&(struct attest_tree_params){ .path = path }, &tree, &report))
		die(path);
	snprintf(path, sizeof path, "%s/k%llu.key.pem", dir, (unsigned long long)shard_bytes);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_file(fd, KEY_PEM_BYTES_MAX, &pem, &len) ||
		attest_sign(
			&(struct attest_sign_params){
				.tree = &tree, .key_pem = pem, .key_len = len, .shard_bytes = shard_bytes },
			&b, &report) ||
		attest_bundle_verify(
			&(struct attest_bundle_params){
				.data = b.data, .len = b.len, .keys = &key, .n_keys = 1 },
			&m, &report))
		die("sign");
	attest_tree_fini(&tree);
	attest_blob_fini(&b);
	free(pem);
	return m;
}

/* ---- a round ------------------------------------------------------------------------------------------------------------------ */

struct plan {
	bool import, shards;
	u32 threads;
	const struct deed *deed; /* at the call act_at; NULL: none, or by the other thread */
	u64 act_at;
	u32 file;
};

struct outcome {
	int r;
	char code[32];
	u64 steps;
};

static _noreturn_ void broken(const struct plan *p, const char *what, const char *object)
{
	printf("BROKEN: %s: %s; deed %s on %s at call %llu, %s of %s, %u threads\n", object, what,
		p->deed ? p->deed->name : "of the other thread", names[p->file],
		(unsigned long long)p->act_at, p->import ? "import" : "verify",
		p->shards ? "shards" : "files", p->threads);
	exit(1);
}

static u32 file_named(const char *path)
{
	for (u32 i = 0; i < FILES; i++)
		if (!strcmp(path, names[i]))
			return i;
	return FILES;
}

static void stage_check(const struct plan *p, int stage, u32 f)
{
	u8 *data;
	size_t len;
	if (fd_read_file(stage, 1u << 30, &data, &len))
		die("stage");
	if (len != sizes[f] || memcmp(data, content[f], len))
		broken(p, "the stage holds other bytes than the signed ones", names[f]);
	free(data);
}

static void table_check(const struct plan *p, const struct attest_blob *b)
{
	struct segments s;
	const char *why;
	if (segments_open(b->data, b->len, &s, &why))
		broken(p, why, "segment table");
	for (u32 i = 0; i < s.h->n_files; i++) {
		u32 f = file_named(s.files[i].path);
		u8 digest[SHA256_BYTES];
		if (f == FILES || s.files[i].bytes != sizes[f])
			broken(p, "the table names another file", s.files[i].path);
		for (u64 k = 0; k < s.files[i].count; k++) {
			u64 at = k * SEGMENT_BYTES;
			sha256_of(content[f] + at, MIN(sizes[f] - at, (u64)SEGMENT_BYTES), digest);
			if (memcmp(digest, s.digests[s.files[i].first + k], sizeof digest))
				broken(p, "the table has another digest", names[f]);
		}
	}
}

/* What must hold of an accepted model. */
static void accepted_check(
	const struct plan *p, const struct attest_tree *t, const int *stages, const struct attest_blob *table)
{
	if (t->n_files != FILES)
		broken(p, "accepted with another number of files", "model");
	for (u32 i = 0; i < FILES; i++) {
		u32 f = file_named(t->files[i].path);
		if (f == FILES)
			broken(p, "accepted under a name that was not signed", t->files[i].path);
		for (u32 at = 0; at < sizes[f]; at++)
			if (!w.known[i][at] || w.seen[i][at] != content[f][at])
				broken(p, "accepted, and a byte that was read is not the signed one",
					names[f]);
		if (beyond_a_link(t->files[i].fd))
			broken(p, "accepted, and it was reached through a link", names[f]);
		if (p->import)
			stage_check(p, stages[i], f);
	}
	if (p->import)
		table_check(p, table);
}

static int judge(const struct plan *p, const char *path, struct attest_report *report)
{
	struct attest_tree tree = { 0 };
	struct attest_blob table = { 0 };
	int stages[FILES] = { -1, -1, -1, -1 };
	const struct attest_manifest *m = manifests[p->shards];
	for (u32 i = 0; i < FILES; i++) {
		w.fd_of[i] = -1;
		memset(w.known[i], 0, BIG_BYTES + 8192);
	}
	w.step = 0;
	w.deed = p->deed;
	w.act_at = p->act_at;
	w.file = p->file;
	w.on = true;
	int r = attest_tree_open(&(struct attest_tree_params){ .path = path, .listed = m }, &tree, report);
	for (u32 i = 0; i < MIN(tree.n_files, FILES) && !r; i++) {
		w.fd_of[i] = tree.files[i].fd;
		stages[i] = p->import ? memfd_create("stage", MFD_CLOEXEC) : -1;
	}
	if (!r && tree.n_files <= FILES)
		r = attest_model_verify(&(struct attest_model_params){ .manifest = m,
						.files = tree.files,
						.n_files = tree.n_files,
						.stages = p->import ? stages : NULL,
						.threads = p->threads },
			p->import ? &table : NULL, report);
	else if (!r)
		r = 1; /* an extra file; there is no stage for it */
	w.on = false;
	if (r == 0)
		accepted_check(p, &tree, stages, &table);
	for (u32 i = 0; i < FILES; i++)
		fd_close(&stages[i]);
	attest_blob_fini(&table);
	attest_tree_fini(&tree);
	return r;
}

static struct outcome round_run(const struct plan *p)
{
	char path[600];
	struct attest_report report;
	struct outcome o = { 0 };
	snprintf(path, sizeof path, "%s/m", dir);
	attest_report_init(&report);
	o.r = judge(p, path, &report);
	o.steps = w.step;
	snprintf(o.code, sizeof o.code, "%s", o.r < 0 ? "undecided" : report.code);
	return o;
}

/* ---- every moment ----------------------------------------------------------------------------------------------------------- */

static u64 n_rounds, n_accepted, n_rejected, n_undecided;

static void count(const struct outcome *o)
{
	n_rounds++;
	n_accepted += o->r == 0;
	n_rejected += o->r == 1;
	n_undecided += o->r < 0;
}

static u64 steps_of(struct plan p)
{
	static const struct deed nothing = { "nothing", NULL, false };
	p.deed = &nothing;
	p.act_at = UINT64_MAX;
	models_make(false);
	struct outcome o = round_run(&p);
	if (o.r)
		broken(&p, o.code, "a quiet model is not accepted");
	return o.steps;
}

static void every_moment(bool import, bool shards, u64 stride)
{
	struct plan p = { .import = import, .shards = shards, .threads = 1 };
	u64 steps = steps_of(p);
	bool moved = false;
	for (size_t d = 0; d < n_deeds; d++) {
		for (p.act_at = d % stride; p.act_at < steps; p.act_at += stride) {
			p.deed = &deeds[d];
			p.file = (u32)(p.act_at + d) % FILES;
			models_make(moved);
			struct outcome o = round_run(&p);
			moved = deeds[d].moves;
			count(&o);
			if (p.act_at == 0 && o.r == 0 && deeds[d].content)
				broken(&p, "accepted, although it was done before the first look", "model");
		}
	}
	printf("%s of %s: %llu moments, %zu deeds\n", import ? "import" : "verify",
		shards ? "shards" : "files", (unsigned long long)steps, n_deeds);
}

/* ---- any moment ------------------------------------------------------------------------------------------------------------- */

static void wait_us(u64 us)
{
	struct timespec t = { .tv_nsec = (long)us * 1000 };
	nanosleep(&t, NULL);
}

static void *attacker(void *arg)
{
	u32 n = 1 + (u32)(rnd() % 3);
	for (u32 i = 0; i < n; i++) {
		wait_us(rnd() % 2500);
		const struct deed *d = &deeds[rnd() % n_deeds];
		d->act((u32)(rnd() % FILES));
	}
	return NULL;
}

static void any_moment(u64 rounds)
{
	for (u64 n = 0; n < rounds; n++) {
		struct plan p = { .import = rnd() % 2, .shards = rnd() % 2, .threads = 1 + (u32)(rnd() % 4) };
		pthread_t t;
		models_make(true);
		if (pthread_create(&t, NULL, attacker, NULL))
			die("thread");
		wait_us(rnd() % 1500);
		struct outcome o = round_run(&p);
		pthread_join(t, NULL);
		count(&o);
	}
}

static void setup(void)
{
	if (access("/dev/shm", W_OK) == 0)
		strcpy(dir, "/dev/shm/keep-race-XXXXXX"); /* memory: rounds are quicker there */
	if (!mkdtemp(dir) || attest_prepare())
		die(dir);
	other = malloc(BIG_BYTES);
	for (u32 i = 0; i < BIG_BYTES; i++)
		other[i] = (u8)rnd();
	for (u32 f = 0; f < FILES; f++) {
		content[f] = malloc(sizes[f]);
		w.seen[f] = malloc(BIG_BYTES + 8192);
		w.known[f] = malloc(BIG_BYTES + 8192);
		for (u32 i = 0; i < sizes[f]; i++)
			content[f][i] = (u8)rnd();
	}
	if (content[3][0] == other[0])
		other[0] ^= 1;
	models_make(true);
	manifests[0] = manifest_make(0);
	manifests[1] = manifest_make(SEGMENT_BYTES / 2 + 1000);
}

int main(int argc, char **argv)
{
	u64 rounds = 500, stride = 1;
	for (int c; (c = getopt(argc, argv, "n:e:s:")) != -1;) {
		if (c == 'n')
			rounds = strtoull(optarg, NULL, 10);
		else if (c == 'e')
			stride = MAX(strtoull(optarg, NULL, 10), 1u);
		else if (c == 's')
			random_state = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	setup();
	for (u32 k = 0; k < 4; k++)
		every_moment(k & 1, k & 2, stride);
	u64 planned = n_rounds;
	any_moment(rounds);
	printf("%llu rounds at chosen moments, %llu at random ones: %llu accepted, each with the signed "
	       "bytes; "
	       "%llu rejected, %llu undecided\n",
		(unsigned long long)planned, (unsigned long long)rounds, (unsigned long long)n_accepted,
		(unsigned long long)n_rejected, (unsigned long long)n_undecided);
	fd_close(&at_model);
	remove_all(dir);
	for (u32 i = 0; i < 2; i++)
		attest_manifest_free(manifests[i]);
	return 0;
}
