/* Statements one past their limits, the base64 of bundles, and what reports say of strangers' words. */
#include "helper.h"
#include "attest/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A statement with n ignore paths, or n shards of one byte. */
static int statement_with(u32 n_ignore, u32 n_shards, u64 shard_size, struct attest_report *report)
{
	char *text, *at;
	size_t cap = 4096 + (size_t)n_ignore * 16 + (size_t)n_shards * 160;
	struct sha256 h;
	u8 one[SHA256_BYTES], root[SHA256_BYTES];
	char hex[65], root_hex[65];
	sha256_of("x", 1, one);
	bytes_hex(one, sizeof one, hex);
	sha256_init(&h);
	for (u32 i = 0; i < n_shards; i++)
		sha256_update(&h, one, sizeof one);
	sha256_final(&h, root);
	bytes_hex(root, sizeof root, root_hex);
	text = at = malloc(cap);
	at += sprintf(at,
		"{\"_type\":\"" STATEMENT_TYPE
		"\",\"subject\":[{\"name\":\"m\",\"digest\":{\"sha256\":\"%s\"}}],"
		"\"predicateType\":\"" PREDICATE_TYPE
		"\",\"predicate\":{\"serialization\":{\"method\":\"shards\",\"shard_size\":%llu,"
		"\"hash_type\":\"sha256\",\"allow_symlinks\":true,\"ignore_paths\":[",
		root_hex, (unsigned long long)shard_size);
	for (u32 i = 0; i < n_ignore; i++)
		at += sprintf(at, "%s\"i%u\"", i ? "," : "", i);
	at += sprintf(at, "]},\"resources\":[");
	for (u32 i = 0; i < n_shards; i++)
		at += sprintf(at, "%s{\"name\":\"w:%u:%u\",\"algorithm\":\"sha256\",\"digest\":\"%s\"}",
			i ? "," : "", i, i + 1, hex);
	at += sprintf(at, "]}}");
	struct attest_manifest *m = NULL;
	attest_report_init(report);
	int r = statement_parse(text, (size_t)(at - text), &m, report);
	attest_manifest_free(m);
	free(text);
	return r;
}

static void test_statement_limits(void **state)
{
	struct attest_report report;
	assert_int_equal(statement_with(IGNORE_PATHS_MAX, 1, 1, &report), 0);
	assert_int_equal(statement_with(IGNORE_PATHS_MAX + 1, 1, 1, &report), 1);
	assert_int_equal(report.reason, ATTEST_IGNORE_PATH);
	assert_int_equal(statement_with(0, SHARDS_MAX, 1, &report), 0);
	assert_int_equal(statement_with(0, SHARDS_MAX + 1, 1, &report), 1);
	assert_int_equal(report.reason, ATTEST_FILE_LIMIT);
}

static void test_shard_limit(void **state)
{
	struct attest_report report;
	assert_int_equal(statement_with(0, 1, SHARD_BYTES_MAX, &report), 0);
	assert_int_equal(statement_with(0, 1, SHARD_BYTES_MAX + 1, &report), 1);
	assert_int_equal(report.reason, ATTEST_SERIALIZATION);
}

static void test_base64(void **state)
{
	for (size_t n = 0; n < 300; n++) {
		u8 data[300], *back;
		size_t len;
		for (size_t i = 0; i < n; i++)
			data[i] = (u8)(i * 7 + n);
		char *text = base64_encode(data, n);
		assert_int_equal(base64_decode(text, strlen(text), &back, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
		free(back);
		free(text);
	}
	static const char *const bad[] = { "A", "AA", "AAA", "A===", "====", "AA=A",
		"AB==", "AAB=", "AAAA=", "AAAA\n", " AAA", "AA-_", "AA==AA==" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		u8 *back;
		size_t len;
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &back, &len), 1);
	}
}

/* Reports are printed: what strangers wrote in them must be harmless. */
static void test_report_text(void **state)
{
	struct attest_report r;
	char object[2000];
	attest_report_init(&r);
	memset(object, 'x', sizeof object);
	object[sizeof object - 1] = 0;
	attest_reject(&r, ATTEST_PATH, object, "%s", object);
	assert_int_equal(strlen(r.object), PATH_LEN_MAX);
	attest_reject(&r, ATTEST_PATH, "a\x1b[2Jb\xff\xc3", "two\nlines");
	assert_string_equal(r.object, "a?[2Jb??");
	assert_string_equal(r.detail, "two?lines");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_statement_limits),
		cmocka_unit_test(test_shard_limit), cmocka_unit_test(test_base64),
		cmocka_unit_test(test_report_text) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
