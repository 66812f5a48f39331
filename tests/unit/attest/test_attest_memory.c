/* The memory of a verdict: it does not grow with the model, and with a bundle by a stated multiple. Each is the peak resident set
 * (VmHWM) of a process that does nothing else: this program again, with arguments.
 *
 *   test_attest_memory            runs the tests
 *   test_attest_memory BUNDLE MODEL PUB.pem    judges, and prints its own peak in bytes */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB	  (1ull << 20)
#define FIXED_MAX (64 * MIB)
#define PER_BUNDLE \
	16u /* bytes for each byte of the bundle: its text, the JSON of it, the statement, the JSON of that, the list */
#define SPARSE_FILES 4u
#define SPARSE_BYTES (256 * MIB)
#define SHARD_LIST   (16 * MIB) /* a file of SHARDS_MAX shards of 64 bytes */

static char *dir;

static u64 peak_of_this(void)
{
	char line[256];
	u64 kib = 0;
	FILE *f = fopen("/proc/self/status", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, "VmHWM:", 6))
			kib = strtoull(line + 6, NULL, 10);
	fclose(f);
	return kib << 10;
}

/* As `keep verify` does it. */
static int judge(const char *bundle, const char *model, const char *pub)
{
	struct attest_report report;
	struct proto_key key;
	u8 *pem;
	size_t len;
	_cleanup_fd_ int fd = open(pub, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_file(fd, KEY_PEM_BYTES_MAX, &pem, &len) ||
		attest_key_parse(pem, len, &key, &report))
		return 2;
	const char *code = helper_verify_once(bundle, model, &key, 1, &report);
	printf("%s %llu\n", code, (unsigned long long)peak_of_this());
	return 0;
}

static u64 verdict_peak(const char *bundle, const char *model, const char *pub)
{
	char command[3000], code[64] = "";
	unsigned long long peak = 0;
	snprintf(command, sizeof command, "exec /proc/%d/exe %s %s %s", getpid(), bundle, model, pub);
	FILE *p = popen(command, "re");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%63s %llu", code, &peak), 2);
	assert_int_equal(pclose(p), 0);
	assert_string_equal(code, "accepted");
	assert_true(peak > 0);
	return peak;
}

static void make(const char *name, u32 n, u64 bytes)
{
	char path[700];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	for (u32 i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s/f%u", dir, name, i);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
		close(fd);
	}
}

static u64 sign_and_judge(const char *name, u64 shard_bytes, size_t *ret_bundle)
{
	char prefix[600], path[700], bundle[700];
	struct proto_key key;
	struct attest_tree tree;
	struct attest_report report;
	struct attest_blob b;
	snprintf(prefix, sizeof prefix, "%s/%s-key", dir, name);
	assert_int_equal(attest_keygen(prefix, 256, &key), 0);
	snprintf(path, sizeof path, "%s.key.pem", prefix);
	struct attest_blob pem = helper_read(path);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	snprintf(bundle, sizeof bundle, "%s/%s.sig", dir, name);
	struct attest_tree_params t = { .path = path };
	assert_int_equal(attest_tree_open(&t, &tree, &report), 0);
	struct attest_sign_params s = {
		.tree = &tree, .key_pem = pem.data, .key_len = pem.len, .shard_bytes = shard_bytes
	};
	assert_int_equal(attest_sign(&s, &b, &report), 0);
	helper_write(bundle, b.data, b.len);
	*ret_bundle = b.len;
	attest_blob_fini(&b);
	attest_blob_fini(&pem);
	attest_tree_fini(&tree);
	snprintf(prefix, sizeof prefix, "%s/%s-key.pub.pem", dir, name);
	return verdict_peak(bundle, path, prefix);
}

/* A gigabyte of holes, hashed by as many threads as this machine gives. */
static void test_large_model(void **state)
{
	size_t len;
	make("large", SPARSE_FILES, SPARSE_BYTES);
	u64 peak = sign_and_judge("large", 0, &len);
	printf("a model of %llu MiB: %llu KiB\n", SPARSE_FILES * SPARSE_BYTES / MIB,
		(unsigned long long)(peak >> 10));
	assert_true(peak < FIXED_MAX);
}

/* As many shards as a list may have. */
static void test_large_list(void **state)
{
	size_t len;
	make("list", 1, SHARD_LIST);
	u64 peak = sign_and_judge("list", SHARD_LIST / SHARDS_MAX, &len);
	printf("a bundle of %zu MiB with %u shards: %llu MiB, %.1f times its size\n", len >> 20, SHARDS_MAX,
		(unsigned long long)(peak / MIB), (double)peak / (double)len);
	assert_true(peak < FIXED_MAX + PER_BUNDLE * len);
}

/* A stranger's JSON, before anybody has verified anything: as many of the most expensive values as the text may hold. */
static void test_hostile_bundle(void **state)
{
	char path[600], model[600], command[3000], code[64] = "";
	unsigned long long peak = 0;
	size_t n = 4 * MIB / 16;
	for (u32 dense = 0; dense < 2; dense++) {
		size_t len = 0, cap = n * 33 + 64;
		char *text = malloc(cap);
		len += (size_t)snprintf(text, cap, "{\"x\":[");
		for (size_t i = 0; i < n; i++)
			len += (size_t)snprintf(text + len, cap - len, "%s",
				dense ? "[],[],[],[],[]," : "{\"k\":1},                        ");
		len += (size_t)snprintf(text + len, cap - len, "{}]}");
		snprintf(path, sizeof path, "%s/hostile%u.sig", dir, dense);
		helper_write(path, text, len);
		free(text);
		snprintf(model, sizeof model, "%s/large", dir);
		snprintf(command, sizeof command, "exec /proc/%d/exe %s %s %s/large-key.pub.pem", getpid(),
			path, model, dir);
		FILE *p = popen(command, "re");
		assert_non_null(p);
		assert_int_equal(fscanf(p, "%63s %llu", code, &peak), 2);
		assert_int_equal(pclose(p), 0);
		assert_string_equal(code, dense ? "size-limit" : "field");
		printf("%zu bytes of %s: %llu MiB, %.1f times\n", len, dense ? "[]," : "objects", peak / MIB,
			(double)peak / (double)len);
		assert_true(peak < FIXED_MAX + PER_BUNDLE * len);
	}
}

static int setup(void **state)
{
	dir = helper_tmp();
	return 0;
}

static int teardown(void **state)
{
	helper_rm(dir);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return attest_prepare() ? 2 : judge(argv[1], argv[2], argv[3]);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("skipped: a sanitizer's memory is not ours\n");
	return 77;
#endif
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_large_model),
		cmocka_unit_test(test_large_list), cmocka_unit_test(test_hostile_bundle) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
