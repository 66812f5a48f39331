/* Every vector of tests/vectors has the verdict that expected.tsv documents, and every reason that a file can provoke is there. */
#define _GNU_SOURCE
#include "helper.h"
#include "attest/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool provoked[128];

static void note(const struct attest_report *r)
{
	assert_true(r->reason < ARRAY_LEN(provoked));
	provoked[r->reason] = true;
}

/* Calls row for every line of dir/expected.tsv with its fields. */
static u32 each_line(const char *dir, u32 n_fields, void (*row)(const char *dir, char **fields))
{
	char path[512], *line = NULL, *fields[4];
	size_t cap = 0;
	u32 n = 0;
	snprintf(path, sizeof path, "%s/expected.tsv", dir);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (getline(&line, &cap, f) > 0) {
		if (line[0] == '#')
			continue;
		char *at = line;
		line[strcspn(line, "\n")] = 0;
		for (u32 i = 0; i < n_fields; i++)
			fields[i] = strsep(&at, "\t");
		assert_null(at);
		row(dir, fields);
		n++;
	}
	free(line);
	fclose(f);
	return n;
}

static void oms_row(const char *dir, char **f)
{
	char bundle[512], model[512];
	struct proto_key keys[4];
	struct attest_report report;
	u32 n = helper_keys(dir, f[2], keys, ARRAY_LEN(keys));
	snprintf(bundle, sizeof bundle, "%s/%s", dir, f[0]);
	snprintf(model, sizeof model, "%s/%s", dir, f[1]);
	const char *code = helper_verify(bundle, model, keys, n, &report, NULL);
	if (strstr(f[0], "blake3") && !hash_available(HASH_BLAKE3)) {
		assert_string_equal(code, "hash-type");
		return;
	}
	if (strcmp(code, f[3]))
		fail_msg("%s over %s: %s (%s: %s), documented is %s", f[0], f[1], code, report.object,
			report.detail, f[3]);
	assert_int_equal(!strncmp(f[0], "good-", 5), report.verdict == ATTEST_ACCEPTED);
	if (report.verdict == ATTEST_ACCEPTED)
		assert_string_equal(report.signer, !strcmp(f[2], "p256,p384,p521") ? "p384" : f[2]);
	note(&report);
}

static void gguf_row(const char *dir, char **f)
{
	char path[512];
	struct attest_report report;
	snprintf(path, sizeof path, "%s/%s", dir, f[0]);
	const char *code = helper_layout(path, &report, NULL);
	if (strcmp(code, f[1]))
		fail_msg("%s: %s (%s: %s), documented is %s", f[0], code, report.object, report.detail, f[1]);
	assert_int_equal(!strncmp(f[0], "good-", 5), report.verdict == ATTEST_ACCEPTED);
	note(&report);
}

static void test_oms(void **state)
{
	assert_true(each_line(KEEP_VECTORS "/oms", 4, oms_row) > 100);
}

static void test_gguf(void **state)
{
	assert_true(each_line(KEEP_VECTORS "/gguf", 2, gguf_row) > 100);
}

/* Of each reason of a header a vector that generate.py made by one edit, and the model that it is without it. */
static const struct {
	u32 reason;
	const char *bad, *twin;
} twins[] = {
	{ ATTEST_GGUF_NONE, "bad-no-gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_MAGIC, "bad-magic.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_VERSION, "bad-version-2.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TRUNCATED, "bad-cut-in-head.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_LIMIT, "bad-count-tensors.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_KEY, "bad-key-long.gguf", "good-key-255.gguf" },
	{ ATTEST_GGUF_VALUE, "bad-layers-float.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_MISSING_KEY, "bad-no-tokens.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_ARCHITECTURE, "bad-architecture.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_EXPERTS, "bad-experts.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_HYPERPARAMETER, "bad-layers-0.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TENSOR_NAME, "bad-tensor-name-64.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TENSOR_TYPE, "bad-norm-f16.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TENSOR_SHAPE, "bad-shape.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TENSOR_MISSING, "bad-tensor-missing.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TENSOR_EXTRA, "bad-tensor-extra.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_ALIGNMENT, "bad-offset-unaligned.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_OFFSET, "bad-file-short.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_OVERLAP, "bad-overlap.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_SPLIT, "bad-split-same-no", "good-split-3" },
	{ ATTEST_GGUF_TOKENIZER, "bad-tokenizer.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_PRE_TOKENIZER, "bad-pre-tokenizer.gguf", "good-bpe.gguf" },
	{ ATTEST_GGUF_VOCAB, "bad-scores-short.gguf", "good-f32.gguf" },
	{ ATTEST_GGUF_TEMPLATE, "bad-template-not-utf8.gguf", "good-f32.gguf" },
};

static void test_twins(void **state)
{
	struct attest_report report;
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i), n = 0;
		for (size_t k = 0; k < ARRAY_LEN(twins); k++)
			n += twins[k].reason == reason;
		if (n != (reason >= ATTEST_GGUF_NONE && reason <= ATTEST_GGUF_TEMPLATE ? 1 : 0))
			fail_msg("%s has %u twins", attest_reason_code(reason), n);
	}
	for (size_t i = 0; i < ARRAY_LEN(twins); i++) {
		char path[512];
		snprintf(path, sizeof path, KEEP_VECTORS "/gguf/%s", twins[i].bad);
		assert_string_equal(helper_layout(path, &report, NULL), attest_reason_code(twins[i].reason));
		snprintf(path, sizeof path, KEEP_VECTORS "/gguf/%s", twins[i].twin);
		assert_string_equal(helper_layout(path, &report, NULL), "accepted");
	}
}

/* Reasons that no file at rest can provoke; other tests do. */
static const u32 elsewhere[] = { ATTEST_SIZE_LIMIT, ATTEST_KEY, ATTEST_SYMLINK, ATTEST_SPECIAL_FILE,
	ATTEST_CHANGED, ATTEST_EMPTY_FILE, ATTEST_SEGMENTS,
	/* test_attest_transfer makes archives */
	ATTEST_TRANSFER,
	/* test_attest_chain makes a chain for each */
	ATTEST_CERTIFICATE, ATTEST_CHAIN, ATTEST_EXPIRED, ATTEST_NOT_YET, ATTEST_EKU, ATTEST_KEY_USAGE,
	ATTEST_WEAK_KEY, ATTEST_WEAK_HASH, ATTEST_PATH_LENGTH, ATTEST_NAME_CONSTRAINT,
	ATTEST_CRITICAL_EXTENSION, ATTEST_REVOKED, ATTEST_CRL, ATTEST_CRL_STALE, ATTEST_CRL_MISSING,
	ATTEST_IDENTITY, ATTEST_TIMESTAMP, ATTEST_TRUSTED_ROOT, ATTEST_LOG_UNKNOWN, ATTEST_LOG_PROOF,
	ATTEST_LOG_PROMISE, ATTEST_LOG_ENTRY, ATTEST_SCT, ATTEST_SIGNING_TIME,
	/* test_attest_policy holds a policy to each */
	ATTEST_POLICY, ATTEST_SIGNERS, ATTEST_DENIED, ATTEST_LICENCE, ATTEST_SEQUENCE, ATTEST_COSIGNED,
	ATTEST_TRUST_ROOT };

static void test_all_reasons(void **state)
{
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i);
		bool other = false;
		for (size_t k = 0; k < ARRAY_LEN(elsewhere); k++)
			other |= elsewhere[k] == reason;
		if (!provoked[reason] && !other)
			fail_msg("no vector provokes %s", attest_reason_code(reason));
		assert_true(strlen(attest_reason_code(reason)) < sizeof((struct attest_report *)0)->code);
	}
}

/* keep-verify(1) lists every reason once, with the sentence of the table. */
static void test_man_page(void **state)
{
	struct attest_blob b = helper_read(KEEP_MAN "/keep-verify.1");
	char *page = strndup((const char *)b.data, b.len);
	u32 n = 0, listed = 0;
	assert_non_null(page);
	const char *list = strstr(page, ".Sh REASONS"), *end = list ? strstr(list, ".Sh EXIT STATUS") : NULL;
	assert_non_null(end);
	for (const char *at = list; (at = strstr(at, "\n.It Cm ")) && at < end; at++)
		listed++;
	for (; attest_reason_at(n); n++) {
		char want[400];
		u32 reason = attest_reason_at(n);
		snprintf(want, sizeof want, "\n.It Cm %s\n%s\n", attest_reason_code(reason),
			attest_reason_text(reason));
		const char *at = strstr(list, want);
		if (!at || at > end)
			fail_msg("keep-verify.1 does not list %s: %s", attest_reason_code(reason),
				attest_reason_text(reason));
	}
	assert_int_equal(listed, n);
	free(page);
	attest_blob_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_oms), cmocka_unit_test(test_gguf),
		cmocka_unit_test(test_twins), cmocka_unit_test(test_all_reasons),
		cmocka_unit_test(test_man_page) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
