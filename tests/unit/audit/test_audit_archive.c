/* An archive: a period of a log that verifies by itself, and in which no byte can be another one. */
#define _GNU_SOURCE
#include "audit/tlog/archive.h"
#include "audit/tlog/checkpoint.h"
#include "base/fd.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ENTRIES 700u /* two bundles and a part of a third */

static char root[64];
static struct note_key key;
static struct tlog_policy *policy;

static size_t entry(u64 i, char out[64])
{
	return (size_t)snprintf(out, 64, "{\"v\":1,\"index\":%llu}", (unsigned long long)i);
}

static struct merkle_hash leaf(u64 i)
{
	char text[64];
	return tlog_merkle_leaf(text, entry(i, text));
}

static struct merkle_hash root_of(u64 from, u64 to)
{
	struct merkle m = { 0 };
	for (u64 i = from; i < to; i++) {
		struct merkle_hash h = leaf(i);
		tlog_merkle_add(&m, &h);
	}
	return tlog_merkle_root(&m);
}

static void note_of(u64 size, char out[1024])
{
	char text[512];
	struct merkle_hash r = root_of(0, size);
	tlog_checkpoint_text(key.name, size, &r, text, sizeof text);
	assert_int_equal(tlog_note_sign(&key, text, out, 1024), 0);
}

/* An archive of from..to-1 below root, as the command line writes it. */
static void write_archive(const char *name, struct archive_range want, char path[96])
{
	struct tiles_dir d;
	char why[128], text[ARCHIVE_TEXT_MAX], note[1024];
	struct archive_range r = tlog_archive_round(want, ENTRIES);
	snprintf(path, 96, "%s/%s", root, name);
	assert_int_equal(tlog_tiles_open(path, &key, &d, why, sizeof why), 0);
	for (u64 n = 0; n < ENTRIES;) {
		char e[64];
		u64 end = MIN(n + TILE_WIDTH, (u64)ENTRIES);
		struct merkle_hash h = root_of(n, end);
		if (n >= r.from && n < r.to)
			for (; n < end; n++)
				assert_int_equal(tlog_tiles_add(&d, e, entry(n, e)), 0);
		else if (end - n == TILE_WIDTH)
			assert_int_equal(tlog_tiles_skip(&d, &h), 0);
		else
			for (u64 i = n; i < end; i++) {
				h = leaf(i);
				assert_int_equal(tlog_tiles_leaf(&d, &h), 0);
			}
		n = end;
	}
	tlog_archive_text(&r, text);
	assert_int_equal(tlog_tiles_put(&d, ARCHIVE_FILE, text, strlen(text)), 0);
	assert_int_equal(tlog_tiles_put(&d, "policy", "quorum none\n", 12), 0);
	note_of(ENTRIES, note);
	assert_int_equal(tlog_tiles_finish(&d, note, strlen(note)), 0);
	tlog_tiles_close(&d);
}

static int fsck(const char *path, struct fsck_result *ret)
{
	return tlog_fsck(&(struct fsck_params){ path, policy, NULL, 0, NULL }, ret);
}

static int make(void **state)
{
	char vkey[NOTE_VKEY_MAX], text[NOTE_VKEY_MAX + 64], why[160];
	strcpy(root,
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-archive.XXXXXX" : "/tmp/keep-archive.XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &key), 0);
	tlog_note_vkey(&key, vkey, sizeof vkey);
	snprintf(text, sizeof text, "log %s\nquorum none\n", vkey);
	return tlog_policy_read(text, strlen(text), &policy, why, sizeof why);
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static int clean(void **state)
{
	tlog_policy_free(&policy);
	return nftw(root, rm, 16, FTW_DEPTH | FTW_PHYS);
}

/* Every range verifies, says what it holds, and holds nothing else. */
static void ranges(void **state)
{
	static const struct {
		struct archive_range want, is;
	} cases[] = {
		{ { 0, ENTRIES }, { 0, ENTRIES } },
		{ { 0, 1 }, { 0, 256 } },
		{ { 300, 400 }, { 256, 512 } },
		{ { 255, 257 }, { 0, 512 } },
		{ { 600, 601 }, { 512, ENTRIES } },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fsck_result res;
		char name[16], path[96], why[128];
		u8 sums[SHA256_BYTES], again[SHA256_BYTES];
		snprintf(name, sizeof name, "range%zu", i);
		write_archive(name, cases[i].want, path);
		assert_int_equal(tlog_archive_sums(path, sums, why, sizeof why), 0);
		if (fsck(path, &res))
			fail_msg("%s: %s", name, res.why);
		assert_true(res.archive);
		assert_int_equal(res.from, cases[i].is.from);
		assert_int_equal(res.to, cases[i].is.to);
		assert_int_equal(tlog_archive_sums(path, again, why, sizeof why), 0);
		assert_memory_equal(sums, again, sizeof sums);
	}
}

/* ---- tampering ---- */

static char work[96];
static u32 n_files;

static int flip_at(const char *path, off_t at)
{
	u8 b;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	bool there = pread(fd, &b, 1, at) == 1;
	b ^= 1;
	if (there)
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
	return there;
}

/* A flip at the beginning, in the middle and at the end of a file, and its absence: each is found. */
static int tamper(const char *path, const struct stat *st, int type, struct FTW *f)
{
	struct fsck_result res;
	char away[160];
	if (type != FTW_F || strstr(path, ARCHIVE_SUMS) || strstr(path, "/policy"))
		return 0;
	n_files++;
	const off_t at[] = { 0, st->st_size / 2, st->st_size - 1 };
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		flip_at(path, at[i]);
		if (fsck(work, &res) != 1)
			fail_msg("%s: byte %lld is another, and nobody noticed", path, (long long)at[i]);
		flip_at(path, at[i]);
	}
	snprintf(away, sizeof away, "%s/away", root);
	assert_int_equal(rename(path, away), 0);
	if (fsck(work, &res) != 1)
		fail_msg("%s: nobody missed it", path);
	assert_int_equal(rename(away, path), 0);
	return 0;
}

static void tampered(void **state)
{
	struct fsck_result res;
	write_archive("tampered", (struct archive_range){ 256, 512 }, work);
	assert_int_equal(nftw(work, tamper, 16, FTW_PHYS), 0);
	assert_true(n_files >= 6); /* archive, checkpoint, a bundle, its leaves, the last leaves, level 1 */
	assert_int_equal(fsck(work, &res), 0);
}

static void put(const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof path, "%s/%s", work, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* The file that says what is here has one spelling, and must be right. */
static void said(void **state)
{
	static const char *const bad[] = { "", "keep archive v1\n", "keep archive v1\nfrom 256\nto 512",
		"keep archive v1\nfrom 0256\nto 512\n", "keep archive v1\nfrom 256\nto 512\n\n",
		"keep archive v2\nfrom 256\nto 512\n", "keep archive v1\nto 512\nfrom 256\n",
		"keep archive v1\nfrom 512\nto 512\n", "keep archive v1\nfrom 256\nto 500\n",
		"keep archive v1\nfrom 0\nto 512\n", "keep archive v1\nfrom 256\nto 700\n",
		"keep archive v1\nfrom 256\nto 1024\n" };
	struct fsck_result res;
	struct archive_range r;
	write_archive("said", (struct archive_range){ 256, 512 }, work);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put(ARCHIVE_FILE, bad[i]);
		if (fsck(work, &res) != 1)
			fail_msg("\"%s\" was believed", bad[i]);
	}
	put(ARCHIVE_FILE, "keep archive v1\nfrom 256\nto 512\n");
	assert_int_equal(fsck(work, &res), 0);
	assert_int_equal(tlog_archive_read("keep archive v1\nfrom 256\nto 512\n", 32, &r), 0);
	assert_true(r.from == 256 && r.to == 512);
	put("tile/0/000", "x"); /* of a bundle that is not here */
	assert_int_equal(fsck(work, &res), 1);
	assert_non_null(strstr(res.why, "not of the archive's range"));
}

/* Older checkpoints are compared where the archive can: at the ends of bundles, and inside of its range. */
static void older(void **state)
{
	static const struct {
		u64 size;
		int want;
	} cases[] = { { 256, 0 }, { 300, 0 }, { 512, 0 }, { 600, 0 }, { 100, 1 } };
	write_archive("older", (struct archive_range){ 256, 512 }, work);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char note[1024];
		struct fsck_result res;
		note_of(cases[i].size, note);
		struct fsck_older o = { .name = "older", .note = note, .len = strlen(note) };
		int r = tlog_fsck(&(struct fsck_params){ work, policy, &o, 1, NULL }, &res);
		if (r != cases[i].want)
			fail_msg("%llu: %s", (unsigned long long)cases[i].size, res.why);
	}
}

/* What belongs to no archive is not summed up; what is can be checked with other people's tools. */
static void sums(void **state)
{
	char why[128], path[160];
	u8 digest[SHA256_BYTES];
	write_archive("sums", (struct archive_range){ 0, 256 }, work);
	put("readme", "x");
	assert_int_equal(tlog_archive_sums(work, digest, why, sizeof why), 1);
	assert_non_null(strstr(why, "readme"));
	snprintf(path, sizeof path, "%s/readme", work);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(tlog_archive_sums(work, digest, why, sizeof why), 0);
	snprintf(path, sizeof path, "cd %s && sha256sum --quiet -c SHA256SUMS", work);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(tampered),
		cmocka_unit_test(said),
		cmocka_unit_test(older),
		cmocka_unit_test(sums),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make, clean);
}
