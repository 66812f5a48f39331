/* What a verdict costs once the files lie in the page cache, beside `openssl speed -evp sha256 -bytes 1048576` of the same minute.
 *
 *   bench_attest [-m MIB] [-r ROUNDS] [DIRECTORY]
 *
 * A round measures, one after the other: OpenSSL on one core and on all of them, then a model of MIB mebibytes (512) as one file, as
 * 16 files, and as one file in 16 shards; each as `keep verify` reads it, and as an import does, which also writes a stage and
 * wants the SHA-256 of every file and of every MiB. Printed are medians over the rounds (5), and their ratio to OpenSSL's: on one core
 * for one file, whose digest is one chain, and on all cores for the others. Fails when nothing was measured; asserts no time. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES	   16u
#define ROUNDS_MAX 64u

enum { SPEED_ONE, SPEED_ALL, N_SPEEDS };
enum { ONE_FILE, MANY_FILES, SHARDS, N_MODELS };
static const char *const model_names[N_MODELS] = { "one file", "16 files", "one file in 16 shards" };

struct model {
	struct attest_manifest *manifest;
	struct attest_tree tree;
	int stages[FILES];
};

static char dir[512] = "/tmp";
static u64 total = 512ull << 20;
static u32 cores;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static f64 now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec + (f64)t.tv_nsec * 1e-9;
}

/* ---- OpenSSL ---------------------------------------------------------------------------------------------------------------- */

/* Bytes per second. */
static f64 openssl_speed(u32 processes)
{
	char command[160], line[256];
	f64 found = 0;
	snprintf(command, sizeof command,
		"openssl speed -evp sha256 -bytes 1048576 -seconds 1 -mr -multi %u 2>/dev/null", processes);
	FILE *p = popen(command, "re");
	if (!p)
		die("openssl");
	while (fgets(line, sizeof line, p)) {
		const char *colon = strrchr(line, ':');
		if (!strncmp(line, "+F:", 3) && colon)
			found = strtod(colon + 1, NULL);
	}
	pclose(p);
	return found;
}

/* ---- models ----------------------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, u64 bytes)
{
	static u64 block[SEGMENT_BYTES / 8];
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	u64 x = 0x9e3779b97f4a7c15 ^ bytes;
	if (fd < 0)
		die(path);
	for (u64 at = 0; at < bytes; at += sizeof block) {
		for (size_t i = 0; i < ARRAY_LEN(block); i++)
			x ^= x << 13, x ^= x >> 7, block[i] = x ^= x << 17;
		if (fd_write_all(fd, block, MIN(sizeof block, bytes - at)))
			die(path);
	}
}

static void model_make(u32 which, const char *key_pem, const struct proto_key *key, struct model *m)
{
	char path[600], file[640];
	struct attest_report report;
	struct attest_blob bundle;
	u32 n = which == MANY_FILES ? FILES : 1;
	snprintf(path, sizeof path, "%s/m%u", dir, which);
	if (mkdir(path, 0700) < 0)
		die(path);
	for (u32 i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/f%02u", path, i);
		write_file(file, total / n);
	}
	struct attest_tree_params t = { .path = path };
	if (attest_tree_open(&t, &m->tree, &report))
		die(path);
	struct attest_sign_params s = { .tree = &m->tree,
		.key_pem = key_pem,
		.key_len = strlen(key_pem),
		.shard_bytes = which == SHARDS ? total / FILES : 0 };
	if (attest_sign(&s, &bundle, &report))
		die("sign");
	struct attest_bundle_params b = { .data = bundle.data, .len = bundle.len, .keys = key, .n_keys = 1 };
	if (attest_bundle_verify(&b, &m->manifest, &report))
		die("bundle");
	attest_blob_fini(&bundle);
	for (u32 i = 0; i < n; i++)
		if ((m->stages[i] = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) < 0)
			die(dir);
}

static void model_remove(u32 which, struct model *m)
{
	char path[1200];
	for (u32 i = 0; i < m->tree.n_files; i++) {
		snprintf(path, sizeof path, "%s/m%u/%s", dir, which, m->tree.files[i].path);
		unlink(path);
		close(m->stages[i]);
	}
	snprintf(path, sizeof path, "%s/m%u", dir, which);
	rmdir(path);
	attest_tree_fini(&m->tree);
	attest_manifest_free(m->manifest);
}

/* Bytes per second. */
static f64 verify(const struct model *m, bool import)
{
	struct attest_report report;
	struct attest_blob segments = { 0 };
	struct attest_model_params p = { .manifest = m->manifest,
		.files = m->tree.files,
		.n_files = m->tree.n_files,
		.stages = import ? m->stages : NULL };
	attest_report_init(&report);
	f64 start = now();
	if (attest_model_verify(&p, import ? &segments : NULL, &report))
		die(report.detail);
	f64 seconds = now() - start;
	attest_blob_fini(&segments);
	return (f64)total / seconds;
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------------- */

struct series {
	f64 v[ROUNDS_MAX];
	u32 n;
};

static int by_value(const void *a, const void *b)
{
	const f64 x = *(const f64 *)a, y = *(const f64 *)b;
	return x < y ? -1 : x > y;
}

static f64 median(struct series *s)
{
	qsort(s->v, s->n, sizeof s->v[0], by_value);
	return s->v[s->n / 2];
}

static void print(struct series speed[N_SPEEDS], struct series results[N_MODELS][2])
{
	f64 one = median(&speed[SPEED_ONE]), all = median(&speed[SPEED_ALL]);
	printf("openssl speed -evp sha256 -bytes 1048576: %.2f GB/s on one core, %.2f GB/s on %u\n",
		one / 1e9, all / 1e9, cores);
	for (u32 i = 0; i < N_MODELS; i++) {
		for (u32 k = 0; k < 2; k++) {
			f64 v = median(&results[i][k]);
			printf("%-22s %s %.2f GB/s: %.2f of one core's, %.2f of %u cores'\n", model_names[i],
				k ? "import" : "verify", v / 1e9, v / one, v / all, cores);
		}
	}
}

static void options(int argc, char **argv, u32 *rounds)
{
	for (int c; (c = getopt(argc, argv, "m:r:")) != -1;) {
		if (c == 'm')
			total = strtoull(optarg, NULL, 10) << 20;
		else if (c == 'r')
			*rounds = (u32)strtoul(optarg, NULL, 10);
		else
			exit(2);
	}
	if (total < FILES << 20 || *rounds < 1 || *rounds > ROUNDS_MAX)
		exit(2);
	if (optind < argc)
		snprintf(dir, sizeof dir - 32, "%s", argv[optind]);
	strcat(dir, "/bench-attest-XXXXXX");
	if (!mkdtemp(dir))
		die(dir);
}

int main(int argc, char **argv)
{
	static struct model models[N_MODELS];
	static struct series speed[N_SPEEDS], results[N_MODELS][2];
	char prefix[600], path[640];
	struct proto_key key;
	u32 rounds = 5;
	cpu_set_t set;
	u8 *pem;
	size_t len;
	options(argc, argv, &rounds);
	cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (u32)CPU_COUNT(&set) : 1;
	snprintf(prefix, sizeof prefix, "%s/k", dir);
	if (attest_prepare() || attest_keygen(prefix, 256, &key))
		die("key");
	snprintf(path, sizeof path, "%s.key.pem", prefix);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_file(fd, KEY_PEM_BYTES_MAX, &pem, &len))
		die(path);
	for (u32 i = 0; i < N_MODELS; i++)
		model_make(i, (const char *)pem, &key, &models[i]);
	for (u32 r = 0; r < rounds; r++) {
		speed[SPEED_ONE].v[speed[SPEED_ONE].n++] = openssl_speed(1);
		speed[SPEED_ALL].v[speed[SPEED_ALL].n++] = openssl_speed(cores);
		for (u32 i = 0; i < N_MODELS; i++)
			for (u32 k = 0; k < 2; k++)
				results[i][k].v[results[i][k].n++] = verify(&models[i], k);
	}
	print(speed, results);
	for (u32 i = 0; i < N_MODELS; i++)
		model_remove(i, &models[i]);
	unlink(path);
	snprintf(path, sizeof path, "%s.pub.pem", prefix);
	unlink(path);
	rmdir(dir);
	free(pem);
	return 0;
}
