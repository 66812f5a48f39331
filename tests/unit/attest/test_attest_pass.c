/* The one pass: whatever the number of threads, tasks, pieces and digests, the results are those of the plain computation; of several
 * failures the first task's is told. And the digests themselves against OpenSSL's, one message and two at once. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/internal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILES 12u

static char *dir;
static const u32 sizes[FILES] = { 0, 1, 63, 64, 65, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1,
	700001, 3 * SEGMENT_BYTES + 17, 2 * SEGMENT_BYTES, 262144 };
static struct attest_source sources[FILES];
static u8 *bytes[FILES];

static int setup(void **state)
{
	char path[600];
	dir = helper_tmp();
	u64 x = 88172645463325252;
	for (u32 i = 0; i < FILES; i++) {
		bytes[i] = malloc(sizes[i] + 1);
		for (u32 k = 0; k < sizes[i]; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			bytes[i][k] = (u8)x;
		}
		snprintf(sources[i].path, sizeof sources[i].path, "f%u", i);
		snprintf(path, sizeof path, "%s/f%u", dir, i);
		helper_write(path, bytes[i], sizes[i]);
		sources[i].fd = open(path, O_RDONLY | O_CLOEXEC);
		sources[i].bytes = sizes[i];
		assert_true(sources[i].fd >= 0);
	}
	return 0;
}

static int teardown(void **state)
{
	for (u32 i = 0; i < FILES; i++) {
		free(bytes[i]);
		close(sources[i].fd);
	}
	helper_rm(dir);
	return 0;
}

/* By OpenSSL alone. */
static void plain(u32 type, const u8 *p, size_t len, u8 *ret)
{
	const EVP_MD *md = type == HASH_BLAKE2B ? EVP_blake2b512() : EVP_sha256();
	assert_int_equal(EVP_Digest(p, len, ret, NULL, md, NULL), 1);
}

/* ---- digests -------------------------------------------------------------------------------------------------------------- */

static void test_hash_lengths(void **state)
{
	u8 want[64], got[64];
	for (u32 type = 0; type < HASH_TYPES; type++) {
		if (type == HASH_BLAKE3)
			continue;
		for (u32 len = 0; len < 400; len++) {
			for (u32 cut = 0; cut <= len; cut += 1 + len / 7) {
				struct hash h;
				hash_init(&h, type);
				hash_update(&h, bytes[9], cut);
				hash_update(&h, bytes[9] + cut, len - cut);
				hash_final(&h, got);
				plain(type, bytes[9], len, want);
				assert_memory_equal(got, want, hash_bytes(type));
			}
		}
	}
}

/* Two at once, from every offset within a block, for lengths around the blocks. */
static void test_hash_two(void **state)
{
	u8 want[64], a[64], b[64];
	for (u32 head_a = 0; head_a < 66; head_a += 13) {
		for (u32 head_b = 0; head_b < 66; head_b += 13) {
			for (u32 len = 0; len < 300; len += 23) {
				struct hash x, y;
				hash_init(&x, HASH_SHA256);
				hash_init(&y, HASH_SHA256);
				hash_update(&x, bytes[8], head_a);
				hash_update(&y, bytes[9], head_b);
				hash_update2(&x, bytes[8] + head_a, &y, bytes[9] + head_b, len);
				hash_update2(&x, bytes[8] + head_a + len, &y, bytes[9] + head_b + len, 128);
				hash_final(&x, a);
				hash_final(&y, b);
				plain(HASH_SHA256, bytes[8], head_a + len + 128, want);
				assert_memory_equal(a, want, 32);
				plain(HASH_SHA256, bytes[9], head_b + len + 128, want);
				assert_memory_equal(b, want, 32);
			}
		}
	}
}

/* The empty message and "abc", from the algorithms' own documents. */
static void test_hash_known(void **state)
{
	static const struct {
		u32 type;
		const char *message, *digest;
	} known[] = {
		{ HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ HASH_BLAKE2B, "abc",
			"ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
			"7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923" },
		{ HASH_BLAKE3, "", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		u8 got[64];
		char hex[129];
		struct hash h;
		u32 type;
		assert_int_equal(attest_hash_of_name(hash_name(known[i].type), &type), 0);
		assert_int_equal(type, known[i].type);
		assert_int_equal(strlen(known[i].digest), 2 * hash_bytes(type));
		if (!hash_available(type)) {
			printf("%s: not in this build\n", hash_name(type));
			continue;
		}
		hash_init(&h, type);
		hash_update(&h, known[i].message, strlen(known[i].message));
		hash_final(&h, got);
		bytes_hex(got, hash_bytes(type), hex);
		assert_string_equal(hex, known[i].digest);
	}
}

/* ---- tasks ---------------------------------------------------------------------------------------------------------------- */

struct run {
	u32 type, piece;
	bool table;
	int stages[FILES];
	u8 *digests[FILES];
	u8 file[FILES][32];
	u8 (*segments[FILES])[32];
	_Atomic u32 calls[FILES];
	u32 fail_from; /* that task and the odd ones behind it are refused */
};

static void task(void *ctx, u32 i, struct pass_task *ret)
{
	struct run *r = ctx;
	*ret = (struct pass_task){ .source = &sources[i],
		.stage = r->table ? r->stages[i] : -1,
		.from = r->table ? 0 : sizes[i] / 3,
		.to = sizes[i],
		.piece_bytes = r->table ? r->piece : 0,
		.digests = r->digests[i],
		.file = r->table ? r->file[i] : NULL,
		.segments = r->table ? r->segments[i] : NULL };
}

static int done(void *ctx, u32 i, struct attest_report *report)
{
	struct run *r = ctx;
	r->calls[i]++;
	if (i >= r->fail_from && i % 2)
		return attest_reject(report, ATTEST_DIGEST, sources[i].path, "refused");
	return 0;
}

static u32 pieces(const struct run *r, u32 i)
{
	return r->table && r->piece ? DIV_UP(sizes[i], r->piece) : 1;
}

static void run_make(struct run *r)
{
	for (u32 i = 0; i < FILES; i++) {
		r->digests[i] = calloc(pieces(r, i) + 1, 64);
		r->segments[i] = calloc(sizes[i] / SEGMENT_BYTES + 1, 32);
		r->stages[i] = r->table ? memfd_create("stage", MFD_CLOEXEC) : -1;
	}
}

static void run_fini(struct run *r)
{
	for (u32 i = 0; i < FILES; i++) {
		free(r->digests[i]);
		free(r->segments[i]);
		if (r->stages[i] >= 0)
			close(r->stages[i]);
	}
}

static int run(struct run *r, u32 threads, struct attest_report *report)
{
	attest_report_init(report);
	return pass_run(&(struct pass_params){ .n = FILES,
				.hash = r->type,
				.threads = threads,
				.total = 1,
				.ctx = r,
				.task = task,
				.done = done },
		report);
}

static void check_table(const struct run *r, u32 i)
{
	u8 want[64], *staged;
	size_t len;
	plain(HASH_SHA256, bytes[i], sizes[i], want);
	assert_memory_equal(r->file[i], want, 32);
	for (u32 at = 0; at < sizes[i]; at += SEGMENT_BYTES) {
		plain(HASH_SHA256, bytes[i] + at, MIN(sizes[i] - at, SEGMENT_BYTES), want);
		assert_memory_equal(r->segments[i][at / SEGMENT_BYTES], want, 32);
	}
	assert_int_equal(fd_read_file(r->stages[i], 1u << 30, &staged, &len), 0);
	assert_int_equal(len, sizes[i]);
	assert_memory_equal(staged, bytes[i], len);
	free(staged);
}

static void check(const struct run *r)
{
	u8 want[64];
	u32 n = hash_bytes(r->type);
	for (u32 i = 0; i < FILES; i++) {
		u32 from = r->table ? 0 : sizes[i] / 3, piece = r->table && r->piece ? r->piece : sizes[i];
		assert_int_equal(r->calls[i], 1);
		for (u32 k = 0; k < pieces(r, i); k++) {
			plain(r->type, bytes[i] + from + (size_t)k * piece,
				MIN(piece, sizes[i] - from - k * piece), want);
			assert_memory_equal(r->digests[i] + (size_t)k * n, want, n);
		}
		if (r->table)
			check_table(r, i);
	}
}

static void test_results(void **state)
{
	static const u32 piece[] = { 0, 64, 700001, SEGMENT_BYTES };
	struct attest_report report;
	for (u32 threads = 1; threads <= PASS_THREADS_MAX + 1; threads += threads < 4 ? 1 : 29) {
		for (u32 type = 0; type < HASH_BLAKE3; type++) {
			for (u32 k = 0; k < 1 + ARRAY_LEN(piece); k++) {
				struct run r = { .type = type,
					.table = k > 0,
					.piece = k ? piece[k - 1] : 0,
					.fail_from = UINT32_MAX };
				run_make(&r);
				assert_int_equal(run(&r, threads, &report), 0);
				assert_int_equal(report.verdict, ATTEST_ACCEPTED);
				check(&r);
				run_fini(&r);
			}
		}
	}
}

/* Of the tasks 5, 7, 9 and 11 that are refused, 5 is told; those before it were all done. */
static void test_first_failure(void **state)
{
	struct attest_report report;
	for (u32 n = 0; n < 40; n++) {
		struct run r = { .table = n % 2, .fail_from = 4 };
		run_make(&r);
		assert_int_equal(run(&r, 1 + n % 5, &report), 1);
		assert_string_equal(report.object, "f5");
		for (u32 i = 0; i <= 5; i++)
			assert_int_equal(r.calls[i], 1);
		run_fini(&r);
	}
}

/* A source that is shorter or longer than was said is refused, whoever reads it; a stage that takes nothing decides nothing. */
static void test_wrong_length(void **state)
{
	struct attest_report report;
	for (u32 n = 0; n < 16; n++) {
		struct run r = { .table = n % 2, .fail_from = UINT32_MAX };
		run_make(&r);
		sources[9].bytes += n % 4 < 2 ? 1 : -1u;
		assert_int_equal(run(&r, 1 + n % 5, &report), 1);
		assert_string_equal(report.code, "changed");
		assert_string_equal(report.object, "f9");
		sources[9].bytes = sizes[9];
		run_fini(&r);
	}
	struct run r = { .table = true, .fail_from = UINT32_MAX };
	run_make(&r);
	close(r.stages[7]);
	r.stages[7] = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int want = r.stages[7] < 0 ? -EBADF : -ESPIPE; /* pwrite to a device that has no place */
	int got = run(&r, 3, &report);
	assert_true(got == want || got == -ENOSPC);
	assert_string_equal(report.object, "f7");
	run_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hash_lengths),
		cmocka_unit_test(test_hash_two), cmocka_unit_test(test_hash_known),
		cmocka_unit_test(test_results), cmocka_unit_test(test_first_failure),
		cmocka_unit_test(test_wrong_length) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
